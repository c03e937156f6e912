//! 2-D convolution (cross-correlation, as in every deep learning library) in NHWC.
//!
//! Weights are `[kernel_height, kernel_width, in_channels, out_channels]` (HWIO): one row for each column of the
//! patch matrix, so the forward pass and the weight gradient read and write them as they are. The input gradient
//! is itself a convolution with the weights turned around; it turns them into a buffer on each call, which costs
//! one pass over the weights.

use std::ops::Range;

use multiversion::multiversion;
use rayon::prelude::*;

use crate::ahead::{Ahead, NOWHERE, behind, region_of};
use crate::bf16::with_rounded;
use crate::by_pixel::ByPixel;
use crate::element::Element;
use crate::epilogue::Epilogue;
use crate::lines::Lines;
use crate::matrix::{Number, Panels, Rows, Target, multiply_transposed};
use crate::parallel::{add_parts, with_buffer};
use crate::patches::Patches;
use crate::shape::{ConvShape, Precision, Window, assert_len, assert_rows};
use crate::winograd::Winograd;

/// Convolution: `y[n, i, j, o] = sum over a, b, c of x[n, i s - p + a, j s - p + b, c] w[a, b, c, o]`, with stride `s`, padding
/// `p` and zeros outside of the image, and what the epilogue makes of it. `x` and `w`, and in the gradients `dy`, are first
/// rounded as the shape's precision says; maps in bf16 are multiplied in bf16 whatever it says.
///
/// `x` is `[images, height, width, in_channels]`, `w` `[kernel_height, kernel_width, in_channels, out_channels]`
/// and `y`, which is overwritten, `[images, out_height, out_width, out_channels]`.
///
/// # Panics
/// When a slice does not have the length that `shape` gives it.
pub fn conv2d_forward<E: Element>(shape: &ConvShape, x: &[E], w: &[f32], epilogue: Epilogue, y: &mut [E]) {
    assert_len("x", x.len(), shape.x_len());
    assert_len("w", w.len(), shape.w_len());
    assert_len("y", y.len(), shape.y_len());
    if let Some(bias) = epilogue.bias {
        assert_len("bias", bias.len(), shape.out_channels);
    }
    let patches = input_patches(shape);
    match (shape.precision, E::singles(x), E::singles_mut(y)) {
        (Precision::F32, Some(x), Some(y)) => match winograd(shape, &patches, shape.out_channels) {
            Some(winograd) => winograd.multiply(x, w, epilogue, y),
            None => forward(shape, &patches, x, w, epilogue, y),
        },
        _ => with_rounded(w, |w| match lines(shape, &patches, shape.out_channels) {
            Some(lines) => with_packed(&patches, w, shape.out_channels, |packed| {
                lines.multiply(x, packed, epilogue, y);
            }),
            None => E::with_rounded(x, |x| forward(shape, &patches, x, w, epilogue, y)),
        }),
    }
}

fn forward<N: Number, E: Element>(
    shape: &ConvShape,
    patches: &Patches,
    x: &[N],
    w: &[N],
    epilogue: Epilogue,
    y: &mut [E],
) {
    match ByPixel::of_product(shape, shape.out_channels) {
        Some(by_pixel) => by_pixel.forward(x, w, epilogue, y),
        None => with_packed(patches, w, shape.out_channels, |packed| {
            multiply_packed(patches, x, packed, epilogue, y);
        }),
    }
}

/// Lends `work` a weight as [`Patches::multiply`] reads it.
fn with_packed<N: Number>(patches: &Patches, w: &[N], columns: usize, work: impl FnOnce(&[N::Word])) {
    with_buffer(patches.packed_len::<N>(columns), |packed| {
        patches.pack(w, columns, packed);
        work(packed);
    });
}

/// The way to compute a convolution in bf16, or its gradients, from these patches to `columns` columns, if it is by lines.
fn lines<'a>(shape: &ConvShape, patches: &'a Patches, columns: usize) -> Option<Lines<'a>> {
    let applies = ByPixel::of_product(shape, columns).is_none();
    applies.then(|| Lines::of(patches, columns)).flatten()
}

/// The way to compute a convolution in single precision, or its gradients, from these patches to `columns` columns, if it is
/// Winograd's.
fn winograd<'a>(shape: &ConvShape, patches: &'a Patches, columns: usize) -> Option<Winograd<'a>> {
    let applies = ByPixel::of(shape).is_none();
    applies.then(|| Winograd::of(patches, columns)).flatten()
}

