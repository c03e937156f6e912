//! `pretrain`: learn an encoder without labels.

use std::path::{Path, PathBuf};

use clap::ValueHint;
use serde_json::{Value, json};
use twinlens_lab::assessment::judge_ended;
use twinlens_lab::jobs::{
    PRETRAINING, Pretrained, Pretraining, TrainingJob, free_space, resolve_precision, room_for, shortened,
};
use twinlens_lab::{Lab, LabError, encoder_file};
use twinlens_run::{RunError, RunFolder, RunRecord, RunState, names};
use twinlens_ssl::{Settings, recipes};

use super::settings::SettingsArgs;
use super::spec::{recipe_of, resolve, resumed, spec};
use super::training::{Signals, lab, prepare, smoke_passed};
use super::{next, plan, report};
use crate::exit::{Exit, Failure, Outcome};
use crate::invocation::Invocation;
use crate::terminal::Terminal;

/// Arguments of `pretrain`.
#[derive(Clone, Debug, clap::Args)]
#[command(before_help = "\
Examples:
  twinlens pretrain --data blood.npz --method barlow-twins --encoder resnet18 --out runs/a
  twinlens pretrain --data axial.npz --join coronal.npz --join sagittal.npz --out runs/organs
  twinlens pretrain --data photos/ --preset photographs --out runs/b epochs=50
  twinlens pretrain --resume runs/a")]
pub struct PretrainArgs {
    /// What decides the result.
    #[command(flatten)]
    pub settings: SettingsArgs,
    /// Where to write
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath, required_unless_present_any = ["resume", "dry_run", "smoke"])]
    pub out: Option<PathBuf>,
    /// Go on with the interrupted run in this folder
    #[arg(long, value_name = "RUN", value_hint = ValueHint::DirPath, conflicts_with_all = ["out", "overwrite", "init_from"])]
    pub resume: Option<PathBuf>,
    /// Start the run, or go on with it where it was begun before: one command for a job that may be started again
    #[arg(long, conflicts_with_all = ["resume", "overwrite", "dry_run", "smoke"])]
    pub resume_or_start: bool,
    /// Replace what an earlier run wrote there
    #[arg(long)]
    pub overwrite: bool,
    /// Start from the encoder in this file, in a new run
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub init_from: Option<PathBuf>,
    /// Make two steps, tell what the run would be, take and leave, and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do two steps of every phase, to see that all works; nothing is kept
    #[arg(long, conflicts_with_all = ["dry_run", "resume"])]
    pub smoke: bool,
}

/// Runs `pretrain`.
///
/// # Errors
/// Settings, data, a device or a folder that cannot be used; a run that fails or is stopped.
pub fn run(args: &PretrainArgs, invocation: &Invocation, terminal: &Terminal) -> Outcome {
    let lab = lab(invocation, terminal);
    if let Some(folder) = &args.resume {
        return resume(args, folder, &lab, terminal);
    }
    let request = args.settings.request();
    let resolved = resolve(&request)?;
    let usual = recipes::default_for(resolved.settings.method.name());
    let recipe = recipe_of(&request, &resolved, &usual, recipes::RECIPES);
    let mut settings = resolved.settings;
    settings.precision = resolve_precision(settings.precision, terminal);
    if args.smoke {
        return smoke(settings, &lab, terminal);
    }
    if let Some(out) = args.out.as_ref().filter(|out| out.as_os_str() != "auto")
        && !(args.overwrite || args.resume_or_start || args.dry_run)
    {
        // Told before images are read.
        RunFolder::check_unused(out)?;
    }
    let run = prepare(settings, &lab)?.following(recipe);
    let run = match &args.init_from {
        Some(encoder) => run.beginning_with(encoder)?,
        None => run,
    };
    let out = match &args.out {
        out if args.dry_run => {
            if let Some(out) = out.as_deref().and_then(|out| std::path::absolute(out).ok()) {
                room_for(run.checkpoint_bytes()?, free_space(&out), &out)?;
            }
            return plan::pretraining(&run, terminal);
        }
        Some(out) if out.as_os_str() == "auto" => free_name(&run.settings),
        Some(out) => out.clone(),
        None => return Err(Failure::message(Exit::Usage, "no folder for the run").hint("add --out DIR")),
    };
    if args.resume_or_start {
        return go(&run, &out, &lab, terminal, |lab| Ok(run.take_up(&out, PRETRAINING, lab)?));
    }
    let folder = run.create(&out, args.overwrite, &lab)?;
    go(&run, &out, &lab, terminal, |lab| begin(&run, folder, lab))
}

