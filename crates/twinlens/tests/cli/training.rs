//! The verbs that train and judge, run for real on a few small images.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Settings under which a run takes seconds.
const SMALL: [&str; 10] = [
    "size=8",
    "batch=16",
    "limit=48",
    "epochs=2",
    "log_every=1",
    "knn.limit=48",
    "projector.hidden_dim=32",
    "projector.output_dim=16",
    "workers=1",
    "device=cpu",
];

pub(crate) fn twinlens(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_twinlens"));
    command.args(arguments).env("RUST_BACKTRACE", "0").stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    twinlens(arguments).output().unwrap()
}

pub(crate) fn pretrain(out: &Path, more: &[&str]) -> Command {
    let mut arguments = vec!["pretrain", "--data", "bundled", "--method", "barlow-twins", "--json", "--out"];
    arguments.push(out.to_str().unwrap());
    arguments.extend(SMALL);
    arguments.extend(more);
    twinlens(&arguments)
}

pub(crate) fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The complaint of a command that ends with `code`.
pub(crate) fn complaint(output: &Output, code: i32) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{text}");
    text
}

pub(crate) fn encoder(run: &Path) -> Vec<u8> {
    std::fs::read(run.join("encoder/encoder.safetensors")).unwrap()
}

pub(crate) struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Place {
        Place { folder: tempfile::tempdir().unwrap() }
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

#[test]
fn a_run_leaves_what_the_layout_promises_and_can_be_judged() {
    let place = Place::new();
    let out = place.at("run");
    let told = json(&pretrain(&out, &[]).output().unwrap());
    assert_eq!((told["steps"].as_u64(), told["seed"].as_u64()), (Some(6), Some(0)));
    assert!(told["loss"].as_f64().unwrap().is_finite());
    for file in [
        "config.toml",
        "command.txt",
        "env.json",
        "metrics.jsonl",
        "metrics.csv",
        "train.log",
        "checkpoints/last.safetensors",
        "checkpoints/best.json",
        "encoder/encoder.json",
        "report.html",
    ] {
        assert!(out.join(file).exists(), "{file}");
    }
    assert!(std::fs::read_to_string(out.join("STATUS")).unwrap().starts_with("done"));

    let cache = place.at("cache");
    let judged =
        |arguments: &[&str]| json(&twinlens(arguments).env("TWINLENS_DATA_DIR", &cache).output().unwrap());
    let run = out.to_str().unwrap();
    let knn = judged(&["knn", run, "--data", "bundled", "-k", "5", "--json"]);
    let again = judged(&["knn", run, "--data", "bundled", "-k", "5", "--json"]);
    assert_eq!(knn, again, "kept features must give what fresh ones gave");
    let probe = judged(&[
        "probe",
        run,
        "--data",
        "bundled",
        "--label-share",
        "0.2",
        "--features",
        "pixels",
        "--json",
    ]);
    for (document, split) in [(&knn, "val"), (&knn, "test"), (&probe, "test")] {
        let splits = document["verdicts"][0]["splits"].as_array().unwrap();
        let found = splits.iter().find(|found| found["split"] == split).unwrap();
        let accuracy = found["scores"]["accuracy"].as_f64().unwrap();
        assert!((0.05..=1.0).contains(&accuracy), "{accuracy}");
    }
    let sha256 = knn["verdicts"][0]["settings"]["data_sha256"].as_str().unwrap();
    assert!(out.join(format!("eval/knn-{}-trained-5-weighted.json", &sha256[..8])).exists());

    let features = place.at("features.npy");
    let told = judged(&[
        "embed",
        run,
        "--data",
        "bundled",
        "--split",
        "test",
        "--out",
        features.to_str().unwrap(),
        "--json",
    ]);
    assert_eq!((told["rows"].as_u64(), told["features"].as_u64()), (Some(343), Some(512)));
    assert_eq!(std::fs::metadata(&features).unwrap().len() % 64, (343 * 512 * 4) % 64);

    let clusters = |more: &[&str]| {
        judged(&[&["cluster", run, "--data", "bundled", "--features", "pixels", "--json"], more].concat())
    };
    let told = clusters(&["--clusters", "8", "--restarts", "2"]);
    let verdict = &told["verdict"];
    assert_eq!((verdict["samples"].as_u64(), verdict["k"].as_u64()), (Some(343), Some(8)));
    let (ami, shuffled) = (&verdict["agreement"]["ami"], &verdict["agreement"]["shuffled"]["mean"]);
    assert!(ami.as_f64().unwrap() > 0.1 && shuffled.as_f64().unwrap().abs() < 0.02, "{verdict}");
    let name = format!("cluster-{}-pixels-test-8-euclidean-clusters0", &sha256[..8]);
    assert!(out.join(format!("eval/{name}.json")).exists());
    let picture = out.join(format!("plots/{name}.png"));
    assert_eq!(told["montage"].as_str(), picture.to_str());
    assert!(std::fs::read(&picture).unwrap().starts_with(b"\x89PNG"));
    let elsewhere = place.at("clusters.png");
    let told = clusters(&["--k", "auto", "--split", "all", "--montage", elsewhere.to_str().unwrap()]);
    assert_eq!(told["verdict"]["tried"].as_array().unwrap().len(), 19);
    assert!(elsewhere.exists());
    let many = run_with_cache(&["cluster", run, "--data", "bundled", "--clusters", "5000"], &cache);
    assert!(complaint(&many, 2).contains("k = 5000 clusters of only 343 rows"));

    let html = place.at("again.html");
    json(
        &twinlens(&["report", run, "--json", "--out", html.to_str().unwrap()])
            .env("TWINLENS_DATA_DIR", &cache)
            .output()
            .unwrap(),
    );
    let html = std::fs::read_to_string(html).unwrap();
    assert!(html.contains("kNN") && html.contains("</html>"));
    assert!(!html.contains("is no verdict"), "clusters are none, and no mistake");

    let fail = run_with_cache(&["knn", run, "--data", "bundled", "-k", "5", "--fail-under", "1"], &cache);
    assert!(complaint(&fail, 1).contains("is below 1"));
    let many = run_with_cache(&["knn", run, "--data", "bundled", "-k", "5000"], &cache);
    assert!(complaint(&many, 2).contains("5000"));
}

fn run_with_cache(arguments: &[&str], cache: &Path) -> Output {
    twinlens(arguments).env("TWINLENS_DATA_DIR", cache).output().unwrap()
}

#[test]
fn a_run_stopped_or_killed_goes_on_to_the_same_bits() {
    let place = Place::new();
    let whole = place.at("whole");
    json(&pretrain(&whole, &["epochs=3"]).output().unwrap());
    for (name, signal, code) in
        [("term", "TERM", Some(143)), ("int", "INT", Some(130)), ("kill", "KILL", None)]
    {
        let out = place.at(name);
        let mut child =
            pretrain(&out, &["epochs=3"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // Killed runs go on from a checkpoint, so wait for one; the others save by themselves, in mid-epoch.
        let sign = if signal == "KILL" { "checkpoints/last.json" } else { "metrics.jsonl" };
        let deadline = Instant::now() + Duration::from_secs(120);
        while std::fs::metadata(out.join(sign)).map_or(0, |file| file.len()) < 60 {
            assert!(Instant::now() < deadline, "{name}: no {sign}");
            std::thread::sleep(Duration::from_millis(5));
        }
        let id = child.id().to_string();
        Command::new("kill").args(["-s", signal, &id]).status().unwrap();
        assert_eq!(child.wait().unwrap().code(), code, "{name}");
        let resumed = json(&run(&["pretrain", "--resume", out.to_str().unwrap(), "--json"]));
        assert_eq!(resumed["steps"], 9);
        assert_eq!(encoder(&out), encoder(&whole), "{name}");
    }
}

#[test]
fn a_checkpoint_cut_in_half_is_passed_over() {
    let place = Place::new();
    let out = place.at("run");
    json(&pretrain(&out, &["checkpoint.keep=2"]).output().unwrap());
    let last = out.join("checkpoints/last.safetensors");
    let bytes = std::fs::read(&last).unwrap();
    // The numbered one of the same epoch shares the file: cut a copy, not both.
    std::fs::remove_file(&last).unwrap();
    std::fs::write(&last, &bytes[..bytes.len() / 2]).unwrap();
    let output = run(&["pretrain", "--resume", out.to_str().unwrap(), "--json"]);
    json(&output);
    assert!(String::from_utf8_lossy(&output.stderr).contains("last"), "a damaged checkpoint is told");
}

#[test]
fn what_cannot_work_is_refused_before_anything_is_written() {
    let place = Place::new();
    let out = place.at("run");
    for (more, word) in [
        (&["batch=5000"][..], "at most the 48 training images"),
        (&["optim.lr=-1"], "optim.lr"),
        (&["epoch=3"], "epochs"),
        (&["--set", "optim.name=sgdd"], "sgd"),
        (&["policy=simclrr"], "simclr"),
    ] {
        let text = complaint(&pretrain(&out, more).output().unwrap(), 2);
        assert!(text.contains(word), "{text}");
    }
    let missing = run(&["pretrain", "--data", "no-such-file.npz", "--out", out.to_str().unwrap()]);
    assert!(complaint(&missing, 3).contains("no-such-file.npz"));
    let gpu = pretrain(&out, &["device=gpu:99"]).output().unwrap();
    assert!(complaint(&gpu, 4).contains("--features vulkan"));
    assert!(!out.join("metrics.jsonl").exists());
}

#[test]
fn a_taken_folder_and_changed_settings_are_refused() {
    let place = Place::new();
    let out = place.at("run");
    json(&pretrain(&out, &["epochs=1"]).output().unwrap());
    assert!(complaint(&pretrain(&out, &[]).output().unwrap(), 2).contains("not empty"));
    let changed = run(&["pretrain", "--resume", out.to_str().unwrap(), "optim.lr=0.5"]);
    assert!(complaint(&changed, 2).contains("optim.lr"));
    let longer = json(&run(&["pretrain", "--resume", out.to_str().unwrap(), "epochs=2", "--json"]));
    assert_eq!(longer["steps"], 6);
    json(&pretrain(&out, &["--overwrite", "epochs=1"]).output().unwrap());
}

#[test]
fn a_deterministic_run_on_the_cpu_says_that_it_repeats() {
    let place = Place::new();
    let out = place.at("run");
    let output = pretrain(&out, &["--deterministic", "epochs=1"]).output().unwrap();
    json(&output);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("the same settings and data give the same bits"), "{said}");
    assert!(std::fs::read_to_string(out.join("config.toml")).unwrap().contains("deterministic = true"));
}

#[test]
fn a_plan_and_a_smoke_test_leave_nothing_behind() {
    let place = Place::new();
    let out = place.at("run");
    let plan = json(&pretrain(&out, &["--dry-run"]).output().unwrap());
    assert_eq!((plan["steps"].as_u64(), plan["images"].as_u64()), (Some(6), Some(48)));
    let (step, whole) = (plan["seconds_per_step"].as_f64().unwrap(), plan["seconds"].as_f64().unwrap());
    assert!(step > 0.0 && (whole - 6.0 * step).abs() < 1e-9 * whole, "{step} {whole}");
    assert!(plan["files"].as_array().unwrap().contains(&"report.html".into()));
    assert!(plan["checkpoint_bytes"].as_u64().unwrap() > 4 * plan["parameters"].as_u64().unwrap());
    json(&pretrain(&out, &["--smoke"]).output().unwrap());
    assert!(!out.exists());
}

#[test]
fn views_are_shown_and_explained() {
    let place = Place::new();
    let sheet = place.at("views.png");
    let told = json(&run(&[
        "views",
        "--data",
        "bundled",
        "--out",
        sheet.to_str().unwrap(),
        "--rows",
        "3",
        "--explain",
        "--json",
    ]));
    assert_eq!(told["rows"].as_array().unwrap().len(), 3);
    assert!(std::fs::read(&sheet).unwrap().starts_with(b"\x89PNG"));
}

#[test]
fn an_encoder_of_another_kind_is_refused_with_the_weights_name() {
    let place = Place::new();
    let out = place.at("run");
    json(&pretrain(&out, &["epochs=1"]).output().unwrap());
    let description = out.join("encoder/encoder.json");
    let text = std::fs::read_to_string(&description).unwrap();
    std::fs::write(&description, text.replace("cifar", "imagenet")).unwrap();
    let text =
        complaint(&run_with_cache(&["knn", out.to_str().unwrap(), "--data", "bundled"], &place.at("c")), 3);
    assert!(text.contains("conv1.weight") && text.contains("stem"), "{text}");
    std::fs::write(out.join("encoder/encoder.safetensors"), b"").unwrap();
    let text =
        complaint(&run_with_cache(&["knn", out.to_str().unwrap(), "--data", "bundled"], &place.at("c")), 3);
    assert!(text.contains("encoder.safetensors"), "{text}");
}
