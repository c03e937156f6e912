//! What the name of a folder says: a split, images without labels, something beside the images, or nothing.
//!
//! A name is cut into words (`seg_train`, `TrainData`, `train-images`, `train2017`). Words that only decorate (`set`,
//! `data`, `seg`) are passed over; what is left decides.
//!
//! | words | meaning |
//! |---|---|
//! | train, training, trainval | images to learn from |
//! | val, valid, validation, dev, eval | images to choose by |
//! | test, testing, holdout | images to report on |
//! | unlabeled, unlabelled, unsup, extra | images to learn from, without labels |
//! | predict, pred, inference, submission | images that nothing is known of; not read |
//! | masks, labels, annotations, ground truth, segmentation, thumbnails, previews | something beside the images; not read |
//! | images, img | the images themselves |

use crate::Split;

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Split(Split),
    Unlabelled,
    Predict,
    Companion,
    Images,
}

/// What a name says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Meaning {
    /// What it stands for, if for anything known.
    pub(crate) role: Option<Role>,
    /// Its words that are not known here, and its numbers.
    pub(crate) rest: String,
    /// Its numbers alone.
    pub(crate) numbers: String,
}

impl Meaning {
    /// Of a folder's name.
    pub(crate) fn of(name: &str) -> Meaning {
        let (mut roles, mut rest, mut numbers) = (Vec::new(), Vec::new(), Vec::new());
        for word in joined(words(name)) {
            match role_of(&word) {
                Some(role) => roles.push(role),
                None if DECORATIONS.contains(&word.as_str()) => {}
                None if word.bytes().all(|byte| byte.is_ascii_digit()) => numbers.push(word),
                None => rest.push(word),
            }
        }
        if roles.contains(&Role::Split(Split::Test)) && roles.contains(&Role::Split(Split::Train)) {
            rest.push("train and test".into());
        }
        Meaning { role: strongest(&roles), rest: rest.join(" "), numbers: numbers.join(" ") }
    }

    /// Whether nothing but the role is in the name, numbers aside.
    pub(crate) fn clean(&self) -> bool {
        self.role.is_some() && self.rest.is_empty()
    }

    /// The split that it names without other words.
    pub(crate) fn clean_split(&self) -> Option<Split> {
        match self.role {
            Some(Role::Split(split)) if self.rest.is_empty() => Some(split),
            _ => None,
        }
    }
}

/// Words that decorate.
const DECORATIONS: &[&str] = &[
    "set", "sets", "data", "dataset", "datasets", "seg", "folder", "split", "splits", "sample", "samples",
    "file", "files", "pictures", "pics", "photos", "jpg", "jpeg", "png", "tif", "tiff", "for", "to", "the",
    "of", "part",
];

/// Endings of words written together (`trainset`).
const ENDINGS: &[&str] = &["set", "data", "dataset", "images", "imgs", "img", "image", "folder"];

fn role_of(word: &str) -> Option<Role> {
    Some(match word {
        "train" | "training" | "trainval" => Role::Split(Split::Train),
        "val" | "valid" | "validation" | "dev" | "development" | "eval" | "evaluation" => {
            Role::Split(Split::Val)
        }
        "test" | "testing" | "tests" | "holdout" | "heldout" => Role::Split(Split::Test),
        "unlabeled" | "unlabelled" | "unlabel" | "unsup" | "unsupervised" | "extra" => Role::Unlabelled,
        "predict" | "prediction" | "predictions" | "pred" | "preds" | "inference" | "infer"
        | "submission" => Role::Predict,
        "mask" | "masks" | "label" | "labels" | "annotation" | "annotations" | "annot" | "annots" | "gt"
        | "groundtruth" | "groundtruths" | "segmentation" | "segmentations" | "segmap" | "segmaps"
        | "thumbnail" | "thumbnails" | "thumb" | "thumbs" | "preview" | "previews" | "bbox" | "bboxes" => {
            Role::Companion
        }
        "image" | "images" | "img" | "imgs" | "jpegimages" => Role::Images,
        _ => return None,
    })
}

