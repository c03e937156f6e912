//! The end of a residual block with layer scale.
//!
//! Touvron et al., "Going deeper with image transformers", ICCV 2021, equation 3: `y = shortcut + gamma branch`, `gamma` a
//! learned number for each channel. With stochastic depth only some images have a branch.

use multiversion::multiversion;
use rayon::prelude::*;

use crate::element::Element;
use crate::parallel::add_in_order;
use crate::shape::{assert_len, assert_rows};
use crate::stochastic_depth::Selection;

/// Numbers that a task has, about.
const CHUNK: usize = 32 * 1024;

/// Numbers in the rows of a part of an image.
fn chunk_len(channels: usize) -> usize {
    (CHUNK / channels).max(1) * channels
}

/// Images of a task.
fn images_of_task(image_len: usize) -> usize {
    (CHUNK / image_len).max(1)
}

/// `y = shortcut + gamma branch` for the images that are `kept`, in ascending order; of the others `y = shortcut`.
///
/// `y`, which is overwritten, and `shortcut` are `[images, rows, channels]`, `branch` `[kept, rows, channels]`, `gamma`
/// `[channels]`.
///
/// # Panics
/// When the slices' lengths do not fit together, when no image is kept, or one that there is not.
pub fn layer_scale_forward<E: Element>(
    shortcut: &[E],
    branch: &[E],
    gamma: &[f32],
    kept: &[usize],
    y: &mut [E],
) {
    assert_rows("branch", branch.len(), gamma.len());
    assert_len("y", y.len(), shortcut.len());
    let selection = Selection::new(kept, branch.len(), shortcut.len());
    let (image_len, chunk) = (selection.image_len, chunk_len(gamma.len()));
    let images = y.par_chunks_mut(image_len).zip(shortcut.par_chunks(image_len)).zip(selection.places());
    images.with_min_len(images_of_task(image_len)).for_each(|((y, shortcut), place)| match place {
        Some(place) => {
            let branch = &branch[place * image_len..][..image_len];
            let inputs = shortcut.par_chunks(chunk).zip(branch.par_chunks(chunk));
            let chunks = y.par_chunks_mut(chunk).zip(inputs);
            chunks.for_each(|(y, (shortcut, branch))| forward_chunk(shortcut, branch, gamma, y));
        }
        None => y.copy_from_slice(shortcut),
    });
}

#[multiversion(targets("x86_64+avx512f+avx512bw", "x86_64+avx2+fma"))]
fn forward_chunk<E: Element>(shortcut: &[E], branch: &[E], gamma: &[f32], y: &mut [E]) {
    let channels = gamma.len();
    let inputs = shortcut.chunks_exact(channels).zip(branch.chunks_exact(channels));
    for (y, (shortcut, branch)) in y.chunks_exact_mut(channels).zip(inputs) {
        for (((y, shortcut), branch), gamma) in y.iter_mut().zip(shortcut).zip(branch).zip(gamma) {
            *y = E::nearest(shortcut.widen() + gamma * branch.widen());
        }
    }
}

/// Gradients of [`layer_scale_forward`]: `dbranch = gamma dy`, and `dgamma = sum dy branch` over the rows, of the images that
/// are kept. That of the shortcut is `dy`.
///
/// `dy` is shaped as the output; `dbranch`, shaped as `branch`, and `dgamma`, shaped as `gamma`, are overwritten.
///
/// # Panics
/// When the slices' lengths do not fit together, when no image is kept, or one that there is not.
pub fn layer_scale_backward<E: Element>(
    dy: &[E],
    branch: &[E],
    gamma: &[f32],
    kept: &[usize],
    dbranch: &mut [E],
    dgamma: &mut [f32],
) {
    assert_rows("branch", branch.len(), gamma.len());
    assert_len("dbranch", dbranch.len(), branch.len());
    assert_len("dgamma", dgamma.len(), gamma.len());
    let image_len = Selection::new(kept, branch.len(), dy.len()).image_len;
    let chunk = chunk_len(gamma.len());
    let images = dbranch.par_chunks_mut(image_len).zip(branch.par_chunks(image_len)).zip(kept);
    let sums: Vec<Vec<Vec<f32>>> = images
        .with_min_len(images_of_task(image_len))
        .map(|((dbranch, branch), &image)| {
            let inputs = dy[image * image_len..][..image_len].par_chunks(chunk).zip(branch.par_chunks(chunk));
            let chunks = dbranch.par_chunks_mut(chunk).zip(inputs);
            chunks.map(|(dbranch, (dy, branch))| backward_chunk(dy, branch, gamma, dbranch)).collect()
        })
        .collect();
    dgamma.fill(0.0);
    add_in_order(dgamma, sums.iter().flatten().map(Vec::as_slice));
}

