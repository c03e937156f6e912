//! A run in a line of a list: what learned how from what, how far it came, and how good it is.

use serde::Serialize;
use toml::{Table, Value};
use twinlens_run::{RunKind, RunRecord, RunSummary};

use crate::jobs::kept_verdict;
use crate::run_settings::kind_of;

/// A run in a line of a list.
#[derive(Clone, Debug, Serialize)]
pub struct RunOverview {
    /// Its folder, its status and its last metrics.
    #[serde(flatten)]
    pub summary: RunSummary,
    /// What was done: `pre-training` or `fine-tuning`.
    pub kind: String,
    /// The method that it learned by; of a fine-tuning, that of the encoder it began with, and none of random weights.
    pub method: Option<String>,
    /// The data set, as it was named.
    pub data: Option<String>,
    /// Of a pre-training, the newest accuracy of nearest neighbours on validation images; of a fine-tuning, the accuracy on test
    /// images, or on validation images where there are no others.
    pub accuracy: Option<f64>,
    /// What that is the accuracy of: `kNN, val`, `test`.
    pub accuracy_of: Option<String>,
}

impl RunOverview {
    /// That of a run.
    pub fn of(record: &RunRecord) -> RunOverview {
        let settings: Table = record.config.parse().unwrap_or_default();
        let text = |key: &str| settings.get(key).and_then(Value::as_str).map(str::to_owned);
        let kind = record.lineage.as_ref().map_or_else(|| kind_of(&record.config), |lineage| lineage.kind);
        let begun_by = record.lineage.as_ref().and_then(|lineage| lineage.encoder.first()?.method.clone());
        let named = settings.get("method").and_then(|method| method.get("name")?.as_str());
        let (method, scored) = match kind {
            RunKind::Finetuning => (begun_by, tested(record)),
            RunKind::Pretraining => (named.map(str::to_owned).or_else(|| text("method")), watched(record)),
        };
        let (accuracy, accuracy_of) = scored.unzip();
        RunOverview {
            summary: record.summary(),
            kind: kind.to_string(),
            method,
            data: text("data"),
            accuracy,
            accuracy_of,
        }
    }
}

/// What nearest neighbours said last while a pre-training went on.
fn watched(record: &RunRecord) -> Option<(f64, String)> {
    Some((record.latest().get("knn_accuracy")?.as_f64()?, "kNN, val".to_owned()))
}

/// What a fine-tuning came to.
fn tested(record: &RunRecord) -> Option<(f64, String)> {
    let headline = kept_verdict(record).ok()??.any().headline()?;
    Some((headline.value, headline.split))
}
