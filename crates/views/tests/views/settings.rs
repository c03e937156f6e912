//! Settings as people write them: names, defaults, refusals.

use serde_json::{Value, json};
use twinlens_data::{Image, PixelType, Pixels};
use twinlens_views::ops::NAMES;
use twinlens_views::{
    BuildContext, DrawKey, EvalResize, OperationSetting, Policy, ViewPolicy, ViewsError, Workspace, presets,
};

use crate::support::{context, noise};

fn operation(value: Value) -> Result<OperationSetting, serde_json::Error> {
    serde_json::from_value(value)
}

fn build(operations: &[Value], context: BuildContext) -> Result<Policy, ViewsError> {
    let operations = operations.iter().map(|value| operation(value.clone()).unwrap()).collect();
    Policy::build(&[ViewPolicy { count: 1, operations }], context)
}

/// The keys of the problems that `operations` have.
fn problems(operations: &[Value], context: BuildContext) -> Vec<String> {
    match build(operations, context) {
        Err(ViewsError::Settings(problems)) => problems.into_iter().map(|problem| problem.key).collect(),
        other => panic!("expected problems, got {other:?}"),
    }
}

#[test]
fn every_operation_reads_by_name_and_refuses_unknown_keys() {
    for name in NAMES {
        let read = operation(json!({"op": name})).unwrap();
        assert_eq!(read.name(), *name);
        let error = operation(json!({"op": name, "bogus": 1})).unwrap_err().to_string();
        assert!(error.contains("bogus"), "{name}: {error}");
        let error = operation(json!({"op": name, "p": "often"})).unwrap_err().to_string();
        assert!(error.contains("often"), "{name}: {error}");
    }
    let error = operation(json!({"op": "blurr"})).unwrap_err().to_string();
    assert!(error.contains("blurr") && error.contains("gaussian_blur"), "{error}");
    assert!(operation(json!({"sigma": [1, 2]})).unwrap_err().to_string().contains("op"));
}

#[test]
fn settings_survive_json_and_toml() {
    for name in NAMES {
        let read = operation(json!({"op": name, "p": 0.25})).unwrap();
        let written = serde_json::to_value(&read).unwrap();
        assert_eq!(operation(written).unwrap(), read);
        let policy = ViewPolicy { count: 3, operations: vec![read.clone(), read] };
        let text = toml::to_string(&policy).unwrap();
        assert_eq!(toml::from_str::<ViewPolicy>(&text).unwrap(), policy, "{text}");
    }
    assert!(toml::from_str::<ViewPolicy>("operations = []\nnumber = 2").is_err());
}

#[test]
fn defaults_are_those_of_torchvision() {
    let p = |name: &str| operation(json!({"op": name})).unwrap().p();
    for (name, want) in [
        ("random_resized_crop", 1.0),
        ("horizontal_flip", 0.5),
        ("vertical_flip", 0.5),
        ("grayscale", 0.1),
        ("solarize", 0.5),
        ("gaussian_blur", 1.0),
        ("color_jitter", 1.0),
        ("invert", 0.5),
        ("posterize", 0.5),
        ("equalize", 0.5),
        ("autocontrast", 0.5),
        ("adjust_sharpness", 0.5),
        ("rotation", 1.0),
        ("affine", 1.0),
        ("perspective", 0.5),
        ("elastic", 1.0),
        ("erasing", 0.5),
        ("gaussian_noise", 1.0),
        ("channel_shuffle", 1.0),
    ] {
        assert_eq!(p(name), want, "{name}");
    }
    let crop = serde_json::to_value(operation(json!({"op": "random_resized_crop"})).unwrap()).unwrap();
    assert_eq!(crop["scale"], json!([0.08, 1.0]));
    assert_eq!(crop["ratio"], json!([3.0 / 4.0, 4.0 / 3.0]));
    assert_eq!(crop["interpolation"], "bilinear");
    assert_eq!(crop["antialias"], true);
    let written = |name: &str| serde_json::to_value(operation(json!({"op": name})).unwrap()).unwrap();
    assert_eq!(written("erasing")["scale"], json!([0.02, 0.33]));
    assert_eq!(written("erasing")["ratio"], json!([0.3, 3.3]));
    assert_eq!((&written("elastic")["alpha"], &written("elastic")["sigma"]), (&json!(50.0), &json!(5.0)));
    assert_eq!(written("perspective")["distortion_scale"], 0.5);
    assert_eq!(written("perspective")["interpolation"], "bilinear");
    assert_eq!(written("rotation")["interpolation"], "nearest");
    assert_eq!(written("gaussian_noise")["sigma"], 0.1);
}

