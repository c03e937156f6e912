//! What verbs that train share: data opened, settings checked, a run folder, and the training itself.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System};
use twinlens_data::{DataSet, DataSettings, OpenOptions, RangeOrigin, open, open_bytes};
use twinlens_lab::{Computing, LabError, catalogue};
use twinlens_nn::has_bf16;
use twinlens_run::{Environment, Overwrite, Row, RunFolder, Start, State, names};
use twinlens_ssl::{
    Asked, Hooks, Learner, Outcome as Ended, Precision, Prepared, Progress, Settings, SslError, StartFrom,
    train,
};

use super::data::{locate, range_in_words};
use super::doctor::free_space;
use super::{bytes, computing, data_folder};
use crate::exit::{Exit, Failure, Outcome};
use crate::signals::{Interrupt, Signal};
use crate::terminal::Terminal;

/// The name of the data set inside the program, where others have a path.
pub const BUNDLED: &str = "bundled";

/// Photographs of blood cells; see `assets/README.md` for where they come from.
const BLOOD_CELLS: &[u8] = include_bytes!("../../assets/blood_cells_28.npz");

/// A run with its data opened and everything checked, before anything is written.
pub struct Run {
    /// What decides the result.
    pub settings: Settings,
    /// The images.
    pub data: DataSet,
    /// The images checked against the settings, and measured.
    pub prepared: Prepared,
}

/// The precision of a new run: `auto` decided, with a warning where it will be slow.
pub fn decided(precision: Precision) -> Precision {
    let precision = precision.decided();
    if precision == Precision::Bf16 && !has_bf16() {
        tracing::warn!(
            "this processor has no fast instructions for bf16, which is slower than f32 here; precision=auto takes the faster"
        );
    }
    precision
}

impl Run {
    /// Opens the data set that the settings name and checks the settings against it.
    ///
    /// # Errors
    /// Data that cannot be read, settings that do not fit it.
    pub fn prepare(settings: Settings, terminal: &Terminal) -> Outcome<Run> {
        let data = open_data(&settings, terminal)?;
        Run::with_data(settings, data)
    }

    /// Checks the settings against a data set that is open already.
    ///
    /// # Errors
    /// Settings that do not fit the data.
    pub fn with_data(settings: Settings, data: DataSet) -> Outcome<Run> {
        let settings = fitted(&settings, &data)?;
        let prepared = Prepared::new(&settings, &data)?;
        // Opened again when training starts; a device that is missing is told before a folder is made.
        settings.open_device()?;
        if data.has_tags() && settings.knn.every > 0 {
            tracing::warn!(
                "an image of {} may show several classes: there is no kNN accuracy during training; `twinlens probe \
                 --classifier svm` judges the encoder",
                data.name
            );
        }
        if settings.deterministic {
            tracing::info!(
                "deterministic: on this CPU the same settings and data give the same bits, with any number of threads"
            );
        }
        Ok(Run { settings, data, prepared })
    }

    /// How this run's features are computed.
    pub fn computing(&self) -> Computing {
        computing(self.settings.workers, &self.settings.device)
    }

    /// The settings as the text of `config.toml`.
    ///
    /// # Errors
    /// Settings that TOML cannot hold.
    pub fn config(&self) -> Outcome<String> {
        toml::to_string_pretty(&self.settings).map_err(|error| Failure::new(Exit::Failed, error))
    }

    /// The learner at the start of the run.
    ///
    /// # Errors
    /// A device that is missing.
    pub fn learner(&self) -> Outcome<Learner> {
        let steps = self.prepared.steps_per_epoch(self.settings.batch);
        Ok(Learner::new(&self.settings, self.prepared.shape(), steps, &self.settings.open_device()?)?)
    }

    /// Creates the run's folder.
    ///
    /// # Errors
    /// A folder that is taken or cannot be written, or whose disk has no room for the checkpoints.
    pub fn create(&self, path: &Path, overwrite: bool) -> Outcome<RunFolder> {
        let checkpoint = checkpoint_bytes(&self.learner()?);
        create_folder(path, overwrite, &self.config()?, &self.data, &self.settings.data, checkpoint)
    }

