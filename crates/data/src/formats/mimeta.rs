//! MIMeta's sets (Medical Imaging Meta-Dataset, <https://doi.org/10.5281/zenodo.7884735>), a folder each:
//!
//! | path | content |
//! |---|---|
//! | `images/000000.tiff` ... | the images, numbered from 0 |
//! | `task_labels/TASK.npy` | a label for each image, in the order of their numbers; a file a task |
//! | `original_splits/{train,val,test}.txt` | the images of a split, a path a line |
//! | `info.yaml` | what the set is, for people |
//!
//! Which task is learned is `labels`; the first by name where nothing is said, told. Splits are those of the set.

use std::collections::{BTreeMap, BTreeSet};

use super::folder::{self, File, check_any, read_files};
use super::labels::{self, Labels};
use super::{Format, npy};
use crate::notice::Notice;
use crate::store::StoreBuilder;
use crate::text::in_hint;
use crate::tree::{Kind, Tree};
use crate::{DataError, OpenOptions, Split, SplitPolicy};

pub(super) const FORMAT: Format = Format {
    name: "mimeta",
    description: "a set of MIMeta: images, task_labels/TASK.npy and original_splits/{train,val,test}.txt in a folder; also \
                  zipped",
    // Its images look like those of a folder, which claims all of them.
    claims: |tree| if tasks(tree).is_empty() || !has_images(tree) { 0 } else { tree.entries.len() + 1 },
    read,
    files: folder::files,
};

const IMAGES: &str = "images/";
const TASKS: &str = "task_labels/";
const SPLITS: &str = "original_splits/";

/// Bytes of a list of images, at most.
const MAX_LIST: u64 = 64 << 20;

/// Names that a message shows.
const SHOWN: usize = 5;

/// The images of a split, by their numbers.
type Part = (Option<Split>, Vec<usize>);

/// The labels of one task.
struct Task<'a> {
    entry: usize,
    /// What stands before `task_labels`.
    root: &'a str,
    name: &'a str,
}

fn tasks(tree: &Tree) -> Vec<Task<'_>> {
    fn task(entry: usize, path: &str) -> Option<Task<'_>> {
        let (root, name) = path.rsplit_once(TASKS)?;
        let name = name.strip_suffix(".npy")?;
        let whole = root.is_empty() || root.ends_with('/');
        (whole && !name.contains('/')).then_some(Task { entry, root, name })
    }
    let arrays = tree.entries.iter().enumerate().filter(|(_, file)| file.kind == Kind::Npy);
    arrays.filter_map(|(entry, file)| task(entry, &file.path)).collect()
}

fn has_images(tree: &Tree) -> bool {
    tree.entries.iter().any(|entry| entry.path.starts_with(IMAGES) || entry.path.contains("/images/"))
}

fn wrong(place: String, reason: String, hint: &'static str) -> DataError {
    DataError::WrongList { place, reason, hint }
}

fn read(
    tree: &Tree,
    options: &OpenOptions<'_>,
    store: &mut StoreBuilder<'_>,
) -> Result<Vec<String>, DataError> {
    let tasks = tasks(tree);
    let root = only_root(tree, &tasks)?;
    let images = images(tree, root)?;
    let splits = match options.settings.splits {
        SplitPolicy::Drawn => vec![(None, (0..images.len()).collect())],
        _ => splits(tree, root, &images, store)?,
    };
    let (labels, classes) =
        labels_of(tree, chosen(tree, &tasks, options, store)?, images.len(), options, store)?;
    store.expect(splits.iter().map(|(_, images)| images.len()).sum());
    for (split, members) in splits {
        store.begin(split, split.map_or("images", Split::name));
        let file = |image: usize| {
            let (label, tags) = labels.of(image);
            File { entries: [images[image]].into(), label, tags, metadata: Vec::new(), slice: None }
        };
        read_files(tree, members.into_iter().map(file).collect(), store)?;
    }
    check_any(tree, store)?;
    Ok(classes)
}

/// The one folder that holds all tasks.
fn only_root<'a>(tree: &Tree, tasks: &[Task<'a>]) -> Result<&'a str, DataError> {
    let roots: BTreeSet<&str> = tasks.iter().map(|task| task.root).collect();
    match roots.first() {
        Some(root) if roots.len() == 1 => Ok(root),
        _ => {
            let roots = roots.into_iter().map(|root| root.trim_end_matches('/')).collect::<Vec<_>>();
            let reason = format!("it holds several sets: {}", roots.join(", "));
            Err(wrong(
                tree.place().into(),
                reason,
                "give the folder of one of them, or join several with {join}",
            ))
        }
    }
}

/// The entries of the images, in the order of their numbers.
fn images(tree: &Tree, root: &str) -> Result<Vec<usize>, DataError> {
    let name = |entry: usize| tree.entries[entry].path.strip_prefix(root)?.strip_prefix(IMAGES);
    let images: Vec<usize> = (0..tree.entries.len()).filter(|&entry| name(entry).is_some()).collect();
    let number = |entry: usize| name(entry)?.split('.').next()?.parse::<usize>().ok();
    match images.iter().enumerate().find(|(place, entry)| number(**entry) != Some(*place)) {
        None => Ok(images),
        Some((place, &entry)) => {
            let reason = format!("image {place} is missing: number {place} is {}", tree.entries[entry].path);
            let hint = "images are numbered from 000000 on, as labels are of their numbers; unpack the set as a whole";
            Err(wrong(tree.place().into(), reason, hint))
        }
    }
}

