//! What [`amx`](crate::amx) multiplies.

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
    fn stretches_are_even() {
        assert_eq!([1, 20, 21, 40, 41, 100].map(stretch_of), [1, 20, 11, 20, 14, 20]);
    }
}
