//! What holds for every picture and page: well-formed, self-contained, safe from hostile names, repeatable.
#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests may stop the test too")]

use quick_xml::events::{BytesStart, Event};
use serde_json::{Map as Row, Value, json};
use twinlens_report::{
    Atlas, AtlasInput, Axis, Bar, Block, Cell, Colouring, Column, Comparison, Confusion, CurveOptions,
    DotPanel, Dots, Fact, Frame, Gap, Group, Heatmap, Hue, Line, LinePoint, Lines, Map, Page, Picture, Plate,
    ReportError, RgbImage, RunLog, Section, Spectrum, Spot, Sprite, Table, TableRow, Values, comparison,
    confusion_matrix, contact_sheet, dots, heatmap, lines, map, maps, page_html, spectrum, training_curves,
    training_panels,
};

const HOSTILE: &str = "<script>alert('1')</script> & \"quoted\" \u{0} \u{1b} ]]> --> 漢字 ü";

/// Parses `text` as XML to its end and returns all its texts and attribute values, unescaped.
fn parse(text: &str) -> Vec<String> {
    let mut reader = quick_xml::Reader::from_str(text);
    let (mut depth, mut found, mut run) = (0_i64, Vec::new(), String::new());
    loop {
        let event = reader.read_event().unwrap_or_else(|e| panic!("at {}: {e}", reader.buffer_position()));
        match &event {
            Event::Text(part) => run.push_str(&part.decode().unwrap()),
            Event::GeneralRef(part) => {
                let entity = format!("&{};", part.decode().unwrap());
                run.push_str(&quick_xml::escape::unescape(&entity).unwrap());
            }
            _ => found.push(std::mem::take(&mut run)),
        }
        match event {
            Event::Start(tag) => {
                depth += 1;
                attributes(&tag, &mut found);
            }
            Event::Empty(tag) => attributes(&tag, &mut found),
            Event::End(_) => depth -= 1,
            Event::Eof => break,
            _ => {}
        }
    }
    assert_eq!(depth, 0, "an element is not closed");
    assert!(!text.contains(|c: char| c.is_control() && !matches!(c, '\n' | '\t')), "a control character");
    found
}

fn attributes(tag: &BytesStart, found: &mut Vec<String>) {
    for attribute in tag.attributes() {
        found.push(attribute.unwrap().unescape_value().unwrap().into_owned());
    }
}

fn svg(picture: &Picture) -> &str {
    assert_eq!(picture.extension(), "svg");
    std::str::from_utf8(picture.bytes()).unwrap()
}

fn row(value: &Value) -> Row<String, Value> {
    value.as_object().unwrap().clone()
}

/// A log with gaps, values that are not numbers, keys of no panel and some that come late.
fn log(steps: u64) -> Vec<Row<String, Value>> {
    let loss = |step: u64| if step % 7 == 3 { Value::Null } else { json!(1e3 / step as f64) };
    let mut rows: Vec<Row<String, Value>> = (1..=steps)
        .map(|step| row(&json!({"step": step, "loss": loss(step), "loss.<b>part</b>": 2.0, "other": "text"})))
        .collect();
    rows.push(row(
        &json!({"step": steps, "knn_accuracy": 0.5, "embedding_std": 1e308, "learning_rate": "?"}),
    ));
    rows.push(row(&json!({"step": steps, "embedding_std": 0.01})));
    rows
}

/// One run with these rows, with a name that only several need.
fn alone(rows: &[Row<String, Value>]) -> [RunLog<'_>; 1] {
    [RunLog { name: HOSTILE.into(), rows }]
}

fn options() -> CurveOptions {
    CurveOptions { embedding_width: Some(128), chance: Some(0.125) }
}

fn confusion(classes: usize) -> Confusion {
    let counts = (0..classes).map(|i| (0..classes).map(|j| (i * j % 7) as u64).collect()).collect();
    Confusion { counts, classes: (0..classes).map(|i| format!("{HOSTILE} {i}")).collect() }
}

fn points(count: usize) -> Map {
    Map {
        title: HOSTILE.into(),
        points: (0..count).map(|i| [(i % 37) as f32, (i * i % 101) as f32]).collect(),
        labels: (0..count).map(|i| (i % 5 != 4).then_some(i % 3)).collect(),
        classes: vec![HOSTILE.into(), "b".into(), "c".into()],
    }
}

