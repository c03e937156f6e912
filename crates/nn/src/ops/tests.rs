//! Both bodies of every operation give the same values and gradients, and one thread gives what three give.

use burn::tensor::{Device, Tensor, TensorData};
use proptest::prelude::*;
use twinlens_kernels::{Adam, HeavyBall, Precision};
use twinlens_random::{Purpose, Stream};

use super::*;

fn random<const D: usize>(shape: [usize; D], seed: u64) -> Tensor<D> {
    let mut stream = Stream::new(seed, Purpose::Evaluation, [0; 3]);
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| stream.normal() as f32).collect();
    Tensor::from_data(TensorData::new(values, shape), &Device::flex()).autodiff().require_grad()
}

/// Asserts that two bodies agree in their output and in the gradients of all inputs.
fn agree<const D: usize>(
    outputs: [Tensor<D>; 2],
    gradients: impl Fn(&burn::tensor::Gradients) -> Vec<Vec<f32>>,
) {
    let weights = random(outputs[0].dims(), 99).detach();
    let [ours, composed] = outputs.map(|output| {
        let grads = (output.clone() * weights.clone()).sum().backward();
        let mut all = gradients(&grads);
        all.push(read(output));
        all
    });
    for (ours, composed) in ours.iter().zip(&composed) {
        assert_eq!(ours.len(), composed.len());
        let size = composed.iter().fold(1e-3f32, |top, v| top.max(v.abs()));
        for (a, b) in ours.iter().zip(composed) {
            assert!((a - b).abs() <= 2e-4 * size, "{a} {b} of {size}");
        }
    }
}

/// Asserts that the results of two bodies are the same but for rounding.
fn same<const N: usize>(ours: [Tensor<1>; N], composed: [Tensor<1>; N]) {
    for (a, b) in ours.into_iter().zip(composed) {
        for (a, b) in read(a).iter().zip(read(b)) {
            assert!((a - b).abs() <= 1e-5 * (1.0 + b.abs()), "{a} {b}");
        }
    }
}

