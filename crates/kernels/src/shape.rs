//! Checked shapes of convolutions and poolings.

/// A shape that no kernel can compute.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ShapeError {
    /// A size that must be at least 1 is 0.
    #[error("{what} is 0; expected at least 1")]
    Zero {
        /// Which size.
        what: &'static str,
    },
    /// The kernel does not fit into the padded image.
    #[error(
        "the kernel is {kernel} pixels in {axis}, the image with its padding only {padded}; \
         use larger images, a smaller kernel or more padding"
    )]
    KernelLargerThanImage {
        /// `height` or `width`.
        axis: &'static str,
        /// Size of the kernel.
        kernel: usize,
        /// Size of the image plus twice the padding.
        padded: usize,
    },
    /// A pooling window could lie wholly in the padding, where it has no maximum.
    #[error("padding {padding} in {axis} is more than half of the pooling kernel, {kernel}; pad by at most {}", kernel / 2)]
    PaddingTooLarge {
        /// `height` or `width`.
        axis: &'static str,
        /// Size of the kernel.
        kernel: usize,
        /// The padding asked for.
        padding: usize,
    },
    /// An array of this shape has more elements than can be addressed.
    #[error("{what} of shape {shape:?} has too many elements; use fewer images at a time")]
    TooLarge {
        /// Which array.
        what: &'static str,
        /// Its shape.
        shape: [usize; 4],
    },
}

const AXES: [&str; 2] = ["height", "width"];

/// A sliding window: sizes are `[height, width]` in pixels, padding is added on both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// Size of the kernel.
    pub kernel: [usize; 2],
    /// Distance between neighbouring window positions.
    pub stride: [usize; 2],
    /// Pixels added on each side of the image.
    pub padding: [usize; 2],
}

impl Window {
    /// The window that has the same kernel, stride and padding in both axes.
    pub const fn square(kernel: usize, stride: usize, padding: usize) -> Window {
        Window { kernel: [kernel; 2], stride: [stride; 2], padding: [padding; 2] }
    }

    /// The window on images of the given size, and its positions: `floor((image + 2 padding - kernel) / stride) + 1` in
    /// each axis. A stride beyond the padded image, which leaves one position, becomes that image's size, so that
    /// every sum of positions stays in range.
    fn on(self, image: [usize; 2]) -> Result<(Window, [usize; 2]), ShapeError> {
        let (mut window, mut output) = (self, [0; 2]);
        for axis in 0..2 {
            let (kernel, stride) = (self.kernel[axis], self.stride[axis]);
            at_least_one("kernel", kernel)?;
            at_least_one("stride", stride)?;
            let padded = self.padding[axis].checked_mul(2).and_then(|both| both.checked_add(image[axis]));
            let Some(padded) = padded.filter(|&padded| padded <= MAX_PADDED) else {
                return Err(ShapeError::TooLarge {
                    what: "x with its padding",
                    shape: [1, image[0], image[1], 1],
                });
            };
            if kernel > padded {
                return Err(ShapeError::KernelLargerThanImage { axis: AXES[axis], kernel, padded });
            }
            window.stride[axis] = stride.min(padded);
            output[axis] = (padded - kernel) / stride + 1;
        }
        Ok((window, output))
    }
}

/// Images with their padding are no larger than this in each axis: positions in them add up without overflow.
const MAX_PADDED: usize = isize::MAX as usize / 4;

/// What is multiplied in convolutions and matrix products; sums are in single precision always.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Precision {
    /// The numbers as they are.
    #[default]
    F32,
    /// The numbers rounded to bf16, 8 significant bits.
    Bf16,
}

/// A 2-D convolution without groups or dilation, images in NHWC: its shape and its precision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConvShape {
    pub(crate) images: usize,
    pub(crate) input: [usize; 2],
    pub(crate) output: [usize; 2],
    pub(crate) in_channels: usize,
    pub(crate) out_channels: usize,
    pub(crate) window: Window,
    pub(crate) precision: Precision,
}

impl ConvShape {
    /// The convolution of images `[images, height, width, in_channels]` to `out_channels` channels, in single precision.
    ///
    /// # Errors
    /// [`ShapeError`] when a size is 0, the kernel does not fit into the padded image, or an array would not
    /// be addressable.
    pub fn new(x: [usize; 4], out_channels: usize, window: Window) -> Result<ConvShape, ShapeError> {
        let [images, height, width, in_channels] = checked("x", x)?;
        let (window, output) = window.on([height, width])?;
        checked("y", [images, output[0], output[1], out_channels])?;
        checked("w", [window.kernel[0], window.kernel[1], in_channels, out_channels])?;
        let precision = Precision::F32;
        Ok(ConvShape { images, input: [height, width], output, in_channels, out_channels, window, precision })
    }

    /// The same convolution with other precision.
    pub fn with_precision(self, precision: Precision) -> ConvShape {
        ConvShape { precision, ..self }
    }

    /// Height of the output.
    pub fn out_height(&self) -> usize {
        self.output[0]
    }

    /// Width of the output.
    pub fn out_width(&self) -> usize {
        self.output[1]
    }

    /// Elements of the input: `images * height * width * in_channels`.
    pub fn x_len(&self) -> usize {
        self.images * self.input[0] * self.input[1] * self.in_channels
    }

    /// Elements of the weight: `kernel_height * kernel_width * in_channels * out_channels`.
    pub fn w_len(&self) -> usize {
        self.window.kernel[0] * self.window.kernel[1] * self.in_channels * self.out_channels
    }

