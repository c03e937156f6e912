//! `views --hardness`: how far the two views of a pair lie apart.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;
use twinlens_lab::hardness::{Hardness, HardnessProtocol, Spread};
use twinlens_nn::lpips::Lpips;
use twinlens_nn::weights::read_weights;
use twinlens_report::{Cell, Column, DotPanel, Dots, Picture, Table, TableRow, dots};
use twinlens_run::write_atomically;
use twinlens_ssl::Settings;
use twinlens_views::presets;

use super::training::{fitted, open_data};
use super::views::{ViewsArgs, prepared};
use crate::exit::{Exit, Failure, Outcome};
use crate::terminal::Terminal;

/// What `views --hardness` tells.
#[derive(Debug, Serialize)]
struct Found {
    /// The images that gave a pair each.
    pairs: usize,
    seed: u64,
    /// Pixels of a view.
    size: usize,
    policies: Vec<Measured>,
    /// What was written.
    files: Vec<PathBuf>,
}

/// One policy.
#[derive(Debug, Serialize)]
struct Measured {
    policy: String,
    /// The whole of it, then its operations.
    hardness: Vec<Hardness>,
}

/// Runs `views --hardness` for the settings with each policy.
///
/// # Errors
/// Data, weights or policies that cannot be used, files that cannot be written.
pub fn run(args: &ViewsArgs, policies: &[Settings], terminal: &Terminal) -> Outcome {
    let kind = args.out.as_deref().map(Kind::of).transpose()?;
    let settings = &policies[0];
    let mut lpips = lpips(args, settings)?;
    let data = open_data(settings, terminal)?;
    let prepared = prepared(settings, &data)?;
    let protocol = HardnessProtocol { images: args.images as usize, seed: settings.seed };
    let mut measured = Vec::new();
    for settings in policies {
        let name = name_of(settings);
        let settings = fitted(settings, &data)?;
        let progress = terminal.progress(&format!("views of {name}"), u64::from(args.images));
        let mut told = |done: usize, total: usize| progress.set_of(done as u64, total as u64, "");
        let source = prepared.train.as_ref();
        let hardness = protocol.run(source, &settings.views, &prepared.context, lpips.as_mut(), &mut told)?;
        measured.push(Measured { policy: name, hardness });
    }
    let pairs = measured[0].hardness[0].pairs;
    let mut found =
        Found { pairs, seed: settings.seed, size: prepared.context.size, policies: measured, files: vec![] };
    if let Some((out, kind)) = args.out.as_deref().zip(kind) {
        found.files = write(out, kind, &found, &data.name)?;
    }
    terminal.result(&found, || describe(&found, terminal))
}

/// LPIPS, if there are weights for it.
fn lpips(args: &ViewsArgs, settings: &Settings) -> Outcome<Option<Lpips>> {
    if args.lpips_weights.is_empty() {
        return Ok(None);
    }
    let mut tensors = BTreeMap::new();
    for file in &args.lpips_weights {
        tensors.extend(read_weights(file)?);
    }
    let lpips = Lpips::new(tensors, &settings.open_device()?).map_err(|error| {
        Failure::from(error).hint(
            "LPIPS takes torchvision's alexnet and the weights of its five layers (lin0.model.1.weight to \
             lin4.model.1.weight, alex.pth in the package lpips); of two files, give --lpips-weights twice",
        )
    })?;
    Ok(Some(lpips))
}

/// The policy's name, and whether its operations are its own.
fn name_of(settings: &Settings) -> String {
    match presets::preset(&settings.policy) {
        Ok(views) if views == settings.views => settings.policy.clone(),
        _ => format!("{} (changed)", settings.policy),
    }
}

/// What a picture is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Svg,
    Png,
}

impl Kind {
    fn of(path: &Path) -> Outcome<Kind> {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("svg") => Ok(Kind::Svg),
            Some("png") => Ok(Kind::Png),
            _ => Err(Failure::message(Exit::Usage, "the picture of --hardness is an .svg or a .png file")
                .at(path.display())
                .hint("the table is written beside it as .csv")),
        }
    }
}

/// Writes the picture, and the table beside it.
fn write(out: &Path, kind: Kind, found: &Found, data: &str) -> Outcome<Vec<PathBuf>> {
    let [svg, png] = picture(found, data)?;
    let picture = if kind == Kind::Svg { svg } else { png };
    let beside = out.with_extension("csv");
    write_atomically(out, picture.bytes())?;
    write_atomically(&beside, table(found).csv().as_bytes())?;
    Ok(vec![out.to_owned(), beside])
}

/// A measure: its name, the least and the greatest value, the value of equal images.
struct Measure {
    name: &'static str,
    bounds: [f64; 2],
    equal: f64,
    of: fn(&Hardness) -> Option<Spread>,
}

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

impl Found {
    /// Each row with its policy.
    fn rows(&self) -> impl Iterator<Item = (&str, &Hardness)> {
        self.policies
            .iter()
            .flat_map(|found| found.hardness.iter().map(move |row| (found.policy.as_str(), row)))
    }

    /// The measures that were taken.
    fn measures(&self) -> Vec<&'static Measure> {
        MEASURES.iter().filter(|measure| self.rows().any(|(_, row)| (measure.of)(row).is_some())).collect()
    }
}

/// The operation, or that it is all of them.
fn part(row: &Hardness) -> &str {
    row.operation.as_deref().unwrap_or("whole policy")
}