/// Gradient of the input: `dx[n, h, w, c] = sum over a, b, o of dy[n, (h + p - a) / s, (w + p - b) / s, o] w[a, b,
/// c, o]`, over the taps `a`, `b` for which the division is exact and the result lies inside `dy`.
///
/// `dy` is shaped as the output, `w` as in [`conv2d_forward`]; `dx`, shaped as the input, is overwritten.
///
/// # Panics
/// When a slice does not have the length that `shape` gives it.
pub fn conv2d_input_grad<E: Element>(shape: &ConvShape, dy: &[E], w: &[f32], dx: &mut [E]) {
    assert_len("dy", dy.len(), shape.y_len());
    assert_len("w", w.len(), shape.w_len());
    assert_len("dx", dx.len(), shape.x_len());
    let phases = phases(shape);
    let whole = phases.first().filter(|_| shape.window.stride == [1, 1]);
    match (shape.precision, E::singles(dy), E::singles_mut(dx)) {
        (Precision::F32, Some(dy), Some(dx)) => {
            match whole.and_then(|all| Some((all, winograd(shape, &all.patches, shape.in_channels)?))) {
                Some((all, winograd)) => with_buffer(shape.w_len(), |turned| {
                    turn_weight(shape, w, &all.taps, turned);
                    winograd.multiply(dy, turned, Epilogue::default(), dx);
                }),
                None => input_grad(shape, &phases, dy, w, dx),
            }
        }
        _ => with_rounded(w, |w| {
            match whole.and_then(|all| Some((all, lines(shape, &all.patches, shape.in_channels)?))) {
                Some((all, lines)) => {
                    all.with_packed(shape, w, |packed| lines.multiply(dy, packed, Epilogue::default(), dx));
                }
                None => E::with_rounded(dy, |dy| input_grad(shape, &phases, dy, w, dx)),
            }
        }),
    }
}

fn input_grad<N: Number, E: Element>(shape: &ConvShape, phases: &[Phase], dy: &[N], w: &[N], dx: &mut [E]) {
    match (ByPixel::of_product(shape, shape.in_channels), phases) {
        (Some(by_pixel), _) => by_pixel.input_grad(dy, w, dx),
        (None, [all]) if shape.window.stride == [1, 1] => {
            all.with_packed(shape, w, |packed| {
                multiply_packed(&all.patches, dy, packed, Epilogue::default(), dx);
            });
        }
        _ => strided_input_grad(shape, phases, dy, w, dx),
    }
}

/// Gradient of the bias: `db[o] = sum over n, i, j of dy[n, i, j, o]`.
///
/// `dy` is `[rows, channels]` of any number of rows; `db`, `[channels]`, is overwritten.
///
/// # Panics
/// When `dy` is not whole rows.
pub fn bias_grad<E: Element>(dy: &[E], db: &mut [f32]) {
    const CHUNK: usize = 32 * 1024;
    assert_rows("dy", dy.len(), db.len());
    let chunk = (CHUNK / db.len()).clamp(1, 1024) * db.len();
    let sums: Vec<Vec<f32>> = dy.par_chunks(chunk).map(|dy| sum_rows(dy, db.len())).collect();
    let mut totals = vec![0.0f64; db.len()];
    for sums in &sums {
        totals.iter_mut().zip(sums).for_each(|(total, &sum)| *total += f64::from(sum));
    }
    db.iter_mut().zip(&totals).for_each(|(db, &total)| *db = total as f32);
}

#[multiversion(targets("x86_64+avx512f", "x86_64+avx2+fma"))]
fn sum_rows<E: Element>(x: &[E], columns: usize) -> Vec<f32> {
    let mut sums = vec![0.0f32; columns];
    for row in x.chunks_exact(columns) {
        sums.iter_mut().zip(row).for_each(|(sum, &x)| *sum += x.widen());
    }
    sums
}

/// Gradient of the weight: `dw[a, b, c, o] = sum over n, i, j of x[n, i s - p + a, j s - p + b, c] dy[n, i, j, o]`.
///
/// `x` and `dy` are shaped as input and output; `dw`, shaped as the weight in [`conv2d_forward`], is overwritten.
///
/// # Panics
/// When a slice does not have the length that `shape` gives it.
pub fn conv2d_weight_grad<E: Element>(shape: &ConvShape, x: &[E], dy: &[E], dw: &mut [f32]) {
    assert_len("x", x.len(), shape.x_len());
    assert_len("dy", dy.len(), shape.y_len());
    assert_len("dw", dw.len(), shape.w_len());
    let patches = input_patches(shape);
    match (shape.precision, E::singles(x), E::singles(dy)) {
        (Precision::F32, Some(x), Some(dy)) => match winograd(shape, &patches, shape.out_channels) {
            Some(winograd) => winograd.weight_grad(x, dy, dw),
            None => weight_grad(shape, &patches, x, dy, dw),
        },
        _ => match Lines::of_weight_grad(&patches, shape.out_channels) {
            Some(lines) if ByPixel::of(shape).is_none() => lines.weight_grad(x, dy, dw),
            _ => E::with_rounded(x, |x| E::with_rounded(dy, |dy| weight_grad(shape, &patches, x, dy, dw))),
        },
    }
}

