//! Matrix products of bf16 numbers by AMX, a unit of Intel's processors that multiplies whole tiles.
//!
//! A tile is a register of at most 16 rows of 64 bytes. One instruction adds to a tile of 16 x 16 sums the products of 16 rows
//! of 16 words (pairs of bf16 numbers) with 16 lines of 16 words: 8,192 multiply-adds. Panels are such lines, and rows of
//! words such rows, so both are read where they lie.
//!
//! Four tiles of sums, two of the left operand and two panels are worked on at a time, all eight that there are.

use std::arch::asm;
use std::arch::x86_64::{
    __cpuid, __cpuid_count, __m512i, _mm512_shuffle_i32x4, _mm512_unpackhi_epi32, _mm512_unpackhi_epi64,
    _mm512_unpacklo_epi32, _mm512_unpacklo_epi64,
};
use std::array::from_fn;
use std::ops::Range;
use std::sync::LazyLock;

use half::bf16 as Bf16;
use pulp::cast;

use crate::ahead::Ahead;
use crate::matrix::{LANES, Number, Panels, Product, Target, place};
use crate::parallel::with_buffer;
use crate::tiles::{BLOCK, LeftRows, MAX_STEPS, SIDE, stretch_of};

/// Whether the processor has the unit, be it that the system lets nobody use it.
pub(crate) fn processor_has() -> bool {
    const BF16: u32 = 1 << 22;
    const TILE: u32 = 1 << 24;
    __cpuid(0).eax >= 7 && __cpuid_count(7, 0).edx & (BF16 | TILE) == BF16 | TILE
}

/// Whether this process may use the unit: Linux hands it out on request, once for all threads.
pub(crate) fn available() -> bool {
    #[cfg(target_os = "linux")]
    fn granted() -> bool {
        const ARCH_REQ_XCOMP_PERM: libc::c_long = 0x1023;
        const TILE_DATA: libc::c_long = 18;
        // SAFETY: the request takes a number and touches no memory of ours.
        #[expect(unsafe_code)]
        let answer = unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, TILE_DATA) };
        answer == 0
    }
    #[cfg(not(target_os = "linux"))]
    fn granted() -> bool {
        false
    }
    static AVAILABLE: LazyLock<bool> =
        LazyLock::new(|| std::arch::is_x86_feature_detected!("avx512f") && processor_has() && granted());
    *AVAILABLE
}

/// Bytes fetched in a step along the depth: eight lines.
const FETCHED: usize = 512;

/// A proof that this process may use the unit.
#[derive(Clone, Copy)]
pub(crate) struct Tiles(());

/// The sizes of the eight tiles, as the processor reads them.
#[repr(C, align(64))]
struct Configuration {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

impl Configuration {
    /// Sums in tiles 0 to 3, left operands in 4 and 5, of `first` and `second` rows; panels in 6 and 7.
    fn new(first: usize, second: usize) -> Configuration {
        let (first, second, all) = (first as u8, second as u8, SIDE as u8);
        let mut configuration =
            Configuration { palette: 1, start_row: 0, reserved: [0; 14], row_bytes: [0; 16], rows: [0; 16] };
        configuration.rows[..8].copy_from_slice(&[first, first, second, second, first, second, all, all]);
        configuration.row_bytes[..8].fill(64);
        configuration
    }
}

/// How to walk along the depth of a left operand, a tile's row of words after the other.
#[derive(Clone, Copy)]
struct Walk<'a> {
    /// Bytes from each row of words to the next; what the last says is walked, but not read.
    steps: &'a [usize],
    /// Words from the first to the end of the last.
    reach: usize,
}

impl Walk<'_> {
    fn new(steps: &[usize]) -> Walk<'_> {
        let between = &steps[..steps.len() - 1];
        Walk { steps, reach: between.iter().sum::<usize>() / size_of::<u32>() + SIDE }
    }

    /// Straight on, `depth` words.
    fn straight(depth: usize) -> Walk<'static> {
        static STEPS: [usize; MAX_STEPS] = [SIDE * size_of::<u32>(); MAX_STEPS];
        Walk::new(&STEPS[..depth / SIDE])
    }
}

