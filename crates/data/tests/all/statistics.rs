//! Channel statistics and inspection.

use proptest::prelude::*;
use twinlens_data::{Image, Pixels, Split, channel_statistics, inspect};

use crate::make::{Listed, as_defined, npy_u8, npz, open_file};

fn source(images: Vec<Image>) -> Listed {
    let labels = vec![None; images.len()];
    Listed(images, labels)
}

#[test]
fn mean_and_deviation_are_those_worked_out_by_hand() {
    // Channel 0 holds 0, 51, 102, 255; channel 1 holds 255 everywhere. Two images of different size.
    let images = vec![
        Image::new(1, 3, 2, Pixels::U8(vec![0, 255, 51, 255, 102, 255])).unwrap(),
        Image::new(1, 1, 2, Pixels::U8(vec![255, 255])).unwrap(),
    ];
    let found = channel_statistics(&source(images)).unwrap();
    // 0, 0.2, 0.4, 1: mean 0.4, squared deviations 0.16 + 0.04 + 0 + 0.36 = 0.56, biased variance 0.14.
    assert!(
        (found.mean[0] - 0.4).abs() < 1e-15 && (found.std[0] - 0.14f64.sqrt()).abs() < 1e-15,
        "{found:?}"
    );
    assert!((found.mean[1] - 1.0).abs() < 1e-15 && found.std[1].abs() < 1e-15, "{found:?}");
    let wide = Image::new(1, 2, 1, Pixels::U16(vec![0, 65535])).unwrap();
    let found = channel_statistics(&source(vec![wide])).unwrap();
    assert_eq!((found.mean, found.std), (vec![0.5], vec![0.5]));
    let float = Image::new(1, 2, 1, Pixels::F32(vec![-3.0, 5.0])).unwrap();
    let found = channel_statistics(&source(vec![float])).unwrap();
    assert_eq!((found.mean, found.std), (vec![1.0], vec![4.0]));
}

#[test]
fn sources_without_images_or_with_different_channels_are_refused() {
    assert!(channel_statistics(&source(vec![])).unwrap_err().to_string().contains("at least one image"));
    let images = vec![
        Image::new(1, 1, 1, Pixels::U8(vec![0])).unwrap(),
        Image::new(1, 1, 2, Pixels::U8(vec![0, 0])).unwrap(),
    ];
    assert!(channel_statistics(&source(images)).unwrap_err().to_string().contains("#1: expected 1 channels"));
    assert!(
        Image::new(2, 2, 1, Pixels::U8(vec![0; 3])).is_err()
            && Image::new(0, 2, 1, Pixels::U8(vec![])).is_err()
    );
}

#[test]
fn inspection_counts_what_is_there() {
    let pixels: Vec<u8> = (10..34).collect();
    let set = open_file(
        "set.npz",
        &npz(&[
            ("train_images", npy_u8(&[3, 2, 2, 2], &pixels)),
            ("train_labels", npy_u8(&[3], &[2, 0, 2])),
            ("test_images", npy_u8(&[1, 2, 2, 2], &pixels[..8])),
        ]),
        &as_defined(),
    )
    .unwrap();
    let seen = inspect(&set).unwrap();
    let train = &seen.splits[&Split::Train];
    assert_eq!((train.images, train.labelled, &train.per_class[..]), (3, 3, &[1, 0, 2][..]));
    assert_eq!((train.height, train.width, train.value_range), ([2, 2], [2, 2], [10.0, 33.0]));
    assert_eq!((seen.splits[&Split::Test].labelled, seen.splits.len()), (0, 2));
    let json = serde_json::to_value(&seen).unwrap();
    assert_eq!(json["splits"]["train"]["images"], 3);
    assert_eq!(json["pixel_type"], "u8");
    assert_eq!(json["splits"]["train"]["mean"][1].as_f64().unwrap(), 22.0 / 255.0);
    assert_eq!(json["fingerprint"].as_str().unwrap().len(), 64);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn statistics_equal_the_plain_formula_and_do_not_depend_on_threads(
        seed: u64,
        count in 1usize..40,
        channels in 1usize..4,
    ) {
        let mut stream = twinlens_random::Stream::new(seed, twinlens_random::Purpose::Evaluation, [0; 3]);
        let images: Vec<Image> = (0..count).map(|_| {
            let (h, w) = (1 + stream.below(5), 1 + stream.below(5));
            let values = (0..h * w * channels).map(|_| stream.normal() as f32 * 3.0 + 100.0).collect();
            Image::new(h, w, channels, Pixels::F32(values)).unwrap()
        }).collect();
        let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let source = source(images.clone());
        let one = pool(1).install(|| channel_statistics(&source)).unwrap();
        let four = pool(4).install(|| channel_statistics(&source)).unwrap();
        prop_assert_eq!(&one, &four);
        for channel in 0..channels {
            let values: Vec<f64> = images.iter().flat_map(|image| {
                let Pixels::F32(values) = &image.pixels else { unreachable!() };
                values.iter().skip(channel).step_by(channels).map(|&v| f64::from(v)).collect::<Vec<_>>()
            }).collect();
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64;
            prop_assert!((one.mean[channel] - mean).abs() < 1e-11);
            prop_assert!((one.std[channel] - variance.sqrt()).abs() < 1e-11);
        }
    }
}
