//! What was trained, on what and how; all settings; the machine.

use serde_json::Value;
use twinlens_data::{DataSummary, Split, SplitOrigin, SplitSummary};
use twinlens_nn::encoders::EncoderSettings;
use twinlens_report::{Block, Cell, Column, Fact, Section, Table, TableRow};
use twinlens_ssl::finetune::{FinetuneSettings, SCRATCH, Stage};
use twinlens_ssl::methods::MethodSettings;
use twinlens_ssl::{Common, Settings};

use super::run_view::RunView;
use super::{Extras, FrontEnd};
use crate::LabError;
use crate::range_in_words;
use crate::run_settings::RunSettings;
use crate::words::counted;

/// What every report says about repeating a run elsewhere.
const MAY_DIFFER: [&str; 3] = [
    "On a CPU of another kind: the last bits of weights and features, because its instruction sets (see “Environment”) \
     decide which matrix kernels compute, and these add in different orders. Such differences grow over many steps, so \
     accuracies may differ too. On a GPU, the order of sums is up to its driver.",
    "On a CPU of the same kind, with the same version of the program: no bit of the weights. Seeds decide everything; \
     the number of threads and interruptions do not matter.",
    "The speed, and with it images_per_second and data_wait_share.",
];

/// The run in a few lines, and every warning.
pub(super) fn section(run: &RunView, extras: &mut Extras, front_end: &dyn FrontEnd) -> Section {
    let mut blocks = vec![Block::Facts(facts(run))];
    if let Some(data) = &run.data {
        blocks.extend(skipped(data, front_end));
        blocks.extend(data.notices.iter().map(|notice| Block::Warning(front_end.notice(notice))));
    }
    blocks.extend(extras.warnings.drain(..).map(Block::Warning));
    Section::new("", blocks)
}

/// The run in a few lines.
pub(super) fn facts(run: &RunView) -> Vec<Fact> {
    let Common { data, encoder, size, policy, batch, seed, .. } = run.settings.common();
    let epochs = run.settings.epochs();
    let last = |key: &str| {
        let found = run.record.metrics.iter().rev().find_map(|row| row.get(key)?.as_u64());
        found.and_then(|value| usize::try_from(value).ok()).unwrap_or(0)
    };
    let size = match size.known() {
        None => "as the images".to_owned(),
        Some(size) => format!("{size} x {size} pixels"),
    };
    let mut facts = match &run.settings {
        RunSettings::Pretraining(settings) => vec![Fact::new("Method", settings.method.name())],
        RunSettings::Finetuning(settings) => of_finetuning(settings),
    };
    let (done, epochs) = (last("epoch"), counted(epochs, "epoch"));
    let steps = counted(last("step"), "step");
    facts.extend([
        Fact::new("Encoder", encoder_in_words(encoder)),
        Fact::new("Data", data),
        Fact::new("Views", format!("policy {policy}, size {size}")),
        Fact::new("Training", format!("{done} of {epochs} ({steps}) in batches of {batch}, seed {seed}")),
    ]);
    if let Some(data) = &run.data {
        facts.extend(data_facts(&run.settings, data));
    }
    facts
}

/// An encoder and its stem.
pub(super) fn encoder_in_words(encoder: &EncoderSettings) -> String {
    format!("{}, {} stem", encoder.name(), encoder.stem().name())
}

/// What is told of a fine-tuning and not of a pre-training.
fn of_finetuning(settings: &FinetuneSettings) -> Vec<Fact> {
    let labels = format!("{} of the training labels, seed {}", settings.label_amount(), settings.seed);
    vec![start(settings), Fact::new("Labels", labels), stages(settings)]
}

/// Where a fine-tuning began.
pub(super) fn start(settings: &FinetuneSettings) -> Fact {
    let start = match (settings.init.as_str(), settings.init_origin.as_str()) {
        (SCRATCH, _) => "random weights".to_owned(),
        (init, "") => init.to_owned(),
        (init, origin) => format!("{init} ({origin})"),
    };
    Fact::new("Start", start)
}

/// What learns, and for how long.
pub(super) fn stages(settings: &FinetuneSettings) -> Fact {
    let stage = |stage: &Stage| format!("{} of {}", counted(stage.epochs, "epoch"), stage.trainable);
    let stages: Vec<String> = settings.stages.iter().map(stage).collect();
    Fact::new("Stages", stages.join(", then "))
}

