//! Batch normalisation over the rows of `[rows, channels]`, fused with an optional residual and ReLU.
//!
//! Ioffe and Szegedy, "Batch normalization", ICML 2015, Algorithm 1: `y = gamma (x - mean) / sqrt(variance + eps) +
//! beta`, here followed by `+ residual` and `max(., 0)` where asked for, as at the end of a ResNet block. Images in
//! NHWC are rows of channels as they are.

use multiversion::multiversion;
use rayon::prelude::*;

use crate::element::Element;
use crate::epilogue::at_least;
use crate::parallel::optional_chunks_mut;
use crate::shape::{assert_len, assert_rows};

/// The learned scale and shift, one number per channel.
#[derive(Clone, Copy, Debug)]
pub struct Affine<'a> {
    /// Scale.
    pub gamma: &'a [f32],
    /// Shift.
    pub beta: &'a [f32],
}

/// What follows the normalisation in the same pass.
#[derive(Clone, Copy, Debug)]
pub struct Fused<'a, E> {
    /// Added to the normalised numbers; shaped as `x`.
    pub residual: Option<&'a [E]>,
    /// Whether negative results become 0 (NaN stays NaN).
    pub relu: bool,
}

/// The ReLU behind a normalisation, as its gradient needs it.
#[derive(Clone, Copy, Debug)]
pub enum Relu<'a, E> {
    /// There is none.
    Absent,
    /// Directly behind it, without a residual: what it let pass is computed again from `x`, which is faster than to read it.
    Direct,
    /// Behind a residual: its output.
    Output(&'a [E]),
}

/// Per-channel statistics with which a batch was normalised.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchStatistics {
    /// Mean.
    pub mean: Vec<f32>,
    /// Biased variance: the mean square deviation. A running variance as PyTorch's takes `rows / (rows - 1)` of it.
    pub variance: Vec<f32>,
    /// `1 / sqrt(variance + eps)`.
    pub inv_std: Vec<f32>,
}

impl BatchStatistics {
    /// The given statistics, for instance running ones.
    ///
    /// # Panics
    /// When `mean` and `variance` differ in length.
    pub fn new(mean: Vec<f32>, variance: Vec<f32>, eps: f32) -> BatchStatistics {
        assert_len("variance", variance.len(), mean.len());
        let inv_std = variance.iter().map(|&v| inverse_root(f64::from(v), eps)).collect();
        BatchStatistics { mean, variance, inv_std }
    }
}

/// Where the backward pass writes; every array is overwritten.
#[derive(Debug)]
pub struct BatchNormGrads<'a, E> {
    /// Gradient of `x`, shaped as it.
    pub dx: &'a mut [E],
    /// Gradient of `gamma`, `[channels]`.
    pub dgamma: &'a mut [f32],
    /// Gradient of `beta`, `[channels]`.
    pub dbeta: &'a mut [f32],
    /// Gradient of the residual, shaped as `x`, if there was one.
    pub dresidual: Option<&'a mut [E]>,
}

/// Training: normalises `x`, `[rows, channels]`, with the mean and biased variance of its own rows.
///
/// `y = relu(gamma (x - mean) inv_std + beta + residual)`, the residual and ReLU where `fused` has them. `y`, shaped
/// as `x`, is overwritten. The returned statistics are what [`batch_norm_backward`] needs. They are accurate for
/// data far from zero: deviations are taken from the mean of blocks of rows, and blocks are joined in `f64` (Chan,
/// Golub and LeVeque 1983, eq. 2.1).
///
/// A single row has variance 0 and gives `y = relu(beta + residual)` (PyTorch refuses it).
///
/// # Panics
/// When the slices' lengths do not fit together, or there are no rows or channels.
pub fn batch_norm_forward<E: Element>(
    x: &[E],
    affine: Affine,
    eps: f32,
    fused: Fused<E>,
    y: &mut [E],
) -> BatchStatistics {
    let statistics = batch_statistics(x, affine.gamma.len(), eps);
    batch_norm_eval_forward(x, &statistics, affine, fused, y);
    statistics
}

