//! WebDataset's tars (<https://github.com/webdataset/webdataset>), one or many, as img2dataset and others write them.
//!
//! Members with one name up to the first dot are one sample: `000017.jpg`, `000017.cls`, `000017.json`. The image is the one member
//! that is an image, or the one whose ending is `member`. The label is the text of `cls` (a number), or what `labels` names:
//! another ending, or with `labels_column` a key of the JSON. All other numbers and texts of the JSON are kept as metadata.
//!
//! A shard whose folder or name says a split (`train/0000.tar`, `imagenet-val-000003.tar`) is of that split, if all say one. Classes are
//! numbered in the order of their numbers or names, over all splits.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Format;
use super::folder::{self, File, check_any, read_files};
use crate::names::Role;
use crate::notice::Notice;
use crate::shards;
use crate::store::StoreBuilder;
use crate::text::escaped;
use crate::tree::{Kind, Tree};
use crate::{DataError, OpenOptions, Split, SplitPolicy};

pub(super) const FORMAT: Format = Format {
    name: "webdataset",
    description: "tar shards of WebDataset: KEY.jpg with KEY.cls or KEY.json; a folder of tars, one tar, or a pattern \
                  train-{000000..000146}.tar",
    claims: |tree| if is_one(tree) { tree.entries.len() + 1 } else { 0 },
    read,
    files: folder::files,
};

/// Bytes of a label or of a description in JSON, at most.
const MAX_TEXT: u64 = 16 << 20;

/// The ending of labels where none is named.
const CLASS: &str = "cls";

/// Keys of the JSON that hold the label, where none is named.
const LABELS: [&str; 5] = ["label", "class", "cls", "class_id", "category"];

/// The members of one sample, by their endings.
struct Sample<'a> {
    key: &'a str,
    members: Vec<(&'a str, usize)>,
}

impl Sample<'_> {
    fn member(&self, ending: &str) -> Option<usize> {
        self.members.iter().find(|(name, _)| *name == ending).map(|(_, entry)| *entry)
    }
}

/// A path cut where WebDataset cuts it: at the first dot of the last name.
fn cut(path: &str) -> Option<(&str, &str)> {
    let name = path.rfind('/').map_or(0, |at| at + 1);
    let dot = name + path[name..].find('.')?;
    Some((&path[..dot], &path[dot + 1..]))
}

/// All samples, in the order of their keys. A file without an ending belongs to none.
fn samples(tree: &Tree) -> Vec<Sample<'_>> {
    let mut samples: BTreeMap<&str, Sample<'_>> = BTreeMap::new();
    for (entry, file) in tree.entries.iter().enumerate() {
        let Some((key, ending)) = cut(&file.path) else { continue };
        let sample = samples.entry(key).or_insert_with(|| Sample { key, members: Vec::new() });
        sample.members.push((ending, entry));
    }
    samples.into_values().collect()
}

fn images_of(tree: &Tree, sample: &Sample<'_>) -> Vec<usize> {
    let is_image = |entry: &usize| matches!(tree.entries[*entry].kind, Kind::Image(_));
    sample.members.iter().map(|(_, entry)| *entry).filter(is_image).collect()
}

/// Tars in which an image has a label or a description of its own beside it, or that are numbered as shards are.
fn is_one(tree: &Tree) -> bool {
    let described = |sample: &Sample<'_>| {
        !images_of(tree, sample).is_empty()
            && [CLASS, "json"].iter().any(|ending| sample.member(ending).is_some())
    };
    let tars: Vec<&str> = tree.tars().collect();
    tars.len() > 1 && numbered(&tars) || !tars.is_empty() && samples(tree).iter().any(described)
}

/// Whether the archives are numbered one after the other, few missing: those of classes, such as `n01440764.tar`, are not.
fn numbered(names: &[&str]) -> bool {
    let mut runs: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for name in names {
        let prefix = name.trim_end_matches(|last: char| last.is_ascii_digit());
        let Ok(number) = name[prefix.len()..].parse() else { return false };
        runs.entry(prefix).or_default().push(number);
    }
    runs.values().all(|run| {
        let (first, last) = (run.iter().min(), run.iter().max());
        first.zip(last).is_some_and(|(first, last)| last - first < 2 * run.len() as u64)
    })
}

/// The split of every shard, if each says one.
fn splits(tree: &Tree) -> Option<Vec<Role>> {
    tree.tars().map(shards::role).collect()
}

fn wrong(tree: &Tree, entry: usize, reason: String, hint: &'static str) -> DataError {
    DataError::WrongList { place: tree.place_of(entry), reason, hint }
}

