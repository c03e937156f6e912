//! The health of the representation: measures that need no labels.

use twinlens_eval::health::{HEALTH_MEASURES, Health};
use twinlens_report::{Block, Cell, Column, Picture, Plate, Section, Spectrum, Table, TableRow, spectrum};

use super::run_view::RunView;
use super::whose::{Whose, with_runs};
use super::{Extras, absent};
use crate::{LabError, Verdict, plain};

/// Every health verdict of the run, and the spectra of those that have one.
pub(super) fn section(run: &RunView, extras: &mut Extras) -> Result<Section, LabError> {
    if run.health.is_empty() {
        return Ok(absent());
    }
    let mut blocks =
        vec![Block::Table(measures(run.health.iter().map(|verdict| (Whose::default(), verdict))))];
    let alive = |verdict: &&Verdict<Health>| verdict.outcome.spectrum.iter().any(|value| *value > 0.0);
    let spectra: Vec<Spectrum> = run
        .health
        .iter()
        .filter(alive)
        .map(|verdict| Spectrum {
            name: title(verdict),
            hue: Whose::default().hue(verdict.subject.features),
            variances: verdict.outcome.spectrum.clone(),
        })
        .collect();
    if !spectra.is_empty() {
        let picture = spectrum(&spectra)?;
        extras.plot("spectrum", &picture);
        blocks.push(Block::Plates(vec![Plate::new(
            "Covariance spectrum",
            "How much of the variance lies along each principal component. Both axes are logarithmic. A line that falls at once \
             means that few directions carry the features.",
            "Lines that fall from the first principal component to the last.",
            picture,
        )]));
    }
    let matrices: Vec<Plate> = run.health.iter().filter_map(correlation).collect();
    if !matrices.is_empty() {
        blocks.push(Block::Plates(matrices));
    }
    Ok(Section::new("Health of the representation", blocks))
}

/// The cross-correlation of two views, where its picture was kept.
fn correlation(verdict: &Verdict<Health>) -> Option<Plate> {
    let picture = Picture::from_png(verdict.exhibit("png")?.to_vec()).ok()?;
    let means = verdict.outcome.cross_correlation?;
    Some(Plate::new(
        format!("Cross-correlation of two views: {}", title(verdict)),
        "Rows are features of the first view, columns those of the second; red is 1, white 0, blue -1. A red diagonal on white \
         means that views do not matter and that no feature repeats another.",
        format!(
            "A square of correlations, on the diagonal {:.2} on average and {:.2} off it, whatever the sign.",
            means.diagonal, means.off_diagonal_size
        ),
        picture,
    ))
}

fn title(verdict: &Verdict<Health>) -> String {
    let split = verdict.asked.get("split").map(plain).unwrap_or_default();
    format!("{}, {split}", verdict.subject.title())
}

/// One row for each verdict, and the run it belongs to where there are several.
pub(super) fn measures<'a>(verdicts: impl Iterator<Item = (Whose<'a>, &'a Verdict<Health>)>) -> Table {
    let row = |(whose, verdict): (Whose, &Verdict<Health>)| {
        let found = &verdict.outcome;
        let mut cells = vec![Cell::Text(title(verdict))];
        cells.extend([found.samples, found.dim].map(|count| Cell::Count(count as u64)));
        cells.extend(HEALTH_MEASURES.iter().map(|measure| Cell::Number((measure.of)(found))));
        whose.row(verdict.subject.features, cells)
    };
    let rows: Vec<TableRow> = verdicts.map(row).collect();
    let names = ["images", "dimensions"].into_iter().chain(HEALTH_MEASURES.iter().map(|one| one.title));
    let columns = std::iter::once(Column::text("Features")).chain(names.map(Column::number)).collect();
    Table {
        name: "health".into(),
        caption: "Effective rank (centred), RankMe and participation ratio: how many directions carry the features. \
                  Alignment: mean squared distance of two views of an image (small is good); C: correlation of their features, 1 on \
                  the diagonal and 0 off it at best; log|C_Z|, log|C_Z given X|: spread of all views, and of the views of one \
                  image; uniformity: how evenly images \
                  spread over the sphere (more negative is better). TwoNN and k-NN dimension (Levina and Bickel, averaged \
                  as MacKay and Ghahramani): intrinsic dimension. The last column is near 0 after a collapse, near 1 for \
                  features spread evenly."
            .into(),
        columns: with_runs(columns, &rows),
        rows,
    }
}
