//! The measures of predictions: one line each here, its formula in the file of its family.
//!
//! Whatever shows numbers of predictions (tables, CSV, curves, comparisons, intervals) walks [`MEASURES`], so that a new
//! measure is a formula and a line.

use super::scored::Formula;
use super::{auc, average_precision, calibration, confusion, top_k};
use crate::Measure;

/// All measures, in the order in which they are shown.
pub static MEASURES: [Measure<Formula>; 9] = [
    confusion::ACCURACY,
    top_k::TOP5_ACCURACY,
    confusion::BALANCED_ACCURACY,
    confusion::MACRO_F1,
    confusion::MICRO_F1,
    auc::MACRO_AUC,
    average_precision::MACRO_AVERAGE_PRECISION,
    confusion::COHEN_KAPPA,
    calibration::CALIBRATION_ERROR,
];