fn weight_grad<N: Number>(shape: &ConvShape, patches: &Patches, x: &[N], dy: &[N], dw: &mut [f32]) {
    if let Some(by_pixel) = ByPixel::of(shape) {
        return by_pixel.weight_grad(x, dy, dw);
    }
    let tiles = WeightTiles::new(patches, shape.out_channels);
    let rows = patches.rows();
    let parts = (MIN_TASKS / tiles.count()).clamp(1, rows.div_ceil(MIN_PART_ROWS));
    if parts == 1 {
        return tiles.fill(x, dy, 0..rows, dw);
    }
    let part_rows = rows.div_ceil(parts);
    with_buffer(parts * dw.len(), |sums: &mut [f32]| {
        sums.par_chunks_mut(dw.len()).enumerate().for_each(|(part, sum)| {
            tiles.fill(x, dy, part * part_rows..rows.min((part + 1) * part_rows), sum);
        });
        add_parts(sums, dw);
    });
}

/// The patches of the input from which the output is computed.
fn input_patches(shape: &ConvShape) -> Patches {
    Patches {
        images: shape.images,
        image: shape.input,
        channels: shape.in_channels,
        grid: shape.output,
        step: shape.window.stride,
        first: shape.window.padding.map(|padding| -(padding as isize)),
        size: shape.window.kernel,
    }
}

/// The whole product of the patch matrix and a packed weight.
fn multiply_packed<N: Number, E: Element>(
    patches: &Patches,
    source: &[N],
    packed: &[N::Word],
    epilogue: Epilogue,
    out: &mut [E],
) {
    let (block, columns) = (patches.block_rows(), out.len() / patches.rows());
    out.par_chunks_mut(block * columns).enumerate().for_each(|(i, out)| {
        let rows = i * block..i * block + out.len() / columns;
        let mut ahead = Ahead::new([region_of(out), behind(source, rows.clone(), patches.rows())]);
        epilogue.put_rows(columns, out, |sums| {
            patches.multiply(source, rows, packed, sums, Target::Overwrite, &mut ahead);
        });
    });
}

/// The input pixels that meet the same taps: those at `offset` plus a multiple of the stride.
struct Phase {
    offset: [usize; 2],
    /// Index `kernel_row * kernel_width + kernel_column` of each tap, in the order of the output pixels it meets.
    taps: Vec<usize>,
    /// The patches of `dy` that give these pixels' gradient.
    patches: Patches,
}

/// The phases of the input gradient: one for each pixel of a stride by stride square, in row order.
fn phases(shape: &ConvShape) -> Vec<Phase> {
    let [stride_y, stride_x] = shape.window.stride;
    let offsets = (0..stride_y.min(shape.input[0]))
        .flat_map(|y| (0..stride_x.min(shape.input[1])).map(move |x| [y, x]));
    offsets.map(|offset| Phase::new(shape, offset)).collect()
}

/// Along one axis, the taps that meet the input pixels `offset + stride g`, for all `g`.
struct AxisPhase {
    /// Descending, so that the output pixels they meet ascend.
    taps: Vec<usize>,
    /// The output pixel that the first tap meets at `g = 0`.
    first: isize,
}

impl AxisPhase {
    /// Input pixel `h` meets output pixel `(h + padding - tap) / stride` wherever the division is exact.
    fn new(offset: usize, kernel: usize, stride: usize, padding: usize) -> AxisPhase {
        let taps: Vec<usize> = ((offset + padding) % stride..kernel).step_by(stride).rev().collect();
        let last = taps.first().copied().unwrap_or(0) as isize;
        AxisPhase { taps, first: ((offset + padding) as isize - last) / stride as isize }
    }
}

