//! Every random operation draws from the distribution it promises.

use std::collections::BTreeMap;

use serde_json::json;
use twinlens_data::PixelType;
use twinlens_random::{Purpose, Stream};
use twinlens_views::ops::{Adjustment, NAMES};
use twinlens_views::{BuildContext, Drawn, OperationSetting, Place, Policy, Shape, ViewPolicy};

use crate::support::context;

const DRAWS: u32 = 20_000;

fn rgb(side: usize) -> BuildContext {
    context(side, 3, PixelType::U8)
}

fn shape(height: usize, width: usize) -> Shape {
    Shape { height, width, channels: 3 }
}

fn setting(value: serde_json::Value) -> OperationSetting {
    serde_json::from_value(value).unwrap()
}

/// What `operation` draws for many samples.
fn draws(operation: &OperationSetting, shape: Shape) -> Vec<Option<Drawn>> {
    let draw = |sample| {
        let mut stream = Stream::new(11, Purpose::View, [0, sample, 0]);
        operation.draw(&mut stream, shape, &rgb(32))
    };
    (0..DRAWS).map(draw).collect()
}

/// Values in [0, 1) fill ten bins equally, within five standard deviations.
fn assert_uniform(what: &str, values: &[f64]) {
    let mut bins = [0.0f64; 10];
    for &value in values {
        assert!((0.0..1.0).contains(&value), "{what}: {value} is out of range");
        bins[(value * 10.0) as usize] += 1.0;
    }
    assert_equal_counts(what, &bins);
}

fn assert_equal_counts(what: &str, counts: &[f64]) {
    let total: f64 = counts.iter().sum();
    let share = 1.0 / counts.len() as f64;
    let deviation = (total * share * (1.0 - share)).sqrt();
    for &count in counts {
        assert!((count - total * share).abs() < 5.0 * deviation, "{what}: {counts:?}");
    }
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let product = |x: &[f64], mx: f64, y: &[f64], my: f64| {
        x.iter().zip(y).map(|(x, y)| (x - mx) * (y - my)).sum::<f64>()
    };
    product(a, mean_a, b, mean_b) / (product(a, mean_a, a, mean_a) * product(b, mean_b, b, mean_b)).sqrt()
}

#[test]
fn every_operation_is_applied_with_its_probability() {
    for name in NAMES {
        for p in [0.0, 0.3, 1.0] {
            let drawn = draws(&setting(json!({"op": name, "p": p})), shape(40, 30));
            let applied = drawn.iter().filter(|drawn| drawn.is_some()).count() as f64;
            let n = f64::from(DRAWS);
            let deviation = (n * p * (1.0 - p)).sqrt();
            assert!((applied - n * p).abs() <= 5.0 * deviation, "{name}: {applied} of {n} for p = {p}");
        }
    }
}

#[test]
fn the_parameters_do_not_depend_on_whether_others_are_applied() {
    // The draw that decides about p and the draws of parameters are independent numbers of one stream.
    let blur = |p: f64| draws(&setting(json!({"op": "gaussian_blur", "p": p})), shape(32, 32));
    for (sometimes, always) in blur(0.5).iter().zip(&blur(1.0)) {
        assert!(sometimes.is_none() || sometimes == always);
    }
}

