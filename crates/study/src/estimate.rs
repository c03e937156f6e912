//! What a plan would take on this machine: two timed steps of every kind of training.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use toml::{Table, Value};
use twinlens_lab::jobs::{Finetuning, Plan as TrainingPlan, Pretraining, TrainingJob};
use twinlens_lab::run_settings::RunSettings;
use twinlens_lab::{Lab, LabError};
use twinlens_ssl::finetune::{FinetuneSettings, SCRATCH};

use crate::StudyError;
use crate::data::DataSets;
use crate::node::{Node, Work};
use crate::plan::Plan;

/// What a training would take.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// How long, without what follows from it.
    pub seconds: f64,
    /// What it leaves on disk.
    pub bytes: u64,
}

/// The largest batch whose steps are timed. Beyond, time is taken to grow with the number of images: a batch for a cluster does
/// not fit the memory of the machine on which the study is planned.
const LARGEST: usize = 64;

/// Settings by which trainings of one kind take equally long for an image.
const TELLING: [&str; 9] = [
    "encoder",
    "size",
    "precision",
    "method",
    "limit",
    "images",
    "label_share",
    "labels_per_class",
    "views_together",
];

impl Plan {
    /// Times two steps of every kind of training in the plan on this machine, and says of each training what it would take. What
    /// cannot be timed here is told and left out.
    ///
    /// # Errors
    /// Settings or data of the plan that cannot be read.
    pub fn estimate(&mut self, lab: &Lab<'_>) -> Result<(), StudyError> {
        let data = DataSets::new(&self.places, lab);
        let mut kinds: BTreeMap<String, Option<Timed>> = BTreeMap::new();
        let mut estimates = BTreeMap::new();
        let trainings: Vec<&Node> = self.nodes.iter().filter(|node| node.settings().is_some()).collect();
        let task = lab.events.begin("trainings timed");
        for (number, node) in trainings.iter().enumerate() {
            task.at(number as u64, trainings.len() as u64);
            let settings: Table = node.settings().unwrap_or_default().parse().map_err(unreadable)?;
            let kind = kind(node, &settings);
            let timed = match kinds.get(&kind) {
                Some(timed) => *timed,
                None => {
                    let timed = timed(node, &settings, &data, lab);
                    let timed = match timed {
                        Err(StudyError::Lab(error)) => {
                            lab.events.warn(&format!("{} is not timed: {error}", node.label));
                            None
                        }
                        timed => Some(timed?),
                    };
                    kinds.insert(kind, timed);
                    timed
                }
            };
            estimates.extend(timed.map(|timed| (node.id.clone(), timed.of(node, &settings))));
        }
        self.estimates = estimates;
        Ok(())
    }

    /// Seconds and bytes of all trainings that `counts` takes; none where any of them was not timed.
    pub fn estimated(&self, counts: impl Fn(&Node) -> bool) -> Option<Estimate> {
        let trainings = self.nodes.iter().filter(|node| node.settings().is_some() && counts(node));
        let found: Option<Vec<&Estimate>> = trainings.map(|node| self.estimates.get(&node.id)).collect();
        let found = found.filter(|found| !found.is_empty())?;
        let (seconds, bytes) =
            (found.iter().map(|one| one.seconds).sum(), found.iter().map(|one| one.bytes).sum());
        Some(Estimate { seconds, bytes })
    }

    /// The longest of all units, by the time of their trainings; none where any training was not timed.
    pub fn longest(&self, units: &[Vec<String>]) -> Option<f64> {
        if self.estimates.is_empty() {
            return None;
        }
        let at = self.numbers();
        let trains =
            |id: &&String| at.get(id.as_str()).is_some_and(|&at| self.nodes[at].settings().is_some());
        let of = |unit: &Vec<String>| -> Option<f64> {
            unit.iter().filter(trains).map(|id| Some(self.estimates.get(id)?.seconds)).sum()
        };
        let times: Option<Vec<f64>> = units.iter().map(of).collect();
        times?.into_iter().max_by(f64::total_cmp)
    }
}

/// What two steps told.
#[derive(Clone, Copy, Debug)]
struct Timed {
    /// Seconds of an epoch of each stage, or of the only one.
    epoch: [f64; 2],
    parameters: usize,
}

impl Timed {
    fn of(&self, node: &Node, settings: &Table) -> Estimate {
        let epochs = |table: &Table| table.get("epochs").and_then(Value::as_integer).unwrap_or(1) as f64;
        let stages = settings.get("stages").and_then(Value::as_array);
        let stages: Vec<f64> = match stages {
            Some(stages) => stages.iter().filter_map(Value::as_table).map(epochs).collect(),
            None => vec![epochs(settings)],
        };
        let last = self.epoch.len() - 1;
        let seconds = stages.iter().enumerate().map(|(at, epochs)| epochs * self.epoch[at.min(last)]).sum();
        let encoders = 1 + node.keeps().len() as u64;
        Estimate { seconds, bytes: encoders * 4 * self.parameters as u64 }
    }
}

