//! From the bytes of a table to its columns and rows.

use serde_json::Value;

use crate::DataError;
use crate::layout::composed;
use crate::tree::Tree;

/// Bytes of a table, at most.
const MAX_TABLE: u64 = 256 << 20;

/// A table as it was read.
pub(super) struct Table {
    pub(super) name: String,
    /// The folder of the set that it lies in.
    pub(super) folder: String,
    pub(super) header: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
    /// Further names of columns.
    pub(super) aliases: Vec<(String, usize)>,
}

impl Table {
    pub(super) fn of_entry(tree: &Tree, entry: usize) -> Result<Table, DataError> {
        let path = &tree.entries[entry].path;
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        Table::parse(path.clone(), composed(folder), &tree.bytes(entry, MAX_TABLE)?)
    }

    pub(super) fn parse(name: String, folder: String, bytes: &[u8]) -> Result<Table, DataError> {
        let text = decoded(bytes);
        let read = if name.ends_with(".jsonl") { json_lines(&text) } else { separated(&text) };
        let wrong = |reason: String| DataError::WrongTable {
            place: name.clone(),
            reason,
            hint: "the first line names the columns, and every line has as many".into(),
        };
        let (header, rows) = read.map_err(wrong)?;
        if rows.is_empty() {
            return Err(wrong("it has no rows".into()));
        }
        Ok(Table { name, folder, header, rows, aliases: Vec::new() })
    }

    /// Takes out all columns but these.
    pub(super) fn keep(&mut self, columns: &[usize]) {
        let kept = |row: &Vec<String>| columns.iter().map(|&column| row[column].clone()).collect();
        self.header = kept(&self.header);
        self.rows.iter_mut().for_each(|row| *row = kept(row));
        self.aliases.clear();
    }

    pub(super) fn wrong(&self, reason: String, hint: &str) -> DataError {
        DataError::WrongTable { place: self.name.clone(), reason, hint: hint.into() }
    }

    pub(super) fn no_column(&self, wanted: &str, option: &str) -> DataError {
        let reason = format!("it has no column {wanted:?}; its columns are {}", self.header.join(", "));
        self.wrong(reason, &format!("choose one of these with {option}"))
    }

    /// The column of that name: written alike, or else but for case.
    pub(super) fn column(&self, name: &str) -> Option<usize> {
        let same = self.header.iter().position(|column| column == name);
        let alias = || self.aliases.iter().find(|(alias, _)| alias == name).map(|(_, column)| *column);
        same.or_else(alias)
            .or_else(|| self.header.iter().position(|column| column.to_lowercase() == name.to_lowercase()))
    }

    /// Columns with usual names, in the order of these.
    pub(super) fn usual<'a>(&'a self, names: &'a [&'a str]) -> impl Iterator<Item = usize> + 'a {
        let plain: Vec<String> = self
            .header
            .iter()
            .map(|column| {
                column
                    .chars()
                    .filter(|letter| letter.is_alphanumeric())
                    .flat_map(char::to_lowercase)
                    .collect()
            })
            .collect();
        names.iter().filter_map(move |name| plain.iter().position(|column| column == name))
    }

    pub(super) fn values(&self, column: usize) -> impl Iterator<Item = &str> {
        self.rows.iter().map(move |row| row[column].as_str())
    }
}

/// The text of a table: UTF-8, with a mark at the start or without, UTF-16 with a mark, or else Latin-1.
fn decoded(bytes: &[u8]) -> String {
    let wide = |pair: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes[2..].chunks_exact(2).map(|two| pair([two[0], two[1]])).collect();
        String::from_utf16_lossy(&units)
    };
    match bytes {
        [0xff, 0xfe, ..] => wide(u16::from_le_bytes),
        [0xfe, 0xff, ..] => wide(u16::from_be_bytes),
        _ => match std::str::from_utf8(bytes) {
            Ok(text) => text.trim_start_matches('\u{feff}').into(),
            Err(_) => bytes.iter().map(|&byte| char::from(byte)).collect(),
        },
    }
}

type Cells = (Vec<String>, Vec<Vec<String>>);

fn separated(text: &str) -> Result<Cells, String> {
    let head = text.lines().next().unwrap_or_default();
    let count = |mark: u8| head.bytes().filter(|&byte| byte == mark).count();
    let delimiter = [b',', b'\t', b';'].into_iter().rev().max_by_key(|&mark| count(mark)).unwrap_or(b',');
    let mut reader =
        csv::ReaderBuilder::new().delimiter(delimiter).trim(csv::Trim::All).from_reader(text.as_bytes());
    let cells = |record: &csv::StringRecord| record.iter().map(String::from).collect::<Vec<String>>();
    let header = cells(reader.headers().map_err(|error| error.to_string())?);
    let rows = reader.records().map(|record| record.map(|record| cells(&record)));
    let rows: Result<Vec<Vec<String>>, csv::Error> = rows.collect();
    Ok((header, rows.map_err(|error| error.to_string())?))
}

fn json_lines(text: &str) -> Result<Cells, String> {
    let mut header: Vec<String> = Vec::new();
    let mut objects = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let object: serde_json::Map<String, Value> =
            serde_json::from_str(line).map_err(|error| format!("line {}: {error}", number + 1))?;
        header.extend(object.keys().filter(|key| !header.contains(key)).cloned().collect::<Vec<String>>());
        objects.push(object);
    }
    let text = |value: Option<&Value>| match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    let rows =
        objects.iter().map(|object| header.iter().map(|key| text(object.get(key))).collect()).collect();
    Ok((header, rows))
}
