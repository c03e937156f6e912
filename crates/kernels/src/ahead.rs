//! Memory that is needed next, fetched while numbers are multiplied, which leaves it idle.

use std::ops::Range;

use pulp::bytemuck::{Pod, cast_slice};

/// Bytes that the processor fetches at once.
pub(crate) const LINE: usize = 64;

/// Memory that is needed next, to be fetched to the second-level cache.
pub(crate) struct Ahead<const N: usize = 2> {
    regions: [Range<*const u8>; N],
    region: usize,
}

/// The memory that `numbers` take.
pub(crate) fn region_of<T: Pod>(numbers: &[T]) -> Range<*const u8> {
    cast_slice::<T, u8>(numbers).as_ptr_range()
}

/// As much memory as `numbers` take, behind them.
pub(crate) fn following<T: Pod>(numbers: &[T]) -> Range<*const u8> {
    let end = region_of(numbers).end;
    end..end.wrapping_add(size_of_val(numbers))
}

/// About the memory of the numbers that come behind a part of the work, if it is cut into `all` and goes through them evenly.
pub(crate) fn behind<T: Pod>(numbers: &[T], part: Range<usize>, all: usize) -> Range<*const u8> {
    let place = |step: usize| (step as u128 * numbers.len() as u128 / all as u128) as usize;
    following(&numbers[place(part.start)..place(part.end)])
}

/// No memory.
pub(crate) const NOWHERE: Range<*const u8> = std::ptr::null()..std::ptr::null();

impl<const N: usize> Ahead<N> {
    /// One region after the other, be they someone else's or nobody's: to fetch is not to read.
    pub fn new(regions: [Range<*const u8>; N]) -> Ahead<N> {
        Ahead { regions, region: 0 }
    }

    /// Where to begin to fetch so many bytes; what is behind the end may be fetched, too.
    pub fn next(&mut self, bytes: usize) -> Option<*const u8> {
        while let Some(region) = self.regions.get_mut(self.region) {
            let first = region.start;
            if first < region.end {
                region.start = first.wrapping_add(bytes);
                return Some(first);
            }
            self.region += 1;
        }
        None
    }
}

impl Ahead {
    /// Nothing, where all is at hand.
    pub fn nothing() -> Ahead {
        Ahead::new([NOWHERE; 2])
    }
}

/// How near to the processor a line is fetched: to the first-level cache, or to the second.
pub(crate) const NEAR: i32 = 3;
pub(crate) const FAR: i32 = 2;

/// Fetches a line of memory.
#[inline(always)]
pub(crate) fn fetch<const WHERE: i32>(_line: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: to fetch is no access.
    #[expect(unsafe_code)]
    unsafe {
        std::arch::x86_64::_mm_prefetch::<WHERE>(_line.cast());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_region_is_fetched_after_the_other() {
        let numbers = vec![0.0f32; 1000];
        let first = numbers.as_ptr();
        let mut ahead = Ahead::new([region_of(&numbers[..500]), following(&numbers[..500])]);
        let places = std::iter::from_fn(|| ahead.next(1024)).map(|place| (place.addr() - first.addr()) / 4);
        assert_eq!(places.collect::<Vec<_>>(), [0, 256, 500, 756]);
        assert_eq!(Ahead::nothing().next(1), None);
    }

    #[test]
    fn as_much_is_behind_as_the_part_takes() {
        let numbers = vec![0.0f32; 1000];
        let next = behind(&numbers, 3..5, 10);
        let bytes = |place: *const u8| place.addr() - numbers.as_ptr().addr();
        assert_eq!([next.start, next.end].map(bytes), [4 * 500, 4 * 700]);
    }
}
