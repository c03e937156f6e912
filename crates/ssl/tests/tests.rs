//! Tests of the crate against reference values and of whole runs.

mod golden_losses;
mod golden_trace;
mod objectives;
mod runs;
