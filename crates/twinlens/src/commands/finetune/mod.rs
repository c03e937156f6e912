//! `finetune`: an encoder with a head learns from labels; with several amounts of labels, seeds or rivals, a whole curve.

mod found;
mod job;
mod points;
mod processes;
mod rival;
mod study;
mod sweep;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::ValueHint;
use indicatif::HumanDuration;
use serde_json::json;
use twinlens_config::{Flag, Request};
use twinlens_data::DataSet;
use twinlens_eval::Verdict;
use twinlens_lab::{read_encoder, weights_sha256};
use twinlens_nn::weights::EncoderFile;
use twinlens_run::{RunFolder, names};
use twinlens_ssl::finetune::recipes::DEFAULT;
use twinlens_ssl::finetune::{FinetuneSettings, SCRATCH};

use super::judge::table;
use super::labels::LabelsArgs;
use super::report;
use super::run_settings::RunSettings;
use super::settings::{CommonArgs, device};
use super::spec::{finetune_spec, refuse_changes, resolve_finetune};
use super::training::{Watch, decided, encoder_file, open_named};
use crate::exit::{Exit, Failure, Outcome};
use crate::terminal::Terminal;
pub use found::Found;
use job::Job;
pub use points::{Point, label_curves};
use processes::Part;
use rival::Rival;
use study::Study;
use sweep::Sweep;
pub use sweep::{PLAN, in_names};

/// Arguments of `finetune`.
#[derive(Clone, Debug, clap::Args)]
#[command(before_help = "\
Examples:
  twinlens finetune runs/a --data blood.npz --out runs/a-tuned
  twinlens finetune runs/a --data blood.npz --preset finetune/full --label-share 0.05 --out runs/few
  twinlens finetune runs/a --data blood.npz --label-share 0.01,0.1,1 --seeds 0,1,2 --rivals scratch,probe,pixels --out runs/curve
  twinlens finetune runs/a --data blood.npz --preset finetune/surgical --sweep-blocks --out runs/blocks
  twinlens finetune scratch --data blood.npz --seeds 0,1,2,3 --devices gpu:0,gpu:1 --out runs/scratch
  twinlens finetune --resume runs/curve")]
pub struct FinetuneArgs {
    /// A run's folder, or an encoder.safetensors with its encoder.json; `scratch` begins with random weights
    #[arg(value_name = "ENCODER", value_hint = ValueHint::AnyPath)]
    pub init: Option<String>,
    /// What decides the result.
    #[command(flatten)]
    pub common: CommonArgs,
    /// Which labels, how often.
    #[command(flatten)]
    pub labels: LabelsArgs,
    /// Compare with these: scratch, probe (the frozen encoder), untrained (its random twin, frozen), pixels, or encoders as
    /// FILE or NAME=FILE, fine-tuned alike
    #[arg(long, help_heading = "Study", value_name = "RIVAL,..", value_delimiter = ',', value_parser = Rival::parse)]
    pub rivals: Vec<Rival>,
    /// Let each block of the encoder learn by itself, in turn
    #[arg(long, help_heading = "Study", conflicts_with = "rivals")]
    pub sweep_blocks: bool,
    /// Make the trainings of a study on these devices at once, a process each, such as gpu:0,gpu:1 or cpu,cpu
    #[arg(long, help_heading = "Study", value_name = "WHERE,..", value_delimiter = ',', value_parser = device, conflicts_with_all = ["device", "overwrite", "smoke", "dry_run"])]
    pub devices: Vec<String>,
    /// The share of a study's trainings that this process makes
    #[arg(long, hide = true, value_name = "PART/OF", requires = "resume", conflicts_with = "devices")]
    pub part: Option<Part>,
    /// Where to write
    #[arg(long, help_heading = "Run", value_name = "PATH", value_hint = ValueHint::AnyPath, required_unless_present_any = ["resume", "dry_run", "smoke"])]
    pub out: Option<PathBuf>,
    /// Go on with the interrupted run in this folder
    #[arg(long, help_heading = "Run", value_name = "RUN", value_hint = ValueHint::DirPath, conflicts_with_all = ["out", "overwrite"])]
    pub resume: Option<PathBuf>,
    /// Replace what an earlier run wrote there
    #[arg(long, help_heading = "Run")]
    pub overwrite: bool,
    /// Make two steps, tell what the run would be, take and leave, and write nothing
    #[arg(long, help_heading = "Run")]
    pub dry_run: bool,
    /// Do two steps of every phase, to see that all works; nothing is kept
    #[arg(long, help_heading = "Run", conflicts_with_all = ["dry_run", "resume"])]
    pub smoke: bool,
}

