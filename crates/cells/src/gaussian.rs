//! Smoothing.
//!
//! Weights `exp(-k^2 / (2 sigma^2))` for whole numbers `|k| <= trunc(truncate * sigma + 0.5)`, divided by their sum, along
//! the rows and then along the columns. Beyond the image its edge pixels are repeated. This is what
//! `scipy.ndimage.gaussian_filter(mode="nearest")` computes.

use rayon::prelude::*;

use crate::Plane;

/// Standard deviations that the weights reach to either side.
pub const TRUNCATE: f64 = 4.0;

/// `plane` smoothed with standard deviation `sigma` pixels, weights cut at `truncate * sigma`. A `sigma` of 0 changes nothing.
pub fn gaussian(plane: &Plane, sigma: f64, truncate: f64) -> Plane {
    let weights = weights(sigma, truncate);
    if weights.len() < 2 || plane.values.is_empty() {
        return plane.clone();
    }
    down(&across(plane, &weights), &weights)
}

/// The weights of the middle and of one side.
fn weights(sigma: f64, truncate: f64) -> Vec<f64> {
    let reach = (truncate * sigma + 0.5) as usize;
    let side = (0..=reach).map(|k| if k == 0 { 1.0 } else { (-0.5 * (k as f64 / sigma).powi(2)).exp() });
    let side: Vec<f64> = side.collect();
    let sum = 2.0 * side.iter().sum::<f64>() - 1.0;
    side.into_iter().map(|weight| weight / sum).collect()
}

/// Every row by itself.
fn across(plane: &Plane, weights: &[f64]) -> Plane {
    let (width, reach) = (plane.width, weights.len() - 1);
    let mut values = vec![0.0; plane.values.len()];
    let rows = values.par_chunks_mut(width).zip(plane.values.par_chunks(width));
    rows.for_each_init(Vec::new, |padded: &mut Vec<f64>, (out, row)| {
        padded.clear();
        padded.extend(std::iter::repeat_n(row[0], reach));
        padded.extend_from_slice(row);
        padded.extend(std::iter::repeat_n(row[width - 1], reach));
        let from = |start: usize| &padded[start..start + width];
        out.iter_mut().zip(from(reach)).for_each(|(out, value)| *out = weights[0] * value);
        for (k, weight) in weights.iter().enumerate().skip(1) {
            add_pair(out, from(reach - k), from(reach + k), *weight);
        }
    });
    Plane { values, ..*plane }
}

/// Every column by itself, all columns of a row at a time.
fn down(plane: &Plane, weights: &[f64]) -> Plane {
    let (width, last) = (plane.width, plane.height - 1);
    let row = |at: usize| &plane.values[at * width..(at + 1) * width];
    let mut values = vec![0.0; plane.values.len()];
    values.par_chunks_mut(width).enumerate().for_each(|(at, out)| {
        out.iter_mut().zip(row(at)).for_each(|(out, value)| *out = weights[0] * value);
        for (k, weight) in weights.iter().enumerate().skip(1) {
            add_pair(out, row(at.saturating_sub(k)), row((at + k).min(last)), *weight);
        }
    });
    Plane { values, ..*plane }
}

fn add_pair(out: &mut [f64], left: &[f64], right: &[f64], weight: f64) {
    for ((out, left), right) in out.iter_mut().zip(left).zip(right) {
        *out += weight * (left + right);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn weights_of_one_pixel_are_those_of_the_formula() {
        let mut plane = Plane { height: 9, width: 11, values: vec![0.0; 99] };
        plane.values[4 * 11 + 5] = 1.0;
        let smoothed = gaussian(&plane, 0.7, TRUNCATE);
        let weight = |k: f64| (-k * k / (2.0 * 0.49)).exp();
        let sum: f64 = (-3..=3).map(|k| weight(f64::from(k))).sum();
        for (at, value) in smoothed.values.iter().enumerate() {
            let (y, x) = ((at / 11) as f64 - 4.0, (at % 11) as f64 - 5.0);
            let want = if y.abs() > 3.0 || x.abs() > 3.0 { 0.0 } else { weight(y) * weight(x) / (sum * sum) };
            assert!((value - want).abs() < 1e-15, "{y} {x}: {value} {want}");
        }
    }

    proptest! {
        #[test]
        fn smoothing_keeps_constants_and_stays_within_the_values(
            height in 1usize..12, width in 1usize..12, sigma in 0.0f64..5.0, seed in any::<u64>(),
        ) {
            let constant = Plane { height, width, values: vec![7.0; height * width] };
            let smoothed = gaussian(&constant, sigma, TRUNCATE);
            prop_assert!(smoothed.values.iter().all(|value| (value - 7.0).abs() < 1e-12));
            // A constant image stays one number, or a threshold would find something in it.
            prop_assert!(smoothed.values.iter().all(|value| *value == smoothed.values[0]));
            let values = (0..height * width).map(|at| ((seed >> (at % 60)) & 7) as f64).collect();
            let smoothed = gaussian(&Plane { height, width, values }, sigma, TRUNCATE);
            prop_assert!(smoothed.values.iter().all(|value| (-1e-12..=7.0 + 1e-12).contains(value)));
        }
    }
}
