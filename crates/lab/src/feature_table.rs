//! The features of images as a file.

use std::path::{Path, PathBuf};

use twinlens_data::{DataSet, Split};
use twinlens_eval::Features;
use twinlens_nn::weights::{NamedTensor, write_safetensors};
use twinlens_run::{csv_cell, write_atomically};

use crate::{Computing, Events, LabError, Part, Subject, features, stage_maps};

/// Where features are written; the end of the name says as what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeatureFile {
    path: PathBuf,
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Npy,
    Csv,
    Safetensors,
}

impl FeatureFile {
    /// The file at `path`; `None` unless it ends in `.npy`, `.csv` or `.safetensors`.
    pub fn new(path: impl Into<PathBuf>) -> Option<FeatureFile> {
        let path = path.into();
        let format = match path.extension()?.to_str()? {
            "npy" => Format::Npy,
            "csv" => Format::Csv,
            "safetensors" => Format::Safetensors,
            _ => return None,
        };
        Some(FeatureFile { path, format })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Refuses maps in a file that cannot hold any.
    ///
    /// # Errors
    /// CSV, whose lines have no height and width.
    pub fn check_holds_maps(&self) -> Result<(), LabError> {
        match self.format {
            Format::Csv => Err(LabError::MapsInCsv),
            Format::Npy | Format::Safetensors => Ok(()),
        }
    }
}

/// Features with where they came from: splits in order (train, val, test), images in the order of each.
#[derive(Clone, Debug, PartialEq)]
pub struct FeatureTable {
    /// Of a row: its features, or channels, height and width of a map.
    shape: Vec<usize>,
    rows: Vec<Row>,
    classes: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
struct Row {
    split: Split,
    /// Its place in the split.
    index: usize,
    /// Its file, or its place in an array.
    name: String,
    label: Option<usize>,
    features: Vec<f32>,
}

impl FeatureTable {
    /// The features by `subject` of every image of `part`, `[features]` each; if `maps`, the maps of its last stage,
    /// `[channels, height, width]` each.
    ///
    /// # Errors
    /// As [`features`](features()) and [`stage_maps`].
    pub fn new(
        subject: &Subject,
        data: &DataSet,
        part: Part,
        maps: bool,
        computing: &Computing,
        events: &dyn Events,
    ) -> Result<FeatureTable, LabError> {
        let mut table = FeatureTable { shape: Vec::new(), rows: Vec::new(), classes: data.classes.clone() };
        for split in part.of(data)? {
            let features = if maps {
                let maps = stage_maps(subject, data, split, computing, events)?;
                table.shape = maps.shape.to_vec();
                maps.values
            } else {
                let features = features(subject, data, split, computing, events)?;
                table.shape = vec![features.dim()];
                features
            };
            table.extend(&features, data, split);
        }
        Ok(table)
    }

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

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// Of a row: `[features]` or `[channels, height, width]`.
    pub fn row_shape(&self) -> &[usize] {
        &self.shape
    }

    /// Of all rows together: `[rows, features]` or `[rows, channels, height, width]`.
    pub fn shape(&self) -> Vec<usize> {
        [&[self.rows.len()], self.shape.as_slice()].concat()
    }

    /// Writes the file. Numbers alone do not say whose they are: CSV has a column of names, the other formats a table beside
    /// them, `.names.csv`, whose path is returned.
    ///
    /// # Errors
    /// As [`FeatureFile::check_holds_maps`]; a file that cannot be written.
    pub fn write(&self, file: &FeatureFile) -> Result<Option<PathBuf>, LabError> {
        if self.shape.len() > 1 {
            file.check_holds_maps()?;
        }
        let bytes = match file.format {
            Format::Npy => self.npy(),
            Format::Csv => self.csv(),
            Format::Safetensors => self.safetensors()?,
        };
        write_atomically(&file.path, &bytes)?;
        let names = (file.format != Format::Csv).then(|| file.path.with_extension("names.csv"));
        if let Some(names) = &names {
            write_atomically(names, &self.names())?;
        }
        Ok(names)
    }

    /// NumPy's format, version 1.0: f32, `[rows, features]` or `[rows, channels, height, width]`.
    fn npy(&self) -> Vec<u8> {
        let shape = self.shape().iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
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
    fn names(&self) -> Vec<u8> {
        let mut text = "split,index,name,label,class\n".to_owned();
        for Row { split, index, name, label, .. } in &self.rows {
            let class = label.and_then(|label| self.classes.get(label)).map(|class| csv_cell(class));
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

    /// `features [rows, features]` or `[rows, channels, height, width]`, `labels [rows]` (-1 if unknown), `splits [rows]` (0 train,
    /// 1 val, 2 test).
    fn safetensors(&self) -> Result<Vec<u8>, LabError> {
        let column = |value: fn(&Row) -> f32| NamedTensor {
            shape: vec![self.rows.len()],
            values: self.rows.iter().map(value).collect(),
        };
        let values = self.rows.iter().flat_map(|row| row.features.clone()).collect();
        let tensors = [
            ("features", NamedTensor { shape: self.shape(), values }),
            ("labels", column(|row| row.label.map_or(-1.0, |label| label as f32))),
            ("splits", column(|row| row.split as u8 as f32)),
        ];
        let tensors = tensors.map(|(name, tensor)| (name.to_owned(), tensor)).into();
        Ok(write_safetensors(&tensors, &[])?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> FeatureTable {
        let row = |features: [f32; 2]| Row {
            split: Split::Test,
            index: 0,
            name: "a, b.png".into(),
            label: None,
            features: features.to_vec(),
        };
        FeatureTable { shape: vec![2], rows: vec![row([1.0, -2.5]), row([0.25, 4.0])], classes: vec![] }
    }

    #[test]
    fn an_npy_file_has_its_data_where_the_header_says() {
        let mut table = table();
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
    }

    #[test]
    fn the_end_of_a_name_says_the_format_and_csv_holds_no_maps() {
        let file = |name: &str| FeatureFile::new(name).map(|file| file.format);
        for (name, format) in
            [("f.npy", Format::Npy), ("a/f.csv", Format::Csv), ("f.safetensors", Format::Safetensors)]
        {
            assert_eq!(file(name), Some(format));
        }
        assert_eq!(["f", "f.txt", "npy"].map(file), [None; 3]);
        let folder = tempfile::tempdir().unwrap();
        let csv = FeatureFile::new(folder.path().join("f.csv")).unwrap();
        let maps = FeatureTable { shape: vec![1, 2, 1], ..table() };
        assert!(matches!(maps.write(&csv), Err(LabError::MapsInCsv)));
        assert!(!csv.path().exists());
        assert_eq!(table().write(&csv).unwrap(), None);
        let npy = FeatureFile::new(folder.path().join("f.npy")).unwrap();
        assert_eq!(maps.write(&npy).unwrap(), Some(folder.path().join("f.names.csv")));
    }
}
