//! MNIST's files.

use twinlens_data::{OpenOptions, Pixels, SplitOrigin, SplitPolicy};
use zip::CompressionMethod;

use crate::make::{as_defined, bytes_of, gzipped, idx, open_file, put, refusal, with, zipped};

fn files() -> [(&'static str, Vec<u8>); 4] {
    [
        ("train-images-idx3-ubyte", idx(&[10, 2, 3], &(0..60).collect::<Vec<u8>>())),
        ("train-labels-idx1-ubyte", idx(&[10], &[0, 1, 2, 0, 1, 2, 0, 1, 2, 0])),
        ("t10k-images-idx3-ubyte", idx(&[2, 2, 3], &(100..112).collect::<Vec<u8>>())),
        ("t10k-labels-idx1-ubyte", idx(&[2], &[2, 1])),
    ]
}

#[test]
fn a_folder_of_four_files_gives_train_and_test_gzipped_or_not() {
    let folder = tempfile::tempdir().unwrap();
    let packed = tempfile::tempdir().unwrap();
    for (name, bytes) in files() {
        put(folder.path(), name, &bytes);
        put(packed.path(), &format!("{name}.gz"), &gzipped(&bytes));
    }
    let archive = folder.path().join("all.zip");
    std::fs::write(&archive, zipped(&files(), CompressionMethod::Deflated)).unwrap();
    let zipped = twinlens_data::open(&archive, &as_defined()).unwrap();
    std::fs::remove_file(&archive).unwrap();
    let plain = twinlens_data::open(folder.path(), &as_defined()).unwrap();
    let gz = twinlens_data::open(packed.path(), &as_defined()).unwrap();
    assert_eq!(plain.format, "idx");
    assert_eq!(plain.fingerprint, gz.fingerprint);
    assert_eq!(plain.fingerprint, zipped.fingerprint);
    let test = gz.splits.test.unwrap();
    let image = test.image(1).unwrap();
    assert_eq!((test.len(), image.height, image.width, image.channels), (2, 2, 3, 1));
    assert_eq!(bytes_of(&test, 1), (106..112).collect::<Vec<u8>>());
    assert_eq!((test.label(0), plain.splits.train.unwrap().label(5)), (Some(2), Some(2)));
}

#[test]
fn validation_comes_from_train_and_never_from_test() {
    let folder = tempfile::tempdir().unwrap();
    files().iter().for_each(|(name, bytes)| put(folder.path(), name, bytes));
    let set = twinlens_data::open(folder.path(), &OpenOptions::default()).unwrap();
    assert_eq!(set.split_origin, SplitOrigin::ValFromTrain);
    let sizes =
        [set.splits.train.unwrap().len(), set.splits.val.unwrap().len(), set.splits.test.unwrap().len()];
    assert_eq!(sizes, [9, 1, 2]);
    let complete = with(|settings| settings.splits = SplitPolicy::Complete);
    let set = twinlens_data::open(folder.path(), &complete).unwrap();
    assert_eq!((set.splits.train.unwrap().len(), set.splits.test.unwrap().len()), (10, 2));
    assert!(set.splits.val.is_none());
}

#[test]
fn one_file_of_images_finds_its_labels() {
    let folder = tempfile::tempdir().unwrap();
    let [images, labels, ..] = files();
    put(folder.path(), "train-images-idx3-ubyte.gz", &gzipped(&images.1));
    let path = folder.path().join("train-images-idx3-ubyte.gz");
    let alone = twinlens_data::open(&path, &as_defined()).unwrap();
    assert_eq!(alone.splits.train.unwrap().label(0), None);
    put(folder.path(), labels.0, &labels.1);
    let train = twinlens_data::open(&path, &as_defined()).unwrap().splits.train.unwrap();
    assert_eq!((train.len(), train.label(4)), (10, Some(1)));
    let message = refusal(twinlens_data::open(&folder.path().join(labels.0), &as_defined()));
    assert!(message.contains("these are labels"), "{message}");
}

#[test]
fn contradictions_are_refused() {
    let case = |files: &[(&str, Vec<u8>)]| {
        let folder = tempfile::tempdir().unwrap();
        files.iter().for_each(|(name, bytes)| put(folder.path(), name, bytes));
        refusal(twinlens_data::open(folder.path(), &as_defined()))
    };
    let images = || idx(&[2, 2, 2], &[0; 8]);
    let message = case(&[("train-images", images()), ("train-labels", idx(&[3], &[0, 1, 0]))]);
    assert!(message.contains("2 images but 3 labels"), "{message}");
    let message = case(&[("a-images", images()), ("b-images", images())]);
    assert!(message.contains("one file of images and one of labels per split"), "{message}");
    let message = case(&[("train-images", idx(&[2, 2, 2], &[0; 7]))]);
    assert!(message.contains("cut short"), "{message}");
    let cut = gzipped(&idx(&[40, 8, 8], &(0..2560).map(|i| (i * i % 251) as u8).collect::<Vec<u8>>()));
    let message = case(&[("train-images.gz", cut[..cut.len() / 2].to_vec())]);
    assert!(message.contains("cut short"), "{message}");
    let message = case(&[("images", typed(0x0C, &[1, 1, 1], &[1, 0, 0, 1]))]);
    assert!(message.contains("16777217 (int32) in sample 0"), "{message}");
    let message = case(&[("images", idx(&[4, 3, 8, 9], &[0; 864]))]);
    assert!(message.contains("{layout} nchw (4 images of 8 x 9, 3 channels)"), "{message}");
}

/// An idx file of numbers of the type `code`.
fn typed(code: u8, shape: &[usize], data: &[u8]) -> Vec<u8> {
    let mut bytes = idx(shape, data);
    bytes[2] = code;
    bytes
}

#[test]
fn every_type_is_read_and_labels_of_any_value() {
    for (code, data, pixels) in [
        (0x09, vec![0x80, 127], Pixels::I16(vec![-128, 127])),
        (0x0B, vec![0x80, 0, 0, 1], Pixels::I16(vec![-32768, 1])),
        (0x0C, vec![255, 255, 255, 255, 0, 1, 0, 0], Pixels::F32(vec![-1.0, 65536.0])),
        (0x0D, vec![0x3f, 0x80, 0, 0, 0xc0, 0, 0, 0], Pixels::F32(vec![1.0, -2.0])),
        (0x0E, vec![0x3f, 0xf0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], Pixels::F32(vec![1.0, 0.0])),
    ] {
        let set = open_file("images", &typed(code, &[1, 1, 2], &data), &as_defined()).unwrap();
        assert_eq!(set.splits.train.unwrap().stored(0).unwrap().pixels, pixels, "type {code}");
    }
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "train-images", &idx(&[3, 1, 1], &[1, 2, 3]));
    put(folder.path(), "train-labels", &typed(0x0B, &[3], &[0x7f, 0xff, 0xff, 0xff, 0, 5]));
    let set = twinlens_data::open(folder.path(), &as_defined()).unwrap();
    let train = set.splits.train.unwrap();
    assert_eq!([0, 1, 2].map(|index| train.label(index)), [Some(1), None, Some(0)]);
    assert_eq!(set.classes, ["5", "32767"]);
    let named = with(|settings| settings.labels = "x.npy".into());
    let message = refusal(twinlens_data::open(folder.path(), &named));
    assert!(message.contains("option labels") && message.contains("x.npy"), "{message}");
}
