//! The exact commands that repeat the run, its judgements and this page.

use std::collections::BTreeMap;

use serde_json::Value;
use twinlens_report::{Block, Section};
use twinlens_run::quoted;

use super::overview::plain;
use super::seen::Seen;
use crate::commands::run_settings::RunSettings;

/// The commands, in order.
pub(super) fn section(seen: &Seen) -> Section {
    Section::new("To repeat this", vec![Block::Commands(commands(seen))])
}

/// What trained the run, judged it and wrote its report.
pub(super) fn commands(seen: &Seen) -> Vec<String> {
    let run = quoted(&seen.name());
    let data = quoted(&seen.settings.common().data);
    let mut commands = vec![seen.record.command.clone()];
    let verdicts = seen.conditions.iter().flat_map(|condition| &condition.verdicts);
    let judged =
        verdicts.map(|one| Judged { protocol: &one.protocol, settings: &one.settings, seeds: &one.seeds });
    let tags = seen.tags.iter();
    let tags = tags.map(|one| Judged { protocol: &one.protocol, settings: &one.settings, seeds: &one.seeds });
    let clusters = seen.clusters.iter();
    let clusters =
        clusters.map(|one| Judged { protocol: &one.protocol, settings: &one.settings, seeds: &one.seeds });
    let health = seen.health.iter();
    let health =
        health.map(|one| Judged { protocol: &one.protocol, settings: &one.settings, seeds: &one.seeds });
    let judging: Vec<String> = judged
        .chain(tags)
        .chain(clusters)
        .chain(health)
        .filter_map(|judged| judged.command(&run, &data))
        .collect();
    let several_classes = seen.data.as_ref().is_ok_and(|data| data.has_tags());
    if judging.is_empty() && several_classes {
        commands.push(format!("twinlens probe {run} --data {data} --classifier svm"));
    } else if judging.is_empty() && matches!(seen.settings, RunSettings::Pretraining(_)) {
        commands.push(format!("twinlens knn {run} --data {data}"));
        commands.push(format!("twinlens probe {run} --data {data}"));
    }
    commands.extend(judging);
    commands.push(format!("twinlens report {run}"));
    commands
}

/// What a verdict of any layout says of its making.
struct Judged<'a> {
    protocol: &'a str,
    settings: &'a BTreeMap<String, Value>,
    seeds: &'a BTreeMap<String, u64>,
}

/// What the seed of protocols decides that may learn from some of the labels.
const LABELS: &str = "labels";
/// The settings that say which labels.
const AMOUNTS: [&str; 3] = ["label_share", "labels_per_class", "label_choice"];

/// The verb of each protocol, the settings that are flags of it, and the seed that is its `--seed`.
const VERBS: [(&str, &str, &[&str], &str); 7] = [
    ("knn", "knn", &["k", "vote", "distance", "temperature"], LABELS),
    ("linear-probe", "probe", &[], LABELS),
    ("ridge-probe", "probe --classifier ridge", &[], LABELS),
    ("svm-probe", "probe --classifier svm", &[], LABELS),
    ("svm-tags", "probe --classifier svm", &[], "folds"),
    ("cluster", "cluster", &["split", "k", "restarts", "distance"], "clusters"),
    ("health", "health", &["split", "policy"], "views"),
];

