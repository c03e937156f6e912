//! Several methods that train one encoder together, each on its own views and with its own heads.

use std::ops::{Range, RangeInclusive};

use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_nn::NnError;
use twinlens_nn::weights::{Scope, Weights};

use super::MethodSettings;
use super::heads::ProjectorSettings;
use super::method::{Batch, Ground, Images, Method, MethodConfig, Output, Rate, Registered, describe};
use super::mocov2plus::MocoV2PlusSettings;
use super::network::Network;
use super::state::MethodState;
use crate::SslError;
use crate::objectives::{Loss, weighted_sum};
use crate::problems::Problems;

/// Settings of a weighted sum.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WeightedSumSettings {
    /// The methods, in the order of their views.
    pub terms: Vec<Term>,
}

/// `[[method.terms]]`: a method with constants and heads of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Term {
    /// The method.
    #[serde(flatten)]
    pub method: MethodSettings,
    /// What its loss is multiplied with.
    pub weight: f64,
    /// How many views it takes, after those of the methods before it.
    pub views: usize,
}

impl Default for WeightedSumSettings {
    fn default() -> Self {
        let method = || MethodSettings::MocoV2Plus(MocoV2PlusSettings::default());
        let term = |weight| Term { method: method(), weight, views: 2 };
        WeightedSumSettings { terms: vec![term(0.4), term(1.0)] }
    }
}

impl Registered for WeightedSumSettings {
    const SUMMARY: &'static str =
        "several of the other methods at once, each on its own views, their losses weighted";
    const PAPER: &'static str = "a weighted sum of objectives";
    const LOSS: &'static str = "the weighted sum of its terms, each of which is read as that of its own method (loss_0, loss_1, \
         ...)";
}

impl MethodConfig for WeightedSumSettings {
    fn views(&self) -> RangeInclusive<usize> {
        let all = self.terms.iter().map(|term| term.views).fold(0, usize::saturating_add);
        all..=all
    }

    /// That of the first term, whose embeddings are watched.
    fn projector(&self) -> Option<&ProjectorSettings> {
        self.terms.first()?.method.projector()
    }

    fn check(&self, problems: &mut Problems) {
        problems.require("terms", !self.terms.is_empty(), "at least one", "none");
        for (number, term) in self.terms.iter().enumerate() {
            problems.within(&format!("terms.{number}"), |problems| term.check(problems));
        }
    }

    fn build(&self, scope: &mut Scope<'_>, ground: Ground) -> Box<dyn Method> {
        let mut parts = Vec::new();
        let mut first = 0;
        for (number, term) in self.terms.iter().enumerate() {
            let method = term.method.build(&mut scope.at(number), ground);
            let views = first..first + term.views;
            first = views.end;
            parts.push(Part { method, weight: term.weight, views });
        }
        Box::new(WeightedSum { parts })
    }
}

impl Term {
    fn check(&self, problems: &mut Problems) {
        problems.positive("weight", self.weight);
        let range = self.method.views();
        let expected = format!("{} for {}", describe(&range), self.method.name());
        problems.require("views", range.contains(&self.views), &expected, &self.views);
        let sum = matches!(self.method, MethodSettings::WeightedSum(_));
        let expected = "a method that needs no labels and is no sum itself";
        problems.require("name", !sum && !self.method.labels(), expected, self.method.name());
        if !sum {
            self.method.check(problems);
        }
    }
}

/// `sum_i w_i L_i`. Entries and state of method number i are named `i.` and `i/`.
#[derive(Debug)]
struct WeightedSum {
    parts: Vec<Part>,
}

#[derive(Debug)]
struct Part {
    method: Box<dyn Method>,
    weight: f64,
    views: Range<usize>,
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

    fn state(&self) -> MethodState {
        let named = |(number, part): (usize, &Part)| {
            let entries = part.method.state().into_iter();
            entries.map(move |(name, tensor)| (format!("{number}/{name}"), tensor)).collect::<Vec<_>>()
        };
        self.parts.iter().enumerate().flat_map(named).collect()
    }

    fn restore(&mut self, state: &MethodState) -> Result<(), NnError> {
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
         method.terms, or train it alone to see whether it collapses by itself"
    }
}
