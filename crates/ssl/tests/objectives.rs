//! What must hold for every input of an objective, and that its gradient is the slope of its value.

use burn::tensor::{Device, Tensor, TensorData};
use proptest::prelude::*;
use twinlens_nn::ops::read;
use twinlens_ssl::objectives::{
    BarlowTwins, BarlowTwinsForm, DeepCluster, Dino, Imax, InfoNce, InvarianceReduction, Loss, Nnclr, NtXent,
    NtXentForm, PairLoss, Ressl, Sinkhorn, Swav, Vibcreg, Vicreg, WMse, byol, moved_centre, nearest, simsiam,
    spherical_kmeans, weighted_sum,
};

const BARLOW_TWINS: BarlowTwins =
    BarlowTwins { lambda: 0.005, eps: 1e-5, form: BarlowTwinsForm::CrossCorrelation, temperature: 0.5 };
const FORMS: [BarlowTwinsForm; 11] = [
    BarlowTwinsForm::CrossCorrelation,
    BarlowTwinsForm::InvarianceOnly,
    BarlowTwinsForm::RedundancyOnly,
    BarlowTwinsForm::FeatureNormalised,
    BarlowTwinsForm::FeatureNormalisedMean,
    BarlowTwinsForm::FeatureNormalisedCentred,
    BarlowTwinsForm::FeatureNormalisedCentredMean,
    BarlowTwinsForm::Covariance,
    BarlowTwinsForm::CrossEntropy,
    BarlowTwinsForm::Autocorrelation,
    BarlowTwinsForm::AutocorrelationMean,
];
const NT_XENT: NtXent = NtXent { temperature: 0.5, form: NtXentForm::NtXent };
const DECOUPLED: NtXent = NtXent { temperature: 0.5, form: NtXentForm::Decoupled };
const VICREG: Vicreg = Vicreg {
    invariance_weight: 25.0,
    variance_weight: 25.0,
    covariance_weight: 1.0,
    gamma: 1.0,
    eps: 1e-4,
    invariance_reduction: InvarianceReduction::MeanElements,
    variance_view_scale: 1.0,
};
const VIBCREG: Vibcreg = Vibcreg {
    invariance_weight: 25.0,
    variance_weight: 25.0,
    covariance_weight: 200.0,
    gamma: 1.0,
    eps: 1e-4,
};
const W_MSE: WMse = WMse { eps: 0.05 };
const IMAX: Imax = Imax { eps: 0.1 };
const INFO_NCE: InfoNce = InfoNce { temperature: 0.2, normalise: true };
const NNCLR: Nnclr = Nnclr { temperature: 0.2 };
const SWAV: Swav = Swav { temperature: 0.1 };
const DINO: Dino = Dino { teacher_temperature: 0.5, student_temperature: 1.0 };
const RESSL: Ressl = Ressl { teacher_temperature: 0.2, student_temperature: 0.4 };

/// An objective of two views, `[8, 5]` each.
type OfTwo = fn(Tensor<2>, Tensor<2>) -> Loss;

/// Objectives in which both views have the same part.
const SYMMETRIC: [(&str, OfTwo); 10] = [
    ("barlow twins", |a, b| BARLOW_TWINS.loss(a, b)),
    ("nt-xent", |a, b| NT_XENT.loss(a, b)),
    ("vicreg", |a, b| VICREG.loss(a, b)),
    ("vibcreg", |a, b| VIBCREG.loss(a, b)),
    ("w-mse", |a, b| W_MSE.loss(a, b)),
    ("imax", |a, b| IMAX.loss(a, b)),
    ("byol", |a, b| byol([a.clone(), b.clone()], [a, b])),
    ("simsiam", |a, b| simsiam([a.clone(), b.clone()], [a, b])),
    ("nnclr", |a, b| NNCLR.loss([a.clone(), b.clone()], [a, b])),
    ("swav", |a, b| {
        let sinkhorn = Sinkhorn { epsilon: 0.5, iterations: 3 };
        let scores = [a, b];
        SWAV.loss(&scores.clone().map(|scores| sinkhorn.codes(scores)), &scores)
    }),
];

