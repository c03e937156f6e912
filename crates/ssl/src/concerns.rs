//! What is likely to disappoint in settings that can be used.

use twinlens_nn::optim::{OptimiserRule, Schedule};

use crate::Settings;
use crate::methods::NamedMethod;

/// With more steps than this, one that changes nothing does not matter.
const FEW_STEPS: usize = 20;

impl<M: NamedMethod> Settings<M> {
    /// What a person should know before training on so many images, each with the setting to change.
    pub fn concerns(&self, images: usize) -> Vec<String> {
        let found =
            [self.left_out(images), self.small_batch(), self.first_step(images), self.learning_rate()];
        found.into_iter().flatten().collect()
    }

    /// Images of the last batch, which would not be full.
    fn left_out(&self, images: usize) -> Option<String> {
        let (batch, rest) = (self.batch, images % self.batch);
        // Of batches that are not much smaller, the one that wastes least; the largest of several.
        let better = (batch.div_ceil(2).max(2)..batch).rev().min_by_key(|batch| images % batch);
        let better = better.filter(|better| images % better < rest);
        let instead = better.map(|better| match images % better {
            0 => format!("; batch={better} leaves none out"),
            fewer => format!("; batch={better} leaves out {fewer}"),
        });
        (rest > 0).then(|| {
            format!(
                "{rest} of {images} training images are left out of each epoch, others each time, as they fill no batch of \
                 {batch}{}",
                instead.unwrap_or_default()
            )
        })
    }

    fn small_batch(&self) -> Option<String> {
        let (name, least) = (self.method.name(), self.method.least_batch());
        (self.batch < least).then(|| {
            format!(
                "{name} estimates its loss from the batch, and {} images are few: try batch={least} or more",
                self.batch
            )
        })
    }

    /// A rise from 0 begins with a step that changes nothing, which matters where there are few.
    fn first_step(&self, images: usize) -> Option<String> {
        let steps_per_epoch = images / self.batch;
        let schedule = Schedule::new(&self.schedule, self.epochs, steps_per_epoch);
        let steps = schedule.total_steps;
        (steps > 0 && steps <= FEW_STEPS && schedule.factor(0) == 0.0).then(|| {
            format!(
                "the first of only {steps} steps has a learning rate of 0 and changes nothing: schedule.warmup_epochs=0 begins \
                 with the full rate"
            )
        })
    }

    /// A rate that belongs to another optimiser.
    fn learning_rate(&self) -> Option<String> {
        let rate = self.optim.lr * self.batch_factor();
        let (name, [low, high]) = match self.optim.rule {
            OptimiserRule::Adam(_) => ("adam", [1e-5, 1e-2]),
            OptimiserRule::Adamw(_) => ("adamw", [1e-5, 1e-2]),
            OptimiserRule::Sgd(_) => ("sgd", [1e-3, 5.0]),
            OptimiserRule::Lars(_) => ("lars", [1e-2, 20.0]),
        };
        (rate > 0.0 && !(low..=high).contains(&rate)).then(|| {
            format!(
                "a learning rate of {rate} is far from what {name} usually takes ({low} to {high}): optim.lr or optim.name \
                 decides otherwise"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use twinlens_nn::optim::{Moments, OptimiserSettings};

    use super::*;
    use crate::Common;
    use crate::methods::{BarlowTwinsSettings, MethodSettings};

    fn concerns(change: impl FnOnce(&mut Settings), images: usize) -> String {
        let common = Common { batch: 64, ..Common::default() };
        let mut settings = Settings { common, epochs: 50, ..Settings::default() };
        settings.optim.lr = 1e-3;
        settings.optim.rule = OptimiserRule::Adamw(Moments::default());
        change(&mut settings);
        settings.concerns(images).join("\n")
    }

    #[test]
    fn usual_settings_give_no_concern_and_unusual_ones_name_what_to_change() {
        assert_eq!(concerns(|_| (), 640), "");
        let told = concerns(|_| (), 448 + 64 + 9);
        assert!(
            told.starts_with("9 of 521 training images") && told.ends_with("; batch=52 leaves out 1"),
            "{told}"
        );
        assert!(concerns(|_| (), 434).ends_with("; batch=62 leaves none out"));
        let fast = |settings: &mut Settings| {
            settings.optim = OptimiserSettings { lr: 0.3, ..settings.optim.clone() };
        };
        assert!(concerns(fast, 640).contains("0.3 is far from what adamw usually takes"));
        let short = |settings: &mut Settings| {
            settings.epochs = 1;
            settings.schedule.warmup_epochs = 1.0;
            settings.schedule.warmup_start_factor = 0.0;
        };
        assert!(concerns(short, 128).contains("the first of only 2 steps"));
        let small = |settings: &mut Settings| {
            settings.method = MethodSettings::BarlowTwins(BarlowTwinsSettings::default());
            settings.batch = 16;
        };
        assert!(concerns(small, 640).contains("try batch=32"));
    }
}
