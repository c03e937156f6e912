//! CIFAR's binary files, and tar archives.

use twinlens_data::{DataError, DataSet, Split, SplitPolicy};
use zip::CompressionMethod;

use crate::make::{as_defined, bytes_of, gzipped, open_file, png, put, refusal, tarred, with, zipped};

/// A record: labels, then a red, a green and a blue plane, each of one value.
fn record(labels: &[u8], colour: [u8; 3]) -> Vec<u8> {
    let planes = colour.iter().flat_map(|value| [*value; 32 * 32]);
    labels.iter().copied().chain(planes).collect()
}

fn names(count: usize) -> Vec<u8> {
    let lines: Vec<String> = (0..count).map(|class| format!("class {class}\n")).collect();
    // The original ends in an empty line too.
    (lines.concat() + "\n").into_bytes()
}

fn ten() -> Vec<(&'static str, Vec<u8>)> {
    let train = |first: u8| [record(&[first], [first, 1, 2]), record(&[9], [90, 91, 92])].concat();
    vec![
        ("cifar-10-batches-bin/batches.meta.txt", names(10)),
        ("cifar-10-batches-bin/data_batch_1.bin", train(3)),
        ("cifar-10-batches-bin/data_batch_2.bin", train(5)),
        ("cifar-10-batches-bin/readme.html", b"<html>".to_vec()),
        ("cifar-10-batches-bin/test_batch.bin", record(&[7], [70, 71, 72])),
    ]
}

fn opened(files: &[(&str, Vec<u8>)]) -> Result<DataSet, DataError> {
    let folder = tempfile::tempdir().unwrap();
    files.iter().for_each(|(path, bytes)| put(folder.path(), path, bytes));
    twinlens_data::open(folder.path(), &as_defined())
}

fn labels(set: &DataSet, split: Split) -> Vec<Option<usize>> {
    let source = set.splits.get(split).unwrap();
    (0..source.len()).map(|index| source.label(index)).collect()
}

#[test]
fn cifar_10_is_read_in_order_with_its_class_names() {
    let set = opened(&ten()).unwrap();
    assert_eq!((set.format, set.classes.len(), set.classes[9].as_str()), ("cifar", 10, "class 9"));
    assert_eq!(labels(&set, Split::Train), [Some(3), Some(9), Some(5), Some(9)]);
    assert_eq!(labels(&set, Split::Test), [Some(7)]);
    let train = set.splits.train.as_ref().unwrap();
    let image = train.image(2).unwrap();
    assert_eq!((image.height, image.width, image.channels), (32, 32, 3));
    assert_eq!(bytes_of(train, 2)[..6], [5, 1, 2, 5, 1, 2]);
}

#[test]
fn all_batches_but_that_of_test_are_learned_from_in_a_complete_set() {
    let folder = tempfile::tempdir().unwrap();
    ten().iter().for_each(|(path, bytes)| put(folder.path(), path, bytes));
    let complete = with(|settings| settings.splits = SplitPolicy::Complete);
    let set = twinlens_data::open(folder.path(), &complete).unwrap();
    assert_eq!(labels(&set, Split::Train), [Some(3), Some(9), Some(5), Some(9)]);
    assert!(set.splits.val.is_none());
    assert_eq!(labels(&set, Split::Test), [Some(7)]);
}

#[test]
fn settings_that_name_arrays_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    ten().iter().for_each(|(path, bytes)| put(folder.path(), path, bytes));
    let named = with(|settings| settings.member = "images".into());
    let message = refusal(twinlens_data::open(folder.path(), &named));
    assert!(message.contains("option member") && message.contains("CIFAR's files"), "{message}");
}

#[test]
fn pixels_keep_their_place() {
    let planes = (0..3072u32).map(|at| (at / 1024 * 80 + at % 61) as u8);
    let bytes: Vec<u8> = [0].into_iter().chain(planes).collect();
    let files = [("batches.meta.txt", names(10)), ("data_batch_1.bin", bytes.clone())];
    let set = opened(&files).unwrap();
    let pixels = bytes_of(set.splits.train.as_ref().unwrap(), 0);
    let at = |row: usize, column: usize, channel: usize| pixels[(row * 32 + column) * 3 + channel];
    for (row, column) in [(0, 0), (0, 31), (17, 4), (31, 31)] {
        for channel in 0..3 {
            assert_eq!(at(row, column, channel), bytes[1 + channel * 1024 + row * 32 + column]);
        }
    }
}

#[test]
fn cifar_100_goes_by_the_fine_label() {
    let set = opened(&[
        ("coarse_label_names.txt", names(20)),
        ("fine_label_names.txt", names(100)),
        ("train.bin", [record(&[11, 99], [1, 2, 3]), record(&[4, 30], [4, 5, 6])].concat()),
        ("test.bin", record(&[0, 50], [7, 8, 9])),
    ])
    .unwrap();
    assert_eq!(labels(&set, Split::Train), [Some(99), Some(30)]);
    assert_eq!((labels(&set, Split::Test), set.classes.len()), (vec![Some(50)], 100));
}

#[test]
fn archives_hold_the_same_as_folders() {
    let plain = opened(&ten()).unwrap();
    let tar = tarred(&ten());
    for (name, bytes) in [
        ("cifar-10-binary.tar.gz", gzipped(&tar)),
        ("cifar-10-binary.tar", tar),
        ("cifar-10.zip", zipped(&ten(), CompressionMethod::Deflated)),
    ] {
        let set = open_file(name, &bytes, &as_defined()).unwrap();
        assert_eq!(set.fingerprint, plain.fingerprint, "{name}");
    }
}

#[test]
fn any_format_may_lie_in_a_tar() {
    let files = [("a/1.png", png(4, 1)), ("b/2.png.gz", gzipped(&png(4, 2))), ("b/3.png", png(4, 3))];
    let plain = opened(&files).unwrap();
    let set = open_file("photos.tar.gz", &gzipped(&tarred(&files)), &as_defined()).unwrap();
    assert_eq!(set.classes, ["a", "b"]);
    assert_eq!(set.fingerprint, plain.fingerprint);
}

#[test]
fn what_is_no_whole_record_or_class_is_refused() {
    let with = |name: &str, bytes: Vec<u8>| {
        let mut files = ten();
        files.iter_mut().filter(|(path, _)| path.ends_with(name)).for_each(|(_, old)| *old = bytes.clone());
        files
    };
    let cut = with("test_batch.bin", vec![1; 3000]);
    assert!(refusal(opened(&cut)).contains("3000 bytes are no whole number of records of 3073"));
    // A member's length may not be known before it is unpacked.
    let gzipped_batch = with("test_batch.bin", gzipped(&vec![1; 4000]));
    let message = refusal(opened(&gzipped_batch));
    assert!(message.contains("test_batch.bin") && message.contains("ends within record 1"), "{message}");
    let message = refusal(opened(&with("test_batch.bin", record(&[10], [0; 3]))));
    assert!(message.contains("label 10, expected 0..=9"), "{message}");
    let message = refusal(opened(&with("batches.meta.txt", names(9))));
    assert!(message.contains("names 9 classes, expected 10"), "{message}");
    assert!(refusal(opened(&with("test_batch.bin", vec![]))).contains("is empty"));
}

#[test]
fn a_tar_cut_short_is_refused() {
    let tar = tarred(&ten());
    for keep in [3000, tar.len() / 2] {
        let message = refusal(open_file("cut.tar", &tar[..keep], &as_defined()));
        assert!(message.contains("cut.tar") && message.contains("tar: "), "{message}");
    }
}
