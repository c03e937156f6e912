//! `embed`: write the features of images to a file.

use std::path::PathBuf;

use clap::ValueHint;
use serde_json::json;
use twinlens_data::{DataSet, Split};
use twinlens_eval::Features;
use twinlens_lab::{Part, Subject, features, stage_maps};
use twinlens_nn::weights::{NamedTensor, write_safetensors};
use twinlens_run::{csv_cell, write_atomically};

use super::judging::JudgeArgs;
use crate::exit::{Exit, Failure, Outcome};
use crate::terminal::Terminal;

/// Arguments of `embed`.
#[derive(Clone, Debug, clap::Args)]
#[command(before_help = "\
Examples:
  twinlens embed runs/a --data blood.npz --out features.npy
  twinlens embed runs/a --data photos/ --out features.csv
  twinlens embed runs/a --data blood.npz --stage layer3 --out layer3.npy
  twinlens embed runs/a --data blood.npz --stage layer3 --spatial --out maps.npy
  twinlens embed runs/a/encoder/encoder.safetensors --data blood.npz --out features.safetensors")]
pub struct EmbedArgs {
    /// What embeds, and what is embedded.
    #[command(flatten)]
    pub judge: JudgeArgs,
    /// Which images
    #[arg(long, value_name = "all|train|val|test", default_value = "all", hide_possible_values = true, value_parser = super::part())]
    pub split: Part,
    /// The features of an inner stage, such as layer3 of a ResNet
    ///
    /// Its map, averaged over the pixels; without this, the encoder's features. A wrong name lists those that there are.
    #[arg(long, value_name = "NAME")]
    pub stage: Option<String>,
    /// The stage's maps themselves, [images, channels, height, width]
    ///
    /// Of the last stage where --stage names none; as .npy or .safetensors.
    #[arg(long)]
    pub spatial: bool,
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
    let format = args.out.extension().and_then(|extension| extension.to_str());
    if args.spatial && format == Some("csv") {
        let message = "a line of a CSV file has no height and width, so it cannot hold a map";
        return Err(
            Failure::message(Exit::Usage, message).hint("write .npy or .safetensors, or leave out --spatial")
        );
    }
    let (subject, data) = args.judge.open(terminal)?;
    let whole = args.stage.is_none() && !args.spatial;
    let subject = if whole { subject } else { subject.until(args.stage.as_deref())? };
    let table = table(args, &subject, &data, terminal)?;
    let bytes = match format {
        Some("npy") => table.npy(),
        Some("csv") => table.csv(),
        _ => table.safetensors()?,
    };
    write_atomically(&args.out, &bytes)?;
    // Numbers alone do not say whose they are: CSV has a column of names, other formats a table beside them.
    let names = (format != Some("csv")).then(|| args.out.with_extension("names.csv"));
    if let Some(names) = &names {
        write_atomically(names, &table.names(&data.classes))?;
    }
    let stage = subject.stage();
    let (rows, width) = (table.rows.len(), table.shape.first());
    let document = json!({
        "file": args.out, "names": names, "rows": rows, "features": width, "stage": stage, "shape": table.full_shape(),
    });
    terminal.result(&document, || {
        let of = stage.map(|stage| format!(" of {stage}")).unwrap_or_default();
        let beside = names.map(|path| format!(", their names in {}", path.display())).unwrap_or_default();
        format!("{}{of} in {}{beside}\n", table.contents(), args.out.display())
    })
}

/// All rows with their features.
fn table(args: &EmbedArgs, subject: &Subject, data: &DataSet, terminal: &Terminal) -> Outcome<Table> {
    let mut table = Table { shape: Vec::new(), rows: Vec::new() };
    for split in args.split.of(data)? {
        let computing = args.judge.computing();
        let features = if args.spatial {
            let maps = stage_maps(subject, data, split, &computing, terminal)?;
            table.shape = maps.shape.to_vec();
            maps.values
        } else {
            let features = features(subject, data, split, &computing, terminal)?;
            table.shape = vec![features.dim()];
            features
        };
        table.extend(&features, data, split);
    }
    Ok(table)
}

/// Features with where they came from: splits in order (train, val, test), images in the order of each.
struct Table {
    /// Of a row: its features, or channels, height and width of a map.
    shape: Vec<usize>,
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
    fn extend(&mut self, features: &Features, data: &DataSet, split: Split) {
        let Some(source) = data.splits.get(split) else { return };
        self.rows.extend(features.iter().enumerate().map(|(index, row)| Row {
            split,
            index,
            name: source.name(index),
            label: source.label(index),
            features: row.to_vec(),
        }));
    }

    /// Of all rows together.
    fn full_shape(&self) -> Vec<usize> {
        [&[self.rows.len()], self.shape.as_slice()].concat()
    }

    /// What it holds, in words.
    fn contents(&self) -> String {
        let rows = self.rows.len();
        match self.shape[..] {
            [channels, height, width] => format!("{rows} maps of {channels} channels, {height} x {width}"),
            _ => format!("{rows} rows of {} features", self.shape.iter().product::<usize>()),
        }
    }

    /// NumPy's format, version 1.0: f32, `[rows, features]` or `[rows, channels, height, width]`.
    fn npy(&self) -> Vec<u8> {
        let shape = self.full_shape().iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
        let shape = format!("({shape})");
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
        let names: Vec<String> =
            (0..self.shape.iter().product()).map(|column: usize| format!("f{column}")).collect();
        let mut text = format!("split,index,name,label,{}\n", names.join(","));
        for row in &self.rows {
            let label = row.label.map_or(String::new(), |label| label.to_string());
            let values: Vec<String> = row.features.iter().map(f32::to_string).collect();
            let (split, name) = (row.split.name(), csv_cell(&row.name));
            text += &format!("{split},{},{name},{label},{}\n", row.index, values.join(","));
        }
        text.into_bytes()
    }

    /// `features [rows, features]` or `[rows, channels, height, width]`, `labels [rows]` (-1 if unknown), `splits [rows]` (0 train, 1 val, 2 test).
    fn safetensors(&self) -> Outcome<Vec<u8>> {
        let column = |value: fn(&Row) -> f32| NamedTensor {
            shape: vec![self.rows.len()],
            values: self.rows.iter().map(value).collect(),
        };
        let values = self.rows.iter().flat_map(|row| row.features.clone()).collect();
        let tensors = [
            ("features", NamedTensor { shape: self.full_shape(), values }),
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
        let mut table = Table { shape: vec![2], rows: vec![row([1.0, -2.5]), row([0.25, 4.0])] };
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
        table.shape = vec![1, 2, 1];
        let maps = table.npy();
        let header = std::str::from_utf8(&maps[10..10 + length]).unwrap();
        assert!(header.contains("'shape': (2, 1, 2, 1), }"), "{header}");
        assert_eq!(maps[10 + length..], bytes[10 + length..]);
        assert_eq!(table.contents(), "2 maps of 1 channels, 2 x 1");
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
