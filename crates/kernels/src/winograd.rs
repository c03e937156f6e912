//! Winograd's minimal filtering: 3x3 convolutions with stride 1 in 2.25 times fewer multiplications.
//!
//! Lavin and Gray, "Fast algorithms for convolutional neural networks", CVPR 2016, equation 8 with F(2x2, 3x3): a tile
//! of 2x2 outputs for one pair of channels is
//!
//! ```text
//! Y = A^T [ (G g G^T) * (B^T d B) ] A
//! ```
//!
//! with the 3x3 kernel `g`, 4x4 input pixels `d` and `*` element by element. Summed over input channels, each of the 16
//! elements is one matrix product over all tiles. The kernel's gradient follows from the same identity: `dg = G^T [ (A dY
//! A^T) * (B^T d B) ] G`, summed over tiles.
//!
//! The transforms only add, subtract and halve, so the rounding error is at most about twice that of the plain sum.
//! Larger tiles save more multiplications (F(4x4, 3x3): 4 times) but round about ten times worse, and were measured to
//! be little faster on 64 and 128 channels.

use std::ops::{Add, Mul, Neg, Range, Sub};

use multiversion::multiversion;
use rayon::prelude::*;

use crate::ahead::{Ahead, behind, region_of};
use crate::epilogue::{Epilogue, at_least};
use crate::matrix::{LANES, Panels, Rows, Target, multiply, multiply_transposed, place};
use crate::parallel::{add_parts, with_buffer};
use crate::patches::Patches;

/// Outputs of a tile along one axis.
const OUT: usize = 2;
/// Inputs of a tile along one axis.
const IN: usize = 4;
/// Elements of a transformed tile.
const ELEMENTS: usize = IN * IN;
/// Fewer tiles than this are not worth the transforms of the weights.
const MIN_TILES: usize = 256;
/// Blocks wanted for one convolution, so that threads can share the work.
const MIN_BLOCKS: usize = 8;
/// Tiles that a task transforms at a time for a weight gradient, and how often before their products are added to it: from
/// one thread's second-level cache to the other's.
const SUMMED_TILES: usize = 64;
const CHUNK_BLOCKS: usize = 4;
/// Sums of a weight gradient that stay in the second-level cache, beside [`BLOCK_NUMBERS`] of transformed tiles.
const MAX_SUMS: usize = 256 * 1024;
const BLOCK_NUMBERS: usize = 192 * 1024;
/// Parts of such a weight gradient wanted, so that threads can share the work.
const MIN_PARTS: usize = 16;

/// Some channels of one pixel or transformed element.
#[derive(Clone, Copy)]
struct Lanes([f32; LANES]);

/// The algorithm in one dimension: the products of its matrices with a vector.
mod one_way {
    use super::{IN, Lanes, OUT};

    /// `B^T d` of the inputs.
    #[inline(always)]
    pub fn input([d0, d1, d2, d3]: [Lanes; IN]) -> [Lanes; IN] {
        [d0 - d2, d1 + d2, d2 - d1, d1 - d3]
    }

    /// `A^T m` of the products.
    #[inline(always)]
    pub fn output([m0, m1, m2, m3]: [Lanes; IN]) -> [Lanes; OUT] {
        [m0 + m1 + m2, m1 - m2 - m3]
    }

    /// `A y` of the outputs' gradient.
    #[inline(always)]
    pub fn gradient([y0, y1]: [Lanes; OUT]) -> [Lanes; IN] {
        [y0, y0 + y1, y0 - y1, -y1]
    }

    /// `G g` of the kernel.
    #[inline(always)]
    pub fn kernel([g0, g1, g2]: [Lanes; 3]) -> [Lanes; IN] {
        let (even, odd) = ((g0 + g2) * 0.5, g1 * 0.5);
        [g0, even + odd, even - odd, g2]
    }

