//! Tails of the distributions that test statistics follow. Each is taken directly, never as one minus the rest,
//! so that small p-values keep their digits.

use statrs::function::beta::beta_reg;
use statrs::function::erf::erfc;
use statrs::function::gamma::gamma_ur;

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

/// `P(X >= x)` of chi-square with `freedom` degrees of freedom.
pub(super) fn chi_square_upper(x: f64, freedom: f64) -> f64 {
    match x {
        _ if x <= 0.0 => 1.0,
        _ if x.is_infinite() => 0.0,
        _ => gamma_ur(freedom / 2.0, x / 2.0),
    }
}

/// The two-sided p-value of `a` heads and `b` tails of a fair coin, `min(1, 2 P(X <= min(a, b)))`; 1 without tosses.
pub(super) fn fair_coin_two_sided(a: usize, b: usize) -> f64 {
    if a == b {
        return 1.0;
    }
    let (fewer, more) = (a.min(b), a.max(b));
    // P(X <= k) of n tosses is I_{1/2}(n - k, k + 1).
    (2.0 * beta_reg(more as f64, fewer as f64 + 1.0, 0.5)).min(1.0)
}

/// `P(R >= q)` of the studentised range of `groups` means with infinite degrees of freedom (Tukey),
///
/// `k int phi(z) [Phi(z)^(k - 1) - (Phi(z) - Phi(z - q))^(k - 1)] dz`,
///
/// with the difference of powers as a product with `Phi(z - q)`, which keeps the digits of small tails.
pub(super) fn studentised_range_upper(q: f64, groups: usize) -> f64 {
    if q <= 0.0 {
        return 1.0;
    }
    let phi = |z: f64| (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let lower = |z: f64| 0.5 * erfc(-z / std::f64::consts::SQRT_2);
    let tail = |z: f64| {
        let (all, beyond) = (lower(z), lower(z - q));
        let powers = (0..groups - 1)
            .map(|i| all.powi(i as i32) * (all - beyond).max(0.0).powi((groups - 2 - i) as i32));
        phi(z) * beyond * powers.sum::<f64>()
    };
    // The trapezoid rule converges exponentially for functions that are analytic and vanish at both ends.
    const STEP: f64 = 1.0 / 32.0;
    let integral: f64 = (-320..=320).map(|i| tail(f64::from(i) * STEP)).sum();
    (groups as f64 * integral * STEP).min(1.0)
}

/// The `t` with `P(|T| <= t) = level`: intervals reach so many standard errors to both sides.
pub(super) fn student_reach(level: f64, freedom: f64) -> f64 {
    reach(|t| student_two_sided(t, freedom) > 1.0 - level)
}

/// The `z` with `P(|Z| <= z) = level`.
pub(super) fn normal_reach(level: f64) -> f64 {
    reach(|z| normal_two_sided(z) > 1.0 - level)
}

/// The `x` with `I_x(a, b) = share`, the quantile of a beta distribution.
pub(super) fn beta_quantile(share: f64, a: f64, b: f64) -> f64 {
    last_where(0.0, 1.0, |x| beta_reg(a, b, x) < share)
}

/// The largest number from 0 on for which `inside` holds, which is false of large ones.
pub(super) fn reach(inside: impl Fn(f64) -> bool) -> f64 {
    let mut high = 1.0;
    while inside(high) && high < f64::MAX / 2.0 {
        high *= 2.0;
    }
    last_where(0.0, high, inside)
}

/// Halves the way from `low`, where `holds` is true, to `high`, where it is false, until no number lies between: the largest number
/// for which it holds, if it changes once.
pub(crate) fn last_where(mut low: f64, mut high: f64, holds: impl Fn(f64) -> bool) -> f64 {
    loop {
        let middle = low + (high - low) / 2.0;
        if middle <= low || middle >= high {
            return low;
        }
        *(if holds(middle) { &mut low } else { &mut high }) = middle;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_have_the_tabulated_values() {
        let near = |got: f64, want: f64| assert!((got / want - 1.0).abs() < 1e-6, "{got} against {want}");
        near(student_reach(0.95, 10.0), 2.228_138_852);
        near(student_reach(0.99, 1.0), 63.656_741_16);
        near(normal_reach(0.95), 1.959_963_985);
        // I_x(1, b) = 1 - (1 - x)^b.
        near(beta_quantile(0.975, 1.0, 20.0), 1.0 - 0.025_f64.powf(0.05));
    }

    #[test]
    fn counts_and_ranges_have_the_tabulated_values() {
        let near = |got: f64, want: f64| assert!((got / want - 1.0).abs() < 1e-5, "{got} against {want}");
        near(chi_square_upper(5.991_465, 2.0), 0.05);
        near(chi_square_upper(100.0, 2.0), (-50.0_f64).exp());
        // One head of ten tosses: 2 (1 + 10) / 1024.
        near(fair_coin_two_sided(1, 9), 22.0 / 1024.0);
        assert_eq!((fair_coin_two_sided(0, 0), fair_coin_two_sided(4, 4)), (1.0, 1.0));
        // Two means: the range is sqrt 2 times a normal's size.
        near(studentised_range_upper(6.0 * 2.0_f64.sqrt(), 2), normal_two_sided(6.0));
        near(studentised_range_upper(4.474_124, 10), 0.05);
    }

    #[test]
    fn the_last_number_is_the_last() {
        let last = last_where(-1.0, 5.0, |x| x < 2.0);
        assert!(last < 2.0 && last.next_up() == 2.0);
        assert_eq!(last_where(0.0, 1.0, |x| x <= 0.0), 0.0);
    }

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
