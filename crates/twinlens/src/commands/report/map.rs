//! The map of the test images by the trained encoder's features.

use twinlens_data::{DataSet, ImageSource, Split};
use twinlens_eval::maps;
use twinlens_lab::{Subject, features, read_encoder};
use twinlens_report::{Atlas, AtlasInput, Block, Colouring, Section};

use super::conditions::best_by_protocol;
use super::seen::Seen;
use super::{Kept, absent, reason, undrawn};
use crate::commands::layout::{Layout, MOST, frame, labels_of, thumbnails};
use crate::exit::Outcome;
use crate::terminal::Terminal;

/// Test images on a map, at least.
const LEAST: usize = 16;

/// The interactive map of a run.
pub(super) fn section(seen: &Seen, kept: &mut Kept, terminal: &Terminal) -> Outcome<Section> {
    let Ok(data) = seen.data else { return Ok(absent()) };
    let without = |kept: &mut Kept, reason: String| {
        kept.warn(format!("There is no map of the features: {reason}"));
        Ok(absent())
    };
    let Some(test) = data.splits.test.as_deref() else {
        return without(kept, "the data have no test images.".to_owned());
    };
    if test.len() < LEAST {
        return without(kept, format!("{} test images are too few, it takes {LEAST}.", test.len()));
    }
    match input(seen, data, test, terminal) {
        Ok(input) => {
            let atlas = Atlas::new(input).map_err(undrawn)?;
            kept.plot("map", atlas.still());
            Ok(Section::new("Map of the features", vec![Block::Atlas(Box::new(atlas))]))
        }
        Err(failure) => without(kept, reason(&failure)),
    }
}

fn input(seen: &Seen, data: &DataSet, test: &dyn ImageSource, terminal: &Terminal) -> Outcome<AtlasInput> {
    let subject = Subject::trained(read_encoder(&seen.record.path)?);
    let all = features(&subject, data, Split::Test, &seen.computing, terminal)?;
    let images = maps::sample(all.rows(), MOST, seen.settings.common().seed);
    let features = all.subset(&images)?;
    let layout = Layout::usual(features.rows());
    let which = match images.len() == all.rows() {
        true => "all".to_owned(),
        false => {
            format!("{} of {} (drawn with seed {})", images.len(), all.rows(), seen.settings.common().seed)
        }
    };
    Ok(AtlasInput {
        title: "Test images by the trained encoder".to_owned(),
        caption: format!(
            "{} of the features of {which} test images. {} Labels and predictions colour the points and had no part in \
             it. Nearest images are those with the most similar features (cosine), not those nearest on the map.",
            layout.name(),
            layout.reading()
        ),
        alt: format!("A scatter plot of {} test images by their features, coloured by class.", images.len()),
        noun: "test image".to_owned(),
        frames: vec![frame(String::new(), layout.run(&features, None)?, &features)?],
        colourings: colourings(seen, data, test, &images),
        thumbnails: thumbnails(test, &images)?,
        images,
    })
}

/// By label, by what each protocol predicted, and by cluster, as far as they are there.
fn colourings(seen: &Seen, data: &DataSet, test: &dyn ImageSource, images: &[usize]) -> Vec<Colouring> {
    let mut colourings: Vec<Colouring> = labels_of(test, &data.classes, images).into_iter().collect();
    let mut add = |name: String, categories: Vec<String>, all: &[usize]| {
        if all.len() == test.len() {
            let values = images.iter().map(|&image| all.get(image).copied()).collect();
            colourings.push(Colouring { name, categories, values });
        }
    };
    for (condition, _) in best_by_protocol(&seen.conditions) {
        let verdict = condition.first();
        if let Some(split) = verdict.outcome.split("test") {
            add(
                format!("predicted by {}", verdict.protocol),
                verdict.outcome.classes.clone(),
                &split.predictions,
            );
            let right: Vec<usize> =
                split.predictions.iter().zip(&split.labels).map(|(a, b)| usize::from(a != b)).collect();
            let categories = vec!["right".to_owned(), "wrong".to_owned()];
            add(format!("{} right or wrong", verdict.protocol), categories, &right);
        }
    }
    for verdict in seen.clusters.iter().filter(|verdict| seen.is_own(verdict)) {
        if verdict.asked.get("split").is_some_and(|split| split == "test") {
            let categories =
                (1..=verdict.outcome.clusters.len()).map(|number| format!("cluster {number}")).collect();
            add(format!("cluster, k = {}", verdict.outcome.k), categories, &verdict.outcome.assignments);
        }
    }
    colourings
}