/// Evaluation: normalises `x`, `[rows, channels]`, with the given statistics; otherwise as [`batch_norm_forward`].
///
/// # Panics
/// When the slices' lengths do not fit together, or there are no rows or channels.
pub fn batch_norm_eval_forward<E: Element>(
    x: &[E],
    statistics: &BatchStatistics,
    affine: Affine,
    fused: Fused<E>,
    y: &mut [E],
) {
    let channels = affine.gamma.len();
    assert_some_rows(x, channels);
    assert_len("beta", affine.beta.len(), channels);
    assert_len("mean", statistics.mean.len(), channels);
    assert_len("y", y.len(), x.len());
    if let Some(residual) = fused.residual {
        assert_len("residual", residual.len(), x.len());
    }
    let map = ChannelMap {
        mean: &statistics.mean,
        scale: &product(affine.gamma, &statistics.inv_std),
        shift: affine.beta,
        // Below every number but NaN, or below none.
        floor: if fused.relu { 0.0 } else { f32::NEG_INFINITY },
    };
    let chunk = chunk_rows(channels) * channels;
    y.par_chunks_mut(chunk).zip(x.par_chunks(chunk)).enumerate().for_each(|(i, (y, x))| {
        let residual = fused.residual.map(|residual| &residual[i * chunk..][..x.len()]);
        apply(&map, x, residual, y);
    });
}

/// Gradient of [`batch_norm_forward`].
///
/// With `g = dy` where `y > 0`, and `g = dy` everywhere without ReLU, and `xhat = (x - mean) inv_std`: `dbeta = sum
/// g`, `dgamma = sum g xhat`, `dx = gamma inv_std (g - dbeta / rows - xhat dgamma / rows)` and `dresidual = g`.
///
/// `affine` is what the forward pass had, `dy` and `x` are `[rows, channels]`.
///
/// # Panics
/// When the slices' lengths do not fit together, or there are no rows or channels.
pub fn batch_norm_backward<E: Element>(
    dy: &[E],
    x: &[E],
    affine: Affine,
    relu: Relu<E>,
    statistics: &BatchStatistics,
    grads: BatchNormGrads<E>,
) {
    backward([dy, x], affine, relu, statistics, grads, true);
}

/// Gradient of [`batch_norm_eval_forward`], whose statistics are constants: `dx = gamma inv_std g`; the rest and the
/// arguments as in [`batch_norm_backward`].
///
/// # Panics
/// When the slices' lengths do not fit together, or there are no rows or channels.
pub fn batch_norm_eval_backward<E: Element>(
    dy: &[E],
    x: &[E],
    affine: Affine,
    relu: Relu<E>,
    statistics: &BatchStatistics,
    grads: BatchNormGrads<E>,
) {
    backward([dy, x], affine, relu, statistics, grads, false);
}

/// Numbers in a chunk of rows: small enough to be read twice from the second-level cache.
const CHUNK_ELEMENTS: usize = 32 * 1024;

/// Rows of a chunk; few enough for sums in `f32`.
fn chunk_rows(channels: usize) -> usize {
    (CHUNK_ELEMENTS / channels).clamp(1, 1024)
}

fn assert_some_rows<E>(x: &[E], channels: usize) {
    assert!(!x.is_empty(), "batch norm needs at least one row");
    assert_rows("x", x.len(), channels);
}

fn product(a: &[f32], b: &[f32]) -> Vec<f32> {
    a.iter().zip(b).map(|(a, b)| a * b).collect()
}

fn inverse_root(variance: f64, eps: f32) -> f32 {
    (1.0 / (variance + f64::from(eps)).sqrt()) as f32
}

/// Number of rows, mean and sum of squared deviations of each channel.
struct Moments {
    rows: f64,
    mean: Vec<f64>,
    squares: Vec<f64>,
}

fn batch_statistics<E: Element>(x: &[E], channels: usize, eps: f32) -> BatchStatistics {
    assert_some_rows(x, channels);
    let chunk = chunk_rows(channels) * channels;
    let chunks: Vec<Moments> = x.par_chunks(chunk).map(|x| moments(x, channels)).collect();
    let mut total = Moments { rows: 0.0, mean: vec![0.0; channels], squares: vec![0.0; channels] };
    chunks.iter().for_each(|chunk| total.join(chunk));
    let variance: Vec<f64> = total.squares.iter().map(|squares| squares / total.rows).collect();
    BatchStatistics {
        mean: total.mean.iter().map(|&mean| mean as f32).collect(),
        inv_std: variance.iter().map(|&v| inverse_root(v, eps)).collect(),
        variance: variance.iter().map(|&v| v as f32).collect(),
    }
}