    /// Trains; the folder's status tells how it ended.
    ///
    /// # Errors
    /// A run that fails, or is stopped by a signal after everything was saved.
    pub fn learn(&self, folder: &mut RunFolder, start: StartFrom<'_>, terminal: &Terminal) -> Outcome {
        let watch = Watch::new(terminal)?;
        let told = Told { label: "training", epochs: self.settings.epochs, verb: "pretrain" };
        watch.over(folder, told, |folder, hooks| {
            let ended = train(&self.settings, &self.data, &self.prepared, folder, start, hooks)?;
            Ok((ended == Ended::Done).then_some(()))
        })
    }
}

/// `settings` in accord with the images where nobody wrote them by hand, told.
///
/// # Errors
/// Images that cannot be read.
pub fn fitted(settings: &Settings, data: &DataSet) -> Outcome<Settings> {
    let mut settings = settings.clone();
    for told in settings.fit(data)? {
        tracing::warn!("{told}");
    }
    Ok(settings)
}

/// Creates a run's folder for the images of `data`, opened from `source`, with checkpoints of so many bytes.
///
/// # Errors
/// A folder that is taken or cannot be written, or whose disk has no room for the checkpoints.
pub fn create_folder(
    path: &Path,
    overwrite: bool,
    config: &str,
    data: &DataSet,
    source: &str,
    checkpoint: u64,
) -> Outcome<RunFolder> {
    let free = std::path::absolute(path).ok().and_then(|path| free_space(&path));
    room_for(checkpoint, free, path)?;
    let data = json!({ "path": source, "sha256": data.fingerprint });
    let commit = Some(crate::COMMIT).filter(|commit| *commit != "unknown");
    let threads = rayon::current_num_threads();
    let environment = Environment { version: crate::VERSION, commit, threads, data }.describe();
    let command: Vec<String> = std::env::args().collect();
    let overwrite = if overwrite { Overwrite::Run } else { Overwrite::Never };
    Ok(RunFolder::create(path, overwrite, &Start { config, command: &command, environment })?)
}

/// Watches over trainings: signals, bars, logs, and the status of their folders.
pub struct Watch<'a> {
    interrupt: Interrupt,
    terminal: &'a Terminal,
}

/// How a training is told of.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// What the bar is called.
    pub label: &'a str,
    /// Epochs in all.
    pub epochs: usize,
    /// The verb that goes on with it.
    pub verb: &'a str,
}

