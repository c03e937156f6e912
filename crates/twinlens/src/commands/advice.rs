//! Which training fits a person's images and this machine: the command to begin with, and how long it takes.

use std::path::Path;
use std::time::Duration;

use indicatif::HumanDuration;
use serde_json::{Value, json};
use twinlens_config::Request;
use twinlens_data::{DataSet, available_memory, median_shorter_side};
use twinlens_lab::assessment::NextStep;
use twinlens_lab::jobs::{JobError, Plan, Pretraining, TrainingJob};
use twinlens_lab::{Lab, LabError};
use twinlens_run::command_line;
use twinlens_ssl::{Settings, SslError, recipes};

use super::reading::ReadingArgs;
use super::spec::resolve;
use super::{bytes, next};
use crate::exit::Outcome;

/// A first look: for a training that takes longer, smaller views are proposed.
const LONG: f64 = 3600.0;
/// The side of those.
const SMALL: usize = 64;
/// What goes on over night: for a training that takes longer still, fewer epochs are proposed.
const LONGEST: f64 = 8.0 * 3600.0;
/// The fewest epochs that are proposed.
const LEAST_EPOCHS: usize = 5;
/// The smallest batch that is proposed.
const LEAST_BATCH: usize = 8;
/// The fewest steps of an epoch, where the images are few.
const LEAST_STEPS: usize = 4;

/// The settings of the training that is proposed.
struct Proposal<'a> {
    /// The data set as it was named.
    name: &'a str,
    preset: &'static str,
    /// Settings beside those of the preset, as `key=value`.
    changes: Vec<String>,
    /// Why these.
    reasons: Vec<String>,
}

impl Proposal<'_> {
    fn settings(&self) -> Outcome<Settings> {
        let (preset, sets) = (Some(self.preset.to_owned()), self.changes.clone());
        let mut settings = resolve(&Request { preset, sets, ..Request::default() })?.settings;
        self.name.clone_into(&mut settings.data);
        Ok(settings)
    }

    /// Of few images, a batch that several of which make an epoch.
    fn fit_batch(&mut self, images: usize) -> Outcome {
        let usual = self.settings()?.batch;
        let mut batch = usual;
        while batch > LEAST_BATCH && batch * LEAST_STEPS > images {
            batch /= 2;
        }
        batch = batch.min(images.max(2));
        if batch < usual {
            self.change(format!("batch={batch}"), &format!("there are {images} training images"));
        }
        Ok(())
    }

    /// The training, with settings that make it fit the memory that is there.
    fn fit_memory(&mut self, data: &DataSet, lab: &Lab<'_>) -> Outcome<Pretraining> {
        match Pretraining::with_data(self.settings()?, data.clone(), lab) {
            Err(LabError::Job(JobError::NoMemory { available, fitting, .. })) if !fitting.is_empty() => {
                let reason = format!("{} of memory are free", bytes(available));
                self.change(fitting[0].clone(), &reason);
                Ok(Pretraining::with_data(self.settings()?, data.clone(), lab)?)
            }
            prepared => Ok(prepared?),
        }
    }

    /// The training with views so small that it is done soon, and what it takes.
    fn fit_size(&mut self, data: &DataSet, lab: &Lab<'_>) -> Outcome<(Pretraining, Plan)> {
        let job = self.fit_memory(data, lab)?;
        let plan = job.plan()?;
        let size = job.prepared.context.size;
        if plan.seconds() <= LONG || size <= SMALL {
            return Ok((job, plan));
        }
        let usual = HumanDuration(Duration::from_secs_f64(plan.seconds()));
        self.change(format!("size={SMALL}"), &format!("views of {size} pixels would take {usual} here"));
        let job = self.fit_memory(data, lab)?;
        let plan = job.plan()?;
        Ok((job, plan))
    }

    /// How many epochs of so many seconds there are to be: those of the preset, or what can be done over night.
    fn fit_time(&mut self, epochs: usize, seconds: f64) -> usize {
        let possible = ((LONGEST / seconds) as usize).max(LEAST_EPOCHS);
        if possible >= epochs {
            return epochs;
        }
        let usual = Duration::from_secs_f64(epochs as f64 * seconds);
        let reason = format!("the preset's {epochs} epochs would take {} here", HumanDuration(usual));
        self.change(format!("epochs={possible}"), &reason);
        possible
    }

    fn change(&mut self, change: String, reason: &str) {
        self.reasons.push(format!("{change}: {reason}"));
        self.changes.push(change);
    }
}

