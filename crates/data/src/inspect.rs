//! What a data set holds, for people and for scripts.

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::Serialize;

use crate::groups::{self, GroupInspection};
use crate::notice::Notice;
use crate::range::{PixelRange, extremes_of, hull};
use crate::source::{Skipped, SplitOrigin, class_counts};
use crate::statistics::Summary;
use crate::{
    ChannelStatistics, DataError, DataPart, DataSet, Image, ImageSource, PixelType, Split, Tag,
    each_pixel_type,
};

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
    /// What the channels are called, in their order; empty where that is not known.
    pub channel_names: Vec<String>,
    /// Height and width of a pixel in micrometres, where all files say the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pixel_size: Option<[f64; 2]>,
    /// Kind of numbers, as stored.
    pub pixel_type: PixelType,
    /// Which values are black and white.
    pub range: PixelRange,
    /// Names of what else is known of every image: columns of the table of labels.
    pub columns: Vec<String>,
    /// The groups of its images, where a column of them is named.
    pub groups: Option<GroupInspection>,
    /// The splits there are.
    pub splits: BTreeMap<Split, SplitInspection>,
    /// The sets that were joined to it; empty of a single set.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<DataPart>,
    /// Samples left out because they cannot be decoded.
    pub skipped: Skipped,
    /// What else a person should know of how the set was read.
    pub notices: Vec<Notice>,
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
    /// Smallest and largest sample, as stored.
    pub value_range: [f64; 2],
    /// Mean of every channel, as stored.
    pub value_mean: Vec<f64>,
    /// Share of the samples that lie beyond the range and are set to its ends.
    pub outside_range: f64,
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
    let mut columns: &[String] = &[];
    for split in Split::ALL {
        let Some(source) = set.splits.get(split) else { continue };
        let summary = Summary::of(source.as_ref())?;
        let stored = Stored::of(source.as_ref(), &set.range)?;
        form = form.or(Some(summary.form.0));
        columns = source.columns();
        splits.insert(split, inspect_split(source.as_ref(), &summary, stored, set.classes.len()));
    }
    let channels = form.ok_or(DataError::NoSamples { what: "inspecting a data set" })?;
    Ok(Inspection {
        name: set.name.clone(),
        format: set.format.to_string(),
        fingerprint: set.fingerprint.clone(),
        split_origin: set.split_origin,
        classes: set.classes.clone(),
        channels,
        channel_names: set.channel_names.clone(),
        pixel_size: set.pixel_size,
        pixel_type: set.range.pixel_type,
        range: set.range.clone(),
        columns: columns.to_vec(),
        groups: groups::inspect(&set.splits),
        splits,
        parts: set.parts.clone(),
        skipped: set.skipped.clone(),
        notices: set.notices.clone(),
        bytes_in_memory: set.bytes_in_memory,
    })
}

/// What is told of the samples as they are stored.
struct Stored {
    /// Smallest and largest.
    range: [f64; 2],
    /// By channel.
    sums: Vec<f64>,
    /// How many lie beyond the range of the set.
    outside: f64,
    samples: f64,
}

impl Stored {
    /// Of all images, joined in their order.
    fn of(source: &dyn ImageSource, range: &PixelRange) -> Result<Stored, DataError> {
        let one = |index| source.stored(index).map(|image| Stored::of_image(&image, range));
        let all: Vec<Stored> = (0..source.len()).into_par_iter().map(one).collect::<Result<_, _>>()?;
        all.into_iter().reduce(Stored::join).ok_or(DataError::NoSamples { what: "inspecting a data set" })
    }

    fn of_image(image: &Image, range: &PixelRange) -> Stored {
        let mut sums = vec![0.0; image.channels];
        each_pixel_type!(&image.pixels, values => for pixel in values.chunks_exact(image.channels) {
            sums.iter_mut().zip(pixel).for_each(|(sum, &value)| *sum += f64::from(value));
        });
        let samples = image.pixels.len() as f64;
        Stored { range: hull(&extremes_of(image)), sums, outside: range.outside(image) * samples, samples }
    }

    fn join(mut self, other: Stored) -> Stored {
        self.sums.iter_mut().zip(other.sums).for_each(|(sum, more)| *sum += more);
        Stored {
            range: hull(&[self.range, other.range]),
            sums: self.sums,
            outside: self.outside + other.outside,
            samples: self.samples + other.samples,
        }
    }

    fn means(&self) -> Vec<f64> {
        let pixels = self.samples / self.sums.len() as f64;
        self.sums.iter().map(|sum| sum / pixels).collect()
    }
}

fn inspect_split(
    source: &dyn ImageSource,
    summary: &Summary,
    stored: Stored,
    classes: usize,
) -> SplitInspection {
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
        value_range: stored.range,
        value_mean: stored.means(),
        outside_range: stored.outside / stored.samples,
        statistics: summary.statistics(),
    }
}
