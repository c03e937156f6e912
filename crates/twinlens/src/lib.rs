//! Learns image encoders without labels and shows what they learned.

pub mod cli;
pub mod commands;
pub mod exit;
pub mod signals;
pub mod terminal;

/// The version of this program.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit it was built from, or `unknown`.
pub const COMMIT: &str = env!("BUILD_COMMIT");

/// The platform it was built for.
pub const TARGET: &str = env!("BUILD_TARGET");
