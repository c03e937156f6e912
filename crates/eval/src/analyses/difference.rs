//! How far one line lies above another.

use super::Tested;
use crate::EvalError;
use crate::statistics::{PairedT, paired_t};

/// The mean of `a - b` over pairs, such as two methods on the same seeds or at the same values, with its t interval and the paired t-test
/// ([`paired_t`]). (Studies name this analysis without defining it; this is its plain reading.) Of the images of one split, or where
/// differences are far from normal, a bootstrap of pairs is the better interval: [`Bootstrap`](crate::statistics::Bootstrap).
///
/// Not tested: fewer than two pairs.
///
/// # Errors
/// [`EvalError::Length`] for lists of different length, [`EvalError::NumberNotFinite`], [`EvalError::Setting`] unless `level` is between
/// 0 and 1.
pub fn difference(a: &[f64], b: &[f64], level: f64) -> Result<Tested<PairedT>, EvalError> {
    if a.is_empty() && b.is_empty() {
        return Ok(Tested::too_few("pairs", 2, 0));
    }
    Tested::of(paired_t(a, b, level))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_a_paired_t_test() {
        let (a, b) = ([0.5, 0.6, 0.9], [0.4, 0.6, 0.7]);
        let found = difference(&a, &b, 0.95).unwrap();
        assert_eq!(found.tested(), Some(&paired_t(&a, &b, 0.95).unwrap()));
        assert_eq!(
            difference(&a[..1], &b[..1], 0.95).unwrap().reason(),
            Some("differences: at least 2 are needed, got 1")
        );
        assert!(difference(&[], &[], 0.95).unwrap().reason().is_some());
        assert!(difference(&a, &b[..2], 0.95).is_err() && difference(&a, &b, 0.0).is_err());
    }
}
