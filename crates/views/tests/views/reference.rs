//! Operations that the golden cases do not hold, against cases made for this crate: torchvision's tensors, and plain
//! formulas where it has no such operation.

use std::path::Path;

use twinlens_data::{Image, PixelType, Pixels};
use twinlens_golden::Case;
use twinlens_views::ops::{
    Adjustment, Adjustments, Autocontrasted, ChannelsShuffled, Displaced, Equalized, GammaAdjusted, Inverted,
    Posterized, Projected, Restained, Rotated, Sharpened, Solarized,
};
use twinlens_views::{Fill, PaddingMode, Sampling, Transform, WarpOptions};

use crate::golden::{check_image, extent, input, interleave, lens, planes};
use crate::support::apply;

/// The cases of `item` in this repository, wherever golden cases are read from.
fn own_cases(item: &str) -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/views").join(item);
    let mut files: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "no case of {item}");
    files.iter().map(|file| Case::read(file)).collect()
}

fn check<D: Transform>(item: &str, drawn: impl Fn(&Case) -> D) {
    for case in own_cases(item) {
        check_image(&case, &apply(&input(&case), &drawn(&case)));
    }
}

#[test]
fn perspective_is_that_of_torchvision() {
    check("perspective", |case| {
        let points = case.i64("in.endpoints").as_chunks::<2>().0;
        let endpoints = [0, 1, 2, 3].map(|corner: usize| points[corner].map(|v| v as usize));
        Projected { endpoints, lens: lens(case) }
    });
}

#[test]
fn elastic_is_that_of_torchvision() {
    check("elastic", |case| Displaced {
        displacement: case.f32("in.displacement").as_chunks::<2>().0.to_vec(),
        lens: lens(case),
    });
}

#[test]
fn permuted_channels_are_those_of_torchvision() {
    check("permute_channels", |case| ChannelsShuffled {
        permutation: case.i64("in.permutation").iter().map(|&v| v as usize).collect(),
    });
}

#[test]
fn stains_follow_the_formula() {
    let three = |values: &[f32]| [values[0], values[1], values[2]].map(f64::from);
    check("stain_jitter", |case| Restained {
        scale: three(case.f32("in.scale")),
        shift: three(case.f32("in.shift")),
    });
}

#[test]
fn floating_point_images_are_those_of_torchvision() {
    for case in own_cases("float_operations") {
        let (height, width, channels) = extent(&case);
        let samples = interleave(case.f32("in.image"), channels);
        let image = Image::new(height, width, channels, Pixels::F32(samples)).unwrap();
        assert_eq!(image.pixel_type(), PixelType::F32);
        let run = |key: &str, got: Image| {
            let Pixels::F32(samples) = got.pixels else { panic!("the type changed") };
            case.check(key, &planes(&samples, channels));
        };
        let number = |key: &str| case.number(key);
        let jitter = |adjustment| Adjustments {
            order: [adjustment, Adjustment::Hue(0.0), Adjustment::Hue(0.0), Adjustment::Hue(0.0)],
        };
        let fill = Some(Fill::PerChannel([0.2f32, 0.3, 0.4].map(f64::from).to_vec()));
        let lens =
            WarpOptions { interpolation: Sampling::Bilinear, padding_mode: PaddingMode::Constant, fill };
        run("out.equalize", apply(&image, &Equalized {}));
        run("out.posterize", apply(&image, &Posterized { bits: case.count("bits") as u32 }));
        run("out.autocontrast", apply(&image, &Autocontrasted {}));
        run("out.sharpness", apply(&image, &Sharpened { sharpness_factor: number("sharpness_factor") }));
        run("out.gamma", apply(&image, &GammaAdjusted { gamma: number("gamma"), gain: number("gain") }));
        run("out.invert", apply(&image, &Inverted {}));
        run("out.solarize", apply(&image, &Solarized { threshold: number("threshold") }));
        run("out.rotate", apply(&image, &Rotated { angle: number("angle_degrees"), expand: false, lens }));
        run("out.brightness", apply(&image, &jitter(Adjustment::Brightness(number("brightness")))));
        run("out.contrast", apply(&image, &jitter(Adjustment::Contrast(number("contrast")))));
        run("out.saturation", apply(&image, &jitter(Adjustment::Saturation(number("saturation")))));
        run("out.hue", apply(&image, &jitter(Adjustment::Hue(number("hue")))));
    }
}
