//! `finetune`: an encoder with a head learns from labels; with several amounts of labels, seeds or rivals, a whole curve.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use clap::ValueHint;
use serde_json::json;
use twinlens_config::{Flag, Request};
use twinlens_data::{DataSet, DataSettings};
use twinlens_lab::jobs::{
    FINETUNING, Finetuned, Finetuning, TrainingJob, adopt_encoder, read_init, resolve_precision,
    same_encoder, unfrozen,
};
use twinlens_lab::study::{PLAN, Point, Portion, Rival, Study, StudyOutcome, StudyPlan, Trainings, Workers};
use twinlens_lab::{Lab, encoder_file, own_data, reading_for};
use twinlens_nn::weights::EncoderFile;
use twinlens_run::{Recipe, RunFolder};
use twinlens_ssl::finetune::FinetuneSettings;
use twinlens_ssl::finetune::recipes::{DEFAULT, RECIPES};

use super::labels::LabelsArgs;
use super::settings::{CommonArgs, device};
use super::spec::{finetune_spec, recipe_of, resolve_finetune, resumed};
use super::training::{Signals, lab, smoke_passed};
use super::verdict_output::{headings, rows, table};
use super::{next, plan, report};
use crate::exit::{Exit, Failure, Outcome};
use crate::invocation::Invocation;
use crate::terminal::Terminal;

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
    pub part: Option<Portion>,
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

/// How the command was called, in which lab it works, and where it speaks.
struct Call<'a> {
    args: &'a FinetuneArgs,
    invocation: &'a Invocation,
    lab: Lab<'a>,
    terminal: &'a Terminal,
}

/// Runs `finetune`.
///
/// # Errors
/// Settings, an encoder, data, a device or a folder that cannot be used; a run that fails or is stopped.
pub fn run(args: &FinetuneArgs, invocation: &Invocation, terminal: &Terminal) -> Outcome {
    let call = Call { args, invocation, lab: lab(invocation, terminal), terminal };
    match &args.resume {
        Some(folder) => call.resume(folder),
        None => call.start(),
    }
}