#[test]
fn the_schema_knows_every_operation_and_refuses_other_keys() {
    let schema = serde_json::to_value(schemars::schema_for!(OperationSetting)).unwrap();
    let variants = schema["oneOf"].as_array().unwrap();
    assert_eq!(variants.len(), NAMES.len());
    for (variant, name) in variants.iter().zip(NAMES) {
        assert_eq!(variant["properties"]["op"]["const"], *name);
        assert_eq!(variant["additionalProperties"], false, "{variant}");
        assert!(variant["properties"]["p"].is_object(), "{variant}");
    }
}

#[test]
fn values_out_of_range_are_refused_under_their_key() {
    let cases = [
        (json!({"op": "random_resized_crop", "scale": [0.5, 0.2]}), "scale"),
        (json!({"op": "random_resized_crop", "scale": [0.0, 1.0]}), "scale"),
        (json!({"op": "random_resized_crop", "scale": [0.5, 1.5]}), "scale"),
        (json!({"op": "random_resized_crop", "ratio": [-1.0, 1.0]}), "ratio"),
        (json!({"op": "random_resized_crop", "size": 0}), "size"),
        (json!({"op": "resize", "size": 70000}), "size"),
        (json!({"op": "center_crop", "size": 0}), "size"),
        (json!({"op": "horizontal_flip", "p": 1.5}), "p"),
        (json!({"op": "rot90", "p": -0.1}), "p"),
        (json!({"op": "color_jitter", "brightness": -0.1}), "brightness"),
        (json!({"op": "color_jitter", "contrast": -1}), "contrast"),
        (json!({"op": "color_jitter", "saturation": -1}), "saturation"),
        (json!({"op": "color_jitter", "hue": 0.6}), "hue"),
        (json!({"op": "gaussian_blur", "kernel_size": 4}), "kernel_size"),
        (json!({"op": "gaussian_blur", "kernel_size": 0}), "kernel_size"),
        (json!({"op": "gaussian_blur", "sigma": [0.0, 1.0]}), "sigma"),
        (json!({"op": "gaussian_blur", "sigma": [2.0, 1.0]}), "sigma"),
        (json!({"op": "solarize", "threshold": 256}), "threshold"),
        (json!({"op": "random_resized_crop", "relative_size": 0}), "relative_size"),
        (json!({"op": "crop_and_pad", "scale": [0.9, 17]}), "scale"),
        (json!({"op": "crop_and_pad", "fill": 256}), "fill"),
        (json!({"op": "center_resized_crop", "share": 1.5}), "share"),
        (json!({"op": "pad", "share": [0.4, 0.1]}), "share"),
        (json!({"op": "pad", "fill": [0, 0]}), "fill"),
        (json!({"op": "rotation", "degrees": 361}), "degrees"),
        (json!({"op": "affine", "degrees": -10}), "degrees"),
        (json!({"op": "affine", "translate": [0.0, 1.5]}), "translate.1"),
        (json!({"op": "affine", "scale": [0.0, 1.0]}), "scale"),
        (json!({"op": "affine", "shear": 90}), "shear"),
        (json!({"op": "affine", "shear_y": [-90, 0]}), "shear_y"),
        (json!({"op": "perspective", "distortion_scale": 1.1}), "distortion_scale"),
        (json!({"op": "elastic", "alpha": -1}), "alpha"),
        (json!({"op": "elastic", "sigma": 101}), "sigma"),
        (json!({"op": "color_jitter", "hue_p": 1.5}), "hue_p"),
        (json!({"op": "color_jitter", "hue_p": 0.5, "p": 2}), "p"),
        (json!({"op": "posterize", "bits": 9}), "bits"),
        (json!({"op": "gamma", "gamma": 0}), "gamma"),
        (json!({"op": "gamma", "gain": -1}), "gain"),
        (json!({"op": "adjust_sharpness", "sharpness_factor": -1}), "sharpness_factor"),
        (json!({"op": "gaussian_blur_pil", "radius": -1}), "radius"),
        (json!({"op": "gaussian_noise", "sigma": -0.1}), "sigma"),
        (json!({"op": "gaussian_noise", "mean": 2}), "mean"),
        (json!({"op": "erasing", "scale": [0.1, 1.1]}), "scale"),
        (json!({"op": "erasing", "value": -1}), "value"),
        (json!({"op": "cutout", "length": 1.1}), "length"),
        (json!({"op": "channel_drop", "channel_drop_range": [1, 3]}), "channel_drop_range"),
        (json!({"op": "channel_intensity", "scale": -1}), "scale"),
        (json!({"op": "channel_intensity", "shift": 2}), "shift"),
        (json!({"op": "stain_jitter", "scale": [1.0, 0.5]}), "scale"),
        (json!({"op": "stain_jitter", "shift": 11}), "shift"),
    ];
    for (value, key) in cases {
        let found = problems(&[json!({"op": "rot90"}), value.clone()], context(8, 3, PixelType::U8));
        assert_eq!(found, [format!("views.0.operations.1.{key}")], "{value}");
    }
    let nan = toml::from_str::<OperationSetting>("op = \"gaussian_blur\"\nsigma = [nan, 1.0]").unwrap();
    let built =
        Policy::build(&[ViewPolicy { count: 1, operations: vec![nan] }], context(8, 3, PixelType::U8));
    assert!(matches!(built, Err(ViewsError::Settings(_))));
}

