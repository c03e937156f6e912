//! Whole training steps: two views, encoder, a projector of three layers of 2048, Barlow Twins, SGD.

use burn::tensor::{Tensor, TensorData};
use serde_json::json;
use twinlens_nn::encoders::{EncoderSettings, Stem};
use twinlens_nn::optim::{OptimiserRule, OptimiserSettings, ScheduleSettings, Sgd};
use twinlens_random::{Purpose, Stream};
use twinlens_ssl::{Common, DataShape, Learner, Settings};

use super::{BenchArgs, Figures, REPETITIONS, Work, median, repeat, round};
use crate::exit::Outcome;
use crate::terminal::Terminal;

/// A step on random images.
pub(super) struct Step {
    name: &'static str,
    encoder: &'static str,
    stem: Stem,
    /// Side of the images.
    size: usize,
    batch: usize,
}

const fn case(name: &'static str, encoder: &'static str, stem: Stem, size: usize, batch: usize) -> Step {
    Step { name, encoder, stem, size, batch }
}

/// The steps.
pub(super) const CASES: &[Step] = &[
    case("r18-cifar-32-b64", "resnet18", Stem::Cifar, 32, 64),
    case("r18-imagenet-28-b256", "resnet18", Stem::Imagenet, 28, 256),
    case("r18-imagenet-64-b128", "resnet18", Stem::Imagenet, 64, 128),
    case("r18-imagenet-224-b16", "resnet18", Stem::Imagenet, 224, 16),
    case("r50-imagenet-64-b32", "resnet50", Stem::Imagenet, 64, 32),
    case("vgg13-196-b8", "vgg13", Stem::Imagenet, 196, 8),
    case("convnext_tiny-64-b32", "convnext_tiny", Stem::Imagenet, 64, 32),
];

/// Buffers are made in the first step, and used again from the second on.
const WARM_UP: usize = 2;

impl Work for Step {
    fn name(&self) -> &str {
        self.name
    }

    fn what(&self) -> String {
        let Step { encoder, stem, size, batch, .. } = self;
        format!("one training step of {encoder}, {} stem, {size} px, batch {batch}", stem.name())
    }

    fn check(&self, _: &BenchArgs) -> Outcome {
        Ok(())
    }

    fn time(&self, args: &BenchArgs, _: &Terminal) -> Outcome<Figures> {
        let seconds = median(self.seconds(args)?);
        let images_per_s = self.batch as f64 / seconds;
        let document = json!({ "images_per_s": round(images_per_s, 2), "step_s": round(seconds, 4) });
        Ok(Figures::new(document, format!("{images_per_s:.2} images/s, {seconds:.4} s a step")))
    }
}

impl Step {
    fn seconds(&self, args: &BenchArgs) -> Outcome<Vec<f64>> {
        let mut settings = network(self.encoder, self.stem, self.batch)?;
        settings.device.clone_from(&args.device);
        settings.precision = args.precision;
        let device = settings.open_device()?;
        let mut learner = Learner::new(&settings, DataShape { channels: 3, classes: 0 }, 1, &device);
        let mut stream = Stream::new(0, Purpose::Evaluation, [0; 3]);
        let shape = [self.batch, self.size, self.size, 3];
        let mut view = || {
            let values: Vec<f32> = (0..shape.iter().product()).map(|_| stream.normal() as f32).collect();
            Tensor::<4>::from_data(TensorData::new(values, shape), &device)
        };
        let views = vec![view(), view()];
        repeat(WARM_UP, args.repetitions(REPETITIONS), || {
            // Reading the loss waits for everything that the step computes.
            learner.step_on(views.clone()).loss.read();
            Ok(())
        })
    }
}

/// The network of all cases, and how it learns.
pub(super) fn network(encoder: &str, stem: Stem, batch: usize) -> Outcome<Settings> {
    let sgd = OptimiserRule::Sgd(Sgd::default());
    let common = Common {
        encoder: EncoderSettings::described(encoder, stem.name())?,
        batch,
        optim: OptimiserSettings { weight_decay: 0.0, ..OptimiserSettings::new(sgd, 0.01) },
        schedule: ScheduleSettings::constant(),
        ..Common::default()
    };
    Ok(Settings { common, ..Settings::default() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::parse;

    #[test]
    fn every_step_is_timed_but_those_that_warm_up() {
        let tiny = case("tiny", "resnet18", Stem::Imagenet, 8, 4);
        let args: BenchArgs = parse("--case tiny --steps 3").unwrap();
        let seconds = tiny.seconds(&args).unwrap();
        assert_eq!(seconds.len(), 3);
        assert!(seconds.iter().all(|&seconds| seconds > 0.0), "{seconds:?}");
    }
}
