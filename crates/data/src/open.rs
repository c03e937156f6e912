//! Opening a data set: what format, which splits, in memory or mapped.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::containers::advice;
use crate::formats::{FORMATS, labels_beside, numbers_beside};
use crate::groups::{self, find_column};
use crate::illumination::{self, Illumination};
use crate::notice::Notice;
use crate::source::{SplitOrigin, Splits, class_counts};
use crate::split::{draw_splits, draw_val};
use crate::stain::StainChoice;
use crate::store::{Index, Store, StoreBuilder, hex, load_cached};
use crate::subset::{self, SubsetChoice};
use crate::table;
use crate::tree::{Kind, Tree};
use crate::wrap::Subset;
use crate::{
    DataError, DataSet, DataSettings, ImageSource, OpenOptions, RangeChoice, RangeRule, SharedGroups, Split,
    SplitPolicy, SplitShares,
};

/// Opens the data set at `path`, whatever its format; formats are told by content, not by file name.
///
/// Everything is decoded now, so that bad samples are known before a run starts. Decoded images stay in
/// memory as they are (8 bits as 8 bits) when they fit [`OpenOptions::memory_limit`]; otherwise they are
/// written once to a file in [`OpenOptions::cache_dir`] and mapped, and found there again as long as paths,
/// lengths and time stamps of the set do not change. Images are given with a common number of channels and
/// kind of numbers: where grey and RGB are mixed, grey is repeated to RGB; where 8 and 16 bits are mixed,
/// 8 bits are multiplied by 257.
///
/// Splits are those the set defines. Without labels all images of an undivided set are learned from. With
/// labels, such a set, or one with a single part (whichever it is), is split into train, validation and test,
/// stratified (by labels; images with tags are drawn alike) and seeded; a set with train and test but without
/// validation gives part of train to validation (`val / (train + val)` of it). A test split is never drawn from
/// train when the set defines one. [`SplitPolicy`] says what else there is.
///
/// Where [`DataSettings::join`] names further sets, each is opened alike, with splits of its own, and all are given as one
/// ([`DataSet::union`]); names of classes that are stated are those of the set at `path`.
///
/// # Errors
/// Any [`DataError`] about reading, formats, content, memory and the cache; sets that cannot be joined.
pub fn open(path: &Path, options: &OpenOptions<'_>) -> Result<DataSet, DataError> {
    let mut alone = OpenOptions { settings: options.settings.alone(), ..options.clone() };
    let mut sets = Vec::new();
    for path in std::iter::once(path).chain(options.settings.join.iter().map(Path::new)) {
        let set = open_one(path, &alone)?;
        alone.class_names = None;
        // One limit for all of them.
        alone.memory_limit = alone.memory_limit.map(|limit| limit.saturating_sub(set.bytes_in_memory));
        sets.push(set);
    }
    DataSet::union(sets)
}

/// Opens the one data set at `path`.
fn open_one(path: &Path, options: &OpenOptions<'_>) -> Result<DataSet, DataError> {
    options.check()?;
    let limit = options.memory_limit_bytes();
    let mut tree = Tree::open(path, limit)?;
    let other = match tree.entries.first().map(|entry| entry.kind).filter(|_| tree.is_file()) {
        Some(Kind::Idx) => labels_beside(path),
        Some(Kind::Nifti) => numbers_beside(path, &tree),
        _ => None,
    };
    if let Some(other) = other {
        tree = Tree::of_files(path.display().to_string(), &[path, &other], limit)?;
    }
    tree.beside = table::beside(path, &options.settings);
    let name =
        path.file_name().map_or(path.display().to_string(), |name| name.to_string_lossy().into_owned());
    open_tree(tree, name, options, limit)
}

/// Opens a data set that lies in memory as a file would (an .npz built into a program, for instance).
///
/// # Errors
/// As [`open`]; settings that name sets to join.
pub fn open_bytes(
    name: &str,
    bytes: impl AsRef<[u8]> + Send + Sync + 'static,
    options: &OpenOptions<'_>,
) -> Result<DataSet, DataError> {
    options.check()?;
    if let Some(other) = options.settings.join.first() {
        let expected = "nothing, as bytes in memory are one set".to_owned();
        return Err(DataError::BadOption { name: "join", expected, got: other.clone() });
    }
    let limit = options.memory_limit_bytes();
    open_tree(Tree::in_memory(name, bytes, limit)?, name.into(), options, limit)
}