/// Settings that may change when a fine-tuning goes on: where it computes and how closely it is watched.
const MAY_CHANGE: [&str; 6] = ["workers", "device", "deterministic", "log_every", "checkpoint.", "data"];

/// Runs `finetune`.
///
/// # Errors
/// Settings, an encoder, data, a device or a folder that cannot be used; a run that fails or is stopped.
pub fn run(args: &FinetuneArgs, terminal: &Terminal) -> Outcome {
    if let Some(folder) = &args.resume {
        return resume(args, folder, terminal);
    }
    let (settings, file) = args.settings()?;
    let data = open_named(&settings.data, &settings.data_options, terminal)?;
    let sweep = args.sweep(settings);
    if !args.smoke {
        return begin(args, sweep, file, &data, args.out.as_deref(), terminal);
    }
    // A short run of everything, in a folder that is removed afterwards.
    let images = data.splits.train.as_ref().map_or(0, |train| train.len());
    let place = tempfile::tempdir().map_err(|error| Failure::new(Exit::Environment, error))?;
    let sweep = sweep.shortened(data.classes.len(), images);
    let folder = place.path().join("smoke");
    begin(args, sweep, file, &data, Some(&folder), terminal)?;
    tracing::info!("a smoke test: {} is removed", folder.display());
    Ok(())
}

/// One training or a whole study, in the folder `out`.
fn begin(
    args: &FinetuneArgs,
    sweep: Sweep,
    file: Option<Arc<EncoderFile>>,
    data: &DataSet,
    out: Option<&Path>,
    terminal: &Terminal,
) -> Outcome {
    if sweep.is_one() {
        if !args.devices.is_empty() {
            let failure = Failure::message(Exit::Usage, "a single training has a single device");
            let hint = "name it with --device, or ask for several seeds, amounts of labels or rivals";
            return Err(failure.hint(hint));
        }
        let mut settings = sweep.settings;
        settings.take_images(data)?;
        let job = Job::new(settings, file, data)?;
        return match out {
            _ if args.dry_run => tell_plan(&job, 1, terminal),
            Some(out) => one(&job, data, out, args.overwrite, terminal),
            None => Err(no_folder()),
        };
    }
    let study = Study::prepare(sweep, file, data)?;
    match (out, study.first_job()) {
        (_, Some(job)) if args.dry_run => tell_plan(job, study.trainings(), terminal),
        (Some(out), _) if args.devices.is_empty() => study.run(out, args.overwrite, terminal),
        (Some(out), _) => study.run_on(&args.devices, out, terminal),
        (None, _) => Err(no_folder()),
    }
}

fn no_folder() -> Failure {
    Failure::message(Exit::Usage, "no folder for the run").hint("add --out DIR")
}

impl FinetuneArgs {
    /// The encoder's name and the overrides: a first word such as `optim.lr=0.3` is no encoder.
    fn words(&self) -> (Option<String>, Request) {
        let mut request = self.common.request();
        match &self.init {
            Some(word) if word.contains('=') && !Path::new(word).exists() => {
                request.sets.insert(0, word.clone());
                (None, request)
            }
            init => (init.clone(), request),
        }
    }

    /// The settings, with what the encoder's file says.
    fn settings(&self) -> Outcome<(FinetuneSettings, Option<Arc<EncoderFile>>)> {
        let (init, mut request) = self.words();
        request.preset.get_or_insert_with(|| DEFAULT.to_owned());
        if let Some(init) = init {
            request.flags.push(Flag { name: "ENCODER", key: "init", value: init.into() });
        }
        if let Some(choice) = self.labels.label_choice {
            let value = toml::Value::try_from(twinlens_data::LabelChoice::from(choice));
            let value = value.map_err(|error| Failure::new(Exit::Usage, error))?;
            request.flags.push(Flag { name: "--label-choice", key: "label_choice", value });
        }
        let resolved = resolve_finetune(&request)?;
        if resolved.origin("init") == "built-in" {
            let failure = Failure::message(Exit::Usage, "no encoder is named");
            return Err(
                failure.hint("name a run's folder or an encoder file, or `scratch` for random weights")
            );
        }
        let mut settings = resolved.settings.clone();
        settings.precision = decided(settings.precision);
        let file = read_init(&settings.init)?;
        if let Some(file) = &file {
            let stated = |key: &str| resolved.origin(key) != "built-in";
            let differs = [
                ("encoder.name", settings.encoder.name(), file.description.encoder.as_str()),
                ("encoder.stem", settings.encoder.stem().name(), file.description.stem.as_str()),
            ];
            if let Some((key, got, expected)) =
                differs.into_iter().find(|(key, got, expected)| stated(key) && got != expected)
            {
                let message = format!("{key} is {got}, but {} holds {expected}", settings.init);
                return Err(Failure::message(Exit::Usage, message).hint(format!("leave {key} out")));
            }
            take_file(&mut settings, file)?;
        } else if !self.sweep_blocks && settings.from_scratch() != settings {
            tracing::warn!("random weights are not worth freezing: everything learns in every stage");
            settings = settings.from_scratch();
        }
        Ok((settings, file.map(Arc::new)))
    }

