//! Tests of the views as their users see them: one binary.

mod golden;
mod invariants;
mod loader;
mod randomness;
mod settings;
mod support;