/// Objectives whose second argument is a constant.
const ONE_WAY: [(&str, OfTwo); 7] = [
    ("byol", |a, b| byol([a.clone(), a], [b.clone(), b])),
    ("simsiam", |a, b| simsiam([a.clone(), a], [b.clone(), b])),
    ("info-nce", |a, b| INFO_NCE.loss(a, b.clone(), b)),
    ("nnclr", |a, b| NNCLR.loss([b.clone(), b], [a.clone(), a])),
    ("swav", |a, b| SWAV.loss(&[b.clone(), b], &[a.clone(), a])),
    ("dino", |a, b| DINO.loss(&[b.clone(), b], Tensor::zeros([5], &Device::flex()), &[a.clone(), a])),
    ("ressl", |a, b| RESSL.loss(a, b.clone(), b)),
];

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

/// How far the gradient of `loss` at `a`, whose other argument is `b`, lies outside the slopes to both sides along
/// coordinate `at`, as a share of what rounding and curvature allow. At a kink (a hinge) the slopes differ, and a
/// gradient between them is right.
fn gradient_off_slopes(loss: &dyn Fn(Tensor<2>, Tensor<2>) -> Loss, a: &[f32], b: &[f32], at: usize) -> f64 {
    let leaf = tensor(a, 5).autodiff().require_grad();
    let total = loss(leaf.clone(), tensor(b, 5).autodiff()).total;
    let gradient = f64::from(read(leaf.grad(&total.backward()).unwrap())[at]);
    let moved = |by: f32| {
        let mut a = a.to_vec();
        a[at] += by;
        value(loss(tensor(&a, 5), tensor(b, 5)))
    };
    let slope = |step: f32| (moved(step) - moved(0.0)) / f64::from(step);
    let (left, right) = (slope(-1e-2), slope(1e-2));
    let off = (gradient - left.max(right)).max(left.min(right) - gradient);
    off / (0.05 + 0.05 * left.abs().max(right.abs()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn symmetric_when_views_swap((a, b) in views()) {
        let (a, b) = (tensor(&a, 5), tensor(&b, 5));
        for (name, loss) in SYMMETRIC {
            let (one, other) = (value(loss(a.clone(), b.clone())), value(loss(b.clone(), a.clone())));
            prop_assert!((one - other).abs() < 1e-4 * (1.0 + one.abs()), "{name}: {one} {other}");
        }
    }

    #[test]
    fn constants_get_no_gradient((a, b) in views()) {
        for (name, loss) in ONE_WAY {
            let [a, b] = [&a, &b].map(|view| tensor(view, 5).autodiff().require_grad());
            let grads = loss(a.clone(), b.clone()).total.backward();
            prop_assert!(a.grad(&grads).is_some_and(|g| read(g).iter().any(|&g| g != 0.0)), "{name}");
            prop_assert!(b.grad(&grads).is_none(), "{name}");
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
    fn the_parts_of_barlow_twins_add_up((a, b) in views()) {
        let of = |form| value(BarlowTwins { form, ..BARLOW_TWINS }.loss(tensor(&a, 5), tensor(&b, 5)));
        let whole = of(BarlowTwinsForm::CrossCorrelation);
        let sum = of(BarlowTwinsForm::InvarianceOnly) + of(BarlowTwinsForm::RedundancyOnly);
        prop_assert!((whole - sum).abs() < 1e-4 * (1.0 + whole), "{whole} {sum}");
    }

    #[test]
    fn nt_xent_ignores_the_length_of_rows((a, b) in views(), scale in 0.1f32..9.0) {
        let scaled: Vec<f32> = a.iter().map(|v| v * scale).collect();
        let plain = value(NT_XENT.loss(tensor(&a, 5), tensor(&b, 5)));
        let other = value(NT_XENT.loss(tensor(&scaled, 5), tensor(&b, 5)));
        prop_assert!((plain - other).abs() < 1e-4 * (1.0 + plain));
    }

    #[test]
    fn decoupled_ignores_the_length_of_rows_and_knows_no_pairs_within_a_view((a, b) in views(), scale in 0.1f32..9.0) {
        let scaled: Vec<f32> = a.iter().enumerate().map(|(at, v)| if at / 5 == 2 { v * scale } else { *v }).collect();
        let of = |a: &[f32], b: &[f32]| value(DECOUPLED.loss(tensor(a, 5), tensor(b, 5)));
        prop_assert!((of(&a, &b) - of(&scaled, &b)).abs() < 1e-4 * (1.0 + of(&a, &b).abs()));
        // Of two images each has one other, so the loss is a sum of four cosines.
        let (a, b) = (&a[..10], &b[..10]);
        let length = |row: &[f32]| row.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt().max(1e-12);
        let cosine = |i: usize, j: usize| {
            let (x, y) = (&a[5 * i..][..5], &b[5 * j..][..5]);
            x.iter().zip(y).map(|(x, y)| f64::from(x * y)).sum::<f64>() / (length(x) * length(y))
        };
        let expected = (cosine(0, 1) - cosine(0, 0) + cosine(1, 0) - cosine(1, 1)) / (2.0 * 0.5);
        prop_assert!((of(a, b) - expected).abs() < 1e-4, "{} {expected}", of(a, b));
    }

    #[test]
    fn predictions_of_themselves_are_the_least((a, b) in views()) {
        let (a, b) = (tensor(&a, 5), tensor(&b, 5));
        let same = [a.clone(), a.clone()];
        prop_assert!(value(byol(same.clone(), same.clone())).abs() < 1e-5);
        prop_assert!((value(simsiam(same.clone(), same.clone())) + 1.0).abs() < 1e-6);
        prop_assert!((0.0..=8.0).contains(&value(byol(same.clone(), [b.clone(), b.clone()]))));
        prop_assert!((-1.0..=1.0).contains(&value(simsiam(same, [b.clone(), b]))));
    }

    #[test]
    fn byol_is_four_and_four_times_simsiam((a, b) in views()) {
        let (p, z) = ([tensor(&a, 5), tensor(&b, 5)], [tensor(&b, 5), tensor(&a, 5)]);
        let (byol, simsiam) = (value(byol(p.clone(), z.clone())), value(simsiam(p, z)));
        prop_assert!((byol - (4.0 + 4.0 * simsiam)).abs() < 1e-4, "{byol} {simsiam}");
    }

    #[test]
    fn vicreg_of_spread_uncorrelated_columns_is_nothing(scale in 2f32..5.0) {
        // Rows of a Hadamard matrix: columns of mean 0 without covariance.
        let even = |row: usize, column: usize| (row & (column + 1)).count_ones().is_multiple_of(2);
        let signs = |row, column| if even(row, column) { scale } else { -scale };
        let values: Vec<f32> = (0..40).map(|at| signs(at / 5, at % 5)).collect();
        for loss in [VICREG.loss(tensor(&values, 5), tensor(&values, 5)), VIBCREG.loss(tensor(&values, 5), tensor(&values, 5))] {
            prop_assert!(value(loss).abs() < 1e-3);
        }
    }

    #[test]
    fn vibcreg_ignores_the_scale_of_columns_in_its_correlations((a, b) in views(), scale in 0.5f32..3.0) {
        let correlations = |a: &[f32]| read(VIBCREG.loss(tensor(a, 5), tensor(&b, 5)).parts[2].1.clone())[0];
        let scaled: Vec<f32> = a.iter().map(|v| v * scale).collect();
        prop_assert!((correlations(&a) - correlations(&scaled)).abs() < 1e-4);
    }

    #[test]
    fn w_mse_ignores_invertible_maps((a, b) in views(), mix in 0.1f32..0.9, shift in -2f32..2.0) {
        // Columns mixed by a lower triangular matrix with a positive diagonal: the Cholesky factor takes it up.
        let exact = WMse { eps: 0.0 };
        let mixed: Vec<f32> = (0..40)
            .map(|at| 1.5 * a[at] + shift + if at % 5 == 0 { 0.0 } else { mix * a[at - 1] })
            .collect();
        let plain = value(exact.loss(tensor(&a, 5), tensor(&b, 5)));
        let mapped = value(exact.loss(tensor(&mixed, 5), tensor(&b, 5)));
        prop_assert!((plain - mapped).abs() < 2e-2, "{plain} {mapped}");
    }

    #[test]
    fn imax_ignores_scale_shift_and_rotation_of_both_views((a, b) in views(), scale in 0.2f32..5.0, angle in 0f32..6.0) {
        let (sin, cos) = angle.sin_cos();
        let moved = |view: &[f32]| {
            let row = |row: &[f32]| {
                let turned = [cos * row[0] - sin * row[1], sin * row[0] + cos * row[1], row[2], row[3], row[4]];
                turned.map(|value| scale * value + 0.5)
            };
            tensor(&view.chunks(5).flat_map(row).collect::<Vec<_>>(), 5)
        };
        let plain = value(IMAX.loss(tensor(&a, 5), tensor(&b, 5)));
        let mapped = value(IMAX.loss(moved(&a), moved(&b)));
        prop_assert!((plain - mapped).abs() < 2e-3 * (1.0 + plain.abs()), "{plain} {mapped}");
        // Views that agree have the least loss there is, and a finite one.
        let agree = value(IMAX.loss(tensor(&a, 5), tensor(&a, 5)));
        let least = 5.0 * (IMAX.eps / (2.0 + IMAX.eps)).ln();
        prop_assert!(least - 1e-3 <= agree && least - 1e-3 <= plain && agree < plain, "{least} {agree} {plain}");
    }

    #[test]
    fn sinkhorn_gives_every_sample_one_and_every_prototype_the_same((a, _) in views()) {
        let codes = read(Sinkhorn { epsilon: 0.5, iterations: 100 }.codes(tensor(&a, 5)));
        for row in codes.chunks(5) {
            prop_assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-4);
        }
        for column in 0..5 {
            let sum: f32 = codes.iter().skip(column).step_by(5).sum();
            prop_assert!((sum - 8.0 / 5.0).abs() < 1e-2, "{sum}");
        }
        prop_assert!(codes.iter().all(|&code| code >= 0.0));
    }

    #[test]
    fn outputs_that_say_nothing_cost_the_logarithm_of_their_number((a, _) in views()) {
        let even = tensor(&[0.3; 40], 5);
        let ln = 5f64.ln();
        let centre = Tensor::zeros([5], &Device::flex());
        let dino = value(DINO.loss(&[tensor(&a, 5), tensor(&a, 5)], centre, &[even.clone(), even.clone()]));
        prop_assert!((dino - ln).abs() < 1e-4, "{dino}");
        let codes = Sinkhorn { epsilon: 0.5, iterations: 3 }.codes(tensor(&a, 5));
        let swav = value(SWAV.loss(&[codes.clone(), codes], &[even.clone(), even]));
        prop_assert!((swav - ln).abs() < 1e-4, "{swav}");
    }

    #[test]
    fn the_centre_moves_towards_the_mean((a, b) in views(), momentum in 0f64..1.0) {
        let teacher = [tensor(&a, 5), tensor(&b, 5)];
        let centre = read(moved_centre(Tensor::zeros([5], &Device::flex()), &teacher, momentum));
        for (column, centre) in centre.into_iter().enumerate() {
            let sum: f32 = a.iter().chain(&b).skip(column).step_by(5).sum();
            prop_assert!((centre - (1.0 - momentum as f32) * sum / 16.0).abs() < 1e-5);
        }
    }

    #[test]
    fn the_nearest_of_a_support_that_holds_a_row_is_that_row((a, b) in views(), scale in 0.1f32..9.0) {
        let scaled: Vec<f32> = a.iter().map(|v| v * scale).collect();
        let support = Tensor::cat(vec![tensor(&b, 5), tensor(&scaled, 5)], 0);
        let found = support.clone().select(0, nearest(tensor(&a, 5), support));
        for (got, want) in read(found).iter().zip(&scaled) {
            prop_assert!((got - want).abs() < 1e-5);
        }
    }

    #[test]
    fn k_means_never_loses_similarity((a, _) in views()) {
        let x = twinlens_nn::norms::unit_rows(tensor(&a, 5));
        let start = x.clone().narrow(0, 0, 3);
        let reached: Vec<f64> =
            (0..6).map(|steps| spherical_kmeans(x.clone(), start.clone(), steps).mean_similarity).collect();
        prop_assert!(reached.windows(2).all(|pair| pair[1] >= pair[0] - 1e-5), "{reached:?}");
    }

    #[test]
    fn clusters_that_hold_the_embeddings_cost_least((a, _) in views()) {
        let z = [tensor(&a, 5)];
        let objective = DeepCluster { temperature: 0.1 };
        let own: Vec<Option<usize>> = (0..8).map(Some).collect();
        let other: Vec<Option<usize>> = (0..8).map(|at| Some((at + 1) % 8)).collect();
        let cost = |assigned| value(objective.loss(&z, &z, &[assigned]));
        prop_assert!(cost(own) <= cost(other) + 1e-6);
        prop_assert_eq!(cost(vec![None; 8]), 0.0);
    }

    #[test]
    fn a_weighted_sum_is_linear((a, b) in views(), first in 0.1f64..3.0, second in 0.1f64..3.0) {
        let one = || BARLOW_TWINS.loss(tensor(&a, 5), tensor(&b, 5));
        let two = || NT_XENT.loss(tensor(&a, 5), tensor(&b, 5));
        let sum = weighted_sum([(first, one()), (second, two())]);
        prop_assert_eq!(sum.parts.len(), 3);
        let expected = first * value(one()) + second * value(two());
        prop_assert!((value(sum) - expected).abs() < 1e-4 * (1.0 + expected));
    }

    #[test]
    fn gradients_are_slopes((a, b) in views(), at in 0usize..40) {
        for (name, loss) in SYMMETRIC.into_iter().take(6).chain(ONE_WAY) {
            let off = gradient_off_slopes(&loss, &a, &b, at);
            prop_assert!(off < 1.0, "{name}: {off}");
        }
        for form in FORMS {
            let objective = BarlowTwins { form, ..BARLOW_TWINS };
            let off = gradient_off_slopes(&|a, b| objective.loss(a, b), &a, &b, at);
            prop_assert!(off < 1.0, "{form:?}: {off}");
        }
        // Both arguments, as they have different parts.
        let decoupled: [OfTwo; 2] = [|a, b| DECOUPLED.loss(a, b), |a, b| DECOUPLED.loss(b, a)];
        for loss in decoupled {
            let off = gradient_off_slopes(&loss, &a, &b, at);
            prop_assert!(off < 1.0, "decoupled: {off}");
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

/// Columns that are copies of each other: what they add to the loss is known from one of them.
#[test]
fn wide_embeddings_have_the_loss_of_their_columns() {
    const COPIES: usize = 1700;
    let values =
        |shift: usize| (0..20).map(|at| ((at * 7 + shift) % 11) as f32 * 0.3 - 1.0).collect::<Vec<_>>();
    let (a, b) = (values(0), values(3));
    let wide = |narrow: &[f32]| {
        let rows = narrow.chunks(5).flat_map(|row| row.repeat(COPIES));
        tensor(&rows.collect::<Vec<_>>(), 5 * COPIES)
    };
    for form in
        [BarlowTwinsForm::CrossCorrelation, BarlowTwinsForm::Autocorrelation, BarlowTwinsForm::Covariance]
    {
        let objective = BarlowTwins { form, ..BARLOW_TWINS };
        let part = |loss: &Loss, name: &str| {
            let (_, value) = loss.parts.iter().find(|(part, _)| part == name).unwrap();
            f64::from(read(value.clone())[0])
        };
        let narrow = objective.loss(tensor(&a, 5), tensor(&b, 5));
        let (wide_a, wide_b) = (wide(&a).autodiff().require_grad(), wide(&b).autodiff());
        let all = objective.loss(wide_a.clone(), wide_b);
        let (one, other) = if form == BarlowTwinsForm::Autocorrelation { (&a, &a) } else { (&a, &b) };
        let c = read(objective.correlation(tensor(one, 5), tensor(other, 5)));
        let diagonal: f64 = (0..5).map(|at| f64::from(c[6 * at]).powi(2)).sum();
        let copies = COPIES as f64;
        let expected = copies * copies * (part(&narrow, "redundancy") + diagonal) - copies * diagonal;
        let found = part(&all, "redundancy");
        assert!((found - expected).abs() < 1e-4 * expected, "{form:?}: {found} {expected}");
        let expected = copies * part(&narrow, "invariance");
        assert!((part(&all, "invariance") - expected).abs() < 1e-4 * expected, "{form:?}");
        let gradient = read(wide_a.grad(&all.total.backward()).unwrap());
        // Copies of a column have one gradient.
        let off = gradient.chunks(5).zip(gradient.chunks(5).skip(1)).take(COPIES - 1).flat_map(|(x, y)| {
            x.iter().zip(y).map(|(x, y)| (x - y).abs() / (x.abs() + 1e-2)).collect::<Vec<_>>()
        });
        assert!(off.fold(0.0, f32::max) < 1e-2, "{form:?}");
        assert!(gradient.iter().any(|g| *g != 0.0) && gradient.iter().all(|g| g.is_finite()), "{form:?}");
    }
}

#[test]
fn a_zero_row_has_a_finite_gradient() {
    let mut values = vec![0.5f32; 40];
    values.iter_mut().enumerate().for_each(|(at, value)| *value += (at % 7) as f32 * 0.1);
    values[..5].fill(0.0);
    for (name, loss) in SYMMETRIC.into_iter().chain(ONE_WAY) {
        let leaf = tensor(&values, 5).autodiff().require_grad();
        let total = loss(leaf.clone(), tensor(&values, 5).autodiff()).total;
        let gradient = read(leaf.grad(&total.backward()).unwrap());
        assert!(gradient.iter().all(|g| g.is_finite()), "{name}: {gradient:?}");
    }
}
