//! `retrieval`: are the images nearest to an image of its class? See [`twinlens_eval::retrieval`].

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use twinlens_data::{ImageSource, Split};
use twinlens_eval::Judgement;
use twinlens_eval::retrieval::{RetrievalExample, RetrievalProtocol};
use twinlens_report::{MontageRow, Picture, cell_for, montage};

use super::{Needs, Protocol, wrapped};
use crate::error::Unheeded;
use crate::outcome::Outcome;
use crate::verdict::plain;
use crate::{Exhibit, Judging, LabError, LabelDraw, on_screen};

/// The least side of an image on the sheet, in pixels.
const CELL: u32 = 112;

/// Which images a query is compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gallery {
    /// The other images of its split.
    #[default]
    Split,
    /// The training images.
    Train,
}

/// Settings of the retrieval protocol.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retrieval {
    /// Which images a query is compared with.
    pub gallery: Gallery,
    /// Ranks that the mAP looks at.
    pub k: usize,
    /// Queries on the sheet of neighbours.
    pub examples: usize,
    /// Nearest images beside each of these.
    pub nearest: usize,
}

impl Default for Retrieval {
    fn default() -> Retrieval {
        let RetrievalProtocol { k, examples, nearest } = RetrievalProtocol::default();
        Retrieval { gallery: Gallery::default(), k, examples, nearest }
    }
}

impl Protocol for Retrieval {
    const ID: &'static str = "retrieval";
    const SUMMARY: &'static str = "how often the images nearest to an image are of its class";
    const NEEDS: Needs = Needs::Classes;

    fn check(&self) -> Result<(), LabError> {
        Ok(self.protocol().check()?)
    }

    fn run(&self, judging: &Judging<'_>, _: u64) -> Result<Vec<Judgement<Outcome>>, LabError> {
        let mut judgement = match self.gallery {
            Gallery::Train => self.protocol().run(Some(&judging.train()?), &judging.splits()?.held_out())?,
            // Nothing is learned from training labels, so a share of them is not taken without a word.
            Gallery::Split if judging.labels != LabelDraw::ALL => {
                return Err(LabError::NotHeeded { protocol: Self::ID, what: Unheeded::Labels });
            }
            Gallery::Split => self.protocol().run(None, &judging.held_out()?)?,
        };
        judgement.asked.insert("gallery".into(), serde_json::json!(self.gallery));
        Ok(vec![wrapped(judgement, Outcome::Retrieval)])
    }

    /// A sheet of neighbours: queries, each with the images nearest to it.
    fn exhibits(judging: &Judging<'_>, found: &Judgement<Outcome>) -> Result<Vec<Exhibit>, LabError> {
        let Outcome::Retrieval(retrieval) = &found.outcome else { return Ok(Vec::new()) };
        let Some(split) = retrieval.splits.last().filter(|split| !split.examples.is_empty()) else {
            return Ok(Vec::new());
        };
        let of = |split: Option<Split>| split.and_then(|split| judging.data.splits.get(split).cloned());
        let Some(queries) = of(Split::ALL.into_iter().find(|one| one.name() == split.split)) else {
            return Ok(Vec::new());
        };
        let trained = found.asked.get("gallery").map(plain).is_some_and(|gallery| gallery == "train");
        let gallery = if trained { gallery_of_train(judging)? } else { (queries.clone(), None) };
        let rows = split.examples.iter().map(|example| sheet_row(judging, &queries, &gallery, example));
        let rows = rows.collect::<Result<Vec<_>, LabError>>()?;
        let side =
            rows.iter().flat_map(|row| &row.images).map(|image| image.width().max(image.height())).max();
        let sheet = montage(&rows, cell_for(side.unwrap_or(CELL) as usize, CELL))?;
        Ok(vec![Exhibit { extension: "png", bytes: Picture::png(&sheet)?.bytes().to_vec() }])
    }
}

/// Images, and which of them rows of a gallery are, where they are not all.
type GalleryImages = (Arc<dyn ImageSource>, Option<Vec<usize>>);

/// The training images with a label that is used.
fn gallery_of_train(judging: &Judging<'_>) -> Result<GalleryImages, LabError> {
    let missing = || LabError::NoSplit { data: judging.data.name.clone(), split: Split::Train };
    let source = judging.data.splits.train.clone().ok_or_else(missing)?;
    Ok((source, Some(judging.labels.known(judging.data)?)))
}

/// A query, then the images nearest to it, with its class on the left.
fn sheet_row(
    judging: &Judging<'_>,
    queries: &Arc<dyn ImageSource>,
    (gallery, known): &GalleryImages,
    example: &RetrievalExample,
) -> Result<MontageRow, LabError> {
    let image = |row: &usize| known.as_ref().map_or(*row, |known| known[*row]);
    let mut images = vec![on_screen(&queries.image(example.query)?)?];
    for row in &example.nearest {
        images.push(on_screen(&gallery.image(image(row))?)?);
    }
    let class = queries.label(example.query).and_then(|class| judging.data.classes.get(class));
    let right = example.right.iter().filter(|right| **right).count();
    Ok(MontageRow {
        title: class.cloned().unwrap_or_default(),
        note: format!("{right} of the next {} are of it", example.right.len()),
        images,
    })
}

impl Retrieval {
    fn protocol(&self) -> RetrievalProtocol {
        let Retrieval { k, examples, nearest, .. } = *self;
        RetrievalProtocol { k, examples, nearest }
    }
}
