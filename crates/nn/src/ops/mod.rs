//! The op seam: the few operations in which training time goes.
//!
//! Each is declared once, on `[N, H, W, C]` tensors. On the CPU it runs the `kernels` crate with a backward
//! written by hand (see `bridge`); on every other back end a default body composes burn's own operations,
//! so that the same encoder code runs on any GPU. Both bodies give the same numbers, and a test says so.

mod arrays;
mod batch_norm;
mod body;
mod branch;
mod bridge;
mod bytes;
mod conv2d;
mod depthwise_conv2d;
mod fork;
mod gelu;
mod layer_norm;
mod linear;
mod pool;
mod precision;
mod scalar;
mod steps;
mod sums;
#[cfg(test)]
mod tests;
mod trust;

pub use arrays::release_arrays;
pub use batch_norm::{BatchNormalised, batch_norm_evaluate, batch_norm_train};
pub use branch::{DropPathMask, join, keep};
pub use bridge::read;
pub use bytes::from_bytes;
pub use conv2d::{Conv2dOptions, conv2d};
pub use depthwise_conv2d::depthwise_conv2d;
pub use fork::fork;
pub use gelu::gelu;
pub use layer_norm::layer_norm;
pub use linear::{column_products, linear};
pub use pool::{global_average_pool, max_pool2d};
pub use precision::in_precision;
pub use scalar::Scalar;
pub use steps::{adam, average, heavy_ball};
pub use sums::{norm, squared_norm, sum};
pub use trust::{Adapted, Trust, trust_ratios};
pub use twinlens_kernels::keep_freed_memory;
