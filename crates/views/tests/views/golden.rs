//! Every operation against torchvision's results, on its path for tensors.

use twinlens_data::{Image, PixelType, Pixels};
use twinlens_golden::{Case, cases};
use twinlens_random::{Purpose, Stream};
use twinlens_views::ops::{
    Adjustment, Adjustments, AffineMapped, Autocontrasted, Blurred, BoxBlurred, CenterCropped, Equalized,
    Erased, Eraser, GammaAdjusted, Gray, HorizontallyFlipped, Inverted, Normalize, Padded, Posterized,
    QuarterTurns, Resize, ResizedCrop, Rotated, Sharpened, Solarized, VerticallyFlipped,
};
use twinlens_views::{
    BuildContext, Drawn, Fill, Interpolation, OperationSetting, PaddingMode, Sampling, Shape, Transform,
    WarpOptions,
};

use crate::support::{apply, bytes, context};

/// The cases of `item` on the path for tensors, or on which both paths agree.
fn tensor_cases(item: &str) -> Vec<Case> {
    let chosen: Vec<Case> = cases(&format!("views/{item}"))
        .into_iter()
        .filter(|case| ["tensor", "both"].contains(&case.text("path")))
        .collect();
    assert!(!chosen.is_empty(), "no case of {item} for tensors");
    chosen
}

pub fn extent(case: &Case) -> (usize, usize, usize) {
    match *case.shape("in.image") {
        [channels, height, width] => (height, width, channels),
        ref other => panic!("{}: shape {other:?}", case.name()),
    }
}

/// HWC from CHW.
pub fn interleave<T: Copy>(planes: &[T], channels: usize) -> Vec<T> {
    let pixels = planes.len() / channels;
    (0..planes.len()).map(|i| planes[i % channels * pixels + i / channels]).collect()
}

/// CHW from HWC.
pub fn planes<T: Copy>(samples: &[T], channels: usize) -> Vec<T> {
    let pixels = samples.len() / channels;
    (0..samples.len()).map(|i| samples[i % pixels * channels + i / pixels]).collect()
}

pub fn input(case: &Case) -> Image {
    let (height, width, channels) = extent(case);
    let samples = interleave(case.u8("in.image"), channels);
    Image::new(height, width, channels, Pixels::U8(samples)).unwrap()
}

pub fn check_image(case: &Case, got: &Image) {
    assert_eq!(case.shape("out.image"), [got.channels, got.height, got.width], "{}", case.name());
    case.check("out.image", &planes(bytes(got), got.channels));
}

fn check<D: Transform>(item: &str, drawn: impl Fn(&Case) -> D) {
    for case in tensor_cases(item) {
        check_image(&case, &apply(&input(&case), &drawn(&case)));
    }
}

fn interpolation(case: &Case) -> Interpolation {
    match case.text("interpolation") {
        "bilinear" => Interpolation::Bilinear,
        "bicubic" => Interpolation::Bicubic,
        other => panic!("{}: interpolation {other}", case.name()),
    }
}

/// How a warp reads the case's image.
pub fn lens(case: &Case) -> WarpOptions {
    let interpolation = match case.text("interpolation") {
        "bilinear" => Sampling::Bilinear,
        "nearest" => Sampling::Nearest,
        other => panic!("{}: interpolation {other}", case.name()),
    };
    let fill = || Fill::PerChannel(case.f32("in.fill").iter().map(|&v| f64::from(v)).collect());
    let fill = case.flag("fill_given").then(fill);
    WarpOptions { interpolation, padding_mode: PaddingMode::Constant, fill }
}

fn only(adjustment: Adjustment) -> Adjustments {
    Adjustments {
        order: [adjustment, Adjustment::Hue(0.0), Adjustment::Brightness(1.0), Adjustment::Contrast(1.0)],
    }
}

#[test]
fn golden_resized_crop() {
    check("resized_crop", |case| ResizedCrop {
        top: case.count("top"),
        left: case.count("left"),
        height: case.count("height"),
        width: case.count("width"),
        out_height: case.count("out_height"),
        out_width: case.count("out_width"),
        interpolation: interpolation(case),
        antialias: case.flag("antialias"),
    });
}

#[test]
fn golden_resize_center_crop() {
    for case in tensor_cases("resize_center_crop") {
        let image = input(&case);
        let resize = OperationSetting::Resize(Resize {
            size: Some(case.count("resize_short_side")),
            interpolation: interpolation(&case),
            antialias: case.flag("antialias"),
            p: 1.0,
        });
        let mut stream = Stream::new(0, Purpose::View, [0; 3]);
        let unused = context(1, image.channels, PixelType::U8);
        let Some(Drawn::Resize(resized)) = resize.draw(&mut stream, Shape::of(&image), &unused) else {
            panic!("a resize with p = 1 draws a resize");
        };
        let crop = CenterCropped { out_height: case.count("crop"), out_width: case.count("crop") };
        check_image(&case, &apply(&apply(&image, &resized), &crop));
    }
}

