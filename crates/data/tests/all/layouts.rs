//! What folders mean: splits, classes, companions, copies; and what is refused.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use twinlens_data::{
    DataError, DataSet, DataSettings, Notice, OpenOptions, Split, SplitOrigin, SplitPolicy, class_counts,
};

use crate::make::{as_defined, npy_u8, open_file, png, put, refusal, with};

/// A file of `tests/files`.
pub fn given(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files").join(name)
}

/// A folder with a picture at every path, opened.
fn try_paths<P: AsRef<str>>(paths: &[P], options: &OpenOptions<'_>) -> Result<DataSet, DataError> {
    let folder = tempfile::tempdir().unwrap();
    for (seed, path) in paths.iter().enumerate() {
        put(folder.path(), path.as_ref(), &png(3, seed as u8));
    }
    twinlens_data::open(folder.path(), options)
}

fn paths(paths: &[&str]) -> DataSet {
    try_paths(paths, &as_defined()).unwrap()
}

/// Names and class names of a split's images.
pub fn members(set: &DataSet, split: Split) -> Vec<(String, Option<String>)> {
    let Some(source) = set.splits.get(split) else { return Vec::new() };
    let class = |index| source.label(index).map(|label| set.classes[label].clone());
    (0..source.len()).map(|index| (source.name(index), class(index))).collect()
}

/// Number of images by class ("-" for none) of all three splits, in one line.
fn summary(set: &DataSet) -> String {
    let of = |split| {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for (_, class) in members(set, split) {
            *counts.entry(class.unwrap_or("-".into())).or_default() += 1;
        }
        counts.iter().map(|(class, count)| format!("{class} {count}")).collect::<Vec<_>>().join(", ")
    };
    format!("{} | {} | {}", of(Split::Train), of(Split::Val), of(Split::Test))
}

pub fn notice<'a>(set: &'a DataSet, id: &str) -> &'a Notice {
    let found = set.notices.iter().find(|notice| notice.id == id);
    found.unwrap_or_else(|| panic!("no notice {id} among {:?}", set.notices))
}

#[track_caller]
fn silent(set: &DataSet) {
    assert!(set.notices.is_empty(), "{:?}", set.notices);
}

fn unclear(names: &[&str]) -> String {
    let message = refusal(try_paths(names, &OpenOptions::default()));
    for option in ["{split_folder} train=", "{splits} drawn", "{member}"] {
        assert!(message.contains(option), "{message}");
    }
    message
}

#[test]
fn the_usual_names_of_splits_are_known() {
    for [train, val, test] in [
        ["train", "val", "test"],
        ["Train", "Valid", "Testing"],
        ["training_set", "validation_set", "test_set"],
        ["train", "dev", "test"],
        ["trainset", "valset", "testset"],
        ["train_images", "val_images", "test_images"],
        ["images_train", "images_val", "images_test"],
        ["TrainData", "ValData", "TestData"],
        ["train2017", "val2017", "test2017"],
        ["asl_alphabet_train", "asl_alphabet_val", "asl_alphabet_test"],
        ["train", "val", "hold-out"],
        ["train", "val", "eval"],
    ] {
        let files: Vec<String> = [train, val, test]
            .iter()
            .flat_map(|split| ["cat/1.png", "dog/2.png"].map(|file| format!("{split}/{file}")))
            .collect();
        let set = try_paths(&files, &as_defined()).unwrap();
        assert_eq!(summary(&set), "cat 1, dog 1 | cat 1, dog 1 | cat 1, dog 1", "{train} {val} {test}");
        silent(&set);
        let wrapped: Vec<String> = files.iter().map(|file| format!("set/data/{file}")).collect();
        assert_eq!(summary(&try_paths(&wrapped, &as_defined()).unwrap()), summary(&set));
    }
}

