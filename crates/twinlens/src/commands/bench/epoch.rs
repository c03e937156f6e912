//! Whole epochs: images read, two views made of each, a training step for every batch.

use serde_json::json;
use twinlens_nn::encoders::Stem;
use twinlens_ssl::{EpochTime, Settings};

use super::steps::network;
use super::views::BARLOW;
use super::{BenchArgs, Figures, Work, median, round};
use crate::commands::training::{lab, prepare};
use crate::exit::{Exit, Failure, Outcome};
use crate::invocation::Invocation;
use crate::terminal::Terminal;

/// An epoch of ResNet-18 on the user's images.
pub(super) struct Epoch {
    name: &'static str,
    stem: Stem,
    /// Side of the views, whatever that of the images.
    size: usize,
    batch: usize,
}

/// The epochs.
pub(super) const CASES: &[Epoch] = &[
    Epoch { name: "epoch-r18-imagenet-28-b256", stem: Stem::Imagenet, size: 28, batch: 256 },
    Epoch { name: "epoch-r18-cifar-28-b64", stem: Stem::Cifar, size: 28, batch: 64 },
    Epoch { name: "epoch-r18-imagenet-64-b128", stem: Stem::Imagenet, size: 64, batch: 128 },
    Epoch { name: "epoch-r18-imagenet-224-b16", stem: Stem::Imagenet, size: 224, batch: 16 },
];

impl Work for Epoch {
    fn name(&self) -> &str {
        self.name
    }

    fn what(&self) -> String {
        let Epoch { stem, size, batch, .. } = self;
        format!("one epoch of resnet18, {} stem, {size} px, batch {batch}, on --data", stem.name())
    }

    fn check(&self, args: &BenchArgs) -> Outcome {
        if args.data.is_some() {
            return Ok(());
        }
        let message = format!("{} times an epoch on your images, and no data set is named", self.name);
        let hint = "add --data PATH; `twinlens data list` lists public data sets";
        Err(Failure::message(Exit::Usage, message).hint(hint))
    }

    fn time(&self, args: &BenchArgs, terminal: &Terminal) -> Outcome<Figures> {
        let times = self.epochs(args, terminal)?;
        let images = times[0].images;
        let seconds = median(times.iter().map(|time| time.seconds).collect());
        let waited = median(times.iter().map(|time| time.waited / time.seconds).collect());
        let images_per_s = images as f64 / seconds;
        let document = json!({
            "images": images,
            "seconds": round(seconds, 2),
            "images_per_s": round(images_per_s, 2),
            "data_wait_share": round(waited, 4),
        });
        let share = 100.0 * waited;
        let text =
            format!("{images_per_s:.2} images/s, {images} in {seconds:.2} s, {share:.1} % of it waiting");
        Ok(Figures::new(document, text))
    }
}

impl Epoch {
    /// Epochs from a fresh network on. Nothing warms up: neither does it in a user's first epoch.
    fn epochs(&self, args: &BenchArgs, terminal: &Terminal) -> Outcome<Vec<EpochTime>> {
        let settings = self.settings(args)?;
        let run = prepare(settings, &lab(&Invocation::default(), terminal))?;
        let channels = run.prepared.context.channels;
        if channels != 3 {
            let message = format!("{} is about RGB images; these have {channels} channels", self.name);
            return Err(Failure::message(Exit::Data, message));
        }
        let mut learner = run.learner()?;
        let once = |_| Ok(run.prepared.time_epoch(&run.settings, &mut learner)?);
        (0..args.repetitions(1)).map(once).collect()
    }

    fn settings(&self, args: &BenchArgs) -> Outcome<Settings> {
        let mut settings = network("resnet18", self.stem, self.batch)?;
        settings.data = args.data.clone().unwrap_or_default();
        settings.limit = args.limit.unwrap_or(0) as usize;
        settings.device.clone_from(&args.device);
        settings.precision = args.precision;
        settings.size = self.size.into();
        settings.views = BARLOW.views();
        Ok(settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::parse;
    use crate::terminal::{OutputArgs, Surroundings};

    fn silent() -> Terminal {
        Terminal::new(&OutputArgs::default(), &Surroundings::default())
    }

    #[test]
    fn an_epoch_takes_every_full_batch_of_the_images_asked_for() {
        let tiny = Epoch { name: "tiny", stem: Stem::Imagenet, size: 8, batch: 4 };
        let args: BenchArgs = parse("--case tiny --data bundled --limit 10 --steps 2").unwrap();
        let times = tiny.epochs(&args, &silent()).unwrap();
        assert_eq!(times.iter().map(|time| time.images).collect::<Vec<_>>(), [8, 8]);
        assert!(times.iter().all(|time| time.waited < time.seconds), "{times:?}");
    }

    #[test]
    fn epochs_ask_for_data() {
        let args: BenchArgs = parse("--case x").unwrap();
        let failure = CASES[0].check(&args).unwrap_err();
        assert!(failure.render(false).contains("--data PATH"), "{}", failure.render(false));
    }
}
