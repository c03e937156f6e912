//! Bent like a sheet of rubber: torchvision's `ElasticTransform`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_random::{Purpose, Stream};

use crate::border::{PaddingMode, reflect};
use crate::canvas::{Canvas, Scratch, Shape};
use crate::filter::gaussian;
use crate::operation::{BuildContext, Check, Operation, Transform};
use crate::sample::Sample;
use crate::settings::{Fill, Interval};
use crate::warp::{Sampling, WarpOptions, warp};

/// Moves every pixel by a smooth random field (P. Simard et al., "Best practices for convolutional neural networks
/// applied to visual document analysis", ICDAR 2003). Any number of channels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Elastic {
    /// Strength of the field: pixels move by up to half of it before the field is smoothed, which takes most of
    /// that away. `[low, high]` is drawn uniformly (torchvision: one number each for x and y).
    pub alpha: Interval,
    /// Standard deviation of the field's smoothing, in pixels; `[low, high]` is drawn uniformly.
    pub sigma: Interval,
    /// How values between pixels are found.
    pub interpolation: Sampling,
    /// What is shown beyond the image.
    pub padding_mode: PaddingMode,
    /// The value beyond the image where `padding_mode` is constant, in the image's own units.
    pub fill: Fill,
    /// Probability of being applied.
    pub p: f64,
}

impl Default for Elastic {
    fn default() -> Self {
        Elastic {
            alpha: Interval::One(50.0),
            sigma: Interval::One(5.0),
            interpolation: Sampling::Bilinear,
            padding_mode: PaddingMode::Constant,
            fill: Fill::default(),
            p: 1.0,
        }
    }
}

impl Operation for Elastic {
    type Drawn = ElasticallyBent;

    fn p(&self) -> f64 {
        self.p
    }

    fn check(&self, check: &mut Check<'_>) {
        check.interval("alpha", self.alpha.bounds(), 0.0..=1e4);
        check.interval("sigma", self.sigma.bounds(), 0.0..=100.0);
        self.fill.check(check, "fill");
    }

    fn draw(&self, stream: &mut Stream, _: Shape, _: &BuildContext) -> ElasticallyBent {
        let Elastic { interpolation, padding_mode, ref fill, .. } = *self;
        let lens = WarpOptions { interpolation, padding_mode, fill: Some(fill.clone()) };
        let (alpha, sigma) = (self.alpha.draw(stream), self.sigma.draw(stream));
        ElasticallyBent { alpha, sigma, field: super::seed(stream), lens }
    }
}

/// The image bent by the field that `field` stands for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ElasticallyBent {
    /// Strength of the field.
    pub alpha: f64,
    /// Standard deviation of its smoothing, in pixels.
    pub sigma: f64,
    /// Seed of the field.
    pub field: u64,
    /// How the image is read.
    #[serde(flatten)]
    pub lens: WarpOptions,
}

impl ElasticallyBent {
    /// Where each pixel of an image of `shape` is looked for, as torchvision's `displacement`.
    pub fn displacement(&self, shape: Shape) -> Vec<[f32; 2]> {
        let mut scratch = Scratch::default();
        let mut component = |number: u32, side: usize| {
            let mut stream = Stream::new(self.field, Purpose::View, [number, 0, 0]);
            let mut bits = vec![0; shape.pixels()];
            stream.fill_u32(&mut bits);
            // Uniform in [-1, 1), with 24 random bits.
            let mut values: Vec<f32> =
                bits.into_iter().map(|bits| (bits >> 8) as f32 / (1 << 23) as f32 - 1.0).collect();
            if self.sigma > 0.0 {
                let kernel = (8.0 * self.sigma + 1.0) as usize | 1;
                let plane = Shape { channels: 1, ..shape };
                gaussian(&mut values, plane, reflect, [(kernel, self.sigma); 2], &mut scratch);
            }
            let strength = (self.alpha / side as f64) as f32;
            values.iter_mut().for_each(|value| *value *= strength);
            values
        };
        let (x, y) = (component(0, shape.width), component(1, shape.height));
        x.into_iter().zip(y).map(|(x, y)| [x, y]).collect()
    }
}

impl Transform for ElasticallyBent {
    fn apply<T: Sample>(&self, canvas: &mut Canvas<'_, T>) {
        let displacement = self.displacement(canvas.shape());
        Displaced { displacement, lens: self.lens.clone() }.apply(canvas);
    }
}

/// The image with every pixel taken from elsewhere; torchvision's `elastic`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Displaced {
    /// For each pixel, row by row: how far to the right and below it is looked for, in halves of the image's
    /// width and height. One entry for each pixel.
    pub displacement: Vec<[f32; 2]>,
    /// How the image is read.
    #[serde(flatten)]
    pub lens: WarpOptions,
}

impl Transform for Displaced {
    fn apply<T: Sample>(&self, canvas: &mut Canvas<'_, T>) {
        let shape = canvas.shape();
        let (half_width, half_height) = (shape.width as f32 / 2.0, shape.height as f32 / 2.0);
        warp(canvas, shape, &self.lens, |row| {
            let line = &self.displacement[row * shape.width..][..shape.width];
            move |column| {
                let [x, y] = line[column as usize];
                [column as f32 + x * half_width, row as f32 + y * half_height]
            }
        });
    }
}
