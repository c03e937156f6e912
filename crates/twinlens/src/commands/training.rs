//! What verbs that train share: the lab as the command line sets it up, and signals.

use std::path::Path;

use serde_json::json;
use twinlens_data::{DataSet, DataSettings};
use twinlens_lab::jobs::{JobError, Pretraining};
use twinlens_lab::{Asked, Lab, LabError, NameError, Program};
use twinlens_ssl::{Settings, SslError};
use twinlens_views::ViewsError;

use super::data_folder;
use crate::exit::{Exit, Failure, Outcome, spelled};
use crate::invocation::Invocation;
use crate::signals::{Interrupt, Signal};
use crate::terminal::Terminal;

pub use twinlens_lab::BUNDLED;

/// The lab in which the command works that was called so.
pub fn lab<'a>(invocation: &Invocation, terminal: &'a Terminal) -> Lab<'a> {
    Lab { events: terminal, ..quiet_lab(invocation) }
}

/// The same without a listener.
pub fn quiet_lab(invocation: &Invocation) -> Lab<'static> {
    let commit = Some(crate::COMMIT).filter(|commit| *commit != "unknown").map(str::to_owned);
    let program = Program { version: crate::VERSION.to_owned(), commit, command: invocation.words() };
    Lab { program, data_folder: data_folder(), ..Lab::default() }
}

/// A pre-training, checked, with what is to know about it told.
///
/// # Errors
/// Data that cannot be read, settings that do not fit it.
pub fn prepare(settings: Settings, lab: &Lab<'_>) -> Outcome<Pretraining> {
    let run = Pretraining::prepare(settings, lab)?;
    if run.data.has_tags() && run.settings.knn.every > 0 {
        tracing::warn!(
            "an image of {} may show several classes: there is no kNN accuracy during training; `twinlens probe \
             --classifier svm` judges the encoder",
            run.data.name
        );
    }
    if run.settings.deterministic {
        tracing::info!(
            "deterministic: on this CPU the same settings and data give the same bits, with any number of threads"
        );
    }
    Ok(run)
}

/// Tells of a smoke test that came to its end. Its results lie in a folder that is gone.
///
/// # Errors
/// When stdout cannot be written.
pub fn smoke_passed(terminal: &Terminal) -> Outcome {
    terminal.result(&json!({ "smoke": true }), || "every phase works; nothing of it is kept\n".to_owned())
}

/// Signals that ask trainings to save or to stop.
pub struct Signals {
    interrupt: Interrupt,
    asked: Box<dyn Fn() -> Asked>,
}

impl Signals {
    /// Starts to listen for signals.
    ///
    /// # Errors
    /// When the system refuses the handlers.
    pub fn listen() -> Outcome<Signals> {
        let interrupt = Interrupt::install().map_err(|error| Failure::new(Exit::Environment, error))?;
        let shared = interrupt.clone();
        let asked = move || match (shared.requested(), shared.take_save_request()) {
            (Some(_), _) => Asked::Stop,
            (None, true) => Asked::Save,
            (None, false) => Asked::Continue,
        };
        Ok(Signals { interrupt, asked: Box::new(asked) })
    }

    /// The lab, whose work these signals may now stop.
    pub fn heard_in<'a>(&'a self, lab: &Lab<'a>) -> Lab<'a> {
        Lab { asked: &*self.asked, ..lab.clone() }
    }

    /// The exit code of what these signals stopped.
    pub fn exit(&self) -> Exit {
        self.interrupt.requested().map_or(Exit::Interrupted, Signal::exit)
    }

    /// What trainings that heard these signals came to. Of those that were stopped, `verb` goes on with the folder `path`.
    ///
    /// # Errors
    /// That of `ended`; a stop has the exit code of its signal.
    pub fn ended<T>(&self, ended: Result<T, LabError>, (verb, path): (&str, &Path)) -> Outcome<T> {
        ended.map_err(|error| {
            let stopped = error.is_interruption();
            let failure = Failure::from(error);
            if !stopped {
                return failure;
            }
            failure
                .ending(self.exit())
                .hint(format!("go on with `twinlens {verb} --resume {}`", path.display()))
        })
    }
}

/// Opens the data set of the settings, with a progress bar, and tells what was skipped.
///
/// # Errors
/// No data set named, or one that cannot be read.
pub fn open_data(settings: &Settings, terminal: &Terminal) -> Outcome<DataSet> {
    open_named(&settings.data, &settings.data_options, terminal)
}

/// Opens the data set called `name`, with a progress bar, and tells what was skipped.
///
/// # Errors
/// No data set named, or one that cannot be read.
pub fn open_named(name: &str, options: &DataSettings, terminal: &Terminal) -> Outcome<DataSet> {
    Ok(lab(&Invocation::default(), terminal).open(name, options)?)
}

