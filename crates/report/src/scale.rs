//! Axes: from values to pixels, and where the ticks go.

/// A linear or logarithmic axis.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    /// The values at the two ends.
    domain: (f64, f64),
    /// The pixels at the two ends.
    range: (f64, f64),
    log: bool,
}

impl Scale {
    /// A linear axis. Ends that coincide are moved apart.
    pub(crate) fn linear(domain: (f64, f64), range: (f64, f64)) -> Scale {
        Scale { domain: apart(domain), range, log: false }
    }

    /// A logarithmic axis; both ends must be positive.
    pub(crate) fn log(domain: (f64, f64), range: (f64, f64)) -> Scale {
        let (low, high) = domain;
        let domain = if high > low { domain } else { (low / 2.0, low * 2.0) };
        Scale { domain, range, log: true }
    }

    /// The pixel of `value`.
    pub(crate) fn at(&self, value: f64) -> f64 {
        let along = |v: f64| if self.log { v.ln() } else { v };
        let (low, high) = (along(self.domain.0), along(self.domain.1));
        let share = (along(value) - low) / (high - low);
        self.range.0 + share * (self.range.1 - self.range.0)
    }

    /// Round values within the axis, at most `most` of them (at least two).
    pub(crate) fn ticks(&self, most: usize) -> Vec<f64> {
        let (low, high) = self.domain;
        if self.log { log_ticks(low, high, most) } else { linear_ticks(low, high, most) }
    }
}

/// The least and the greatest finite value.
pub(crate) fn extent(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.filter(|value| value.is_finite()).fold(None, |extent, value| match extent {
        None => Some((value, value)),
        Some((low, high)) => Some((value.min(low), value.max(high))),
    })
}

/// `extent` with a margin of `share` of its length at either end.
pub(crate) fn padded((low, high): (f64, f64), share: f64) -> (f64, f64) {
    let (low, high) = apart((low, high));
    let margin = share * (high - low);
    (low - margin, high + margin)
}

/// Lengths below this are nothing.
const TINY: f64 = 1e-280;

fn apart((low, high): (f64, f64)) -> (f64, f64) {
    // Also values that differ by rounding alone would make an axis without room for ticks, and the steps of
    // denormal ones would be zero.
    if high - low > (1e-9 * low.abs().max(high.abs())).max(TINY) {
        (low, high)
    } else {
        let half = if low.abs() < TINY { 1.0 } else { low.abs() / 2.0 };
        (low - half, high + half)
    }
}

/// Multiples of 1, 2 or 5 times a power of ten: the finest such step that gives at most `most`.
fn linear_ticks(low: f64, high: f64, most: usize) -> Vec<f64> {
    let least = (high - low) / most.max(2) as f64;
    let power = 10_f64.powf(least.log10().floor());
    let bounds = |step: f64| ((low / step - 1e-9).ceil() as i64, (high / step + 1e-9).floor() as i64);
    let fits = |step: &f64| {
        let (first, last) = bounds(*step);
        last - first < most as i64
    };
    let step = [1.0, 2.0, 5.0, 10.0, 20.0].map(|m| m * power).into_iter().find(fits).unwrap_or(50.0 * power);
    let (first, last) = bounds(step);
    (first..=last).map(|i| i as f64 * step).collect()
}

/// Powers of ten, thinned if there are many; with 2 and 5 times them if there are few.
fn log_ticks(low: f64, high: f64, most: usize) -> Vec<f64> {
    let (first, last) = (low.log10().floor() as i32, high.log10().ceil() as i32);
    let inside = |values: Vec<f64>| -> Vec<f64> {
        values.into_iter().filter(|v| (low * 0.999..=high * 1.001).contains(v)).collect()
    };
    let every = |multiples: &[f64]| {
        inside((first..=last).flat_map(|p| multiples.iter().map(move |m| m * 10_f64.powi(p))).collect())
    };
    let powers = every(&[1.0]);
    match powers.len() {
        0 | 1 => every(&[1.0, 2.0, 5.0]),
        n if n > most => powers.into_iter().step_by(n.div_ceil(most.max(1))).collect(),
        _ => powers,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ticks_are_round() {
        let ticks = |low, high| Scale::linear((low, high), (0.0, 1.0)).ticks(6);
        assert_eq!(ticks(0.0, 100.0), [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]);
        assert_eq!(ticks(1.0, 2000.0), [500.0, 1000.0, 1500.0, 2000.0]);
        assert_eq!(ticks(-1.0, 1.0), [-1.0, -0.5, 0.0, 0.5, 1.0]);
        assert_eq!(Scale::log((3.0, 2000.0), (0.0, 1.0)).ticks(4), [10.0, 100.0, 1000.0]);
        assert_eq!(Scale::log((3.0, 30.0), (0.0, 1.0)).ticks(4), [5.0, 10.0, 20.0]);
    }

    proptest! {
        #[test]
        fn ticks_lie_on_the_axis(low in -1e6_f64..1e6, length in 0.0_f64..1e6) {
            let scale = Scale::linear((low, low + length), (10.0, 110.0));
            let ticks = scale.ticks(5);
            prop_assert!((2..=5).contains(&ticks.len()), "{:?}", ticks);
            for tick in ticks {
                prop_assert!((9.99..=110.01).contains(&scale.at(tick)), "{}", tick);
            }
        }

        #[test]
        fn log_ticks_lie_on_the_axis(low in 1e-6_f64..1e3, ratio in 1.0_f64..1e9) {
            let scale = Scale::log((low, low * ratio), (10.0, 110.0));
            for tick in scale.ticks(5) {
                prop_assert!((8.0..=112.0).contains(&scale.at(tick)), "{}", tick);
            }
        }
    }
}
