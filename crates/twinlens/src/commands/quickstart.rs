//! `quickstart`: learn from bundled blood cells and show what was learned.

use std::path::{Path, PathBuf};

use clap::ValueHint;
use serde_json::json;
use twinlens_config::Request;
use twinlens_eval::{Knn, LinearProbe, Verdict, Vote};
use twinlens_lab::jobs::{PRETRAINING, Pretraining, TrainingJob};
use twinlens_lab::{Lab, read_encoder};
use twinlens_ssl::{Settings, recipes};

use super::judge::{Judged, Kind, file_name, table};
use super::report;
use super::spec::{recipe_of, resolve};
use super::training::{BUNDLED, Signals, lab, prepare};
use crate::cli::Invocation;
use crate::exit::Outcome;
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
    let run = prepare(Settings { data: BUNDLED.into(), ..resolved.settings }, &lab)?.following(recipe);
    let mut folder = run.create(&args.out, args.overwrite, &lab)?;
    let signals = Signals::listen()?;
    let ended = run.begin(&mut folder, PRETRAINING, &signals.heard_in(&lab));
    signals.ended(ended, ("pretrain", &args.out))?;
    let verdicts = judge(&run, &args.out, &lab)?;
    for verdict in &verdicts {
        folder.write_verdict(&file_name(verdict), verdict)?;
    }
    let report = report::write(&folder, &run.data, run.settings(), terminal)?;
    let document = json!({ "run": args.out, "report": report, "verdicts": verdicts });
    terminal
        .result(&document, || format!("{}\nThe report: {}\n", table(&verdicts, terminal), report.display()))
}

/// Seed of the untrained network beside the trained one.
const UNTRAINED_SEED: u64 = 0;

/// Every kind of features under every protocol, all with the same images and labels.
fn judge(run: &Pretraining, out: &Path, lab: &Lab<'_>) -> Outcome<Vec<Verdict>> {
    let encoder = read_encoder(out)?;
    let mut verdicts = Vec::new();
    for kind in [Kind::Pixels, Kind::Untrained, Kind::Trained] {
        let subject = kind.subject(encoder.clone(), UNTRAINED_SEED)?;
        let images = Judged::of(&subject, &run.data, &run.computing(lab), lab.events)?;
        let knn = Knn { k: vec![20], votes: vec![Vote::Weighted], ..Knn::default() };
        let mut judged = knn.run(&images.train, &images.held_out())?;
        let mut probe = LinearProbe::default().run(&images.train, &images.held_out())?;
        probe.settings.insert("label_share".into(), 1.0.into());
        judged.push(probe);
        for verdict in &mut judged {
            let Verdict { settings, seeds, .. } = verdict;
            kind.sign(settings, seeds, UNTRAINED_SEED, BUNDLED, &run.data);
        }
        verdicts.extend(judged);
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
