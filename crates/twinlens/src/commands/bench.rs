//! `bench`: how fast this machine is on a named case.

use std::time::Instant;

use burn::tensor::{Tensor, TensorData};
use serde_json::json;
use twinlens_nn::encoders::Stem;
use twinlens_nn::optim::ScheduleName;
use twinlens_random::{Purpose, Stream};
use twinlens_ssl::{DataShape, Learner, Settings};

use crate::exit::{Exit, Failure, Outcome};
use crate::terminal::Terminal;

/// Arguments of `bench`.
#[derive(Clone, Debug, clap::Args)]
#[command(before_help = "\
Examples:
  twinlens bench --case r18-cifar-32-b64
  twinlens bench --case r18-cifar-32-b64 --precision f32 --steps 5 --json")]
pub struct BenchArgs {
    /// The case
    #[arg(long, value_name = "NAME")]
    pub case: String,
    /// Kind of numbers
    #[arg(long, value_name = "KIND", default_value = "f32", value_parser = ["f32", "bf16"])]
    pub precision: String,
    /// Timed steps
    #[arg(long, value_name = "N", default_value = "5", value_parser = clap::value_parser!(u32).range(1..))]
    pub steps: u32,
    /// Where to compute: auto, cpu, gpu or gpu:N
    #[arg(long, value_name = "WHERE", default_value = "cpu", value_parser = super::settings::device)]
    pub device: String,
}

/// A training step to time: encoder, stem, side of the images, images in a batch.
struct Case {
    name: &'static str,
    encoder: &'static str,
    stem: Stem,
    size: usize,
    batch: usize,
}

const fn case(name: &'static str, encoder: &'static str, stem: Stem, size: usize, batch: usize) -> Case {
    Case { name, encoder, stem, size, batch }
}

/// The same cases that are timed in other frameworks, for ratios.
const CASES: &[Case] = &[
    case("r18-cifar-32-b64", "resnet18", Stem::Cifar, 32, 64),
    case("r18-imagenet-28-b256", "resnet18", Stem::Imagenet, 28, 256),
    case("r18-imagenet-64-b128", "resnet18", Stem::Imagenet, 64, 128),
    case("r18-imagenet-224-b16", "resnet18", Stem::Imagenet, 224, 16),
    case("r50-imagenet-64-b32", "resnet50", Stem::Imagenet, 64, 32),
    case("vgg13-196-b8", "vgg13", Stem::Imagenet, 196, 8),
    case("convnext_tiny-64-b32", "convnext_tiny", Stem::Imagenet, 64, 32),
];

/// Steps before the timed ones: buffers are made and caches filled.
const WARM_UP: usize = 2;

/// Runs `bench`: one self-supervised training step (two views, encoder, a projector of three layers of 2048, Barlow
/// Twins, SGD) on random images, timed after a warm-up; the median counts.
///
/// # Errors
/// An unknown case, a precision or device that this build does not have.
pub fn run(args: &BenchArgs, terminal: &Terminal) -> Outcome {
    let case = CASES.iter().find(|case| case.name == args.case).ok_or_else(|| {
        let known = CASES.iter().map(|case| case.name).collect::<Vec<_>>().join(", ");
        Failure::message(Exit::Usage, format!("unknown case `{}`", args.case)).hint(format!("known: {known}"))
    })?;
    if args.precision != "f32" {
        let failure =
            Failure::message(Exit::Environment, format!("precision {} is not built yet", args.precision));
        return Err(failure.hint("use --precision f32"));
    }
    let seconds = median(time_steps(case, args)?);
    let document = json!({
        "case": case.name,
        "mode": args.precision,
        "images_per_s": round(case.batch as f64 / seconds, 2),
        "step_s": round(seconds, 4),
        "device": args.device,
        "threads": rayon::current_num_threads(),
        "twinlens": crate::VERSION,
    });
    terminal.result(&document, || {
        format!("{}: {:.2} images/s, {seconds:.4} s a step\n", case.name, case.batch as f64 / seconds)
    })
}

fn time_steps(case: &Case, args: &BenchArgs) -> Outcome<Vec<f64>> {
    let device = twinlens_nn::device::open(&args.device)?;
    let mut settings =
        Settings { encoder: case.encoder.into(), stem: case.stem, batch: case.batch, ..Settings::default() };
    settings.optim.lr = 0.01;
    settings.optim.weight_decay = 0.0;
    settings.schedule.name = ScheduleName::Constant;
    settings.schedule.warmup_epochs = 0.0;
    let mut learner = Learner::new(&settings, DataShape { channels: 3, classes: 0 }, 1, &device)?;
    let mut stream = Stream::new(0, Purpose::Evaluation, [0; 3]);
    let shape = [case.batch, case.size, case.size, 3];
    let mut view = || {
        let values: Vec<f32> = (0..shape.iter().product()).map(|_| stream.normal() as f32).collect();
        Tensor::<4>::from_data(TensorData::new(values, shape), &device)
    };
    let views = vec![view(), view()];
    let steps = 0..WARM_UP + args.steps as usize;
    Ok(steps
        .map(|_| {
            let start = Instant::now();
            // Reading the loss waits for everything that the step computes.
            learner.step_on(views.clone());
            start.elapsed().as_secs_f64()
        })
        .skip(WARM_UP)
        .collect())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn round(value: f64, digits: i32) -> f64 {
    let scale = 10f64.powi(digits);
    (value * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::parse;

    #[test]
    fn the_line_that_scripts_use_is_read() {
        let args: BenchArgs = parse("--case r18-cifar-32-b64 --precision bf16").unwrap();
        assert_eq!(
            (args.case.as_str(), args.precision.as_str(), args.steps),
            ("r18-cifar-32-b64", "bf16", 5)
        );
        assert!(parse::<BenchArgs>("--case x --precision f16").is_err());
        assert!(parse::<BenchArgs>("--precision f32").is_err());
    }
}
