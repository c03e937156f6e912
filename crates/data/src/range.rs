//! Which values of an image are black and white.
//!
//! Eight bits say it themselves; 16 bits of a camera, Hounsfield units and floating point do not. The range is a property
//! of a data set: stated, or measured on its training images, and kept with the encoder that learned from them. Images are
//! given to views with their range mapped onto that of a picture: `(value - low) / (high - low)`, where values beyond the
//! range are set to its ends. 8 and 16 bits stay what they are; all other numbers become floating point from 0 to 1.

use std::sync::Arc;

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{DataError, Image, ImageSource, PixelType, Pixels, each_pixel_type};

/// `range`: `"auto"`, `"type"`, `"measured"`, `{ percentiles = [low, high] }`, `[low, high]`, or one `[low, high]` for each
/// channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "expected \"auto\", \"type\", \"measured\", { percentiles = [low, high] }, [low, high], or one [low, high] for \
                 each channel"
)]
pub enum RangeChoice {
    /// By a rule.
    Rule(RangeRule),
    /// From one percentile of the training images to another, for microscopy with its few bright pixels.
    Percentiles(Percentiles),
    /// The same for every channel.
    Same([f64; 2]),
    /// One for each channel.
    PerChannel(Vec<[f64; 2]>),
    /// That of an encoder, for images of the same type and number of channels; `auto` for others.
    Kept(PixelRange),
}

/// Percentiles between which the range lies.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Percentiles {
    /// The lower and the upper one, in percent.
    pub percentiles: [f64; 2],
}

/// How a range is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RangeRule {
    /// `type` for 8 bits and for floating point within 0 and 1; for 16 bits the fewest of 8, 10, 12, 14 and 16 bits that
    /// hold the training images; `measured` for everything else.
    #[default]
    Auto,
    /// All values of the type; 0 to 1 for floating point.
    Type,
    /// The smallest and the largest value of the training images: over all three channels of RGB, to keep its colours,
    /// else by channel, as where channels have names.
    Measured,
}

impl Default for RangeChoice {
    fn default() -> RangeChoice {
        RangeChoice::Rule(RangeRule::Auto)
    }
}

/// Where a range comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RangeOrigin {
    /// The type of the numbers.
    Type,
    /// The fewest bits that hold the training images.
    Bits,
    /// Smallest and largest value of the training images.
    Measured,
    /// Percentiles of the training images.
    Percentiles,
    /// A person.
    Stated,
}

/// The values that are black and white in every channel of images of one type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PixelRange {
    /// The numbers that the images are stored in.
    pub pixel_type: PixelType,
    /// `[low, high]` of each channel.
    pub channels: Vec<[f64; 2]>,
    /// Where it comes from.
    pub origin: RangeOrigin,
}

impl RangeChoice {
    pub(crate) fn check(&self) -> Result<(), DataError> {
        let sound = match self {
            RangeChoice::Rule(_) => true,
            RangeChoice::Percentiles(Percentiles { percentiles: [low, high] }) => {
                0.0 <= *low && low < high && *high <= 100.0
            }
            RangeChoice::Same(bounds) => rising(bounds),
            RangeChoice::PerChannel(all) | RangeChoice::Kept(PixelRange { channels: all, .. }) => {
                !all.is_empty() && all.iter().all(rising)
            }
        };
        if sound {
            return Ok(());
        }
        Err(DataError::BadOption {
            name: "range",
            expected: "low below high, both finite; percentiles from 0 to 100".into(),
            got: serde_json::to_string(self).unwrap_or_default(),
        })
    }

    /// The range of images like those of `train`, which it is measured on where it is not stated.
    ///
    /// # Errors
    /// A list of another length than the images have channels, and what reading images gives.
    pub fn of(&self, train: &dyn ImageSource) -> Result<PixelRange, DataError> {
        if train.is_empty() {
            return Err(DataError::NoSamples { what: "measuring the range of values" });
        }
        let first = train.stored(0)?;
        let (pixel_type, count) = (first.pixel_type(), first.channels);
        let all = |bounds: [f64; 2]| vec![bounds; count];
        let (channels, origin) = match self {
            RangeChoice::Rule(RangeRule::Type) => (all(pixel_type.bounds()), RangeOrigin::Type),
            RangeChoice::Rule(RangeRule::Measured) => (measured(train, count)?, RangeOrigin::Measured),
            RangeChoice::Rule(RangeRule::Auto) => guessed(train, pixel_type, count)?,
            RangeChoice::Percentiles(Percentiles { percentiles }) => {
                (widened(spread(train, *percentiles, count)?), RangeOrigin::Percentiles)
            }
            RangeChoice::Same(bounds) => (all(*bounds), RangeOrigin::Stated),
            RangeChoice::Kept(range) if range.pixel_type == pixel_type && range.channels.len() == count => {
                return Ok(range.clone());
            }
            RangeChoice::Kept(_) => guessed(train, pixel_type, count)?,
            RangeChoice::PerChannel(bounds) if bounds.len() == count => (bounds.clone(), RangeOrigin::Stated),
            RangeChoice::PerChannel(bounds) => {
                return Err(DataError::BadOption {
                    name: "range",
                    expected: format!("one [low, high] for each of {count} channels"),
                    got: format!("{}", bounds.len()),
                });
            }
        };
        Ok(PixelRange { pixel_type, channels, origin })
    }
}

