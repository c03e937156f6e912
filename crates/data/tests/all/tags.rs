//! Images that may show several classes: label arrays of several columns, and PASCAL VOC.

use std::sync::Arc;

use twinlens_data::Tag::{Absent, NotJudged, Present};
use twinlens_data::{
    Concat, DataError, DataSet, DataSettings, ImageSource, LabelAmount, LabelChoice, LabelShare, OnBadSample,
    OpenOptions, Split, SplitOrigin, Subset, Tag, inspect, limit,
};
use zip::CompressionMethod;

use crate::make::{as_defined, npy, npy_u8, npz, open_file, png, put, refusal, tarred, zipped};

fn images(count: usize) -> Vec<u8> {
    npy_u8(&[count, 1, 1], &(0..count).map(|at| at as u8).collect::<Vec<u8>>())
}

fn tags_of(set: &DataSet, split: Split) -> Vec<Vec<Tag>> {
    let source = set.splits.get(split).unwrap();
    (0..source.len()).map(|index| source.tags(index).unwrap().to_vec()).collect()
}

/// An .npz with these labels of two images.
fn labelled(labels: Vec<u8>) -> Vec<u8> {
    npz(&[("images", images(2)), ("labels", labels)])
}

#[track_caller]
fn says(message: &str, parts: &[&str]) {
    parts.iter().for_each(|part| assert!(message.contains(part), "no {part:?} in: {message}"));
}

const ROWS: [u8; 6] = [1, 0, 1, 0, 0, 0];
const TAGS: [[Tag; 3]; 2] = [[Present, Absent, Present], [Absent, Absent, Absent]];

#[test]
fn label_arrays_of_several_columns_are_tags_whatever_their_type_and_order() {
    let wide = |size: usize| {
        ROWS.iter().flat_map(|&tag| [vec![tag], vec![0; size - 1]].concat()).collect::<Vec<u8>>()
    };
    let turned = [1, 0, 0, 0, 1, 0];
    let cases = [
        npy("|b1", false, &[2, 3], &ROWS),
        npy("|u1", false, &[2, 3], &ROWS),
        npy("<i8", false, &[2, 3], &wide(8)),
        npy("|i1", true, &[2, 3], &turned),
    ];
    let mut fingerprints = Vec::new();
    for labels in cases {
        let set = open_file("a.npz", &labelled(labels), &as_defined()).unwrap();
        assert_eq!(tags_of(&set, Split::Train), TAGS);
        assert!(set.has_tags() && set.splits.train.unwrap().label(0).is_none());
        assert_eq!(set.classes, ["0", "1", "2"]);
        fingerprints.push(set.fingerprint);
    }
    assert!(fingerprints.iter().all(|one| *one == fingerprints[0]));
    let other = open_file("a.npz", &labelled(npy_u8(&[2, 3], &[1, 0, 1, 0, 1, 0])), &as_defined()).unwrap();
    assert_ne!(other.fingerprint, fingerprints[0], "tags are part of the content");
    let alone = open_file("a.npz", &npz(&[("images", images(2))]), &as_defined()).unwrap();
    assert!(!alone.has_tags() && alone.fingerprint != fingerprints[0]);
}

#[test]
fn all_splits_have_tags_and_names_are_as_many_as_columns() {
    let file = npz(&[
        ("train_images", images(2)),
        ("train_labels", npy_u8(&[2, 3], &ROWS)),
        ("val_images", images(1)),
        ("val_labels", npy_u8(&[1, 3], &[0, 1, 0])),
        ("test_images", images(1)),
        ("test_labels", npy_u8(&[1, 3], &[1, 1, 1])),
    ]);
    let named = |names: &[&str]| OpenOptions {
        class_names: Some(names.iter().map(ToString::to_string).collect()),
        ..as_defined()
    };
    let set = open_file("a.npz", &file, &named(&["a", "b", "c"])).unwrap();
    assert_eq!(
        (set.split_origin, &set.classes[..]),
        (SplitOrigin::Defined, &["a", "b", "c"].map(String::from)[..])
    );
    assert_eq!(
        tags_of(&set, Split::Val),
        [[Absent, Present, Absent]],
        "one class each in a split is no one-hot set"
    );
    assert_eq!(tags_of(&set, Split::Test), [[Present; 3]]);
    says(
        &refusal(open_file("a.npz", &file, &named(&["a", "b"]))),
        &["train_labels", "2 column(s)", "[2, 3]"],
    );
    for bad in [npy_u8(&[1, 2], &[0, 1]), npy_u8(&[1], &[0])] {
        let file = npz(&[
            ("train_images", images(2)),
            ("train_labels", npy_u8(&[2, 3], &ROWS)),
            ("test_images", images(1)),
            ("test_labels", bad),
        ]);
        says(
            &refusal(open_file("a.npz", &file, &as_defined())),
            &["test_labels", "3 column(s)", "same classes"],
        );
    }
}