impl<'a> Watch<'a> {
    /// Starts to listen for signals.
    ///
    /// # Errors
    /// When the system refuses the handlers.
    pub fn new(terminal: &'a Terminal) -> Outcome<Watch<'a>> {
        let interrupt = Interrupt::install().map_err(|error| Failure::new(Exit::Environment, error))?;
        Ok(Watch { interrupt, terminal })
    }

    /// Fails if a signal has asked to stop.
    ///
    /// # Errors
    /// With the exit code of the signal.
    pub fn go_on(&self) -> Outcome {
        match self.interrupt.requested() {
            Some(signal) => Err(Failure::message(signal.exit(), "stopped; everything so far is saved")),
            None => Ok(()),
        }
    }

    /// Does the training `work` in `folder`, which returns nothing if it was interrupted.
    ///
    /// # Errors
    /// A run that fails, or is stopped by a signal after everything was saved.
    pub fn over<T>(
        &self,
        folder: &mut RunFolder,
        told: Told<'_>,
        work: impl FnOnce(&mut RunFolder, Hooks<'_>) -> Result<Option<T>, SslError>,
    ) -> Outcome<T> {
        self.terminal.log_to(folder.log_file()?);
        if let Some(warning) = folder.warning() {
            tracing::warn!("{warning}");
        }
        let ended = self.drive(folder, told, work);
        match &ended {
            Ok(Some(_)) => folder.set_status(State::Done, "")?,
            Ok(None) => folder.set_status(State::Interrupted, "stopped by a signal")?,
            // A full disk may refuse the status too; the error that matters is the run's.
            Err(error) => drop(folder.set_status(State::Failed, &error.to_string())),
        }
        let place = folder.path().display().to_string();
        let stopped = || {
            let signal = self.interrupt.requested().map_or(Exit::Interrupted, Signal::exit);
            let failure = Failure::message(signal, "stopped; everything so far is saved").at(&place);
            failure.hint(format!("go on with `twinlens {} --resume {place}`", told.verb))
        };
        ended?.ok_or_else(stopped)
    }

    fn drive<T>(
        &self,
        folder: &mut RunFolder,
        told: Told<'_>,
        work: impl FnOnce(&mut RunFolder, Hooks<'_>) -> Result<Option<T>, SslError>,
    ) -> Result<Option<T>, SslError> {
        let bar = self.terminal.progress(told.label, 0);
        let mut total = 0;
        let mut latest = String::new();
        let mut progress = |progress: Progress<'_>| match progress {
            Progress::Start { total_steps, step } => {
                total = total_steps as u64;
                bar.set_of(step as u64, total, "");
            }
            Progress::Step { epoch, step, loss } => {
                let epochs = told.epochs;
                let loss = loss.map_or_else(String::new, |loss| format!(" loss {loss:.3}"));
                bar.set_of(step as u64, total, &format!("epoch {epoch}/{epochs}{loss}{latest}"));
            }
            Progress::Row(row) => {
                latest = in_short(row);
                for (key, what) in LOOKS {
                    if let Some(accuracy) = row.get(key).and_then(Value::as_f64) {
                        tracing::info!("epoch {}: {what} {accuracy:.4} on validation images", row["epoch"]);
                    }
                }
                // The row is in the log; a reader of stdout that went away must not end the training.
                drop(self.terminal.event("metrics", row));
            }
            Progress::Warning(warning) => tracing::warn!("{warning}"),
        };
        let asked = || match (self.interrupt.requested(), self.interrupt.take_save_request()) {
            (Some(_), _) => Asked::Stop,
            (None, true) => Asked::Save,
            (None, false) => Asked::Continue,
        };
        work(folder, Hooks { asked: &asked, progress: &mut progress })
    }
}

/// What is found on validation images, and its name for people.
const LOOKS: [(&str, &str); 2] = [("knn_accuracy", "kNN accuracy"), ("val_accuracy", "accuracy")];

/// About the size of a checkpoint: weights and two moments, four bytes each.
pub fn checkpoint_bytes(learner: &Learner) -> u64 {
    learner.weights().parameter_count() as u64 * 12
}

/// Whether a disk with `free` bytes, if that is known, has room for the checkpoints of a run: the last, the best, one of
/// an epoch, and the next while it is written.
fn room_for(checkpoint: u64, free: Option<u64>, path: &Path) -> Outcome {
    let needed = 4 * checkpoint;
    match free {
        Some(free) if free < needed => {
            let message = format!(
                "the checkpoints need about {}, but {} are free on the disk of {}",
                bytes(needed),
                bytes(free),
                path.display()
            );
            Err(Failure::message(Exit::Environment, message)
                .hint("free some space, or name another disk with --out"))
        }
        _ => Ok(()),
    }
}

/// Bytes of memory that this process holds, where the system tells.
pub fn memory_held() -> Option<u64> {
    let (mut system, this) = (System::new(), sysinfo::get_current_pid().ok()?);
    let memory = ProcessRefreshKind::nothing().with_memory();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[this]), false, memory);
    Some(system.process(this)?.memory())
}