fn open_tree(tree: Tree, name: String, options: &OpenOptions<'_>, limit: u64) -> Result<DataSet, DataError> {
    let tree = tree.with_rows(options, limit)?;
    let claims = FORMATS.iter().map(|format| ((format.claims)(&tree), format));
    // The first of those that claim most: max_by_key would give the last.
    let best = claims.rev().max_by_key(|(count, _)| *count).filter(|(count, _)| *count > 0);
    let Some((_, format)) = best else { return Err(unknown_format(&tree)) };
    if let Some(size) = options.settings.tile_size.filter(|_| format.name != "folder") {
        let expected = format!(
            "nothing, as {name} is no folder or file of whole slides (it is read as {})",
            format.name
        );
        return Err(DataError::BadOption { name: "tile_size", expected, got: size.to_string() });
    }
    let key = cache_key(&tree, format.name, options);
    let tree = Arc::new(tree);
    let files = (format.files)(&tree, &options.settings, limit);
    // What can be decoded again leaves the memory to those who need it more.
    let held = if files.is_some() && options.memory_limit.is_none() { limit / 2 } else { limit };
    let cached = options.cache_dir.as_deref();
    let cached = cached.and_then(|folder| load_cached(folder, (&key, tree.place()), files.as_ref(), held));
    let store = match cached {
        Some(store) => store,
        None => {
            let mut builder = StoreBuilder::new(options, tree.place(), &key, held).backed_by(files);
            tree.notices.iter().for_each(|notice| builder.tell(notice.clone()));
            let classes = (format.read)(&tree, options, &mut builder)?;
            builder.finish(classes)?
        }
    };
    data_set(store, name, format.name, options)
}

/// What decides the decoded content: the files, the format, and the options that concern reading.
fn cache_key(tree: &Tree, format: &str, options: &OpenOptions<'_>) -> String {
    let mut hash = tree.key();
    let settings = &options.settings;
    let reading = DataSettings {
        // What is decided after reading.
        range: RangeChoice::default(),
        stain: StainChoice::default(),
        stain_reference: String::new(),
        rgb: false,
        split_shares: SplitShares::default(),
        split_seed: 0,
        labels_from: String::new(),
        label_by: String::new(),
        group: String::new(),
        shared_groups: SharedGroups::default(),
        illumination: Illumination::Off,
        subset: SubsetChoice::default(),
        ..settings.clone()
    };
    hash.update(format!("{format} {:?} {reading:?}", options.class_names));
    hex(&hash.finalize())
}

/// What the files are, and what to do with them.
fn unknown_format(tree: &Tree) -> DataError {
    let place = tree.place().to_string();
    if tree.entries.is_empty() {
        return DataError::NoImages { place, found: "it is empty".into(), hint: None };
    }
    let named = |wanted: &str| {
        let known =
            tree.entries.iter().filter(|entry| matches!(entry.kind, Kind::Known(what) if what == wanted));
        known.map(|entry| entry.path.as_str()).collect::<Vec<&str>>()
    };
    let archives: Vec<&str> = tree
        .entries
        .iter()
        .filter(|entry| matches!(entry.kind, Kind::Zip | Kind::Tar))
        .map(|entry| entry.path.as_str())
        .collect();
    let first = tree.entries.iter().find_map(|entry| match entry.kind {
        Kind::Known(what) => Some(what),
        _ => None,
    });
    match (tree.is_file(), first, tree.entries[0].kind) {
        (true, _, Kind::Unreadable) => DataError::Damaged { place, reason: "it cannot be unpacked".into() },
        (true, Some(what), _) => DataError::NotRead { place, what: what.into(), hint: advice(what).into() },
        (true, None, _) => {
            DataError::UnknownFormat { place, found: "its first bytes are of no kind known here".into() }
        }
        (false, ..) if !archives.is_empty() => DataError::NotRead {
            place,
            what: format!("a folder of {} archives ({})", archives.len(), some(&archives)),
            hint: "give one of them, or unpack them into one folder".into(),
        },
        (false, Some(what), _) => {
            let what = format!("a folder of files of which each is {what} ({})", some(&named(what)));
            DataError::NotRead { place, hint: advice(&what).into(), what }
        }
        (false, None, _) => {
            let names: Vec<&str> = tree.entries.iter().map(|entry| entry.path.as_str()).collect();
            let found = format!("{} other files ({})", names.len(), some(&names));
            DataError::NoImages { place, found, hint: None }
        }
    }
}

