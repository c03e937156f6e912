//! Convolutions of images of a few pixels, one pair of pixels after the other.
//!
//! On small images most of a kernel lies on the padding: of a 3 x 3 kernel eight taps of nine on one pixel, five of nine on
//! 2 x 2. Here a tap is multiplied with the pixels that it meets, and with no padding:
//! `y[:, q] = sum over taps t that bring pixel p to q of x[:, p] w[t]`, each a matrix product over all images.

use std::ops::Range;

use rayon::prelude::*;

use crate::ahead::Ahead;
use crate::element::Element;
use crate::epilogue::Epilogue;
use crate::matrix::{LANES, Number, Panels, Rows, Target, multiply, multiply_transposed};
use crate::parallel::with_buffer;
use crate::patches::transpose_to_panel;
use crate::shape::ConvShape;
use crate::winograd;

/// More products than this are better computed as one.
const MAX_MEETINGS: usize = 128;
/// Fewer images than this make products of too few rows.
const MIN_IMAGES: usize = 32;
/// Tasks wanted, so that threads can share the work.
const MIN_TASKS: usize = 8;
/// Columns of a task: at least as many as fill the registers, at most as many as keep their weights in the second-level cache.
const MIN_COLUMNS: usize = 4 * LANES;
const MAX_COLUMNS: usize = 16 * LANES;
/// Channels of the weights that a task packs and multiplies at a time.
const DEPTH: usize = 256;
/// Numbers that a task reads and writes at a time: they stay in the second-level cache.
const TASK_NUMBERS: usize = 256 * 1024;
/// Input channels of a tile of the weight gradient.
const TILE_ROWS: usize = 64;
/// Images that a task puts in their order.
const ORDERED_IMAGES: usize = 16;

/// A tap that brings a pixel of the input to one of the output; all are counted in row order.
#[derive(Clone, Copy)]
struct Meeting {
    tap: usize,
    input: usize,
    output: usize,
}

/// A convolution as the meetings of its taps and pixels.
pub(crate) struct ByPixel<'a> {
    shape: &'a ConvShape,
    /// In order of taps.
    meetings: Vec<Meeting>,
}

/// Pixels of every image, with their channels.
#[derive(Clone, Copy)]
struct Pixels<'a, N> {
    data: &'a [N],
    images: usize,
    pixels: usize,
    channels: usize,
}

impl<'a, N: Number> Pixels<'a, N> {
    /// Some of the images.
    fn part(self, first: usize, images: usize) -> Pixels<'a, N> {
        let len = self.pixels * self.channels;
        Pixels { data: &self.data[first * len..][..images * len], images, ..self }
    }

    /// Lends `work` each pixel as panels, a row for each image.
    fn with_panels(self, work: impl FnOnce(PixelPanels<N>)) {
        let len = Panels::<N>::len(self.images, self.channels);
        with_buffer(self.pixels * len, |packed| {
            packed.par_chunks_exact_mut(len).enumerate().for_each(|(pixel, packed)| {
                Panels::pack(self.rows(pixel, 0..self.channels), packed);
            });
            work(PixelPanels { packed, images: self.images, channels: self.channels });
        });
    }

    /// Some channels of one pixel, a row for each image.
    fn rows(self, pixel: usize, channels: Range<usize>) -> Rows<'a, N> {
        Rows {
            data: &self.data[pixel * self.channels + channels.start..],
            rows: self.images,
            columns: channels.len(),
            stride: self.pixels * self.channels,
        }
    }
}

/// [`Pixels`] in panels, pixel by pixel.
#[derive(Clone, Copy)]
struct PixelPanels<'a, N: Number> {
    packed: &'a [N::Word],
    images: usize,
    channels: usize,
}

impl<'a, N: Number> PixelPanels<'a, N> {
    /// Some channels of a pixel; the first one begins a panel.
    fn of(&self, pixel: usize, channels: Range<usize>) -> Panels<'a, N> {
        let len = Panels::<N>::len(self.images, self.channels);
        Panels::new(&self.packed[pixel * len..][..len], self.images, self.channels).columns(channels)
    }
}

