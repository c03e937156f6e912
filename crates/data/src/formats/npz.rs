//! NumPy arrays: an .npz, a single .npy, or a folder of .npy files.
//!
//! Which array is what is told by its name, as MedMNIST and others use them: a word for images or labels ([`IMAGES`],
//! [`LABELS`]), and before or behind it one for the split ([`SPLITS`]). An array alone holds images without labels; where
//! names do not say it, [`DataSettings::member`] and [`DataSettings::labels`] do. Arrays that are not used are told.

use std::collections::BTreeSet;

use super::array::{ArrayHeader, ImageArray};
use super::axes::{self, Question};
use super::labels::{self, LabelArray};
use super::{Format, no_files, npy};
use crate::notice::Notice;
use crate::store::StoreBuilder;
use crate::text::in_hint;
use crate::tree::{Kind, Tree};
use crate::{DataError, DataSettings, OpenOptions, Split};

pub(super) const FORMAT: Format = Format {
    name: "npz",
    description: "NumPy arrays of images [N, H, W] or [N, H, W, C] and labels [N] or [N, 1], or [N, L] of 0 and 1 where \
                  an image may show several classes, in an .npz (MedMNIST's names and others), or images in one .npy",
    claims,
    read,
    files: no_files,
};

/// Words that say a split; the longer first where one begins with another.
const SPLITS: [(&str, Split); 8] = [
    ("training", Split::Train),
    ("train", Split::Train),
    ("validation", Split::Val),
    ("valid", Split::Val),
    ("val", Split::Val),
    ("dev", Split::Val),
    ("testing", Split::Test),
    ("test", Split::Test),
];

/// Words for images, the likeliest first.
const IMAGES: [&str; 9] = ["images", "x", "data", "imgs", "arr0", "image", "img", "pixels", "inputs"];

/// Words for labels, the likeliest first.
const LABELS: [&str; 12] = [
    "labels",
    "y",
    "targets",
    "label",
    "arr1",
    "target",
    "ytrue",
    "class",
    "classes",
    "annotations",
    "categories",
    "category",
];

/// Whether an array of that name holds the images or labels of a whole set.
pub(super) fn is_known(name: &str) -> bool {
    let (_, word) = parsed(name);
    IMAGES.contains(&word.as_str()) || LABELS.contains(&word.as_str())
}

/// One array of a tree.
struct Array {
    entry: usize,
    key: String,
    /// The split that its name says.
    split: Option<Split>,
    /// What else its name says.
    word: String,
}

/// Images to read, and the array of their labels.
struct Plan<'a> {
    split: Option<Split>,
    images: &'a Array,
    labels: Option<&'a Array>,
}

/// What the header of an array says.
struct Described {
    place: String,
    header: ArrayHeader,
}

/// Split and word of an array of this name: lower case, without what separates words.
fn parsed(name: &str) -> (Option<Split>, String) {
    let word: String = name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    for (mark, split) in SPLITS {
        if let Some(rest) = word.strip_prefix(mark).or_else(|| word.strip_suffix(mark)) {
            return (Some(split), rest.into());
        }
    }
    (None, word)
}

impl Array {
    /// The array at `path`; where its own name says no split, the folder that it lies in may.
    fn at(entry: usize, path: &str) -> Array {
        let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
        let key = name.trim_end_matches(".gz").trim_end_matches(".npy");
        let (split, word) = parsed(key);
        let of_folder =
            || folders.rsplit('/').map(parsed).find(|(_, rest)| rest.is_empty()).and_then(|(split, _)| split);
        Array { entry, key: key.into(), split: split.or_else(of_folder), word }
    }
}

fn arrays(tree: &Tree) -> Vec<Array> {
    let is_array = |entry: &crate::tree::Entry| match entry.kind {
        Kind::Npy => true,
        Kind::Unreadable | Kind::Empty => entry.path.ends_with(".npy"),
        _ => false,
    };
    let entries = tree.entries.iter().enumerate().filter(|(_, entry)| is_array(entry));
    entries.map(|(index, entry)| Array::at(index, &entry.path)).collect()
}

