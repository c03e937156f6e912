//! NumPy arrays: an .npz, a single .npy, or a folder of .npy files.
//!
//! Which array is what is told by its name, as MedMNIST and others use them ([`KEYS`]). An array alone holds
//! images without labels; among several with other names, [`OpenOptions::member`] says which holds the images.
//!
//! Labels of several columns are tags. Where every image of the set shows exactly one class they are class numbers written
//! as one-hot rows, and read as these.

use super::array::{self, ArrayHeader, Labels};
use super::{Format, class_names, npy};
use crate::store::StoreBuilder;
use crate::tree::{Kind, Tree};
use crate::{DataError, OpenOptions, Split};

pub(super) const FORMAT: Format = Format {
    name: "npz",
    description: "NumPy arrays of images [N, H, W] or [N, H, W, C] and labels [N] or [N, 1], or [N, L] of 0 and 1 where \
                  an image may show several classes, in an .npz (MedMNIST's names and others), or images in one .npy",
    claims: |tree| arrays(tree).len(),
    read,
};

/// Names of arrays, in lower case: the split, its images, its labels.
const KEYS: [(Option<Split>, &[&str], &[&str]); 4] = [
    (
        Some(Split::Train),
        &["train_images", "x_train", "images_train", "train_x", "train_data"],
        &["train_labels", "y_train", "labels_train", "train_y"],
    ),
    (
        Some(Split::Val),
        &["val_images", "x_val", "images_val", "val_x", "valid_images", "x_valid", "val_data"],
        &["val_labels", "y_val", "labels_val", "val_y", "valid_labels", "y_valid"],
    ),
    (
        Some(Split::Test),
        &["test_images", "x_test", "images_test", "test_x", "test_data"],
        &["test_labels", "y_test", "labels_test", "test_y"],
    ),
    (None, &["images", "x", "data", "imgs", "arr_0"], &["labels", "y", "targets", "label", "arr_1"]),
];

/// Whether an array of that name holds the images or labels of a whole set.
pub(super) fn is_known(name: &str) -> bool {
    let among = |names: &[&str]| names.iter().any(|known| known.eq_ignore_ascii_case(name));
    KEYS.iter().any(|(_, images, labels)| among(images) || among(labels))
}

/// One array of a tree.
struct Array {
    entry: usize,
    key: String,
}

/// Images to read, and the array of their labels.
struct Plan {
    split: Option<Split>,
    images: usize,
    labels: Option<usize>,
}

fn arrays(tree: &Tree) -> Vec<Array> {
    let is_array = |entry: &crate::tree::Entry| match entry.kind {
        Kind::Npy => true,
        Kind::Unreadable | Kind::Empty => entry.path.ends_with(".npy"),
        _ => false,
    };
    let entries = tree.entries.iter().enumerate().filter(|(_, entry)| is_array(entry));
    let key = |path: &str| {
        let name = path.rsplit('/').next().unwrap_or(path);
        name.trim_end_matches(".gz").trim_end_matches(".npy").to_string()
    };
    entries.map(|(index, entry)| Array { entry: index, key: key(&entry.path) }).collect()
}

fn read(
    tree: &Tree,
    options: &OpenOptions<'_>,
    store: &mut StoreBuilder<'_>,
) -> Result<Vec<String>, DataError> {
    let arrays = arrays(tree);
    let plans = plans(tree, &arrays, options)?;
    for plan in &plans {
        let (place, header) = header_of(tree, plan.images)?;
        let shape = header.image_shape(&place)?;
        header.check_len(&place, tree.entries[plan.images].len)?;
        store.expect(shape.count);
        let Some(entry) = plan.labels else { continue };
        let (place, header) = header_of(tree, entry)?;
        let labels = array::label_count(&header, &place)?;
        if labels != shape.count as u64 {
            return Err(DataError::CountMismatch { place, images: shape.count as u64, labels });
        }
        header.check_len(&place, tree.entries[entry].len)?;
    }
    let labels = labels(tree, &plans, options)?;
    let largest = labels.iter().flatten().filter_map(Labels::largest).max();
    for (plan, labels) in plans.iter().zip(&labels) {
        let key = arrays.iter().find(|array| array.entry == plan.images).map_or("images", |array| &array.key);
        store.begin(plan.split, key);
        with_array(tree, plan.images, |reader, header, place| {
            array::read_images(reader, &header, place, labels.as_ref(), store)
        })?;
    }
    Ok(class_names(options.class_names.as_ref(), largest))
}

