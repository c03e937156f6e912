//! Settings of real runs: what may be said of what was chosen, and how earlier versions said it.

use std::path::{Path, PathBuf};

use toml::Table;
use twinlens::commands::spec::{finetune_spec, is_finetuning, spec};
use twinlens_config::{Flag, Request, Resolved, diff};
use twinlens_ssl::Settings;
use twinlens_ssl::methods::METHODS;
use twinlens_ssl::recipes::{RECIPES, default_for};

use crate::training::{Place, json, pretrain, twinlens};

/// Settings as earlier versions wrote them: their recipes, and the files that their runs saved, each beside the same in
/// the present form.
fn older() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/old_settings")
}

fn sets(sets: &[&str]) -> Request {
    Request { sets: sets.iter().map(|set| (*set).to_owned()).collect(), ..Request::default() }
}

fn preset(name: &str, changes: &[&str]) -> Request {
    Request { preset: Some(name.to_owned()), ..sets(changes) }
}

fn resolve(request: &Request) -> Resolved<Settings> {
    spec().resolve(request).unwrap_or_else(|report| panic!("{request:?}: {report}"))
}

fn refusal(request: &Request) -> String {
    spec().resolve(request).map(|resolved| resolved.table).unwrap_err().to_string()
}

#[test]
fn every_recipe_is_the_same_in_its_older_form() {
    // Those for kinds of images, those of studies, of ImageNet, IMAX, and BYOL on digits came after it.
    let later = |name: &str| {
        let families = ["p/", "m/", "imagenet/", "cells/", "cifar-n/", "imagenet100-n/"];
        families.iter().any(|of| name.starts_with(of)) || ["medmnist/imax", "mnist/byol"].contains(&name)
    };
    let had_one = |name: &str| (name.contains('/') && !later(name)) || name == "quickstart";
    for (name, _) in RECIPES.iter().filter(|(name, _)| had_one(name)) {
        let file = older().join("recipes").join(format!("{name}.toml"));
        let old = resolve(&Request { files: vec![file], ..Request::default() });
        let new = resolve(&preset(name, &[]));
        // Recipes for images of any size leave the stem to it by now.
        let mut changes = diff(&old.table, &new.table);
        changes.retain(|change| !(name.starts_with("medmnist/") && change.key == "encoder.stem"));
        assert_eq!(changes, [], "{name}");
        assert_eq!((old.warnings.len(), new.warnings.len()), (1, 0), "{name}: {:?}", old.warnings);
    }
}

/// What a run saved, complete, and the warnings it brings.
fn read(path: &Path) -> (Table, Vec<String>) {
    let text = std::fs::read_to_string(path).unwrap();
    let name = path.display().to_string();
    if is_finetuning(&text) {
        let read = finetune_spec().read(&name, &text).unwrap_or_else(|report| panic!("{report}"));
        return (read.table, read.warnings);
    }
    let read = spec().read(&name, &text).unwrap_or_else(|report| panic!("{report}"));
    (read.table, read.warnings)
}

#[test]
fn what_earlier_runs_saved_is_read_as_what_it_is_now() {
    let mut count = 0;
    for file in std::fs::read_dir(older().join("runs")).unwrap().map(|entry| entry.unwrap().path()) {
        let name = file.file_name().unwrap().to_str().unwrap();
        let Some(run) = name.strip_suffix(".toml").filter(|run| !run.ends_with(".now")) else { continue };
        let now = file.with_file_name(format!("{run}.now.toml"));
        let ((before, warnings), (after, none)) = (read(&file), read(&now));
        assert_eq!(diff(&before, &after), [], "{run}");
        assert_eq!((warnings.len(), none.len()), (1, 0), "{run}: {warnings:?} {none:?}");
        // The file in the present form says all there is, so nothing of it comes from defaults.
        let said: Table = std::fs::read_to_string(&now).unwrap().parse().unwrap();
        let unsaid: Vec<_> =
            diff(&said, &after).into_iter().filter(|change| change.before.is_none()).collect();
        assert_eq!(unsaid, [], "{run}");
        count += 1;
    }
    assert_eq!(count, 8);
}