impl<'a> ByPixel<'a> {
    /// The meetings of `shape`, if this is the way to compute it: many images, few meetings, a quarter of the
    /// multiplications saved, and no more left than by Winograd's algorithm.
    pub fn of(shape: &'a ConvShape) -> Option<ByPixel<'a>> {
        let [met, all] = met_and_all(shape)?;
        let by_winograd = (shape.window.kernel == [3, 3] && shape.window.stride == [1, 1])
            .then(|| winograd::multiplications(shape.output));
        let saves = 4 * met <= 3 * all && by_winograd.is_none_or(|least| met <= least);
        saves.then(|| ByPixel { shape, meetings: meetings(shape) })
    }

    /// [`ByPixel::of`] for a product with `columns` columns, or the meetings of a linear layer or the like whose matrix is
    /// larger than what it is multiplied with: here each task reads a part of the matrix, elsewhere all of it.
    pub fn of_product(shape: &'a ConvShape, columns: usize) -> Option<ByPixel<'a>> {
        let [met, all] = met_and_all(shape)?;
        let large = met == all && met == shape.input[0] * shape.input[1] && shape.images * met < columns;
        if large { Some(ByPixel { shape, meetings: meetings(shape) }) } else { ByPixel::of(shape) }
    }

    /// As [`crate::conv2d_forward`].
    pub fn forward<N: Number, E: Element>(&self, x: &[N], w: &[N], epilogue: Epilogue, y: &mut [E]) {
        let (inputs, outputs) = (self.shape.in_channels, self.shape.out_channels);
        let pack = |tap: usize, depth: Range<usize>, columns: Range<usize>, packed: &mut [N::Word]| {
            let data = &w[(tap * inputs + depth.start) * outputs + columns.start..];
            let part = Rows { data, rows: depth.len(), columns: columns.len(), stride: outputs };
            Panels::pack(part, packed);
        };
        self.multiply(self.input(x), &self.meetings, pack, epilogue, y);
    }

    /// As [`crate::conv2d_input_grad`].
    pub fn input_grad<N: Number, E: Element>(&self, dy: &[N], w: &[N], dx: &mut [E]) {
        let (inputs, outputs) = (self.shape.in_channels, self.shape.out_channels);
        let pack = |tap: usize, depth: Range<usize>, columns: Range<usize>, packed: &mut [N::Word]| {
            let panels = packed.chunks_exact_mut(Panels::<N>::len(depth.len(), LANES));
            for (panel, first) in panels.zip(columns.clone().step_by(LANES)) {
                let data = &w[(tap * inputs + first) * outputs + depth.start..];
                let rows = LANES.min(columns.end - first);
                transpose_to_panel(&[Rows { data, rows, columns: depth.len(), stride: outputs }], panel);
            }
        };
        let turned = |meeting: &Meeting| Meeting { input: meeting.output, output: meeting.input, ..*meeting };
        let meetings: Vec<Meeting> = self.meetings.iter().map(turned).collect();
        self.multiply(self.output(dy), &meetings, pack, Epilogue::default(), dx);
    }

    /// As [`crate::conv2d_weight_grad`].
    pub fn weight_grad<N: Number>(&self, x: &[N], dy: &[N], dw: &mut [f32]) {
        let (x, dy) = (self.input(x), self.output(dy));
        let (rows, columns) = (x.channels, dy.channels);
        x.with_panels(|x| {
            dy.with_panels(|dy| {
                dw.par_chunks_mut(rows * columns).enumerate().for_each(|(tap, dw)| {
                    let meetings = || self.meetings.iter().filter(|meeting| meeting.tap == tap);
                    dw.par_chunks_mut(TILE_ROWS * columns).enumerate().for_each(|(i, tile)| {
                        let first = i * TILE_ROWS;
                        let rows = first..first + tile.len() / columns;
                        for start in (0..columns).step_by(MAX_COLUMNS) {
                            let part = start..columns.min(start + MAX_COLUMNS);
                            let pairs = meetings()
                                .map(|of| [x.of(of.input, rows.clone()), dy.of(of.output, part.clone())]);
                            fill_columns(pairs, part.clone(), columns, tile);
                        }
                    });
                });
            });
        });
    }

    fn input<'x, N>(&self, x: &'x [N]) -> Pixels<'x, N> {
        let ConvShape { images, input: [height, width], in_channels, .. } = *self.shape;
        Pixels { data: x, images, pixels: height * width, channels: in_channels }
    }

