//! The gradient of a ReLU.

use multiversion::multiversion;
use rayon::prelude::*;

use crate::element::Element;
use crate::shape::assert_len;

/// Gradient of `y = max(x, 0)`: `dx = dy` where `y > 0` or is NaN, as in PyTorch, and 0 elsewhere.
///
/// # Panics
/// When the slices differ in length.
pub fn relu_backward<E: Element>(dy: &[E], y: &[E], dx: &mut [E]) {
    const CHUNK: usize = 32 * 1024;
    assert_len("y", y.len(), dy.len());
    assert_len("dx", dx.len(), dy.len());
    let chunks = dx.par_chunks_mut(CHUNK).zip(dy.par_chunks(CHUNK).zip(y.par_chunks(CHUNK)));
    chunks.for_each(|(dx, (dy, y))| mask(dy, y, dx));
}

#[multiversion(targets("x86_64+avx512f+avx512bw", "x86_64+avx2+fma"))]
fn mask<E: Element>(dy: &[E], y: &[E], dx: &mut [E]) {
    for (dx, (&dy, y)) in dx.iter_mut().zip(dy.iter().zip(y)) {
        *dx = if y.widen() <= 0.0 { E::zeroed() } else { dy };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bf16::Bf16;
    use crate::element::tests::{nearest, widened};

    #[test]
    fn the_gradient_passes_where_the_output_is_positive_or_no_number() {
        let (dy, y) = ([1.0, 2.0, 3.0, 4.0, f32::NAN], [0.5, 0.0, -0.0, f32::NAN, 0.0]);
        let mut dx = [f32::NAN; 5];
        relu_backward(&dy, &y, &mut dx);
        assert_eq!(dx, [1.0, 0.0, 0.0, 4.0, 0.0]);
        let mut ours = nearest::<Bf16>(&[f32::NAN; 5]);
        relu_backward(&nearest::<Bf16>(&dy), &nearest::<Bf16>(&y), &mut ours);
        assert_eq!(widened(&ours), dx);
    }

    #[test]
    #[should_panic(expected = "y has 2 elements; its shape has 3")]
    fn a_wrong_length_stops_the_call() {
        relu_backward(&[0.0; 3], &[0.0; 2], &mut [0.0; 3]);
    }
}