#[test]
fn one_hot_rows_are_class_numbers() {
    let set = open_file("a.npz", &labelled(npy_u8(&[2, 3], &[0, 0, 1, 1, 0, 0])), &as_defined()).unwrap();
    let train = set.splits.train.as_ref().unwrap();
    assert_eq!((train.label(0), train.label(1), train.tags(0)), (Some(2), Some(0), None));
    assert!(!set.has_tags() && set.check_for_evaluation().is_ok());
}

#[test]
fn what_is_no_tag_is_refused() {
    let refused = |labels: Vec<u8>| refusal(open_file("a.npz", &labelled(labels), &as_defined()));
    let two = refused(npy_u8(&[2, 3], &[1, 0, 1, 0, 2, 0]));
    says(&two, &["labels.npy", "sample 1 has 2 in column 1", "expected 0 or 1"]);
    let half: Vec<u8> = [1.0, 0.5, 0.0, 0.0].iter().flat_map(|value: &f32| value.to_le_bytes()).collect();
    says(&refused(npy("<f4", false, &[2, 2], &half)), &["labels of whole numbers", "0.5 (float32)"]);
    says(&refused(npy_u8(&[3, 2], &[0; 6])), &["2 images but 3 labels"]);
    says(&refused(npy_u8(&[2, 3], &[0; 5])), &["damaged"]);
}

#[test]
fn minus_one_nan_and_ignored_values_in_a_column_are_left_open() {
    let nan: Vec<u8> = [1.0, f32::NAN, 0.0, 0.0].iter().flat_map(|value| value.to_le_bytes()).collect();
    let mut ignoring = as_defined();
    ignoring.settings.ignore_labels = vec![9];
    for labels in [
        npy("|i1", false, &[2, 2], &[1, 255, 0, 0]),
        npy("<f4", false, &[2, 2], &nan),
        npy_u8(&[2, 2], &[1, 9, 0, 0]),
    ] {
        let set = open_file("a.npz", &labelled(labels), &ignoring).unwrap();
        assert_eq!(tags_of(&set, Split::Train), [[Present, NotJudged], [Absent, Absent]]);
        let notice = set.notices.iter().find(|notice| notice.id == "not-judged").unwrap();
        assert_eq!((notice.count, &notice.first[..]), (1, &["labels[0]".to_string()][..]));
    }
    // A row that leaves a class open is no one-hot row.
    for rows in [[1, 255, 0, 1], [255, 0, 0, 1]] {
        let set = open_file("a.npz", &labelled(npy("|i1", false, &[2, 2], &rows)), &as_defined());
        assert!(set.unwrap().has_tags());
    }
}

#[test]
fn protocols_of_one_class_are_refused_and_say_what_to_do() {
    let set = open_file("a.npz", &labelled(npy_u8(&[2, 3], &ROWS)), &as_defined()).unwrap();
    let error = set.check_for_evaluation().unwrap_err();
    assert!(matches!(error, DataError::SeveralLabels { .. }));
    says(&error.to_string(), &["may show several classes"]);
    says(error.hint(), &["`{probe} {classifier} svm`"]);
}

#[test]
fn tags_go_through_parts_and_cuts_and_are_counted() {
    let set = open_file("a.npz", &labelled(npy_u8(&[2, 3], &ROWS)), &as_defined()).unwrap();
    let train = set.splits.train.clone().unwrap();
    let last: Arc<dyn ImageSource> = Arc::new(Subset::new(train.clone(), vec![1]).unwrap());
    let joined = Concat::new(vec![last.clone(), train.clone()]);
    let found: Vec<_> = (0..4).map(|index| joined.tags(index)).collect();
    assert_eq!(found, [Some(&TAGS[1][..]), Some(&TAGS[0]), Some(&TAGS[1]), None]);
    assert_eq!(limit(train.clone(), 1).tags(0), Some(&TAGS[0][..]));
    let share = LabelShare::new(train, LabelAmount::Share(1.0), LabelChoice::Random, 0).unwrap();
    assert_eq!((share.known(), share.tags(0)), (vec![], None), "labels that are drawn are of one class");
    let inspection = inspect(&set).unwrap();
    let part = &inspection.splits[&Split::Train];
    assert_eq!((part.labelled, &part.per_class), (2, &vec![1, 0, 1]));
    assert_eq!(part.not_judged, Some(vec![0; 3]));
}

