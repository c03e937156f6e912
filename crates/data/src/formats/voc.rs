//! PASCAL VOC's image classification: pictures in `JPEGImages` and, in `ImageSets/Main`, a list `CLASS_SPLIT.txt` for every
//! class and split, which names the images of the split, each with 1 (it shows the class), -1 (it does not) or 0 (only
//! objects that are difficult to recognise: not judged).
//!
//! Splits are `train`, `val` and `test`. Where one of the first two is missing, `trainval` is the training split. Images
//! that no list names are left alone.

use std::collections::{BTreeMap, BTreeSet};

use super::Format;
use super::folder::{self, File, check_any, read_files};
use crate::store::StoreBuilder;
use crate::tree::Tree;
use crate::{DataError, OpenOptions, Split, Tag};

pub(super) const FORMAT: Format = Format {
    name: "voc",
    description: "PASCAL VOC: JPEGImages and the lists ImageSets/Main/CLASS_{train,val,trainval,test}.txt, several classes \
                  an image; also zipped",
    // Its pictures look like those of a folder, which claims all images.
    claims: |tree| if lists(tree).is_empty() { 0 } else { tree.entries.len() + 1 },
    read,
    files: folder::files,
};

const LISTS: &str = "ImageSets/Main/";
const IMAGES: &str = "JPEGImages/";

/// Bytes of a list, at most.
const MAX_LIST: u64 = 64 << 20;

/// The list of one class and split.
struct List<'a> {
    entry: usize,
    /// What stands before `ImageSets`.
    root: &'a str,
    class: &'a str,
    split: &'a str,
}

fn lists(tree: &Tree) -> Vec<List<'_>> {
    fn list(entry: usize, path: &str) -> Option<List<'_>> {
        let (root, name) = path.rsplit_once(LISTS)?;
        let (class, split) = name.strip_suffix(".txt")?.rsplit_once('_')?;
        let known = ["train", "val", "trainval", "test"].contains(&split);
        let whole = root.is_empty() || root.ends_with('/');
        (known && whole && !class.is_empty()).then_some(List { entry, root, class, split })
    }
    tree.entries.iter().enumerate().filter_map(|(entry, file)| list(entry, &file.path)).collect()
}

fn read(tree: &Tree, _: &OpenOptions<'_>, store: &mut StoreBuilder<'_>) -> Result<Vec<String>, DataError> {
    let lists = lists(tree);
    let root = only_root(tree, &lists)?;
    let classes: BTreeSet<&str> = lists.iter().map(|list| list.class).collect();
    let images = images(tree, root);
    let has = |split: &str| lists.iter().any(|list| list.split == split);
    let parts: &[(&str, Split)] = match has("trainval") && !(has("train") && has("val")) {
        true => &[("trainval", Split::Train), ("test", Split::Test)],
        false => &[("train", Split::Train), ("val", Split::Val), ("test", Split::Test)],
    };
    let mut read = Vec::new();
    for (name, split) in parts.iter().filter(|(name, _)| has(name)) {
        let tags = tags(tree, &lists, &classes, name)?;
        let files = tags.into_iter().map(|(image, tags)| match images.get(image.as_str()) {
            Some(&entry) => {
                let (entries, tags) = ([entry].into(), Some(tags));
                Ok(File { entries, label: None, tags, metadata: Vec::new(), slice: None })
            }
            None => Err(DataError::WrongList {
                place: tree.place().into(),
                reason: format!("the lists of {name} name {image}, but {root}{IMAGES} holds no such image"),
                hint: "unpack all of the set's archives into the same folder",
            }),
        });
        read.push((*split, files.collect::<Result<Vec<File>, DataError>>()?));
    }
    store.expect(read.iter().map(|(_, files)| files.len()).sum());
    for (split, files) in read {
        store.begin(Some(split), split.name());
        read_files(tree, files, store)?;
    }
    check_any(tree, store)?;
    Ok(classes.into_iter().map(String::from).collect())
}

/// The one folder that holds all lists.
fn only_root<'a>(tree: &Tree, lists: &[List<'a>]) -> Result<&'a str, DataError> {
    let roots: BTreeSet<&str> = lists.iter().map(|list| list.root).collect();
    match roots.first() {
        Some(root) if roots.len() == 1 => Ok(root),
        _ => Err(DataError::WrongList {
            place: tree.place().into(),
            reason: format!("it holds several sets: {}", roots.into_iter().collect::<Vec<_>>().join(", ")),
            hint: "give the folder of one of them",
        }),
    }
}

/// The pictures by their names without extension.
fn images<'a>(tree: &'a Tree, root: &str) -> BTreeMap<&'a str, usize> {
    let name = |path: &'a str| {
        let file = path.strip_prefix(root)?.strip_prefix(IMAGES)?;
        file.rsplit_once('.').map(|(name, _)| name)
    };
    let entries = tree.entries.iter().enumerate();
    entries.filter_map(|(entry, file)| Some((name(&file.path)?, entry))).collect()
}

/// The images of a split by name, each with its tags in the order of `classes`.
fn tags(
    tree: &Tree,
    lists: &[List<'_>],
    classes: &BTreeSet<&str>,
    split: &str,
) -> Result<BTreeMap<String, Vec<Tag>>, DataError> {
    let mut all: BTreeMap<String, Vec<Tag>> = BTreeMap::new();
    for (number, class) in classes.iter().enumerate() {
        let Some(list) = lists.iter().find(|list| list.class == *class && list.split == split) else {
            return Err(DataError::WrongList {
                place: tree.place().into(),
                reason: format!("there is no {LISTS}{class}_{split}.txt, but other classes have such a list"),
                hint: "every class needs a list for every split",
            });
        };
        let (place, found) = (tree.place_of(list.entry), read_list(tree, list.entry)?);
        let differs = |image: &String, reason: &str| DataError::WrongList {
            place: place.clone(),
            reason: format!("image {image} {reason} the lists of other classes"),
            hint: "the lists of all classes of a split name the same images",
        };
        if let Some(image) = all.keys().find(|image| !found.contains_key(*image)) {
            return Err(differs(image, "is missing, but stands in"));
        }
        for (image, tag) in found {
            if number > 0 && !all.contains_key(&image) {
                return Err(differs(&image, "does not stand in"));
            }
            all.entry(image).or_default().push(tag);
        }
    }
    Ok(all)
}

/// One list: images and their tags for one class.
fn read_list(tree: &Tree, entry: usize) -> Result<BTreeMap<String, Tag>, DataError> {
    let place = tree.place_of(entry);
    let bytes = tree.bytes(entry, MAX_LIST)?;
    let text = String::from_utf8_lossy(&bytes);
    let mut found = BTreeMap::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let wrong = |what: &str| DataError::WrongList {
            place: place.clone(),
            reason: format!("line {} {what}: {:?}", number + 1, line.chars().take(80).collect::<String>()),
            hint: "each line names an image once, then 1, -1 or 0",
        };
        let (image, tag) = match line.split_whitespace().collect::<Vec<_>>()[..] {
            [image, "1"] => (image, Tag::Present),
            [image, "-1"] => (image, Tag::Absent),
            [image, "0"] => (image, Tag::NotJudged),
            _ => return Err(wrong("is no image with 1, -1 or 0")),
        };
        if found.insert(image.to_owned(), tag).is_some() {
            return Err(wrong("names an image again"));
        }
    }
    if found.is_empty() {
        return Err(DataError::Empty { place });
    }
    Ok(found)
}
