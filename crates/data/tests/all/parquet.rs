//! Parquet files as Hugging Face's `datasets` writes them: small ones that pyarrow wrote (`scripts/parquet-fixtures`).

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use twinlens_data::{
    DataError, DataSet, ImageSource, Notice, OnBadSample, OpenOptions, Split, SplitOrigin, SplitPolicy,
};

use crate::make::{as_defined, bytes_of, png, put, refusal, rgb, strict, with};

/// The side of each image.
const SIDE: u32 = 12;

/// A few images fit into it at a time, but no file of ten.
const LIMIT: u64 = 4200;

fn given(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/files/parquet/{name}.parquet"))
}

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(given(name)).unwrap()
}

fn open(name: &str, options: &OpenOptions<'_>) -> Result<DataSet, DataError> {
    twinlens_data::open(&given(name), options)
}

/// The one part of an undivided set.
fn all(set: &DataSet) -> &dyn ImageSource {
    set.splits.train.as_deref().unwrap()
}

fn labels(source: &dyn ImageSource) -> Vec<Option<usize>> {
    (0..source.len()).map(|index| source.label(index)).collect()
}

fn metadata(source: &dyn ImageSource, column: &str) -> Vec<String> {
    let place = source.columns().iter().position(|name| name == column).unwrap();
    (0..source.len()).map(|index| source.metadata(index)[place].clone()).collect()
}

fn notice<'a>(set: &'a DataSet, id: &str) -> Option<&'a Notice> {
    set.notices.iter().find(|notice| notice.id == id)
}

/// Every way in which pyarrow packs and encodes the same ten rows.
const ALIKE: [&str; 5] = ["snappy", "plain", "zstd", "gzip", "unpacked"];

#[test]
fn rows_are_the_images_of_a_folder_however_they_are_packed() {
    let folder = tempfile::tempdir().unwrap();
    for row in 0..10u8 {
        put(folder.path(), &format!("{}/{row}.png", row % 3), &png(SIDE, row));
    }
    let files = twinlens_data::open(folder.path(), &as_defined()).unwrap();
    let fingerprints = ALIKE.map(|name| {
        let set = open(name, &strict()).unwrap();
        assert_eq!((set.format, set.split_origin), ("parquet", SplitOrigin::Defined), "{name}");
        assert_eq!(set.classes, ["cat", "dog", "bird"], "in Hugging Face's order");
        let source = all(&set);
        assert_eq!(labels(source), (0..10).map(|row| Some(row % 3)).collect::<Vec<_>>(), "{name}");
        for row in 0..10 {
            assert_eq!(source.name(row), format!("{name}/{row}/cell{row}.png"));
            let in_folder =
                (0..10).find(|&at| all(&files).name(at) == format!("{}/{row}.png", row % 3)).unwrap();
            assert_eq!(source.image(row).unwrap(), all(&files).image(in_folder).unwrap(), "{name} {row}");
        }
        assert_eq!(source.columns(), ["patient", "age", "score", "sharp", "plate"]);
        assert_eq!(source.metadata(3), ["p1", "", "0.75", "true", "1"], "{name}");
        assert_eq!(source.metadata(4), ["p2", "34", "1", "false", "0"], "{name}");
        assert_eq!(notice(&set, "left-out-columns").unwrap().first, ["box (list)"]);
        assert!(notice(&set, "images-column").unwrap().message.contains("\"image\""));
        assert!(
            notice(&set, "labels-table").unwrap().message.ends_with("labels are in the column \"label\"")
        );
        set.fingerprint
    });
    assert!(fingerprints.iter().all(|print| *print == fingerprints[0]));
}

#[test]
fn bytes_in_memory_are_a_set_too() {
    let set = twinlens_data::open_bytes("cells.parquet", bytes("snappy"), &as_defined()).unwrap();
    assert_eq!((set.format, all(&set).len()), ("parquet", 10));
}

