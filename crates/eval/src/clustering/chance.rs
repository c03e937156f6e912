//! What clusters look like beside labels that mean nothing.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Agreement, Average};
use crate::EvalError;
use crate::draws::{Draw, stream};
use crate::statistics::mean_and_deviation;

/// Adjusted mutual information with labels in random order.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shuffled {
    /// How many orders were drawn.
    pub permutations: usize,
    /// Mean, near 0 whatever the clusters.
    pub mean: f64,
    /// Standard deviation (divisor n - 1): an AMI a few of these above 0 is more than chance.
    pub std: f64,
    /// The largest.
    pub largest: f64,
}

/// The randomised-label control: AMI (arithmetic mean) of `clusters` with `labels` permuted `permutations`
/// times; order `i` depends on `seed` and `i` alone.
///
/// # Errors
/// As [`Agreement::new`]; [`EvalError::TooFew`] below two permutations.
pub fn shuffled_ami(
    clusters: &[usize],
    labels: &[usize],
    permutations: usize,
    seed: u64,
) -> Result<Shuffled, EvalError> {
    let table = Agreement::new(clusters, labels)?;
    let one = |number: usize| {
        let mut order = labels.to_vec();
        stream(seed, Draw::Permutation, number).shuffle(&mut order);
        table.with_second(clusters, &order).ami(Average::Arithmetic)
    };
    let all: Vec<f64> = (0..permutations).into_par_iter().map(one).collect();
    let (mean, std) = mean_and_deviation("permutations", &all)?;
    let largest = all.into_iter().fold(f64::NEG_INFINITY, f64::max);
    Ok(Shuffled { permutations, mean, std, largest })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::on_threads;

    #[test]
    fn shuffled_labels_agree_with_nothing() {
        let labels: Vec<usize> = (0..300).map(|i| i % 4).collect();
        let run = |seed| shuffled_ami(&labels, &labels, 60, seed).unwrap();
        let control = run(1);
        assert!(control.mean.abs() < 4.0 * control.std / 60_f64.sqrt(), "{control:?}");
        assert!(control.std > 0.0 && control.largest < 0.1, "{control:?}");
        assert_ne!(control, run(2));
        assert_eq!(on_threads(1, || run(3)), on_threads(3, || run(3)));
    }

    #[test]
    fn a_kept_order_keeps_the_ami() {
        let (a, b) = ([0, 0, 1, 1, 2, 2, 2], [1, 1, 0, 0, 0, 1, 4]);
        let table = Agreement::new(&a, &b).unwrap();
        assert_eq!(table.with_second(&a, &b), table);
        assert!(matches!(shuffled_ami(&a, &b, 1, 0), Err(EvalError::TooFew { expected: 2, got: 1, .. })));
    }
}
