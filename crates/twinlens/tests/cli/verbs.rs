//! Verbs that are generic over the settings or the registries, run in this process.

use std::io::Write;
use std::sync::{Arc, Mutex};

use clap::Parser;
use serde_json::Value;
use twinlens::commands::config::{self, ConfigArgs};
use twinlens::commands::list::{self, Kind, ListArgs};
use twinlens::exit::{Exit, Outcome};
use twinlens::terminal::{OutputArgs, Surroundings, Terminal};
use twinlens_lab::choices::{Choice, recipes};

use crate::stand_in::SPEC;

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[derive(Parser)]
struct Line<T: clap::Args> {
    #[command(flatten)]
    args: T,
    #[command(flatten)]
    output: OutputArgs,
}

/// Parses a command line, runs it, and gives what stood on stdout.
fn run<T: clap::Args>(
    words: &[&str],
    verb: impl Fn(&T, &Terminal) -> Outcome,
) -> Result<String, (Exit, String)> {
    let line = Line::<T>::try_parse_from(["twinlens"].iter().chain(words)).unwrap();
    let sink = Sink::default();
    let terminal = Terminal::writing_to(Box::new(sink.clone()), &line.output, &Surroundings::default());
    match verb(&line.args, &terminal) {
        Ok(()) => Ok(String::from_utf8(sink.0.lock().unwrap().clone()).unwrap()),
        Err(failure) => Err((failure.exit(), failure.render(false))),
    }
}

fn config(words: &[&str]) -> Result<String, (Exit, String)> {
    run::<ConfigArgs>(words, |args, terminal| config::run(args, &SPEC, terminal))
}

fn list(words: &[&str]) -> Result<String, (Exit, String)> {
    let encoder = |name: &str, summary: &str, width: &str| {
        Choice::new(name, summary, vec![("features", width.to_owned())])
    };
    let all = |kind| match kind {
        Kind::Presets => recipes(SPEC.presets),
        _ => vec![
            encoder("resnet18", "residual network, 18 layers", "512"),
            encoder("resnet50", "residual network, 50 layers", "2048"),
            encoder("vit_b_16", "vision transformer", "768"),
        ],
    };
    run::<ListArgs>(words, |args, terminal| list::run(args, &all, terminal))
}

#[test]
fn config_show_can_be_validated_again() {
    let shown = config(&["show", "--preset", "medmnist", "--epochs", "7", "optim.lr=0.3"]).unwrap();
    assert!(shown.contains("epochs = 7") && shown.contains("# --epochs"), "{shown}");
    assert!(shown.contains("# --set") && shown.contains("# preset medmnist:1"), "{shown}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("my.toml");
    std::fs::write(&path, shown).unwrap();
    assert!(config(&["validate", &path.display().to_string()]).unwrap().ends_with("is valid\n"));
}

#[test]
fn config_show_in_json_has_origins() {
    let document: Value = serde_json::from_str(&config(&["show", "--json", "epochs=7"]).unwrap()).unwrap();
    assert_eq!(document["settings"]["epochs"], 7);
    assert_eq!(document["origins"]["epochs"], "--set");
    assert_eq!(document["origins"]["views.0.operations.1.hue"], "built-in");
}

#[test]
fn wrong_settings_are_usage() {
    let (exit, told) = config(&["show", "epoch=7", "--set", "stem=alexnet"]).unwrap_err();
    assert_eq!(exit, Exit::Usage);
    assert!(told.starts_with("error: the configuration has 2 mistakes\n"), "{told}");
    assert!(told.contains("hint: did you mean `epochs`?"), "{told}");
    assert!(told.contains("`stem` is the string \"alexnet\""), "{told}");
    let (exit, told) = config(&["validate", "/nowhere/my.toml"]).unwrap_err();
    assert_eq!(exit, Exit::Usage);
    assert!(told.contains("cannot read `/nowhere/my.toml`"), "{told}");
}

#[test]
fn config_diff_shows_what_resolves_to_other_values() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("my.toml");
    std::fs::write(&file, "epochs = 7\nstem = 'imagenet'\n").unwrap();
    let run_folder = folder.path().join("run");
    std::fs::create_dir(&run_folder).unwrap();
    std::fs::write(run_folder.join("config.toml"), "epochs = 7\nlimit = 5\n").unwrap();
    let [file, run_folder] = [&file, &run_folder].map(|path| path.to_str().unwrap());
    let told = config(&["diff", "medmnist", file]).unwrap();
    let lines: Vec<Vec<&str>> = told.lines().map(|line| line.split_whitespace().collect()).collect();
    let expected = [
        vec!["setting", "medmnist", file],
        vec!["epochs", "200", "7"],
        vec!["stem", "\"cifar\"", "\"imagenet\""],
        vec!["optim.lr", "0.05", "0.2"],
    ];
    assert_eq!(lines.len(), expected.len(), "{told}");
    assert!(expected.iter().all(|line| lines.contains(line)), "{told}");
    let document: Value =
        serde_json::from_str(&config(&["diff", file, run_folder, "--json"]).unwrap()).unwrap();
    let expected = serde_json::json!([{"key": "limit", "a": null, "b": 5}]);
    assert_eq!(document["differences"], expected);
    assert_eq!(config(&["diff", file, file]).unwrap(), "the settings are the same\n");
}

#[test]
fn config_diff_of_what_does_not_exist_is_usage_with_a_suggestion() {
    let (exit, told) = config(&["diff", "medmnist", "medmnst"]).unwrap_err();
    assert_eq!(exit, Exit::Usage);
    assert!(told.contains("`medmnst` is no run's folder, no file and no preset"), "{told}");
    assert!(told.contains("hint: did you mean `medmnist`?"), "{told}");
    let empty = tempfile::tempdir().unwrap();
    let (_, told) = config(&["diff", empty.path().to_str().unwrap(), "medmnist"]).unwrap_err();
    assert!(told.contains("is no run's folder"), "{told}");
}

#[test]
fn the_schema_describes_the_settings() {
    let schema: Value = serde_json::from_str(&config(&["schema"]).unwrap()).unwrap();
    assert_eq!(schema["properties"]["epochs"]["type"], "integer");
    assert_eq!(schema["additionalProperties"], false);
}

#[test]
fn lists_are_tables_or_json() {
    insta::assert_snapshot!(list(&["encoders"]).unwrap());
    insta::assert_snapshot!(list(&["presets"]).unwrap());
    let document: Value = serde_json::from_str(&list(&["encoders", "resnet*", "--json"]).unwrap()).unwrap();
    let names: Vec<&str> = document["encoders"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["resnet18", "resnet50"]);
    assert_eq!(document["encoders"][0]["features"], "512");
}

#[test]
fn a_pattern_without_a_match_is_usage_with_a_suggestion() {
    let kinds = list(&[]).unwrap();
    assert!(kinds.contains("encoders") && kinds.contains("  3  Networks"), "{kinds}");
    let (exit, told) = list(&["encoders", "resnet81"]).unwrap_err();
    assert_eq!(exit, Exit::Usage);
    assert!(told.contains("did you mean `resnet18`?"), "{told}");
    let (_, told) = list(&["encoders", "x*"]).unwrap_err();
    assert!(told.contains("`twinlens list encoders` lists them all"), "{told}");
}
