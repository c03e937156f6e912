//! What can go wrong between weights, encoders and devices.

use std::path::{Path, PathBuf};

use twinlens_data::escaped;

/// Errors of this crate. Names of tensors, which come from files, are told with control characters escaped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NnError {
    /// A name that no registry row has.
    #[error("unknown {kind} `{got}`; known: {known}")]
    Unknown {
        /// What was looked up: encoder, stem, device.
        kind: &'static str,
        /// The name given.
        got: String,
        /// The names that exist.
        known: String,
    },
    /// A name that no stage of a network has.
    #[error("unknown stage `{}`, perhaps `{nearest}`; stages: {known}", escaped(.got))]
    UnknownStage {
        /// The name given.
        got: String,
        /// The stage whose name is nearest.
        nearest: String,
        /// The names of all stages, from the images to the features.
        known: String,
    },
    /// A weight file lacks an entry.
    #[error("the weights have no entry `{name}`; they hold {found} entries, for example {}", escaped(.example))]
    MissingWeight {
        /// The missing name.
        name: String,
        /// How many entries the source has.
        found: usize,
        /// A few of the names it has.
        example: String,
    },
    /// A file of weights whose tensors are no encoder's.
    #[error("no encoder found{under} among {found} tensors, for example {}", escaped(.example))]
    NoEncoder {
        /// Where it was looked for, if only there.
        under: String,
        /// How many tensors there are.
        found: usize,
        /// A few of their names.
        example: String,
    },
    /// A file of weights that nearly holds an encoder.
    #[error("no encoder fits; the nearest is {encoder} with {fitting} of {total} tensors: {problem}")]
    NotThisEncoder {
        /// The nearest encoder.
        encoder: &'static str,
        /// How many of its tensors fit.
        fitting: usize,
        /// How many tensors it has.
        total: usize,
        /// The first tensor that does not fit.
        problem: String,
    },
    /// A file of weights that holds an encoder several times.
    #[error("{encoder} is there several times, under {}", escaped(.prefixes))]
    SeveralEncoders {
        /// The encoder.
        encoder: &'static str,
        /// What the names of each start with.
        prefixes: String,
    },
    /// A weight has another shape than the encoder needs.
    #[error(
        "weight `{}` has shape {got:?}, expected {expected:?}; is this file from another architecture or stem?",
        escaped(.name)
    )]
    WeightShape {
        /// The entry's name.
        name: String,
        /// The shape the encoder needs, in torchvision's order.
        expected: Vec<usize>,
        /// The shape found.
        got: Vec<usize>,
    },
    /// A weight has a type that cannot be read.
    #[error("weight `{}` has dtype {got}, expected F32, F64, F16 or BF16", escaped(.name))]
    WeightType {
        /// The entry's name.
        name: String,
        /// The dtype found.
        got: String,
    },
    /// A weight holds NaN or infinity.
    #[error(
        "weight `{}` holds {value} at position {position}; the file is damaged or the training diverged",
        escaped(.name)
    )]
    WeightValue {
        /// The entry's name.
        name: String,
        /// The flat position of the first bad value.
        position: usize,
        /// The bad value.
        value: f32,
    },
    /// A weight file cannot be read or written.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A device that this build or machine does not have.
    #[error("device `{got}` is not available: {reason}")]
    Device {
        /// The device asked for.
        got: String,
        /// Why.
        reason: String,
    },
}

impl NnError {
    /// A file that cannot be read, and why. Control characters of `reason`, which may be the file's own, are escaped.
    pub(crate) fn file(path: &Path, reason: String) -> NnError {
        NnError::File { path: path.to_owned(), reason: escaped(&reason) }
    }

    /// What to do about it, if there is more to say than the message. `{name}` stands for the argument or action of that
    /// name, which every front end spells its own way.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            NnError::NoEncoder { .. } => "`{encoders}` names those known",
            NnError::SeveralEncoders { .. } => "say which with {prefix}",
            NnError::Device { .. } => {
                "a GPU needs a driver on this machine and a program built with one of the features vulkan, metal, webgpu, cuda \
                 or rocm; {device} cpu always works"
            }
            _ => return None,
        })
    }
}
