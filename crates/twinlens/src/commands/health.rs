//! `health`: what features say about themselves, without labels.

use std::path::{Path, PathBuf};

use clap::ValueHint;
use serde_json::json;
use twinlens_eval::health::{Health, HealthProtocol};
use twinlens_lab::protocols::{Protocol, find};
use twinlens_lab::{self as lab, FeaturesKind, Repeat, Settings, Verdict, ViewsOf};
use twinlens_run::write_atomically;
use twinlens_ssl::LOW_RANK;
use twinlens_views::ViewPolicy;

use super::Images;
use super::cells::number;
use super::judging::{JudgeArgs, write_document};
use super::verdict_output::sentences;
use crate::exit::{Exit, Failure, Outcome};
use crate::terminal::Terminal;

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
    #[arg(long, value_name = "auto|all|train|val|test", default_value = "auto", hide_possible_values = true, value_parser = super::images())]
    pub split: Images,
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
    let (protocol, settings) = (find(HealthProtocol::ID)?, args.judge.over(Settings::new())?);
    protocol.check(&settings)?;
    let (subject, data) = args.judge.open(terminal)?;
    let computing = args.judge.computing();
    let mut judging = args.judge.judging((&subject, &data), &computing, terminal);
    judging.part = args.split.of(&data);
    judging.views = policy(&args.judge, args.policy.as_deref())?;
    let repeat = Repeat { seeds: vec![args.seed as u64], ..Repeat::default() };
    let verdicts = judging.run(protocol, &settings, &repeat)?;
    let mut pictures = args.judge.keep(&verdicts)?;
    let verdict = verdicts.iter().cloned().find_map(health);
    let verdict = verdict.ok_or_else(|| Failure::message(Exit::Failed, "the protocol measured nothing"))?;
    let drawn = verdict.exhibit("svg");
    if let (Some(path), Some(picture)) = (&args.plot, drawn) {
        write_atomically(path, picture)?;
        pictures = vec![path.clone()];
    }
    if drawn.is_none() {
        tracing::warn!("there is no spectrum: all images have the same features");
    }
    let picture = pictures.first();
    let document = json!({ "verdict": verdicts.first(), "plot": picture });
    if let Some(out) = &args.out {
        write_document(out, &document)?;
    }
    terminal.result(&document, || {
        let shown = pictures.iter().map(|path| format!("\n{}: {}\n", shown(path), path.display()));
        let shown: String = shown.collect();
        sentences(&verdicts) + "\n" + &table(&verdict.outcome, terminal) + &shown
    })
}

/// What a picture shows.
fn shown(picture: &Path) -> &'static str {
    let correlation = picture.extension().is_some_and(|extension| extension == "png");
    if correlation { "The cross-correlation of two views" } else { "The spectrum" }
}

/// The views to compare: those asked for, else those that the run learned from.
///
/// # Errors
/// A policy of an unknown name, a run without settings.
pub fn policy(judge: &JudgeArgs, asked: Option<&str>) -> Outcome<Option<(String, Vec<ViewPolicy>)>> {
    let views = match asked {
        Some("none") => ViewsOf::Nothing,
        Some(name) => ViewsOf::Policy(name.to_owned()),
        None => ViewsOf::Run,
    };
    let found = views.policy(judge.features, &judge.encoder)?;
    if found.is_none() && asked.is_none() && judge.features != FeaturesKind::Pixels {
        tracing::info!("no alignment: an encoder's file does not say its views; name some with --policy");
    }
    Ok(found)
}

/// A verdict whose outcome is health; nothing of any other.
fn health(verdict: Verdict) -> Option<Verdict<Health>> {
    match verdict.outcome.clone() {
        lab::Outcome::Health(found) => Some(verdict.with(found)),
        _ => None,
    }
}

/// The measures, a line each.
fn table(verdict: &Health, terminal: &Terminal) -> String {
    let row = |name: &str, value: Option<f64>, reading: &str| {
        vec![name.to_owned(), number(value), reading.to_owned()]
    };
    let dim = verdict.dim;
    let rows = [
        row(
            "effective rank",
            Some(verdict.effective_rank),
            &format!("of {dim}; below {LOW_RANK} hardly more than a collapse"),
        ),
        row("RankMe", Some(verdict.rankme), &format!("of {dim}; the same without centring")),
        row(
            "participation ratio",
            Some(verdict.participation_ratio),
            &format!("of {dim}; 1: one direction holds all"),
        ),
        row("alignment", verdict.alignment, "0: views do not matter; 2: as far apart as unrelated images"),
        row(
            "cross-correlation, diagonal",
            verdict.cross_correlation.map(|found| found.diagonal),
            "of two views; 1: views do not matter",
        ),
        row(
            "cross-correlation, size off it",
            verdict.cross_correlation.map(|found| found.off_diagonal_size),
            "of two views; 0: no feature repeats another",
        ),
        row(
            "log|C_Z|",
            verdict.information.map(|found| found.log_det),
            "spread of images and views; compare encoders of one width",
        ),
        row(
            "log|C_Z given X|",
            verdict.information.map(|found| found.log_det_given_image),
            "spread of the views of one image; the same",
        ),
        row("uniformity", verdict.uniformity, "0: all in one place; -4: spread evenly over the sphere"),
        row("dimension, TwoNN", verdict.two_nn.map(|found| found.mle), "intrinsic"),
        row("dimension, k neighbours", verdict.levina_bickel.map(|found| found.harmonic), "intrinsic"),
        row(
            "standard deviation",
            Some(verdict.embedding_std),
            &format!("{:.4} on a full sphere; below a fifth of it nearly alike", verdict.embedding_std_full),
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
        assert_eq!((args.split, policy(&args.judge, args.policy.as_deref()).unwrap()), (Images::Auto, None));
        let args: HealthArgs = parse("runs/a --data b.npz --policy none").unwrap();
        assert_eq!(policy(&args.judge, args.policy.as_deref()).unwrap(), None);
        let args: HealthArgs = parse("runs/a --data b.npz --policy simclr").unwrap();
        let (name, views) = policy(&args.judge, args.policy.as_deref()).unwrap().unwrap();
        assert_eq!((name.as_str(), views.iter().map(|view| view.count).sum::<usize>()), ("simclr", 2));
        let args: HealthArgs = parse("runs/a --data b.npz --features pixels").unwrap();
        assert_eq!(policy(&args.judge, args.policy.as_deref()).unwrap(), None);
        let args: HealthArgs = parse("runs/a --data b.npz --policy simclrr").unwrap();
        assert_eq!(policy(&args.judge, args.policy.as_deref()).unwrap_err().exit(), Exit::Usage);
    }
}
