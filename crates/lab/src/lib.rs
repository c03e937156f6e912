//! The lab: what a scientist does with an encoder, as a library. It knows no command line and no terminal.
//!
//! [`catalogue`] lists public data sets and fetches them.

pub mod catalogue;
