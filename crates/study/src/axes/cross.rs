//! Cells: every level of every axis with every level of the others.

use std::collections::BTreeMap;

use super::{AxisSpec, Change, Level};
use crate::recipe::{At, BASE, ProtocolUse, Recipe};

/// One combination of levels.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cell {
    /// The label of each axis that it has.
    pub labels: BTreeMap<String, String>,
    /// Where it lies along axes of numbers.
    pub numbers: BTreeMap<String, f64>,
    /// Row and column of axes that are matrices.
    pub pairs: BTreeMap<String, (String, String)>,
    /// The operations that an axis gives its views.
    pub operations: Vec<String>,
    /// What it changes, in the order of the axes.
    pub changes: Vec<Change>,
}

impl Cell {
    fn with(&self, level: &Level) -> Cell {
        let mut cell = self.clone();
        cell.labels.extend(level.labels.iter().cloned());
        if let Some((axis, _)) = level.labels.last() {
            cell.numbers.extend(level.number.map(|number| (axis.clone(), number)));
            cell.pairs.extend(level.pair.clone().map(|pair| (axis.clone(), pair)));
        }
        cell.operations.extend(level.operations.iter().cloned());
        cell.changes.extend(level.changes.iter().cloned());
        cell
    }

    /// What the last change says that `find` takes.
    pub(crate) fn latest<'a, T>(&'a self, find: impl FnMut(&'a Change) -> Option<T>) -> Option<T> {
        self.changes.iter().rev().find_map(find)
    }

    /// What it is called in messages.
    pub fn name(&self) -> String {
        let labels: Vec<String> =
            self.labels.iter().map(|(axis, label)| format!("{axis} = {label}")).collect();
        if labels.is_empty() { "the only cell".to_owned() } else { labels.join(", ") }
    }
}

/// The cells in which `protocol` is used: levels of the axes of the training and of the protocols that it judges the encoders
/// of. Without a protocol, those of the training alone.
///
/// # Errors
/// In words, what is wrong with an axis, or that there are more than `most` cells.
pub fn cells(recipe: &Recipe, protocol: Option<&ProtocolUse>, most: usize) -> Result<Vec<Cell>, String> {
    let chain = protocol.map(|protocol| recipe.chain(protocol)).unwrap_or_default();
    let touches = |axis: &AxisSpec| match axis.of.as_deref() {
        None | Some(BASE) => true,
        Some(of) => chain.iter().any(|one| one.name == of),
    };
    let mut cells = vec![Cell::default()];
    for axis in recipe.axes.iter().filter(|axis| touches(axis)) {
        let levels = axis.levels()?;
        let crossed = |cell: &Cell| -> Vec<Cell> {
            if axis.only.has(&cell.labels) {
                levels.iter().map(|level| cell.with(level)).collect()
            } else {
                vec![cell.clone()]
            }
        };
        cells = cells.iter().flat_map(crossed).collect();
        if cells.len() > most {
            return Err(format!(
                "axis `{}` makes {} cells, more than {most}: is one of its numbers a typing error?",
                axis.name,
                cells.len()
            ));
        }
    }
    let everywhere = At::default();
    let at = protocol.map_or(&everywhere, |protocol| &protocol.at);
    cells.retain(|cell| at.has(&cell.labels) && !recipe.skip.iter().any(|skip| skip.has(&cell.labels)));
    Ok(cells)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "id = 'a'\ntitle = 't'\ndata = { learn = ['bundled'] }\nbase = {}\n\
        axes = [{ name = 'method', values = ['a', 'b'] }, { name = 'hue', key = 'h', values = [0.0, 0.1, 0.2], only = { method = 'a' } },\n\
        { name = 'share', of = 'tuned', labels = [0.1, 1.0] }]\n\
        skip = [{ method = 'a', hue = [0.1, 0.2], share = 0.1 }]\n\
        protocols = [{ name = 'knn', kind = 'knn' }, { name = 'tuned', kind = 'finetune' }, { name = 'map', kind = 'tsne', from = 'tuned', at = { method = 'b' } }]";

    #[test]
    fn a_protocol_is_crossed_with_what_touches_it() {
        let recipe = Recipe::parse("a.toml", TEXT).unwrap();
        let count = |name: &str| cells(&recipe, recipe.protocol(name), 100).unwrap().len();
        // Three values of hue for a, one cell for b.
        assert_eq!(count("knn"), 4);
        // Twice as many shares, but two are skipped.
        assert_eq!(count("tuned"), 6);
        assert_eq!(count("map"), 2);
        let error = cells(&recipe, recipe.protocol("tuned"), 5).unwrap_err();
        assert!(error.contains("`share` makes 8 cells"), "{error}");
    }
}