/// The task that the settings name, or the first one.
fn chosen<'a, 't>(
    tree: &Tree,
    tasks: &'a [Task<'t>],
    options: &OpenOptions<'_>,
    store: &mut StoreBuilder<'_>,
) -> Result<&'a Task<'t>, DataError> {
    let named = options.settings.labels.trim_end_matches(".npy");
    let names: Vec<&str> = tasks.iter().map(|task| task.name).collect();
    if let Some(task) = tasks.iter().find(|task| task.name == named) {
        return Ok(task);
    }
    let (Some(first), "") = (tasks.first(), named) else {
        let reason = format!("it has no task {named:?}; there are {}", names.join(", "));
        return Err(wrong(tree.place().into(), reason, "{labels} TASK names the task whose labels are read"));
    };
    if let [_, second, ..] = &names[..] {
        let message = format!("labels are those of the task {:?}, of {}", first.name, names.join(", "));
        let hint = format!("`{{labels}} {:?}` takes another", in_hint(second));
        store.tell(Notice::new("task", message).hint(hint));
    }
    Ok(first)
}

/// The labels of a task, one for each of so many images, and the names of its classes.
fn labels_of(
    tree: &Tree,
    task: &Task<'_>,
    images: usize,
    options: &OpenOptions<'_>,
    store: &mut StoreBuilder<'_>,
) -> Result<(Labels, Vec<String>), DataError> {
    let place = tree.place_of(task.entry);
    let array = tree.with_reader(task.entry, |reader| {
        let header = npy::read_header(reader, &place)?;
        header.check_len(&place, tree.entries[task.entry].len)?;
        let count = labels::count(&header, &place)?;
        if count != images as u64 {
            return Err(DataError::CountMismatch {
                place: place.clone(),
                images: images as u64,
                labels: count,
            });
        }
        labels::read(reader, &header, (&place, task.name), options)
    })?;
    let (mut labels, classes) = labels::settle(vec![Some(array)], options, store)?;
    Ok((labels.pop().flatten().unwrap_or(Labels::Classes(Vec::new())), classes))
}

/// The images of each split by their numbers, ascending; images of none are told.
fn splits(
    tree: &Tree,
    root: &str,
    images: &[usize],
    store: &mut StoreBuilder<'_>,
) -> Result<Vec<Part>, DataError> {
    let path = |entry: usize| tree.entries[entry].path.strip_prefix(root).unwrap_or_default();
    let numbers: BTreeMap<&str, usize> = images.iter().map(|&entry| path(entry)).zip(0..).collect();
    let mut of: Vec<Option<Split>> = vec![None; images.len()];
    for split in Split::ALL {
        let list = List::read(tree, root, split)?;
        let unknown: Vec<&str> = list.paths().filter(|path| !numbers.contains_key(path)).collect();
        list.refuse(&unknown, "are of no image of the set", "unpack the set as a whole")?;
        let found: Vec<(&str, usize)> =
            list.paths().filter_map(|path| Some((path, *numbers.get(path)?))).collect();
        let mut twice = Vec::new();
        for (path, image) in found {
            if of[image].replace(split).is_some() {
                twice.push(path);
            }
        }
        list.refuse(&twice, "stand in a list before", "each image is of one split, once")?;
    }
    let left_out = images.iter().zip(&of).filter(|(_, split)| split.is_none());
    let notice = Notice::new("left-out", "images that no list of a split names are left out");
    let notice = left_out.fold(notice, |notice, (&entry, _)| notice.about(path(entry)));
    if notice.count > 0 {
        store.tell(notice.hint("`{splits} drawn` draws splits from all images"));
    }
    let members = |split: Split| (0..of.len()).filter(|&image| of[image] == Some(split)).collect();
    Ok(Split::ALL.into_iter().map(|split| (Some(split), members(split))).collect())
}

/// The list of the images of a split.
struct List {
    place: String,
    text: String,
}

impl List {
    fn read(tree: &Tree, root: &str, split: Split) -> Result<List, DataError> {
        let path = format!("{root}{SPLITS}{}.txt", split.name());
        let Some(entry) = tree.entries.iter().position(|entry| entry.path == path) else {
            let reason = format!("there is no {path}, which says the images of {}", split.name());
            let hint = "unpack the set as a whole, or draw splits from all images with {splits} drawn";
            return Err(wrong(tree.place().into(), reason, hint));
        };
        let text = String::from_utf8_lossy(&tree.bytes(entry, MAX_LIST)?).into_owned();
        Ok(List { place: tree.place_of(entry), text })
    }

    /// Its lines, as paths within the set.
    fn paths(&self) -> impl Iterator<Item = &str> {
        let lines = self.text.lines().map(str::trim).filter(|line| !line.is_empty());
        lines.map(|line| line.strip_prefix("./").unwrap_or(line))
    }

    /// An error with the number and the first of `paths`, if there are any.
    fn refuse(&self, paths: &[&str], what: &str, hint: &'static str) -> Result<(), DataError> {
        if paths.is_empty() {
            return Ok(());
        }
        let (first, more) =
            (&paths[..paths.len().min(SHOWN)], if paths.len() > SHOWN { ", ..." } else { "" });
        let reason = format!("{} of its lines {what}: {}{more}", paths.len(), first.join(", "));
        Err(wrong(self.place.clone(), reason, hint))
    }
}
