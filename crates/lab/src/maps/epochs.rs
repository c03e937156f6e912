//! Whose features are laid out: encoders, or one encoder through the epochs of its run.

use std::path::{Path, PathBuf};

use twinlens_nn::weights::EncoderFile;
use twinlens_run::{RunRecord, epoch_checkpoint, kept_epochs};
use twinlens_ssl::checkpoint_encoder;

use crate::identity::digest;
use crate::jobs::run_settings::RunSettings;
use crate::{FeaturesKind, LabError, Subject, SubjectRecord, read_encoder_ranged};

/// Reads what embeds, when its turn comes: checkpoints are large.
pub(super) type Reader<'a> = Box<dyn FnOnce() -> Result<Subject, LabError> + 'a>;

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
    /// The encoder at `path`, which is read already, and those at `more`, taken as it was: untrained ones with weights from
    /// `untrained_seed`, up to the same stage, those without their `own_range` as by [`read_encoder_ranged`]. A single one needs no
    /// name.
    pub fn new(
        (path, first): (&Path, Subject),
        more: &'a [PathBuf],
        untrained_seed: u64,
        own_range: bool,
    ) -> Subjects<'a> {
        let (features, kind) = (record(&first), first.kind());
        let name = |path: &Path| if more.is_empty() { String::new() } else { path.display().to_string() };
        let given: Reader<'a> = Box::new(move || Ok(first));
        let read = |path: &'a PathBuf| {
            let stage = features.stage.clone();
            let reader: Reader<'a> = Box::new(move || {
                let file = read_encoder_ranged(path, own_range)?;
                Subject::new(kind, file, untrained_seed)?.at(stage.as_deref())
            });
            (name(path), reader)
        };
        let readers = std::iter::once((name(path), given)).chain(more.iter().map(read)).collect();
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
            (false, several) => {
                let names = self.readers.iter().map(|(name, _)| name.clone());
                format!("-of-{several}-{}", digest(names))
            }
        }
    }
}

/// What tells the features of a subject from others of the same encoder.
fn record(subject: &Subject) -> SubjectRecord {
    let SubjectRecord { stage, epoch, .. } = subject.record();
    SubjectRecord { stage, epoch, ..SubjectRecord::of(subject.kind()) }
}
