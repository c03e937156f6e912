//! Studies: what varies, repeats, judges and draws a table, as one recipe.
//!
//! - a [`Recipe`](recipe::Recipe) is a TOML file: data, a training, [axes] that vary it, protocols that judge it, pages, what
//!   the source found ([`published`]) and which shapes are expected ([`expect`]); [`recipes`] are the program's own;
//! - a [`Plan`](plan::Plan) is a recipe within a [budget] whose every cell was resolved and checked: its [nodes](node) are
//!   trainings and judgements, each told from all others by a hash of what decides its result;
//! - a [`Store`](store::Store) holds the result of each node once; studies may share one;
//! - a [`Worker`](worker::Worker) [claims](claim) nodes that are ready, and makes them; any number may work at once;
//! - [`schedule`] gives the work to other machines;
//! - [`analyses`] are made of its numbers;
//! - [`table`] collects what is there, and [`page`] draws it, at any time.
//!
//! Nothing in a study is special to it: a training is a usual run folder, a judgement a usual verdict, made by the lab.

pub mod analyses;
pub mod axes;
pub mod budget;
pub mod claim;
mod data;
mod error;
pub mod estimate;
pub mod expect;
pub mod node;
pub mod page;
pub mod plan;
pub mod published;
pub mod recipe;
pub mod recipes;
mod resolve;
pub mod schedule;
pub mod store;
pub mod table;
#[cfg(test)]
mod testing;
pub mod views_for;
mod work;
pub mod worker;

pub use data::{Places, PlannedData};
pub use error::{Blame, StudyError};
pub use plan::Files;