fn data_facts(settings: &RunSettings, data: &DataSummary) -> Vec<Fact> {
    // Only pre-training knows a limit; with labels, it is they that are few.
    let (limit, uses_labels) = match settings {
        RunSettings::Pretraining(settings) => (settings.limit, settings.method.labels()),
        RunSettings::Finetuning(_) => (0, true),
    };
    let told = data.splits.iter().map(|&SplitSummary { split, images, .. }| match split {
        Split::Train if limit > 0 && limit < images => format!("{limit} of {images} {}", split.name()),
        _ => format!("{images} {}", split.name()),
    });
    let seed = settings.common().data_options.split_seed;
    let origin = match data.split_origin {
        SplitOrigin::Defined if data.classes.is_empty() && data.splits.len() == 1 => {
            "without labels nothing is held out".to_owned()
        }
        SplitOrigin::Defined => "splits as the data define them".to_owned(),
        SplitOrigin::ValFromTrain => format!("val drawn from the training images with seed {seed}"),
        SplitOrigin::Drawn => format!("all splits drawn with seed {seed}"),
        SplitOrigin::Complete => "nothing held out but the test images of the data".to_owned(),
        SplitOrigin::Column => "splits as a column of the table says".to_owned(),
        SplitOrigin::OfEachSet => "splits of each set by itself".to_owned(),
    };
    let images = format!("{} ({origin})", told.collect::<Vec<_>>().join(", "));
    let classes = match data.classes.len() {
        0 => "no labels".to_owned(),
        count => format!("{count}: {}", data.classes.join(", ")),
    };
    let parts: Vec<String> = data.parts.iter().map(ToString::to_string).collect();
    let parts = (!parts.is_empty()).then(|| Fact::new("Data sets", parts.join("; ")));
    let used = if uses_labels { "Classes" } else { "Classes (never used in training)" };
    let facts = [
        Fact::new("Images", images),
        Fact::new(used, classes),
        Fact::new("Black and white", range_in_words(&data.range)),
    ];
    parts.into_iter().chain(facts).collect()
}

/// How many files could not be read; arrays hold no files that could be left out.
fn skipped(data: &DataSummary, front_end: &dyn FrontEnd) -> Vec<Block> {
    if data.format != "folder" && data.skipped.count == 0 {
        return Vec::new();
    }
    let found = data.images() + data.skipped.count;
    if data.skipped.count == 0 {
        return vec![Block::Text(format!("All {found} files found could be read."))];
    }
    let examples =
        data.skipped.first.iter().map(|bad| format!("{}: {}", bad.path, front_end.skipped(bad))).collect();
    let count = data.skipped.count;
    vec![
        Block::Warning(format!("{count} of {found} files could not be read and were left out:")),
        Block::List(examples),
    ]
}

/// The settings in the text of a TOML file that decided something: those of the method, and all that are not what they are
/// where nothing is asked for (`usual`). The others stand behind them.
pub(super) fn settings(config: &str, usual: &toml::Table) -> Section {
    let tables = config.parse::<toml::Table>().map(|config| [&config, usual].map(serde_json::to_value));
    let Ok([Ok(config), Ok(usual)]) = tables else {
        return Section::new("Settings", vec![Block::Text("config.toml cannot be read.".to_owned())]);
    };
    let usual = flat(&usual);
    let (rest, used): (Vec<Fact>, Vec<Fact>) =
        flat(&config).into_iter().partition(|fact| !fact.name.starts_with("method.") && usual.contains(fact));
    let mut blocks = vec![Block::Settings(used)];
    if !rest.is_empty() {
        let row = |fact: Fact| TableRow::new([fact.name, fact.value].map(Cell::Text).into());
        let table = Table {
            name: "settings-usual".to_owned(),
            caption: "What they are where nothing is asked for.".to_owned(),
            columns: ["Setting", "Value"].map(Column::text).into(),
            rows: rest.into_iter().map(row).collect(),
        };
        blocks.push(Block::Folded(format!("{} left as usual", counted(table.rows.len(), "setting")), table));
    }
    Section::new("Settings", blocks)
}

