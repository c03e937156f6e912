//! Arrays that pass from one training step to the next.
//!
//! A step needs the same arrays as the one before. Giving them back to the system and asking for them anew would cost
//! up to a tenth of its time: the system clears each page, and clears it again after the next step. So the backward
//! pass puts the arrays that nobody needs any more on shelves, one for each length, and operations take them from there.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::backend::flex::FlexTensor;
use rayon::iter::{ParallelIterator, repeat_n};

/// Shorter arrays are not worth a shelf.
const SHORTEST: usize = 32 * 1024;

/// Arrays of one length.
#[derive(Default)]
struct Shelf {
    arrays: Vec<Vec<f32>>,
    /// How many were made because the shelf was empty: it never holds more.
    made: usize,
}

static SHELVES: Mutex<BTreeMap<usize, Shelf>> = Mutex::new(BTreeMap::new());

fn shelves() -> MutexGuard<'static, BTreeMap<usize, Shelf>> {
    // A panic elsewhere leaves nothing half-done in here.
    SHELVES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An array of `len` arbitrary numbers, for operations that overwrite all of it.
pub(crate) fn array(len: usize) -> Vec<f32> {
    if len < SHORTEST {
        return vec![0.0; len];
    }
    let mut shelves = shelves();
    let shelf = shelves.entry(len).or_default();
    let Some(mut array) = shelf.arrays.pop() else {
        shelf.made += 1;
        drop(shelves);
        // By all threads: memory that was used before is cleared.
        return repeat_n(0.0, len).collect();
    };
    drop(shelves);
    if cfg!(debug_assertions) {
        // What is read before it is written shows.
        array.fill(f32::NAN);
    }
    array
}

/// Puts the array of a tensor on its shelf, if nothing else holds it.
pub(crate) fn give_back(tensor: FlexTensor) {
    let len = tensor.layout().num_elements();
    let whole = tensor.is_contiguous() && tensor.bytes().len() == len * size_of::<f32>();
    if len < SHORTEST || !tensor.is_unique() || !whole {
        return;
    }
    let mut shelves = shelves();
    let Some(shelf) = shelves.get_mut(&len).filter(|shelf| shelf.arrays.len() < shelf.made) else { return };
    if let Ok(array) = tensor.into_data().try_into_vec::<f32>() {
        shelf.arrays.push(array);
    }
}

/// Gives all arrays at rest back to the system, as before work of another shape.
pub fn release_arrays() {
    shelves().clear();
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;

    use super::*;

    /// A length that no other test uses.
    const LEN: usize = SHORTEST + 12_345;

    fn tensor(values: Vec<f32>) -> FlexTensor {
        FlexTensor::from_data(TensorData::new(values, [LEN]))
    }

    #[test]
    fn an_array_comes_back_unless_it_is_still_held() {
        let first = array(LEN);
        let place = first.as_ptr();
        let held = tensor(first);
        give_back(held.clone());
        let second = array(LEN);
        assert_ne!(second.as_ptr(), place);
        give_back(held);
        give_back(tensor(second));
        let again = [array(LEN), array(LEN)];
        assert!(again.iter().any(|array| array.as_ptr() == place));
        assert!(again.iter().flatten().all(|x| !cfg!(debug_assertions) || x.is_nan()));
        // No more than were made: an array from elsewhere finds no room.
        let [a, b] = again;
        [a, b, vec![1.0; LEN]].into_iter().for_each(|array| give_back(tensor(array)));
        assert_eq!(shelves().get(&LEN).map(|shelf| shelf.arrays.len()), Some(2));
    }
}