fn gradient<const D: usize>(tensor: &Tensor<D>, grads: &burn::tensor::Gradients) -> Vec<f32> {
    read(tensor.grad(grads).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn convolution_is_the_same_on_every_back_end(
        images in 1usize..4, height in 3usize..9, width in 3usize..9, channels in 1usize..6, outputs in 1usize..9,
        kernel in 1usize..4, stride in 1usize..3, padding in 0usize..2, [with_bias, relu]: [bool; 2], seed: u64,
    ) {
        let x = random([images, height, width, channels], seed);
        let w = random([kernel, kernel, channels, outputs], seed ^ 1);
        let options = Conv2dOptions { stride: [stride; 2], padding: [padding; 2], relu };
        let bias = with_bias.then(|| random([outputs], seed ^ 2));
        let bodies = [
            conv2d::kernels(x.clone(), w.clone(), bias.clone(), options, Precision::F32),
            conv2d::composed(x.clone(), w.clone(), bias.clone(), options),
        ];
        agree(bodies, |grads| {
            let mut all = vec![gradient(&x, grads), gradient(&w, grads)];
            all.extend(bias.iter().map(|bias| gradient(bias, grads)));
            all
        });
    }

    #[test]
    fn matrix_products_are_the_same_on_every_back_end(
        rows in 1usize..40, inputs in 1usize..40, outputs in 1usize..40, with_bias: bool, seed: u64,
    ) {
        let (x, w) = (random([rows, inputs], seed), random([inputs, outputs], seed ^ 1));
        let bias = with_bias.then(|| random([outputs], seed ^ 2));
        let bodies = [
            linear::kernels(x.clone(), w.clone(), bias.clone(), Precision::F32),
            linear::composed(x.clone(), w.clone(), bias.clone()),
        ];
        agree(bodies, |grads| {
            let mut all = vec![gradient(&x, grads), gradient(&w, grads)];
            all.extend(bias.iter().map(|bias| gradient(bias, grads)));
            all
        });
        let y = random([rows, outputs], seed ^ 3);
        let bodies = [
            linear::column_products_kernels(x.clone(), y.clone()),
            linear::column_products_composed(x.clone(), y.clone()),
        ];
        agree(bodies, |grads| vec![gradient(&x, grads), gradient(&y, grads)]);
    }

    #[test]
    fn optimisers_take_the_same_step_on_every_back_end(
        length in 1usize..40, nesterov: bool, weight_decay in 0.0f32..0.1, trust in 0.5f32..2.0, step in 1u64..9, seed: u64,
    ) {
        let values = |place: u64| random([length], seed ^ place).detach().without_autodiff();
        let (p, b, g) = (values(0), values(1), values(2));
        let ball = HeavyBall { lr: 0.1, momentum: 0.9, weight_decay, nesterov };
        let pending = Scalar::Pending(Tensor::from_floats([trust], &Device::flex()));
        let known = Scalar::Known(trust.into());
        let ours = || heavy_ball([p.clone(), b.clone()], g.clone(), &known, ball);
        same(ours(), steps::heavy_ball_composed([p.clone(), b.clone()], g.clone(), &pending, ball));
        same(ours(), steps::heavy_ball_composed([p.clone(), b.clone()], g.clone(), &known, ball));
        let adam = Adam { lr: 0.1, betas: [0.9, 0.99], eps: 1e-8, weight_decay, kept: 0.99, step };
        let moments = || [p.clone(), b.clone(), values(3).square()];
        same(steps::adam(moments(), g.clone(), adam), steps::adam_composed(moments(), g.clone(), adam));
    }

    #[test]
    fn norms_and_trust_ratios_are_the_same_on_every_back_end(
        lengths in prop::collection::vec(1usize..40, 1..6), decay in 0.0f32..0.1, [clip, still]: [bool; 2], seed: u64,
    ) {
        let values = |place: u64| {
            let tensors = lengths.iter().zip(0..).map(move |(&length, number)| random([length], seed ^ place ^ number << 8));
            tensors.collect::<Vec<_>>()
        };
        let (mut p, mut g) = (values(0), values(1));
        // What is nothing but zeros is not adapted.
        let decay = if still { 0.0 } else { decay };
        p[0] = p[0].clone().mul_scalar(0.0);
        g.iter_mut().skip(1).take(usize::from(still)).for_each(|g| *g = g.clone().mul_scalar(0.0));
        let all: Vec<&Tensor<1>> = g.iter().collect();
        let [ours, composed] = [norm(&all).known().unwrap(), f64::from(read(sums::norm_composed(&all))[0])];
        prop_assert!((ours - composed).abs() < 1e-5 * (1.0 + ours), "{ours} {composed}");
        let squares: f64 = g.iter().flat_map(|g| read(g.clone())).map(|x| f64::from(x).powi(2)).sum();
        prop_assert!((ours - squares.sqrt()).abs() < 1e-6 * (1.0 + ours));
        let rates = [0.0, 1e-3, 0.5];
        let pairs = p.iter().zip(&g).zip(rates.iter().cycle());
        let adapted: Vec<Adapted<'_>> = pairs.map(|((p, g), &lr)| Adapted { p, g, weight_decay: decay, lr }).collect();
        let trust = Trust { eta: 0.001, clip };
        let ours: Vec<f64> = trust_ratios(trust, &adapted).iter().map(|ratio| ratio.known().unwrap()).collect();
        prop_assert_eq!(ours[0], 1.0);
        for (ours, composed) in ours.iter().zip(read(trust::composed(trust, &adapted))) {
            prop_assert!((ours - f64::from(composed)).abs() < 1e-5 * (1.0 + ours), "{ours} {composed}");
        }
    }

    #[test]
    fn batch_norm_is_the_same_on_every_back_end(
        rows in 4usize..40, channels in 1usize..9, with_residual: bool, relu: bool, training: bool, seed: u64,
    ) {
        let x = random([rows, channels], seed);
        let affine = [random([channels], seed ^ 1), random([channels], seed ^ 2)];
        let residual = with_residual.then(|| random([rows, channels], seed ^ 3));
        let running = [random([channels], seed ^ 4), random([channels], seed ^ 5).square().add_scalar(0.5)];
        let running = running.map(|tensor| tensor.detach().without_autodiff());
        let given = || (x.clone(), affine.clone(), residual.clone());
        let bodies = if training {
            let (x, affine, residual) = given();
            let ours = batch_norm_train(x, Some(affine), 1e-5, residual, relu);
            let (x, affine, residual) = given();
            let composed = batch_norm::train_composed(x, affine, 1e-5, residual, relu);
            for (a, b) in [(&ours.mean, &composed.mean), (&ours.var, &composed.var)] {
                for (a, b) in read(a.clone()).iter().zip(read(b.clone())) {
                    prop_assert!((a - b).abs() < 1e-4 * (1.0 + b.abs()));
                }
            }
            [ours.output, composed.output]
        } else {
            let (x, affine, residual) = given();
            let ours = batch_norm_evaluate(x, Some(affine), running.clone(), 1e-5, residual, relu);
            let (x, affine, residual) = given();
            [ours, batch_norm::evaluate_composed(x, affine, running, 1e-5, residual, relu)]
        };
        agree(bodies, |grads| {
            let mut all = vec![gradient(&x, grads), gradient(&affine[0], grads), gradient(&affine[1], grads)];
            all.extend(residual.iter().map(|residual| gradient(residual, grads)));
            all
        });
    }

    #[test]
    fn pooling_is_the_same_on_every_back_end(
        images in 1usize..4, height in 2usize..9, width in 2usize..9, channels in 1usize..6, seed: u64,
    ) {
        let x = random([images, height, width, channels], seed);
        let bodies = [pool::max_kernels(x.clone(), 3, 2, 1), pool::max_composed(x.clone(), 3, 2, 1)];
        agree(bodies, |grads| vec![gradient(&x, grads)]);
        let bodies = [pool::average_kernels(x.clone()), pool::average_composed(x.clone())];
        agree(bodies, |grads| vec![gradient(&x, grads)]);
    }

    #[test]
    fn depthwise_convolution_is_the_same_on_every_back_end(
        images in 1usize..4, height in 1usize..9, width in 1usize..9, channels in 1usize..20, reach in 0usize..4, seed: u64,
    ) {
        let x = random([images, height, width, channels], seed);
        let w = random([2 * reach + 1, 2 * reach + 1, channels], seed ^ 1);
        let bias = random([channels], seed ^ 2);
        let bodies = [
            depthwise_conv2d::kernels(x.clone(), w.clone(), bias.clone()),
            depthwise_conv2d::composed(x.clone(), w.clone(), bias.clone()),
        ];
        agree(bodies, |grads| vec![gradient(&x, grads), gradient(&w, grads), gradient(&bias, grads)]);
    }

    #[test]
    fn layer_norm_is_the_same_on_every_back_end(rows in 1usize..20, channels in 4usize..40, seed: u64) {
        let x = random([rows, channels], seed);
        let affine = [random([channels], seed ^ 1), random([channels], seed ^ 2)];
        let bodies = [
            layer_norm::kernels(x.clone(), affine.clone(), 1e-6),
            layer_norm::composed(x.clone(), affine.clone(), 1e-6),
        ];
        agree(bodies, |grads| {
            vec![gradient(&x, grads), gradient(&affine[0], grads), gradient(&affine[1], grads)]
        });
    }

    #[test]
    fn joins_are_the_same_on_every_back_end(
        images in 1usize..9,
        rows in 1usize..5,
        channels in 1usize..40,
        // Of few images, all or none may be kept.
        probability in 0.0..1.0,
        scaled: bool,
        constant: bool,
        seed: u64,
    ) {
        let [shortcut, x] = [1, 2].map(|place| random([images, rows, channels], seed ^ place));
        let gamma = random([channels], seed);
        let mut draws = Stream::new(seed, Purpose::Evaluation, [0, 0, 0]);
        let drawn = DropPathMask::drawn(images, 1.5, || draws.chance(probability));
        let kept = if scaled { drawn } else { DropPathMask::all(images) };
        // A constant has no gradient and takes none away.
        let given = if constant { shortcut.clone().without_autodiff() } else { shortcut.clone() };
        let bodies = [
            join(given.clone(), keep(x.clone(), &kept).exp(), gamma.clone(), &kept),
            branch::join_composed(given, x.clone().exp(), gamma.clone(), &kept),
        ];
        agree(bodies, |grads| {
            let mut all = vec![gradient(&x, grads), gradient(&gamma, grads)];
            all.extend((!constant).then(|| gradient(&shortcut, grads)));
            all
        });
    }

    #[test]
    fn gelu_is_the_same_on_every_back_end(rows in 1usize..20, columns in 1usize..40, seed: u64) {
        let x = random([rows, columns], seed);
        agree([gelu::kernels(x.clone()), gelu::composed(x.clone())], |grads| vec![gradient(&x, grads)]);
    }

    #[test]
    fn squared_norm_is_the_same_on_every_back_end(rows in 1usize..20, columns in 1usize..40, seed: u64) {
        let x = random([rows, columns], seed);
        let bodies = [squared_norm(x.clone()), sums::squared_norm_composed(x.clone())];
        agree(bodies, |grads| vec![gradient(&x, grads)]);
    }

    #[test]
    fn sums_are_those_of_the_values(rows in 1usize..30, columns in 1usize..30, seed: u64) {
        let x = random([rows, columns], seed);
        let values = read(x.clone());
        let expected: f64 = values.iter().map(|&v| f64::from(v)).sum();
        prop_assert!((f64::from(read(sum(x.clone()))[0]) - expected).abs() < 1e-3);
    }
}

/// A network of all operations on maps, and the gradients of its input and weights.
fn maps(precision: Precision) -> Vec<Vec<f32>> {
    let x = random([8, 33, 33, 3], 1);
    let weights =
        [random([3, 3, 3, 16], 2), random([3, 3, 16, 16], 3)].map(|w| (w * 0.2).detach().require_grad());
    let [bias, gamma, beta] = [4, 5, 6].map(|seed| random([16], seed));
    let conv = |x, w: &Tensor<4>, bias, stride| {
        let options = Conv2dOptions { stride: [stride; 2], padding: [1, 1], relu: stride == 2 };
        conv2d(x, w.clone(), bias, options, precision)
    };
    let y = conv(in_precision(x.clone(), precision), &weights[0], Some(bias.clone()), 1);
    let [y, shortcut] = fork(max_pool2d(y, 3, 2, 1));
    let y = conv(y, &weights[1], None, 2);
    let shortcut = max_pool2d(shortcut, 3, 2, 1);
    let affine = Some([gamma.clone(), beta.clone()]);
    let y = batch_norm_train(y, affine.clone(), 1e-5, Some(shortcut), true).output;
    let [y, shortcut] = fork(y);
    let mut images = 0..8;
    let kept = DropPathMask::drawn(8, 1.25, || images.next() != Some(2));
    let branch = batch_norm_train(keep(y, &kept), affine, 1e-5, None, true).output;
    let y = join(shortcut, branch, bias.clone(), &kept);
    let features = global_average_pool(y);
    let grads = (features.clone() * random([8, 16], 7).detach()).sum().backward();
    let [x, first, second] = [&x, &weights[0], &weights[1]].map(|tensor| gradient(tensor, &grads));
    let [bias, gamma, beta] = [&bias, &gamma, &beta].map(|tensor| gradient(tensor, &grads));
    vec![read(features), x, first, second, bias, gamma, beta]
}

#[test]
fn maps_in_bf16_give_nearly_the_same() {
    for (rounded, single) in maps(Precision::Bf16).iter().zip(&maps(Precision::F32)) {
        let norm = |values: &[f32]| values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
        let difference: Vec<f32> = rounded.iter().zip(single).map(|(a, b)| a - b).collect();
        let relative = norm(&difference) / norm(single);
        // A rounding is off by 2^-9 at most. Three of a thousand ReLUs open for the one and not for the other, and their square
        // root is what gradients are off.
        assert!((1e-4..0.15).contains(&relative), "{relative}");
    }
}

#[test]
fn ways_that_part_have_the_gradients_of_clones() {
    let x = random([300, 200], 1);
    let loss = |[a, b]: [Tensor<2>; 2]| (a.exp() * 3.0 + (b * 0.5).exp()).sum();
    let [ours, clones] =
        [loss(fork(x.clone())), loss([x.clone(), x.clone()])].map(|loss| gradient(&x, &loss.backward()));
    assert_eq!(ours, clones);
    let [a, b] = fork(x.clone().without_autodiff());
    assert_eq!((read(a), read(b)), (read(x.clone()), read(x.clone())));
}

#[test]
fn without_autodiff_nothing_is_recorded_and_values_stay() {
    let x = random([2, 5, 5, 3], 1);
    let w = random([3, 3, 3, 4], 2);
    let options = Conv2dOptions { stride: [1, 1], padding: [1, 1], relu: false };
    let tracked = conv2d(x.clone(), w.clone(), None, options, Precision::F32);
    let plain = conv2d(x.without_autodiff(), w.without_autodiff(), None, options, Precision::F32);
    assert!(tracked.is_autodiff() && !plain.is_autodiff());
    assert_eq!(read(tracked), read(plain));
}

#[test]
fn a_constant_input_needs_no_gradient_and_the_other_still_gets_its_own() {
    let x = random([2, 5, 5, 3], 1).detach().without_autodiff();
    let w = random([3, 3, 3, 4], 2);
    let options = Conv2dOptions { stride: [2, 2], padding: [0, 0], relu: false };
    let grads = conv2d(x, w.clone(), None, options, Precision::F32).sum().backward();
    assert!(gradient(&w, &grads).iter().any(|g| *g != 0.0));
}

#[test]
fn bf16_is_exact_on_numbers_that_it_holds_and_near_on_others() {
    let tensors = |scale: f32| {
        let multiples = |x: Tensor<4>| (x * scale).round().div_scalar(scale).detach().require_grad();
        [multiples(random([3, 6, 6, 20], 1)), multiples(random([3, 3, 20, 24], 2))]
    };
    let all = |[x, w]: [Tensor<4>; 2], precision: Precision| {
        let options = Conv2dOptions { stride: [1, 1], padding: [1, 1], relu: false };
        let y = conv2d(x.clone(), w.clone(), None, options, precision);
        let rows = y.clone().reshape([108, 24]);
        let z = linear(rows, w.clone().reshape([180, 24]).narrow(0, 0, 24), None, precision);
        let grads = z.sum().backward();
        [read(y), gradient(&x, &grads), gradient(&w, &grads)]
    };
    // Quarters; their sums stay below what single precision holds, but not below what bf16 does.
    let [y, ..] = all(tensors(4.0), Precision::Bf16);
    assert_eq!(y, all(tensors(4.0), Precision::F32)[0]);
    let pairs = all(tensors(1e6), Precision::Bf16).into_iter().zip(all(tensors(1e6), Precision::F32));
    for (rounded, single) in pairs {
        let norm = |values: &[f32]| values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
        let difference: Vec<f32> = rounded.iter().zip(&single).map(|(a, b)| a - b).collect();
        let relative = norm(&difference) / norm(&single);
        assert!((1e-4..1e-2).contains(&relative), "{relative}");
    }
}