/// Writes the weights of `taps` as `[tap, out_channels, in_channels]`.
fn turn_weight(shape: &ConvShape, w: &[f32], taps: &[usize], turned: &mut [f32]) {
    /// Output channels turned at a time: a cache line of each input channel's weights.
    const LINE: usize = 16;
    let (inputs, outputs) = (shape.in_channels, shape.out_channels);
    turned.par_chunks_mut(inputs * outputs).zip(taps).for_each(|(turned, &tap)| {
        let w = &w[tap * inputs * outputs..][..inputs * outputs];
        turned.par_chunks_mut(LINE * inputs).enumerate().for_each(|(i, turned)| {
            for (input, weights) in w.chunks_exact(outputs).enumerate() {
                for (to, &weight) in turned.chunks_exact_mut(inputs).zip(&weights[i * LINE..]) {
                    to[input] = weight;
                }
            }
        });
    });
}

/// The input gradient phase by phase: each phase's pixels lie a stride apart, so its product goes to a buffer and
/// from there to `dx`. A task computes a band of image lines, or several whole images where they are small.
fn strided_input_grad<N: Number, E: Element>(
    shape: &ConvShape,
    phases: &[Phase],
    dy: &[N],
    w: &[N],
    dx: &mut [E],
) {
    const TASK_PIXELS: usize = 2048;
    /// Of whole images, as every task reads the whole weight.
    const MIN_TASK_PIXELS: usize = 128;
    let [height, width] = shape.input;
    let line_len = width * shape.in_channels;
    let shared = (shape.images * height * width / MIN_TASKS).clamp(MIN_TASK_PIXELS, TASK_PIXELS);
    let images = (shared / (height * width)).max(1);
    let band = if images > 1 {
        images * height
    } else {
        (TASK_PIXELS / width).max(1).next_multiple_of(shape.window.stride[0])
    };
    let packed_len = |phase: &Phase| phase.patches.packed_len::<N>(shape.in_channels);
    with_buffer(phases.iter().map(packed_len).sum(), |packed: &mut [N::Word]| {
        let mut rest = &mut *packed;
        for phase in phases.iter().filter(|phase| !phase.taps.is_empty()) {
            let (packed, tail) = rest.split_at_mut(packed_len(phase));
            phase.pack(shape, w, packed);
            rest = tail;
        }
        let packed = &*packed;
        dx.par_chunks_mut(images * height * line_len).enumerate().for_each(|(group, dx)| {
            dx.par_chunks_mut(band * line_len).enumerate().for_each(|(i, dx)| {
                let first_line = group * images * height + i * band;
                let mut rest = packed;
                for phase in phases {
                    let (packed, tail) = rest.split_at(packed_len(phase));
                    phase.fill(shape, dy, packed, first_line, dx);
                    rest = tail;
                }
            });
        });
    });
}

impl Phase {
    fn new(shape: &ConvShape, offset: [usize; 2]) -> Phase {
        let Window { kernel, stride, padding } = shape.window;
        let [rows, columns] =
            [0, 1].map(|axis| AxisPhase::new(offset[axis], kernel[axis], stride[axis], padding[axis]));
        let taps =
            rows.taps.iter().flat_map(|row| columns.taps.iter().map(move |column| row * kernel[1] + column));
        Phase {
            offset,
            taps: taps.collect(),
            patches: Patches {
                images: shape.images,
                image: shape.output,
                channels: shape.out_channels,
                grid: [0, 1].map(|axis| (shape.input[axis] - offset[axis]).div_ceil(stride[axis])),
                step: [1, 1],
                first: [rows.first, columns.first],
                size: [rows.taps.len(), columns.taps.len()],
            },
        }
    }

    /// Writes the weights of this phase's taps as its patches read them.
    fn pack<N: Number>(&self, shape: &ConvShape, w: &[N], packed: &mut [N::Word]) {
        let taps: Vec<&[N]> = w.chunks_exact(shape.in_channels * shape.out_channels).collect();
        let matrices: Vec<&[N]> = self.taps.iter().map(|&tap| taps[tap]).collect();
        self.patches.pack_transposes(&matrices, shape.in_channels, packed);
    }

    /// Lends `work` what [`Phase::pack`] writes.
    fn with_packed<N: Number>(&self, shape: &ConvShape, w: &[N], work: impl FnOnce(&[N::Word])) {
        with_buffer(self.patches.packed_len::<N>(shape.in_channels), |packed| {
            self.pack(shape, w, packed);
            work(packed);
        });
    }