/// The first few names.
fn some(names: &[&str]) -> String {
    let more = if names.len() > 5 { " ..." } else { "" };
    names.iter().take(5).copied().collect::<Vec<_>>().join(", ") + more
}

fn data_set(
    mut store: Store,
    name: String,
    format: &'static str,
    options: &OpenOptions<'_>,
) -> Result<DataSet, DataError> {
    store.rgb = options.settings.rgb;
    let usual = store.index.group.as_deref().unwrap_or_default();
    let wanted = if options.settings.group.is_empty() { usual } else { options.settings.group.as_str() };
    let found = |wanted| find_column(&name, store.columns(), wanted, "{group}");
    store.group = Some(wanted).filter(|wanted| !wanted.is_empty()).map(found).transpose()?;
    let store = Arc::new(store);
    let Index { classes, skipped, fingerprint, notices, .. } = &store.index;
    let named = store.has_names();
    let (mut classes, skipped, fingerprint) = (classes.clone(), skipped.clone(), fingerprint.clone());
    let mut notices = notices.clone();
    notices.extend(store.mixed());
    notices.extend(only_held_out(&store.index, options.settings.splits));
    let parts = store.index.parts.iter();
    let mut parts: Vec<(Split, Vec<usize>)> =
        parts.map(|part| (part.split.unwrap_or(Split::Train), part.range.clone().collect())).collect();
    let mut source = store.clone() as Arc<dyn ImageSource>;
    let mut fingerprint = fingerprint;
    if options.settings.illumination == Illumination::Median {
        let (corrected, told) = illumination::corrected(source)?;
        source = corrected;
        notices.extend(told);
        fingerprint = hex(&Sha256::digest(format!("{fingerprint} divided by illumination, median 1")));
    }
    let subset = &options.settings.subset;
    if !subset.is_all() {
        let selected = subset::select(&name, source, parts, &classes, &options.settings)?;
        (source, parts, classes) = (selected.source, selected.parts, selected.classes);
        notices.extend(selected.notices);
        fingerprint = subset::fingerprint(&fingerprint, &parts);
    }
    let (splits, split_origin) = decide(&source, parts, &options.settings)?;
    notices.extend(without_images(&splits, split_origin, options.settings.split_shares, &classes));
    notices.extend(groups::check(&name, &splits, split_origin, &options.settings)?);
    let as_stored = DataSet {
        name,
        format,
        range: RangeChoice::Rule(RangeRule::Type).of(store.as_ref())?,
        stain: None,
        splits,
        split_origin,
        classes,
        channel_names: store.channel_names().to_vec(),
        pixel_size: store.index.about.pixel_size,
        skipped,
        notices,
        fingerprint,
        bytes_in_memory: store.bytes_in_memory(),
        parts: Vec::new(),
    };
    let set = as_stored.stained_as_set(&options.settings)?.ranged(&options.settings.range)?;
    let set = match options.settings.label_by.as_str() {
        "" => set,
        by => set.relabelled(by)?,
    };
    match options.settings.labels_from.as_str() {
        "" => Ok(set),
        list if named => set.labelled_by(list.as_ref()),
        list => Err(DataError::WrongList {
            place: list.into(),
            reason: format!("it names images by their files, but {} is made of arrays", set.name),
            hint: "a list goes with image files; {label_share} draws some of the labels",
        }),
    }
}

/// Tells that images which the set calls test or validation images are learnt from, as it has no others.
fn only_held_out(index: &Index, policy: SplitPolicy) -> Option<Notice> {
    let [part] = &index.parts[..] else { return None };
    let split = part.split.filter(|split| *split != Split::Train && policy == SplitPolicy::Auto)?;
    let message = format!("the set has only {} images: all splits are drawn from these", split.name());
    Some(Notice::new("test-in-training", message).hint("`{splits} defined` keeps them as they are"))
}

