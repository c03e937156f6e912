//! What must hold for every image: sizes, channels, sample types, round trips.

use proptest::prelude::*;
use serde_json::json;
use twinlens_data::{Image, PixelType, Pixels};
use twinlens_random::{Purpose, Stream};
use twinlens_views::ops::{
    Adjustment, Adjustments, AffineMapped, Autocontrasted, Blurred, BoxBlurred, ChannelsDropped,
    ChannelsScaled, ChannelsShuffled, CroppedOrPadded, Displaced, Equalized, GammaAdjusted, Gray,
    HorizontallyFlipped, Inverted, NAMES, Noisy, Padded, Posterized, Projected, QuarterTurns, Resized,
    ResizedCrop, Restained, Rotated, Sharpened, Solarized, VerticallyFlipped,
};
use twinlens_views::{
    DrawKey, Fill, Interpolation, OperationSetting, PaddingMode, Policy, Sampling, Shape, Transform,
    ViewPolicy, WarpOptions, Workspace, presets,
};

use crate::support::{apply, bytes, context, noise, values};

const TYPES: [PixelType; 3] = [PixelType::U8, PixelType::U16, PixelType::F32];

fn any_type() -> impl Strategy<Value = PixelType> {
    prop::sample::select(TYPES.to_vec())
}

fn any_image() -> impl Strategy<Value = Image> {
    (1usize..24, 1usize..24, 1usize..17, any_type(), any::<u64>()).prop_map(
        |(height, width, channels, pixel_type, seed)| noise(height, width, channels, pixel_type, seed),
    )
}

/// Every operation at its defaults with p = 1; those that need certain channels only where `channels` allow them.
fn all_operations(channels: usize) -> Vec<OperationSetting> {
    let colors = if channels == 3 { 0.5 } else { 0.0 };
    let possible = |name: &&&str| match **name {
        "grayscale" => channels == 1 || channels == 3,
        "stain_jitter" => channels == 3,
        "channel_drop" => channels > 1,
        _ => true,
    };
    NAMES
        .iter()
        .filter(possible)
        .map(|&name| match name {
            "color_jitter" => {
                json!({"op": name, "brightness": 0.8, "contrast": 0.8, "saturation": colors, "hue": colors})
            }
            "affine" => json!({
                "op": name, "degrees": 30, "translate": [0.2, 0.1], "scale": [0.5, 1.5], "shear": 20,
                "shear_y": [-5, 10], "interpolation": "bilinear", "padding_mode": "reflect",
            }),
            "rotation" => json!({"op": name, "degrees": 180, "expand": true, "interpolation": "bilinear"}),
            "crop_and_pad" => json!({"op": name, "scale": [0.2, 3.0], "padding_mode": "symmetric"}),
            "perspective" => json!({"op": name, "p": 1.0, "distortion_scale": 1.0, "padding_mode": "edge"}),
            "erasing" => json!({"op": name, "p": 1.0, "value": "random"}),
            _ => json!({"op": name, "p": 1.0}),
        })
        .map(|value| serde_json::from_value(value).unwrap())
        .collect()
}

/// Makes the views of `image` with every operation, in an order chosen by `turn`, and checks what comes out.
fn check_views(image: &Image, turn: usize, size: usize) {
    let mut operations = all_operations(image.channels);
    let middle = turn % operations.len();
    operations.rotate_left(middle);
    operations.push(serde_json::from_value(json!({"op": "center_crop"})).unwrap());
    let policy = Policy::build(
        &[ViewPolicy { count: 1, operations }],
        context(size, image.channels, image.pixel_type()),
    )
    .unwrap();
    let place = DrawKey { seed: 1, epoch: 2, sample: turn as u32 };
    let mut workspace = Workspace::default();
    let mut out = vec![f32::NAN; policy.shape(0).samples()];
    policy.write(0, place, image, &mut workspace, &mut out).unwrap();
    assert!(out.iter().all(|value| value.is_finite()));

    // What is explained is what was applied.
    let mut step = image.clone();
    for explained in policy.explain(place, Shape::of(image)).swap_remove(0).operations {
        let drawn = explained.drawn.unwrap();
        let shape = drawn.output(Shape::of(&step));
        step = apply(&step, &drawn);
        assert_eq!(Shape::of(&step), shape, "{}", explained.op);
    }
    assert_eq!(step, policy.image(0, place, image, &mut workspace).unwrap());
}

