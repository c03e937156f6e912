//! What can go wrong in the lab.

use std::borrow::Cow;
use std::fmt::Display;
use std::path::{Path, PathBuf};

use twinlens_data::{DataError, Split};
use twinlens_eval::EvalError;
use twinlens_nn::NnError;
use twinlens_report::ReportError;
use twinlens_run::RunError;
use twinlens_ssl::SslError;
use twinlens_views::ViewsError;

use crate::jobs::JobError;
use crate::weights::WeightsError;

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LabError {
    /// Data that cannot be used.
    #[error(transparent)]
    Data(#[from] DataError),
    /// What can go wrong between features and numbers.
    #[error(transparent)]
    Eval(#[from] EvalError),
    /// Weights or a device that cannot be used.
    #[error(transparent)]
    Nn(#[from] NnError),
    /// A run's folder that cannot be used.
    #[error(transparent)]
    Run(#[from] RunError),
    /// What can go wrong in training, and in putting images through an encoder.
    #[error(transparent)]
    Ssl(#[from] SslError),
    /// A policy that cannot be built, or an image that does not fit it.
    #[error(transparent)]
    Views(#[from] ViewsError),
    /// An image that cannot be shown.
    #[error("{reason}")]
    Image {
        /// Which one and why.
        reason: String,
    },
    /// A data set that was not found under its name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// What can go wrong with jobs and studies.
    #[error(transparent)]
    Job(#[from] JobError),
    /// What can go wrong between encoders and the files of other programs.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// A picture that could not be drawn.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// A sheet of images that could not be drawn, most often as it would be too large.
    #[error(transparent)]
    Sheet(ReportError),
    /// Weights that LPIPS cannot be made of.
    #[error(transparent)]
    LpipsWeights(NnError),
    /// Something that went wrong in one place of several.
    #[error("{source}")]
    At {
        /// A folder, a device, one of a study's trainings.
        place: String,
        /// What went wrong.
        source: Box<LabError>,
    },
    /// Neither a run nor an encoder's file.
    #[error("{source}")]
    NoEncoder {
        /// Where it was looked for.
        path: PathBuf,
        /// What was found.
        source: NnError,
    },
    /// Images of other channels than the encoder learned from.
    #[error("the images have {got} channels, the encoder was trained on {expected}")]
    Channels {
        /// The encoder's.
        expected: usize,
        /// The images'.
        got: usize,
    },
    /// A split that is not there.
    #[error("data set {data} has no {} images", split.name())]
    NoSplit {
        /// The data set.
        data: String,
        /// The split.
        split: Split,
    },
    /// No image in any of the splits asked for.
    #[error("data set {data} has no images of this split")]
    NoImages {
        /// The data set.
        data: String,
    },
    /// Images without labels where labels are needed.
    #[error("the {} images of {data} have no labels, or not all of them", split.name())]
    NoLabels {
        /// The data set.
        data: String,
        /// The split.
        split: Split,
    },
    /// Images of one class each where those of several are needed.
    #[error("the images of {data} have no tags, which say every class that an image shows")]
    NoTags {
        /// The data set.
        data: String,
    },
    /// Neither validation nor test images.
    #[error("{data} has no validation and no test images with labels")]
    NothingHeldOut {
        /// The data set.
        data: String,
    },
    /// No protocol has this name.
    #[error("there is no protocol `{name}`; there are {}", known.join(", "))]
    UnknownProtocol {
        /// The name.
        name: String,
        /// The names of all protocols.
        known: Vec<&'static str>,
    },
    /// A setting that a protocol does not have, or cannot take.
    #[error("settings of {protocol}: {reason}")]
    Setting {
        /// The protocol's name.
        protocol: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// An encoder without a head, and without data of its own that a head could be fitted to.
    #[error("this encoder tells no classes: it has neither a head nor a data set of its own")]
    NoClassifier,
    /// A description of a head that cannot be read.
    #[error("{} describes no head: {reason}", path.display())]
    BadHead {
        /// The file.
        path: PathBuf,
        /// What the reader says.
        reason: String,
    },
    /// Something asked of a protocol that it would not heed.
    #[error("{protocol} {}", what.reason())]
    NotHeeded {
        /// The protocol's name.
        protocol: &'static str,
        /// What it would not heed.
        what: Unheeded,
    },
    /// Seeds of draws where nothing is drawn.
    #[error("with all labels nothing is drawn, so seeds change nothing")]
    NothingDrawn,
    /// Views of raw pixels.
    #[error("views of raw pixels differ in place, not in content: their alignment says nothing")]
    ViewsOfPixels,
    /// Stages of raw pixels.
    #[error("raw pixels pass through no network: they have no stages and no maps")]
    StagesOfPixels,
    /// Maps of stages in a table of numbers.
    #[error("a line of a CSV file has no height and width, so it cannot hold a map")]
    MapsInCsv,
    /// A map of fewer images than its method needs.
    #[error("{method} needs at least {least} images; of the split `{part}` there are {images}")]
    FewForMap {
        /// What lays them out.
        method: &'static str,
        /// The images that it needs.
        least: usize,
        /// The images asked for.
        part: &'static str,
        /// How many they are.
        images: usize,
    },
    /// Epochs of what was not trained.
    #[error("only a trained encoder has epochs")]
    NotTrained,
    /// A run without the checkpoints of its epochs.
    #[error("the run {} kept no checkpoint of an epoch", run.display())]
    NoEpochs {
        /// Its folder.
        run: PathBuf,
    },
    /// An epoch of which a run kept no encoder.
    #[error("the run {} kept no encoder after epoch {epoch}{}", run.display(), epochs_kept(kept))]
    NoEpoch {
        /// Its folder.
        run: PathBuf,
        /// The epoch.
        epoch: u64,
        /// Those of which it did.
        kept: Vec<u64>,
    },
    /// Maps of an encoder's file without a folder to write them to.
    #[error("an encoder's file has no folder for its maps")]
    NoPlace,
}

/// What some protocols would not heed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unheeded {
    /// A part of the images.
    Part,
    /// A policy of views.
    Views,
    /// Amounts of labels.
    Labels,
}

impl Unheeded {
    fn reason(self) -> &'static str {
        match self {
            Unheeded::Part => "is measured on all images that are held out",
            Unheeded::Views => "compares no views",
            Unheeded::Labels => "does not learn from a share of the labels",
        }
    }

    fn hint(self) -> &'static str {
        match self {
            Unheeded::Part => "leave {split} out",
            Unheeded::Views => "leave {policy} out",
            Unheeded::Labels => "leave {label_share} and {labels_per_class} out",
        }
    }
}

impl LabError {
    /// What to do about it, if there is more to say than the message. `{name}` stands for the argument or action of that
    /// name, which every front end spells its own way.
    pub fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            LabError::At { source, .. } => source.hint(),
            LabError::Name(error) => Some(error.hint().into()),
            LabError::Weights(error) => error.hint().map(Cow::Owned),
            LabError::Job(error) => error.hint(),
            error => error.fixed_hint().map(Cow::Borrowed),
        }
    }

    /// The same, said in one place.
    pub fn at(self, place: impl Display) -> LabError {
        LabError::At { place: place.to_string(), source: Box::new(self) }
    }

    /// A file or folder that cannot be read or made.
    pub(crate) fn io(path: &Path, error: std::io::Error) -> LabError {
        LabError::from(JobError::Io(error)).at(path.display())
    }

    /// Whether a training ended as what it learned said the same of all images: a result, if a sad one.
    pub fn is_collapse(&self) -> bool {
        match self {
            LabError::At { source, .. } => source.is_collapse(),
            error => matches!(error, LabError::Ssl(SslError::Collapsed { .. })),
        }
    }

    /// Whether it is for want of memory or disk, or as somebody else writes there: elsewhere or later it may go well.
    pub fn is_of_surroundings(&self) -> bool {
        match self {
            LabError::At { source, .. } => source.is_of_surroundings(),
            LabError::Job(JobError::NoRoom { .. } | JobError::NoMemory { .. } | JobError::Io(_)) => true,
            LabError::Run(error) => matches!(
                error,
                RunError::Locked { .. }
                    | RunError::DiskFull { .. }
                    | RunError::ReadOnly { .. }
                    | RunError::Io { .. }
            ),
            _ => false,
        }
    }

    /// Whether this is no failure but a stop that was asked for.
    pub fn is_interruption(&self) -> bool {
        match self {
            LabError::At { source, .. } => source.is_interruption(),
            error => matches!(error, LabError::Job(JobError::Interrupted)),
        }
    }

    fn fixed_hint(&self) -> Option<&str> {
        Some(match self {
            LabError::Data(error) => error.hint(),
            LabError::Views(error) => return error.hint(),
            LabError::Report(error) | LabError::Sheet(error) => error.hint(),
            LabError::LpipsWeights(_) => {
                "LPIPS takes torchvision's alexnet and the weights of its five layers (lin0.model.1.weight to \
                 lin4.model.1.weight, alex.pth in the package lpips); of two files, give {lpips_weights} twice"
            }
            LabError::Run(error) => error.hint(),
            LabError::Nn(error) => return error.hint(),
            LabError::Ssl(error) => return error.hint(),
            LabError::NoEncoder { .. } => {
                "give a run's folder, or an encoder.safetensors with its encoder.json beside it; `{import}` makes one of another \
                 program's weights"
            }
            LabError::Channels { expected: 3, got: 1 } => "{rgb} gives grey images as RGB",
            LabError::Channels { .. } => "`{import}` with {channels} adapts weights to other channels",
            LabError::NoSplit { .. } | LabError::NoImages { .. } => "`{inspect}` shows its splits",
            LabError::NothingHeldOut { .. } => {
                "{splits} drawn holds some of the images out; `{inspect}` shows the splits"
            }
            LabError::UnknownProtocol { .. } => "`{protocols}` lists them",
            LabError::Setting { .. } => "`{protocols}` lists the settings of each",
            LabError::NoTags { .. } => "`{protocols}` says what each needs; `{inspect}` shows the labels",
            LabError::NoLabels { .. } => "judging needs labels; `{embed}` does not",
            LabError::NotHeeded { what, .. } => what.hint(),
            LabError::NothingDrawn => "add {label_share} or {labels_per_class}, or leave {seeds} out",
            LabError::ViewsOfPixels => "leave the views out: {policy} none",
            LabError::StagesOfPixels => "an encoder has stages: {features} trained or untrained",
            LabError::MapsInCsv => "write .npy or .safetensors, or leave out {spatial}",
            LabError::FewForMap { .. } => "{split} all takes the images of all splits",
            LabError::NoClassifier => {
                "give the folder of a run: `{finetune}` makes one that tells classes best"
            }
            LabError::NotTrained => "leave out {features}",
            LabError::NoEpoch { .. } => {
                "name one that it kept, or train with checkpoint.epochs=[...]; without {checkpoint} the last is judged"
            }
            LabError::NoEpochs { .. } => "train with checkpoint.every=1 checkpoint.keep=100 to keep them",
            LabError::NoPlace => "add {out} FOLDER",
            _ => return None,
        })
    }
}

/// The epochs that a run kept, in a message.
fn epochs_kept(kept: &[u64]) -> String {
    let kept: Vec<String> = kept.iter().map(u64::to_string).collect();
    if kept.is_empty() { String::new() } else { format!("; it kept those after {}", kept.join(", ")) }
}

/// A name that no data set was found under.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// No name.
    #[error("no data set is named")]
    Empty,
    /// What looks like a misspelt name.
    #[error("`{got}` is neither a file or folder nor a public data set")]
    Unknown {
        /// The name given.
        got: String,
        /// The name that was probably meant.
        near: String,
    },
    /// A public data set that was not fetched.
    #[error("the public data set {name} is not here yet")]
    NotHere {
        /// Its name.
        name: String,
        /// Name and, unless it is the smallest, side of the images in pixels, as they are fetched.
        fetch: (String, Option<usize>),
        /// Where it would lie.
        path: PathBuf,
    },
    /// A public data set in a size that it does not have.
    #[error("{name} has no images of size {side}")]
    NoSize {
        /// Its name.
        name: String,
        /// The side of the images in pixels that was asked for.
        side: usize,
        /// The sides that there are.
        sides: Vec<usize>,
    },
    /// Public data sets have no place to lie in.
    #[error("there is no folder for data: no home folder is known")]
    NoFolder,
}

impl NameError {
    /// What to do about it; as [`LabError::hint`].
    pub fn hint(&self) -> String {
        match self {
            NameError::Empty => "add {data} PATH; `{sets}` lists public data sets".to_owned(),
            NameError::Unknown { near, .. } => format!("did you mean `{near}`?"),
            NameError::NotHere { fetch: (name, None), .. } => format!("`{{fetch}} {name}` downloads it"),
            NameError::NotHere { fetch: (name, Some(side)), .. } => {
                format!("`{{fetch}} {name} {{size}} {side}` downloads it")
            }
            NameError::NoSize { sides, .. } => {
                let sides: Vec<String> = sides.iter().map(usize::to_string).collect();
                format!("it has {}", sides.join(", "))
            }
            NameError::NoFolder => "set {data_folder}".to_owned(),
        }
    }
}
