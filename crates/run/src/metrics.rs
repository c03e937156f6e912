//! `metrics.jsonl`: one flat JSON object per line; and the same as a table.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::RunError;

/// One line of the metrics log. Numbers that are not finite are written, and read back, as `null`.
pub type Row = Map<String, Value>;

/// The columns that lead the table, where present.
const FIRST_COLUMNS: [&str; 2] = ["epoch", "step"];

/// The metrics log of a run, open for appending.
#[derive(Debug)]
pub(crate) struct Metrics {
    path: PathBuf,
    file: File,
    rows: u64,
    /// The length in bytes of these rows.
    length: u64,
}

impl Metrics {
    /// Opens the log, creates it if it is missing, and drops a last line that was cut off in the writing.
    pub(crate) fn open(path: &Path) -> Result<Metrics, RunError> {
        let (rows, whole) = match std::fs::read(path) {
            Ok(bytes) => (count_lines(&bytes), whole_lines(&bytes)),
            Err(e) if e.kind() == ErrorKind::NotFound => (0, 0),
            Err(e) => return Err(RunError::io("read", path, e)),
        };
        let failed = |e| RunError::io("open", path, e);
        let file = OpenOptions::new().append(true).create(true).open(path).map_err(failed)?;
        file.set_len(whole as u64).map_err(failed)?;
        Ok(Metrics { path: path.to_path_buf(), file, rows, length: whole as u64 })
    }

    /// The number of rows.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// Appends one row, as one line, in one write.
    pub(crate) fn append(&mut self, row: &Value) -> Result<(), RunError> {
        let flat = row.as_object().ok_or_else(|| RunError::BadRow { reason: format!("got {row}") })?;
        if let Some((key, value)) = flat.iter().find(|(_, value)| value.is_object() || value.is_array()) {
            return Err(RunError::BadRow { reason: format!("{key:?} holds {value}") });
        }
        let line = format!("{row}\n");
        if let Err(e) = self.file.write_all(line.as_bytes()) {
            // A disk may fill up in the middle of a line. Should cutting that part off fail too, it still is
            // what went wrong first that the user must know.
            let _ = self.file.set_len(self.length);
            return Err(RunError::io("append to", &self.path, e));
        }
        self.rows += 1;
        self.length += line.len() as u64;
        Ok(())
    }

    /// Makes sure that every row so far survives a power cut.
    pub(crate) fn sync(&self) -> Result<(), RunError> {
        self.file.sync_all().map_err(|e| RunError::io("sync", &self.path, e))
    }

    /// Keeps the first `rows` rows. Cutting a file is one operation: a crash leaves the old or the new one.
    pub(crate) fn truncate(&mut self, rows: u64) -> Result<(), RunError> {
        let bytes = std::fs::read(&self.path).map_err(|e| RunError::io("read", &self.path, e))?;
        let mut ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(i, _)| i + 1);
        let length = match rows.checked_sub(1) {
            None => 0,
            Some(before) => ends.nth(usize::try_from(before).unwrap_or(usize::MAX)).unwrap_or(bytes.len()),
        };
        self.file
            .set_len(length as u64)
            .and_then(|()| self.file.sync_all())
            .map_err(|e| RunError::io("shorten", &self.path, e))?;
        self.rows = count_lines(&bytes[..length]);
        self.length = length as u64;
        Ok(())
    }
}

/// Reads all rows of a log; a missing log is an empty one. A last line without its newline is left out: the
/// run was killed, or is still, writing it.
pub(crate) fn read(path: &Path) -> Result<Vec<Row>, RunError> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(RunError::io("read", path, e)),
    };
    bytes[..whole_lines(&bytes)]
        .split_inclusive(|byte| *byte == b'\n')
        .enumerate()
        .map(|(i, line)| {
            serde_json::from_slice(line).map_err(|e| RunError::Damaged {
                path: path.to_path_buf(),
                reason: format!("line {}: {e}", i + 1),
            })
        })
        .collect()
}