    /// What is asked for, on top of `settings`.
    fn sweep(&self, settings: FinetuneSettings) -> Sweep {
        let mut amounts = self.labels.amounts();
        if amounts.is_empty() {
            amounts.push(settings.label_amount());
        }
        let seeds = self.labels.seeds(settings.seed);
        let (rivals, sweep_blocks) = (self.rivals.clone(), self.sweep_blocks);
        Sweep { settings, amounts, seeds, rivals, sweep_blocks }.settled()
    }
}

/// The encoder that `init` names; none for random weights.
fn read_init(init: &str) -> Outcome<Option<EncoderFile>> {
    if init == SCRATCH { Ok(None) } else { Ok(Some(read_encoder(Path::new(init))?)) }
}

/// Takes what a file says about its encoder, and which weights it has.
fn take_file(settings: &mut FinetuneSettings, file: &EncoderFile) -> Outcome {
    settings.take_encoder(&file.description)?;
    settings.init_sha256 = weights_sha256(file);
    Ok(())
}

/// One fine-tuning in a folder of its own.
fn one(job: &Job, data: &DataSet, out: &Path, overwrite: bool, terminal: &Terminal) -> Outcome {
    let mut folder = job.create(out, data, overwrite)?;
    let watch = Watch::new(terminal)?;
    let verdict = job.learn(&watch, &mut folder, job.start(), data, "fine-tuning")?;
    conclude(job, &folder, data, &verdict, terminal)
}

/// Writes the report and tells the verdict.
fn conclude(
    job: &Job,
    folder: &RunFolder,
    data: &DataSet,
    verdict: &Verdict,
    terminal: &Terminal,
) -> Outcome {
    let settings = RunSettings::Finetuning(Box::new(job.settings.clone()));
    let report = report::write(folder, data, settings, terminal)?;
    let out = folder.path();
    let document = json!({ "run": out, "encoder": encoder_file(out), "report": report, "verdict": verdict });
    terminal.result(&document, || {
        format!("{}\nThe report: {}\n", table(std::slice::from_ref(verdict), terminal), report.display())
    })
}

fn resume(args: &FinetuneArgs, path: &Path, terminal: &Terminal) -> Outcome {
    let plan = path.join(PLAN);
    let (_, mut request) = args.words();
    let labels = !args.labels.amounts().is_empty() || !args.labels.seeds.is_empty();
    let other = labels || args.labels.label_choice.is_some() || !args.rivals.is_empty() || args.sweep_blocks;
    let changed = !request.sets.is_empty() || !request.flags.is_empty();
    if other || (plan.is_file() && changed && args.part.is_none()) {
        let failure =
            Failure::message(Exit::Usage, "what goes on has the labels, seeds and rivals it began with");
        return Err(
            failure.hint("to add some to a study, repeat its command with --out and the longer lists")
        );
    }
    if plan.is_file() {
        let mut sweep = Sweep::read(&plan)?;
        if let (Some(_), Some(device)) = (args.part, &args.common.device) {
            sweep.settings.device.clone_from(device);
        }
        let file = read_init(&sweep.settings.init)?;
        if let Some(file) = &file {
            same_weights(&sweep.settings, file)?;
        }
        let data = open_named(&sweep.settings.data, &sweep.settings.data_options, terminal)?;
        let study = Study::prepare(sweep, file.map(Arc::new), &data)?;
        return match args.part {
            Some(part) => study.train_part(part, path, terminal),
            None if args.devices.is_empty() => study.run(path, false, terminal),
            None => study.run_on(&args.devices, path, terminal),
        };
    }
    let config = path.join(names::CONFIG);
    // What is to be said of the file is said once, below.
    let before = finetune_spec().resolve(&Request { files: vec![config.clone()], ..Request::default() })?;
    request.files.insert(0, config);
    let now = resolve_finetune(&request)?;
    refuse_changes(&before.table, &now.table, &MAY_CHANGE)
        .map_err(|failure| failure.hint("start a new run with another --out"))?;
    let data = open_named(&now.settings.data, &now.settings.data_options, terminal)?;
    let job = Job::new(now.settings, None, &data)?;
    if args.dry_run {
        return tell_plan(&job, 1, terminal);
    }
    let watch = Watch::new(terminal)?;
    let (folder, verdict) = job.go_on(&watch, path, &data, "fine-tuning")?;
    conclude(&job, &folder, &data, &verdict, terminal)
}

