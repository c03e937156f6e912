//! Verdicts as files: what tells them apart, and those of the first version.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value, json};
use twinlens_eval::Judgement;
use twinlens_lab::{DataRecord, FeaturesKind, Measured, Outcome, SCHEMA_VERSION, SubjectRecord, Verdict};

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schema1")
}

fn old(name: &str) -> Verdict {
    let text = std::fs::read_to_string(folder().join(name).with_extension("json")).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A verdict of a few settings.
fn verdict(protocol: &str, asked: &[(&'static str, Value)], seed: u64) -> Verdict {
    let outcome = Outcome::Measured(Measured { measures: vec![], splits: vec![] });
    let mut judgement = Judgement::new(asked.iter().cloned(), outcome);
    judgement.seeds.insert("labels".into(), seed);
    let data = DataRecord { path: "a.npz".into(), sha256: Some("aa".into()), splits: None };
    Verdict::new(protocol, judgement, SubjectRecord::of(FeaturesKind::Trained), data)
}

#[test]
fn every_verdict_of_the_first_version_is_read_and_written_as_the_second() {
    let mut count = 0;
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let before: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let read = old(path.file_stem().unwrap().to_str().unwrap());
        let written = serde_json::to_value(&read).unwrap();
        assert_eq!(written["schema_version"], SCHEMA_VERSION);
        assert_eq!(serde_json::from_value::<Verdict>(written.clone()).unwrap(), read, "{}", path.display());
        // Nothing that was measured is lost: outcomes stand where they stood.
        for (field, value) in before.as_object().unwrap() {
            let head = ["schema_version", "settings", "seeds", "splits"].contains(&field.as_str());
            assert!(head || written[field] == *value, "{field} of {}", path.display());
        }
        let scores = |document: &Value, at: usize| document["splits"][at]["scores"].clone();
        for at in 0..2 {
            let (before, after) = (scores(&before, at), scores(&written, at));
            assert!(before == after, "{}", path.display());
        }
        let settings = before["settings"].as_object().unwrap();
        let facts = ["data", "data_sha256", "features"];
        for (key, value) in settings.iter().filter(|(key, _)| !facts.contains(&key.as_str())) {
            let choice_of_all = key == "label_choice" && settings["label_share"] == 1.0;
            let kept = written["asked"].get(key).or_else(|| written["found"].get(key));
            assert!(choice_of_all || kept == Some(value), "{key} of {}", path.display());
        }
        count += 1;
    }
    assert!(count >= 11, "{count}");
}

#[test]
fn old_settings_are_told_apart_into_asked_and_found() {
    let probe = old("linear-probe");
    assert_eq!(probe.asked["label_share"], 1.0);
    assert!(
        !probe.asked.contains_key("label_choice") && probe.seeds.is_empty(),
        "of all labels nothing is drawn"
    );
    assert!(probe.found.contains_key("c") && !probe.asked.contains_key("c"));
    assert_eq!(probe.data.path, "bundled");
    assert_eq!(old("linear-probe-tenth").asked["label_choice"], "stratified");
    assert_eq!(old("knn").asked["label_share"], 1.0, "said by itself now");
    assert_eq!(old("knn-untrained").subject.features, FeaturesKind::Untrained);
    let tuned = old("fine-tune");
    assert_eq!(tuned.subject.features, FeaturesKind::FineTuned);
    assert_eq!((&tuned.found["epochs"], &tuned.found["epoch_kept"]), (&json!(12), &json!(9)));
    assert!(matches!(old("cluster").outcome, Outcome::Clusters(_)));
    assert!(matches!(old("health").outcome, Outcome::Health(_)));
    assert!(matches!(old("svm-tags").outcome, Outcome::Tags(_)));
    let Outcome::Predictions(oldest) = old("linear-probe-oldest").outcome else { panic!("no predictions") };
    assert_eq!(oldest.splits[0].draws["macro_auc"].len(), 3);
}

#[test]
fn versions_of_the_future_and_what_is_no_verdict_are_refused() {
    let mut document = serde_json::to_value(verdict("knn", &[], 0)).unwrap();
    document["schema_version"] = 3.into();
    let error = serde_json::from_value::<Verdict>(document).unwrap_err().to_string();
    assert!(error.contains("version 3") && error.contains("reads 1 and 2"), "{error}");
    for bad in
        [json!({"protocol": "knn"}), json!([]), json!({"schema_version": 2}), json!({"schema_version": 1})]
    {
        assert!(serde_json::from_value::<Verdict>(bad.clone()).is_err(), "{bad}");
    }
}

#[test]
fn a_key_is_of_the_request_and_of_nothing_else() {
    let usual = verdict("cluster", &[("restarts", 10.into())], 0);
    let mut same = usual.clone();
    same.found.insert("iterations".into(), 7.into());
    same.data.path = "elsewhere/a.npz".into();
    same.warnings.push("w".into());
    assert_eq!(usual.key(), same.key());
    assert!(
        usual.file_name().starts_with("cluster-aa-trained-") && usual.file_name().ends_with(&usual.key())
    );
    let mut others = vec![
        verdict("cluster", &[("restarts", 5.into())], 0),
        verdict("cluster", &[("restarts", 10.into())], 1),
        verdict("cluster", &[("restarts", 10.into()), ("anything", true.into())], 0),
        verdict("health", &[("restarts", 10.into())], 0),
    ];
    let mut changed = |change: fn(&mut Verdict)| {
        let mut other = usual.clone();
        change(&mut other);
        others.push(other);
    };
    changed(|other| other.data.sha256 = Some("bb".into()));
    changed(|other| other.data.splits = Some("drawn".into()));
    changed(|other| other.subject.features = FeaturesKind::Pixels);
    for other in others {
        assert_ne!(other.key(), usual.key(), "{other:?}");
    }
}

#[test]
fn what_seeds_decide_is_no_condition() {
    let usual = verdict("ridge-probe", &[("label_share", 0.1.into())], 0);
    let mut again = verdict("ridge-probe", &[("label_share", 0.1.into())], 1);
    again.found.insert("alpha".into(), 10.into());
    again.subject.sha256 = Some("other weights, by another seed".into());
    assert!(usual.repeats(&again) && again.repeats(&usual));
    assert!(!usual.repeats(&verdict("ridge-probe", &[("label_share", 0.2.into())], 0)));
    assert!(!usual.repeats(&verdict("svm-probe", &[("label_share", 0.1.into())], 0)));
    let groups = [usual, again, verdict("ridge-probe", &[("label_share", 0.2.into())], 0)];
    let sizes: Vec<usize> = twinlens_lab::repeated(&groups).iter().map(Vec::len).collect();
    assert_eq!(sizes, [2, 1]);
}

proptest! {
    #[test]
    fn different_requests_have_different_keys(
        one in prop::collection::btree_map("[a-c]", -3i64..3, 0..4),
        other in prop::collection::btree_map("[a-c]", -3i64..3, 0..4),
        seeds in prop::array::uniform2(0u64..3),
    ) {
        let of = |settings: &std::collections::BTreeMap<String, i64>, seed| {
            let mut made = verdict("knn", &[], seed);
            made.asked = settings.iter().map(|(key, value)| (key.clone(), (*value).into())).collect();
            made.key()
        };
        let same = one == other && seeds[0] == seeds[1];
        prop_assert_eq!(of(&one, seeds[0]) == of(&other, seeds[1]), same);
    }
}
