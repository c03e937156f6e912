//! Tests of the crate against reference values.

mod golden_encoders;
mod golden_optim;
mod registry;
