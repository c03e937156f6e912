//! SSIM, the structural similarity of Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment: from error
//! visibility to structural similarity", IEEE Transactions on Image Processing 2004:
//!
//! ```text
//! SSIM(x, y) = (2 mu_x mu_y + C1) (2 sigma_xy + C2) / ((mu_x^2 + mu_y^2 + C1) (sigma_x^2 + sigma_y^2 + C2))
//! ```
//!
//! with means, variances and covariance under a Gaussian window of 11 x 11 pixels with deviation 1.5, and
//! `C1 = (0.01 L)^2`, `C2 = (0.03 L)^2` for the range `L = 1`.

use super::pair::Pair;

const WINDOW: usize = 11;
const SIGMA: f64 = 1.5;
const C1: f64 = 0.01 * 0.01;
const C2: f64 = 0.03 * 0.03;

/// The mean of SSIM over all windows that lie within the images, and over channels: 1 for equal images, 0 where nothing is
/// alike, down to -1 where structure is inverted.
///
/// Images with a side below 11 pixels have a window of the largest odd number of pixels that fits, with the same deviation.
pub fn ssim(pair: Pair<'_>) -> f64 {
    let [height, width, channels] = pair.shape;
    let window = gaussian(WINDOW.min(height.min(width)));
    let of_channel = |channel| {
        let plane = |image: &[f32]| -> Vec<f64> {
            image.iter().skip(channel).step_by(channels).map(|value| f64::from(*value)).collect()
        };
        let [x, y] = pair.images.map(plane);
        of_planes(&x, &y, width, &window)
    };
    (0..channels).map(of_channel).sum::<f64>() / channels as f64
}

/// The largest odd number of weights up to `most`, summing to 1.
fn gaussian(most: usize) -> Vec<f64> {
    let reach = (most - 1) / 2;
    let weight = |at: usize| (-(at.abs_diff(reach) as f64).powi(2) / (2.0 * SIGMA * SIGMA)).exp();
    let weights: Vec<f64> = (0..=2 * reach).map(weight).collect();
    let total: f64 = weights.iter().sum();
    weights.iter().map(|weight| weight / total).collect()
}

/// The mean over windows for one channel.
fn of_planes(x: &[f64], y: &[f64], width: usize, window: &[f64]) -> f64 {
    let smoothed = |value: &dyn Fn(f64, f64) -> f64| {
        let values: Vec<f64> = x.iter().zip(y).map(|(x, y)| value(*x, *y)).collect();
        filtered(&values, width, window)
    };
    let (mean_x, mean_y) = (smoothed(&|x, _| x), smoothed(&|_, y| y));
    let (square_x, square_y) = (smoothed(&|x, _| x * x), smoothed(&|_, y| y * y));
    let product = smoothed(&|x, y| x * y);
    let similarity = |at: usize| {
        let (mx, my) = (mean_x[at], mean_y[at]);
        let (var_x, var_y) = (square_x[at] - mx * mx, square_y[at] - my * my);
        let covariance = product[at] - mx * my;
        (2.0 * mx * my + C1) * (2.0 * covariance + C2) / ((mx * mx + my * my + C1) * (var_x + var_y + C2))
    };
    (0..mean_x.len()).map(similarity).sum::<f64>() / mean_x.len() as f64
}

/// The weighted mean about every pixel whose window lies within the image: along rows, then along columns.
fn filtered(values: &[f64], width: usize, window: &[f64]) -> Vec<f64> {
    let sum = |values: &mut dyn Iterator<Item = f64>| values.zip(window).map(|(v, w)| v * w).sum::<f64>();
    let rows: Vec<f64> = values
        .chunks_exact(width)
        .flat_map(|row| row.windows(window.len()).map(|part| sum(&mut part.iter().copied())))
        .collect();
    let width = width + 1 - window.len();
    let height = rows.len() / width + 1 - window.len();
    let column = |at: usize| sum(&mut rows[at..].iter().step_by(width).copied());
    (0..height * width).map(column).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_is_odd_and_sums_to_one() {
        for (most, expected) in [(1, 1), (2, 1), (3, 3), (10, 9), (11, 11)] {
            let window = gaussian(most);
            assert_eq!(window.len(), expected);
            assert!((window.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn inverted_structure_is_negative() {
        let stripes: Vec<f32> = (0..400).map(|at| if at % 2 == 0 { 0.2 } else { 0.8 }).collect();
        let inverted: Vec<f32> = stripes.iter().map(|value| 1.0 - value).collect();
        let found = ssim(Pair::new(&stripes, &inverted, [20, 20, 1]).unwrap());
        assert!((-1.0..-0.9).contains(&found), "{found}");
    }
}
