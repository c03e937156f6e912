//! What can go wrong between an image and its views.

use std::fmt;

use twinlens_data::DataError;

/// One setting that cannot be used.
#[derive(Clone, Debug, PartialEq)]
pub struct ViewProblem {
    /// The dotted key, for example `views.0.operations.1.hue`.
    pub key: String,
    /// The allowed values.
    pub expected: String,
    /// The value found.
    pub got: String,
}

impl fmt::Display for ViewProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: expected {}, got {}", self.key, self.expected, self.got)
    }
}

/// Why views could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ViewsError {
    /// Settings outside their range; all of them at once.
    #[error("settings that cannot be used:\n  {}", lines(.0))]
    Settings(Vec<ViewProblem>),

    /// No preset of that name.
    #[error("no view policy is called {name:?}; there are: {known}")]
    UnknownPreset {
        /// The name asked for.
        name: String,
        /// The names there are, separated by commas.
        known: String,
    },

    /// A preset that does not parse.
    #[error("view policy {name:?}: {source}")]
    Preset {
        /// The preset's name.
        name: String,
        /// What is wrong with it.
        source: Box<toml::de::Error>,
    },

    /// An image that is not what the policy was built for.
    #[error("image: expected {expected}, got {got}")]
    Image {
        /// What the policy was built for.
        expected: String,
        /// What the image is.
        got: String,
    },

    /// A view whose size is not the batch's.
    #[error(
        "view {view} came out as {height}x{width} where the batch needs {size}x{size}: \
         add random_resized_crop, or resize and center_crop, to its operations"
    )]
    ViewSize {
        /// The view's number.
        view: usize,
        /// Rows of the view.
        height: usize,
        /// Columns of the view.
        width: usize,
        /// Rows and columns needed.
        size: usize,
    },

    /// The source could not give a sample.
    #[error("sample {index}: {source}")]
    Source {
        /// The sample's number in the source.
        index: usize,
        /// What the source says.
        source: Box<DataError>,
    },

    /// A sample whose views could not be made.
    #[error("sample {index}: {source}")]
    Sample {
        /// The sample's number in the source.
        index: usize,
        /// What is wrong with it.
        source: Box<ViewsError>,
    },

    /// A worker thread could not be started.
    #[error("worker thread {worker} could not be started: {source}")]
    Thread {
        /// The worker's number.
        worker: usize,
        /// What the operating system says.
        source: std::io::Error,
    },

    /// A worker thread ended without giving its batch.
    #[error("worker thread {worker} stopped before batch {step} of epoch {epoch}: it must have panicked")]
    WorkerStopped {
        /// The worker's number.
        worker: usize,
        /// Epoch of the missing batch.
        epoch: u32,
        /// Step of the missing batch.
        step: usize,
    },
}

impl ViewsError {
    /// What to do about it, if there is more to say than the message, in the form of [`DataError::hint`].
    pub fn hint(&self) -> Option<&str> {
        match self {
            ViewsError::Source { source, .. } => Some(source.hint()),
            ViewsError::Sample { source, .. } => source.hint(),
            _ => None,
        }
    }
}

fn lines(problems: &[ViewProblem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n  ")
}