/// What trainings that take equally long for an image have in common.
fn kind(node: &Node, settings: &Table) -> String {
    let telling = TELLING.iter().map(|key| settings.get(*key).map(Value::to_string).unwrap_or_default());
    let stages = settings.get("stages").and_then(Value::as_array).into_iter().flatten();
    let learns = stages.map(|stage| stage.get("trainable").map(Value::to_string).unwrap_or_default());
    let views = settings.get("views").map(operations).unwrap_or_default();
    let parts = [node.kind().name().to_owned(), node.data.clone(), batch(settings).to_string(), views];
    parts.into_iter().chain(telling).chain(learns).collect::<Vec<_>>().join(" ")
}

/// The names of the operations in views, which decide how long they take.
fn operations(views: &Value) -> String {
    match views {
        Value::Array(all) => all.iter().map(operations).collect::<Vec<_>>().join(" "),
        Value::Table(table) => match table.get("op") {
            Some(name) => name.to_string(),
            None => table.values().map(operations).collect::<Vec<_>>().join(" "),
        },
        _ => String::new(),
    }
}

fn batch(settings: &Table) -> usize {
    let batch = settings.get("batch").and_then(Value::as_integer).unwrap_or_default();
    usize::try_from(batch).unwrap_or_default().min(LARGEST)
}

fn timed(node: &Node, settings: &Table, data: &DataSets<'_>, lab: &Lab<'_>) -> Result<Timed, StudyError> {
    let mut small = settings.clone();
    small.insert("batch".to_owned(), Value::Integer(batch(settings) as i64));
    let read = RunSettings::read("the plan", &small.to_string(), None).map_err(LabError::from)?;
    let reading = toml::to_string(&read.common().data_options).map_err(|error| StudyError::Unreadable {
        path: crate::plan::PLAN.into(),
        reason: error.to_string(),
    })?;
    let images = data.open(&node.data, &reading)?.set.clone();
    let plan = match read {
        RunSettings::Pretraining(settings) => Pretraining::with_data(*settings, images, lab)?.plan()?,
        RunSettings::Finetuning(settings) => {
            let mut settings = FinetuneSettings { init: SCRATCH.to_owned(), ..*settings };
            settings.take_images(&images).map_err(LabError::from)?;
            Finetuning::new(settings, None, &images)?.plan()?
        }
    };
    Ok(Timed { epoch: epochs(&plan), parameters: plan.parameters })
}

/// Seconds of an epoch of the first and of the last stage.
fn epochs(plan: &TrainingPlan) -> [f64; 2] {
    let of = |stage: Option<&twinlens_lab::jobs::PlannedStage>| {
        stage.map_or(0.0, |stage| stage.seconds_per_step * plan.steps_per_epoch as f64)
    };
    [of(plan.stages.first()), of(plan.stages.last())]
}

fn unreadable(error: toml::de::Error) -> StudyError {
    StudyError::Unreadable { path: crate::plan::PLAN.into(), reason: error.to_string() }
}

impl Node {
    /// The settings of a training.
    fn settings(&self) -> Option<&str> {
        match &self.work {
            Work::Train(training) => Some(&training.settings),
            Work::Finetune(tuning) => Some(&tuning.settings),
            Work::Judge(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::plan;

    #[test]
    fn stages_take_their_own_time_and_epochs_are_kept() {
        let plan = plan(&[("a", None)]);
        let timed = Timed { epoch: [2.0, 5.0], parameters: 10 };
        let of = |text: &str| timed.of(&plan.nodes[0], &text.parse().unwrap());
        assert_eq!(of("epochs = 3"), Estimate { seconds: 6.0, bytes: 40 });
        assert_eq!(of("stages = [{ epochs = 1 }, { epochs = 2 }]").seconds, 12.0);
    }

    #[test]
    fn kinds_differ_in_what_takes_time_alone() {
        let plan = plan(&[("a", None)]);
        let of = |text: &str| kind(&plan.nodes[0], &text.parse().unwrap());
        let usual = of("batch = 64\nseed = 0\nviews = [{ operations = [{ op = 'grayscale', p = 0.2 }] }]");
        assert_eq!(
            usual,
            of("batch = 512\nseed = 1\nviews = [{ operations = [{ op = 'grayscale', p = 0.9 }] }]")
        );
        for other in [
            "batch = 32",
            "batch = 64\nsize = 28",
            "batch = 64\nviews = [{ operations = [{ op = 'rot90' }] }]",
        ] {
            assert_ne!(usual, of(other), "{other}");
        }
    }

    #[test]
    fn a_training_that_was_not_timed_leaves_no_longest() {
        let mut plan = plan(&[("a", None), ("b", None)]);
        let units = [vec!["a".to_owned()], vec!["b".to_owned()]];
        assert_eq!((plan.longest(&units), plan.estimated(|_| true)), (None, None));
        plan.estimates.insert("a".into(), Estimate { seconds: 1.0, bytes: 1 });
        assert_eq!((plan.longest(&units), plan.estimated(|_| true)), (None, None));
        plan.estimates.insert("b".into(), Estimate { seconds: 2.0, bytes: 1 });
        assert_eq!(plan.longest(&units), Some(2.0));
        assert_eq!(plan.estimated(|_| true), Some(Estimate { seconds: 3.0, bytes: 2 }));
    }
}
