//! Every kind of bad input has its clear error.

use twinlens_data::{LabelAmount, LabelChoice, LabelShare, OpenOptions, SplitShares};

use crate::make::{Listed, as_defined, npy, npy_u8, npz, open_file, png, put, refusal, with};

fn refused(file: &[u8]) -> String {
    refusal(open_file("set.npz", file, &as_defined()))
}

#[track_caller]
fn says(message: &str, parts: &[&str]) {
    parts.iter().for_each(|part| assert!(message.contains(part), "no {part:?} in: {message}"));
}

#[test]
fn a_path_that_does_not_exist() {
    let message = refusal(twinlens_data::open(std::path::Path::new("no/such/set.npz"), &as_defined()));
    says(&message, &["cannot read no/such/set.npz"]);
}

#[cfg(unix)]
#[test]
fn a_file_that_may_not_be_read() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "a.npy", &npy_u8(&[1, 1, 1], &[0]));
    let path = folder.path().join("a.npy");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).unwrap();
    if std::fs::File::open(&path).is_ok() {
        return; // the superuser may read anything
    }
    says(&refusal(twinlens_data::open(&path, &as_defined())), &["cannot read", "ermission"]);
}

#[test]
fn an_empty_file() {
    says(&refused(b""), &["set.npz is empty"]);
    says(&refused(&npz(&[("images", npy_u8(&[0, 2, 2], &[]))])), &["images", "is empty", "[0, 2, 2]"]);
    says(&refused(&npz(&[("images", vec![])])), &["images", "is empty"]);
}

#[test]
fn a_truncated_npz() {
    let pixels: Vec<u8> = (0..1200).map(|i| (i * i % 251) as u8).collect();
    let file = npz(&[("images", npy_u8(&[100, 2, 2, 3], &pixels))]);
    for len in [5, 40, file.len() / 2, file.len() - 1] {
        says(&refused(&file[..len]), &["set.npz", "damaged or cut short"]);
    }
    let mut flipped = file.clone();
    flipped[file.len() / 2] ^= 0x10;
    says(&refused(&flipped), &["damaged or cut short"]);
    let short = npz(&[("images", npy_u8(&[100, 2, 2, 3], &pixels[..1199]))]);
    says(&refused(&short), &["needs", "damaged"]);
    let long = npz(&[("images", npy_u8(&[99, 2, 2, 3], &pixels))]);
    says(&refused(&long), &["needs", "damaged"]);
}

#[test]
fn something_else_altogether() {
    says(&refused(b"Dear reader, this is a letter."), &["holds no images in a format read here"]);
    says(&refused(b"PK\x03\x04 looks like a zip and is none"), &["zip"]);
    says(&refused(b"\x1f\x8b looks like gzip and is none"), &["damaged"]);
}

#[test]
fn wrong_types() {
    let images =
        |descr: &str, bytes: usize| npz(&[("images", npy(descr, false, &[1, 2, 2], &vec![0; 4 * bytes]))]);
    says(&refused(&images("<c8", 8)), &["complex", "set.npz: images.npy"]);
    says(&refused(&images("<U3", 12)), &["text"]);
    says(&refused(&images("|O", 8)), &["pickle", "none is ever read"]);
    says(&refused(&images("<M8[s]", 8)), &["M8"]);
    says(&refused(&images("<U0", 0)), &["text of 0 characters"]);
    let structured = npy("|u1", false, &[1, 2, 2], &[0; 4]);
    let text = String::from_utf8_lossy(&structured[10..]).replace("'|u1'", "[('a', '|u1')]");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((text.len() as u16).to_le_bytes());
    bytes.extend(text.as_bytes());
    says(&refused(&npz(&[("images", bytes)])), &["structured array", "images[field]"]);
    let half: Vec<u8> = [1.0f32, 0.5].iter().flat_map(|value| value.to_le_bytes()).collect();
    let labels = npz(&[("images", npy_u8(&[2, 1, 1], &[0; 2])), ("labels", npy("<f4", false, &[2], &half))]);
    says(&refused(&labels), &["labels of whole numbers", "0.5 (float32) at number 1"]);
}

#[test]
fn wrong_shapes() {
    let images = |shape: &[usize]| npz(&[("images", npy_u8(shape, &vec![0; shape.iter().product()]))]);
    says(&refused(&images(&[4, 4])), &["[N, H, W] or [N, H, W, C]", "[4, 4]"]);
    says(&refused(&images(&[1, 2, 2, 2, 2])), &["[1, 2, 2, 2, 2]"]);
    says(&refused(&images(&[2, 3, 8, 8])), &["{layout} nchw (2 images of 8 x 8, 3 channels)"]);
    let with_labels = |labels: Vec<u8>| npz(&[("images", npy_u8(&[2, 1, 1], &[0; 2])), ("labels", labels)]);
    says(&refused(&with_labels(npy_u8(&[2, 3, 1], &[0; 6]))), &["[N, L] of 0 and 1", "[2, 3, 1]"]);
    says(&refused(&with_labels(npy_u8(&[2, 0], &[]))), &["[2, 0]"]);
    says(&refused(&with_labels(npy_u8(&[], &[0]))), &["[N] or [N, 1]"]);
    says(&refused(&with_labels(npy_u8(&[3, 1], &[0; 3]))), &["2 images but 3 labels"]);
}

