//! Pictures that stand beside verdicts: maps of features, images of clusters.

use twinlens_lab::Outcome;
use twinlens_lab::maps::FeatureMap;
use twinlens_lab::reports::SHEET;
use twinlens_report::{Block, Map, Picture, Plate, map};

use super::{Drawn, PageKind, PageSpec};
use crate::StudyError;

/// The pictures of a protocol, a cell each, of the first of its repeats.
pub(super) fn blocks(drawn: &Drawn<'_>, page: &PageSpec) -> Result<Vec<Block>, StudyError> {
    let Some(protocol) = &page.protocol else { return Ok(Vec::new()) };
    let mut shown = Vec::new();
    let mut plates = Vec::new();
    for cell in drawn.plan.cells.iter().filter(|cell| cell.protocol == *protocol && page.at.has(&cell.at)) {
        let mut at = cell.at.clone();
        drawn.over.iter().for_each(|axis| drop(at.remove(axis)));
        let Some(node) = drawn.plan.node(&cell.node).filter(|_| !shown.contains(&at)) else { continue };
        let title = drawn.name(&at, &[]);
        let Some(picture) = picture(drawn, page.kind, node)? else { continue };
        plates.push(Plate::new(title.clone(), "", format!("{protocol}: {title}"), picture));
        shown.push(at);
    }
    Ok(if plates.is_empty() { vec![] } else { vec![Block::Plates(plates)] })
}

/// The contact sheet of the first training of each kind, repeats aside.
pub(super) fn sheets(drawn: &Drawn<'_>, page: &PageSpec) -> Result<Vec<Block>, StudyError> {
    let mut shown = Vec::new();
    let mut plates = Vec::new();
    for (node, at) in drawn.trainings(page) {
        let title = drawn.name(&at, &drawn.beside_trainings());
        let file = drawn.store.run(node).join("plots").join(SHEET);
        if shown.contains(&title) || !file.is_file() {
            continue;
        }
        let bytes = std::fs::read(&file).map_err(|error| StudyError::io(&file, error))?;
        let alt = format!("Originals on the left, their views beside them: {title}");
        plates.push(Plate::new(title.clone(), "", alt, Picture::from_png(bytes)?));
        shown.push(title);
    }
    Ok(if plates.is_empty() { vec![] } else { vec![Block::Plates(plates)] })
}

fn picture(
    drawn: &Drawn<'_>,
    kind: PageKind,
    node: &crate::node::Node,
) -> Result<Option<Picture>, StudyError> {
    if kind == PageKind::Maps {
        let verdicts = drawn.store.verdicts(node)?;
        let found = verdicts.iter().find_map(|verdict| match &verdict.outcome {
            Outcome::Map(found) => Some(found),
            _ => None,
        });
        return found.map(drawing).transpose();
    }
    let folder = drawn.store.result(node);
    let Ok(entries) = std::fs::read_dir(&folder) else { return Ok(None) };
    let mut files: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.sort();
    let png = files.into_iter().find(|path| path.extension().is_some_and(|end| end == "png"));
    let Some(png) = png else { return Ok(None) };
    let bytes = std::fs::read(&png).map_err(|error| StudyError::io(&png, error))?;
    Ok(Some(Picture::from_png(bytes)?))
}

/// A map as a picture.
fn drawing(found: &FeatureMap) -> Result<Picture, StudyError> {
    let labels = found.labels.clone().unwrap_or_default();
    let points = found.frames.first().map(|frame| frame.points.clone()).unwrap_or_default();
    Ok(map(&Map { title: String::new(), points, labels: labels.values, classes: labels.categories })?)
}
