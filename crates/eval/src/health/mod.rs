//! Is the representation alive? Numbers that need no labels.
//!
//! [`embedding_std`] and [`rankme`] are cheap enough for every step of a run; [`uniformity`] and the
//! [intrinsic dimensions](two_nn) compare all pairs of rows. [`HealthProtocol`] gathers them all.

mod intrinsic_dimension;
mod protocol;
mod spectrum;
mod sphere;

pub use intrinsic_dimension::{LevinaBickel, TwoNn, levina_bickel, two_nn};
pub use protocol::{HEALTH_MEASURES, Health, HealthProtocol};
pub use spectrum::{covariance_spectrum, effective_rank, participation_ratio, rankme, singular_values};
pub use sphere::{alignment, embedding_std, uniformity};

use crate::Features;

/// All values in f64.
fn widened(features: &Features) -> Vec<f64> {
    features.values().iter().map(|&value| value.into()).collect()
}

/// Takes each column's mean off.
fn centre_columns(values: &mut [f64], dim: usize) {
    let rows = (values.len() / dim) as f64;
    let mut mean = vec![0.0; dim];
    for row in values.chunks_exact(dim) {
        mean.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
    }
    mean.iter_mut().for_each(|sum| *sum /= rows);
    for row in values.chunks_exact_mut(dim) {
        row.iter_mut().zip(&mean).for_each(|(value, mean)| *value -= mean);
    }
}