fn bars() -> Comparison {
    let bar = |values: &[f64]| Bar {
        name: HOSTILE.into(),
        hue: Hue::GREY,
        values: values.to_vec(),
        interval: Some([0.3, f64::INFINITY]).filter(|_| values.len() == 3).or(Some([-1.0, 0.6])),
    };
    let bars = vec![bar(&[]), bar(&[0.5]), bar(&[0.4, 0.6, f64::NAN]), bar(&[f64::INFINITY]), bar(&[7.0])];
    Comparison {
        measure: HOSTILE.into(),
        groups: vec![Group { name: HOSTILE.into(), bars }],
        reference: Some((0.9, HOSTILE.into())),
    }
}

fn hostile_lines(axis: Axis, values: Values) -> Lines {
    let point = |at: f64, values: &[f64], interval| LinePoint { at, values: values.to_vec(), interval };
    let points = vec![
        point(1.0, &[0.9, 0.92], Some([0.88, 0.94])),
        point(0.01, &[0.4, f64::NAN], Some([0.3, f64::INFINITY])),
        point(0.1, &[], None),
        point(f64::NAN, &[0.5], None),
        point(-1.0, &[0.5], None),
        point(0.5, &[7.0], Some([-3.0, 9.0])),
    ];
    let alone = vec![point(0.05, &[0.2], Some([0.1, 0.3]))];
    let line = |points| Line { name: HOSTILE.into(), hue: Hue::number(3), points };
    Lines {
        measure: HOSTILE.into(),
        values,
        axis,
        lines: vec![line(points), line(alone), line(vec![])],
        reference: Some((0.2, HOSTILE.into())),
        note: HOSTILE.into(),
    }
}

fn hostile_matrix(values: Values) -> Heatmap {
    let cells =
        vec![vec![Some(0.5), None, Some(f64::NAN)], vec![Some(-1e300), Some(0.25), Some(f64::INFINITY)]];
    let names = |count: usize| (HOSTILE.to_owned(), vec![HOSTILE.to_owned(); count]);
    Heatmap {
        measure: HOSTILE.into(),
        values,
        rows: names(2),
        columns: names(3),
        cells,
        note: HOSTILE.into(),
    }
}

fn measures() -> Dots {
    let values = |scale: f64| vec![Some([0.5 * scale, 0.1]), None, Some([f64::NAN, 0.1]), Some([scale, 7.0])];
    let panel = |bounds: [f64; 2]| DotPanel {
        name: HOSTILE.into(),
        bounds,
        reference: 0.0,
        values: vec![values(1.0), values(0.3)],
    };
    Dots {
        title: HOSTILE.into(),
        rows: vec![HOSTILE.into(); 4],
        series: vec![HOSTILE.into(), "b".into()],
        panels: vec![panel([0.0, 1.0]), panel([0.0, f64::INFINITY])],
        note: HOSTILE.into(),
    }
}

fn sheet() -> RgbImage {
    let image = RgbImage::from_fn(7, 5, |x, y| image::Rgb([x as u8 * 30, y as u8 * 40, 90]));
    contact_sheet(&[vec![image.clone(), image]], &[HOSTILE.into(), "view".into()], 48).unwrap()
}

fn atlas() -> Atlas {
    let frame = |name: &str| Frame {
        name: name.into(),
        points: points(50).points,
        neighbours: (0..50).map(|at| vec![(at + 1) % 50, (at + 7) % 50]).collect(),
    };
    let colouring =
        Colouring { name: HOSTILE.into(), categories: points(50).classes, values: points(50).labels };
    Atlas::new(AtlasInput {
        title: HOSTILE.into(),
        caption: HOSTILE.into(),
        alt: HOSTILE.into(),
        noun: HOSTILE.into(),
        images: (0..50).collect(),
        names: vec![HOSTILE.into(); 50],
        frames: vec![frame(HOSTILE), frame("second")],
        colourings: vec![colouring],
        sprite: Sprite::of(&vec![RgbImage::new(28, 28); 50]).unwrap(),
    })
    .unwrap()
}

