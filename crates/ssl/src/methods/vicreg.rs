//! VICReg: a projector and the variance-invariance-covariance loss.

use super::joint_embedding::{JointEmbedding, JointEmbeddingSettings};
use super::method::Registered;
use crate::objectives::Vicreg;

/// Settings of VICReg.
pub type VicregSettings = JointEmbeddingSettings<Vicreg>;

impl Registered for VicregSettings {
    const SUMMARY: &'static str =
        "two views' embeddings agree, every column keeps its variance, columns do not covary";
    const PAPER: &'static str = "Bardes et al., ICLR 2022, arXiv:2105.04906";
    const LOSS: &'static str = "about twice the weight of the variance term where all images look alike; it falls, and stays \
         above 0";
}

impl JointEmbedding for Vicreg {
    const TITLE: &'static str = "VICReg";
    const COLLAPSE_ADVICE: &'static str = "VICReg collapses when the hinge on standard deviations is too weak: raise method.variance_weight, \
         lower method.invariance_weight, or lower optim.lr";
}
