//! Methods: heads, state and the call of an objective. One file and one registry row each.

mod barlow_twins;
mod byol;
mod deepclusterv2;
mod dino;
mod mocov2plus;
mod network;
mod nnbyol;
mod nnclr;
mod queue;
mod ressl;
mod simclr;
mod simsiam;
mod state;
mod supervised;
mod swav;
mod target;
mod vibcreg;
mod vicreg;
mod w_mse;
mod weighted_sum;

pub use barlow_twins::BarlowTwinsSettings;
pub use deepclusterv2::DeepClusterV2Settings;
pub use dino::DinoSettings;
pub use mocov2plus::MocoV2PlusSettings;
pub use network::Network;
pub use nnbyol::NnbyolSettings;
pub use nnclr::NnclrSettings;
pub use ressl::ResslSettings;
pub use simclr::SimclrSettings;
pub use state::State;
pub use swav::SwavSettings;
pub use vibcreg::VibcregSettings;
pub use vicreg::VicregSettings;
pub use w_mse::WMseSettings;
pub use weighted_sum::{ObjectiveSettings, WeightedSumSettings};

use std::fmt::Debug;
use std::ops::RangeInclusive;

use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_nn::NnError;
use twinlens_nn::heads::{Activation, LastNorm, Mlp, MlpPlan};
use twinlens_nn::weights::{Scope, Weights};

use crate::objectives::Loss;
use crate::settings::Problems;
use crate::{PredictorSettings, ProjectorSettings, Settings, SslError};

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

/// `[methods.ID]` of a configuration: each method's own constants.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct MethodSettings {
    /// Barlow Twins.
    pub barlow_twins: BarlowTwinsSettings,
    /// SimCLR.
    pub simclr: SimclrSettings,
    /// MoCo v2+.
    pub mocov2plus: MocoV2PlusSettings,
    /// VICReg.
    pub vicreg: VicregSettings,
    /// VIbCReg.
    pub vibcreg: VibcregSettings,
    /// SwAV.
    pub swav: SwavSettings,
    /// DINO.
    pub dino: DinoSettings,
    /// DeepCluster v2.
    pub deepclusterv2: DeepClusterV2Settings,
    /// NNCLR.
    pub nnclr: NnclrSettings,
    /// NNBYOL.
    pub nnbyol: NnbyolSettings,
    /// ReSSL.
    pub ressl: ResslSettings,
    /// W-MSE.
    pub w_mse: WMseSettings,
    /// Several methods at once.
    pub weighted_sum: WeightedSumSettings,
}

impl MethodSettings {
    pub(crate) fn check(&self, problems: &mut Problems) {
        self.barlow_twins.check(problems);
        self.simclr.check(problems);
        self.mocov2plus.check(problems);
        self.vicreg.check(problems);
        self.vibcreg.check(problems);
        self.swav.check(problems);
        self.dino.check(problems);
        self.deepclusterv2.check(problems);
        self.nnclr.check(problems);
        self.nnbyol.check(problems);
        self.ressl.check(problems);
        self.w_mse.check(problems);
        self.weighted_sum.check(self, problems);
    }
}

/// What a method's heads are made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Widths {
    /// Width of the encoder's features.
    pub features: usize,
    /// Classes of the data set; 0 without labels.
    pub classes: usize,
}

/// Declares a method's heads in a scope.
type Build = fn(&Settings, &mut Scope<'_>, Widths) -> Box<dyn Method>;

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
    views: fn(&MethodSettings) -> RangeInclusive<usize>,
    build: Build,
}

/// As many views as there are.
const MANY: usize = usize::MAX;

/// `2 views`, or `2 or more views`.
pub(crate) fn describe(views: &RangeInclusive<usize>) -> String {
    let more = if views.start() == views.end() { "" } else { " or more" };
    format!("{}{more} views", views.start())
}

impl MethodSpec {
    /// How many views of an image it takes.
    pub fn views(&self, settings: &MethodSettings) -> RangeInclusive<usize> {
        (self.views)(settings)
    }