fn table() -> Table {
    let cells = vec![
        Cell::Text(HOSTILE.into()),
        Cell::Share(vec![0.5, 0.7]),
        Cell::Share(vec![f64::NAN]),
        Cell::Estimate(vec![0.731], Some([0.69, 0.77])),
        Cell::Gap(Some(Gap { value: 0.05, low: 0.01, high: 0.09 })),
        Cell::Count(7),
    ];
    Table {
        name: "a".into(),
        caption: HOSTILE.into(),
        columns: [HOSTILE, "b", "c", "d", "e", "f"].map(Column::number).into(),
        rows: vec![TableRow { ours: true, hue: Some(Hue::BROWN), cells }],
    }
}

/// A page with a block of every kind.
fn page() -> Page {
    let plate = |picture: &Picture| Plate::new(HOSTILE, HOSTILE, HOSTILE, picture.clone());
    let spot = Spot { left: 0.1, top: 0.1, width: 0.2, height: 0.2, title: HOSTILE.into() };
    let facts = vec![Fact::new(HOSTILE, HOSTILE)];
    let text = || HOSTILE.to_owned();
    let blocks = vec![
        Block::Verdict(vec![text()]),
        Block::Heading(text()),
        Block::Text(text()),
        Block::Note(text()),
        Block::Warning(text()),
        Block::List(vec![text()]),
        Block::Facts(facts.clone()),
        Block::Settings(facts),
        Block::Commands(vec![text()]),
        Block::Table(table()),
        Block::Folded(text(), Table { name: "b".into(), ..table() }),
        Block::Plates(vec![
            plate(&Picture::png(&sheet()).unwrap()).wide(vec![spot]),
            plate(&comparison(&bars()).unwrap()),
            plate(&Picture::png(&sheet()).unwrap()),
            plate(&map(&points(200)).unwrap()),
            plate(&confusion_matrix(&confusion(3)).unwrap()),
        ]),
        Block::Panels(training_panels(&alone(&log(300)), &options()).unwrap().panels),
        Block::Atlas(Box::new(atlas())),
    ];
    let sections = vec![Section::new(HOSTILE, blocks), Section::new("Left out", vec![])];
    Page { title: text(), state: text(), message: text(), sections }
}

#[test]
fn every_svg_is_well_formed_and_names_are_only_text() {
    let pictures = [
        training_curves(&alone(&log(12)), &options()).unwrap(),
        training_curves(&alone(&log(2000)), &options()).unwrap(),
        training_curves(&[&log(12), &log(2000)].map(|rows| alone(rows)).concat(), &options()).unwrap(),
        confusion_matrix(&confusion(1)).unwrap(),
        confusion_matrix(&confusion(9)).unwrap(),
        confusion_matrix(&confusion(20)).unwrap(),
        confusion_matrix(&confusion(40)).unwrap(),
        map(&points(300)).unwrap(),
        maps(&[points(300), points(300), points(20), points(1)]).unwrap(),
        spectrum(&[Spectrum {
            name: HOSTILE.into(),
            variances: vec![3.0, 1.0, 1e-30, 0.0],
            ..Spectrum::default()
        }])
        .unwrap(),
        comparison(&bars()).unwrap(),
        lines(&hostile_lines(Axis::Ratios(HOSTILE.into()), Values::Shares)).unwrap()[0].clone(),
        lines(&hostile_lines(Axis::Numbers(HOSTILE.into()), Values::Numbers)).unwrap()[0].clone(),
        lines(&hostile_lines(Axis::Names(HOSTILE.into(), vec![HOSTILE.into()]), Values::Shares)).unwrap()[0]
            .clone(),
        lines(&Lines::default()).unwrap()[0].clone(),
        heatmap(&hostile_matrix(Values::Shares)).unwrap()[0].clone(),
        heatmap(&hostile_matrix(Values::Numbers)).unwrap()[0].clone(),
        heatmap(&Heatmap::default()).unwrap()[0].clone(),
        dots(&measures()).unwrap()[0].clone(),
        dots(&Dots::default()).unwrap()[0].clone(),
    ];
    for picture in &pictures {
        let text = svg(picture);
        parse(text);
        assert!(text.starts_with("<svg "), "{text:.60}");
        assert!(!text.contains("<script") && !text.contains("<b>"), "markup from a name");
        assert!(!text.contains("NaN") && !text.contains("inf"), "a value that is not finite was drawn");
        // The only address is the name space.
        assert_eq!(text.matches("http").count(), text.matches("http://www.w3.org/2000/svg").count());
    }
}

