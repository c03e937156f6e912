//! Sets of MIMeta.

use std::path::Path;

use image::ImageFormat;
use twinlens_data::{DataError, DataSet, Split, SplitOrigin, SplitPolicy};
use zip::CompressionMethod;

use crate::make::{as_defined, encoded, npy, npy_u8, put, refusal, rgb, with, zipped};

/// Paths and contents.
type Files = Vec<(String, Vec<u8>)>;

/// Eight images of four organs: four to learn from, two to choose by, one to report on, one of no split.
fn files() -> Files {
    let image = |at: u8| (format!("images/{at:06}.tiff"), encoded(&rgb(4, at), ImageFormat::Tiff));
    let line = |at: &u8| format!("images/{at:06}.tiff\n");
    let list = |name: &str, images: &[u8]| {
        (format!("original_splits/{name}.txt"), images.iter().map(line).collect::<String>().into_bytes())
    };
    let labels: Vec<u8> = [3i64, 0, 1, 2, 3, 0, 1, 2].iter().flat_map(|label| label.to_le_bytes()).collect();
    let mut files: Files = (0..8).map(image).collect();
    files.extend([
        list("train", &[6, 0, 2, 4]),
        list("val", &[1, 7]),
        list("test", &[3]),
        ("task_labels/organ label.npy".to_owned(), npy("<i8", false, &[8], &labels)),
        ("info.yaml".to_owned(), b"name: organs\n".to_vec()),
    ]);
    files
}

fn open(folder: &Path, files: &[(String, Vec<u8>)]) -> Result<DataSet, DataError> {
    files.iter().for_each(|(path, bytes)| put(folder, path, bytes));
    twinlens_data::open(folder, &as_defined())
}

fn labels(set: &DataSet, split: Split) -> Vec<(String, usize)> {
    let source = set.splits.get(split).unwrap();
    (0..source.len()).map(|at| (source.name(at), source.label(at).unwrap())).collect()
}

fn named(pairs: &[(u8, usize)]) -> Vec<(String, usize)> {
    pairs.iter().map(|(at, label)| (format!("images/{at:06}.tiff"), *label)).collect()
}

#[test]
fn images_have_the_labels_of_their_numbers_and_the_splits_of_the_lists() {
    let folder = tempfile::tempdir().unwrap();
    let set = open(folder.path(), &files()).unwrap();
    assert_eq!((set.format, set.split_origin), ("mimeta", SplitOrigin::Defined));
    assert_eq!(set.classes, ["0", "1", "2", "3"]);
    assert_eq!(labels(&set, Split::Train), named(&[(0, 3), (2, 1), (4, 3), (6, 1)]));
    assert_eq!(labels(&set, Split::Val), named(&[(1, 0), (7, 2)]));
    assert_eq!(labels(&set, Split::Test), named(&[(3, 2)]));
    let told: Vec<String> = set.notices.iter().map(ToString::to_string).collect();
    let expected = "images that no list of a split names are left out (1: images/000005.tiff)";
    assert_eq!(told, [expected]);
    // The same from a zip with a folder around it.
    let members = files().into_iter().map(|(path, bytes)| (format!("organs_axial/{path}"), bytes));
    let members: Files = members.collect();
    let members: Vec<(&str, Vec<u8>)> =
        members.iter().map(|(path, bytes)| (path.as_str(), bytes.clone())).collect();
    let archive = tempfile::tempdir().unwrap();
    put(archive.path(), "organs.zip", &zipped(&members, CompressionMethod::Stored));
    let packed = twinlens_data::open(&archive.path().join("organs.zip"), &as_defined()).unwrap();
    assert_eq!((packed.format, &packed.fingerprint), ("mimeta", &set.fingerprint));
}

#[test]
fn one_of_several_tasks_is_taken_and_told_unless_one_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut files = files();
    files.push(("task_labels/pathology.npy".to_owned(), npy_u8(&[8], &[1, 1, 1, 0, 0, 0, 1, 0])));
    let first = open(folder.path(), &files).unwrap();
    assert_eq!(first.classes.len(), 4);
    let told = first.notices.iter().find(|notice| notice.id == "task").unwrap();
    assert!(told.message.contains("\"organ label\"") && told.message.contains("pathology"), "{told}");
    assert_eq!(told.hint.as_deref(), Some("`{labels} \"pathology\"` takes another"));
    let task =
        |name: &str| twinlens_data::open(folder.path(), &with(|settings| settings.labels = name.to_owned()));
    let second = task("pathology").unwrap();
    assert_eq!(labels(&second, Split::Train), named(&[(0, 1), (2, 1), (4, 0), (6, 1)]));
    assert!(second.notices.iter().all(|notice| notice.id != "task"));
    assert_ne!(first.fingerprint, second.fingerprint);
    let unknown = refusal(task("organs"));
    assert!(unknown.contains("no task \"organs\"; there are organ label, pathology"), "{unknown}");
}

#[test]
fn sets_that_are_not_whole_are_refused() {
    let changed = |change: &dyn Fn(&mut Files)| {
        let folder = tempfile::tempdir().unwrap();
        let mut files = files();
        change(&mut files);
        refusal(open(folder.path(), &files))
    };
    let without = |path: &str| changed(&|files| files.retain(|(name, _)| name != path));
    let set = |path: &str, text: &str| {
        changed(&|files| {
            files.iter_mut().filter(|(name, _)| name == path).for_each(|file| file.1 = text.into());
        })
    };
    for split in ["train", "val", "test"] {
        let told = without(&format!("original_splits/{split}.txt"));
        assert!(told.contains(&format!("there is no original_splits/{split}.txt")), "{told}");
        assert!(told.contains("{splits} drawn"), "{told}");
    }
    let gap = without("images/000003.tiff");
    assert!(gap.contains("image 3 is missing: number 3 is images/000004.tiff"), "{gap}");
    let short = without("images/000007.tiff");
    assert!(short.contains("1 of its lines are of no image of the set: images/000007.tiff"), "{short}");
    let leak = set("original_splits/test.txt", "images/000003.tiff\nimages/000002.tiff\n");
    assert!(leak.contains("1 of its lines stand in a list before: images/000002.tiff"), "{leak}");
    let counts = changed(&|files| files.push(("images/000008.tiff".into(), files[0].1.clone())));
    assert!(counts.contains("9 images but 8 labels"), "{counts}");
    let several = changed(&|files| {
        let more: Vec<_> = files.iter().map(|(path, bytes)| (format!("b/{path}"), bytes.clone())).collect();
        files.iter_mut().for_each(|(path, _)| path.insert_str(0, "a/"));
        files.extend(more);
    });
    assert!(several.contains("it holds several sets: a, b"), "{several}");
}

#[test]
fn splits_that_are_drawn_need_no_lists() {
    let folder = tempfile::tempdir().unwrap();
    let files = files();
    let files = files.iter().filter(|(path, _)| !path.starts_with("original_splits"));
    files.for_each(|(path, bytes)| put(folder.path(), path, bytes));
    let drawn = with(|settings| settings.splits = SplitPolicy::Drawn);
    let set = twinlens_data::open(folder.path(), &drawn).unwrap();
    let images: usize = Split::ALL.iter().filter_map(|split| set.splits.get(*split)).map(|s| s.len()).sum();
    assert_eq!((images, set.split_origin), (8, SplitOrigin::Drawn));
}
