//! Holes: background that no path along sides of pixels joins to the border of the image.

use crate::components::{Connectivity, components};
use crate::filter::on_border;
use crate::{Labels, Mask};

/// Makes the holes part of `mask`.
pub fn fill_holes(mask: &mut Mask) {
    let outside = Mask { inside: mask.inside.iter().map(|inside| !inside).collect(), ..*mask };
    let Labels { height, width, ids } = components(&outside, Connectivity::Four);
    let outside = Labels { height, width, ids };
    let reaches = on_border(&outside);
    for (inside, &id) in mask.inside.iter_mut().zip(&outside.ids) {
        *inside |= id > 0 && !reaches[id as usize];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_is_filled_and_a_bay_is_not() {
        let picture = |text: &str| -> Mask {
            let rows: Vec<&str> = text.split_whitespace().collect();
            let inside = rows.iter().flat_map(|row| row.bytes().map(|byte| byte == b'#')).collect();
            Mask { height: rows.len(), width: rows[0].len(), inside }
        };
        let mut mask = picture("#######. #..#..#. #..#..#. ###.###. #..#.... #..#....");
        fill_holes(&mut mask);
        // The bay below is open.
        assert_eq!(mask, picture("#######. #######. #######. #######. #..#.... #..#...."));
    }
}
