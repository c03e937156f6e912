//! Several methods that train one encoder together, each on its own views and with its own heads.

use std::ops::Range;

use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_nn::NnError;
use twinlens_nn::weights::{Scope, Weights};

use super::{
    Batch, Images, METHODS, Method, MethodSettings, Network, Output, Rate, State, Widths, describe, find,
};
use crate::objectives::{Loss, weighted_sum};
use crate::settings::Problems;
use crate::{Settings, SslError};

/// The name in the registry.
pub(super) const ID: &str = "weighted-sum";

/// `[methods.weighted-sum]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WeightedSumSettings {
    /// The methods, in the order of their views.
    pub objectives: Vec<ObjectiveSettings>,
}

/// `[[methods.weighted-sum.objectives]]`: constants and heads are those of the method's own settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ObjectiveSettings {
    /// The method, by its name.
    pub method: String,
    /// What its loss is multiplied with.
    pub weight: f64,
    /// How many views it takes, after those of the methods before it.
    pub views: usize,
}

impl Default for WeightedSumSettings {
    fn default() -> Self {
        let objective = |weight| ObjectiveSettings { method: "mocov2plus".into(), weight, views: 2 };
        WeightedSumSettings { objectives: vec![objective(0.4), objective(1.0)] }
    }
}

impl WeightedSumSettings {
    pub(super) fn check(&self, methods: &MethodSettings, problems: &mut Problems) {
        let key = "methods.weighted-sum.objectives";
        problems.require(key, !self.objectives.is_empty(), "at least one", "none");
        let possible: Vec<_> = METHODS.iter().filter(|spec| spec.id != ID && !spec.labels).collect();
        let names = possible.iter().map(|spec| spec.id).collect::<Vec<_>>().join(", ");
        for objective in &self.objectives {
            problems.positive(key, objective.weight);
            match possible.iter().find(|spec| spec.id == objective.method) {
                Some(spec) => {
                    let range = spec.views(methods);
                    let expected = format!("{} for {}", describe(&range), spec.id);
                    problems.require(key, range.contains(&objective.views), &expected, &objective.views);
                }
                None => problems.require(key, false, &names, &objective.method),
            }
        }
    }

    /// The views of all methods together.
    pub(crate) fn views(&self) -> usize {
        self.objectives.iter().map(|objective| objective.views).fold(0, usize::saturating_add)
    }
}

/// `sum_i w_i L_i`. Entries and state of method number i are named `i.` and `i/`.
#[derive(Debug)]
pub(super) struct WeightedSum {
    parts: Vec<Part>,
}

#[derive(Debug)]
struct Part {
    method: Box<dyn Method>,
    weight: f64,
    views: Range<usize>,
}

impl WeightedSum {
    pub(super) fn new(settings: &Settings, scope: &mut Scope<'_>, widths: Widths) -> WeightedSum {
        let mut parts = Vec::new();
        let mut first = 0;
        for (number, objective) in settings.methods.weighted_sum.objectives.iter().enumerate() {
            // Unknown methods, and this one within itself, were refused with the settings.
            let Ok(spec) = find(&objective.method) else { continue };
            if spec.id == ID {
                continue;
            }
            let method = spec.build(settings, &mut scope.at(number), widths);
            let views = first..first + objective.views;
            first = views.end;
            parts.push(Part { method, weight: objective.weight, views });
        }
        WeightedSum { parts }
    }
}

/// The loss of method `number`, with itself (`NUMBER`) and its parts (`NUMBER_PART`) as parts.
fn numbered(number: usize, loss: Loss) -> Loss {
    let own = (number.to_string(), loss.total.clone().detach());
    let named = loss.parts.into_iter().map(|(name, value)| (format!("{number}_{name}"), value));
    Loss { total: loss.total, parts: std::iter::once(own).chain(named).collect() }
}

/// The images in the views of one method.
struct Selected<'a> {
    images: &'a dyn Images,
    views: Range<usize>,
}

impl Images for Selected<'_> {
    fn count(&self) -> usize {
        self.images.count()
    }

    fn visit(&self, visit: &mut dyn FnMut(&[usize], Vec<Tensor<4>>)) -> Result<(), SslError> {
        self.images.visit(&mut |indices, views| visit(indices, views[self.views.clone()].to_vec()))
    }
}

impl Method for WeightedSum {
    fn start_of_epoch(
        &mut self,
        network: &mut Network<'_>,
        images: &dyn Images,
        epoch: usize,
    ) -> Result<(), SslError> {
        self.parts.iter_mut().try_for_each(|part| {
            let images = Selected { images, views: part.views.clone() };
            part.method.start_of_epoch(network, &images, epoch)
        })
    }

    fn forward(&mut self, network: &mut Network<'_>, batch: Batch, epoch: usize) -> Output {
        let forward = |part: &mut Part| {
            let views = batch.views[part.views.clone()].to_vec();
            let own = Batch { views, ..batch.clone() };
            (part.weight, part.method.forward(network, own, epoch))
        };
        let outputs: Vec<(f64, Output)> = self.parts.iter_mut().map(forward).collect();
        let embeddings = outputs[0].1.embeddings.clone();
        let losses = outputs
            .into_iter()
            .enumerate()
            .map(|(number, (weight, output))| (weight, numbered(number, output.loss)));
        Output { loss: weighted_sum(losses), embeddings }
    }

    fn rate(&self, name: &str, epoch: usize) -> Rate {
        let own = |(number, part): (usize, &Part)| {
            Some(part.method.rate(name.strip_prefix(&format!("{number}."))?, epoch))
        };
        self.parts.iter().enumerate().find_map(own).unwrap_or(Rate::Scheduled)
    }

    fn after_step(&mut self, weights: &Weights, step: usize, total: usize) {
        self.parts.iter_mut().for_each(|part| part.method.after_step(weights, step, total));
    }

    fn state(&self) -> State {
        let named = |(number, part): (usize, &Part)| {
            let entries = part.method.state().into_iter();
            entries.map(move |(name, tensor)| (format!("{number}/{name}"), tensor)).collect::<Vec<_>>()
        };
        self.parts.iter().enumerate().flat_map(named).collect()
    }

    fn restore(&mut self, state: &State) -> Result<(), NnError> {
        self.parts.iter_mut().enumerate().try_for_each(|(number, part)| {
            let prefix = format!("{number}/");
            let own = |(name, tensor): (&String, &_)| {
                let name = name.strip_prefix(&prefix)?.to_owned();
                Some((name, Clone::clone(tensor)))
            };
            part.method.restore(&state.iter().filter_map(own).collect())
        })
    }

    fn collapse_advice(&self) -> &'static str {
        "Look which of the objectives fell silent (loss_0, loss_1, ... in metrics.jsonl), raise its weight in \
         methods.weighted-sum.objectives, or train it alone to see whether it collapses by itself"
    }
}
