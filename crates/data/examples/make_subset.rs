//! Writes a small, stratified, seeded part of a data set as an .npz with MedMNIST's array names.
//!
//! `cargo run --release -p twinlens-data --example make_subset -- IN OUT.npz TRAIN VAL TEST [SEED]`

use std::error::Error;
use std::fs::File;
use std::io::Write;
use std::path::Path;

use twinlens_data::{DataSettings, ImageSource, OpenOptions, Pixels, Split, SplitPolicy, open, take_share};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [input, output, counts @ ..] = &arguments[..] else {
        return Err("give IN OUT.npz TRAIN VAL TEST [SEED]".into());
    };
    let counts: Vec<u64> = counts.iter().map(|count| count.parse()).collect::<Result<_, _>>()?;
    let seed = counts.get(3).copied().unwrap_or(0);
    let options = OpenOptions::from(DataSettings { splits: SplitPolicy::Defined, ..DataSettings::default() });
    let set = open(Path::new(input), &options)?;
    let mut archive = ZipWriter::new(File::create(output)?);
    for (split, &count) in Split::ALL.into_iter().zip(&counts) {
        let source = set.splits.get(split).ok_or("the set lacks a split")?;
        let share = count as f64 / source.len() as f64;
        let (taken, _) = take_share(source.as_ref(), share, seed);
        write_split(&mut archive, split.name(), source.as_ref(), &taken)?;
    }
    archive.finish()?;
    Ok(())
}

fn write_split(
    archive: &mut ZipWriter<File>,
    split: &str,
    source: &dyn ImageSource,
    taken: &[usize],
) -> Result<(), Box<dyn Error>> {
    let mut pixels = Vec::new();
    let mut labels = Vec::new();
    let mut shape = String::new();
    for &index in taken {
        let image = source.image(index)?;
        let Pixels::U8(values) = image.pixels else { return Err("only 8-bit images are written".into()) };
        let this = format!("{}, {}, {}", image.height, image.width, image.channels);
        if !shape.is_empty() && shape != this {
            return Err("images differ in size".into());
        }
        shape = this;
        pixels.extend(values);
        labels.push(u8::try_from(source.label(index).ok_or("an image has no label")?)?);
    }
    write_array(archive, &format!("{split}_images"), &format!("{}, {shape}", taken.len()), &pixels)?;
    write_array(archive, &format!("{split}_labels"), &format!("{}, 1", taken.len()), &labels)
}

fn write_array(
    archive: &mut ZipWriter<File>,
    name: &str,
    shape: &str,
    values: &[u8],
) -> Result<(), Box<dyn Error>> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(9));
    archive.start_file(format!("{name}.npy"), options)?;
    let dictionary = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': ({shape}), }}");
    let padded = (10 + dictionary.len() + 1).next_multiple_of(64) - 10;
    archive.write_all(b"\x93NUMPY\x01\x00")?;
    archive.write_all(&u16::try_from(padded)?.to_le_bytes())?;
    archive.write_all(format!("{dictionary:<width$}\n", width = padded - 1).as_bytes())?;
    Ok(archive.write_all(values)?)
}
