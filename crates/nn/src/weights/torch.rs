//! Weights in PyTorch's checkpoint files, read without PyTorch and without running what a pickle asks for.

use std::collections::BTreeMap;
use std::path::Path;

use pytorch_reader::{DType, PytorchReader};

use super::NamedTensor;
use crate::NnError;

/// Every floating-point tensor of a file that `torch.save` wrote (`.pt`, `.pth`), as f32: the zip format of PyTorch
/// 1.6 and later, the format before it, and the tar format of the first versions.
///
/// A tensor in nested dictionaries is named by its path: `state_dict.conv1.weight`. The pickle inside is parsed, not
/// executed: no code in the file runs, and what is no tensor is left out.
///
/// # Errors
/// A missing, damaged or foreign file; tensors that repeat their values until they are far larger than the file.
pub(super) fn read_torch(path: &Path) -> Result<BTreeMap<String, NamedTensor>, NnError> {
    let len = std::fs::metadata(path).map_err(|e| NnError::file(path, e.to_string()))?.len();
    let reader = PytorchReader::new(path)
        .map_err(|e| NnError::file(path, format!("not a complete PyTorch checkpoint: {e}")))?;
    check_size(&reader, len).map_err(|reason| NnError::file(path, reason))?;
    let mut tensors = BTreeMap::new();
    for (name, tensor) in reader.into_tensors() {
        let Some(decode) = decoder(tensor.dtype()) else { continue };
        let bytes = tensor.read().map_err(|e| NnError::file(path, e.to_string()))?;
        tensors.insert(name, NamedTensor { shape: tensor.shape().to_vec(), values: decode(&bytes) });
    }
    Ok(tensors)
}

/// Refuses tensors that need far more memory than a file of `len` bytes can hold: one of stride 0 repeats few bytes to any
/// size, and weights under several names are there once.
fn check_size(reader: &PytorchReader, len: u64) -> Result<(), String> {
    let floating = reader.tensors().values().filter(|tensor| decoder(tensor.dtype()).is_some());
    let needed = floating.fold(0u64, |sum, tensor| sum.saturating_add(tensor.byte_len() as u64));
    if needed <= len.saturating_mul(SHARED).saturating_add(ALLOWANCE) {
        return Ok(());
    }
    Err(format!(
        "its tensors need {needed} bytes, but the file has {len}: they repeat their values (stride 0)"
    ))
}

/// How often the tensors of a file may repeat its bytes.
const SHARED: u64 = 8;

/// Bytes that tensors may need whatever the file's length: two encoders and a queue.
const ALLOWANCE: u64 = 512 << 20;

/// Values from their bytes.
type Decode = fn(&[u8]) -> Vec<f32>;

/// How values of a type become f32; `None` for integers, such as PyTorch's num_batches_tracked.
fn decoder(dtype: DType) -> Option<Decode> {
    match dtype {
        DType::F32 => Some(|bytes| chunks(bytes, f32::from_ne_bytes)),
        DType::F64 => Some(|bytes| chunks(bytes, |b| f64::from_ne_bytes(b) as f32)),
        DType::F16 => Some(|bytes| chunks(bytes, |b| half_to_f32(u16::from_ne_bytes(b)))),
        DType::BF16 => {
            Some(|bytes| chunks(bytes, |b| f32::from_bits(u32::from(u16::from_ne_bytes(b)) << 16)))
        }
        _ => None,
    }
}

fn chunks<const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|&chunk| read(chunk)).collect()
}

/// The value of an IEEE 754 number of 16 bits: 5 bits of exponent, 10 of mantissa.
pub(super) fn half_to_f32(bits: u16) -> f32 {
    let sign = if bits >> 15 == 0 { 1.0 } else { -1.0 };
    let mantissa = f32::from(bits & 0x3ff) / 1024.0;
    match (bits >> 10) & 0x1f {
        0 => sign * mantissa * 2f32.powi(-14),
        31 if mantissa == 0.0 => sign * f32::INFINITY,
        31 => f32::NAN,
        exponent => sign * (1.0 + mantissa) * 2f32.powi(i32::from(exponent) - 15),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_precision_has_its_textbook_values() {
        let known = [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x3555, 0.333_251_95),
            (0x0001, 5.960_464_5e-8),
            (0x0400, 6.103_515_6e-5),
            (0x8000, -0.0),
            (0xfc00, f32::NEG_INFINITY),
        ];
        for (bits, value) in known {
            assert_eq!(half_to_f32(bits).to_bits(), value.to_bits(), "{bits:#x}");
        }
        assert!(half_to_f32(0x7e00).is_nan());
    }
}
