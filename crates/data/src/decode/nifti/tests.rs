//! Headers, values and orientation against nibabel's, and every slice against the canonical volume.

use std::io::Read;

use flate2::read::GzDecoder;
use sha2::{Digest, Sha256};
use twinlens_golden::{Case, cases};

use super::header::Header;
use super::orient::{Affine, closest};
use super::values::{Grid, Values};
use super::*;
use crate::store::hex;
use crate::{DataSettings, OnBadSample, OpenOptions, Pages, open_bytes};

const ITEMS: [&str; 2] = ["formats/nifti", "formats/nifti_embedded"];

fn all_cases() -> impl Iterator<Item = Case> {
    ITEMS.into_iter().flat_map(cases)
}

fn expects_error(case: &Case) -> bool {
    case.said("expect") == Some("error")
}

/// The file of a case, as it is stored.
fn stored(case: &Case) -> Vec<u8> {
    if case.has("in.file") { case.u8("in.file").to_vec() } else { std::fs::read(case.file()).unwrap() }
}

/// The file of a case, gzip undone.
fn file(case: &Case) -> Vec<u8> {
    let bytes = stored(case);
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return bytes;
    }
    let mut unpacked = Vec::new();
    GzDecoder::new(&bytes[..]).read_to_end(&mut unpacked).unwrap();
    unpacked
}

/// All values in the order of the file, of each volume.
fn volumes(header: &Header, bytes: &[u8]) -> Vec<Vec<f64>> {
    let [width, height, depth] = header.sides();
    let area = width * height;
    let volume = |number: u64| {
        let values = Values::new(header, &bytes[header.offset..], number).unwrap();
        let slice = |z: usize| {
            let grid = Grid { start: (z * area) as isize, height, width, down: width as isize, right: 1 };
            values.slice(&grid).unwrap().pixels.to_f64()
        };
        (0..depth).flat_map(slice).collect()
    };
    (0..header.volumes()).map(volume).collect()
}

fn as_i64(sizes: &[usize]) -> Vec<i64> {
    sizes.iter().map(|&size| size as i64).collect()
}

fn flat(affine: &Affine) -> Vec<f64> {
    affine.as_flattened().iter().copied().chain([0.0, 0.0, 0.0, 1.0]).collect()
}

/// The affine of the volume whose axes run to the right, the anterior and the superior.
fn canonical(affine: &Affine, axes: Axes, sides: [usize; 3]) -> Affine {
    std::array::from_fn(|row| {
        let mut entries = [0.0, 0.0, 0.0, affine[row][3]];
        for (direction, (axis, against)) in axes.into_iter().enumerate() {
            let entry = affine[row][axis];
            entries[direction] = if against { -entry } else { entry };
            entries[3] += if against { entry * (sides[axis] - 1) as f64 } else { 0.0 };
        }
        entries
    })
}

/// The value at a place of the canonical volume.
fn at(values: &[f64], header: &Header, axes: Axes, place: [usize; 3]) -> f64 {
    let sides = header.sides();
    let mut stored = [0; 3];
    for ((axis, against), place) in axes.into_iter().zip(place) {
        stored[axis] = if against { sides[axis] - 1 - place } else { place };
    }
    values[stored[0] + sides[0] * (stored[1] + sides[1] * stored[2])]
}

#[test]
fn values_are_those_of_nibabel() {
    for case in all_cases().filter(|case| !expects_error(case)) {
        let bytes = file(&case);
        let header = Header::read(&bytes).unwrap();
        case.check_exact("out.shape", &as_i64(&header.shape));
        case.check("out.zooms", &header.spacing[..header.shape.len().min(3)]);
        let volumes = volumes(&header, &bytes);
        let all: Vec<f32> = volumes.concat().into_iter().map(|value| value as f32).collect();
        let hash: Vec<u8> = all.iter().flat_map(|value| value.to_le_bytes()).collect();
        assert_eq!(Some(&*hex(&Sha256::digest(hash))), case.said("sha256_f32_le"), "{}", case.name());
        let ends = all.iter().fold([f32::MAX, f32::MIN], |[a, b], &value| [a.min(value), b.max(value)]);
        case.check("out.min", &ends[..1]);
        case.check("out.max", &ends[1..]);
        case.check("out.mean", &[all.iter().map(|&value| f64::from(value)).sum::<f64>() / all.len() as f64]);
        let [width, height, _] = header.sides();
        let indices = |key: &str| case.i64(key).iter().map(|&index| index as usize).collect::<Vec<_>>();
        let (xs, ys, zs, ts) = (indices("in.x"), indices("in.y"), indices("in.z"), indices("in.t"));
        let mut picked = Vec::new();
        for &x in &xs {
            for &y in &ys {
                for &z in &zs {
                    picked.extend(ts.iter().map(|&t| volumes[t][x + width * (y + height * z)]));
                }
            }
        }
        case.check("out.values", &picked);
    }
}

#[test]
fn orientation_is_that_of_nibabel() {
    for case in all_cases().filter(|case| !expects_error(case)) {
        let bytes = file(&case);
        let header = Header::read(&bytes).unwrap();
        assert_eq!(header.affine.is_some(), case.has("out.affine"), "{}", case.name());
        let Some(affine) = &header.affine else { continue };
        case.check("out.affine", &flat(affine));
        if !case.has("out.canonical_shape") {
            continue;
        }
        let axes = closest(affine);
        let shape = axes.map(|(axis, _)| header.sides()[axis]);
        case.check_exact("out.canonical_shape", &as_i64(&[&shape[..], &header.shape[3..]].concat()));
        case.check("out.canonical_affine", &flat(&canonical(affine, axes, header.sides())));
        let first = &volumes(&header, &bytes)[0];
        let ends = shape.map(|len| [0, len - 1]);
        let corners: Vec<f64> = (0..8)
            .map(|corner| [0, 1, 2].map(|axis: usize| ends[axis][corner >> (2 - axis) & 1]))
            .map(|place| at(first, &header, axes, place))
            .collect();
        case.check("out.canonical_corners", &corners);
    }
}

