//! Speed of the kernels on the shapes of a ResNet-18 at 32 pixels with 128 images, of a ResNet-50 and a ConvNeXt-Tiny at
//! 64 pixels with 64 images, and of a projector's linear layers.
//!
//! Convolutions report floating-point operations (two for each product) as "elements" per second: Gelem/s is
//! GFLOP/s, to be held against `gemm`, the same arithmetic without gathering. They also report the bytes that must be read or
//! written at least once, which is all that batch norm, layer norm and pooling report.

use std::hint::black_box;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use rayon::prelude::*;
use twinlens_kernels::{
    Adam, Affine, BatchNormGrads, Bf16, ConvShape, DepthwiseShape, Element, Epilogue, Fused, HeavyBall,
    LayerNormGrads, PoolShape, Precision, Relu, Window, adam_step, batch_norm_backward, batch_norm_forward,
    conv2d_forward, conv2d_input_grad, conv2d_weight_grad, convert, depthwise_forward, depthwise_input_grad,
    depthwise_weight_grad, gelu_backward, gelu_forward, heavy_ball_step, layer_norm_backward,
    layer_norm_forward, max_pool_backward, max_pool_forward, sum_of_squares,
};
use twinlens_random::{Purpose, Stream};

const IMAGES: usize = 128;

/// Name, input size, input channels, output channels, window.
const CONVOLUTIONS: [(&str, usize, usize, usize, Window); 12] = [
    ("stem_3x3_32px_3_64", 32, 3, 64, Window::square(3, 1, 1)),
    ("3x3_32px_64_64", 32, 64, 64, Window::square(3, 1, 1)),
    ("3x3s2_32px_64_128", 32, 64, 128, Window::square(3, 2, 1)),
    ("1x1s2_32px_64_128", 32, 64, 128, Window::square(1, 2, 0)),
    ("3x3_16px_128_128", 16, 128, 128, Window::square(3, 1, 1)),
    ("3x3s2_16px_128_256", 16, 128, 256, Window::square(3, 2, 1)),
    ("3x3_8px_256_256", 8, 256, 256, Window::square(3, 1, 1)),
    ("3x3_4px_512_512", 4, 512, 512, Window::square(3, 1, 1)),
    ("3x3s2_4px_256_512", 4, 256, 512, Window::square(3, 2, 1)),
    ("3x3_2px_512_512", 2, 512, 512, Window::square(3, 1, 1)),
    ("3x3_1px_512_512", 1, 512, 512, Window::square(3, 1, 1)),
    ("stem_7x7s2_64px_3_64", 64, 3, 64, Window::square(7, 2, 3)),
];

/// Name, input, output channels of 1x1 convolutions; linear layers are those of images of one pixel.
const POINTWISE: [(&str, [usize; 4], usize); 7] = [
    ("linear_512rows_512_2048", [512, 1, 1, 512], 2048),
    ("linear_512rows_2048_2048", [512, 1, 1, 2048], 2048),
    ("1x1_16px_64_256", [64, 16, 16, 64], 256),
    ("1x1_8px_512_128", [64, 8, 8, 512], 128),
    ("1x1_4px_256_1024", [64, 4, 4, 256], 1024),
    ("1x1_2px_2048_512", [64, 2, 2, 2048], 512),
    ("1x1_2px_768_3072", [64, 2, 2, 768], 3072),
];

fn numbers(len: usize) -> Vec<f32> {
    let mut stream = Stream::new(1, Purpose::Evaluation, [0, 0, 0]);
    (0..len).map(|_| stream.range(-1.0, 1.0) as f32).collect()
}

/// Numbers of a map.
fn map<E: Element>(len: usize) -> Vec<E> {
    let mut map = vec![E::zeroed(); len];
    convert(&numbers(len), &mut map);
    map
}

/// Operations, and the bytes that they need at least.
fn work(operations: usize, bytes: usize) -> Throughput {
    Throughput::ElementsAndBytes { elements: operations as u64, bytes: bytes as u64 }
}

/// One product per thread, each `rows x depth` times `depth x columns`, row-major: the peak to compare with.
fn gemm_peak(c: &mut Criterion) {
    let mut group = c.benchmark_group("gemm");
    let threads = rayon::current_num_threads();
    for (rows, columns, depth) in [(512, 64, 576), (512, 256, 576), (512, 512, 512), (1024, 1024, 1024)] {
        let (a, b) = (numbers(rows * depth), numbers(depth * columns));
        let mut out = vec![0.0f32; threads * rows * columns];
        group.throughput(Throughput::Elements((threads * 2 * rows * columns * depth) as u64));
        group.bench_function(format!("{rows}x{columns}x{depth}"), |bench| {
            bench.iter(|| {
                out.par_chunks_mut(rows * columns).for_each(|out| {
                    // SAFETY: `a`, `b` and `out` are contiguous row-major matrices of these sizes.
                    #[expect(unsafe_code)]
                    unsafe {
                        gemm::gemm(
                            rows,
                            columns,
                            depth,
                            out.as_mut_ptr(),
                            1,
                            columns as isize,
                            false,
                            a.as_ptr(),
                            1,
                            depth as isize,
                            b.as_ptr(),
                            1,
                            columns as isize,
                            0.0,
                            1.0,
                            false,
                            false,
                            false,
                            gemm::Parallelism::None,
                        );
                    }
                });
                black_box(&mut out);
            });
        });
    }
}