/// Two tiles' rows of the left operand.
#[derive(Clone, Copy)]
struct Pair<'a> {
    words: &'a [u32],
    /// Words from one row to the next.
    stride: usize,
    /// Where the two begin, and how many rows each has.
    starts: [usize; 2],
    rows: [usize; 2],
    walk: Walk<'a>,
}

/// Where the sums of a pair go: two places in the result.
struct Sums<'a> {
    out: &'a mut [f32],
    /// From one row to the next.
    stride: usize,
    places: [usize; 2],
    target: Target,
}

impl Tiles {
    /// `None` where the unit is missing or refused.
    pub fn available() -> Option<Tiles> {
        available().then_some(Tiles(()))
    }

    /// Computes a product.
    pub fn run(self, mut product: Product<'_, Bf16>) {
        let all = product.left.depth;
        let step = stretch_of(all / SIDE) * SIDE;
        for start in (0..all).step_by(step) {
            let depth = start..all.min(start + step);
            let rows = product.left.rows;
            let whole = rows - rows % BLOCK;
            for (part, block) in [(0..whole, BLOCK), (whole..rows, rows - whole)] {
                if !part.is_empty() {
                    self.configure(rows_of_pair(block));
                    self.add_rows(&mut product, part, depth.clone());
                }
            }
            product.target = Target::Add;
        }
        self.release();
    }

    /// Sets `out`, or adds to it, the products of tiles of the left operand with two panels: for each of `starts`, the word at
    /// which a tile's first row begins, 16 rows of 32 numbers.
    pub fn multiply_tiles(
        self,
        left: LeftRows<'_>,
        starts: &[usize],
        right: [&[u32]; 2],
        out: &mut [f32],
        target: Target,
        ahead: &mut Ahead,
    ) {
        self.configure([SIDE; 2]);
        let LeftRows { words, stride, steps } = left;
        let walk = Walk::new(steps);
        for first in (0..starts.len()).step_by(2) {
            // A last tile without a partner is multiplied twice, and written twice with the same sums.
            let tiles = [first, (first + 1).min(starts.len() - 1)];
            let left = Pair { words, stride, starts: tiles.map(|tile| starts[tile]), rows: [SIDE; 2], walk };
            let places = tiles.map(|tile| tile * SIDE * BLOCK);
            let fetched = ahead.next(steps.len() * FETCHED);
            self.multiply(left, right, Sums { out, stride: BLOCK, places, target }, fetched);
        }
        self.release();
    }

    /// Sets `out`, `[rows, right.columns]`, or adds to it, the products of the left operand's rows from word `start` on with
    /// panels. Both sizes are multiples of 32.
    pub fn multiply_rows(
        self,
        left: LeftRows<'_>,
        mut start: usize,
        right: Panels<Bf16>,
        out: &mut [f32],
        mut target: Target,
        ahead: &mut Ahead,
    ) {
        self.configure([SIDE; 2]);
        let LeftRows { words, stride, steps } = left;
        let (columns, mut depth) = (right.columns, 0);
        for steps in steps.chunks(stretch_of(steps.len())) {
            let (walk, end) = (Walk::new(steps), depth + steps.len() * SIDE);
            for row in (0..out.len() / columns).step_by(BLOCK) {
                let starts = [row, row + SIDE].map(|row| start + row * stride);
                let left = Pair { words, stride, starts, rows: [SIDE; 2], walk };
                for column in (0..columns).step_by(BLOCK) {
                    let right = [column, column + LANES].map(|column| right.part(column, depth..end));
                    let places = [row, row + SIDE].map(|row| row * columns + column);
                    let fetched = ahead.next(steps.len() * FETCHED);
                    self.multiply(left, right, Sums { out, stride: columns, places, target }, fetched);
                }
            }
            start += steps.iter().sum::<usize>() / size_of::<u32>();
            (depth, target) = (end, Target::Add);
        }
        self.release();
    }

    /// Writes the pairs that neighbouring pixels, of `channels` numbers each, make: word `p` of row `c` of `out`, whose rows
    /// start every `stride` words, is channel `c` of the pixels `2 p` and `2 p + 1`. Channels and words are whole tiles.
    pub fn transpose_pixels(self, pixels: &[Bf16], channels: usize, out: &mut [u32], stride: usize) {
        assert!(channels > 0 && channels.is_multiple_of(SIDE));
        assert!(pixels.len().is_multiple_of(2 * SIDE * channels));
        assert!((channels - 1) * stride + pixels.len() / (2 * channels) <= out.len());
        // SAFETY: `available`, which alone makes a `Tiles`, has asked for AVX-512.
        #[expect(unsafe_code)]
        unsafe {
            transpose_pixels(pixels, channels, out, stride);
        }
    }

