//! VIbCReg: a projector that ends in whitening, and VICReg's loss with correlations.

use super::joint_embedding::{JointEmbedding, JointEmbeddingSettings};
use super::method::Registered;
use crate::objectives::Vibcreg;

/// Settings of VIbCReg.
pub type VibcregSettings = JointEmbeddingSettings<Vibcreg>;

impl Registered for VibcregSettings {
    const SUMMARY: &'static str = "VICReg with correlations for covariances and a whitening last layer";
    const PAPER: &'static str = "Lee and Aune 2021, arXiv:2109.00783";
    const LOSS: &'static str = "about twice the weight of the variance term where all images look alike; it falls, and stays \
         above 0";
}

impl JointEmbedding for Vibcreg {
    const TITLE: &'static str = "VIbCReg";
    const COLLAPSE_ADVICE: &'static str = "VIbCReg collapses when the hinge on standard deviations is too weak: raise method.variance_weight, \
         set method.projector.last_norm=\"iter_norm\", or lower optim.lr";
}