    /// Computes this phase's pixels of `dx`, the image lines from `first_line` on (counted over all images).
    fn fill<N: Number, E: Element>(
        &self,
        shape: &ConvShape,
        dy: &[N],
        packed: &[N::Word],
        first_line: usize,
        dx: &mut [E],
    ) {
        let channels = shape.in_channels;
        let lines = first_line..first_line + dx.len() / (shape.input[1] * channels);
        let grid_width = self.patches.grid[1];
        let rows =
            self.grid_line(shape, lines.start) * grid_width..self.grid_line(shape, lines.end) * grid_width;
        if rows.is_empty() {
            return;
        }
        let [stride_y, stride_x] = shape.window.stride;
        let pixel = |row: usize| {
            let (grid_line, x) = (row / grid_width, row % grid_width);
            let (image, y) = (grid_line / self.patches.grid[0], grid_line % self.patches.grid[0]);
            let line = image * shape.input[0] + self.offset[0] + y * stride_y - first_line;
            (line * shape.input[1] + self.offset[1] + x * stride_x) * channels
        };
        if self.taps.is_empty() {
            return rows.for_each(|row| dx[pixel(row)..][..channels].fill(E::zeroed()));
        }
        with_buffer(rows.len() * channels, |gradient| {
            let mut ahead = Ahead::new([behind(dy, rows.clone(), self.patches.rows()), NOWHERE]);
            self.patches.multiply(dy, rows.clone(), packed, gradient, Target::Overwrite, &mut ahead);
            for (row, gradient) in rows.zip(gradient.chunks_exact(channels)) {
                Epilogue::default().put(gradient, &mut dx[pixel(row)..][..channels]);
            }
        });
    }

    /// The first line of this phase's grid at or after a line of the images (both counted over all images).
    fn grid_line(&self, shape: &ConvShape, line: usize) -> usize {
        let (image, y) = (line / shape.input[0], line % shape.input[0]);
        image * self.patches.grid[0] + y.saturating_sub(self.offset[0]).div_ceil(shape.window.stride[0])
    }
}

/// The weight gradient is cut into tiles of at most this many rows: what a tile reads of the patch matrix stays in the
/// second-level cache.
const MAX_TILE_ROWS: usize = 128;
/// Words of the depth, rows of the patch matrix, that are summed at a time.
const SUMMED_ROWS: usize = 256;
/// Tasks wanted for a gradient. Of a weight gradient with fewer tiles, the rows are cut into parts whose sums are added in order.
const MIN_TASKS: usize = 32;
/// Fewer rows than this are not worth a part of their own.
const MIN_PART_ROWS: usize = 1024;

/// The cut of a weight gradient into tiles: the whole, kernel rows, taps, or input channels of one tap.
struct WeightTiles<'a> {
    patches: &'a Patches,
    out_channels: usize,
    /// Pixels of the patch in one tile.
    size: [usize; 2],
    /// Input channels in one tile.
    channels: usize,
}

impl WeightTiles<'_> {
    fn new(patches: &Patches, out_channels: usize) -> WeightTiles<'_> {
        let [height, width] = patches.size;
        let fits = |size: &[usize; 2]| size[0] * size[1] * patches.channels <= MAX_TILE_ROWS;
        let size = [[height, width], [1, width]].into_iter().find(fits).unwrap_or([1, 1]);
        let channels = if size == [1, 1] && patches.channels > MAX_TILE_ROWS {
            // As many tiles for one thread as for the other.
            patches.channels.div_ceil(patches.channels.div_ceil(MAX_TILE_ROWS).next_multiple_of(2))
        } else {
            patches.channels
        };
        WeightTiles { patches, out_channels, size, channels }
    }

    fn count(&self) -> usize {
        let pixels = self.patches.size[0] * self.patches.size[1] / (self.size[0] * self.size[1]);
        pixels * self.patches.channels.div_ceil(self.channels)
    }

    /// Computes every tile from the given rows of the patch matrix.
    fn fill<N: Number>(&self, x: &[N], dy: &[N], rows: Range<usize>, dw: &mut [f32]) {
        let columns = self.out_channels;
        let step = SUMMED_ROWS * N::TERMS;
        for start in rows.clone().step_by(step) {
            let block = start..rows.end.min(start + step);
            let target = if start == rows.start { Target::Overwrite } else { Target::Add };
            let rows_of_dy = Rows::new(&dy[block.start * columns..block.end * columns], columns);
            with_buffer(Panels::<N>::len(block.len(), columns), |panels| {
                self.add_block([x, dy], Panels::pack_in_parallel(rows_of_dy, panels), block, target, dw);
            });
        }
    }

    /// Adds a block of rows to every tile.
    fn add_block<N: Number>(
        &self,
        [x, dy]: [&[N]; 2],
        gradient: Panels<N>,
        rows: Range<usize>,
        target: Target,
        dw: &mut [f32],
    ) {
        let pixels = self.size[0] * self.size[1];
        let columns = self.patches.size[1] / self.size[1];
        let windows = dw.par_chunks_mut(pixels * self.patches.channels * self.out_channels).enumerate();
        windows.for_each(|(i, dw)| {
            let (top, left) = (i / columns * self.size[0], i % columns * self.size[1]);
            let window = self.patches.part(top..top + self.size[0], left..left + self.size[1]);
            dw.par_chunks_mut(pixels * self.channels * self.out_channels).enumerate().for_each(
                |(j, tile)| {
                    let first = j * self.channels;
                    let channels = first..self.patches.channels.min(first + self.channels);
                    let height = tile.len() / self.out_channels;
                    with_buffer(Panels::<N>::len(rows.len(), height), |panels| {
                        let patches = window.pack_rows(x, rows.clone(), channels, panels);
                        // One of the tiles fetches the next block's rows.
                        let mut ahead = match (i, j) {
                            (0, 0) => {
                                Ahead::new([dy, x].map(|map| behind(map, rows.clone(), self.patches.rows())))
                            }
                            _ => Ahead::nothing(),
                        };
                        multiply_transposed(tile, target, patches, gradient, &mut ahead);
                    });
                },
            );
        });
    }
}

