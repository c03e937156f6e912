//! Several data sets as one to learn from.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::source::{SkippedSample, SplitOrigin, Splits};
use crate::store::hex;
use crate::text::{NAME, SENTENCE, shown};
use crate::wrap::{Concat, Subset};
use crate::{DataError, DataSet, Image, ImageSource, Notice, PixelRange, Skipped, Split};

/// One of the data sets that were joined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataPart {
    /// Its file or folder name, with a number behind it where an earlier one is called the same.
    pub name: String,
    /// [`DataSet::fingerprint`].
    pub sha256: String,
    /// The number of images in each of its splits.
    pub splits: BTreeMap<Split, usize>,
}

impl DataPart {
    fn of(set: &DataSet, name: String) -> DataPart {
        let images = |split: Split| Some((split, set.splits.get(split)?.len()));
        let splits = Split::ALL.into_iter().filter_map(images).collect();
        DataPart { name, sha256: set.fingerprint.clone(), splits }
    }
}

impl std::fmt::Display for DataPart {
    /// The name, and how many images are in which split.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let splits = self.splits.iter().map(|(split, images)| format!("{images} {}", split.name()));
        write!(f, "{}: {}", self.name, splits.collect::<Vec<_>>().join(", "))
    }
}

impl DataSet {
    /// All `sets` as one: every split has the images of that split of each set, in proportion from the first on, so that
    /// the first images of a split are of all sets. Images are called by their set and their own name, classes likewise, as the
    /// same word may mean two things; where an image of any set may show several classes, there are no labels. What
    /// else is known of images stays with each set. A single set is given as it is.
    ///
    /// # Errors
    /// [`DataError::NotJoined`]: no set at all, sets without training images, a set twice, sets whose images differ in channels,
    /// kind of numbers or range of values.
    pub fn union(sets: Vec<DataSet>) -> Result<DataSet, DataError> {
        if let [set] = &sets[..] {
            return Ok(set.clone());
        }
        check(&sets)?;
        let names = names(&sets);
        let tagged = sets.iter().any(DataSet::has_tags);
        let (mut classes, mut splits) = (Vec::new(), Splits::default());
        let mut members: BTreeMap<Split, Vec<Arc<dyn ImageSource>>> = BTreeMap::new();
        for (set, name) in sets.iter().zip(&names) {
            let first_class = (!tagged).then_some(classes.len());
            for split in Split::ALL {
                if let Some(source) = set.splits.get(split) {
                    let (source, set) = (source.clone(), name.clone());
                    members.entry(split).or_default().push(Arc::new(Member { source, set, first_class }));
                }
            }
            if !tagged {
                classes.extend(set.classes.iter().map(|class| format!("{name}: {class}")));
            }
        }
        for (split, members) in members {
            splits.set(split, spread(members)?);
        }
        Ok(DataSet {
            name: names.join(" + "),
            format: "union",
            splits,
            split_origin: origin(&sets),
            classes,
            channel_names: channel_names(&sets),
            pixel_size: sets[0]
                .pixel_size
                .filter(|size| sets.iter().all(|set| set.pixel_size == Some(*size))),
            skipped: skipped(&sets, &names),
            notices: notices(&sets, &names),
            range: sets[0].range.clone(),
            stain: sets[0].stain.clone(),
            fingerprint: fingerprint(&sets),
            bytes_in_memory: sets.iter().map(|set| set.bytes_in_memory).sum(),
            parts: sets.iter().zip(names).map(|(set, name)| DataPart::of(set, name)).collect(),
        })
    }
}

/// What the sets are called, no two alike.
fn names(sets: &[DataSet]) -> Vec<String> {
    let earlier = |at: usize| sets[..at].iter().filter(|set| set.name == sets[at].name).count();
    let name = |at: usize| match earlier(at) {
        0 => sets[at].name.clone(),
        times => format!("{} ({})", sets[at].name, times + 1),
    };
    (0..sets.len()).map(name).collect()
}

fn refused(reason: String, hint: &'static str) -> DataError {
    DataError::NotJoined { reason, hint }
}

/// Refuses sets that cannot be learned from as one.
fn check(sets: &[DataSet]) -> Result<(), DataError> {
    let Some(first) = sets.first() else {
        return Err(DataError::NoSamples { what: "joining data sets" });
    };
    for (at, set) in sets.iter().enumerate() {
        if set.splits.train.is_none() {
            let reason = format!("{} has no training images", set.name);
            return Err(refused(reason, "leave it out, or let {splits} complete or drawn make some"));
        }
        if let Some(same) = sets[..at].iter().find(|other| other.fingerprint == set.fingerprint) {
            let reason = format!("{} holds the same images as {}", set.name, same.name);
            return Err(refused(reason, "name each set once"));
        }
        check_pair(first, set)?;
    }
    Ok(())
}

