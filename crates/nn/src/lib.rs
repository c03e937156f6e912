//! Tensors start here: the op seam, encoders, heads, weights in and out, optimisers.
