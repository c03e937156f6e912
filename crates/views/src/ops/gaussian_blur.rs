//! Blurring: torchvision's `GaussianBlur`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_random::Stream;

use crate::border::reflect;
use crate::canvas::{Canvas, Shape};
use crate::filter::gaussian;
use crate::operation::{BuildContext, Check, Operation, TINY, Transform};
use crate::sample::Sample;

/// Blurs with a Gaussian of random standard deviation. Any number of channels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GaussianBlur {
    /// Pixels of the kernel, odd; by default the odd number nearest to a tenth of the image's shorter side, at
    /// least 3 (Chen et al., "A simple framework for contrastive learning", 2020, appendix A).
    pub kernel_size: Option<usize>,
    /// Smallest and largest standard deviation in pixels, drawn uniformly.
    pub sigma: [f64; 2],
    /// Probability of being applied.
    pub p: f64,
}

impl Default for GaussianBlur {
    fn default() -> Self {
        GaussianBlur { kernel_size: None, sigma: [0.1, 2.0], p: 1.0 }
    }
}

/// The odd number nearest to a tenth of `side`, at least 3.
fn default_kernel(side: usize) -> usize {
    (side as f64 / 20.0 - 0.5).round().max(1.0) as usize * 2 + 1
}

impl Operation for GaussianBlur {
    type Drawn = Blurred;

    fn p(&self) -> f64 {
        self.p
    }

    fn check(&self, check: &mut Check<'_>) {
        let good = self.kernel_size.is_none_or(|k| k % 2 == 1 && k <= 1023);
        check.require(good, "kernel_size", "an odd number from 1 to 1023", self.kernel_size);
        check.interval("sigma", self.sigma, TINY..=1e4);
    }

    fn draw(&self, stream: &mut Stream, shape: Shape, _: &BuildContext) -> Blurred {
        let kernel = self.kernel_size.unwrap_or_else(|| default_kernel(shape.height.min(shape.width)));
        let sigma = stream.range(self.sigma[0], self.sigma[1]);
        Blurred { kernel_x: kernel, kernel_y: kernel, sigma_x: sigma, sigma_y: sigma }
    }
}

/// The image convolved with a Gaussian, `exp(-t^2 / (2 sigma^2))` normalised over the kernel; torchvision's
/// `gaussian_blur`.
///
/// Beyond the edge the image is reflected without repeating the edge. Where the kernel is larger than the
/// image, which torchvision refuses, it is reflected as often as needed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Blurred {
    /// Pixels of the kernel along a row, odd.
    pub kernel_x: usize,
    /// Pixels of the kernel along a column, odd.
    pub kernel_y: usize,
    /// Standard deviation along a row, in pixels.
    pub sigma_x: f64,
    /// Standard deviation along a column, in pixels.
    pub sigma_y: f64,
}

impl Transform for Blurred {
    fn apply<T: Sample>(&self, canvas: &mut Canvas<'_, T>) {
        let kernels = [(self.kernel_x, self.sigma_x), (self.kernel_y, self.sigma_y)];
        canvas.edit(|shape, samples, scratch| gaussian(samples, shape, reflect, kernels, scratch));
    }
}
