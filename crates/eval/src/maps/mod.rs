//! Features in few dimensions, for eyes.

mod pca;
mod sample;
mod trustworthiness;
mod tsne;

pub use pca::Pca;
pub use sample::sample;
pub use trustworthiness::{Faithfulness, faithfulness};
pub use tsne::{Map, Tsne};
