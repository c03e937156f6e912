//! Stochastic depth: only some images of a batch go through a residual branch.
//!
//! Huang et al., "Deep networks with stochastic depth", ECCV 2016, an image at a time. The branch is computed for the images
//! that are kept alone; [`layer_scale_forward`](crate::layer_scale_forward) adds it to them.

use rayon::prelude::*;

use crate::element::Element;

/// Some images of a batch.
pub(crate) struct Selection<'a> {
    kept: &'a [usize],
    images: usize,
    pub image_len: usize,
}

impl<'a> Selection<'a> {
    /// From the lengths of the maps of those kept and of all.
    ///
    /// # Panics
    /// When they do not fit together, when no image is kept, or one that there is not, or when they do not ascend.
    pub fn new(kept: &'a [usize], kept_len: usize, all_len: usize) -> Selection<'a> {
        let image_len = kept_len.checked_div(kept.len()).unwrap_or(0);
        assert!(
            image_len > 0 && image_len * kept.len() == kept_len && all_len.is_multiple_of(image_len),
            "{} images of {kept_len} numbers are not some of a batch of {all_len} numbers",
            kept.len(),
        );
        let images = all_len / image_len;
        assert!(
            kept.is_sorted_by(|a, b| a < b) && kept.last().is_some_and(|&last| last < images),
            "{kept:?} are not images of {images} in ascending order"
        );
        Selection { kept, images, image_len }
    }

    /// The place of each image of the batch among those kept.
    pub fn places(&self) -> Vec<Option<usize>> {
        let mut places = vec![None; self.images];
        self.kept.iter().enumerate().for_each(|(place, &image)| places[image] = Some(place));
        places
    }
}

/// Copies the images of `x`, `[images, image]`, that are `kept`, in ascending order, to `y`, `[kept, image]`.
///
/// # Panics
/// When the slices' lengths do not fit together, when no image is kept, or one that there is not.
pub fn select_images<E: Element>(x: &[E], kept: &[usize], y: &mut [E]) {
    let image_len = Selection::new(kept, y.len(), x.len()).image_len;
    let images = y.par_chunks_mut(image_len).zip(kept);
    images.for_each(|(y, &image)| y.copy_from_slice(&x[image * image_len..][..image_len]));
}

/// Gradient of [`select_images`]: `dy` for the images that are kept, 0 for the others. `dx`, shaped as `x`, is overwritten.
///
/// # Panics
/// As [`select_images`].
pub fn select_images_backward<E: Element>(dy: &[E], kept: &[usize], dx: &mut [E]) {
    let selection = Selection::new(kept, dy.len(), dx.len());
    let image_len = selection.image_len;
    dx.par_chunks_mut(image_len).zip(selection.places()).for_each(|(dx, place)| match place {
        Some(place) => dx.copy_from_slice(&dy[place * image_len..][..image_len]),
        None => dx.fill(E::zeroed()),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_images_are_copied_and_their_gradients_go_back() {
        let x = [1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];
        let mut y = [f32::NAN; 4];
        select_images(&x, &[1, 3], &mut y);
        assert_eq!(y, [3.0, 4.0, 7.0, 8.0]);
        let mut dx = [f32::NAN; 8];
        select_images_backward(&y, &[1, 3], &mut dx);
        assert_eq!(dx, [0.0, 0.0, 3.0, 4.0, 0.0, 0.0, 7.0, 8.0]);
    }

    #[test]
    #[should_panic(expected = "[1, 4] are not images of 4 in ascending order")]
    fn an_image_that_there_is_not_stops_the_call() {
        select_images(&[0.0f32; 8], &[1, 4], &mut [0.0; 4]);
    }

    #[test]
    #[should_panic(expected = "0 images of 0 numbers are not some of a batch of 8 numbers")]
    fn a_batch_of_which_nothing_is_kept_stops_the_call() {
        select_images(&[0.0f32; 8], &[], &mut []);
    }
}
