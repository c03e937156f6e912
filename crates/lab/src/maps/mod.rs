//! Features laid out in the plane, and what an interactive map shows of each image.
//!
//! A [`Layout`] is a method with its settings, and a [`FeatureMap`] what a protocol says with it. A [`Canvas`] of
//! images is laid out by one encoder after the other ([`Subjects`]): a [`Series`], which is written to a [`Place`].

mod epochs;
mod files;
mod layout;
mod series;

use serde::{Deserialize, Serialize};
use twinlens_data::ImageSource;
use twinlens_eval::clustering::RowName;
use twinlens_report::{Colouring, Frame, RgbImage, SpriteLayout, thumbnail};

pub use epochs::Subjects;
pub use files::Place;
pub use layout::Layout;
pub use series::{Canvas, Method, Series, SeriesAsked};

use crate::{LabError, on_screen};

/// Images on a map, at most: beyond, neither screens nor eyes gain by more.
pub const MOST: usize = 5000;

/// The outcome of laying features out: where each image lies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FeatureMap {
    /// How they were laid out, in words.
    pub layout: String,
    /// How such a map is to be read.
    pub reading: String,
    /// The places of the images on the map among all of their split.
    pub images: Vec<usize>,
    /// How many there were to draw from.
    pub of: usize,
    /// What each is called, and its split.
    pub rows: Vec<RowName>,
    /// Where each lies, with its nearest others by features.
    pub frames: Vec<Frame>,
    /// Their labels, where there are any.
    pub labels: Option<Colouring>,
    /// Where their thumbnails are in the picture beside the verdict.
    pub thumbnails: Option<SpriteLayout>,
}

/// How many of the images are on a map, in words; `seed` says which, where not all are.
pub fn which_images(images: usize, of: usize, seed: u64) -> String {
    match images == of {
        true => format!("all {of}"),
        false => format!("{images} of {of} (drawn with seed {seed})"),
    }
}

/// The labels of images as a colouring; `None` where no image has one.
pub fn labels_of(source: &dyn ImageSource, classes: &[String], images: &[usize]) -> Option<Colouring> {
    let values: Vec<Option<usize>> = images.iter().map(|&image| source.label(image)).collect();
    let some = values.iter().any(Option::is_some);
    some.then(|| Colouring { name: "label".to_owned(), categories: classes.to_vec(), values })
}

/// Small pictures of images.
///
/// # Errors
/// Images that cannot be read.
pub fn thumbnails(source: &dyn ImageSource, images: &[usize]) -> Result<Vec<RgbImage>, LabError> {
    images.iter().map(|&image| Ok(thumbnail(&on_screen(&source.image(image)?)?))).collect()
}
