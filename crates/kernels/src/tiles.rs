//! What [`amx`](crate::amx) multiplies, and what it fetches meanwhile.

use std::ops::Range;

use pulp::bytemuck::{Pod, cast_slice};

/// Rows of a tile, and words in a row.
pub(crate) const SIDE: usize = 16;
/// Rows of the result that are summed together.
pub(crate) const BLOCK: usize = 2 * SIDE;
/// Rows of words along which tiles are summed at a time: two panels of so many stay in the first-level cache.
pub(crate) const MAX_STEPS: usize = 20;

/// The length of the stretches, as even as can be, in which to walk so many steps.
pub(crate) fn stretch_of(steps: usize) -> usize {
    steps.div_ceil(steps.div_ceil(MAX_STEPS))
}

/// Rows of words, of which tiles are made, that lie anywhere.
#[derive(Clone, Copy)]
pub(crate) struct LeftRows<'a> {
    pub words: &'a [u32],
    /// Words from one row to the next.
    pub stride: usize,
    /// How a row goes on: from [`steps_between`].
    pub steps: &'a [usize],
}

/// Memory that is needed next, fetched to the second-level cache while tiles are multiplied.
pub(crate) struct Ahead {
    regions: [Range<*const u8>; 2],
    region: usize,
}

/// As much memory as `numbers` take, behind them.
pub(crate) fn following<T: Pod>(numbers: &[T]) -> Range<*const u8> {
    let bytes = cast_slice::<T, u8>(numbers);
    let end = bytes.as_ptr_range().end;
    end..end.wrapping_add(bytes.len())
}

impl Ahead {
    /// Bytes fetched in a step along the depth: eight lines.
    const BYTES: usize = 512;

    /// One region after the other, be they someone else's or nobody's: to fetch is not to read.
    pub fn new(regions: [Range<*const u8>; 2]) -> Ahead {
        Ahead { regions, region: 0 }
    }

    /// Where to begin to fetch during so many steps; what is behind the end may be fetched, too.
    pub fn next(&mut self, steps: usize) -> Option<*const u8> {
        while let Some(region) = self.regions.get_mut(self.region) {
            let first = region.start;
            if first < region.end {
                region.start = first.wrapping_add(steps * Self::BYTES);
                return Some(first);
            }
            self.region += 1;
        }
        None
    }
}

/// How to walk along the depth of a left operand that has a tile's row of words at each of these offsets, which ascend.
pub(crate) fn steps_between(offsets: &[usize]) -> Vec<usize> {
    let mut steps: Vec<usize> = offsets.windows(2).map(|two| (two[1] - two[0]) * size_of::<u32>()).collect();
    steps.push(0);
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_region_is_fetched_after_the_other() {
        let numbers = vec![0.0f32; 1000];
        let first = numbers.as_ptr();
        let these = cast_slice::<f32, u8>(&numbers[..500]).as_ptr_range();
        let mut ahead = Ahead::new([these, following(&numbers[..500])]);
        let places = std::iter::from_fn(|| ahead.next(2)).map(|place| (place.addr() - first.addr()) / 4);
        assert_eq!(places.collect::<Vec<_>>(), [0, 256, 500, 756]);
    }

    #[test]
    fn stretches_are_even() {
        assert_eq!([1, 20, 21, 40, 41, 100].map(stretch_of), [1, 20, 11, 20, 14, 20]);
    }
}
