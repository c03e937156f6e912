//! What a method is: to the training loop, to whoever builds it, and to the registry.

use std::fmt::Debug;
use std::ops::RangeInclusive;

use burn::tensor::Tensor;
use twinlens_nn::NnError;
use twinlens_nn::weights::{Scope, Weights};

use super::heads::ProjectorSettings;
use super::network::Network;
use super::state::MethodState;
use crate::SslError;
use crate::objectives::Loss;
use crate::problems::Problems;

/// What a method is given for a step.
#[derive(Clone, Debug)]
pub struct Batch {
    /// One `[N, H, W, C]` tensor for each view.
    pub views: Vec<Tensor<4>>,
    /// The images' numbers in the training set.
    pub indices: Vec<usize>,
    /// Their classes, where known.
    pub labels: Vec<Option<usize>>,
}

impl From<Vec<Tensor<4>>> for Batch {
    /// Views of the first N images, without labels.
    fn from(views: Vec<Tensor<4>>) -> Batch {
        let images = views.first().map_or(0, |view| view.dims()[0]);
        Batch { views, indices: (0..images).collect(), labels: vec![None; images] }
    }
}

/// What a step of a method gives back.
#[derive(Clone, Debug)]
pub struct Output {
    /// The loss to minimise and its parts.
    pub loss: Loss,
    /// The projections of the first view, `[N, D]`, a constant: what the watch for collapse looks at.
    pub embeddings: Tensor<2>,
}

impl Output {
    /// A loss, and the first view's projections `[N, D]`.
    pub fn new(loss: Loss, embeddings: &Tensor<2>) -> Output {
        Output { loss, embeddings: embeddings.clone().without_autodiff() }
    }
}

/// How an entry of the weights is trained at a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    /// At the learning rate of the schedule.
    Scheduled,
    /// At the schedule's full rate throughout.
    Constant,
    /// Not at all.
    Frozen,
}

/// The training images, for methods that look at all of them.
pub trait Images {
    /// Number of images.
    fn count(&self) -> usize;

    /// Calls `visit` with the numbers and the views of all images, in order, batch by batch.
    ///
    /// # Errors
    /// Unreadable images.
    fn visit(&self, visit: &mut dyn FnMut(&[usize], Vec<Tensor<4>>)) -> Result<(), SslError>;
}

/// A method of self-supervised learning.
///
/// The training loop knows methods only through this trait.
pub trait Method: Debug + Send {
    /// What happens before the first step of `epoch` (from 0): memories, clusterings.
    ///
    /// # Errors
    /// Unreadable images, or settings that do not fit the data.
    fn start_of_epoch(
        &mut self,
        _network: &mut Network<'_>,
        _images: &dyn Images,
        _epoch: usize,
    ) -> Result<(), SslError> {
        Ok(())
    }

    /// The loss of a batch. State that feeds later steps (queues, centres) moves on here.
    fn forward(&mut self, network: &mut Network<'_>, batch: Batch, epoch: usize) -> Output;

    /// How the entry called `name` is trained in `epoch`.
    fn rate(&self, _name: &str, _epoch: usize) -> Rate {
        Rate::Scheduled
    }

    /// What happens after the optimiser's step number `step` (from 0) of `total`: averages of weights.
    fn after_step(&mut self, _weights: &Weights, _step: usize, _total: usize) {}

    /// The state that is not in the weights, for a checkpoint.
    fn state(&self) -> MethodState {
        MethodState::new()
    }

    /// Takes up what [`Method::state`] gave.
    ///
    /// # Errors
    /// A missing or misshapen entry.
    fn restore(&mut self, _state: &MethodState) -> Result<(), NnError> {
        Ok(())
    }

    /// The loss of outputs that say nothing about the image, where the method has one such value.
    fn uninformative_loss(&self) -> Option<f64> {
        None
    }

    /// The usual causes when this method's embeddings collapse, and the settings to change.
    fn collapse_advice(&self) -> &'static str;
}

/// What a method is built on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ground {
    /// Width of the encoder's features.
    pub features: usize,
    /// Classes of the data set; 0 without labels.
    pub classes: usize,
    /// The run's seed.
    pub seed: u64,
}

/// The settings of a method: its constants and heads, from which it is built.
pub trait MethodConfig {
    /// Whether it learns from labels.
    fn labels(&self) -> bool {
        false
    }

    /// How many views of an image it takes.
    fn views(&self) -> RangeInclusive<usize> {
        2..=2
    }

    /// The head whose outputs are watched, where there is one.
    fn projector(&self) -> Option<&ProjectorSettings> {
        None
    }

    /// The batch below which what it estimates from a batch is poor.
    fn least_batch(&self) -> usize {
        2
    }

    /// Reports what cannot be used.
    fn check(&self, problems: &mut Problems);

    /// Declares the heads in `scope`.
    fn build(&self, scope: &mut Scope<'_>, ground: Ground) -> Box<dyn Method>;
}

/// A method of the registry.
pub(super) trait Registered: MethodConfig + Default {
    /// What the method is, for people.
    const SUMMARY: &'static str;
    /// Where it was published.
    const PAPER: &'static str;
    /// How its loss is read: the values where nothing is learned, and where all is.
    const LOSS: &'static str;
}

/// A row of the registry.
#[derive(Clone, Copy, Debug)]
pub struct MethodSpec {
    /// The name on the command line.
    pub id: &'static str,
    /// What it is, for people.
    pub summary: &'static str,
    /// Where it was published.
    pub paper: &'static str,
    /// How its loss is read: the values where nothing is learned, and where all is.
    pub loss: &'static str,
}

/// As many views as there are.
pub(super) const MANY: usize = usize::MAX;

/// `2 views`, or `2 or more views`.
pub(crate) fn describe(views: &RangeInclusive<usize>) -> String {
    let more = if views.start() == views.end() { "" } else { " or more" };
    format!("{}{more} views", views.start())
}

/// The first two views.
pub(super) fn two<const D: usize>(views: &[Tensor<D>]) -> [Tensor<D>; 2] {
    [views[0].clone(), views[1].clone()]
}