#[test]
fn golden_hflip() {
    check("hflip", |_| HorizontallyFlipped {});
}

#[test]
fn golden_vflip() {
    check("vflip", |_| VerticallyFlipped {});
}

#[test]
fn golden_rot90() {
    check("rot90", |case| QuarterTurns { k: case.count("k") });
}

#[test]
fn golden_adjust_brightness() {
    check("adjust_brightness", |case| only(Adjustment::Brightness(case.number("factor"))));
}

#[test]
fn golden_adjust_contrast() {
    check("adjust_contrast", |case| only(Adjustment::Contrast(case.number("factor"))));
}

#[test]
fn golden_adjust_saturation() {
    check("adjust_saturation", |case| only(Adjustment::Saturation(case.number("factor"))));
}

#[test]
fn golden_adjust_hue() {
    check("adjust_hue", |case| only(Adjustment::Hue(case.number("factor"))));
}

#[test]
fn golden_rgb_to_grayscale() {
    check("rgb_to_grayscale", |_| Gray {});
}

#[test]
fn golden_gaussian_blur() {
    check("gaussian_blur", |case| Blurred {
        kernel_x: case.count("kernel_x"),
        kernel_y: case.count("kernel_y"),
        sigma_x: case.number("sigma_x"),
        sigma_y: case.number("sigma_y"),
    });
}

#[test]
fn golden_solarize() {
    check("solarize", |case| Solarized { threshold: case.number("threshold") });
}

#[test]
fn golden_normalize() {
    for case in cases("views/normalize") {
        let (height, width, channels) = extent(&case);
        let pixels = match case.count("max_value") {
            255 => Pixels::U8(interleave(case.u8("in.image"), channels)),
            65535 => {
                Pixels::U16(interleave(case.i64("in.image"), channels).iter().map(|&v| v as u16).collect())
            }
            other => panic!("{}: white is {other}", case.name()),
        };
        let mut normalized = vec![0.0; height * width * channels];
        let context = BuildContext {
            size: 1,
            channels,
            pixel_type: pixels.pixel_type(),
            mean: case.f32("in.mean").to_vec(),
            std: case.f32("in.std").to_vec(),
        };
        let normalize = Normalize::new(&context).unwrap();
        match &pixels {
            Pixels::U8(samples) => normalize.apply(samples, &mut normalized),
            Pixels::U16(samples) => normalize.apply(samples, &mut normalized),
            Pixels::F32(samples) => normalize.apply(samples, &mut normalized),
            other => panic!("views have no {}", other.pixel_type()),
        }
        case.check("out.image", &planes(&normalized, channels));
    }
}

#[test]
fn golden_rotate() {
    check("rotate", |case| Rotated {
        angle: case.number("angle_degrees"),
        expand: case.flag("expand"),
        lens: lens(case),
    });
}

#[test]
fn golden_affine() {
    check("affine", |case| AffineMapped {
        angle: case.number("angle_degrees"),
        translate: [case.number("translate_x"), case.number("translate_y")],
        scale: case.number("scale"),
        shear: [case.number("shear_x_degrees"), case.number("shear_y_degrees")],
        lens: lens(case),
    });
}

#[test]
fn golden_gamma() {
    check("gamma", |case| GammaAdjusted { gamma: case.number("gamma"), gain: case.number("gain") });
}

#[test]
fn golden_invert() {
    check("invert", |_| Inverted {});
}

#[test]
fn golden_equalize() {
    check("equalize", |_| Equalized {});
}

#[test]
fn golden_posterize() {
    check("posterize", |case| Posterized { bits: case.count("bits") as u32 });
}

#[test]
fn golden_autocontrast() {
    check("autocontrast", |_| Autocontrasted {});
}

#[test]
fn golden_sharpness() {
    check("sharpness", |case| Sharpened { sharpness_factor: case.number("factor") });
}

#[test]
fn golden_erase() {
    check("erase", |case| Erased {
        top: case.count("top"),
        left: case.count("left"),
        height: case.count("height"),
        width: case.count("width"),
        with: Eraser::Fill(Fill::PerChannel(case.u8("in.value").iter().map(|&v| f64::from(v)).collect())),
    });
}

#[test]
fn golden_pad() {
    check("pad", |case| Padded {
        left: case.count("left"),
        top: case.count("top"),
        right: case.count("right"),
        bottom: case.count("bottom"),
        padding_mode: match case.text("mode") {
            "constant" => PaddingMode::Constant,
            "edge" => PaddingMode::Edge,
            "reflect" => PaddingMode::Reflect,
            "symmetric" => PaddingMode::Symmetric,
            other => panic!("{}: mode {other}", case.name()),
        },
        fill: Fill::One(case.number("fill")),
    });
}

/// The one operation that follows Pillow.
#[test]
fn golden_gaussian_blur_pil() {
    for case in cases("views/gaussian_blur_pil") {
        check_image(&case, &apply(&input(&case), &BoxBlurred { radius: case.number("radius") }));
    }
}
