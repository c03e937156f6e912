//! Statistics as functions of arrays, in f64. p-values are two-sided unless a function says otherwise.

mod bootstrap;
mod checks;
mod correlation;
mod distributions;
mod manova;
mod proportion;
mod regression;
mod summary;
mod variance;

pub use bootstrap::{Bootstrap, Interval, Units};
pub use correlation::{Correlation, kendall_tau_b, pearson, spearman};
pub use manova::{Manova, ManovaTest, manova};
pub use proportion::{difference_of_proportions, proportion};
pub use regression::{LinearFit, linear_regression};
pub use summary::mean_and_deviation;
pub use variance::{Anova, anova_oneway};
