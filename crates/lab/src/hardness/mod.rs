//! How hard a view policy is: how far the two views of a pair lie apart, as images.
//!
//! [`HardnessProtocol`] takes the measures of [`twinlens_eval::hardness`], and LPIPS, over the pairs of a policy and of each
//! of its operations alone. A [`Comparison`] sets several policies side by side.

mod comparison;
mod perceptual;
mod protocol;

pub use comparison::{Comparison, Measure, PolicyHardness};
pub use perceptual::{PERCEPTUAL_SIDE, perceptual_distances, read_lpips};
pub use protocol::{Hardness, HardnessProtocol, Spread};