    /// Gives the unit's registers back.
    fn release(self) {
        // SAFETY: `available`, which alone makes a `Tiles`, has asked for the unit.
        #[expect(unsafe_code)]
        unsafe {
            asm!("tilerelease", options(nomem, nostack));
        }
    }

    /// Sets the tiles for pairs of so many rows.
    fn configure(self, [first, second]: [usize; 2]) {
        let configuration = Configuration::new(first, second);
        // SAFETY: as in `release`; the sizes are those that palette 1 allows.
        #[expect(unsafe_code)]
        unsafe {
            asm!("ldtilecfg [{}]", in(reg) &raw const configuration, options(readonly, nostack));
        }
    }

    /// Adds the products of some rows over a stretch of the depth.
    fn add_rows(self, product: &mut Product<'_, Bf16>, rows: Range<usize>, depth: Range<usize>) {
        let left = product.left;
        if !left.transposed {
            let words = &left.data[rows.start * left.stride + depth.start..];
            return self.add_strip(product, rows, depth, words, left.stride);
        }
        let stride = depth.len();
        with_buffer(rows.len().next_multiple_of(SIDE) * stride, |words| {
            for (i, words) in words.chunks_exact_mut(SIDE * stride).enumerate() {
                let lines = &left.data[place(left.depth, depth.start, rows.start + i * SIDE)..];
                for (p, lines) in lines.chunks_exact(SIDE * LANES).take(stride / SIDE).enumerate() {
                    self.transpose(lines, &mut words[p * SIDE..], stride);
                }
            }
            self.add_strip(product, rows, depth, words, stride);
        });
    }

    /// Adds the products of some rows, whose words over the stretch of the depth start every `stride` in `words`.
    fn add_strip(
        self,
        product: &mut Product<'_, Bf16>,
        rows: Range<usize>,
        depth: Range<usize>,
        words: &[u32],
        stride: usize,
    ) {
        let columns = product.right.columns;
        let walk = Walk::straight(depth.len());
        for column in (0..columns).step_by(BLOCK) {
            // A last panel without a partner is multiplied twice.
            let second = if column + LANES < columns { column + LANES } else { column };
            let right = [column, second].map(|column| product.right.part(column, depth.clone()));
            let width = BLOCK.min(columns - column);
            for row in (0..rows.len()).step_by(BLOCK) {
                let count = BLOCK.min(rows.len() - row);
                let start = row * stride;
                let starts = [start, if count > SIDE { start + SIDE * stride } else { start }];
                let left = Pair { words, stride, starts, rows: rows_of_pair(count), walk };
                let fetched = product.ahead.next(walk.steps.len() * FETCHED);
                let out = &mut product.out[(rows.start + row) * columns + column..];
                if count == BLOCK && width == BLOCK {
                    let places = [0, SIDE * columns];
                    self.multiply(
                        left,
                        right,
                        Sums { out, stride: columns, places, target: product.target },
                        fetched,
                    );
                    continue;
                }
                let mut sums = [0.0; BLOCK * BLOCK];
                let places = [0, SIDE * BLOCK];
                self.multiply(
                    left,
                    right,
                    Sums { out: &mut sums, stride: BLOCK, places, target: Target::Overwrite },
                    fetched,
                );
                for (out, sums) in out.chunks_mut(columns).zip(sums.chunks_exact(BLOCK)).take(count) {
                    for (out, &sum) in out[..width].iter_mut().zip(sums) {
                        *out = if product.target == Target::Add { *out + sum } else { sum };
                    }
                }
            }
        }
    }

