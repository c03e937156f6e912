//! The images of one split or more as one source, with their features.

use std::sync::Arc;

use twinlens_data::{Concat, DataSet, ImageSource, Split};
use twinlens_eval::Features;

use crate::features::{Computing, features};
use crate::{Events, LabError, Subject};

/// Which images of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Every image.
    All,
    /// Those of one split.
    Split(Split),
}

impl Part {
    /// All there are.
    pub const ALL: [Part; 4] =
        [Part::All, Part::Split(Split::Train), Part::Split(Split::Val), Part::Split(Split::Test)];

    /// The one of that name.
    pub fn named(name: &str) -> Option<Part> {
        Part::ALL.into_iter().find(|part| part.name() == name)
    }

    /// What is judged and shown unless somebody says otherwise: the test images, or all where there are none.
    pub fn usual(data: &DataSet) -> Part {
        let test = data.splits.test.as_ref().is_some_and(|test| !test.is_empty());
        if test { Part::Split(Split::Test) } else { Part::All }
    }

    /// How many images it has.
    pub fn count(self, data: &DataSet) -> usize {
        let of = |split: Split| data.splits.get(split).map_or(0, |source| source.len());
        self.of(data).map_or(0, |splits| splits.into_iter().map(of).sum())
    }

    /// Its name in verdicts: `all`, `train`, `val` or `test`.
    pub fn name(self) -> &'static str {
        match self {
            Part::All => "all",
            Part::Split(split) => split.name(),
        }
    }

    /// Its splits, as far as `data` has them.
    ///
    /// # Errors
    /// None of them has an image.
    pub fn of(self, data: &DataSet) -> Result<Vec<Split>, LabError> {
        let filled = |split: &Split| data.splits.get(*split).is_some_and(|source| !source.is_empty());
        let wanted = |split: &Split| self == Part::All || self == Part::Split(*split);
        let splits: Vec<Split> = Split::ALL.into_iter().filter(wanted).filter(filled).collect();
        if splits.is_empty() {
            return Err(LabError::NoImages { data: data.name.clone() });
        }
        Ok(splits)
    }
}

/// The images of the splits asked for, in the order train, val, test.
///
/// # Errors
/// Splits without images.
pub fn images(data: &DataSet, part: Part) -> Result<Arc<dyn ImageSource>, LabError> {
    let splits = part.of(data)?;
    Ok(Arc::new(Concat::new(splits.iter().filter_map(|split| data.splits.get(*split).cloned()).collect())))
}

/// Their features by one subject, in the same order.
///
/// # Errors
/// As [`features`].
pub fn features_of(
    subject: &Subject,
    data: &DataSet,
    part: Part,
    computing: &Computing,
    events: &dyn Events,
) -> Result<Features, LabError> {
    let (mut values, mut rows, mut dim) = (Vec::new(), 0, 0);
    for split in part.of(data)? {
        let found = features(subject, data, split, computing, events)?;
        values.extend_from_slice(found.values());
        (rows, dim) = (rows + found.rows(), found.dim());
    }
    Ok(Features::new(rows, dim, values)?)
}

/// The split and the name of every image of [`images`], in its order.
///
/// # Errors
/// As [`images`].
pub fn names(data: &DataSet, part: Part) -> Result<Vec<(Split, String)>, LabError> {
    let mut names = Vec::new();
    for split in part.of(data)? {
        let Some(source) = data.splits.get(split) else { continue };
        names.extend((0..source.len()).map(|index| (split, source.name(index))));
    }
    Ok(names)
}

/// Every label, if no image is without.
pub fn labels(source: &dyn ImageSource) -> Option<Vec<usize>> {
    (0..source.len()).map(|index| source.label(index)).collect()
}
