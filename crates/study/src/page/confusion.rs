//! Who is taken for whom, in each cell.

use std::collections::BTreeMap;

use twinlens_report::{Block, Confusion, Plate, confusion_matrix};

use super::{Drawn, PageSpec};
use crate::StudyError;
use crate::table::Row;

/// At most so many matrices are drawn.
const MOST: usize = 12;

/// A matrix for each cell, of the first of its repeats.
pub(super) fn blocks(drawn: &Drawn<'_>, page: &PageSpec) -> Result<Vec<Block>, StudyError> {
    let Some(protocol) = &page.protocol else { return Ok(Vec::new()) };
    let classes = &drawn.results.classes;
    let of = |row: &&Row| {
        row.protocol == *protocol
            && row.split == "test"
            && page.at.has(&row.at)
            && (row.measure.starts_with("recall.") || row.measure.starts_with("confusion."))
    };
    let mut cells: Vec<(BTreeMap<String, String>, String, Vec<&Row>)> = Vec::new();
    for row in drawn.results.rows.iter().filter(of) {
        let mut at = row.at.clone();
        drawn.over.iter().for_each(|axis| drop(at.remove(axis)));
        match cells.iter_mut().find(|(known, ..)| *known == at) {
            Some((_, node, rows)) if *node == row.origin => rows.push(row),
            Some(_) => {}
            None => cells.push((at, row.origin.clone(), vec![row])),
        }
    }
    let plate = |(at, _, rows): &(BTreeMap<String, String>, String, Vec<&Row>)| {
        let counts = counts(classes, rows);
        let title = drawn.name(at, &[]);
        let picture = confusion_matrix(&Confusion { counts, classes: classes.clone() })?;
        Ok(Plate::new(title.clone(), "", format!("Confusion on test: {title}"), picture))
    };
    let plates: Vec<Plate> = cells.iter().take(MOST).map(plate).collect::<Result<_, StudyError>>()?;
    let mut blocks = if plates.is_empty() { vec![] } else { vec![Block::Plates(plates)] };
    if cells.len() > MOST {
        blocks.push(Block::Note(format!("{} more cells stand in table.csv.", cells.len() - MOST)));
    }
    Ok(blocks)
}

/// `[truth][prediction]`, from shares of the images of each class and their number.
fn counts(classes: &[String], rows: &[&Row]) -> Vec<Vec<u64>> {
    let at = |name: &str| classes.iter().position(|class| class == name);
    let mut counts = vec![vec![0; classes.len()]; classes.len()];
    for row in rows {
        let (Some(share), Some(total)) = (row.value, row.samples) else { continue };
        let place = match row.measure.strip_prefix("recall.") {
            Some(class) => at(class).map(|at| (at, at)),
            None => {
                let pair = row.measure.trim_start_matches("confusion.");
                // Names of classes may have dots.
                classes.iter().enumerate().find_map(|(truth, class)| {
                    let predicted = pair.strip_prefix(class.as_str())?.strip_prefix('.')?;
                    Some((truth, at(predicted)?))
                })
            }
        };
        if let Some((truth, predicted)) = place {
            counts[truth][predicted] = (share * total as f64).round() as u64;
        }
    }
    counts
}
