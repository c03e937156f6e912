//! Image sources, labels and splits. Knows nothing of learning.

mod image;

pub use image::{Image, Pixels};
