//! The last step: samples to normalised `f32`.

use multiversion::multiversion;

use crate::error::{ViewProblem, ViewsError};
use crate::operation::BuildContext;
use crate::sample::{Sample, white};

/// `(x / white - mean) / std` per channel; white is 255 for 8 bits, 65535 for 16 bits and 1 for `f32`.
///
/// It is no part of a view policy: mean and deviation belong to the data and to the encoder trained on them.
#[derive(Clone, Debug, PartialEq)]
pub struct Normalize {
    /// `1 / (white * std)` of each channel, repeated to a multiple of the vector width.
    scale: Vec<f32>,
    /// `-mean / std`, likewise.
    shift: Vec<f32>,
}

/// Pixels in one turn of the repeated pattern.
const REPEATS: usize = 16;

impl Normalize {
    /// The normalisation that `context` asks for.
    ///
    /// # Errors
    /// When there is not one mean and one positive deviation for each channel.
    pub fn new(context: &BuildContext) -> Result<Normalize, ViewsError> {
        let problems = check(context);
        if !problems.is_empty() {
            return Err(ViewsError::Settings(problems));
        }
        let white = f64::from(white(context.pixel_type));
        let mut scale = Vec::new();
        let mut shift = Vec::new();
        for _ in 0..REPEATS {
            for (&mean, &std) in context.mean.iter().zip(&context.std) {
                scale.push((1.0 / (white * f64::from(std))) as f32);
                shift.push((-f64::from(mean) / f64::from(std)) as f32);
            }
        }
        Ok(Normalize { scale, shift })
    }

    /// Factor and shift of each of `channels` channels.
    pub(crate) fn per_channel(&self, channels: usize) -> [Vec<f32>; 2] {
        [&self.scale, &self.shift].map(|values| values[..channels].to_vec())
    }

    /// Writes the normalised `samples` (HWC) to `out` (as many).
    pub fn apply<T: Sample>(&self, samples: &[T], out: &mut [f32]) {
        normalize(samples, &self.scale, &self.shift, out);
    }
}

#[multiversion(targets("x86_64+avx2"))]
fn normalize<T: Sample>(samples: &[T], scale: &[f32], shift: &[f32], out: &mut [f32]) {
    for (samples, out) in samples.chunks(scale.len()).zip(out.chunks_mut(scale.len())) {
        for (((out, sample), scale), shift) in out.iter_mut().zip(samples).zip(scale).zip(shift) {
            *out = sample.widen() * scale + shift;
        }
    }
}

/// What is wrong with `context`.
pub(crate) fn check(context: &BuildContext) -> Vec<ViewProblem> {
    let mut problems = Vec::new();
    let mut require = |good: bool, key: &str, expected: String, got: String| {
        if !good {
            problems.push(ViewProblem { key: key.to_string(), expected, got });
        }
    };
    let BuildContext { size, channels, mean, std, .. } = context;
    require(*channels > 0, "channels", "at least 1".into(), channels.to_string());
    require((1..=65536).contains(size), "size", "1 to 65536 pixels".into(), size.to_string());
    for (key, values) in [("mean", mean), ("std", std)] {
        let one_each = format!("{channels} numbers, one for each channel");
        require(values.len() == *channels, key, one_each, format!("{values:?}"));
    }
    require(mean.iter().all(|v| v.is_finite()), "mean", "finite numbers".into(), format!("{mean:?}"));
    let positive = std.iter().all(|v| v.is_finite() && *v > 0.0);
    require(positive, "std", "numbers above 0 (a channel that never varies?)".into(), format!("{std:?}"));
    problems
}
