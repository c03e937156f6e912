//! Fine-tuning and its studies, run for real on a few small images.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;
use twinlens::eval::metrics::MEASURES;

use crate::training::{
    Place, complaint, encoder, json, kept, lineage, pretrain, twinlens, wait_until_under_way,
};

/// Settings under which a fine-tuning takes seconds.
const SMALL: [&str; 7] = [
    "size=8",
    "batch=16",
    "log_every=1",
    "stages.0.epochs=1",
    "stages.1.epochs=2",
    "workers=1",
    "device=cpu",
];

pub(crate) fn finetune(place: &Place, first: &[&str], more: &[&str]) -> Command {
    let mut command =
        twinlens(&[&["finetune"], first, &["--data", "bundled", "--json"], &SMALL, more].concat());
    command.env("TWINLENS_DATA_DIR", place.at("cache"));
    command
}

fn output(command: &mut Command) -> Output {
    command.output().unwrap()
}

/// An encoder after a short pre-training, to start from.
pub(crate) fn pretrained(place: &Place) -> String {
    let out = place.at("pretrained");
    json(&output(&mut pretrain(&out, &["epochs=1"])));
    out.display().to_string()
}

fn head(run: &Path) -> Vec<u8> {
    std::fs::read(run.join("encoder/head.safetensors")).unwrap()
}

fn split<'a>(document: &'a Value, name: &str) -> &'a Value {
    let splits = document["splits"].as_array().unwrap();
    splits.iter().find(|split| split["split"] == name).unwrap()
}

#[test]
fn a_fine_tuning_leaves_a_run_with_verdict_predictions_and_head() {
    let place = Place::new();
    let start = pretrained(&place);
    let out = place.at("tuned");
    let path = out.to_str().unwrap();
    let told = json(&output(&mut finetune(&place, &[&start], &["--label-share", "0.1", "--out", path])));
    for file in [
        "config.toml",
        "command.txt",
        "env.json",
        "metrics.jsonl",
        "metrics.csv",
        "checkpoints/last.safetensors",
        "encoder/encoder.json",
        "encoder/head.safetensors",
        "eval/predictions-val.csv",
        "eval/predictions-test.csv",
        "plots/training-curves.svg",
        "plots/confusion-fine-tune.svg",
        "tables/results.csv",
        "tables/classes-fine-tune.csv",
    ] {
        assert!(out.join(file).exists(), "{file}");
    }
    assert!(std::fs::read_to_string(out.join("STATUS")).unwrap().starts_with("done"));
    let lineage = lineage(&out);
    let (recipe, ancestor) = (&lineage["recipe"], &lineage["encoder"][0]);
    assert_eq!((&lineage["kind"], &recipe["id"]), (&"finetuning".into(), &"finetune/two-stage".into()));
    assert_eq!((&ancestor["method"], &ancestor["run"]), (&"barlow-twins".into(), &start.as_str().into()));
    let verdict = &told["verdict"];
    assert_eq!(
        (verdict["protocol"].as_str(), &verdict["asked"]["label_share"]),
        (Some("fine-tune"), &0.1.into())
    );
    let sha256 = verdict["data"]["sha256"].as_str().unwrap();
    let kept = kept(&out, &format!("fine-tune-{}-fine-tuned-0.1-", &sha256[..8]));
    let kept: Value = serde_json::from_str(&std::fs::read_to_string(kept).unwrap()).unwrap();
    assert_eq!(kept, *verdict);
    let test = split(verdict, "test");
    assert_eq!(test["predictions"].as_array().unwrap().len(), 343);
    assert!(test["scores"]["macro_auc"].as_f64().unwrap() > 0.5, "{}", test["scores"]["macro_auc"]);
    assert!(test["scores"]["confusion"].is_array() || test["scores"]["confusion"].is_object());
    let predictions = std::fs::read_to_string(out.join("eval/predictions-test.csv")).unwrap();
    assert_eq!(predictions.lines().count(), 344);

    let page = std::fs::read_to_string(told["report"].as_str().unwrap()).unwrap();
    for text in
        ["resnet18 fine-tuned on the bundled images", "10 % of the training labels", "Map of the features"]
    {
        assert!(page.contains(text), "{text}");
    }

    // What it wrote is an encoder like any other, and a run like any other.
    let judged = output(
        twinlens(&["knn", path, "--data", "bundled", "-k", "5", "--json"])
            .env("TWINLENS_DATA_DIR", place.at("cache")),
    );
    json(&judged);
    let shown = json(&output(&mut twinlens(&["runs", "show", path, "--json"])));
    assert!(shown["metrics"]["val_accuracy"].is_number(), "{shown}");
    let again = output(&mut finetune(&place, &[&start], &["--out", path]));
    assert!(complaint(&again, 2).contains("not empty"));
    let changed = output(&mut twinlens(&["finetune", "--resume", path, "optim.lr=0.5"]));
    assert!(complaint(&changed, 2).contains("optim.lr"));
}

