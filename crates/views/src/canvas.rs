//! The image a policy works on, and the memory it works in.

use serde::Serialize;
use twinlens_data::Image;

use crate::compute::Tap;
use crate::error::ViewsError;
use crate::resample::Axis;
use crate::sample::Sample;

/// The extent of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Shape {
    /// Number of rows.
    pub height: usize,
    /// Number of columns.
    pub width: usize,
    /// Samples per pixel.
    pub channels: usize,
}

impl Shape {
    /// The shape of `image`.
    pub fn of(image: &Image) -> Shape {
        Shape { height: image.height, width: image.width, channels: image.channels }
    }

    /// The shape of `image` if it has samples, and as many as the shape needs.
    pub(crate) fn check(image: &Image) -> Result<Shape, ViewsError> {
        let (shape, samples) = (Shape::of(image), image.pixels.len());
        if samples > 0 && samples == shape.samples() {
            return Ok(shape);
        }
        let Shape { height, width, channels } = shape;
        Err(ViewsError::Image {
            expected: "height x width x channels samples, not 0".into(),
            got: format!("{height} x {width} x {channels} and {samples} samples"),
        })
    }

    /// Number of pixels.
    pub fn pixels(self) -> usize {
        self.height * self.width
    }

    /// Number of samples: pixels times channels.
    pub fn samples(self) -> usize {
        self.pixels() * self.channels
    }
}

/// The memory one thread works in. Kept from image to image, it spares operations their allocations.
#[derive(Debug, Default)]
pub struct Workspace {
    pub(crate) u8: Buffers<u8>,
    pub(crate) u16: Buffers<u16>,
    pub(crate) f32: Buffers<f32>,
    pub(crate) scratch: Scratch,
}

/// The current image and room for the next one.
#[derive(Debug, Default)]
pub struct Buffers<T> {
    current: Vec<T>,
    next: Vec<T>,
}

/// Room for intermediate values. Operations may leave anything in it.
#[derive(Debug, Default)]
pub struct Scratch {
    /// A whole image in floating point.
    pub(crate) planes: Vec<f32>,
    /// One row in floating point.
    pub(crate) row: Vec<f32>,
    /// Weights of a separable filter.
    pub(crate) taps: Vec<Tap>,
    /// Weights of a resampling.
    pub(crate) axis: Axis,
}

/// The image that operations transform, in HWC order.
///
/// It starts as a borrowed source image and is copied by the first operation that changes it.
#[derive(Debug)]
pub struct Canvas<'a, T> {
    shape: Shape,
    source: Option<&'a [T]>,
    buffers: &'a mut Buffers<T>,
    scratch: &'a mut Scratch,
}

impl<'a, T: Sample> Canvas<'a, T> {
    /// A canvas that shows `samples` (`shape.samples()` of them).
    pub(crate) fn new(shape: Shape, samples: &'a [T], workspace: &'a mut Workspace) -> Canvas<'a, T> {
        let (buffers, scratch) = T::memory(workspace);
        Canvas { shape, source: Some(samples), buffers, scratch }
    }

    /// The present extent.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// The present samples, HWC.
    pub fn samples(&self) -> &[T] {
        self.source.unwrap_or(&self.buffers.current)
    }

    /// The present image.
    pub fn to_image(&self) -> Image {
        let Shape { height, width, channels } = self.shape;
        Image { height, width, channels, pixels: T::pixels(self.samples().to_vec()) }
    }

    /// Changes the samples in place.
    pub fn edit(&mut self, change: impl FnOnce(Shape, &mut [T], &mut Scratch)) {
        if let Some(samples) = self.source.take() {
            self.buffers.current.clear();
            self.buffers.current.extend_from_slice(samples);
        }
        change(self.shape, &mut self.buffers.current, self.scratch);
    }

    /// Replaces the image by one of `shape`: `draw(old shape, old samples, new samples, scratch)` must write
    /// every new sample.
    pub fn redraw(&mut self, shape: Shape, draw: impl FnOnce(Shape, &[T], &mut [T], &mut Scratch)) {
        let Buffers { current, next } = &mut *self.buffers;
        next.resize(shape.samples(), T::default());
        draw(self.shape, self.source.unwrap_or(current), next, self.scratch);
        std::mem::swap(current, next);
        self.source = None;
        self.shape = shape;
    }
}
