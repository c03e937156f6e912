//! What a data set is: numbered images, their labels, and the three splits.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::decode::Refusal;
use crate::groups;
use crate::notice::Notice;
use crate::range::{PixelRange, RangeChoice, Ranged};
use crate::stain::FittedStain;
use crate::text::{NAME, SENTENCE, shown};
use crate::wrap::Subset;
use crate::{DataError, DataPart, Image};

/// Whether an image shows a class, in a set whose images may show several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Tag {
    /// It does not.
    #[serde(rename = "0")]
    Absent,
    /// It does.
    #[serde(rename = "1")]
    Present,
    /// Left open, as for objects that PASCAL VOC calls difficult: the image does not count for this class.
    #[serde(rename = "?")]
    NotJudged,
}

/// Images that can be asked for by number, from several threads at once, and their labels.
pub trait ImageSource: Send + Sync {
    /// Number of images.
    fn len(&self) -> usize;

    /// Whether there are no images.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Image `index`, in its own size (sizes may differ within a source; the number of channels and the kind
    /// of numbers do not).
    ///
    /// # Errors
    /// [`DataError::NoSuchSample`] when `index >= len()`.
    fn image(&self, index: usize) -> Result<Image, DataError>;

    /// Height and width of image `index`; cheaper than the image where a source knows it without the pixels.
    ///
    /// # Errors
    /// As [`ImageSource::image`].
    fn size(&self, index: usize) -> Result<[usize; 2], DataError> {
        self.image(index).map(|image| [image.height, image.width])
    }

    /// The class number of image `index`; `None` when it has no label or several, or there is no such image.
    fn label(&self, index: usize) -> Option<usize>;

    /// For every class whether image `index` shows it, in sets whose images may show several; `None` in all others.
    fn tags(&self, _index: usize) -> Option<&[Tag]> {
        None
    }

    /// What a person calls image `index`: its path in the set, or the array and its place there.
    fn name(&self, index: usize) -> String {
        format!("#{index}")
    }

    /// Image `index` before its range of values was mapped onto that of a picture ([`crate::PixelRange`]).
    ///
    /// # Errors
    /// As [`ImageSource::image`].
    fn stored(&self, index: usize) -> Result<Image, DataError> {
        self.image(index)
    }

    /// What the channels are called, in their order; empty where that is not known, as of colours.
    fn channel_names(&self) -> &[String] {
        &[]
    }

    /// Names of what else is known of the images: columns of the table that came with them (patient, plate, site).
    fn columns(&self) -> &[String] {
        &[]
    }

    /// What is known of image `index`, one text for each of [`ImageSource::columns`]; empty where there are none.
    fn metadata(&self, _index: usize) -> &[String] {
        &[]
    }

    /// Which of [`ImageSource::columns`] says what images belong together; `None` where no groups are known.
    fn group_column(&self) -> Option<usize> {
        None
    }

    /// The group of image `index`: all of one patient, plate or slide have the same; `None` where none is known.
    fn group(&self, index: usize) -> Option<&str> {
        groups::value(self.metadata(index), self.group_column()?)
    }
}

/// The methods of an [`ImageSource`] that has the images of another, in the same order, by asking the field of that name; `but stored`
/// where the images themselves are changed.
macro_rules! forward {
    ($field:ident) => {
        fn stored(&self, index: usize) -> Result<$crate::Image, $crate::DataError> {
            self.$field.stored(index)
        }

        $crate::source::forward!($field, but stored);
    };
    ($field:ident, but stored) => {
        fn len(&self) -> usize {
            self.$field.len()
        }

        fn label(&self, index: usize) -> Option<usize> {
            self.$field.label(index)
        }

        fn tags(&self, index: usize) -> Option<&[$crate::Tag]> {
            self.$field.tags(index)
        }

        $crate::source::forward_known!($field);
    };
}

/// [`forward!`] without labels, tags and pixels.
macro_rules! forward_known {
    ($field:ident) => {
        fn size(&self, index: usize) -> Result<[usize; 2], $crate::DataError> {
            self.$field.size(index)
        }

        fn name(&self, index: usize) -> String {
            self.$field.name(index)
        }

        fn channel_names(&self) -> &[String] {
            self.$field.channel_names()
        }

        fn columns(&self) -> &[String] {
            self.$field.columns()
        }

        fn metadata(&self, index: usize) -> &[String] {
            self.$field.metadata(index)
        }

        fn group_column(&self) -> Option<usize> {
            self.$field.group_column()
        }
    };
}

