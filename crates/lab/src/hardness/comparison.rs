//! Policies side by side: how far their views lie apart, as a table and as a picture.

use std::path::{Path, PathBuf};

use serde::Serialize;
use twinlens_data::DataSet;
use twinlens_eval::EvalError;
use twinlens_nn::lpips::Lpips;
use twinlens_report::{Cell, Column, DotPanel, Dots, Picture, Table, TableRow, dots};
use twinlens_run::write_atomically;
use twinlens_ssl::Settings;
use twinlens_views::presets;

use super::{Hardness, HardnessProtocol, Spread};
use crate::gallery::prepared;
use crate::jobs::fitted;
use crate::{Events, LabError};

/// How far the views of policies lie apart, all on the same images.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// The images that gave a pair each.
    pub pairs: usize,
    /// Seed of the choice of images and of the views.
    pub seed: u64,
    /// Pixels of a side of a view.
    pub size: usize,
    /// The policies, in the order in which they were asked for.
    pub policies: Vec<PolicyHardness>,
    /// What was written.
    pub files: Vec<PathBuf>,
}

/// One policy.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PolicyHardness {
    /// Its name, and whether its operations are its own.
    pub policy: String,
    /// The whole of it, then its operations.
    pub hardness: Vec<Hardness>,
}

/// A measure of how far two views lie apart.
pub struct Measure {
    /// Its name in tables and pictures.
    pub name: &'static str,
    /// The least and the greatest value.
    pub bounds: [f64; 2],
    /// The value of equal images.
    pub equal: f64,
    /// Takes it; `None` where it was not taken.
    pub of: fn(&Hardness) -> Option<Spread>,
}

/// All measures, in the order of tables.
const MEASURES: [Measure; 3] = [
    Measure {
        name: "absolute difference",
        bounds: [0.0, 1.0],
        equal: 0.0,
        of: |row| Some(row.absolute_difference),
    },
    Measure { name: "SSIM", bounds: [-1.0, 1.0], equal: 1.0, of: |row| Some(row.ssim) },
    Measure { name: "LPIPS", bounds: [0.0, f64::INFINITY], equal: 0.0, of: |row| row.lpips },
];

impl Comparison {
    /// Measures the policy of each of these settings on `images` of the training images that the first sees, with its seed;
    /// by LPIPS too, where there are weights.
    ///
    /// # Errors
    /// No policy; settings that do not fit the data; as [`HardnessProtocol::run`].
    pub fn new(
        policies: &[Settings],
        data: &DataSet,
        images: usize,
        mut lpips: Option<&mut Lpips>,
        events: &dyn Events,
    ) -> Result<Comparison, LabError> {
        let none = EvalError::TooFew { what: "policies", expected: 1, got: 0 };
        let first = policies.first().ok_or(none)?;
        let prepared = prepared(first, data, events)?;
        let protocol = HardnessProtocol { images, seed: first.seed };
        let mut measured = Vec::new();
        for settings in policies {
            let policy = name_of(settings);
            let settings = fitted(settings, data, events)?;
            let task = events.begin(&format!("views of {policy}"));
            let mut told = |done: usize, total: usize| task.at(done as u64, total as u64);
            let (source, lpips) = (prepared.train.as_ref(), lpips.as_deref_mut());
            let hardness = protocol.run(source, &settings.views, &prepared.context, lpips, &mut told)?;
            measured.push(PolicyHardness { policy, hardness });
        }
        let (seed, size) = (first.seed, prepared.context.size);
        let pairs = measured.iter().flat_map(|one| &one.hardness).map(|row| row.pairs).next().unwrap_or(0);
        Ok(Comparison { pairs, seed, size, policies: measured, files: Vec::new() })
    }

    /// Each row with its policy.
    pub fn rows(&self) -> impl Iterator<Item = (&str, &Hardness)> {
        self.policies
            .iter()
            .flat_map(|found| found.hardness.iter().map(move |row| (found.policy.as_str(), row)))
    }

