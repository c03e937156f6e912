//! Grain: torchvision's `GaussianNoise`.

use multiversion::multiversion;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_random::{Purpose, Stream};

use crate::canvas::{Canvas, Shape};
use crate::normals::normals;
use crate::operation::{BuildContext, Check, Operation, Transform};
use crate::sample::{Sample, clamp};
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
            normals(&mut stream, samples.len(), |start, normals| {
                let samples = &mut samples[start..start + normals.len()];
                add(samples, normals, [mean, sigma], self.clip);
            });
        });
    }
}

#[multiversion(targets("x86_64+avx2"))]
fn add<T: Sample>(samples: &mut [T], normals: &[f32], [mean, sigma]: [f32; 2], clip: bool) {
    for (sample, normal) in samples.iter_mut().zip(normals) {
        let noise = mean + sigma * normal;
        let noise = if T::INTEGER { noise.trunc() } else { noise };
        let value = sample.widen() + noise;
        *sample = T::nearest(if clip { clamp(value, T::WHITE) } else { value });
    }
}
