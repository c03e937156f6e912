//! Is the representation alive? Numbers that need no labels.
//!
//! [`embedding_std`] and [`rankme`] are cheap enough for every step of a run; [`uniformity`] and the
//! [intrinsic dimensions](two_nn) compare all pairs of rows; [`alignment`], [`CrossCorrelation`] and [`information`] two views
//! of each image. [`HealthProtocol`] gathers them all.

mod cross_correlation;
mod information;
mod intrinsic_dimension;
mod protocol;
mod spectrum;
mod sphere;

pub use cross_correlation::{CorrelationMeans, CrossCorrelation};
pub use information::{Information, information};
pub use intrinsic_dimension::{LevinaBickel, TwoNn, levina_bickel, two_nn};
pub use protocol::{HEALTH_MEASURES, Health, HealthProtocol};
pub use spectrum::{covariance_spectrum, effective_rank, participation_ratio, rankme, singular_values};
pub use sphere::{alignment, embedding_std, uniformity};

use crate::{EvalError, Features};

/// All values in f64.
fn widened(features: &Features) -> Vec<f64> {
    features.values().iter().map(|&value| value.into()).collect()
}

/// Refuses features of two views that are not of the same images and width.
fn check_same_shape(x: &Features, y: &Features) -> Result<(), EvalError> {
    if x.rows() != y.rows() {
        return Err(EvalError::Length { what: "rows of the second view", expected: x.rows(), got: y.rows() });
    }
    if x.dim() != y.dim() {
        let (split, what) = ("second view".to_string(), "features per row");
        return Err(EvalError::SplitsDiffer { split, what, expected: x.dim(), got: y.dim() });
    }
    Ok(())
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
