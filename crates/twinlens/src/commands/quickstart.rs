//! `quickstart`: learn from bundled blood cells and show what was learned.

use std::path::{Path, PathBuf};

use clap::ValueHint;
use serde_json::json;
use twinlens_config::Request;
use twinlens_eval::{Knn, LinearProbe, Verdict, Vote};
use twinlens_lab::read_encoder;
use twinlens_ssl::StartFrom;

use super::judge::{Judged, Kind, file_name, table};
use super::report;
use super::run_settings::RunSettings;
use super::spec::resolve;
use super::training::{BUNDLED, Run};
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
pub fn run(args: &QuickstartArgs, terminal: &Terminal) -> Outcome {
    let request = Request { preset: Some("quickstart".into()), ..Request::default() };
    let mut settings = resolve(&request)?.settings;
    settings.data = BUNDLED.into();
    let run = Run::prepare(settings, terminal)?;
    let mut folder = run.create(&args.out, args.overwrite)?;
    run.learn(&mut folder, StartFrom::Scratch, terminal)?;
    let verdicts = judge(&run, &args.out, terminal)?;
    for verdict in &verdicts {
        folder.write_verdict(&file_name(verdict), verdict)?;
    }
    let settings = RunSettings::Pretraining(Box::new(run.settings.clone()));
    let report = report::write(&folder, &run.data, settings, terminal)?;
    let document = json!({ "run": args.out, "report": report, "verdicts": verdicts });
    terminal
        .result(&document, || format!("{}\nThe report: {}\n", table(&verdicts, terminal), report.display()))
}

/// Seed of the untrained network beside the trained one.
const UNTRAINED_SEED: u64 = 0;

/// Every kind of features under every protocol, all with the same images and labels.
fn judge(run: &Run, out: &Path, terminal: &Terminal) -> Outcome<Vec<Verdict>> {
    let encoder = read_encoder(out)?;
    let mut verdicts = Vec::new();
    for kind in [Kind::Pixels, Kind::Untrained, Kind::Trained] {
        let subject = kind.subject(encoder.clone(), UNTRAINED_SEED)?;
        let images = Judged::of(&subject, &run.data, &run.computing(), terminal)?;
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
