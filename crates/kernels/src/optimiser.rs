//! Steps of optimisers, each in one pass over a parameter.
//!
//! All arrays of a call have one length; `p` is the parameter, `g` its gradient. The moments start at 0.

use multiversion::multiversion;
use rayon::prelude::*;

use crate::shape::assert_len;

/// Numbers that one task handles.
const CHUNK: usize = 32 * 1024;

/// Constants of [`heavy_ball_step`].
#[derive(Clone, Copy, Debug)]
pub struct HeavyBall {
    /// Learning rate.
    pub lr: f32,
    /// What is kept of the momentum.
    pub momentum: f32,
    /// L2 penalty, added to the gradient.
    pub weight_decay: f32,
    /// Nesterov's look-ahead.
    pub nesterov: bool,
}

/// Gradient descent with momentum (Polyak 1964; Sutskever et al. 2013), as `torch.optim.SGD`: `g' = trust (g +
/// weight_decay p)`, `b = momentum b + g'`, `p -= lr b`, or `lr (g' + momentum b)` with Nesterov. `b` starts at 0; `trust`
/// is 1 but for LARS.
///
/// # Panics
/// When the slices differ in length.
pub fn heavy_ball_step(p: &mut [f32], b: &mut [f32], g: &[f32], trust: f32, step: HeavyBall) {
    assert_len("b", b.len(), p.len());
    assert_len("g", g.len(), p.len());
    let chunks = (p.par_chunks_mut(CHUNK), b.par_chunks_mut(CHUNK), g.par_chunks(CHUNK));
    chunks.into_par_iter().for_each(|(p, b, g)| heavy_ball_chunk(p, b, g, trust, step));
}

#[multiversion(targets("x86_64+avx512f", "x86_64+avx2+fma"))]
fn heavy_ball_chunk(p: &mut [f32], b: &mut [f32], g: &[f32], trust: f32, step: HeavyBall) {
    let HeavyBall { lr, momentum, weight_decay, nesterov } = step;
    for ((p, b), &g) in p.iter_mut().zip(b).zip(g) {
        let g = (g + weight_decay * *p) * trust;
        *b = momentum * *b + g;
        *p -= lr * if nesterov { g + momentum * *b } else { *b };
    }
}

/// Constants of [`adam_step`].
#[derive(Clone, Copy, Debug)]
pub struct Adam {
    /// Learning rate.
    pub lr: f32,
    /// Decay rates of the two moments.
    pub betas: [f64; 2],
    /// Added to the root of the second moment.
    pub eps: f32,
    /// L2 penalty, added to the gradient.
    pub weight_decay: f32,
    /// What is kept of the parameter before the step: the decay of AdamW.
    pub kept: f32,
    /// The number of this step, from 1.
    pub step: u64,
}

/// Kingma and Ba, "Adam", ICLR 2015, Algorithm 1, as `torch.optim.Adam` and `AdamW`: `g' = g + weight_decay p`, `m = b1
/// m + (1 - b1) g'`, `v = b2 v + (1 - b2) g'^2`, `p = kept p - lr m' / (sqrt(v') + eps)` with `m' = m / (1 - b1^t)`,
/// `v' = v / (1 - b2^t)`.
///
/// # Panics
/// When the slices differ in length.
pub fn adam_step(p: &mut [f32], m: &mut [f32], v: &mut [f32], g: &[f32], step: Adam) {
    assert_len("m", m.len(), p.len());
    assert_len("v", v.len(), p.len());
    assert_len("g", g.len(), p.len());
    let chunks =
        (p.par_chunks_mut(CHUNK), m.par_chunks_mut(CHUNK), v.par_chunks_mut(CHUNK), g.par_chunks(CHUNK));
    chunks.into_par_iter().for_each(|(p, m, v, g)| adam_chunk(p, [m, v], g, step));
}

#[multiversion(targets("x86_64+avx512f", "x86_64+avx2+fma"))]
fn adam_chunk(p: &mut [f32], [m, v]: [&mut [f32]; 2], g: &[f32], step: Adam) {
    let Adam { lr, betas: [b1, b2], eps, weight_decay, kept, step } = step;
    let correction = |beta: f64| (1.0 - beta.powf(step as f64)) as f32;
    let (c1, c2) = (correction(b1), correction(b2));
    let [(b1, n1), (b2, n2)] = [b1, b2].map(|beta| (beta as f32, (1.0 - beta) as f32));
    for (((p, m), v), &g) in p.iter_mut().zip(m).zip(v).zip(g) {
        let g = g + weight_decay * *p;
        *m = b1 * *m + n1 * g;
        *v = b2 * *v + n2 * (g * g);
        *p = kept * *p - *m / c1 * lr / ((*v / c2).sqrt() + eps);
    }
}

