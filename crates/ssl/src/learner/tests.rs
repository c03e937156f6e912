//! What must hold for every method of the registry, on an encoder small enough to try them all.

use std::collections::BTreeSet;

use twinlens_nn::encoders::{EncoderSettings, ResNetSettings};
use twinlens_nn::layers::StochasticDepth;
use twinlens_nn::network::{Layer, LayerScale, PixelLayer, Stage};
use twinlens_nn::ops::{norm, read};
use twinlens_nn::optim::{
    Moments, MultiStep, OptimiserRule, OptimiserSettings, ScheduleSettings, ScheduleShape,
};
use twinlens_nn::weights::{Init, Pass, Role, Scope, WeightOrder};
use twinlens_random::{Purpose, Stream};

use super::*;
use crate::PrecisionChoice;
use crate::methods::{METHODS, MethodSettings, PredictorSettings};
use crate::problems::Problems;
use crate::testing::{changed, tiny};

const IMAGES: usize = 24;
const BATCH: usize = 12;
const SIZE: usize = 8;

/// What makes every method small, with all state in use within a few steps.
const SMALL: &str = "
    queue = 30
    queue_from_epoch = 0
    warmup_teacher_temperature_epochs = 2
    projector = { hidden_dim = 16, output_dim = 8 }
    predictor = { hidden_dim = 12 }
";

/// The settings of `method` with [`SMALL`] constants and heads.
fn small(method: &str) -> MethodSettings {
    let own = match method {
        "vibcreg" => "projector = { last_norm = 'iter_norm' }",
        "swav" => "prototypes = 9\nqueue = 12",
        "dino" => "prototypes = 9",
        "deepclusterv2" => "prototypes = [5, 4, 6]",
        _ => "",
    };
    let mut settings = changed(&changed(&MethodSettings::named(method).unwrap(), SMALL), own);
    if let MethodSettings::WeightedSum(sum) = &mut settings {
        for (term, method) in sum.terms.iter_mut().zip(["mocov2plus", "deepclusterv2"]) {
            term.method = small(method);
        }
    }
    settings
}

/// Small settings for `method`.
fn settings(method: &str) -> Settings {
    let mut settings = Settings { method: small(method), epochs: 3, ..Settings::default() };
    settings.batch = BATCH;
    settings.optim = OptimiserSettings::new(OptimiserRule::Adamw(Moments::default()), 1e-3);
    settings.schedule = ScheduleSettings::cosine(0.0);
    settings
}

/// The sizes of as many views as the method needs.
fn views(method: &str) -> Vec<usize> {
    vec![SIZE; *small(method).views().start()]
}

fn learner(settings: &Settings) -> Learner {
    let mut weights = Weights::new(settings.seed, &Device::flex());
    let encoder = tiny(&mut weights.root().at("encoder"));
    let data = DataShape { channels: 3, classes: 3 };
    Learner::on(settings, data, IMAGES / BATCH, encoder, weights)
}

