//! Turned, shifted, scaled and sheared: torchvision's `RandomAffine`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_random::Stream;

use crate::border::PaddingMode;
use crate::canvas::{Canvas, Shape};
use crate::operation::{BuildContext, Check, Operation, Transform};
use crate::sample::Sample;
use crate::settings::{Fill, Interval};
use crate::warp::{Matrix, Sampling, WarpOptions};

/// Turns, shifts, scales and shears the image about its centre. Any number of channels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Affine {
    /// The angle in degrees, clockwise: one number x stands for `[-x, x]`; drawn uniformly.
    pub degrees: Interval,
    /// Largest shift along a row and along a column, as a share of the image's width and height; the shift is
    /// drawn uniformly and rounded to whole pixels.
    pub translate: [f64; 2],
    /// Smallest and largest factor of the size; drawn uniformly.
    pub scale: [f64; 2],
    /// The shear along a row in degrees: one number x stands for `[-x, x]`; drawn uniformly.
    pub shear: Interval,
    /// As `shear`, along a column. torchvision has both in one list of four numbers.
    pub shear_y: Interval,
    /// How values between pixels are found.
    pub interpolation: Sampling,
    /// What is shown beyond the image.
    pub padding_mode: PaddingMode,
    /// The value beyond the image where `padding_mode` is constant, in the image's own units.
    pub fill: Fill,
    /// Probability of being applied.
    pub p: f64,
}

impl Default for Affine {
    fn default() -> Self {
        Affine {
            degrees: Interval::One(0.0),
            translate: [0.0, 0.0],
            scale: [1.0, 1.0],
            shear: Interval::One(0.0),
            shear_y: Interval::One(0.0),
            interpolation: Sampling::Nearest,
            padding_mode: PaddingMode::Constant,
            fill: Fill::default(),
            p: 1.0,
        }
    }
}

impl Operation for Affine {
    type Drawn = AffineMapped;

    fn p(&self) -> f64 {
        self.p
    }

    fn check(&self, check: &mut Check<'_>) {
        check.interval("degrees", self.degrees.symmetric(), -360.0..=360.0);
        for (key, share) in ["translate.0", "translate.1"].into_iter().zip(self.translate) {
            check.within(key, share, 0.0..=1.0);
        }
        check.interval("scale", self.scale, 1e-3..=1e3);
        // At 90 degrees a line would be left of the image.
        check.interval("shear", self.shear.symmetric(), -89.0..=89.0);
        check.interval("shear_y", self.shear_y.symmetric(), -89.0..=89.0);
        self.fill.check(check, "fill");
    }

    fn draw(&self, stream: &mut Stream, shape: Shape, _: &BuildContext) -> AffineMapped {
        let angle = self.degrees.draw_symmetric(stream);
        let mut shift = |share: f64, side: usize| {
            let most = share * side as f64;
            stream.range(-most, most).round_ties_even()
        };
        let translate = [shift(self.translate[0], shape.width), shift(self.translate[1], shape.height)];
        let scale = stream.range(self.scale[0], self.scale[1]);
        let shear = [self.shear.draw_symmetric(stream), self.shear_y.draw_symmetric(stream)];
        let Affine { interpolation, padding_mode, ref fill, .. } = *self;
        let lens = WarpOptions { interpolation, padding_mode, fill: Some(fill.clone()) };
        AffineMapped { angle, translate, scale, shear, lens }
    }
}

/// The image turned, shifted, scaled and sheared about its centre; torchvision's `affine`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AffineMapped {
    /// The angle in degrees, clockwise.
    pub angle: f64,
    /// Pixels to the right and downwards.
    pub translate: [f64; 2],
    /// Factor of the size.
    pub scale: f64,
    /// Shear along a row and along a column, in degrees.
    pub shear: [f64; 2],
    /// How the image is read.
    #[serde(flatten)]
    pub lens: WarpOptions,
}

impl Transform for AffineMapped {
    fn apply<T: Sample>(&self, canvas: &mut Canvas<'_, T>) {
        let matrix = Matrix::inverse_affine(self.angle, self.translate, self.scale, self.shear);
        matrix.warp(canvas, canvas.shape(), &self.lens);
    }
}