/// The advice for the images called `name`, as a document: `command`, what it would take, and what to do `next`.
///
/// # Errors
/// Data that cannot be read, or that nothing can be learned from on this machine.
pub fn advice(name: &str, reading: &ReadingArgs, lab: &Lab<'_>) -> Outcome<Value> {
    let changes = reading.flags().iter().map(|flag| format!("{}={}", flag.key, flag.value)).collect();
    let mut proposal = Proposal { name, preset: "small-images", changes, reasons: Vec::new() };
    let data = lab.open(name, &proposal.settings()?.data_options)?;
    let train = data.splits.train.clone();
    let train = train.ok_or_else(|| SslError::NoTrainingImages { name: data.name.clone() })?;
    let (images, channels) = (train.len(), train.image(0)?.channels);
    let side = median_shorter_side(train.as_ref())?.0;
    let (preset, reason) = recipes::for_images(images, channels, side);
    proposal.preset = preset;
    proposal.reasons.push(format!("{preset}: {reason}"));
    proposal.fit_batch(images)?;
    let (job, plan) = proposal.fit_size(&data, lab)?;
    let step = plan.stages.first().map_or(0.0, |stage| stage.seconds_per_step);
    let epoch = step * plan.steps_per_epoch as f64;
    let epochs = proposal.fit_time(job.settings.epochs, epoch);
    let out = free_folder(name);
    let words =
        ["twinlens", "pretrain", "--data", name, "--preset", preset, "--out", &out].map(str::to_owned);
    let words = [&words[..], &proposal.changes].concat();
    Ok(json!({
        "command": command_line(&words),
        "data": name,
        "images": images,
        "channels": channels,
        "median_shorter_side": side,
        "classes": data.classes.len(),
        "preset": preset,
        "reasons": proposal.reasons,
        "epochs": epochs,
        "batch": job.settings.batch,
        "size": job.prepared.context.size,
        "steps_per_epoch": plan.steps_per_epoch,
        "seconds_per_step": step,
        "seconds": epoch * epochs as f64,
        "memory_needed_bytes": job.memory_need().total() + data.bytes_in_memory,
        "memory_available_bytes": available_memory(),
        "next": afterwards(&data, &out),
    }))
}

/// What to type when it is done.
fn afterwards(data: &DataSet, out: &str) -> Vec<String> {
    let command = |step| next::command(step, Path::new(out));
    let first = match data.check_for_evaluation() {
        _ if data.has_tags() => command(NextStep::Probe) + " --classifier svm",
        Ok(()) => command(NextStep::Neighbours),
        Err(_) => command(NextStep::Clusters),
    };
    vec![first, command(NextStep::Map)]
}

/// A folder for the run that is not there yet, called after the data.
fn free_folder(name: &str) -> String {
    let stem = Path::new(name).file_stem().map_or("images".into(), |stem| stem.to_string_lossy());
    let numbered = (2..1000).map(|number| format!("runs/{stem}-{number}"));
    let mut names = std::iter::once(format!("runs/{stem}")).chain(numbered);
    names.find(|name| !Path::new(name).exists()).unwrap_or_else(|| "auto".to_owned())
}

/// The advice in sentences.
pub fn in_words(advice: &Value) -> String {
    let number = |key: &str| advice[key].as_u64().unwrap_or_default();
    let text = |key: &str| advice[key].as_str().unwrap_or_default().to_owned();
    let list = |key: &str| -> Vec<&str> {
        advice[key].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
    };
    let seconds = |key: &str| advice[key].as_f64().unwrap_or_default();
    let classes = match number("classes") {
        0 | 1 => "without classes".to_owned(),
        classes => format!("of {classes} classes"),
    };
    let duration = HumanDuration(Duration::from_secs_f64(seconds("seconds")));
    let mut told = format!(
        "{}: {} training images {classes}, {} channel(s), {} pixels (median of the shorter sides)\n\n  {}\n\n",
        text("data"),
        number("images"),
        number("channels"),
        number("median_shorter_side"),
        text("command"),
    );
    for reason in list("reasons") {
        told += &format!("why     {reason}\n");
    }
    told += &format!(
        "time    about {duration} here: {} epochs of {} steps of {:.2} s, and the looks at held-out images\n",
        number("epochs"),
        number("steps_per_epoch"),
        seconds("seconds_per_step"),
    );
    told += &format!(
        "memory  about {}, {} are free\n",
        bytes(number("memory_needed_bytes")),
        bytes(number("memory_available_bytes")),
    );
    for line in list("next") {
        told += &format!("then    {line}\n");
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_images_get_small_batches_and_long_trainings_fewer_epochs() {
        let (changes, reasons) = (Vec::new(), Vec::new());
        let mut proposal = Proposal { name: "photos", preset: "small-images", changes, reasons };
        proposal.fit_batch(5000).unwrap();
        assert_eq!(proposal.fit_time(20, 60.0), 20);
        assert_eq!(proposal.changes, [""; 0]);
        proposal.fit_batch(40).unwrap();
        assert_eq!((proposal.fit_time(20, 3600.0), proposal.fit_time(20, 36000.0)), (8, 5));
        assert_eq!(proposal.changes, ["batch=8", "epochs=8", "epochs=5"]);
        assert!(
            proposal.reasons[1].contains("the preset's 20 epochs would take 20 hours here"),
            "{:?}",
            proposal.reasons
        );
        proposal.fit_batch(3).unwrap();
        assert_eq!(proposal.changes[3], "batch=3");
    }

    #[test]
    fn the_folder_is_called_after_the_data_and_is_free() {
        assert_eq!(free_folder("photos/"), "runs/photos");
        assert_eq!(free_folder("data/blood.npz"), "runs/blood");
    }
}
