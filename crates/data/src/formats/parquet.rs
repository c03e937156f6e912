//! Parquet files as Hugging Face's `datasets` writes them ([`crate::parquet`]): each row an image, with a label and more beside it.
//!
//! The column of images is the one that Hugging Face's description calls so, or else the only one that can be; `member` names it. Labels
//! are in the column that the description calls one of classes, which are then named and numbered by it; or else, as in any table, in
//! one with a usual name. All other columns of numbers and texts are kept as metadata.
//!
//! Splits are those that the names of files or their folders say (`train-00000-of-00002`, `test/0000`), or those of a column.

use std::collections::BTreeSet;

use super::Format;
use super::folder::{self, Plan};
use crate::decode::Refusal;
use crate::layout::Place;
use crate::names::Role;
use crate::notice::Notice;
use crate::parquet::Set;
use crate::shards;
use crate::store::StoreBuilder;
use crate::table::{self, Known};
use crate::tree::{Kind, Tree};
use crate::{DataError, DataSettings, OpenOptions, Split, SplitPolicy};

pub(super) const FORMAT: Format = Format {
    name: "parquet",
    description: "Parquet as Hugging Face's datasets writes it: a column of encoded images and one of labels; one file, a folder of \
                  files such as train-00000-of-00002.parquet, or a pattern train-{00000..00003}-of-00004.parquet",
    claims: |tree| tree.rows().map_or(0, |_| tree.entries.len() + 1),
    read,
    files: folder::files,
};

fn read(
    tree: &Tree,
    options: &OpenOptions<'_>,
    store: &mut StoreBuilder<'_>,
) -> Result<Vec<String>, DataError> {
    let (Some(set), settings) = (tree.rows(), &options.settings) else { return Ok(Vec::new()) };
    refuse(settings)?;
    if tree.entries.is_empty() {
        return Err(DataError::Empty { place: tree.place().into() });
    }
    tell(set, store);
    let roles = roles(tree, set, settings)?;
    let (mut known, names) = known(tree, set, options, store)?;
    std::mem::take(&mut known.notices).into_iter().for_each(|notice| store.tell(notice));
    let places: Vec<Place> = set
        .files()
        .zip(&roles)
        .flat_map(|((_, rows), role)| {
            std::iter::repeat_n(Place::In { split: split_of(*role), class: None }, rows)
        })
        .collect();
    if let Some(labels) = &mut known.labels {
        let roles = set.files().zip(&roles).flat_map(|((_, rows), role)| std::iter::repeat_n(*role, rows));
        let unlabelled = labels.iter_mut().zip(roles).filter(|(_, role)| *role == Some(Role::Unlabelled));
        unlabelled.for_each(|(label, _)| *label = None);
    }
    store.columns(known.columns.clone());
    store.expect(tree.entries.len());
    let images: Vec<usize> = (0..tree.entries.len()).collect();
    let paths: Vec<&str> = tree.entries.iter().map(|entry| entry.path.as_str()).collect();
    let plans = folder::plans(&images, &paths, places, known, (None, settings), store);
    let classes = names.unwrap_or_else(|| folder::classes_of(&plans));
    let plans = with_images(tree, plans, store)?;
    folder::read_plans(tree, plans, &classes, store)?;
    Ok(classes)
}

/// Refuses settings that say what Parquet itself says.
fn refuse(settings: &DataSettings) -> Result<(), DataError> {
    let folders = format!("{:?}", settings.split_folders);
    let folders = if settings.split_folders.is_empty() { "" } else { &folders };
    let stated = [
        ("labels", settings.labels.as_str(), "labels are in a column of Parquet, which labels_column names"),
        ("path_column", &settings.path_column, "each row of Parquet holds its image"),
        ("split_folders", folders, "the names of Parquet files say their splits"),
    ];
    match stated.into_iter().find(|(_, value, _)| !value.is_empty()) {
        None => Ok(()),
        Some((name, value, reason)) => {
            Err(DataError::BadOption { name, expected: format!("nothing, as {reason}"), got: value.into() })
        }
    }
}

/// Tells what is read of the files.
fn tell(set: &Set, store: &mut StoreBuilder<'_>) {
    let message = format!("images are in the column {:?} of Parquet", set.image);
    store.tell(Notice::new("images-column", message).hint("`{member} NAME` names another"));
    let left_out = set.left_out();
    if !left_out.is_empty() {
        let message = "columns that are no plain numbers or texts are left out";
        store.tell(left_out.iter().fold(Notice::new("left-out-columns", message), Notice::about));
    }
    let plain = |folder: &&str| folder.split('/').all(|name| shards::role(name).is_none());
    let folders: BTreeSet<&str> = set
        .files()
        .map(|(name, _)| name.rsplit_once('/').map_or("", |(folder, _)| folder))
        .filter(plain)
        .collect();
    if folders.len() > 1 {
        let message = "files of several folders are read as one set";
        let notice = Notice::new("several-folders", message).hint("give one of the folders to read it alone");
        store.tell(folders.iter().fold(notice, Notice::about));
    }
}