fn convolutions(c: &mut Criterion) {
    for (name, size, inputs, outputs, window) in CONVOLUTIONS {
        convolution(c, name, [IMAGES, size, size, inputs], outputs, window);
    }
    for (name, x, outputs) in POINTWISE {
        convolution(c, name, x, outputs, Window::square(1, 1, 0));
    }
}

fn convolution(c: &mut Criterion, name: &str, x: [usize; 4], outputs: usize, window: Window) {
    if let Ok(shape) = ConvShape::new(x, outputs, window) {
        let mut group = c.benchmark_group(name);
        let operations = 2 * shape.y_len() / outputs * shape.w_len();
        directions::<f32>(&mut group, shape, operations, "");
        // As linear layers and ConvNeXt have it, and as the maps of ResNet and VGG are.
        directions::<f32>(&mut group, shape.with_precision(Precision::Bf16), operations, "_bf16_of_f32");
        directions::<Bf16>(&mut group, shape.with_precision(Precision::Bf16), operations, "_bf16");
    }
}

/// Forward and both gradients with maps of one kind.
fn directions<E: Element>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    shape: ConvShape,
    operations: usize,
    suffix: &str,
) {
    let bytes = size_of::<E>() * (shape.x_len() + shape.y_len()) + size_of::<f32>() * shape.w_len();
    group.throughput(work(operations, bytes));
    let (mut x, mut y, mut w) = (map::<E>(shape.x_len()), map(shape.y_len()), numbers(shape.w_len()));
    group.bench_function(format!("forward{suffix}"), |b| {
        b.iter(|| conv2d_forward(&shape, &x, &w, Epilogue::default(), black_box(&mut y)));
    });
    group.bench_function(format!("weight_grad{suffix}"), |b| {
        b.iter(|| conv2d_weight_grad(&shape, &x, &y, black_box(&mut w)));
    });
    group.bench_function(format!("input_grad{suffix}"), |b| {
        b.iter(|| conv2d_input_grad(&shape, &y, &w, black_box(&mut x)));
    });
}

fn batch_norms(c: &mut Criterion) {
    for (size, channels) in [(32, 64), (16, 128), (8, 256), (4, 512)] {
        let len = IMAGES * size * size * channels;
        let mut group = c.benchmark_group(format!("batch_norm_{size}px_{channels}"));
        batch_norm::<f32>(&mut group, len, channels, "");
        batch_norm::<Bf16>(&mut group, len, channels, "_bf16");
    }
}

fn batch_norm<E: Element>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    len: usize,
    channels: usize,
    suffix: &str,
) {
    let (x, gamma, residual, dy) = (map::<E>(len), numbers(channels), map(len), map(len));
    let (mut y, mut dx, mut dresidual) = (map(len), map(len), map(len));
    let (mut dgamma, mut dbeta) = (numbers(channels), numbers(channels));
    let affine = Affine { gamma: &gamma, beta: &gamma };
    let fused = Fused { residual: Some(&residual), relu: true };
    let bytes = |arrays: usize| Throughput::Bytes((arrays * len * size_of::<E>()) as u64);
    group.throughput(bytes(3));
    group.bench_function(format!("forward{suffix}"), |b| {
        b.iter(|| batch_norm_forward(&x, affine, 1e-5, fused, &mut y));
    });
    let statistics = batch_norm_forward(&x, affine, 1e-5, fused, &mut y);
    group.throughput(bytes(5));
    group.bench_function(format!("backward{suffix}"), |b| {
        b.iter(|| {
            let grads = BatchNormGrads {
                dx: &mut dx,
                dgamma: &mut dgamma,
                dbeta: &mut dbeta,
                dresidual: Some(&mut dresidual),
            };
            batch_norm_backward(&dy, &x, affine, Relu::Output(&y), &statistics, grads);
        });
    });
}

fn pools(c: &mut Criterion) {
    let Ok(shape) = PoolShape::new([IMAGES, 32, 32, 64], Window::square(3, 2, 1)) else { return };
    let (x, mut y) = (numbers(shape.x_len()), numbers(shape.y_len()));
    let mut argmax = vec![0; shape.y_len()];
    let mut dx = numbers(shape.x_len());
    let mut group = c.benchmark_group("max_pool_32px_64");
    group.throughput(Throughput::Bytes(((shape.x_len() + 2 * shape.y_len()) * size_of::<f32>()) as u64));
    group.bench_function("forward", |b| {
        b.iter(|| max_pool_forward(&shape, &x, &mut y, &mut argmax));
    });
    group.bench_function("backward", |b| {
        b.iter(|| max_pool_backward(&shape, &y, &argmax, &mut dx));
    });
}

