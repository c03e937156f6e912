use super::*;

const TEXT: &str = r#"
id = "a"
title = "t"
data = { learn = ["bundled"] }
base = {}
axes = [
    { name = "method", values = ["m", "n"] },
    { name = "parameter", role = "panel", one_of = [{ name = "hue", key = "h", values = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5] }] },
    { name = "seed", role = "repeat", key = "seed", values = [0, 1] },
]
protocols = [{ name = "linear", kind = "probe" }, { name = "properties", kind = "class-properties" }]
analyses = [
    { name = "opposed", kind = "opposed_classes", measure = "linear.test.recall", along = "parameter", chance = { permutations = 200 } },
    { name = "behaviour", kind = "behaviour", measure = "linear.test.recall", along = "parameter" },
    { name = "shared", kind = "shared_classes", of = "opposed", across = "method", at_least = [2, 3] },
    { name = "match", kind = "behaviour_match", of = ["opposed", "opposed"] },
    { name = "groups", kind = "group_means", measure = "linear.test.recall", along = "parameter", groups = { odd = ["b", "d"], even = ["a", "c"] } },
    { name = "mean", kind = "mean_over", measure = "linear.test.accuracy", over = "parameter" },
    { name = "gain", kind = "difference", measure = "linear.test.accuracy", a = { method = "m" }, b = { method = "n" } },
    { name = "kinds", kind = "properties_vs_behaviour", measure = "linear.test.recall", along = "parameter", across = "method", properties = "properties" },
]
pages = [{ kind = "table", measure = "shared.test.classes" }, { kind = "analysis", analysis = "opposed" }]
"#;

/// What a class does along the axis: `a` rises where `b` falls, `c` rises and falls, `d` is the same everywhere.
fn recall(class: &str, step: usize, seed: usize, method: &str) -> f64 {
    let wobble = 0.001 * ((step * 7 + seed * 3 + class.len()) % 5) as f64;
    let tilt = if method == "m" { 0.05 } else { 0.04 };
    match class {
        "a" => 0.3 + tilt * step as f64 + wobble,
        "b" => 0.9 - tilt * step as f64 + wobble,
        "c" => 0.5 + 0.1 * [0.0, 1.0, 2.0, 2.0, 1.0, 0.0][step] + wobble,
        _ => 0.7,
    }
}

/// The study's cells and table, as if all had been made.
fn made(recipe: &Recipe) -> (Vec<PlannedCell>, Results) {
    let mut cells = Vec::new();
    let mut results = Results { axes: recipe.axis_names(), ..Results::default() };
    results.classes = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
    let protocol = recipe.protocol("linear");
    for (number, cell) in crate::axes::cells(recipe, protocol, 1000).unwrap().into_iter().enumerate() {
        let step = (cell.numbers["hue"] * 10.0).round() as usize;
        let seed: usize = cell.labels["seed"].parse().unwrap();
        let method = cell.labels["method"].clone();
        let node = format!("{number}");
        let mut push = |measure: String, value: f64| {
            let (at, origin) = (cell.labels.clone(), node.clone());
            let (protocol, split) = ("linear".to_owned(), "test".to_owned());
            results.rows.push(Row {
                protocol,
                at,
                split,
                measure,
                value: Some(value),
                samples: Some(100),
                origin,
            });
        };
        for class in ["a", "b", "c", "d"] {
            push(format!("recall.{class}"), recall(class, step, seed, &method));
        }
        push("accuracy".into(), if method == "m" { 0.6 } else { 0.5 } + 0.01 * (step + seed) as f64);
        cells.push(PlannedCell {
            protocol: "linear".into(),
            at: cell.labels,
            numbers: cell.numbers,
            pairs: cell.pairs,
            operations: cell.operations,
            node,
        });
    }
    (cells, results)
}

fn analysed(recipe: &Recipe) -> (Results, BTreeMap<String, Findings>) {
    let (cells, mut results) = made(recipe);
    let found = run(recipe, &cells, &mut results, &recipe.repeats()).unwrap();
    (results, found)
}

/// The value of a measure where these labels are.
fn value(results: &Results, measure: &str, at: &[(&str, &str)]) -> f64 {
    let has =
        |labels: &Labels| at.iter().all(|(axis, label)| labels.get(*axis).is_some_and(|one| one == label));
    let found = results.summaries(measure, &["seed".to_owned()], &has);
    assert_eq!(found.len(), 1, "{measure} at {at:?}: {found:?}");
    found[0].1.mean()
}

fn list(block: &Block) -> Option<&Vec<String>> {
    match block {
        Block::List(told) => Some(told),
        _ => None,
    }
}

