//! A measure along an axis, a picture a panel.

use std::collections::BTreeMap;

use twinlens_report::{Axis, Block, Hue, Line, LinePoint, Lines, Plate, Values, lines};

use super::{Drawn, PageSpec, table};
use crate::StudyError;
use crate::axes::{AxisSpec, Role};
use crate::table::Summary;

/// The pictures of a page of lines, and their numbers.
pub(super) fn blocks(drawn: &Drawn<'_>, page: &PageSpec) -> Result<Vec<Block>, StudyError> {
    let mut plates = Vec::new();
    for measure in &drawn.measures(page) {
        plates.extend(plates_of(drawn, page, measure)?);
    }
    let mut blocks = if plates.is_empty() { vec![] } else { vec![Block::Plates(plates)] };
    blocks.extend(drawn.measures(page).iter().flat_map(|measure| table::blocks(drawn, page, measure)));
    Ok(blocks)
}

fn plates_of(drawn: &Drawn<'_>, page: &PageSpec, measure: &str) -> Result<Vec<Plate>, StudyError> {
    let summaries = drawn.results.summaries(measure, &drawn.over, &|at| page.at.has(at));
    let panels = drawn.axes(Role::Panel);
    let cells: Vec<&BTreeMap<String, String>> = summaries.iter().map(|(at, _)| at).collect();
    let mut plates = Vec::new();
    for panel in drawn.parts(&cells, &panels) {
        let inside: Vec<&(BTreeMap<String, String>, Summary)> =
            summaries.iter().filter(|(at, _)| Drawn::is_in(at, &panels, &panel)).collect();
        // Along whichever axis for lines the cells of this panel have.
        let along = drawn.axes(Role::X);
        let along = along.iter().find(|axis| inside.iter().any(|(at, _)| at.contains_key(**axis)));
        let Some(along) = along else { continue };
        // Not every cell has all of these axes.
        let named: Vec<&str> = panel.iter().map(String::as_str).filter(|label| !label.is_empty()).collect();
        plates.push(plate(drawn, page, (measure, &named.join(", ")), along, &panels, &inside)?);
    }
    Ok(plates)
}

fn plate(
    drawn: &Drawn<'_>,
    page: &PageSpec,
    (measure, panel): (&str, &str),
    along: &str,
    panels: &[&str],
    inside: &[&(BTreeMap<String, String>, Summary)],
) -> Result<Plate, StudyError> {
    let (title, share) = drawn.results.title(measure);
    let numbers = numbers(drawn, along);
    let mut names: Vec<String> = Vec::new();
    let mut of: Vec<Line> = Vec::new();
    let but: Vec<&str> = panels.iter().copied().chain([along]).collect();
    for (at, summary) in inside {
        // What does not vary along the axis, such as raw pixels, is no point of it.
        let Some(label) = at.get(along) else { continue };
        let place = match numbers.get(label) {
            Some(number) => *number,
            None => {
                let known = names.iter().position(|name| name == label);
                known.unwrap_or_else(|| {
                    names.push(label.clone());
                    names.len() - 1
                }) as f64
            }
        };
        let values = summary.values.iter().map(|(_, value)| *value).collect();
        let interval = summary.interval().filter(|_| share && page.minus_best.is_none());
        let point = LinePoint { at: place, values, interval };
        let name = drawn.name(at, &but);
        match of.iter_mut().find(|line| line.name == name) {
            Some(line) => line.points.push(point),
            None => of.push(Line { name, hue: Hue::number(of.len()), points: vec![point] }),
        }
    }
    if page.minus_best.is_some() {
        of.iter_mut().for_each(relative);
    }
    let relative = if page.minus_best.is_some() { ", less the largest" } else { "" };
    let heading = if panel.is_empty() { title.clone() } else { format!("{title}: {panel}") };
    let picture = Lines {
        measure: format!("{heading}{relative}"),
        values: if share && page.minus_best.is_none() { Values::Shares } else { Values::Numbers },
        axis: axis(drawn, along, &names, &of),
        note: note(&of),
        lines: of,
        reference: None,
    };
    let [svg, _] = lines(&picture)?;
    Ok(Plate::new(heading.clone(), "", format!("{heading} along {along}"), svg))
}

/// Less the largest mean of the line.
fn relative(line: &mut Line) {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
    let best = line.points.iter().map(|point| mean(&point.values)).fold(f64::NEG_INFINITY, f64::max);
    line.points.iter_mut().flat_map(|point| &mut point.values).for_each(|value| *value -= best);
}

fn note(of: &[Line]) -> String {
    let seeds = of.iter().flat_map(|line| &line.points).map(|point| point.values.len()).max().unwrap_or(0);
    let bands = of.iter().flat_map(|line| &line.points).any(|point| point.interval.is_some());
    let bands = if bands { "bands: 95 % interval over the images" } else { "" };
    match (seeds, bands) {
        (0 | 1, bands) => bands.to_owned(),
        (seeds, "") => format!("dots: {seeds} repeats"),
        (seeds, bands) => format!("{bands}; dots: {seeds} repeats"),
    }
}

/// Where the levels of an axis lie, if they are numbers.
fn numbers(drawn: &Drawn<'_>, along: &str) -> BTreeMap<String, f64> {
    let of = drawn
        .plan
        .cells
        .iter()
        .filter_map(|cell| Some((cell.at.get(along)?.clone(), *cell.numbers.get(along)?)));
    of.collect()
}

fn axis(drawn: &Drawn<'_>, along: &str, names: &[String], of: &[Line]) -> Axis {
    if !names.is_empty() {
        return Axis::Names(along.to_owned(), names.to_vec());
    }
    let spec = drawn.recipe.axes.iter().flat_map(AxisSpec::all).find(|axis| axis.name == along);
    let places: Vec<f64> = of.iter().flat_map(|line| &line.points).map(|point| point.at).collect();
    let (low, high) = places.iter().fold((f64::INFINITY, 0.0), |(low, high), at| (at.min(low), at.max(high)));
    match spec {
        Some(AxisSpec { labels: Some(_), .. }) if high <= 1.0 => Axis::LabelShares,
        // Numbers that double or multiply tenfold are read by their ratios.
        _ if low > 0.0 && high / low >= 8.0 => Axis::Ratios(along.to_owned()),
        _ => Axis::Numbers(along.to_owned()),
    }
}
