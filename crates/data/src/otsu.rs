//! One threshold for a field (Otsu 1979, "A threshold selection method from gray-level histograms").
//!
//! Of the two groups that a threshold `t` divides the pixels into, `w1`, `w2` are the numbers and `m1`, `m2` the means. The
//! threshold is the smallest `t` that maximises `w1 w2 (m1 - m2)^2`: the variance between the groups, times the squared number
//! of pixels. Pixels above the threshold are foreground.

/// A threshold and what it does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Otsu {
    /// The largest level of the background.
    pub threshold: u32,
    /// Pixels above it.
    pub foreground: u64,
    /// `w1 w2 (m1 - m2)^2` divided by the squared number of pixels.
    pub between_class_variance: f64,
}

/// The threshold among all whole numbers; of a constant image its value, with no foreground. `None` without pixels.
pub fn otsu_levels(pixels: &[u16]) -> Option<Otsu> {
    let largest = usize::from(*pixels.iter().max()?);
    let mut counts = vec![0u64; largest + 1];
    pixels.iter().for_each(|&pixel| counts[usize::from(pixel)] += 1);
    let all = pixels.len() as f64;
    let total: f64 = counts.iter().zip(0u32..).map(|(&count, level)| count as f64 * f64::from(level)).sum();
    let mut best = Otsu { threshold: largest as u32, foreground: 0, between_class_variance: 0.0 };
    let (mut below, mut sum) = (0u64, 0.0);
    for (level, &count) in (0u32..).zip(&counts) {
        below += count;
        sum += count as f64 * f64::from(level);
        let (w1, w2) = (below as f64, all - below as f64);
        if w1 == 0.0 || w2 == 0.0 {
            continue;
        }
        let between = w1 * w2 * (sum / w1 - (total - sum) / w2).powi(2) / (all * all);
        if between > best.between_class_variance {
            let foreground = pixels.len() as u64 - below;
            best = Otsu { threshold: level, foreground, between_class_variance: between };
        }
    }
    Some(best)
}

/// The threshold over `bins` equal bins from the smallest to the largest of `values`: the group below ends with bin `t`, the
/// other begins with bin `t + 1`, each bin counts as its centre, and the threshold is the centre of bin `t`. Of equal values
/// it is that value; 0 without any. Bins are those of `numpy.histogram`, the rest as `skimage.filters.threshold_otsu`.
pub fn otsu_binned(values: &[f64], bins: usize) -> f64 {
    let (low, high) = values
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &value| (low.min(value), high.max(value)));
    if low >= high || bins < 2 {
        return if values.is_empty() { 0.0 } else { low };
    }
    let step = (high - low) / bins as f64;
    let edge = |bin: usize| if bin == bins { high } else { low + bin as f64 * step };
    let centre = |bin: usize| (edge(bin) + edge(bin + 1)) / 2.0;
    let mut counts = vec![0.0; bins];
    for &value in values {
        let mut bin = (((value - low) / (high - low) * bins as f64) as usize).min(bins - 1);
        // The quotient may be rounded across an edge.
        if bin > 0 && value < edge(bin) {
            bin -= 1;
        } else if bin + 1 < bins && value >= edge(bin + 1) {
            bin += 1;
        }
        counts[bin] += 1.0;
    }
    // Number and sum of each bin and all above it.
    let mut above = vec![(0.0, 0.0); bins + 1];
    for bin in (0..bins).rev() {
        above[bin] = (above[bin + 1].0 + counts[bin], above[bin + 1].1 + counts[bin] * centre(bin));
    }
    let (mut w1, mut sum, mut best, mut threshold) = (0.0, 0.0, f64::NEG_INFINITY, low);
    for (bin, (count, &(w2, sum2))) in counts.iter().zip(&above[1..]).enumerate().take(bins - 1) {
        w1 += count;
        sum += count * centre(bin);
        let between = w1 * w2 * (sum / w1 - sum2 / w2).powi(2);
        if between > best {
            (best, threshold) = (between, centre(bin));
        }
    }
    threshold
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use twinlens_golden::cases;

    use super::*;

    #[test]
    fn thresholds_of_the_reference() {
        for case in cases("cells/otsu") {
            let pixels: Vec<u16> = match case.count("bits") {
                8 => case.u8("in.image").iter().map(|&value| value.into()).collect(),
                _ => case.i64("in.image").iter().map(|&value| value as u16).collect(),
            };
            let found = otsu_levels(&pixels).unwrap();
            case.check_exact("out.threshold", &[found.threshold.into()]);
            case.check_exact("out.foreground", &[found.foreground as i64]);
            case.check("out.between_class_variance", &[found.between_class_variance]);
        }
    }

    #[test]
    fn nothing_and_one_value() {
        assert_eq!(otsu_levels(&[]), None);
        assert_eq!(otsu_binned(&[], 256), 0.0);
        assert_eq!(otsu_binned(&[3.5; 4], 256), 3.5);
    }

    proptest! {
        /// The definition, by trying all.
        #[test]
        fn the_threshold_is_the_first_best(pixels in prop::collection::vec(0u16..40, 1..60)) {
            let between = |level: u16| {
                let (below, above): (Vec<f64>, Vec<f64>) =
                    pixels.iter().map(|&pixel| f64::from(pixel)).partition(|pixel| *pixel <= f64::from(level));
                let mean = |group: &[f64]| group.iter().sum::<f64>() / group.len().max(1) as f64;
                below.len() as f64 * above.len() as f64 * (mean(&below) - mean(&above)).powi(2)
            };
            let most = (0..40).map(between).fold(0.0, f64::max);
            let found = otsu_levels(&pixels).unwrap();
            let all = pixels.len() as f64;
            prop_assert!((found.between_class_variance * all * all - most).abs() <= 1e-9 * most);
            prop_assert!((0..found.threshold as u16).all(|level| between(level) < most * (1.0 + 1e-9) + 1e-9));
            if most > 0.0 {
                // The group below ends with the bin whose centre is the threshold.
                let values: Vec<f64> = pixels.iter().map(|&pixel| pixel.into()).collect();
                let span = f64::from(*pixels.iter().max().unwrap() - *pixels.iter().min().unwrap());
                let end = otsu_binned(&values, 4000) + span / 8000.0;
                let level = pixels.iter().copied().filter(|pixel| f64::from(*pixel) <= end).max();
                prop_assert!((between(level.unwrap_or(0)) - most).abs() <= 1e-3 * most);
            }
        }
    }
}
