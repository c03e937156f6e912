//! Tables that name no image, but plates, wells or compounds that another table has: their rows are joined to its.

use std::collections::HashMap;

use super::parse::Table;
use crate::notice::Notice;

/// Columns that are joined, at most: a table of more holds measurements.
const MOST: usize = 200;

impl Table {
    /// Takes the further columns of `other` into the rows that agree with one of its rows in all columns that both have. `None`
    /// where there is none such, or where rows of `other` that agree in these contradict each other.
    pub(super) fn join(&mut self, other: &Table) -> Option<Notice> {
        let plain: Vec<String> = self.header.iter().map(|column| plain(column)).collect();
        let place = |column: &String| plain.iter().position(|known| *known == self::plain(column));
        let (mut shared, mut new) = (Vec::new(), Vec::new());
        for (at, column) in other.header.iter().enumerate() {
            match place(column) {
                Some(here) => shared.push((here, at)),
                None => new.push(at),
            }
        }
        if shared.is_empty() || !(1..=MOST).contains(&new.len()) {
            return None;
        }
        let mut rows: HashMap<Vec<String>, &Vec<String>> = HashMap::with_capacity(other.rows.len());
        for row in &other.rows {
            let key = shared.iter().map(|&(_, at)| comparable(&row[at])).collect();
            if let Some(first) = rows.insert(key, row)
                && new.iter().any(|&at| first[at] != row[at])
            {
                return None;
            }
        }
        let of = |row: &Vec<String>| -> Option<&&Vec<String>> {
            rows.get(&shared.iter().map(|&(at, _)| comparable(&row[at])).collect::<Vec<String>>())
        };
        let found: Vec<Option<&&Vec<String>>> = self.rows.iter().map(of).collect();
        let count = found.iter().flatten().count();
        if count == 0 {
            return None;
        }
        let cells = |row: Option<&&Vec<String>>| -> Vec<String> {
            new.iter().map(|&at| row.map_or(String::new(), |row| row[at].clone())).collect()
        };
        let cells: Vec<Vec<String>> = found.into_iter().map(cells).collect();
        let all = self.rows.len();
        self.rows.iter_mut().zip(cells).for_each(|(row, cells)| row.extend(cells));
        let names = |columns: Vec<&String>| columns.into_iter().cloned().collect::<Vec<_>>().join(", ");
        let by = names(shared.iter().map(|&(at, _)| &self.header[at]).collect());
        let taken: Vec<&String> = new.iter().map(|&at| &other.header[at]).collect();
        let message = format!(
            "{}: {} by {by}, for {count} of {all} rows of {}",
            other.name,
            names(taken.clone()),
            self.name
        );
        self.header.extend(taken.into_iter().cloned());
        Some(Notice::new("joined-table", message).hint("`{labels_column}` takes a column as the label"))
    }
}

/// What a column's name is compared by.
fn plain(column: &str) -> String {
    let name = column.to_lowercase();
    let name = name.trim_start_matches("image_").trim_start_matches("metadata_");
    match name {
        "well_position" | "well_id" => "well".into(),
        name => name.into(),
    }
}

/// What a cell is compared by: numbers by their value, wells without zeros (`A01` is `A1`), all else but for case.
fn comparable(text: &str) -> String {
    if let Ok(number) = text.parse::<f64>() {
        return number.to_string();
    }
    let letters = text.trim_end_matches(|letter: char| letter.is_ascii_digit());
    match (letters.len(), text[letters.len()..].parse::<u32>()) {
        (1..=2, Ok(column)) => format!("{}{column}", letters.to_uppercase()),
        _ => text.to_lowercase(),
    }
}