/// All arrays; none where they lie in folders and no name, or more than one, says that it holds all images: then each is an
/// image, and the folders are classes.
fn claims(tree: &Tree) -> usize {
    let arrays = arrays(tree);
    let images = || arrays.iter().filter(|array| IMAGES.contains(&array.word.as_str()));
    let different: BTreeSet<_> = images().map(|array| (array.split, &array.word)).collect();
    let named = !different.is_empty() && different.len() == images().count();
    let in_folder = |array: &Array| tree.entries[array.entry].path.contains('/');
    if arrays.len() > 1 && !named && arrays.iter().any(in_folder) { 0 } else { arrays.len() }
}

fn read(
    tree: &Tree,
    options: &OpenOptions<'_>,
    store: &mut StoreBuilder<'_>,
) -> Result<Vec<String>, DataError> {
    let arrays = arrays(tree);
    let plans = plans(tree, &arrays, &options.settings)?;
    let described = |array: &Array| described(tree, array);
    let headers: Vec<Described> =
        plans.iter().map(|plan| described(plan.images)).collect::<Result<_, _>>()?;
    let counts: Vec<Option<u64>> =
        plans.iter().map(|plan| label_count(tree, plan)).collect::<Result<_, _>>()?;
    let questions = headers.iter().zip(&counts);
    let questions: Vec<Question<'_>> =
        questions.map(|(Described { place, header }, &labels)| Question { header, place, labels }).collect();
    let (layout, notice) = axes::layout_of(options.settings.layout, &questions)?;
    notice.into_iter().for_each(|notice| store.tell(notice));
    let mut images = Vec::new();
    let mut given = Vec::new();
    for (plan, Described { place, header }) in plans.iter().zip(&headers) {
        let array = ImageArray::new(header, layout, place, &plan.images.key)?;
        header.check_len(place, tree.entries[plan.images.entry].len)?;
        store.expect(array.count());
        given.push(plan.labels.map(|labels| read_labels(tree, labels, &array, options)).transpose()?);
        images.push(array);
    }
    tell_unused(tree, &arrays, &plans, &images, store);
    let (labels, classes) = labels::settle(given, options, store)?;
    for ((plan, array), labels) in plans.iter().zip(&images).zip(&labels) {
        store.begin(plan.split, array.key);
        with_array(tree, plan.images, |reader, _, _| array.read(reader, labels.as_ref(), store))?;
    }
    Ok(classes)
}

fn label_count(tree: &Tree, plan: &Plan<'_>) -> Result<Option<u64>, DataError> {
    let count = |array| {
        let Described { place, header } = described(tree, array)?;
        labels::count(&header, &place)
    };
    plan.labels.map(count).transpose()
}

fn read_labels(
    tree: &Tree,
    labels: &Array,
    images: &ImageArray<'_>,
    options: &OpenOptions<'_>,
) -> Result<LabelArray, DataError> {
    with_array(tree, labels, |reader, header, place| {
        labels::check_count(images, labels::count(&header, place)?, place)?;
        header.check_len(place, tree.entries[labels.entry].len)?;
        labels::read(reader, &header, (place, &labels.key), options)
    })
}

fn with_array<T>(
    tree: &Tree,
    array: &Array,
    read: impl FnOnce(&mut dyn std::io::Read, ArrayHeader, &str) -> Result<T, DataError>,
) -> Result<T, DataError> {
    let place = tree.place_of(array.entry);
    if tree.entries[array.entry].kind == Kind::Empty {
        return Err(DataError::Empty { place });
    }
    tree.with_reader(array.entry, |reader| {
        let header = npy::read_header(reader, &place)?;
        read(reader, header, &place)
    })
}

fn described(tree: &Tree, array: &Array) -> Result<Described, DataError> {
    with_array(tree, array, |_, header, place| Ok(Described { place: place.into(), header }))
}

