//! Connected pixels, in two passes over the image with a forest of merged numbers (Rosenfeld and Pfaltz 1966, "Sequential
//! operations in digital picture processing").

use crate::{Labels, Mask};

/// Which pixels are neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connectivity {
    /// Those that share a side.
    Four,
    /// Those that share a side or a corner.
    Eight,
}

/// The connected parts of `mask`, numbered from 1 by their first pixel in reading order.
pub fn components(mask: &Mask, connectivity: Connectivity) -> Labels {
    let (height, width) = (mask.height, mask.width);
    let mut ids = vec![0u32; mask.inside.len()];
    // The parent of each number; roots are their own. Number 0 is the background.
    let mut parents = vec![0u32];
    for y in 0..height {
        for x in 0..width {
            let at = y * width + x;
            if !mask.inside[at] {
                continue;
            }
            let mut id = if x > 0 { ids[at - 1] } else { 0 };
            if y > 0 {
                let reach = usize::from(connectivity == Connectivity::Eight);
                let above = x.saturating_sub(reach)..=(x + reach).min(width - 1);
                for other in above.map(|x| ids[(y - 1) * width + x]).filter(|other| *other > 0) {
                    id = if id == 0 { other } else { merge(&mut parents, id, other) };
                }
            }
            if id == 0 {
                id = parents.len() as u32;
                parents.push(id);
            }
            ids[at] = id;
        }
    }
    // A root is the smallest of its numbers, and so that of the first pixel.
    let mut numbers = vec![0; parents.len()];
    let mut next = 0;
    for id in 1..parents.len() as u32 {
        let root = root(&mut parents, id);
        if root == id {
            next += 1;
            numbers[id as usize] = next;
        } else {
            numbers[id as usize] = numbers[root as usize];
        }
    }
    ids.iter_mut().for_each(|id| *id = numbers[*id as usize]);
    Labels { height, width, ids }
}

fn root(parents: &mut [u32], mut id: u32) -> u32 {
    while parents[id as usize] != id {
        let above = parents[parents[id as usize] as usize];
        parents[id as usize] = above;
        id = above;
    }
    id
}

/// Makes both one; returns the root.
fn merge(parents: &mut [u32], a: u32, b: u32) -> u32 {
    let (a, b) = (root(parents, a), root(parents, b));
    let (low, high) = (a.min(b), a.max(b));
    parents[high as usize] = low;
    low
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn flooded(mask: &Mask, connectivity: Connectivity) -> Vec<u32> {
        let mut ids = vec![0; mask.inside.len()];
        let mut next = 0;
        for start in 0..ids.len() {
            if !mask.inside[start] || ids[start] > 0 {
                continue;
            }
            next += 1;
            ids[start] = next;
            let mut open = vec![start];
            while let Some(at) = open.pop() {
                for (other, id) in ids.iter_mut().enumerate() {
                    let dy = (at / mask.width).abs_diff(other / mask.width);
                    let dx = (at % mask.width).abs_diff(other % mask.width);
                    let near = match connectivity {
                        Connectivity::Four => dy + dx == 1,
                        Connectivity::Eight => dy.max(dx) == 1,
                    };
                    if near && mask.inside[other] && *id == 0 {
                        *id = next;
                        open.push(other);
                    }
                }
            }
        }
        ids
    }

    proptest! {
        #[test]
        fn parts_are_those_that_a_flood_fills(
            (height, width, inside) in (1usize..10, 1usize..10)
                .prop_flat_map(|(h, w)| (Just(h), Just(w), prop::collection::vec(any::<bool>(), h * w))),
        ) {
            let mask = Mask { height, width, inside };
            for connectivity in [Connectivity::Four, Connectivity::Eight] {
                prop_assert_eq!(components(&mask, connectivity).ids, flooded(&mask, connectivity));
            }
        }
    }
}