#[test]
fn names_of_files_and_folders_say_splits() {
    for names in [
        ["data/train-00000-of-00001", "data/validation-00000-of-00001", "data/test-00000-of-00001"],
        ["default/train/0000", "default/valid/0000", "default/test/0000"],
        ["train", "dev", "testing"],
    ] {
        let folder = tempfile::tempdir().unwrap();
        for (name, file) in names.iter().zip(["snappy", "plain", "test"]) {
            put(folder.path(), &format!("{name}.parquet"), &bytes(file));
        }
        put(folder.path(), "README.md", b"A set of cells.");
        let set = twinlens_data::open(folder.path(), &OpenOptions::default()).unwrap();
        assert_eq!(set.split_origin, SplitOrigin::Defined);
        assert_eq!(Split::ALL.map(|split| set.splits.get(split).unwrap().len()), [10, 10, 3], "{names:?}");
        assert_eq!(set.splits.test.as_ref().unwrap().name(1), format!("{}/1/cell11.png", names[2]));
        assert!(notice(&set, "several-folders").is_none(), "{:?}", set.notices);
        let drawn = with(|settings| settings.splits = SplitPolicy::Drawn);
        assert_eq!(twinlens_data::open(folder.path(), &drawn).unwrap().split_origin, SplitOrigin::Drawn);
    }
}

#[test]
fn a_pattern_names_some_of_the_files() {
    let folder = tempfile::tempdir().unwrap();
    for (number, file) in ["snappy", "plain", "zstd"].into_iter().enumerate() {
        put(folder.path(), &format!("data/train-{number:05}-of-00003.parquet"), &bytes(file));
    }
    let pattern = folder.path().join("data/train-{00000..00001}-of-00003.parquet");
    let set = twinlens_data::open(&pattern, &as_defined()).unwrap();
    assert_eq!((all(&set).len(), all(&set).name(10)), (20, "train-00001-of-00003/0/cell0.png".into()));
    let missing = folder.path().join("data/train-{00002..00003}-of-00003.parquet");
    assert!(refusal(twinlens_data::open(&missing, &as_defined())).contains("train-00003-of-00003"));
}

#[test]
fn unlabelled_files_are_learnt_from_without_labels() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "train.parquet", &bytes("snappy"));
    put(folder.path(), "unsupervised.parquet", &bytes("test"));
    let set = twinlens_data::open(folder.path(), &as_defined()).unwrap();
    assert_eq!((all(&set).len(), &labels(all(&set))[9..]), (13, &[Some(0), None, None, None][..]));
}

#[test]
fn plain_binary_and_text_labels_are_read_page_by_page() {
    let set = open("pages", &as_defined()).unwrap();
    assert_eq!(set.classes, ["a", "b"]);
    let source = all(&set);
    let rows: Vec<usize> = (0..40).filter(|row| row % 7 != 3).collect();
    assert_eq!((source.len(), set.skipped.count), (rows.len(), 40 - rows.len()));
    for (index, row) in rows.into_iter().enumerate() {
        let expected = rgb(SIDE, (row % 20) as u8).into_rgb8().into_raw();
        assert_eq!(bytes_of(set.splits.train.as_ref().unwrap(), index), expected, "row {row}");
        assert_eq!((source.label(index), source.name(index)), (Some(1 - row % 2), format!("pages/{row}")));
    }
}

#[test]
fn columns_are_groups_and_splits() {
    let by_patient = with(|settings| {
        (settings.splits, settings.group) = (SplitPolicy::Drawn, "patient".into());
    });
    let set = open("snappy", &by_patient).unwrap();
    let groups = |split: Split| -> Vec<String> {
        let source = set.splits.get(split).unwrap();
        (0..source.len()).map(|index| source.group(index).unwrap().to_owned()).collect()
    };
    assert!(groups(Split::Test).iter().all(|group| !groups(Split::Train).contains(group)));
    let set = open("split_column", &OpenOptions::default()).unwrap();
    assert_eq!(Split::ALL.map(|split| set.splits.get(split).unwrap().len()), [2, 2, 2]);
    assert_eq!(set.classes, ["5", "11"]);
    let by_column = with(|settings| settings.splits = SplitPolicy::Column);
    assert_eq!(open("split_column", &by_column).unwrap().split_origin, SplitOrigin::Column);
    assert!(refusal(open("snappy", &by_column)).contains("no column \"split\""));
}