    /// Sets or adds to the sums the products of a pair with two panels.
    fn multiply(self, left: Pair, right: [&[u32]; 2], sums: Sums, fetched: Option<*const u8>) {
        // If there is nothing to fetch, what is at hand: a step reads more of a panel than it fetches.
        let fetched = fetched.unwrap_or(right[0].as_ptr().cast());
        let steps = left.walk.steps.len();
        assert!(steps > 0 && right.iter().all(|panel| panel.len() == steps * SIDE * LANES));
        for i in 0..2 {
            assert!(left.starts[i] + (left.rows[i] - 1) * left.stride + left.walk.reach <= left.words.len());
            assert!(sums.places[i] + (left.rows[i] - 1) * sums.stride + BLOCK <= sums.out.len());
        }
        let [first, second] = left.starts.map(|at| left.words[at..].as_ptr());
        let [upper, lower] = sums.places.map(|at| sums.out[at..].as_mut_ptr());
        // SAFETY: as in `release`. All callers have configured the tiles for the rows of `left`, of which each is read as far as
        // `reach`, and as many rows of the sums are read and written; all lengths were checked above. To fetch is no access.
        #[expect(unsafe_code)]
        unsafe {
            asm!(
                "tilezero tmm0",
                "tilezero tmm1",
                "tilezero tmm2",
                "tilezero tmm3",
                "test {add:e}, {add:e}",
                "jz 2f",
                "tileloadd tmm0, [{upper} + {out_bytes}]",
                "tileloadd tmm1, [{upper} + {out_bytes} + 64]",
                "tileloadd tmm2, [{lower} + {out_bytes}]",
                "tileloadd tmm3, [{lower} + {out_bytes} + 64]",
                "2:",
                "tileloadd tmm4, [{first} + {left_bytes}]",
                "tileloadd tmm6, [{left_panel} + {line_bytes}]",
                "tileloadd tmm7, [{right_panel} + {line_bytes}]",
                "prefetcht1 [{fetched}]",
                "prefetcht1 [{fetched} + 64]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "prefetcht1 [{fetched} + 128]",
                "prefetcht1 [{fetched} + 192]",
                "tileloadd tmm5, [{second} + {left_bytes}]",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "prefetcht1 [{fetched} + 256]",
                "prefetcht1 [{fetched} + 320]",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "prefetcht1 [{fetched} + 384]",
                "prefetcht1 [{fetched} + 448]",
                "tdpbf16ps tmm3, tmm5, tmm7",
                "add {first}, [{walk}]",
                "add {second}, [{walk}]",
                "add {walk}, 8",
                "add {fetched}, 512",
                "add {left_panel}, 1024",
                "add {right_panel}, 1024",
                "dec {steps}",
                "jnz 2b",
                "tilestored [{upper} + {out_bytes}], tmm0",
                "tilestored [{upper} + {out_bytes} + 64], tmm1",
                "tilestored [{lower} + {out_bytes}], tmm2",
                "tilestored [{lower} + {out_bytes} + 64], tmm3",
                first = inout(reg) first => _,
                second = inout(reg) second => _,
                walk = inout(reg) left.walk.steps.as_ptr() => _,
                left_bytes = in(reg) left.stride * size_of::<u32>(),
                left_panel = inout(reg) right[0].as_ptr() => _,
                right_panel = inout(reg) right[1].as_ptr() => _,
                line_bytes = in(reg) LANES * size_of::<u32>(),
                upper = in(reg) upper,
                lower = in(reg) lower,
                out_bytes = in(reg) sums.stride * size_of::<f32>(),
                steps = inout(reg) steps => _,
                fetched = inout(reg) fetched => _,
                add = in(reg) u32::from(sums.target == Target::Add),
                out("tmm0") _,
                out("tmm1") _,
                out("tmm2") _,
                out("tmm3") _,
                out("tmm4") _,
                out("tmm5") _,
                out("tmm6") _,
                out("tmm7") _,
                options(nostack),
            );
        }
    }

    /// Writes a tile's lines as columns of `out`, whose rows start every `stride` words.
    fn transpose(self, lines: &[u32], out: &mut [u32], stride: usize) {
        // SAFETY: `available`, which alone makes a `Tiles`, has asked for AVX-512.
        #[expect(unsafe_code)]
        unsafe {
            transpose(lines, out, stride);
        }
    }
}

/// [`Tiles::transpose_pixels`].
#[target_feature(enable = "avx512f")]
fn transpose_pixels(pixels: &[Bf16], channels: usize, out: &mut [u32], stride: usize) {
    for (tile, pixels) in pixels.chunks_exact(2 * SIDE * channels).enumerate() {
        for channel in (0..channels).step_by(SIDE) {
            let mut lines = [0u32; SIDE * SIDE];
            for (line, two) in lines.chunks_exact_mut(SIDE).zip(pixels.chunks_exact(2 * channels)) {
                Bf16::fill_words(|pixel| &two[pixel * channels + channel..][..SIDE], line);
            }
            transpose(&lines, &mut out[channel * stride + tile * SIDE..], stride);
        }
    }
}