#[test]
fn all_problems_come_in_one_report() {
    let bad = [json!({"op": "solarize", "p": 2, "threshold": -1}), json!({"op": "color_jitter", "hue": 3})];
    let context = BuildContext { std: vec![1.0, 0.0], ..context(8, 3, PixelType::U8) };
    let error = build(&bad, context).unwrap_err().to_string();
    for part in ["operations.0.p", "operations.0.threshold", "operations.1.hue", "from 0 to 0.5", "std"] {
        assert!(error.contains(part), "{part} is not in: {error}");
    }
}

#[test]
fn color_on_neither_rgb_nor_gray_is_refused_before_any_image_is_read() {
    let five = || context(8, 5, PixelType::U16);
    assert_eq!(problems(&[json!({"op": "grayscale"})], five()), ["views.0.operations.0.p"]);
    assert_eq!(problems(&[json!({"op": "color_jitter", "hue": 0.1})], five()), ["views.0.operations.0.hue"]);
    let error = build(&[json!({"op": "color_jitter", "saturation": 0.1})], five()).unwrap_err().to_string();
    assert!(error.contains("RGB") && error.contains("5 channels"), "{error}");
    assert!(build(&[json!({"op": "color_jitter", "brightness": 0.1, "contrast": 0.1})], five()).is_ok());
    assert!(build(&[json!({"op": "grayscale", "p": 0.0})], five()).is_ok());
    assert!(build(&[json!({"op": "grayscale"})], context(8, 1, PixelType::U8)).is_ok());
}