fn options(change: impl FnOnce(&mut DataSettings)) -> DecodeOptions {
    let mut settings = DataSettings { volume: Some(0), ..DataSettings::default() };
    change(&mut settings);
    DecodeOptions::of(&settings, 1 << 30)
}

#[test]
fn slices_are_shown_as_radiologists_see_them() {
    for case in all_cases().filter(|case| case.has("out.canonical_shape")) {
        let bytes = file(&case);
        let header = Header::read(&bytes).unwrap();
        let axes = closest(header.affine.as_ref().unwrap());
        let [x, y, z] = axes.map(|(axis, _)| header.sides()[axis]);
        let values = &volumes(&header, &bytes)[0];
        for plane in [Plane::Axial, Plane::Coronal, Plane::Sagittal] {
            let decoded = super::super::decode(&bytes, &options(|settings| settings.plane = plane)).unwrap();
            // Slices, rows, columns, and the place of one of their pixels in the canonical volume.
            let (shape, place): (_, &dyn Fn([usize; 3]) -> [usize; 3]) = match plane {
                Plane::Axial => ([z, y, x], &|[slice, row, column]| [x - 1 - column, y - 1 - row, slice]),
                Plane::Coronal => ([y, z, x], &|[slice, row, column]| [x - 1 - column, slice, z - 1 - row]),
                Plane::Sagittal => ([x, z, y], &|[slice, row, column]| [slice, y - 1 - column, z - 1 - row]),
            };
            assert_eq!(decoded.images.len(), shape[0], "{}: {plane:?}", case.name());
            for (slice, image) in decoded.images.iter().enumerate() {
                assert_eq!([image.height, image.width, image.channels], [shape[1], shape[2], 1]);
                let mut pixels = image.pixels.to_f64().into_iter();
                for row in 0..shape[1] {
                    for column in 0..shape[2] {
                        let expected = at(values, &header, axes, place([slice, row, column]));
                        assert_eq!(pixels.next(), Some(expected), "{}: {plane:?} {slice}", case.name());
                    }
                }
            }
        }
    }
}

#[test]
fn types_are_the_smallest_that_hold_the_values() {
    let mut seen = 0;
    for case in all_cases().filter(|case| !expects_error(case)) {
        let image = &super::super::decode(&file(&case), &options(|_| {})).unwrap().images[0];
        let scaled = case.number("slope") != 1.0 || case.number("intercept") != 0.0;
        let expected = match case.text("data_type") {
            "uint8" if !scaled => crate::PixelType::U8,
            "int16" if !scaled => crate::PixelType::I16,
            "uint16" if !scaled => crate::PixelType::U16,
            "float32" | "float64" => crate::PixelType::F32,
            _ => continue,
        };
        assert_eq!(image.pixel_type(), expected, "{}", case.name());
        seen += 1;
    }
    assert!(seen > 5);
}

#[test]
fn pages_choose_of_a_volume_what_they_choose_of_others() {
    let case = all_cases().find(|case| case.name().ends_with("uint16.safetensors")).unwrap();
    let bytes = file(&case);
    let decoded =
        |pages: Pages| super::super::decode(&bytes, &options(|settings| settings.pages = pages)).unwrap();
    let all = decoded(Pages::First);
    assert_eq!((all.images.len(), all.first_page, all.volume), (8, Some(0), true));
    assert_eq!(decoded(Pages::Each).images, all.images);
    let middle = decoded(Pages::Middle);
    assert_eq!((&middle.images[..], middle.first_page), (&all.images[4..5], Some(4)));
    let largest = decoded(Pages::Max);
    let most = |pixel: usize| all.images.iter().map(|image| image.pixels.to_f64()[pixel]).fold(0.0, f64::max);
    let expected: Vec<f64> = (0..50).map(most).collect();
    assert_eq!((largest.images[0].pixels.to_f64(), largest.first_page), (expected, None));
    let mean = |pixel: usize| all.images.iter().map(|image| image.pixels.to_f64()[pixel]).sum::<f64>() / 8.0;
    let means = decoded(Pages::Mean).images[0].pixels.to_f64();
    assert!(means.iter().enumerate().all(|(at, got)| (got - mean(at)).abs() <= 0.5));
}

#[test]
fn broken_files_are_refused() {
    let settings =
        DataSettings { on_bad_sample: OnBadSample::Fail, volume: Some(0), ..DataSettings::default() };
    let options = OpenOptions::from(settings);
    let mut seen = 0;
    for case in all_cases() {
        let name = case.said("file").unwrap().rsplit([':', '/']).next().unwrap();
        let opened = open_bytes(name, stored(&case), &options);
        assert_eq!(opened.is_err(), expects_error(&case), "{}: {opened:?}", case.name());
        if let Err(error) = opened {
            assert!(!error.to_string().is_empty() && !error.hint().is_empty(), "{error}");
            seen += 1;
        }
    }
    assert!(seen >= 8);
}
