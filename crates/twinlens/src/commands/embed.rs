//! `embed`: write the features of images to a file.

use std::path::PathBuf;

use clap::ValueHint;
use serde_json::json;
use twinlens_data::Split;
use twinlens_lab::{Part, features};
use twinlens_nn::weights::{NamedTensor, write_safetensors};
use twinlens_run::{csv_cell, write_atomically};

use super::judging::JudgeArgs;
use crate::exit::Outcome;
use crate::terminal::Terminal;

/// Arguments of `embed`.
#[derive(Clone, Debug, clap::Args)]
#[command(before_help = "\
Examples:
  twinlens embed runs/a --data blood.npz --out features.npy
  twinlens embed runs/a --data photos/ --out features.csv
  twinlens embed runs/a/encoder/encoder.safetensors --data blood.npz --out features.safetensors")]
pub struct EmbedArgs {
    /// What embeds, and what is embedded.
    #[command(flatten)]
    pub judge: JudgeArgs,
    /// Which images
    #[arg(long, value_name = "all|train|val|test", default_value = "all", hide_possible_values = true, value_parser = super::part())]
    pub split: Part,
    /// Where to write
    ///
    /// The name says the format: .npy, .csv or .safetensors.
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath, value_parser = features_file)]
    pub out: PathBuf,
}

/// Runs `embed`.
///
/// # Errors
/// An encoder or data that cannot be used, a file that cannot be written.
pub fn run(args: &EmbedArgs, terminal: &Terminal) -> Outcome {
    let (subject, data) = args.judge.open(terminal)?;
    let mut table = Table { dim: 0, rows: Vec::new() };
    for split in args.split.of(&data)? {
        let features = features(&subject, &data, split, &args.judge.computing(), terminal)?;
        table.dim = features.dim();
        let Some(source) = data.splits.get(split) else { continue };
        table.rows.extend(features.iter().enumerate().map(|(index, row)| Row {
            split,
            index,
            name: source.name(index),
            label: source.label(index),
            features: row.to_vec(),
        }));
    }
    let bytes = match args.out.extension().and_then(|extension| extension.to_str()) {
        Some("npy") => table.npy(),
        Some("csv") => table.csv(),
        _ => table.safetensors()?,
    };
    write_atomically(&args.out, &bytes)?;
    // Numbers alone do not say whose they are: CSV has a column of names, other formats a table beside them.
    let names = (args.out.extension().is_none_or(|extension| extension != "csv"))
        .then(|| args.out.with_extension("names.csv"));
    if let Some(names) = &names {
        write_atomically(names, &table.names(&data.classes))?;
    }
    let document =
        json!({ "file": args.out, "names": names, "rows": table.rows.len(), "features": table.dim });
    terminal.result(&document, || {
        let beside = names.map(|path| format!(", their names in {}", path.display())).unwrap_or_default();
        format!("{} rows of {} features in {}{beside}\n", table.rows.len(), table.dim, args.out.display())
    })
}

/// Features with where they came from: splits in order (train, val, test), images in the order of each.
struct Table {
    dim: usize,
    rows: Vec<Row>,
}

struct Row {
    split: Split,
    /// Its place in the split.
    index: usize,
    /// Its file, or its place in an array.
    name: String,
    label: Option<usize>,
    features: Vec<f32>,
}

impl Table {
    /// NumPy's format, version 1.0: f32, `[rows, features]`.
    fn npy(&self) -> Vec<u8> {
        let shape = format!("({}, {})", self.rows.len(), self.dim);
        let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
        // Magic, version and length take 10 bytes; the data start at a multiple of 64, after a line break.
        let length = (10 + header.len() + 1).next_multiple_of(64) - 10;
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((length as u16).to_le_bytes());
        bytes.extend(format!("{header:<0$}\n", length - 1).bytes());
        bytes.extend(self.rows.iter().flat_map(|row| &row.features).flat_map(|value| value.to_le_bytes()));
        bytes
    }