#[test]
fn two_splits_whose_folders_wrap_the_classes_again() {
    let set = paths(&[
        "seg_train/seg_train/sea/1.png",
        "seg_train/seg_train/wood/2.png",
        "seg_test/seg_test/sea/3.png",
        "seg_test/seg_test/wood/4.png",
        "seg_pred/seg_pred/5.png",
    ]);
    assert_eq!(summary(&set), "sea 1, wood 1 |  | sea 1, wood 1");
    assert_eq!((notice(&set, "left-out").count, set.notices.len()), (1, 1));
    let set = paths(&["train/images/a/1.png", "train/images/b/2.png", "test/images/a/3.png"]);
    assert_eq!(summary(&set), "a 1, b 1 |  | a 1");
    let set = paths(&["data/images/train/a/1.png", "data/images/train/b/2.png", "data/images/test/a/3.png"]);
    assert_eq!(summary(&set), "a 1, b 1 |  | a 1");
    let flat = paths(&["train/train/1.png", "train/train/2.png", "test1/test1/3.png"]);
    assert_eq!(summary(&flat), "- 2 |  | - 1");
}

#[test]
fn unlabelled_images_join_those_to_learn_from() {
    let set = twinlens_data::open(&given("layout_train_val_test_unlabeled.zip"), &as_defined()).unwrap();
    assert_eq!(summary(&set), "- 8, cat 3, dog 3 | cat 3, dog 3 | cat 3, dog 3");
    let told = notice(&set, "unlabelled");
    assert_eq!((told.count, told.first[0].as_str(), set.notices.len()), (8, "unlabeled/0.png", 1));
    let set = paths(&["train/a/1.png", "train/b/2.png", "train/unlabeled/3.png", "test/a/4.png"]);
    assert_eq!((summary(&set).as_str(), set.classes.len()), ("- 1, a 1, b 1 |  | a 1", 2));
    assert!(notice(&set, "unlabelled").message.contains("\"unlabeled\" have no label"));
    let set = paths(&["train/a/1.png", "test/a/2.png", "extra/x/3.png"]);
    assert_eq!(summary(&set), "- 1, a 1 |  | a 1");
}

#[test]
fn images_to_predict_are_left_out() {
    let set = twinlens_data::open(&given("layout_train_valid_test_predict.zip"), &as_defined()).unwrap();
    assert_eq!(summary(&set), "cat 4, dog 4 | cat 4, dog 4 | cat 4, dog 4");
    let told = notice(&set, "left-out");
    assert_eq!((told.count, told.first[2].as_str()), (3, "images to predict/2.png"));
    assert!(told.hint.as_ref().unwrap().contains("{member}"));
}

#[test]
fn a_second_copy_inside_is_left_out_and_named() {
    let set = twinlens_data::open(&given("layout_chest_xray_twice.zip"), &as_defined()).unwrap();
    assert_eq!(summary(&set), "NORMAL 3, PNEUMONIA 3 | NORMAL 3, PNEUMONIA 3 | NORMAL 3, PNEUMONIA 3");
    let told = notice(&set, "copy");
    assert_eq!((told.count, set.notices.len()), (18, 1));
    assert!(told.first[0].starts_with("chest_xray/chest_xray/"), "{told}");
    let classes = paths(&["a/1.png", "b/2.png", "set/a/1.png", "set/b/2.png"]);
    assert_eq!((summary(&classes).as_str(), notice(&classes, "copy").count), ("a 1, b 1 |  | ", 2));
    let other = unclear(&["train/a/1.png", "test/a/2.png", "more/train/a/3.png", "more/test/a/4.png"]);
    assert!(other.contains("\"more\" (2 images)"), "{other}");
}

#[test]
fn classes_above_splits() {
    let set = twinlens_data::open(&given("layout_class_then_split.zip"), &as_defined()).unwrap();
    assert_eq!(summary(&set), "cat 4, dog 4 |  | cat 4, dog 4");
    silent(&set);
    let drawn = with(|settings| settings.splits = SplitPolicy::Drawn);
    let drawn = twinlens_data::open(&given("layout_class_then_split.zip"), &drawn).unwrap();
    assert_eq!((drawn.classes.join(" "), drawn.split_origin), ("cat dog".into(), SplitOrigin::Drawn));
    unclear(&["cat/train/1.png", "cat/test/2.png", "dog/3.png"]);
    unclear(&[
        "site1/train/cat/1.png",
        "site1/test/dog/2.png",
        "site2/train/cat/3.png",
        "site2/test/cat/4.png",
    ]);
}

