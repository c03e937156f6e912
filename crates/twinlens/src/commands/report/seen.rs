//! A run as its report sees it: what the folder says, the data where they can still be opened, every verdict.

use serde_json::Value;
use twinlens_data::DataSet;
use twinlens_eval::clustering::ClusterVerdict;
use twinlens_eval::health::HealthVerdict;
use twinlens_eval::{TagVerdict, Verdict};
use twinlens_lab::Computing;
use twinlens_run::RunRecord;
use twinlens_ssl::Common;
use twinlens_ssl::finetune::SCRATCH;

use super::conditions::{Condition, features_of};
use super::file_name_of;
use crate::commands::judge::{Kind, protocol};
use crate::commands::run_settings::RunSettings;
use crate::commands::tags;
use crate::commands::training::BUNDLED;

/// A run and everything that was found about it.
pub(super) struct Seen<'a> {
    pub(super) record: RunRecord,
    pub(super) settings: RunSettings,
    /// The data, or why they could not be opened again.
    pub(super) data: Result<&'a DataSet, String>,
    pub(super) computing: Computing,
    /// Judgements by predictions, in the order of tables.
    pub(super) conditions: Vec<Condition>,
    /// Judgements of images that may show several classes.
    pub(super) tags: Vec<TagVerdict>,
    pub(super) clusters: Vec<ClusterVerdict>,
    pub(super) health: Vec<HealthVerdict>,
    /// What the verdicts warn of.
    pub(super) warnings: Vec<String>,
}

impl<'a> Seen<'a> {
    pub(super) fn new(
        record: RunRecord,
        settings: RunSettings,
        data: Result<&'a DataSet, String>,
    ) -> Seen<'a> {
        let mut seen = Seen {
            computing: settings.computing(),
            settings,
            data,
            conditions: Vec::new(),
            tags: Vec::new(),
            clusters: Vec::new(),
            health: Vec::new(),
            warnings: Vec::new(),
            record,
        };
        seen.sort_verdicts();
        seen
    }

    fn sort_verdicts(&mut self) {
        let mut judged: Vec<Verdict> = Vec::new();
        for (name, value) in &self.record.verdicts {
            let read = match value["protocol"].as_str() {
                Some("cluster") => parsed(value).map(|verdict| self.clusters.push(verdict)),
                Some("health") => parsed(value).map(|verdict| self.health.push(verdict)),
                Some(tags::PROTOCOL) => parsed(value).map(|verdict| self.tags.push(verdict)),
                _ => parsed(value).map(|verdict| judged.push(verdict)),
            };
            if let Err(error) = read {
                self.warnings.push(format!("eval/{name}.json is no verdict and was left out: {error}"));
            }
        }
        for verdict in &judged {
            let what = format!("{}, {}", protocol(verdict), features_of(verdict));
            self.warnings.extend(verdict.warnings.iter().map(|warning| format!("{what}: {warning}")));
        }
        let tags = self.tags.iter().flat_map(|verdict| &verdict.warnings);
        self.warnings.extend(tags.map(|warning| format!("several classes: {warning}")));
        let clusters = self.clusters.iter().flat_map(|verdict| &verdict.warnings);
        self.warnings.extend(clusters.map(|warning| format!("clusters: {warning}")));
        let health = self.health.iter().flat_map(|verdict| &verdict.warnings);
        self.warnings.extend(health.map(|warning| format!("health: {warning}")));
        self.conditions = Condition::gather(judged, self.own_data());
    }

    /// SHA-256 of the data that the run learned from.
    pub(super) fn own_data(&self) -> Option<&str> {
        self.record.environment["data"]["sha256"].as_str()
    }

    /// Whether settings of a verdict are those of the trained encoder on the run's own data.
    pub(super) fn is_own(&self, settings: &std::collections::BTreeMap<String, Value>) -> bool {
        let judged_on = settings.get("data_sha256").and_then(Value::as_str);
        let same = judged_on.is_none_or(|sha256| self.own_data().is_none_or(|own| own == sha256));
        same && Kind::of(settings) == Kind::Trained
    }

    /// What was trained on what.
    pub(super) fn title(&self) -> String {
        let Common { encoder, data, .. } = self.settings.common();
        let encoder = encoder.name();
        let data = if data == BUNDLED { "the bundled images".to_owned() } else { file_name_of(data) };
        match &self.settings {
            RunSettings::Pretraining(settings) => {
                format!("{encoder} with {} on {data}", settings.method.name())
            }
            RunSettings::Finetuning(settings) if settings.init == SCRATCH => {
                format!("{encoder} trained from scratch on {data}")
            }
            RunSettings::Finetuning(_) => format!("{encoder} fine-tuned on {data}"),
        }
    }

    /// The run's name beside others.
    pub(super) fn name(&self) -> String {
        self.record.path.display().to_string()
    }
}

fn parsed<T: serde::de::DeserializeOwned>(value: &Value) -> Result<T, serde_json::Error> {
    serde_json::from_value(value.clone())
}
