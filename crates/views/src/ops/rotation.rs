//! Turned by any angle: torchvision's `RandomRotation`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_random::Stream;

use super::rot90::QuarterTurns;
use crate::border::PaddingMode;
use crate::canvas::{Canvas, Shape};
use crate::operation::{BuildContext, Check, Operation, Transform};
use crate::sample::Sample;
use crate::settings::{Fill, Interval};
use crate::warp::{Matrix, Sampling, WarpOptions};

/// Turns the image about its centre by a random angle. Any number of channels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Rotation {
    /// The angle in degrees, counter-clockwise: one number x stands for `[-x, x]`; drawn uniformly. torchvision
    /// has no default.
    pub degrees: Interval,
    /// How values between pixels are found.
    pub interpolation: Sampling,
    /// Whether the image grows so that nothing is cut off.
    pub expand: bool,
    /// What is shown beyond the image.
    pub padding_mode: PaddingMode,
    /// The value beyond the image where `padding_mode` is constant, in the image's own units.
    pub fill: Fill,
    /// Probability of being applied.
    pub p: f64,
}

impl Default for Rotation {
    fn default() -> Self {
        Rotation {
            degrees: Interval::One(180.0),
            interpolation: Sampling::Nearest,
            expand: false,
            padding_mode: PaddingMode::Constant,
            fill: Fill::default(),
            p: 1.0,
        }
    }
}

impl Operation for Rotation {
    type Drawn = Rotated;

    fn p(&self) -> f64 {
        self.p
    }

    fn check(&self, check: &mut Check<'_>) {
        check.interval("degrees", self.degrees.symmetric(), -360.0..=360.0);
        self.fill.check(check, "fill");
    }

    fn draw(&self, stream: &mut Stream, _: Shape, _: &BuildContext) -> Rotated {
        let Rotation { interpolation, expand, padding_mode, ref fill, .. } = *self;
        let lens = WarpOptions { interpolation, padding_mode, fill: Some(fill.clone()) };
        Rotated { angle: self.degrees.draw_symmetric(stream), expand, lens }
    }
}

/// The image turned about its centre; torchvision's `rotate`.
///
/// Quarter turns that fit the result are exact, as in torchvision.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rotated {
    /// The angle in degrees, counter-clockwise.
    pub angle: f64,
    /// Whether the image grows so that nothing is cut off.
    pub expand: bool,
    /// How the image is read.
    #[serde(flatten)]
    pub lens: WarpOptions,
}

impl Rotated {
    fn matrix(&self) -> Matrix {
        Matrix::inverse_affine(-self.angle, [0.0; 2], 1.0, [0.0; 2])
    }

    /// The same as an exact number of quarter turns, if it is one.
    fn quarter_turns(&self, shape: Shape) -> Option<QuarterTurns> {
        let quarters = self.angle.rem_euclid(360.0) / 90.0;
        let fits = self.expand || shape.height == shape.width || quarters % 2.0 == 0.0;
        (quarters.fract() == 0.0 && fits).then_some(QuarterTurns { k: quarters as usize })
    }
}

impl Transform for Rotated {
    fn output(&self, shape: Shape) -> Shape {
        if let Some(turns) = self.quarter_turns(shape) {
            return turns.output(shape);
        }
        if !self.expand {
            return shape;
        }
        let Matrix([a, b, _, c, d, _]) = self.matrix();
        let (half_width, half_height) = (shape.width as f64 / 2.0, shape.height as f64 / 2.0);
        // The corners' coordinates are symmetric about the centre; a hair's breadth is rounding.
        let side = |from_width: f64, from_height: f64, half: f64| {
            let reach = (from_width * half_width).abs() + (from_height * half_height).abs();
            let settled = |v: f64| (v * 1e4).trunc() / 1e4;
            (settled(half + reach).ceil() - settled(half - reach).floor()) as usize
        };
        let (width, height) = (side(a, b, half_width), side(c, d, half_height));
        Shape { height, width, channels: shape.channels }
    }

    fn apply<T: Sample>(&self, canvas: &mut Canvas<'_, T>) {
        match self.quarter_turns(canvas.shape()) {
            Some(turns) => turns.apply(canvas),
            None => self.matrix().warp(canvas, self.output(canvas.shape()), &self.lens),
        }
    }
}
