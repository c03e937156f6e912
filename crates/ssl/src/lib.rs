//! Objectives, the training loop, checkpoints and recipes.
