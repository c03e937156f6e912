//! Weights for another number of input channels.

use super::NamedTensor;

/// The weights of a first convolution, `[out, in, kh, kw]`, for images of `channels` channels instead of `in`.
///
/// - One channel: the sum over the input channels. A grey image then gives exactly what it gave with its values
///   repeated in every input channel.
/// - Otherwise channel `j` gets the weights of channel `j mod in`, times `in / channels`, which keeps the size of the
///   sum: red, green, blue, red, green, ... for weights of colour images. This is also timm's rule.
///
/// The same number of channels changes nothing.
pub fn adapt_channels(first: &NamedTensor, channels: usize) -> NamedTensor {
    let (&[outputs, inputs, ref kernel @ ..], true) = (&first.shape[..], channels > 0) else {
        return first.clone();
    };
    let taps = kernel.iter().product::<usize>();
    if inputs == channels || inputs * taps == 0 {
        return first.clone();
    }
    let scale = inputs as f32 / channels as f32;
    let mut values = Vec::with_capacity(outputs * channels * taps);
    for filter in first.values.chunks_exact(inputs * taps) {
        if channels == 1 {
            values.extend((0..taps).map(|tap| filter.iter().skip(tap).step_by(taps).sum::<f32>()));
            continue;
        }
        for channel in 0..channels {
            values.extend(filter[channel % inputs * taps..][..taps].iter().map(|value| value * scale));
        }
    }
    let shape = [outputs, channels].iter().chain(kernel).copied().collect();
    NamedTensor { shape, values }
}

/// Means or standard deviations of input channels, for `channels` channels by the rule of [`adapt_channels`]: the
/// average for one channel, otherwise the given ones in turn.
pub fn adapt_statistics(given: &[f32], channels: usize) -> Vec<f32> {
    match channels {
        1 if !given.is_empty() => vec![given.iter().sum::<f32>() / given.len() as f32],
        _ => given.iter().copied().cycle().take(channels).collect(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn weights(outputs: usize, inputs: usize) -> NamedTensor {
        let shape = vec![outputs, inputs, 2, 1];
        let values = (0..outputs * inputs * 2).map(|v| (v * v % 17) as f32 - 5.0).collect();
        NamedTensor { shape, values }
    }

    /// What an image whose channels are all `grey` gives at one place.
    fn response(weights: &NamedTensor, grey: [f32; 2]) -> Vec<f32> {
        let per_filter = weights.values.len() / weights.shape[0];
        let filters = weights.values.chunks_exact(per_filter);
        filters.map(|filter| filter.iter().zip(grey.iter().cycle()).map(|(w, x)| w * x).sum()).collect()
    }

    proptest! {
        #[test]
        fn a_grey_image_gives_the_same_for_one_channel_and_for_whole_turns(turns in 1usize..4, inputs in 1usize..5) {
            let original = weights(3, inputs);
            for channels in [1, turns * inputs] {
                let adapted = adapt_channels(&original, channels);
                prop_assert_eq!(&adapted.shape, &[3, channels, 2, 1]);
                for (a, b) in response(&adapted, [0.5, -2.0]).iter().zip(response(&original, [0.5, -2.0])) {
                    prop_assert!((a - b).abs() < 1e-4, "{} {}", a, b);
                }
            }
        }
    }

    #[test]
    fn channels_come_in_turn_and_keep_the_size_of_the_sum() {
        let rgb = NamedTensor { shape: vec![1, 3, 1, 1], values: vec![1.0, 2.0, 4.0] };
        assert_eq!(adapt_channels(&rgb, 3), rgb);
        assert_eq!(adapt_channels(&rgb, 1).values, [7.0]);
        assert_eq!(adapt_channels(&rgb, 2).values, [1.5, 3.0]);
        assert_eq!(adapt_channels(&rgb, 5).values, [0.6, 1.2, 2.4, 0.6, 1.2].map(|v: f32| v));
    }

    #[test]
    fn statistics_follow_the_same_rule() {
        assert_eq!(adapt_statistics(&[0.2, 0.4, 0.6], 1), [0.4]);
        assert_eq!(adapt_statistics(&[0.2, 0.4, 0.6], 4), [0.2, 0.4, 0.6, 0.2]);
    }
}
