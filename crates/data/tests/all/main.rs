//! Data sets are written by the tests themselves, in the layouts their makers document, and read back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod make;

mod archives;
mod arrays;
mod bad_input;
mod cache;
mod channel_bag;
mod cifar;
mod decoding;
mod dicom;
mod folders;
mod groups;
mod hostile;
mod idx;
mod label_lists;
mod layouts;
mod mimeta;
mod parquet;
mod pyramids;
mod ranges;
mod relabel;
mod shards;
mod slides;
mod splits;
mod stain;
mod statistics;
mod subset;
mod tables;
mod tags;
mod union;
mod volumes;
