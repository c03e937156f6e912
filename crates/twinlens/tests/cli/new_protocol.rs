//! What a new protocol costs: its type. Lists, verdicts, comparisons, tables and reports know it by themselves.

use std::path::{Path, PathBuf};

use serde_json::Value;
use twinlens_lab::{FeaturesKind, Settings, Subject, Verdict};
use twinlens_nn::weights::{EncoderDescription, EncoderFile};

use super::own_protocol::{SPARSITY, judge};
use super::program::{run, run_folder, text};

fn cells() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../lab/assets/blood_cells_28.npz")
}

/// The pixels of images, as for an encoder of this description.
fn pixels() -> Subject {
    let description = EncoderDescription {
        version: 2,
        encoder: "resnet18".into(),
        stem: "cifar".into(),
        channels: 3,
        features: 512,
        size: 28,
        range: None,
        stain: None,
        bag_of_channels: false,
        mean: vec![0.5; 3],
        std: vec![0.25; 3],
        eval_resize: twinlens_views::EvalResize::default(),
        origin: String::new(),
    };
    Subject::new(FeaturesKind::Pixels, EncoderFile { description, tensors: Default::default() }, 0).unwrap()
}

fn threshold(value: f64) -> Settings {
    [("threshold".to_owned(), value.into())].into()
}

#[test]
fn a_new_protocol_is_known_everywhere() {
    let listed = twinlens_lab::choices::protocols(&[SPARSITY]);
    assert_eq!((listed[0].name.as_str(), listed[0].details[1].1.as_str()), ("sparsity", "threshold=0.0"));
    let wrong: Settings = [("exponent".to_owned(), 2.into())].into();
    let error = judge(&pixels(), &cells(), &wrong).unwrap_err().to_string();
    assert!(error.contains("sparsity") && error.contains("exponent"), "{error}");

    let folder = tempfile::tempdir().unwrap();
    let config = toml::to_string(&twinlens_ssl::Settings::default()).unwrap();
    let paths = ["a", "b"].map(|name| folder.path().join(name).display().to_string());
    for (path, value) in paths.iter().zip([0.5, 1.0]) {
        let verdict = judge(&pixels(), &cells(), &threshold(value)).unwrap().remove(0);
        let run = run_folder(Path::new(path), &config, verdict.data.sha256.as_deref().unwrap());
        run.write_verdict(&verdict.file_name(), &verdict).unwrap();
        let json = serde_json::to_string(&verdict).unwrap();
        assert_eq!(serde_json::from_str::<Verdict>(&json).unwrap(), verdict);
    }
    let [a, b] = [&paths[0], &paths[1]].map(String::as_str);
    let told = run(&["runs", "compare", a, b]);
    assert!(text(&told.stdout).contains("sparsity"), "{}", text(&told.stdout));
    let document: Value = serde_json::from_slice(&run(&["runs", "compare", a, b, "--json"]).stdout).unwrap();
    let score = |at: usize| document["verdicts"][at]["sparsity"].as_f64().unwrap();
    assert!(0.0 < score(0) && score(0) < score(1) && score(1) < 1.0, "{document}");
    assert_eq!(document["verdicts"][0]["split"], "test");

    let tables = folder.path().join("tables");
    let reported = run(&["report", a, "--csv", tables.to_str().unwrap()]);
    assert!(reported.status.success(), "{}", text(&reported.stderr));
    let page = std::fs::read_to_string(Path::new(a).join("report.html")).unwrap();
    assert!(page.contains("Further measures") && page.contains("sparsity"));
    let csv = std::fs::read_to_string(tables.join("sparsity.csv")).unwrap();
    assert!(csv.starts_with("Protocol,Features,Images,sparsity"), "{csv}");
    let both = folder.path().join("both.html");
    assert!(run(&["report", a, b, "--out", both.to_str().unwrap()]).status.success());
    assert!(std::fs::read_to_string(both).unwrap().contains("sparsity"));
}
