//! Verdicts as the first versions wrote them: one map of settings for everything, another layout for each protocol.

use serde_json::{Map, Value, json};

/// Settings that nobody asked for: what was chosen on validation or came out of the fit.
const FOUND: [&str; 6] = ["alpha", "c", "converged", "epoch_kept", "epochs", "iterations"];
/// Protocols that learn from labels, and did not say so where they took all.
const LEARNERS: [&str; 4] = ["knn", "linear-probe", "ridge-probe", "svm-probe"];

/// A document of version 1 as version 2 says the same.
pub(crate) fn upgraded(mut document: Value) -> Value {
    let protocol = document["protocol"].as_str().unwrap_or_default().to_owned();
    let settings = document["settings"].as_object().cloned().unwrap_or_default();
    let (found, mut asked): (Map<_, _>, Map<_, _>) =
        settings.into_iter().partition(|(key, _)| FOUND.contains(&key.as_str()));
    let mut taken = |key: &str| asked.remove(key).filter(|value| !value.is_null());
    let features = taken("features").unwrap_or_else(|| "trained".into());
    let data = [("path", taken("data")), ("sha256", taken("data_sha256")), ("splits", taken("splits"))];
    let data: Map<_, _> =
        data.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect();
    if LEARNERS.contains(&protocol.as_str()) {
        say_all_labels(&mut asked, &mut document);
    }
    document["data"] = json!({ "path": "" });
    document["data"].as_object_mut().into_iter().for_each(|record| record.extend(data.clone()));
    document["subject"] = json!({ "features": features });
    // An encoder's origin began with the method that trained it.
    let origin = asked.get("init_origin").and_then(Value::as_str).unwrap_or_default();
    if let Some(method) = origin.split(' ').next().filter(|method| !method.is_empty()) {
        document["subject"]["pretrained_by"] = method.into();
    }
    document["outcome"] = outcome_of(&protocol).into();
    document["asked"] = asked.into();
    document["found"] = found.into();
    for split in document["splits"].as_array_mut().into_iter().flatten() {
        name_draws(split);
    }
    document
}

/// The shape of the outcome of a protocol of that version.
fn outcome_of(protocol: &str) -> &'static str {
    match protocol {
        "cluster" => "clusters",
        "health" => "health",
        "svm-tags" => "tags",
        _ => "predictions",
    }
}

/// Of all labels nothing is drawn, so neither a choice nor its seed is said.
fn say_all_labels(asked: &mut Map<String, Value>, document: &mut Value) {
    if asked.contains_key("labels_per_class") {
        return;
    }
    let share = asked.entry("label_share").or_insert_with(|| 1.0.into());
    if share.as_f64() == Some(1.0) {
        asked.remove("label_choice");
        document["seeds"].as_object_mut().and_then(|seeds| seeds.remove("labels"));
    }
}

/// One list of draws of the macro AUC became a list for every measure of scores.
fn name_draws(split: &mut Value) {
    let Some(fields) = split.as_object_mut() else { return };
    if let Some(draws) = fields.remove("macro_auc_draws") {
        fields.insert("draws".into(), json!({ "macro_auc": draws }));
    }
}