/// Which arrays are images and labels of which split.
fn plans<'a>(tree: &Tree, arrays: &'a [Array], settings: &DataSettings) -> Result<Vec<Plan<'a>>, DataError> {
    let mut plans = plans_of_images(tree, arrays, &settings.member)?;
    let alone = plans.len() == 1;
    for plan in &mut plans {
        let others = arrays.iter().filter(|array| array.entry != plan.images.entry);
        plan.labels = match (&settings.labels[..], &settings.member[..]) {
            ("", "") => usual_labels(tree, others.collect(), plan)?,
            ("", _) => None, // who names the images names the labels as well, or wants none
            (name, _) => called(tree, others.collect(), name, plan.split, alone)?,
        };
    }
    if !settings.labels.is_empty() && plans.iter().all(|plan| plan.labels.is_none()) {
        return Err(unknown_labels(tree, arrays, &settings.labels));
    }
    Ok(plans)
}

fn plans_of_images<'a>(tree: &Tree, arrays: &'a [Array], member: &str) -> Result<Vec<Plan<'a>>, DataError> {
    let all = || arrays.iter().collect();
    let plan = |split: Option<Split>, images: &'a Array| Plan { split, images, labels: None };
    if let Some(array) = arrays.iter().find(|array| !member.is_empty() && array.key == member) {
        return Ok(vec![plan(None, array)]);
    }
    let of_split = |split| match member.is_empty() {
        true => first_usual(tree, all(), &IMAGES, split),
        false => called(tree, all(), member, split, false),
    };
    let mut plans = Vec::new();
    for split in Split::ALL {
        match of_split(Some(split))? {
            Some(images) => plans.push(plan(Some(split), images)),
            None if member.is_empty() => check_no_labels(tree, arrays, split)?,
            None => {}
        }
    }
    if !plans.is_empty() {
        return Ok(plans); // divided sets have no undivided part
    }
    match (of_split(None)?, arrays) {
        (Some(images), _) => Ok(vec![plan(None, images)]),
        (None, [only]) if member.is_empty() => Ok(vec![plan(None, only)]),
        _ => Err(unknown_images(tree, arrays, member)),
    }
}

/// The array of `split` that is called by the first of `words` that calls one.
fn first_usual<'a>(
    tree: &Tree,
    arrays: Vec<&'a Array>,
    words: &[&str],
    split: Option<Split>,
) -> Result<Option<&'a Array>, DataError> {
    for word in words {
        if let Some(array) = only_one(tree, &arrays, |array| array.split == split && array.word == *word)? {
            return Ok(Some(array));
        }
    }
    Ok(None)
}

/// The array that is called `name`, or as `name` is with the split before or behind it.
fn called<'a>(
    tree: &Tree,
    arrays: Vec<&'a Array>,
    name: &str,
    split: Option<Split>,
    exactly: bool,
) -> Result<Option<&'a Array>, DataError> {
    let exact = arrays.iter().find(|array| exactly && array.key == name).copied();
    let (_, word) = parsed(name);
    match exact {
        Some(array) => Ok(Some(array)),
        None => only_one(tree, &arrays, |array| array.split == split && array.word == word),
    }
}

/// The array that `fits`, of which there must not be two.
fn only_one<'a>(
    tree: &Tree,
    arrays: &[&'a Array],
    fits: impl Fn(&Array) -> bool,
) -> Result<Option<&'a Array>, DataError> {
    let found: Vec<&'a Array> = arrays.iter().copied().filter(|array| fits(array)).collect();
    if let [_, _, ..] = found[..] {
        let hint = "these are called alike; {member} NAME and {labels} NAME say which to take".into();
        return Err(unknown_arrays(tree, found.into_iter(), hint));
    }
    Ok(found.first().copied())
}

/// The labels of a plan by the usual names. Words that also call a list of the names of the classes count only where there
/// is one for each image.
fn usual_labels<'a>(
    tree: &Tree,
    arrays: Vec<&'a Array>,
    plan: &Plan<'_>,
) -> Result<Option<&'a Array>, DataError> {
    let Some(found) = first_usual(tree, arrays, &LABELS, plan.split)? else { return Ok(None) };
    if !matches!(found.word.as_str(), "class" | "classes" | "categories") {
        return Ok(Some(found));
    }
    let images = described(tree, plan.images)?.header.shape.first().copied();
    let labels = described(tree, found)?.header.shape.first().copied();
    Ok((images == labels).then_some(found))
}