#[cfg(test)]
mod tests {
    use std::ops::RangeInclusive;

    use proptest::prelude::*;

    use super::*;
    use crate::bf16::Bf16;
    use crate::element::tests::{nearest, widened};
    use crate::naive::{self, assert_close_sums, numbers, rounded, widen};
    use crate::parallel::tests::same_for_any_threads;

    fn shapes() -> impl Strategy<Value = ConvShape> {
        let axis = || (1..=5usize, 1..=3usize, 0..=3usize, 0..=9usize);
        shapes_of(1..=4, &[1, 2, 3, 5, 16, 17, 33, 64], [axis(), axis()])
    }

    /// Maps of whole tiles of channels.
    fn shapes_of_lines() -> impl Strategy<Value = ConvShape> {
        let axis = |most| (1..=4usize, 1..=2usize, 0..=2usize, 0..=most);
        shapes_of(1..=3, &[32, 64], [axis(11usize), axis(29)])
    }

    /// Along each axis kernel, stride, padding, and by how many pixels the image is larger than it must be.
    fn shapes_of(
        images: RangeInclusive<usize>,
        channels: &'static [usize],
        [y, x]: [impl Strategy<Value = (usize, usize, usize, usize)>; 2],
    ) -> impl Strategy<Value = ConvShape> {
        let channels = || prop::sample::select(channels);
        (images, channels(), channels(), y, x).prop_map(|(images, inputs, outputs, y, x)| {
            // The image is at least the kernel less its padding, at least 1.
            let size = |(kernel, _, padding, more): (usize, usize, usize, usize)| {
                kernel.saturating_sub(2 * padding).max(1) + more
            };
            let window = Window { kernel: [y.0, x.0], stride: [y.1, x.1], padding: [y.2, x.2] };
            ConvShape::new([images, size(y), size(x), inputs], outputs, window).unwrap()
        })
    }

    /// Input, weight, bias and output gradient of a shape.
    fn arrays(shape: &ConvShape) -> [Vec<f32>; 4] {
        [
            numbers(1, shape.x_len()),
            numbers(2, shape.w_len()),
            numbers(3, shape.out_channels),
            numbers(4, shape.y_len()),
        ]
    }

    /// Half of the shapes.
    fn has_relu(shape: &ConvShape) -> bool {
        shape.y_len().is_multiple_of(2)
    }

    fn all(shape: &ConvShape) -> [Vec<f32>; 3] {
        all_in::<f32>(shape)
    }

    /// With maps of the given kind.
    fn all_in<E: Element>(shape: &ConvShape) -> [Vec<f32>; 3] {
        let [x, w, bias, dy] = arrays(shape);
        let relu = has_relu(shape);
        let [x, dy] = [x, dy].map(|map| nearest::<E>(&map));
        // Not zero: every element must be overwritten.
        let [mut y, mut dx] = [shape.y_len(), shape.x_len()].map(|len| nearest::<E>(&vec![f32::NAN; len]));
        let mut dw = vec![f32::NAN; shape.w_len()];
        conv2d_forward(shape, &x, &w, Epilogue { bias: Some(&bias), relu }, &mut y);
        conv2d_input_grad(shape, &dy, &w, &mut dx);
        conv2d_weight_grad(shape, &x, &dy, &mut dw);
        [widened(&y), widened(&dx), dw]
    }

