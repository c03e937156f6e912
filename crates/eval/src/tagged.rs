//! Checked features of images that may show several classes.

use twinlens_data::Tag;

use crate::features::check_groups;
use crate::{EvalError, Features};

/// Features with, for every row and class, whether the image shows the class, and the names of all classes.
#[derive(Clone, Debug, PartialEq)]
pub struct Tagged {
    features: Features,
    tags: Vec<Tag>,
    classes: Vec<String>,
    groups: Option<Vec<u32>>,
}

impl Tagged {
    /// Joins features and tags, `[rows, classes]`.
    ///
    /// # Errors
    /// [`EvalError::Empty`] without classes, [`EvalError::Length`] unless there is a tag for every row and class.
    pub fn new(features: Features, tags: Vec<Tag>, classes: Vec<String>) -> Result<Tagged, EvalError> {
        if classes.is_empty() {
            return Err(EvalError::Empty { what: "the list of classes".to_string() });
        }
        let (expected, got) = (features.rows() * classes.len(), tags.len());
        if expected != got {
            return Err(EvalError::Length { what: "tags", expected, got });
        }
        Ok(Tagged { features, tags, classes, groups: None })
    }

    /// The same, with the number of every row's group, if these are known; see [`crate::Labelled::grouped`].
    ///
    /// # Errors
    /// [`EvalError::Length`] unless there is one number per row.
    pub fn grouped(self, groups: Option<Vec<u32>>) -> Result<Tagged, EvalError> {
        check_groups(groups.as_deref(), self.features.rows())?;
        Ok(Tagged { groups, ..self })
    }

    /// The number of every row's group, if these are known.
    pub fn groups(&self) -> Option<&[u32]> {
        self.groups.as_deref()
    }

    /// The features.
    pub fn features(&self) -> &Features {
        &self.features
    }

    /// The names of all classes.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// Whether each image shows the class.
    ///
    /// # Panics
    /// When there is no such class.
    pub fn of_class(&self, class: usize) -> impl Iterator<Item = Tag> {
        assert!(class < self.classes.len(), "class {class} of {}", self.classes.len());
        self.tags.iter().skip(class).step_by(self.classes.len()).copied()
    }

    /// The rows judged for a class, and which of them show it.
    pub(crate) fn judged(&self, class: usize) -> (Vec<usize>, Vec<bool>) {
        let judged = self.of_class(class).enumerate().filter(|(_, tag)| *tag != Tag::NotJudged);
        judged.map(|(row, tag)| (row, tag == Tag::Present)).unzip()
    }

    /// The rows of `self`, then those of `other`.
    ///
    /// # Errors
    /// As [`Tagged::check_comparable`].
    pub(crate) fn joined(&self, split: &str, other: &Tagged) -> Result<Tagged, EvalError> {
        self.check_comparable(split, other)?;
        let values = [self.features.values(), other.features.values()].concat();
        let rows = self.features.rows() + other.features.rows();
        let features = Features::new(rows, self.features.dim(), values)?;
        let tags = [&self.tags[..], &other.tags[..]].concat();
        Ok(Tagged { features, tags, classes: self.classes.clone(), groups: None })
    }

    /// Refuses a split whose features or classes are not those of `self`, the training split.
    pub(crate) fn check_comparable(&self, split: &str, other: &Tagged) -> Result<(), EvalError> {
        let pairs = [
            ("features per row", self.features.dim(), other.features.dim()),
            ("classes", self.classes.len(), other.classes.len()),
        ];
        match pairs.into_iter().find(|(_, expected, got)| expected != got) {
            Some((what, expected, got)) => {
                Err(EvalError::SplitsDiffer { split: split.to_string(), what, expected, got })
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::random_features;

    #[test]
    fn rows_that_are_not_judged_are_left_out_and_parts_are_joined() {
        use Tag::{Absent, NotJudged, Present};
        let names = ["a", "b"].map(String::from).to_vec();
        let tags = vec![Present, NotJudged, Absent, Present, NotJudged, Absent];
        let set = Tagged::new(random_features(3, 2, 1), tags.clone(), names.clone()).unwrap();
        assert_eq!(set.judged(0), (vec![0, 1], vec![true, false]));
        assert_eq!(set.judged(1), (vec![1, 2], vec![true, false]));
        let both = set.joined("val", &set).unwrap();
        assert_eq!(both.judged(1), (vec![1, 2, 4, 5], vec![true, false, true, false]));
        assert_eq!(both.features().row(4), set.features().row(1));
        let other = Tagged::new(random_features(3, 1, 1), tags.clone(), names.clone()).unwrap();
        assert!(matches!(set.joined("val", &other), Err(EvalError::SplitsDiffer { .. })));
        let short = Tagged::new(random_features(3, 2, 1), tags[1..].to_vec(), names);
        assert_eq!(short, Err(EvalError::Length { what: "tags", expected: 6, got: 5 }));
        assert!(matches!(
            Tagged::new(random_features(3, 2, 1), vec![], vec![]),
            Err(EvalError::Empty { .. })
        ));
    }
}
