//! CPU compute on plain slices: convolution, batch norm, pooling. No tensors, no input or output.