    fn output<'y, N>(&self, y: &'y [N]) -> Pixels<'y, N> {
        let ConvShape { images, output: [height, width], out_channels, .. } = *self.shape;
        Pixels { data: y, images, pixels: height * width, channels: out_channels }
    }

    /// Every output pixel as the sum over its meetings. `pack` writes some depth and columns of a tap's matrix as panels.
    fn multiply<N: Number, E: Element>(
        &self,
        source: Pixels<N>,
        meetings: &[Meeting],
        pack: impl Fn(usize, Range<usize>, Range<usize>, &mut [N::Word]) + Sync,
        epilogue: Epilogue,
        out: &mut [E],
    ) {
        // The other channels than those of the source.
        let columns = self.shape.in_channels * self.shape.out_channels / source.channels;
        let pixels = out.len() / (source.images * columns);
        let block = Block::new(source, pixels, columns);
        with_buffer(out.len(), |sums: &mut [f32]| {
            sums.par_chunks_mut(block.images * pixels * columns).enumerate().for_each(|(i, sums)| {
                let images = sums.len() / (pixels * columns);
                let source = source.part(i * block.images, images);
                sums.par_chunks_mut(block.columns * pixels * images).enumerate().for_each(|(j, sums)| {
                    let width = sums.len() / (pixels * images);
                    let columns = j * block.columns..j * block.columns + width;
                    let pack = |tap, depth, packed: &mut _| pack(tap, depth, columns.clone(), packed);
                    add_meetings(source, meetings, pack, width, sums);
                });
            });
            put_in_order(sums, [pixels, columns], block, epilogue, out);
        });
    }
}

/// How a product is cut into tasks.
#[derive(Clone, Copy)]
struct Block {
    images: usize,
    columns: usize,
}

impl Block {
    /// As many columns as there are tasks for, as many images as stay in the cache; a function of the shape alone.
    fn new<N>(source: Pixels<N>, pixels: usize, columns: usize) -> Block {
        let sharing = (columns / MIN_TASKS).next_power_of_two();
        let block = sharing.clamp(MIN_COLUMNS, MAX_COLUMNS);
        let numbers = pixels * block + source.pixels * source.channels.min(DEPTH);
        let fitting = source.images.div_ceil((TASK_NUMBERS / numbers).max(1));
        let parts = fitting.max(MIN_TASKS / columns.div_ceil(block));
        Block { images: source.images.div_ceil(parts), columns: block }
    }
}

/// Sets some columns of all output pixels, `[pixels, images, width]`, to the sums over their meetings.
fn add_meetings<N: Number>(
    source: Pixels<N>,
    meetings: &[Meeting],
    pack: impl Fn(usize, Range<usize>, &mut [N::Word]),
    width: usize,
    sums: &mut [f32],
) {
    let len = source.images * width;
    let mut targets = vec![Target::Overwrite; sums.len() / len];
    for meetings in meetings.chunk_by(|a, b| a.tap == b.tap) {
        for start in (0..source.channels).step_by(DEPTH) {
            let depth = start..source.channels.min(start + DEPTH);
            with_buffer(Panels::<N>::len(depth.len(), width), |packed| {
                pack(meetings[0].tap, depth.clone(), packed);
                let weight = Panels::<N>::new(packed, depth.len(), width);
                for meeting in meetings {
                    let sums = &mut sums[meeting.output * len..][..len];
                    let target = if start == 0 { targets[meeting.output] } else { Target::Add };
                    let rows = source.rows(meeting.input, depth.clone());
                    multiply(sums, target, rows, weight, &mut Ahead::nothing());
                }
            });
        }
        meetings.iter().for_each(|meeting| targets[meeting.output] = Target::Add);
    }
    for (sums, target) in sums.chunks_exact_mut(len).zip(targets) {
        if target == Target::Overwrite {
            sums.fill(0.0);
        }
    }
}

/// Sets some columns of a tile to the sum of the products of these pairs.
fn fill_columns<'a, N: Number>(
    pairs: impl Iterator<Item = [Panels<'a, N>; 2]>,
    columns: Range<usize>,
    all_columns: usize,
    tile: &mut [f32],
) {
    let rows = tile.len() / all_columns;
    with_buffer(rows * columns.len(), |sums| {
        let mut target = Target::Overwrite;
        for [x, dy] in pairs {
            multiply_transposed(sums, target, x, dy, &mut Ahead::nothing());
            target = Target::Add;
        }
        if target == Target::Overwrite {
            sums.fill(0.0);
        }
        for (line, sums) in tile.chunks_exact_mut(all_columns).zip(sums.chunks_exact(columns.len())) {
            line[columns.clone()].copy_from_slice(sums);
        }
    });
}