/// Labels of a split without images are a mistake.
fn check_no_labels(tree: &Tree, arrays: &[Array], split: Split) -> Result<(), DataError> {
    let labels = first_usual(tree, arrays.iter().collect(), &LABELS, Some(split))?;
    let Some(labels) = labels else { return Ok(()) };
    let (name, key) = (split.name(), in_hint(&labels.key));
    let hint = format!(
        "\"{key}\" are labels without images; add \"{name}_images\", or say with {{member}} NAME which array holds the \
         images"
    );
    Err(unknown_arrays(tree, arrays.iter(), hint))
}

/// Tells which arrays were not read, and which of them may be labels.
fn tell_unused(
    tree: &Tree,
    arrays: &[Array],
    plans: &[Plan<'_>],
    images: &[ImageArray<'_>],
    store: &mut StoreBuilder<'_>,
) {
    let used: Vec<usize> = plans
        .iter()
        .flat_map(|plan| [Some(plan.images), plan.labels])
        .flatten()
        .map(|array| array.entry)
        .collect();
    let unused: Vec<&Array> = arrays.iter().filter(|array| !used.contains(&array.entry)).collect();
    if unused.is_empty() {
        return;
    }
    let may_be_labels = |array: &&&Array| {
        let alone = plans.len() == 1;
        let of = |plan: &Plan<'_>| plan.labels.is_none() && (alone || plan.split == array.split);
        let Ok(Described { place, header }) = described(tree, array) else { return false };
        let count = labels::count(&header, &place).ok();
        let mut fitting = plans.iter().zip(images).filter(|(plan, _)| of(plan));
        fitting.any(|(_, images)| count == Some(images.shape.volumes() as u64))
    };
    let notice = Notice::new("unused-arrays", "arrays that are not read");
    let notice = match unused.iter().find(may_be_labels) {
        Some(array) => notice.hint(format!("{{labels}} {} takes that one as labels", in_hint(&array.key))),
        None => notice.hint("{member} NAME and {labels} NAME say which arrays to take"),
    };
    store.tell(unused.iter().fold(notice, |notice, array| notice.about(array_text(tree, array))));
}

/// Name, type and shape.
fn array_text(tree: &Tree, array: &Array) -> String {
    match described(tree, array) {
        Ok(Described { header, .. }) => format!("{} ({} {})", array.key, header.element, header.shape_text()),
        Err(_) => array.key.clone(),
    }
}

fn unknown_arrays<'a>(tree: &Tree, arrays: impl Iterator<Item = &'a Array>, hint: String) -> DataError {
    let found: Vec<String> = arrays.take(12).map(|array| array_text(tree, array)).collect();
    DataError::UnknownArrays { place: tree.place().into(), found: found.join(", "), hint }
}

fn unknown_images(tree: &Tree, arrays: &[Array], member: &str) -> DataError {
    let hint = match member {
        "" => "name the array of images with {member} NAME and that of labels with {labels} NAME, or rename arrays to \
               images and labels, or to train_images, train_labels, test_images and so on"
            .into(),
        member => format!("no array is called \"{}\"; choose one of these with {{member}}", in_hint(member)),
    };
    unknown_arrays(tree, arrays.iter(), hint)
}

fn unknown_labels(tree: &Tree, arrays: &[Array], name: &str) -> DataError {
    let is_table = [".csv", ".tsv", ".txt"].iter().any(|end| name.to_ascii_lowercase().ends_with(end));
    let found: Vec<String> = arrays.iter().take(12).map(|array| array_text(tree, array)).collect();
    let (expected, hint) = match is_table || std::path::Path::new(name).is_file() {
        true => (
            "the name of an array of labels",
            "tables of labels go with folders of images; an .npz brings its labels as an array",
        ),
        false => {
            ("the name of an array of labels", "{labels} NAME takes one of the arrays that the file has")
        }
    };
    DataError::WrongType {
        place: tree.place().into(),
        expected: format!("{expected} (it has {})", found.join(", ")),
        got: format!("{name:?}"),
        hint: hint.into(),
    }
}
