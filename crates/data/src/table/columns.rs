//! Which columns hold the labels and the split.

use std::collections::BTreeSet;

use super::matching::Matched;
use super::parse::Table;
use crate::layout::composed;
use crate::names::{Meaning, Role};
use crate::{DataError, DataSettings, SplitPolicy};

/// Columns that hold a label.
const LABELS: &[&str] = &[
    "label",
    "labels",
    "class",
    "classes",
    "classname",
    "classlabel",
    "classid",
    "labelname",
    "target",
    "targets",
    "category",
    "categoryname",
    "categoryid",
    "diagnosis",
    "dx",
    "y",
    "cls",
    "species",
    "breed",
    "variety",
    "celltype",
    "disease",
    "finding",
    "findinglabels",
    "groundtruth",
    "gt",
    "level",
    "grade",
];

/// Columns that say a split.
const SPLITS: &[&str] = &["split", "set", "subset", "partition", "fold", "datasplit", "phase"];

/// Texts that stand for "no label" or no value.
const MISSING: &[&str] = &["", "nan", "na", "n/a", "null"];

/// Where the label of a row stands.
pub(super) enum LabelColumns {
    None,
    One(usize),
    /// Several columns, of which one holds 1 and the others 0.
    OneHot(Vec<usize>),
}

impl LabelColumns {
    pub(super) fn of(matched: &Matched, settings: &DataSettings) -> Result<LabelColumns, DataError> {
        let Matched { table, path, of_names, .. } = matched;
        if !settings.labels_column.is_empty() {
            let column = table.column(&settings.labels_column);
            if *of_names && column.is_none() {
                return Ok(LabelColumns::None);
            }
            let missing = || table.no_column(&settings.labels_column, "{labels_column}");
            return column.map(LabelColumns::One).ok_or_else(missing);
        }
        let usual = table.usual(LABELS).find(|column| Some(*column) != *path);
        let may_be_one_hot = !matched.takes_more();
        let one_hot = || Some(one_hot(table, *path)).filter(|columns| may_be_one_hot && columns.len() > 1);
        let found = usual.map(LabelColumns::One).or_else(|| one_hot().map(LabelColumns::OneHot));
        match found {
            None if !settings.labels.is_empty() && !matched.takes_more() => {
                Err(table.no_column("label", "{labels_column}"))
            }
            found => Ok(found.unwrap_or(LabelColumns::None)),
        }
    }

    pub(super) fn hold(&self, column: usize) -> bool {
        match self {
            LabelColumns::None => false,
            LabelColumns::One(one) => *one == column,
            LabelColumns::OneHot(columns) => columns.contains(&column),
        }
    }

    pub(super) fn label(&self, table: &Table, row: &[String], settings: &DataSettings) -> Option<String> {
        match self {
            LabelColumns::None => None,
            LabelColumns::One(column) => as_label(&row[*column], settings),
            LabelColumns::OneHot(columns) => {
                let column = columns.iter().find(|column| number(&row[**column]) == Some(1.0))?;
                Some(composed(&table.header[*column]))
            }
        }
    }

    pub(super) fn describe(&self, table: &Table) -> String {
        match self {
            LabelColumns::None => "no column".into(),
            LabelColumns::One(column) => format!("the column {:?}", table.header[*column]),
            LabelColumns::OneHot(columns) => {
                let names: Vec<&str> = columns.iter().map(|column| table.header[*column].as_str()).collect();
                format!("the one-hot columns {}", names.join(", "))
            }
        }
    }
}

/// The columns of 0 and 1, if every row has a single 1 in them.
fn one_hot(table: &Table, path: Option<usize>) -> Vec<usize> {
    let binary = |column: &usize| table.values(*column).all(|text| matches!(number(text), Some(0.0 | 1.0)));
    let columns: Vec<usize> =
        (0..table.header.len()).filter(|column| Some(*column) != path).filter(binary).collect();
    let ones =
        |row: &Vec<String>| columns.iter().filter(|column| number(&row[**column]) == Some(1.0)).count();
    if table.rows.iter().all(|row| ones(row) == 1) { columns } else { Vec::new() }
}

/// A label: whole numbers without a fraction (`1.0` is `1`), nothing where the text stands for none.
fn as_label(text: &str, settings: &DataSettings) -> Option<String> {
    let whole =
        number(text).filter(|value| value.fract() == 0.0 && value.abs() < 1e15).map(|value| value as i64);
    match whole {
        Some(value) if value == -1 || settings.ignore_labels.contains(&value) => None,
        Some(value) if text.contains('.') => Some(value.to_string()),
        _ if is_missing(text) => None,
        _ => Some(composed(text)),
    }
}

/// Whether a text stands for none.
pub(crate) fn is_missing(text: &str) -> bool {
    MISSING.contains(&text.trim().to_lowercase().as_str())
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok()
}

/// The column that says the split, if one is to be heeded.
pub(super) fn split_column(table: &Table, settings: &DataSettings) -> Result<Option<usize>, DataError> {
    let values =
        |column: usize| table.values(column).filter(|text| !text.is_empty()).collect::<BTreeSet<&str>>();
    let known = |value: &str| {
        let meaning = Meaning::of(value);
        let role = meaning.role.filter(|_| meaning.clean() && meaning.numbers.is_empty());
        matches!(role, Some(Role::Split(_) | Role::Unlabelled | Role::Predict))
    };
    match settings.splits {
        SplitPolicy::Column => {
            let name = if settings.split_column.is_empty() { "split" } else { &settings.split_column };
            let column =
                table.column(name).ok_or_else(|| table.no_column(name, "data_options.split_column"))?;
            match values(column).into_iter().find(|value| !known(value)) {
                None => Ok(Some(column)),
                Some(other) => {
                    let reason = format!("the column {name:?} says {other:?}, which is no split");
                    Err(table.wrong(reason, "its values must be train, val or test"))
                }
            }
        }
        SplitPolicy::Drawn => Ok(None),
        _ => Ok(table.usual(SPLITS).find(|column| {
            let values = values(*column);
            !values.is_empty() && values.into_iter().all(known)
        })),
    }
}
