//! What a data set holds, for people and for scripts.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::source::{Skipped, SplitOrigin, class_counts};
use crate::statistics::Summary;
use crate::{ChannelStatistics, DataError, DataSet, ImageSource, PixelType, Split, Tag};

/// A data set in figures.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Inspection {
    /// File or folder name.
    pub name: String,
    /// The format it was read as.
    pub format: String,
    /// SHA-256 over images and labels; see [`DataSet::fingerprint`].
    pub fingerprint: String,
    /// Where the splits come from.
    pub split_origin: SplitOrigin,
    /// Class names by class number.
    pub classes: Vec<String>,
    /// Samples per pixel.
    pub channels: usize,
    /// Kind of numbers.
    pub pixel_type: PixelType,
    /// The splits there are.
    pub splits: BTreeMap<Split, SplitInspection>,
    /// Samples left out because they cannot be decoded.
    pub skipped: Skipped,
    /// Bytes of decoded images held in memory; 0 when they are mapped from the cache.
    pub bytes_in_memory: u64,
}

/// One split in figures.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SplitInspection {
    /// Number of images.
    pub images: usize,
    /// Number of images with a label, or with tags.
    pub labelled: usize,
    /// Number of images by class number; empty when the set has no classes. Where an image may show several, these are
    /// more than there are images, or fewer.
    pub per_class: Vec<usize>,
    /// Number of images by class number that do not count for the class, where an image may show several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_judged: Option<Vec<usize>>,
    /// Smallest and largest height in pixels.
    pub height: [usize; 2],
    /// Smallest and largest width in pixels.
    pub width: [usize; 2],
    /// Smallest and largest sample, as stored (not divided by the largest possible one).
    pub value_range: [f64; 2],
    /// Mean and standard deviation per channel; see [`crate::channel_statistics`].
    #[serde(flatten)]
    pub statistics: ChannelStatistics,
}

/// Looks at every image of `set` once and reports what is there.
///
/// # Errors
/// [`DataError::NoSamples`] when it has no split at all, and what reading images gives.
pub fn inspect(set: &DataSet) -> Result<Inspection, DataError> {
    let mut splits = BTreeMap::new();
    let mut form = None;
    for split in Split::ALL {
        let Some(source) = set.splits.get(split) else { continue };
        let summary = Summary::of(source.as_ref())?;
        form = form.or(Some(summary.form));
        splits.insert(split, inspect_split(source.as_ref(), &summary, set.classes.len()));
    }
    let (channels, pixel_type) = form.ok_or(DataError::NoSamples { what: "inspecting a data set" })?;
    Ok(Inspection {
        name: set.name.clone(),
        format: set.format.to_string(),
        fingerprint: set.fingerprint.clone(),
        split_origin: set.split_origin,
        classes: set.classes.clone(),
        channels,
        pixel_type,
        splits,
        skipped: set.skipped.clone(),
        bytes_in_memory: set.bytes_in_memory,
    })
}

fn inspect_split(source: &dyn ImageSource, summary: &Summary, classes: usize) -> SplitInspection {
    let counts = class_counts(source);
    let tags: Vec<&[Tag]> = (0..source.len()).filter_map(|index| source.tags(index)).collect();
    let tagged = |tag: Tag| {
        let count = |class: usize| tags.iter().filter(|tags| tags.get(class) == Some(&tag)).count();
        (0..classes).map(count).collect::<Vec<usize>>()
    };
    let (per_class, not_judged) = if tags.is_empty() {
        ((0..classes).map(|class| counts.get(&class).copied().unwrap_or(0)).collect(), None)
    } else {
        (tagged(Tag::Present), Some(tagged(Tag::NotJudged)))
    };
    SplitInspection {
        images: source.len(),
        labelled: counts.values().sum::<usize>() + tags.len(),
        per_class,
        not_judged,
        height: summary.height,
        width: summary.width,
        value_range: summary.range,
        statistics: summary.statistics(),
    }
}
