//! Encoders against torchvision: features, gradients and running statistics, in both modes.

use burn::tensor::{Device, Tensor, TensorData};
use twinlens_golden::{Case, reference_weight};
use twinlens_nn::encoders::{Encoder, Stem, find};
use twinlens_nn::ops::read;
use twinlens_nn::weights::{Pass, Weights};

#[test]
fn golden_resnet18() {
    check_all("resnet18", "resnet18", Stem::Imagenet);
}

#[test]
fn golden_resnet18_cifar() {
    check_all("resnet18_cifar", "resnet18", Stem::Cifar);
}

#[test]
fn golden_resnet50() {
    check_all("resnet50", "resnet50", Stem::Imagenet);
}

#[test]
fn golden_vgg11() {
    check_all("vgg11", "vgg11", Stem::Imagenet);
}

#[test]
fn golden_vgg11_bn() {
    check_all("vgg11_bn", "vgg11_bn", Stem::Imagenet);
}

#[test]
fn golden_vgg13() {
    check_all("vgg13", "vgg13", Stem::Imagenet);
}

#[test]
fn golden_vgg13_bn() {
    check_all("vgg13_bn", "vgg13_bn", Stem::Imagenet);
}

#[test]
fn golden_convnext_tiny() {
    check_all("convnext_tiny", "convnext_tiny", Stem::Imagenet);
}

fn check_all(item: &str, id: &str, stem: Stem) {
    let mut weights = Weights::zeroed(&Device::flex());
    let encoder = find(id).unwrap().build(&mut weights.root(), stem, 3);
    for case in twinlens_golden::cases(&format!("encoders/{item}")) {
        let mut filled = weights.export("");
        for (name, tensor) in &mut filled {
            tensor.values = reference_weight(name, &tensor.shape, case.text("weights"));
        }
        for training in [false, true] {
            assert_eq!(weights.import("", &filled).unwrap(), Vec::<String>::new());
            check_mode(&case, &encoder, &mut weights, training);
        }
    }
}

fn check_mode(case: &Case, encoder: &Encoder, weights: &mut Weights, training: bool) {
    let mode = if training { "train" } else { "eval" };
    let device = Device::flex();
    let shape: [usize; 4] = case.shape("in.x").try_into().unwrap();
    let x = Tensor::<4>::from_data(TensorData::new(case.f32("in.x").to_vec(), shape), &device);
    let x = x.permute([0, 2, 3, 1]).autodiff().require_grad();
    let mut pass = if training { Pass::train(weights) } else { Pass::frozen_statistics(weights) };
    let features = encoder.forward(&mut pass, x.clone());
    check(case, &format!("out.features_{mode}"), &read(features.clone()));

    let probe_shape: [usize; 2] = case.shape("in.probe").try_into().unwrap();
    let probe = Tensor::<2>::from_data(TensorData::new(case.f32("in.probe").to_vec(), probe_shape), &device);
    let mut grads = (features * probe).sum().backward();
    let input = x.grad_remove(&mut grads).unwrap().permute([0, 3, 1, 2]);
    check(case, &format!("out.grad_{mode}.input"), &read(input));
    for which in ["first_conv", "last_conv"] {
        let entry = weights.entries().iter().find(|entry| entry.name() == case.text(which)).unwrap();
        let gradient = read(entry.value().grad_remove(&mut grads).unwrap());
        let gradient = twinlens_nn::weights::WeightOrder::Convolution.to_torch(entry.shape(), &gradient);
        check(case, &format!("out.grad_{mode}.{which}"), &gradient);
    }
    if training && !case.text("first_bn").is_empty() {
        let exported = weights.export("");
        for buffer in ["running_mean", "running_var"] {
            check(
                case,
                &format!("out.bn1_{buffer}"),
                &exported[&format!("{}.{buffer}", case.text("first_bn"))].values,
            );
        }
    }
}

/// Compares as many values as the case stores; tensors that the case leaves out are skipped.
fn check(case: &Case, key: &str, got: &[f32]) {
    if case.has(key) {
        case.check(key, &got[..case.f32(key).len().min(got.len())]);
    }
}
