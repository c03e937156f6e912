//! Golden cases: values and shades as pydicom and the formulas of the standard have them, and files that must be refused.

use proptest::prelude::*;
use sha2::{Digest, Sha256};
use twinlens_golden::{Case, cases};

use super::super::{DecodeOptions, Decoded, decode};
use super::header::{Shape, Voi};
use crate::{DataSettings, Pages, Pixels, Window, WindowRule};

const STORED: Window = Window::Rule(WindowRule::None);

fn options(window: Window) -> DecodeOptions {
    DecodeOptions::of(&DataSettings { pages: Pages::Each, window, ..DataSettings::default() }, 1 << 28)
}

fn bytes_of(case: &Case) -> Vec<u8> {
    if case.has("in.file") { case.u8("in.file").to_vec() } else { std::fs::read(case.file()).unwrap() }
}

/// All samples, frame by frame, as shares of the largest where they are whole numbers and `shares` are wanted.
fn all(decoded: &Decoded, shares: bool) -> Vec<f32> {
    let numbers = |pixels: &Pixels| -> Vec<f32> {
        let top = match pixels {
            Pixels::U8(_) if shares => 255.0,
            Pixels::U16(_) if shares => 65535.0,
            _ => 1.0,
        };
        pixels.to_f64().into_iter().map(|value| (value / top) as f32).collect()
    };
    decoded.images.iter().flat_map(|image| numbers(&image.pixels)).collect()
}

/// The samples at the places that the case names.
fn picked(case: &Case, values: &[f32], [rows, columns, samples]: [usize; 3]) -> Vec<f32> {
    let mut picked = Vec::new();
    for &frame in case.i64("in.frame") {
        for &row in case.i64("in.row") {
            for &column in case.i64("in.column") {
                let at = ((frame as usize * rows + row as usize) * columns + column as usize) * samples;
                picked.extend(&values[at..at + samples]);
            }
        }
    }
    picked
}

fn check(case: &Case) {
    let bytes = bytes_of(case);
    let name = case.name();
    if case.said("expect") == Some("error") {
        for window in [STORED, Window::default()] {
            let refusal = decode(&bytes, &options(window)).unwrap_err();
            assert!(
                !refusal.reason.is_empty() && !refusal.reason.contains("decoder failed"),
                "{name}: {refusal:?}"
            );
        }
        return;
    }
    let decoded = decode(&bytes, &options(STORED)).unwrap_or_else(|refusal| panic!("{name}: {refusal:?}"));
    let shape = |decoded: &Decoded| {
        let image = &decoded.images[0];
        assert!(
            decoded.images.iter().all(|other| other.height == image.height && other.width == image.width)
        );
        [decoded.images.len(), image.height, image.width, image.channels]
    };
    let [frames, rows, columns, samples] = shape(&decoded);
    let shape_in_case = [frames, rows, columns, samples].map(|side| side as i64);
    case.check_exact("out.shape", if samples == 1 { &shape_in_case[..3] } else { &shape_in_case });
    let values = all(&decoded, false);
    let extremes = values.iter().fold([f32::MAX, f32::MIN], |[a, b], &value| [a.min(value), b.max(value)]);
    case.check("out.min", &extremes[..1]);
    case.check("out.max", &extremes[1..]);
    case.check(
        "out.mean",
        &[values.iter().map(|&value| f64::from(value)).sum::<f64>() / values.len() as f64],
    );
    case.check("out.values", &picked(case, &values, [rows, columns, samples]));
    if let Some(sum) = case.said("sha256_f32_le") {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        assert_eq!(crate::store::hex(&Sha256::digest(&bytes)), sum, "{name}");
    }
    let shown = decode(&bytes, &options(Window::default())).unwrap();
    let [_, _, _, samples] = shape(&shown);
    case.check("out.presentation", &picked(case, &all(&shown, true), [rows, columns, samples]));
}

#[test]
fn real_files_are_read_as_pydicom_reads_them() {
    cases("formats/dicom").iter().for_each(check);
}

#[test]
fn made_files_are_read_as_the_standard_says() {
    cases("formats/dicom_embedded").iter().for_each(check);
}