impl std::str::FromStr for RangeChoice {
    type Err = String;

    /// `auto`, `type`, `measured`, `1%,99%` or `LOW,HIGH`.
    fn from_str(text: &str) -> Result<RangeChoice, String> {
        let expected = || format!("expected auto, type, measured, LOW,HIGH or LOW%,HIGH%, got {text:?}");
        if let Ok(rule) = serde_json::from_value(text.into()) {
            return Ok(RangeChoice::Rule(rule));
        }
        let (low, high) = text.split_once(',').ok_or_else(expected)?;
        let number = |text: &str| text.trim().parse::<f64>().map_err(|_| expected());
        match (low.trim().strip_suffix('%'), high.trim().strip_suffix('%')) {
            (Some(low), Some(high)) => {
                Ok(RangeChoice::Percentiles(Percentiles { percentiles: [number(low)?, number(high)?] }))
            }
            _ => Ok(RangeChoice::Same([number(low)?, number(high)?])),
        }
    }
}

fn rising([low, high]: &[f64; 2]) -> bool {
    low < high && (high - low).is_finite()
}

/// What [`RangeRule::Auto`] says.
fn guessed(
    train: &dyn ImageSource,
    pixel_type: PixelType,
    count: usize,
) -> Result<(Vec<[f64; 2]>, RangeOrigin), DataError> {
    let all = |bounds: [f64; 2]| vec![bounds; count];
    if pixel_type == PixelType::U8 {
        return Ok((all(pixel_type.bounds()), RangeOrigin::Type));
    }
    let found = extremes(train, count)?;
    let [low, high] = hull(&found);
    Ok(match pixel_type {
        PixelType::U16 => {
            let bits =
                [8, 10, 12, 14].map(|bits| f64::from((1 << bits) - 1)).into_iter().find(|&top| high <= top);
            match bits {
                Some(top) => (all([0.0, top]), RangeOrigin::Bits),
                None => (all(pixel_type.bounds()), RangeOrigin::Type),
            }
        }
        PixelType::F32 if low >= 0.0 && high <= 1.0 => (all(pixel_type.bounds()), RangeOrigin::Type),
        _ => (widened(by_channel(found, train)), RangeOrigin::Measured),
    })
}

fn measured(train: &dyn ImageSource, count: usize) -> Result<Vec<[f64; 2]>, DataError> {
    Ok(widened(by_channel(extremes(train, count)?, train)))
}

/// The smallest and the largest of all bounds.
pub(crate) fn hull(found: &[[f64; 2]]) -> [f64; 2] {
    found.iter().fold([f64::INFINITY, f64::NEG_INFINITY], |[a, b], [low, high]| [a.min(*low), b.max(*high)])
}

/// Whether so many channels share one range, so that colours stay what they are: three are taken for RGB unless they have names.
fn share_range(source: &dyn ImageSource, count: usize) -> bool {
    count == 3 && source.channel_names().is_empty()
}

fn by_channel(found: Vec<[f64; 2]>, source: &dyn ImageSource) -> Vec<[f64; 2]> {
    if share_range(source, found.len()) { vec![hull(&found); 3] } else { found }
}

/// A channel of one value has a range all the same.
fn widened(mut bounds: Vec<[f64; 2]>) -> Vec<[f64; 2]> {
    for [low, high] in &mut bounds {
        if *high <= *low {
            *high = (*low + 1.0).max(low.next_up()); // a large number plus 1 may be itself
        }
    }
    bounds
}

/// Smallest and largest value of every channel.
fn extremes(source: &dyn ImageSource, count: usize) -> Result<Vec<[f64; 2]>, DataError> {
    let none = || vec![[f64::INFINITY, f64::NEG_INFINITY]; count];
    let join = |mut a: Vec<[f64; 2]>, b: Vec<[f64; 2]>| {
        for (a, b) in a.iter_mut().zip(b) {
            *a = [a[0].min(b[0]), a[1].max(b[1])];
        }
        Ok(a)
    };
    let of = |index: usize| source.stored(index).map(|image| extremes_of(&image));
    (0..source.len()).into_par_iter().map(of).try_reduce(none, join)
}

/// The same of one image.
pub(crate) fn extremes_of(image: &Image) -> Vec<[f64; 2]> {
    let mut found = vec![[f64::INFINITY, f64::NEG_INFINITY]; image.channels];
    each_pixel_type!(&image.pixels, values => for pixel in values.chunks_exact(image.channels) {
        for (bounds, &value) in found.iter_mut().zip(pixel) {
            let value = f64::from(value);
            *bounds = [bounds[0].min(value), bounds[1].max(value)];
        }
    });
    found
}

/// Most values of one channel that percentiles are taken of.
const AT_MOST: usize = 4 << 20;

