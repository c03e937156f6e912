//! All levels made equally frequent: torchvision's `RandomEqualize`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_random::Stream;

use crate::canvas::{Canvas, Shape};
use crate::curves::{histograms, look_up};
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
            let counts = histograms(samples, shape.channels);
            let tables: Vec<Vec<T>> = counts.chunks_exact(T::LEVELS).map(table).collect();
            look_up(samples, &tables);
        });
    }
}

/// The new value of each level of a channel that has `counts` samples of each; empty if nothing changes.
fn table<T: Sample>(counts: &[u32]) -> Vec<T> {
    let highest = (T::LEVELS - 1) as f64;
    let most = counts.iter().rposition(|&count| count > 0).unwrap_or(0);
    let others: u64 = counts[..most].iter().map(|&count| u64::from(count)).sum();
    let exact = others as f64 / highest;
    let (step, half) = match T::LEVELS {
        256 => (exact.floor(), (exact.floor() / 2.0).floor()),
        _ => (exact, exact / 2.0),
    };
    if step <= 0.0 {
        return Vec::new();
    }
    let scale = T::WHITE / highest as f32;
    let mut below = 0.0;
    let new_value = |count: &u32| {
        let level = ((below + half) / step).floor().min(highest);
        below += f64::from(*count);
        T::nearest(level as f32 * scale)
    };
    counts.iter().map(new_value).collect()
}