    /// `G^T s` of the kernel's gradient.
    #[inline(always)]
    pub fn kernel_gradient([s0, s1, s2, s3]: [Lanes; IN]) -> [Lanes; 3] {
        let (even, odd) = ((s1 + s2) * 0.5, (s1 - s2) * 0.5);
        [s0 + even, odd, even + s3]
    }
}

/// Multiplications for an output of the given size, for each pair of channels.
pub(crate) fn multiplications(output: [usize; 2]) -> usize {
    let [rows, columns] = tiles(output);
    ELEMENTS.saturating_mul(rows).saturating_mul(columns)
}

/// Rows and columns of tiles.
fn tiles(output: [usize; 2]) -> [usize; 2] {
    output.map(|size| size.div_ceil(OUT))
}

/// A convolution cut into tiles.
pub(crate) struct Winograd<'a> {
    patches: &'a Patches,
    /// Output channels.
    columns: usize,
    /// Rows and columns of tiles in an image.
    tiles: [usize; 2],
}

/// A tile's place.
struct Tile {
    /// The output line, counted over all images, and column of its first pixel.
    first: [usize; 2],
    /// How many of its lines and columns lie in the image.
    size: [usize; 2],
    image: usize,
    /// The input line and column, in its image, of its first pixel.
    input: [isize; 2],
}

