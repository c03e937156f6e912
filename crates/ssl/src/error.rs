//! What can go wrong in a run.

use twinlens_data::DataError;
use twinlens_eval::EvalError;
use twinlens_nn::NnError;
use twinlens_run::RunError;
use twinlens_views::ViewsError;

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SslError {
    /// A method that the registry does not have.
    #[error("unknown method `{got}`; known: {known}")]
    UnknownMethod {
        /// The name given.
        got: String,
        /// The names that exist.
        known: String,
    },
    /// A recipe that does not exist.
    #[error("unknown preset `{got}`; known: {known}")]
    UnknownRecipe {
        /// The name given.
        got: String,
        /// The names that exist.
        known: String,
    },
    /// Settings that cannot be used with each other or with the data.
    #[error("{}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Settings {
        /// All of them.
        problems: Vec<crate::SettingProblem>,
    },
    /// A device whose results may differ from run to run, where the settings want none that do.
    #[error(
        "device `{device}` is a GPU, whose sums have no fixed order, so two runs may differ in the last bits, but \
         `deterministic` is set"
    )]
    NotDeterministic {
        /// The device asked for.
        device: String,
    },
    /// Numbers that only the CPU multiplies.
    #[error("device `{device}` is a GPU, and precision bf16 exists on the CPU alone")]
    Bf16OnGpu {
        /// The device asked for.
        device: String,
    },
    /// An image could not be read or prepared for an encoder.
    #[error("{source}")]
    Image {
        /// Which one and why.
        source: ViewsError,
    },
    /// The data set has no images to learn from.
    #[error("data set `{name}` has no training images")]
    NoTrainingImages {
        /// The data set.
        name: String,
    },
    /// A split that is needed has no images.
    #[error("data set `{name}` has no {split} images")]
    NoImages {
        /// The data set.
        name: String,
        /// The split.
        split: &'static str,
    },
    /// Images to judge by have no labels.
    #[error(
        "{without} of the {images} {split} images of `{name}` have no label; judging needs the labels of all of them"
    )]
    MissingLabels {
        /// The data set.
        name: String,
        /// The split.
        split: &'static str,
        /// Images without a label.
        without: usize,
        /// Images of the split.
        images: usize,
    },
    /// The chosen labels tell nothing apart.
    #[error("the {labels} labels chosen are all of class `{class}`, so there is nothing to tell apart")]
    OneClassChosen {
        /// How many labels were chosen.
        labels: usize,
        /// Their class.
        class: String,
    },
    /// The images have other channels than the encoder takes.
    #[error("the images of `{name}` have {got} channel(s), the encoder takes {expected}")]
    Channels {
        /// The data set.
        name: String,
        /// Channels of the images.
        got: usize,
        /// Channels that the encoder takes.
        expected: usize,
    },
    /// Every channel has the same value in all pixels.
    #[error(
        "all training images of `{name}` have one and the same value; check how they were exported or scaled"
    )]
    NoVariation {
        /// The data set.
        name: String,
    },
    /// The loss is no longer a number.
    #[error(
        "the loss became {loss} in epoch {epoch}, step {step} (gradient norm {norm}); checkpoints of earlier epochs are kept. \
         Likely cause: steps too large. Lower optim.lr, lengthen schedule.warmup_epochs, or set optim.clip_norm=1"
    )]
    NotFinite {
        /// The loss.
        loss: f64,
        /// The epoch, from 1.
        epoch: usize,
        /// The step of the run, from 1.
        step: usize,
        /// The gradient's norm at the step before.
        norm: f64,
    },
    /// All images have nearly the same embedding.
    #[error(
        "the embeddings collapsed: in epoch {epoch}, step {step} their standard deviation is {std:.2e} where {full:.2e} \
         would fill the sphere. {advice}. To go on regardless, set collapse_threshold=0"
    )]
    Collapsed {
        /// The epoch, from 1.
        epoch: usize,
        /// The step of the run, from 1.
        step: usize,
        /// Mean over dimensions of the standard deviation of unit-length embeddings.
        std: f64,
        /// `1 / sqrt(D)`.
        full: f64,
        /// The method's usual causes.
        advice: &'static str,
    },
    /// A checkpoint does not fit the run.
    #[error("the checkpoint {path} does not fit this run: {reason}")]
    Checkpoint {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// From reading images.
    #[error(transparent)]
    Data(#[from] DataError),
    /// From making views.
    #[error(transparent)]
    Views(#[from] ViewsError),
    /// From networks and weights.
    #[error(transparent)]
    Nn(#[from] NnError),
    /// From judging.
    #[error(transparent)]
    Eval(#[from] EvalError),
    /// From the run folder.
    #[error(transparent)]
    Run(#[from] RunError),
}

impl SslError {
    /// What to do about it, if there is more to say than the message. `{name}` stands for the argument or action of that
    /// name, which every front end spells its own way.
    pub fn hint(&self) -> Option<&str> {
        Some(match self {
            SslError::Data(error) => error.hint(),
            SslError::Views(error) | SslError::Image { source: error } => return error.hint(),
            SslError::Run(error) => error.hint(),
            SslError::Nn(error) => return error.hint(),
            SslError::NotDeterministic { .. } => "add {device} cpu, or leave {deterministic} out",
            SslError::Bf16OnGpu { .. } => "use {precision} f32, or {device} cpu",
            SslError::NoImages { .. } => {
                "fine-tuning needs training images with labels, some held out to judge by, and validation images to choose the best \
                 weights by unless validation.keep_best=false and validation.patience=0; `{inspect}` shows what there is"
            }
            SslError::OneClassChosen { .. } => {
                "use more labels (label_share, labels_per_class) or choose them with label_choice=stratified"
            }
            SslError::Channels { .. } => {
                "`{import}` with {in_channels} adapts another program's weights to the channels of the images"
            }
            _ => return None,
        })
    }
}