/// The rows as comma-separated values (RFC 4180 with line feeds): first the epoch and the step, then every
/// other key in alphabetical order; a row that has no value for a column leaves it empty.
pub(crate) fn to_csv(rows: &[Row]) -> String {
    let keys: BTreeSet<&str> = rows.iter().flat_map(|row| row.keys().map(String::as_str)).collect();
    let first = FIRST_COLUMNS.into_iter().filter(|key| keys.contains(key));
    let others = keys.iter().copied().filter(|key| !FIRST_COLUMNS.contains(key));
    let columns: Vec<&str> = first.chain(others).collect();
    let header = columns.iter().map(|key| csv_cell(key)).collect::<Vec<_>>().join(",");
    let mut table = if columns.is_empty() { String::new() } else { header + "\n" };
    for row in rows {
        let cells: Vec<String> = columns.iter().map(|key| cell(row.get(*key))).collect();
        table.push_str(&cells.join(","));
        table.push('\n');
    }
    table
}

fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => csv_cell(text),
        Some(other) => csv_cell(&other.to_string()),
    }
}

/// A cell of a table as RFC 4180 writes it: quoted where it must be.
pub fn csv_cell(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

fn count_lines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}

/// The length of the part of `bytes` that ends with a newline.
fn whole_lines(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |i| i + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn a_full_disk_is_told_from_other_failures() {
        let path = Path::new("/dev/full");
        let file = OpenOptions::new().append(true).open(path).unwrap();
        let mut metrics = Metrics { path: path.into(), file, rows: 0, length: 0 };
        let error = metrics.append(&json!({"loss": 1.0})).unwrap_err();
        assert!(matches!(error, RunError::DiskFull { .. }), "{error:?}");
        assert_eq!(metrics.rows(), 0);
        assert!(!error.hint().is_empty(), "{error}");
    }

    #[test]
    fn rows_must_be_flat_objects() {
        let place = tempfile::tempdir().unwrap();
        let mut metrics = Metrics::open(&place.path().join("metrics.jsonl")).unwrap();
        for bad in [json!(1), json!([1]), json!({"a": {"b": 1}}), json!({"a": []})] {
            assert!(matches!(metrics.append(&bad), Err(RunError::BadRow { .. })), "{bad}");
        }
        metrics.append(&json!({"loss": f64::NAN, "ok": true})).unwrap();
        let rows = read(&place.path().join("metrics.jsonl")).unwrap();
        assert_eq!(Value::Object(rows[0].clone()), json!({"loss": null, "ok": true}));
    }

    #[test]
    fn a_torn_last_line_is_dropped_and_a_broken_one_within_is_reported() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("metrics.jsonl");
        std::fs::write(&path, "{\"step\":1}\n{\"step\":2}\n{\"st").unwrap();
        assert_eq!(read(&path).unwrap().len(), 2);
        let mut metrics = Metrics::open(&path).unwrap();
        assert_eq!(metrics.rows(), 2);
        metrics.append(&json!({"step": 3})).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"step\":1}\n{\"step\":2}\n{\"step\":3}\n");

        std::fs::write(&path, "{\"step\":1}\n{\"st\n{\"step\":3}\n").unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.contains("line 2"), "{error}");
    }

    #[test]
    fn the_table_has_every_key_and_quotes_what_needs_it() {
        let rows: Vec<Row> = [
            json!({"step": 1, "epoch": 0, "loss": 0.5}),
            json!({"step": 2, "epoch": 0, "note": "a, \"b\"", "loss": null}),
        ]
        .into_iter()
        .map(|row| row.as_object().unwrap().clone())
        .collect();
        assert_eq!(to_csv(&rows), "epoch,step,loss,note\n0,1,0.5,\n0,2,,\"a, \"\"b\"\"\"\n");
        assert_eq!(to_csv(&[]), "");
    }

    proptest! {
        #[test]
        fn truncating_keeps_a_prefix_byte_for_byte(
            values in prop::collection::vec(any::<f64>(), 0..20),
            keep in 0_u64..25,
        ) {
            let place = tempfile::tempdir().unwrap();
            let path = place.path().join("metrics.jsonl");
            let mut metrics = Metrics::open(&path).unwrap();
            let mut expected = Vec::new();
            for (i, value) in values.iter().enumerate() {
                metrics.append(&json!({"step": i, "loss": value})).unwrap();
                if (i as u64) < keep {
                    expected = std::fs::read(&path).unwrap();
                }
            }
            metrics.truncate(keep).unwrap();
            prop_assert_eq!(std::fs::read(&path).unwrap(), expected);
            prop_assert_eq!(metrics.rows(), keep.min(values.len() as u64));
            metrics.append(&json!({"step": "next"})).unwrap();
            prop_assert_eq!(read(&path).unwrap().len() as u64, metrics.rows());
        }
    }
}
