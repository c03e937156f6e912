//! All levels made equally frequent: torchvision's `RandomEqualize`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_random::Stream;

use crate::canvas::{Canvas, Shape};
use crate::compute::{change_channel, channel};
use crate::operation::{BuildContext, Check, Operation, Transform};
use crate::sample::Sample;

/// Equalises the histogram of each channel by itself. Any number of channels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Equalize {
    /// Probability of being applied.
    pub p: f64,
}

impl Default for Equalize {
    fn default() -> Self {
        Equalize { p: 0.5 }
    }
}

impl Operation for Equalize {
    type Drawn = Equalized;

    fn p(&self) -> f64 {
        self.p
    }

    fn check(&self, _: &mut Check<'_>) {}

    fn draw(&self, _: &mut Stream, _: Shape, _: &BuildContext) -> Equalized {
        Equalized {}
    }
}

/// The image with equalised histograms.
///
/// With n pixels, of which m are in the highest level there is, and `below` of them below level i, the new level
/// is `(below + step / 2) / step` for `step = (n - m) / 255`, all divisions rounded down; a channel with step 0
/// stays as it is. Floating-point images have the 256 levels `floor(255.999 x)`, as in torchvision. 16-bit images
/// have 65536 levels and a step that keeps its fraction: rounded down, it would be 0 for most images.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Equalized {}

impl Transform for Equalized {
    fn apply<T: Sample>(&self, canvas: &mut Canvas<'_, T>) {
        canvas.edit(|shape, samples, _| {
            for number in 0..shape.channels {
                if let Some(table) = table(channel(samples, shape.channels, number)) {
                    change_channel(samples, shape.channels, number, |sample| table[level(sample)]);
                }
            }
        });
    }
}

/// The highest level of `T`.
fn highest<T: Sample>() -> usize {
    if T::INTEGER { T::WHITE as usize } else { 255 }
}

fn level<T: Sample>(sample: T) -> usize {
    let value = sample.widen();
    if T::INTEGER { value as usize } else { (value * 255.999).clamp(0.0, 255.0) as usize }
}

/// The new value of each level; `None` if nothing changes.
fn table<T: Sample>(samples: impl Iterator<Item = T>) -> Option<Vec<f32>> {
    let highest = highest::<T>();
    let mut counts = vec![0u32; highest + 1];
    samples.for_each(|sample| counts[level(sample)] += 1);
    let most = counts.iter().rposition(|&count| count > 0)?;
    let others: u64 = counts[..most].iter().map(|&count| u64::from(count)).sum();
    let exact = others as f64 / highest as f64;
    let (step, half) = match highest {
        255 => (exact.floor(), (exact.floor() / 2.0).floor()),
        _ => (exact, exact / 2.0),
    };
    let scale = T::WHITE / highest as f32;
    let mut below = 0.0;
    let new_value = |count: &u32| {
        let level = ((below + half) / step).floor().min(highest as f64);
        below += f64::from(*count);
        level as f32 * scale
    };
    (step > 0.0).then(|| counts.iter().map(new_value).collect())
}