#[test]
fn what_stays_unclear_is_refused_with_the_options_that_decide() {
    let message = unclear(&["train/1.png", "cats/2.png"]);
    assert!(message.contains("\"cats\" (1 images), \"train\" (1 images, called like train)"), "{message}");
    unclear(&["train1/1.png", "train2/2.png", "test1/3.png"]);
    unclear(&["cats/1.png", "dogs/2.png", "test_images_v2/3.png"]);
    unclear(&["train/a/1.png", "test_hard/a/2.png"]);
    unclear(&["test_easy/a/2.png", "test_hard/a/2.png", "train/a/1.png"]);
    unclear(&["valid/1.png", "invalid/2.png"]);
    unclear(&["train/test/1.png", "train/a/2.png", "val/a/3.png"]);
    // A class may be called train, and so may one that has the word in its name.
    assert_eq!(
        summary(&paths(&["train/train/1.png", "train/bus/2.png", "test/bus/3.png"])),
        "bus 1, train 1 |  | bus 1"
    );
    assert_eq!(paths(&["train_station/1.png", "airport/2.png"]).classes, ["airport", "train_station"]);
}

#[test]
fn a_split_without_images_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "train/a/1.png", &png(3, 1));
    put(folder.path(), "val/a/1.png", &png(3, 2));
    std::fs::create_dir_all(folder.path().join("test/a")).unwrap();
    let message = refusal(twinlens_data::open(folder.path(), &OpenOptions::default()));
    assert!(message.contains("\"test\" (0 images, called like test)"), "{message}");
    put(folder.path(), "test/a/1.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic");
    assert!(refusal(twinlens_data::open(folder.path(), &as_defined())).contains("\"test\" (0 images"));
    let folders = BTreeMap::from([(Split::Train, vec!["train".into()]), (Split::Test, vec!["val".into()])]);
    let set = twinlens_data::open(folder.path(), &with(|settings| settings.split_folders = folders)).unwrap();
    assert_eq!(summary(&set), "a 1 |  | a 1");
}

#[test]
fn stated_folders_decide() {
    let stated = |pairs: &[(Split, &[&str])]| {
        let folders =
            pairs.iter().map(|(split, names)| (*split, names.iter().map(|name| name.to_string()).collect()));
        with(|settings| settings.split_folders = folders.collect())
    };
    let files = ["train1/a/1.png", "train2/b/2.png", "test1/a/3.png", "rest/a/4.png"];
    let options = stated(&[(Split::Train, &["train1", "train2"])]);
    let set = try_paths(&files, &options).unwrap();
    assert_eq!(summary(&set), "a 1, b 1 |  | a 1");
    assert_eq!(notice(&set, "left-out").first, ["rest/a/4.png"]);
    let files = ["cat/A/1.png", "cat/B/2.png", "dog/A/3.png", "dog/B/4.png"];
    let set = try_paths(&files, &stated(&[(Split::Train, &["A"]), (Split::Test, &["B"])])).unwrap();
    assert_eq!(summary(&set), "cat 1, dog 1 |  | cat 1, dog 1");
    let message = refusal(try_paths(&files, &stated(&[(Split::Test, &["C"])])));
    let twice = ["A/A/cat/1.png", "A/A/dog/2.png", "B/B/cat/3.png"];
    let set = try_paths(&twice, &stated(&[(Split::Train, &["A"]), (Split::Test, &["B"])])).unwrap();
    assert_eq!(summary(&set), "cat 1, dog 1 |  | cat 1");
    assert!(message.contains("split_folders") && message.contains("\"cat\" (2 images)"), "{message}");
    let told = try_paths(
        &["test/a/1.png", "x/a/2.png"],
        &stated(&[(Split::Train, &["test"]), (Split::Test, &["x"])]),
    );
    assert_eq!(notice(&told.unwrap(), "test-in-training").first, ["test/a/1.png"]);
}