/// The settings of such a run where nothing is asked for but its method.
pub(super) fn usual(settings: &RunSettings) -> Result<toml::Table, LabError> {
    let usual = match settings {
        RunSettings::Pretraining(settings) => {
            let method = MethodSettings::named(settings.method.name())?;
            RunSettings::Pretraining(Box::new(Settings::default().with_method(method)))
        }
        RunSettings::Finetuning(_) => RunSettings::Finetuning(Box::default()),
    };
    Ok(usual.table()?)
}

/// The settings of a study where nothing is asked for.
pub(super) fn usual_of_study() -> Result<toml::Table, LabError> {
    let training = RunSettings::Finetuning(Box::default()).table()?;
    Ok(toml::Table::from_iter([("settings".to_owned(), training.into())]))
}

/// The machine and the program, and what another machine may change.
pub(super) fn environment(environment: &Value) -> Section {
    let may_differ = MAY_DIFFER.map(str::to_owned).into();
    let blocks = vec![
        Block::Facts(flat(environment)),
        Block::Heading("What may differ on another machine".to_owned()),
        Block::List(may_differ),
    ];
    Section::new("Environment", blocks)
}

/// A tree of values as a list of dotted keys.
fn flat(value: &Value) -> Vec<Fact> {
    fn collect(name: &str, value: &Value, facts: &mut Vec<Fact>) {
        let within = |key: &str| if name.is_empty() { key.to_owned() } else { format!("{name}.{key}") };
        match value {
            Value::Object(fields) => {
                fields.iter().for_each(|(key, value)| collect(&within(key), value, facts));
            }
            Value::Array(list) if list.iter().any(|item| item.is_object() || item.is_array()) => {
                list.iter().enumerate().for_each(|(at, item)| collect(&within(&at.to_string()), item, facts));
            }
            Value::Array(list) => {
                facts.push(Fact::new(name, list.iter().map(plain).collect::<Vec<_>>().join(", ")));
            }
            other => facts.push(Fact::new(name, plain(other))),
        }
    }
    let mut facts = Vec::new();
    collect("", value, &mut facts);
    facts
}

/// A value without quotes.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "unknown".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn settings_that_are_as_usual_stand_behind_those_of_this_run() {
        let config = "batch = 32\nseed = 0\n[optim]\nlr = 0.1\neps = 1e-8\n[method]\nname = \"simclr\"\ntemperature = 0.5\n";
        let usual = "batch = 256\nseed = 0\n[optim]\nlr = 0.2\neps = 1e-8\n[method]\ntemperature = 0.5\n";
        let blocks = settings(config, &usual.parse().unwrap()).blocks;
        let [Block::Settings(used), Block::Folded(title, rest)] = &blocks[..] else { panic!("{blocks:?}") };
        let names: Vec<&str> = used.iter().map(|fact| fact.name.as_str()).collect();
        assert_eq!(names, ["batch", "method.name", "method.temperature", "optim.lr"]);
        assert_eq!((title.as_str(), rest.rows.len()), ("2 settings left as usual", 2));
        assert!(matches!(settings("a = = 1", &toml::Table::new()).blocks[..], [Block::Text(_)]));
    }

    #[test]
    fn a_method_has_its_usual_settings() {
        let method = MethodSettings::named("simclr").unwrap();
        let run = RunSettings::Pretraining(Box::new(Settings::default().with_method(method)));
        let section = settings(&run.config().unwrap(), &super::usual(&run).unwrap());
        let Block::Settings(used) = &section.blocks[0] else { panic!("{section:?}") };
        assert!(used.iter().all(|fact| fact.name.starts_with("method.")), "{used:?}");
        assert!(used.contains(&Fact::new("method.name", "simclr")));
    }

    #[test]
    fn settings_become_dotted_keys() {
        let tree =
            json!({"optim": {"lr": 0.1, "betas": [0.9, 0.99]}, "views": [{"op": "rot90"}], "commit": null});
        let facts: Vec<String> =
            flat(&tree).iter().map(|fact| format!("{}={}", fact.name, fact.value)).collect();
        let expected = ["commit=unknown", "optim.betas=0.9, 0.99", "optim.lr=0.1", "views.0.op=rot90"];
        let mut sorted = facts.clone();
        sorted.sort();
        assert_eq!(sorted, expected);
    }
}
