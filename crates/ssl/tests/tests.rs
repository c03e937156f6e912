//! Tests of the crate against reference values and of whole runs.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod changed;
mod finetune;
mod golden_losses;
mod golden_trace;
mod objectives;
mod recipes;
mod registry;
mod runs;