#[test]
fn older_keys_on_the_command_line_are_read_with_one_warning() {
    let terms = "method.terms=[{name='simclr', weight=1, views=2, projector={layers=2, hidden_dim=1024, \
                 output_dim=128, batch_norm=false, bias=true, last_bias=true}}, {name='mocov2plus', weight=2, \
                 views=2, queue=4096, temperature=0.2, projector={layers=2, hidden_dim=1024, output_dim=128, \
                 batch_norm=false, bias=true, last_bias=true}, target={base_momentum=0.99, final_momentum=0.999}}]";
    let objectives = "methods.weighted-sum.objectives=[{method='simclr', weight=1, views=2}, \
                      {method='mocov2plus', weight=2, views=2}]";
    let pairs: [(&[&str], &[&str]); 10] = [
        (&["method=simclr"], &["method.name=simclr"]),
        (
            &["stem=imagenet", "zero_init_residual=true"],
            &["encoder.stem=imagenet", "encoder.zero_init_residual=true"],
        ),
        (&["stem=imagenet", "encoder=vgg11"], &["encoder.name=vgg11"]),
        (
            &[
                "projector.output_dim=64",
                "predictor.hidden_dim=32",
                "method=byol",
                "target.base_momentum=0.9",
            ],
            &[
                "method.name=byol",
                "method.projector.output_dim=64",
                "method.predictor.hidden_dim=32",
                "method.target.base_momentum=0.9",
            ],
        ),
        (
            &[
                "method=simclr",
                "predictor.hidden_dim=7",
                "methods.dino.prototypes=9",
                "methods.simclr.temperature=0.3",
            ],
            &["method.name=simclr", "method.temperature=0.3"],
        ),
        (
            &["methods.barlow-twins.predictor=true", "predictor.bias=true"],
            &["method.predictor={bias=true}", "method.both_directions=true"],
        ),
        (&["methods.barlow-twins.predictor=false", "predictor.bias=true"], &[]),
        (
            &["method=weighted-sum", "projector.output_dim=64", "methods.mocov2plus.temperature=0.3"],
            &[
                "method.name=weighted-sum",
                "method.terms.0.projector.output_dim=64",
                "method.terms.1.projector.output_dim=64",
                "method.terms.0.temperature=0.3",
                "method.terms.1.temperature=0.3",
            ],
        ),
        (&["method=weighted-sum", objectives], &["method.name=weighted-sum", terms]),
        (
            &["method=weighted-sum", "methods.weighted-sum.objectives.1.weight=3"],
            &["method.name=weighted-sum", "method.terms.1.weight=3"],
        ),
    ];
    for (old, new) in pairs {
        let (old, new) = (resolve(&sets(old)), resolve(&sets(new)));
        assert_eq!(diff(&old.table, &new.table), []);
        assert_eq!((old.warnings.len(), new.warnings.len()), (1, 0), "{:?}", old.warnings);
    }
    let variable = ("TWINLENS_METHODS__BARLOW_TWINS__LAMBDA".to_owned(), "0.5".to_owned());
    let old = resolve(&Request { environment: vec![variable], ..Request::default() });
    assert_eq!(diff(&old.table, &resolve(&sets(&["method.lambda=0.5"])).table), []);
    assert_eq!(old.origin("method.lambda"), "TWINLENS_METHODS__BARLOW_TWINS__LAMBDA");
    let [warning] = &old.warnings[..] else { panic!("{:?}", old.warnings) };
    assert!(warning.contains("`methods.barlow_twins` is now called `method`"), "{warning}");
}

#[test]
fn mistakes_in_an_older_form_are_mistakes() {
    let told = refusal(&sets(&["method=simclrr", "methods.vicreg.temperatur=1", "projector.output=2"]));
    assert!(told.contains("`method.name` is the string \"simclrr\"") && told.contains("`simclr`?"), "{told}");
    let told = refusal(&sets(&["projector.output=2", "methods.barlow-twins.lamda=1", "methods.foo.x=1"]));
    assert!(told.contains("unknown key `method.projector.output`"), "{told}");
    assert!(told.contains("unknown key `method.lamda`") && told.contains("`method.lambda`?"), "{told}");
    assert!(told.contains("unknown key `methods`"), "{told}");
}

#[test]
fn a_key_that_the_choice_does_not_have_is_refused_with_what_was_chosen() {
    for (changes, key, chosen, hint) in [
        (
            &["optim.name=sgd", "optim.lr=1", "optim.betas=[0, 0]"][..],
            "optim.betas",
            "`optim.name` is \"sgd\" (--set)",
            "adam, adamw",
        ),
        (&["schedule.gamma=0.5"], "schedule.gamma", "`schedule.name` is \"cosine\"", "multi_step"),
        (
            &["encoder.name=vgg11", "encoder.stem=cifar"],
            "encoder.stem",
            "`encoder.name` is \"vgg11\" (--set)",
            "resnet18",
        ),
        (
            &["method.name=simclr", "method.queue=5"],
            "method.queue",
            "`method.name` is \"simclr\" (--set)",
            "mocov2plus",
        ),
        (
            &["method.lamda=5"],
            "method.lamda",
            "`method.name` is \"barlow-twins\" (built-in)",
            "`method.lambda`?",
        ),
        (&["method.target.base_momentum=0.9"], "method.target", "`method.name` is \"barlow-twins\"", "byol"),
        (
            &["method.name=weighted-sum", "method.terms.1.prototypes=5"],
            "method.terms.1.prototypes",
            "`method.terms.1.name` is \"mocov2plus\"",
            "swav",
        ),
    ] {
        let told = refusal(&sets(changes));
        assert!(told.contains(&format!("unknown key `{key}`")), "{told}");
        assert!(told.contains(chosen) && told.contains(hint), "{told}");
    }
    let flag = Flag { name: "--method", key: "method.name", value: "byol".into() };
    let told = refusal(&Request { flags: vec![flag], ..sets(&["method.prediktor.bias=true"]) });
    assert!(told.contains("(--method)") && told.contains("did you mean `method.predictor`?"), "{told}");
    let told = refusal(&sets(&["optim.name=lars"]));
    assert!(told.contains("`optim.lr` is missing") && told.contains("`optim.name` is \"lars\""), "{told}");
}

