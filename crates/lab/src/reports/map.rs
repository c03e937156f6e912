//! The maps of the features that were kept with the run.

use twinlens_report::{Atlas, AtlasInput, Block, Colouring, Section, Sprite};

use super::Extras;
use super::conditions::best_by_protocol;
use super::run_view::RunView;
use crate::maps::{FeatureMap, which_images};
use crate::{LabError, Verdict};

/// The interactive maps of a run.
pub(super) fn section(run: &RunView, extras: &mut Extras) -> Result<Section, LabError> {
    let mut blocks = Vec::new();
    for (number, verdict) in run.maps.iter().filter(|verdict| run.is_own(verdict)).enumerate() {
        let atlas = Atlas::new(input(run, verdict))?;
        let name = if number == 0 { "map".to_owned() } else { format!("map-{}", number + 1) };
        extras.plot(&name, atlas.still());
        blocks.push(Block::Atlas(Box::new(atlas)));
    }
    Ok(Section::new("Map of the features", blocks))
}

fn input(run: &RunView, verdict: &Verdict<FeatureMap>) -> AtlasInput {
    let map = &verdict.outcome;
    let split = verdict.text("split").unwrap_or("all");
    let seed = verdict.seeds.get("images").map_or(0, |seed| *seed);
    let which = which_images(map.images.len(), map.of, seed);
    AtlasInput {
        title: format!("Images of {split} by the {}", verdict.subject.title()),
        caption: format!(
            "{} of the features of {which} images. {} Labels and predictions colour the points and had no part in \
             it. Nearest images are those with the most similar features (cosine), not those nearest on the map.",
            map.layout, map.reading
        ),
        alt: format!("A scatter plot of {} images by their features, coloured by class.", map.images.len()),
        noun: if split == "all" { "image".to_owned() } else { format!("{split} image") },
        frames: map.frames.clone(),
        colourings: colourings(run, split, map),
        sprite: map
            .thumbnails
            .zip(verdict.exhibit("jpg"))
            .map(|(layout, jpeg)| Sprite { layout, jpeg: jpeg.to_vec() }),
        images: map.images.clone(),
        names: map.rows.iter().map(|row| row.name.clone()).collect(),
    }
}

/// By label, by what each protocol predicted, and by cluster, as far as they are of these images.
fn colourings(run: &RunView, split: &str, map: &FeatureMap) -> Vec<Colouring> {
    let mut colourings: Vec<Colouring> = map.labels.iter().cloned().collect();
    let mut add = |name: String, categories: Vec<String>, all: &[usize]| {
        if all.len() == map.of {
            let values = map.images.iter().map(|&image| all.get(image).copied()).collect();
            colourings.push(Colouring { name, categories, values });
        }
    };
    for (condition, _) in best_by_protocol(&run.conditions) {
        let (protocol, outcome) = (&condition.first().protocol, &condition.first().outcome);
        if let Some(split) = outcome.split(split) {
            add(format!("predicted by {protocol}"), outcome.classes.clone(), &split.predictions);
            let right: Vec<usize> =
                split.predictions.iter().zip(&split.labels).map(|(a, b)| usize::from(a != b)).collect();
            add(format!("{protocol} right or wrong"), vec!["right".to_owned(), "wrong".to_owned()], &right);
        }
    }
    for verdict in run.clusters.iter().filter(|verdict| run.is_own(verdict)) {
        if verdict.text("split") == Some(split) {
            let found = &verdict.outcome;
            let categories = (1..=found.clusters.len()).map(|number| format!("cluster {number}")).collect();
            add(format!("cluster, k = {}", found.k), categories, &found.assignments);
        }
    }
    colourings
}