#[test]
fn undivided_sets_with_tags_are_split_and_kept_in_the_cache() {
    let labels: Vec<u8> = (0..60).map(|at| u8::from(at % 7 < 3)).collect();
    let file = npz(&[("images", images(20)), ("labels", npy_u8(&[20, 3], &labels))]);
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "a.npz", &file);
    let cache = tempfile::tempdir().unwrap();
    let options = OpenOptions {
        memory_limit: Some(10),
        cache_dir: Some(cache.path().into()),
        ..OpenOptions::default()
    };
    let open = || twinlens_data::open(&folder.path().join("a.npz"), &options).unwrap();
    let (first, again) = (open(), open());
    assert_eq!(first.split_origin, SplitOrigin::Drawn);
    assert_eq!(first.bytes_in_memory, 0);
    for split in Split::ALL {
        assert_eq!(tags_of(&first, split), tags_of(&again, split));
    }
    assert_eq!(Split::ALL.map(|split| first.splits.get(split).unwrap().len()), [14, 2, 4]);
}

/// A small PASCAL VOC: image `0000N` in the list of its split.
fn voc() -> Vec<(String, Vec<u8>)> {
    let lists = [
        ("cat_train", "00001  1\n00002 -1\n"),
        ("cat_val", "00003 -1\n"),
        ("cat_trainval", "00001  1\n00002 -1\n00003 -1\n"),
        ("cat_test", "00005  0\n00004  1\n"),
        ("potted_plant_train", "00002  0\n00001 -1\n\n"),
        ("potted_plant_val", "00003  1\n"),
        ("potted_plant_trainval", "00001 -1\n00002  0\n00003  1\n"),
        ("potted_plant_test", "00004 -1\n00005  1\n"),
    ];
    let lists =
        lists.map(|(name, text)| (format!("VOC2007/ImageSets/Main/{name}.txt"), text.as_bytes().to_vec()));
    let mut files = lists.to_vec();
    files.push(("VOC2007/ImageSets/Main/train.txt".into(), b"00001\n00002\n".to_vec()));
    files.push(("VOC2007/ImageSets/Layout/train.txt".into(), b"00001\n".to_vec()));
    files.push(("VOC2007/SegmentationClass/00001.png".into(), png(4, 77)));
    files.push(("VOC2007/Annotations/00001.xml".into(), b"<annotation/>".to_vec()));
    files.extend((1..=6).map(|at| (format!("VOC2007/JPEGImages/0000{at}.jpg"), png(3 + at, at as u8))));
    files
}

fn opened(files: &[(String, Vec<u8>)], options: &OpenOptions<'_>) -> Result<DataSet, DataError> {
    let folder = tempfile::tempdir().unwrap();
    files.iter().for_each(|(path, bytes)| put(folder.path(), path, bytes));
    twinlens_data::open(folder.path(), options)
}

/// The same with one file changed, or gone.
fn with(path: &str, bytes: Option<&[u8]>) -> Vec<(String, Vec<u8>)> {
    let path = format!("VOC2007/{path}");
    let mut files: Vec<_> = voc().into_iter().filter(|(name, _)| *name != path).collect();
    files.extend(bytes.map(|bytes| (path, bytes.to_vec())));
    files
}