/// Refuses two sets whose images are not of one kind: a value must mean the same in both.
fn check_pair(first: &DataSet, set: &DataSet) -> Result<(), DataError> {
    let (one, other) = (&first.range, &set.range);
    let reason = |describe: &dyn Fn(&PixelRange) -> String| {
        format!("{} has {}, {} has {}", first.name, describe(one), set.name, describe(other))
    };
    if one.channels.len() != other.channels.len() {
        let reason = reason(&|range| format!("{} channel(s)", range.channels.len()));
        let hint = "{rgb} gives grey images as RGB; other channels have to be converted";
        return Err(refused(reason, hint));
    }
    if one.pixel_type != other.pixel_type {
        let reason = reason(&|range| format!("numbers of {}", range.pixel_type));
        return Err(refused(reason, "convert their images to the same kind of numbers"));
    }
    if one.channels != other.channels {
        let pair = |[low, high]: &[f64; 2]| format!("{low} to {high}");
        let pairs = |range: &PixelRange| range.channels.iter().map(pair).collect::<Vec<_>>().join(", ");
        let reason = reason(&|range| format!("black and white at {}", pairs(range)));
        return Err(refused(reason, "{range} LOW,HIGH says what is black and white in all of them"));
    }
    if first.stain != set.stain {
        let reason = format!("colours of {} and {} are not normalised to the same", first.name, set.name);
        return Err(refused(reason, "{stain_reference} names one image for all of them"));
    }
    Ok(())
}

/// The images of all `sources`, of each at even distances: image `j` of `n` stands at `(2 j + 1) / (2 n)` of the whole, and of
/// images at the same place that of the first source comes first.
fn spread(sources: Vec<Arc<dyn ImageSource>>) -> Result<Arc<dyn ImageSource>, DataError> {
    let sizes: Vec<usize> = sources.iter().map(|source| source.len()).collect();
    let starts = sizes.iter().scan(0, |end, size| {
        let start = *end;
        *end += size;
        Some(start)
    });
    // Doubled places, as fractions: compared exactly.
    let mut places: Vec<(u128, u128, usize)> = Vec::with_capacity(sizes.iter().sum());
    for (start, &size) in starts.zip(&sizes) {
        places.extend((0..size).map(|at| (2 * at as u128 + 1, size as u128, start + at)));
    }
    places.sort_by(|(a, of_a, _), (b, of_b, _)| (a * of_b).cmp(&(b * of_a))); // stable: sources in order
    let order = places.into_iter().map(|(_, _, index)| index).collect();
    Ok(Arc::new(Subset::new(Arc::new(Concat::new(sources)), order)?))
}

/// Where the splits come from, if that is the same for all.
fn origin(sets: &[DataSet]) -> SplitOrigin {
    let first = sets.first().map_or(SplitOrigin::Defined, |set| set.split_origin);
    if sets.iter().all(|set| set.split_origin == first) { first } else { SplitOrigin::OfEachSet }
}

/// What the channels are called, if all sets say the same.
fn channel_names(sets: &[DataSet]) -> Vec<String> {
    let first = sets.first().map_or(&[][..], |set| &set.channel_names);
    if sets.iter().all(|set| set.channel_names == first) { first.to_vec() } else { Vec::new() }
}

/// SHA-256 over the fingerprints of the sets, in their order.
fn fingerprint(sets: &[DataSet]) -> String {
    let mut hash = Sha256::new_with_prefix(b"twinlens union of data sets 1");
    sets.iter().for_each(|set| hash.update(&set.fingerprint));
    hex(&hash.finalize())
}

fn skipped(sets: &[DataSet], names: &[String]) -> Skipped {
    let named = sets.iter().zip(names).flat_map(|(set, name)| {
        let of_set = move |sample: &SkippedSample| SkippedSample {
            path: shown(&format!("{name}: {}", sample.path), NAME),
            ..sample.clone()
        };
        set.skipped.first.iter().map(of_set)
    });
    Skipped {
        count: sets.iter().map(|set| set.skipped.count).sum(),
        first: named.take(Skipped::SHOWN).collect(),
    }
}

fn notices(sets: &[DataSet], names: &[String]) -> Vec<Notice> {
    let named = sets.iter().zip(names).flat_map(|(set, name)| {
        let of_set = move |notice: &Notice| Notice {
            message: shown(&format!("{name}: {}", notice.message), SENTENCE),
            ..notice.clone()
        };
        set.notices.iter().map(of_set)
    });
    named.collect()
}

/// A split of a set as it stands in a union.
struct Member {
    source: Arc<dyn ImageSource>,
    /// What the set is called.
    set: String,
    /// The number of the set's first class among all; none where there are no labels.
    first_class: Option<usize>,
}

impl ImageSource for Member {
    fn len(&self) -> usize {
        self.source.len()
    }

    fn image(&self, index: usize) -> Result<Image, DataError> {
        self.source.image(index)
    }

    fn size(&self, index: usize) -> Result<[usize; 2], DataError> {
        self.source.size(index)
    }

    fn stored(&self, index: usize) -> Result<Image, DataError> {
        self.source.stored(index)
    }

    fn label(&self, index: usize) -> Option<usize> {
        Some(self.first_class? + self.source.label(index)?)
    }

    fn name(&self, index: usize) -> String {
        format!("{}: {}", self.set, self.source.name(index))
    }

    fn channel_names(&self) -> &[String] {
        self.source.channel_names()
    }
}
