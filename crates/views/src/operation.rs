//! The seam of one operation: settings that draw, and what they draw, which applies.

use std::fmt::Debug;
use std::ops::RangeInclusive;

use serde::Serialize;
use twinlens_data::{Image, PixelType};
use twinlens_random::Stream;

use crate::canvas::{Canvas, Shape, Workspace};
use crate::error::{ViewProblem, ViewsError};
use crate::sample::{Sample, each_sample, white};

/// What a policy is built for: the images that come in and the views that go out.
#[derive(Clone, Debug, PartialEq)]
pub struct BuildContext {
    /// Rows and columns of a view where its operations state no size.
    pub size: usize,
    /// Samples per pixel of the images.
    pub channels: usize,
    /// Number format of the images.
    pub pixel_type: PixelType,
    /// Mean of each channel, with white = 1.
    pub mean: Vec<f32>,
    /// Standard deviation of each channel, with white = 1.
    pub std: Vec<f32>,
}

/// A random transformation: its settings, how they are checked, and how it draws.
pub trait Operation {
    /// What is drawn: the transformation with nothing left to chance.
    type Drawn: Transform;

    /// The probability that the operation is applied.
    fn p(&self) -> f64;

    /// Reports every setting that cannot be used.
    fn check(&self, check: &mut Check<'_>);

    /// Draws the transformation of an image of `shape`.
    fn draw(&self, stream: &mut Stream, shape: Shape, context: &BuildContext) -> Self::Drawn;

    /// The side of the square the operation always leaves behind, where it does.
    fn output_size(&self, _context: &BuildContext) -> Option<usize> {
        None
    }
}

/// A transformation with explicit parameters.
pub trait Transform: Clone + Debug + PartialEq + Serialize {
    /// The shape after applying it to an image of `shape`.
    fn output(&self, shape: Shape) -> Shape {
        shape
    }

    /// Transforms the image on the canvas.
    fn apply<T: Sample>(&self, canvas: &mut Canvas<'_, T>);
}

/// `image` after `transform`.
///
/// # Errors
/// When `image` has not the number of samples that its shape needs, or samples without black and white.
///
/// # Panics
/// When `transform` names pixels that the image does not have.
pub fn transform(
    image: &Image,
    transform: &impl Transform,
    workspace: &mut Workspace,
) -> Result<Image, ViewsError> {
    fn run<T: Sample>(
        shape: Shape,
        samples: &[T],
        drawn: &impl Transform,
        workspace: &mut Workspace,
    ) -> Image {
        let mut canvas = Canvas::new(shape, samples, workspace);
        drawn.apply(&mut canvas);
        canvas.to_image()
    }
    let shape = Shape::check(image)?;
    each_sample!(&image.pixels, samples => run(shape, samples, transform, workspace))
}

/// Collects the problems of one operation's settings.
#[derive(Debug)]
pub struct Check<'a> {
    /// What the policy is built for.
    pub context: &'a BuildContext,
    path: String,
    problems: &'a mut Vec<ViewProblem>,
}

impl<'a> Check<'a> {
    pub(crate) fn new(
        path: String,
        context: &'a BuildContext,
        problems: &'a mut Vec<ViewProblem>,
    ) -> Check<'a> {
        Check { context, path, problems }
    }

    /// Reports `key` unless `good`.
    pub fn require(&mut self, good: bool, key: &str, expected: impl Into<String>, got: impl Debug) {
        if !good {
            let key = format!("{}.{key}", self.path);
            self.problems.push(ViewProblem { key, expected: expected.into(), got: format!("{got:?}") });
        }
    }

    /// Reports `key` unless `value` lies in `range`.
    pub fn within(&mut self, key: &str, value: f64, range: RangeInclusive<f64>) {
        self.require(range.contains(&value), key, describe(&range), value);
    }

    /// Reports `key` unless `[low, high]` lie in `range`, in this order.
    pub fn interval(&mut self, key: &str, [low, high]: [f64; 2], range: RangeInclusive<f64>) {
        let good = range.contains(&low) && range.contains(&high) && low <= high;
        self.require(
            good,
            key,
            format!("[low, high] with low <= high, both {}", describe(&range)),
            [low, high],
        );
    }

    /// Reports an image side of zero or beyond 65536.
    pub fn size(&mut self, key: &str, size: Option<usize>) {
        self.require(size.is_none_or(|s| (1..=65536).contains(&s)), key, "1 to 65536 pixels", size);
    }

    /// White in the units of the images.
    pub fn white(&self) -> f64 {
        f64::from(white(self.context.pixel_type))
    }

    /// Reports a colour operation on images that are neither RGB nor gray.
    pub fn rgb_or_gray(&mut self, key: &str, instead: &str) {
        let channels = self.context.channels;
        let expected =
            format!("{instead}, because it is defined for RGB images (and does nothing to gray ones)");
        self.require(channels == 1 || channels == 3, key, expected, format_args!("{channels} channels"));
    }

    /// Reports an operation that needs `wanted` channels at least, where it is used at all.
    pub fn channels(&mut self, p: f64, wanted: RangeInclusive<usize>, why: &str) {
        let channels = self.context.channels;
        let good = p <= 0.0 || wanted.contains(&channels);
        self.require(good, "p", format!("0, because {why}"), format_args!("{channels} channels"));
    }
}

/// The smallest number that settings accept where zero makes no sense.
pub(crate) const TINY: f64 = 1e-6;

fn describe(range: &RangeInclusive<f64>) -> String {
    if range.end().is_finite() && *range.end() < f64::from(f32::MAX) {
        format!("from {} to {}", range.start(), range.end())
    } else {
        format!("a finite number of at least {}", range.start())
    }
}