#[test]
fn amounts_are_named_and_every_seed_has_its_dot() {
    let point = |at, values: &[f64]| LinePoint { at, values: values.to_vec(), interval: None };
    let drawn = |axis: Axis, values: &[f64]| {
        let points = vec![point(1.0, values), point(0.07, values)];
        let of_us = vec![Line { name: "ours".into(), hue: Hue::default(), points }];
        let drawn = Lines { axis, lines: of_us, ..Lines::default() };
        lines(&drawn).unwrap()
    };
    let [svg_file, png_file] = drawn(Axis::LabelShares, &[0.5, 0.6, 0.7]);
    let texts = parse(svg(&svg_file));
    for expected in ["7 %", "100 %", "ours"] {
        assert!(texts.iter().any(|text| text.trim() == expected), "{expected}: {texts:?}");
    }
    assert!(png_file.bytes().starts_with(b"\x89PNG"));
    let dots = |pictures: &[Picture]| svg(&pictures[0]).matches("<circle").count();
    // Two points, each with a dot for every seed; one more mark is in the legend.
    assert_eq!(dots(&[svg_file]), 1 + 2 + 6);
    assert_eq!(dots(&drawn(Axis::LabelShares, &[0.5])), 1 + 2);
    let texts = parse(svg(&drawn(Axis::Ratios("labels of each class".into()), &[0.5])[0]));
    assert!(texts.iter().any(|text| text.contains("labels of each class")), "{texts:?}");
}

#[test]
fn every_measured_value_has_a_dot_within_its_panel() {
    let [svg_file, png_file] = dots(&measures()).unwrap();
    let text = svg(&svg_file);
    parse(text);
    // Two series: circles for the one, squares (polygons) for the other; two values in each of two panels, and the legend.
    assert_eq!(text.matches("<circle").count(), 1 + 2 * 2);
    assert_eq!(text.matches("<polygon").count(), 1 + 2 * 2);
    assert!(png_file.bytes().starts_with(b"\x89PNG"));
    let mut ragged = measures();
    ragged.panels[1].values.pop();
    let error = dots(&ragged).unwrap_err();
    assert!(error.to_string().contains("2 series of 4 values") && !error.hint().is_empty(), "{error}");
}

#[test]
fn names_are_shown_as_they_are() {
    let named = Confusion { counts: vec![vec![1]], classes: vec!["<T> & B".into()] };
    let texts = parse(svg(&confusion_matrix(&named).unwrap()));
    assert_eq!(texts.iter().filter(|text| text.trim() == "<T> & B").count(), 2, "{texts:?}");
}

#[test]
fn the_page_is_well_formed_self_contained_and_safe() {
    let html = page_html(&page()).unwrap();
    let texts = parse(&html);
    // The data of the map and the script of maps, none from a name.
    assert_eq!(html.matches("<script").count(), 2);
    assert_eq!(html.matches("</script").count(), 2);
    // Nothing is fetched: no address but the name space of SVG, and every source is inside.
    assert_eq!(html.matches("http").count(), html.matches("http://www.w3.org/2000/svg").count());
    let inside = ["png", "jpeg"].map(|kind| format!(" src=\"data:image/{kind};base64,"));
    let inside: usize = inside.iter().map(|inside| html.matches(inside).count()).sum();
    assert_eq!(html.matches(" src=\"").count(), inside);
    assert_eq!(html.matches(" href=\"").count(), html.matches(" href=\"#part-").count());
    for way_out in ["url(", "@import", "fetch(", "XMLHttpRequest", "WebSocket", "import("] {
        assert!(!html.contains(way_out), "{way_out}");
    }
    // Each text given is on the page, as text.
    let harmless = HOSTILE.replace(|c: char| c.is_control(), "\u{fffd}");
    let shown = texts.iter().filter(|text| text.contains(&harmless)).count();
    assert!(shown >= 30, "{shown}");
    for expected in ["60.0 ± 14.1", "5.0", "(1.0 to 9.0)", "73.1", "(69.0 to 77.0)"] {
        assert!(texts.iter().any(|text| text.contains(expected)), "{expected}");
    }
}