    /// Declares the method's heads in `scope`.
    pub fn build(&self, settings: &Settings, scope: &mut Scope<'_>, widths: Widths) -> Box<dyn Method> {
        (self.build)(settings, scope, widths)
    }
}

/// Every method.
pub const METHODS: &[MethodSpec] = &[
    MethodSpec {
        id: "barlow-twins",
        summary: "the cross-correlation of two views' embeddings is driven towards the identity",
        paper: "Zbontar et al., ICML 2021, arXiv:2103.03230",
        labels: false,
        views: |_| 2..=2,
        build: |settings, scope, widths| Box::new(barlow_twins::BarlowTwins::new(settings, scope, widths)),
    },
    MethodSpec {
        id: "simclr",
        summary: "each view must find its partner among all other views of the batch (NT-Xent)",
        paper: "Chen et al., ICML 2020, arXiv:2002.05709",
        labels: false,
        views: |_| 2..=2,
        build: |settings, scope, widths| Box::new(simclr::Simclr::new(settings, scope, widths)),
    },
    MethodSpec {
        id: "mocov2plus",
        summary: "each view must find its partner's slow embedding among a queue of earlier ones, both ways",
        paper: "He et al., CVPR 2020, arXiv:1911.05722; Chen et al. 2020, arXiv:2003.04297",
        labels: false,
        views: |_| 2..=2,
        build: |settings, scope, widths| Box::new(mocov2plus::MocoV2Plus::new(settings, scope, widths)),
    },
    MethodSpec {
        id: "byol",
        summary: "a predictor guesses the other view's embedding by a slow copy of the network",
        paper: "Grill et al., NeurIPS 2020, arXiv:2006.07733",
        labels: false,
        views: |_| 2..=2,
        build: |settings, scope, widths| Box::new(byol::Byol::new(settings, scope, widths)),
    },
    MethodSpec {
        id: "simsiam",
        summary: "a predictor guesses the other view's embedding, which gets no gradient",
        paper: "Chen and He, CVPR 2021, arXiv:2011.10566",
        labels: false,
        views: |_| 2..=2,
        build: |settings, scope, widths| Box::new(simsiam::Simsiam::new(settings, scope, widths)),
    },
    MethodSpec {
        id: "vicreg",
        summary: "two views' embeddings agree, every column keeps its variance, columns do not covary",
        paper: "Bardes et al., ICLR 2022, arXiv:2105.04906",
        labels: false,
        views: |_| 2..=2,
        build: |settings, scope, widths| Box::new(vicreg::Vicreg::new(settings, scope, widths)),
    },
    MethodSpec {
        id: "vibcreg",
        summary: "VICReg with correlations for covariances and a whitening last layer",
        paper: "Lee and Aune 2021, arXiv:2109.00783",
        labels: false,
        views: |_| 2..=2,
        build: |settings, scope, widths| Box::new(vibcreg::Vibcreg::new(settings, scope, widths)),
    },
    MethodSpec {
        id: "swav",
        summary: "each view predicts to which prototypes the other was assigned, evenly over the batch",
        paper: "Caron et al., NeurIPS 2020, arXiv:2006.09882",
        labels: false,
        views: |_| 2..=MANY,
        build: |settings, scope, widths| Box::new(swav::Swav::new(settings, scope, widths)),
    },
    MethodSpec {
        id: "dino",
        summary: "a student matches the centred, sharpened outputs of its slow copy on other views",
        paper: "Caron et al., ICCV 2021, arXiv:2104.14294",
        labels: false,
        views: |_| 2..=MANY,
        build: |settings, scope, widths| Box::new(dino::Dino::new(settings, scope, widths)),
    },
    MethodSpec {
        id: "deepclusterv2",
        summary: "each view predicts the image's cluster among those of the last epoch's embeddings",
        paper: "Caron et al., NeurIPS 2020, arXiv:2006.09882, appendix",
        labels: false,
        views: |_| 2..=MANY,
        build: |settings, scope, widths| Box::new(deepclusterv2::DeepClusterV2::new(settings, scope, widths)),
    },
    MethodSpec {
        id: "nnclr",
        summary: "SimCLR with the nearest earlier embedding in place of one view",
        paper: "Dwibedi et al., ICCV 2021, arXiv:2104.14548",
        labels: false,
        views: |_| 2..=2,
        build: |settings, scope, widths| Box::new(nnclr::Nnclr::new(settings, scope, widths)),
    },
    MethodSpec {
        id: "nnbyol",
        summary: "BYOL with the nearest earlier embedding in place of the target",
        paper: "Dwibedi et al., ICCV 2021, arXiv:2104.14548",
        labels: false,
        views: |_| 2..=2,
        build: |settings, scope, widths| Box::new(nnbyol::Nnbyol::new(settings, scope, widths)),
    },
    MethodSpec {
        id: "ressl",
        summary: "a strong view has the same similarities to earlier embeddings as a weak one",
        paper: "Zheng et al., NeurIPS 2021, arXiv:2107.09282",
        labels: false,
        views: |_| 2..=2,
        build: |settings, scope, widths| Box::new(ressl::Ressl::new(settings, scope, widths)),
    },
    MethodSpec {
        id: "w-mse",
        summary: "two views' embeddings agree after whitening the batch",
        paper: "Ermolov et al., ICML 2021, arXiv:2007.06346",
        labels: false,
        views: |_| 2..=2,
        build: |settings, scope, widths| Box::new(w_mse::WMse::new(settings, scope, widths)),
    },
    MethodSpec {
        id: weighted_sum::ID,
        summary: "several of the other methods at once, each on its own views, their losses weighted",
        paper: "a weighted sum of objectives",
        labels: false,
        views: |settings| settings.weighted_sum.views()..=settings.weighted_sum.views(),
        build: |settings, scope, widths| Box::new(weighted_sum::WeightedSum::new(settings, scope, widths)),
    },
    MethodSpec {
        id: "supervised",
        summary: "a linear classifier on the features learns the labels, for comparison",
        paper: "cross-entropy, as in He et al., CVPR 2016, arXiv:1512.03385",
        labels: true,
        views: |_| 1..=MANY,
        build: |settings, scope, widths| Box::new(supervised::Supervised::new(settings, scope, widths)),
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

/// The plan of the projector that the settings describe.
fn projector_plan(settings: &ProjectorSettings, features: usize) -> MlpPlan {
    let mut widths = vec![features];
    widths.extend(std::iter::repeat_n(settings.hidden_dim, settings.layers - 1));
    widths.push(settings.output_dim);
    let ProjectorSettings { bias, last_bias, batch_norm, activation, last_norm, .. } = *settings;
    MlpPlan { widths, bias, last_bias, batch_norm, activation, last_norm, weight_std: None }
}

/// The projector that the settings describe.
fn projector(settings: &ProjectorSettings, scope: &mut Scope<'_>, features: usize) -> Mlp {
    Mlp::new(&mut scope.at("projector"), &projector_plan(settings, features))
}

/// The predictor that the settings describe, from embeddings to embeddings: two layers, batch normalisation and ReLU
/// between them.
fn predictor(settings: &PredictorSettings, scope: &mut Scope<'_>, dim: usize) -> Mlp {
    let plan = MlpPlan {
        widths: vec![dim, settings.hidden_dim, dim],
        bias: settings.bias,
        last_bias: true,
        batch_norm: true,
        activation: Activation::Relu,
        last_norm: LastNorm::None,
        weight_std: None,
    };
    Mlp::new(&mut scope.at("predictor"), &plan)
}

/// The first two views.
fn two<const D: usize>(views: &[Tensor<D>]) -> [Tensor<D>; 2] {
    [views[0].clone(), views[1].clone()]
}
