//! New values for samples one by one: a curve for each channel, tabulated where a type has few values.

use multiversion::multiversion;

use crate::sample::Sample;

/// Replaces every sample of channel c by the nearest to what `curves[c]` makes of it.
pub fn apply_curves<T: Sample, F: Fn(f32) -> f32>(samples: &mut [T], curves: &[F]) {
    if T::INTEGER && T::LEVELS * curves.len() <= samples.len() {
        let table = |curve: &F| (0..T::LEVELS).map(|level| T::nearest(curve(level as f32))).collect();
        let tables: Vec<Vec<T>> = curves.iter().map(table).collect();
        return look_up(samples, &tables);
    }
    for pixel in samples.chunks_exact_mut(curves.len()) {
        for (sample, curve) in pixel.iter_mut().zip(curves) {
            *sample = T::nearest(curve(sample.widen()));
        }
    }
}

/// Replaces every sample of channel c by the entry of `tables[c]` for its level; an empty table changes nothing.
pub fn look_up<T: Sample>(samples: &mut [T], tables: &[Vec<T>]) {
    fn fixed<T: Sample, const C: usize>(samples: &mut [T], tables: [&[T]; C]) {
        for pixel in samples.as_chunks_mut::<C>().0 {
            for (sample, table) in pixel.iter_mut().zip(tables) {
                *sample = table.get(sample.level()).copied().unwrap_or(*sample);
            }
        }
    }
    match tables {
        [all] => fixed(samples, [all]),
        [red, green, blue] => fixed(samples, [red, green, blue]),
        _ => {
            for (number, table) in tables.iter().enumerate() {
                for sample in samples[number..].iter_mut().step_by(tables.len()) {
                    *sample = table.get(sample.level()).copied().unwrap_or(*sample);
                }
            }
        }
    }
}

/// How many samples of each channel have each level: `T::LEVELS` counts for one channel after the other.
pub fn histograms<T: Sample>(samples: &[T], channels: usize) -> Vec<u32> {
    fn fixed<T: Sample, const C: usize>(samples: &[T], counts: &mut [u32]) {
        for pixel in samples.as_chunks::<C>().0 {
            for (channel, sample) in pixel.iter().enumerate() {
                counts[channel * T::LEVELS + sample.level()] += 1;
            }
        }
    }
    let mut counts = vec![0; channels * T::LEVELS];
    match channels {
        1 => fixed::<T, 1>(samples, &mut counts),
        3 => fixed::<T, 3>(samples, &mut counts),
        _ => {
            for (number, sample) in samples.iter().enumerate() {
                counts[number % channels * T::LEVELS + sample.level()] += 1;
            }
        }
    }
    counts
}

/// The smallest and the largest sample of each channel of an image that is not empty.
pub fn extremes<T: Sample>(samples: &[T], channels: usize) -> Vec<[f32; 2]> {
    // Pixels side by side are compared apart, so that all of them are at once.
    let block = 16 * channels;
    let mut low: Vec<T> = (0..block).map(|i| samples[i % channels]).collect();
    let mut high = low.clone();
    samples.chunks(block).for_each(|samples| widen_range(&mut low, &mut high, samples));
    let smallest =
        |channel| low[channel..].iter().step_by(channels).map(|v| v.widen()).fold(f32::INFINITY, f32::min);
    let largest = |channel| {
        high[channel..].iter().step_by(channels).map(|v| v.widen()).fold(f32::NEG_INFINITY, f32::max)
    };
    (0..channels).map(|channel| [smallest(channel), largest(channel)]).collect()
}

#[multiversion(targets("x86_64+avx2"))]
fn widen_range<T: Sample>(low: &mut [T], high: &mut [T], samples: &[T]) {
    for ((low, high), &sample) in low.iter_mut().zip(high).zip(samples) {
        *low = if sample < *low { sample } else { *low };
        *high = if sample > *high { sample } else { *high };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whether a table, a fixed number of channels or neither is used, each sample changes by its channel's curve.
        #[test]
        fn a_sample_becomes_what_its_channels_curve_says(
            samples in prop::collection::vec(any::<u8>(), 5000),
            channels in 1usize..6,
            pixels in 1usize..1000,
        ) {
            let mut changed = samples[..channels * pixels].to_vec();
            let curve = |channel: usize| move |value: f32| (value * 0.5 + 40.0 * channel as f32).min(255.0);
            apply_curves(&mut changed, &(0..channels).map(curve).collect::<Vec<_>>());
            for (i, (&new, &old)) in changed.iter().zip(&samples).enumerate() {
                prop_assert_eq!(new, u8::nearest(curve(i % channels)(f32::from(old))));
            }
        }

        #[test]
        fn extremes_and_histograms_are_those_of_each_channel(
            samples in prop::collection::vec(any::<u8>(), 3000),
            channels in 1usize..6,
            pixels in 1usize..500,
        ) {
            let samples = &samples[..channels * pixels];
            let counts = histograms(samples, channels);
            let found = extremes(samples, channels);
            for channel in 0..channels {
                let own = || samples[channel..].iter().step_by(channels).copied();
                let bounds = [own().min(), own().max()].map(|value| value.map(f32::from));
                prop_assert_eq!(found[channel].map(Some), bounds);
                for level in 0..=255u8 {
                    let times = own().filter(|&value| value == level).count();
                    prop_assert_eq!(counts[channel * 256 + usize::from(level)] as usize, times);
                }
            }
        }
    }
}
