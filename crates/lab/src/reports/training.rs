//! The training curves.

use twinlens_data::{Split, SplitSummary};
use twinlens_report::{
    About, Block, CurveOptions, Curves, Fact, Panel, Plate, RunLog, Section, training_curves, training_panels,
};

use twinlens_ssl::methods;

use super::Extras;
use super::run_view::RunView;
use crate::LabError;
use crate::run_settings::RunSettings;

/// How curves are to be read.
const NOTE: &str = "From metrics.jsonl. Long series are drawn as the mean of bins, over a band from the least to the greatest \
                    value in each. Gaps are values that were not finite or not recorded.";

/// The curves of one run: those of accuracies, which stand among the results, and the section of all others.
pub(super) fn of_run(run: &RunView, extras: &mut Extras) -> Result<(Vec<Plate>, Section), LabError> {
    let (logs, options) = ([log(run, run.name())], options_of(run));
    extras.plot("training-curves", &training_curves(&logs, &options)?);
    let (accuracies, mut section) = parted(training_panels(&logs, &options)?);
    if let RunSettings::Pretraining(settings) = &run.settings
        && let Some(method) = methods::find(settings.method.name())
    {
        section.blocks.push(Block::Note(format!("The loss of {}: {}.", method.id, method.loss)));
    }
    Ok((accuracies, section))
}

/// The same of several runs, one over the other.
pub(super) fn of_several(runs: &[RunView], names: &[String]) -> Result<(Vec<Plate>, Section), LabError> {
    let logs: Vec<RunLog> = runs.iter().zip(names).map(|(run, name)| log(run, name.clone())).collect();
    let mut options: Vec<CurveOptions> = runs.iter().map(options_of).collect();
    options.dedup();
    // What is compared with holds for all runs or is left out.
    let options = if options.len() == 1 { options.remove(0) } else { CurveOptions::default() };
    Ok(parted(training_panels(&logs, &options)?))
}

fn parted(curves: Curves) -> (Vec<Plate>, Section) {
    let (accuracies, others): (Vec<Panel>, Vec<Panel>) =
        curves.panels.into_iter().partition(|panel| panel.about == About::Accuracy);
    let plate = |panel: Panel| {
        Plate::new(
            "While it learned",
            "Of validation images; step 0 is the network before it learned anything.",
            format!("A curve: {}.", panel.title),
            panel.picture,
        )
    };
    let section = Section::new("Training", blocks(others, curves.single));
    (accuracies.into_iter().map(plate).collect(), section)
}

/// What is about learning before what is about the machine, then what was measured once.
fn blocks(panels: Vec<Panel>, single: Vec<Fact>) -> Vec<Block> {
    if panels.is_empty() && single.is_empty() {
        return vec![Block::Text("The metrics log holds no values.".to_owned())];
    }
    let (running, learning): (Vec<Panel>, Vec<Panel>) =
        panels.into_iter().partition(|panel| panel.about == About::Running);
    let mut blocks = Vec::new();
    if !learning.is_empty() {
        blocks.push(Block::Panels(learning));
    }
    if !running.is_empty() {
        blocks.extend([Block::Heading("Optimiser and machine".to_owned()), Block::Panels(running)]);
    }
    if !single.is_empty() {
        blocks.extend([Block::Heading("Measured once".to_owned()), Block::Facts(single)]);
    }
    blocks.push(Block::Note(NOTE.to_owned()));
    blocks
}

fn log(run: &RunView, name: String) -> RunLog<'_> {
    RunLog { name, rows: &run.record.metrics }
}

fn options_of(run: &RunView) -> CurveOptions {
    let val = run.data.as_ref().and_then(|data| data.split(Split::Val));
    CurveOptions {
        embedding_width: match &run.settings {
            RunSettings::Pretraining(settings) => settings.method.projector().map(|head| head.output_dim),
            RunSettings::Finetuning(_) => None,
        },
        chance: val.and_then(SplitSummary::most_frequent),
    }
}