impl<'a> Winograd<'a> {
    /// The product of the patch matrix with `columns` columns of weights, if this is the way to compute it: patches of
    /// 3x3 neighbouring pixels one pixel apart, whole lanes of channels, many tiles, and at least a quarter of the
    /// multiplications saved in spite of tiles that overlap the border. For single precision alone, as bf16 would be rounded
    /// anew after each transform.
    pub fn of(patches: &'a Patches, columns: usize) -> Option<Winograd<'a>> {
        let tiles = tiles(patches.grid);
        let plain = 9 * patches.grid[0] * patches.grid[1];
        let applies = patches.size == [3, 3]
            && patches.step == [1, 1]
            && patches.channels.is_multiple_of(LANES)
            && columns.is_multiple_of(LANES)
            && patches.images * tiles[0] * tiles[1] >= MIN_TILES
            && multiplications(patches.grid) <= plain / 4 * 3;
        applies.then_some(Winograd { patches, columns, tiles })
    }

    /// The product of the patch matrix and `weight` `[3, 3, channels, columns]`.
    pub fn multiply(&self, source: &[f32], weight: &[f32], epilogue: Epilogue, out: &mut [f32]) {
        let (channels, columns) = (self.patches.channels, self.columns);
        let pairs = channels * columns;
        with_buffer(ELEMENTS * pairs, |transformed| {
            transformed.par_chunks_mut(IN * pairs).enumerate().for_each(|(row, transformed)| {
                transform_weight(weight, row, columns, transformed);
            });
            let weight = &*transformed;
            let [height, width] = self.patches.grid;
            let line_len = width * columns;
            // A block is some whole images, or a band of one.
            let images = (self.block_tiles() / (self.tiles[0] * self.tiles[1])).max(1);
            let band = if images > 1 {
                images * height
            } else {
                height.min((self.block_tiles() / self.tiles[1]).max(1) * OUT)
            };
            out.par_chunks_mut(images * height * line_len).enumerate().for_each(|(group, out)| {
                out.par_chunks_mut(band * line_len).enumerate().for_each(|(i, out)| {
                    let first = group * images * height + i * band;
                    let lines = first..first + out.len() / line_len;
                    self.multiply_block(source, weight, epilogue, lines, out);
                });
            });
        });
    }

    /// The weight's gradient `[3, 3, channels, columns]` from the source and the output's gradient.
    pub fn weight_grad(&self, source: &[f32], dy: &[f32], dw: &mut [f32]) {
        let pairs = self.patches.channels * self.columns;
        with_buffer(ELEMENTS * pairs, |sums| {
            if sums.len() <= MAX_SUMS {
                self.sum_by_tiles(source, dy, sums);
            } else {
                self.sum_by_elements(source, dy, sums);
            }
            dw.par_chunks_mut(3 * pairs).enumerate().for_each(|(row, dw)| {
                transform_weight_gradient(sums, row, dw);
            });
        });
    }

    /// The sums over all tiles of each element: a task has some of the tiles, which stay where it transforms them.
    fn sum_by_tiles(&self, source: &[f32], dy: &[f32], sums: &mut [f32]) {
        let tiles = self.all_tiles();
        let block = BLOCK_NUMBERS / (ELEMENTS * (self.patches.channels + self.columns));
        let part = tiles.div_ceil(MIN_PARTS).next_multiple_of(block);
        let len = sums.len();
        with_buffer(tiles.div_ceil(part) * len, |parts: &mut [f32]| {
            parts.par_chunks_exact_mut(len).enumerate().for_each(|(i, sums)| {
                let tiles = i * part..tiles.min((i + 1) * part);
                for start in tiles.clone().step_by(block) {
                    let target = if start == tiles.start { Target::Overwrite } else { Target::Add };
                    self.add_tiles(source, dy, start..tiles.end.min(start + block), sums, target);
                }
            });
            add_parts(parts, sums);
        });
    }

    /// Sets the sums, or adds to them, the products of some tiles.
    fn add_tiles(&self, source: &[f32], dy: &[f32], tiles: Range<usize>, sums: &mut [f32], target: Target) {
        let (channels, columns, count) = (self.patches.channels, self.columns, tiles.len());
        let (input_len, gradient_len) = (spread(count * channels), spread(count * columns));
        let mut ahead = Ahead::new([source, dy].map(|map| behind(map, tiles.clone(), self.all_tiles())));
        with_buffer(ELEMENTS * (input_len + gradient_len), |buffer| {
            let (inputs, gradients) = buffer.split_at_mut(ELEMENTS * input_len);
            self.transform([source, dy], tiles, [inputs, gradients], [input_len, gradient_len]);
            let parts = inputs.chunks_exact(input_len).zip(gradients.chunks_exact(gradient_len));
            for (sum, parts) in sums.chunks_exact_mut(channels * columns).zip(parts) {
                self.add_element(count, parts, sum, target, &mut ahead);
            }
        });
    }

    /// Writes what both operands become, in panels, their elements so many numbers apart.
    fn transform(
        &self,
        [source, dy]: [&[f32]; 2],
        tiles: Range<usize>,
        [inputs, gradients]: [&mut [f32]; 2],
        [input_len, gradient_len]: [usize; 2],
    ) {
        let count = tiles.len();
        let place = |t: usize, channel: usize| place(count, t, channel);
        transform_inputs(self, source, tiles.clone(), inputs, input_len, place);
        transform_gradients(self, dy, tiles, gradients, gradient_len);
    }

    /// Adds the product of an element of some transformed tiles to its sum.
    fn add_element(
        &self,
        tiles: usize,
        (inputs, gradients): (&[f32], &[f32]),
        sum: &mut [f32],
        target: Target,
        ahead: &mut Ahead,
    ) {
        let (channels, columns) = (self.patches.channels, self.columns);
        let inputs = Panels::<f32>::new(&inputs[..tiles * channels], tiles, channels);
        let gradients = Panels::new(&gradients[..tiles * columns], tiles, columns);
        multiply_transposed(sum, target, inputs, gradients, ahead);
    }

    /// [`Winograd::sum_by_tiles`] where the sums are many: a task has one of the elements, of tiles that all have transformed.
    fn sum_by_elements(&self, source: &[f32], dy: &[f32], sums: &mut [f32]) {
        let (channels, columns) = (self.patches.channels, self.columns);
        let (tiles, block) = (self.all_tiles(), SUMMED_TILES);
        let blocks = CHUNK_BLOCKS.min(tiles.div_ceil(block));
        let (input_len, gradient_len) = (spread(block * channels), spread(block * columns));
        let (inputs_len, gradients_len) = (ELEMENTS * input_len, ELEMENTS * gradient_len);
        with_buffer(blocks * (inputs_len + gradients_len), |buffer| {
            let (inputs, gradients) = buffer.split_at_mut(blocks * inputs_len);
            for start in (0..tiles).step_by(blocks * block) {
                let tiles_of =
                    |i: usize| (start + i * block).min(tiles)..(start + (i + 1) * block).min(tiles);
                let parts = inputs.par_chunks_mut(inputs_len).zip(gradients.par_chunks_mut(gradients_len));
                parts.enumerate().for_each(|(i, (inputs, gradients))| {
                    self.transform([source, dy], tiles_of(i), [inputs, gradients], [input_len, gradient_len]);
                });
                sums.par_chunks_mut(channels * columns).enumerate().for_each(|(element, sum)| {
                    for i in 0..blocks {
                        let count = tiles_of(i).len();
                        if count == 0 {
                            break;
                        }
                        let inputs = &inputs[i * inputs_len + element * input_len..];
                        let gradients = &gradients[i * gradients_len + element * gradient_len..];
                        let target = if start + i == 0 { Target::Overwrite } else { Target::Add };
                        self.add_element(count, (inputs, gradients), sum, target, &mut Ahead::nothing());
                    }
                });
            }
        });
    }

    fn all_tiles(&self) -> usize {
        self.patches.images * self.tiles[0] * self.tiles[1]
    }

    /// Tiles worked on at a time: enough for a fast product, few enough to share the work; a function of the shape alone.
    fn block_tiles(&self) -> usize {
        (self.all_tiles() / MIN_BLOCKS).clamp(30, 126)
    }

    /// Computes some output lines (counted over all images) that hold whole tiles.
    fn multiply_block(
        &self,
        source: &[f32],
        weight: &[f32],
        epilogue: Epilogue,
        lines: Range<usize>,
        out: &mut [f32],
    ) {
        let (channels, columns, height) = (self.patches.channels, self.columns, self.patches.grid[0]);
        let tile_at =
            |line: usize| (line / height * self.tiles[0] + (line % height).div_ceil(OUT)) * self.tiles[1];
        let tiles = tile_at(lines.start)..tile_at(lines.end);
        let count = tiles.len();
        let (input_len, product_len) = (count * channels, count * columns);
        let mut ahead = Ahead::new([region_of(out), behind(source, lines, self.patches.images * height)]);
        with_buffer(ELEMENTS * spread(input_len), |inputs| {
            let place = |t: usize, channel: usize| t * channels + channel;
            transform_inputs(self, source, tiles.clone(), inputs, spread(input_len), place);
            with_buffer(ELEMENTS * spread(product_len), |products| {
                let parts = products
                    .chunks_exact_mut(spread(product_len))
                    .zip(inputs.chunks_exact(spread(input_len)))
                    .zip(weight.chunks_exact(channels * columns));
                for ((product, input), weight) in parts {
                    let input = Rows::new(&input[..input_len], channels);
                    let weight = Panels::new(weight, channels, columns);
                    let product = &mut product[..product_len];
                    multiply(product, Target::Overwrite, input, weight, &mut ahead);
                }
                transform_products(self, products, epilogue, tiles, out);
            });
        });
    }

    #[inline(always)]
    fn tile(&self, index: usize) -> Tile {
        let (row, x) = (index / self.tiles[1], index % self.tiles[1]);
        let (image, y) = (row / self.tiles[0], row % self.tiles[0]);
        let place = [y * OUT, x * OUT];
        Tile {
            first: [image * self.patches.grid[0] + place[0], place[1]],
            size: [0, 1].map(|axis| OUT.min(self.patches.grid[axis] - place[axis])),
            image,
            input: [0, 1].map(|axis| place[axis] as isize + self.patches.first[axis]),
        }
    }
}

/// `B^T d B` of each tile: the elements follow each other every `element_len` numbers, and inside an element `place`
/// says where the lanes of a tile and channel begin.
#[multiversion(targets("x86_64+avx512f", "x86_64+avx2+fma"))]
fn transform_inputs(
    of: &Winograd,
    source: &[f32],
    tiles: Range<usize>,
    out: &mut [f32],
    element_len: usize,
    place: impl Fn(usize, usize) -> usize,
) {
    let (channels, [height, width]) = (of.patches.channels, of.patches.image);
    for (t, tile) in tiles.enumerate() {
        let Tile { image, input: [top, left], .. } = of.tile(tile);
        let (rows, columns) = (inside(top, height), inside(left, width));
        for channel in (0..channels).step_by(LANES) {
            let at = place(t, channel);
            let load = |i: usize, j: usize| {
                if !rows.contains(&i) || !columns.contains(&j) {
                    return Lanes::ZERO;
                }
                let line = (image * height + (top + i as isize) as usize) * width;
                Lanes::load(source, (line + (left + j as isize) as usize) * channels + channel)
            };
            both_ways(load, one_way::input, |element, value| value.store(out, element * element_len + at));
        }
    }
}

/// Numbers from one element of the tiles to the next, so that their beginnings do not compete for the same few places of
/// the first-level cache.
fn spread(len: usize) -> usize {
    len + LANES
}

/// The offsets below `IN` that from `first` on lie in `0..size`.
#[inline(always)]
fn inside(first: isize, size: usize) -> Range<usize> {
    let clipped = |offset: isize| offset.clamp(0, IN as isize) as usize;
    clipped(-first)..clipped(size as isize - first)
}

/// `A^T m A` of each tile to its pixels in `out`, which starts at the first tile's line.
#[multiversion(targets("x86_64+avx512f", "x86_64+avx2+fma"))]
fn transform_products(
    of: &Winograd,
    products: &[f32],
    epilogue: Epilogue,
    tiles: Range<usize>,
    out: &mut [f32],
) {
    let (columns, width) = (of.columns, of.patches.grid[1]);
    let element_len = spread(tiles.len() * columns);
    let first_line = of.tile(tiles.start).first[0];
    let floor = epilogue.floor();
    for (t, tile) in tiles.enumerate() {
        let Tile { first: [line, left], size, .. } = of.tile(tile);
        for column in (0..columns).step_by(LANES) {
            let at = t * columns + column;
            let load = |i: usize, j: usize| Lanes::load(products, (i * IN + j) * element_len + at);
            let bias = epilogue.bias.map_or(Lanes::ZERO, |bias| Lanes::load(bias, column));
            both_ways(load, one_way::output, |element, y| {
                let (i, j) = (element / OUT, element % OUT);
                if i < size[0] && j < size[1] {
                    let pixel = (line - first_line + i) * width + left + j;
                    (y + bias).at_least(floor).store(out, pixel * columns + column);
                }
            });
        }
    }
}

/// `A dY A^T` of each tile, in panels: the elements follow each other every `element_len` numbers.
#[multiversion(targets("x86_64+avx512f", "x86_64+avx2+fma"))]
fn transform_gradients(of: &Winograd, dy: &[f32], tiles: Range<usize>, out: &mut [f32], element_len: usize) {
    let (columns, width, count) = (of.columns, of.patches.grid[1], tiles.len());
    for (t, tile) in tiles.enumerate() {
        let Tile { first: [line, left], size, .. } = of.tile(tile);
        for column in (0..columns).step_by(LANES) {
            let at = place(count, t, column);
            let load = |i: usize, j: usize| {
                if i >= size[0] || j >= size[1] {
                    return Lanes::ZERO;
                }
                Lanes::load(dy, ((line + i) * width + left + j) * columns + column)
            };
            both_ways(load, one_way::gradient, |element, value| value.store(out, element * element_len + at));
        }
    }
}

/// One row of `G g G^T` for each pair of channels, in panels: `[IN, columns / LANES, channels, LANES]`.
#[multiversion(targets("x86_64+avx512f", "x86_64+avx2+fma"))]
fn transform_weight(weight: &[f32], row: usize, columns: usize, out: &mut [f32]) {
    let pairs = out.len() / IN;
    let channels = pairs / columns;
    for at in (0..pairs).step_by(LANES) {
        let (channel, column) = (at / columns, at % columns);
        let line = [0, 1, 2]
            .map(|b| one_way::kernel([0, 1, 2].map(|a| Lanes::load(weight, (a * 3 + b) * pairs + at)))[row]);
        for (j, value) in one_way::kernel(line).into_iter().enumerate() {
            value.store(out, j * pairs + place(channels, channel, column));
        }
    }
}

/// One row of `G^T s G` for each pair of channels: `[3, channels, columns]`.
#[multiversion(targets("x86_64+avx512f", "x86_64+avx2+fma"))]
fn transform_weight_gradient(sums: &[f32], row: usize, out: &mut [f32]) {
    let pairs = out.len() / 3;
    for at in (0..pairs).step_by(LANES) {
        let line = [0, 1, 2, 3].map(|j| {
            let column = [0, 1, 2, 3].map(|i| Lanes::load(sums, (i * IN + j) * pairs + at));
            one_way::kernel_gradient(column)[row]
        });
        for (b, value) in one_way::kernel_gradient(line).into_iter().enumerate() {
            value.store(out, b * pairs + at);
        }
    }
}

/// Transforms the columns and then the rows of an `N` x `N` tile to `R` x `R` elements, which go to `store` one by one.
#[inline(always)]
#[expect(
    clippy::needless_range_loop,
    reason = "adapters are not always inlined, and then lack the vector instructions"
)]
fn both_ways<const N: usize, const R: usize>(
    load: impl Fn(usize, usize) -> Lanes,
    one_way: impl Fn([Lanes; N]) -> [Lanes; R],
    mut store: impl FnMut(usize, Lanes),
) {
    let mut half = [[Lanes::ZERO; N]; R];
    for j in 0..N {
        let mut column = [Lanes::ZERO; N];
        for i in 0..N {
            column[i] = load(i, j);
        }
        let column = one_way(column);
        for i in 0..R {
            half[i][j] = column[i];
        }
    }
    for i in 0..R {
        let row = one_way(half[i]);
        for j in 0..R {
            store(i * R + j, row[j]);
        }
    }
}

