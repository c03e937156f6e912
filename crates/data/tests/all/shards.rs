//! Tar shards of WebDataset.

use std::path::Path;

use twinlens_data::{DataError, DataSet, DataSettings, OpenOptions, Split, SplitOrigin};

use crate::make::{as_defined, png, put, tarred, with};

/// A shard of samples: key and label, with a picture that depends on the place.
fn shard(first: usize, samples: &[(&str, &str)]) -> Vec<u8> {
    let members = samples.iter().enumerate().flat_map(|(at, (key, label))| {
        let picture = (format!("{key}.png"), png(4, (first + at) as u8));
        [picture, (format!("{key}.cls"), label.as_bytes().to_vec())]
    });
    let members: Vec<(String, Vec<u8>)> = members.collect();
    let members: Vec<(&str, Vec<u8>)> =
        members.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())).collect();
    tarred(&members)
}

fn open(root: &Path, path: &str, options: &OpenOptions<'_>) -> Result<DataSet, DataError> {
    twinlens_data::open(&root.join(path), options)
}

fn labels(set: &DataSet, split: Split) -> Vec<Option<usize>> {
    let source = set.splits.get(split).unwrap();
    (0..source.len()).map(|index| source.label(index)).collect()
}

/// Two shards to learn from, one to test on, and a list of their lengths.
fn set() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "cells-train-000000.tar", &shard(0, &[("0001", "10"), ("0002", "2")]));
    put(folder.path(), "cells-train-000001.tar", &shard(2, &[("0001", "2"), ("0003", "-1")]));
    put(folder.path(), "cells-test-000000.tar", &shard(4, &[("0001", "10")]));
    put(folder.path(), "sizes.json", b"{\"cells-train-000000.tar\": 2}");
    folder
}

#[test]
fn shards_of_a_folder_are_one_set() {
    let folder = set();
    let set = open(folder.path(), "", &as_defined()).unwrap();
    assert_eq!((set.format, set.split_origin), ("webdataset", SplitOrigin::Defined));
    assert_eq!(set.classes, ["2", "10"], "in the order of the numbers");
    assert_eq!(labels(&set, Split::Train), [Some(1), Some(0), Some(0), None]);
    assert_eq!(labels(&set, Split::Test), [Some(1)]);
    let train = set.splits.train.unwrap();
    assert_eq!(train.name(2), "cells-train-000001/0001.png", "one key in two shards is two images");
    let expected = image::load_from_memory(&png(4, 2)).unwrap().into_rgb8().into_raw();
    assert_eq!(train.image(2).unwrap().pixels, twinlens_data::Pixels::U8(expected));
    let notice = set.notices.iter().find(|notice| notice.id == "images-without-label").unwrap();
    assert_eq!((notice.count, notice.first.as_slice()), (1, &["cells-train-000001/0003".to_owned()][..]));
}

#[test]
fn a_pattern_names_some_of_the_shards() {
    let folder = set();
    let train = open(folder.path(), "cells-train-{000000..000001}.tar", &as_defined()).unwrap();
    assert_eq!(labels(&train, Split::Train), [Some(1), Some(0), Some(0), None]);
    let error = open(folder.path(), "cells-train-{000000..000002}.tar", &as_defined()).unwrap_err();
    assert!(error.to_string().contains("cells-train-000002.tar"), "{error}");
}

#[test]
fn descriptions_give_labels_and_metadata() {
    let json = |label: &str, plate: usize| {
        format!("{{\"label\": \"{label}\", \"plate\": {plate}, \"box\": [1, 2]}}").into_bytes()
    };
    let tar = tarred(&[
        ("a.jpg.mask.png", png(3, 9)),
        ("b/1.png", png(3, 0)),
        ("b/1.json", json("taxol", 7)),
        ("b/2.png", png(3, 1)),
        ("b/2.json", json("dmso", 8)),
        ("note", b"no ending".to_vec()),
    ]);
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "cells.tar", &tar);
    let options = with(|settings| settings.member = "png".into());
    let set = open(folder.path(), "cells.tar", &options).unwrap();
    assert_eq!(
        (set.classes.as_slice(), set.format),
        (&["dmso".to_owned(), "taxol".into()][..], "webdataset")
    );
    let train = set.splits.train.as_ref().unwrap();
    assert_eq!((train.columns(), train.metadata(0)), (&["plate".to_owned()][..], &["7".to_owned()][..]));
    let by_plate = with(|settings| {
        (settings.member, settings.labels) = ("png".into(), "json".into());
        settings.labels_column = "plate".into();
    });
    assert_eq!(open(folder.path(), "cells.tar", &by_plate).unwrap().classes, ["7", "8"]);
}

#[test]
fn what_cannot_be_a_shard_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let two = tarred(&[("1.png", png(3, 0)), ("1.mask.png", png(3, 1)), ("1.cls", b"0".to_vec())]);
    put(folder.path(), "two.tar", &two);
    let error = open(folder.path(), "two.tar", &as_defined()).unwrap_err();
    assert!(error.to_string().contains("several images") && error.hint().contains("{member}"), "{error}");
    let broken = tarred(&[("1.png", png(3, 0)), ("1.json", b"{".to_vec())]);
    put(folder.path(), "broken.tar", &broken);
    let error = open(folder.path(), "broken.tar", &as_defined()).unwrap_err();
    assert!(error.to_string().contains("1.json"), "{error}");
    let cut = &shard(0, &[("1", "0"), ("2", "1")])[..540];
    put(folder.path(), "cut/0.tar", cut);
    put(folder.path(), "cut/1.tar", &shard(0, &[("1", "0")]));
    let error = open(folder.path(), "cut", &as_defined()).unwrap_err();
    assert!(error.to_string().contains("0.tar"), "{error}");
}

#[test]
fn archives_of_one_class_each_are_classes() {
    let folder = tempfile::tempdir().unwrap();
    for (seed, name) in ["n01440764", "n01443537"].into_iter().enumerate() {
        let members = [0, 1].map(|at| (format!("{name}_{at}.png"), png(3, (2 * seed + at) as u8)));
        let members: Vec<(&str, Vec<u8>)> =
            members.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())).collect();
        put(folder.path(), &format!("{name}.tar"), &tarred(&members));
    }
    let set = twinlens_data::open(folder.path(), &OpenOptions::from(DataSettings::default())).unwrap();
    assert_eq!(
        (set.format, set.classes.as_slice()),
        ("folder", &["n01440764".to_owned(), "n01443537".into()][..])
    );
}
