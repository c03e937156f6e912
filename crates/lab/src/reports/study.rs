//! The report of a study: encoders, amounts of labels and seeds side by side.

use std::collections::BTreeSet;

use twinlens_data::{LabelAmount, Split};
use twinlens_eval::metrics::{Formula, MEASURES, measured};
use twinlens_eval::statistics::Bootstrap;
use twinlens_eval::{Measure, Predictions, Repeated, SplitPredictions, gain};
use twinlens_report::{
    Bar, Block, Cell, Column, Comparison, Fact, Gap, Group, Hue, Page, Picture, Plate, Section, Table,
    TableRow, comparison, lines,
};

use super::classes::{matrix, matrix_in_words};
use super::published::Published;
use super::results::most_frequent;
use super::{Extras, FrontEnd, Report, file_name_of, overview, to_repeat};
use crate::jobs::JobError;
use crate::study::{ExistingStudy, Point, hue_of_condition, in_names, label_curves};
use crate::{BUNDLED, LabError, Verdict};

const RESULTS: &str = "In per cent; choices were made on val, so test is what counts. Seeds decide labels, head, order and views. \
                       The interval in brackets holds 95 % of the means over seeds when the test images are drawn again (bootstrap).";
const GAINS: &str = "Difference of the test accuracies in points, the mean over seeds, with the interval that holds 95 % of the \
                     differences when the test images are drawn again, the same ones for both (paired bootstrap). An interval \
                     clear of 0 says that other images of this kind would hardly turn the order round; it does not say what \
                     other seeds would do: that is the ± above.";

/// A point with its verdicts.
type Judged = (Point, Vec<Verdict<Predictions>>);

/// The page of a finished study.
pub(super) fn report(found: &ExistingStudy, front_end: &dyn FrontEnd) -> Result<Report, LabError> {
    let mut extras = Extras::default();
    for (point, _) in &found.points {
        let of = |warning: &String| format!("With {} of the labels: {warning}", point.amount);
        point.warnings.iter().map(of).for_each(|warning| extras.warn(warning));
    }
    let settings =
        toml::to_string(&found.plan).map_err(|error| JobError::Unwritable { reason: error.to_string() })?;
    let sections = vec![
        about(found, &mut extras),
        results(found, &mut extras)?,
        gains(found)?,
        classes(found, &mut extras)?,
        to_repeat(commands(found, front_end)),
        overview::settings(&settings, &overview::usual_of_study()?),
        found.environment().map_or_else(Section::default, |environment| overview::environment(&environment)),
    ];
    let encoder = found.plan.settings.encoder.name();
    let what = if found.plan.sweep_blocks { "block by block" } else { "with few labels" };
    let title = format!("{encoder} {what} on {}", data_of(found));
    Ok(Report { page: Page { title, sections, ..Page::default() }, plots: extras.plots })
}

fn data_of(found: &ExistingStudy) -> String {
    match found.plan.settings.data.as_str() {
        BUNDLED => "the bundled images".to_owned(),
        data => file_name_of(data),
    }
}

fn about(found: &ExistingStudy, extras: &mut Extras) -> Section {
    let settings = &found.plan.settings;
    let listed = |items: Vec<String>| items.join(", ");
    let size = format!("{0} x {0} pixels", settings.size.known().unwrap_or_default());
    let mut facts = vec![
        overview::start(settings),
        Fact::new("Encoder", format!("{}, {size}", overview::encoder_in_words(&settings.encoder))),
        overview::stages(settings),
        Fact::new("Compared", listed(conditions(found).iter().map(ToString::to_string).collect())),
        Fact::new("Labels", listed(found.plan.amounts.iter().map(ToString::to_string).collect())),
        Fact::new("Seeds", listed(found.plan.seeds.iter().map(ToString::to_string).collect())),
        Fact::new("Data", &settings.data),
    ];
    if let Some((_, verdicts)) = found.points.first()
        && let Some(verdict) = verdicts.first()
    {
        let images =
            verdict.outcome.splits.iter().map(|split| format!("{} {}", split.scores.samples, split.split));
        facts.push(Fact::new("Images judged", images.collect::<Vec<_>>().join(", ")));
        facts.push(Fact::new("Classes", verdict.outcome.classes.join(", ")));
    }
    let mut blocks = vec![Block::Facts(facts)];
    blocks.extend(extras.warnings.drain(..).map(Block::Warning));
    Section::new("", blocks)
}

/// The names of what is compared, in their order.
fn conditions(found: &ExistingStudy) -> Vec<&str> {
    let mut seen = BTreeSet::new();
    found.points.iter().map(|(point, _)| point.name.as_str()).filter(|name| seen.insert(*name)).collect()
}

