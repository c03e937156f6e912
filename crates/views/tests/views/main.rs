//! Tests of the views as their users see them: one binary.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails must stop")]

mod golden;
mod invariants;
mod loader;
mod randomness;
mod reference;
mod settings;
mod support;