/// Writes what the tasks computed, `[pixels, images, columns]` each, as `[images, pixels, columns]`.
fn put_in_order<E: Element>(
    sums: &[f32],
    [pixels, columns]: [usize; 2],
    block: Block,
    epilogue: Epilogue,
    out: &mut [E],
) {
    let len = block.images * pixels * columns;
    out.par_chunks_mut(len).zip(sums.par_chunks(len)).for_each(|(out, sums)| {
        let images = out.len() / (pixels * columns);
        out.par_chunks_mut(ORDERED_IMAGES * pixels * columns).enumerate().for_each(|(i, out)| {
            for (row, out) in out.chunks_exact_mut(columns).enumerate() {
                let (image, pixel) = (i * ORDERED_IMAGES + row / pixels, row % pixels);
                let blocks = sums.chunks(block.columns * pixels * images).zip(out.chunks_mut(block.columns));
                for (i, (sums, out)) in blocks.enumerate() {
                    let sums = &sums[(pixel * images + image) * out.len()..][..out.len()];
                    let first = i * block.columns;
                    epilogue.of_channels(first..first + out.len()).put(sums, out);
                }
            }
        });
    });
}

/// How often a tap meets a pixel of the image, and how often it is anywhere. `None` if images are too few for this or meetings
/// too many.
fn met_and_all(shape: &ConvShape) -> Option<[usize; 2]> {
    let mut counts = [1, 1];
    for axis in [0, 1] {
        let all = shape.window.kernel[axis].checked_mul(shape.output[axis])?;
        if all > 9 * MAX_MEETINGS {
            return None;
        }
        counts = [counts[0] * axis_meetings(shape, axis).count(), counts[1] * all];
    }
    (shape.images >= MIN_IMAGES && counts[0] <= MAX_MEETINGS).then_some(counts)
}

/// Tap, position of the pixel and position of the window, wherever a tap meets a pixel along one axis.
fn axis_meetings(shape: &ConvShape, axis: usize) -> impl Iterator<Item = [usize; 3]> {
    let (window, input, output) = (shape.window, shape.input[axis], shape.output[axis]);
    (0..window.kernel[axis]).flat_map(move |tap| {
        (0..output).filter_map(move |position| {
            let pixel = (position * window.stride[axis] + tap).checked_sub(window.padding[axis])?;
            (pixel < input).then_some([tap, pixel, position])
        })
    })
}

fn meetings(shape: &ConvShape) -> Vec<Meeting> {
    let mut meetings = Vec::new();
    for [tap_row, input_row, output_row] in axis_meetings(shape, 0) {
        for [tap_column, input_column, output_column] in axis_meetings(shape, 1) {
            meetings.push(Meeting {
                tap: tap_row * shape.window.kernel[1] + tap_column,
                input: input_row * shape.input[1] + input_column,
                output: output_row * shape.output[1] + output_column,
            });
        }
    }
    meetings.sort_by_key(|meeting| meeting.tap);
    meetings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::Window;

    fn met(image: [usize; 2], window: Window) -> Option<usize> {
        let shape = ConvShape::new([32, image[0], image[1], 3], 4, window).unwrap();
        ByPixel::of(&shape).map(|by_pixel| by_pixel.meetings.len())
    }

    #[test]
    fn only_small_images_are_computed_by_pixel() {
        assert_eq!(met([1, 1], Window::square(3, 1, 1)), Some(1));
        assert_eq!(met([2, 2], Window::square(3, 1, 1)), Some(16));
        assert_eq!(met([2, 2], Window::square(3, 2, 1)), Some(4));
        assert_eq!(met([4, 4], Window::square(3, 2, 1)), Some(25));
        assert_eq!(met([1, 5], Window::square(3, 1, 1)), Some(13));
        assert_eq!(met([1, 1], Window::square(7, 2, 3)), Some(1));
        let few_images = ConvShape::new([31, 1, 1, 3], 4, Window::square(3, 1, 1)).unwrap();
        assert!(ByPixel::of(&few_images).is_none());
        // Winograd's algorithm multiplies less, or nothing is saved, or there are many.
        assert_eq!(met([4, 4], Window::square(3, 1, 1)), None);
        assert_eq!(met([1, 1], Window::square(1, 1, 0)), None);
        assert_eq!(met([1, 500], Window::square(3, 1, 1)), None);
        assert_eq!(met([500, 500], Window::square(3, 2, 1)), None);
    }
}