impl Judged<'_> {
    /// The command that made the verdict; `None` for protocols that are no verb's.
    fn command(&self, run: &str, data: &str) -> Option<String> {
        let (_, verb, flags, seed) = VERBS.iter().find(|(protocol, ..)| *protocol == self.protocol)?;
        let (setting, text) = (|key: &str| self.settings.get(key), |value: &Value| quoted(&plain(value)));
        let data = setting("data").map_or(data.to_owned(), text);
        let mut command = format!("twinlens {verb} {run} --data {data}");
        if let Some(features) = setting("features") {
            command += &format!(" --features {}", text(features));
        }
        if let Some(seed) = self.seeds.get("untrained") {
            command += &format!(" --untrained-seed {seed}");
        }
        let labels = AMOUNTS.iter().filter(|_| *seed == LABELS);
        // With all labels nothing is drawn.
        let drawn = *seed != LABELS || AMOUNTS.iter().any(|key| setting(key).is_some());
        for flag in flags.iter().chain(labels) {
            match setting(flag) {
                None => {}
                Some(value) if *flag == "vote" && value == "majority" => command += " --vote plain",
                Some(value) if *flag == "k" && self.protocol == "knn" => command += &format!(" -k {value}"),
                Some(value) => command += &format!(" --{} {}", flag.replace('_', "-"), text(value)),
            }
        }
        if let Some(seed) = self.seeds.get(*seed).filter(|_| drawn) {
            command += &format!(" --seed {seed}");
        }
        Some(command)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn command(protocol: &str, settings: Value, seeds: &[(&str, u64)]) -> Option<String> {
        let settings = serde_json::from_value(settings).unwrap();
        let seeds = seeds.iter().map(|(what, seed)| ((*what).to_owned(), *seed)).collect();
        Judged { protocol, settings: &settings, seeds: &seeds }.command("runs/a", &quoted("my data/it's.npz"))
    }

    #[test]
    fn the_commands_are_those_that_the_program_takes() {
        let data = r"--data 'my data/it'\''s.npz'";
        let cases = [
            (
                command("knn", json!({"features": "pixels", "k": 20, "vote": "majority"}), &[("labels", 0)]),
                format!("twinlens knn runs/a {data} --features pixels -k 20 --vote plain"),
            ),
            (
                command(
                    "linear-probe",
                    json!({"features": "trained", "label_share": 0.1, "c": 0.1}),
                    &[("labels", 3)],
                ),
                format!("twinlens probe runs/a {data} --features trained --label-share 0.1 --seed 3"),
            ),
            (
                command(
                    "knn",
                    json!({"data": "b.npz", "k": 5, "labels_per_class": 5, "label_choice": "random"}),
                    &[("labels", 3)],
                ),
                "twinlens knn runs/a --data b.npz -k 5 --labels-per-class 5 --label-choice random --seed 3"
                    .to_owned(),
            ),
            (
                command("ridge-probe", json!({"data": "b.npz", "label_share": 1.0, "alpha": 10}), &[]),
                "twinlens probe --classifier ridge runs/a --data b.npz --label-share 1.0".to_owned(),
            ),
            (
                command(
                    "knn",
                    json!({"k": 20, "data": "x/other.npz", "features": "untrained", "temperature": 0.1}),
                    &[("untrained", 7)],
                ),
                "twinlens knn runs/a --data x/other.npz --features untrained --untrained-seed 7 -k 20 \
                 --temperature 0.1"
                    .to_owned(),
            ),
            (
                command(
                    "cluster",
                    json!({"k": "auto", "split": "test", "distance": "cosine"}),
                    &[("clusters", 1)],
                ),
                format!("twinlens cluster runs/a {data} --split test --k auto --distance cosine --seed 1"),
            ),
            (
                command("svm-tags", json!({"features": "trained", "data": "chest.npz"}), &[("folds", 2)]),
                "twinlens probe --classifier svm runs/a --data chest.npz --features trained --seed 2"
                    .to_owned(),
            ),
            (
                command("health", json!({"split": "test", "policy": "medmnist"}), &[("views", 2)]),
                format!("twinlens health runs/a {data} --split test --policy medmnist --seed 2"),
            ),
        ];
        for (found, expected) in cases {
            assert_eq!(found.as_deref(), Some(expected.as_str()));
            if !expected.contains('\'') {
                let words = expected.split_whitespace();
                assert!(crate::cli::command().try_get_matches_from(words).is_ok(), "{expected}");
            }
        }
        assert_eq!(command("finetune", json!({}), &[]), None);
    }
}