fn read(
    tree: &Tree,
    options: &OpenOptions<'_>,
    store: &mut StoreBuilder<'_>,
) -> Result<Vec<String>, DataError> {
    let settings = &options.settings;
    let samples = samples(tree);
    let mut known = Vec::new();
    let mut without = Notice::new("left-out", "samples without an image are left out");
    for sample in &samples {
        match image_of(tree, sample, &settings.member)? {
            Some(image) => known.push((image, sample, Known::of(tree, sample, options)?)),
            None => without = without.about(sample.key),
        }
    }
    if without.count > 0 {
        store.tell(without.hint("`{member} ENDING` says the ending of images"));
    }
    tell_classes(&known, store);
    let classes = classes_of(&known);
    let columns: BTreeSet<&String> = known.iter().flat_map(|(.., known)| known.columns.keys()).collect();
    store.columns(columns.iter().map(|column| (*column).clone()).collect());
    let splits = splits(tree).filter(|_| settings.splits != SplitPolicy::Drawn);
    let number: BTreeMap<&str, u32> = classes.iter().map(String::as_str).zip(0..).collect();
    let mut parts: BTreeMap<Option<Split>, Vec<File>> = BTreeMap::new();
    for (entry, _, known) in &known {
        let role = splits.as_ref().map(|splits| splits[tree.entries[*entry].archive]);
        let split = match role {
            Some(Role::Split(split)) => Some(split),
            Some(_) => Some(Split::Train),
            None => None,
        };
        let label = known.label.as_deref().filter(|_| role != Some(Role::Unlabelled));
        let label = label.and_then(|label| number.get(label).copied());
        let metadata =
            columns.iter().map(|column| known.columns.get(*column).cloned().unwrap_or_default()).collect();
        parts.entry(split).or_default().push(File {
            entries: [*entry].into(),
            label,
            tags: None,
            metadata,
            slice: None,
        });
    }
    store.expect(known.len());
    drop(known);
    for (split, files) in parts {
        store.begin(split, split.map_or("images", Split::name));
        read_files(tree, files, store)?;
    }
    check_any(tree, store)?;
    Ok(classes)
}

/// The member that is the image of a sample: the one that is named, or the only one.
fn image_of(tree: &Tree, sample: &Sample<'_>, named: &str) -> Result<Option<usize>, DataError> {
    if !named.is_empty() {
        return Ok(sample.member(named));
    }
    match images_of(tree, sample)[..] {
        [] => Ok(None),
        [only] => Ok(Some(only)),
        [first, ..] => {
            let endings: Vec<&str> = sample.members.iter().map(|(ending, _)| *ending).collect();
            let reason = format!("{} has several images: {}", sample.key, endings.join(", "));
            Err(wrong(tree, first, reason, "{member} ENDING says which of them is learned from"))
        }
    }
}

/// What the members beside an image say of it.
#[derive(Default)]
struct Known {
    label: Option<String>,
    columns: BTreeMap<String, String>,
}

impl Known {
    fn of(tree: &Tree, sample: &Sample<'_>, options: &OpenOptions<'_>) -> Result<Known, DataError> {
        let settings = &options.settings;
        let (ending, key) = (settings.labels.as_str(), settings.labels_column.as_str());
        let mut known = Known::default();
        if let Some(entry) = sample.member("json") {
            known.columns = described(tree, entry)?;
        }
        let of_json = ending == "json" || ending.is_empty() && sample.member(CLASS).is_none();
        if of_json {
            let named: &[&str] = if key.is_empty() { &LABELS } else { &[key] };
            known.label = named.iter().find_map(|key| known.columns.remove(*key));
        } else if let Some(entry) = sample.member(if ending.is_empty() { CLASS } else { ending }) {
            let text = text_of(tree, entry)?;
            known.label = Some(text.trim().to_owned());
        }
        let none = |label: &String| {
            let number = label.parse::<i64>();
            label.is_empty()
                || number.is_ok_and(|number| number < 0 || settings.ignore_labels.contains(&number))
        };
        known.label = known.label.filter(|label| !none(label));
        Ok(known)
    }
}

fn text_of(tree: &Tree, entry: usize) -> Result<String, DataError> {
    let text = String::from_utf8(tree.bytes(entry, MAX_TEXT)?);
    text.map_err(|_| {
        wrong(tree, entry, "it is no text".to_owned(), "{labels} ENDING says where labels stand")
    })
}

/// Numbers and texts of a description in JSON.
fn described(tree: &Tree, entry: usize) -> Result<BTreeMap<String, String>, DataError> {
    let value: Value = serde_json::from_str(&text_of(tree, entry)?)
        .map_err(|error| wrong(tree, entry, format!("it is no JSON: {error}"), "write the shard again"))?;
    let Value::Object(entries) = value else { return Ok(BTreeMap::new()) };
    let plain = |(key, value): (String, Value)| match value {
        Value::String(text) => Some((key, escaped(&text))),
        Value::Number(number) => Some((key, number.to_string())),
        Value::Bool(value) => Some((key, value.to_string())),
        _ => None,
    };
    Ok(entries.into_iter().filter_map(plain).collect())
}

/// The names of classes: numbers in their order, or texts in theirs.
fn classes_of(known: &[(usize, &Sample<'_>, Known)]) -> Vec<String> {
    let labels: BTreeSet<&str> = known.iter().filter_map(|(.., known)| known.label.as_deref()).collect();
    let mut labels: Vec<&str> = labels.into_iter().collect();
    if labels.iter().all(|label| label.parse::<u64>().is_ok()) {
        labels.sort_by_key(|label| label.parse::<u64>().unwrap_or(u64::MAX));
    }
    labels.into_iter().map(str::to_owned).collect()
}

/// Tells samples without a label among those that have one.
fn tell_classes(known: &[(usize, &Sample<'_>, Known)], store: &mut StoreBuilder<'_>) {
    let without = known.iter().filter(|(.., known)| known.label.is_none());
    let notice = Notice::new("images-without-label", "samples have no label and are only learned from");
    let notice = without.fold(notice, |notice, (_, sample, _)| notice.about(sample.key));
    if notice.count > 0 && notice.count < known.len() {
        store.tell(notice);
    }
}
