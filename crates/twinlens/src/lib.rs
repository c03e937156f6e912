//! Learns image encoders without labels and shows what they learned.

pub mod config;
