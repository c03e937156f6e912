//! Objectives against reference values, gradients included.

use burn::tensor::{Device, Tensor, TensorData};
use twinlens_golden::{Case, cases};
use twinlens_nn::ops::read;
use twinlens_ssl::objectives::{BarlowTwins, Loss, NtXent};

#[test]
fn golden_barlow_twins() {
    for case in cases("losses/barlow_twins") {
        let objective = BarlowTwins { lambda: case.number("lambda"), eps: case.number("eps") };
        let loss = check(&case, |a, b| objective.loss(a, b));
        for (name, value) in loss.parts {
            case.check(&format!("out.{name}"), &read(value));
        }
    }
}

#[test]
fn golden_nt_xent() {
    for case in cases("losses/nt_xent") {
        let objective = NtXent { temperature: case.number("temperature") };
        check(&case, |a, b| objective.loss(a, b));
    }
}

/// Checks loss and both gradients.
fn check(case: &Case, loss: impl Fn(Tensor<2>, Tensor<2>) -> Loss) -> Loss {
    let input = |key: &str| {
        let shape: [usize; 2] = case.shape(key).try_into().unwrap();
        let data = TensorData::new(case.f32(key).to_vec(), shape);
        Tensor::<2>::from_data(data, &Device::flex()).autodiff().require_grad()
    };
    let (z_a, z_b) = (input("in.z_a"), input("in.z_b"));
    let loss = loss(z_a.clone(), z_b.clone());
    case.check("out.loss", &read(loss.total.clone()));
    let grads = loss.total.backward();
    case.check("out.grad.z_a", &read(z_a.grad(&grads).unwrap()));
    case.check("out.grad.z_b", &read(z_b.grad(&grads).unwrap()));
    loss
}
