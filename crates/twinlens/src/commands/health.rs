//! `health`: what features say about themselves, without labels.

use std::path::PathBuf;
use std::sync::Arc;

use clap::ValueHint;
use serde_json::json;
use twinlens_data::{DataSet, ImageSource};
use twinlens_eval::Features;
use twinlens_eval::health::{HealthProtocol, HealthVerdict};
use twinlens_lab::{Part, Subject, features_of, images, views};
use twinlens_report::{Spectrum, spectrum};
use twinlens_run::{RunFolder, RunRecord, write_atomically};
use twinlens_views::{ViewPolicy, presets};

use super::judge::{JudgeArgs, Kind, name_of, write_document};
use super::run_settings::RunSettings;
use crate::exit::{Exit, Failure, Outcome};
use crate::terminal::Terminal;

/// Views of each image that are compared.
const VIEWS: usize = 2;

/// Arguments of `health`.
#[derive(Clone, Debug, clap::Args)]
#[command(before_help = "\
Examples:
  twinlens health runs/a --data blood.npz
  twinlens health runs/a --data blood.npz --features untrained
  twinlens health encoder.safetensors --data blood.npz --policy simclr --plot spectrum.svg")]
pub struct HealthArgs {
    /// What embeds, and what is embedded.
    #[command(flatten)]
    pub judge: JudgeArgs,
    /// Which images
    #[arg(long, value_name = "all|train|val|test", default_value = "test", hide_possible_values = true, value_parser = super::part())]
    pub split: Part,
    /// Views by the name of their policy (`twinlens list augmentations`)
    ///
    /// Their features are compared for alignment; `none` leaves that out. Without it, the run's own views.
    #[arg(long, value_name = "NAME|none")]
    pub policy: Option<String>,
    /// Seed of all randomness
    #[arg(long, value_name = "N", default_value = "0", value_parser = clap::value_parser!(i64).range(0..))]
    pub seed: i64,
    /// Where to write the picture of the covariance spectrum [default: the run's plots]
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub plot: Option<PathBuf>,
    /// Where to write
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub out: Option<PathBuf>,
}

/// Runs `health`.
///
/// # Errors
/// An encoder, data or view policy that cannot be used, files that cannot be written.
pub fn run(args: &HealthArgs, terminal: &Terminal) -> Outcome {
    let (subject, data) = args.judge.open(terminal)?;
    let policy = policy(args)?;
    let features = features_of(&subject, &data, args.split, &args.judge.computing(), terminal)?;
    let source = images(&data, args.split)?;
    let views = match &policy {
        Some((_, policy)) => Some(two_views(args, &subject, source, policy, terminal)?),
        None => None,
    };
    let protocol = HealthProtocol { seed: args.seed as u64, ..HealthProtocol::default() };
    let mut verdict = protocol.run(&features, views.as_ref().map(|[one, other]| (one, other)))?;
    sign(args, &mut verdict, policy.as_ref().map(|(name, _)| name.as_str()), &data);
    for warning in &verdict.warnings {
        tracing::warn!("{warning}");
    }
    let picture = keep(args, &verdict)?;
    let document = json!({ "verdict": verdict, "plot": picture });
    if let Some(out) = &args.out {
        write_document(out, &document)?;
    }
    terminal.result(&document, || {
        let shown = picture.as_ref().map(|path| format!("\nThe spectrum: {}\n", path.display()));
        table(&verdict, terminal) + &shown.unwrap_or_default()
    })
}

/// The views to compare: those asked for, else those that the run learned from; none for pixels, whose views differ in place.
fn policy(args: &HealthArgs) -> Outcome<Option<(String, Vec<ViewPolicy>)>> {
    match args.policy.as_deref() {
        Some("none") => Ok(None),
        Some(name) => {
            let views = presets::preset(name).map_err(|error| Failure::new(Exit::Usage, error))?;
            Ok(Some((name.to_owned(), views)))
        }
        None if args.judge.features == Kind::Pixels => Ok(None),
        None if args.judge.encoder.is_dir() => {
            let settings = RunSettings::of(&RunRecord::read(&args.judge.encoder)?)?;
            let common = settings.common();
            let mut views = common.views.clone();
            // A fine-tuning learns from one view of each image; two of that kind are compared.
            if let [only] = &mut views[..] {
                only.count = only.count.max(VIEWS);
            }
            Ok(Some((common.policy.clone(), views)))
        }
        None => {
            tracing::info!("no alignment: an encoder's file does not say its views; name some with --policy");
            Ok(None)
        }
    }
}

