//! What lies beyond the edge of an image.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is found beyond the edge of an image; torchvision's `padding_mode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PaddingMode {
    /// A fixed value: `0 0 [a b c] 0 0`.
    #[default]
    Constant,
    /// The edge again and again: `a a [a b c] c c`.
    Edge,
    /// The image mirrored at its outermost pixels: `c b [a b c] b a`.
    Reflect,
    /// The image mirrored at its border: `b a [a b c] c b`.
    Symmetric,
}

impl PaddingMode {
    /// The index in `0..length` whose value is found at `i`; `None` where that is the fixed value.
    ///
    /// Mirrors repeat as often as needed, where torchvision refuses padding wider than the image.
    #[inline]
    pub fn index(self, i: i64, length: usize) -> Option<usize> {
        match self {
            PaddingMode::Constant => usize::try_from(i).ok().filter(|&i| i < length),
            PaddingMode::Edge => Some(edge(i, length)),
            PaddingMode::Reflect => Some(reflect(i, length)),
            PaddingMode::Symmetric => {
                let folded = i.rem_euclid(2 * length as i64);
                Some(folded.min(2 * length as i64 - 1 - folded) as usize)
            }
        }
    }
}

/// The index in `0..length` nearest to `i`.
#[inline]
pub fn edge(i: i64, length: usize) -> usize {
    i.clamp(0, length as i64 - 1) as usize
}

/// The index in `0..length` that `i` falls on when the image is reflected at its edges (`2 1 [0 1 2] 1 0`).
#[inline]
pub fn reflect(i: i64, length: usize) -> usize {
    let last = length as i64 - 1;
    if last == 0 {
        return 0;
    }
    // One reflection at each end, without the division.
    let once = last - (last - i.abs()).abs();
    if once >= 0 {
        return once as usize;
    }
    let folded = i.rem_euclid(2 * last);
    folded.min(2 * last - folded) as usize
}