#[test]
fn pascal_voc_is_read_from_its_folder_or_the_one_above_or_an_archive() {
    let files = voc();
    let set = opened(&files, &OpenOptions::default()).unwrap();
    assert_eq!((set.format, set.split_origin), ("voc", SplitOrigin::Defined));
    assert_eq!(set.classes, ["cat", "potted_plant"]);
    assert_eq!(tags_of(&set, Split::Train), [[Present, Absent], [Absent, NotJudged]]);
    assert_eq!(tags_of(&set, Split::Val), [[Absent, Present]]);
    assert_eq!(tags_of(&set, Split::Test), [[Present, Absent], [NotJudged, Present]]);
    let test = set.splits.test.as_ref().unwrap();
    assert_eq!(test.name(1), "VOC2007/JPEGImages/00005.jpg");
    assert_eq!(test.image(1).unwrap().height, 8);
    let inspection = inspect(&set).unwrap();
    let part = &inspection.splits[&Split::Test];
    assert_eq!((&part.per_class, &part.not_judged), (&vec![1, 1], &Some(vec![1, 0])));
    let folder = tempfile::tempdir().unwrap();
    files.iter().for_each(|(path, bytes)| put(folder.path(), path, bytes));
    let inner = twinlens_data::open(&folder.path().join("VOC2007"), &OpenOptions::default()).unwrap();
    let members: Vec<(&str, Vec<u8>)> =
        files.iter().map(|(path, bytes)| (path.as_str(), bytes.clone())).collect();
    let zip = open_file("voc.zip", &zipped(&members, CompressionMethod::Deflated), &OpenOptions::default())
        .unwrap();
    let tar = open_file("voc.tar", &tarred(&members), &OpenOptions::default()).unwrap();
    for other in [inner, zip, tar] {
        assert_eq!((other.format, &other.fingerprint), ("voc", &set.fingerprint));
    }
}

#[test]
fn trainval_is_the_training_split_where_it_is_not_divided() {
    let mut files = voc();
    files.retain(|(path, _)| !path.ends_with("_train.txt") && !path.ends_with("_val.txt"));
    let set = opened(&files, &as_defined()).unwrap();
    let rows = [[Present, Absent], [Absent, NotJudged], [Absent, Present]];
    assert_eq!((tags_of(&set, Split::Train), set.splits.val.is_none()), (rows.map(Vec::from).to_vec(), true));
    // What the archive of the test images holds by itself.
    files.retain(|(path, _)| !path.ends_with("_trainval.txt"));
    let set = opened(&files, &as_defined()).unwrap();
    assert!(set.splits.train.is_none() && set.splits.test.is_some());
}

#[test]
fn lists_that_cannot_be_right_are_refused() {
    let refused =
        |path: &str, bytes: Option<&[u8]>| refusal(opened(&with(path, bytes), &OpenOptions::default()));
    let list = |text: &str| refused("ImageSets/Main/cat_test.txt", Some(text.as_bytes()));
    says(
        &refused("JPEGImages/00004.jpg", None),
        &["lists of test name 00004", "VOC2007/JPEGImages/", "unpack"],
    );
    says(&refused("ImageSets/Main/cat_test.txt", None), &["no ImageSets/Main/cat_test.txt", "every class"]);
    says(&list(""), &["cat_test.txt is empty"]);
    says(&list("\n \n"), &["cat_test.txt is empty"]);
    says(&list("00004 1\n00005 2\n"), &["cat_test.txt", "line 2", "00005 2", "1, -1 or 0"]);
    says(&list("00004\n00005 1\n"), &["line 1 is no image with"]);
    says(&list("00004 nan\n00005 1\n"), &["line 1 is no image with"]);
    says(&list("00004 1\n00004 1\n00005 1\n"), &["line 2 names an image again"]);
    says(&list("00004 1\n"), &["potted_plant_test.txt", "00005 does not stand in"]);
    says(&list("00004 1\n00005 1\n00006 1\n"), &["potted_plant_test.txt", "00006 is missing"]);
    let mut two = voc();
    two.extend(voc().into_iter().map(|(path, bytes)| (path.replace("VOC2007", "VOC2012"), bytes)));
    says(&refusal(opened(&two, &as_defined())), &["several sets: VOC2007/, VOC2012/", "one of them"]);
}

#[test]
fn pictures_that_cannot_be_decoded_are_skipped_or_stop() {
    let broken = with("JPEGImages/00002.jpg", Some(b"no picture"));
    let set = opened(&broken, &OpenOptions::default()).unwrap();
    assert_eq!((set.skipped.count, tags_of(&set, Split::Train)), (1, vec![vec![Present, Absent]]));
    let strict =
        OpenOptions::from(DataSettings { on_bad_sample: OnBadSample::Fail, ..DataSettings::default() });
    says(&refusal(opened(&broken, &strict)), &["00002.jpg", "cannot be decoded"]);
}
