//! Features with mean 0 and standard deviation 1.

use crate::{EvalError, Features};

/// A column whose standard deviation is below this share of its mean holds nothing but the rounding of f32.
const RELATIVE_NOISE: f64 = 1e-7;

/// Per-column mean and standard deviation of a training split.
#[derive(Clone, Debug, PartialEq)]
pub struct Standardiser {
    mean: Vec<f64>,
    /// 0 for constant columns.
    inverse_std: Vec<f64>,
}

impl Standardiser {
    /// Learns from the rows of `train`: mean and biased standard deviation (divided by n, as
    /// scikit-learn's `StandardScaler`), in f64 and two passes.
    pub fn fit(train: &Features) -> Standardiser {
        let rows = train.rows() as f64;
        let mean = train.column_means();
        let mut variance = vec![0.0; train.dim()];
        for row in train.iter() {
            let centred = row.iter().zip(&mean).map(|(&value, mean)| f64::from(value) - mean);
            variance.iter_mut().zip(centred).for_each(|(sum, value)| *sum += value * value);
        }
        let inverse = |(sum, mean): (&f64, &f64)| {
            let std = (sum / rows).sqrt();
            if std > RELATIVE_NOISE * mean.abs() { 1.0 / std } else { 0.0 }
        };
        let inverse_std = variance.iter().zip(&mean).map(inverse).collect();
        Standardiser { mean, inverse_std }
    }

    /// `(x - mean) / std` by column; 0 in columns that were constant in training, whatever they hold here.
    ///
    /// # Errors
    /// [`EvalError::SplitsDiffer`] for another number of columns, [`EvalError::NotFinite`] when a value is
    /// too many standard deviations away for an f32.
    pub fn apply(&self, features: &Features) -> Result<Features, EvalError> {
        if features.dim() != self.mean.len() {
            let (split, what) = ("features".to_string(), "features per row");
            return Err(EvalError::SplitsDiffer {
                split,
                what,
                expected: self.mean.len(),
                got: features.dim(),
            });
        }
        let standardise = |row: &'_ [f32]| -> Vec<f32> {
            let columns = row.iter().zip(self.mean.iter().zip(&self.inverse_std));
            columns.map(|(&value, (mean, inverse))| ((f64::from(value) - mean) * inverse) as f32).collect()
        };
        Features::new(features.rows(), features.dim(), features.iter().flat_map(standardise).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn constant_columns_become_zero() {
        let train = Features::new(3, 2, vec![0.1, 1.0, 0.1, 2.0, 0.1, 3.0]).unwrap();
        let standardiser = Standardiser::fit(&train);
        let other = Features::new(1, 2, vec![5.0, 2.0]).unwrap();
        assert_eq!(standardiser.apply(&other).unwrap().values(), [0.0, 0.0]);
        let wide = Features::new(1, 3, vec![0.0; 3]).unwrap();
        assert!(matches!(standardiser.apply(&wide), Err(EvalError::SplitsDiffer { .. })));
    }

    proptest! {
        #[test]
        fn training_rows_get_mean_zero_and_deviation_one(
            seed: u64, rows in 2usize..50, shift in -100f32..100.0, scale in 0.01f32..100.0
        ) {
            let random = crate::testing::random_features(rows, 3, seed);
            let values = random.values().iter().map(|value| shift + scale * value).collect();
            let train = Features::new(rows, 3, values).unwrap();
            let standard = Standardiser::fit(&train).apply(&train).unwrap();
            for column in 0..3 {
                let values: Vec<f64> = standard.iter().map(|row| row[column].into()).collect();
                let mean = values.iter().sum::<f64>() / rows as f64;
                let variance = values.iter().map(|v| v * v).sum::<f64>() / rows as f64;
                prop_assert!(mean.abs() < 1e-5 && (variance - 1.0).abs() < 1e-5, "{} {}", mean, variance);
            }
        }
    }
}
