//! SimCLR: a projector and NT-Xent.

use super::joint_embedding::{JointEmbedding, JointEmbeddingSettings};
use super::method::Registered;
use crate::objectives::NtXent;

/// Settings of SimCLR.
pub type SimclrSettings = JointEmbeddingSettings<NtXent>;

impl Registered for SimclrSettings {
    const SUMMARY: &'static str =
        "each view must find its partner among all other views of the batch (NT-Xent)";
    const PAPER: &'static str = "Chen et al., ICML 2020, arXiv:2002.05709";
    const LOSS: &'static str = "ln(2 batch - 1) where all images look alike (4.84 at batch 64); it falls towards 0. In the form decoupled, \
         ln(batch - 1), and it falls below 0; in the form decoupled_sum, batch times that";
}

impl JointEmbedding for NtXent {
    const TITLE: &'static str = "SimCLR";
    const COLLAPSE_ADVICE: &'static str = "SimCLR collapses when negatives are too few or all alike: raise batch, lower method.temperature \
         or optim.lr, and look at the views (`twinlens views`): they may have become indistinguishable";
}