#[test]
fn operations_that_need_other_channels_say_why() {
    let refused = |name: &str, channels| {
        let context = context(8, channels, PixelType::U8);
        assert!(build(&[json!({"op": name, "p": 0.0})], context.clone()).is_ok());
        build(&[json!({"op": name})], context).unwrap_err().to_string()
    };
    for channels in [1, 2, 4, 16] {
        let error = refused("stain_jitter", channels);
        assert!(error.contains("RGB") && error.contains(&format!("{channels} channels")), "{error}");
    }
    assert!(refused("channel_drop", 1).contains("none to spare"));
    assert!(build(&[json!({"op": "channel_drop"})], context(8, 2, PixelType::U8)).is_ok());
    let bits = |pixel_type| build(&[json!({"op": "posterize", "bits": 16})], context(8, 1, pixel_type));
    assert!(bits(PixelType::U16).is_ok() && bits(PixelType::U8).is_err() && bits(PixelType::F32).is_err());
}

#[test]
fn numbers_intervals_fills_and_names_are_read() {
    let read = |value: Value| serde_json::to_value(operation(value).unwrap()).unwrap();
    assert_eq!(read(json!({"op": "rotation", "degrees": 25}))["degrees"], json!(25.0));
    assert_eq!(read(json!({"op": "rotation", "degrees": [-5, 25]}))["degrees"], json!([-5.0, 25.0]));
    assert_eq!(read(json!({"op": "erasing", "value": "random"}))["value"], "random");
    assert_eq!(read(json!({"op": "erasing", "value": [1, 2, 3]}))["value"], json!([1.0, 2.0, 3.0]));
    let error = |value: Value| operation(value).unwrap_err().to_string();
    assert!(error(json!({"op": "rotation", "degrees": "far"})).contains("a number or [low, high]"));
    assert!(error(json!({"op": "rotation", "degrees": [1, 2, 3]})).contains("a number or [low, high]"));
    assert!(error(json!({"op": "erasing", "value": "noise"})).contains("\"random\""));
    assert!(error(json!({"op": "pad", "padding_mode": "wrap"})).contains("symmetric"));
}

#[test]
fn a_context_that_does_not_fit_is_refused() {
    let good = context(8, 2, PixelType::U8);
    for (bad, key) in [
        (BuildContext { size: 0, ..good.clone() }, "size"),
        (BuildContext { mean: vec![0.0; 3], ..good.clone() }, "mean"),
        (BuildContext { mean: vec![0.0, f32::NAN], ..good.clone() }, "mean"),
        (BuildContext { std: vec![1.0], ..good.clone() }, "std"),
        (BuildContext { std: vec![1.0, -1.0], ..good.clone() }, "std"),
    ] {
        assert_eq!(problems(&[], bad), [key]);
    }
    assert!(matches!(Policy::build(&[], good.clone()), Err(ViewsError::Settings(_))));
    let none = ViewPolicy { count: 0, operations: Vec::new() };
    assert!(matches!(Policy::build(&[none], good), Err(ViewsError::Settings(_))));
}

