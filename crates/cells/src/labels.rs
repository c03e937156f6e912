//! Which pixel belongs to which object.

use crate::CellsError;

/// A yes or no for every pixel, row by row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    /// Number of rows.
    pub height: usize,
    /// Number of columns.
    pub width: usize,
    /// `height * width` answers.
    pub inside: Vec<bool>,
}

/// The object of every pixel, row by row; 0 is the background.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labels {
    /// Number of rows.
    pub height: usize,
    /// Number of columns.
    pub width: usize,
    /// `height * width` numbers of objects. What this crate makes is numbered from 1, without gaps, by the first pixel in
    /// reading order.
    pub ids: Vec<u32>,
}

impl Labels {
    /// Labels of these numbers.
    ///
    /// # Errors
    /// [`CellsError::Setting`] when there are not `height * width` of them.
    pub fn new(height: usize, width: usize, ids: Vec<u32>) -> Result<Labels, CellsError> {
        if height.checked_mul(width) != Some(ids.len()) {
            let expected = format!("{height} x {width} numbers");
            return Err(CellsError::setting("labels", &expected, ids.len()));
        }
        Ok(Labels { height, width, ids })
    }

    /// The largest number: that of objects, where they are numbered without gaps.
    pub fn largest(&self) -> u32 {
        self.ids.iter().copied().max().unwrap_or(0)
    }

    /// Whether each pixel belongs to an object.
    pub fn mask(&self) -> Mask {
        let inside = self.ids.iter().map(|&id| id > 0).collect();
        Mask { height: self.height, width: self.width, inside }
    }

    /// Only those objects that `keep` says, numbered from 1 by their first pixel in reading order.
    #[must_use]
    pub fn renumbered(mut self, keep: impl Fn(u32) -> bool) -> Labels {
        let mut numbers = std::collections::HashMap::new();
        let mut next = 0;
        let mut before = (0, 0);
        for id in self.ids.iter_mut().filter(|id| **id > 0) {
            // Pixels of an object lie in runs.
            if before.0 != *id {
                let number = *numbers.entry(*id).or_insert_with(|| {
                    next += u32::from(keep(*id));
                    if keep(*id) { next } else { 0 }
                });
                before = (*id, number);
            }
            *id = before.1;
        }
        self
    }

    /// Pixels of each object, in the order of their numbers 1, 2, ...; there is one for every number up to the largest, so
    /// labels from elsewhere are to be [renumbered](Labels::renumbered) before.
    pub fn areas(&self) -> Vec<u32> {
        let mut areas = vec![0; self.largest() as usize];
        self.ids.iter().filter(|id| **id > 0).for_each(|&id| areas[id as usize - 1] += 1);
        areas
    }

    /// Mean row and column of the pixels of each object, in the order of their numbers 1, 2, ...; NaN for a number that no
    /// pixel has. As [`Labels::areas`], for labels that are numbered without gaps.
    pub fn centroids(&self) -> Vec<[f64; 2]> {
        let mut sums = vec![(0u64, 0u64, 0u64); self.largest() as usize];
        for (row, ids) in self.ids.chunks(self.width.max(1)).enumerate() {
            for (column, &id) in ids.iter().enumerate().filter(|(_, id)| **id > 0) {
                let sum = &mut sums[id as usize - 1];
                *sum = (sum.0 + row as u64, sum.1 + column as u64, sum.2 + 1);
            }
        }
        sums.into_iter().map(|(rows, columns, n)| [rows, columns].map(|sum| sum as f64 / n as f64)).collect()
    }
}