#[test]
fn what_is_empty_is_left_out() {
    let html = page_html(&page()).unwrap();
    assert!(!html.contains("Left out"));
    assert!(!html.contains("<nav"), "one heading needs no contents");
    let plain = page_html(&Page { title: "Empty".into(), ..Page::default() }).unwrap();
    parse(&plain);
    assert!(!plain.contains("<script") && !plain.contains("<h2"), "no map, no script");
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    assert_eq!(page_html(&page()).unwrap(), page_html(&page()).unwrap());
    let large = points(6000);
    assert_eq!(map(&large).unwrap(), map(&large).unwrap());
}

#[test]
fn curves_have_a_panel_per_quantity_and_none_without_values() {
    let titles = |rows: &[Row<String, Value>]| -> Vec<String> {
        let curves = training_panels(&alone(rows), &options()).unwrap();
        curves.panels.into_iter().map(|panel| panel.title).collect()
    };
    assert_eq!(titles(&log(5)), ["Loss", "Parts of the loss"]);
    assert!(titles(&[]).is_empty());
    assert!(titles(&[row(&json!({"loss": null})), row(&json!({"loss": "nan"}))]).is_empty());
    parse(svg(&training_curves(&[], &options()).unwrap()));
    // A gap breaks the line.
    let drawn = |losses: &[Value], element: &str| {
        let rows: Vec<_> = losses.iter().map(|loss| row(&json!({"loss": loss}))).collect();
        svg(&training_curves(&alone(&rows), &CurveOptions::default()).unwrap()).matches(element).count()
    };
    assert_eq!(drawn(&[json!(1), Value::Null, json!(2)], "<circle"), 2);
    let broken = drawn(&[json!(1), json!(2), Value::Null, json!(1), json!(2)], "<polyline");
    assert_eq!(broken, 1 + drawn(&[json!(1), json!(2), json!(2), json!(1), json!(2)], "<polyline"));
}

#[test]
fn what_was_measured_once_is_told_and_not_drawn() {
    let rows = [row(&json!({"step": 7, "loss": 4.05, "knn_accuracy": 0.594})), row(&json!({"step": 9}))];
    let curves = training_panels(&alone(&rows), &options()).unwrap();
    assert!(curves.panels.is_empty());
    let told = [
        Fact::new("kNN accuracy on held-out labels", "59.4 % at step 7"),
        Fact::new("Loss", "4.05 at step 7"),
    ];
    assert_eq!(curves.single, told);
    let drawn = svg(&training_curves(&alone(&rows), &options()).unwrap()).to_owned();
    assert!(drawn.contains("Nothing to draw") && !drawn.contains("<circle"));
}

#[test]
fn runs_lie_over_each_other_a_colour_a_run() {
    let of = |values: [f64; 2]| -> Vec<Row<String, Value>> {
        let rows = values.iter().enumerate();
        rows.map(|(step, value)| row(&json!({"step": step, "loss_a": value, "knn_accuracy": value})))
            .collect()
    };
    let (first, second) = (of([0.5, 0.6]), of([0.4, 0.7]));
    let logs = [RunLog { name: "one".into(), rows: &first }, RunLog { name: "two".into(), rows: &second }];
    let curves = training_panels(&logs, &options()).unwrap();
    assert_eq!(curves.panels.len(), 2, "one grid for all");
    for panel in &curves.panels {
        let texts = parse(svg(&panel.picture));
        assert!(["one", "two"].iter().all(|name| texts.iter().any(|text| text.trim() == *name)), "{texts:?}");
        let colours = [0, 1].map(|run| match run {
            0 => "#0072B2",
            _ => "#D55E00",
        });
        assert!(colours.iter().all(|colour| svg(&panel.picture).contains(colour)), "{}", panel.title);
    }
}

#[test]
fn an_axis_of_shares_shows_the_change() {
    let ticks = |values: &[f64]| {
        let rows: Vec<_> = values
            .iter()
            .enumerate()
            .map(|(step, value)| row(&json!({"step": step, "knn_accuracy": value})))
            .collect();
        let options = CurveOptions { chance: Some(0.125), ..CurveOptions::default() };
        parse(svg(&training_panels(&alone(&rows), &options).unwrap().panels[0].picture)).join("|")
    };
    let small = ticks(&[0.594, 0.578]);
    assert!(small.contains("58 %") && !small.contains("100 %") && !small.contains("|0 %"), "{small}");
    assert!(small.contains("most frequent class 12.5 %: outside the axis"), "{small}");
    let large = ticks(&[0.1, 0.9]);
    assert!(large.contains("80 %") && large.contains("most frequent class 12.5 %"), "{large}");
    assert!(!large.contains("outside"), "{large}");
    assert!(!ticks(&[0.0, 0.0]).contains('−'), "no share is below 0");
}