/// Two passes with correction: the deviations' own sum repairs the rounding of the first mean.
#[multiversion(targets("x86_64+avx512f", "x86_64+avx2+fma"))]
fn moments<E: Element>(x: &[E], channels: usize) -> Moments {
    let rows = x.len() / channels;
    let mut pivot = vec![0.0f32; channels];
    for row in x.chunks_exact(channels) {
        for (sum, &x) in pivot.iter_mut().zip(row) {
            *sum += x.widen();
        }
    }
    pivot.iter_mut().for_each(|sum| *sum /= rows as f32);
    let (mut sums, mut squares) = (vec![0.0f32; channels], vec![0.0f32; channels]);
    for row in x.chunks_exact(channels) {
        for ((sum, square), (&x, &pivot)) in sums.iter_mut().zip(&mut squares).zip(row.iter().zip(&pivot)) {
            let deviation = x.widen() - pivot;
            *sum += deviation;
            *square += deviation * deviation;
        }
    }
    let rows = rows as f64;
    let shift = sums.iter().map(|&sum| f64::from(sum) / rows);
    Moments {
        rows,
        mean: pivot.iter().zip(shift.clone()).map(|(&pivot, shift)| f64::from(pivot) + shift).collect(),
        squares: squares.iter().zip(shift).map(|(&s, shift)| f64::from(s) - rows * shift * shift).collect(),
    }
}

impl Moments {
    /// Adds the rows of another chunk.
    fn join(&mut self, other: &Moments) {
        let rows = self.rows + other.rows;
        let pairs = self.mean.iter_mut().zip(&mut self.squares).zip(other.mean.iter().zip(&other.squares));
        for ((mean, squares), (other_mean, other_squares)) in pairs {
            let difference = other_mean - *mean;
            *mean += difference * (other.rows / rows);
            *squares += other_squares + difference * difference * (self.rows * other.rows / rows);
        }
        self.rows = rows;
    }
}

/// `max((x - mean) scale + shift, floor)` in each channel.
struct ChannelMap<'a> {
    mean: &'a [f32],
    scale: &'a [f32],
    shift: &'a [f32],
    floor: f32,
}

#[multiversion(targets("x86_64+avx512f", "x86_64+avx2+fma"))]
fn apply<E: Element>(map: &ChannelMap, x: &[E], residual: Option<&[E]>, y: &mut [E]) {
    let n = map.mean.len();
    let (mean, scale, shift) = (&map.mean[..n], &map.scale[..n], &map.shift[..n]);
    let rows = y.chunks_exact_mut(n).zip(x.chunks_exact(n));
    match residual {
        Some(residual) => {
            for ((y, x), residual) in rows.zip(residual.chunks_exact(n)) {
                for c in 0..n {
                    let value = normalised(x[c].widen(), mean[c], scale[c], shift[c]);
                    y[c] = E::nearest(at_least(map.floor, value + residual[c].widen()));
                }
            }
        }
        None => {
            for (y, x) in rows {
                for c in 0..n {
                    let value = normalised(x[c].widen(), mean[c], scale[c], shift[c]);
                    y[c] = E::nearest(at_least(map.floor, value));
                }
            }
        }
    }
}

/// The arguments of a backward pass; `scale` is `gamma inv_std`.
struct Pass<'a, E> {
    dy: &'a [E],
    x: &'a [E],
    relu: Relu<'a, E>,
    mean: &'a [f32],
    scale: &'a [f32],
    shift: &'a [f32],
}

