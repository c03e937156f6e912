//! What a table of measures holds: whatever shows numbers walks such a table, so that a new measure is a formula and a line.

use serde::{Deserialize, Serialize};

/// A number that says how good something is. `F` is its formula: a function of what is measured, or how one follows.
#[derive(Clone, Copy, Debug)]
pub struct Measure<F> {
    /// Its name in JSON, CSV and settings.
    pub id: &'static str,
    /// Its name in tables.
    pub title: &'static str,
    /// What its values are.
    pub unit: Unit,
    /// Which values are better.
    pub better: Better,
    /// Its formula.
    pub of: F,
}

/// What the values of a measure are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Shares of a whole, which pages show in per cent.
    Share,
    /// Plain numbers.
    Number,
}

/// Which values of a measure are better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// Larger ones.
    Higher,
    /// Smaller ones.
    Lower,
}

/// A measure of `S`; `None` where it is undefined.
pub type MeasureOf<S> = Measure<fn(&S) -> Option<f64>>;