impl Lanes {
    const ZERO: Lanes = Lanes([0.0; LANES]);

    #[inline(always)]
    fn load(values: &[f32], at: usize) -> Lanes {
        let mut lanes = Lanes::ZERO;
        lanes.0.copy_from_slice(&values[at..at + LANES]);
        lanes
    }

    #[inline(always)]
    fn store(self, values: &mut [f32], at: usize) {
        values[at..at + LANES].copy_from_slice(&self.0);
    }

    #[inline(always)]
    fn at_least(mut self, floor: f32) -> Lanes {
        self.0.iter_mut().for_each(|x| *x = at_least(floor, *x));
        self
    }

    #[inline(always)]
    fn zip(self, other: Lanes, f: impl Fn(f32, f32) -> f32) -> Lanes {
        let mut out = self;
        for (out, other) in out.0.iter_mut().zip(other.0) {
            *out = f(*out, other);
        }
        out
    }
}

impl Add for Lanes {
    type Output = Lanes;

    #[inline(always)]
    fn add(self, other: Lanes) -> Lanes {
        self.zip(other, |a, b| a + b)
    }
}

impl Sub for Lanes {
    type Output = Lanes;

    #[inline(always)]
    fn sub(self, other: Lanes) -> Lanes {
        self.zip(other, |a, b| a - b)
    }
}

impl Neg for Lanes {
    type Output = Lanes;

    #[inline(always)]
    fn neg(self) -> Lanes {
        Lanes::ZERO - self
    }
}

impl Mul<f32> for Lanes {
    type Output = Lanes;

    #[inline(always)]
    fn mul(self, factor: f32) -> Lanes {
        self.zip(self, |a, _| a * factor)
    }
}
