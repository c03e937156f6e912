//! What the machine can do, by all threads of the pool: multiply and add in registers, read and copy memory. These are the
//! roofs that `scripts/roofline` draws over the kernels.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

/// Sums that wait for nothing but themselves: more than a processor has on its way at a time, fewer than it has registers.
const CHAINS: usize = 12;
/// So many that to wake the threads does not count.
const ROUNDS: usize = 1 << 20;
/// Numbers of a thread's arrays: more than any cache holds.
const LEN: usize = 1 << 25;

struct MultiplyAdd {
    /// Half of what the sums start from and come back to.
    half: f32,
}

impl WithSimd for MultiplyAdd {
    type Output = f32;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f32 {
        let half = simd.splat_f32s(self.half);
        let mut sums = [simd.add_f32s(half, half); CHAINS];
        for _ in 0..ROUNDS {
            for sum in &mut sums {
                *sum = simd.mul_add_f32s(*sum, half, half);
            }
        }
        simd.reduce_sum_f32s(sums.into_iter().fold(half, |total, sum| simd.add_f32s(total, sum)))
    }
}

/// Numbers in a vector of the instructions that [`Arch`] chooses.
struct Lanes;

impl WithSimd for Lanes {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> usize {
        S::F32_LANES
    }
}

fn registers(c: &mut Criterion) {
    let (arch, threads) = (Arch::new(), rayon::current_num_threads());
    let mut group = c.benchmark_group("machine");
    let operations = 2 * threads * ROUNDS * CHAINS * arch.dispatch(Lanes);
    group.throughput(Throughput::Elements(operations as u64));
    group.bench_function("multiply_add", |bench| {
        bench.iter(|| rayon::broadcast(|_| black_box(arch.dispatch(MultiplyAdd { half: black_box(0.5) }))));
    });
}

fn memory(c: &mut Criterion) {
    let threads = rayon::current_num_threads();
    let (from, mut to) = (vec![1u64; threads * LEN / 2], vec![0u64; threads * LEN / 2]);
    let mut group = c.benchmark_group("machine");
    group.throughput(Throughput::Bytes(size_of_val(&*from) as u64));
    group.bench_function("read", |bench| {
        bench.iter(|| from.par_chunks(LEN / 2).map(|part| part.iter().fold(0, |sum, x| sum ^ x)).max());
    });
    group.throughput(Throughput::Bytes(2 * size_of_val(&*from) as u64));
    group.bench_function("copy", |bench| {
        bench.iter(|| {
            let pairs = to.par_chunks_mut(LEN / 2).zip(from.par_chunks(LEN / 2));
            pairs.for_each(|(to, from)| to.copy_from_slice(from));
            black_box(&mut to);
        });
    });
}

criterion_group!(benches, registers, memory);
criterion_main!(benches);
