//! Whose features are laid out: encoders, or one encoder through the epochs of its run.

use std::path::Path;

use twinlens_nn::weights::EncoderFile;
use twinlens_run::{RunRecord, epoch_checkpoint, kept_epochs};
use twinlens_ssl::checkpoint_encoder;

use crate::jobs::run_settings::RunSettings;
use crate::{FeaturesKind, LabError, Subject, SubjectRecord};

/// Reads what embeds, when its turn comes: checkpoints are large.
pub type Reader<'a> = Box<dyn FnOnce() -> Result<Subject, LabError> + 'a>;

/// Whose features are laid out, one map each, in this order.
pub struct Subjects<'a> {
    /// Their names, and what reads them.
    pub(super) readers: Vec<(String, Reader<'a>)>,
    /// Where their features come from, and of which stage they are.
    pub(super) features: SubjectRecord,
    /// Whether they are one encoder through the epochs of its run.
    pub(super) of_epochs: bool,
}

impl<'a> Subjects<'a> {
    /// The encoder at `path`, and more; a single one needs no name.
    pub fn new((path, first): (&Path, Subject), more: Vec<(&Path, Reader<'a>)>) -> Subjects<'a> {
        let several = !more.is_empty();
        let name = |path: &Path| if several { path.display().to_string() } else { String::new() };
        let features = record(&first);
        let given: Reader<'a> = Box::new(move || Ok(first));
        let readers = std::iter::once((path, given)).chain(more);
        let readers = readers.map(|(path, reader)| (name(path), reader)).collect();
        Subjects { readers, features, of_epochs: false }
    }

    /// The encoder of `run` untrained, then after every epoch of which the run kept a checkpoint.
    ///
    /// # Errors
    /// Anything but a trained encoder; a run that kept no epoch, or cannot be read.
    pub fn through_epochs(run: &'a Path, encoder: Subject) -> Result<Subjects<'a>, LabError> {
        if encoder.kind() != FeaturesKind::Trained {
            return Err(LabError::NotTrained);
        }
        let epochs = kept_epochs(run)?;
        if epochs.is_empty() {
            return Err(LabError::NoEpochs { run: run.to_owned() });
        }
        let seed = RunSettings::of(&RunRecord::read(run)?)?.common().seed;
        let description = encoder.file().description.clone();
        let start = encoder.file().clone();
        let (features, stage) = (record(&encoder), encoder.stage().map(str::to_owned));
        let of_start = stage.clone();
        let untrained: Reader<'a> =
            Box::new(move || Subject::new(FeaturesKind::Untrained, start, seed)?.at(of_start.as_deref()));
        let mut readers = vec![("untrained".to_owned(), untrained)];
        for epoch in epochs {
            let (description, stage) = (description.clone(), stage.clone());
            let read: Reader<'a> = Box::new(move || {
                let tensors = checkpoint_encoder(&epoch_checkpoint(run, epoch)?)?;
                Subject::trained(EncoderFile { description, tensors }).at(stage.as_deref())
            });
            readers.push((format!("epoch {epoch}"), read));
        }
        Ok(Subjects { readers, features, of_epochs: true })
    }

    /// What tells the files of these maps from those of one alone.
    pub(super) fn suffix(&self) -> String {
        match (self.of_epochs, self.readers.len()) {
            (true, _) => "-through-epochs".to_owned(),
            (false, 0 | 1) => String::new(),
            (false, several) => format!("-of-{several}"),
        }
    }
}

/// What tells the features of a subject from others of the same encoder.
fn record(subject: &Subject) -> SubjectRecord {
    SubjectRecord { stage: subject.stage().map(str::to_owned), ..SubjectRecord::of(subject.kind()) }
}