#[test]
fn drawn_splits_take_the_folder_below_as_the_class() {
    let files: Vec<String> =
        (0..40).map(|i| format!("{}/{}/{i}.png", ["train", "test"][i % 2], ["a", "b"][i / 20])).collect();
    let options = with(|settings| settings.splits = SplitPolicy::Drawn);
    let set = try_paths(&files, &options).unwrap();
    assert_eq!(
        (summary(&set).as_str(), set.split_origin),
        ("a 14, b 14 | a 2, b 2 | a 4, b 4", SplitOrigin::Drawn)
    );
    assert!(notice(&set, "split-folders").message.contains("\"test\", \"train\""));
    let set = try_paths(&["train1/a/1.png", "train2/b/2.png", "test1/a/3.png", "train1/b/4.png"], &options)
        .unwrap();
    assert_eq!(set.classes, ["a", "b"]);
    let set = try_paths(&["train/1.png", "cats/2.png", "cats/3.png", "train/4.png"], &options).unwrap();
    assert_eq!(set.classes, ["cats", "train"]);
}

#[test]
fn sets_that_lack_a_split_are_told() {
    let set = paths(&["train/a/1.png", "train/b/2.png", "val/a/3.png"]);
    assert_eq!((summary(&set).as_str(), notice(&set, "no-test").count), ("a 1, b 1 | a 1 | ", 0));
    let files: Vec<String> = (0..20).map(|i| format!("test/a/{i}.png")).collect();
    let set = try_paths(&files, &OpenOptions::default()).unwrap();
    assert!(notice(&set, "test-in-training").message.contains("only test images"));
    silent(&try_paths(&files, &as_defined()).unwrap());
}

#[test]
fn masks_beside_images_are_no_class() {
    let path = given("layout_images_masks.zip");
    let set = twinlens_data::open(&path, &as_defined()).unwrap();
    assert_eq!((summary(&set).as_str(), set.classes.len()), ("- 6 |  | ", 0));
    let told = notice(&set, "left-out");
    assert_eq!((told.count, told.first[0].as_str()), (6, "masks/0.png"));
    assert!(
        told.message.contains("\"masks\"") && told.hint.as_ref().unwrap().contains("{member} masks"),
        "{told}"
    );
    let masks = twinlens_data::open(&path, &with(|settings| settings.member = "masks".into())).unwrap();
    assert_eq!(members(&masks, Split::Train)[0], ("masks/0.png".into(), None));
    assert_eq!(notice(&masks, "left-out").first[0], "images/0.png");
    let wrong = refusal(twinlens_data::open(&path, &with(|settings| settings.member = "mask".into())));
    assert!(wrong.contains("images, masks") && wrong.contains("got mask"), "{wrong}");
}

#[test]
fn companions_are_left_out_wherever_they_lie() {
    let set = paths(&["train/images/1.png", "train/labels/1.png", "test/images/2.png", "test/labels/2.png"]);
    assert_eq!((summary(&set).as_str(), notice(&set, "left-out").count), ("- 1 |  | - 1", 2));
    let set = paths(&["images/train/a/1.png", "images/test/b/2.png", "ground truth/train/a/1.png"]);
    assert_eq!(summary(&set), "a 1 |  | b 1");
    let set = paths(&["train/1.png", "train_masks/1.png", "test/2.png"]);
    assert_eq!(
        (summary(&set).as_str(), notice(&set, "left-out").first[0].as_str()),
        ("- 1 |  | - 1", "train_masks/1.png")
    );
    let set = paths(&["cat/images/1.png", "cat/masks/1.png", "dog/images/2.png", "dog/masks/2.png"]);
    assert_eq!(summary(&set), "cat 1, dog 1 |  | ");
    // Faces with and without masks are classes; so are three folders of which one might be something else, with a word.
    silent(&paths(&["with_mask/1.png", "without_mask/1.png"]));
    let set = paths(&["cat/1.png", "dog/2.png", "thumbnails/1.png"]);
    assert_eq!((set.classes.len(), notice(&set, "class-or-not").message.contains("thumbnails")), (3, true));
}

#[test]
fn parts_of_one_folder_of_images_are_no_classes() {
    let set = paths(&["HAM10000_images_part_1/1.png", "HAM10000_images_part_2/2.png"]);
    assert_eq!(summary(&set), "- 2 |  | ");
    assert_eq!(notice(&set, "parts").count, 2);
    assert_eq!(paths(&["class_1/1.png", "class_2/2.png"]).classes, ["class_1", "class_2"]);
}