/// What the name of each file says of its split.
fn roles(tree: &Tree, set: &Set, settings: &DataSettings) -> Result<Vec<Option<Role>>, DataError> {
    if matches!(settings.splits, SplitPolicy::Drawn | SplitPolicy::Column) {
        return Ok(vec![None; set.files().len()]);
    }
    let roles: Vec<Option<Role>> = set.files().map(|(name, _)| shards::role(name)).collect();
    let without = roles.iter().position(Option::is_none);
    match (without, roles.iter().position(Option::is_some)) {
        (Some(without), Some(with)) => {
            let name = |place: usize| set.files().nth(place).map_or("", |(name, _)| name).to_owned();
            let reason =
                format!("the file {} is named by its split, but {} is not", name(with), name(without));
            let hint =
                "name each file by its split (train-0.parquet), or draw the splits with {splits} drawn";
            Err(DataError::WrongList { place: tree.place().into(), reason, hint })
        }
        _ => Ok(roles),
    }
}

fn split_of(role: Option<Role>) -> Option<Split> {
    match role? {
        Role::Split(split) => Some(split),
        _ => Some(Split::Train),
    }
}

/// What the columns say of each row, and the names of classes where they are given.
fn known(
    tree: &Tree,
    set: &Set,
    options: &OpenOptions<'_>,
    store: &mut StoreBuilder<'_>,
) -> Result<(Known, Option<Vec<String>>), DataError> {
    let mut settings = options.settings.clone();
    let columns = set.class_names()?;
    if settings.labels_column.is_empty()
        && let Some((first, _)) = columns.first()
    {
        settings.labels_column.clone_from(first);
        if columns.len() > 1 {
            let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
            let message = format!("labels could be in {}: the first is taken", names.join(", "));
            store.tell(Notice::new("labels-column", message).hint("`{labels_column} NAME` takes another"));
        }
    }
    let (header, mut rows) = set.cells(store.limit)?;
    let wanted = &settings.labels_column;
    let same = header.iter().find(|name| *name == wanted);
    let labels =
        same.or_else(|| header.iter().find(|name| name.to_lowercase() == wanted.to_lowercase())).cloned();
    let mut names = None;
    for (column, classes) in columns {
        let Some(place) = header.iter().position(|name| *name == column) else { continue };
        if Some(&column) == labels.as_ref() {
            names = Some(classes);
            continue;
        }
        for cell in rows.iter_mut().map(|row| &mut row[place]) {
            if let Some(name) = cell.parse().ok().and_then(|number: usize| classes.get(number)) {
                cell.clone_from(name);
            }
        }
    }
    let mut known = table::of_rows(tree.place(), header, rows, &settings)?;
    let mut labels = known.labels.iter().flatten().flatten();
    let numbered = labels.all(|label| label.parse::<i128>().is_ok());
    let names = names.or_else(|| options.class_names.clone().filter(|_| numbered));
    if let (Some(names), Some(labels)) = (&names, &mut known.labels) {
        name_labels(labels, names, &format!("{}: labels", tree.place()))?;
    }
    Ok((known, names))
}

/// Gives each label, which is the number of a class or its name, its name.
fn name_labels(labels: &mut [Option<String>], names: &[String], place: &str) -> Result<(), DataError> {
    let different: BTreeSet<&String> = names.iter().collect();
    if different.len() != names.len() {
        return Err(DataError::WrongTable {
            place: place.into(),
            reason: format!("of {} names of classes, only {} differ", names.len(), different.len()),
            hint: "give each class a name of its own".into(),
        });
    }
    for (sample, label) in labels.iter_mut().enumerate() {
        let Some(text) = label else { continue };
        match text.parse::<i128>() {
            Ok(number) => match usize::try_from(number).ok().and_then(|number| names.get(number)) {
                Some(name) => text.clone_from(name),
                None => {
                    let max = names.len().saturating_sub(1);
                    return Err(DataError::LabelOutOfRange {
                        place: place.into(),
                        sample,
                        label: number,
                        max,
                    });
                }
            },
            Err(_) if names.contains(text) => {}
            Err(_) => {
                return Err(DataError::WrongTable {
                    place: place.into(),
                    reason: format!(
                        "row {sample} has the label {text:?}, which is no number and no name of a class"
                    ),
                    hint: "{labels_column} NAME names the column of labels".into(),
                });
            }
        }
    }
    Ok(())
}

/// Those of which the row holds an image; the others are bad samples.
fn with_images(tree: &Tree, plans: Vec<Plan>, store: &mut StoreBuilder<'_>) -> Result<Vec<Plan>, DataError> {
    let is_empty = |plan: &Plan| tree.entries[plan.entries[0]].kind == Kind::Empty;
    let (empty, plans): (Vec<Plan>, Vec<Plan>) = plans.into_iter().partition(is_empty);
    for plan in empty {
        let entry = plan.entries[0];
        let refusal = Refusal::new(
            "the row holds no bytes of an image",
            "write the images into the file, not only their paths",
        );
        store.bad_sample(tree.place_of(entry), &tree.entries[entry].path, refusal)?;
    }
    Ok(plans)
}