impl<E: Element> Pass<'_, E> {
    fn assert_lengths(&self, grads: &BatchNormGrads<E>) {
        let (len, channels) = (self.x.len(), self.scale.len());
        assert_some_rows(self.x, channels);
        assert_len("dy", self.dy.len(), len);
        assert_len("the output of ReLU", self.output().len(), len);
        assert_len("mean", self.mean.len(), channels);
        assert_len("beta", self.shift.len(), channels);
        assert_len("dx", grads.dx.len(), len);
        assert_len("dgamma", grads.dgamma.len(), channels);
        assert_len("dbeta", grads.dbeta.len(), channels);
        assert_len("dresidual", grads.dresidual.as_ref().map_or(len, |dresidual| dresidual.len()), len);
    }

    /// The same arguments for the rows of chunk `i`, `chunk` numbers each.
    fn chunk(&self, i: usize, chunk: usize) -> Pass<'_, E> {
        let range = i * chunk..self.x.len().min((i + 1) * chunk);
        let relu = match self.relu {
            Relu::Output(y) => Relu::Output(&y[range.clone()]),
            other => other,
        };
        Pass { dy: &self.dy[range.clone()], x: &self.x[range], relu, ..*self }
    }

    /// The ReLU's output, or what stands for it where nobody looks at it.
    fn output(&self) -> &[E] {
        if let Relu::Output(y) = self.relu { y } else { self.dy }
    }
}

/// The values of a pass's constant parameter: which [`Relu`] it has.
const ABSENT: u8 = 0;
const DIRECT: u8 = 1;
const OUTPUT: u8 = 2;

/// A channel's `(x - mean) scale + shift`, as the forward pass computed it.
#[inline(always)]
fn normalised(x: f32, mean: f32, scale: f32, shift: f32) -> f32 {
    (x - mean) * scale + shift
}

/// `dy` where the ReLU, if there is one, let pass the number that `normalised` gives or `output` is, and 0 elsewhere.
#[inline(always)]
fn gradient<const RELU: u8>(dy: f32, output: f32, normalised: impl FnOnce() -> f32) -> f32 {
    // Not `> 0`: where the number is NaN the gradient passes, as in PyTorch.
    let stopped = match RELU {
        DIRECT => normalised() <= 0.0,
        OUTPUT => output <= 0.0,
        _ => false,
    };
    if stopped { 0.0 } else { dy }
}

/// Sums over the rows of `g` and of `g (x - mean)`.
#[multiversion(targets("x86_64+avx512f", "x86_64+avx2+fma"))]
fn sums<E: Element, const RELU: u8>(pass: &Pass<E>) -> [Vec<f32>; 2] {
    let n = pass.scale.len();
    let (mut sums, mut moments) = (vec![0.0f32; n], vec![0.0f32; n]);
    let (mean, scale, shift) = (&pass.mean[..n], &pass.scale[..n], &pass.shift[..n]);
    let rows = pass.dy.chunks_exact(n).zip(pass.output().chunks_exact(n)).zip(pass.x.chunks_exact(n));
    for ((dy, y), x) in rows {
        let (sums, moments) = (&mut sums[..n], &mut moments[..n]);
        for c in 0..n {
            let (dy, y, x) = (dy[c].widen(), y[c].widen(), x[c].widen());
            let g = gradient::<RELU>(dy, y, || normalised(x, mean[c], scale[c], shift[c]));
            sums[c] += g;
            moments[c] += g * (x - mean[c]);
        }
    }
    [sums, moments]
}

/// `dx = scale (g - offset - (x - mean) slope)`, with one offset and slope per channel, and `dresidual = g`.
#[multiversion(targets("x86_64+avx512f", "x86_64+avx2+fma"))]
fn fill<E: Element, const RELU: u8>(
    pass: &Pass<E>,
    [offset, slope]: [&[f32]; 2],
    dx: &mut [E],
    mut dresidual: Option<&mut [E]>,
) {
    let n = pass.scale.len();
    let (mean, scale, shift) = (&pass.mean[..n], &pass.scale[..n], &pass.shift[..n]);
    let (offset, slope) = (&offset[..n], &slope[..n]);
    let rows = pass.dy.chunks_exact(n).zip(pass.output().chunks_exact(n)).zip(pass.x.chunks_exact(n));
    for (row, (((dy, y), x), dx)) in rows.zip(dx.chunks_exact_mut(n)).enumerate() {
        let g = |c: usize| {
            let normalised = || normalised(x[c].widen(), mean[c], scale[c], shift[c]);
            gradient::<RELU>(dy[c].widen(), y[c].widen(), normalised)
        };
        for c in 0..n {
            let deviation = x[c].widen() - mean[c];
            dx[c] = E::nearest(scale[c] * (g(c) - offset[c] - deviation * slope[c]));
        }
        if let Some(dresidual) = &mut dresidual {
            let dresidual = &mut dresidual[row * n..][..n];
            dresidual.iter_mut().enumerate().for_each(|(c, to)| *to = E::nearest(g(c)));
        }
    }
}

