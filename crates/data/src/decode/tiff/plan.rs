//! The order of the planes of a TIFF.

use crate::decode::{About, Remark};

/// The order of planes: how many channels, and the number of each plane in the file, page after page.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) channels: usize,
    /// `None` for planes that the file lacks.
    pub(super) planes: Vec<Option<usize>>,
    pub(super) remarks: Vec<Remark>,
    pub(super) about: About,
}

/// How many micrometres a unit of length has; nothing of what is no length.
pub(super) fn micrometres(unit: &str) -> Option<f64> {
    Some(match unit.trim() {
        // The micro sign and the Greek letter; ImageJ escapes the first.
        "um" | "\u{b5}m" | "\u{3bc}m" | "\\u00B5m" | "micron" | "microns" | "micrometer" => 1.0,
        "nm" => 1e-3,
        "mm" => 1e3,
        "cm" => 1e4,
        "m" => 1e6,
        "in" | "inch" => 25_400.0,
        _ => return None,
    })
}
