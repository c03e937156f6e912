//! Lists of the training images whose labels are used.

use std::path::Path;

use twinlens_data::{DataError, DataSet, Split, inspect};

use crate::make::{npy_u8, npz, png, put, refusal, with};

/// Two classes of three training images each, and two test images.
fn photographs(folder: &Path) {
    for (class, first) in [("cat", 0), ("dog", 10)] {
        for at in 0..3 {
            put(folder, &format!("set/train/{class}/{class}_{at}.png"), &png(4, first + at));
        }
        put(folder, &format!("set/test/{class}/{class}_9.png"), &png(4, first + 9));
    }
}

fn open(folder: &Path, list: &str) -> Result<DataSet, DataError> {
    put(folder, "list.txt", list.as_bytes());
    let path = folder.join("list.txt").display().to_string();
    twinlens_data::open(&folder.join("set"), &with(|settings| settings.labels_from = path))
}

fn known(set: &DataSet) -> Vec<String> {
    let train = set.splits.train.as_ref().unwrap();
    (0..train.len()).filter(|&at| train.label(at).is_some()).map(|at| train.name(at)).collect()
}

#[test]
fn the_labels_of_the_listed_images_are_known_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    photographs(folder.path());
    let set = open(folder.path(), "dog_1.png\r\n\ncat/cat_2.png\n  dog_0.png \n").unwrap();
    assert_eq!(known(&set), ["train/cat/cat_2.png", "train/dog/dog_0.png", "train/dog/dog_1.png"]);
    let inspection = inspect(&set).unwrap();
    let counts = |split: Split| (inspection.splits[&split].images, inspection.splits[&split].labelled);
    assert_eq!((counts(Split::Train), counts(Split::Test)), ((6, 3), (2, 2)));
    let told: Vec<String> = set.notices.iter().map(ToString::to_string).collect();
    assert!(told[0].contains("labels of 3 of 6 training images are used"), "{told:?}");
    let judged = set.for_judging();
    assert_eq!(judged.splits.train.unwrap().len(), 3);
}

#[test]
fn the_fingerprint_is_of_the_list_whatever_its_order() {
    let folder = tempfile::tempdir().unwrap();
    photographs(folder.path());
    let of = |list: &str| open(folder.path(), list).unwrap().fingerprint;
    let all = twinlens_data::open(&folder.path().join("set"), &with(|_| {})).unwrap().fingerprint;
    assert_eq!(of("cat_0.png\ndog_0.png"), of("dog_0.png\ncat_0.png\n"));
    assert_ne!(of("cat_0.png\ndog_0.png"), of("cat_0.png\ndog_1.png"));
    assert_ne!(of("cat_0.png\ndog_0.png"), all);
}

#[test]
fn lists_that_do_not_fit_are_refused_with_counts() {
    let folder = tempfile::tempdir().unwrap();
    photographs(folder.path());
    put(folder.path(), "set/train/dog/cat_0.png", &png(4, 77));
    let told = |list: &str| refusal(open(folder.path(), list));
    let unknown = told("cat_1.png\nbird_1.png\nt_1.png\ncat_9.png");
    assert!(
        unknown.contains("3 of 4 names are of no training image: bird_1.png, cat_9.png, t_1.png"),
        "{unknown}"
    );
    let doubled = told("cat_1.png\ndog_1.png\ncat_1.png");
    assert!(doubled.contains("1 of 2 names stand in it more than once: cat_1.png"), "{doubled}");
    let several = told("cat_0.png");
    assert!(several.contains("1 of 1 names are of several training images each"), "{several}");
    assert_eq!(known(&open(folder.path(), "cat/cat_0.png").unwrap()), ["train/cat/cat_0.png"]);
    let twice = told("cat_1.png\ncat/cat_1.png");
    assert!(twice.contains("1 of 2 names are of an image that another line names too"), "{twice}");
    assert!(told("\n").contains("list.txt is empty"));
    put(folder.path(), "set/train/unlabeled/x.png", &png(4, 99));
    let unlabelled = told("x.png\ncat_1.png");
    assert!(unlabelled.contains("1 of 2 names are of images without a label: x.png"), "{unlabelled}");
    let missing = with(|settings| settings.labels_from = "no-such-list.txt".into());
    assert!(refusal(twinlens_data::open(&folder.path().join("set"), &missing)).contains("no-such-list.txt"));
}

#[test]
fn arrays_have_no_file_names() {
    let folder = tempfile::tempdir().unwrap();
    let arrays = [("images", npy_u8(&[4, 2, 2], &[5; 16])), ("labels", npy_u8(&[4], &[0, 1, 0, 1]))];
    put(folder.path(), "set", &npz(&arrays));
    let told = refusal(open(folder.path(), "images[0]"));
    assert!(told.contains("set is made of arrays") && told.contains("{label_share}"), "{told}");
}