/// A run's folder, unless all was done before, and what was learned there.
type Learned = Result<(Option<RunFolder>, Pretrained), Box<LabError>>;

fn begin(run: &Pretraining, mut folder: RunFolder, lab: &Lab<'_>) -> Learned {
    let learned = run.begin(&mut folder, PRETRAINING, lab)?;
    Ok((Some(folder), learned))
}

/// Trains to the end as `learn` does, judges, draws the report, and tells what came out.
fn go(
    run: &Pretraining,
    path: &Path,
    lab: &Lab<'_>,
    terminal: &Terminal,
    learn: impl FnOnce(&Lab<'_>) -> Learned,
) -> Outcome {
    let signals = Signals::listen()?;
    let ended = learn(&signals.heard_in(lab)).map_err(|error| *error);
    let (folder, learned) = signals.ended(ended, ("pretrain", path))?;
    match folder {
        Some(folder) => conclude(run, &folder, lab)?,
        None => tracing::info!("{} is done already", path.display()),
    }
    tell_result(&run.settings, &learned, terminal)
}

/// Judges what was learned, and draws the report.
fn conclude(run: &Pretraining, folder: &RunFolder, lab: &Lab<'_>) -> Outcome {
    if let Err(error) = judge_ended(run, folder, lab) {
        // The encoder is there, and can be judged by a command of its own.
        lab.events.warn(&format!("what was learned could not be judged: {error}"));
    }
    report::write(folder, &run.data, &run.settings(), lab)?;
    Ok(())
}

fn resume(args: &PretrainArgs, path: &Path, lab: &Lab<'_>, terminal: &Terminal) -> Outcome {
    let mut folder = RunFolder::open(path)?;
    let may = (&Pretraining::MAY_CHANGE[..], "start a new run, perhaps with --init-from");
    let settings = resumed(path, args.settings.request(), &spec(), may)?;
    let record = RunRecord::read(path)?;
    let before = record.latest().get("epoch").and_then(Value::as_u64);
    let newest = folder.newest_checkpoint();
    if record.status.state == RunState::Done && before >= Some(settings.epochs as u64) {
        let more = settings.epochs * 2;
        tracing::info!(
            "{} is done already; `twinlens pretrain --resume {0} epochs={more}` goes on for more epochs",
            path.display()
        );
        // Damage is told, though nothing needs what is damaged now.
        newest.iter().flat_map(|newest| &newest.warnings).for_each(|warning| lab.events.warn(warning));
        let learned = Pretrained { folder: record.path, metrics: record.metrics };
        return tell_result(&settings, &learned, terminal);
    }
    // Before the status says that it runs: a run that is done stays so.
    newest.map_err(|error| without_checkpoints(error, &record))?;
    let run = prepare(settings, lab)?;
    if args.dry_run {
        return plan::pretraining(&run, terminal);
    }
    folder.write_config(&run.settings().config()?)?;
    folder.set_status(RunState::Running, "")?;
    go(&run, path, lab, terminal, |lab| {
        let learned = run.resume(&mut folder, PRETRAINING, lab)?;
        Ok((Some(folder), learned))
    })
}

/// Why a run cannot go on. One that is done and was cleaned needs no more than its encoder.
fn without_checkpoints(error: RunError, record: &RunRecord) -> Failure {
    let done = record.status.state == RunState::Done;
    let failure = Failure::from(error);
    if !done {
        return failure;
    }
    let path = record.path.display();
    failure.hint(format!(
        "the run is done, and its checkpoints were removed; `twinlens pretrain --init-from {path}` begins a new run with its encoder"
    ))
}

/// Two steps of everything, in a folder that is removed afterwards.
fn smoke(settings: Settings, lab: &Lab<'_>, terminal: &Terminal) -> Outcome {
    let place = tempfile::tempdir().map_err(|error| Failure::new(Exit::Environment, error))?;
    let run = prepare(shortened(settings), lab)?;
    let path = place.path().join("smoke");
    let folder = run.create(&path, false, lab)?;
    go(&run, &path, lab, &Terminal::silent(), |lab| begin(&run, folder, lab))?;
    smoke_passed(terminal)
}

/// `runs/METHOD-N`, the first that does not exist.
fn free_name(settings: &Settings) -> PathBuf {
    let name = |number: u32| PathBuf::from(format!("runs/{}-{number}", settings.method.name()));
    (1..).map(name).find(|path| !path.exists()).unwrap_or_else(|| name(0))
}

fn tell_result(settings: &Settings, learned: &Pretrained, terminal: &Terminal) -> Outcome {
    let Pretrained { folder: path, metrics } = learned;
    let last = |key: &str| metrics.iter().rev().find_map(|row| row.get(key)).cloned().unwrap_or(Value::Null);
    let (assessment, commands) = next::of_run(path)?;
    let document = json!({
        "run": path,
        "encoder": encoder_file(path),
        "report": path.join(names::REPORT),
        "method": settings.method.name(),
        "seed": settings.seed,
        "steps": last("step"),
        "loss": last("loss"),
        "knn_accuracy": last("knn_accuracy"),
        "summary": assessment.summary(),
        "learned": assessment.learned,
        "next": commands,
    });
    terminal.result(&document, || {
        let text = |key: &str| match &document[key] {
            Value::String(text) => text.clone(),
            Value::Null => "-".to_owned(),
            number => number.to_string(),
        };
        let rounded =
            |key: &str, shown: fn(f64) -> String| document[key].as_f64().map_or("-".to_owned(), shown);
        let rows = [
            ("run", text("run")),
            ("encoder", text("encoder")),
            ("report", text("report")),
            ("seed", text("seed")),
            ("steps", text("steps")),
            ("last loss", rounded("loss", |loss| format!("{loss:.4}"))),
            ("kNN accuracy, validation", rounded("knn_accuracy", |share| format!("{:.1} %", 100.0 * share))),
        ];
        let table =
            terminal.table(&["pre-trained", ""], &rows.map(|(name, value)| vec![name.to_owned(), value]));
        next::around(&table, &assessment, &commands)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::parse;

    #[test]
    fn the_line_that_scripts_use_is_read() {
        let line = "--data b.npz --method barlow-twins --encoder resnet18 --out runs/a --set epochs=2 --set batch=64 limit=9";
        let args: PretrainArgs = parse(line).unwrap();
        assert_eq!(args.out, Some(PathBuf::from("runs/a")));
        assert_eq!(args.settings.request().sets, ["epochs=2", "batch=64", "limit=9"]);
        assert_eq!(args.settings.method.as_deref(), Some("barlow-twins"));
    }

    #[test]
    fn a_run_needs_a_folder_and_resuming_has_one() {
        assert!(parse::<PretrainArgs>("--data b.npz").is_err());
        assert!(parse::<PretrainArgs>("--data b.npz --dry-run").is_ok());
        assert!(parse::<PretrainArgs>("--data b.npz --smoke").is_ok());
        assert!(parse::<PretrainArgs>("--resume runs/a").is_ok());
        for line in [
            "--resume a --out b",
            "--resume a --smoke",
            "--resume a --init-from e.safetensors",
            "--resume a --overwrite",
        ] {
            assert!(parse::<PretrainArgs>(line).is_err(), "{line}");
        }
    }
}