#[test]
fn images_of_another_kind_are_refused() {
    let policy = build(&[], context(4, 3, PixelType::U8)).unwrap();
    let place = DrawKey { seed: 0, epoch: 0, sample: 0 };
    let write = |image: &Image| {
        let mut out = vec![0.0; 48];
        policy.write(0, place, image, &mut Workspace::default(), &mut out).map(|()| out)
    };
    assert!(write(&noise(4, 4, 3, PixelType::U8, 0)).is_ok());
    for other in [noise(4, 4, 1, PixelType::U8, 0), noise(4, 4, 3, PixelType::U16, 0)] {
        assert!(matches!(write(&other), Err(ViewsError::Image { .. })));
    }
    let broken = Image { height: 4, width: 4, channels: 3, pixels: Pixels::U8(vec![0; 47]) };
    assert!(matches!(write(&broken), Err(ViewsError::Image { .. })));
    let nothing = Image { height: 0, width: 4, channels: 3, pixels: Pixels::U8(vec![]) };
    assert!(matches!(write(&nothing), Err(ViewsError::Image { .. })));
    match write(&noise(5, 4, 3, PixelType::U8, 0)) {
        Err(error @ ViewsError::ViewSize { height: 5, width: 4, size: 4, .. }) => {
            assert!(error.to_string().contains("random_resized_crop"));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn presets_build_for_rgb_and_gray_images() {
    for (name, _) in presets::PRESETS {
        let views = presets::preset(name).unwrap();
        for channels in [1, 3] {
            let policy = Policy::build(&views, context(32, channels, PixelType::U8)).unwrap();
            let count = match *name {
                "dino-multicrop" => 10,
                "swav-multicrop" => 8,
                "crop-flip" => 1,
                _ => 2,
            };
            assert_eq!(policy.views(), count, "{name}");
            assert!((0..count.min(2)).all(|view| policy.shape(view).height == 32), "{name}");
            // 96 of 224 pixels.
            assert!((2..count).all(|view| policy.shape(view).height == 14), "{name}");
        }
    }
    let error = presets::preset("simcrl").unwrap_err().to_string();
    assert!(error.contains("simcrl") && error.contains("barlow-twins, byol"), "{error}");
}

#[test]
fn presets_are_the_published_ones() {
    let names = |name: &str, view: usize| -> Vec<(&str, f64)> {
        let views = presets::preset(name).unwrap();
        views[view].operations.iter().map(|operation| (operation.name(), operation.p())).collect()
    };
    let common = [("random_resized_crop", 1.0), ("color_jitter", 0.8), ("grayscale", 0.2)];
    let simclr = [&common[..], &[("gaussian_blur", 0.5), ("horizontal_flip", 0.5)]].concat();
    assert_eq!(names("simclr", 0), simclr);
    for (view, blur, solarize) in [(0, 1.0, 0.0), (1, 0.1, 0.2)] {
        let rest = [("gaussian_blur", blur), ("solarize", solarize), ("horizontal_flip", 0.5)];
        assert_eq!(names("barlow-twins", view), [&common[..], &rest].concat());
    }
    assert_eq!(names("byol", 0), names("barlow-twins", 0));
    assert_eq!(names("byol", 1), names("barlow-twins", 1));
    assert_eq!(names("ressl", 0), names("ressl-strong", 0));
    assert_eq!(names("ressl", 1), names("ressl-weak", 0));
    assert_eq!(names("simclr-light", 0), simclr);
    let base = [("rotation", 1.0), ("random_resized_crop", 1.0)];
    assert_eq!(names("mnist-base", 0), base);
    assert_eq!(names("mnist-digit-pad", 0), [&[("pad", 1.0)][..], &base].concat());
    assert_eq!(names("mnist-digit", 0), [&[("pad", 1.0)][..], &base, &[("invert", 0.5)]].concat());
    assert_eq!(names("mnist-style", 0).last(), Some(&("erasing", 0.5)));
    assert_eq!(names("mnist-style", 0)[..4], names("mnist-style-flip", 0));
    assert!(names("medmnist", 0).iter().any(|(name, _)| *name == "rot90"));
    assert!(names("medmnist", 0).iter().all(|(name, _)| *name != "grayscale"));
}

#[test]
fn views_may_have_their_own_size() {
    let crop = |size: usize| operation(json!({"op": "random_resized_crop", "size": size})).unwrap();
    let views = [
        ViewPolicy { count: 2, operations: vec![crop(8)] },
        ViewPolicy { count: 3, operations: vec![crop(4)] },
    ];
    let policy = Policy::build(&views, context(8, 3, PixelType::U8)).unwrap();
    let sizes: Vec<usize> = (0..policy.views()).map(|view| policy.shape(view).width).collect();
    assert_eq!(sizes, [8, 8, 4, 4, 4]);
}

#[test]
fn the_documentation_names_every_operation_and_policy() {
    let text = include_str!("../../../../docs/reference/views.md");
    for name in NAMES.iter().chain(presets::PRESETS.iter().map(|(name, _)| name)) {
        assert!(text.contains(&format!("`{name}`")), "{name} is missing");
    }
}

#[test]
fn relative_sizes_follow_the_size_of_the_view() {
    let crop = operation(json!({"op": "random_resized_crop", "relative_size": 96.0 / 224.0})).unwrap();
    let views = [ViewPolicy { count: 1, operations: vec![crop] }];
    for (size, small) in [(224, 96), (32, 14), (64, 27), (1, 1)] {
        let policy = Policy::build(&views, context(size, 3, PixelType::U8)).unwrap();
        assert_eq!(policy.shape(0).width, small);
    }
}

#[test]
fn an_explanation_reads_as_json() {
    let policy = build(
        &[json!({"op": "color_jitter", "hue": 0.1}), json!({"op": "solarize", "p": 0.0})],
        context(8, 3, PixelType::U8),
    )
    .unwrap();
    let shape = twinlens_views::Shape { height: 8, width: 8, channels: 3 };
    let explained = policy.explain(DrawKey { seed: 0, epoch: 0, sample: 0 }, shape);
    let value = serde_json::to_value(explained).unwrap();
    let operations = &value[0]["operations"];
    assert_eq!(operations[0]["op"], "color_jitter");
    assert_eq!(operations[0]["drawn"]["order"].as_array().unwrap().len(), 4);
    assert_eq!(operations[1], json!({"op": "solarize", "drawn": null}));
}

#[test]
fn an_operation_alone_keeps_the_views_size() {
    let read = |value: Value| operation(value).unwrap();
    let names = |policy: &ViewPolicy| policy.operations.iter().map(|o| o.name()).collect::<Vec<_>>();
    let operations = vec![
        read(json!({"op": "rotation", "expand": true})),
        read(json!({"op": "random_resized_crop", "relative_size": 0.5})),
        read(json!({"op": "rotation", "degrees": 9, "p": 0.25})),
    ];
    let policy = ViewPolicy { count: 2, operations };
    let context = context(20, 3, PixelType::U8);
    let image = noise(30, 50, 3, PixelType::U8, 1);
    let place = DrawKey { seed: 1, epoch: 0, sample: 0 };
    for (name, expected) in [
        ("rotation", &["resize", "center_crop", "rotation", "rotation", "resize", "center_crop"][..]),
        // The crop sees the image as it is.
        ("random_resized_crop", &["random_resized_crop", "resize", "center_crop"]),
        ("invert", &["resize", "center_crop", "resize", "center_crop"]),
    ] {
        let alone = policy.only(name, &context);
        assert_eq!((names(&alone).as_slice(), alone.count), (expected, 2));
        let built = Policy::build(&[alone], context.clone()).unwrap();
        let view = built.image(0, place, &image, &mut Workspace::default()).unwrap();
        assert_eq!((view.height, view.width), (10, 10), "{name}");
    }
    assert_eq!(policy.only("rotation", &context).operations[3], policy.operations[2]);
}

#[test]
fn operations_that_channels_forbid_are_left_out_of_policies_and_no_others() {
    let policy = presets::preset("simclr").unwrap();
    let (same, nothing) = Policy::fitting(&policy, &context(32, 3, PixelType::U8));
    assert!(same == policy && nothing.is_empty());
    let (fitting, left_out) = Policy::fitting(&policy, &context(32, 2, PixelType::U8));
    assert!(Policy::build(&policy, context(32, 2, PixelType::U8)).is_err());
    assert!(Policy::build(&fitting, context(32, 2, PixelType::U8)).is_ok());
    assert!(left_out.contains("color_jitter"), "{left_out:?}");
    let count = |views: &[ViewPolicy]| views.iter().map(|view| view.operations.len()).sum::<usize>();
    assert!(count(&fitting) > 0 && count(&fitting) < count(&policy));
}

#[test]
fn samples_without_black_and_white_are_refused() {
    let signed = Image::new(8, 8, 3, Pixels::I16(vec![-5; 192])).unwrap();
    let policy = Policy::evaluation(context(8, 3, PixelType::I16), EvalResize::default()).unwrap();
    let place = DrawKey { seed: 0, epoch: 0, sample: 0 };
    let refused = policy.image(0, place, &signed, &mut Workspace::default()).unwrap_err().to_string();
    assert!(refused.contains("black and white") && refused.contains("i16"), "{refused}");
}
