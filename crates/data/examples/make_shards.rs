//! Writes the training images of a data set, over and over, as WebDataset's tar shards of a thousand JPEGs of one size: a set as
//! large as one likes, to try what streams.
//!
//! `cargo run --release -p twinlens-data --example make_shards -- IN OUT_FOLDER IMAGES SIDE`

use std::error::Error;
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use image::codecs::jpeg::JpegEncoder;
use image::imageops::{FilterType, resize};
use image::{GrayImage, RgbImage};
use tar::{Builder, Header};
use twinlens_data::{Image, OpenOptions, Pixels, open};

/// Images in a shard.
const SHARD: usize = 1000;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [input, output, images, side] = &arguments[..] else {
        return Err("give IN OUT_FOLDER IMAGES SIDE".into());
    };
    let (images, side): (usize, u32) = (images.parse()?, side.parse()?);
    let source = open(Path::new(input), &OpenOptions::default())?.splits.train.ok_or("no training images")?;
    let files = 0..source.len().min(images);
    let files: Vec<Vec<u8>> =
        files.map(|index| encoded(source.image(index)?, side)).collect::<Result<_, Box<dyn Error>>>()?;
    let folder = Path::new(output).join("train");
    std::fs::create_dir_all(&folder)?;
    for shard in 0..images.div_ceil(SHARD) {
        let path = folder.join(format!("train-{shard:06}.tar"));
        let mut tar = Builder::new(BufWriter::new(File::create(path)?));
        for number in shard * SHARD..images.min((shard + 1) * SHARD) {
            let index = number % files.len();
            append(&mut tar, &format!("{number:08}.jpg"), &files[index])?;
            if let Some(label) = source.label(index) {
                append(&mut tar, &format!("{number:08}.cls"), label.to_string().as_bytes())?;
            }
        }
        tar.finish()?;
    }
    Ok(())
}

fn append(tar: &mut Builder<BufWriter<File>>, name: &str, bytes: &[u8]) -> Result<(), Box<dyn Error>> {
    let mut header = Header::new_ustar();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    Ok(tar.append_data(&mut header, name, bytes)?)
}

/// An image of `side` x `side` pixels as JPEG.
fn encoded(image: Image, side: u32) -> Result<Vec<u8>, Box<dyn Error>> {
    let (width, height) = (image.width as u32, image.height as u32);
    let (Pixels::U8(pixels), channels) = (image.pixels, image.channels) else {
        return Err("only 8-bit images are written".into());
    };
    let mut bytes = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut bytes, 90);
    match channels {
        1 => resize(
            &GrayImage::from_raw(width, height, pixels).ok_or("size")?,
            side,
            side,
            FilterType::Triangle,
        )
        .write_with_encoder(encoder)?,
        3 => resize(
            &RgbImage::from_raw(width, height, pixels).ok_or("size")?,
            side,
            side,
            FilterType::Triangle,
        )
        .write_with_encoder(encoder)?,
        _ => return Err("only grey and RGB images are written".into()),
    }
    Ok(bytes)
}
