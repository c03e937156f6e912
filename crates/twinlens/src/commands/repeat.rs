//! The exact commands that repeat a run, its judgements and its page.

use std::path::Path;

use serde_json::json;
use twinlens_lab::protocols::find;
use twinlens_lab::reports::RunView;
use twinlens_lab::{Verdict, plain};
use twinlens_run::quoted;

use super::run_settings::RunSettings;

/// What trained the run, judged it, takes its features to other programs, and wrote its report.
pub fn commands(run: &RunView) -> Vec<String> {
    let folder = quoted(&run.name());
    let data = quoted(&run.settings.common().data);
    let mut commands = vec![run.record.command.clone()];
    // What was judged on several sets as one when the run ended; an encoder is judged on one of them.
    let joined = run.data.as_ref().filter(|data| !data.parts.is_empty()).map(|data| data.sha256.as_str());
    let of_one =
        run.verdicts.iter().filter(|verdict| joined.is_none() || verdict.data.sha256.as_deref() != joined);
    let judging: Vec<String> = of_one.filter_map(|verdict| command(verdict, &folder, &data)).collect();
    let several_classes = run.data.as_ref().is_some_and(|data| data.has_tags);
    if judging.is_empty() && several_classes {
        commands.push(format!("twinlens probe {folder} --data {data} --classifier svm"));
    } else if judging.is_empty() && matches!(run.settings, RunSettings::Pretraining(_)) {
        commands.push(format!("twinlens knn {folder} --data {data}"));
        commands.push(format!("twinlens probe {folder} --data {data}"));
    }
    commands.extend(judging);
    commands.push(format!("twinlens embed {folder} --data {data} --out features.csv"));
    commands.push(report(&[&run.record.path]));
    commands
}

/// The command that reports a run or a study, or several runs side by side.
pub fn report(folders: &[&Path]) -> String {
    let names: Vec<String> = folders.iter().map(|folder| quoted(&folder.display().to_string())).collect();
    let out = if names.len() > 1 { " --out compared.html" } else { "" };
    format!("twinlens report {}{out}", names.join(" "))
}

/// The settings that say which labels, each a flag.
const LABELS: [&str; 3] = ["label_share", "labels_per_class", "label_choice"];
/// The settings that say which images and views, each a flag.
const IMAGES: [&str; 2] = ["split", "policy"];

/// The command that made the verdict; `None` for protocols that `judge` does not have.
fn command(verdict: &Verdict, run: &str, data: &str) -> Option<String> {
    let protocol = find(&verdict.protocol).ok()?;
    let data = if verdict.data.path.is_empty() { data.to_owned() } else { quoted(&verdict.data.path) };
    let mut command = format!("twinlens judge {run} --protocol {} --data {data}", protocol.id);
    command += &format!(" --features {}", verdict.subject.features.name());
    if let Some(stage) = &verdict.subject.stage {
        command += &format!(" --stage {}", quoted(stage));
    }
    if let Some(epoch) = verdict.subject.epoch {
        command += &format!(" --checkpoint {epoch}");
    }
    if let Some(seed) = verdict.seeds.get("untrained") {
        command += &format!(" --untrained-seed {seed}");
    }
    for key in LABELS.iter().chain(&IMAGES) {
        let value = verdict.asked.get(*key).filter(|value| **value != json!(1.0));
        let flag = value.map(|value| format!(" --{} {}", key.replace('_', "-"), quoted(&plain(value))));
        command += &flag.unwrap_or_default();
    }
    for (key, value) in protocol.unusual(&verdict.asked) {
        command += &format!(" {}", quoted(&format!("{key}={}", plain(&value))));
    }
    if let Some(seed) = verdict.seeds.iter().find(|(what, _)| *what != "untrained").map(|(_, seed)| seed) {
        command += &format!(" --seed {seed}");
    }
    Some(command)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn command_of(protocol: &str, settings: Value, seeds: Value) -> Option<String> {
        let outcome = json!({ "classes": [], "training_labels": 1, "splits": [], "warnings": [] });
        let mut document = json!({
            "schema_version": 2, "protocol": protocol, "asked": settings, "found": {}, "seeds": seeds,
            "subject": { "features": "trained" }, "data": { "path": "my data/it's.npz" }, "outcome": "predictions",
        });
        document.as_object_mut().unwrap().extend(outcome.as_object().unwrap().clone());
        let verdict: Verdict = serde_json::from_value(document).unwrap();
        command(&verdict, "runs/a", "unused")
    }

    #[test]
    fn the_commands_are_those_that_the_program_takes() {
        let head = r"--data 'my data/it'\''s.npz' --features trained";
        let knn = json!({"k": 20, "vote": "majority", "distance": "cosine", "label_share": 1.0});
        let drawn = json!({"c_grid": [1.0], "label_share": 0.1, "label_choice": "random"});
        let cases = [
            (command_of("knn", knn, json!({})), format!("knn {head} k=20 vote=majority")),
            (
                command_of("linear-probe", drawn, json!({"labels": 3})),
                format!(
                    "linear-probe {head} --label-share 0.1 --label-choice random 'c_grid=[1.0]' --seed 3"
                ),
            ),
            (
                command_of(
                    "cluster",
                    json!({"k": 8, "split": "test", "restarts": 10}),
                    json!({"clusters": 1}),
                ),
                format!("cluster {head} --split test k=8 --seed 1"),
            ),
            (
                command_of("health", json!({"split": "all", "policy": "medmnist"}), json!({"views": 2})),
                format!("health {head} --split all --policy medmnist --seed 2"),
            ),
        ];
        for (found, expected) in cases {
            assert_eq!(found.unwrap(), format!("twinlens judge runs/a --protocol {expected}"));
            let line = format!("twinlens judge runs/a --protocol {}", expected.replace(head, "--data b.npz"));
            let words = line.split_whitespace().map(|word| word.trim_matches('\''));
            assert!(crate::cli::command().try_get_matches_from(words).is_ok(), "{line}");
        }
        assert_eq!(command_of("fine-tune", json!({}), json!({})), None);
    }
}