    /// The measures that were taken.
    pub fn measures(&self) -> Vec<&'static Measure> {
        MEASURES.iter().filter(|measure| self.rows().any(|(_, row)| (measure.of)(row).is_some())).collect()
    }

    /// Writes the picture, and the table beside it as `.csv`.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write(&mut self, out: &Path, picture: &Picture) -> Result<(), LabError> {
        let beside = out.with_extension("csv");
        write_atomically(out, picture.bytes())?;
        write_atomically(&beside, self.table().csv().as_bytes())?;
        self.files = vec![out.to_owned(), beside];
        Ok(())
    }

    /// One row for each operation of each policy, mean and standard deviation of each measure.
    pub fn table(&self) -> Table {
        let columns = self.measures().into_iter().flat_map(|measure| {
            [measure.name.to_owned(), format!("{} std", measure.name)].map(Column::number)
        });
        let row = |(policy, row): (&str, &Hardness)| {
            let words = [policy, row.part()].map(|word| Cell::Text(word.to_owned()));
            let numbers = self.measures().into_iter().flat_map(|measure| {
                let spread = (measure.of)(row);
                [spread.map(|spread| spread.mean), spread.map(|spread| spread.std)].map(Cell::Number)
            });
            let pairs = Cell::Count(row.pairs as u64);
            TableRow::new(words.into_iter().chain([pairs]).chain(numbers).collect())
        };
        Table {
            name: "hardness".to_owned(),
            caption: String::new(),
            columns: [Column::text("policy"), Column::text("operation"), Column::number("pairs")]
                .into_iter()
                .chain(columns)
                .collect(),
            rows: self.rows().map(row).collect(),
        }
    }

    /// A panel a measure, a row an operation, a dot a policy, of the data set of that name: as SVG and as PNG.
    ///
    /// # Errors
    /// A picture that cannot be drawn.
    pub fn picture(&self, data: &str) -> Result<[Picture; 2], LabError> {
        let rows = self.parts();
        let panel = |measure: &&Measure| DotPanel {
            name: measure.name.to_owned(),
            bounds: measure.bounds,
            reference: measure.equal,
            values: self.policies.iter().map(|policy| policy.values(measure, &rows)).collect(),
        };
        let drawn = Dots {
            title: format!("How far two views lie apart: {data}"),
            series: self.policies.iter().map(|policy| policy.policy.clone()).collect(),
            panels: self.measures().iter().map(panel).collect(),
            note: format!(
                "Dots: mean of {} pairs; lines: one standard deviation; equal views: dark line",
                self.pairs
            ),
            rows: rows.iter().map(|name| (*name).to_owned()).collect(),
        };
        Ok(dots(&drawn)?)
    }

    /// What rows are of, each once.
    fn parts(&self) -> Vec<&str> {
        let mut parts: Vec<&str> = Vec::new();
        for (_, row) in self.rows() {
            if !parts.contains(&row.part()) {
                parts.push(row.part());
            }
        }
        parts
    }
}

impl PolicyHardness {
    /// Mean and standard deviation of a measure for each of these operations; nothing for one that it does not have.
    fn values(&self, measure: &Measure, parts: &[&str]) -> Vec<Option<[f64; 2]>> {
        let at = |part: &&str| {
            let row = self.hardness.iter().find(|row| row.part() == *part)?;
            (measure.of)(row).map(|spread| [spread.mean, spread.std])
        };
        parts.iter().map(at).collect()
    }
}

/// The policy's name, and whether its operations are its own.
fn name_of(settings: &Settings) -> String {
    match presets::preset(&settings.policy) {
        Ok(views) if views == settings.views => settings.policy.clone(),
        _ => format!("{} (changed)", settings.policy),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found() -> Comparison {
        let row = |operation: Option<&str>, mean: f64, lpips| Hardness {
            operation: operation.map(str::to_owned),
            pairs: 4,
            absolute_difference: Spread { mean, std: 0.5 },
            ssim: Spread { mean: 1.0 - mean, std: 0.25 },
            lpips,
        };
        let lpips = Some(Spread { mean: 0.75, std: 0.125 });
        let one = vec![row(None, 0.5, lpips), row(Some("rot90"), 0.25, None)];
        let other = vec![row(None, 0.125, None), row(Some("invert"), 0.0625, None)];
        let policies = [("a", one), ("b", other)]
            .map(|(policy, hardness)| PolicyHardness { policy: policy.to_owned(), hardness });
        Comparison { pairs: 4, seed: 1, size: 28, policies: policies.into(), files: vec![] }
    }

    #[test]
    fn the_table_has_a_row_for_each_operation_and_columns_for_what_was_measured() {
        let mut found = found();
        let expected = "policy,operation,pairs,absolute difference,absolute difference std,SSIM,SSIM std,LPIPS,LPIPS std\n\
                        a,whole policy,4,0.5,0.5,0.5,0.25,0.75,0.125\n\
                        a,rot90,4,0.25,0.5,0.75,0.25,,\n\
                        b,whole policy,4,0.125,0.5,0.875,0.25,,\n\
                        b,invert,4,0.0625,0.5,0.9375,0.25,,\n";
        assert_eq!(found.table().csv(), expected);
        found.policies[0].hardness[0].lpips = None;
        assert!(!found.table().csv().contains("LPIPS"));
    }

    #[test]
    fn the_picture_names_every_operation_once() {
        let [svg, png] = found().picture("cells").unwrap();
        let text = std::str::from_utf8(svg.bytes()).unwrap();
        for name in ["whole policy", "rot90", "invert", "SSIM", "LPIPS", "cells"] {
            assert_eq!(text.matches(name).count(), 1, "{name}");
        }
        assert_eq!(png.extension(), "png");
    }
}