/// The table as a file holds it.
fn table(found: &Found) -> Table {
    let columns = found
        .measures()
        .into_iter()
        .flat_map(|measure| [measure.name.to_owned(), format!("{} std", measure.name)].map(Column::number));
    let row = |(policy, row): (&str, &Hardness)| {
        let words = [policy, part(row)].map(|word| Cell::Text(word.to_owned()));
        let numbers = found.measures().into_iter().flat_map(|measure| {
            let spread = (measure.of)(row);
            [spread.map(|spread| spread.mean), spread.map(|spread| spread.std)].map(Cell::Number)
        });
        let pairs = Cell::Count(row.pairs as u64);
        TableRow { ours: false, cells: words.into_iter().chain([pairs]).chain(numbers).collect() }
    };
    Table {
        name: "hardness".to_owned(),
        caption: String::new(),
        columns: [Column::text("policy"), Column::text("operation"), Column::number("pairs")]
            .into_iter()
            .chain(columns)
            .collect(),
        rows: found.rows().map(row).collect(),
    }
}

/// The table as people read it.
fn describe(found: &Found, terminal: &Terminal) -> String {
    let measures = found.measures();
    let headings: Vec<&str> =
        ["policy", "operation"].into_iter().chain(measures.iter().flat_map(|m| [m.name, "std"])).collect();
    let number = |value: f64| format!("{value:.3}");
    let row = |(policy, row): (&str, &Hardness)| {
        let numbers = measures.iter().flat_map(|measure| {
            (measure.of)(row).map_or(["-".to_owned(), "-".to_owned()], |s| [s.mean, s.std].map(number))
        });
        [policy, part(row)].map(str::to_owned).into_iter().chain(numbers).collect::<Vec<String>>()
    };
    let rows: Vec<Vec<String>> = found.rows().map(row).collect();
    let mut text = terminal.table(&headings, &rows);
    let (pairs, size, seed) = (found.pairs, found.size, found.seed);
    text += &format!(
        "\n{pairs} pairs of views of {size} pixels, seed {seed}. Equal views: 0, and SSIM 1. Operations are \
         alone, with the probability that they have.\n"
    );
    for file in &found.files {
        text += &format!("{}\n", file.display());
    }
    text
}

/// A panel a measure, a row an operation, a dot a policy.
fn picture(found: &Found, data: &str) -> Outcome<[Picture; 2]> {
    let mut rows: Vec<&str> = Vec::new();
    for (_, row) in found.rows() {
        if !rows.contains(&part(row)) {
            rows.push(part(row));
        }
    }
    let values = |measure: &Measure, policy: &Measured| {
        let at = |name: &&str| {
            let row = policy.hardness.iter().find(|row| part(row) == *name)?;
            (measure.of)(row).map(|spread| [spread.mean, spread.std])
        };
        rows.iter().map(at).collect()
    };
    let panel = |measure: &&Measure| DotPanel {
        name: measure.name.to_owned(),
        bounds: measure.bounds,
        reference: measure.equal,
        values: found.policies.iter().map(|policy| values(measure, policy)).collect(),
    };
    let drawn = Dots {
        title: format!("How far two views lie apart: {data}"),
        series: found.policies.iter().map(|policy| policy.policy.clone()).collect(),
        panels: found.measures().iter().map(panel).collect(),
        note: format!(
            "Dots: mean of {} pairs; lines: one standard deviation; equal views: dark line",
            found.pairs
        ),
        rows: rows.iter().map(|name| (*name).to_owned()).collect(),
    };
    Ok(dots(&drawn)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::parse;

    fn found() -> Found {
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
            .map(|(policy, hardness)| Measured { policy: policy.to_owned(), hardness });
        Found { pairs: 4, seed: 1, size: 28, policies: policies.into(), files: vec![] }
    }

    #[test]
    fn the_table_has_a_row_for_each_operation_and_columns_for_what_was_measured() {
        let mut found = found();
        let expected = "policy,operation,pairs,absolute difference,absolute difference std,SSIM,SSIM std,LPIPS,LPIPS std\n\
                        a,whole policy,4,0.5,0.5,0.5,0.25,0.75,0.125\n\
                        a,rot90,4,0.25,0.5,0.75,0.25,,\n\
                        b,whole policy,4,0.125,0.5,0.875,0.25,,\n\
                        b,invert,4,0.0625,0.5,0.9375,0.25,,\n";
        assert_eq!(table(&found).csv(), expected);
        found.policies[0].hardness[0].lpips = None;
        assert!(!table(&found).csv().contains("LPIPS"));
    }

    #[test]
    fn the_picture_names_every_operation_once() {
        let [svg, png] = picture(&found(), "cells").unwrap();
        let text = std::str::from_utf8(svg.bytes()).unwrap();
        for name in ["whole policy", "rot90", "invert", "SSIM", "LPIPS", "cells"] {
            assert_eq!(text.matches(name).count(), 1, "{name}");
        }
        assert_eq!(png.extension(), "png");
    }

    #[test]
    fn flags_of_hardness_go_together() {
        let args = parse::<ViewsArgs>("--data b.npz --hardness --policy simclr,byol --images 9").unwrap();
        assert_eq!((args.policy.len(), args.images, args.out), (2, 9, None));
        for bad in ["--lpips-weights a.pth --explain", "--hardness --images 1", "--hardness --explain"] {
            assert!(parse::<ViewsArgs>(&format!("--data b.npz {bad}")).is_err(), "{bad}");
        }
        assert_eq!(Kind::of(Path::new("a.png")).unwrap(), Kind::Png);
        assert!(Kind::of(Path::new("a.csv")).is_err());
    }
}
