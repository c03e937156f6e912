//! `quickstart`: learn from bundled blood cells and show what was learned.

use std::path::PathBuf;

use clap::ValueHint;
use serde_json::json;
use twinlens_config::Request;
use twinlens_eval::LinearProbe;
use twinlens_lab::assessment::{UNTRAINED_SEED, judge_ended};
use twinlens_lab::jobs::{PRETRAINING, Pretraining, TrainingJob};
use twinlens_lab::protocols::{Protocol, find};
use twinlens_lab::{
    FeaturesKind, Judging, Lab, Repeat, Settings as ProtocolSettings, Subject, Verdict, by_predictions,
    read_encoder,
};
use twinlens_run::RunFolder;
use twinlens_ssl::recipes;

use super::spec::{recipe_of, resolve};
use super::training::{BUNDLED, Signals, lab, prepare};
use super::verdict_output::table;
use super::{next, report};
use crate::exit::Outcome;
use crate::invocation::Invocation;
use crate::terminal::Terminal;

/// Arguments of `quickstart`.
#[derive(Clone, Debug, clap::Args)]
#[command(before_help = "\
Examples:
  twinlens quickstart --out runs/quickstart
  twinlens quickstart --out runs/quickstart --overwrite --json")]
pub struct QuickstartArgs {
    /// Where to write
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub out: PathBuf,
    /// Replace what an earlier run wrote there
    #[arg(long)]
    pub overwrite: bool,
}

/// Runs `quickstart`: pre-trains on the bundled blood cells, judges pixels, the untrained and the pre-trained encoder
/// under the same protocols, and writes the report.
///
/// # Errors
/// A folder that cannot be written, or a run that fails.
pub fn run(args: &QuickstartArgs, invocation: &Invocation, terminal: &Terminal) -> Outcome {
    let request = Request { preset: Some("quickstart".into()), ..Request::default() };
    let resolved = resolve(&request)?;
    let recipe = recipe_of(&request, &resolved, "quickstart", recipes::RECIPES);
    let lab = lab(invocation, terminal);
    let mut settings = resolved.settings;
    settings.data = BUNDLED.into();
    let run = prepare(settings, &lab)?.following(recipe);
    let mut folder = run.create(&args.out, args.overwrite, &lab)?;
    let signals = Signals::listen()?;
    let ended = run.begin(&mut folder, PRETRAINING, &signals.heard_in(&lab));
    signals.ended(ended, ("pretrain", &args.out))?;
    let mut verdicts = judge_ended(&run, &folder, &lab)?;
    verdicts.extend(probe(&run, &folder, &lab)?);
    let report = report::write(&folder, &run.data, &run.settings(), &lab)?;
    let (assessment, commands) = next::of_run(&args.out)?;
    let document = json!({
        "run": args.out, "report": report, "verdicts": verdicts, "summary": assessment.summary(), "next": commands,
    });
    terminal.result(&document, || {
        let (predictions, _) = by_predictions(&verdicts);
        let result = format!("{}\nThe report: {}\n", table(&predictions, terminal), report.display());
        next::around(&result, &assessment, &commands)
    })
}

/// Every kind of features by the linear probe too, all with the same images and labels.
fn probe(run: &Pretraining, folder: &RunFolder, lab: &Lab<'_>) -> Outcome<Vec<Verdict>> {
    let (encoder, computing) = (read_encoder(folder.path())?, run.computing(lab));
    let mut verdicts = Vec::new();
    for kind in FeaturesKind::OF_ENCODER {
        let subject = Subject::new(kind, encoder.clone(), UNTRAINED_SEED)?;
        let mut judging = Judging::new(&subject, (&run.data, BUNDLED), &computing, lab.events);
        verdicts.extend(judging.run(find(LinearProbe::ID)?, &ProtocolSettings::new(), &Repeat::default())?);
    }
    for verdict in &verdicts {
        verdict.keep(folder)?;
    }
    Ok(verdicts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::parse;

    #[test]
    fn it_needs_only_a_folder() {
        assert_eq!(parse::<QuickstartArgs>("--out runs/q").unwrap().out, PathBuf::from("runs/q"));
        assert!(parse::<QuickstartArgs>("").is_err());
    }
}
