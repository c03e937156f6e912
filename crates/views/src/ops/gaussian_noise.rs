//! Grain: torchvision's `GaussianNoise`.

use std::f32::consts::TAU;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_random::{Purpose, Stream};

use crate::canvas::{Canvas, Shape};
use crate::operation::{BuildContext, Check, Operation, Transform};
use crate::sample::Sample;
use crate::settings::Interval;

/// Adds normal noise to every sample. Any number of channels; integer images are always clipped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GaussianNoise {
    /// Mean of the noise as a share of white.
    pub mean: f64,
    /// Standard deviation of the noise as a share of white; `[low, high]` is drawn uniformly.
    pub sigma: Interval,
    /// Whether floating-point images are kept between 0 and 1.
    pub clip: bool,
    /// Probability of being applied.
    pub p: f64,
}

impl Default for GaussianNoise {
    fn default() -> Self {
        GaussianNoise { mean: 0.0, sigma: Interval::One(0.1), clip: true, p: 1.0 }
    }
}

impl Operation for GaussianNoise {
    type Drawn = Noisy;

    fn p(&self) -> f64 {
        self.p
    }

    fn check(&self, check: &mut Check<'_>) {
        check.within("mean", self.mean, -1.0..=1.0);
        check.interval("sigma", self.sigma.bounds(), 0.0..=10.0);
    }

    fn draw(&self, stream: &mut Stream, _: Shape, _: &BuildContext) -> Noisy {
        let sigma = self.sigma.draw(stream);
        Noisy { mean: self.mean, sigma, clip: self.clip, noise: super::seed(stream) }
    }
}

/// The image with the noise that the seed `noise` stands for. Integer images lose the noise's fraction, as in
/// torchvision.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Noisy {
    /// Mean of the noise as a share of white.
    pub mean: f64,
    /// Standard deviation of the noise as a share of white.
    pub sigma: f64,
    /// Whether floating-point images are kept between 0 and 1.
    pub clip: bool,
    /// Seed of the noise.
    pub noise: u64,
}

impl Transform for Noisy {
    fn apply<T: Sample>(&self, canvas: &mut Canvas<'_, T>) {
        let (mean, sigma) = (self.mean as f32 * T::WHITE, self.sigma as f32 * T::WHITE);
        let mut stream = Stream::new(self.noise, Purpose::View, [0; 3]);
        canvas.edit(|_, samples, _| {
            for pair in samples.chunks_mut(2) {
                for (sample, normal) in pair.iter_mut().zip(two_normals(&mut stream)) {
                    let noise = mean + sigma * normal;
                    let noise = if T::INTEGER { noise.trunc() } else { noise };
                    let value = sample.widen() + noise;
                    *sample = T::nearest(if self.clip { value.clamp(0.0, T::WHITE) } else { value });
                }
            }
        });
    }
}

/// Two independent standard normal values (G. Box and M. Muller, 1958), from 24 random bits each: none beyond 5.8.
fn two_normals(stream: &mut Stream) -> [f32; 2] {
    let mut bits = || (stream.next_u32() >> 8) as f32;
    let unit = 1.0 / (1u32 << 24) as f32;
    let radius = (-2.0 * ((bits() + 1.0) * unit).ln()).sqrt();
    let (sine, cosine) = (TAU * unit * bits()).sin_cos();
    [radius * cosine, radius * sine]
}
