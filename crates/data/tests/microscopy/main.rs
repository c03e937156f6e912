//! Images as microscopes give them: channels in files of their own, tables of images, stacks, shading.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[expect(dead_code, reason = "the other tests use the rest")]
#[path = "../all/make.rs"]
mod make;

mod fields;
mod golden;
mod plates;
mod shading;

use std::path::Path;

use image::{DynamicImage, ImageBuffer, ImageFormat, Luma};
use twinlens_data::{DataSet, DataSettings, Image, ImageSource, Notice, Pixels, Split};

use crate::make::{encoded, put, with};

/// A grey picture of 16 bits in a PNG, of `[height, width]`, each of whose pixels is its number, a hundred times `seed` on.
fn grey([height, width]: [u32; 2], seed: u16) -> Vec<u8> {
    let value = |x: u32, y: u32| Luma([(y * width + x) as u16 + 100 * seed]);
    encoded(&DynamicImage::ImageLuma16(ImageBuffer::from_fn(width, height, value)), ImageFormat::Png)
}

/// A folder with such pictures of 2 x 3 pixels, numbered in this order, and other files.
fn folder(images: &[&str], others: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let numbered = images.iter().zip(0..);
    numbered.for_each(|(path, seed)| put(folder.path(), path, &grey([2, 3], seed)));
    others.iter().for_each(|(path, text)| put(folder.path(), path, text.as_bytes()));
    folder
}

fn open(path: &Path, change: impl FnOnce(&mut DataSettings)) -> DataSet {
    twinlens_data::open(path, &with(change)).unwrap()
}

fn train(set: &DataSet) -> &dyn ImageSource {
    set.splits.get(Split::Train).unwrap().as_ref()
}

/// The hundreds of the first pixel of every image: the numbers of the files that its channels are from.
fn numbers(set: &DataSet) -> Vec<Vec<u16>> {
    let source = train(set);
    let of = |image: Image| match image.pixels {
        Pixels::U16(values) => values[..image.channels].iter().map(|value| value / 100).collect(),
        other => panic!("{:?}", other.pixel_type()),
    };
    (0..source.len()).map(|index| of(source.stored(index).unwrap())).collect()
}

/// The metadata of every image, as `column=text` in the order of columns.
fn metadata(set: &DataSet) -> Vec<String> {
    let source = train(set);
    let of = |index: usize| {
        let cells = source.columns().iter().zip(source.metadata(index));
        cells.map(|(column, cell)| format!("{column}={cell}")).collect::<Vec<_>>().join(" ")
    };
    (0..source.len()).map(of).collect()
}

fn names(set: &DataSet) -> Vec<String> {
    (0..train(set).len()).map(|index| train(set).name(index)).collect()
}

fn labels(set: &DataSet) -> Vec<Option<&str>> {
    let name = |index: usize| train(set).label(index).map(|class| set.classes[class].as_str());
    (0..train(set).len()).map(name).collect()
}

#[track_caller]
fn notice<'a>(set: &'a DataSet, id: &str) -> &'a Notice {
    let found = set.notices.iter().find(|notice| notice.id == id);
    found.unwrap_or_else(|| panic!("no notice {id}: {:?}", set.notices))
}
