//! Seen from aside: torchvision's `RandomPerspective`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_random::Stream;

use crate::border::PaddingMode;
use crate::canvas::{Canvas, Shape};
use crate::operation::{BuildContext, Check, Operation, Transform};
use crate::sample::Sample;
use crate::settings::{Fill, Interval};
use crate::warp::{Sampling, WarpOptions, warp};

/// Moves each corner of the image inwards by a random amount. Any number of channels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Perspective {
    /// How far a corner may move, as a share of half the height and half the width, 0 to 1; `[low, high]` is
    /// drawn uniformly.
    pub distortion_scale: Interval,
    /// How values between pixels are found.
    pub interpolation: Sampling,
    /// What is shown beyond the image.
    pub padding_mode: PaddingMode,
    /// The value beyond the image where `padding_mode` is constant, in the image's own units.
    pub fill: Fill,
    /// Probability of being applied.
    pub p: f64,
}

impl Default for Perspective {
    fn default() -> Self {
        Perspective {
            distortion_scale: Interval::One(0.5),
            interpolation: Sampling::Bilinear,
            padding_mode: PaddingMode::Constant,
            fill: Fill::default(),
            p: 0.5,
        }
    }
}

impl Operation for Perspective {
    type Drawn = Projected;

    fn p(&self) -> f64 {
        self.p
    }

    fn check(&self, check: &mut Check<'_>) {
        check.interval("distortion_scale", self.distortion_scale.bounds(), 0.0..=1.0);
        self.fill.check(check, "fill");
    }

    fn draw(&self, stream: &mut Stream, shape: Shape, _: &BuildContext) -> Projected {
        let scale = self.distortion_scale.draw(stream);
        let endpoints = corners(shape).map(|corner| {
            let mut moved = |at: usize, side: usize| {
                let inwards = stream.below((scale * (side / 2) as f64) as usize + 1);
                if at == 0 { inwards } else { at - inwards.min(at) }
            };
            [moved(corner[0], shape.width), moved(corner[1], shape.height)]
        });
        let Perspective { interpolation, padding_mode, ref fill, .. } = *self;
        Projected { endpoints, lens: WarpOptions { interpolation, padding_mode, fill: Some(fill.clone()) } }
    }
}

/// The corners of an image as (x, y): top left, top right, bottom right, bottom left.
fn corners(shape: Shape) -> [[usize; 2]; 4] {
    let (right, bottom) = (shape.width - 1, shape.height - 1);
    [[0, 0], [right, 0], [right, bottom], [0, bottom]]
}

/// The image drawn into a quadrilateral; torchvision's `perspective` with the image's corners as `startpoints`.
///
/// Where no map takes the corners there, because three of them lie on one line, the image stays as it is;
/// torchvision takes what its least squares happen to give.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Projected {
    /// Where the corners come to lie, as (x, y): top left, top right, bottom right, bottom left.
    pub endpoints: [[usize; 2]; 4],
    /// How the image is read.
    #[serde(flatten)]
    pub lens: WarpOptions,
}

impl Transform for Projected {
    fn apply<T: Sample>(&self, canvas: &mut Canvas<'_, T>) {
        let Some(map) = projection(self.endpoints, corners(canvas.shape())) else { return };
        let [a, b, c, d, e, f, g, h] = map.map(|v| v as f32);
        warp(canvas, canvas.shape(), &self.lens, |row| {
            let y = row as f32 + 0.5;
            move |column| {
                let x = column as f32 + 0.5;
                let depth = g * x + h * y + 1.0;
                [(a * x + b * y + c) / depth - 0.5, (d * x + e * y + f) / depth - 0.5]
            }
        });
    }
}

/// The coefficients for which `x' = (a x + b y + c) / (g x + h y + 1)` and `y' = (d x + e y + f) / (g x + h y + 1)`
/// take the points `from` to the points `to`.
fn projection(from: [[usize; 2]; 4], to: [[usize; 2]; 4]) -> Option<[f64; 8]> {
    let mut equations = [[0.0; 9]; 8];
    for (i, ([x, y], [u, v])) in from.into_iter().zip(to).enumerate() {
        let [x, y, u, v] = [x, y, u, v].map(|v| v as f64);
        equations[2 * i] = [x, y, 1.0, 0.0, 0.0, 0.0, -u * x, -u * y, u];
        equations[2 * i + 1] = [0.0, 0.0, 0.0, x, y, 1.0, -v * x, -v * y, v];
    }
    solve(equations)
}

/// Gauss and Jordan with pivots; `None` if there is no single solution.
fn solve(mut equations: [[f64; 9]; 8]) -> Option<[f64; 8]> {
    for column in 0..8 {
        let size = |row: &usize| equations[*row][column].abs();
        let pivot = (column..8).max_by(|a, b| size(a).total_cmp(&size(b)))?;
        if size(&pivot) < 1e-9 {
            return None;
        }
        equations.swap(column, pivot);
        let unit = equations[column].map(|v| v / equations[column][column]);
        for equation in &mut equations {
            let factor = equation[column];
            equation.iter_mut().zip(unit).for_each(|(v, unit)| *v -= factor * unit);
        }
        equations[column] = unit;
    }
    Some(equations.map(|equation| equation[8]))
}
