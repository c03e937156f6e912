//! Features in few dimensions, for eyes.

mod pca;
mod tsne;

pub use pca::Pca;
pub use tsne::{Map, Tsne};
