//! Which run on a page something is about, and in which colour.

use twinlens_report::{Cell, Column, Hue, TableRow};

use crate::FeaturesKind;

/// A run on a page: the only one, or one of several.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Whose<'a> {
    number: usize,
    name: Option<&'a str>,
}

impl<'a> Whose<'a> {
    /// Run number `number` (from 0) of several.
    pub(super) fn one_of_several(number: usize, name: &'a str) -> Whose<'a> {
        Whose { number, name: Some(name) }
    }

    /// The colour of its features: what it trained has the run's own, what that is compared with the same on every page.
    pub(super) fn hue(self, kind: FeaturesKind) -> Hue {
        match kind {
            FeaturesKind::Untrained => Hue::GREY,
            FeaturesKind::Pixels => Hue::BROWN,
            FeaturesKind::Trained | FeaturesKind::FineTuned | FeaturesKind::FromScratch => {
                Hue::number(self.number)
            }
        }
    }

    /// A row about such features, which begins with the run where there are several.
    pub(super) fn row(self, kind: FeaturesKind, cells: Vec<Cell>) -> TableRow {
        let run = self.name.map(|name| Cell::Text(name.to_owned()));
        let cells = run.into_iter().chain(cells).collect();
        TableRow { ours: kind.is_trained(), hue: Some(self.hue(kind)), cells }
    }

    /// What is said of it, after its name where there are several.
    pub(super) fn named(self, text: String) -> String {
        self.name.map_or(text.clone(), |name| format!("{name}, {text}"))
    }
}

/// The columns of rows by [`Whose::row`], after that of the runs where they have one.
pub(super) fn with_runs(mut columns: Vec<Column>, rows: &[TableRow]) -> Vec<Column> {
    if rows.first().is_some_and(|row| row.cells.len() > columns.len()) {
        columns.insert(0, Column::text("Run"));
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colour_means_the_same_on_every_page() {
        let second = Whose::one_of_several(1, "b");
        for kind in [FeaturesKind::Untrained, FeaturesKind::Pixels] {
            assert_eq!(second.hue(kind), Whose::default().hue(kind));
            assert_ne!(second.hue(kind), second.hue(FeaturesKind::Trained));
        }
        assert_ne!(second.hue(FeaturesKind::Trained), Whose::default().hue(FeaturesKind::Trained));
        let row = second.row(FeaturesKind::FineTuned, vec![Cell::Count(1)]);
        assert_eq!((row.ours, row.cells.len(), row.hue), (true, 2, Some(Hue::number(1))));
        assert_eq!(with_runs(vec![Column::number("a")], &[row]).len(), 2);
    }
}