#[test]
fn files_that_are_refused_say_why() {
    let reasons = [
        ("dicom/MR_truncated", "have 8130 bytes; 1 frames of 64 rows and 64 columns take 8192"),
        ("dicom/no_meta", "no transfer syntax (0002,0010)"),
        ("dicom/reportsi", "no pixels (7FE0,0010)"),
        ("dicom_embedded/broken_truncated_pixels", "take 782"),
        ("dicom_embedded/broken_empty", "the file is empty"),
        ("dicom_embedded/broken_not_dicom", "the content is not PNG"),
        ("dicom_embedded/broken_zero_rows", "0 rows"),
        ("dicom_embedded/broken_no_pixel_data", "no pixels (7FE0,0010)"),
        ("dicom_embedded/broken_rows_too_large", "have 782 bytes"),
        ("dicom_embedded/broken_header_cut", "breaks off in element (0002,0003)"),
    ];
    for (name, expected) in reasons {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/formats");
        let case = Case::read(&folder.join(format!("{name}.safetensors")));
        let reason = decode(&bytes_of(&case), &options(STORED)).unwrap_err().reason;
        assert!(reason.contains(expected), "{name}: {reason}");
    }
}

/// Small files that pydicom wrote, most with blocks of one value between others, packed by CharLS, OpenJPEG and others; and
/// the SHA-256 of the values that went in, as 32-bit floats.
const MADE: &[(&str, &[usize], &str)] = &[
    ("confused.dcm", &[4, 6], "45a99655901702d5"),
    ("enhanced.dcm", &[4, 6, 8], "27d5fb71bf43cb82"),
    ("float.dcm", &[4, 6], "0e65c36ac6d5f677"),
    ("fragments_extended.dcm", &[3, 24, 40], "75982a954f41cc5f"),
    ("fragments_no_table.dcm", &[3, 24, 40], "75982a954f41cc5f"),
    ("fragments_table.dcm", &[3, 24, 40], "75982a954f41cc5f"),
    ("jpeg2000_rgb.dcm", &[24, 40, 3], "ca32cbefe85dd0ba"),
    ("jpeg2000_sign_differs.dcm", &[24, 40], "0a5f74f56f22dfb4"),
    ("jpeg2000_signed.dcm", &[24, 40], "0917a08f5e5f9c73"),
    ("jpegls_12_bits.dcm", &[24, 40], "51fddd7b2e0cf1b6"),
    ("jpegls_near.dcm", &[24, 40], "ae0ff78ca243a926"),
    ("jpegls_rgb_lines.dcm", &[24, 40, 3], "ca32cbefe85dd0ba"),
    ("jpegls_rgb_planes.dcm", &[24, 40, 3], "ca32cbefe85dd0ba"),
    ("jpegls_rgb_samples.dcm", &[24, 40, 3], "ca32cbefe85dd0ba"),
    ("lossless_jpeg.dcm", &[24, 40], "51fddd7b2e0cf1b6"),
    ("rle_frames.dcm", &[3, 24, 40], "75982a954f41cc5f"),
    ("unsigned_32_bits.dcm", &[4, 6], "133df6d058853ebd"),
    ("ybr_422.dcm", &[4, 6, 3], "c7f5af63eec2d69d"),
    ("ybr_rle.dcm", &[4, 6, 3], "c7f5af63eec2d69d"),
];

fn made(name: &str) -> Vec<u8> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files/dicom");
    std::fs::read(folder.join(name)).unwrap()
}

fn sum(values: &[f32]) -> String {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    crate::store::hex(&Sha256::digest(&bytes))[..16].into()
}

#[test]
fn every_packing_gives_back_what_went_in() {
    for &(name, shape, expected) in MADE {
        let decoded =
            decode(&made(name), &options(STORED)).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        let count = decoded.images.len() * decoded.images[0].height * decoded.images[0].width;
        assert_eq!(count * decoded.images[0].channels, shape.iter().product::<usize>(), "{name}");
        assert_eq!(sum(&all(&decoded, false)), expected, "{name}");
    }
}

#[test]
fn frames_have_slopes_and_windows_of_their_own() {
    let decoded = decode(&made("enhanced.dcm"), &options(Window::default())).unwrap();
    assert_eq!(sum(&all(&decoded, true)), "fba1e3711feb55a8");
}

