//! A run as its report sees it: what the folder says, and nothing else.

use std::path::Path;

use twinlens_data::DataSummary;
use twinlens_eval::TagPredictions;
use twinlens_eval::clustering::Clusters;
use twinlens_eval::health::Health;
use twinlens_eval::retrieval::Retrieval;
use twinlens_report::Picture;
use twinlens_run::{RunRecord, names};
use twinlens_ssl::Common;
use twinlens_ssl::finetune::SCRATCH;

use super::conditions::Condition;
use super::file_name_of;
use crate::jobs::JobError;
use crate::maps::FeatureMap;
use crate::protocols::title;
use crate::run_settings::RunSettings;
use crate::study::PLAN;
use crate::verdict::KeptVerdicts;
use crate::{BUNDLED, Exhibit, LabError, Outcome as Found, Verdict};

/// A run and everything that was found about it.
pub struct RunView {
    /// The folder's files.
    pub record: RunRecord,
    /// What it was told to do.
    pub settings: RunSettings,
    /// What was kept of the data; none in runs of earlier versions.
    pub data: Option<DataSummary>,
    /// Judgements by predictions, in the order of tables.
    pub(super) conditions: Vec<Condition>,
    /// Judgements of images that may show several classes.
    pub(super) tags: Vec<Verdict<TagPredictions>>,
    pub(super) retrieval: Vec<Verdict<Retrieval>>,
    pub(super) clusters: Vec<Verdict<Clusters>>,
    pub(super) health: Vec<Verdict<Health>>,
    pub(super) maps: Vec<Verdict<FeatureMap>>,
    /// Verdicts of any other protocol.
    pub(super) measured: Vec<Verdict>,
    /// All of them, in the order of their files.
    pub verdicts: Vec<Verdict>,
    /// What the verdicts warn of.
    pub(super) warnings: Vec<String>,
}

impl RunView {
    /// What the folder `run` says.
    ///
    /// # Errors
    /// A folder that is no run or is damaged, or a study's.
    pub fn read(run: &Path) -> Result<RunView, LabError> {
        if run.join(PLAN).is_file() {
            return Err(LabError::from(JobError::StudyAmongRuns).at(run.display()));
        }
        let record = RunRecord::read(run)?;
        let settings = RunSettings::of(&record)?;
        Ok(RunView::new(record, settings))
    }

    fn new(record: RunRecord, settings: RunSettings) -> RunView {
        let data = record.data.clone().map(serde_json::from_value).transpose();
        let mut view = RunView {
            settings,
            data: data.as_ref().ok().cloned().flatten(),
            conditions: Vec::new(),
            tags: Vec::new(),
            retrieval: Vec::new(),
            clusters: Vec::new(),
            health: Vec::new(),
            maps: Vec::new(),
            measured: Vec::new(),
            verdicts: Vec::new(),
            warnings: Vec::new(),
            record,
        };
        if let Err(error) = data {
            view.warnings.push(format!("data.json cannot be read: {error}"));
        }
        view.sort_verdicts();
        view
    }

    fn sort_verdicts(&mut self) {
        let mut judged = Vec::new();
        let KeptVerdicts { verdicts, left_out } = KeptVerdicts::of(&self.record);
        self.warnings.extend(left_out);
        for (name, verdict) in verdicts {
            let verdict = Verdict { exhibits: exhibits(&self.record, &name), ..verdict };
            let what = format!("{}, {}", title(&verdict.protocol, &verdict.asked), verdict.subject.title());
            self.warnings.extend(verdict.warnings.iter().map(|warning| format!("{what}: {warning}")));
            self.verdicts.push(verdict.clone());
            match verdict.outcome.clone() {
                Found::Predictions(found) => judged.push(verdict.with(found)),
                Found::Tags(found) => self.tags.push(verdict.with(found)),
                Found::Retrieval(found) => self.retrieval.push(verdict.with(found)),
                Found::Clusters(found) => self.clusters.push(verdict.with(found)),
                Found::Health(found) => self.health.push(verdict.with(found)),
                Found::Map(found) => self.maps.push(verdict.with(found)),
                Found::Measured(_) => self.measured.push(verdict),
            }
        }
        self.conditions = Condition::gather(judged, self.own_data());
    }

    /// SHA-256 of the data that the run learned from.
    pub(super) fn own_data(&self) -> Option<&str> {
        self.record.environment["data"]["sha256"].as_str()
    }

    /// Whether a verdict is of the trained encoder on the run's own data.
    pub(super) fn is_own<O>(&self, verdict: &Verdict<O>) -> bool {
        let same = |sha256: &String| self.own_data().is_none_or(|own| own == sha256);
        verdict.data.sha256.as_ref().is_none_or(same) && verdict.subject.features.is_trained()
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

    /// A picture that was kept with the run, if it is there and can be read.
    pub(super) fn plot(&self, file_name: &str) -> Option<Picture> {
        let bytes = std::fs::read(self.record.path.join(names::PLOTS).join(file_name)).ok()?;
        Picture::from_png(bytes).ok()
    }

    /// A text that was kept with the run's pictures, if it is there.
    pub(super) fn plot_text(&self, file_name: &str) -> Option<String> {
        std::fs::read_to_string(self.record.path.join(names::PLOTS).join(file_name)).ok()
    }

    /// The run's name beside others.
    pub fn name(&self) -> String {
        self.record.path.display().to_string()
    }
}

/// The pictures that were kept beside the verdict called `name`.
fn exhibits(record: &RunRecord, name: &str) -> Vec<Exhibit> {
    let read = |extension| {
        let file = record.path.join(names::PLOTS).join(format!("{name}.{extension}"));
        Some(Exhibit { extension, bytes: std::fs::read(file).ok()? })
    };
    ["png", "jpg"].into_iter().filter_map(read).collect()
}