#[test]
fn what_systems_leave_behind_is_left_out() {
    let set = twinlens_data::open(&given("system_folders_become_classes.zip"), &as_defined()).unwrap();
    assert_eq!(summary(&set), "a 3, b 2 |  | ".replace("b 2", "b 3"));
    silent(&set);
    let set = paths(&[
        "a/1.png",
        "b/2.png",
        "#recycle/3.png",
        ".ipynb_checkpoints/4.png",
        "__pycache__/5.png",
        ".Trash-1000/6.png",
    ]);
    assert_eq!(set.classes, ["a", "b"]);
}

#[test]
fn a_class_of_another_kind_of_file_is_told() {
    let heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic".to_vec();
    let folder = tempfile::tempdir().unwrap();
    for (path, bytes) in [
        ("a/1.png", png(3, 1)),
        ("b/2.png", png(3, 2)),
        ("c/1.heic", heic.clone()),
        ("c/2.heic", heic),
        ("d/1.mov", b"\0\0\0\x18ftypqt  \0\0\0\0qt  ".to_vec()),
        ("notes.txt", b"about".to_vec()),
    ] {
        put(folder.path(), path, &bytes);
    }
    let set = twinlens_data::open(folder.path(), &as_defined()).unwrap();
    assert_eq!(set.classes, ["a", "b"]);
    let told: Vec<(usize, bool)> = set
        .notices
        .iter()
        .filter(|notice| notice.id == "not-read")
        .map(|notice| (notice.count, notice.message.contains("HEIC") || notice.message.contains("film")))
        .collect();
    assert_eq!(told, [(2, true), (1, true)]);
    assert_eq!(notice(&set, "empty-class").first, ["c", "d"]);
}

#[test]
fn one_name_in_two_unicode_forms_is_one_class() {
    let set = twinlens_data::open(&given("nfc_and_nfd.zip"), &as_defined()).unwrap();
    assert_eq!(set.classes, ["Bern", "Z\u{fc}rich"]);
    assert_eq!(summary(&set), "Bern 4, Z\u{fc}rich 4 |  | Bern 4, Z\u{fc}rich 4");
}

#[test]
fn an_array_per_image_in_class_folders_is_read() {
    let set = twinlens_data::open(&given("one_npy_an_image.zip"), &as_defined()).unwrap();
    assert_eq!((set.format, summary(&set).as_str()), ("folder", "a 4, b 4 |  | "));
    let arrays: Vec<(String, Vec<u8>)> =
        (0..12u8).map(|i| (format!("{i}.npy"), npy_u8(&[2, 1], &[i, 7]))).collect();
    let folder = tempfile::tempdir().unwrap();
    arrays.iter().for_each(|(path, bytes)| put(folder.path(), path, bytes));
    let set = twinlens_data::open(folder.path(), &as_defined()).unwrap();
    assert_eq!((set.format, set.splits.train.unwrap().len()), ("folder", 12));
    put(folder.path(), "images.npy", &npy_u8(&[2, 2, 1], &[0; 4]));
    assert_eq!(twinlens_data::open(folder.path(), &as_defined()).unwrap().format, "npz");
}

#[test]
fn every_class_of_few_images_can_be_learnt() {
    let set = twinlens_data::open(&given("two_images_a_class.zip"), &OpenOptions::default()).unwrap();
    assert_eq!(class_counts(set.splits.train.as_ref().unwrap().as_ref()).len(), 12);
    for split in [Split::Val, Split::Test] {
        let present = set.splits.get(split).map_or(0, |source| class_counts(source.as_ref()).len());
        let of_split = |notice: &&Notice| notice.id == "few-images" && notice.message.contains(split.name());
        assert_eq!(set.notices.iter().find(of_split).unwrap().count, 12 - present);
    }
    for seed in 0..50 {
        let options = OpenOptions::from(DataSettings { split_seed: seed, ..DataSettings::default() });
        let set = twinlens_data::open(&given("two_images_a_class.zip"), &options).unwrap();
        assert_eq!(class_counts(set.splits.train.as_ref().unwrap().as_ref()).len(), 12, "seed {seed}");
    }
}