/// The colour of a condition.
fn hue(found: &ExistingStudy, name: &str) -> Hue {
    hue_of_condition(name, conditions(found).iter().position(|one| *one == name).unwrap_or(0))
}

/// What a condition came to with an amount of labels.
fn at<'a>(found: &'a ExistingStudy, name: &str, amount: LabelAmount) -> Option<&'a Judged> {
    found.points.iter().find(|(point, _)| point.name == name && point.amount == amount)
}

fn results(found: &ExistingStudy, extras: &mut Extras) -> Result<Section, LabError> {
    let published = Published::of_study(found);
    let picture = picture(found)?;
    extras.plot(found.plan.name(), &picture);
    let plate = Plate::new(
        "Accuracy on the test images",
        "Everything but the start is the same for all that are trained: labels, epochs, batches and views.",
        "The test accuracy of each encoder by amount of labels; the numbers are in the table below.",
        picture,
    );
    let mut blocks = vec![Block::Plates(vec![plate]), Block::Table(numbers(found, &published))];
    blocks.extend(published.note().map(Block::Note));
    Ok(Section::new("Results", blocks))
}

/// Curves, or bars where there is one amount of labels.
fn picture(found: &ExistingStudy) -> Result<Picture, LabError> {
    let majority =
        found.points.iter().find_map(|(_, verdicts)| most_frequent(verdicts.first()?.outcome.split("test")?));
    if found.plan.amounts.len() > 1 {
        let points: Vec<Point> = found.points.iter().map(|(point, _)| point.clone()).collect();
        let [svg, _] = lines(&label_curves(&points, &data_of(found), majority))?;
        return Ok(svg);
    }
    let bar = |(point, _): &Judged| {
        let accuracy = point.split(Split::Test.name())?.get("accuracy")?;
        Some(Bar {
            name: point.name.clone(),
            hue: hue(found, &point.name),
            values: accuracy.values.iter().copied().flatten().collect(),
            interval: accuracy.interval,
        })
    };
    let amount = found.plan.amounts.first().map(|amount| format!("{amount} of the labels"));
    let drawn = Comparison {
        measure: "Accuracy on the test images".to_owned(),
        groups: vec![Group {
            name: amount.unwrap_or_default(),
            bars: found.points.iter().filter_map(bar).collect(),
        }],
        reference: majority.map(|share| (share, "always the most frequent class".to_owned())),
    };
    Ok(comparison(&drawn)?)
}

/// A row for every condition and amount of labels.
fn numbers(found: &ExistingStudy, published: &Published) -> Table {
    let printed =
        |verdicts: &[Verdict<Predictions>]| verdicts.first().and_then(|verdict| published.value_of(verdict));
    let with_published = found.points.iter().any(|(_, verdicts)| printed(verdicts).is_some());
    let first = conditions(found).first().map(ToString::to_string);
    let verdicts = found.points.iter().flat_map(|(_, verdicts)| verdicts);
    let measures = measured(verdicts.flat_map(|verdict| &verdict.outcome.splits).map(|split| &split.scores));
    let row = |(point, verdicts): &Judged| {
        let mut cells = vec![
            Cell::Text(point.name.clone()),
            Cell::Text(point.amount.to_string()),
            Cell::Count(point.training_labels as u64),
        ];
        let values = |of: Option<&Repeated>| -> Vec<f64> {
            of.into_iter().flat_map(|of| of.values.iter().copied().flatten()).collect()
        };
        let of = |split: Split, measure: &Measure<Formula>| point.split(split.name())?.get(measure.id);
        cells.push(Cell::Share(values(of(Split::Val, &MEASURES[0]))));
        for measure in &measures {
            let test = of(Split::Test, measure);
            cells.push(Cell::Estimate(values(test), test.and_then(|test| test.interval)));
        }
        if with_published {
            cells.push(Cell::Share(printed(verdicts).into_iter().collect()));
        }
        TableRow { ours: first.as_deref() == Some(&point.name), hue: Some(hue(found, &point.name)), cells }
    };
    let mut columns = vec![Column::text("Encoder"), Column::text("Share"), Column::number("labels")];
    columns.push(Column::number(format!("val {}", MEASURES[0].title)));
    for measure in &measures {
        columns.push(Column::number(format!("test {}", measure.title)));
    }
    if with_published {
        columns.push(Column::number("published"));
    }
    Table {
        name: found.plan.name().to_owned(),
        caption: RESULTS.to_owned(),
        columns,
        rows: found.points.iter().map(row).collect(),
    }
}

