//! Mean and standard deviation of every channel.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{DataError, Image, ImageSource, each_pixel_type};

/// Images summed at a time; the sums are joined in the order of the images, whatever the threads do.
const BATCH: usize = 1024;

/// Mean and standard deviation per channel, over all pixels of all images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChannelStatistics {
    /// Mean of every channel.
    pub mean: Vec<f64>,
    /// Standard deviation of every channel: the root of the mean squared deviation (divided by the number of
    /// pixels, not one less).
    pub std: Vec<f64>,
}

/// Mean and standard deviation per channel of `(value - smallest) / (largest - smallest)` of the type for whole numbers
/// (so in 0..=1, as torchvision's `ToTensor` scales 8 bits), of the value itself for floating point.
///
/// Computed in f64, two passes per image, images joined pairwise in their order (Chan, Golub and LeVeque,
/// "Updating formulae and a pairwise algorithm for computing sample variances", 1979, eq. 2.1): the bits do
/// not depend on the number of threads. Where sizes differ, every pixel counts the same, not every image.
///
/// # Errors
/// [`DataError::NoSamples`] without images, [`DataError::WrongShape`] when the channels of the images differ
/// in number, and what reading images gives.
pub fn channel_statistics(source: &dyn ImageSource) -> Result<ChannelStatistics, DataError> {
    Ok(Summary::of(source)?.statistics())
}

/// The median of the images' shorter sides, in pixels; of two in the middle, the smaller. Where sizes differ and it is 32
/// or more, it is rounded to a multiple of 8. Beside it the smallest and the largest.
///
/// # Errors
/// As [`channel_statistics`].
pub fn median_shorter_side(source: &dyn ImageSource) -> Result<(usize, [usize; 2]), DataError> {
    let side = |index| source.size(index).map(|[height, width]| height.min(width));
    let mut sides: Vec<usize> = (0..source.len()).into_par_iter().map(side).collect::<Result<_, _>>()?;
    sides.sort_unstable();
    let (Some(&least), Some(&most)) = (sides.first(), sides.last()) else {
        return Err(DataError::NoSamples { what: "choosing the size of views" });
    };
    let median = sides[(sides.len() - 1) / 2];
    let rounded = if least == most || median < 32 { median } else { (median + 4) / 8 * 8 };
    Ok((rounded, [least, most]))
}

/// What one pass over the images of a source tells.
pub(crate) struct Summary {
    moments: Vec<Moments>,
    pub(crate) height: [usize; 2],
    pub(crate) width: [usize; 2],
    pub(crate) form: (usize, crate::PixelType),
}

/// Count, mean and sum of squared deviations of one channel.
#[derive(Clone, Copy)]
struct Moments {
    count: f64,
    mean: f64,
    deviation: f64,
}

impl Moments {
    fn join(self, other: Moments) -> Moments {
        let count = self.count + other.count;
        let delta = other.mean - self.mean;
        Moments {
            count,
            mean: self.mean + delta * other.count / count,
            deviation: self.deviation + other.deviation + delta * delta * self.count * other.count / count,
        }
    }
}

impl Summary {
    pub(crate) fn of(source: &dyn ImageSource) -> Result<Summary, DataError> {
        let mut total: Option<Summary> = None;
        for first in (0..source.len()).step_by(BATCH) {
            let batch = first..source.len().min(first + BATCH);
            let summaries: Vec<Result<Summary, DataError>> =
                batch.into_par_iter().map(|index| Ok(Summary::of_image(&source.image(index)?))).collect();
            for (position, summary) in summaries.into_iter().enumerate() {
                total = Some(match total {
                    None => summary?,
                    Some(total) => total.join(summary?, || source.name(first + position))?,
                });
            }
        }
        total.ok_or(DataError::NoSamples { what: "computing channel statistics" })
    }

    fn of_image(image: &Image) -> Summary {
        let [low, high] = image.pixel_type().bounds();
        let moments =
            each_pixel_type!(&image.pixels, values => summed(values, image.channels, [low, high - low]));
        let (height, width) = ([image.height; 2], [image.width; 2]);
        Summary { moments, height, width, form: (image.channels, image.pixel_type()) }
    }

    fn join(self, other: Summary, name: impl Fn() -> String) -> Result<Summary, DataError> {
        if self.form != other.form {
            return Err(DataError::WrongShape {
                place: name(),
                expected: format!("{} channels of {}, as the first image has", self.form.0, self.form.1),
                got: format!("{} channels of {}", other.form.0, other.form.1),
                hint: "a source must give all images in one form".into(),
            });
        }
        let hull = |a: [usize; 2], b: [usize; 2]| [a[0].min(b[0]), a[1].max(b[1])];
        Ok(Summary {
            moments: self.moments.iter().zip(other.moments).map(|(a, b)| a.join(b)).collect(),
            height: hull(self.height, other.height),
            width: hull(self.width, other.width),
            form: self.form,
        })
    }

    pub(crate) fn statistics(&self) -> ChannelStatistics {
        ChannelStatistics {
            mean: self.moments.iter().map(|moments| moments.mean).collect(),
            std: self.moments.iter().map(|moments| (moments.deviation / moments.count).sqrt()).collect(),
        }
    }
}

fn summed<T: Copy + Into<f64>>(values: &[T], channels: usize, [black, scale]: [f64; 2]) -> Vec<Moments> {
    let count = (values.len() / channels) as f64;
    let mut sums = vec![0.0; channels];
    for pixel in values.chunks_exact(channels) {
        for (sum, &value) in sums.iter_mut().zip(pixel) {
            *sum += value.into();
        }
    }
    let means: Vec<f64> = sums.iter().map(|sum| sum / count).collect();
    let mut deviations = vec![0.0; channels];
    for pixel in values.chunks_exact(channels) {
        for ((deviation, mean), &value) in deviations.iter_mut().zip(&means).zip(pixel) {
            let delta = value.into() - mean;
            *deviation += delta * delta;
        }
    }
    let scaled = |(mean, deviation): (&f64, &f64)| Moments {
        count,
        mean: (mean - black) / scale,
        deviation: deviation / (scale * scale),
    };
    means.iter().zip(&deviations).map(scaled).collect()
}
