//! Optimisers, schedules and averages against PyTorch and the authors' LARS.

use burn::tensor::{Device, Tensor};
use twinlens_golden::Case;
use twinlens_nn::ops::read;
use twinlens_nn::optim::{
    Cosine, Gradients, Lars, Moments, MultiStep, Optimiser, OptimiserRule, OptimiserSettings, Schedule,
    ScheduleShape, Sgd, momentum_schedule, momentum_update,
};
use twinlens_nn::weights::{Init, WeightOrder, Weights};

const NAMES: [&str; 4] = ["weight", "conv", "bias", "gain"];

#[test]
fn golden_sgd() {
    for case in twinlens_golden::cases("optim/sgd") {
        assert_eq!(case.number("dampening"), 0.0, "the program has no dampening");
        let rule = Sgd { momentum: case.number("momentum"), nesterov: case.flag("nesterov") };
        let settings = OptimiserSettings {
            rule: OptimiserRule::Sgd(rule),
            lr: case.number("lr"),
            weight_decay: case.number("weight_decay"),
            ..OptimiserSettings::default()
        };
        check_steps(&case, settings);
    }
}

#[test]
fn golden_adam() {
    for case in twinlens_golden::cases("optim/adam") {
        check_steps(&case, adam(&case, OptimiserRule::Adam));
    }
}

#[test]
fn golden_adamw() {
    for case in twinlens_golden::cases("optim/adamw") {
        check_steps(&case, adam(&case, OptimiserRule::Adamw));
    }
}

fn adam(case: &Case, rule: fn(Moments) -> OptimiserRule) -> OptimiserSettings {
    let betas = [case.number("beta1"), case.number("beta2")];
    OptimiserSettings {
        rule: rule(Moments { betas, eps: case.number("eps") }),
        lr: case.number("lr"),
        weight_decay: case.number("weight_decay"),
        ..OptimiserSettings::default()
    }
}

#[test]
fn golden_lars() {
    for case in twinlens_golden::cases("optim/lars") {
        let rule = Lars {
            momentum: case.number("momentum"),
            eta: case.number("eta"),
            exclude_1d_from_adaptation: case.flag("exclude_1d_from_adaptation"),
            ..Lars::default()
        };
        let settings = OptimiserSettings {
            rule: OptimiserRule::Lars(rule),
            lr: case.number("lr_weights"),
            lr_biases: Some(case.number("lr_biases")),
            weight_decay: case.number("weight_decay"),
            exclude_1d_from_weight_decay: case.flag("exclude_1d_from_weight_decay"),
            ..OptimiserSettings::default()
        };
        check_steps(&case, settings);
    }
}

/// Runs the stored gradients through the optimiser, the state exported and imported half way.
fn check_steps(case: &Case, settings: OptimiserSettings) {
    let device = Device::flex();
    let mut weights = Weights::new(0, &device);
    for name in NAMES {
        let id = weights.root().parameter(
            name,
            case.shape(&format!("in.param.{name}")),
            WeightOrder::Plain,
            Init::Constant(0.0),
        );
        weights.set(id, Tensor::from_floats(case.f32(&format!("in.param.{name}")), &device));
    }
    let mut optimiser = Optimiser::new(settings.clone(), &weights);
    let mut reached = NAMES.map(|_| Vec::new());
    let mut momenta = NAMES.map(|_| Vec::new());
    for step in 0..case.count("steps") {
        if step == 2 {
            let state = optimiser.export(&weights);
            optimiser = Optimiser::new(settings.clone(), &weights);
            optimiser.import(&weights, &state).unwrap();
        }
        let gradient = |name: &str| {
            let all = case.f32(&format!("in.grad.{name}"));
            let length = all.len() / case.count("steps");
            Some(Tensor::from_floats(&all[step * length..][..length], &device))
        };
        optimiser.step(&mut weights, Gradients::from_entries(NAMES.map(gradient).into()), 1.0);
        for (values, entry) in reached.iter_mut().zip(weights.entries()) {
            values.extend(read(entry.value().clone()));
        }
        let state = optimiser.export(&weights);
        for (values, name) in momenta.iter_mut().zip(NAMES) {
            values.extend(state[&format!("first.{name}")].values.iter().copied());
        }
    }
    for ((name, values), momenta) in NAMES.iter().zip(reached).zip(momenta) {
        case.check(&format!("out.param.{name}"), &values);
        let key = format!("out.momentum.{name}");
        if case.has(&key) {
            case.check(&key, &momenta);
        }
    }
}

#[test]
fn golden_schedule_warmup_cosine() {
    for case in twinlens_golden::cases("optim/schedule_warmup_cosine") {
        let base = case.number("base_lr");
        let schedule = Schedule {
            total_steps: case.count("total_steps"),
            warmup_steps: case.count("warmup_steps"),
            warmup_start_factor: case.number("warmup_start_lr") / base,
            shape: ScheduleShape::Cosine(Cosine { final_factor: case.number("final_lr") / base }),
        };
        check_schedule(&case, &schedule, base);
    }
}

#[test]
fn golden_schedule_multi_step() {
    for case in twinlens_golden::cases("optim/schedule_multi_step") {
        let schedule = Schedule {
            total_steps: case.count("total_steps"),
            warmup_steps: 0,
            warmup_start_factor: 1.0,
            shape: ScheduleShape::MultiStep(MultiStep {
                milestones: case.i64("in.milestones").iter().map(|&step| step as f64).collect(),
                gamma: case.number("gamma"),
            }),
        };
        check_schedule(&case, &schedule, case.number("base_lr"));
    }
}

fn check_schedule(case: &Case, schedule: &Schedule, base: f64) {
    let rates: Vec<f64> = (0..schedule.total_steps).map(|step| base * schedule.factor(step)).collect();
    case.check("out.lr", &rates);
}

#[test]
fn golden_momentum_update() {
    for case in twinlens_golden::cases("losses/momentum_update") {
        let device = Device::flex();
        let start = case.f32("in.target0");
        let with = |values: &[f32]| {
            let mut weights = Weights::new(0, &device);
            let id = weights.root().parameter("w", &[values.len()], WeightOrder::Plain, Init::Constant(0.0));
            weights.set(id, Tensor::from_floats(values, &device));
            weights
        };
        let total = case.count("total_steps");
        let tau = |step| momentum_schedule(case.number("base_tau"), case.number("final_tau"), step, total);
        case.check("out.tau", &(0..=total).map(tau).collect::<Vec<_>>());
        let mut target = with(start);
        let mut reached = Vec::new();
        for (step, online) in case.f32("in.online").chunks(start.len()).enumerate() {
            momentum_update(&mut target, &with(online), tau(step));
            reached.extend(read(target.entries()[0].value().clone()));
        }
        case.check("out.target", &reached);
    }
}
