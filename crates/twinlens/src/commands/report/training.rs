//! The training curves.

use twinlens_data::{Split, SplitSummary};
use twinlens_report::{Block, CurveOptions, Panel, Section, training_curves, training_panels};

use super::seen::Seen;
use super::{Kept, undrawn};
use crate::commands::run_settings::RunSettings;
use crate::exit::Outcome;

/// How curves are to be read.
pub(super) const NOTE: &str = "From metrics.jsonl. Long series are drawn as the mean of bins, over a band from the least to \
                               the greatest value in each. Gaps are values that were not finite or not recorded.";

/// The curves of one run.
pub(super) fn section(seen: &Seen, kept: &mut Kept) -> Outcome<Section> {
    let all = training_curves(&seen.record.metrics, &options(seen)).map_err(undrawn)?;
    kept.plot("training-curves", &all);
    let panels = panels(seen)?;
    let blocks = match panels.is_empty() {
        true => vec![Block::Text("The metrics log holds no values.".to_owned())],
        false => vec![Block::Panels(panels), Block::Note(NOTE.to_owned())],
    };
    Ok(Section::new("Training", blocks))
}

/// The same curves, one picture each.
pub(super) fn panels(seen: &Seen) -> Outcome<Vec<Panel>> {
    training_panels(&seen.record.metrics, &options(seen)).map_err(undrawn)
}

fn options(seen: &Seen) -> CurveOptions {
    let val = seen.data.as_ref().and_then(|data| data.split(Split::Val));
    CurveOptions {
        embedding_width: match &seen.settings {
            RunSettings::Pretraining(settings) => settings.method.projector().map(|head| head.output_dim),
            RunSettings::Finetuning(_) => None,
        },
        chance: val.and_then(SplitSummary::most_frequent),
    }
}
