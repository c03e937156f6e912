//! Transformations of images and the policies that compose them: image in, views out.
//!
//! - An [`Operation`] is a random transformation with its settings (torchvision's `transforms`). It *draws* a
//!   [`Transform`], which has no randomness left (torchvision's `transforms.functional`) and *applies* it.
//!   The operations are listed in [`ops`].
//! - A [`ViewPolicy`] says which operations make one view; [`presets`] holds published ones. [`Policy::build`]
//!   checks a list of them against the data and compiles it.
//! - A [`Loader`] turns an image source and a policy into batches of normalised `f32` views, prefetched by
//!   worker threads.
//!
//! Every draw is a function of (seed, epoch, sample, view, operation), so neither the number of workers nor an
//! interruption changes a byte. Integer images stay integers until the last step, normalisation.

mod border;
mod canvas;
mod compute;
mod curves;
mod error;
mod eval_resize;
mod filter;
mod form;
mod loader;
mod normals;
mod operation;
pub mod ops;
mod policy;
pub mod presets;
mod resample;
mod sample;
mod settings;
mod warp;

pub use border::PaddingMode;
pub use canvas::{Canvas, Scratch, Shape, Workspace};
pub use error::{ViewProblem, ViewsError};
pub use eval_resize::{EvalResize, ResizedSide};
pub use form::{Form, ViewData};
pub use loader::{LoadedBatch, Loader, LoaderSettings, SampleOrder, ViewBatch};
pub use operation::{BuildContext, Check, Operation, Transform, transform};
pub use ops::{Drawn, OperationSetting};
pub use policy::{DrawKey, Explanation, Policy, Step, ViewPolicy};
pub use resample::Interpolation;
pub use sample::Sample;
pub use settings::{Fill, Interval};
pub use warp::{Sampling, WarpOptions};
