//! The noise of a field, and whether anything in it stands out from that.
//!
//! The second difference along rows and columns, `[1 -2 1; -2 4 -2; 1 -2 1]`, is blind to flat and to evenly rising ground. Noise
//! of standard deviation `s` that is independent from pixel to pixel gives it the standard deviation `6 s` (Immerkaer 1996, "Fast
//! noise variance estimation"). Its median magnitude, which edges of nuclei do not raise, is 0.6745 of that.

use crate::Plane;

/// The median magnitude of normal numbers of standard deviation 1.
const MEDIAN_OF_NORMAL: f64 = 0.674_489_750_196_081_7;

/// The standard deviation of the noise of a field; 0 for one of fewer than 3 rows or columns.
pub(crate) fn noise(plane: &Plane) -> f64 {
    let width = plane.width;
    let mut differences = Vec::with_capacity(plane.values.len());
    for y in 1..plane.height.saturating_sub(1) {
        let row = |at: usize| &plane.values[at * width..(at + 1) * width];
        let (above, here, below) = (row(y - 1), row(y), row(y + 1));
        let column = |x: usize| above[x] - 2.0 * here[x] + below[x];
        differences.extend(
            (1..width.saturating_sub(1)).map(|x| (column(x - 1) - 2.0 * column(x) + column(x + 1)).abs()),
        );
    }
    quantile(&mut differences, 0.5).unwrap_or(0.0) / (6.0 * MEDIAN_OF_NORMAL)
}

/// The value that a share of `values` are below; their order changes. `None` without any.
pub(crate) fn quantile(values: &mut [f64], share: f64) -> Option<f64> {
    let at = (share * values.len().checked_sub(1)? as f64).round() as usize;
    Some(*values.select_nth_unstable_by(at, f64::total_cmp).1)
}

#[cfg(test)]
mod tests {
    use twinlens_random::{Purpose, Stream};

    use super::*;

    #[test]
    fn noise_is_measured_beside_slopes_and_edges() {
        let mut stream = Stream::new(1, Purpose::Mutation, [0, 0, 0]);
        let mut plane = Plane { height: 200, width: 300, values: Vec::new() };
        for at in 0..200 * 300 {
            let (y, x) = (at / 300, at % 300);
            let nucleus = if y % 40 < 20 && x % 50 < 25 { 500.0 } else { 0.0 };
            plane.values.push(3.0 * x as f64 + nucleus + 7.0 * stream.normal());
        }
        assert!((noise(&plane) / 7.0 - 1.0).abs() < 0.15, "{}", noise(&plane));
        assert_eq!(noise(&Plane { height: 2, width: 2, values: vec![0.0, 9.0, 5.0, 1.0] }), 0.0);
    }
}