    /// Elements of the output: `images * out_height * out_width * out_channels`.
    pub fn y_len(&self) -> usize {
        self.images * self.output[0] * self.output[1] * self.out_channels
    }
}

/// Shape of a 2-D max pooling, images in NHWC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PoolShape {
    pub(crate) images: usize,
    pub(crate) input: [usize; 2],
    pub(crate) output: [usize; 2],
    pub(crate) channels: usize,
    pub(crate) window: Window,
}

impl PoolShape {
    /// The pooling of images `[images, height, width, channels]`.
    ///
    /// # Errors
    /// [`ShapeError`] when a size is 0, the kernel does not fit into the padded image, the padding is more than
    /// half of the kernel, or an array would not be addressable (a plane of pixels must fit in a `u32`).
    pub fn new(x: [usize; 4], window: Window) -> Result<PoolShape, ShapeError> {
        let [images, height, width, channels] = checked("x", x)?;
        if u32::try_from(height * width).is_err() {
            return Err(ShapeError::TooLarge { what: "x", shape: x });
        }
        for (axis, name) in AXES.into_iter().enumerate() {
            let (kernel, padding) = (window.kernel[axis], window.padding[axis]);
            if padding > kernel / 2 {
                return Err(ShapeError::PaddingTooLarge { axis: name, kernel, padding });
            }
        }
        let (window, output) = window.on([height, width])?;
        checked("y", [images, output[0], output[1], channels])?;
        Ok(PoolShape { images, input: [height, width], output, channels, window })
    }

    /// Height of the output.
    pub fn out_height(&self) -> usize {
        self.output[0]
    }

    /// Width of the output.
    pub fn out_width(&self) -> usize {
        self.output[1]
    }

    /// Elements of the input: `images * height * width * channels`.
    pub fn x_len(&self) -> usize {
        self.images * self.input[0] * self.input[1] * self.channels
    }

    /// Elements of the output: `images * out_height * out_width * channels`.
    pub fn y_len(&self) -> usize {
        self.images * self.output[0] * self.output[1] * self.channels
    }
}

fn at_least_one(what: &'static str, size: usize) -> Result<(), ShapeError> {
    if size == 0 { Err(ShapeError::Zero { what }) } else { Ok(()) }
}

/// The shape itself, if none of its sizes is 0 and its bytes can be addressed with a signed offset.
fn checked(what: &'static str, shape: [usize; 4]) -> Result<[usize; 4], ShapeError> {
    for size in shape {
        at_least_one(what, size)?;
    }
    let bytes = shape.iter().try_fold(size_of::<f32>(), |product, &size| product.checked_mul(size));
    match bytes {
        Some(bytes) if isize::try_from(bytes).is_ok() => Ok(shape),
        _ => Err(ShapeError::TooLarge { what, shape }),
    }
}

/// Stops a call whose slice does not have the length its shape says: reading on would give wrong numbers.
#[track_caller]
pub(crate) fn assert_len(what: &str, actual: usize, expected: usize) {
    assert!(actual == expected, "{what} has {actual} elements; its shape has {expected}");
}

/// Stops a call whose slice is not whole rows of channels, or whose channels are none.
#[track_caller]
pub(crate) fn assert_rows(what: &str, len: usize, channels: usize) {
    assert!(channels > 0, "{what} needs at least one channel");
    assert!(len.is_multiple_of(channels), "{what} has {len} elements, not whole rows of {channels}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_size_is_the_usual_formula() {
        let shape = ConvShape::new([2, 224, 30, 3], 64, Window::square(7, 2, 3)).unwrap();
        assert_eq!((shape.out_height(), shape.out_width()), (112, 15));
        assert_eq!(shape.y_len(), 2 * 112 * 15 * 64);
        assert_eq!(shape.w_len(), 7 * 7 * 3 * 64);
        assert_eq!(shape.x_len(), 2 * 224 * 30 * 3);
    }

    #[test]
    fn impossible_shapes_are_errors() {
        let conv = |x, out, window| ConvShape::new(x, out, window).unwrap_err();
        assert_eq!(conv([0, 4, 4, 3], 8, Window::square(3, 1, 1)), ShapeError::Zero { what: "x" });
        assert_eq!(conv([1, 4, 4, 3], 0, Window::square(3, 1, 1)), ShapeError::Zero { what: "y" });
        assert_eq!(conv([1, 4, 4, 3], 8, Window::square(3, 0, 1)), ShapeError::Zero { what: "stride" });
        assert_eq!(conv([1, 4, 4, 3], 8, Window::square(0, 1, 1)), ShapeError::Zero { what: "kernel" });
        assert_eq!(
            conv([1, 4, 2, 3], 8, Window::square(5, 1, 1)),
            ShapeError::KernelLargerThanImage { axis: "width", kernel: 5, padded: 4 }
        );
        assert!(matches!(
            conv([usize::MAX / 2, 4, 4, 3], 8, Window::square(3, 1, 1)),
            ShapeError::TooLarge { what: "x", .. }
        ));
        assert!(matches!(
            conv([1, 4, 4, 3], 8, Window::square(3, 1, usize::MAX / 2)),
            ShapeError::TooLarge { what: "x with its padding", .. }
        ));
        assert!(matches!(
            conv([1, 4, 4, 3], 8, Window::square(3, 1, usize::MAX / 32)),
            ShapeError::TooLarge { what: "y", .. }
        ));
        assert_eq!(
            PoolShape::new([1, 4, 4, 3], Window::square(3, 2, 2)).unwrap_err(),
            ShapeError::PaddingTooLarge { axis: "height", kernel: 3, padding: 2 }
        );
    }
}