#[test]
fn a_shape_beyond_any_file() {
    let huge = npy_u8(&[usize::MAX / 2, usize::MAX / 2, 3], &[0; 8]);
    says(&refused(&huge), &["damaged"]);
    let large = npy_u8(&[1 << 20, 1 << 10, 1 << 10], &[0; 8]);
    says(&refused(&large), &["needs 1099511627"]);
}

#[test]
fn labels_out_of_range() {
    let labelled = |descr: &str, data: &[u8]| {
        npz(&[("images", npy_u8(&[2, 1, 1], &[0; 2])), ("labels", npy(descr, false, &[2], data))])
    };
    let many: Vec<u8> = (0..65_537u32).flat_map(|label| label.to_le_bytes()).collect();
    let pixels = npy_u8(&[65_537, 1, 1], &vec![0; 65_537]);
    let file = npz(&[("images", pixels), ("labels", npy("<u4", false, &[65_537], &many))]);
    says(&refused(&file), &["labels.npy", "at most 65536 classes", "65537 different"]);
    let named = OpenOptions { class_names: Some(vec!["a".into(), "b".into()]), ..as_defined() };
    says(&refusal(open_file("set.npz", &labelled("|u1", &[0, 2]), &named)), &["label 2, expected 0..=1"]);
}

#[test]
fn labels_without_images() {
    let file = npz(&[("train_images", npy_u8(&[1, 1, 1], &[0])), ("test_labels", npy_u8(&[1], &[0]))]);
    says(&refused(&file), &["\"test_labels\" are labels without images"]);
}

#[test]
fn nan_and_infinity_in_pixels() {
    for (value, shown) in [(f32::NAN, "NaN"), (f32::INFINITY, "inf")] {
        let mut values = [0.25f32; 3 * 2 * 3 * 2];
        values[2 * 12 + 9] = value; // sample 2, row 1, column 1, channel 1
        let data: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let message = refused(&npz(&[("images", npy("<f4", false, &[3, 2, 3, 2], &data))]));
        says(&message, &["sample 2 has the value", shown, "row 1, column 1, channel 1"]);
    }
}

#[test]
fn folders_without_images() {
    let folder = tempfile::tempdir().unwrap();
    says(&refusal(twinlens_data::open(folder.path(), &as_defined())), &["holds no readable image", "empty"]);
    put(folder.path(), "notes/readme.txt", b"nothing to see");
    says(&refusal(twinlens_data::open(folder.path(), &as_defined())), &["1 other files (notes/readme.txt"]);
    put(folder.path(), "a/bad.png", b"nothing to see");
    says(&refusal(twinlens_data::open(folder.path(), &as_defined())), &["cannot be decoded", "a/bad.png"]);
}

#[test]
fn more_than_memory() {
    let small = OpenOptions { memory_limit: Some(1000), ..as_defined() };
    let many = npz(&[("images", npy_u8(&[30, 8, 8], &[0; 1920]))]);
    says(&refusal(open_file("set.npz", &many, &small)), &["needs", "the limit is 1000", "cache folder"]);
    let one = npy_u8(&[1, 4000, 4000], &vec![0; 16_000_000]);
    says(&refusal(open_file("set.npy", &one, &small)), &["one image", "tiles"]);
    let turned = npy("|u1", true, &[1000, 100, 100], &vec![0; 10_000_000]);
    says(&refusal(open_file("set.npy", &turned, &small)), &["Fortran order", "ascontiguousarray"]);
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "large.png", &png(64, 1));
    let message = refusal(twinlens_data::open(folder.path(), &small));
    says(&message, &["large.png"]);
}

#[test]
fn options_that_make_no_sense() {
    let shares = SplitShares { train: 0.5, val: 0.1, test: 0.2 };
    let message = refusal(open_file(
        "a.npy",
        &npy_u8(&[1, 1, 1], &[0]),
        &with(|settings| settings.split_shares = shares),
    ));
    says(&message, &["option split_shares", "adding up to 1"]);
    let source = std::sync::Arc::new(Listed(vec![], vec![Some(0)]));
    let shares = [0.0, -1.0, 1.5, f64::NAN].map(LabelAmount::Share);
    for amount in shares.into_iter().chain([LabelAmount::PerClass(0)]) {
        assert!(LabelShare::new(source.clone(), amount, LabelChoice::Random, 0).is_err(), "{amount}");
    }
    assert_eq!(LabelAmount::Share(0.07).to_string(), "7 %");
    assert_eq!(LabelAmount::PerClass(5).to_string(), "5 a class");
}
