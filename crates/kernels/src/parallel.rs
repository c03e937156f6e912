//! How work is cut into blocks, and the buffers that the blocks use.

use std::cell::RefCell;

use pulp::bytemuck::{Pod, cast_slice_mut};
use rayon::prelude::*;

/// Whether the machine that a `multiversion` function is compiled for multiplies and adds in one instruction.
macro_rules! multiplies_and_adds_at_once {
    () => {
        multiversion::target::match_target! {
            "x86_64+avx512f" => true,
            "x86_64+avx2+fma" => true,
            _ => cfg!(target_arch = "aarch64"),
        }
    };
}
pub(crate) use multiplies_and_adds_at_once;

/// `a b + c`, rounded once if `FUSED`: without the instruction that is a slow library call.
#[inline(always)]
pub(crate) fn multiply_add<const FUSED: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FUSED { a.mul_add(b, c) } else { a * b + c }
}

/// Cuts an optional array like the arrays beside it: `count` times a chunk, or `count` times nothing.
pub(crate) fn optional_chunks_mut<T>(
    data: Option<&mut [T]>,
    chunk: usize,
    count: usize,
) -> Vec<Option<&mut [T]>> {
    match data {
        Some(data) => data.chunks_mut(chunk).map(Some).collect(),
        None => (0..count).map(|_| None).collect(),
    }
}

/// `sum` = the sum of `parts`, added in their order, of which there is at least one.
pub(crate) fn add_in_order<'a>(sum: &mut [f32], mut parts: impl Iterator<Item = &'a [f32]>) {
    if let Some(first) = parts.next() {
        sum.copy_from_slice(first);
    }
    for part in parts {
        sum.iter_mut().zip(part).for_each(|(sum, &x)| *sum += x);
    }
}

/// `sum` = the sum of the arrays of its length in `parts`, added in their order by all threads.
pub(crate) fn add_parts(parts: &[f32], sum: &mut [f32]) {
    const CHUNK: usize = 4096;
    let len = sum.len();
    sum.par_chunks_mut(CHUNK).enumerate().for_each(|(i, sum)| {
        let range = i * CHUNK..i * CHUNK + sum.len();
        add_in_order(sum, parts.chunks_exact(len).map(|part| &part[range.clone()]));
    });
}

thread_local! {
    /// Buffers at rest, one for each level of nesting that a thread has reached.
    static SHELF: RefCell<Vec<Vec<u64>>> = const { RefCell::new(Vec::new()) };
}

/// Lends `work` a buffer of `len` numbers that starts on a cache line and holds arbitrary values.
///
/// Buffers stay with their thread, so a training loop allocates them once. Calls may nest.
pub(crate) fn with_buffer<T: Pod, R>(len: usize, work: impl FnOnce(&mut [T]) -> R) -> R {
    const LINE_BYTES: usize = 64;
    let mut buffer = SHELF.with_borrow_mut(Vec::pop).unwrap_or_default();
    let padded = (len * size_of::<T>() + LINE_BYTES).div_ceil(size_of::<u64>());
    if buffer.len() < padded {
        // A new one, as growing would copy old numbers that nobody will read.
        buffer = vec![0; padded];
    }
    let start = buffer.as_ptr().align_offset(LINE_BYTES);
    let result = work(&mut cast_slice_mut(&mut buffer[start..])[..len]);
    SHELF.with_borrow_mut(|buffers| buffers.push(buffer));
    result
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The result of `work` in pools of 1, 2 and 3 threads, which must be the same bits.
    pub fn same_for_any_threads(work: impl Fn() -> Vec<f32> + Sync) -> Vec<f32> {
        let run =
            |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(&work);
        let bits = |numbers: &[f32]| numbers.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        let one = run(1);
        for threads in [2, 3] {
            assert_eq!(bits(&one), bits(&run(threads)), "{threads} threads give other bits than one");
        }
        one
    }

    #[test]
    fn buffers_are_aligned_nest_and_are_reused() {
        let address = with_buffer(100, |outer: &mut [f32]| {
            assert_eq!((outer.len(), outer.as_ptr() as usize % 64), (100, 0));
            outer.fill(1.0);
            with_buffer(50, |inner: &mut [f32]| {
                assert_eq!((inner.len(), inner.as_ptr() as usize % 64), (50, 0));
                inner.fill(2.0);
            });
            assert!(outer.iter().all(|&x| x == 1.0));
            outer.as_ptr() as usize
        });
        with_buffer(60, |again: &mut [f32]| assert_eq!(again.as_ptr() as usize, address));
    }
}
