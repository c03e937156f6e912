//! Embeddings of earlier batches, first in, first out.

use burn::tensor::{Device, Tensor, TensorData};
use twinlens_nn::NnError;
use twinlens_nn::norms::unit_rows;
use twinlens_nn::weights::Scope;
use twinlens_random::{Purpose, Stream};

use super::state::{MethodState, load, load_values, save, save_values};
use crate::objectives::nearest;

/// A ring of unit rows.
#[derive(Debug)]
pub(super) struct Queue {
    name: String,
    rows: Tensor<2>,
    next: usize,
    filled: usize,
}

impl Queue {
    /// `size` random directions in `dim` dimensions, a function of `seed` and `number`, as in MoCo.
    pub(super) fn new(scope: &Scope<'_>, seed: u64, number: usize, [size, dim]: [usize; 2]) -> Queue {
        let device: &Device = scope.weights().device();
        let mut stream = Stream::new(seed, Purpose::Objective, [number as u32, 0, 0]);
        let values: Vec<f32> = (0..size * dim).map(|_| stream.normal() as f32).collect();
        let rows = unit_rows(Tensor::from_data(TensorData::new(values, [size, dim]), device));
        Queue { name: format!("queue_{number}"), rows, next: 0, filled: 0 }
    }

    /// All rows, `[size, dim]`, a constant.
    pub(super) fn rows(&self) -> Tensor<2> {
        self.rows.clone()
    }

    /// The row nearest to each row of `z` `[N, dim]`, a constant.
    pub(super) fn nearest(&self, z: &Tensor<2>) -> Tensor<2> {
        self.rows().select(0, nearest(z.clone(), self.rows()))
    }

    /// Whether no row of the random start is left.
    pub(super) fn is_full(&self) -> bool {
        self.filled == self.rows.dims()[0]
    }

    /// Replaces the oldest rows by those of `new`, scaled to length 1; of more than fit, the last ones.
    pub(super) fn push(&mut self, new: &Tensor<2>) {
        let [size, dim] = self.rows.dims();
        let [rows, _] = new.dims();
        let kept = rows.min(size);
        let new = unit_rows(new.clone().without_autodiff().narrow(0, rows - kept, kept));
        let before_end = kept.min(size - self.next);
        let mut put = |at: usize, from: usize, length: usize| {
            if length > 0 {
                let part = new.clone().narrow(0, from, length);
                self.rows = self.rows.clone().slice_assign([at..at + length, 0..dim], part);
            }
        };
        put(self.next, 0, before_end);
        put(0, before_end, kept - before_end);
        self.next = (self.next + kept) % size;
        self.filled = size.min(self.filled + kept);
    }

    pub(super) fn save(&self, state: &mut MethodState) {
        save(state, &self.name, &self.rows);
        let places = vec![self.next as f32, self.filled as f32];
        save_values(state, &format!("{}.places", self.name), &[2], places);
    }

    pub(super) fn load(&mut self, state: &MethodState) -> Result<(), NnError> {
        let places = load_values(state, &format!("{}.places", self.name), &[Some(2)])?;
        let [next, filled] = [places.values[0] as usize, places.values[1] as usize];
        self.rows = load(state, &self.name, self.rows.dims(), &self.rows.device())?;
        // A ring that is smaller than its file says was refused above; a damaged place starts over.
        self.next = next % self.rows.dims()[0];
        self.filled = filled;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use twinlens_nn::ops::read;
    use twinlens_nn::weights::Weights;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn the_last_rows_stay_whatever_the_batches(size in 1usize..9, batches in prop::collection::vec(1usize..12, 1..6)) {
            let mut weights = Weights::new(0, &Device::flex());
            let mut queue = Queue::new(&weights.root(), 1, 0, [size, 2]);
            let mut pushed = Vec::new();
            for rows in batches {
                let angles: Vec<f32> = (0..rows).map(|row| 0.1 * (pushed.len() + row) as f32).collect();
                let values: Vec<f32> = angles.iter().flat_map(|a| [a.cos(), a.sin()]).collect();
                pushed.extend(angles);
                queue.push(&Tensor::from_data(TensorData::new(values, [rows, 2]), &Device::flex()));
            }
            prop_assert_eq!(queue.is_full(), pushed.len() >= size);
            let rows = read(queue.rows());
            for angle in &pushed[pushed.len().saturating_sub(size)..] {
                let near = |row: &[f32]| (row[0] - angle.cos()).abs() + (row[1] - angle.sin()).abs() < 1e-5;
                prop_assert!(rows.chunks(2).any(near), "{angle} is missing");
            }
        }
    }
}
