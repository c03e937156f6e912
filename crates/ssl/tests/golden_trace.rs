//! The whole machine (encoder, projector, loss, optimiser) against ten reference steps.

use twinlens_golden::{Case, reference_weight};
use twinlens_nn::optim::{Moments, OptimiserRule, OptimiserSettings, ScheduleSettings, Sgd};
use twinlens_nn::weights::NamedTensor;
use twinlens_random::{Purpose, Stream};
use twinlens_ssl::methods::MethodSettings;
use twinlens_ssl::{DataShape, Learner, Settings};
use twinlens_views::{ViewBatch, ViewData};

use crate::changed::changed;

/// Runs from weights that differ by at most one unit in the last place.
///
/// Ten steps amplify rounding: a ReLU whose input is within rounding of zero opens or closes, and AdamW, whose first
/// steps follow signs, turns that into whole steps. So a step's losses are those of all these runs together: with the
/// stored tolerance on both sides, they must enclose the reference. Where rounding decides nothing they are one number.
const RUNS: usize = 3;

#[test]
fn golden_trace() {
    for case in twinlens_golden::cases("trace") {
        let mut learners: Vec<Learner> = (0..RUNS).map(|run| learner(&case, run)).collect();
        let references = case.f32("out.loss").iter().zip(case.f32("out.loss_tolerance"));
        for (step, (&want, &tolerance)) in references.enumerate() {
            let views = views(&case, step);
            let images = case.count("batch");
            let indices: Vec<usize> = (0..images).collect();
            let losses: Vec<f64> = learners
                .iter_mut()
                .map(|learner| learner.step(&views, &indices, vec![None; images]).loss.read())
                .collect();
            let limit = f64::from(tolerance) * f64::from(want.abs());
            let least = losses.iter().copied().fold(f64::INFINITY, f64::min) - limit;
            let most = losses.iter().copied().fold(f64::NEG_INFINITY, f64::max) + limit;
            let enclosed = (least..=most).contains(&f64::from(want));
            assert!(
                enclosed,
                "{}: step {step}: losses {losses:?}, expected {want} +- {limit:e}",
                case.name()
            );
        }
        check_weights(&case, &learners[0]);
    }
}

/// Compares what the case stores of the weights and buffers after the last step.
fn check_weights(case: &Case, learner: &Learner) {
    let encoder = learner.encoder_weights();
    let projector = learner.weights().export("projector.");
    let last = projector.keys().rfind(|name| name.ends_with("weight")).unwrap();
    for key in case.keys().filter_map(|key| key.strip_prefix("out.")) {
        let tensor = match key {
            "loss" | "loss_tolerance" => continue,
            "last_projector_weight" => &projector[last],
            name => &encoder[name],
        };
        let key = format!("out.{key}");
        case.check(&key, &tensor.values[..case.f32(&key).len()]);
    }
}

/// The network of the case; in runs other than the first, weights are moved by one unit in the last place or not.
fn learner(case: &Case, run: usize) -> Learner {
    let barlow_twins = case.text("objective") == "barlow_twins";
    let heads = format!(
        "projector = {{ layers = {}, hidden_dim = 128, output_dim = {}, batch_norm = {barlow_twins}, bias = {}, \
         last_bias = {} }}",
        if barlow_twins { 3 } else { 2 },
        if barlow_twins { 128 } else { 64 },
        !barlow_twins,
        !barlow_twins,
    );
    let number = |key: &str| case.number(key);
    let constants = if barlow_twins {
        format!("lambda = {:?}\neps = {:?}", number("lambda"), number("eps"))
    } else {
        format!("temperature = {:?}", number("temperature"))
    };
    let method = MethodSettings::named(if barlow_twins { "barlow-twins" } else { "simclr" }).unwrap();
    let mut settings = Settings {
        method: changed(&method, &format!("{constants}\n{heads}")),
        views_together: case.text("views") == "together",
        ..Settings::default()
    };
    settings.batch = case.count("batch");
    settings.schedule = ScheduleSettings::constant();
    let rule = match case.text("optimiser") {
        "sgd" => OptimiserRule::Sgd(Sgd { momentum: number("momentum"), nesterov: false }),
        _ => OptimiserRule::Adamw(Moments::default()),
    };
    settings.optim = OptimiserSettings::new(rule, number("lr"));
    settings.optim.weight_decay = number("weight_decay");
    let data = DataShape { channels: 3, classes: 0 };
    let mut learner = Learner::new(&settings, data, case.count("steps"), &burn::tensor::Device::flex());
    let mut moved = Stream::new(run as u64, Purpose::Evaluation, [0; 3]);
    for (section, prefix) in [("encoder.", ""), ("projector.", "projector.")] {
        let mut tensors = learner.weights().export(section);
        for (name, NamedTensor { shape, values }) in &mut tensors {
            *values = reference_weight(&format!("{prefix}{name}"), shape, case.text("weights"));
            if run > 0 {
                values
                    .iter_mut()
                    .for_each(|value| *value = f32::from_bits(value.to_bits() + moved.below(2) as u32));
            }
        }
        learner.import(section, &tensors).unwrap();
    }
    learner
}

/// The views of `step`, from bytes in CHW order to normalised rows of pixels.
fn views(case: &Case, step: usize) -> Vec<ViewBatch> {
    let [_, views, images, channels, height, width] = case.shape("in.views").try_into().unwrap();
    let bytes = case.u8("in.views");
    let pixels = height * width;
    let view = |view: usize| {
        let start = (step * views + view) * images * channels * pixels;
        let value = |image: usize, pixel: usize, channel: usize| {
            let byte = bytes[start + (image * channels + channel) * pixels + pixel];
            (f32::from(byte) / 255.0 - 0.5) / 0.25
        };
        let data = (0..images * pixels * channels)
            .map(|at| value(at / (pixels * channels), at / channels % pixels, at % channels))
            .collect();
        ViewBatch { data: ViewData::Normalised(data), height, width, channels }
    };
    (0..views).map(view).collect()
}
