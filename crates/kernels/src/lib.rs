//! CPU compute on plain slices: convolution, norms, pooling, optimisers. No tensors, no input or output.
//!
//! Every array is a contiguous slice with channels innermost: images are `[images, height, width, channels]` (NHWC),
//! convolution weights `[kernel_height, kernel_width, in_channels, out_channels]` (HWIO). Numbers are `f32`; maps and
//! their gradients may be [`Bf16`] (see [`Element`]).
//! Each operation has a hand-written backward pass beside its forward pass.
//!
//! Work is spread over the current rayon pool in blocks whose size depends on the shapes alone, and sums that
//! cross blocks are added in block order: on one machine the results are the same bits whatever the number of
//! threads. Vector instructions are chosen at run time, so one binary serves every x86-64 and aarch64 machine.

mod ahead;
#[cfg_attr(not(target_arch = "x86_64"), path = "no_amx.rs")]
mod amx;
mod batch_norm;
mod bf16;
mod by_pixel;
mod conv;
mod depthwise;
mod element;
mod epilogue;
mod gelu;
mod layer_norm;
mod layer_scale;
mod lines;
mod matrix;
mod memory;
#[cfg(test)]
mod naive;
mod optimiser;
mod parallel;
mod patches;
mod pool;
mod relu;
mod shape;
mod stochastic_depth;
mod sums;
#[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "only AMX reads what is in here"))]
mod tiles;
mod winograd;

pub use batch_norm::{
    Affine, BatchNormGrads, BatchStatistics, Fused, Relu, batch_norm_backward, batch_norm_eval_backward,
    batch_norm_eval_forward, batch_norm_forward,
};
pub use bf16::has_bf16;
pub use conv::{bias_grad, conv2d_forward, conv2d_input_grad, conv2d_weight_grad};
pub use depthwise::{DepthwiseShape, depthwise_forward, depthwise_input_grad, depthwise_weight_grad};
pub use element::{Element, add_to, convert};
pub use epilogue::Epilogue;
pub use gelu::{gelu_backward, gelu_forward};
/// A single with the upper 16 of its 32 bits: the same range, 8 significant bits.
pub use half::bf16 as Bf16;
pub use layer_norm::{LayerNormGrads, RowStatistics, layer_norm_backward, layer_norm_forward};
pub use layer_scale::{layer_scale_backward, layer_scale_forward};
pub use memory::keep_freed_memory;
pub use optimiser::{Adam, HeavyBall, adam_step, average_step, heavy_ball_step};
pub use pool::{
    global_average_pool_backward, global_average_pool_forward, max_pool_backward, max_pool_forward,
};
pub use relu::relu_backward;
pub use shape::{ConvShape, PoolShape, Precision, ShapeError, Window};
pub use stochastic_depth::{select_images, select_images_backward};
pub use sums::{decayed_sum_of_squares, sum_of_squares, sum_of_squares_grad};
