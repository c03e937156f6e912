//! What is no nucleus for its size, and what the border cuts.

use crate::Labels;

/// Which objects are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filter {
    /// The least number of pixels.
    pub min_area: u32,
    /// The largest number of pixels; 0 for any.
    pub max_area: u32,
    /// Leave out what has a pixel on the border of the image.
    pub clear_border: bool,
}

impl Default for Filter {
    /// Everything is kept.
    fn default() -> Filter {
        Filter { min_area: 1, max_area: 0, clear_border: false }
    }
}

/// Objects that were left out, each counted once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Dropped {
    /// Those on the border.
    pub on_border: usize,
    /// Those too small.
    pub small: usize,
    /// Those too large.
    pub large: usize,
}

impl Filter {
    /// The objects that are kept, numbered by their first pixel in reading order, and how many are not.
    pub fn apply(&self, labels: Labels) -> (Labels, Dropped) {
        let areas = labels.areas();
        let on_border = if self.clear_border { on_border(&labels) } else { vec![false; areas.len() + 1] };
        let mut dropped = Dropped::default();
        let mut keep = vec![false; areas.len() + 1];
        for (id, &area) in
            areas.iter().enumerate().map(|(at, area)| (at + 1, area)).filter(|(_, area)| **area > 0)
        {
            if on_border[id] {
                dropped.on_border += 1;
            } else if area < self.min_area {
                dropped.small += 1;
            } else if self.max_area > 0 && area > self.max_area {
                dropped.large += 1;
            } else {
                keep[id] = true;
            }
        }
        (labels.renumbered(|id| keep[id as usize]), dropped)
    }
}

/// Of each number whether one of its pixels lies on the border of the image.
pub(crate) fn on_border(labels: &Labels) -> Vec<bool> {
    let mut found = vec![false; labels.largest() as usize + 1];
    let (width, height) = (labels.width, labels.height);
    let sides = (0..height).flat_map(|y| [y * width, y * width + width.saturating_sub(1)]);
    let ends = (0..width).flat_map(|x| [x, height.saturating_sub(1) * width + x]);
    sides
        .chain(ends)
        .filter(|_| width > 0 && height > 0)
        .for_each(|at| found[labels.ids[at] as usize] = true);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_leaves_out_what_it_says() {
        #[rustfmt::skip]
        let labels = Labels::new(5, 8, vec![
            4, 0, 0, 0, 0, 0, 0, 0,
            0, 0, 3, 3, 0, 2, 0, 0,
            0, 0, 3, 3, 0, 0, 0, 0,
            0, 0, 3, 3, 0, 1, 1, 1,
            0, 0, 0, 0, 0, 0, 0, 0,
        ]).unwrap();
        let kept = |filter: Filter| {
            let (labels, dropped) = filter.apply(labels.clone());
            (labels.areas(), dropped)
        };
        assert_eq!(kept(Filter::default()), (vec![1, 6, 1, 3], Dropped::default()));
        let filter = Filter { min_area: 2, max_area: 5, clear_border: true };
        assert_eq!(kept(filter), (vec![], Dropped { on_border: 2, small: 1, large: 1 }));
        assert_eq!(
            kept(Filter { min_area: 2, ..Filter::default() }),
            (vec![6, 3], Dropped { small: 2, ..Dropped::default() })
        );
    }
}
