//! Barlow Twins (Zbontar et al., "Barlow Twins: self-supervised learning via redundancy reduction", ICML 2021).

use burn::tensor::{Int, Tensor, activation};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_nn::norms::unit_rows;
use twinlens_nn::ops::column_products;

use super::formulas::{centre, log_sum_exp, off_diagonal_squares, squared_products, standardise};
use super::loss::Loss;
use crate::problems::Problems;

/// Which loss: the method's own, or one of those that were compared with it (table 5 of the paper; the correlation of a
/// view with itself is from later work).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BarlowTwinsForm {
    /// Equations 1 and 2.
    #[default]
    CrossCorrelation,
    /// The first sum alone.
    InvarianceOnly,
    /// The second sum alone.
    RedundancyOnly,
    /// Columns standardised, then each *row* scaled to length 1; `C` is the sum over the batch.
    FeatureNormalised,
    /// As `feature_normalised`, `C` divided by N.
    FeatureNormalisedMean,
    /// As `feature_normalised`, columns centred alone.
    FeatureNormalisedCentred,
    /// As `feature_normalised_centred`, `C` divided by N.
    FeatureNormalisedCentredMean,
    /// Columns centred, not scaled: `C` is the cross-covariance.
    Covariance,
    /// `-log sum_i exp(C_ii / tau) + lambda log sum_i sum_{j != i} exp(max(C_ij, 0) / tau)`
    CrossEntropy,
    /// Redundancy of the first view with itself in place of that between the views.
    Autocorrelation,
    /// Redundancy of each view with itself, averaged.
    AutocorrelationMean,
}

/// Constants of the loss.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct BarlowTwins {
    /// Weight of the redundancy term.
    pub lambda: f64,
    /// Added to each column's variance.
    pub eps: f64,
    /// Which loss.
    pub form: BarlowTwinsForm,
    /// Divides the correlations of `cross_entropy`.
    pub temperature: f64,
}

impl Default for BarlowTwins {
    fn default() -> BarlowTwins {
        BarlowTwins { lambda: 0.005, eps: 1e-5, form: BarlowTwinsForm::default(), temperature: 0.1 }
    }
}

impl BarlowTwins {
    pub(crate) fn check(&self, problems: &mut Problems) {
        problems.not_negative("lambda", self.lambda);
        problems.positive("eps", self.eps);
        problems.positive("temperature", self.temperature);
    }

    /// Equations 1 and 2. With `a`, `b` the columns of `z_a`, `z_b` standardised over the batch,
    ///
    /// ```text
    /// C = a^T b / N
    /// L = sum_i (1 - C_ii)^2 + lambda sum_i sum_{j != i} C_ij^2
    /// ```
    ///
    /// and its other [forms](BarlowTwinsForm). The paper leaves open how its form that is normalised along the features
    /// begins (with standardised or centred columns) and whether the batch is summed: all four readings are here. Shapes: `z_a`, `z_b` `[N, D]`. Parts: `invariance` (the first sum) and
    /// `redundancy` (the second, without lambda), or `log_sum_diagonal` and `log_sum_off_diagonal`.
    ///
    /// Differences: the standard deviation is the biased one, as in the authors' code, so that `C_ii` reaches 1; a
    /// common rewriting divides by the unbiased one and by N, which caps it at (N - 1) / N. solo-learn multiplies
    /// the loss by 0.1 (or 0.024); here there is no factor. lightly once pooled the statistics of both views.
    pub fn loss(&self, z_a: Tensor<2>, z_b: Tensor<2>) -> Loss {
        let divisor = self.divisor(&z_a);
        let (a, b) = (self.normalise(z_a), self.normalise(z_b));
        let [_, d] = a.dims();
        // The diagonal from its own sums: cheaper than a mask, and its gradient is exact.
        let diagonal: Tensor<1> = (a.clone() * b.clone()).sum_dim(0).div_scalar(divisor).reshape([d]);
        if self.form == BarlowTwinsForm::CrossEntropy {
            return self.cross_entropy(column_products(a, b).div_scalar(divisor), diagonal);
        }
        let invariance = (diagonal.clone().neg().add_scalar(1.0)).square().sum();
        let redundancy = match self.form {
            BarlowTwinsForm::InvarianceOnly => {
                return Loss::new(invariance.clone(), [("invariance", invariance)]);
            }
            BarlowTwinsForm::Autocorrelation => off_diagonal_squares(a, divisor),
            BarlowTwinsForm::AutocorrelationMean => {
                (off_diagonal_squares(a, divisor) + off_diagonal_squares(b, divisor)).mul_scalar(0.5)
            }
            _ => {
                let squares = squared_products(a, b).div_scalar(divisor * divisor);
                squares - diagonal.square().sum()
            }
        };
        let weighted = redundancy.clone().mul_scalar(self.lambda);
        if self.form == BarlowTwinsForm::RedundancyOnly {
            return Loss::new(weighted, [("redundancy", redundancy)]);
        }
        Loss::new(invariance.clone() + weighted, [("invariance", invariance), ("redundancy", redundancy)])
    }

    /// `C [D, D]` of the form.
    pub fn correlation(&self, z_a: Tensor<2>, z_b: Tensor<2>) -> Tensor<2> {
        let divisor = self.divisor(&z_a);
        column_products(self.normalise(z_a), self.normalise(z_b)).div_scalar(divisor)
    }

    fn cross_entropy(&self, c: Tensor<2>, diagonal: Tensor<1>) -> Loss {
        let [d, _] = c.dims();
        let own = Tensor::<2, Int>::eye(d, &c.device()).bool();
        let others = activation::relu(c).div_scalar(self.temperature).mask_fill(own, f32::NEG_INFINITY);
        let same = log_sum_exp(diagonal.div_scalar(self.temperature).reshape([1, d]));
        let others = log_sum_exp(log_sum_exp(others).reshape([1, d]));
        let total = others.clone().mul_scalar(self.lambda) - same.clone();
        Loss::new(total, [("log_sum_diagonal", same), ("log_sum_off_diagonal", others)])
    }

    fn normalise(&self, z: Tensor<2>) -> Tensor<2> {
        use BarlowTwinsForm::{
            Covariance, FeatureNormalised, FeatureNormalisedCentred, FeatureNormalisedCentredMean,
            FeatureNormalisedMean,
        };
        match self.form {
            Covariance => centre(z),
            FeatureNormalisedCentred | FeatureNormalisedCentredMean => unit_rows(centre(z)),
            FeatureNormalised | FeatureNormalisedMean => unit_rows(standardise(z, self.eps)),
            _ => standardise(z, self.eps),
        }
    }

    /// What the products of the batch are divided by.
    fn divisor(&self, z: &Tensor<2>) -> f64 {
        match self.form {
            BarlowTwinsForm::FeatureNormalised | BarlowTwinsForm::FeatureNormalisedCentred => 1.0,
            _ => z.dims()[0] as f64,
        }
    }
}
