//! What npz and npy have in common: seeds, and settings with every layout.

use twinlens_data::{ArrayLayout, DataSettings};

use crate::check::settings;

/// The usual settings, and layouts that no array is taken for unasked.
pub(super) fn layouts() -> Vec<DataSettings> {
    use ArrayLayout::{Chw, Hw, Hwc, Ncdhw, Nchw, Ndhw};
    let stated =
        [Nchw, Hwc, Chw, Hw, Ndhw, Ncdhw].map(|layout| DataSettings { layout, ..DataSettings::default() });
    settings().into_iter().chain(stated).collect()
}

/// The .npy of an array of that type and shape; its bytes count up from 0.
pub(super) fn npy(descr: &str, fortran: bool, shape: &[usize], bytes: usize) -> Vec<u8> {
    let sizes: String = shape.iter().map(|size| format!("{size}, ")).collect();
    let order = if fortran { "True" } else { "False" };
    let text = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': ({sizes}), }}\n");
    let head =
        [b"\x93NUMPY\x01\x00".as_slice(), &(text.len() as u16).to_le_bytes(), text.as_bytes()].concat();
    let count = shape.iter().product::<usize>() * bytes;
    head.into_iter().chain((0..count).map(|i| (i % 61) as u8)).collect()
}

/// Labels 0, 1, 2, 0, ... as .npy of 64 bits.
pub(super) fn labels(count: usize) -> Vec<u8> {
    let mut bytes = npy("<i8", false, &[count], 0);
    bytes.extend((0..count as i64).flat_map(|i| (i % 3).to_le_bytes()));
    bytes
}
