//! The images of one split or more as one source, with their features.

use std::sync::Arc;

use twinlens_data::{Concat, DataSet, ImageSource, Split};
use twinlens_eval::Features;

use super::embed::Part;
use super::features::{Computing, Subject, features};
use crate::exit::Outcome;
use crate::terminal::Terminal;

/// The images of the splits asked for, in the order train, val, test.
///
/// # Errors
/// Splits without images.
pub fn images(data: &DataSet, part: Part) -> Outcome<Arc<dyn ImageSource>> {
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
    terminal: &Terminal,
) -> Outcome<Features> {
    let (mut values, mut rows, mut dim) = (Vec::new(), 0, 0);
    for split in part.of(data)? {
        let found = features(subject, data, split, computing, terminal)?;
        values.extend_from_slice(found.values());
        (rows, dim) = (rows + found.rows(), found.dim());
    }
    Ok(Features::new(rows, dim, values)?)
}

/// The split and the name of every image of [`images`], in its order.
///
/// # Errors
/// As [`images`].
pub fn names(data: &DataSet, part: Part) -> Outcome<Vec<(Split, String)>> {
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
