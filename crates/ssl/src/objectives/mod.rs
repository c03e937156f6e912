//! Objectives as pure functions: embeddings in, a loss and its named parts out. One file for each.
//!
//! Where a formula says `sg`, the argument is a constant: nothing flows back through it, whatever it was made from.

mod barlow_twins;
mod byol;
mod deepcluster;
mod dino;
mod formulas;
mod imax;
mod info_nce;
mod loss;
mod nearest;
mod nnclr;
mod nt_xent;
mod ressl;
mod simsiam;
mod sinkhorn;
mod spherical_kmeans;
mod swav;
mod vibcreg;
mod vicreg;
mod w_mse;

pub use barlow_twins::{BarlowTwins, BarlowTwinsForm};
pub use byol::byol;
pub use deepcluster::DeepCluster;
pub(crate) use deepcluster::assigned_cross_entropy;
pub use dino::{Dino, moved_centre};
pub use imax::Imax;
pub use info_nce::InfoNce;
pub use loss::{Loss, PairLoss, weighted_sum};
pub use nearest::nearest;
pub use nnclr::Nnclr;
pub use nt_xent::{NtXent, NtXentForm};
pub use ressl::Ressl;
pub use simsiam::simsiam;
pub use sinkhorn::Sinkhorn;
pub use spherical_kmeans::{Clusters, spherical_kmeans};
pub use swav::Swav;
pub use vibcreg::Vibcreg;
pub use vicreg::{InvarianceReduction, Vicreg};
pub use w_mse::WMse;