#[test]
fn of_several_columns_of_classes_the_first_is_taken_and_told() {
    let set = open("fine_and_coarse", &as_defined()).unwrap();
    assert_eq!(
        (set.classes.as_slice(), labels(all(&set))[0]),
        (&["cat", "dog", "bird"].map(String::from)[..], Some(2))
    );
    let told = notice(&set, "labels-column").unwrap();
    assert!(
        told.message.contains("fine_label, coarse_label")
            && told.hint.as_ref().unwrap().contains("{labels_column}")
    );
    assert_eq!(metadata(all(&set), "coarse_label"), ["wild", "pet", "pet", "wild"]);
    for column in ["coarse_label", "Coarse_Label"] {
        let set = open("fine_and_coarse", &with(|settings| settings.labels_column = column.into())).unwrap();
        assert_eq!(
            (set.classes.as_slice(), labels(all(&set))[0]),
            (&["pet", "wild"].map(String::from)[..], Some(1))
        );
        assert_eq!(metadata(all(&set), "fine_label"), ["bird", "cat", "dog", "bird"]);
    }
    let by_plate = open("snappy", &with(|settings| settings.labels_column = "plate".into())).unwrap();
    assert_eq!((by_plate.classes.len(), metadata(all(&by_plate), "label")[4].as_str()), (2, "dog"));
}

#[test]
fn numbers_without_names_take_those_that_are_given() {
    let names = Some((0..12).map(|number| format!("class {number}")).collect());
    let named = OpenOptions { class_names: names, ..as_defined() };
    let set = open("split_column", &named).unwrap();
    assert_eq!((set.classes.len(), all(&set).label(1)), (12, Some(11)));
    let few = OpenOptions { class_names: Some(vec!["a".into(), "b".into()]), ..as_defined() };
    assert!(refusal(open("split_column", &few)).contains("label 5, expected 0..=1"));
    assert_eq!(open("pages", &few).unwrap().classes, ["a", "b"], "texts name themselves");
}

#[test]
fn rows_without_an_image_are_bad_samples() {
    let set = open("nulls", &as_defined()).unwrap();
    assert_eq!((labels(all(&set)), all(&set).name(1)), (vec![None, None], "nulls/3".into()));
    let paths: Vec<&str> = set.skipped.first.iter().map(|bad| bad.path.as_str()).collect();
    assert_eq!(paths, ["nulls/1", "nulls/2/far.png"]);
    assert!(set.skipped.first[0].reason.contains("no bytes of an image"), "{:?}", set.skipped);
    let message = refusal(open("nulls", &strict()));
    assert!(
        message.contains("nulls.parquet: nulls/1") && message.contains("not only their paths"),
        "{message}"
    );
    assert!(refusal(open("all_null", &as_defined())).contains("no readable image: 2 files"));
}