/// The numbers of a row that tell most, and the memory held, for a bar.
fn in_short(row: &Row) -> String {
    let keys = [("images_per_second", "images/s"), ("effective_rank", "rank"), ("data_wait_share", "wait")];
    let number = |(key, name): (&str, &str)| Some(format!(", {name} {:.2}", row.get(key)?.as_f64()?));
    let memory = memory_held().map(|held| format!(", memory {}", bytes(held)));
    keys.into_iter().filter_map(number).chain(memory).collect()
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
    if name.is_empty() {
        let hint = "add --data PATH; `twinlens data list` lists public data sets";
        return Err(Failure::message(Exit::Usage, "no data set is named").hint(hint));
    }
    let bar = terminal.progress("reading images", 0);
    let options = OpenOptions {
        settings: options.clone(),
        cache_dir: data_folder(),
        progress: Some(&|done, total| bar.set_of(done as u64, total as u64, "")),
        ..OpenOptions::default()
    };
    let data = match name {
        BUNDLED => {
            let class_names = catalogue::find("bloodmnist").map(|edition| edition.set.class_names.clone());
            open_bytes("blood_cells_28.npz", BLOOD_CELLS, &OpenOptions { class_names, ..options })?
        }
        name => {
            let (path, class_names) = locate(name)?;
            open(&path, &OpenOptions { class_names, ..options })?
        }
    };
    tell_skipped(&data);
    for notice in &data.notices {
        tracing::warn!("{}: {notice}", data.name);
    }
    if data.range.origin != RangeOrigin::Type {
        tracing::info!("{}: black and white are {}", data.name, range_in_words(&data.range));
    }
    Ok(data)
}

/// Warns of images that could not be read.
pub fn tell_skipped(data: &DataSet) {
    if data.skipped.count > 0 {
        let first: Vec<String> =
            data.skipped.first.iter().map(|bad| format!("{} ({})", bad.path, bad.reason)).collect();
        tracing::warn!(
            "{} images could not be read and were left out: {}",
            data.skipped.count,
            first.join("; ")
        );
    }
}

/// Where a run keeps its encoder.
pub fn encoder_file(run: &Path) -> PathBuf {
    run.join(names::ENCODER).join("encoder.safetensors")
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
        let hint = error.hint();
        Failure::new(exit, error).advised(hint)
    }
}

impl From<LabError> for Failure {
    fn from(error: LabError) -> Failure {
        let hint = error.hint();
        let failure = match error {
            LabError::Data(error) => Failure::from(error),
            LabError::Eval(error) => Failure::from(error),
            LabError::Nn(error) => Failure::from(error),
            LabError::Run(error) => Failure::from(error),
            LabError::Ssl(error) => Failure::from(error),
            LabError::ViewsOfPixels => Failure::new(Exit::Usage, error),
            error => Failure::new(Exit::Data, error),
        };
        failure.advised(hint)
    }
}

impl From<twinlens_nn::NnError> for Failure {
    fn from(error: twinlens_nn::NnError) -> Failure {
        let exit = match error {
            twinlens_nn::NnError::Device { .. } => Exit::Environment,
            twinlens_nn::NnError::Unknown { .. } => Exit::Usage,
            _ => Exit::Data,
        };
        let hint = error.hint();
        Failure::new(exit, error).advised(hint)
    }
}

impl From<twinlens_eval::EvalError> for Failure {
    fn from(error: twinlens_eval::EvalError) -> Failure {
        use twinlens_eval::EvalError;
        let exit = match error {
            EvalError::NeighbourCount { .. } | EvalError::ClusterCount { .. } | EvalError::Setting { .. } => {
                Exit::Usage
            }
            EvalError::NotFinite { .. } | EvalError::Numeric { .. } => Exit::Failed,
            _ => Exit::Data,
        };
        Failure::new(exit, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_without_room_is_told_before_anything_is_written() {
        let failure = room_for(1 << 30, Some(3 << 30), Path::new("runs/a")).unwrap_err();
        assert_eq!(failure.exit(), Exit::Environment);
        let told = format!("{failure:?}");
        assert!(["4.0 GiB", "3.0 GiB", "runs/a"].iter().all(|word| told.contains(word)), "{told}");
        assert!(room_for(1 << 30, Some(4 << 30), Path::new("runs/a")).is_ok());
        assert!(room_for(1 << 30, None, Path::new("runs/a")).is_ok());
    }

    #[test]
    fn the_bar_tells_the_memory_held() {
        assert!(memory_held().is_none_or(|held| held > 1 << 20));
        let row = Row::from_iter([("images_per_second".to_owned(), json!(3.0))]);
        let text = in_short(&row);
        assert!(text.starts_with(", images/s 3.00, memory "), "{text}");
    }
}
