//! What happens while something takes long, as data. A terminal, a log or a notebook listens.

use std::fs::File;
use std::path::Path;

use twinlens_data::{Notice, Skipped};
use twinlens_ssl::TrainingEvent;

/// Who is told what goes on.
pub trait Events {
    /// Something that takes long begins; it ends when the value is dropped.
    fn begin(&self, what: &str) -> Box<dyn Task + '_>;

    /// A training begins or goes on; it ends when the value is dropped. Unless this is written anew, nobody hears of its
    /// steps.
    fn train(&self, _training: Training<'_>) -> Box<dyn TrainingListener + '_> {
        Box::new(Silent)
    }

    /// A person should know of this, and perhaps do something about it. Unless this is written anew, the log of the process
    /// (`tracing`) holds it.
    fn warn(&self, warning: &str) {
        tracing::warn!("{warning}");
    }

    /// Something was guessed, left out or changed while reading the data set called `name`. Its hint has arguments as
    /// `{argument}`, which a listener spells its own way; unless this is written anew, it is left out.
    fn notice(&self, name: &str, notice: &Notice) {
        self.warn(&format!("{name}: {notice}"));
    }

    /// Images could not be read; otherwise as [`Events::notice`].
    fn skipped(&self, skipped: &Skipped) {
        let first: Vec<String> =
            skipped.first.iter().map(|bad| format!("{} ({})", bad.path, bad.reason)).collect();
        let (count, first) = (skipped.count, first.join("; "));
        self.warn(&format!("{count} images could not be read and were left out: {first}"));
    }

    /// Good to know; otherwise as [`Events::warn`].
    fn note(&self, note: &str) {
        tracing::info!("{note}");
    }
}

/// Something that takes long.
pub trait Task {
    /// So much of `total` is done.
    fn at(&self, done: u64, total: u64);
}

/// A training that begins or goes on.
#[derive(Debug)]
pub struct Training<'a> {
    /// What it is called among others.
    pub label: &'a str,
    /// The run's folder.
    pub folder: &'a Path,
    /// Epochs planned.
    pub epochs: usize,
    /// `train.log` of the run, to append to: what is said while it goes on.
    pub log: File,
}

/// Who is told what goes on in one training.
pub trait TrainingListener {
    /// Something happened. Warnings go to [`Events::warn`] instead.
    fn hear(&mut self, event: &TrainingEvent<'_>);
}

/// Tells the log of the process (`tracing`) what a person should know, and nobody else.
#[derive(Clone, Copy, Debug, Default)]
pub struct Logged;

impl Events for Logged {
    fn begin(&self, _: &str) -> Box<dyn Task + '_> {
        Box::new(Silent)
    }
}

/// Tells nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Events for Silent {
    fn begin(&self, _: &str) -> Box<dyn Task + '_> {
        Box::new(Silent)
    }

    fn warn(&self, _: &str) {}

    fn note(&self, _: &str) {}
}

impl Task for Silent {
    fn at(&self, _: u64, _: u64) {}
}

impl TrainingListener for Silent {
    fn hear(&mut self, _: &TrainingEvent<'_>) {}
}
