//! Statistics as functions of arrays, in f64. p-values are two-sided unless a function says otherwise.

mod bootstrap;
pub(crate) mod checks;
pub(crate) mod correlation;
mod counts;
mod delong;
pub(crate) mod distributions;
mod exact;
mod friedman;
mod improvement;
mod manova;
mod multiplicity;
mod paired;
mod proportion;
mod regression;
mod summary;
mod variance;
mod wilcoxon;

pub use bootstrap::{Bootstrap, Interval, Units};
pub use correlation::{Correlation, kendall_tau_b, pearson, spearman};
pub use counts::{McNemar, SignTest, mcnemar, sign_test};
pub use delong::{DeLong, delong};
pub use exact::{ExactPermutation, permutation_paired, permutation_two_samples};
pub use friedman::{Friedman, Nemenyi, friedman, nemenyi};
pub use improvement::{Improvement, probability_of_improvement};
pub use manova::{Manova, ManovaTest, manova};
pub use multiplicity::{benjamini_hochberg, holm};
pub use paired::{PairedEffect, PairedT, cohens_d_paired, mean_interval, paired_t};
pub use proportion::{clopper_pearson, difference_of_proportions, jeffreys, proportion, wilson};
pub use regression::{LinearFit, linear_regression};
pub use summary::{Summary, mean_and_deviation};
pub use variance::{Anova, anova_oneway};
pub use wilcoxon::{Wilcoxon, Zeros, wilcoxon_signed_rank};