#[test]
fn analyses_join_the_table_and_the_page() {
    let recipe = Recipe::parse("a.toml", TEXT).unwrap();
    let (results, found) = analysed(&recipe);
    let m = [("method", "m"), ("parameter", "hue")];
    assert_eq!(value(&results, "opposed.test.opposed_share", &m), 0.5);
    assert_eq!(value(&results, "opposed.test.opposed_pairs", &m), 1.0);
    assert!(value(&results, "opposed.test.opposed_share_by_chance", &m) < 0.3);
    assert_eq!(value(&results, "behaviour.test.rising", &m), 1.0);
    assert_eq!(value(&results, "behaviour.test.falling", &m), 1.0);
    assert_eq!(value(&results, "behaviour.test.random", &m), 2.0);
    assert!((value(&results, "behaviour.test.slope.a", &m) - 0.5).abs() < 0.02, "0.05 for a step of 0.1");
    let two = [("parameter", "hue"), ("at_least", "2")];
    assert_eq!(value(&results, "shared.test.classes", &two), 2.0);
    assert!((value(&results, "shared.test.classes_by_chance", &two) - 1.0).abs() < 1e-12);
    assert_eq!(value(&results, "match.test.match_of_all", &m), 1.0);
    let odd = [("method", "m"), ("group", "odd"), ("hue", "0")];
    assert!((value(&results, "groups.test.mean", &odd) - 0.8).abs() < 0.01);
    assert!((value(&results, "mean.test.mean", &m) - 0.63).abs() < 1e-9);
    let gain = value(&results, "gain.test.difference", &[("hue", "0.3")]);
    assert!((gain - 0.1).abs() < 1e-9, "{gain}");
    assert!(results.axes.contains(&"at_least".to_owned()) && results.axes.contains(&"group".to_owned()));
    assert_eq!(
        results.title("opposed.test.opposed_share"),
        ("opposed, test: share of classes with an opposed partner".into(), true)
    );
    assert!(found["opposed"].blocks.iter().any(|block| matches!(block, Block::Table(_))));
    assert!(found["opposed"].blocks.iter().any(|block| matches!(block, Block::Plates(_))));
}

#[test]
fn what_cannot_be_tested_says_why() {
    let recipe = Recipe::parse("a.toml", TEXT).unwrap();
    let (results, found) = analysed(&recipe);
    let told = found["shared"].blocks.iter().find_map(list).unwrap();
    assert!(told[0].contains("at_least = 3") && told[0].contains("methods"), "{told:?}");
    let told = found["kinds"].blocks.iter().find_map(list).unwrap();
    assert!(
        told.iter().any(|reason| reason.contains("intrinsic_dimension")),
        "no class has properties: {told:?}"
    );
    assert!(!results.has("kinds.test.f"));
}

#[test]
fn properties_are_those_of_the_classes() {
    let recipe = Recipe::parse("a.toml", TEXT).unwrap();
    let (cells, mut results) = made(&recipe);
    for (class, value) in [("a", 9.0), ("b", 3.0), ("c", 4.0), ("d", 4.5)] {
        for measure in [
            "intrinsic_dimension",
            "high_frequency",
            "contrast",
            "homogeneity",
            "energy",
            "correlation",
            "spectrum_1",
        ] {
            let (protocol, split, measure) = ("properties".to_owned(), class.to_owned(), measure.to_owned());
            let (at, origin) = (Labels::new(), "p".to_owned());
            results.rows.push(Row {
                protocol,
                at,
                split,
                measure,
                value: Some(value),
                samples: None,
                origin,
            });
        }
    }
    let found = run(&recipe, &cells, &mut results, &recipe.repeats()).unwrap();
    // One class rises and one falls: only those that do neither are two.
    let told = found["kinds"].blocks.iter().find_map(list).unwrap();
    assert!(told.iter().all(|reason| reason.contains("fewer than two behaviours")), "{told:?}");
}

#[test]
fn recipes_with_wrong_analyses_are_refused() {
    let refused =
        |from: &str, to: &str| Recipe::parse("a.toml", &TEXT.replacen(from, to, 1)).unwrap_err().to_string();
    let along = refused(r#"along = "parameter", chance"#, r#"along = "huge", chance"#);
    assert!(along.contains("`opposed` is along `huge`"), "{along}");
    let of = refused(r#"of = "opposed", across"#, r#"of = "oposed", across"#);
    assert!(of.contains("`shared` is of `oposed`"), "{of}");
    let twice = refused(r#"name = "gain""#, r#"name = "mean""#);
    assert!(twice.contains("`mean` names an analysis and something else"), "{twice}");
    let unknown = refused(r#"kind = "mean_over""#, r#"kind = "mean_ower""#);
    assert!(unknown.contains("mean_ower"), "{unknown}");
    let setting = refused("chance = { permutations = 200 }", "chance = { permutation = 200 }");
    assert!(setting.contains("permutation"), "{setting}");
    let measure = refused("shared.test.classes\" }", "shared.test.klasses\" }");
    assert!(measure.contains("it measures classes"), "{measure}");
    let source =
        refused(r#"measure = "linear.test.accuracy", over"#, r#"measure = "linear.test.acuracy", over"#);
    assert!(source.contains("acuracy"), "{source}");
    let protocol = refused(r#"properties = "properties""#, r#"properties = "knn""#);
    assert!(protocol.contains("needs the protocol `knn`"), "{protocol}");
}
