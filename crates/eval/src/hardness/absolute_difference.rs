//! The mean absolute difference.

use super::pair::Pair;

/// `mean_hwc |x_hwc - y_hwc|`, in units of the full range: 0 for equal images, 1 for black and white.
pub fn absolute_difference(pair: Pair<'_>) -> f64 {
    let [one, other] = pair.images;
    let gaps = one.iter().zip(other).map(|(x, y)| (f64::from(*x) - f64::from(*y)).abs());
    gaps.sum::<f64>() / one.len() as f64
}