/// The labels of every plan: all class numbers, or all tags of the same classes.
fn labels(tree: &Tree, plans: &[Plan], options: &OpenOptions<'_>) -> Result<Vec<Option<Labels>>, DataError> {
    let mut all = Vec::new();
    let mut columns = None;
    for plan in plans {
        let Some(entry) = plan.labels else {
            all.push(None);
            continue;
        };
        let read = |reader: &mut dyn std::io::Read, header: ArrayHeader, place: &str| {
            let labels = array::read_labels(reader, &header, place, options)?;
            check_columns(&labels, &header, place, options, &mut columns)?;
            Ok(labels)
        };
        all.push(Some(with_array(tree, entry, read)?));
    }
    let one_hot =
        |labels: &Option<Labels>| labels.as_ref().map(|labels| labels.one_hot().ok_or(())).transpose();
    match all.iter().map(one_hot).collect::<Result<Vec<_>, ()>>() {
        Ok(classes) => Ok(classes.into_iter().map(|labels| labels.map(Labels::Classes)).collect()),
        Err(()) => Ok(all),
    }
}

/// Tags must be of as many classes as are named, and labels like those of the arrays before.
fn check_columns(
    labels: &Labels,
    header: &ArrayHeader,
    place: &str,
    options: &OpenOptions<'_>,
    before: &mut Option<usize>,
) -> Result<(), DataError> {
    let found = if let Labels::Tags { classes, .. } = labels { *classes } else { 1 };
    let named = options.class_names.as_ref().map(Vec::len).filter(|_| found > 1);
    let expected = before.or(named).unwrap_or(found);
    *before = Some(expected);
    if found == expected {
        return Ok(());
    }
    Err(DataError::WrongShape {
        place: place.into(),
        expected: format!(
            "labels of {expected} column(s), as the other labels or the names of the classes have"
        ),
        got: header.shape_text(),
        hint: "give all splits labels of the same classes".into(),
    })
}

fn with_array<T>(
    tree: &Tree,
    entry: usize,
    read: impl FnOnce(&mut dyn std::io::Read, ArrayHeader, &str) -> Result<T, DataError>,
) -> Result<T, DataError> {
    let place = tree.place_of(entry);
    if tree.entries[entry].kind == Kind::Empty {
        return Err(DataError::Empty { place });
    }
    tree.with_reader(entry, |reader| {
        let header = npy::read_header(reader, &place)?;
        read(reader, header, &place)
    })
}

fn header_of(tree: &Tree, entry: usize) -> Result<(String, ArrayHeader), DataError> {
    with_array(tree, entry, |_, header, place| Ok((place.to_string(), header)))
}

/// Which arrays are images and labels of which split.
fn plans(tree: &Tree, arrays: &[Array], options: &OpenOptions<'_>) -> Result<Vec<Plan>, DataError> {
    let undivided = |entry: usize| vec![Plan { split: None, images: entry, labels: None }];
    let member = &options.settings.member;
    if !member.is_empty() {
        let chosen = arrays.iter().find(|array| &array.key == member);
        let hint = format!("no array is called {member:?}; choose one of these");
        return chosen.map(|array| undivided(array.entry)).ok_or_else(|| unknown_arrays(tree, arrays, hint));
    }
    let named = |names: &[&str]| {
        names.iter().find_map(|name| arrays.iter().find(|array| array.key.eq_ignore_ascii_case(name)))
    };
    let mut plans = Vec::new();
    for (split, images, labels) in KEYS {
        match (named(images), named(labels)) {
            (Some(images), labels) => {
                plans.push(Plan { split, images: images.entry, labels: labels.map(|array| array.entry) });
            }
            (None, Some(labels)) if split.is_some() => {
                let hint = format!("{:?} are labels without images; add {:?}", labels.key, images[0]);
                return Err(unknown_arrays(tree, arrays, hint));
            }
            _ => {}
        }
        if split == Some(Split::Test) && !plans.is_empty() {
            return Ok(plans); // divided sets have no undivided part
        }
    }
    match (&plans[..], arrays) {
        ([], [only]) => Ok(undivided(only.entry)),
        ([], _) => {
            let hint = "name the array of images (option member), or rename arrays to images and labels, or \
                        to train_images, train_labels, test_images and so on";
            Err(unknown_arrays(tree, arrays, hint.into()))
        }
        _ => Ok(plans),
    }
}

fn unknown_arrays(tree: &Tree, arrays: &[Array], hint: String) -> DataError {
    let describe = |array: &Array| match header_of(tree, array.entry) {
        Ok((_, header)) => format!("{} ({} {})", array.key, header.element, header.shape_text()),
        Err(_) => array.key.clone(),
    };
    let found: Vec<String> = arrays.iter().take(12).map(describe).collect();
    DataError::UnknownArrays { place: tree.place().into(), found: found.join(", "), hint }
}
