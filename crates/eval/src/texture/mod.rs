//! Texture of grey images: how neighbouring levels go together, and how much of the picture is fine detail.

mod cooccurrence;
mod fourier;

pub use cooccurrence::{Cooccurrence, OFFSETS, Texture};
pub use fourier::{Detail, high_frequency};

use crate::EvalError;

/// A grey image of 8 bits: `[height, width]`, row by row.
#[derive(Clone, Copy, Debug)]
pub struct Grey<'a> {
    pixels: &'a [u8],
    height: usize,
    width: usize,
}

impl<'a> Grey<'a> {
    /// Takes `pixels` as `height` rows of `width`.
    ///
    /// # Errors
    /// [`EvalError::Empty`] without pixels, [`EvalError::Length`] when the counts do not fit.
    pub fn new(pixels: &'a [u8], height: usize, width: usize) -> Result<Grey<'a>, EvalError> {
        if height == 0 || width == 0 {
            return Err(EvalError::Empty { what: format!("an image of {height} x {width} pixels") });
        }
        let expected = height.saturating_mul(width);
        if pixels.len() != expected {
            return Err(EvalError::Length { what: "pixels", expected, got: pixels.len() });
        }
        Ok(Grey { pixels, height, width })
    }

    fn at(&self, row: usize, column: usize) -> u8 {
        self.pixels[row * self.width + column]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_must_fit() {
        assert!(matches!(Grey::new(&[1, 2, 3], 2, 2), Err(EvalError::Length { expected: 4, got: 3, .. })));
        assert!(matches!(Grey::new(&[], 0, 2), Err(EvalError::Empty { .. })));
    }
}