#[test]
fn which_column_is_meant_must_be_clear() {
    let message = refusal(open("two_images", &as_defined()));
    assert!(
        message.contains("2 columns hold images: image, mask") && message.contains("{member}"),
        "{message}"
    );
    let mask = open("two_images", &with(|settings| settings.member = "mask".into())).unwrap();
    assert_eq!(bytes_of(mask.splits.train.as_ref().unwrap(), 0), rgb(SIDE, 2).into_rgb8().into_raw());
    let message = refusal(open("two_images", &with(|settings| settings.member = "masc".into())));
    assert!(
        message.contains("no column \"masc\" of images; its columns are image (struct), mask (struct)"),
        "{message}"
    );
    let message = refusal(open("many_images", &as_defined()));
    assert!(message.contains("no column holds images; its columns are image (list)"), "{message}");
    let message = refusal(open("no_images", &as_defined()));
    assert!(message.contains("label (int64), when (timestamp)") && message.contains("`bytes`"), "{message}");
    let message = refusal(open("snappy", &with(|settings| settings.labels_column = "lable".into())));
    assert!(message.contains("no column \"lable\""), "{message}");
    for (name, change) in [
        ("labels", with(|settings| settings.labels = "labels.csv".into())),
        ("path_column", with(|settings| settings.path_column = "image".into())),
        (
            "split_folders",
            with(|settings| drop(settings.split_folders.insert(Split::Test, vec!["a".into()]))),
        ),
    ] {
        assert!(refusal(open("snappy", &change)).contains(&format!("option {name}: expected nothing")));
    }
}

#[test]
fn labels_must_fit_their_names() {
    let message = refusal(open("out_of_range", &as_defined()));
    assert!(message.contains("sample 1 has label 3, expected 0..=2"), "{message}");
    let ignored = with(|settings| settings.ignore_labels = vec![3]);
    assert_eq!(labels(all(&open("out_of_range", &ignored).unwrap())), [Some(0), None]);
    let doubled = replaced("out_of_range", b"\"dog\"", b"\"cat\"");
    assert!(refuse(&doubled).contains("of 3 names of classes, only 2 differ"));
}

#[test]
fn files_must_be_of_one_set() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "train.parquet", &bytes("snappy"));
    put(folder.path(), "test.parquet", &bytes("other_classes"));
    let message = refusal(twinlens_data::open(folder.path(), &as_defined()));
    assert!(message.contains("other names of classes") && message.contains("one configuration"), "{message}");
    put(folder.path(), "test.parquet", &bytes("fine_and_coarse"));
    let message = refusal(twinlens_data::open(folder.path(), &as_defined()));
    assert!(message.contains("train.parquet: it has no column \"img\" of images"), "{message}");
    std::fs::remove_file(folder.path().join("test.parquet")).unwrap();
    put(folder.path(), "more.parquet", &bytes("test"));
    let message = refusal(twinlens_data::open(folder.path(), &as_defined()));
    assert!(message.contains("train is named by its split, but more is not"), "{message}");
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "small/0.parquet", &bytes("snappy"));
    put(folder.path(), "large/0.parquet", &bytes("test"));
    let set = twinlens_data::open(folder.path(), &as_defined()).unwrap();
    assert_eq!(notice(&set, "several-folders").unwrap().first, ["large", "small"]);
}

#[test]
fn files_beside_images_and_in_archives_are_told() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "a/1.png", &png(4, 1));
    put(folder.path(), "train.parquet", &bytes("snappy"));
    let set = twinlens_data::open(folder.path(), &as_defined()).unwrap();
    let told = notice(&set, "not-read").unwrap();
    assert_eq!((set.format, told.first.as_slice()), ("folder", &["train.parquet".to_owned()][..]));
    assert!(told.hint.as_ref().unwrap().contains("no image files"));
    let zip = crate::make::zipped(&[("train.parquet", bytes("snappy"))], zip::CompressionMethod::Stored);
    let message = refusal(crate::make::open_file("set.zip", &zip, &as_defined()));
    assert!(message.contains("a Parquet table") && message.contains("unpacked"), "{message}");
}

/// The message of opening these bytes.
fn refuse(bytes: &[u8]) -> String {
    refusal(twinlens_data::open_bytes("bad.parquet", bytes.to_vec(), &strict()))
}

/// The file with `from` replaced wherever it stands, which must be somewhere.
fn replaced(name: &str, from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut bytes = bytes(name);
    let places: Vec<usize> =
        (0..bytes.len() - from.len()).filter(|&at| bytes[at..].starts_with(from)).collect();
    assert!(!places.is_empty() && from.len() == to.len());
    places.into_iter().for_each(|at| bytes[at..at + to.len()].copy_from_slice(to));
    bytes
}