/// The rows of a pair's two tiles; the second, if there are none for it, is worked on for nothing, but has one.
fn rows_of_pair(rows: usize) -> [usize; 2] {
    [rows.min(SIDE), rows.saturating_sub(SIDE).max(1)]
}

/// In each step, vectors that hold more neighbours of a column: two, four, eight, all sixteen.
#[target_feature(enable = "avx512f")]
fn transpose(lines: &[u32], out: &mut [u32], stride: usize) {
    let mut lines: [__m512i; SIDE] = {
        let (lines, _) = lines.as_chunks::<LANES>();
        from_fn(|i| cast(lines[i]))
    };
    for i in (0..SIDE).step_by(2) {
        let (a, b) = (lines[i], lines[i + 1]);
        lines[i] = _mm512_unpacklo_epi32(a, b);
        lines[i + 1] = _mm512_unpackhi_epi32(a, b);
    }
    for i in (0..SIDE).step_by(4) {
        let [a, b, c, d] = from_fn(|k| lines[i + k]);
        lines[i] = _mm512_unpacklo_epi64(a, c);
        lines[i + 1] = _mm512_unpackhi_epi64(a, c);
        lines[i + 2] = _mm512_unpacklo_epi64(b, d);
        lines[i + 3] = _mm512_unpackhi_epi64(b, d);
    }
    // A quarter of a vector now holds four neighbours of one column: quarter `q` of vector `4 i + j` those of rows `4 i` on of
    // column `4 q + j`.
    for j in 0..4 {
        let [a, b, c, d] = from_fn(|i| lines[4 * i + j]);
        const EVEN: i32 = 0b10_00_10_00;
        const ODD: i32 = 0b11_01_11_01;
        let (even, odd) = (_mm512_shuffle_i32x4::<EVEN>(a, b), _mm512_shuffle_i32x4::<ODD>(a, b));
        let (late_even, late_odd) = (_mm512_shuffle_i32x4::<EVEN>(c, d), _mm512_shuffle_i32x4::<ODD>(c, d));
        let columns = [
            _mm512_shuffle_i32x4::<EVEN>(even, late_even),
            _mm512_shuffle_i32x4::<EVEN>(odd, late_odd),
            _mm512_shuffle_i32x4::<ODD>(even, late_even),
            _mm512_shuffle_i32x4::<ODD>(odd, late_odd),
        ];
        for (q, column) in columns.into_iter().enumerate() {
            let column: [u32; LANES] = cast(column);
            out[(4 * q + j) * stride..][..LANES].copy_from_slice(&column);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_become_rows_of_pairs() {
        let Some(tiles) = Tiles::available() else { return };
        let pixels: Vec<Bf16> = (0..64 * 32).map(Bf16::from_bits).collect();
        let (channels, stride) = (32, 40);
        let mut out = vec![u32::MAX; channels * stride];
        tiles.transpose_pixels(&pixels, channels, &mut out, stride);
        for (channel, row) in out.chunks_exact(stride).enumerate() {
            let at = |pixel: usize| u32::from(pixels[pixel * channels + channel].to_bits());
            let pairs: Vec<u32> = (0..32).map(|word| at(2 * word) | at(2 * word + 1) << 16).collect();
            assert_eq!((&row[..32], &row[32..]), (&pairs[..], &[u32::MAX; 8][..]), "channel {channel}");
        }
    }

    #[test]
    fn a_tile_is_transposed() {
        let Some(tiles) = Tiles::available() else { return };
        let lines: Vec<u32> = (0..256).collect();
        let mut out = vec![u32::MAX; 16 * 20];
        tiles.transpose(&lines, &mut out, 20);
        for (row, out) in out.chunks_exact(20).enumerate() {
            let expected: Vec<u32> = (0..16).map(|line| line * 16 + row as u32).collect();
            assert_eq!(out[..16], expected);
            assert_eq!(out[16..], [u32::MAX; 4], "beside the tile");
        }
    }
}