impl From<SslError> for Failure {
    fn from(error: SslError) -> Failure {
        let exit = match error {
            SslError::Data(error) => return Failure::from(error),
            SslError::Run(error) => return Failure::from(error),
            SslError::Nn(error) => return Failure::from(error),
            SslError::Eval(error) => return Failure::from(error),
            SslError::UnknownMethod { .. }
            | SslError::UnknownRecipe { .. }
            | SslError::Settings { .. }
            | SslError::Views(_) => Exit::Usage,
            SslError::NotDeterministic { .. } | SslError::Bf16OnGpu { .. } => Exit::Environment,
            SslError::NoTrainingImages { .. }
            | SslError::NoVariation { .. }
            | SslError::Image { .. }
            | SslError::NoImages { .. }
            | SslError::MissingLabels { .. }
            | SslError::OneClassChosen { .. }
            | SslError::Channels { .. } => Exit::Data,
            // What goes wrong while it trains.
            _ => Exit::Failed,
        };
        let hint = error.hint().map(spelled);
        Failure::new(exit, error).advised(hint)
    }
}

impl From<LabError> for Failure {
    fn from(error: LabError) -> Failure {
        let hint = error.hint().map(|hint| spelled(&hint));
        let failure = match error {
            LabError::Data(error) => Failure::from(error),
            LabError::Eval(error) => Failure::from(error),
            LabError::Nn(error) => Failure::from(error),
            LabError::Run(error) => Failure::from(error),
            LabError::Ssl(error) => Failure::from(error),
            LabError::Name(error) => Failure::from(error),
            LabError::Job(error) => Failure::from(error),
            LabError::Weights(error) => Failure::from(error),
            LabError::At { place, source } => return Failure::from(*source).at(place),
            LabError::Report(error) => Failure::from(error),
            LabError::Sheet(error) => Failure::from(error).ending(Exit::Usage),
            LabError::LpipsWeights(error) => Failure::from(error),
            LabError::Views(error @ ViewsError::UnknownPreset { .. }) => Failure::new(Exit::Usage, error),
            LabError::ViewsOfPixels
            | LabError::StagesOfPixels
            | LabError::MapsInCsv
            | LabError::NotTrained
            | LabError::NoClassifier
            | LabError::NoEpoch { .. }
            | LabError::NoPlace
            | LabError::UnknownProtocol { .. }
            | LabError::NotHeeded { .. }
            | LabError::NothingDrawn
            | LabError::Setting { .. } => Failure::new(Exit::Usage, error),
            error => Failure::new(Exit::Data, error),
        };
        failure.advised(hint)
    }
}

impl From<NameError> for Failure {
    fn from(error: NameError) -> Failure {
        let hint = error.hint();
        let failure = match &error {
            NameError::NotHere { path, .. } => {
                let place = path.display().to_string();
                Failure::new(Exit::Data, error).at(place)
            }
            NameError::Empty | NameError::NoSize { .. } => Failure::new(Exit::Usage, error),
            NameError::NoFolder => Failure::new(Exit::Environment, error),
            _ => Failure::new(Exit::Data, error),
        };
        failure.advised(Some(spelled(&hint)))
    }
}

impl From<JobError> for Failure {
    fn from(error: JobError) -> Failure {
        let hint = error.hint().map(|hint| spelled(&hint));
        let exit = match &error {
            JobError::Interrupted => Exit::Interrupted,
            JobError::Changed { .. }
            | JobError::OtherRun { .. }
            | JobError::NotAStudy
            | JobError::StudyAmongRuns
            | JobError::SameName { .. }
            | JobError::NeedsEncoder { .. }
            | JobError::NoBlocks
            | JobError::OtherEncoder { .. }
            | JobError::OtherProbe { .. } => Exit::Usage,
            JobError::NoRoom { .. }
            | JobError::NoMemory { .. }
            | JobError::Io(_)
            | JobError::Unfinished { .. } => Exit::Environment,
            JobError::Unwritable { .. } | JobError::NoToml { .. } => Exit::Failed,
            JobError::Process { status } => match status.code() {
                Some(2) => Exit::Usage,
                Some(3) => Exit::Data,
                Some(4) => Exit::Environment,
                _ => Exit::Failed,
            },
            _ => Exit::Data,
        };
        if let JobError::Unfinished { study, .. } = &error {
            let hint = format!("is the study finished? `twinlens finetune --resume {}`", study.display());
            return Failure::new(exit, error).hint(hint);
        }
        Failure::new(exit, error).advised(hint)
    }
}

impl From<twinlens_nn::NnError> for Failure {
    fn from(error: twinlens_nn::NnError) -> Failure {
        let exit = match error {
            twinlens_nn::NnError::Device { .. } => Exit::Environment,
            twinlens_nn::NnError::Unknown { .. } | twinlens_nn::NnError::UnknownStage { .. } => Exit::Usage,
            _ => Exit::Data,
        };
        let hint = error.hint().map(spelled);
        Failure::new(exit, error).advised(hint)
    }
}

impl From<twinlens_eval::EvalError> for Failure {
    fn from(error: twinlens_eval::EvalError) -> Failure {
        use twinlens_eval::EvalError;
        let exit = match error {
            EvalError::NeighbourCount { .. }
            | EvalError::ClusterCount { .. }
            | EvalError::NoValues { .. }
            | EvalError::Setting { .. } => Exit::Usage,
            EvalError::NotFinite { .. } | EvalError::Numeric { .. } => Exit::Failed,
            _ => Exit::Data,
        };
        Failure::new(exit, error)
    }
}