/// `p = keep p + (1 - keep) q`: a step of an exponential moving average.
///
/// # Panics
/// When the slices differ in length.
pub fn average_step(p: &mut [f32], q: &[f32], keep: f64) {
    assert_len("q", q.len(), p.len());
    p.par_chunks_mut(CHUNK).zip(q.par_chunks(CHUNK)).for_each(|(p, q)| average_chunk(p, q, keep));
}

#[multiversion(targets("x86_64+avx512f", "x86_64+avx2+fma"))]
fn average_chunk(p: &mut [f32], q: &[f32], keep: f64) {
    let (keep, take) = (keep as f32, (1.0 - keep) as f32);
    p.iter_mut().zip(q).for_each(|(p, &q)| *p = keep * *p + take * q);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::naive::numbers;
    use crate::parallel::tests::same_for_any_threads;

    /// More than two chunks, the last one not whole.
    const LEN: usize = 2 * CHUNK + 4321;

    fn three() -> [Vec<f32>; 3] {
        [1, 2, 3].map(|seed| numbers(seed, LEN))
    }

    #[test]
    fn the_heavy_ball_follows_its_formula() {
        for nesterov in [false, true] {
            let [mut p, mut b, g] = three();
            let (old_p, old_b) = (p.clone(), b.clone());
            let step = HeavyBall { lr: 0.1, momentum: 0.9, weight_decay: 0.01, nesterov };
            heavy_ball_step(&mut p, &mut b, &g, 0.5, step);
            for i in 0..LEN {
                let [p0, b0, g0] = [old_p[i], old_b[i], g[i]].map(f64::from);
                let g0 = 0.5 * (g0 + 0.01 * p0);
                let expected_b = 0.9 * b0 + g0;
                let move_by = if nesterov { g0 + 0.9 * expected_b } else { expected_b };
                assert!((f64::from(b[i]) - expected_b).abs() < 1e-6);
                assert!((f64::from(p[i]) - (p0 - 0.1 * move_by)).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn adam_follows_its_formula() {
        for step in [1, 2, 1000] {
            let [mut p, mut m, g] = three();
            let mut v: Vec<f32> = numbers(4, LEN).iter().map(|x| x * x).collect();
            let (old_p, old_m, old_v) = (p.clone(), m.clone(), v.clone());
            let adam = Adam { lr: 0.1, betas: [0.9, 0.99], eps: 1e-8, weight_decay: 0.01, kept: 0.95, step };
            adam_step(&mut p, &mut m, &mut v, &g, adam);
            let t = step as f64;
            for i in 0..LEN {
                let [p0, m0, v0, g0] = [old_p[i], old_m[i], old_v[i], g[i]].map(f64::from);
                let g0 = g0 + 0.01 * p0;
                let (m1, v1) = (0.9 * m0 + 0.1 * g0, 0.99 * v0 + 0.01 * g0 * g0);
                let root = (v1 / (1.0 - 0.99f64.powf(t))).sqrt() + 1e-8;
                let expected = 0.95 * p0 - 0.1 * (m1 / (1.0 - 0.9f64.powf(t))) / root;
                assert!((f64::from(m[i]) - m1).abs() < 1e-6 * (1.0 + m1.abs()));
                assert!((f64::from(v[i]) - v1).abs() < 1e-6 * (1.0 + v1));
                assert!((f64::from(p[i]) - expected).abs() < 2e-6 * (1.0 + expected.abs()), "{i}");
            }
        }
    }

    #[test]
    fn an_average_lies_between() {
        let [mut p, q, _] = three();
        let old = p.clone();
        average_step(&mut p, &q, 0.75);
        for i in 0..LEN {
            assert!((p[i] - (0.75 * old[i] + 0.25 * q[i])).abs() < 1e-6);
        }
    }

    #[test]
    fn results_do_not_depend_on_the_number_of_threads() {
        let [p, b, g] = three();
        same_for_any_threads(|| {
            let (mut p, mut b) = (p.clone(), b.clone());
            average_step(&mut p, &b, 0.9);
            let step = HeavyBall { lr: 0.1, momentum: 0.9, weight_decay: 0.1, nesterov: true };
            heavy_ball_step(&mut p, &mut b, &g, 1.0, step);
            [p, b].concat()
        });
    }
}