#[cfg(unix)]
#[test]
fn what_is_no_file_is_passed_over_and_circles_end() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    put(root, "a/1.png", &png(3, 1));
    put(root, "b/2.png", &png(3, 2));
    let made = std::process::Command::new("mkfifo").arg(root.join("a/pipe.png")).status().unwrap();
    assert!(made.success());
    let _socket = std::os::unix::net::UnixListener::bind(root.join("b/socket.png")).unwrap();
    symlink("/dev/zero", root.join("b/zero.png")).unwrap();
    symlink("../b", root.join("a/to_b")).unwrap();
    symlink("../a", root.join("b/to_a")).unwrap();
    symlink("nowhere", root.join("a/lost.png")).unwrap();
    let set = twinlens_data::open(root, &as_defined()).unwrap();
    assert_eq!(summary(&set), "a 2, b 2 |  | "); // each link into the other folder is followed once
    let told = notice(&set, "passed-over");
    assert_eq!(told.count, 6); // each of the three also by a link
    let message = refusal(twinlens_data::open(&root.join("a/pipe.png"), &as_defined()));
    assert!(message.contains("named pipe"), "{message}");
}

#[cfg(unix)]
#[test]
fn names_that_are_not_unicode_are_escaped_and_never_lost() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let folder = tempfile::tempdir().unwrap();
    for (seed, name) in [&b"caf\xe9"[..], b"caf\xea", b"plain"].into_iter().enumerate() {
        let path = folder.path().join(OsStr::from_bytes(name));
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join(OsStr::from_bytes(b"\xff.png")), png(3, seed as u8)).unwrap();
    }
    let set = twinlens_data::open(folder.path(), &as_defined()).unwrap();
    assert_eq!(set.classes, ["caf\\xe9", "caf\\xea", "plain"]);
    let names: Vec<String> = members(&set, Split::Train).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["caf\\xe9/\\xff.png", "caf\\xea/\\xff.png", "plain/\\xff.png"]);
}

fn some_paths() -> impl Strategy<Value = Vec<String>> {
    let names = [
        "train",
        "test",
        "val",
        "Testing",
        "test_set",
        "train1",
        "cat",
        "dog",
        "images",
        "masks",
        "unlabeled",
        "predict",
        "data",
        "test_x",
        "set",
    ];
    let folders = prop::collection::vec(prop::sample::select(names.to_vec()), 0..4);
    let path = (folders, 0..3u8).prop_map(|(folders, file)| {
        let folders: String = folders.iter().map(|folder| format!("{folder}/")).collect();
        format!("{folders}{file}.png")
    });
    prop::collection::btree_set(path, 1..8).prop_map(|paths| paths.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn every_image_is_in_one_place_and_no_test_image_is_learnt_without_a_word(files in some_paths()) {
        let Ok(set) = try_paths(&files, &as_defined()) else { return Ok(()) };
        let seen: Vec<String> =
            Split::ALL.into_iter().flat_map(|split| members(&set, split)).map(|(name, _)| name).collect();
        let mut once = seen.clone();
        once.sort();
        once.dedup();
        prop_assert_eq!(once.len(), seen.len());
        let told = |ids: &[&str]| -> usize {
            set.notices.iter().filter(|notice| ids.contains(&notice.id.as_str())).map(|notice| notice.count).sum()
        };
        prop_assert_eq!(seen.len() + set.skipped.count + told(&["left-out", "copy"]), files.len());
        let in_test = |name: &str| name.split('/').any(|part| ["test", "Testing", "test_set"].contains(&part));
        let learnt = members(&set, Split::Train).iter().filter(|(name, _)| in_test(name)).count();
        let judged = members(&set, Split::Val).iter().filter(|(name, _)| in_test(name)).count();
        prop_assert_eq!(learnt + judged, told(&["test-in-training"]));
    }
}

#[test]
fn the_member_of_an_archive_may_be_several_folders_deep() {
    let files = [
        ("x/site1/train/a/1.png", png(3, 1)),
        ("x/site1/test/b/2.png", png(3, 2)),
        ("x/site2/train/a/3.png", png(3, 3)),
    ];
    let zip = crate::make::zipped(&files, zip::CompressionMethod::Stored);
    assert!(refusal(open_file("set.zip", &zip, &as_defined())).contains("not clear"));
    let set = open_file("set.zip", &zip, &with(|settings| settings.member = "x/site1".into())).unwrap();
    assert_eq!(summary(&set), "a 1 |  | b 1");
}
