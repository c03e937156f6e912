//! The command line and its configuration, as users meet them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod data;
mod documents;
mod faults;
mod finetune;
mod first_hour;
mod libraries;
mod new_protocol;
#[path = "../../examples/own_protocol.rs"]
mod own_protocol;
mod program;
mod reference;
mod settings;
mod several_classes;
#[path = "../../../config/tests/config/stand_in.rs"]
mod stand_in;
mod strangers;
mod study;
mod training;
mod verbs;
