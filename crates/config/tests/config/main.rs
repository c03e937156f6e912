//! The settings engine, on a settings type that has every shape of real ones.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod kinds;
mod layers;
mod stand_in;