/// Of several words, the one that decides: what keeps images out of training wins over what takes them in.
fn strongest(roles: &[Role]) -> Option<Role> {
    let order = [
        Role::Companion,
        Role::Predict,
        Role::Split(Split::Test),
        Role::Unlabelled,
        Role::Split(Split::Train),
        Role::Split(Split::Val),
        Role::Images,
    ];
    order.into_iter().find(|role| roles.contains(role))
}

/// The words of a name in lower case: cut where it is neither letter nor digit, between letters and digits, and before
/// a capital that follows a small letter.
fn words(name: &str) -> Vec<String> {
    let (mut words, mut last) = (vec![String::new()], ' ');
    for letter in name.chars() {
        let cut = last.is_lowercase() && letter.is_uppercase()
            || last.is_alphabetic() && letter.is_numeric()
            || last.is_numeric() && letter.is_alphabetic();
        if cut || !letter.is_alphanumeric() {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| letter.is_alphanumeric()) {
            word.extend(letter.to_lowercase());
        }
        last = letter;
    }
    words.retain(|word| !word.is_empty());
    words
}

/// `hold out` and `ground truth` as one word, `trainset` as two.
fn joined(words: Vec<String>) -> Vec<String> {
    let mut all: Vec<String> = Vec::with_capacity(words.len());
    for word in words {
        let pair = all.last().map(|last| format!("{last}{word}"));
        let cut = ENDINGS.iter().find_map(|ending| {
            word.strip_suffix(ending).filter(|start| role_of(start).is_some()).map(|start| [start, ending])
        });
        match (pair.filter(|pair| role_of(pair).is_some()), cut) {
            (Some(pair), _) => {
                all.pop();
                all.push(pair);
            }
            (None, Some(parts)) if role_of(&word).is_none() => all.extend(parts.map(String::from)),
            _ => all.push(word),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(name: &str) -> Option<Split> {
        Meaning::of(name).clean_split()
    }

    #[test]
    fn splits_are_known_by_their_usual_names() {
        for name in [
            "train",
            "TRAIN",
            "Training",
            "training_set",
            "train_set",
            "trainset",
            "seg_train",
            "train_images",
            "images_train",
            "TrainData",
            "train2017",
            "Train Set",
            "train-images",
            "trainImages",
            "trainval",
        ] {
            assert_eq!(split(name), Some(Split::Train), "{name}");
        }
        for name in ["val", "Valid", "validation_set", "dev", "val_images", "valset", "eval"] {
            assert_eq!(split(name), Some(Split::Val), "{name}");
        }
        for name in [
            "test",
            "Testing",
            "test_set",
            "hold-out",
            "holdout",
            "held_out",
            "seg_test",
            "TestImages",
            "test1",
        ] {
            assert_eq!(split(name), Some(Split::Test), "{name}");
        }
    }

    #[test]
    fn other_names_are_no_splits() {
        for name in [
            "cat",
            "bullet_train",
            "contest",
            "training_wheels",
            "retrain",
            "trains",
            "value",
            "7",
            "",
            "data",
            "train_test_split",
        ] {
            assert_eq!(split(name), None, "{name}");
        }
        assert_eq!(Meaning::of("asl_alphabet_train").rest, "asl alphabet");
        assert_eq!(Meaning::of("train2017").numbers, "2017");
    }

    #[test]
    fn what_is_no_split_is_known_too() {
        let role =
            |name: &str| Some(Meaning::of(name)).filter(Meaning::clean).and_then(|meaning| meaning.role);
        for name in ["unlabeled", "Unlabelled_images", "unsup", "extra", "train_extra", "train-unlabeled"] {
            assert_eq!(role(name), Some(Role::Unlabelled), "{name}");
        }
        for name in ["images to predict", "seg_pred", "inference", "Submission", "test_predictions"] {
            assert_eq!(role(name), Some(Role::Predict), "{name}");
        }
        for name in
            ["masks", "Ground Truth", "gt", "train_masks", "SegmentationImages", "thumbnails", "labels"]
        {
            assert_eq!(role(name), Some(Role::Companion), "{name}");
        }
        assert_eq!(
            (role("images"), role("IMG"), role("imgs")),
            (Some(Role::Images), Some(Role::Images), Some(Role::Images))
        );
        assert_eq!((role("with_mask"), role("no mask"), role("cat")), (None, None, None));
    }
}
