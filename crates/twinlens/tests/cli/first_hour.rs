//! What a person meets in the first hour: answers in words, mistakes in one report, runs that are looked at while they go on.

use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use twinlens_report::{Picture, RgbImage};

use crate::training::{Place, complaint, encoder, json, pretrain, twinlens, wait_until_under_way};

/// A folder of small pictures without labels, half of them dark, half bright.
fn flat_folder(folder: &Path, count: u32) {
    std::fs::create_dir_all(folder).unwrap();
    for number in 0..count {
        let picture = RgbImage::from_fn(16, 16, |x, y| {
            let value = (number * 37 + x * 5 + y * 3) % 120 + if number % 2 == 0 { 0 } else { 130 };
            [value as u8, (value / 2) as u8, 255 - value as u8].into()
        });
        let file = folder.join(format!("cell {number:03}.png"));
        std::fs::write(file, Picture::png(&picture).unwrap().bytes()).unwrap();
    }
}

fn told(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_run_ends_in_a_verdict_in_words_with_what_to_type_next() {
    let place = Place::new();
    let out = place.at("run");
    let output = pretrain(&out, &["limit=0", "epochs=1"]).output().unwrap();
    let document = json(&output);
    let summary = document["summary"].as_str().unwrap();
    for words in [
        "Nearest neighbours are right for",
        "of 343 test images after 1 epoch (95 %:",
        "untrained",
        "raw pixels",
    ] {
        assert!(summary.contains(words), "{words}: {summary}");
    }
    assert!(["yes", "not-shown", "worse"].contains(&document["learned"].as_str().unwrap()));
    let next = document["next"].as_array().unwrap();
    assert!((2..=3).contains(&next.len()), "{next:?}");
    assert!(next.iter().all(|command| command.as_str().unwrap().starts_with("twinlens ")));
    // The three that were compared are verdicts like any other, each with its sentence.
    let verdicts: Vec<Value> = std::fs::read_dir(out.join("eval"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "json"))
        .map(|path| serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap())
        .collect();
    let of = |features: &str| {
        let is =
            |verdict: &&Value| verdict["protocol"] == "knn" && verdict["subject"]["features"] == features;
        verdicts.iter().filter(is).count()
    };
    assert_eq!(["trained", "untrained", "pixels"].map(of), [1, 1, 1]);
    for verdict in &verdicts {
        assert!(verdict["summary"].as_str().is_some_and(|text| text.ends_with('.')), "{verdict}");
    }
    // What is left out of each epoch, and how its loss is read, was said before.
    let said = told(&output);
    assert!(said.contains("training images are left out of each epoch"), "{said}");
    assert!(said.contains("the loss of barlow-twins:"), "{said}");
    let log = std::fs::read_to_string(out.join("train.log")).unwrap();
    assert!(log.lines().all(|line| line.starts_with("20") && line.contains('T')), "{log}");
}

#[test]
fn settings_of_protocols_and_data_are_written_alike_in_all_verbs() {
    let place = Place::new();
    let out = place.at("run");
    json(&pretrain(&out, &[]).output().unwrap());
    let run = out.to_str().unwrap();
    let verb = |arguments: &[&str]| twinlens(arguments).output().unwrap();
    let knn = json(&verb(&["knn", run, "k=5", "--json"]));
    assert_eq!(knn["verdicts"][0]["asked"]["k"], 5);
    assert!(knn["verdicts"][0]["summary"].as_str().unwrap().contains("right of 343 test images (95 %:"));
    let cluster = json(&verb(&["cluster", run, "k=3", "--json"]));
    assert_eq!(cluster["verdicts"][0]["k"], 3);
    for (arguments, words) in [
        (&["knn", run, "kk=5"][..], "kk"),
        (&["probe", run, "five"], "expected KEY=VALUE, got five"),
        (&["knn", run, "data_options.memmber=a"], "memmber"),
        (&["embed", run, "k=5", "--out", "x.csv"], "no setting `k` here"),
        (&["health", run, "keep=7"], "keep = 7"),
    ] {
        let told = complaint(&verb(arguments), 2);
        assert!(told.contains(words), "{arguments:?}: {told}");
    }
}

#[test]
fn one_command_starts_a_run_or_goes_on_with_it() {
    let place = Place::new();
    let (once, twice) = (place.at("once"), place.at("twice"));
    json(&pretrain(&once, &["epochs=3"]).output().unwrap());
    let requeued = |epochs: &str| pretrain(&twice, &[epochs, "--resume-or-start"]);
    let mut killed = requeued("epochs=3").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_until_under_way(&twice, true);
    killed.kill().unwrap();
    killed.wait().unwrap();
    json(&requeued("epochs=3").output().unwrap());
    assert!(encoder(&once) == encoder(&twice), "as if it had never been killed");
    let again = requeued("epochs=3").output().unwrap();
    assert!(told(&again).contains("is done already"), "{}", told(&again));
    assert_eq!(json(&again)["steps"], 9);
    let other = complaint(&requeued("epochs=4").output().unwrap(), 2);
    assert!(other.contains("epochs"), "{other}");
}

#[test]
fn a_run_can_be_looked_at_while_it_trains_and_when_nobody_may_write() {
    let place = Place::new();
    let out = place.at("run");
    let mut training =
        pretrain(&out, &["epochs=2000"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_until_under_way(&out, true);
    let run = out.to_str().unwrap();
    let knn = twinlens(&["knn", run, "-k", "5", "--json"]).output().unwrap();
    assert!(told(&knn).contains("has not come to its end") && told(&knn).contains("not kept with the run"));
    assert!(json(&knn)["verdicts"][0]["summary"].is_string());
    let report = twinlens(&["report", run, "--json"]).output().unwrap();
    assert_eq!(json(&report)["report"].as_str(), out.join("report.html").to_str());
    training.kill().unwrap();
    training.wait().unwrap();
    let checkpoint = out.join("checkpoints/last.safetensors");
    let of_file = twinlens(&["knn", checkpoint.to_str().unwrap(), "--data", "bundled", "-k", "5", "--json"]);
    assert!(json(&{ of_file }.output().unwrap())["verdicts"][0]["summary"].is_string());
}

#[test]
fn what_is_wrong_is_told_at_once_and_leaves_nothing_behind() {
    let place = Place::new();
    let file = place.at("bad.toml");
    let mistakes = "batch = 0\nepochs = 0\nlog_every = 0\nprecision = \"f64\"\nsised = 64\n\n[optim]\nlr = -3\nbetas = [0.9]\n\n\
                    [knn]\nk = 0\n\n[encoder]\nname = \"resnet18\"\nstem = \"cifr\"\n\n[[views]]\ncount = 2\n\
                    [[views.operations]]\nop = \"color_jitter\"\nbrightness = 0.4\ncontrast = 0.4\nsaturation = 0.2\nhue = 0.9\np = 0.8\n";
    std::fs::write(&file, mistakes).unwrap();
    let path = file.to_str().unwrap();
    let all = [
        "batch",
        "epochs",
        "log_every",
        "precision",
        "sised",
        "optim.lr",
        "betas",
        "knn.k",
        "encoder.stem",
        "hue",
    ];
    let out = place.at("run");
    for arguments in [
        &["config", "validate", path][..],
        &["config", "show", "--config", path],
        &["pretrain", "--data", "bundled", "--config", path, "--dry-run"],
        &["pretrain", "--data", "bundled", "--config", path, "--out", out.to_str().unwrap()],
    ] {
        let told = complaint(&twinlens(arguments).output().unwrap(), 2);
        for mistake in all {
            assert!(told.contains(&format!("{mistake}`")), "{arguments:?} does not tell {mistake}: {told}");
        }
        assert!(told.contains("has 10 mistakes"), "{told}");
    }
    assert!(!out.exists());
    // A pipe is read once, and is as good as a file.
    let mut piped = twinlens(&["config", "validate", "-"]);
    let mut child = piped.stdin(Stdio::piped()).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(mistakes.as_bytes()).unwrap();
    let told = complaint(&child.wait_with_output().unwrap(), 2);
    assert!(told.contains("has 10 mistakes"), "{told}");
}

#[test]
fn weights_that_do_not_fit_are_refused_before_there_is_a_folder() {
    let place = Place::new();
    let first = place.at("first");
    json(&pretrain(&first, &["epochs=1"]).output().unwrap());
    let second = place.at("second");
    let with = |setting: &str| {
        let start = ["--init-from", first.to_str().unwrap(), setting];
        complaint(&pretrain(&second, &start).output().unwrap(), 2)
    };
    for (setting, takes) in
        [("encoder=resnet50", "encoder.name=resnet18"), ("encoder.stem=imagenet", "encoder.stem=cifar")]
    {
        let told = with(setting);
        assert!(told.contains(takes), "{told}");
    }
    assert!(!second.exists(), "nothing is left behind");
}

#[test]
fn checkpoints_are_files_of_their_own_and_go_when_asked() {
    let place = Place::new();
    let out = place.at("run");
    json(&pretrain(&out, &["checkpoint.best=loss"]).output().unwrap());
    let folder = out.join("checkpoints");
    let best: Value = serde_json::from_slice(&std::fs::read(folder.join("best.json")).unwrap()).unwrap();
    assert_eq!((&best["best"]["metric"], &best["best"]["direction"]), (&"loss".into(), &"lower".into()));
    // One damaged file leaves the others whole.
    let last = std::fs::OpenOptions::new().write(true).open(folder.join("last.safetensors")).unwrap();
    last.set_len(1000).unwrap();
    let resumed =
        json(&twinlens(&["pretrain", "--resume", out.to_str().unwrap(), "--json"]).output().unwrap());
    assert_eq!(resumed["steps"], 6);
    let cleaned = json(&twinlens(&["runs", "clean", out.to_str().unwrap(), "--json"]).output().unwrap());
    assert!(cleaned["runs"][0]["freed_bytes"].as_u64().unwrap() > 1_000_000);
    assert!(!folder.exists() && out.join("encoder/encoder.safetensors").exists());
    // A run that is done stays done: asked for no more, or for more than it can.
    let path = out.to_str().unwrap();
    assert_eq!(json(&twinlens(&["pretrain", "--resume", path, "--json"]).output().unwrap())["steps"], 6);
    let more = twinlens(&["pretrain", "--resume", path, "epochs=9"]).output().unwrap();
    let told = String::from_utf8_lossy(&more.stderr).into_owned();
    assert!(
        !more.status.success() && told.contains("--init-from") && !told.contains("--overwrite"),
        "{told}"
    );
    assert_eq!(std::fs::read_to_string(out.join("STATUS")).unwrap().trim(), "done");
    // Without a word on the data, fine-tuning takes those that the encoder learned from.
    let tuned = place.at("tuned");
    let few = ["size=8", "batch=16", "stages.0.epochs=1", "stages.1.epochs=1", "workers=1", "device=cpu"];
    let start = ["finetune", path, "--labels-per-class", "3", "--json", "--out", tuned.to_str().unwrap()];
    let document = json(&twinlens(&[&start[..], &few].concat()).output().unwrap());
    assert_eq!(document["verdict"]["data"]["path"], "bundled");
    assert!(document["summary"].as_str().unwrap().contains("% right of 343 test images"), "{document}");
    let other = place.at("other");
    json(&pretrain(&other, &["checkpoint.when_done=remove", "epochs=1"]).output().unwrap());
    assert!(!other.join("checkpoints").exists());
}

#[test]
fn a_flat_folder_trains_whole_and_is_told_about_without_labels() {
    let place = Place::new();
    let photos = place.at("photos");
    flat_folder(&photos, 40);
    let out = place.at("run");
    let small = [
        "batch=16",
        "epochs=2",
        "method.projector.hidden_dim=32",
        "method.projector.output_dim=16",
        "device=cpu",
    ];
    let mut arguments =
        vec!["pretrain", "--data", photos.to_str().unwrap(), "--json", "--out", out.to_str().unwrap()];
    arguments.extend(small);
    let document = json(&twinlens(&arguments).output().unwrap());
    let summary = document["summary"].as_str().unwrap();
    for words in
        ["the features of 40 images have effective rank", "untrained", "clusters", "adjusted Rand index"]
    {
        assert!(summary.contains(words), "{words}: {summary}");
    }
    assert_eq!(document["learned"], "unknown");
    let data: Value = serde_json::from_slice(&std::fs::read(out.join("data.json")).unwrap()).unwrap();
    assert_eq!(data["splits"].as_array().unwrap().len(), 1, "nothing is split away: {data}");
    let features = place.at("features.csv");
    let run = out.to_str().unwrap();
    json(&twinlens(&["embed", run, "--out", features.to_str().unwrap(), "--json"]).output().unwrap());
    assert!(std::fs::read_to_string(&features).unwrap().contains("cell 039.png"));
    json(&twinlens(&["health", run, "--json"]).output().unwrap());
}
