//! Methods: heads, state and the call of an objective. One more costs its file and one line of the registry below.

mod heads;
mod network;
mod queue;
mod state;
mod target;

pub use heads::{PredictorSettings, ProjectorSettings, TargetSettings};
pub use network::Network;
pub use state::State;
pub use weighted_sum::Term;

use std::fmt::Debug;
use std::ops::RangeInclusive;

use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_nn::NnError;
use twinlens_nn::weights::{Scope, Weights};

use crate::SslError;
use crate::objectives::Loss;
use crate::settings::Problems;

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
    fn new(loss: Loss, embeddings: &Tensor<2>) -> Output {
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
    fn state(&self) -> State {
        State::new()
    }

    /// Takes up what [`Method::state`] gave.
    ///
    /// # Errors
    /// A missing or misshapen entry.
    fn restore(&mut self, _state: &State) -> Result<(), NnError> {
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

/// A method's settings: its constants and its heads.
trait Setup: Default {
    /// What the method is, for people.
    const SUMMARY: &'static str;
    /// Where it was published.
    const PAPER: &'static str;
    /// Whether it learns from labels.
    const LABELS: bool = false;

    /// How many views of an image it takes.
    fn views(&self) -> RangeInclusive<usize> {
        2..=2
    }

    /// The head whose outputs are watched, where there is one.
    fn projector(&self) -> Option<&ProjectorSettings> {
        None
    }

    /// Reports what cannot be used.
    fn check(&self, problems: &mut Problems);

    /// Declares the heads in `scope`.
    fn build(&self, scope: &mut Scope<'_>, ground: Ground) -> Box<dyn Method>;
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
    /// Whether it learns from labels.
    pub labels: bool,
}

/// As many views as there are.
const MANY: usize = usize::MAX;

/// `2 views`, or `2 or more views`.
pub(crate) fn describe(views: &RangeInclusive<usize>) -> String {
    let more = if views.start() == views.end() { "" } else { " or more" };
    format!("{}{more} views", views.start())
}

/// Declares the methods: name, file, settings.
macro_rules! registry {
    ($($id:literal => $file:ident::$method:ident($settings:ident);)*) => {
        $(mod $file; pub use $file::$settings;)*

        /// `[method]` of a configuration: a table whose key `name` names the method, with its constants and heads.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(tag = "name")]
        pub enum MethodSettings {
            $(#[doc = concat!("`", $id, "`")] #[serde(rename = $id)] $method($settings),)*
        }

        /// Every method.
        pub const METHODS: &[MethodSpec] = &[$(MethodSpec {
            id: $id,
            summary: $settings::SUMMARY,
            paper: $settings::PAPER,
            labels: $settings::LABELS,
        }),*];

        impl MethodSettings {
            /// The method called `id`, with default settings.
            ///
            /// # Errors
            /// An unknown name; the error lists the known ones.
            pub fn named(id: &str) -> Result<MethodSettings, SslError> {
                match id {
                    $($id => Ok(MethodSettings::$method($settings::default())),)*
                    _ => {
                        let known = METHODS.iter().map(|spec| spec.id).collect::<Vec<_>>().join(", ");
                        Err(SslError::UnknownMethod { got: id.into(), known })
                    }
                }
            }

            /// The method's name.
            pub fn name(&self) -> &'static str {
                match self { $(MethodSettings::$method(_) => $id,)* }
            }

            /// Whether it learns from labels.
            pub fn labels(&self) -> bool {
                match self { $(MethodSettings::$method(_) => $settings::LABELS,)* }
            }

            /// How many views of an image it takes.
            pub fn views(&self) -> RangeInclusive<usize> {
                match self { $(MethodSettings::$method(settings) => settings.views(),)* }
            }

            /// The head whose outputs are watched, where there is one.
            pub fn projector(&self) -> Option<&ProjectorSettings> {
                match self { $(MethodSettings::$method(settings) => settings.projector(),)* }
            }

            pub(crate) fn check(&self, problems: &mut Problems) {
                match self { $(MethodSettings::$method(settings) => settings.check(problems),)* }
            }

            /// Declares the method's heads in `scope`.
            pub fn build(&self, scope: &mut Scope<'_>, ground: Ground) -> Box<dyn Method> {
                match self { $(MethodSettings::$method(settings) => settings.build(scope, ground),)* }
            }
        }
    };
}

registry! {
    "barlow-twins" => barlow_twins::BarlowTwins(BarlowTwinsSettings);
    "simclr" => simclr::Simclr(SimclrSettings);
    "mocov2plus" => mocov2plus::MocoV2Plus(MocoV2PlusSettings);
    "byol" => byol::Byol(ByolSettings);
    "simsiam" => simsiam::Simsiam(SimsiamSettings);
    "vicreg" => vicreg::Vicreg(VicregSettings);
    "vibcreg" => vibcreg::Vibcreg(VibcregSettings);
    "swav" => swav::Swav(SwavSettings);
    "dino" => dino::Dino(DinoSettings);
    "deepclusterv2" => deepclusterv2::DeepClusterV2(DeepClusterV2Settings);
    "nnclr" => nnclr::Nnclr(NnclrSettings);
    "nnbyol" => nnbyol::Nnbyol(NnbyolSettings);
    "ressl" => ressl::Ressl(ResslSettings);
    "w-mse" => w_mse::WMse(WMseSettings);
    "weighted-sum" => weighted_sum::WeightedSum(WeightedSumSettings);
    "supervised" => supervised::Supervised(SupervisedSettings);
}

/// The first two views.
fn two<const D: usize>(views: &[Tensor<D>]) -> [Tensor<D>; 2] {
    [views[0].clone(), views[1].clone()]
}
