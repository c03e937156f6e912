//! A NIfTI volume, packed in one piece or as a pair.

use twinlens_data::{DataSettings, Orientation, Pages, Plane};

use crate::Target;
use crate::check::{memory, opened, settings};
use crate::files::zipped;

pub(super) const TARGET: Target =
    Target { name: "nifti", about: "a NIfTI volume, in one piece and as a pair", run, memory, seeds };

fn run(bytes: &[u8]) -> Result<(), String> {
    opened("volume.nii", bytes, planes())?;
    let (header, numbers) = bytes.split_at(bytes.len().min(352));
    let pair = [("class/a.hdr".into(), header.to_vec()), ("class/a.img".into(), numbers.to_vec())];
    let pair = zipped(&pair).map_err(|error| error.to_string())?;
    opened("folder.zip", &pair, vec![DataSettings { volume: Some(0), ..DataSettings::default() }])
}

fn planes() -> Vec<DataSettings> {
    let sagittal = DataSettings {
        plane: Plane::Sagittal,
        volume: Some(1),
        orientation: Orientation::Stored,
        ..DataSettings::default()
    };
    let middle = DataSettings {
        plane: Plane::Coronal,
        volume: Some(0),
        pages: Pages::Middle,
        ..DataSettings::default()
    };
    settings().into_iter().chain([sagittal, middle]).collect()
}

/// A header of version 1 or 2 and as many numbers as it promises.
fn volume(version: u8, big_endian: bool, code: i64, bytes: usize, shape: &[i64]) -> Vec<u8> {
    let two = version == 2;
    let mut file = vec![0; if two { 544 } else { 352 }];
    let mut put = |at: usize, value: i64, len: usize| {
        let field = &mut file[at..at + len];
        field.copy_from_slice(&value.to_le_bytes()[..len]);
        if big_endian {
            field.reverse();
        }
    };
    let float = |value: f32| if two { f64::from(value).to_bits() as i64 } else { i64::from(value.to_bits()) };
    let (dim, pixdim, wide) = if two { (16, 104, 8) } else { (40, 76, 4) };
    let axis = if two { 8 } else { 2 };
    put(0, if two { 540 } else { 348 }, 4);
    for (at, &len) in std::iter::once(&(shape.len() as i64)).chain(shape).enumerate() {
        put(dim + axis * at, len, axis);
    }
    put(if two { 12 } else { 70 }, code, 2);
    (1..4).for_each(|at| put(pixdim + wide * at, float(at as f32), wide));
    // Slope and intercept, then the affine of the sform.
    put(if two { 176 } else { 112 }, float(2.0), wide);
    put(if two { 348 } else { 254 }, 1, if two { 4 } else { 2 });
    let sform = if two { 400 } else { 280 };
    (0..3).for_each(|row| put(sform + (5 * row) * wide, float(1.0 - 2.0 * row as f32), wide));
    let (at, letters): (usize, &[u8]) = if two { (4, b"n+2\0\r\n\x1a\n") } else { (344, b"n+1\0") };
    file[at..at + letters.len()].copy_from_slice(letters);
    let count = shape.iter().product::<i64>() as usize * bytes;
    file.extend((0..count).map(|at| (at * 37) as u8));
    file
}

fn seeds() -> std::io::Result<Vec<Vec<u8>>> {
    let mut pair = volume(1, false, 4, 2, &[4, 3, 2]);
    pair[344..348].copy_from_slice(b"ni1\0");
    Ok(vec![
        volume(1, false, 4, 2, &[5, 4, 3]),
        volume(1, true, 8, 4, &[3, 4, 2]),
        volume(1, false, 16, 4, &[3, 3, 2, 2]),
        volume(2, false, 64, 8, &[2, 3, 4]),
        volume(2, true, 2, 1, &[6, 5]),
        volume(2, false, 1024, 8, &[2, 2, 2, 1, 2]),
        pair,
    ])
}
