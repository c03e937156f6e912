//! What protocols that lay features out share.

use twinlens_eval::Judgement;
use twinlens_eval::maps::sample;
use twinlens_report::Sprite;

use crate::maps::{FeatureMap, Layout, MOST, labels_of, thumbnails};
use crate::outcome::Outcome;
use crate::{Exhibit, Judging, LabError};

/// A map of at most [`MOST`] images, drawn with `seed` where there are more, as `layout` of so many lays them out.
pub(super) fn run(
    judging: &Judging<'_>,
    seed: u64,
    layout: impl FnOnce(usize) -> Layout,
) -> Result<Judgement<Outcome>, LabError> {
    let (all, source, rows) = (judging.features()?, judging.images()?, judging.rows()?);
    let images = sample(all.rows(), MOST, seed);
    let (features, layout) = (all.subset(&images)?, layout(images.len()));
    let map = FeatureMap {
        layout: layout.name(),
        reading: layout.reading().to_owned(),
        of: all.rows(),
        rows: images.iter().filter_map(|&image| rows.get(image).cloned()).collect(),
        frames: vec![layout.frame(String::new(), &features, None)?],
        labels: labels_of(source.as_ref(), &judging.data.classes, &images),
        thumbnails: sprite(judging, &images)?.map(|sprite| sprite.layout),
        images,
    };
    let mut judgement = Judgement::new([("split", judging.part.name().into())], Outcome::Map(map));
    judgement.seeds.insert("images".into(), seed);
    Ok(judgement)
}

/// The thumbnails of the images on a map.
pub(super) fn exhibits(judging: &Judging<'_>, found: &Judgement<Outcome>) -> Result<Vec<Exhibit>, LabError> {
    let Outcome::Map(map) = &found.outcome else { return Ok(Vec::new()) };
    let sprite = sprite(judging, &map.images)?;
    Ok(sprite.into_iter().map(|sprite| Exhibit { extension: "jpg", bytes: sprite.jpeg }).collect())
}

fn sprite(judging: &Judging<'_>, images: &[usize]) -> Result<Option<Sprite>, LabError> {
    Ok(Sprite::of(&thumbnails(judging.images()?.as_ref(), images)?)?)
}