/// The percentiles of every channel (of colours together), by linear interpolation as NumPy's default; of sets with
/// more than [`AT_MOST`] values a channel, of values at even distances.
fn spread(source: &dyn ImageSource, percentiles: [f64; 2], count: usize) -> Result<Vec<[f64; 2]>, DataError> {
    let pixels: usize = (0..source.len())
        .into_par_iter()
        .map(|index| source.size(index).map(|[height, width]| height * width))
        .try_reduce(|| 0, |a, b| Ok(a + b))?;
    let step = pixels.div_ceil(AT_MOST).max(1);
    let of = |index: usize| -> Result<Vec<Vec<f64>>, DataError> {
        let image = source.stored(index)?;
        let values = image.pixels.to_f64();
        let channel =
            |channel: usize| values[channel..].iter().step_by(image.channels * step).copied().collect();
        Ok((0..image.channels).map(channel).collect())
    };
    let taken: Vec<Vec<Vec<f64>>> = (0..source.len()).into_par_iter().map(of).collect::<Result<_, _>>()?;
    let together = share_range(source, count);
    let mut groups = vec![Vec::new(); if together { 1 } else { count }];
    for image in taken {
        for (channel, values) in image.into_iter().enumerate() {
            groups[if together { 0 } else { channel }].extend(values);
        }
    }
    let bounds = groups.into_par_iter().map(|mut values: Vec<f64>| {
        values.sort_unstable_by(f64::total_cmp);
        percentiles.map(|percent| quantile(&values, percent / 100.0))
    });
    let bounds: Vec<[f64; 2]> = bounds.collect();
    Ok(if together { vec![bounds[0]; 3] } else { bounds })
}

fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len().saturating_sub(1)) as f64;
    let (below, part) = (place.floor() as usize, place.fract());
    let at = |index: usize| sorted.get(index).or(sorted.last()).copied().unwrap_or(0.0);
    at(below) + (at(below + 1) - at(below)) * part
}

impl PixelRange {
    /// Refuses what no image can be mapped by: a range may come from a file.
    pub(crate) fn check(&self) -> Result<(), DataError> {
        RangeChoice::PerChannel(self.channels.clone()).check()
    }

    /// Whether it is that of the type itself, so that images are given as they are.
    pub fn is_of_type(&self) -> bool {
        let kept = matches!(self.pixel_type, PixelType::U8 | PixelType::U16 | PixelType::F32);
        kept && self.channels.iter().all(|bounds| *bounds == self.pixel_type.bounds())
    }

    /// The share of the samples of `image` that lie beyond the range.
    pub fn outside(&self, image: &Image) -> f64 {
        let beyond = |(at, value): (usize, f64)| {
            let [low, high] = self.of_channel(at % image.channels);
            value < low || value > high
        };
        let count = each_pixel_type!(&image.pixels, values => {
            values.iter().map(|&value| f64::from(value)).enumerate().filter(|&one| beyond(one)).count()
        });
        count as f64 / image.pixels.len() as f64
    }

    fn of_channel(&self, channel: usize) -> [f64; 2] {
        // A grey image that is given as RGB has one range for all three.
        self.channels.get(channel).or(self.channels.first()).copied().unwrap_or(self.pixel_type.bounds())
    }

    /// `image` with its range mapped onto that of a picture.
    pub fn apply(&self, image: Image) -> Image {
        if self.is_of_type() {
            return image;
        }
        let Image { height, width, channels, pixels } = image;
        let scaled = |at: usize, value: f64| {
            let [low, high] = self.of_channel(at % channels);
            ((value - low) / (high - low)).clamp(0.0, 1.0)
        };
        let pixels = match pixels {
            Pixels::U8(values) => Pixels::U8(mapped(&values, |at, v| (scaled(at, v) * 255.0).round() as u8)),
            Pixels::U16(values) => {
                Pixels::U16(mapped(&values, |at, v| (scaled(at, v) * 65535.0).round() as u16))
            }
            pixels => Pixels::F32(
                each_pixel_type!(&pixels, values => mapped(values, |at, value| scaled(at, value) as f32)),
            ),
        };
        Image { height, width, channels, pixels }
    }
}

fn mapped<T: Copy + Into<f64>, U>(values: &[T], map: impl Fn(usize, f64) -> U) -> Vec<U> {
    values.iter().enumerate().map(|(at, &value)| map(at, value.into())).collect()
}

/// A source whose images are given with their range mapped onto that of a picture; [`ImageSource::stored`] gives them as
/// they are.
pub struct Ranged {
    source: Arc<dyn ImageSource>,
    range: PixelRange,
}

impl Ranged {
    /// The images of `source`, as they are stored, by `range`; a range that `source` had before no longer counts.
    pub fn wrap(source: Arc<dyn ImageSource>, range: &PixelRange) -> Arc<dyn ImageSource> {
        Arc::new(Ranged { source, range: range.clone() })
    }
}

impl ImageSource for Ranged {
    fn image(&self, index: usize) -> Result<Image, DataError> {
        Ok(self.range.apply(self.source.stored(index)?))
    }

    crate::source::forward!(source);
}
