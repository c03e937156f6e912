//! Touching nuclei, each its own.
//!
//! Water rises from the markers over the negative distance to the outside, within the mask, from pixel to neighbour along
//! sides; what two waters reach belongs to the one that came first (Meyer 1994, "Topographic distance and watershed lines",
//! as flooding from markers with a queue in order of height, equals first come, first served).

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::gaussian::{TRUNCATE, gaussian};
use crate::{Labels, Mask, Plane, distance_transform, markers};

/// Gives every pixel of `mask` that a path along sides joins to a marker the number of a marker, counted from 1; the highest
/// pixels of `height` are flooded first. What no such path joins to a marker is background.
pub fn watershed(height: &Plane, markers: &[usize], mask: &Mask) -> Labels {
    let width = mask.width;
    let mut ids = vec![0u32; mask.inside.len()];
    let mut queue = BinaryHeap::new();
    let mut age = 0u32;
    for (&marker, id) in markers.iter().zip(1u32..) {
        ids[marker] = id;
        queue.push((order(height.values[marker]), Reverse(age), marker));
        age += 1;
    }
    while let Some((_, _, at)) = queue.pop() {
        let (y, x) = (at / width, at % width);
        let around = [
            (y > 0).then(|| at - width),
            (x > 0).then(|| at - 1),
            (x + 1 < width).then_some(at + 1),
            (y + 1 < mask.height).then_some(at + width),
        ];
        for next in around.into_iter().flatten().filter(|&next| mask.inside[next]) {
            if ids[next] == 0 {
                ids[next] = ids[at];
                queue.push((order(height.values[next]), Reverse(age), next));
                age += 1;
            }
        }
    }
    Labels { height: mask.height, width, ids }
}

/// Bits that are ordered as the numbers are.
fn order(value: f64) -> u64 {
    let bits = value.to_bits();
    if value.is_sign_negative() { !bits } else { bits | (1 << 63) }
}

/// The objects of `labels`, those of several nuclei split: the distance to the outside is smoothed by `distance_sigma` pixels,
/// its peaks at least `min_distance` pixels apart are the nuclei. Objects are numbered by their first pixel in reading order.
pub fn split(labels: &Labels, distance_sigma: f64, min_distance: usize) -> Labels {
    let mask = labels.mask();
    let height = gaussian(&distance_transform(&mask), distance_sigma, TRUNCATE);
    let markers = markers(&height, labels, min_distance);
    watershed(&height, &markers, &mask).renumbered(|_| true)
}

#[cfg(test)]
mod tests {
    use twinlens_golden::{Case, cases};

    use super::*;
    use crate::detector::tests::{detector_of, plane_of};
    use crate::{Connectivity, Filter, components};

    /// Whether at least `fraction` of the `expected` centroids have one of `found` within `radius` of their own.
    fn matched(expected: &[f32], found: &[[f64; 2]], radius: f64) -> f64 {
        let mut pairs = Vec::new();
        for (i, want) in expected.chunks(2).enumerate() {
            for (j, got) in found.iter().enumerate() {
                let distance = (f64::from(want[0]) - got[0]).hypot(f64::from(want[1]) - got[1]);
                pairs.extend((distance <= radius).then_some((distance, i, j)));
            }
        }
        pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (mut left, mut right) = (vec![false; expected.len() / 2], vec![false; found.len()]);
        for (_, i, j) in pairs {
            if !left[i] && !right[j] {
                (left[i], right[j]) = (true, true);
            }
        }
        left.iter().filter(|taken| **taken).count() as f64 / left.len() as f64
    }

    fn check(case: &Case) {
        let plane = plane_of(case);
        let (mask, _) = detector_of(case).foreground(&plane).unwrap();
        let labels = components(&mask, Connectivity::Eight);
        let filter = Filter { min_area: case.count("min_area") as u32, ..Filter::default() };
        let (labels, _) = filter.apply(labels);
        let foreground: Vec<u8> = labels.ids.iter().map(|&id| u8::from(id > 0)).collect();
        case.check("out.foreground", &foreground);
        let found = split(&labels, case.number("distance_sigma"), case.count("min_distance"));
        case.check("out.count", &[found.largest() as f32]);
        let share = matched(case.f32("out.centroids"), &found.centroids(), case.number("match_radius"));
        assert!(share >= case.number("match_fraction"), "{}: {share}", case.name());
    }

    #[test]
    fn clumps_are_split_as_by_the_reference() {
        cases("cells/watershed_split").iter().for_each(check);
    }

    #[test]
    fn waters_meet_in_the_middle_and_stay_in_the_mask() {
        let height = Plane { height: 1, width: 7, values: vec![0.0, 3.0, 2.0, 1.0, 2.0, 3.0, 0.0] };
        let mask = Mask { height: 1, width: 7, inside: vec![false, true, true, true, true, true, false] };
        assert_eq!(watershed(&height, &[1, 5], &mask).ids, [0, 1, 1, 1, 2, 2, 0]);
    }

    #[test]
    fn numbers_are_ordered_as_their_bits() {
        let numbers = [-1e300, -2.0, -1e-300, 0.0, 1e-300, 0.5, 2.0, 1e300];
        assert!(numbers.windows(2).all(|two| order(two[0]) < order(two[1])));
    }
}
