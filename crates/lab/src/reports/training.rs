//! The training curves.

use twinlens_data::{Split, SplitSummary};
use twinlens_report::{Block, CurveOptions, Panel, Section, training_curves, training_panels};

use super::Extras;
use super::run_view::RunView;
use crate::LabError;
use crate::run_settings::RunSettings;

/// How curves are to be read.
pub(super) const NOTE: &str = "From metrics.jsonl. Long series are drawn as the mean of bins, over a band from the least to \
                               the greatest value in each. Gaps are values that were not finite or not recorded.";

/// The curves of one run.
pub(super) fn section(run: &RunView, extras: &mut Extras) -> Result<Section, LabError> {
    let all = training_curves(&run.record.metrics, &options(run))?;
    extras.plot("training-curves", &all);
    let panels = panels(run)?;
    let blocks = match panels.is_empty() {
        true => vec![Block::Text("The metrics log holds no values.".to_owned())],
        false => vec![Block::Panels(panels), Block::Note(NOTE.to_owned())],
    };
    Ok(Section::new("Training", blocks))
}

/// The same curves, one picture each.
pub(super) fn panels(run: &RunView) -> Result<Vec<Panel>, LabError> {
    Ok(training_panels(&run.record.metrics, &options(run))?)
}

fn options(run: &RunView) -> CurveOptions {
    let val = run.data.as_ref().and_then(|data| data.split(Split::Val));
    CurveOptions {
        embedding_width: match &run.settings {
            RunSettings::Pretraining(settings) => settings.method.projector().map(|head| head.output_dim),
            RunSettings::Finetuning(_) => None,
        },
        chance: val.and_then(SplitSummary::most_frequent),
    }
}
