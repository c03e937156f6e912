//! The whole machine (encoder, projector, loss, optimiser) against ten reference steps.

use twinlens_golden::{Case, reference_weight};
use twinlens_nn::encoders::Stem;
use twinlens_nn::optim::{OptimiserName, ScheduleName};
use twinlens_nn::weights::NamedTensor;
use twinlens_ssl::{Learner, ProjectorSettings, Settings};
use twinlens_views::ViewBatch;

#[test]
fn golden_trace() {
    for case in twinlens_golden::cases("trace") {
        let mut learner = learner(&case);
        let losses: Vec<f64> =
            (0..case.count("steps")).map(|step| learner.step(&views(&case, step)).loss).collect();
        for ((got, want), tolerance) in
            losses.iter().zip(case.f32("out.loss")).zip(case.f32("out.loss_tolerance"))
        {
            let limit = f64::from(*tolerance) * f64::from(want.abs());
            assert!((got - f64::from(*want)).abs() <= limit, "{}: loss {got}, expected {want}", case.name());
        }
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
}

fn learner(case: &Case) -> Learner {
    let barlow_twins = case.text("objective") == "barlow_twins";
    let mut settings = Settings {
        method: if barlow_twins { "barlow-twins" } else { "simclr" }.into(),
        stem: Stem::Cifar,
        batch: case.count("batch"),
        views_together: case.text("views") == "together",
        projector: ProjectorSettings {
            layers: if barlow_twins { 3 } else { 2 },
            hidden_dim: 128,
            output_dim: if barlow_twins { 128 } else { 64 },
            batch_norm: barlow_twins,
            bias: !barlow_twins,
            last_bias: !barlow_twins,
        },
        ..Settings::default()
    };
    settings.schedule.name = ScheduleName::Constant;
    settings.schedule.warmup_epochs = 0.0;
    settings.optim.name =
        if case.text("optimiser") == "sgd" { OptimiserName::Sgd } else { OptimiserName::Adamw };
    settings.optim.lr = case.number("lr");
    settings.optim.weight_decay = case.number("weight_decay");
    settings.optim.exclude_1d_from_weight_decay = false;
    settings.methods.barlow_twins.lambda = case.number("lambda");
    settings.methods.barlow_twins.eps = case.number("eps");
    settings.methods.simclr.temperature = case.number("temperature");
    if settings.optim.name == OptimiserName::Sgd {
        settings.optim.momentum = case.number("momentum");
    }
    let mut learner = Learner::new(&settings, 3, case.count("steps"), &burn::tensor::Device::flex()).unwrap();
    for (section, prefix) in [("encoder.", ""), ("projector.", "projector.")] {
        let mut tensors = learner.weights().export(section);
        for (name, NamedTensor { shape, values }) in &mut tensors {
            *values = reference_weight(&format!("{prefix}{name}"), shape, case.text("weights"));
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
        ViewBatch { data, height, width, channels }
    };
    (0..views).map(view).collect()
}