#[test]
fn damaged_files_are_refused_by_what_is_wrong() {
    let sound = bytes("snappy");
    let end = sound.len();
    assert!(refuse(&sound[..end / 2]).contains("does not end as Parquet does"));
    assert!(refuse(&sound[..9]).contains("too short"));
    assert!(
        refuse(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9374\n")
            .contains("git lfs pull")
    );
    let with_end = |bytes: &[u8]| [&sound[..end - bytes.len()], bytes].concat();
    assert!(refuse(&with_end(b"PARE")).contains("encrypted footer"));
    assert!(refuse(&with_end(b"\xff\xff\0\0PAR1")).contains("footer claims 65535 bytes"));
    assert!(refuse(&with_end(b"\x09\0\0\0PAR1")).contains("footer"));
    let mut gzip = bytes("gzip");
    let page = (0..end).find(|&at| gzip[at..].starts_with(b"\x1f\x8b\x08")).unwrap();
    gzip[page + 30] ^= 1;
    let message = refuse(&gzip);
    assert!(message.contains("column image, row group 0") && message.contains("checksum"), "{message}");
    let mut page = sound.clone();
    page[4..200].fill(0xff);
    assert!(refuse(&page).contains("header of a page"), "{}", refuse(&page));
}

#[test]
fn what_is_not_read_is_named() {
    let message = refusal(open("lz4", &as_defined()));
    assert!(message.contains("pages packed by LZ4") && message.contains("snappy, zstd, gzip"), "{message}");
    let message = refusal(open("delta", &as_defined()));
    assert!(
        message.contains("column label, row group 0") && message.contains("DELTA_BINARY_PACKED"),
        "{message}"
    );
    assert!(refusal(open("no_rows", &as_defined())).contains("is empty"));
}

/// Opens a set that fits into memory neither decoded nor unpacked.
fn on_demand(name: &str, cache: &Path) -> Result<DataSet, DataError> {
    let cache_dir = Some(cache.to_owned());
    open(name, &OpenOptions { memory_limit: Some(LIMIT), cache_dir, ..as_defined() })
}

fn files(cache: &Path) -> Vec<String> {
    let files =
        std::fs::read_dir(cache).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut files: Vec<String> = files.map(|name| name.split('-').next().unwrap().to_owned()).collect();
    files.sort();
    files
}

#[test]
fn decoded_on_demand_and_held_in_memory_are_the_same() {
    for name in ALIKE.into_iter().chain(["pages"]) {
        let cache = tempfile::tempdir().unwrap();
        let held = open(name, &as_defined()).unwrap();
        let first = on_demand(name, cache.path()).unwrap();
        let again = on_demand(name, cache.path()).unwrap();
        assert_eq!(files(cache.path()), ["decoded", "encoded"], "{name}");
        let unpacked = !["plain", "unpacked"].contains(&name);
        assert_eq!(notice(&first, "unpacked").is_some(), unpacked, "{name}: {:?}", first.notices);
        for set in [first, again] {
            assert_eq!((&set.fingerprint, set.bytes_in_memory), (&held.fingerprint, 0), "{name}");
            assert!(notice(&set, "decoded-on-demand").is_some());
            let (set, held) = (all(&set), all(&held));
            for index in (0..held.len()).rev() {
                let one = (set.image(index).unwrap(), set.label(index), set.name(index), set.metadata(index));
                let other =
                    (held.image(index).unwrap(), held.label(index), held.name(index), held.metadata(index));
                assert_eq!(one, other, "{name} {index}");
            }
        }
    }
}

#[test]
fn what_is_kept_of_images_is_made_again_where_it_is_damaged() {
    let cache = tempfile::tempdir().unwrap();
    let first = on_demand("snappy", cache.path()).unwrap();
    let kept = std::fs::read_dir(cache.path()).unwrap().map(|file| file.unwrap().path());
    let kept = kept.into_iter().find(|path| path.to_string_lossy().contains("encoded-")).unwrap();
    let sound = std::fs::read(&kept).unwrap();
    for at in [0, sound.len() - 60, sound.len() - 1] {
        let mut bytes = sound.clone();
        bytes[at] ^= 1;
        std::fs::write(&kept, bytes).unwrap();
        let again = on_demand("snappy", cache.path()).unwrap();
        assert_eq!(all(&again).image(9).unwrap(), all(&first).image(9).unwrap());
        assert_eq!(std::fs::read(&kept).unwrap(), sound);
    }
}

#[test]
fn without_room_for_unpacked_images_a_cache_folder_is_asked_for() {
    let options = OpenOptions { memory_limit: Some(LIMIT), ..as_defined() };
    let message = refusal(open("snappy", &options));
    assert!(message.contains("unpacked") && message.contains("cache folder"), "{message}");
    let set = open("plain", &options).unwrap();
    assert_eq!(all(&set).image(7).unwrap(), all(&open("plain", &as_defined()).unwrap()).image(7).unwrap());
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "file", b"in the way");
    let message = refusal(on_demand("snappy", &folder.path().join("file/cache")));
    assert!(message.contains("file/cache"), "{message}");
}

