//! Two images to compare.

use crate::EvalError;

/// Two images of one shape, `[height, width, channels]` values row by row, 0 for black and 1 for white.
#[derive(Clone, Copy, Debug)]
pub struct Pair<'a> {
    pub(super) images: [&'a [f32]; 2],
    pub(super) shape: [usize; 3],
}

impl<'a> Pair<'a> {
    /// Takes both as images of `shape`.
    ///
    /// # Errors
    /// [`EvalError::Empty`] without pixels, [`EvalError::Length`] when the counts do not fit.
    pub fn new(one: &'a [f32], other: &'a [f32], shape: [usize; 3]) -> Result<Pair<'a>, EvalError> {
        let [height, width, channels] = shape;
        if shape.contains(&0) {
            let what = format!("an image of {height} x {width} pixels and {channels} channels");
            return Err(EvalError::Empty { what });
        }
        let expected = height.saturating_mul(width).saturating_mul(channels);
        match [one, other].iter().find(|image| image.len() != expected) {
            Some(image) => Err(EvalError::Length { what: "values of an image", expected, got: image.len() }),
            None => Ok(Pair { images: [one, other], shape }),
        }
    }

    /// The values of both images.
    pub fn images(&self) -> [&'a [f32]; 2] {
        self.images
    }

    /// Height, width and channels.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_images_must_have_the_shape() {
        assert!(matches!(Pair::new(&[0.0; 3], &[0.0; 4], [2, 2, 1]), Err(EvalError::Length { got: 3, .. })));
        assert!(matches!(Pair::new(&[0.0; 4], &[0.0; 3], [2, 2, 1]), Err(EvalError::Length { got: 3, .. })));
        assert!(matches!(Pair::new(&[], &[], [0, 2, 1]), Err(EvalError::Empty { .. })));
    }
}