/// The features of two views of every image.
fn two_views(
    args: &HealthArgs,
    subject: &Subject,
    source: Arc<dyn ImageSource>,
    policy: &[ViewPolicy],
    terminal: &Terminal,
) -> Outcome<[Features; VIEWS]> {
    let seed = args.seed as u64;
    let found = views(subject, source, (policy, VIEWS, seed), &args.judge.computing(), terminal)?;
    <[Features; VIEWS]>::try_from(found).map_err(|found| {
        Failure::message(Exit::Failed, format!("{} views were drawn instead of {VIEWS}", found.len()))
    })
}

/// Writes into a verdict whose features of which images and views it judges.
fn sign(args: &HealthArgs, verdict: &mut HealthVerdict, policy: Option<&str>, data: &DataSet) {
    let HealthVerdict { settings, seeds, .. } = verdict;
    args.judge.features.sign(settings, seeds, args.judge.untrained_seed, &args.judge.data, data);
    settings.insert("split".into(), args.split.name().into());
    settings.insert("policy".into(), policy.unwrap_or("none").into());
    // One seed for the sample and the views, as one flag sets both.
    seeds.remove("sample");
    seeds.insert("views".into(), args.seed as u64);
}

/// Writes the verdict to the run, if the encoder is one's, and the spectrum there or where it is wanted.
fn keep(args: &HealthArgs, verdict: &HealthVerdict) -> Outcome<Option<PathBuf>> {
    let name = name_of(&verdict.protocol, &verdict.settings, &verdict.seeds);
    let run = if args.judge.encoder.is_dir() { Some(RunFolder::open(&args.judge.encoder)?) } else { None };
    if let Some(run) = &run {
        run.write_verdict(&name, verdict)?;
    }
    if verdict.spectrum.iter().all(|value| *value == 0.0) {
        tracing::warn!("there is no spectrum: all images have the same features");
        return Ok(None);
    }
    let line = Spectrum { name: args.judge.features.name().to_owned(), variances: verdict.spectrum.clone() };
    let picture = spectrum(&[line]).map_err(|error| Failure::new(Exit::Failed, error))?;
    Ok(match (&args.plot, run) {
        (Some(path), _) => {
            write_atomically(path, picture.bytes())?;
            Some(path.clone())
        }
        (None, Some(run)) => Some(run.write_plot(&format!("{name}.svg"), picture.bytes())?),
        (None, None) => None,
    })
}

/// The measures, a line each.
fn table(verdict: &HealthVerdict, terminal: &Terminal) -> String {
    let number = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.4}"));
    let row = |name: &str, value: Option<f64>, reading: &str| {
        vec![name.to_owned(), number(value), reading.to_owned()]
    };
    let dim = verdict.dim;
    let rows = [
        row("effective rank", Some(verdict.effective_rank), &format!("of {dim}; centred")),
        row("RankMe", Some(verdict.rankme), &format!("of {dim}")),
        row("participation ratio", Some(verdict.participation_ratio), &format!("of {dim}")),
        row("alignment", verdict.alignment, "0: views do not matter"),
        row("uniformity", verdict.uniformity, "0: all in one place; lower: spread over the sphere"),
        row("dimension, TwoNN", verdict.two_nn.map(|found| found.mle), "intrinsic"),
        row("dimension, k neighbours", verdict.levina_bickel.map(|found| found.harmonic), "intrinsic"),
        row(
            "standard deviation",
            Some(verdict.embedding_std),
            &format!("full sphere: {:.4}", verdict.embedding_std_full),
        ),
    ];
    terminal.table(&["measure", "value", "reading"], &rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::parse;

    #[test]
    fn views_are_the_runs_own_unless_named() {
        let args: HealthArgs = parse("encoder.safetensors --data b.npz").unwrap();
        assert_eq!((args.split, policy(&args).unwrap()), (Part::Split(twinlens_data::Split::Test), None));
        let args: HealthArgs = parse("runs/a --data b.npz --policy none").unwrap();
        assert_eq!(policy(&args).unwrap(), None);
        let args: HealthArgs = parse("runs/a --data b.npz --policy simclr").unwrap();
        let (name, views) = policy(&args).unwrap().unwrap();
        assert_eq!((name.as_str(), views.iter().map(|view| view.count).sum::<usize>()), ("simclr", 2));
        let args: HealthArgs = parse("runs/a --data b.npz --features pixels").unwrap();
        assert_eq!(policy(&args).unwrap(), None);
        let args: HealthArgs = parse("runs/a --data b.npz --policy simclrr").unwrap();
        assert_eq!(policy(&args).unwrap_err().exit(), Exit::Usage);
    }
}
