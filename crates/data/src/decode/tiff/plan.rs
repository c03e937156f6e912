//! The order of the planes of a TIFF.

use crate::decode::Remark;

/// The order of planes: how many channels, and the number of each plane in the file, page after page.
pub(super) struct Plan {
    pub(super) channels: usize,
    /// `None` for planes that the file lacks.
    pub(super) planes: Vec<Option<usize>>,
    pub(super) remarks: Vec<Remark>,
}
