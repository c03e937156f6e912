//! Checked features and labels: what every protocol takes.

use std::collections::BTreeMap;

use rayon::prelude::*;

use crate::EvalError;

/// Rows with a smaller L2 norm are treated as having this one, as PyTorch's `normalize` does.
pub(crate) const MIN_NORM: f64 = 1e-12;

/// A matrix of finite features, one row per image: `[rows, dim]`, row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct Features {
    rows: usize,
    dim: usize,
    values: Vec<f32>,
}

impl Features {
    /// Takes `values` as `rows` rows of `dim` features.
    ///
    /// # Errors
    /// [`EvalError::Empty`] without rows or dimensions, [`EvalError::Shape`] when the counts do not fit, and
    /// [`EvalError::NotFinite`] naming the first NaN or infinite value.
    pub fn new(rows: usize, dim: usize, values: Vec<f32>) -> Result<Features, EvalError> {
        if rows == 0 || dim == 0 {
            return Err(EvalError::Empty { what: format!("a feature matrix of {rows} rows x {dim}") });
        }
        if rows.checked_mul(dim) != Some(values.len()) {
            return Err(EvalError::Shape { rows, dim, values: values.len() });
        }
        match values.iter().position(|value| !value.is_finite()) {
            Some(at) => Err(EvalError::NotFinite { row: at / dim, column: at % dim, value: values[at] }),
            None => Ok(Features { rows, dim, values }),
        }
    }

    /// Number of rows, at least 1.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Features per row, at least 1.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// All values, row by row.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Row `row`.
    ///
    /// # Panics
    /// When `row` is not below [`Features::rows`].
    pub fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.dim..][..self.dim]
    }

    /// All rows in order.
    pub fn iter(&self) -> std::slice::ChunksExact<'_, f32> {
        self.values.chunks_exact(self.dim)
    }

    /// The mean of every column, summed in f64 in the order of the rows.
    pub(crate) fn column_means(&self) -> Vec<f64> {
        let mut mean = vec![0.0; self.dim];
        for row in self.iter() {
            mean.iter_mut().zip(row).for_each(|(sum, &value)| *sum += f64::from(value));
        }
        mean.iter_mut().for_each(|sum| *sum /= self.rows as f64);
        mean
    }

    /// Every row divided by its L2 norm.
    pub(crate) fn unit_rows(&self) -> Features {
        let mut values = self.values.clone();
        values.par_chunks_exact_mut(self.dim).for_each(|row| {
            let norm = row.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt().max(MIN_NORM);
            row.iter_mut().for_each(|v| *v = (f64::from(*v) / norm) as f32);
        });
        Features { values, ..*self }
    }

    /// The rows named by `indices`, in that order.
    ///
    /// # Errors
    /// [`EvalError::Empty`] without indices, [`EvalError::IndexOutOfRange`] for one outside the matrix.
    pub fn subset(&self, indices: &[usize]) -> Result<Features, EvalError> {
        if let Some(position) = indices.iter().position(|&index| index >= self.rows) {
            let index = indices[position];
            return Err(EvalError::IndexOutOfRange { index, position, rows: self.rows });
        }
        let values = indices.iter().flat_map(|&index| self.row(index)).copied().collect();
        Features::new(indices.len(), self.dim, values)
    }
}

/// Features with one label per row and the names of all classes.
#[derive(Clone, Debug, PartialEq)]
pub struct Labelled {
    features: Features,
    labels: Vec<usize>,
    classes: Vec<String>,
    names: Vec<String>,
    groups: Option<Vec<u32>>,
}

impl Labelled {
    /// Joins features and labels. `classes` names every class the data set has, present here or not.
    ///
    /// # Errors
    /// [`EvalError::Length`] unless there is one label per row, [`EvalError::LabelOutOfRange`] for a label
    /// that names no class.
    pub fn new(features: Features, labels: Vec<usize>, classes: Vec<String>) -> Result<Labelled, EvalError> {
        check_labels("label", &labels, features.rows(), classes.len())?;
        Ok(Labelled { features, labels, classes, names: Vec::new(), groups: None })
    }

    /// The same, with what every row is called.
    ///
    /// # Errors
    /// [`EvalError::Length`] unless there is one name per row.
    pub fn named(self, names: Vec<String>) -> Result<Labelled, EvalError> {
        let (expected, got) = (self.features.rows(), names.len());
        match got == expected {
            true => Ok(Labelled { names, ..self }),
            false => Err(EvalError::Length { what: "name", expected, got }),
        }
    }

    /// The same, with the number of every row's group, if these are known: rows that belong together have one number
    /// (patient, plate). Intervals are then over groups.
    ///
    /// # Errors
    /// [`EvalError::Length`] unless there is one number per row.
    pub fn grouped(self, groups: Option<Vec<u32>>) -> Result<Labelled, EvalError> {
        check_groups(groups.as_deref(), self.features.rows())?;
        Ok(Labelled { groups, ..self })
    }

    /// The number of every row's group, if these are known.
    pub fn groups(&self) -> Option<&[u32]> {
        self.groups.as_deref()
    }

    /// What every row is called; empty where that is not known.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The features.
    pub fn features(&self) -> &Features {
        &self.features
    }

    /// The label of every row.
    pub fn labels(&self) -> &[usize] {
        &self.labels
    }

    /// The names of all classes.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// The rows named by `indices` with their labels: a share of the labels, a fold, a bootstrap sample.
    ///
    /// # Errors
    /// As [`Features::subset`].
    pub fn subset(&self, indices: &[usize]) -> Result<Labelled, EvalError> {
        let features = self.features.subset(indices)?;
        let labels = indices.iter().map(|&index| self.labels[index]).collect();
        let names = indices.iter().filter_map(|&index| self.names.get(index).cloned()).collect();
        let groups = self.groups.as_ref().map(|groups| indices.iter().map(|&index| groups[index]).collect());
        Ok(Labelled { features, labels, classes: self.classes.clone(), names, groups })
    }