/// Refuses a file whose weights are not those that the settings were made with.
fn same_weights(settings: &FinetuneSettings, file: &EncoderFile) -> Outcome {
    if weights_sha256(file) == settings.init_sha256 {
        return Ok(());
    }
    let message = format!("the encoder at {} is no longer the one that this began with", settings.init);
    Err(Failure::message(Exit::Data, message).hint("start anew with another --out"))
}

/// Tells what `trainings` like this one would be.
fn tell_plan(job: &Job, trainings: usize, terminal: &Terminal) -> Outcome {
    let (settings, images) = (&job.settings, &job.images);
    let steps_per_epoch = images.steps_per_epoch(settings.batch);
    let rehearsals = images.rehearse(settings)?;
    let stages = settings.stages.iter().zip(&rehearsals);
    let seconds: f64 =
        stages.map(|(stage, told)| (stage.epochs * steps_per_epoch) as f64 * told.seconds_per_step).sum();
    let steps = settings.epochs() * steps_per_epoch;
    let parameters = rehearsals.first().map_or(0, |told| told.parameters);
    let trained: Vec<usize> = rehearsals.iter().map(|told| told.trained).collect();
    let document = json!({
        "trainings": trainings,
        "labels": images.train.len(),
        "val": images.val.len(),
        "test": images.test.as_ref().map(|test| test.len()),
        "classes": images.classes,
        "size": images.context.size,
        "batch": images.batch(settings.batch),
        "steps_per_epoch": steps_per_epoch,
        "steps": steps,
        "seconds": seconds,
        "seconds_per_step": rehearsals.iter().map(|told| told.seconds_per_step).collect::<Vec<_>>(),
        "parameters": parameters,
        "trained": trained,
        "checkpoint_bytes": job::checkpoint_bytes(parameters),
        "files": names::ALL,
        "settings": settings,
    });
    terminal.result(&document, || {
        let about = HumanDuration(Duration::from_secs_f64(seconds)).to_string();
        let rows = [
            ("labels", images.train.len().to_string()),
            (
                "images",
                format!(
                    "{} validation, {} test",
                    images.val.len(),
                    images.test.as_ref().map_or(0, |test| test.len())
                ),
            ),
            ("steps", format!("{steps_per_epoch} an epoch, {steps} in all")),
            ("parameters", parameters.to_string()),
            ("learning, by stage", trained.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")),
            ("time, without the looks at validation images", format!("about {about}")),
            ("trainings like this", trainings.to_string()),
        ];
        terminal.table(&["plan", ""], &rows.map(|(name, value)| vec![name.to_owned(), value]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::parse;

    #[test]
    fn encoder_and_overrides_are_told_apart() {
        let args: FinetuneArgs = parse("runs/a --data b.npz --out o batch=8 optim.lr=0.1").unwrap();
        let (init, request) = args.words();
        assert_eq!(
            (init.as_deref(), request.sets),
            (Some("runs/a"), vec!["batch=8".to_owned(), "optim.lr=0.1".into()])
        );
        let args: FinetuneArgs = parse("--resume runs/a workers=3").unwrap();
        let (init, request) = args.words();
        assert_eq!((init, request.sets), (None, vec!["workers=3".to_owned()]));
        for line in [
            "runs/a --data b.npz",
            "--resume a --out b",
            "--resume a --overwrite",
            "a --out b --sweep-blocks --rivals scratch",
        ] {
            assert!(parse::<FinetuneArgs>(line).is_err(), "{line}");
        }
    }

    #[test]
    fn an_encoder_must_be_named() {
        let args: FinetuneArgs = parse("--data b.npz --out o").unwrap();
        let failure = args.settings().unwrap_err();
        assert_eq!(failure.exit(), Exit::Usage);
        let args: FinetuneArgs = parse("scratch --data b.npz --out o --label-choice random").unwrap();
        let (settings, file) = args.settings().unwrap();
        assert!(file.is_none() && settings.stages.len() == 2, "{settings:?}");
        assert_eq!(settings.label_choice, twinlens_data::LabelChoice::Random);
    }
}