/// Both backward passes; `own_statistics` says whether mean and variance depend on `x`.
fn backward<E: Element>(
    [dy, x]: [&[E]; 2],
    affine: Affine,
    relu: Relu<E>,
    statistics: &BatchStatistics,
    grads: BatchNormGrads<E>,
    own_statistics: bool,
) {
    let n = affine.gamma.len();
    assert_len("inv_std", statistics.inv_std.len(), n);
    let scale = &product(affine.gamma, &statistics.inv_std);
    let pass = Pass { dy, x, relu, mean: &statistics.mean, scale, shift: affine.beta };
    pass.assert_lengths(&grads);
    let chunk = chunk_rows(n) * n;
    let chunks: Vec<[Vec<f32>; 2]> = (0..pass.x.len().div_ceil(chunk))
        .into_par_iter()
        .map(|i| match pass.relu {
            Relu::Absent => sums::<E, ABSENT>(&pass.chunk(i, chunk)),
            Relu::Direct => sums::<E, DIRECT>(&pass.chunk(i, chunk)),
            Relu::Output(_) => sums::<E, OUTPUT>(&pass.chunk(i, chunk)),
        })
        .collect();
    let sum = |which: usize, c: usize| chunks.iter().map(|sums| f64::from(sums[which][c])).sum::<f64>();
    let rows = (pass.x.len() / n) as f64;
    let (mut offset, mut slope) = (vec![0.0f32; n], vec![0.0f32; n]);
    for c in 0..n {
        let inv_std = f64::from(statistics.inv_std[c]);
        let (dbeta, dgamma) = (sum(0, c), sum(1, c) * inv_std);
        (grads.dbeta[c], grads.dgamma[c]) = (dbeta as f32, dgamma as f32);
        if own_statistics {
            (offset[c], slope[c]) = ((dbeta / rows) as f32, (dgamma * inv_std / rows) as f32);
        }
    }
    let residuals = optional_chunks_mut(grads.dresidual, chunk, chunks.len());
    grads.dx.par_chunks_mut(chunk).zip(residuals).enumerate().for_each(|(i, (dx, dresidual))| {
        let factors = [&offset[..], &slope];
        match pass.relu {
            Relu::Absent => fill::<E, ABSENT>(&pass.chunk(i, chunk), factors, dx, dresidual),
            Relu::Direct => fill::<E, DIRECT>(&pass.chunk(i, chunk), factors, dx, dresidual),
            Relu::Output(_) => fill::<E, OUTPUT>(&pass.chunk(i, chunk), factors, dx, dresidual),
        }
    });
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::bf16::Bf16;
    use crate::element::tests::{nearest, widened};
    use crate::naive::{
        self, assert_close, assert_close_sums, dot, finite_differences, numbers, rounded, widen,
    };
    use crate::parallel::tests::same_for_any_threads;
    use crate::shape::Precision;

    const EPS: f32 = 1e-5;

    /// Everything a pass takes, and everything it gives.
    struct Case {
        channels: usize,
        x: Vec<f32>,
        gamma: Vec<f32>,
        beta: Vec<f32>,
        residual: Option<Vec<f32>>,
        relu: bool,
        dy: Vec<f32>,
        /// Statistics given from outside, or the batch's own.
        running: Option<BatchStatistics>,
    }

    struct Results {
        statistics: BatchStatistics,
        y: Vec<f32>,
        dx: Vec<f32>,
        dgamma: Vec<f32>,
        dbeta: Vec<f32>,
        dresidual: Option<Vec<f32>>,
    }

    impl Case {
        fn new(seed: u64, rows: usize, channels: usize, [residual, relu, eval]: [bool; 3]) -> Case {
            let len = rows * channels;
            let numbers = |array: u64, len| numbers(seed * 8 + array, len);
            let variance = numbers(7, channels).iter().map(|v| v * v + 0.1).collect();
            Case {
                channels,
                x: numbers(1, len)
                    .iter()
                    .zip((0..channels).cycle())
                    .map(|(x, c)| x * 2.0 + c as f32 * 0.1)
                    .collect(),
                gamma: numbers(2, channels),
                beta: numbers(3, channels),
                residual: residual.then(|| numbers(4, len)),
                relu,
                dy: numbers(5, len),
                running: eval.then(|| BatchStatistics::new(numbers(6, channels), variance, EPS)),
            }
        }

        fn run(&self) -> Results {
            self.run_in::<f32>()
        }

        /// With maps of the given kind.
        fn run_in<E: Element>(&self) -> Results {
            let [x, dy] = [&self.x, &self.dy].map(|numbers| nearest::<E>(numbers));
            let residual = self.residual.as_deref().map(nearest);
            let affine = Affine { gamma: &self.gamma, beta: &self.beta };
            let fused = Fused { residual: residual.as_deref(), relu: self.relu };
            // Not zero: every element must be overwritten.
            let array = |len: usize| vec![f32::NAN; len];
            let map = || nearest::<E>(&array(x.len()));
            let mut y = map();
            let statistics = match &self.running {
                Some(running) => {
                    batch_norm_eval_forward(&x, running, affine, fused, &mut y);
                    running.clone()
                }
                None => batch_norm_forward(&x, affine, EPS, fused, &mut y),
            };
            let (mut dx, mut dgamma, mut dbeta) = (map(), array(self.channels), array(self.channels));
            let mut dresidual = residual.as_ref().map(|_| map());
            let backward =
                if self.running.is_some() { batch_norm_eval_backward } else { batch_norm_backward };
            let grads = BatchNormGrads {
                dx: &mut dx,
                dgamma: &mut dgamma,
                dbeta: &mut dbeta,
                dresidual: dresidual.as_deref_mut(),
            };
            let relu = match (self.relu, &self.residual) {
                (false, _) => Relu::Absent,
                (true, None) => Relu::Direct,
                (true, Some(_)) => Relu::Output(&y),
            };
            backward(&dy, &x, affine, relu, &statistics, grads);
            let dresidual = dresidual.as_deref().map(widened);
            Results { statistics, y: widened(&y), dx: widened(&dx), dgamma, dbeta, dresidual }
        }

        /// The naive output for the given inputs `[x, gamma, beta, residual]`.
        fn naive(&self, [x, gamma, beta, residual]: [&[f64]; 4]) -> Vec<f64> {
            let y = match &self.running {
                Some(BatchStatistics { mean, variance, .. }) => {
                    naive::batch_norm(x, &widen(mean), &widen(variance), gamma, beta)
                }
                None => {
                    let (mean, variance) = naive::batch_statistics(x, self.channels);
                    naive::batch_norm(x, &mean, &variance, gamma, beta)
                }
            };
            y.iter().zip(residual).map(|(y, r)| if self.relu { (y + r).max(0.0) } else { y + r }).collect()
        }

        fn inputs(&self) -> [Vec<f64>; 4] {
            let residual = self.residual.as_deref().map_or_else(|| vec![0.0; self.x.len()], widen);
            [widen(&self.x), widen(&self.gamma), widen(&self.beta), residual]
        }

        /// Whether no number is so near the kink of the ReLU that a finite difference would cross it.
        fn is_smooth(&mut self) -> bool {
            let relu = std::mem::replace(&mut self.relu, false);
            let y = self.naive(self.inputs().each_ref().map(|a| &a[..]));
            self.relu = relu;
            !relu || y.iter().all(|y| y.abs() > 1e-3)
        }
    }

    fn cases(rows: impl Strategy<Value = usize>, channels: &'static [usize]) -> impl Strategy<Value = Case> {
        (0..1000u64, rows, prop::sample::select(channels), any::<[bool; 3]>())
            .prop_map(|(seed, rows, channels, options)| Case::new(seed, rows, channels, options))
    }

    impl std::fmt::Debug for Case {
        fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
            let options = (self.residual.is_some(), self.relu, self.running.is_some());
            write!(
                f,
                "{} x {}, residual, relu, eval {options:?}",
                self.x.len() / self.channels,
                self.channels
            )
        }
    }

    proptest! {
        #[test]
        fn forward_agrees_with_its_naive_twin(case in cases(1..400usize, &[1, 2, 3, 5, 16, 17, 64, 130])) {
            let results = case.run();
            let inputs = case.inputs();
            assert_close_sums("y", &results.y, &case.naive(inputs.each_ref().map(|a| &a[..])), 1.0);
            if case.running.is_none() {
                let (mean, variance) = naive::batch_statistics(&inputs[0], case.channels);
                assert_close_sums("mean", &results.statistics.mean, &mean, 1.0);
                assert_close("variance", &results.statistics.variance, &variance);
            }
        }

        #[test]
        fn gradients_agree_with_finite_differences(mut case in cases(2..8usize, &[1, 3, 5])) {
            prop_assume!(case.is_smooth());
            let inputs = case.inputs();
            let dy = widen(&case.dy);
            let differences = |which: usize| {
                finite_differences(&inputs[which], |moved| {
                    let mut inputs = inputs.each_ref().map(|a| &a[..]);
                    inputs[which] = moved;
                    dot(&case.naive(inputs), &dy)
                })
            };
            let results = case.run();
            let grads = [Some(results.dx), Some(results.dgamma), Some(results.dbeta), results.dresidual];
            for (which, grad) in grads.iter().enumerate() {
                let Some(grad) = grad else { continue };
                let expected = differences(which);
                // Relative to the gradient without its cancelling parts: with few rows `dx` is their small difference.
                let scale = expected.iter().fold(1.0, |max: f64, x| max.max(x.abs()))
                    * results.statistics.inv_std.iter().fold(1.0, |max: f64, &x| max.max(f64::from(x)));
                for (a, e) in grad.iter().zip(&expected) {
                    prop_assert!((f64::from(*a) - e).abs() <= 1e-4 * scale, "input {which}: {a}, expected {e}");
                }
            }
        }

        #[test]
        fn gradients_agree_with_their_naive_twins(case in cases(20..400usize, &[1, 2, 3, 5, 16, 17, 64, 130])) {
            let results = case.run();
            // The mask comes from the kernel's own output: rounding may put a number on the other side of 0.
            let g: Vec<f64> = case.dy.iter().zip(&results.y)
                .map(|(&dy, &y)| if case.relu && y <= 0.0 { 0.0 } else { f64::from(dy) })
                .collect();
            let [x, gamma, ..] = case.inputs();
            let [dx, dgamma, dbeta] = match &case.running {
                Some(BatchStatistics { mean, variance, .. }) => {
                    naive::batch_norm_backward(&g, &x, &widen(mean), &widen(variance), &gamma, false)
                }
                None => {
                    let (mean, variance) = naive::batch_statistics(&x, case.channels);
                    naive::batch_norm_backward(&g, &x, &mean, &variance, &gamma, true)
                }
            };
            assert_close("dx", &results.dx, &dx);
            let size = 3.0 * ((case.x.len() / case.channels) as f64).sqrt();
            assert_close_sums("dgamma", &results.dgamma, &dgamma, size);
            assert_close_sums("dbeta", &results.dbeta, &dbeta, size);
            if let Some(dresidual) = &results.dresidual {
                assert_close("dresidual", dresidual, &g);
            }
        }
    }

    proptest! {
        #[test]
        fn maps_in_bf16_give_the_same_rounded(mut case in cases(1..400usize, &[1, 3, 16, 17, 64, 130])) {
            let round = |numbers: &[f32]| rounded(Precision::Bf16, numbers);
            (case.x, case.dy) = (round(&case.x), round(&case.dy));
            case.residual = case.residual.as_deref().map(round);
            let [exact, ours] = [case.run(), case.run_in::<Bf16>()];
            prop_assert_eq!(exact.statistics, ours.statistics);
            prop_assert_eq!([round(&exact.y), round(&exact.dx)], [ours.y, ours.dx]);
            prop_assert_eq!([exact.dgamma, exact.dbeta], [ours.dgamma, ours.dbeta]);
            prop_assert_eq!(exact.dresidual, ours.dresidual);
        }
    }

    /// Several chunks of rows, so that sums cross chunks.
    #[test]
    fn results_do_not_depend_on_the_number_of_threads() {
        for eval in [false, true] {
            let case = Case::new(1, 3000, 33, [true, true, eval]);
            same_for_any_threads(|| {
                let r = case.run();
                let BatchStatistics { mean, variance, inv_std } = r.statistics;
                [mean, variance, inv_std, r.y, r.dx, r.dgamma, r.dbeta, r.dresidual.unwrap()].concat()
            });
        }
    }

    #[test]
    fn statistics_survive_a_large_mean() {
        let channels = 3;
        let offset = [1e4f32, -3e5, 0.0];
        let x: Vec<f32> =
            numbers(1, 50_000 * channels).iter().enumerate().map(|(i, x)| x + offset[i % 3]).collect();
        let (mean, variance) = naive::batch_statistics(&widen(&x), channels);
        let statistics = batch_statistics(&x, channels, EPS);
        for c in 0..channels {
            // The mean is as good as an f32 can say; the variance of the numbers as they are is exact to 1e-5.
            assert!((f64::from(statistics.mean[c]) - mean[c]).abs() <= 1e-7 * mean[c].abs() + 1e-6);
            assert!((f64::from(statistics.variance[c]) / variance[c] - 1.0).abs() < 1e-5);
        }
    }

    #[test]
    fn a_single_row_gives_the_shift() {
        let mut y = [f32::NAN; 2];
        let affine = Affine { gamma: &[2.0, 3.0], beta: &[0.5, -0.5] };
        let statistics =
            batch_norm_forward(&[7.0, 8.0], affine, EPS, Fused { residual: None, relu: false }, &mut y);
        assert_eq!((y, &statistics.variance[..]), ([0.5, -0.5], &[0.0, 0.0][..]));
    }

    #[test]
    fn relu_keeps_nan() {
        let statistics = BatchStatistics::new(vec![0.0], vec![1.0], 0.0);
        let mut y = [0.0; 3];
        let affine = Affine { gamma: &[1.0], beta: &[0.0] };
        let fused = Fused { residual: None, relu: true };
        batch_norm_eval_forward(&[f32::NAN, -1.0, 2.0], &statistics, affine, fused, &mut y);
        assert!(y[0].is_nan());
        assert_eq!(y[1..], [0.0, 2.0]);
    }

    #[test]
    fn what_passed_is_the_same_computed_again() {
        let mut case = Case::new(1, 500, 37, [false, true, false]);
        case.x[40] = f32::NAN;
        let [x, dy, channels] = [&case.x[..], &case.dy, &case.gamma];
        let affine = Affine { gamma: channels, beta: &case.beta };
        let mut y = vec![0.0; x.len()];
        let fused = Fused { residual: None, relu: true };
        let statistics = batch_norm_forward(x, affine, EPS, fused, &mut y);
        let [again, read] = [Relu::Direct, Relu::Output(&y)].map(|relu| {
            let (mut dx, mut dgamma, mut dbeta) = (vec![0.0; x.len()], vec![0.0; 37], vec![0.0; 37]);
            let grads =
                BatchNormGrads { dx: &mut dx, dgamma: &mut dgamma, dbeta: &mut dbeta, dresidual: None };
            batch_norm_backward(dy, x, affine, relu, &statistics, grads);
            [dx, dgamma, dbeta].concat().into_iter().map(f32::to_bits).collect::<Vec<_>>()
        });
        assert_eq!(again, read);
    }

    #[test]
    #[should_panic(expected = "x has 5 elements, not whole rows of 2")]
    fn a_wrong_length_stops_the_call() {
        let affine = Affine { gamma: &[1.0; 2], beta: &[0.0; 2] };
        batch_norm_forward(&[0.0; 5], affine, EPS, Fused { residual: None, relu: false }, &mut [0.0; 5]);
    }
}