impl Call<'_> {
    fn start(&self) -> Outcome {
        let Call { args, lab, .. } = self;
        let Asked { settings, recipe, file } = args.asked(self.terminal)?;
        let data = lab.open(&settings.data, &settings.data_options)?;
        let plan = args.plan(settings, recipe);
        if !args.smoke {
            return self.begin(plan, file, &data, args.out.as_deref());
        }
        // A short run of everything, in a folder that is removed afterwards.
        let images = data.splits.train.as_ref().map_or(0, |train| train.len());
        let place = tempfile::tempdir().map_err(|error| Failure::new(Exit::Environment, error))?;
        let plan = plan.shortened(data.classes.len(), images);
        let folder = place.path().join("smoke");
        let (args, invocation, lab) = (self.args, self.invocation, self.lab.clone());
        let unheard = Call { args, invocation, lab, terminal: &Terminal::silent() };
        unheard.begin(plan, file, &data, Some(&folder))?;
        smoke_passed(self.terminal)
    }

    /// One training or a whole study, in the folder `out`.
    fn begin(
        &self,
        plan: StudyPlan,
        file: Option<Arc<EncoderFile>>,
        data: &DataSet,
        out: Option<&Path>,
    ) -> Outcome {
        let study = match Trainings::prepare(plan, file, data, &self.lab)? {
            Trainings::One(job) => return self.one(&job, out),
            Trainings::Study(study) => study,
        };
        match out {
            _ if self.args.dry_run => plan::study(&study, self.terminal),
            Some(out) => self.study(&study, out),
            None => Err(no_folder()),
        }
    }

    /// One training in the folder `out`.
    fn one(&self, job: &Finetuning, out: Option<&Path>) -> Outcome {
        if !self.args.devices.is_empty() {
            let failure = Failure::message(Exit::Usage, "a single training has a single device");
            let hint = "name it with --device, or ask for several seeds, amounts of labels or rivals";
            return Err(failure.hint(hint));
        }
        if self.args.dry_run {
            return plan::finetuning(job, self.terminal);
        }
        let out = out.ok_or_else(no_folder)?;
        let mut folder = job.create(out, self.args.overwrite, &self.lab)?;
        let signals = Signals::listen()?;
        let tuned = job.begin(&mut folder, FINETUNING, &signals.heard_in(&self.lab));
        let tuned = signals.ended(tuned, ("finetune", out))?;
        self.conclude(job, &folder, &tuned)
    }

    /// A whole study in the folder `out`, its report, and its numbers told.
    fn study(&self, study: &Study, out: &Path) -> Outcome {
        let devices = &self.args.devices;
        let signals = Signals::listen()?;
        let lab = signals.heard_in(&self.lab);
        let outcome = if devices.is_empty() {
            study.run(out, self.args.overwrite, &lab)
        } else {
            let executable = self.executable()?;
            let command = |portion: Portion, device: &str| {
                let mut command = Command::new(executable);
                command.args(["finetune", "--device", device, "--part", &portion.to_string()]);
                command.args(["--quiet", "--no-progress", "--resume"]).arg(out);
                command
            };
            study.run_on(&Workers { devices, command: &command }, out, &lab)
        };
        let outcome = signals.ended(outcome, ("finetune", out))?;
        let page = report::write_study(out)?;
        self.tell(&outcome, &page)
    }

    /// The program's own file.
    fn executable(&self) -> Outcome<&Path> {
        let message = "the system does not tell where this program lies, so it cannot be started again";
        let unknown = || Failure::message(Exit::Environment, message).hint("leave --devices out");
        self.invocation.executable.as_deref().ok_or_else(unknown)
    }

    fn tell(&self, outcome: &StudyOutcome, page: &Path) -> Outcome {
        self.terminal.result(&outcome.document, || {
            let line = |point: &Point| {
                let rows = rows(&format!("{} ({})", point.training_labels, point.amount), &point.splits);
                rows.into_iter().map(|row| [vec![point.name.clone()], row].concat()).collect::<Vec<_>>()
            };
            let headings: Vec<&str> = std::iter::once("encoder").chain(headings()).collect();
            let lines = outcome.points.iter().flat_map(line).collect::<Vec<_>>();
            format!("{}\nThe report: {}\n", self.terminal.table(&headings, &lines), page.display())
        })
    }

    /// Writes the report and tells the verdict.
    fn conclude(&self, job: &Finetuning, folder: &RunFolder, tuned: &Finetuned) -> Outcome {
        let report = report::write(folder, job.data(), &job.settings(), &self.lab)?;
        let (out, verdict) = (folder.path(), &tuned.verdict);
        let (assessment, commands) = next::of_run(out)?;
        let document = json!({
            "run": out, "encoder": encoder_file(out), "report": report, "verdict": verdict.any(),
            "summary": assessment.summary(), "next": commands,
        });
        self.terminal.result(&document, || {
            let scores = table(std::slice::from_ref(verdict), self.terminal);
            let result = format!("{scores}\nThe report: {}\n", report.display());
            next::around(&result, &assessment, &commands)
        })
    }

    fn resume(&self, path: &Path) -> Outcome {
        let args = self.args;
        let is_study = path.join(PLAN).is_file();
        let (_, request) = args.words();
        let labels = !args.labels.amounts().is_empty() || !args.labels.seeds.is_empty();
        let other =
            labels || args.labels.label_choice.is_some() || !args.rivals.is_empty() || args.sweep_blocks;
        let changed = !request.sets.is_empty() || !request.flags.is_empty();
        if other || (is_study && changed && args.part.is_none()) {
            let failure =
                Failure::message(Exit::Usage, "what goes on has the labels, seeds and rivals it began with");
            return Err(
                failure.hint("to add some to a study, repeat its command with --out and the longer lists")
            );
        }
        if is_study { self.resume_study(path) } else { self.resume_one(path, request) }
    }

    fn resume_study(&self, path: &Path) -> Outcome {
        let device = self.args.part.and(self.args.common.device.as_deref());
        let study = Study::reopen(path, device, &self.lab)?;
        match self.args.part {
            Some(portion) => {
                let signals = Signals::listen()?;
                let ended = study.train_part(portion, path, &signals.heard_in(&self.lab));
                signals.ended(ended, ("finetune", path))
            }
            None => self.study(&study, path),
        }
    }

    fn resume_one(&self, path: &Path, request: Request) -> Outcome {
        let may = (&Finetuning::MAY_CHANGE[..], "start a new run with another --out");
        let settings = resumed(path, request, &finetune_spec(), may)?;
        let data = self.lab.open(&settings.data, &settings.data_options)?;
        let job = Finetuning::new(settings, None, &data)?;
        if self.args.dry_run {
            return plan::finetuning(&job, self.terminal);
        }
        let signals = Signals::listen()?;
        let ended = job.go_on(path, FINETUNING, &signals.heard_in(&self.lab));
        let (folder, tuned) = signals.ended(ended, ("finetune", path))?;
        self.conclude(&job, &folder, &tuned)
    }
}

