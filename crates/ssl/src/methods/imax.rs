//! IMAX: a projector and the information that two views share.

use super::joint_embedding::{JointEmbedding, JointEmbeddingSettings};
use super::method::Registered;
use crate::objectives::Imax;

/// Settings of IMAX.
pub type ImaxSettings = JointEmbeddingSettings<Imax>;

impl Registered for ImaxSettings {
    const SUMMARY: &'static str = "the difference of two views' embeddings varies little, their sum in all directions; a historical objective";
    const PAPER: &'static str =
        "Becker and Hinton, Nature 1992; as in Zbontar et al., ICML 2021, arXiv:2103.03230, section 5.1";
    const LOSS: &'static str =
        "0 where two views are unrelated; it falls as they agree, never below output_dim times ln(eps / 2)";
}

impl JointEmbedding for Imax {
    const TITLE: &'static str = "IMAX";
    const COLLAPSE_ADVICE: &'static str = "IMAX rewards embeddings that spread in all directions, so a collapse comes from steps that are too large: raise batch to twice \
         method.projector.output_dim and more, raise method.eps, or lower optim.lr";
}