#[test]
fn files_that_break_off_or_are_damaged_are_refused() {
    for (name, ..) in MADE {
        let whole = made(name);
        for tenth in 0..10 {
            let refusal = decode(&whole[..whole.len() * tenth / 10], &options(STORED)).unwrap_err();
            assert!(!refusal.reason.contains("decoder failed"), "{name}: {}", refusal.reason);
        }
    }
}

/// A file of one row of grey samples.
fn written(values: &[u16], [allocated, stored]: [u16; 2], signed: bool) -> Vec<u8> {
    let mut bytes = vec![0; 128];
    bytes.extend(b"DICM");
    let mut element = |group: u16, number: u16, vr: &[u8; 2], value: &[u8]| {
        bytes.extend([group.to_le_bytes(), number.to_le_bytes()].concat());
        bytes.extend(vr);
        match vr {
            b"OW" => bytes.extend([&[0, 0], &(value.len() as u32).to_le_bytes()[..]].concat()),
            _ => bytes.extend((value.len() as u16).to_le_bytes()),
        }
        bytes.extend(value);
    };
    element(2, 0x10, b"UI", b"1.2.840.10008.1.2.1\0");
    element(0x28, 4, b"CS", b"MONOCHROME2 ");
    let columns = values.len() as u16;
    for (number, value) in
        [(0x10, 1), (0x11, columns), (0x100, allocated), (0x101, stored), (0x103, signed.into())]
    {
        element(0x28, number, b"US", &value.to_le_bytes());
    }
    let pixels: Vec<u8> = match allocated {
        8 => values.iter().map(|&value| value as u8).collect(),
        _ => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
    };
    element(0x7FE0, 0x10, b"OW", &pixels);
    bytes
}

proptest! {
    #[test]
    fn samples_are_the_bits_that_count(
        values in prop::collection::vec(any::<u16>(), 1..40),
        allocated in prop::sample::select(vec![8u16, 16]),
        stored in 1..=16u16,
        signed: bool,
    ) {
        let stored = stored.min(allocated);
        let decoded = decode(&written(&values, [allocated, stored], signed), &options(STORED)).unwrap();
        let expected = |&value: &u16| {
            let value = i64::from(value) % (1 << stored);
            if signed && value >= 1 << (stored - 1) { value - (1 << stored) } else { value }
        };
        let expected: Vec<f64> = values.iter().map(|value| expected(value) as f64).collect();
        prop_assert_eq!(decoded.images[0].pixels.to_f64(), expected);
    }

    #[test]
    fn shades_lie_between_black_and_white_and_never_fall(
        center in -2000.0..2000.0f64,
        width in 1.0..4000.0f64,
        mut values in prop::collection::vec(-5000.0..5000.0f64, 2..30),
    ) {
        values.sort_by(f64::total_cmp);
        for shape in [Shape::Linear, Shape::LinearExact, Shape::Sigmoid] {
            let voi = Voi { center, width, shape };
            let shades: Vec<f64> = values.iter().map(|&value| voi.shade(value)).collect();
            prop_assert!(shades.is_sorted() && shades.iter().all(|shade| (0.0..=1.0).contains(shade)), "{:?}", shades);
        }
    }

    #[test]
    fn altered_files_make_no_reader_of_ours_fail(
        file in prop::sample::select(OWN.to_vec()),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = made(file);
        changes.iter().for_each(|(at, byte)| {
            let at = at.index(bytes.len() - 132) + 132;
            bytes[at] = *byte;
        });
        for window in [STORED, Window::default()] {
            if let Err(refusal) = decode(&bytes, &options(window)) {
                prop_assert!(!refusal.reason.contains("decoder failed"), "{}", refusal.reason);
            }
        }
    }
}

/// Files that no crate decodes.
const OWN: [&str; 9] = [
    "confused.dcm",
    "enhanced.dcm",
    "float.dcm",
    "jpegls_12_bits.dcm",
    "jpegls_near.dcm",
    "jpegls_rgb_lines.dcm",
    "jpegls_rgb_samples.dcm",
    "rle_frames.dcm",
    "ybr_422.dcm",
];
