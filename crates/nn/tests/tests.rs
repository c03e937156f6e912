//! Tests of the crate against reference values.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod golden_encoders;
mod golden_optim;
mod registry;
mod stages;
mod torch_files;
