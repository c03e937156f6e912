//! Methods: heads, state and the call of an objective. One file and one registry row each.

mod barlow_twins;
mod simclr;

pub use barlow_twins::BarlowTwinsSettings;
pub use simclr::SimclrSettings;

use std::collections::BTreeMap;
use std::fmt::Debug;

use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_nn::NnError;
use twinlens_nn::encoders::Encoder;
use twinlens_nn::heads::{Mlp, MlpPlan};
use twinlens_nn::weights::{NamedTensor, Pass, Scope, Weights};

use crate::objectives::Loss;
use crate::{ProjectorSettings, Settings, SslError};

/// What a step of a method gives back.
#[derive(Clone, Debug)]
pub struct Output {
    /// The loss to minimise and its parts.
    pub loss: Loss,
    /// The projections of the first view, `[N, D]`, a constant: what the watch for collapse looks at.
    pub embeddings: Tensor<2>,
}

/// A method of self-supervised learning.
pub trait Method: Debug + Send {
    /// How many views of an image it takes.
    fn views(&self) -> usize {
        2
    }

    /// The loss of a batch: one `[N, H, W, C]` tensor for each view.
    fn forward(&mut self, network: &mut Network<'_>, views: Vec<Tensor<4>>) -> Output;

    /// What happens after the optimiser's step number `step` (from 0) of `total`: averages, queues, centres.
    fn after_step(&mut self, _weights: &Weights, _step: usize, _total: usize) {}

    /// The state that is not in the weights, for a checkpoint.
    fn state(&self) -> BTreeMap<String, NamedTensor> {
        BTreeMap::new()
    }

    /// Takes up what [`Method::state`] gave.
    ///
    /// # Errors
    /// A missing or misshapen entry.
    fn restore(&mut self, _state: &BTreeMap<String, NamedTensor>) -> Result<(), NnError> {
        Ok(())
    }

    /// The usual causes when this method's embeddings collapse, and the settings to change.
    fn collapse_advice(&self) -> &'static str;
}

/// The encoder with its weights, as a method sees it during a step.
#[derive(Debug)]
pub struct Network<'a> {
    /// The encoder.
    pub encoder: &'a dyn Encoder,
    /// Its weights and those of the heads.
    pub weights: &'a mut Weights,
    /// Whether all views pass through the network as one batch, sharing their batch statistics.
    pub together: bool,
}

impl Network<'_> {
    /// Every view through encoder and `head`.
    pub fn project(&mut self, head: &Mlp, views: Vec<Tensor<4>>) -> Vec<Tensor<2>> {
        if !self.together || views.windows(2).any(|pair| pair[0].dims() != pair[1].dims()) {
            return views.into_iter().map(|view| self.project_batch(head, view)).collect();
        }
        let (count, images) = (views.len(), views[0].dims()[0]);
        let projected = self.project_batch(head, Tensor::cat(views, 0));
        (0..count).map(|view| projected.clone().narrow(0, view * images, images)).collect()
    }

    fn project_batch(&mut self, head: &Mlp, images: Tensor<4>) -> Tensor<2> {
        let mut pass = Pass::train(self.weights);
        let features = self.encoder.forward(&mut pass, images);
        head.forward(&mut pass, features)
    }
}

/// `[methods.ID]` of a configuration: each method's own constants.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MethodSettings {
    /// Barlow Twins.
    #[serde(rename = "barlow-twins")]
    pub barlow_twins: BarlowTwinsSettings,
    /// SimCLR.
    pub simclr: SimclrSettings,
}

/// Declares a method's heads in a scope, for features of the given width.
type Build = fn(&Settings, &mut Scope<'_>, usize) -> Box<dyn Method>;

/// A row of the registry.
#[derive(Clone, Copy, Debug)]
pub struct MethodSpec {
    /// The name on the command line.
    pub id: &'static str,
    /// What it is, for people.
    pub summary: &'static str,
    /// Where it was published.
    pub paper: &'static str,
    build: Build,
}

impl MethodSpec {
    /// Declares the method's heads in `scope`, for features of width `features`.
    pub fn build(&self, settings: &Settings, scope: &mut Scope<'_>, features: usize) -> Box<dyn Method> {
        (self.build)(settings, scope, features)
    }
}

/// Every method.
pub const METHODS: &[MethodSpec] = &[
    MethodSpec {
        id: "barlow-twins",
        summary: "the cross-correlation of two views' embeddings is driven towards the identity",
        paper: "Zbontar et al., ICML 2021, arXiv:2103.03230",
        build: |settings, scope, features| {
            Box::new(barlow_twins::BarlowTwins::new(settings, scope, features))
        },
    },
    MethodSpec {
        id: "simclr",
        summary: "each view must find its partner among all other views of the batch (NT-Xent)",
        paper: "Chen et al., ICML 2020, arXiv:2002.05709",
        build: |settings, scope, features| Box::new(simclr::Simclr::new(settings, scope, features)),
    },
];

/// The registry row called `id`.
///
/// # Errors
/// An unknown name; the error lists the known ones.
pub fn find(id: &str) -> Result<&'static MethodSpec, SslError> {
    METHODS.iter().find(|spec| spec.id == id).ok_or_else(|| {
        let known = METHODS.iter().map(|spec| spec.id).collect::<Vec<_>>().join(", ");
        SslError::UnknownMethod { got: id.into(), known }
    })
}

/// The projector that the settings describe.
fn projector(settings: &ProjectorSettings, scope: &mut Scope<'_>, features: usize) -> Mlp {
    let mut widths = vec![features];
    widths.extend(std::iter::repeat_n(settings.hidden_dim, settings.layers - 1));
    widths.push(settings.output_dim);
    let ProjectorSettings { bias, last_bias, batch_norm, .. } = *settings;
    Mlp::new(&mut scope.at("projector"), &MlpPlan { widths, bias, last_bias, batch_norm })
}