fn hue(shift: f64) -> Adjustments {
    let nothing = Adjustment::Brightness(1.0);
    Adjustments { order: [Adjustment::Hue(shift), nothing, nothing, nothing] }
}

const MODES: [PaddingMode; 4] =
    [PaddingMode::Constant, PaddingMode::Edge, PaddingMode::Reflect, PaddingMode::Symmetric];

fn any_lens() -> impl Strategy<Value = WarpOptions> {
    let interpolation = prop::sample::select(vec![Sampling::Nearest, Sampling::Bilinear]);
    let fill = prop::sample::select(vec![None, Some(Fill::One(0.5))]);
    (interpolation, prop::sample::select(MODES.to_vec()), fill)
        .prop_map(|(interpolation, padding_mode, fill)| WarpOptions { interpolation, padding_mode, fill })
}

/// An image longer than what is computed at once.
fn wide_image() -> impl Strategy<Value = Image> {
    (1usize..12, 1usize..80, 1usize..6, any_type(), any::<u64>()).prop_map(
        |(height, width, channels, pixel_type, seed)| noise(height, width, channels, pixel_type, seed),
    )
}

fn any_interpolation() -> impl Strategy<Value = Interpolation> {
    prop::sample::select(vec![Interpolation::Bilinear, Interpolation::Bicubic])
}

/// One channel of an image.
fn only(image: &Image, channel: usize) -> Image {
    fn pick<T: Copy>(samples: &[T], channels: usize, channel: usize) -> Vec<T> {
        samples[channel..].iter().step_by(channels).copied().collect()
    }
    let pixels = match &image.pixels {
        Pixels::U8(samples) => Pixels::U8(pick(samples, image.channels, channel)),
        Pixels::U16(samples) => Pixels::U16(pick(samples, image.channels, channel)),
        Pixels::F32(samples) => Pixels::F32(pick(samples, image.channels, channel)),
        other => panic!("views have no {}", other.pixel_type()),
    };
    Image::new(image.height, image.width, 1, pixels).unwrap()
}

/// What a lens shows at (x, y) of the channel that `samples` start with.
fn read(samples: &[f64], shape: Shape, lens: &WarpOptions, [x, y]: [f64; 2]) -> f64 {
    let at = |x: f64, y: f64| {
        let column = lens.padding_mode.index(x as i64, shape.width)?;
        let row = lens.padding_mode.index(y as i64, shape.height)?;
        Some(samples[(row * shape.width + column) * shape.channels])
    };
    let fill = lens.fill.as_ref().map_or(0.0, |_| 0.5);
    if lens.interpolation == Sampling::Nearest {
        return at(x.round_ties_even(), y.round_ties_even()).unwrap_or(fill);
    }
    let (left, top) = (x.floor(), y.floor());
    let (mut sum, mut inside) = (0.0, 0.0);
    for (across, down) in [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)] {
        if let Some(sample) = at(left + across, top + down) {
            let weight = (1.0 - (x - left - across).abs()) * (1.0 - (y - top - down).abs());
            sum += weight * sample;
            inside += weight;
        }
    }
    if lens.fill.is_some() { inside * (sum - fill) + fill } else { sum }
}

/// The smallest step of the image's type, or rounding of 32-bit arithmetic.
fn level(image: &Image) -> f64 {
    if image.pixel_type() == PixelType::F32 { 1e-5 } else { 1.0 }
}

