//! The lab: what a scientist does with an encoder, as a library. It knows no command line and no terminal.
//!
//! [`catalogue`] lists public data sets and fetches them; [`hardness`] measures how far a policy's views lie apart.

pub mod catalogue;
mod error;
pub mod hardness;

pub use error::LabError;
