//! Objectives against reference values, gradients included.

use std::collections::BTreeMap;

use burn::tensor::{Device, Int, Tensor};
use twinlens_golden::{Case, cases};
use twinlens_nn::norms::{IterNormOptions, iter_norm};
use twinlens_nn::ops::read;
use twinlens_ssl::objectives::{
    BarlowTwins, BarlowTwinsForm, DeepCluster, Dino, Imax, InfoNce, InvarianceReduction, Loss, Nnclr, NtXent,
    NtXentForm, PairLoss, Ressl, Sinkhorn, Swav, Vibcreg, Vicreg, WMse, byol, moved_centre, nearest, simsiam,
    spherical_kmeans, weighted_sum,
};

/// The inputs of a case as leaves of the graph, by name.
struct Inputs<'a> {
    case: &'a Case,
    leaves: BTreeMap<String, Tensor<1>>,
}

impl<'a> Inputs<'a> {
    fn new(case: &'a Case) -> Inputs<'a> {
        Inputs { case, leaves: BTreeMap::new() }
    }

    /// The input `name` as a leaf, in its own shape.
    fn get<const D: usize>(&mut self, name: &str) -> Tensor<D> {
        let key = format!("in.{name}");
        let shape: [usize; D] = self.case.shape(&key).try_into().unwrap();
        let flat = Tensor::<1>::from_floats(self.case.f32(&key), &Device::flex()).autodiff().require_grad();
        self.leaves.insert(name.to_owned(), flat.clone());
        flat.reshape(shape)
    }

    /// Two inputs `name_a` and `name_b`.
    fn pair(&mut self, name: &str) -> [Tensor<2>; 2] {
        ["a", "b"].map(|view| self.get(&format!("{name}_{view}")))
    }

    /// The slices of an input `[V, N, D]`.
    fn views(&mut self, name: &str) -> Vec<Tensor<2>> {
        let all = self.get::<3>(name);
        let [views, n, d] = all.dims();
        (0..views).map(|view| all.clone().narrow(0, view, 1).reshape([n, d])).collect()
    }

    /// Checks the loss, the parts that the case stores (as `out.NAME` or `out.loss_NAME`) and all gradients; inputs
    /// without a stored gradient must not get one.
    fn check(&self, loss: Loss) {
        let case = self.case;
        case.check("out.loss", &read(loss.total.clone()));
        for (name, value) in loss.parts {
            for key in [format!("out.{name}"), format!("out.loss_{name}")] {
                if case.has(&key) {
                    case.check(&key, &read(value.clone()));
                }
            }
        }
        let grads = loss.total.backward();
        for (name, leaf) in &self.leaves {
            let key = format!("out.grad.{name}");
            match leaf.grad(&grads) {
                Some(gradient) if case.has(&key) => case.check(&key, &read(gradient)),
                Some(gradient) => {
                    let zero = read(gradient).iter().all(|&g| g == 0.0);
                    assert!(zero, "{}: {name} is a constant and got a gradient", case.name());
                }
                None => assert!(!case.has(&key), "{}: no {key}", case.name()),
            }
        }
    }
}

/// The constants of a case; those that its form does not have are left at the defaults.
fn barlow_twins(case: &Case, form: BarlowTwinsForm) -> BarlowTwins {
    use BarlowTwinsForm::{
        Covariance, CrossEntropy, FeatureNormalisedCentred, FeatureNormalisedCentredMean, InvarianceOnly,
    };
    let scaled_by_batch =
        !matches!(form, Covariance | FeatureNormalisedCentred | FeatureNormalisedCentredMean);
    BarlowTwins {
        lambda: if form == InvarianceOnly { 0.005 } else { case.number("lambda") },
        eps: if scaled_by_batch { case.number("eps") } else { 1e-5 },
        temperature: if form == CrossEntropy { case.number("tau") } else { 1.0 },
        form,
    }
}

fn check_barlow_twins(item: &str, form: impl Fn(&Case) -> BarlowTwinsForm) {
    for case in cases(&format!("losses/{item}")) {
        let objective = barlow_twins(&case, form(&case));
        let mut inputs = Inputs::new(&case);
        let [a, b] = inputs.pair("z");
        if case.has("out.c") {
            case.check("out.c", &read(objective.correlation(a.clone(), b.clone())));
        }
        inputs.check(objective.loss(a, b));
    }
}

#[test]
fn golden_barlow_twins() {
    check_barlow_twins("barlow_twins", |_| BarlowTwinsForm::CrossCorrelation);
}

#[test]
fn golden_barlow_twins_invariance_only() {
    check_barlow_twins("barlow_twins_invariance_only", |_| BarlowTwinsForm::InvarianceOnly);
}

#[test]
fn golden_barlow_twins_redundancy_only() {
    check_barlow_twins("barlow_twins_redundancy_only", |_| BarlowTwinsForm::RedundancyOnly);
}

#[test]
fn golden_barlow_twins_feature_normalised() {
    check_barlow_twins("barlow_twins_feature_normalised", |case| match case.flag("divide_by_n") {
        true => BarlowTwinsForm::FeatureNormalisedCentredMean,
        false => BarlowTwinsForm::FeatureNormalisedCentred,
    });
    check_barlow_twins("barlow_twins_feature_normalised_standardised", |case| {
        match case.flag("divide_by_n") {
            true => BarlowTwinsForm::FeatureNormalisedMean,
            false => BarlowTwinsForm::FeatureNormalised,
        }
    });
}

#[test]
fn golden_barlow_twins_covariance() {
    check_barlow_twins("barlow_twins_covariance", |_| BarlowTwinsForm::Covariance);
}

#[test]
fn golden_barlow_twins_cross_entropy() {
    check_barlow_twins("barlow_twins_cross_entropy", |_| BarlowTwinsForm::CrossEntropy);
}

#[test]
fn golden_barlow_twins_autocorrelation() {
    check_barlow_twins("barlow_twins_autocorrelation", |case| match case.text("autocorrelation_of") {
        "a" => BarlowTwinsForm::Autocorrelation,
        "mean" => BarlowTwinsForm::AutocorrelationMean,
        other => panic!("{}: autocorrelation of {other}", case.name()),
    });
}

#[test]
fn golden_nt_xent() {
    for case in cases("losses/nt_xent") {
        let mut inputs = Inputs::new(&case);
        let [a, b] = inputs.pair("z");
        inputs.check(NtXent { temperature: case.number("temperature"), ..NtXent::default() }.loss(a, b));
    }
}

/// The mean over images is stored; the sum is as many times it, gradients too.
#[test]
fn golden_info_nce_decoupled() {
    for case in cases("losses/info_nce_decoupled") {
        let objective = |form| NtXent { temperature: case.number("temperature"), form };
        let mut inputs = Inputs::new(&case);
        let [a, b] = inputs.pair("z");
        inputs.check(objective(NtXentForm::Decoupled).loss(a, b));
        let mut inputs = Inputs::new(&case);
        let [a, b] = inputs.pair("z");
        let images = case.shape("in.z_a")[0] as f64;
        let sum = objective(NtXentForm::DecoupledSum).loss(a, b);
        inputs.check(Loss { total: sum.total.div_scalar(images), parts: sum.parts });
    }
}

#[test]
fn golden_info_nce_queue() {
    for case in cases("losses/info_nce_queue") {
        let objective =
            InfoNce { temperature: case.number("temperature"), normalise: case.flag("normalise") };
        let mut inputs = Inputs::new(&case);
        let [query, key, queue] = ["query", "key", "queue"].map(|name| inputs.get(name));
        inputs.check(objective.loss(query, key, queue));
    }
}

#[test]
fn golden_info_nce_queue_symmetric() {
    for case in cases("losses/info_nce_queue_symmetric") {
        let objective = InfoNce { temperature: case.number("temperature"), normalise: true };
        let mut inputs = Inputs::new(&case);
        let [queries, keys, queues] = ["q", "k", "queue"].map(|name| inputs.pair(name));
        inputs.check(objective.symmetric(queries, keys, queues));
    }
}

#[test]
fn golden_byol() {
    for case in cases("losses/byol") {
        assert!(case.flag("symmetric"), "the program knows only the symmetric loss");
        let mut inputs = Inputs::new(&case);
        let [p, z] = ["p", "z"].map(|name| inputs.pair(name));
        inputs.check(byol(p, z));
    }
}

#[test]
fn golden_simsiam() {
    for case in cases("losses/simsiam") {
        assert!(case.flag("symmetric"), "the program knows only the symmetric loss");
        let mut inputs = Inputs::new(&case);
        let [p, z] = ["p", "z"].map(|name| inputs.pair(name));
        inputs.check(simsiam(p, z));
    }
}

#[test]
fn golden_vicreg() {
    for case in cases("losses/vicreg") {
        let objective = Vicreg {
            invariance_weight: case.number("invariance_weight"),
            variance_weight: case.number("variance_weight"),
            covariance_weight: case.number("covariance_weight"),
            gamma: case.number("gamma"),
            eps: case.number("eps"),
            invariance_reduction: match case.text("invariance_reduction") {
                "mean_elements" => InvarianceReduction::MeanElements,
                "mean_samples" => InvarianceReduction::MeanSamples,
                other => panic!("{}: reduction {other}", case.name()),
            },
            variance_view_scale: case.number("variance_view_scale"),
        };
        let mut inputs = Inputs::new(&case);
        let [a, b] = inputs.pair("z");
        inputs.check(objective.loss(a, b));
    }
}

#[test]
fn golden_vibcreg() {
    for case in cases("losses/vibcreg") {
        let objective = Vibcreg {
            invariance_weight: case.number("invariance_weight"),
            variance_weight: case.number("variance_weight"),
            covariance_weight: case.number("covariance_weight"),
            gamma: case.number("gamma"),
            eps: case.number("eps"),
        };
        let mut inputs = Inputs::new(&case);
        let [a, b] = inputs.pair("z");
        inputs.check(objective.loss(a, b));
    }
}

#[test]
fn golden_iter_norm() {
    for case in cases("losses/iter_norm") {
        let options = IterNormOptions {
            groups: case.count("num_groups"),
            iterations: case.count("iterations"),
            eps: case.number("eps"),
        };
        let mut inputs = Inputs::new(&case);
        let whitened = iter_norm(inputs.get("x"), &options);
        case.check("out.y", &read(whitened.output.clone()));
        case.check("out.whitening", &read(whitened.whitening));
        let probe: Tensor<2> = Inputs::new(&case).get("probe").without_autodiff();
        inputs.check(Loss { total: (whitened.output * probe).sum(), parts: vec![] });
    }
}

fn sinkhorn(case: &Case) -> Sinkhorn {
    Sinkhorn { epsilon: case.number("epsilon"), iterations: case.count("iterations") }
}

#[test]
fn golden_sinkhorn() {
    for case in cases("losses/sinkhorn") {
        let codes = sinkhorn(&case).codes(Inputs::new(&case).get("scores"));
        case.check("out.q", &read(codes));
    }
}

#[test]
fn golden_swav() {
    for case in cases("losses/swav") {
        let mut inputs = Inputs::new(&case);
        let scores = inputs.pair("scores");
        let codes = scores.clone().map(|scores| sinkhorn(&case).codes(scores));
        for (name, codes) in ["out.q_a", "out.q_b"].iter().zip(&codes) {
            case.check(name, &read(codes.clone()));
        }
        inputs.check(Swav { temperature: case.number("temperature") }.loss(&codes, &scores));
    }
}

#[test]
fn golden_dino() {
    for case in cases("losses/dino") {
        let objective = Dino {
            teacher_temperature: case.number("teacher_temperature"),
            student_temperature: case.number("student_temperature"),
        };
        let mut inputs = Inputs::new(&case);
        let [teacher, student] = ["teacher", "student"].map(|name| inputs.views(name));
        assert_eq!(teacher.len(), case.count("n_global"), "{}", case.name());
        assert_eq!(student.len(), case.count("n_global") + case.count("n_local"), "{}", case.name());
        let centre: Tensor<1> = inputs.get("center");
        let moved = moved_centre(centre.clone().without_autodiff(), &teacher, case.number("center_momentum"));
        case.check("out.center", &read(moved));
        inputs.check(objective.loss(&teacher, centre, &student));
    }
}

/// The nearest neighbours of both views, and their indices checked.
fn neighbours(case: &Case, inputs: &mut Inputs<'_>) -> [Tensor<2>; 2] {
    let support: Tensor<2> = inputs.get("support");
    let support = support.without_autodiff();
    let found = inputs.pair("z").map(|z| nearest(z, support.clone()));
    for (name, found) in ["out.nn_a", "out.nn_b"].iter().zip(&found) {
        case.check_exact(name, &integers(found.clone()));
    }
    found.map(|found| support.clone().select(0, found))
}

fn integers(tensor: Tensor<1, Int>) -> Vec<i64> {
    tensor.into_data().convert::<i64>().iter::<i64>().collect()
}

#[test]
fn golden_nnclr() {
    for case in cases("losses/nnclr") {
        let mut inputs = Inputs::new(&case);
        let neighbours = neighbours(&case, &mut inputs);
        let p = inputs.pair("p");
        inputs.check(Nnclr { temperature: case.number("temperature") }.loss(neighbours, p));
    }
}

#[test]
fn golden_nnbyol() {
    for case in cases("losses/nnbyol") {
        assert!(case.flag("symmetric"), "the program knows only the symmetric loss");
        let mut inputs = Inputs::new(&case);
        let neighbours = neighbours(&case, &mut inputs);
        let p = inputs.pair("p");
        inputs.check(byol(p, neighbours));
    }
}

#[test]
fn golden_ressl() {
    for case in cases("losses/ressl") {
        let objective = Ressl {
            teacher_temperature: case.number("teacher_temperature"),
            student_temperature: case.number("student_temperature"),
        };
        let mut inputs = Inputs::new(&case);
        let [student, teacher, queue]: [Tensor<2>; 3] =
            ["student", "teacher", "queue"].map(|name| inputs.get(name));
        case.check("out.target", &read(objective.target(teacher.clone(), queue.clone())));
        inputs.check(objective.loss(student, teacher, queue));
    }
}

#[test]
fn golden_deepcluster_v2() {
    for case in cases("losses/deepcluster_v2") {
        let [_, samples] = case.shape("in.assignments").try_into().unwrap();
        let known = |&cluster: &i64| (cluster != case.integer("ignore_index")).then_some(cluster as usize);
        let assignments: Vec<Vec<Option<usize>>> = case
            .i64("in.assignments")
            .chunks(samples)
            .map(|clustering| clustering.iter().map(known).collect())
            .collect();
        let mut inputs = Inputs::new(&case);
        let [z, prototypes] = ["z", "prototypes"].map(|name| inputs.views(name));
        let objective = DeepCluster { temperature: case.number("temperature") };
        inputs.check(objective.loss(&z, &prototypes, &assignments));
    }
}

#[test]
fn golden_spherical_kmeans() {
    for case in cases("losses/spherical_kmeans") {
        let mut inputs = Inputs::new(&case);
        let [x, centroids] = ["x", "centroids"].map(|name| inputs.get(name));
        let clusters = spherical_kmeans(x, centroids, case.count("iterations"));
        let assignments: Vec<i64> = clusters.assignments.iter().map(|&cluster| cluster as i64).collect();
        case.check_exact("out.assignments", &assignments);
        case.check("out.centroids", &read(clusters.centroids));
        case.check("out.mean_similarity", &[clusters.mean_similarity]);
    }
}

#[test]
fn golden_w_mse() {
    for case in cases("losses/w_mse") {
        let objective = WMse { eps: case.number("eps") };
        let mut inputs = Inputs::new(&case);
        let [a, b] = inputs.pair("z");
        case.check("out.w_a", &read(objective.whitened(a.clone())));
        case.check("out.w_b", &read(objective.whitened(b.clone())));
        inputs.check(objective.loss(a, b));
    }
}

#[test]
fn golden_imax() {
    for case in cases("losses/imax") {
        let mut inputs = Inputs::new(&case);
        let [a, b] = inputs.pair("z");
        inputs.check(Imax { eps: case.number("eps") }.loss(a, b));
    }
}

#[test]
fn golden_weighted_sum() {
    for case in cases("losses/weighted_sum") {
        let mut inputs = Inputs::new(&case);
        let components = ["1", "2"].map(|part| {
            let number = |name: &str| case.number(&format!("{name}_{part}"));
            let mut input = |name: &str| inputs.get(&format!("{name}_{part}"));
            let loss = match case.text(&format!("kind_{part}")) {
                "barlow_twins" => {
                    let form = BarlowTwinsForm::CrossCorrelation;
                    BarlowTwins { lambda: number("lambda"), eps: number("eps"), form, temperature: 1.0 }
                        .loss(input("z_a"), input("z_b"))
                }
                "info_nce_queue" => InfoNce { temperature: number("temperature"), normalise: true }.loss(
                    input("query"),
                    input("key"),
                    input("queue"),
                ),
                "nt_xent" => NtXent { temperature: number("temperature"), ..NtXent::default() }
                    .loss(input("z_a"), input("z_b")),
                other => panic!("{}: kind {other}", case.name()),
            };
            case.check(&format!("out.loss_{part}"), &read(loss.total.clone()));
            (number("weight"), loss)
        });
        inputs.check(weighted_sum(components));
    }
}