/// A view of size `size` of each image: the image's own colours and noise.
fn view(indices: &[usize], number: usize, size: usize) -> Tensor<4> {
    let shape = [indices.len(), size, size, 3];
    let mut values = Vec::new();
    for &image in indices {
        let mut own = Stream::new(7, Purpose::Evaluation, [image as u32, 0, 0]);
        let mut noise = Stream::new(7, Purpose::Evaluation, [image as u32, number as u32, size as u32]);
        let colours = [own.normal(), own.normal(), own.normal()];
        values.extend((0..size * size * 3).map(|at| (colours[at % 3] + 0.5 * noise.normal()) as f32));
    }
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

fn batch(step: usize, sizes: &[usize]) -> Batch {
    let indices: Vec<usize> = (0..BATCH).map(|at| (step * BATCH + at) % IMAGES).collect();
    let views = sizes
        .iter()
        .enumerate()
        .map(|(number, &size)| view(&indices, 10 * step + number + 1, size))
        .collect();
    let labels = indices.iter().map(|image| Some(image % 3)).collect();
    Batch { views, indices, labels }
}

struct All;

impl Images for All {
    fn count(&self) -> usize {
        IMAGES
    }

    fn visit(&self, visit: &mut dyn FnMut(&[usize], Vec<Tensor<4>>)) -> Result<(), SslError> {
        for step in 0..IMAGES / BATCH {
            let batch = batch(step, &[SIZE; 4]);
            visit(&batch.indices, batch.views);
        }
        Ok(())
    }
}

/// The steps `from..to` of a run; returns the losses.
fn run(learner: &mut Learner, from: usize, to: usize, sizes: &[usize]) -> Vec<f64> {
    let step = |step: usize| {
        if step.is_multiple_of(IMAGES / BATCH) {
            learner.start_of_epoch(&All).unwrap();
        }
        learner.step_on(batch(step, sizes)).loss.read()
    };
    (from..to).map(step).collect()
}

#[test]
fn every_method_learns_from_every_trained_parameter_and_no_other() {
    for spec in METHODS {
        let mut learner = learner(&settings(spec.id));
        learner.start_of_epoch(&All).unwrap();
        // A first step fills queues and lets heads that start alike part.
        learner.step_on(batch(0, &views(spec.id)));
        let (output, gradients) = learner.gradients(batch(1, &views(spec.id)));
        assert!(Scalar::of(output.loss.total).read().is_finite(), "{}", spec.id);
        for (index, entry) in learner.weights.entries().iter().enumerate() {
            let gradient = gradients.entry(index);
            let name = format!("{} {}", spec.id, entry.name());
            assert_eq!(gradient.is_some(), entry.role() == Role::Parameter, "{name}");
            let values = gradient.map(|gradient| read(gradient.clone())).unwrap_or_default();
            assert!(values.iter().all(|g| g.is_finite()), "{name}");
            assert!(gradient.is_none() || values.iter().any(|&g| g != 0.0), "{name}: all zero");
        }
    }
}

#[test]
fn every_method_makes_finite_steps_and_most_lower_their_loss() {
    let mut lower = 0;
    for spec in METHODS {
        let mut learner = learner(&settings(spec.id));
        let losses = run(&mut learner, 0, 6, &views(spec.id));
        assert!(losses.iter().all(|loss| loss.is_finite()), "{}: {losses:?}", spec.id);
        assert_eq!(learner.steps(), 6, "{}", spec.id);
        lower += usize::from(losses[5] < losses[0]);
    }
    // Targets, queues and clusters move, so a loss may rise at first.
    assert!(2 * lower > METHODS.len(), "{lower} of {} losses fell", METHODS.len());
}

#[test]
fn every_method_resumes_to_the_same_bits() {
    for spec in METHODS {
        let settings = settings(spec.id);
        let mut whole = learner(&settings);
        run(&mut whole, 0, 5, &views(spec.id));
        // In the middle of an epoch and at its end.
        for stop in [1, 2, 3] {
            let mut first = learner(&settings);
            run(&mut first, 0, stop, &views(spec.id));
            let state = first.state();
            let mut second = learner(&settings);
            second.restore(&state, stop).unwrap();
            assert!(second.state() == state, "{}: restoring after {stop} steps changes the state", spec.id);
            run(&mut second, stop, 5, &views(spec.id));
            assert!(second.state() == whole.state(), "{}: stopped after {stop} steps", spec.id);
        }
    }
}

#[test]
fn a_state_that_lacks_something_is_refused() {
    for spec in METHODS {
        let settings = settings(spec.id);
        let mut first = learner(&settings);
        run(&mut first, 0, 1, &views(spec.id));
        let state = first.state();
        for name in state.keys().filter(|name| name.starts_with("method/")) {
            let mut lacking = state.clone();
            lacking.remove(name);
            let error = learner(&settings).restore(&lacking, 1).unwrap_err().to_string();
            let last = name.rsplit('/').next().unwrap();
            assert!(error.contains(last), "{}: {error}", spec.id);
        }
    }
}

#[test]
fn target_networks_keep_behind_and_get_no_gradient() {
    let with_target: BTreeSet<&str> = METHODS
        .iter()
        .filter(|spec| {
            let mut learner = learner(&settings(spec.id));
            run(&mut learner, 0, 3, &views(spec.id));
            let (before, steps) = (learner.state(), learner.steps());
            let targets: Vec<String> = before
                .keys()
                .filter_map(|name| name.strip_prefix("method/target/"))
                .map(str::to_owned)
                .collect();
            learner.gradients(batch(steps, &views(spec.id)));
            let after = learner.state();
            for name in &targets {
                let (target, online) = (format!("method/target/{name}"), format!("weights/{name}"));
                let statistics = name.contains("running_");
                assert!(statistics || before[&target] == after[&target], "{}: {name} moved", spec.id);
                assert!(!name.starts_with("predictor."), "{}: a predictor has a target", spec.id);
                assert!(statistics || before[&target] != before[&online], "{}: {name} is the same", spec.id);
            }
            !targets.is_empty()
        })
        .map(|spec| spec.id)
        .collect();
    assert_eq!(with_target, BTreeSet::from(["byol", "dino", "mocov2plus", "nnbyol", "ressl"]));
}

#[test]
fn methods_of_many_views_take_views_of_different_sizes() {
    for spec in METHODS.iter().filter(|spec| small(spec.id).views().contains(&5)) {
        for together in [true, false] {
            let mut settings = settings(spec.id);
            settings.views_together = together;
            let losses = run(&mut learner(&settings), 0, 3, &[SIZE, SIZE, 6, 6, 5]);
            assert!(losses.iter().all(|loss| loss.is_finite()), "{}: {losses:?}", spec.id);
        }
    }
}

#[test]
fn imported_weights_reach_the_target() {
    let settings = settings("byol");
    let mut other = settings.clone();
    other.seed = 5;
    let other = learner(&other).encoder_weights();
    let mut learner = learner(&settings);
    assert_ne!(learner.encoder_weights(), other);
    learner.import(ENCODER, &other).unwrap();
    learner.gradients(batch(0, &[SIZE, SIZE]));
    assert_eq!(learner.state()["method/target/encoder.layer1.conv.weight"], other["layer1.conv.weight"]);
}

#[test]
fn frozen_parts_stay_and_constant_rates_do_not_follow_the_schedule() {
    let moved = |method: &str, prefix: &str, change: &dyn Fn(&mut Settings)| {
        let mut settings = settings(method);
        change(&mut settings);
        let mut learner = learner(&settings);
        let before = learner.weights.export(prefix);
        run(&mut learner, 0, 2, &[SIZE, SIZE]);
        learner.weights.export(prefix) != before
    };
    for method in ["swav", "dino"] {
        assert!(!moved(method, "prototypes.", &|_| {}), "{method}");
        assert!(moved(method, "projector.", &|_| {}), "{method}");
        let unfreeze = |settings: &mut Settings| {
            settings.method = changed(&settings.method, "frozen_epochs = 0");
        };
        assert!(moved(method, "prototypes.", &unfreeze), "{method}");
    }
    // At a factor of 0 only what ignores the schedule moves.
    let stop = |settings: &mut Settings| {
        let shape = ScheduleShape::MultiStep(MultiStep { milestones: vec![0.0], gamma: 0.0 });
        settings.schedule = ScheduleSettings::new(shape, 0.0);
    };
    assert!(moved("simsiam", "predictor.0.", &stop));
    assert!(!moved("byol", "predictor.0.", &stop));
}

/// Methods whose loss takes a use of a weight for a constant (a view without gradients, assignments, whitening by a few
/// iterations), so that its slope is not its gradient.
const WITH_CONSTANTS: [&str; 7] =
    ["simsiam", "vibcreg", "swav", "deepclusterv2", "nnclr", "nnbyol", "weighted-sum"];

#[test]
fn gradients_through_heads_are_slopes() {
    let mut wrong = Vec::new();
    for method in METHODS.iter().map(|spec| spec.id).filter(|id| !WITH_CONSTANTS.contains(id)) {
        let settings = settings(method);
        let mut start = learner(&settings);
        run(&mut start, 0, 2, &[SIZE, SIZE]);
        let state = start.state();
        // Each measurement starts from the same state: a forward pass moves queues and centres.
        let at = |moved: Option<(usize, Tensor<1>)>| {
            let mut learner = learner(&settings);
            learner.restore(&state, 2).unwrap();
            if let Some((index, by)) = moved {
                let entry = &mut learner.weights.entries_mut()[index];
                entry.set_value(entry.value().clone().without_autodiff() + by);
            }
            let (output, gradients) = learner.gradients(batch(2, &[SIZE, SIZE]));
            (Scalar::of(output.loss.total).read(), gradients)
        };
        let (_, gradients) = at(None);
        for (index, entry) in start.weights.entries().iter().enumerate() {
            let Some(gradient) = gradients.entry(index) else { continue };
            let norm = norm(&[gradient]).read();
            // Few images and batch norm make for sharp bends: a small step sees the slope, a large one less rounding.
            let slope = |step: f64| {
                let moved = |by: f64| at(Some((index, gradient.clone().mul_scalar(by / norm)))).0;
                (moved(step) - moved(-step)) / (2.0 * step)
            };
            let slopes = [1e-3, 1e-4, 3e-5].map(slope);
            if !slopes.iter().any(|slope| (norm - slope).abs() < 0.02 + 0.04 * norm) {
                wrong.push(format!("{method} {}: gradient {norm}, slopes {slopes:?}", entry.name()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Barlow Twins with a predictor and a stopped gradient: in one direction, or in both.
fn asymmetric(both_directions: bool, views: Vec<Tensor<4>>) -> f64 {
    // Apart, so that the predictor's batch norm sees the same of a view in one direction as in both.
    let mut settings = Settings { views_together: false, ..settings("barlow-twins") };
    let MethodSettings::BarlowTwins(own) = &mut settings.method else { panic!("another method") };
    own.predictor = Some(PredictorSettings { hidden_dim: 12, ..PredictorSettings::default() });
    (own.stop_gradient, own.both_directions) = (true, both_directions);
    let (output, _) = learner(&settings).gradients(Batch::from(views));
    Scalar::of(output.loss.total).read()
}

#[test]
fn one_direction_of_barlow_twins_is_half_of_both() {
    let views = batch(0, &[SIZE, SIZE]).views;
    let swapped = vec![views[1].clone(), views[0].clone()];
    let (forth, back) = (asymmetric(false, views.clone()), asymmetric(false, swapped.clone()));
    let (both, either) = (asymmetric(true, views), asymmetric(true, swapped));
    assert!((forth - back).abs() > 1e-3, "the views have different parts: {forth} {back}");
    assert!((both - 0.5 * (forth + back)).abs() < 1e-3 * both.abs(), "{both}: {forth} {back}");
    assert!((both - either).abs() < 1e-3 * both.abs(), "{both} {either}");
    let alike = changed(&MethodSettings::named("barlow-twins").unwrap(), "both_directions = true");
    let mut problems = Problems::default();
    alike.check(&mut problems);
    assert!(problems.list().iter().any(|problem| problem.key == "both_directions"));
}

/// Two SimCLRs in a sum, the second at another temperature and with a narrower head.
fn unequal_terms() -> Settings {
    let mut settings = settings("weighted-sum");
    let MethodSettings::WeightedSum(sum) = &mut settings.method else { panic!("no sum") };
    sum.terms[0].method = small("simclr");
    sum.terms[1].method = changed(&small("simclr"), "temperature = 0.5\nprojector = { output_dim = 4 }");
    settings
}

#[test]
fn terms_of_one_method_have_constants_and_heads_of_their_own() {
    let settings = unequal_terms();
    let sizes = [SIZE; 4];
    let mut whole = learner(&settings);
    let losses = run(&mut whole, 0, 4, &sizes);
    assert!(losses.iter().all(|loss| loss.is_finite()), "{losses:?}");
    let width = |term: usize| whole.weights.export(&format!("{term}.projector."))["6.weight"].shape[0];
    assert_eq!([width(0), width(1)], [8, 4]);
    let mut first = learner(&settings);
    run(&mut first, 0, 3, &sizes);
    let mut second = learner(&settings);
    second.restore(&first.state(), 3).unwrap();
    run(&mut second, 3, 4, &sizes);
    assert!(second.state() == whole.state());
    // The temperature of one term is no other's.
    let parts = |settings: &Settings| {
        let report = learner(settings).step_on(batch(0, &sizes));
        ["0", "1"].map(|part| report.parts.iter().find(|(name, _)| name == part).unwrap().1.read())
    };
    let mut cooler = settings.clone();
    let MethodSettings::WeightedSum(sum) = &mut cooler.method else { panic!("no sum") };
    sum.terms[1].method = changed(&sum.terms[1].method, "temperature = 0.1");
    let ([a, b], [same, other]) = (parts(&settings), parts(&cooler));
    assert!(a == same && b != other, "{a} {same}, {b} {other}");
}

/// An encoder that adds its rectified values to an image, twice or not at all where there is noise, once where there is none.
fn noisy(scope: &mut Scope<'_>) -> Encoder {
    let scale = scope.parameter("scale", &[3], WeightOrder::Plain, Init::Constant(1.0));
    let branch = vec![Layer::Pixels(vec![PixelLayer::Relu])];
    let block = LayerScale { branch, scale, channels: 3, depth: StochasticDepth::new(0, 0.5) };
    Encoder::new(vec![Stage::new("noisy", 3).layer(Layer::LayerScale(block))])
}

#[test]
fn noise_is_a_function_of_the_step_and_the_pass_and_targets_have_none() {
    let mut weights = Weights::new(3, &Device::flex());
    let encoder = noisy(&mut weights.root());
    let images: Vec<usize> = (0..32).collect();
    let drawn = |step: usize, target: bool| {
        let (online, mut copy) = (&mut weights.clone(), weights.clone());
        let mut network = Network::new(&encoder, online, false).with_noise(step);
        let views = vec![view(&images, 0, 8); 2];
        let features =
            if target { network.target(&mut copy).features(views) } else { network.features(views) };
        features.into_iter().map(read).collect::<Vec<_>>()
    };
    assert_eq!(drawn(1, false), drawn(1, false));
    let (first, second) = (drawn(1, false), drawn(2, false));
    assert!(first[0] != first[1] && first[0] != second[0], "{first:?} {second:?}");
    let quiet = read(encoder.forward(&mut Pass::train(&mut weights.clone()), view(&images, 0, 8)));
    assert!(first[0] != quiet && first[1] != quiet);
    assert_eq!(drawn(1, true), [quiet.clone(), quiet]);
}

#[test]
fn residual_branches_start_at_zero_where_asked() {
    let scale = |zero_init_residual: bool| {
        let mut settings = Settings::default();
        let resnet = ResNetSettings { zero_init_residual, ..ResNetSettings::default() };
        settings.encoder = EncoderSettings::ResNet18(resnet);
        let data = DataShape { channels: 3, classes: 0 };
        let learner = Learner::new(&settings, data, 1, &Device::flex());
        learner.encoder_weights()["layer1.0.bn2.weight"].values[0]
    };
    assert_eq!((scale(false), scale(true)), (1.0, 0.0));
}

#[test]
fn bf16_is_near_single_precision_in_every_method() {
    for method in METHODS {
        let sizes = views(method.id);
        let first = |precision: PrecisionChoice| {
            let mut settings = settings(method.id);
            settings.precision = precision;
            let mut learner = learner(&settings);
            run(&mut learner, 0, 1, &sizes)[0]
        };
        let (rounded, single) = (first(PrecisionChoice::Bf16), first(PrecisionChoice::F32));
        assert!(rounded != single, "{}: nothing was rounded", method.id);
        let near = (rounded - single).abs() < 0.03 * (1.0 + single.abs());
        assert!(near, "{}: {rounded}, {single}", method.id);
    }
}