/// How far the encoder stands above each rival; of blocks, how far each stands above training everything.
fn gains(found: &ExistingStudy) -> Result<Section, LabError> {
    let names = conditions(found);
    let pairs: Vec<(&str, &str)> = match (&names[..], found.plan.sweep_blocks) {
        ([blocks @ .., all], true) => blocks.iter().map(|block| (*block, *all)).collect(),
        ([own, rivals @ ..], false) => rivals.iter().map(|rival| (*own, *rival)).collect(),
        ([], _) => Vec::new(),
    };
    if pairs.is_empty() {
        return Ok(Section::default());
    }
    let mut rows = Vec::new();
    for &amount in &found.plan.amounts {
        let mut cells = vec![Cell::Text(amount.to_string())];
        for (ours, theirs) in &pairs {
            let side = |name: &str| {
                at(found, name, amount)
                    .map(|(_, verdicts)| verdicts.iter().map(|one| &one.outcome).collect::<Vec<_>>())
            };
            let difference = match (side(ours), side(theirs)) {
                (Some(ours), Some(theirs)) => gain(&ours, &theirs, Split::Test.name(), Bootstrap::default())?,
                _ => None,
            };
            cells.push(Cell::Gap(difference.map(|of| Gap { value: of.value, low: of.low, high: of.high })));
        }
        rows.push(TableRow::new(cells));
    }
    let mut columns = vec![Column::text("Share")];
    columns.extend(pairs.iter().map(|(ours, theirs)| Column::number(format!("{ours} above {theirs}"))));
    let table = Table { name: "gains".into(), caption: GAINS.into(), columns, rows };
    Ok(Section::new("How much is gained", vec![Block::Table(table)]))
}

/// Recall of every class and confusion matrices, with the fewest and with the most labels.
fn classes(found: &ExistingStudy, extras: &mut Extras) -> Result<Section, LabError> {
    let amounts = &found.plan.amounts;
    let ends: Vec<LabelAmount> = match &amounts[..] {
        [first, .., last] => vec![*first, *last],
        few => few.to_vec(),
    };
    let mut blocks = Vec::new();
    for amount in ends {
        blocks.push(Block::Heading(format!("With {amount} of the labels")));
        blocks.push(Block::Table(recalls(found, amount)));
        let mut plates = Vec::new();
        for (point, verdicts) in found.points.iter().filter(|(point, _)| point.amount == amount) {
            let Some(verdict) = verdicts.first() else { continue };
            if let Some(test) = verdict.outcome.split(Split::Test.name()) {
                plates.push(confusion(point, verdict, test, verdicts.len(), extras)?);
            }
        }
        blocks.push(Block::Plates(plates));
    }
    Ok(Section::new("Class by class", blocks))
}

fn recalls(found: &ExistingStudy, amount: LabelAmount) -> Table {
    let names = conditions(found);
    let judged: Vec<Option<&Judged>> = names.iter().map(|name| at(found, name, amount)).collect();
    let first = judged.iter().flatten().find_map(|(_, verdicts)| verdicts.first());
    let recall = |judged: &Option<&Judged>, class: usize| {
        let verdicts = judged.iter().flat_map(|(_, verdicts)| verdicts);
        let of = |verdict: &Verdict<Predictions>| {
            verdict.outcome.split(Split::Test.name())?.scores.per_class.get(class)?.recall
        };
        Cell::Share(verdicts.filter_map(of).collect())
    };
    let row = |(class, name): (usize, &String)| {
        let recalls = judged.iter().map(|judged| recall(judged, class));
        TableRow::new(std::iter::once(Cell::Text(name.clone())).chain(recalls).collect())
    };
    let mut columns = vec![Column::text("Class")];
    columns.extend(names.iter().map(|name| Column::number(*name)));
    Table {
        name: format!("recall-{}", in_names(amount)),
        caption: "Share of the test images of each class that were predicted right, in per cent.".into(),
        columns,
        rows: first
            .map_or_else(Vec::new, |verdict| verdict.outcome.classes.iter().enumerate().map(row).collect()),
    }
}

fn confusion(
    point: &Point,
    verdict: &Verdict<Predictions>,
    test: &SplitPredictions,
    seeds: usize,
    extras: &mut Extras,
) -> Result<Plate, LabError> {
    let picture = matrix(verdict, test)?;
    let (name, amount) = (&point.name, point.amount);
    extras.plot(&format!("confusion-{name}-{}", in_names(amount)), &picture);
    let seeds = if seeds > 1 { format!(" The first of {seeds} seeds.") } else { String::new() };
    Ok(Plate::new(
        format!("{name}, {amount} of the labels"),
        format!("{} test images; rows are true classes, in per cent of the row.{seeds}", test.scores.samples),
        matrix_in_words(verdict, test),
        picture,
    ))
}

fn commands(found: &ExistingStudy, front_end: &dyn FrontEnd) -> Vec<String> {
    let report = front_end.report(&[&found.path]);
    [found.command.clone(), report].into_iter().filter(|command| !command.is_empty()).collect()
}