#[test]
fn another_method_over_a_recipe_brings_its_own_constants_and_heads() {
    let flag = Flag { name: "--method", key: "method.name", value: "vicreg".into() };
    let mut request = preset("imagenet100/barlow-twins", &["method.variance_weight=7"]);
    request.flags.push(flag);
    let [changed, recipe, own] = [
        request,
        preset("imagenet100/barlow-twins", &[]),
        preset(&default_for("vicreg"), &["method.variance_weight=7"]),
    ]
    .map(|request| resolve(&request).settings);
    assert_eq!(changed.method, own.method);
    assert_eq!((&changed.common, changed.epochs), (&recipe.common, recipe.epochs));
}

#[test]
fn the_stem_stays_when_one_resnet_takes_the_place_of_another() {
    let stem =
        |encoder: &str| resolve(&preset("imagenet100/byol", &[encoder])).settings.encoder.stem().name();
    assert_eq!([stem("encoder.name=resnet50"), stem("encoder.name=vgg11")], ["imagenet", "cifar"]);
}

#[test]
fn only_what_was_chosen_is_saved() {
    let table = resolve(&sets(&["method.name=vicreg"])).table;
    assert!(!table.contains_key("methods") && !table.contains_key("projector"));
    let keys = |key: &str| table[key].as_table().unwrap().keys().map(String::as_str).collect::<Vec<_>>();
    assert!(
        keys("method").contains(&"projector") && !keys("method").contains(&"target"),
        "{:?}",
        keys("method")
    );
    assert!(!keys("optim").contains(&"eta"), "{:?}", keys("optim"));
}

#[test]
fn every_recipe_and_every_method_survives_its_file() {
    let of_methods = METHODS.iter().map(|spec| sets(&[&format!("method.name={}", spec.id)]));
    for request in RECIPES.iter().map(|(name, _)| preset(name, &[])).chain(of_methods) {
        let resolved = resolve(&request);
        for text in [
            resolved.to_toml(),
            resolved.to_toml_with_origins(),
            toml::to_string_pretty(&resolved.settings).unwrap(),
        ] {
            let read = spec().read("config.toml", &text).unwrap_or_else(|report| panic!("{report}"));
            assert_eq!(read.settings, resolved.settings);
            assert!(read.warnings.is_empty(), "{:?}", read.warnings);
        }
        assert_eq!(toml::from_str::<Settings>(&resolved.to_toml()).unwrap(), resolved.settings);
    }
}

/// The settings of a run of Barlow Twins as earlier versions saved them.
fn in_older_form(settings: &str) -> String {
    let mut table: Table = settings.parse().unwrap();
    let mut taken = |key: &str| table.remove(key).unwrap().try_into::<Table>().unwrap();
    let (mut method, mut encoder, mut optim) = (taken("method"), taken("encoder"), taken("optim"));
    let head = method.remove("projector").unwrap();
    // No earlier version had it.
    encoder.remove("fc");
    let (name, encoder_name) = (method.remove("name").unwrap(), encoder.remove("name").unwrap());
    method.insert("predictor".into(), false.into());
    optim.extend(Table::from_iter([("eta".to_owned(), 0.5.into()), ("nesterov".to_owned(), true.into())]));
    table.extend(encoder);
    let own = Table::from_iter([("barlow-twins".to_owned(), method.into())]);
    for (key, value) in
        [("method", name), ("encoder", encoder_name), ("projector", head), ("methods", own.into())]
    {
        table.insert(key.into(), value);
    }
    table.insert("optim".into(), optim.into());
    toml::to_string(&table).unwrap()
}

#[test]
fn a_run_of_an_earlier_version_is_judged_reported_and_goes_on() {
    let place = Place::new();
    let out = place.at("run");
    json(&pretrain(&out, &["epochs=1"]).output().unwrap());
    let config = out.join("config.toml");
    std::fs::write(&config, in_older_form(&std::fs::read_to_string(&config).unwrap())).unwrap();
    let run = out.to_str().unwrap();
    for words in [
        &["knn", run, "--data", "bundled", "--k", "5"][..],
        &["health", run, "--data", "bundled"],
        &["report", run],
        &["pretrain", "--resume", run, "epochs=2", "--json"],
    ] {
        let output = twinlens(words).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        assert_eq!(said.matches("settings in an older form").count(), 1, "{words:?}: {said}");
    }
    let saved = std::fs::read_to_string(&config).unwrap();
    assert!(saved.contains("[method.projector]") && !saved.contains("\neta ="), "{saved}");
}
