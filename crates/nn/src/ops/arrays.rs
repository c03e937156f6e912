//! Arrays that pass from one training step to the next.
//!
//! A step needs the same arrays as the one before. Giving them back to the system and asking for them anew would cost
//! up to a tenth of its time: the system clears each page, and clears it again after the next step. So the backward
//! pass puts the arrays that nobody needs any more on shelves, one for each capacity, and operations take them from there. Where
//! stochastic depth drops some images, the lengths differ from step to step, but hardly ever the capacities.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::backend::flex::FlexTensor;
use burn::tensor::{DType, Element, ElementConversion};
use rayon::iter::{IndexedParallelIterator, repeat_n};
use twinlens_kernels::Bf16;

/// Shorter arrays are not worth a shelf.
const SHORTEST: usize = 32 * 1024;

/// Arrays of one capacity.
pub(crate) struct Shelf<E> {
    arrays: Vec<Vec<E>>,
    /// How many were made because the shelf was empty: it never holds more.
    made: usize,
}

type Shelves<E> = Mutex<BTreeMap<usize, Shelf<E>>>;

/// A number of a tensor in this program's memory.
pub(crate) trait Stored: twinlens_kernels::Element + Element {
    fn shelves() -> &'static Shelves<Self>;
}

impl Stored for f32 {
    fn shelves() -> &'static Shelves<f32> {
        static SHELVES: Shelves<f32> = Mutex::new(BTreeMap::new());
        &SHELVES
    }
}

impl Stored for Bf16 {
    fn shelves() -> &'static Shelves<Bf16> {
        static SHELVES: Shelves<Bf16> = Mutex::new(BTreeMap::new());
        &SHELVES
    }
}

fn shelves<E: Stored>() -> MutexGuard<'static, BTreeMap<usize, Shelf<E>>> {
    // A panic elsewhere leaves nothing half-done in here.
    E::shelves().lock().unwrap_or_else(PoisonError::into_inner)
}

/// The capacity of arrays of `len` numbers: at most an eighth more.
fn capacity(len: usize) -> usize {
    len.next_multiple_of(1 << len.ilog2().saturating_sub(3))
}

/// An array of `len` arbitrary numbers, for operations that overwrite all of it.
pub(crate) fn array<E: Stored>(len: usize) -> Vec<E> {
    let zero = 0.0.elem::<E>();
    if len < SHORTEST {
        return vec![zero; len];
    }
    let mut shelves = shelves::<E>();
    let shelf = shelves.entry(capacity(len)).or_insert(Shelf { arrays: Vec::new(), made: 0 });
    let Some(mut array) = shelf.arrays.pop() else {
        shelf.made += 1;
        drop(shelves);
        let mut array = Vec::with_capacity(capacity(len));
        // By all threads: memory that was used before is cleared.
        repeat_n(zero, len).collect_into_vec(&mut array);
        return array;
    };
    drop(shelves);
    array.resize(len, zero);
    if cfg!(debug_assertions) {
        // What is read before it is written shows.
        array.fill(f32::NAN.elem());
    }
    array
}

/// Puts the array of a tensor on its shelf, if nothing else holds it.
pub(crate) fn give_back(tensor: FlexTensor) {
    match tensor.dtype() {
        DType::F32 => put_back::<f32>(tensor),
        DType::BF16 => put_back::<Bf16>(tensor),
        _ => {}
    }
}

fn put_back<E: Stored>(tensor: FlexTensor) {
    let len = tensor.layout().num_elements();
    let whole = tensor.is_contiguous() && tensor.bytes().len() == len * size_of::<E>();
    if len < SHORTEST || !tensor.is_unique() || !whole {
        return;
    }
    let mut shelves = shelves::<E>();
    let shelf = shelves.get_mut(&capacity(len)).filter(|shelf| shelf.arrays.len() < shelf.made);
    if let Some(shelf) = shelf
        && let Ok(array) = tensor.into_data().try_into_vec::<E>()
        && array.capacity() >= capacity(len)
    {
        shelf.arrays.push(array);
    }
}

/// Gives all arrays at rest back to the system, as before work of another shape.
pub fn release_arrays() {
    shelves::<f32>().clear();
    shelves::<Bf16>().clear();
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;

    use super::*;

    /// A length whose capacity no other test uses.
    const LEN: usize = 9 * SHORTEST - 12_345;

    fn tensor<E: Stored>(values: Vec<E>) -> FlexTensor {
        let shape = [values.len()];
        FlexTensor::from_data(TensorData::new(values, shape))
    }

    fn an_array_comes_back<E: Stored>() {
        let first = array::<E>(LEN);
        let place = first.as_ptr();
        let held = tensor(first);
        give_back(held.clone());
        let second = array::<E>(LEN);
        assert_ne!(second.as_ptr(), place);
        give_back(held);
        give_back(tensor(second));
        // A little shorter, it takes the same place.
        let again = [array::<E>(LEN - 999), array(LEN)];
        assert_eq!(again.each_ref().map(Vec::len), [LEN - 999, LEN]);
        assert!(again.iter().any(|array| array.as_ptr() == place));
        assert!(again.iter().flatten().all(|x| !cfg!(debug_assertions) || x.elem::<f32>().is_nan()));
        // An array from elsewhere has too small a capacity, and there are no more than were made.
        let [a, b] = again;
        let larger = array::<E>(LEN + 1);
        let mut elsewhere = vec![1.0.elem::<E>(); capacity(LEN)];
        elsewhere.truncate(LEN);
        [vec![1.0.elem(); LEN], a, b, larger, elsewhere]
            .into_iter()
            .for_each(|array| give_back(tensor(array)));
        assert_eq!(shelves::<E>().get(&capacity(LEN)).map(|shelf| shelf.arrays.len()), Some(3));
    }

    #[test]
    fn capacities_are_few_and_hardly_more() {
        for len in (SHORTEST..SHORTEST * 4).step_by(777) {
            assert!((len..=len + len / 8).contains(&capacity(len)), "{len}: {}", capacity(len));
        }
        let capacities: std::collections::BTreeSet<usize> = (SHORTEST..SHORTEST * 2).map(capacity).collect();
        assert_eq!(capacities.len(), 9);
    }

    #[test]
    fn an_array_comes_back_unless_it_is_still_held() {
        an_array_comes_back::<f32>();
        an_array_comes_back::<Bf16>();
    }
}
