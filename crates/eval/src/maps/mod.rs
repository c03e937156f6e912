//! Features in few dimensions, for eyes.

mod pca;
mod trustworthiness;
mod tsne;

pub use pca::Pca;
pub use trustworthiness::{Faithfulness, faithfulness};
pub use tsne::{Map, Tsne};