/// Tells classes of which a drawn split has no image.
fn without_images<'a>(
    splits: &'a Splits,
    origin: SplitOrigin,
    shares: SplitShares,
    classes: &'a [String],
) -> impl Iterator<Item = Notice> + 'a {
    let counts =
        |split: Split| splits.get(split).map(|source| class_counts(source.as_ref())).unwrap_or_default();
    let all: BTreeSet<usize> = Split::ALL.into_iter().map(counts).flat_map(BTreeMap::into_keys).collect();
    let held_out = [(Split::Val, shares.val), (Split::Test, shares.test)];
    let held_out = held_out.into_iter().filter(move |(split, share)| {
        *share > 0.0
            && (origin == SplitOrigin::Drawn || origin == SplitOrigin::ValFromTrain && *split == Split::Val)
    });
    held_out.filter_map(move |(split, _)| {
        let counts = counts(split);
        let name = |class: &usize| classes.get(*class).cloned().unwrap_or_else(|| class.to_string());
        let missing = all.iter().filter(|class| !counts.contains_key(class)).map(name);
        let few = if splits.train.as_ref().is_some_and(|train| train.group_column().is_some()) {
            "stand in too few groups"
        } else {
            "have too few images"
        };
        let message = format!("classes {few} for the share of {} and none in it", split.name());
        Some(missing.fold(Notice::new("few-images", message), Notice::about))
            .filter(|notice| notice.count > 0)
    })
}

fn is_unlabelled(source: &dyn ImageSource) -> bool {
    (0..source.len()).all(|index| source.label(index).is_none() && source.tags(index).is_none())
}

/// The splits by the policy. `parts` are the indices in `source` of the parts that the set has.
fn decide(
    source: &Arc<dyn ImageSource>,
    mut parts: Vec<(Split, Vec<usize>)>,
    settings: &DataSettings,
) -> Result<(Splits, SplitOrigin), DataError> {
    let (shares, seed) = (settings.split_shares, settings.split_seed);
    let draw = |indices: Vec<usize>| -> Result<Vec<(Split, Vec<usize>)>, DataError> {
        let part = Subset::new(source.clone(), indices)?;
        let drawn = draw_splits(&part, shares, seed).map(|indices| part.translate(&indices));
        Ok(Split::ALL.into_iter().zip(drawn).collect())
    };
    let mut origin = SplitOrigin::Defined;
    match (settings.splits, &mut parts[..]) {
        (SplitPolicy::Defined, _) => {}
        (SplitPolicy::Column, _) => origin = SplitOrigin::Column,
        (SplitPolicy::Drawn, _) => {
            let all = parts.into_iter().flat_map(|(_, indices)| indices).collect();
            (parts, origin) = (draw(all)?, SplitOrigin::Drawn);
        }
        (SplitPolicy::Complete, _) => {
            let (test, learnt): (Vec<_>, Vec<_>) =
                parts.into_iter().partition(|(split, _)| *split == Split::Test);
            let learnt = learnt.into_iter().flat_map(|(_, indices)| indices).collect();
            parts = std::iter::once((Split::Train, learnt)).chain(test).collect();
            origin = SplitOrigin::Complete;
        }
        // Without labels nothing can be judged by held-out images: all of them are learnt from.
        (SplitPolicy::Auto, [(split, _)]) if is_unlabelled(source.as_ref()) => *split = Split::Train,
        (SplitPolicy::Auto, _) if is_unlabelled(source.as_ref()) => {}
        (SplitPolicy::Auto, [(_, only)]) => {
            (parts, origin) = (draw(std::mem::take(only))?, SplitOrigin::Drawn);
        }
        (SplitPolicy::Auto, [(Split::Train, train), (Split::Test, _)]) => {
            let part = Subset::new(source.clone(), std::mem::take(train))?;
            let (val, rest) = draw_val(&part, shares.val / (shares.train + shares.val), seed);
            *train = part.translate(&rest);
            parts.push((Split::Val, part.translate(&val)));
            origin = SplitOrigin::ValFromTrain;
        }
        (SplitPolicy::Auto, _) => {}
    }
    let mut splits = Splits::default();
    for (split, indices) in parts.into_iter().filter(|(_, indices)| !indices.is_empty()) {
        splits.set(split, Arc::new(Subset::new(source.clone(), indices)?));
    }
    Ok((splits, origin))
}
