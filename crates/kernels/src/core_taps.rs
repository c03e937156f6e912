//! Taps of a kernel that meet nothing but padding, wherever the window stands: of a 3 x 3 kernel on images of one pixel, all
//! but the centre. They add zeros to the output and get a gradient of zero, so a convolution is computed without them.

use std::ops::Range;

use crate::shape::{ConvShape, Window};

/// A convolution without its idle taps.
pub(crate) struct CoreTaps {
    /// What is left to compute; inputs and outputs are those of the whole.
    pub shape: ConvShape,
    /// Width of the whole kernel.
    kernel_width: usize,
    /// The taps that stay, in each axis.
    taps: [Range<usize>; 2],
}

impl CoreTaps {
    /// `None` where nothing can be left out.
    pub fn of(whole: &ConvShape) -> Option<CoreTaps> {
        let [rows, columns] = [0, 1].map(|axis| taps_that_meet_pixels(whole, axis));
        let taps = [rows?, columns?];
        let Window { kernel, stride, padding } = whole.window;
        if [taps[0].len(), taps[1].len()] == kernel {
            return None;
        }
        let window = Window {
            kernel: [0, 1].map(|axis| taps[axis].len()),
            stride,
            padding: [padding[0].checked_sub(taps[0].start)?, padding[1].checked_sub(taps[1].start)?],
        };
        let x = [whole.images, whole.input[0], whole.input[1], whole.in_channels];
        let shape = ConvShape::new(x, whole.out_channels, window).ok()?;
        // Padding is the same on both sides, so taps left out on one side alone may add or take a position.
        (shape.output == whole.output).then_some(CoreTaps { shape, kernel_width: kernel[1], taps })
    }

    /// Copies the weights of the taps that stay.
    pub fn gather(&self, w: &[f32], core: &mut [f32]) {
        let row = self.row_len();
        for (core, from) in core.chunks_exact_mut(row).zip(self.rows()) {
            core.copy_from_slice(&w[from..][..row]);
        }
    }

    /// Writes their gradient, and zeros for those left out.
    pub fn scatter(&self, core: &[f32], dw: &mut [f32]) {
        let row = self.row_len();
        dw.fill(0.0);
        for (core, to) in core.chunks_exact(row).zip(self.rows()) {
            dw[to..][..row].copy_from_slice(core);
        }
    }

    /// Weights of a row of taps that stay.
    fn row_len(&self) -> usize {
        self.taps[1].len() * self.shape.in_channels * self.shape.out_channels
    }

    /// Where each of these rows begins in the whole kernel.
    fn rows(&self) -> impl Iterator<Item = usize> {
        let tap = self.shape.in_channels * self.shape.out_channels;
        self.taps[0].clone().map(move |row| (row * self.kernel_width + self.taps[1].start) * tap)
    }
}

/// From the first to the last tap that meets a pixel of the image at any position of the window; `None` if no tap does.
fn taps_that_meet_pixels(shape: &ConvShape, axis: usize) -> Option<Range<usize>> {
    let Window { kernel, stride, padding } = shape.window;
    let (stride, padding, image) = (stride[axis], padding[axis], shape.input[axis]);
    let meets = |tap: &usize| {
        // The first position at which it is not before the image.
        let position = padding.saturating_sub(*tap).div_ceil(stride);
        position < shape.output[axis] && position * stride + tap < padding + image
    };
    let first = (0..kernel[axis]).find(meets)?;
    let last = (first..kernel[axis]).rfind(meets)?;
    Some(first..last + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn core(image: [usize; 2], window: Window) -> Option<([usize; 2], [usize; 2])> {
        let shape = ConvShape::new([2, image[0], image[1], 3], 4, window).unwrap();
        CoreTaps::of(&shape).map(|core| (core.shape.window.kernel, core.shape.window.padding))
    }

    #[test]
    fn only_taps_that_meet_pixels_stay() {
        assert_eq!(core([1, 1], Window::square(3, 1, 1)), Some(([1, 1], [0, 0])));
        assert_eq!(core([2, 2], Window::square(3, 2, 1)), Some(([2, 2], [0, 0])));
        assert_eq!(core([1, 5], Window::square(3, 1, 1)), Some(([1, 3], [0, 1])));
        assert_eq!(core([1, 1], Window::square(7, 2, 3)), Some(([1, 1], [0, 0])));
        assert_eq!(core([2, 2], Window::square(5, 1, 2)), Some(([3, 3], [1, 1])));
        assert_eq!(core([2, 2], Window::square(3, 1, 1)), None);
        assert_eq!(core([4, 4], Window::square(3, 2, 1)), None);
        // The window steps over the only pixel.
        assert_eq!(core([1, 1], Window { kernel: [1, 1], stride: [2, 2], padding: [1, 1] }), None);
    }

    #[test]
    fn the_weights_of_the_others_get_no_gradient() {
        let shape = ConvShape::new([1, 1, 2, 1], 2, Window::square(3, 1, 1)).unwrap();
        let core = CoreTaps::of(&shape).unwrap();
        let w: Vec<f32> = (0..18).map(|i| i as f32).collect();
        let mut gathered = vec![f32::NAN; core.shape.w_len()];
        core.gather(&w, &mut gathered);
        assert_eq!(gathered, [6.0, 7.0, 8.0, 9.0, 10.0, 11.0]);
        let mut dw = vec![f32::NAN; 18];
        core.scatter(&gathered, &mut dw);
        let expected: Vec<f32> = (0..18).map(|i| if (6..12).contains(&i) { i as f32 } else { 0.0 }).collect();
        assert_eq!(dw, expected);
    }
}