fn farthest(a: &Image, b: &Image) -> f64 {
    assert_eq!(Shape::of(a), Shape::of(b));
    values(a).iter().zip(values(b)).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

proptest! {
    #[test]
    fn any_image_gives_a_view(image in any_image(), turn in 0usize..1000, size in 1usize..20) {
        check_views(&image, turn, size);
    }

    #[test]
    fn four_quarter_turns_and_two_flips_change_nothing(image in any_image(), k in 0usize..8) {
        let turn = |image: &Image, k| apply(image, &QuarterTurns { k });
        prop_assert_eq!(&turn(&turn(&turn(&turn(&image, 1), 1), 1), 1), &image);
        prop_assert_eq!(&turn(&turn(&image, k), 8 - k), &image);
        prop_assert_eq!(turn(&turn(&image, 1), 1), turn(&image, 2));
        let left_right = |image: &Image| apply(image, &HorizontallyFlipped {});
        let top_bottom = |image: &Image| apply(image, &VerticallyFlipped {});
        prop_assert_eq!(&left_right(&left_right(&image)), &image);
        prop_assert_eq!(&top_bottom(&top_bottom(&image)), &image);
        prop_assert_eq!(left_right(&top_bottom(&image)), turn(&image, 2));
    }

    #[test]
    fn a_full_turn_of_hue_changes_nothing(seed: u64, pixel_type in any_type(), part in -0.5f64..0.5) {
        let image = noise(9, 13, 3, pixel_type, seed);
        let level = if pixel_type == PixelType::F32 { 1e-5 } else { 1.0 };
        prop_assert!(farthest(&apply(&image, &hue(1.0)), &image) <= level);
        // Turned there and back: each way is rounded, and steep where the chroma is large.
        let back = apply(&apply(&image, &hue(part)), &hue(-part));
        prop_assert!(farthest(&back, &image) <= 8.0 * level);
    }

    #[test]
    fn hue_keeps_the_largest_and_smallest_channel(seed: u64, shift in -0.5f64..0.5) {
        let image = noise(7, 5, 3, PixelType::F32, seed);
        let turned = apply(&image, &hue(shift));
        for (before, after) in values(&image).chunks(3).zip(values(&turned).chunks(3)) {
            let ends = |v: &[f64]| (v.iter().copied().fold(1.0, f64::min), v.iter().copied().fold(0.0, f64::max));
            let ((low, high), (new_low, new_high)) = (ends(before), ends(after));
            prop_assert!((low - new_low).abs() < 1e-5 && (high - new_high).abs() < 1e-5);
        }
    }

    #[test]
    fn a_constant_image_stays_constant(
        (height, width, channels) in (1usize..30, 1usize..30, 1usize..5),
        level: u8,
        kernel in 0usize..8,
        sigma in 0.05f64..20.0,
    ) {
        let image = Image::new(height, width, channels, Pixels::U8(vec![level; height * width * channels])).unwrap();
        let kernel = 2 * kernel + 1;
        let blur = Blurred { kernel_x: kernel, kernel_y: kernel, sigma_x: sigma, sigma_y: sigma };
        prop_assert_eq!(&apply(&image, &blur), &image);
        for interpolation in [Interpolation::Bilinear, Interpolation::Bicubic] {
            for antialias in [false, true] {
                let resize = Resized { out_height: 7, out_width: 11, interpolation, antialias };
                prop_assert!(bytes(&apply(&image, &resize)).iter().all(|&v| v == level));
            }
        }
    }

    #[test]
    fn sixteen_bits_give_the_same_shrunk_image_as_eight(seed: u64, height in 1usize..20, width in 1usize..20) {
        let narrow = noise(20, 20, 2, PixelType::U8, seed);
        let wide = Pixels::U16(bytes(&narrow).iter().map(|&v| u16::from(v)).collect());
        let wide = Image::new(20, 20, 2, wide).unwrap();
        let (out_height, out_width) = (height, width);
        let resize = Resized { out_height, out_width, interpolation: Interpolation::Bilinear, antialias: true };
        prop_assert_eq!(values(&apply(&narrow, &resize)), values(&apply(&wide, &resize)));
    }

    #[test]
    fn solarizing_everything_twice_changes_nothing(image in any_image()) {
        let all = Solarized { threshold: 0.0 };
        let twice = apply(&apply(&image, &all), &all);
        let level = if image.pixel_type() == PixelType::F32 { 1e-6 } else { 0.0 };
        prop_assert!(farthest(&twice, &image) <= level);
    }

    #[test]
    fn cropping_without_resizing_copies_pixels(seed: u64, top in 0usize..6, left in 0usize..6) {
        let image = noise(12, 13, 3, PixelType::U16, seed);
        let crop = ResizedCrop {
            top, left, height: 6, width: 7, out_height: 6, out_width: 7,
            interpolation: Interpolation::Bicubic, antialias: true,
        };
        let got = values(&apply(&image, &crop));
        let all = values(&image);
        let want: Vec<f64> = (0..6 * 7 * 3)
            .map(|i| all[((top + i / 21) * 13 + left) * 3 + i % 21])
            .collect();
        prop_assert_eq!(got, want);
    }

    #[test]
    fn a_turn_and_its_inverse_lie_within_the_image((size, channels, pixel_type) in (1usize..20, 1usize..5, any_type()),
        lens in any_lens(), quarters in -4i32..5, seed: u64) {
        let image = noise(size, size, channels, pixel_type, seed);
        let turned = apply(&image, &Rotated { angle: 90.0 * f64::from(quarters), expand: false, lens });
        prop_assert_eq!(turned, apply(&image, &QuarterTurns { k: quarters.rem_euclid(4) as usize }));
    }

    #[test]
    fn warps_that_move_nothing_change_nothing(image in any_image(), lens in any_lens()) {
        let affine = AffineMapped {
            angle: 0.0, translate: [0.0; 2], scale: 1.0, shear: [0.0; 2], lens: lens.clone(),
        };
        prop_assert!(farthest(&apply(&image, &affine), &image) <= level(&image));
        let Shape { height, width, .. } = Shape::of(&image);
        let displacement = vec![[0.0; 2]; height * width];
        let displaced = Displaced { displacement, lens: lens.clone() };
        prop_assert!(farthest(&apply(&image, &displaced), &image) <= level(&image));
        let (right, bottom) = (width - 1, height - 1);
        let endpoints = [[0, 0], [right, 0], [right, bottom], [0, bottom]];
        let projected = apply(&image, &Projected { endpoints, lens });
        let near = if image.pixel_type() == PixelType::U16 { 64.0 } else { level(&image) };
        prop_assert!(farthest(&projected, &image) <= near.max(1e-4));
    }

    #[test]
    fn whole_shifts_copy_pixels(image in any_image(), lens in any_lens(), dx in -30i64..30, dy in -30i64..30) {
        let translate = [dx as f64, dy as f64];
        let shifted = AffineMapped { angle: 0.0, translate, scale: 1.0, shear: [0.0; 2], lens: lens.clone() };
        let Shape { height, width, channels } = Shape::of(&image);
        let (all, got) = (values(&image), values(&apply(&image, &shifted)));
        for (i, got) in got.into_iter().enumerate() {
            let (x, y) = ((i / channels % width) as i64 - dx, (i / channels / width) as i64 - dy);
            let place = lens.padding_mode.index(y, height).zip(lens.padding_mode.index(x, width));
            let fill = lens.fill.as_ref().map_or(0.0, |_| 0.5);
            let want = place.map_or(fill, |(y, x)| all[(y * width + x) * channels + i % channels]);
            let half = if image.pixel_type() == PixelType::F32 { 1e-5 } else { 0.5 };
            prop_assert!((got - want).abs() <= half, "{} is not {}", got, want);
        }
    }

    #[test]
    fn warps_follow_the_definition(image in wide_image(), lens in any_lens(), reach in 0.0f64..1.5, seed: u64) {
        let shape = Shape::of(&image);
        let mut stream = Stream::new(seed, Purpose::Evaluation, [0; 3]);
        let mut draw = || stream.range(-reach, reach) as f32;
        let displacement: Vec<[f32; 2]> = (0..shape.pixels()).map(|_| [draw(), draw()]).collect();
        let got = apply(&image, &Displaced { displacement: displacement.clone(), lens: lens.clone() });
        let (all, half) = (values(&image), if image.pixel_type() == PixelType::F32 { 1e-5 } else { 0.51 });
        for (i, got) in values(&got).into_iter().enumerate() {
            let pixel = i / shape.channels;
            let [x, y] = displacement[pixel];
            let x = (pixel % shape.width) as f32 + x * (shape.width as f32 / 2.0);
            let y = (pixel / shape.width) as f32 + y * (shape.height as f32 / 2.0);
            let want = read(&all[i % shape.channels..], shape, &lens, [x, y].map(f64::from));
            prop_assert!((got - want).abs() <= half, "{} is not {} at {}", got, want, i);
        }
    }

    /// The loops know one and three channels and lengths of many samples; two channels take none of the short cuts.
    #[test]
    fn every_channel_is_filtered_and_resized_alone(image in wide_image(), radius in 0.1f64..4.0, kernel in 0usize..9,
        out in (1usize..50, 1usize..50), interpolation in any_interpolation(), antialias: bool) {
        let kernel = 2 * kernel + 1;
        let blurred = Blurred { kernel_x: kernel, kernel_y: kernel, sigma_x: radius, sigma_y: radius };
        let resized = ResizedCrop {
            top: image.height / 3, left: image.width / 3, height: image.height.div_ceil(2),
            width: image.width.div_ceil(2), out_height: out.0, out_width: out.1, interpolation, antialias,
        };
        let boxed = BoxBlurred { radius };
        for channel in 0..image.channels {
            let alone = only(&image, channel);
            prop_assert_eq!(only(&apply(&image, &blurred), channel), apply(&alone, &blurred));
            prop_assert_eq!(only(&apply(&image, &boxed), channel), apply(&alone, &boxed));
            prop_assert_eq!(only(&apply(&image, &resized), channel), apply(&alone, &resized));
        }
    }

    #[test]
    fn any_corners_give_an_image(image in any_image(), lens in any_lens(), corners: [[u8; 2]; 4]) {
        let Shape { height, width, .. } = Shape::of(&image);
        let endpoints = corners.map(|[x, y]| [usize::from(x) % width, usize::from(y) % height]);
        let projected = apply(&image, &Projected { endpoints, lens });
        prop_assert!(values(&projected).iter().all(|value| value.is_finite()));
    }

    #[test]
    fn padding_shows_what_its_mode_says(image in any_image(), mode in prop::sample::select(MODES.to_vec()),
        sides: [u8; 4]) {
        let [left, top, right, bottom] = sides.map(|side| usize::from(side % 40));
        let padded = Padded { left, top, right, bottom, padding_mode: mode, fill: Fill::One(1.0) };
        let framed = apply(&image, &padded);
        let Shape { height, width, channels } = Shape::of(&image);
        prop_assert_eq!(Shape::of(&framed), padded.output(Shape::of(&image)));
        let all = values(&image);
        for (i, got) in values(&framed).into_iter().enumerate() {
            let pixel = i / channels;
            let (x, y) = (pixel % framed.width, pixel / framed.width);
            let row = mode.index(y as i64 - top as i64, height);
            let column = mode.index(x as i64 - left as i64, width);
            let want = row.zip(column).map_or(1.0, |(y, x)| all[(y * width + x) * channels + i % channels]);
            prop_assert_eq!(got, want);
        }
        // Cut out again, the image is back.
        let back = CroppedOrPadded {
            top: top as i64, left: left as i64, height, width, out_height: height, out_width: width,
            interpolation: Interpolation::Bilinear, antialias: true, padding_mode: mode, fill: Fill::One(0.0),
        };
        prop_assert_eq!(apply(&framed, &back), image);
    }

    #[test]
    fn inverting_twice_changes_nothing(image in any_image()) {
        let twice = apply(&apply(&image, &Inverted {}), &Inverted {});
        prop_assert!(farthest(&twice, &image) <= level(&image) / 2.0);
    }

    #[test]
    fn posterizing_again_changes_nothing(image in any_image(), bits in 0u32..9) {
        let once = apply(&image, &Posterized { bits });
        prop_assert_eq!(&apply(&once, &Posterized { bits }), &once);
        let (before, after) = (values(&image), values(&once));
        prop_assert!(before.iter().zip(&after).all(|(before, after)| after <= before));
        if image.pixel_type() == PixelType::U8 && bits == 8 {
            prop_assert_eq!(&once, &image);
        }
    }

    #[test]
    fn autocontrast_uses_the_whole_range(image in any_image()) {
        let stretched = apply(&image, &Autocontrasted {});
        let [_, white] = image.pixel_type().bounds();
        for channel in 0..image.channels {
            let of = |image: &Image| -> Vec<f64> {
                values(image).into_iter().skip(channel).step_by(image.channels).collect()
            };
            let ends = |v: &[f64]| (v.iter().copied().fold(1e9, f64::min), v.iter().copied().fold(-1e9, f64::max));
            let ((low, high), (new_low, new_high)) = (ends(&of(&image)), ends(&of(&stretched)));
            if low == high {
                prop_assert_eq!((low, high), (new_low, new_high));
            } else {
                prop_assert!(new_low == 0.0 && (white - new_high) <= level(&image), "{} {}", new_low, new_high);
            }
        }
    }

    #[test]
    fn equalizing_keeps_the_order_of_values(image in any_image()) {
        let equalized = apply(&image, &Equalized {});
        for channel in 0..image.channels {
            let of = |image: &Image| -> Vec<f64> {
                values(image).into_iter().skip(channel).step_by(image.channels).collect()
            };
            let mut pairs: Vec<(f64, f64)> = of(&image).into_iter().zip(of(&equalized)).collect();
            pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
            prop_assert!(pairs.windows(2).all(|pair| pair[0].1 <= pair[1].1 + level(&image) * 1e-6
                || image.pixel_type() == PixelType::F32 && pair[1].1 - pair[0].1 > -1.0 / 128.0));
        }
    }

    #[test]
    fn factors_of_one_change_nothing(image in any_image()) {
        let (gamma, sharpness_factor) = (1.0, 1.0);
        let none = ChannelsScaled { scale: vec![1.0; image.channels], shift: vec![0.0; image.channels] };
        prop_assert_eq!(&apply(&image, &none), &image);
        prop_assert_eq!(&apply(&image, &Sharpened { sharpness_factor }), &image);
        let gamma = apply(&image, &GammaAdjusted { gamma, gain: 1.0 });
        prop_assert!(farthest(&gamma, &image) <= level(&image));
        let restained = apply(&image, &Restained { scale: [1.0; 3], shift: [0.0; 3] });
        let rounding = if image.pixel_type() == PixelType::U16 { 4.0 } else { level(&image) };
        prop_assert!(farthest(&restained, &image) <= rounding);
        let noise = Noisy { mean: 0.0, sigma: 0.0, clip: true, noise: 1 };
        prop_assert_eq!(&apply(&image, &noise), &image);
    }

    #[test]
    fn shuffled_channels_come_back(image in any_image(), seed: u64) {
        let permutation = twinlens_random::Stream::new(seed, twinlens_random::Purpose::Split, [0; 3])
            .permutation(image.channels);
        let mut inverse = vec![0; image.channels];
        permutation.iter().enumerate().for_each(|(to, &from)| inverse[from] = to);
        let there = apply(&image, &ChannelsShuffled { permutation });
        prop_assert_eq!(&apply(&there, &ChannelsShuffled { permutation: inverse }), &image);
        let dropped = apply(&image, &ChannelsDropped { channels: vec![image.channels - 1], fill: Fill::One(1.0) });
        for (before, after) in values(&image).chunks(image.channels).zip(values(&dropped).chunks(image.channels)) {
            prop_assert_eq!(&after[..image.channels - 1], &before[..image.channels - 1]);
            prop_assert_eq!(after[image.channels - 1], 1.0);
        }
    }

    #[test]
    fn pillows_blur_keeps_constant_images_and_the_range(image in any_image(), radius in 0.0f64..30.0) {
        let (low, high) = values(&image).iter().fold((1e9, -1e9), |(l, h), &v| (f64::min(l, v), f64::max(h, v)));
        for value in values(&apply(&image, &BoxBlurred { radius })) {
            prop_assert!(low - level(&image) <= value && value <= high + level(&image));
        }
    }
}

/// Interpolation of one row by the definition: every output sums the inputs by their distance, in f64.
#[test]
fn shrinking_and_growing_follow_the_definition() {
    let row = [10.0f32, 50.0, 20.0, 90.0];
    let image = Image::new(1, 4, 1, Pixels::F32(row.to_vec())).unwrap();
    let resize = |out_width, interpolation, antialias| {
        values(&apply(&image, &Resized { out_height: 1, out_width, interpolation, antialias }))
    };
    let close = |got: Vec<f64>, want: &[f64]| {
        assert!(got.iter().zip(want).all(|(g, w)| (g - w).abs() < 1e-4), "{got:?} is not {want:?}");
    };
    use Interpolation::{Bicubic, Bilinear};
    // Without antialiasing: the two nearest pixels, whatever the ratio.
    close(resize(2, Bilinear, false), &[30.0, 55.0]);
    close(resize(1, Bilinear, false), &[35.0]);
    // Growing is the same with and without; the edge repeats.
    let grown = [10.0, 20.0, 40.0, 42.5, 27.5, 37.5, 72.5, 90.0];
    close(resize(8, Bilinear, false), &grown);
    close(resize(8, Bilinear, true), &grown);
    // With antialiasing, a triangle twice as wide: weights 3/8 3/8 1/8 over those inside, (1/8 falls off).
    close(resize(2, Bilinear, true), &[(30.0 + 150.0 + 20.0) / 7.0, (50.0 + 60.0 + 270.0) / 7.0]);
    // Keys' cubic half-way between pixels with a = -0.75: -0.09375 and 0.59375; edges repeat.
    let (near, far) = (0.59375, -0.09375);
    let at = |a: f64, b: f64, c: f64, d: f64| far * (a + d) + near * (b + c);
    close(resize(2, Bicubic, false), &[at(10.0, 10.0, 50.0, 20.0), at(50.0, 20.0, 90.0, 90.0)]);
}

#[test]
fn blur_of_a_point_is_the_kernel_and_small_images_reflect() {
    let mut samples = vec![0.0f32; 25];
    samples[12] = 1.0;
    let image = Image::new(5, 5, 1, Pixels::F32(samples)).unwrap();
    let blur = Blurred { kernel_x: 3, kernel_y: 1, sigma_x: 1.0, sigma_y: 1.0 };
    let side = (-0.5f64).exp() / (1.0 + 2.0 * (-0.5f64).exp());
    let got = values(&apply(&image, &blur));
    for (got, want) in got[10..15].iter().zip([0.0, side, 1.0 - 2.0 * side, side, 0.0]) {
        assert!((got - want).abs() < 1e-6);
    }
    // Two pixels reflect without end: a b a b a b; an even share of both.
    let pair = Image::new(1, 2, 1, Pixels::F32(vec![0.0, 1.0])).unwrap();
    let wide = Blurred { kernel_x: 401, kernel_y: 1, sigma_x: 50.0, sigma_y: 1.0 };
    assert!(values(&apply(&pair, &wide)).iter().all(|v| (v - 0.5).abs() < 1e-3));
}

#[test]
fn contrast_moves_values_from_the_mean_of_their_channel_unless_rgb() {
    let nothing = Adjustment::Brightness(1.0);
    let contrast = Adjustments { order: [nothing, Adjustment::Contrast(0.5), nothing, nothing] };
    let two = Image::new(1, 2, 2, Pixels::U8(vec![0, 100, 200, 102])).unwrap();
    assert_eq!(bytes(&apply(&two, &contrast)), [50, 100, 150, 101]);
    let gray = Image::new(1, 2, 1, Pixels::U8(vec![0, 200])).unwrap();
    assert_eq!(bytes(&apply(&gray, &contrast)), [50, 150]);
}

#[test]
fn color_does_nothing_to_gray_images() {
    let image = noise(6, 7, 1, PixelType::U8, 1);
    let nothing = Adjustment::Hue(0.3);
    let colors = Adjustments { order: [Adjustment::Saturation(0.1), nothing, nothing, nothing] };
    assert_eq!(apply(&image, &colors), image);
    assert_eq!(apply(&image, &Gray {}), image);
}

#[test]
fn extreme_sizes_give_views() {
    for (height, width) in [(1, 1), (1, 4096), (4096, 1), (2, 4095), (4096, 4096), (3, 3)] {
        let image = noise(height, width, 3, PixelType::U8, 5);
        // Of large images, enough to meet every operation of the policies once: they take seconds each.
        let few = ["simclr", "barlow-twins", "mnist-digit", "mnist-style", "cells-centre"];
        let large = height * width > 1_000_000;
        for (name, _) in presets::PRESETS.iter().filter(|(name, _)| !large || few.contains(name)) {
            let policy =
                Policy::build(&presets::preset(name).unwrap(), context(33, 3, PixelType::U8)).unwrap();
            for view in 0..policy.views() {
                let mut out = vec![f32::NAN; policy.shape(view).samples()];
                for sample in 0..if large { 1 } else { 3 } {
                    let place = DrawKey { seed: 0, epoch: 0, sample };
                    policy.write(view, place, &image, &mut Workspace::default(), &mut out).unwrap();
                    assert!(out.iter().all(|value| value.is_finite()), "{name} of {height}x{width}");
                }
            }
        }
    }
    check_views(&noise(1, 1, 1, PixelType::U16, 1), 3, 1);
    check_views(&noise(1, 4096, 16, PixelType::F32, 1), 0, 5);
}
