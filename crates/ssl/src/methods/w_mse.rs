//! W-MSE: a projector and the distance of whitened embeddings.

use super::joint_embedding::{JointEmbedding, JointEmbeddingSettings};
use super::method::Registered;
use crate::objectives::WMse;

/// Settings of W-MSE.
pub type WMseSettings = JointEmbeddingSettings<WMse>;

impl Registered for WMseSettings {
    const SUMMARY: &'static str = "two views' embeddings agree after whitening the batch";
    const PAPER: &'static str = "Ermolov et al., ICML 2021, arXiv:2007.06346";
    const LOSS: &'static str = "2 where two views are unrelated, 0 where they agree";
}

impl JointEmbedding for WMse {
    const TITLE: &'static str = "W-MSE";
    const COLLAPSE_ADVICE: &'static str = "W-MSE whitens every batch, so its embeddings collapse only before that: raise batch to twice \
         method.projector.output_dim and more, lower method.eps, or lower optim.lr";
}
