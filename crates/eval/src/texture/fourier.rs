//! How much of an image is fine detail.

use rustfft::FftPlanner;
use rustfft::num_complex::Complex;

use super::Grey;
use crate::EvalError;

/// The energy of an image by spatial frequency.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detail {
    /// `sum |F|^2` over all frequencies but 0.
    pub total_energy: f64,
    /// The same over the frequencies above the cutoff.
    pub high_energy: f64,
    /// High over total.
    pub ratio: f64,
}

/// The share of the energy of `image` (values over 255, no window, unnormalised transform `F`) at frequencies
/// `sqrt(f_x^2 + f_y^2)` above `cutoff` cycles per pixel. Frequencies on an axis go up to 0.5, along the
/// diagonal up to about 0.71.
///
/// # Errors
/// [`EvalError::Setting`] unless `cutoff` is at least 0 and finite, [`EvalError::Undefined`] for an image of
/// one level.
pub fn high_frequency(image: Grey<'_>, cutoff: f64) -> Result<Detail, EvalError> {
    if !(cutoff >= 0.0 && cutoff.is_finite()) {
        let expected = "choose a frequency from 0 to 0.71 cycles per pixel".to_string();
        return Err(EvalError::Setting { setting: "cutoff", value: cutoff, expected });
    }
    if image.pixels.iter().all(|pixel| *pixel == image.pixels[0]) {
        let reason = "all pixels are equal".to_string();
        return Err(EvalError::Undefined { what: "the share of high frequencies", reason });
    }
    let spectrum = transformed(image);
    let (mut total_energy, mut high_energy) = (0.0, 0.0);
    for (at, value) in spectrum.iter().enumerate().skip(1) {
        // Columns of the image are rows of its spectrum, see below.
        let (x, y) = (frequency(at / image.height, image.width), frequency(at % image.height, image.height));
        total_energy += value.norm_sqr();
        if x.hypot(y) > cutoff {
            high_energy += value.norm_sqr();
        }
    }
    Ok(Detail { total_energy, high_energy, ratio: high_energy / total_energy })
}

/// The transform over both axes, `[width, height]`.
fn transformed(image: Grey<'_>) -> Vec<Complex<f64>> {
    let mut planner = FftPlanner::new();
    let mut rows: Vec<Complex<f64>> =
        image.pixels.iter().map(|&pixel| Complex::new(f64::from(pixel) / 255.0, 0.0)).collect();
    planner.plan_fft_forward(image.width).process(&mut rows);
    let turned = |at: usize| rows[at % image.height * image.width + at / image.height];
    let mut columns: Vec<Complex<f64>> = (0..rows.len()).map(turned).collect();
    planner.plan_fft_forward(image.height).process(&mut columns);
    columns
}

/// Cycles per pixel of the `index`-th of `n` coefficients: those of the second half count backwards.
fn frequency(index: usize, n: usize) -> f64 {
    index.min(n - index) as f64 / n as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn golden_fourier_high_frequency() {
        for case in twinlens_golden::cases("metrics/fourier_high_frequency") {
            let shape = case.shape("in.image");
            let image = Grey::new(case.u8("in.image"), shape[0], shape[1]).unwrap();
            let found = high_frequency(image, case.number("cutoff_cycles_per_pixel")).unwrap();
            case.check("out.total_energy", &[found.total_energy]);
            case.check("out.high_energy", &[found.high_energy]);
            case.check("out.ratio", &[found.ratio]);
        }
    }

    #[test]
    fn stripes_have_their_frequency() {
        // Columns repeat after four pixels: 0.25 cycles per pixel, whatever the shape.
        let pixels: Vec<u8> = (0..6 * 8).map(|at| [100, 200, 100, 0][at % 8 % 4]).collect();
        let share = |cutoff| high_frequency(Grey::new(&pixels, 6, 8).unwrap(), cutoff).unwrap().ratio;
        assert!((share(0.24) - 1.0).abs() < 1e-12 && share(0.26) < 1e-12);
    }

    #[test]
    fn one_level_and_bad_cutoffs_are_refused() {
        let flat = Grey::new(&[3; 6], 2, 3).unwrap();
        assert!(matches!(high_frequency(flat, 0.1), Err(EvalError::Undefined { .. })));
        assert!(matches!(high_frequency(flat, -0.1), Err(EvalError::Setting { setting: "cutoff", .. })));
    }

    proptest! {
        /// Parseval: the energy over all frequencies is that of the pixels about their mean.
        #[test]
        fn energy_is_kept_and_falls_with_the_cutoff(pixels in prop::collection::vec(any::<u8>(), 35)) {
            prop_assume!(pixels.iter().any(|pixel| *pixel != pixels[0]));
            let image = Grey::new(&pixels, 5, 7).unwrap();
            let values: Vec<f64> = pixels.iter().map(|&pixel| f64::from(pixel) / 255.0).collect();
            let mean = values.iter().sum::<f64>() / 35.0;
            let energy = 35.0 * values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
            let shares = [0.0, 0.2, 0.4, 0.8].map(|cutoff| high_frequency(image, cutoff).unwrap());
            prop_assert!(shares.iter().all(|detail| (detail.total_energy / energy - 1.0).abs() < 1e-9));
            prop_assert!(shares.is_sorted_by(|a, b| a.ratio >= b.ratio));
            prop_assert!((shares[0].ratio - 1.0).abs() < 1e-12 && shares[3].ratio == 0.0);
        }
    }
}
