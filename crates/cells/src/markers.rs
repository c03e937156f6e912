//! Where each nucleus of a clump has its middle: peaks of the distance to the outside.
//!
//! A pixel is a peak if none of its object within `min_distance` pixels (the larger of the two differences of coordinates)
//! is higher. Peaks are taken from the highest down, equal ones in reading order, each that is at least `min_distance` away
//! from those taken of its object. So every object has one.

use crate::{Labels, Plane};

/// The places of the peaks of `height`, object by object of `labels`, highest first.
pub fn markers(height: &Plane, labels: &Labels, min_distance: usize) -> Vec<usize> {
    let reach = min_distance.max(1);
    let mut peaks: Vec<usize> = (0..labels.ids.len())
        .filter(|&at| labels.ids[at] > 0 && is_peak(height, labels, at, reach))
        .collect();
    peaks.sort_by(|&a, &b| {
        let by_height = height.values[b].total_cmp(&height.values[a]);
        labels.ids[a].cmp(&labels.ids[b]).then(by_height).then(a.cmp(&b))
    });
    let mut taken: Vec<usize> = Vec::new();
    // Peaks of one object lie together: those taken of it are the last ones.
    let mut first = 0;
    for peak in peaks {
        if taken.last().is_some_and(|&last| labels.ids[last] != labels.ids[peak]) {
            first = taken.len();
        }
        if taken[first..].iter().all(|&other| apart(labels.width, peak, other) >= reach) {
            taken.push(peak);
        }
    }
    taken
}

fn apart(width: usize, a: usize, b: usize) -> usize {
    (a / width).abs_diff(b / width).max((a % width).abs_diff(b % width))
}

fn is_peak(height: &Plane, labels: &Labels, at: usize, reach: usize) -> bool {
    // Most pixels have a higher one beside them.
    none_higher(height, labels, at, 1) && none_higher(height, labels, at, reach)
}

fn none_higher(height: &Plane, labels: &Labels, at: usize, reach: usize) -> bool {
    let (width, id, value) = (labels.width, labels.ids[at], height.values[at]);
    let (y, x) = (at / width, at % width);
    let columns = x.saturating_sub(reach)..(x + reach + 1).min(width);
    (y.saturating_sub(reach)..(y + reach + 1).min(labels.height)).all(|row| {
        let row = row * width + columns.start..row * width + columns.end;
        row.into_iter().all(|other| labels.ids[other] != id || height.values[other] <= value)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Connectivity, Mask, components};

    proptest! {
        #[test]
        fn every_object_has_a_peak_and_peaks_keep_apart(
            (inside, heights) in (prop::collection::vec(any::<bool>(), 120), prop::collection::vec(0u8..6, 120)),
            reach in 1usize..5,
        ) {
            let labels = components(&Mask { height: 10, width: 12, inside }, Connectivity::Eight);
            let height = Plane { height: 10, width: 12, values: heights.into_iter().map(f64::from).collect() };
            let found = markers(&height, &labels, reach);
            for id in 1..=labels.largest() {
                let own: Vec<usize> = found.iter().copied().filter(|at| labels.ids[*at] == id).collect();
                let highest = (0..120).filter(|at| labels.ids[*at] == id).map(|at| height.values[at]).fold(0.0, f64::max);
                prop_assert!(own.iter().any(|at| height.values[*at] == highest));
                for (n, &a) in own.iter().enumerate() {
                    prop_assert!(own[..n].iter().all(|&b| apart(12, a, b) >= reach));
                }
            }
        }
    }
}