#[test]
fn crops_have_uniform_area_log_uniform_ratio_and_uniform_place() {
    let operation = setting(json!({"op": "random_resized_crop", "scale": [0.2, 0.5], "ratio": [0.5, 1.5]}));
    let side = 2000.0;
    let (mut areas, mut ratios, mut tops, mut lefts) = (vec![], vec![], vec![], vec![]);
    for drawn in draws(&operation, shape(2000, 2000)) {
        let Some(Drawn::RandomResizedCrop(crop)) = drawn else { panic!("p is 1") };
        let (height, width) = (crop.height as f64, crop.width as f64);
        assert!(crop.top + crop.height <= 2000 && crop.left + crop.width <= 2000);
        assert_eq!((crop.out_height, crop.out_width), (32, 32));
        areas.push(height * width / (side * side));
        ratios.push(width / height);
        tops.push(crop.top as f64 / (side - height + 1.0));
        lefts.push(crop.left as f64 / (side - width + 1.0));
    }
    // Whole pixels move area and ratio by up to a part in a thousand, also beyond the ends.
    let place = |value: f64, low: f64, high: f64| ((value - low) / (high - low)).clamp(0.0, 1.0 - 1e-9);
    assert!(areas.iter().all(|area| (0.199..0.501).contains(area)));
    assert!(ratios.iter().all(|ratio| (0.499..1.502).contains(ratio)));
    assert_uniform("area", &areas.iter().map(|&v| place(v, 0.2, 0.5)).collect::<Vec<_>>());
    let logs: Vec<f64> = ratios.iter().map(|v| place(v.ln(), 0.5f64.ln(), 1.5f64.ln())).collect();
    assert_uniform("log ratio", &logs);
    assert_uniform("top", &tops);
    assert_uniform("left", &lefts);
}

#[test]
fn crops_that_cannot_fit_fall_back_to_the_centre() {
    let operation = setting(json!({"op": "random_resized_crop", "scale": [1.0, 1.0], "ratio": [0.75, 1.25]}));
    let crop = |height, width| match draws(&operation, shape(height, width)).swap_remove(0) {
        Some(Drawn::RandomResizedCrop(crop)) => (crop.top, crop.left, crop.height, crop.width),
        other => panic!("{other:?}"),
    };
    // One row of 100 pixels: height 1, width round(1 * 1.25), in the middle. By torchvision's get_params.
    assert_eq!(crop(1, 100), (0, 49, 1, 1));
    assert_eq!(crop(100, 10), (43, 0, 13, 10));
    assert_eq!(crop(40, 400), (0, 175, 40, 50));
    assert_eq!(crop(1, 1), (0, 0, 1, 1));
}

#[test]
fn quarter_turns_are_equally_likely() {
    let mut counts = [0.0; 4];
    for drawn in draws(&setting(json!({"op": "rot90"})), shape(8, 8)) {
        let Some(Drawn::Rot90(turns)) = drawn else { panic!("p is 1") };
        counts[turns.k] += 1.0;
    }
    assert_equal_counts("quarter turns", &counts);
}

#[test]
fn jitter_factors_are_uniform_and_its_order_is_any_of_24() {
    let operation = setting(
        json!({"op": "color_jitter", "brightness": 1.5, "contrast": 0.4, "saturation": 0.8, "hue": 0.2}),
    );
    let mut factors: [Vec<f64>; 4] = Default::default();
    let mut orders = BTreeMap::new();
    for drawn in draws(&operation, shape(8, 8)) {
        let Some(Drawn::ColorJitter(adjustments)) = drawn else { panic!("p is 1") };
        let order = adjustments.order.map(|adjustment| {
            let (kind, place) = match adjustment {
                Adjustment::Brightness(factor) => (0, factor / 2.5),
                Adjustment::Contrast(factor) => (1, (factor - 0.6) / 0.8),
                Adjustment::Saturation(factor) => (2, (factor - 0.2) / 1.6),
                Adjustment::Hue(shift) => (3, (shift + 0.2) / 0.4),
            };
            factors[kind].push(place);
            kind
        });
        *orders.entry(order).or_insert(0.0) += 1.0;
    }
    for (name, factors) in ["brightness", "contrast", "saturation", "hue"].iter().zip(&factors) {
        assert_eq!(factors.len(), DRAWS as usize);
        assert_uniform(name, factors);
    }
    assert_eq!(orders.len(), 24);
    assert_equal_counts("order", &orders.into_values().collect::<Vec<_>>());
    for (i, j) in [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)] {
        let r = correlation(&factors[i], &factors[j]);
        assert!(r.abs() < 5.0 / f64::from(DRAWS).sqrt(), "factors {i} and {j} correlate: {r}");
    }
}

