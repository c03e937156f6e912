//! A measure of each cell, as bars.

use std::collections::BTreeMap;

use twinlens_report::{Bar, Block, Comparison, Group, Hue, Plate, comparison};

use super::{Drawn, PageSpec, table};
use crate::StudyError;
use crate::axes::Role;

/// Bars for each measure that is a share, and its numbers.
pub(super) fn blocks(drawn: &Drawn<'_>, page: &PageSpec) -> Result<Vec<Block>, StudyError> {
    let mut blocks = Vec::new();
    for measure in &drawn.measures(page) {
        let (title, share) = drawn.results.title(measure);
        let summaries = drawn.results.summaries(measure, &drawn.over, &|at| page.at.has(at));
        let panels = drawn.axes(Role::Panel);
        let cells: Vec<&BTreeMap<String, String>> = summaries.iter().map(|(at, _)| at).collect();
        let group = |panel: &Vec<String>| {
            let inside = summaries.iter().filter(|(at, _)| Drawn::is_in(at, &panels, panel));
            let bar =
                |(number, (at, summary)): (usize, &(BTreeMap<String, String>, crate::table::Summary))| Bar {
                    name: drawn.name(at, &panels),
                    hue: Hue::number(number),
                    values: summary.values.iter().map(|(_, value)| *value).collect(),
                    interval: summary.interval(),
                };
            Group { name: panel.join(", "), bars: inside.enumerate().map(bar).collect() }
        };
        let groups: Vec<Group> = drawn.parts(&cells, &panels).iter().map(group).collect();
        if share && !groups.is_empty() {
            let picture = comparison(&Comparison { measure: title.clone(), groups, reference: None })?;
            let plate = Plate::new(title.clone(), "", format!("{title} of every cell"), picture);
            blocks.push(Block::Plates(vec![plate]));
        }
        blocks.extend(table::blocks(drawn, page, measure));
    }
    Ok(blocks)
}