pub(crate) use {forward, forward_known};

/// Which part of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// To learn from.
    Train,
    /// To choose settings by.
    Val,
    /// To report on.
    Test,
}

impl Split {
    /// All three, in order.
    pub const ALL: [Split; 3] = [Split::Train, Split::Val, Split::Test];

    /// `train`, `val` or `test`.
    pub fn name(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Val => "val",
            Split::Test => "test",
        }
    }
}

/// Where the splits come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SplitOrigin {
    /// All as the set defines them.
    Defined,
    /// The set defines training and test images; validation was drawn from the training images.
    ValFromTrain,
    /// All splits were drawn.
    Drawn,
    /// The set defines them; what it would hold out to choose by is learnt from as well.
    Complete,
    /// A column of the table of labels says them.
    Column,
    /// Of several sets that were joined, of which not all have theirs from the same place.
    OfEachSet,
}

/// The parts of a data set; a part that does not exist is `None`, never an empty source.
#[derive(Clone, Default)]
pub struct Splits {
    /// To learn from.
    pub train: Option<Arc<dyn ImageSource>>,
    /// To choose settings by.
    pub val: Option<Arc<dyn ImageSource>>,
    /// To report on.
    pub test: Option<Arc<dyn ImageSource>>,
}

impl Splits {
    /// The part of that name.
    pub fn get(&self, split: Split) -> Option<&Arc<dyn ImageSource>> {
        match split {
            Split::Train => self.train.as_ref(),
            Split::Val => self.val.as_ref(),
            Split::Test => self.test.as_ref(),
        }
    }

    pub(crate) fn set(&mut self, split: Split, source: Arc<dyn ImageSource>) {
        self.put(split, Some(source));
    }

    fn put(&mut self, split: Split, source: Option<Arc<dyn ImageSource>>) {
        match split {
            Split::Train => self.train = source,
            Split::Val => self.val = source,
            Split::Test => self.test = source,
        }
    }
}

impl std::fmt::Debug for Splits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sizes = Split::ALL.map(|split| (split.name(), self.get(split).map(|source| source.len())));
        f.debug_map().entries(sizes).finish()
    }
}

/// Samples that could not be decoded and were left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// How many.
    pub count: usize,
    /// The first few ([`Skipped::SHOWN`]).
    pub first: Vec<SkippedSample>,
}

/// One sample that was left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkippedSample {
    /// Its path in the set, in the middle shortened if it is long.
    pub path: String,
    /// What the decoder said.
    pub reason: String,
    /// What helps, where that is known, in the form of [`DataError::hint`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Skipped {
    /// How many skipped samples are named.
    pub const SHOWN: usize = 10;

    pub(crate) fn add(&mut self, path: &str, refusal: Refusal) {
        self.count += 1;
        if self.first.len() < Skipped::SHOWN {
            let Refusal { reason, hint } = refusal;
            self.first.push(SkippedSample {
                path: shown(path, NAME),
                reason: shown(&reason, SENTENCE),
                hint,
            });
        }
    }
}

/// An opened data set.
#[derive(Clone, Debug)]
pub struct DataSet {
    /// File or folder name.
    pub name: String,
    /// The format it was read as: a name in [`crate::formats()`].
    pub format: &'static str,
    /// Its parts.
    pub splits: Splits,
    /// How the parts came to be.
    pub split_origin: SplitOrigin,
    /// Class names by class number; empty when nothing has a label. A set that only numbers its classes
    /// names them by number. Where images have tags, in the order of these.
    pub classes: Vec<String>,
    /// What the channels are called, in their order; empty where that is not known.
    pub channel_names: Vec<String>,
    /// Height and width of a pixel in micrometres, where all files say the same.
    pub pixel_size: Option<[f64; 2]>,
    /// What was left out.
    pub skipped: Skipped,
    /// What else a person should know of how the set was read.
    pub notices: Vec<Notice>,
    /// Which values are black and white; the images of `splits` are given with it mapped onto that of a picture.
    pub range: PixelRange,
    /// What the colours of histological stains are normalised to; the images of `splits` are given so.
    pub stain: Option<FittedStain>,
    /// SHA-256 (hexadecimal) over what was read: split by split, each image's size, kind of numbers, pixels
    /// and label, before any seeded splitting. The same images in another container or under other names
    /// give the same fingerprint; an image, label or order changed gives another.
    pub fingerprint: String,
    /// Bytes of decoded images held in memory; 0 when they are mapped from the cache.
    pub bytes_in_memory: u64,
    /// The sets that were joined to this one ([`DataSet::union`]); empty of a single set.
    pub parts: Vec<DataPart>,
}

