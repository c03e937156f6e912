//! What a training would be, take and leave, told before it is made.

use std::time::Duration;

use indicatif::HumanDuration;
use serde_json::{Value, json};
use twinlens_lab::jobs::{Finetuning, Plan, Pretraining, TrainingJob};
use twinlens_lab::study::Study;
use twinlens_run::names;

use super::bytes;
use crate::exit::Outcome;
use crate::terminal::Terminal;

/// A line of the table: what, and how much.
type Line = (&'static str, String);

/// Tells of a pre-training.
///
/// # Errors
/// A device or images that cannot be used.
pub fn pretraining(job: &Pretraining, terminal: &Terminal) -> Outcome {
    let plan = job.plan()?;
    let (images, context) = (job.prepared.train.len(), &job.prepared.context);
    let step = plan.stages.first().map_or(0.0, |stage| stage.seconds_per_step);
    let (need, held) = (job.memory_need(), job.data.bytes_in_memory);
    let document = json!({
        "images": images,
        "parts": job.data.parts,
        "size": context.size,
        "channels": context.channels,
        "mean": context.mean,
        "std": context.std,
        "seconds_per_step": step,
        "weights_and_optimiser_bytes": plan.learning_bytes(),
        "memory_bytes": plan.memory_bytes,
        "memory_needed": need,
        "images_in_memory_bytes": job.data.bytes_in_memory,
        "settings": job.settings,
    });
    let parts = job.data.parts.iter().map(|part| ("of the joined set", part.to_string()));
    let before: Vec<Line> = std::iter::once(("training images", images.to_string()))
        .chain(parts)
        .chain([("view", format!("{0} x {0} x {1}", context.size, context.channels))])
        .collect();
    let after = [
        ("time", format!("{}, at {step:.2} s a step", duration(plan.seconds()))),
        ("weights, gradients, optimiser", bytes(plan.learning_bytes())),
        ("images held in memory", if held == 0 { "none".to_owned() } else { bytes(held) }),
        ("memory needed beside them, estimated", bytes(need.total())),
        ("memory after two steps", plan.memory_bytes.map_or("not known".to_owned(), bytes)),
        ("a checkpoint", bytes(plan.checkpoint_bytes)),
        ("files", names::ALL.join(" ")),
    ];
    tell(&plan, document, (&before, &after), terminal)
}

/// Tells of a fine-tuning.
///
/// # Errors
/// As [`pretraining`].
pub fn finetuning(job: &Finetuning, terminal: &Terminal) -> Outcome {
    let plan = job.plan()?;
    finetunings(job, (&plan, plan.seconds(), 1), terminal)
}

/// Tells of a study: of its largest training, and of the time that all of them take.
///
/// # Errors
/// As [`pretraining`].
pub fn study(study: &Study, terminal: &Terminal) -> Outcome {
    let largest = study.largest_trainings();
    let plans = largest.iter().map(|(job, _)| Ok(job.plan()?)).collect::<Outcome<Vec<Plan>>>()?;
    let seconds = plans.iter().zip(&largest).map(|(plan, (_, times))| plan.seconds() * times).sum();
    match (largest.first(), plans.first()) {
        (Some((job, _)), Some(plan)) => finetunings(job, (plan, seconds, study.trainings()), terminal),
        _ => terminal.result(&json!({ "trainings": 0 }), || "nothing is trained: probes only\n".to_owned()),
    }
}

/// Tells of the largest of so many trainings, which take so many seconds together.
fn finetunings(
    job: &Finetuning,
    (plan, all, trainings): (&Plan, f64, usize),
    terminal: &Terminal,
) -> Outcome {
    let (settings, images) = (&job.settings, &job.images);
    let labels = images.train.len();
    let [val, test] =
        [&images.val, &images.test].map(|held_out| held_out.as_ref().map(|held_out| held_out.len()));
    let seconds_per_step: Vec<f64> = plan.stages.iter().map(|stage| stage.seconds_per_step).collect();
    let trained: Vec<usize> = plan.stages.iter().map(|stage| stage.trained).collect();
    let document = json!({
        "trainings": trainings,
        "seconds_of_all": all,
        "labels": labels,
        "val": val,
        "test": test,
        "classes": images.classes,
        "size": images.context.size,
        "batch": images.batch(settings.batch),
        "seconds_per_step": seconds_per_step,
        "trained": trained,
        "settings": settings,
    });
    let before = [
        ("labels", labels.to_string()),
        ("images", format!("{} validation, {} test", val.unwrap_or(0), test.unwrap_or(0))),
    ];
    let trained = trained.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
    let mut after = vec![
        ("learning, by stage", trained),
        ("time, without the looks at validation images", duration(plan.seconds())),
    ];
    if trainings > 1 {
        after.push(("trainings, of which this is the largest", trainings.to_string()));
        after.push(("time of all trainings", duration(all)));
    }
    tell(plan, document, (&before, &after), terminal)
}

fn duration(seconds: f64) -> String {
    format!("about {}", HumanDuration(Duration::from_secs_f64(seconds)))
}

/// Tells what plans of every kind say, with a kind's own `document` and lines.
fn tell(
    plan: &Plan,
    mut document: Value,
    (before, after): (&[Line], &[Line]),
    terminal: &Terminal,
) -> Outcome {
    document["steps_per_epoch"] = json!(plan.steps_per_epoch);
    document["steps"] = json!(plan.steps());
    document["seconds"] = json!(plan.seconds());
    document["parameters"] = json!(plan.parameters);
    document["checkpoint_bytes"] = json!(plan.checkpoint_bytes);
    document["files"] = json!(names::ALL);
    terminal.result(&document, || {
        let steps = format!("{} an epoch, {} in all", plan.steps_per_epoch, plan.steps());
        let common = [("steps", steps), ("parameters", plan.parameters.to_string())];
        let rows = before.iter().chain(&common).chain(after);
        let rows: Vec<_> = rows.map(|(what, value)| vec![(*what).to_owned(), value.clone()]).collect();
        terminal.table(&["plan", ""], &rows)
    })
}
