//! What a crop shows around its cell.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_data::{Image, Pixels};

use crate::Labels;
use crate::crop::{Padding, reflected};

/// What becomes of the pixels around a cell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Background {
    /// They stay.
    #[default]
    Keep,
    /// All that is not of the cell's own mask is filled. A mask of nuclei leaves nothing of the cell around them.
    Own,
    /// What is of the masks of other cells is filled.
    Neighbours,
}

/// Labels as runs of equal numbers along rows: what is kept of a field while its cells are cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Runs {
    width: usize,
    /// Where the runs of each row begin, and where the last end.
    rows: Vec<u32>,
    /// First column, the one after the last, number.
    runs: Vec<(u32, u32, u32)>,
}

impl Runs {
    /// The runs of `labels`.
    pub fn of(labels: &Labels) -> Runs {
        let (mut rows, mut runs) = (vec![0], Vec::new());
        for row in labels.ids.chunks(labels.width.max(1)) {
            let mut at = 0;
            for run in row.chunk_by(|a, b| a == b) {
                let end = at + run.len() as u32;
                if run[0] > 0 {
                    runs.push((at, end, run[0]));
                }
                at = end;
            }
            rows.push(runs.len() as u32);
        }
        Runs { width: labels.width, rows, runs }
    }

    fn height(&self) -> usize {
        self.rows.len() - 1
    }

    /// The numbers of one row.
    fn row(&self, row: usize, out: &mut [u32]) {
        out.fill(0);
        for &(start, end, id) in &self.runs[self.rows[row] as usize..self.rows[row + 1] as usize] {
            out[start as usize..end as usize].fill(id);
        }
    }

    /// Fills what `background` says in the crop of cell `id` that begins at `top_left`. Where the crop leaves the field, it
    /// has no cell of its own; reflected neighbours are neighbours.
    pub fn treat(
        &self,
        crop: &mut Image,
        top_left: [i64; 2],
        id: u32,
        (background, padding, fill): (Background, Padding, f64),
    ) {
        let mut ids = vec![0; self.width];
        let beyond = |at: i64, len: usize| at < 0 || at >= len as i64;
        for y in 0..crop.height {
            let row = top_left[0] + y as i64;
            let row_beyond = beyond(row, self.height());
            if self.height() > 0 {
                self.row(reflected(row, self.height()), &mut ids);
            }
            for x in 0..crop.width {
                let column = top_left[1] + x as i64;
                let outside = row_beyond || beyond(column, self.width);
                let of = ids.get(reflected(column, self.width)).copied().unwrap_or(0);
                let filled = match background {
                    Background::Keep => false,
                    Background::Own => outside || of != id,
                    Background::Neighbours => {
                        of > 0 && of != id && !(outside && padding == Padding::Constant)
                    }
                };
                if filled {
                    put(crop, y * crop.width + x, fill);
                }
            }
        }
    }
}

fn put(image: &mut Image, pixel: usize, fill: f64) {
    let samples = pixel * image.channels..(pixel + 1) * image.channels;
    match &mut image.pixels {
        Pixels::U8(values) => values[samples].fill(fill as u8),
        Pixels::U16(values) => values[samples].fill(fill as u16),
        Pixels::I16(values) => values[samples].fill(fill as i16),
        Pixels::U32(values) => values[samples].fill(fill as u32),
        Pixels::F32(values) => values[samples].fill(fill as f32),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::crop::crop;

    #[test]
    fn neighbours_go_and_the_ground_stays_or_all_but_the_cell_goes() {
        #[rustfmt::skip]
        let labels = Labels::new(3, 5, vec![
            1, 1, 0, 2, 2,
            1, 1, 0, 2, 2,
            0, 0, 0, 0, 2,
        ]).unwrap();
        let field = Image::new(3, 5, 1, Pixels::U8((10..25).collect())).unwrap();
        let runs = Runs::of(&labels);
        let treated = |background| {
            let mut cut = crop(&field, [-1, -1], 5, Padding::Reflect, 0.0);
            runs.treat(&mut cut, [-1, -1], 1, (background, Padding::Reflect, 0.0));
            let Pixels::U8(values) = cut.pixels else { panic!() };
            values
        };
        #[rustfmt::skip]
        assert_eq!(treated(Background::Neighbours), [
            16, 15, 16, 17, 0,
            11, 10, 11, 12, 0,
            16, 15, 16, 17, 0,
            21, 20, 21, 22, 23,
            16, 15, 16, 17, 0,
        ]);
        #[rustfmt::skip]
        assert_eq!(treated(Background::Own), [
            0, 0, 0, 0, 0,
            0, 10, 11, 0, 0,
            0, 15, 16, 0, 0,
            0, 0, 0, 0, 0,
            0, 0, 0, 0, 0,
        ]);
        assert_eq!(treated(Background::Keep)[..5], [16, 15, 16, 17, 18]);
    }

    proptest! {
        #[test]
        fn runs_hold_what_labels_do(
            (height, width, ids) in (1usize..7, 1usize..9)
                .prop_flat_map(|(h, w)| (Just(h), Just(w), prop::collection::vec(0u32..3, h * w))),
        ) {
            let runs = Runs::of(&Labels::new(height, width, ids.clone()).unwrap());
            let mut row = vec![9; width];
            for (at, want) in ids.chunks(width).enumerate() {
                runs.row(at, &mut row);
                prop_assert_eq!(&row[..], want);
            }
        }
    }
}
