//! A rectangle wiped out: torchvision's `RandomErasing`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_random::{Purpose, Stream};

use crate::canvas::{Canvas, Shape};
use crate::operation::{BuildContext, Check, Operation, TINY, Transform};
use crate::sample::Sample;
use crate::settings::Fill;

/// Wipes out a rectangle of random area and aspect ratio at a random place (Z. Zhong et al., "Random erasing data
/// augmentation", AAAI 2020). Any number of channels.
///
/// Up to ten times, an area is drawn uniformly from `scale` (as a share of the image's) and a ratio log-uniformly
/// from `ratio`; the first rectangle smaller than the image on both sides is placed uniformly. If none is, nothing
/// is erased.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Erasing {
    /// Smallest and largest share of the image's area.
    pub scale: [f64; 2],
    /// Smallest and largest height / width.
    pub ratio: [f64; 2],
    /// What is put there: a value in the image's own units, one for each channel, or `"random"`.
    pub value: ErasingValue,
    /// Probability of being applied.
    pub p: f64,
}

/// What an erased rectangle shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a number, one for each channel, or \"random\"")]
pub enum ErasingValue {
    /// A fixed value.
    Fill(Fill),
    /// Something else, by name.
    Named(ErasingName),
}

/// The values that have a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ErasingName {
    /// Every sample drawn uniformly between black and white, as in the paper. torchvision draws from a normal
    /// distribution, which suits images normalised before.
    Random,
}

impl Default for Erasing {
    fn default() -> Self {
        let value = ErasingValue::Fill(Fill::default());
        Erasing { scale: [0.02, 0.33], ratio: [0.3, 3.3], value, p: 0.5 }
    }
}

impl Operation for Erasing {
    type Drawn = Erased;

    fn p(&self) -> f64 {
        self.p
    }

    fn check(&self, check: &mut Check<'_>) {
        check.interval("scale", self.scale, 0.0..=1.0);
        check.interval("ratio", self.ratio, TINY..=1.0 / TINY);
        if let ErasingValue::Fill(fill) = &self.value {
            fill.check(check, "value");
        }
    }

    fn draw(&self, stream: &mut Stream, shape: Shape, _: &BuildContext) -> Erased {
        let [mut height, mut width] = [0; 2];
        for _ in 0..10 {
            let area = shape.pixels() as f64 * stream.range(self.scale[0], self.scale[1]);
            let ratio = stream.range(self.ratio[0].ln(), self.ratio[1].ln()).exp();
            let sides = [area * ratio, area / ratio].map(|v| v.sqrt().round_ties_even() as usize);
            if sides[0] < shape.height && sides[1] < shape.width {
                [height, width] = sides;
                break;
            }
        }
        let (top, left) = (stream.below(shape.height - height + 1), stream.below(shape.width - width + 1));
        let with = match &self.value {
            ErasingValue::Fill(fill) => Eraser::Fill(fill.clone()),
            ErasingValue::Named(ErasingName::Random) => Eraser::Noise(super::seed(stream)),
        };
        Erased { top, left, height, width, with }
    }
}

/// A rectangle of the image wiped out; torchvision's `erase`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Erased {
    /// First row of the rectangle.
    pub top: usize,
    /// First column of the rectangle.
    pub left: usize,
    /// Rows of the rectangle; it must lie within the image.
    pub height: usize,
    /// Columns of the rectangle.
    pub width: usize,
    /// What is put there.
    pub with: Eraser,
}

/// What is put into an erased rectangle.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Eraser {
    /// A fixed value.
    Fill(Fill),
    /// Uniform noise from this seed.
    Noise(u64),
}

impl Transform for Erased {
    fn apply<T: Sample>(&self, canvas: &mut Canvas<'_, T>) {
        canvas.edit(|shape, samples, _| {
            let line = shape.width * shape.channels;
            let columns = self.left * shape.channels..(self.left + self.width) * shape.channels;
            let rows = samples.chunks_exact_mut(line).skip(self.top).take(self.height);
            let pixels = rows.flat_map(|row| row[columns.clone()].chunks_exact_mut(shape.channels));
            match &self.with {
                Eraser::Fill(fill) => {
                    let fill: Vec<T> = fill.values(shape.channels).into_iter().map(T::nearest).collect();
                    pixels.for_each(|pixel| pixel.copy_from_slice(&fill));
                }
                Eraser::Noise(seed) => {
                    let mut stream = Stream::new(*seed, Purpose::View, [0; 3]);
                    // Every level equally likely: all but the fraction is kept.
                    let range = if T::INTEGER { T::WHITE + 1.0 } else { T::WHITE };
                    let mut noise = || T::nearest(T::whole((stream.uniform() * f64::from(range)) as f32));
                    pixels.flatten().for_each(|sample| *sample = noise());
                }
            }
        });
    }
}
