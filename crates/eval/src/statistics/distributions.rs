//! Tails of the distributions that test statistics follow. Each is taken directly, never as one minus the rest,
//! so that small p-values keep their digits.

use statrs::function::beta::beta_reg;
use statrs::function::erf::erfc;

/// `P(|T| >= |t|)` of Student's t with `freedom` degrees of freedom: `I_{v / (v + t^2)}(v / 2, 1 / 2)`.
pub(super) fn student_two_sided(t: f64, freedom: f64) -> f64 {
    if t.is_infinite() {
        return 0.0;
    }
    beta_reg(freedom / 2.0, 0.5, freedom / (freedom + t * t))
}

/// `P(F >= f)` of Fisher's F: `I_{b / (b + a f)}(b / 2, a / 2)` with degrees of freedom `a` and `b`.
pub(super) fn fisher_upper(f: f64, (a, b): (f64, f64)) -> f64 {
    if f.is_infinite() {
        return 0.0;
    }
    beta_reg(b / 2.0, a / 2.0, b / (b + a * f.max(0.0)))
}

/// `P(|Z| >= |z|)` of a standard normal.
pub(super) fn normal_two_sided(z: f64) -> f64 {
    erfc(z.abs() / std::f64::consts::SQRT_2)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Quantiles as every table has them, and closed forms.
    #[test]
    fn tails_have_the_tabulated_values() {
        let near = |got: f64, want: f64| assert!((got / want - 1.0).abs() < 1e-4, "{got} against {want}");
        near(student_two_sided(2.228_139, 10.0), 0.05);
        // One degree of freedom is Cauchy's distribution: 2 atan(1 / t) / pi.
        near(student_two_sided(1e8, 1.0), 2.0 * 1e-8_f64.atan() / std::f64::consts::PI);
        near(fisher_upper(4.102_821, (2.0, 10.0)), 0.05);
        // With two degrees above, (1 + 2 f / b)^(-b / 2).
        near(fisher_upper(300.0, (2.0, 40.0)), 16.0_f64.powi(-20));
        near(normal_two_sided(1.959_964), 0.05);
        near(normal_two_sided(10.0), 1.523_970_6e-23);
        assert_eq!(
            (student_two_sided(f64::INFINITY, 3.0), fisher_upper(f64::INFINITY, (1.0, 2.0))),
            (0.0, 0.0)
        );
        assert_eq!((student_two_sided(0.0, 3.0), normal_two_sided(0.0)), (1.0, 1.0));
    }
}