    /// One line an image: split, index in it, name, class number and class (empty if unknown).
    fn names(&self, classes: &[String]) -> Vec<u8> {
        let mut text = "split,index,name,label,class\n".to_owned();
        for Row { split, index, name, label, .. } in &self.rows {
            let class = label.and_then(|label| classes.get(label)).map(|class| csv_cell(class));
            let (label, class) =
                (label.map_or(String::new(), |label| label.to_string()), class.unwrap_or_default());
            text += &format!("{},{index},{},{label},{class}\n", split.name(), csv_cell(name));
        }
        text.into_bytes()
    }

    /// One line an image: split, index in it, name, label (empty if unknown), features.
    fn csv(&self) -> Vec<u8> {
        let names: Vec<String> = (0..self.dim).map(|column| format!("f{column}")).collect();
        let mut text = format!("split,index,name,label,{}\n", names.join(","));
        for row in &self.rows {
            let label = row.label.map_or(String::new(), |label| label.to_string());
            let values: Vec<String> = row.features.iter().map(f32::to_string).collect();
            let (split, name) = (row.split.name(), csv_cell(&row.name));
            text += &format!("{split},{},{name},{label},{}\n", row.index, values.join(","));
        }
        text.into_bytes()
    }

    /// `features [rows, features]`, `labels [rows]` (-1 if unknown), `splits [rows]` (0 train, 1 val, 2 test).
    fn safetensors(&self) -> Outcome<Vec<u8>> {
        let column = |value: fn(&Row) -> f32| NamedTensor {
            shape: vec![self.rows.len()],
            values: self.rows.iter().map(value).collect(),
        };
        let values = self.rows.iter().flat_map(|row| row.features.clone()).collect();
        let tensors = [
            ("features", NamedTensor { shape: vec![self.rows.len(), self.dim], values }),
            ("labels", column(|row| row.label.map_or(-1.0, |label| label as f32))),
            ("splits", column(|row| row.split as u8 as f32)),
        ];
        let tensors = tensors.map(|(name, tensor)| (name.to_owned(), tensor)).into();
        Ok(write_safetensors(&tensors, &[])?)
    }
}

fn features_file(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    let known = ["npy", "csv", "safetensors"];
    if path
        .extension()
        .and_then(|extension| extension.to_str())
        .is_some_and(|extension| known.contains(&extension))
    {
        Ok(path)
    } else {
        Err("expected a name that ends in .npy, .csv or .safetensors".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::parse;

    #[test]
    fn an_npy_file_has_its_data_where_the_header_says() {
        let row = |features: [f32; 2]| Row {
            split: Split::Test,
            index: 0,
            name: "a, b.png".into(),
            label: None,
            features: features.to_vec(),
        };
        let table = Table { dim: 2, rows: vec![row([1.0, -2.5]), row([0.25, 4.0])] };
        let bytes = table.npy();
        let length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
        assert_eq!((10 + length) % 64, 0);
        let header = std::str::from_utf8(&bytes[10..10 + length]).unwrap();
        assert!(
            header.starts_with("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }"),
            "{header}"
        );
        assert!(header.ends_with('\n'));
        let values: Vec<f32> =
            bytes[10 + length..].as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect();
        assert_eq!(values, [1.0, -2.5, 0.25, 4.0]);
        assert_eq!(
            String::from_utf8(table.csv()).unwrap().lines().nth(1),
            Some("test,0,\"a, b.png\",,1,-2.5")
        );
    }

    #[test]
    fn the_format_is_checked_at_the_door() {
        for name in ["f.npy", "a/f.csv", "f.safetensors"] {
            assert_eq!(
                parse::<EmbedArgs>(&format!("runs/a --data b --out {name}")).unwrap().out,
                PathBuf::from(name)
            );
        }
        for name in ["f", "f.txt", "npy"] {
            assert!(parse::<EmbedArgs>(&format!("runs/a --data b --out {name}")).is_err(), "{name}");
        }
    }
}
