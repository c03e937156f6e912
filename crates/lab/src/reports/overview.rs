//! What was trained, on what and how; all settings; the machine.

use serde_json::Value;
use twinlens_data::{DataSummary, Split, SplitOrigin, SplitSummary};
use twinlens_nn::encoders::EncoderSettings;
use twinlens_report::{Block, Fact, Section};
use twinlens_ssl::Common;
use twinlens_ssl::finetune::{FinetuneSettings, SCRATCH, Stage};

use super::run_view::RunView;
use super::{Extras, FrontEnd};
use crate::range_in_words;
use crate::run_settings::RunSettings;

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
    let last = |key: &str| run.record.metrics.iter().rev().find_map(|row| row.get(key)?.as_u64());
    let size = match size.known() {
        None => "as the images".to_owned(),
        Some(size) => format!("{size} x {size} pixels"),
    };
    let mut facts = match &run.settings {
        RunSettings::Pretraining(settings) => vec![Fact::new("Method", settings.method.name())],
        RunSettings::Finetuning(settings) => of_finetuning(settings),
    };
    let (done, steps) = (last("epoch").unwrap_or(0), last("step").unwrap_or(0));
    facts.extend([
        Fact::new("Encoder", encoder_in_words(encoder)),
        Fact::new("Data", data),
        Fact::new("Views", format!("policy {policy}, size {size}")),
        Fact::new(
            "Training",
            format!("{done} of {epochs} epochs ({steps} steps) in batches of {batch}, seed {seed}"),
        ),
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
    let stage = |stage: &Stage| format!("{} epochs of {}", stage.epochs, stage.trainable);
    let stages: Vec<String> = settings.stages.iter().map(stage).collect();
    Fact::new("Stages", stages.join(", then "))
}

fn data_facts(settings: &RunSettings, data: &DataSummary) -> [Fact; 3] {
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
        SplitOrigin::Defined => "splits as the data define them".to_owned(),
        SplitOrigin::ValFromTrain => format!("val drawn from the training images with seed {seed}"),
        SplitOrigin::Drawn => format!("all splits drawn with seed {seed}"),
        SplitOrigin::Complete => "nothing held out but the test images of the data".to_owned(),
        SplitOrigin::Column => "splits as a column of the table says".to_owned(),
    };
    let images = format!("{} ({origin})", told.collect::<Vec<_>>().join(", "));
    let classes = match data.classes.len() {
        0 => "no labels".to_owned(),
        count => format!("{count}: {}", data.classes.join(", ")),
    };
    let used = if uses_labels { "Classes" } else { "Classes (never used in training)" };
    [
        Fact::new("Images", images),
        Fact::new(used, classes),
        Fact::new("Black and white", range_in_words(&data.range)),
    ]
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

/// Every resolved setting, from the text of a TOML file.
pub(super) fn settings(config: &str) -> Section {
    let facts = match config.parse::<toml::Table>().map(serde_json::to_value) {
        Ok(Ok(table)) => flat(&table),
        _ => vec![Fact::new("config.toml", "cannot be read")],
    };
    Section::new("Settings", vec![Block::Settings(facts)])
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
