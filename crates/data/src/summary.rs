//! What there is to say of a data set without its images: kept by runs, told by reports.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{DataPart, DataSet, Notice, PixelRange, Skipped, Split, SplitOrigin, class_counts};

/// A data set in numbers and words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DataSummary {
    /// File or folder name.
    pub name: String,
    /// The format it was read as.
    pub format: String,
    /// [`DataSet::fingerprint`].
    pub sha256: String,
    /// Its parts, in the order train, val, test; none that is empty.
    pub splits: Vec<SplitSummary>,
    /// How the parts came to be.
    pub split_origin: SplitOrigin,
    /// Class names by class number.
    pub classes: Vec<String>,
    /// What the channels are called, in their order; empty where that is not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub channel_names: Vec<String>,
    /// Height and width of a pixel in micrometres, where all files say the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pixel_size: Option<[f64; 2]>,
    /// Whether an image may show several classes.
    pub has_tags: bool,
    /// What was left out.
    pub skipped: Skipped,
    /// What else was told of reading it.
    pub notices: Vec<Notice>,
    /// Which values are black and white.
    pub range: PixelRange,
    /// The sets that were joined to it; empty of a single set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<DataPart>,
}

/// One part of a data set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitSummary {
    /// Which one.
    pub split: Split,
    /// Its images.
    pub images: usize,
    /// How many of them each class has, by class number; without those that have no label.
    pub per_class: BTreeMap<usize, usize>,
}

impl DataSummary {
    /// That of an opened set.
    pub fn of(data: &DataSet) -> DataSummary {
        let split = |split: Split| {
            let source = data.splits.get(split).filter(|source| !source.is_empty())?;
            Some(SplitSummary { split, images: source.len(), per_class: class_counts(source.as_ref()) })
        };
        DataSummary {
            name: data.name.clone(),
            format: data.format.to_owned(),
            sha256: data.fingerprint.clone(),
            splits: Split::ALL.into_iter().filter_map(split).collect(),
            split_origin: data.split_origin,
            classes: data.classes.clone(),
            channel_names: data.channel_names.clone(),
            pixel_size: data.pixel_size,
            has_tags: data.has_tags(),
            skipped: data.skipped.clone(),
            notices: data.notices.clone(),
            range: data.range.clone(),
            parts: data.parts.clone(),
        }
    }

    /// The part of that name.
    pub fn split(&self, split: Split) -> Option<&SplitSummary> {
        self.splits.iter().find(|part| part.split == split)
    }

    /// All its images.
    pub fn images(&self) -> usize {
        self.splits.iter().map(|part| part.images).sum()
    }
}

impl SplitSummary {
    /// The share of the labelled images that are of the most frequent class; `None` without labels.
    pub fn most_frequent(&self) -> Option<f64> {
        let labelled: usize = self.per_class.values().sum();
        Some(*self.per_class.values().max()? as f64 / labelled as f64)
    }
}