    /// The same labels with other features of the same rows.
    ///
    /// # Errors
    /// [`EvalError::Length`] unless there is one label per row.
    pub fn with_features(&self, features: Features) -> Result<Labelled, EvalError> {
        let labelled = Labelled::new(features, self.labels.clone(), self.classes.clone())?;
        Ok(Labelled { names: self.names.clone(), groups: self.groups.clone(), ..labelled })
    }

    /// The classes without a single row here.
    pub fn absent_classes(&self) -> Vec<usize> {
        let mut present = vec![false; self.classes.len()];
        self.labels.iter().for_each(|&label| present[label] = true);
        (0..present.len()).filter(|&class| !present[class]).collect()
    }

    /// Refuses a `held_out` split whose features or classes are not those of `self`, the training split.
    pub(crate) fn check_comparable(&self, split: &str, held_out: &Labelled) -> Result<(), EvalError> {
        let differ = |what, expected, got| {
            if expected == got {
                return Ok(());
            }
            Err(EvalError::SplitsDiffer { split: split.to_string(), what, expected, got })
        };
        differ("features per row", self.features.dim(), held_out.features.dim())?;
        differ("classes", self.classes.len(), held_out.classes.len())
    }
}

/// Refuses lists of the wrong length and labels outside `0..classes`.
pub(crate) fn check_labels(
    what: &'static str,
    labels: &[usize],
    expected: usize,
    classes: usize,
) -> Result<(), EvalError> {
    if labels.len() != expected {
        return Err(EvalError::Length { what, expected, got: labels.len() });
    }
    match labels.iter().position(|&label| label >= classes) {
        Some(position) => {
            Err(EvalError::LabelOutOfRange { what, label: labels[position], position, classes })
        }
        None => Ok(()),
    }
}

/// Refuses groups that are not one for each of the rows.
pub(crate) fn check_groups(groups: Option<&[u32]>, expected: usize) -> Result<(), EvalError> {
    match groups.map(<[u32]>::len) {
        Some(got) if got != expected => Err(EvalError::Length { what: "group", expected, got }),
        _ => Ok(()),
    }
}

/// Labels renumbered from 0 in their order, and how many there are.
pub(crate) fn numbered(labels: &[usize]) -> (Vec<usize>, usize) {
    let mut numbers: BTreeMap<usize, usize> = labels.iter().map(|&label| (label, 0)).collect();
    numbers.values_mut().enumerate().for_each(|(number, slot)| *slot = number);
    (labels.iter().map(|label| numbers[label]).collect(), numbers.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|class| format!("class {class}")).collect()
    }

    #[test]
    fn the_first_value_that_is_not_finite_is_named() {
        let error = Features::new(2, 3, vec![0.0, 1.0, 2.0, 3.0, f32::INFINITY, f32::NAN]).unwrap_err();
        assert_eq!(error, EvalError::NotFinite { row: 1, column: 1, value: f32::INFINITY });
        assert!(error.to_string().contains("feature 1 of row 1 is inf"), "{error}");
    }

    #[test]
    fn empty_and_misshapen_matrices_are_refused() {
        assert!(matches!(Features::new(0, 3, vec![]), Err(EvalError::Empty { .. })));
        assert!(matches!(Features::new(3, 0, vec![]), Err(EvalError::Empty { .. })));
        let short = EvalError::Shape { rows: 2, dim: 2, values: 3 };
        assert_eq!(Features::new(2, 2, vec![0.0; 3]), Err(short));
        assert!(matches!(Features::new(usize::MAX, 2, vec![0.0; 2]), Err(EvalError::Shape { .. })));
    }

    #[test]
    fn labels_must_fit_rows_and_classes() {
        let features = Features::new(2, 1, vec![1.0, 2.0]).unwrap();
        let missing = Labelled::new(features.clone(), vec![0], names(2));
        assert_eq!(missing, Err(EvalError::Length { what: "label", expected: 2, got: 1 }));
        let outside = Labelled::new(features, vec![0, 2], names(2));
        let error = EvalError::LabelOutOfRange { what: "label", label: 2, position: 1, classes: 2 };
        assert_eq!(outside, Err(error));
    }

    #[test]
    fn subsets_keep_rows_with_their_labels() {
        let features = Features::new(3, 2, vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
        let set = Labelled::new(features, vec![0, 1, 2], names(4)).unwrap();
        let subset = set.subset(&[2, 0, 2]).unwrap();
        assert_eq!(subset.features().values(), [4.0, 5.0, 0.0, 1.0, 4.0, 5.0]);
        assert_eq!(subset.labels(), [2, 0, 2]);
        assert_eq!(subset.absent_classes(), [1, 3]);
        assert_eq!(subset.groups(), None);
        let grouped = set.clone().grouped(Some(vec![5, 6, 7])).unwrap();
        assert_eq!(grouped.subset(&[2, 0, 2]).unwrap().groups(), Some(&[7, 5, 7][..]));
        assert_eq!(grouped.with_features(grouped.features().clone()).unwrap().groups(), Some(&[5, 6, 7][..]));
        assert!(matches!(set.clone().grouped(Some(vec![1])), Err(EvalError::Length { what: "group", .. })));
        assert_eq!(set.subset(&[3]), Err(EvalError::IndexOutOfRange { index: 3, position: 0, rows: 3 }));
        assert!(matches!(set.subset(&[]), Err(EvalError::Empty { .. })));
    }
}