#[test]
fn small_files_take_no_memory_on_their_word() {
    let options = OpenOptions { memory_limit: Some(1 << 20), ..as_defined() };
    for (name, what) in [
        ("many_rows", "many_rows.parquet needs 20480000 bytes"),
        ("large_page", "column image, row group 0 needs 17825802 bytes"),
        ("long_texts", "column caption, row group 0 needs 16"),
    ] {
        let message = refusal(open(name, &options));
        assert!(message.contains(what) && message.contains("memory limit"), "{message}");
    }
}

#[test]
fn a_bad_image_is_skipped_or_stops() {
    // The image of row 6 of a file whose images are not packed, its first bytes spoilt.
    let mut bytes = bytes("plain");
    let images: Vec<usize> = (0..bytes.len()).filter(|&at| bytes[at..].starts_with(b"\x89PNG")).collect();
    bytes[images[6]] = 0;
    let options = with(|settings| settings.on_bad_sample = OnBadSample::Skip);
    let set = twinlens_data::open_bytes("cells.parquet", bytes.clone(), &options).unwrap();
    assert_eq!((all(&set).len(), set.skipped.first[0].path.as_str()), (9, "cells/6/cell6.png"));
    assert!(refuse(&bytes).contains("bad.parquet: bad/6/cell6.png cannot be decoded"), "{}", refuse(&bytes));
}

proptest! {
    #[test]
    fn rows_in_any_order_are_those_of_a_sequential_read(order in prop::collection::vec(0usize..34, 1..60)) {
        let cache = tempfile::tempdir().unwrap();
        let set = on_demand("pages", cache.path()).unwrap();
        let rows: Vec<usize> = (0..40).filter(|row| row % 7 != 3).collect();
        for index in order.into_iter().filter(|&index| index < rows.len()) {
            let expected = rgb(SIDE, (rows[index] % 20) as u8).into_rgb8().into_raw();
            prop_assert_eq!(bytes_of(set.splits.train.as_ref().unwrap(), index), expected);
        }
    }

    #[test]
    fn altered_and_cut_files_never_panic(
        name in prop::sample::select(vec!["snappy", "plain", "zstd", "gzip", "pages", "nulls"]),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
        is_cut in any::<bool>(),
    ) {
        let mut bytes = bytes(name);
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if is_cut {
            let from = cut.index(bytes.len());
            bytes.drain(from..(from + 7).min(bytes.len()));
        }
        let options = OpenOptions { memory_limit: Some(16 << 20), ..as_defined() };
        if let Err(error) = twinlens_data::open_bytes("set.parquet", bytes, &options) {
            prop_assert!(!error.hint().is_empty());
        }
    }
}