#[test]
fn a_fine_tuning_stopped_or_killed_goes_on_to_the_same_bits() {
    let place = Place::new();
    let start = pretrained(&place);
    let more = ["--label-share", "0.2", "checkpoint.every=1"];
    let begin = |name: &str| {
        let out = place.at(name);
        let path = out.display().to_string();
        (finetune(&place, &[&start], &[&more[..], &["--out", &path]].concat()), out)
    };
    let (mut command, whole) = begin("whole");
    let expected = json(&output(&mut command));
    for (name, signal, code) in [("int", "INT", Some(130)), ("kill", "KILL", None)] {
        let (mut command, out) = begin(name);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        wait_until_under_way(&out, signal == "KILL");
        Command::new("kill").args(["-s", signal, &child.id().to_string()]).status().unwrap();
        assert_eq!(child.wait().unwrap().code(), code, "{name}");
        let resumed = output(&mut twinlens(&["finetune", "--resume", out.to_str().unwrap(), "--json"]));
        assert_eq!(json(&resumed)["verdict"], expected["verdict"], "{name}");
        assert_eq!((encoder(&out), head(&out)), (encoder(&whole), head(&whole)), "{name}");
    }
}

#[test]
fn a_study_draws_its_curve_goes_on_and_grows() {
    let place = Place::new();
    let start = pretrained(&place);
    let out = place.at("curve");
    let path = out.to_str().unwrap();
    let study = |more: &[&str]| {
        let first = [
            "stages.1.epochs=1",
            "--seeds",
            "0,1",
            "--rivals",
            "scratch,probe,pixels,untrained",
            "--out",
            path,
        ];
        finetune(&place, &[&start], &[&first[..], more].concat())
    };
    // Stopped in its first training, it goes on by itself.
    let mut child =
        study(&["--label-share", "0.02"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(120);
    while !out.join("fine-tuned/share-0.02-seed-0/metrics.jsonl").exists() {
        assert!(Instant::now() < deadline, "nothing was begun");
        std::thread::sleep(Duration::from_millis(5));
    }
    Command::new("kill").args(["-s", "TERM", &child.id().to_string()]).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(143));
    let told = json(&output(
        twinlens(&["finetune", "--resume", path, "--json"]).env("TWINLENS_DATA_DIR", place.at("cache")),
    ));
    let points = told["points"].as_array().unwrap();
    let names = ["fine-tuned", "scratch", "frozen probe", "pixels probe", "untrained probe"];
    assert_eq!(points.iter().map(|point| point["name"].as_str().unwrap()).collect::<Vec<_>>(), names);
    for point in points {
        for part in ["val", "test"] {
            let accuracy = &split(point, part)["accuracy"];
            let number = |key: &str| accuracy[key].as_f64().unwrap();
            assert_eq!(accuracy["values"].as_array().unwrap().len(), 2, "{point}");
            assert!((0.0..=1.0).contains(&number("mean")) && number("std") >= 0.0);
            let ends = accuracy["interval"].as_array().unwrap();
            assert!(ends[0].as_f64() <= Some(number("mean")) && ends[1].as_f64() >= Some(number("mean")));
        }
    }
    for file in ["study.toml", "label-efficiency.json"] {
        assert!(out.join(file).exists(), "{file}");
    }
    assert!(!out.join("label-efficiency.svg").exists(), "one amount is no curve");
    let page = std::fs::read_to_string(out.join("report.html")).unwrap();
    for text in
        ["How much is gained", "fine-tuned above scratch", "With 2 % of the labels", "--rivals scratch,probe"]
    {
        assert!(page.contains(text), "{text}");
    }
    assert!(!page.contains("--resume"), "the command that asked for the study, not one that went on with it");
    let gains = std::fs::read_to_string(out.join("tables/gains.csv")).unwrap();
    let [headings, numbers] = gains.lines().collect::<Vec<_>>()[..] else { panic!("{gains}") };
    assert_eq!((headings.split(',').count(), numbers.split(',').count()), (13, 13), "{gains}");
    let csv = std::fs::read_to_string(out.join("label-efficiency.csv")).unwrap();
    assert_eq!(csv.lines().count(), 1 + points.len() * 2 * MEASURES.len());
    let one = out.join("scratch/share-0.02-seed-1");
    let recipe = &lineage(&one)["recipe"];
    assert_eq!(recipe["id"], "finetune/two-stage", "though the study went on by another command");
    assert!(recipe["changed"].as_array().unwrap().contains(&"stages.1.epochs".into()), "{recipe}");
    assert!(one.join("encoder/head.safetensors").exists() && !one.join("checkpoints").exists());

    // The same study again trains nothing; a larger one only what is new.
    let written = |file: &Path| -> SystemTime { std::fs::metadata(file).unwrap().modified().unwrap() };
    let (encoder_file, probe_file) =
        (one.join("encoder/encoder.safetensors"), out.join("frozen-probe/share-0.02-seed-0.json"));
    let before = (written(&encoder_file), written(&probe_file));
    let grown = json(&output(&mut study(&["--label-share", "0.02,0.1"])));
    assert_eq!(before, (written(&encoder_file), written(&probe_file)));
    assert_eq!(grown["points"].as_array().unwrap().len(), 2 * names.len());
    assert!(std::fs::read(out.join("label-efficiency.png")).unwrap().starts_with(b"\x89PNG"));
    assert!(out.join("label-efficiency.svg").exists());
    let told =
        json(&output(&mut twinlens(&["report", path, "--csv", place.at("csv").to_str().unwrap(), "--json"])));
    assert_eq!(told["report"], out.join("report.html").to_str().unwrap());
    let curve = std::fs::read_to_string(place.at("csv").join("label-efficiency.csv")).unwrap();
    assert_eq!(curve.lines().count(), 1 + grown["points"].as_array().unwrap().len());
    let both =
        output(&mut twinlens(&["report", path, &start, "--out", place.at("x.html").to_str().unwrap()]));
    assert!(complaint(&both, 2).contains("a study is reported by itself"));
    for point in points {
        assert!(grown["points"].as_array().unwrap().contains(point), "{point}");
    }
    let other = output(&mut study(&["--label-share", "0.02", "layer_decay=0.5"]));
    let text = complaint(&other, 2);
    assert!(text.contains("layer_decay") && text.contains("another --out"), "{text}");
}

#[test]
fn a_study_on_several_devices_is_the_same_study() {
    let place = Place::new();
    let study = |name: &str, more: &[&str]| {
        let out = place.at(name).display().to_string();
        let first = [
            "stages.1.epochs=1",
            "--labels-per-class",
            "2",
            "--seeds",
            "0,1,2",
            "--rivals",
            "pixels",
            "--out",
            &out,
        ];
        output(&mut finetune(&place, &["scratch"], &[&first[..], more].concat()))
    };
    let alone = json(&study("alone", &["--device", "cpu"]));
    let shared = study("shared", &["--devices", "cpu,cpu"]);
    assert_eq!(json(&shared)["points"], alone["points"]);
    for seed in 0..3 {
        let cell = |study: &str| place.at(study).join(format!("scratch/per-class-2-seed-{seed}"));
        assert_eq!(encoder(&cell("shared")), encoder(&cell("alone")), "{seed}");
    }
    // A process that fails ends the study with what it said.
    let gone = study("gone", &["--devices", "cpu,gpu:99"]);
    let text = complaint(&gone, 4);
    assert!(text.contains("vulkan") && text.contains("gpu:99"), "{text}");
    let one = output(&mut finetune(&place, &["scratch"], &["--devices", "cpu,cpu", "--out", "x"]));
    assert!(complaint(&one, 2).contains("a single training has a single device"));
}

#[test]
fn blocks_are_swept_into_one_table() {
    let place = Place::new();
    let out = place.at("blocks");
    let more = [
        "--preset",
        "finetune/surgical",
        "--labels-per-class",
        "4",
        "--sweep-blocks",
        "--out",
        out.to_str().unwrap(),
    ];
    let mut command = twinlens(
        &[
            &[
                "finetune",
                "scratch",
                "--data",
                "bundled",
                "--json",
                "size=8",
                "batch=16",
                "stages.0.epochs=1",
                "device=cpu",
            ],
            &more[..],
        ]
        .concat(),
    );
    let told = json(&output(&mut command));
    let names: Vec<&str> =
        told["points"].as_array().unwrap().iter().map(|point| point["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["head", "conv1+bn1", "layer1", "layer2", "layer3", "layer4", "all"]);
    assert!(told["points"][0]["training_labels"].as_u64().unwrap() == 32, "{}", told["points"][0]);
    assert!(out.join("surgical.csv").exists() && !out.join("surgical.svg").exists());
}

#[test]
fn what_cannot_work_is_refused_before_anything_is_written() {
    let place = Place::new();
    let start = pretrained(&place);
    let out = place.at("out");
    let path = out.to_str().unwrap();
    let cases: [(&[&str], i32, &[&str]); 9] = [
        (&["--encoder", "resnet34"], 2, &["resnet34", "resnet18"]),
        (&["stages.1.trainable=[\"layer9\"]"], 2, &["layer9", "layer1"]),
        (&["stages.1.trainable=\"none\""], 2, &["head", "all"]),
        (&["--preset", "finetune/two-stages"], 2, &["finetune/two-stage"]),
        (&["--label-share", "0.0001", "--label-choice", "random"], 3, &["nothing to tell apart"]),
        (&["--rivals", "/nowhere.safetensors"], 3, &["/nowhere.safetensors"]),
        (&["validation.metric=\"top1\""], 2, &["accuracy"]),
        (&["--seeds", "0", "--seed", "1"], 2, &["--seed"]),
        (&["device=gpu:99"], 4, &["vulkan"]),
    ];
    for (more, code, words) in cases {
        let text =
            complaint(&output(&mut finetune(&place, &[&start], &[more, &["--out", path]].concat())), code);
        assert!(words.iter().all(|word| text.contains(word)), "{text}");
        assert!(!out.exists(), "{more:?}");
    }
    let nobody = output(&mut finetune(&place, &["--out", path], &[]));
    assert!(complaint(&nobody, 2).contains("no encoder is named"));
    let unknown = output(&mut finetune(&place, &["/nowhere"], &["--out", path]));
    assert!(complaint(&unknown, 3).contains("weights import"));
    std::fs::create_dir(&out).unwrap();
    std::fs::write(out.join("mine.txt"), "mine").unwrap();
    let taken = output(&mut finetune(&place, &[&start], &["--seeds", "0,1", "--overwrite", "--out", path]));
    assert!(complaint(&taken, 2).contains("holds no study"));
    assert_eq!(std::fs::read_dir(&out).unwrap().count(), 1);
}

#[test]
fn a_smoke_run_goes_through_everything_and_leaves_nothing() {
    let place = Place::new();
    let start = pretrained(&place);
    let files = || std::fs::read_dir(place.at(".")).unwrap().count();
    let told = serde_json::json!({"smoke": true, "schema_version": 1});
    assert_eq!(json(&output(&mut finetune(&place, &[&start], &["--smoke"]))), told);
    let before = files();
    let study = ["--smoke", "--rivals", "scratch,probe", "--seeds", "3,4", "--label-share", "0.01,1"];
    let taken = output(&mut finetune(&place, &[&start], &study));
    assert_eq!(json(&taken), told);
    // What is gone is not named.
    let log = String::from_utf8_lossy(&taken.stderr);
    assert!(!log.contains("/smoke"), "{log}");
    assert_eq!(files(), before);
}

#[test]
fn its_settings_have_a_schema_of_their_own() {
    let schema = output(&mut twinlens(&["config", "schema", "finetune"]));
    let schema: Value = serde_json::from_slice(&schema.stdout).unwrap();
    assert_eq!(schema["properties"]["stages"]["type"], "array");
    assert!(schema["properties"]["method"].is_null());
}

#[test]
fn a_plan_tells_what_learns_and_writes_nothing() {
    let place = Place::new();
    let start = pretrained(&place);
    let plan = json(&output(&mut finetune(&place, &[&start], &["--dry-run", "--label-share", "0.1"])));
    let trained: Vec<u64> = plan["trained"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect();
    // 512 features to 8 classes with biases; a ResNet-18 with the 3x3 stem.
    assert_eq!(trained, [8 * 513, 11_168_832 + 8 * 513]);
    assert_eq!(plan["parameters"].as_u64(), Some(trained[1]));
    assert_eq!(plan["trainings"], 1);
    let scratch = output(&mut finetune(&place, &["scratch"], &["--dry-run"]));
    assert!(String::from_utf8_lossy(&scratch.stderr).contains("not worth freezing"));
    assert_eq!(json(&scratch)["trained"], serde_json::json!([trained[1], trained[1]]));
    let study = ["--dry-run", "--labels-per-class", "2,4", "--seeds", "0,1,2"];
    let all = json(&output(&mut finetune(&place, &["scratch"], &study)));
    assert_eq!((&all["trainings"], &all["labels"]), (&6.into(), &32.into()), "four of each of eight classes");
    // Three seeds of 16 labels are as many images as one and a half of 32.
    let [one, whole] = [&all["seconds"], &all["seconds_of_all"]].map(|seconds| seconds.as_f64().unwrap());
    assert!((whole - 4.5 * one).abs() < 1e-9 * whole, "{one} {whole}");
}

#[test]
fn probes_and_neighbours_take_amounts_and_seeds() {
    let place = Place::new();
    let start = pretrained(&place);
    let judged = |verb: &str, more: &[&str]| {
        let arguments = [&[verb, &start, "--data", "bundled", "--json"], more].concat();
        output(twinlens(&arguments).env("TWINLENS_DATA_DIR", place.at("cache")))
    };
    let probe = json(&judged("probe", &["--label-share", "0.1,0.3", "--seeds", "0,1,2"]));
    assert_eq!(probe["verdicts"].as_array().unwrap().len(), 6);
    let summary = probe["summary"].as_array().unwrap();
    assert_eq!(summary.len(), 2);
    let values = split(&summary[0], "test")["accuracy"]["values"].as_array().unwrap();
    let alone = |at: usize| &split(&probe["verdicts"][at], "test")["scores"]["accuracy"];
    assert_eq!(values.iter().collect::<Vec<_>>(), [alone(0), alone(1), alone(2)]);
    let knn = json(&judged("knn", &["-k", "3", "--labels-per-class", "5", "--seeds", "0,1"]));
    assert_eq!(knn["verdicts"][1]["asked"]["labels_per_class"], 5);
    assert_eq!(knn["verdicts"][1]["training_labels"], 40);
    assert_eq!(knn["summary"].as_array().unwrap().len(), 1);
    assert!(complaint(&judged("knn", &["--seeds", "0,1"]), 2).contains("nothing is drawn"));
}