#[test]
fn a_page_begins_with_what_to_think_and_leads_to_its_parts() {
    let verdict = Section::verdict(vec!["It learned.".into()], vec!["twinlens predict runs/a new".into()]);
    let part = |title: &str| Section::new(title, vec![Block::Text("words".into())]);
    let page = Page {
        title: "A run".into(),
        sections: vec![verdict, part("Results"), part("Map & more")],
        ..Page::default()
    };
    let html = page_html(&page).unwrap();
    let places = ["<nav", "It learned.", "What to do next", "twinlens predict", "<h2 id=\"part-results\">"];
    let found: Vec<usize> = places.iter().map(|place| html.find(place).unwrap()).collect();
    assert!(found.is_sorted(), "{found:?}");
    assert!(
        html.contains("<a href=\"#part-map---more\">Map &amp; more</a>") || html.contains("#part-map---more")
    );
    assert!(html.contains("id=\"part-map---more\""));
    assert!(Section::verdict(vec![], vec![]).blocks.is_empty());
}

#[test]
fn extreme_values_are_drawn() {
    for values in
        [[0.0, 0.0], [1e-300, 1e300], [-1e308, 1e308], [5.0, 5.0], [1e16, 1e16 + 2.0], [0.0, 1e-310]]
    {
        let rows: Vec<_> =
            values.iter().map(|v| row(&json!({"loss": v, "embedding_std": v, "knn": v}))).collect();
        let picture = training_curves(&alone(&rows), &options()).unwrap();
        parse(svg(&picture));
        assert!(!svg(&picture).contains("not a number"), "{values:?}");
    }
    for points in
        [vec![], vec![[f32::NAN, 0.0]], vec![[1.0, 1.0]; 3], vec![[f32::MAX, 0.0], [f32::MIN, 1e-40]]]
    {
        parse(svg(&map(&Map { points, ..Map::default() }).unwrap()));
    }
    let huge = Confusion { counts: vec![vec![u64::MAX, 1], vec![0, 0]], classes: vec![String::new(); 2] };
    parse(svg(&confusion_matrix(&huge).unwrap()));
    parse(svg(&comparison(&Comparison::default()).unwrap()));
}

#[test]
fn a_large_map_is_a_bitmap() {
    let picture = map(&points(twinlens_report::MAX_SVG_POINTS + 1)).unwrap();
    assert_eq!(picture.extension(), "png");
    let image = image::load_from_memory(picture.bytes()).unwrap().to_rgb8();
    assert_eq!(image.width(), 1120);
    // Blue, the first colour, is there: mixed with white, as points are a little transparent.
    assert!(image.pixels().any(|pixel| pixel.0[2] > 160 && pixel.0[0] < 80));
    assert_eq!(map(&points(twinlens_report::MAX_SVG_POINTS)).unwrap().extension(), "svg");
}

#[test]
fn parts_that_do_not_fit_together_are_named() {
    let refused = |result: Result<Picture, ReportError>, words: &str| {
        let error = result.unwrap_err();
        assert!(error.to_string().contains(words) && !error.hint().is_empty(), "{error}");
    };
    let classes = vec!["a".to_owned(), "b".to_owned()];
    refused(confusion_matrix(&Confusion { counts: vec![], classes: vec![] }), "at least one");
    let ragged = Confusion { counts: vec![vec![1, 2], vec![3]], classes: classes.clone() };
    refused(confusion_matrix(&ragged), "[2, 1]");
    let labels = |labels| {
        let points = vec![[0.0; 2]; 2];
        map(&Map { points, labels, classes: classes.clone(), ..Map::default() })
    };
    refused(labels(vec![Some(1)]), "2 labels");
    refused(labels(vec![Some(0), Some(2)]), "label 2");
    refused(maps(&[]), "at least one");
    let mut short = table();
    short.rows[0].cells.pop();
    let sections = vec![Section::new("a", vec![Block::Table(short)])];
    let message = page_html(&Page { sections, ..Page::default() }).unwrap_err().to_string();
    assert!(message.contains("6 cells"), "{message}");
}