/// What the arguments ask for.
#[derive(Debug)]
struct Asked {
    settings: FinetuneSettings,
    recipe: Option<Recipe>,
    file: Option<Arc<EncoderFile>>,
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

    /// The settings, with what the encoder's file says, and the recipe that they follow.
    fn asked(&self, terminal: &Terminal) -> Outcome<Asked> {
        let (init, mut request) = self.words();
        request.preset.get_or_insert_with(|| DEFAULT.to_owned());
        if let Some(init) = init {
            request.flags.push(Flag { name: "ENCODER", key: "init", value: init.into() });
        }
        if let Some(choice) = self.labels.label_choice {
            let value = toml::Value::try_from(choice);
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
        let recipe = recipe_of(&request, &resolved, DEFAULT, RECIPES);
        let mut settings = resolved.settings.clone();
        settings.precision = resolve_precision(settings.precision, terminal);
        let file = read_init(&settings.init)?;
        if let Some(file) = &file {
            if settings.data.is_empty() {
                // The images that the encoder learned from, read as then.
                let init = PathBuf::from(&settings.init);
                settings.data = own_data(&init).unwrap_or_default();
                if settings.data_options == DataSettings::default() {
                    settings.data_options = reading_for(&init, file, &settings.data);
                }
            }
            same_encoder(&settings.encoder, (&settings.init, file), &|key| {
                resolved.origin(key) != "built-in"
            })?;
            adopt_encoder(&mut settings, file)?;
        } else if !self.sweep_blocks {
            settings = unfrozen(settings, terminal);
        }
        Ok(Asked { settings, recipe, file: file.map(Arc::new) })
    }

    /// What is asked for, on top of `settings`.
    fn plan(&self, settings: FinetuneSettings, recipe: Option<Recipe>) -> StudyPlan {
        let mut amounts = self.labels.amounts();
        if amounts.is_empty() {
            amounts.push(settings.label_amount());
        }
        let seeds = self.labels.seeds(settings.seed);
        let (rivals, sweep_blocks) = (self.rivals.clone(), self.sweep_blocks);
        StudyPlan { settings, recipe, amounts, seeds, rivals, sweep_blocks }.settled()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::parse;
    use crate::terminal::{OutputArgs, Surroundings};

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
        let terminal = Terminal::new(&OutputArgs::default(), &Surroundings::default());
        let failure = args.asked(&terminal).unwrap_err();
        assert_eq!(failure.exit(), Exit::Usage);
        let args: FinetuneArgs = parse("scratch --data b.npz --out o --label-choice random").unwrap();
        let Asked { settings, file, recipe } = args.asked(&terminal).unwrap();
        let recipe = recipe.unwrap();
        assert_eq!((recipe.id.as_str(), recipe.changed), (DEFAULT, vec!["label_choice".to_owned()]));
        assert!(file.is_none() && settings.stages.len() == 2, "{settings:?}");
        assert_eq!(settings.label_choice, twinlens_data::LabelChoice::Random);
    }
}
