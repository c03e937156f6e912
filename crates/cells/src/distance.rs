//! How far every pixel of a mask is from the nearest pixel outside it: the exact Euclidean distance transform.
//!
//! `d(p)^2 = min over q outside of |p - q|^2`, first along columns, then along rows as the lower envelope of the parabolas
//! `(x - q)^2 + column(q)^2` (Felzenszwalb and Huttenlocher 2012, "Distance transforms of sampled functions"). Time grows
//! with the number of pixels. What lies beyond the image is no outside: a nucleus that the border cuts is deepest there.

use rayon::prelude::*;

use crate::{Mask, Plane};

/// The distance of every pixel of `mask` to the nearest one that is not in it, 0 for those; the diagonal of the image where
/// all pixels are in it.
pub fn distance_transform(mask: &Mask) -> Plane {
    let (height, width) = (mask.height, mask.width);
    let columns = along_columns(mask);
    let diagonal = ((height * height + width * width) as f64).sqrt();
    let mut values = vec![0.0; columns.len()];
    let rows = values.par_chunks_mut(width.max(1)).zip(columns.par_chunks(width.max(1)));
    rows.for_each_init(Envelope::default, |envelope, (out, row)| {
        if !envelope.lay(row) {
            out.fill(diagonal);
            return;
        }
        envelope.read(row, out);
    });
    Plane { height, width, values }
}

/// No pixel outside the mask in this column.
const NONE: u32 = u32::MAX;

/// The distance to the nearest pixel outside in the same column.
fn along_columns(mask: &Mask) -> Vec<u32> {
    let width = mask.width;
    let mut steps: Vec<u32> = mask.inside.iter().map(|&inside| if inside { NONE } else { 0 }).collect();
    for at in width..steps.len() {
        steps[at] = steps[at].min(steps[at - width].saturating_add(1));
    }
    for at in (0..steps.len().saturating_sub(width)).rev() {
        steps[at] = steps[at].min(steps[at + width].saturating_add(1));
    }
    steps
}

/// The lower envelope of the parabolas of one row.
#[derive(Default)]
struct Envelope {
    /// Places of the parabolas that are lowest somewhere.
    places: Vec<usize>,
    /// Where each begins to be lowest.
    begins: Vec<f64>,
}

impl Envelope {
    /// The envelope of a row; false if it has no parabola.
    fn lay(&mut self, row: &[u32]) -> bool {
        self.places.clear();
        self.begins.clear();
        let lowest = |place: usize| (row[place] as f64).powi(2) + (place as f64).powi(2);
        for place in (0..row.len()).filter(|place| row[*place] != NONE) {
            let mut begin = f64::NEG_INFINITY;
            while let (Some(&last), Some(&since)) = (self.places.last(), self.begins.last()) {
                begin = (lowest(place) - lowest(last)) / (2 * (place - last)) as f64;
                if begin > since {
                    break;
                }
                self.places.pop();
                self.begins.pop();
                begin = f64::NEG_INFINITY;
            }
            self.places.push(place);
            self.begins.push(begin);
        }
        !self.places.is_empty()
    }

    fn read(&self, row: &[u32], out: &mut [f64]) {
        let mut which = 0;
        for (at, out) in out.iter_mut().enumerate() {
            while self.begins.get(which + 1).is_some_and(|&begin| begin < at as f64) {
                which += 1;
            }
            let place = self.places[which];
            *out = ((row[place] as f64).powi(2) + (at as f64 - place as f64).powi(2)).sqrt();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn distances_are_the_shortest(
            (height, width, inside) in (1usize..12, 1usize..12)
                .prop_flat_map(|(h, w)| (Just(h), Just(w), prop::collection::vec(prop::bool::weighted(0.8), h * w))),
        ) {
            let mask = Mask { height, width, inside };
            let found = distance_transform(&mask);
            let outside: Vec<usize> = (0..height * width).filter(|at| !mask.inside[*at]).collect();
            for (at, value) in found.values.iter().enumerate() {
                let to = |other: &usize| {
                    let dy = (at / width).abs_diff(other / width) as f64;
                    dy.hypot((at % width).abs_diff(other % width) as f64)
                };
                let want = outside.iter().map(to).fold(f64::INFINITY, f64::min);
                let want = if want.is_finite() { want } else { (height as f64).hypot(width as f64) };
                prop_assert!((value - want).abs() < 1e-12);
            }
        }
    }
}
