//! Made-up verdicts for the tests of sections.

use crate::Verdict;
use crate::by_predictions;
use serde_json::{Value, json};
use twinlens_eval::Predictions;

/// A verdict of that accuracy on both splits, without predictions.
pub(super) fn verdict(protocol: &str, settings: Value, seed: u64, accuracy: f64) -> Verdict<Predictions> {
    let scores = json!({
        "samples": 4, "accuracy": accuracy, "top5_accuracy": null, "balanced_accuracy": 0.5, "macro_f1": 0.5,
        "macro_auc": null, "confusion": [[1, 0], [0, 3]],
        "per_class": [{"support": 1, "recall": 1.0, "precision": 1.0, "f1": 1.0, "auc": null},
                      {"support": 3, "recall": 1.0, "precision": 1.0, "f1": 1.0, "auc": null}],
    });
    let split = |name: &str| json!({"split": name, "scores": scores, "labels": [], "predictions": []});
    let verdict = json!({
        "schema_version": 1, "protocol": protocol, "settings": settings, "seeds": {"labels": seed},
        "classes": ["a", "b"], "training_labels": 10, "splits": [split("val"), split("test")], "warnings": [],
    });
    by_predictions(&[serde_json::from_value(verdict).unwrap()]).0.remove(0)
}

/// A linear probe with a tenth of the labels.
pub(super) fn probe(features: &str, seed: u64, c: f64, accuracy: f64) -> Verdict<Predictions> {
    verdict("linear-probe", json!({"features": features, "label_share": 0.1, "c": c}), seed, accuracy)
}