/// Fills `dbranch` and returns this chunk's part of `dgamma`.
#[multiversion(targets("x86_64+avx512f+avx512bw", "x86_64+avx2+fma"))]
fn backward_chunk<E: Element>(dy: &[E], branch: &[E], gamma: &[f32], dbranch: &mut [E]) -> Vec<f32> {
    let channels = gamma.len();
    let mut sums = vec![0.0f32; channels];
    let inputs = dy.chunks_exact(channels).zip(branch.chunks_exact(channels));
    for (dbranch, (dy, branch)) in dbranch.chunks_exact_mut(channels).zip(inputs) {
        for ((sum, dy), branch) in sums.iter_mut().zip(dy).zip(branch) {
            *sum += dy.widen() * branch.widen();
        }
        for ((dbranch, dy), gamma) in dbranch.iter_mut().zip(dy).zip(gamma) {
            *dbranch = E::nearest(gamma * dy.widen());
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::bf16::Bf16;
    use crate::element::tests::{nearest, widened};
    use crate::naive::{numbers, rounded};
    use crate::parallel::tests::same_for_any_threads;
    use crate::shape::Precision;

    /// `shortcut` and `dy` of some images, `branch` of those kept.
    fn maps(image_len: usize, images: usize, kept: &[usize]) -> [Vec<f32>; 3] {
        [(1, images), (2, images), (3, kept.len())]
            .map(|(seed, images)| rounded(Precision::Bf16, &numbers(seed, images * image_len)))
    }

    /// `y`, `dbranch` and `dgamma`.
    fn all<E: Element>(rows: usize, channels: usize, images: usize, kept: &[usize]) -> [Vec<f32>; 3] {
        let [shortcut, dy, branch] = maps(rows * channels, images, kept).map(|map| nearest::<E>(&map));
        let gamma = numbers(4, channels);
        let [mut y, mut dbranch] = [&dy, &branch].map(|map| nearest::<E>(&vec![f32::NAN; map.len()]));
        let mut dgamma = vec![f32::NAN; channels];
        layer_scale_forward(&shortcut, &branch, &gamma, kept, &mut y);
        layer_scale_backward(&dy, &branch, &gamma, kept, &mut dbranch, &mut dgamma);
        [widened(&y), widened(&dbranch), dgamma]
    }

    proptest! {
        #[test]
        fn results_are_those_of_the_formula(
            rows in 1usize..20,
            channels in 1usize..50,
            (images, kept) in (1usize..9)
                .prop_flat_map(|images| (Just(images), prop::sample::subsequence((0..images).collect::<Vec<_>>(), 1..=images))),
        ) {
            let image_len = rows * channels;
            let [shortcut, dy, branch] = maps(image_len, images, &kept);
            let gamma = numbers(4, channels);
            let [y, dbranch, dgamma] = all::<f32>(rows, channels, images, &kept);
            let mut expected = shortcut;
            let mut sums = vec![0.0f64; channels];
            for (i, &branch) in branch.iter().enumerate() {
                let (at, channel) = (kept[i / image_len] * image_len + i % image_len, i % channels);
                expected[at] += gamma[channel] * branch;
                sums[channel] += f64::from(dy[at]) * f64::from(branch);
                prop_assert_eq!(dbranch[i], gamma[channel] * dy[at]);
            }
            prop_assert_eq!(&y, &expected);
            for (dgamma, sum) in dgamma.iter().zip(sums) {
                prop_assert!((f64::from(*dgamma) - sum).abs() < 1e-4 * (1.0 + branch.len() as f64));
            }
            let [halves_y, halves_dbranch, halves_dgamma] = all::<Bf16>(rows, channels, images, &kept);
            prop_assert_eq!(halves_y, rounded(Precision::Bf16, &y));
            prop_assert_eq!(halves_dbranch, rounded(Precision::Bf16, &dbranch));
            prop_assert_eq!(halves_dgamma, dgamma);
        }
    }

    #[test]
    fn results_are_the_same_for_any_number_of_threads() {
        same_for_any_threads(|| all::<f32>(1500, 33, 5, &[0, 1, 3]).concat());
    }

    #[test]
    #[should_panic(expected = "branch has 5 elements, not whole rows of 2")]
    fn rows_that_are_not_whole_stop_the_call() {
        layer_scale_forward(&[0.0; 5], &[0.0; 5], &[0.0; 2], &[0], &mut [0.0; 5]);
    }
}
