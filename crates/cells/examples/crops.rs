//! Cells cut out of fields: a drawing of the first field, its first crops in a row, and a folder of all.
//!
//! `cargo run --release -p twinlens-cells --example crops -- FIELDS CHANNEL OUT [--stack]`; with `--stack` the files of the set,
//! in order, are the channels of one field.
#![allow(clippy::print_stdout, reason = "a program for people")]

use std::error::Error;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use twinlens_cells::{
    CropSettings, Detector, Finder, PictureFormat, channel_number, cut, drawn, png_bytes, shown, write_folder,
};
use twinlens_data::{
    DataError, DataSet, Image, ImageSource, OpenOptions, Pixels, Splits, each_pixel_type, open,
};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [fields, channel, out, rest @ ..] = &arguments[..] else {
        return Err("give FIELDS CHANNEL OUT".into());
    };
    let mut set = open(Path::new(fields), &OpenOptions::default())?;
    if rest.iter().any(|argument| argument == "--stack") {
        set = stacked(&set)?;
    }
    let source = set.splits.train.clone().ok_or("no fields")?;
    let field = source.stored(0)?;
    let channel = channel_number(channel, &[], field.channels)?;
    let finder = Finder::detector(Detector::default(), channel)?;
    let settings = CropSettings::default();
    let found = cut(&set, &finder, &settings, None)?;
    println!("{:?}", found.counts);
    let cells = found.set.splits.train.clone().ok_or("no cells in the first split")?;
    write_folder(&found.set, &Path::new(out).join("cells"), PictureFormat::Auto, true)?;
    let objects = finder.find(source.as_ref(), 0)?;
    let taken: Vec<u32> = found
        .cells
        .values()
        .flat_map(|cells| cells.cells())
        .filter(|cell| cell.field == 0)
        .map(|cell| cell.object)
        .collect();
    let sheet =
        drawn(&field, channel, &objects, &|at| taken.contains(&objects.numbers[at]), (1280, settings.size))?;
    fs::write(Path::new(out).join("sheet.png"), png_bytes(&sheet)?)?;
    let crops: Vec<Image> = (0..cells.len().min(6))
        .map(|at| Ok(shown(&cells.stored(at)?, channel)?))
        .collect::<Result<_, Box<dyn Error>>>()?;
    fs::write(Path::new(out).join("crops.png"), png_bytes(&in_a_row(&crops)?)?)?;
    Ok(())
}

/// The first images of all files as the channels of one.
fn stacked(set: &DataSet) -> Result<DataSet, Box<dyn Error>> {
    let source = set.splits.train.clone().ok_or("no images")?;
    let images: Vec<Image> = (0..source.len()).map(|at| source.stored(at)).collect::<Result<_, _>>()?;
    let first = images.first().ok_or("no images")?;
    let planes: Vec<Vec<f64>> = images.iter().map(|image| image.pixels.to_f64()).collect();
    let pixels =
        (0..planes[0].len()).flat_map(|at| planes.iter().map(move |plane| plane[at] as u16)).collect();
    let field = Image::new(first.height, first.width, images.len(), Pixels::U16(pixels))?;
    let train: Arc<dyn ImageSource> = Arc::new(One(field));
    let range = twinlens_data::RangeChoice::default().of(train.as_ref())?;
    Ok(DataSet { splits: Splits { train: Some(train), ..Splits::default() }, range, ..set.clone() })
}

struct One(Image);

impl ImageSource for One {
    fn len(&self) -> usize {
        1
    }

    fn image(&self, _: usize) -> Result<Image, DataError> {
        Ok(self.0.clone())
    }

    fn label(&self, _: usize) -> Option<usize> {
        None
    }

    fn name(&self, _: usize) -> String {
        "field.tif".into()
    }
}

fn in_a_row(images: &[Image]) -> Result<Image, Box<dyn Error>> {
    let first = images.first().ok_or("no cells")?;
    let mut pixels = Vec::new();
    for row in 0..first.height {
        for image in images {
            let values: Vec<u8> = each_pixel_type!(&image.pixels, values => values.iter().map(|&value| f64::from(value) as u8).collect());
            pixels.extend_from_slice(&values[row * image.width * 3..(row + 1) * image.width * 3]);
        }
    }
    Ok(Image::new(first.height, first.width * images.len(), 3, Pixels::U8(pixels))?)
}