#[test]
fn blur_draws_sigma_uniformly_and_a_tenth_of_the_side_as_kernel() {
    let operation = setting(json!({"op": "gaussian_blur", "sigma": [0.1, 2.0]}));
    let sigmas: Vec<f64> = draws(&operation, shape(32, 40))
        .into_iter()
        .map(|drawn| {
            let Some(Drawn::GaussianBlur(blur)) = drawn else { panic!("p is 1") };
            assert_eq!((blur.kernel_x, blur.kernel_y, blur.sigma_x), (3, 3, blur.sigma_y));
            (blur.sigma_x - 0.1) / 1.9
        })
        .collect();
    assert_uniform("sigma", &sigmas);
    for (side, kernel) in [(1, 3), (28, 3), (39, 3), (41, 5), (64, 7), (96, 9), (224, 23)] {
        let Some(Drawn::GaussianBlur(blur)) = draws(&operation, shape(side, side)).swap_remove(0) else {
            panic!("p is 1")
        };
        assert_eq!(blur.kernel_x, kernel, "side {side}");
    }
}

#[test]
fn solarize_takes_the_middle_of_the_image_type() {
    let operation = setting(json!({"op": "solarize", "p": 1.0}));
    for (pixel_type, middle) in [(PixelType::U8, 128.0), (PixelType::U16, 32768.0), (PixelType::F32, 0.5)] {
        let mut stream = Stream::new(0, Purpose::View, [0; 3]);
        match operation.draw(&mut stream, shape(4, 4), &context(4, 3, pixel_type)) {
            Some(Drawn::Solarize(drawn)) => assert_eq!(drawn.threshold, middle),
            other => panic!("{other:?}"),
        }
    }
}

/// The blur's sigma of every sample, for each of two views with two blurs, in two epochs, with two seeds.
#[test]
fn draws_are_independent_between_seeds_epochs_samples_views_and_operations() {
    let blur = setting(json!({"op": "gaussian_blur"}));
    let views = [ViewPolicy { count: 2, operations: vec![blur.clone(), blur] }];
    let policy = Policy::build(&views, rgb(16)).unwrap();
    let mut columns: Vec<Vec<f64>> = Vec::new();
    for (seed, epoch) in [(1, 0), (1, 1), (2, 0)] {
        let mut four = vec![Vec::new(); 4];
        for sample in 0..DRAWS {
            let place = Place { seed, epoch, sample };
            let explained = policy.explain(place, shape(16, 16));
            assert_eq!(explained, policy.explain(place, shape(16, 16)));
            let steps = explained.iter().flat_map(|view| &view.operations);
            for (column, step) in four.iter_mut().zip(steps) {
                let Some(Drawn::GaussianBlur(blur)) = &step.drawn else { panic!("p is 1") };
                column.push(blur.sigma_x);
            }
        }
        columns.extend(four);
    }
    assert_eq!(columns.len(), 12);
    let limit = 5.0 / f64::from(DRAWS).sqrt();
    for (i, a) in columns.iter().enumerate() {
        assert!(correlation(&a[1..], &a[..a.len() - 1]).abs() < limit, "neighbouring samples correlate");
        for b in &columns[i + 1..] {
            assert!(correlation(a, b).abs() < limit);
        }
    }
}

#[test]
fn an_operation_draws_the_same_whatever_comes_before_it() {
    let operations = |p: f64| {
        vec![
            setting(json!({"op": "horizontal_flip", "p": p})),
            setting(json!({"op": "color_jitter", "hue": 0.5})),
        ]
    };
    let drawn = |p: f64| {
        let policy = Policy::build(&[ViewPolicy { count: 1, operations: operations(p) }], rgb(16)).unwrap();
        let place = Place { seed: 3, epoch: 4, sample: 5 };
        policy.explain(place, shape(16, 16)).swap_remove(0).operations.swap_remove(1)
    };
    assert_eq!(drawn(0.0), drawn(1.0));
}
