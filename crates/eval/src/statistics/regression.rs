//! A straight line through points.

use super::checks::check_pairs;
use super::distributions::{student_reach, student_two_sided};
use super::{Interval, pearson};
use crate::EvalError;

/// `y = slope x + intercept` by least squares.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinearFit {
    /// Rise of y for a rise of x by 1.
    pub slope: f64,
    /// y at x = 0.
    pub intercept: f64,
    /// Pearson's r of x and y; 0 when y is constant.
    pub r: f64,
    /// Standard error of the slope, `sqrt(sum residual^2 / (n - 2) / sum (x - mean)^2)`.
    pub slope_error: f64,
    /// Probability of a slope at least as steep, either way, if the true one were 0 (t with `n - 2` degrees
    /// of freedom).
    pub p_value: f64,
    /// Points less 2.
    pub freedom: f64,
}

impl LinearFit {
    /// The slope with its interval `slope -+ t_{(1 + level) / 2, n - 2} slope_error`, which holds the true slope with probability
    /// `level` (0 to 1) if residuals are independent and normal.
    pub fn slope_interval(&self, level: f64) -> Interval {
        // A perfect line is certain, and no reach must make it infinite times 0.
        let half =
            if self.slope_error == 0.0 { 0.0 } else { student_reach(level, self.freedom) * self.slope_error };
        Interval { value: self.slope, low: self.slope - half, high: self.slope + half, groups: None }
    }
}

/// Fits a line to the points (x, y), as SciPy's `linregress`.
///
/// # Errors
/// Fewer than 3 points, lists of different length, numbers that are not finite, a constant x.
pub fn linear_regression(x: &[f64], y: &[f64]) -> Result<LinearFit, EvalError> {
    check_pairs(x, y, 3)?;
    let n = x.len() as f64;
    let mean = |values: &[f64]| values.iter().sum::<f64>() / n;
    let (mean_x, mean_y) = (mean(x), mean(y));
    let spread: f64 = x.iter().map(|x| (x - mean_x).powi(2)).sum();
    if spread == 0.0 || x.iter().all(|value| *value == x[0]) {
        let reason = "all values of x are equal".to_string();
        return Err(EvalError::Undefined { what: "the slope", reason });
    }
    let common: f64 = x.iter().zip(y).map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let slope = common / spread;
    let residual = |(x, y): (&f64, &f64)| (y - mean_y - slope * (x - mean_x)).powi(2);
    let residuals: f64 = x.iter().zip(y).map(residual).sum();
    let slope_error = (residuals / (n - 2.0) / spread).sqrt();
    let r = match pearson(x, y) {
        Ok(found) => found.coefficient,
        Err(EvalError::Undefined { .. }) => 0.0,
        Err(error) => return Err(error),
    };
    let t = if slope == 0.0 { 0.0 } else { slope / slope_error };
    let freedom = n - 2.0;
    let p_value = student_two_sided(t, freedom);
    Ok(LinearFit { slope, intercept: mean_y - slope * mean_x, r, slope_error, p_value, freedom })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{check_p, doubles};
    use proptest::prelude::*;

    #[test]
    fn golden_linear_regression() {
        for case in twinlens_golden::cases("metrics/linear_regression") {
            let fit = linear_regression(&doubles(&case, "in.x"), &doubles(&case, "in.y")).unwrap();
            case.check("out.slope", &[fit.slope]);
            case.check("out.intercept", &[fit.intercept]);
            case.check("out.r", &[fit.r]);
            case.check("out.slope_stderr", &[fit.slope_error]);
            check_p(&case, fit.p_value);
        }
    }

    #[test]
    fn flat_lines_are_fitted_and_upright_ones_refused() {
        let flat = linear_regression(&[1.0, 2.0, 4.0], &[0.3; 3]).unwrap();
        assert_eq!((flat.slope, flat.r, flat.p_value), (0.0, 0.0, 1.0));
        let upright = linear_regression(&[0.3; 3], &[1.0, 2.0, 4.0]).unwrap_err().to_string();
        assert_eq!(upright, "the slope is undefined: all values of x are equal");
    }

    proptest! {
        #[test]
        fn points_on_a_line_give_the_line_and_no_other_fits_better(
            slope in -5.0f64..5.0, intercept in -5.0f64..5.0,
            noise in prop::collection::vec(-1.0f64..1.0, 5..30), step in -0.1f64..0.1
        ) {
            let x: Vec<f64> = (0..noise.len()).map(|i| 0.5 * i as f64 - 2.0).collect();
            let on_line: Vec<f64> = x.iter().map(|x| slope * x + intercept).collect();
            let fit = linear_regression(&x, &on_line).unwrap();
            prop_assert!((fit.slope - slope).abs() < 1e-9 && (fit.intercept - intercept).abs() < 1e-9);
            let y: Vec<f64> = on_line.iter().zip(&noise).map(|(y, noise)| y + noise).collect();
            let fit = linear_regression(&x, &y).unwrap();
            let cost = |slope: f64, intercept: f64| -> f64 {
                x.iter().zip(&y).map(|(x, y)| (y - slope * x - intercept).powi(2)).sum()
            };
            let least = cost(fit.slope, fit.intercept);
            prop_assert!(least <= cost(fit.slope + step, fit.intercept) + 1e-9);
            prop_assert!(least <= cost(fit.slope, fit.intercept + step) + 1e-9);
            prop_assert!((fit.p_value - pearson(&x, &y).unwrap().p_value).abs() < 1e-9);
        }
    }
}
