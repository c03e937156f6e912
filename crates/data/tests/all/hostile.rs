//! Cut and altered files give a data set or an error, never a panic, and take no memory on their word.

use proptest::prelude::*;
use twinlens_data::OpenOptions;
use zip::CompressionMethod;

use crate::make::{
    as_defined, encoded, gzipped, idx, npy, npy_u8, npz, open_file, png, rgb, strict, tarred, zipped,
};

/// Small valid files of every kind.
fn samples() -> Vec<(&'static str, Vec<u8>)> {
    let pixels: Vec<u8> = (0..300).map(|i| (i * 13) as u8).collect();
    let arrays = [("images", npy_u8(&[25, 2, 2, 3], &pixels)), ("labels", npy_u8(&[25], &pixels[..25]))];
    let floats: Vec<u8> = (0..24).flat_map(|v| (v as f32).to_le_bytes()).collect();
    let files = [
        ("a/1.png", png(5, 1)),
        ("b/2.png", png(5, 2)),
        ("b/3.jpg", encoded(&rgb(8, 3), image::ImageFormat::Jpeg)),
    ];
    let mut samples = vec![
        ("npz", npz(&arrays)),
        ("tags", npz(&[arrays[0].clone(), ("labels", npy_u8(&[25, 2], &[0, 1].repeat(25)))])),
        ("npy", npy("<f4", false, &[2, 3, 4], &floats)),
        ("fortran", npy("<f4", true, &[2, 3, 4], &floats)),
        ("idx", idx(&[25, 4, 3], &pixels)),
        ("idx.gz", gzipped(&idx(&[25, 4, 3], &pixels))),
        ("zip", zipped(&files, CompressionMethod::Deflated)),
        ("stored zip", zipped(&files, CompressionMethod::Stored)),
        ("tar", tarred(&files)),
        ("tar.gz", gzipped(&tarred(&files))),
        ("png", png(9, 4)),
    ];
    use image::ImageFormat::{Bmp, Gif, Jpeg, Pnm, Tiff, WebP};
    for (name, format) in
        [("jpeg", Jpeg), ("tiff", Tiff), ("bmp", Bmp), ("webp", WebP), ("gif", Gif), ("ppm", Pnm)]
    {
        samples.push((name, encoded(&rgb(9, 4), format)));
    }
    samples
}

/// Opens it both ways; whatever comes back is fine, as long as something does.
fn open_both(name: &str, bytes: &[u8]) {
    let limited = OpenOptions { memory_limit: Some(64 << 20), ..as_defined() };
    let strict = OpenOptions { settings: strict().settings, ..limited.clone() };
    for options in [limited, strict] {
        if let Ok(set) = open_file(name, bytes, &options)
            && let Some(source) = set.splits.train
        {
            (0..source.len()).for_each(|index| drop(source.image(index).unwrap()));
        }
    }
}

#[test]
fn the_samples_themselves_are_read() {
    for (name, bytes) in samples() {
        open_file(name, &bytes, &strict()).unwrap();
    }
}

/// 400 cases, or as many more as PROPTEST_CASES asks for.
fn cases() -> ProptestConfig {
    let asked = ProptestConfig::default();
    ProptestConfig { cases: asked.cases.max(400), ..asked }
}

proptest! {
    #![proptest_config(cases())]
    #[test]
    fn cut_files_never_panic(which: prop::sample::Index, keep: prop::sample::Index) {
        let samples = samples();
        let (name, bytes) = which.get(&samples);
        open_both(name, &bytes[..keep.index(bytes.len())]);
    }

    #[test]
    fn altered_files_never_panic(
        which: prop::sample::Index,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
    ) {
        let samples = samples();
        let (name, bytes) = which.get(&samples);
        let mut bytes = bytes.clone();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        open_both(name, &bytes);
    }

    /// The first bytes decide most: alter only those.
    #[test]
    fn altered_headers_never_panic(
        which: prop::sample::Index,
        changes in prop::collection::vec((0usize..80, any::<u8>()), 1..4),
    ) {
        let samples = samples();
        let (name, bytes) = which.get(&samples);
        let mut bytes = bytes.clone();
        for (at, value) in changes {
            let at = at % bytes.len();
            bytes[at] = value;
        }
        open_both(name, &bytes);
    }
}

#[test]
fn a_member_that_claims_to_unpack_without_end_is_refused() {
    let mut file = npz(&[("images", npy_u8(&[4, 2, 2], &[0; 16]))]);
    let central = file.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
    file[central + 24..central + 28].copy_from_slice(&0x7fff_ffffu32.to_le_bytes());
    let message = crate::make::refusal(open_file("a.npz", &file, &as_defined()));
    assert!(message.contains("claims to unpack"), "{message}");
}

#[test]
fn an_image_that_claims_more_than_the_limit_is_not_decoded() {
    // A PNG header for 60000 x 60000 RGB pixels, with the right checksum, and nothing behind it.
    let mut bytes = png(2, 1);
    bytes[16..20].copy_from_slice(&60_000u32.to_be_bytes());
    bytes[20..24].copy_from_slice(&60_000u32.to_be_bytes());
    let mut crc = flate2::Crc::new();
    crc.update(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&crc.sum().to_be_bytes());
    let strict = strict();
    let message = crate::make::refusal(open_file("a.png", &bytes, &strict));
    assert!(message.contains("imit"), "{message}");
}
