//! Views per second on one thread: whole presets and the heart of single operations, on RGB images of 32 pixels. Every
//! operation, drawn and applied, is timed by `twinlens bench --case 'operation-*'`.
//!
//! Run with `cargo bench -p twinlens-views`. The throughput of presets counts source images, each of which
//! gives two views or more.
#![allow(missing_docs, clippy::unwrap_used, reason = "criterion's macros; a benchmark may stop")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use twinlens_data::{Image, PixelType, Pixels};
use twinlens_random::{Purpose, Stream};
use twinlens_views::ops::{
    Adjustment, Adjustments, Blurred, Gray, HorizontallyFlipped, Normalize, QuarterTurns, ResizedCrop,
    Solarized,
};
use twinlens_views::{
    BuildContext, DrawKey, Interpolation, Policy, Transform, Workspace, presets, transform,
};

const SIDE: usize = 32;

/// A smooth picture with some noise, as photographs are.
fn image(number: u32) -> Image {
    let mut stream = Stream::new(1, Purpose::Evaluation, [number, 0, 0]);
    let tone: [f64; 3] = std::array::from_fn(|_| stream.uniform());
    let sample = |i: usize| {
        let (x, y) = ((i / 3 % SIDE) as f64, (i / 3 / SIDE) as f64);
        let wave = (x * 0.2 + tone[0] * 6.0).sin() * (y * 0.15 + tone[1] * 6.0).cos();
        (128.0 + 80.0 * wave * tone[i % 3] + 20.0 * stream.normal()).clamp(0.0, 255.0) as u8
    };
    let samples = (0..SIDE * SIDE * 3).map(sample).collect();
    Image { height: SIDE, width: SIDE, channels: 3, pixels: Pixels::U8(samples) }
}

fn context() -> BuildContext {
    BuildContext {
        size: SIDE,
        channels: 3,
        pixel_type: PixelType::U8,
        mean: vec![0.49, 0.48, 0.45],
        std: vec![0.25, 0.24, 0.26],
    }
}

fn whole_presets(criterion: &mut Criterion) {
    let images: Vec<Image> = (0..256).map(image).collect();
    let mut group = criterion.benchmark_group("preset");
    group.throughput(Throughput::Elements(images.len() as u64));
    for (name, _) in presets::PRESETS {
        let policy = Policy::build(&presets::preset(name).unwrap(), context()).unwrap();
        let mut workspace = Workspace::default();
        let mut outs: Vec<_> =
            (0..policy.views()).map(|view| vec![0.0; policy.shape(view).samples()]).collect();
        let mut epoch = 0;
        group.bench_function(*name, |bencher| {
            bencher.iter(|| {
                epoch += 1;
                for (image, sample) in images.iter().zip(0..) {
                    for (view, out) in outs.iter_mut().enumerate() {
                        let place = DrawKey { seed: 1, epoch, sample };
                        policy.write(view, place, image, &mut workspace, out).unwrap();
                    }
                }
            });
        });
    }
    group.finish();
}

fn single_operations(criterion: &mut Criterion) {
    let picture = image(0);
    let mut group = criterion.benchmark_group("operation");
    let mut workspace = Workspace::default();
    let nothing = Adjustment::Brightness(1.0);
    let only = |adjustment| Adjustments { order: [adjustment, nothing, nothing, nothing] };
    let crop = |interpolation| ResizedCrop {
        top: 3,
        left: 5,
        height: 20,
        width: 23,
        out_height: SIDE,
        out_width: SIDE,
        interpolation,
        antialias: true,
    };
    let mut bench = |name: &str, drawn: &dyn Fn(&mut Workspace) -> Image| {
        group.bench_function(name, |bencher| bencher.iter(|| drawn(&mut workspace)));
    };
    fn run<'a>(picture: &'a Image, drawn: impl Transform + 'a) -> impl Fn(&mut Workspace) -> Image + 'a {
        move |workspace| transform(picture, &drawn, workspace).unwrap()
    }
    bench("copy", &run(&picture, QuarterTurns { k: 0 }));
    bench("resized_crop bilinear", &run(&picture, crop(Interpolation::Bilinear)));
    bench("resized_crop bicubic", &run(&picture, crop(Interpolation::Bicubic)));
    bench("horizontal_flip", &run(&picture, HorizontallyFlipped {}));
    bench("rot90", &run(&picture, QuarterTurns { k: 1 }));
    bench("brightness", &run(&picture, only(Adjustment::Brightness(1.2))));
    bench("contrast", &run(&picture, only(Adjustment::Contrast(1.2))));
    bench("saturation", &run(&picture, only(Adjustment::Saturation(1.2))));
    bench("hue", &run(&picture, only(Adjustment::Hue(0.1))));
    bench("grayscale", &run(&picture, Gray {}));
    let blur = Blurred { kernel_x: 3, kernel_y: 3, sigma_x: 1.0, sigma_y: 1.0 };
    bench("gaussian_blur 3", &run(&picture, blur));
    bench("solarize", &run(&picture, Solarized { threshold: 128.0 }));
    let normalize = Normalize::new(&context()).unwrap();
    let Pixels::U8(samples) = &picture.pixels else { return };
    let mut out = vec![0.0; samples.len()];
    group.bench_function("normalize", |bencher| bencher.iter(|| normalize.apply(samples, &mut out)));
    group.finish();
}

criterion_group! {
    name = views;
    config = Criterion::default()
        .sample_size(30)
        .warm_up_time(std::time::Duration::from_millis(300))
        .measurement_time(std::time::Duration::from_secs(1));
    targets = whole_presets, single_operations
}
criterion_main!(views);
