//! A safetensors file.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use twinlens_nn::weights::{NamedTensor, parse_safetensors, write_safetensors};

use super::weights::{memory, read};
use crate::Target;

pub(super) const TARGET: Target =
    Target { name: "safetensors", about: "a safetensors file", run, memory, seeds };

fn run(bytes: &[u8]) -> Result<(), String> {
    read(parse_safetensors(Path::new("weights.safetensors"), bytes))
}

fn seeds() -> io::Result<Vec<Vec<u8>>> {
    let tensor = |shape: &[usize]| {
        let count = shape.iter().product::<usize>();
        NamedTensor { shape: shape.to_vec(), values: (0..count).map(|i| i as f32 / 8.0).collect() }
    };
    let two = BTreeMap::from([
        ("conv1.weight".to_owned(), tensor(&[2, 3, 1, 1])),
        ("bn1.running_mean".to_owned(), tensor(&[2])),
    ]);
    let written = write_safetensors(&two, &[("format", "pt".into())]).map_err(io::Error::other)?;
    let typed = |name: &str, bytes: usize| {
        let header =
            format!(r#"{{"w":{{"dtype":"{name}","shape":[2,2],"data_offsets":[0,{}]}}}}"#, 4 * bytes);
        let body = (0..4 * bytes).map(|i| i as u8);
        (header.len() as u64).to_le_bytes().into_iter().chain(header.into_bytes()).chain(body).collect()
    };
    let types = [("F64", 8), ("F16", 2), ("BF16", 2), ("I64", 8), ("U8", 1)];
    Ok(std::iter::once(written).chain(types.map(|(name, bytes)| typed(name, bytes))).collect())
}