/// Side and channels of each stage's maps.
const CONVNEXT: [(usize, usize); 4] = [(16, 96), (8, 192), (4, 384), (2, 768)];
const CONVNEXT_IMAGES: usize = 64;

fn depthwise(c: &mut Criterion) {
    for (size, channels) in CONVNEXT {
        let Ok(shape) = DepthwiseShape::new([CONVNEXT_IMAGES, size, size, channels], 3) else { continue };
        let (mut x, mut w, mut y) = (numbers(shape.x_len()), numbers(shape.w_len()), numbers(shape.x_len()));
        let bias = numbers(channels);
        let mut group = c.benchmark_group(format!("depthwise_7x7_{size}px_{channels}"));
        let bytes = size_of::<f32>() * (2 * x.len() + w.len());
        group.throughput(work(2 * 49 * x.len(), bytes));
        group.bench_function("forward", |b| {
            b.iter(|| depthwise_forward(&shape, &x, &w, &bias, black_box(&mut y)));
        });
        group.bench_function("weight_grad", |b| {
            b.iter(|| depthwise_weight_grad(&shape, &x, &y, black_box(&mut w)));
        });
        group.bench_function("input_grad", |b| {
            b.iter(|| depthwise_input_grad(&shape, &y, &w, black_box(&mut x)));
        });
    }
}

fn layer_norms(c: &mut Criterion) {
    for (size, channels) in CONVNEXT {
        let len = CONVNEXT_IMAGES * size * size * channels;
        let (x, dy, gamma) = (numbers(len), numbers(len), numbers(channels));
        let (mut y, mut dx) = (numbers(len), numbers(len));
        let (mut dgamma, mut dbeta) = (numbers(channels), numbers(channels));
        let mut group = c.benchmark_group(format!("layer_norm_{size}px_{channels}"));
        let bytes = |arrays: usize| Throughput::Bytes((arrays * len * size_of::<f32>()) as u64);
        group.throughput(bytes(2));
        group.bench_function("forward", |b| b.iter(|| layer_norm_forward(&x, &gamma, &gamma, 1e-6, &mut y)));
        let statistics = layer_norm_forward(&x, &gamma, &gamma, 1e-6, &mut y);
        group.throughput(bytes(3));
        group.bench_function("backward", |b| {
            b.iter(|| {
                let grads = LayerNormGrads { dx: &mut dx, dgamma: &mut dgamma, dbeta: &mut dbeta };
                layer_norm_backward(&dy, &x, &statistics, &gamma, grads);
            });
        });
    }
}

fn gelus(c: &mut Criterion) {
    let len = CONVNEXT_IMAGES * 16 * 16 * 4 * 96;
    let (x, dy, mut out) = (numbers(len), numbers(len), numbers(len));
    let mut group = c.benchmark_group("gelu");
    group.throughput(Throughput::Elements(len as u64));
    group.bench_function("forward", |b| b.iter(|| gelu_forward(&x, black_box(&mut out))));
    group.bench_function("backward", |b| b.iter(|| gelu_backward(&dy, &x, black_box(&mut out))));
}

/// The parameters of about a third of a ResNet-18.
const PARAMETERS: usize = 4 << 20;

fn optimisers(c: &mut Criterion) {
    let (mut p, mut m, mut v) = (numbers(PARAMETERS), numbers(PARAMETERS), numbers(PARAMETERS));
    let g = numbers(PARAMETERS);
    v.iter_mut().for_each(|v| *v *= *v);
    let mut group = c.benchmark_group("optimiser");
    group.throughput(Throughput::Elements(PARAMETERS as u64));
    let ball = HeavyBall { lr: 0.0, momentum: 0.9, weight_decay: 1e-4, nesterov: false };
    group.bench_function("heavy_ball", |b| b.iter(|| heavy_ball_step(&mut p, &mut m, &g, 1.0, ball)));
    let adam = Adam { lr: 0.0, betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0.0, kept: 1.0, step: 9 };
    group.bench_function("adam", |b| b.iter(|| adam_step(&mut p, &mut m, &mut v, &g, adam)));
    group.bench_function("sum_of_squares", |b| b.iter(|| black_box(sum_of_squares(&g))));
    group.bench_function("copy", |b| b.iter(|| black_box(&mut p).copy_from_slice(&g)));
}

fn config() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800))
}

criterion_group!(name = benches; config = config(); targets = gemm_peak, convolutions, batch_norms, pools, depthwise, layer_norms, gelus, optimisers);
criterion_main!(benches);