    /// In bf16, too, with maps of either kind.
    fn check_bf16(shape: &ConvShape) {
        let shape = shape.with_precision(Precision::Bf16);
        check(&shape);
        let [y, dx, dw] = all(&shape);
        let round = |numbers: &[f32]| rounded(Precision::Bf16, numbers);
        let ours = all_in::<Bf16>(&shape.with_precision(Precision::F32));
        assert_eq!([round(&y), round(&dx), dw], ours, "maps in bf16");
    }

    fn check(shape: &ConvShape) {
        let [x, w, bias, dy] = arrays(shape);
        let [x, w, dy] = [x, w, dy].map(|a| widen(&rounded(shape.precision, &a)));
        let bias = widen(&bias);
        let [y, dx, dw] = all(shape);
        // The size of a sum of standard normal products is the square root of their number.
        let taps = shape.window.kernel[0] * shape.window.kernel[1];
        let [y_terms, dx_terms, dw_terms] =
            [taps * shape.in_channels, taps * shape.out_channels, shape.y_len() / shape.out_channels]
                .map(|terms| (terms as f64).sqrt());
        let mut expected = naive::conv2d_forward(shape, &x, &w, &bias);
        if has_relu(shape) {
            expected.iter_mut().for_each(|y| *y = y.max(0.0));
        }
        assert_close_sums("y", &y, &expected, y_terms);
        assert_close_sums("dx", &dx, &naive::conv2d_input_grad(shape, &dy, &w), dx_terms);
        assert_close_sums("dw", &dw, &naive::conv2d_weight_grad(shape, &x, &dy), dw_terms);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn kernels_agree_with_their_naive_twins(shape in shapes()) {
            check(&shape);
        }

        #[test]
        fn products_of_bf16_agree_with_their_naive_twins(shape in shapes()) {
            check_bf16(&shape);
        }

        #[test]
        fn fewer_multiplications_give_the_same(shape in winograd_shapes()) {
            check(&shape);
        }

        #[test]
        fn small_images_agree_with_their_naive_twins(shape in shapes_of_small_images()) {
            check(&shape);
            check_bf16(&shape);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn convolutions_by_lines_agree_with_their_naive_twins(shape in shapes_of_lines()) {
            check_bf16(&shape);
        }
    }

    /// Many images of few pixels.
    fn shapes_of_small_images() -> impl Strategy<Value = ConvShape> {
        let channels = || prop::sample::select(vec![1, 5, 16, 33, 150]);
        let axis = || (1..=4usize, 1..=5usize, 1..=3usize, 0..=3usize);
        (32..=37usize, channels(), channels(), axis(), axis()).prop_map(|(images, inputs, outputs, y, x)| {
            let size = |(size, kernel, _, padding): (usize, usize, usize, usize)| {
                size.max(kernel.saturating_sub(2 * padding))
            };
            let window = Window { kernel: [y.1, x.1], stride: [y.2, x.2], padding: [y.3, x.3] };
            ConvShape::new([images, size(y), size(x), inputs], outputs, window).unwrap()
        })
    }

    /// Shapes that are computed with fewer multiplications.
    fn winograd_shapes() -> impl Strategy<Value = ConvShape> {
        let channels = || prop::sample::select(vec![16, 32, 48]);
        (1..=6usize, 2..=13usize, 2..=13usize, channels(), channels(), 0..=2usize, 0..=3usize).prop_map(
            |(images, height, width, inputs, outputs, padding_y, padding_x)| {
                let window = Window { kernel: [3, 3], stride: [1, 1], padding: [padding_y, padding_x] };
                ConvShape::new([images, height + 2, width + 2, inputs], outputs, window).unwrap()
            },
        )
    }

    /// Shapes that cross every threshold: several blocks, kernel rows on their own, tiles of each kind, parts.
    fn large_shapes() -> Vec<ConvShape> {
        let conv = |x, out, window| ConvShape::new(x, out, window).unwrap();
        vec![
            conv([3, 40, 37, 3], 20, Window::square(7, 2, 3)),
            conv([2, 56, 40, 8], 12, Window::square(3, 2, 1)),
            conv([9, 4, 4, 160], 130, Window::square(3, 1, 1)),
            conv([5, 5, 5, 600], 120, Window::square(3, 2, 1)),
            conv([2, 33, 33, 300], 256, Window::square(1, 1, 0)),
            conv([2, 33, 33, 24], 40, Window::square(1, 2, 0)),
            conv([20, 16, 16, 8], 8, Window::square(3, 1, 1)),
            conv([33, 9, 9, 32], 16, Window::square(3, 1, 1)),
            conv([70, 4, 4, 160], 144, Window::square(3, 1, 1)),
            conv([130, 2, 4, 16], 32, Window::square(3, 1, 1)),
            conv([2, 41, 70, 16], 32, Window::square(3, 1, 1)),
            conv([5, 26, 26, 240], 16, Window::square(3, 1, 1)),
            conv([300, 1, 1, 160], 144, Window::square(3, 1, 1)),
            conv([300, 2, 2, 48], 64, Window::square(3, 1, 1)),
            conv([37, 4, 4, 40], 300, Window::square(3, 2, 1)),
            // Patches that lie in lines: whole tiles of them, an odd number, overlapping ones, kernel rows on their own.
            conv([3, 7, 32, 32], 64, Window::square(3, 1, 1)),
            conv([1, 17, 16, 32], 32, Window { kernel: [3, 5], stride: [1, 1], padding: [1, 2] }),
            conv([2, 9, 23, 64], 32, Window::square(3, 1, 1)),
            conv([1, 5, 16, 160], 160, Window::square(3, 1, 1)),
            conv([2, 40, 41, 32], 64, Window::square(3, 2, 1)),
            // Several images in a band, several bands of an image, few of the last; pairs that begin with an odd pixel.
            conv([37, 8, 8, 96], 64, Window::square(3, 1, 1)),
            conv([21, 14, 13, 64], 160, Window::square(3, 1, 1)),
            conv([3, 90, 61, 64], 32, Window::square(3, 1, 1)),
            conv([19, 12, 12, 64], 96, Window::square(1, 1, 0)),
            conv([2, 30, 33, 128], 64, Window { kernel: [2, 3], stride: [1, 1], padding: [0, 0] }),
            conv([3, 3, 300, 32], 32, Window { kernel: [3, 4], stride: [1, 1], padding: [2, 0] }),
            conv([2, 8, 9, 512], 256, Window::square(3, 1, 1)),
            conv([2, 6, 5, 3], 4, Window { kernel: [3, 2], stride: [usize::MAX, 100], padding: [1, 2] }),
        ]
    }

    #[test]
    fn large_shapes_agree_with_their_naive_twins() {
        for shape in large_shapes() {
            check(&shape);
            check_bf16(&shape);
        }
    }

    #[test]
    fn the_gradient_of_the_bias_is_the_sum_of_the_rows() {
        for (rows, channels) in [(1, 1), (3, 5), (3000, 33)] {
            let dy = rounded(Precision::Bf16, &numbers(1, rows * channels));
            let sums = same_for_any_threads(|| {
                let mut db = vec![f32::NAN; channels];
                bias_grad(&dy, &mut db);
                db
            });
            let mut ours = vec![f32::NAN; channels];
            bias_grad(&nearest::<Bf16>(&dy), &mut ours);
            assert_eq!(ours, sums, "in bf16");
            for (c, sum) in sums.iter().enumerate() {
                let expected: f64 = dy.iter().skip(c).step_by(channels).map(|&x| f64::from(x)).sum();
                assert!(
                    (f64::from(*sum) - expected).abs() < 1e-3,
                    "channel {c} of {channels}: {sum}, {expected}"
                );
            }
        }
    }

    #[test]
    fn results_do_not_depend_on_the_number_of_threads() {
        for shape in large_shapes() {
            same_for_any_threads(|| all(&shape).concat());
            same_for_any_threads(|| all_in::<Bf16>(&shape).concat());
        }
    }

    #[test]
    fn without_bias_the_bias_is_zero() {
        let shape = ConvShape::new([2, 5, 6, 3], 4, Window::square(3, 1, 1)).unwrap();
        let [x, w, ..] = arrays(&shape);
        let mut y = [0, 1].map(|_| vec![f32::NAN; shape.y_len()]);
        let [with_zeros, without] = &mut y;
        conv2d_forward(&shape, &x, &w, Epilogue { bias: Some(&[0.0; 4]), relu: false }, with_zeros);
        conv2d_forward(&shape, &x, &w, Epilogue::default(), without);
        assert_eq!(with_zeros, without);
    }

    #[test]
    #[should_panic(expected = "x has 3 elements; its shape has 4")]
    fn a_wrong_length_stops_the_call() {
        let shape = ConvShape::new([1, 2, 2, 1], 1, Window::square(1, 1, 0)).unwrap();
        conv2d_forward(&shape, &[0.0; 3], &[0.0], Epilogue::default(), &mut [0.0; 4]);
    }
}
