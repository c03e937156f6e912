//! Every random operation draws from the distribution it promises.

use std::collections::BTreeMap;

use serde_json::json;
use twinlens_data::PixelType;
use twinlens_random::{Purpose, Stream};
use twinlens_views::ops::{Adjustment, ElasticallyBent, Erased, Eraser, NAMES, Noisy};
use twinlens_views::{
    BuildContext, DrawKey, Drawn, OperationSetting, PaddingMode, Policy, Sampling, Shape, ViewPolicy,
    WarpOptions,
};

use crate::support::{apply, context, values};

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

/// No column correlates with another.
fn assert_uncorrelated(what: &str, columns: &[Vec<f64>]) {
    for (i, a) in columns.iter().enumerate() {
        for b in &columns[i + 1..] {
            let r = correlation(a, b);
            assert!(r.abs() < 5.0 / (a.len() as f64).sqrt(), "{what}: {r}");
        }
    }
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
    assert_uncorrelated("crops", &[areas, logs, tops, lefts]);
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
    assert_uncorrelated("factors", &factors);
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

/// The drawn parameters of `operation` as JSON, for every sample.
fn drawn_json(operation: &OperationSetting, shape: Shape) -> Vec<serde_json::Value> {
    draws(operation, shape).into_iter().map(|drawn| serde_json::to_value(drawn.unwrap()).unwrap()).collect()
}

/// The number at `pointer` of every draw is uniform in `[low, high]`.
fn assert_uniform_in(drawn: &[serde_json::Value], pointer: &str, low: f64, high: f64) {
    let place =
        |value: &serde_json::Value| (value.pointer(pointer).unwrap().as_f64().unwrap() - low) / (high - low);
    assert_uniform(pointer, &drawn.iter().map(place).collect::<Vec<_>>());
}

#[test]
fn intervals_are_drawn_uniformly() {
    let all = shape(40, 30);
    for (value, pointer, low, high) in [
        (json!({"op": "rotation", "degrees": 25}), "/angle", -25.0, 25.0),
        (json!({"op": "rotation", "degrees": [10, 350]}), "/angle", 10.0, 350.0),
        (json!({"op": "affine", "degrees": 360}), "/angle", -360.0, 360.0),
        (json!({"op": "affine", "scale": [0.9, 1.1]}), "/scale", 0.9, 1.1),
        (json!({"op": "affine", "shear": 10}), "/shear/0", -10.0, 10.0),
        (json!({"op": "affine", "shear_y": [0, 5]}), "/shear/1", 0.0, 5.0),
        (json!({"op": "gamma", "gamma": [0.5, 2]}), "/gamma", 0.5, 2.0),
        (json!({"op": "gamma", "gain": [0.5, 2]}), "/gain", 0.5, 2.0),
        (
            json!({"op": "adjust_sharpness", "sharpness_factor": [0, 3], "p": 1}),
            "/sharpness_factor",
            0.0,
            3.0,
        ),
        (json!({"op": "gaussian_blur_pil", "radius": [0.1, 2]}), "/radius", 0.1, 2.0),
        (json!({"op": "gaussian_noise", "sigma": [0, 0.2]}), "/sigma", 0.0, 0.2),
        (json!({"op": "elastic", "alpha": [10, 90]}), "/alpha", 10.0, 90.0),
        (json!({"op": "elastic", "sigma": [3, 9]}), "/sigma", 3.0, 9.0),
        (json!({"op": "elastic"}), "/field", 0.0, (1u64 << 53) as f64),
        (json!({"op": "channel_intensity", "scale": [0.5, 1.5]}), "/scale/2", 0.5, 1.5),
        (json!({"op": "channel_intensity", "shift": [-0.1, 0.3]}), "/shift/0", -0.1, 0.3),
        (json!({"op": "stain_jitter", "scale": [0.7, 1.3]}), "/scale/1", 0.7, 1.3),
        (json!({"op": "stain_jitter", "shift": [-0.2, 0.2]}), "/shift/2", -0.2, 0.2),
    ] {
        assert_uniform_in(&drawn_json(&setting(value), all), pointer, low, high);
    }
}

#[test]
fn shifts_reach_their_share_of_each_side() {
    let drawn = drawn_json(&setting(json!({"op": "affine", "translate": [0.1, 0.5]})), shape(200, 400));
    let shifts =
        |axis: usize| -> Vec<f64> { drawn.iter().map(|d| d["translate"][axis].as_f64().unwrap()).collect() };
    for (axis, most) in [(0, 40.0), (1, 100.0)] {
        let (low, high) = shifts(axis).iter().fold((0.0, 0.0), |(l, h), &v| (f64::min(l, v), f64::max(h, v)));
        assert_eq!((low, high), (-most, most));
        assert!(shifts(axis).iter().all(|shift| shift.fract() == 0.0));
        // The whole numbers between are equally likely.
        let mut counts = vec![0.0; 2 * most as usize - 1];
        for shift in shifts(axis).into_iter().filter(|v| v.abs() < most) {
            counts[(shift + most) as usize - 1] += 1.0;
        }
        assert_equal_counts("shift", &counts);
    }
}

#[test]
fn crops_beyond_the_image_lie_anywhere_around_it() {
    let operation = setting(json!({"op": "crop_and_pad", "scale": [0.5, 2.0], "ratio": [1.0, 1.0]}));
    let (mut areas, mut places) = (vec![], vec![]);
    for drawn in draws(&operation, shape(1000, 1000)) {
        let Some(Drawn::CropAndPad(crop)) = drawn else { panic!("p is 1") };
        areas.push(((crop.height * crop.width) as f64 / 1e6 - 0.5) / 1.5);
        let side = crop.height as i64;
        let (first, room) = if side > 1000 { (-crop.top, side - 1000) } else { (crop.top, 1000 - side) };
        assert!((0..=room).contains(&first));
        places.push(first as f64 / (room as f64 + 1.0));
    }
    assert_uniform("area", &areas.iter().map(|v| v.clamp(0.0, 1.0 - 1e-9)).collect::<Vec<_>>());
    assert_uniform("place", &places);
}

#[test]
fn crops_beyond_the_image_have_log_uniform_ratio() {
    let operation = setting(json!({"op": "crop_and_pad", "scale": [1.0, 4.0], "ratio": [0.5, 2.0]}));
    let ratio = |drawn: Option<Drawn>| match drawn {
        Some(Drawn::CropAndPad(crop)) => (crop.width as f64 / crop.height as f64).ln() / 2.0f64.ln(),
        other => panic!("{other:?}"),
    };
    let places = draws(&operation, shape(2000, 1000)).into_iter().map(|drawn| (ratio(drawn) + 1.0) / 2.0);
    assert_uniform("log ratio", &places.map(|v| v.clamp(0.0, 1.0 - 1e-9)).collect::<Vec<_>>());
}

#[test]
fn padding_adds_its_share_to_every_side() {
    let mut shares = vec![];
    for drawn in draws(&setting(json!({"op": "pad", "share": [0.1, 0.4]})), shape(1000, 2000)) {
        let Some(Drawn::Pad(pad)) = drawn else { panic!("p is 1") };
        assert!(pad.left == pad.right && pad.top == pad.bottom && pad.left.abs_diff(2 * pad.top) <= 1);
        shares.push((pad.left as f64 / 2000.0 - 0.1) / 0.3);
    }
    assert_uniform("share", &shares.iter().map(|v| v.clamp(0.0, 1.0 - 1e-9)).collect::<Vec<_>>());
}

#[test]
fn centre_crops_keep_the_middle() {
    let crop = |share: f64| {
        let operation = setting(json!({"op": "center_resized_crop", "share": share}));
        match draws(&operation, shape(100, 41)).swap_remove(0) {
            Some(Drawn::CenterResizedCrop(crop)) => {
                (crop.top, crop.left, crop.height, crop.width, crop.out_width)
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(crop(0.5), (25, 10, 50, 20, 32));
    assert_eq!(crop(1.0), (0, 0, 100, 41, 32));
    assert_eq!(crop(0.001), (50, 20, 1, 1, 32));
}

#[test]
fn centre_crops_draw_their_share_uniformly() {
    let operation = setting(json!({"op": "center_resized_crop", "share": [0.2, 0.7]}));
    let share = |drawn: Option<Drawn>| match drawn {
        Some(Drawn::CenterResizedCrop(crop)) => {
            assert!((crop.height as f64 / 2.0 - crop.width as f64).abs() <= 1.0);
            (crop.height as f64 / 10_000.0 - 0.2) / 0.5
        }
        other => panic!("{other:?}"),
    };
    let shares = draws(&operation, shape(10_000, 5000)).into_iter().map(share);
    assert_uniform("share", &shares.map(|v| v.clamp(0.0, 1.0 - 1e-9)).collect::<Vec<_>>());
}

#[test]
fn corners_move_up_to_a_scale_drawn_for_each_image() {
    let operation = setting(json!({"op": "perspective", "distortion_scale": [0.2, 0.8], "p": 1}));
    // A corner moves u s of the half side, u and s uniform: on average 1/2 E[s], and 1/3 E[s^2] squared.
    let drawn = drawn_json(&operation, shape(20_000, 20_000));
    let moved: Vec<f64> = drawn.iter().map(|d| d["endpoints"][0][0].as_f64().unwrap() / 10_000.0).collect();
    let mean = |power: i32| moved.iter().map(|v| v.powi(power)).sum::<f64>() / moved.len() as f64;
    assert!((mean(1) - 0.25).abs() < 5.0 * 0.17 / f64::from(DRAWS).sqrt(), "{}", mean(1));
    assert!((mean(2) - 0.28 / 3.0).abs() < 5.0 * 0.12 / f64::from(DRAWS).sqrt(), "{}", mean(2));
    assert!(moved.iter().all(|v| (0.0..=0.8).contains(v)) && moved.iter().any(|v| *v > 0.75));
}

#[test]
fn corners_move_inwards_uniformly() {
    let operation = setting(json!({"op": "perspective", "distortion_scale": 0.6, "p": 1}));
    let drawn = drawn_json(&operation, shape(80, 40));
    // 0 to 24 of 40 rows, 0 to 12 of 20 columns.
    for (corner, [right, low]) in
        [[false, false], [true, false], [true, true], [false, true]].into_iter().enumerate()
    {
        for (axis, far, side, steps) in [(0, right, 40, 13), (1, low, 80, 25)] {
            let mut counts = vec![0.0; steps];
            for drawn in &drawn {
                let at = drawn["endpoints"][corner][axis].as_u64().unwrap() as usize;
                counts[if far { side - 1 - at } else { at }] += 1.0;
            }
            assert_equal_counts("corner", &counts);
        }
    }
}

#[test]
fn erased_rectangles_have_the_area_ratio_and_place_asked_for() {
    let operation = setting(json!({"op": "erasing", "scale": [0.02, 0.3], "ratio": [0.5, 2.0], "p": 1.0}));
    let (mut areas, mut ratios, mut tops, mut lefts) = (vec![], vec![], vec![], vec![]);
    for drawn in draws(&operation, shape(2000, 2000)) {
        let Some(Drawn::Erasing(erased)) = drawn else { panic!("p is 1") };
        let (height, width) = (erased.height as f64, erased.width as f64);
        assert!(erased.top + erased.height <= 2000 && erased.left + erased.width <= 2000);
        areas.push(((height * width / 4e6 - 0.02) / 0.28).clamp(0.0, 1.0 - 1e-9));
        ratios.push((((height / width).ln() / 2.0f64.ln() + 1.0) / 2.0).clamp(0.0, 1.0 - 1e-9));
        tops.push(erased.top as f64 / (2000.0 - height + 1.0));
        lefts.push(erased.left as f64 / (2000.0 - width + 1.0));
    }
    assert_uniform("area", &areas);
    assert_uniform("log ratio", &ratios);
    assert_uniform("top", &tops);
    assert_uniform("left", &lefts);
    assert_uncorrelated("erased rectangles", &[areas, ratios, tops, lefts]);
    // None is smaller than an image of one pixel.
    match draws(&operation, shape(1, 1)).swap_remove(0) {
        Some(Drawn::Erasing(erased)) => assert_eq!((erased.height, erased.width), (0, 0)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn random_values_of_erased_rectangles_are_every_level_alike() {
    let black = twinlens_data::Image::new(160, 160, 2, twinlens_data::Pixels::U8(vec![0; 51_200])).unwrap();
    let erased = |seed| {
        let (with, height, width) = (Eraser::Noise(seed), 160, 160);
        values(&apply(&black, &Erased { top: 0, left: 0, height, width, with }))
    };
    let mut levels = vec![0.0; 256];
    for level in erased(1) {
        levels[level as usize] += 1.0;
    }
    assert_equal_counts("level", &levels);
    assert_uncorrelated("erased images", &[erased(1), erased(2)]);
}

#[test]
fn cutouts_draw_their_length_uniformly() {
    let operation = setting(json!({"op": "cutout", "length": [0.1, 0.6]}));
    let mut places = vec![];
    for drawn in draws(&operation, shape(10_000, 10_000)) {
        let Some(Drawn::Cutout(erased)) = drawn else { panic!("p is 1") };
        // A square of length l lies within the rows with probability 1 - l. So the lengths that are seen whole have the
        // density (1 - l), whose integral from 0.1 is l - l^2 / 2 less its value there.
        if erased.top > 0 && erased.top + erased.height < 10_000 {
            let up_to = |l: f64| l - l * l / 2.0;
            let length = erased.height as f64 / 10_000.0;
            places.push(((up_to(length) - up_to(0.1)) / (up_to(0.6) - up_to(0.1))).clamp(0.0, 1.0 - 1e-9));
        }
    }
    assert!(places.len() > 10_000);
    assert_uniform("length", &places);
}

#[test]
fn cutouts_are_centred_on_any_pixel() {
    let mut rows = vec![0.0; 8];
    for drawn in draws(&setting(json!({"op": "cutout", "length": 0.5})), shape(8, 12)) {
        let Some(Drawn::Cutout(erased)) = drawn else { panic!("p is 1") };
        // Four rows, cut off at the edge: rows 0-1, 0-2, 0-3, 1-4, ... 5-7.
        let rows_left = (erased.top, erased.height);
        let center = [(0, 2), (0, 3), (0, 4), (1, 4), (2, 4), (3, 4), (4, 4), (5, 3)];
        rows[center.iter().position(|&place| place == rows_left).unwrap()] += 1.0;
        assert!(erased.left + erased.width <= 12 && erased.width >= 2);
    }
    assert_equal_counts("centre row", &rows);
}

#[test]
fn channels_are_dropped_and_shuffled_evenly() {
    let five = Shape { height: 2, width: 2, channels: 5 };
    let (mut dropped, mut numbers) = (vec![0.0; 5], vec![0.0; 3]);
    let drop = setting(json!({"op": "channel_drop", "channel_drop_range": [1, 3], "p": 1.0}));
    for drawn in draws(&drop, five) {
        let Some(Drawn::ChannelDrop(drawn)) = drawn else { panic!("p is 1") };
        numbers[drawn.channels.len() - 1] += 1.0;
        // Not independent within one image: count one channel of each.
        dropped[drawn.channels[drawn.channels.len() - 1]] += f64::from(u8::from(drawn.channels.len() == 1));
    }
    assert_equal_counts("number of channels", &numbers);
    assert_equal_counts("channel", &dropped);
    let mut orders = BTreeMap::new();
    for drawn in draws(&setting(json!({"op": "channel_shuffle"})), shape(2, 2)) {
        let Some(Drawn::ChannelShuffle(drawn)) = drawn else { panic!("p is 1") };
        *orders.entry(drawn.permutation).or_insert(0.0) += 1.0;
    }
    assert_eq!(orders.len(), 6);
    assert_equal_counts("order", &orders.into_values().collect::<Vec<_>>());
}

#[test]
fn separate_probabilities_of_jitter_are_those_given() {
    let changed = |value: serde_json::Value| -> Vec<[bool; 4]> {
        let each = |drawn: Option<Drawn>| {
            let mut changed = [false; 4];
            let Some(Drawn::ColorJitter(adjustments)) = drawn else { return changed };
            for adjustment in adjustments.order {
                match adjustment {
                    Adjustment::Brightness(factor) => changed[0] = factor != 1.0,
                    Adjustment::Contrast(factor) => changed[1] = factor != 1.0,
                    Adjustment::Saturation(factor) => changed[2] = factor != 1.0,
                    Adjustment::Hue(shift) => changed[3] = shift != 0.0,
                }
            }
            changed
        };
        draws(&setting(value), shape(8, 8)).into_iter().map(each).collect()
    };
    let amounts =
        json!({"op": "color_jitter", "brightness": 0.4, "contrast": 0.4, "saturation": 0.2, "hue": 0.5});
    let with = |more: serde_json::Value| {
        let mut value = amounts.clone();
        value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        changed(value)
    };
    let share = |of: &dyn Fn(&[bool; 4]) -> bool, all: &[[bool; 4]]| {
        all.iter().filter(|changed| of(changed)).count() as f64 / f64::from(DRAWS)
    };
    let near = |got: f64, want: f64| assert!((got - want).abs() < 0.018, "{got} is not {want}");
    let hue = with(json!({"p": 0.8, "hue_p": 0.3}));
    near(share(&|c| c[3], &hue), 0.3);
    near(share(&|c| c[0], &hue), 0.8);
    // The others go together, the hue alone.
    assert!(hue.iter().all(|c| c[0] == c[1] && c[1] == c[2]));
    near(share(&|c| c[0] && c[3], &hue), 0.24);
    let all =
        with(json!({"brightness_p": 0.1, "contrast_p": 0.4, "saturation_p": 0.6, "hue_p": 0.9, "p": 0.0}));
    for (component, p) in [0.1, 0.4, 0.6, 0.9].into_iter().enumerate() {
        near(share(&|c| c[component], &all), p);
    }
    near(share(&|c| c[1] && c[2], &all), 0.24);
    // What is drawn does not depend on which changes are kept.
    let kept = |value: serde_json::Value| draws(&setting(value), shape(8, 8));
    let mut never_left_out = amounts.clone();
    never_left_out["hue_p"] = json!(1.0);
    assert_eq!(kept(amounts.clone()), kept(never_left_out));
}

#[test]
fn noise_has_its_moments_and_differs_between_samples() {
    let gray = twinlens_data::Image::new(100, 100, 2, twinlens_data::Pixels::F32(vec![0.5; 20_000])).unwrap();
    let noise = |seed| {
        let drawn = Noisy { mean: 0.02, sigma: 0.1, clip: false, noise: seed };
        values(&apply(&gray, &drawn)).into_iter().map(|v| (v - 0.52) / 0.1).collect::<Vec<f64>>()
    };
    let (one, other) = (noise(1), noise(2));
    let mean = |power: i32| one.iter().map(|v| v.powi(power)).sum::<f64>() / one.len() as f64;
    assert!(mean(1).abs() < 0.035 && (mean(2) - 1.0).abs() < 0.05, "{} {}", mean(1), mean(2));
    assert!(mean(3).abs() < 0.12 && (mean(4) - 3.0).abs() < 0.3, "{} {}", mean(3), mean(4));
    assert!(correlation(&one, &other).abs() < 0.035);
    assert!(correlation(&one[1..], &one[..one.len() - 1]).abs() < 0.035);
    // Whole levels, towards zero: within half a level of the mean.
    let bytes = twinlens_data::Image::new(100, 100, 2, twinlens_data::Pixels::U8(vec![128; 20_000])).unwrap();
    let drawn = Noisy { mean: 0.0, sigma: 0.1, clip: true, noise: 1 };
    let got = values(&apply(&bytes, &drawn));
    assert!((got.iter().sum::<f64>() / got.len() as f64 - 128.0).abs() < 1.0);
}

#[test]
fn elastic_fields_are_smooth_and_centred() {
    let lens = WarpOptions { interpolation: Sampling::Bilinear, padding_mode: PaddingMode::Edge, fill: None };
    let bent = |alpha, sigma, field| ElasticallyBent { alpha, sigma, field, lens: lens.clone() };
    let shape = Shape { height: 300, width: 400, channels: 1 };
    let component = |drawn: &ElasticallyBent, axis: usize| -> Vec<f64> {
        drawn.displacement(shape).iter().map(|at| f64::from(at[axis])).collect()
    };
    // Not smoothed: uniform in +-alpha / side.
    let raw = component(&bent(50.0, 0.0, 3), 0);
    assert_uniform("displacement", &raw.iter().map(|v| (v * 400.0 / 50.0 + 1.0) / 2.0).collect::<Vec<_>>());
    let raw_y = component(&bent(50.0, 0.0, 3), 1);
    assert!(correlation(&raw, &raw_y).abs() < 0.035);
    // Smoothed: a Gaussian leaves 1 / (4 pi sigma^2) of the variance 1/3, and neighbours alike.
    let smooth = component(&bent(50.0, 3.0, 3), 1);
    let variance = smooth.iter().map(|v| (v * 300.0 / 50.0).powi(2)).sum::<f64>() / smooth.len() as f64;
    let want = 1.0 / 3.0 / (4.0 * std::f64::consts::PI * 9.0);
    assert!((variance / want - 1.0).abs() < 0.15, "{variance} is not {want}");
    assert!(correlation(&smooth[1..], &smooth[..smooth.len() - 1]) > 0.9);
    assert_ne!(component(&bent(50.0, 3.0, 4), 1), smooth);
}

/// Every operation with something to draw wherever it can, applied half of the time.
fn varied(name: &str) -> OperationSetting {
    let mut value = match name {
        "random_resized_crop" => json!({"scale": [0.2, 0.9]}),
        "crop_and_pad" => json!({"scale": [0.5, 2.0]}),
        "center_resized_crop" | "pad" => json!({"share": [0.1, 0.9]}),
        "rotation" => json!({"degrees": 90}),
        "affine" => json!({
            "degrees": 90, "translate": [0.5, 0.5], "scale": [0.5, 1.5], "shear": 20, "shear_y": [-5, 10],
        }),
        "perspective" => json!({"distortion_scale": [0.2, 0.8]}),
        "elastic" => json!({"alpha": [10, 90], "sigma": [3, 9]}),
        "color_jitter" => json!({"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.4}),
        "gamma" => json!({"gamma": [0.5, 2], "gain": [0.5, 2]}),
        "adjust_sharpness" => json!({"sharpness_factor": [0, 3]}),
        "gaussian_noise" => json!({"sigma": [0, 0.2]}),
        "erasing" => json!({"value": "random"}),
        "cutout" => json!({"length": [0.1, 0.6]}),
        "channel_drop" => json!({"channel_drop_range": [1, 2]}),
        "channel_intensity" => json!({"scale": [0.5, 1.5], "shift": [-0.1, 0.3]}),
        "stain_jitter" => json!({"scale": [0.7, 1.3], "shift": [-0.2, 0.2]}),
        _ => json!({}),
    };
    value["op"] = json!(name);
    value["p"] = json!(0.5);
    setting(value)
}

/// Every number in `value`, by where it stands.
fn numbers(value: &serde_json::Value, at: String, found: &mut BTreeMap<String, f64>) {
    use serde_json::Value;
    match value {
        Value::Number(number) => drop(found.insert(at, number.as_f64().unwrap())),
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(i, value)| numbers(value, format!("{at}/{i}"), found));
        }
        Value::Object(fields) => {
            fields.iter().for_each(|(key, value)| numbers(value, format!("{at}/{key}"), found));
        }
        _ => {}
    }
}

#[test]
fn the_two_views_of_an_image_know_nothing_of_each_other() {
    const IMAGES: u32 = 4000;
    for name in NAMES {
        let operation = varied(name);
        let view = |view: u32, sample| {
            let mut stream = Stream::new(11, Purpose::View, [0, sample, view << 16]);
            let drawn = operation.draw(&mut stream, shape(400, 300), &rgb(32))?;
            let mut found = BTreeMap::new();
            numbers(&serde_json::to_value(drawn).unwrap(), String::new(), &mut found);
            Some(found)
        };
        let pairs: Vec<_> = (0..IMAGES).map(|sample| [view(0, sample), view(1, sample)]).collect();
        let applied =
            |side: usize| pairs.iter().map(|pair| f64::from(u8::from(pair[side].is_some()))).collect();
        assert_uncorrelated(name, &[applied(0), applied(1)]);
        // What was drawn, where both views were changed in that number.
        let mut columns: BTreeMap<&str, [Vec<f64>; 2]> = BTreeMap::new();
        for [one, other] in pairs.iter().filter_map(|[one, other]| Some([one.as_ref()?, other.as_ref()?])) {
            for (at, value) in one {
                let Some(second) = other.get(at) else { continue };
                let [first, seconds] = columns.entry(at).or_default();
                first.push(*value);
                seconds.push(*second);
            }
        }
        let varies = |values: &Vec<f64>| values.iter().any(|value| *value != values[0]);
        let drawn: Vec<_> = columns.iter().filter(|(_, [one, _])| varies(one)).collect();
        for (at, pair) in &drawn {
            assert!(pair[0].len() > 30, "{name}{at} is too rare to tell");
            assert_uncorrelated(&format!("{name}{at}"), &pair[..]);
        }
        let nothing_to_draw = [
            "resize",
            "center_crop",
            "horizontal_flip",
            "vertical_flip",
            "grayscale",
            "invert",
            "solarize",
            "posterize",
            "equalize",
            "autocontrast",
        ];
        assert_eq!(drawn.is_empty(), nothing_to_draw.contains(name), "{name}");
    }
}

#[test]
fn numbers_of_one_draw_know_nothing_of_each_other() {
    let fixed = json!({"op": "perspective", "distortion_scale": 0.5, "p": 1.0});
    let corners: Vec<String> = (0..8).map(|i| format!("/endpoints/{}/{}", i / 2, i % 2)).collect();
    let channels: Vec<String> =
        ["scale", "shift"].iter().flat_map(|key| (0..3).map(move |i| format!("/{key}/{i}"))).collect();
    let owned = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<Vec<String>>();
    let always = |name: &str| {
        let mut value = serde_json::to_value(varied(name)).unwrap();
        value["p"] = json!(1.0);
        value
    };
    for (value, pointers) in [
        (
            always("affine"),
            owned(&["/angle", "/translate/0", "/translate/1", "/scale", "/shear/0", "/shear/1"]),
        ),
        (always("gamma"), owned(&["/gamma", "/gain"])),
        (always("elastic"), owned(&["/alpha", "/sigma", "/field"])),
        (always("gaussian_noise"), owned(&["/sigma", "/noise"])),
        (always("channel_intensity"), channels.clone()),
        (always("stain_jitter"), channels),
        (fixed, corners),
    ] {
        let drawn = drawn_json(&setting(value.clone()), shape(400, 300));
        let column = |pointer: &String| -> Vec<f64> {
            drawn.iter().map(|drawn| drawn.pointer(pointer).unwrap().as_f64().unwrap()).collect()
        };
        let columns: Vec<Vec<f64>> = pointers.iter().map(column).collect();
        assert_uncorrelated(&value["op"].to_string(), &columns);
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
            let place = DrawKey { seed, epoch, sample };
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
        let place = DrawKey { seed: 3, epoch: 4, sample: 5 };
        policy.explain(place, shape(16, 16)).swap_remove(0).operations.swap_remove(1)
    };
    assert_eq!(drawn(0.0), drawn(1.0));
}
