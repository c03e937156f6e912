//! What must hold for every input of an objective, and that its gradient is the slope of its value.

use burn::tensor::{Device, Tensor, TensorData};
use proptest::prelude::*;
use twinlens_nn::ops::read;
use twinlens_ssl::objectives::{BarlowTwins, Loss, NtXent};

const BARLOW_TWINS: BarlowTwins = BarlowTwins { lambda: 0.005, eps: 1e-5 };
const NT_XENT: NtXent = NtXent { temperature: 0.5 };

fn tensor(values: &[f32], columns: usize) -> Tensor<2> {
    let shape = [values.len() / columns, columns];
    Tensor::from_data(TensorData::new(values.to_vec(), shape), &Device::flex())
}

fn value(loss: Loss) -> f64 {
    f64::from(read(loss.total)[0])
}

/// Two views of 8 images with 5 features.
fn views() -> impl Strategy<Value = (Vec<f32>, Vec<f32>)> {
    let view = || prop::collection::vec(-2f32..2.0, 40);
    (view(), view())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn symmetric_when_views_swap((a, b) in views()) {
        let (a, b) = (tensor(&a, 5), tensor(&b, 5));
        for loss in [|a, b| value(BARLOW_TWINS.loss(a, b)), |a, b| value(NT_XENT.loss(a, b))] {
            let (one, other) = (loss(a.clone(), b.clone()), loss(b.clone(), a.clone()));
            prop_assert!((one - other).abs() < 1e-4 * (1.0 + one.abs()), "{one} {other}");
        }
    }

    #[test]
    fn barlow_twins_ignores_positive_affine_maps_of_columns((a, b) in views(), scale in 0.5f32..3.0, shift in -3f32..3.0) {
        let moved: Vec<f32> = a.iter().map(|v| v * scale + shift).collect();
        let plain = value(BARLOW_TWINS.loss(tensor(&a, 5), tensor(&b, 5)));
        let mapped = value(BARLOW_TWINS.loss(tensor(&moved, 5), tensor(&b, 5)));
        prop_assert!((plain - mapped).abs() < 1e-2 * (1.0 + plain), "{plain} {mapped}");
    }

    #[test]
    fn barlow_twins_of_a_view_with_itself_has_no_invariance_term((a, _) in views()) {
        let parts = BARLOW_TWINS.loss(tensor(&a, 5), tensor(&a, 5)).parts;
        prop_assert!(read(parts[0].1.clone())[0] < 1e-6);
    }

    #[test]
    fn nt_xent_ignores_the_length_of_rows((a, b) in views(), scale in 0.1f32..9.0) {
        let scaled: Vec<f32> = a.iter().map(|v| v * scale).collect();
        let plain = value(NT_XENT.loss(tensor(&a, 5), tensor(&b, 5)));
        let other = value(NT_XENT.loss(tensor(&scaled, 5), tensor(&b, 5)));
        prop_assert!((plain - other).abs() < 1e-4 * (1.0 + plain));
    }

    #[test]
    fn gradients_are_slopes((a, b) in views(), at in 0usize..40) {
        for loss in [|a, b| BARLOW_TWINS.loss(a, b), |a, b| NT_XENT.loss(a, b)] {
            let leaf = tensor(&a, 5).autodiff().require_grad();
            let total = loss(leaf.clone(), tensor(&b, 5).autodiff()).total;
            let gradient = f64::from(read(leaf.grad(&total.backward()).unwrap())[at]);
            let step = 1e-2;
            let moved = |by: f32| {
                let mut a = a.clone();
                a[at] += by;
                value(loss(tensor(&a, 5), tensor(&b, 5)))
            };
            let slope = (moved(step) - moved(-step)) / (2.0 * f64::from(step));
            prop_assert!((gradient - slope).abs() < 0.02 + 0.05 * slope.abs(), "{gradient} {slope}");
        }
    }
}

#[test]
fn nt_xent_of_random_unit_vectors_is_near_the_log_of_the_number_of_others() {
    let mut stream = twinlens_random::Stream::new(3, twinlens_random::Purpose::Evaluation, [0; 3]);
    let mut view = || tensor(&(0..64 * 2048).map(|_| stream.normal() as f32).collect::<Vec<_>>(), 2048);
    let loss = value(NT_XENT.loss(view(), view()));
    assert!((loss - 127f64.ln()).abs() < 0.02, "{loss}");
}

#[test]
fn a_zero_row_has_a_finite_gradient() {
    let mut values = vec![0.5f32; 40];
    values[..5].fill(0.0);
    let leaf = tensor(&values, 5).autodiff().require_grad();
    let total = NT_XENT.loss(leaf.clone(), tensor(&values, 5).autodiff()).total;
    assert!(read(leaf.grad(&total.backward()).unwrap()).iter().all(|g| g.is_finite()));
}