impl DataSet {
    /// The same images with the range of values that `choice` gives: for an encoder which knows its own, for instance.
    ///
    /// # Errors
    /// As [`DataSet::with_range`]; a list of another length than there are channels; what reading images gives.
    pub fn ranged(&self, choice: &RangeChoice) -> Result<DataSet, DataError> {
        let measured = Split::ALL.iter().find_map(|split| self.splits.get(*split));
        let measured = measured.ok_or(DataError::NoSamples { what: "measuring the range of values" })?;
        let range = choice.of(measured.as_ref())?;
        // Numbers that are no picture's (signed, 32 bits) are mapped even by the range of their type.
        if range == self.range && range.is_of_type() { Ok(self.clone()) } else { self.with_range(&range) }
    }

    /// The same images with this range of values.
    ///
    /// # Errors
    /// [`DataError::BadOption`] when the range is of another type of numbers or number of channels, or none.
    pub fn with_range(&self, range: &PixelRange) -> Result<DataSet, DataError> {
        range.check()?;
        if range.pixel_type != self.range.pixel_type || range.channels.len() != self.range.channels.len() {
            let describe =
                |range: &PixelRange| format!("{} channels of {}", range.channels.len(), range.pixel_type);
            return Err(DataError::BadOption {
                name: "range",
                expected: describe(&self.range),
                got: describe(range),
            });
        }
        let mut set = self.clone();
        set.range = range.clone();
        for split in Split::ALL {
            if let Some(source) = self.splits.get(split) {
                set.splits.set(split, Ranged::wrap(source.clone(), range));
            }
        }
        Ok(set)
    }

    /// The set as it is judged: images without a label are left out of every split, and a split of which none has one is
    /// left out as a whole; the notices tell so. A set without any label is given as it is.
    pub fn for_judging(&self) -> DataSet {
        let mut set = self.clone();
        if self.classes.is_empty() {
            return set;
        }
        for split in Split::ALL {
            let Some(source) = self.splits.get(split) else { continue };
            let labelled = |index: &usize| source.label(*index).is_some() || source.tags(*index).is_some();
            let kept: Vec<usize> = (0..source.len()).filter(labelled).collect();
            let without = source.len() - kept.len();
            if without == 0 {
                continue;
            }
            let message = match kept.is_empty() {
                true => format!("no {} image has a label: they are not judged", split.name()),
                false => format!("{without} {} images without a label are not judged", split.name()),
            };
            Notice::new("not-judged", message).add_to(&mut set.notices);
            let kept = Subset::new(source.clone(), kept).ok().filter(|kept| !kept.is_empty());
            set.splits.put(split, kept.map(|kept| Arc::new(kept) as Arc<dyn ImageSource>));
        }
        set
    }

    /// Whether an image may show several classes: such images have tags instead of a label.
    pub fn has_tags(&self) -> bool {
        let splits = Split::ALL.iter().filter_map(|split| self.splits.get(*split));
        splits.into_iter().any(|source| source.tags(0).is_some())
    }

    /// Whether an encoder can be judged on this set by protocols that predict one class: its training split must have
    /// labels of at least two classes.
    ///
    /// # Errors
    /// [`DataError::SeveralLabels`], [`DataError::NoLabels`] or [`DataError::OneClass`].
    pub fn check_for_evaluation(&self) -> Result<(), DataError> {
        if self.has_tags() {
            return Err(DataError::SeveralLabels { name: self.name.clone() });
        }
        let counts = self.splits.train.as_deref().map(class_counts).unwrap_or_default();
        let mut present = counts.keys();
        match (present.next(), present.next()) {
            (None, _) => Err(DataError::NoLabels { name: self.name.clone() }),
            (Some(&only), None) => {
                let class = self.classes.get(only).cloned().unwrap_or_else(|| only.to_string());
                Err(DataError::OneClass { name: self.name.clone(), class })
            }
            _ => Ok(()),
        }
    }
}

/// Number of images per class number, for the classes that occur; images without a label, or with tags instead, are not
/// counted.
pub fn class_counts(source: &dyn ImageSource) -> BTreeMap<usize, usize> {
    let mut counts = BTreeMap::new();
    for label in (0..source.len()).filter_map(|index| source.label(index)) {
        *counts.entry(label).or_default() += 1;
    }
    counts
}
