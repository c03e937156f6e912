//! The verbs that train and judge, run for real on a few small images.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Settings under which a run takes seconds.
pub(crate) const SMALL: [&str; 10] = [
    "size=8",
    "batch=16",
    "limit=48",
    "epochs=2",
    "log_every=1",
    "knn.limit=48",
    "method.projector.hidden_dim=32",
    "method.projector.output_dim=16",
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

/// Returns when a run has logged a row or, if `saved`, has a checkpoint from after its first step.
pub(crate) fn wait_until_under_way(run: &Path, saved: bool) {
    let is_logged = || std::fs::metadata(run.join("metrics.jsonl")).is_ok_and(|file| file.len() > 60);
    let is_saved = || {
        let sidecar = std::fs::read(run.join("checkpoints/last.json")).ok();
        let sidecar = sidecar.and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
        sidecar.is_some_and(|sidecar| sidecar["step"].as_u64() > Some(0))
    };
    let deadline = Instant::now() + Duration::from_secs(120);
    while !if saved { is_saved() } else { is_logged() } {
        assert!(Instant::now() < deadline, "{} does not get under way", run.display());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The verdicts of a run whose files' names start so.
fn all_kept(run: &Path, start: &str) -> Vec<PathBuf> {
    let files = std::fs::read_dir(run.join("eval")).unwrap().map(|item| item.unwrap().path());
    let named = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with(start);
    files.filter(named).filter(|path| path.extension().is_some_and(|kind| kind == "json")).collect()
}

/// The verdict of a run whose file's name starts so; there must be one.
pub(crate) fn kept(run: &Path, start: &str) -> PathBuf {
    let found = all_kept(run, start);
    assert_eq!(found.len(), 1, "{start}: {found:?}");
    found[0].clone()
}

/// What a run says it is and came from.
pub(crate) fn lineage(run: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(run.join("lineage.json")).unwrap()).unwrap()
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

/// `judge` gives what `knn -k 5` gave, and refuses what a protocol would not heed.
fn judge_runs_what_the_verbs_run(run: &str, knn: &Value, cache: &Path) {
    let judge = |more: &[&str]| {
        let arguments = [&["judge", run, "--data", "bundled", "--json", "--protocol"], more].concat();
        twinlens(&arguments).env("TWINLENS_DATA_DIR", cache).output().unwrap()
    };
    assert_eq!(json(&judge(&["knn", "k=5"]))["verdicts"], knn["verdicts"]);
    let of_stage = &json(&judge(&["knn", "k=5", "--stage", "layer1"]))["verdicts"][0];
    assert_eq!(of_stage["subject"]["stage"], "layer1");
    assert_ne!(of_stage["splits"], knn["verdicts"][0]["splits"], "features of another stage");
    let of_epoch = &json(&judge(&["knn", "k=5", "--checkpoint", "1"]))["verdicts"][0];
    assert_eq!(of_epoch["subject"]["epoch"], 1);
    assert_ne!(of_epoch["splits"], knn["verdicts"][0]["splits"], "an encoder of another epoch");
    let retrieved = &json(&judge(&["retrieval", "k=3"]))["verdicts"][0];
    assert_eq!(retrieved["outcome"], "retrieval");
    let splits = retrieved["splits"].as_array().unwrap();
    assert!(splits.iter().all(|split| split["measures"]["map_at_k"].as_f64().is_some()), "{retrieved}");
    for (asked, code, said) in [
        (&["knn", "--split", "val"][..], 2, "leave --split out"),
        (&["knn", "--checkpoint", "9"], 2, "it kept those after 1"),
        (&["knn", "--checkpoint", "1", "--features", "pixels"], 2, "are of no epoch"),
        (&["retrieval", "--label-share", "0.1"], 2, "does not learn from a share of the labels"),
        (&["knn", "temperature=[]"], 2, "temperature has no values"),
        (&["ridge-probe", "alpha_grid=[]"], 2, "alpha_grid has no values"),
        (&["svm-probe", "c_grid=[]"], 2, "c_grid has no values"),
        (&["tsne", "perplexity=-1"], 2, "perplexity = -1"),
        (&["svm-tags"], 3, "have no tags"),
        (&["knn", "--stage", "layer9"], 2, "layer4"),
        (&["knn", "--stage", "layer1", "--features", "pixels"], 2, "no stages"),
    ] {
        let told = complaint(&judge(asked), code);
        assert!(told.contains(said), "{asked:?}: {told}");
    }
}

#[test]
fn a_run_leaves_what_the_layout_promises_and_can_be_judged() {
    let place = Place::new();
    let out = place.at("run");
    let told = json(&pretrain(&out, &["checkpoint.epochs=[1]"]).output().unwrap());
    assert_eq!((told["steps"].as_u64(), told["seed"].as_u64()), (Some(6), Some(0)));
    assert!(told["loss"].as_f64().unwrap().is_finite());
    for file in [
        "config.toml",
        "command.txt",
        "env.json",
        "lineage.json",
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
    let lineage = lineage(&out);
    assert_eq!((&lineage["kind"], &lineage["encoder"]), (&"pretraining".into(), &serde_json::json!([])));
    assert_eq!(lineage["recipe"]["id"], "medmnist/barlow-twins");
    assert_eq!(lineage["recipe"]["sha256"].as_str().map(str::len), Some(64));
    let changed = lineage["recipe"]["changed"].as_array().unwrap();
    let is_changed = |key: &str| changed.contains(&key.into());
    assert!(is_changed("epochs") && is_changed("method.projector.hidden_dim"), "{changed:?}");
    assert!(!is_changed("data") && !is_changed("optim.lr"), "{changed:?}");
    assert_eq!(lineage["data"]["path"], "bundled");

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
    let sha256 = knn["verdicts"][0]["data"]["sha256"].as_str().unwrap();
    kept(&out, &format!("knn-{}-trained-5-", &sha256[..8]));

    judge_runs_what_the_verbs_run(run, &knn, &cache);

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
    stages_are_written(run, &place, &cache);

    let clusters = |more: &[&str]| {
        judged(&[&["cluster", run, "--data", "bundled", "--features", "pixels", "--json"], more].concat())
    };
    let told = clusters(&["--clusters", "8", "--restarts", "2"]);
    let verdict = &told["verdicts"][0];
    assert!(told["summary"].is_null(), "one seed has no spread");
    assert_eq!((verdict["samples"].as_u64(), verdict["k"].as_u64()), (Some(343), Some(8)));
    let (ami, shuffled) = (&verdict["agreement"]["ami"], &verdict["agreement"]["shuffled"]["mean"]);
    assert!(ami.as_f64().unwrap() > 0.1 && shuffled.as_f64().unwrap().abs() < 0.02, "{verdict}");
    let first = kept(&out, &format!("cluster-{}-pixels-test-8-", &sha256[..8]));
    let name = first.file_stem().unwrap().to_str().unwrap().to_owned();
    let picture = out.join(format!("plots/{name}.png"));
    assert_eq!(told["montages"], serde_json::json!([picture]));
    assert!(std::fs::read(&picture).unwrap().starts_with(b"\x89PNG"));
    let elsewhere = place.at("clusters.png");
    let told = clusters(&["--k", "auto", "--split", "all", "--montage", elsewhere.to_str().unwrap()]);
    assert_eq!(told["verdicts"][0]["tried"].as_array().unwrap().len(), 19);
    assert!(elsewhere.exists());
    let told = clusters(&["--k", "8", "--restarts", "1", "--seeds", "0,5,0"]);
    let amis: Vec<f64> =
        (0..2).map(|at| told["verdicts"][at]["agreement"]["ami"].as_f64().unwrap()).collect();
    assert_eq!(told["summary"]["ami"]["values"], serde_json::json!(amis));
    assert!(
        amis[0] != amis[1]
            && (told["summary"]["ami"]["mean"].as_f64().unwrap() - (amis[0] + amis[1]) / 2.0).abs() < 1e-12
    );
    let files = || all_kept(&out, &format!("cluster-{}-pixels-test-8-", &sha256[..8])).len();
    let before = files();
    clusters(&["--clusters", "8", "--restarts", "3"]);
    assert_eq!(files(), before + 1, "another number of restarts is another result");
    clusters(&["--clusters", "8", "--restarts", "3"]);
    assert_eq!(files(), before + 1, "the same again is the same");
    let many = run_with_cache(&["cluster", run, "--data", "bundled", "--clusters", "5000"], &cache);
    assert!(complaint(&many, 2).contains("k = 5000 clusters of only 343 rows"));

    let ridge = judged(&["probe", run, "--data", "bundled", "--classifier", "ridge", "--json"]);
    assert_eq!(ridge["verdicts"][0]["protocol"], "ridge-probe");
    let gap = &ridge["test_below_val"][0];
    let of = |split: usize| ridge["verdicts"][0]["splits"][split]["scores"]["accuracy"].as_f64().unwrap();
    assert!((gap["value"].as_f64().unwrap() - (of(0) - of(1))).abs() < 1e-12, "{gap}");
    assert!(
        gap["low"].as_f64() < gap["value"].as_f64() && gap["value"].as_f64() < gap["high"].as_f64(),
        "{gap}"
    );
    let knn = judged(&["knn", run, "--data", "bundled", "-k", "5", "--temperature", "0.07,0.5", "--json"]);
    assert_eq!(knn["verdicts"].as_array().unwrap().len(), 2);
    assert_eq!(all_kept(&out, &format!("knn-{}-trained-5-", &sha256[..8])).len(), 2, "one a temperature");

    let transfer =
        judged(&["transfer", run, "--data", "bundled", "--classifier", "svm", "-k", "7", "--json"]);
    let protocols: Vec<&str> = transfer["verdicts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["protocol"].as_str().unwrap())
        .collect();
    assert_eq!(protocols, ["knn", "svm-probe"]);
    let mean = &transfer["verdicts"][1]["splits"][1]["scores"]["macro_average_precision"];
    assert!((0.1..=1.0).contains(&mean.as_f64().unwrap()), "{mean}");
    let missing = run_with_cache(&["transfer", run, "--data", "bundled", "no-such.npz", "-k", "9"], &cache);
    assert!(complaint(&missing, 3).contains("where: no-such.npz"));
    let kept = std::fs::read_dir(out.join("eval")).unwrap();
    assert!(
        kept.map(|entry| entry.unwrap().file_name())
            .all(|name| !name.to_string_lossy().contains("trained-9-"))
    );

    let health = judged(&["health", run, "--data", "bundled", "--json"]);
    let verdict = &health["verdict"];
    assert_eq!((verdict["samples"].as_u64(), verdict["dim"].as_u64()), (Some(343), Some(512)));
    assert_eq!(verdict["asked"]["policy"], "medmnist");
    assert!(verdict["alignment"].as_f64().unwrap() > 0.0 && verdict["uniformity"].as_f64().unwrap() < 0.0);
    assert!(Path::new(health["plot"].as_str().unwrap()).exists());
    assert_eq!(judged(&["health", run, "--data", "bundled", "--json"]), health, "it repeats");
    let pixels = ["health", run, "--data", "bundled", "--features", "pixels"];
    assert!(judged(&[&pixels[..], &["--json"]].concat())["verdict"]["alignment"].is_null());
    let views = run_with_cache(&[&pixels[..], &["--policy", "simclr"]].concat(), &cache);
    assert!(complaint(&views, 2).contains("--policy none"));
    let compared = judged(&["runs", "compare", run, run, "--json"]);
    assert_eq!(
        compared["warnings"],
        serde_json::json!([]),
        "clusters and health are no scores, and no mistake"
    );

    let html = place.at("again.html");
    let tables = place.at("tables");
    let report =
        ["report", run, "--json", "--out", html.to_str().unwrap(), "--csv", tables.to_str().unwrap()];
    judged(&report);
    let html = std::fs::read_to_string(html).unwrap();
    for part in ["kNN", "ridge probe", "AMI", "The images nearest to each centroid", "RankMe", "</html>"] {
        assert!(html.contains(part), "{part}");
    }
    let parts =
        ["results", "class-by-class", "what-the-encoder-was-shown", "map-of-the-features", "clusters"];
    let rest = ["health-of-the-representation", "training", "to-repeat-this", "settings", "environment"];
    let places: Vec<_> = parts
        .iter()
        .chain(&rest)
        .map(|part| html.find(&format!("<h2 id=\"part-{part}\">")).unwrap())
        .collect();
    assert!(places.is_sorted(), "results first, settings last: {places:?}");
    assert!(html.contains("settings left as usual") && tables.join("results-val.csv").exists());
    let rows = std::fs::read_to_string(out.join("plots/views.json")).unwrap();
    let rows: Vec<String> = serde_json::from_str(&rows).unwrap();
    assert!(
        !rows.is_empty() && rows.iter().all(|name| html.contains(&format!("title=\"{name}\""))),
        "{rows:?}"
    );
    assert!(!html.contains("is no verdict"), "clusters and health are none, and no mistake");
    let results = std::fs::read_to_string(tables.join("results.csv")).unwrap();
    assert!(results.starts_with("Protocol,Features,test accuracy,test accuracy low,"), "{results}");
    assert_eq!(results.lines().count(), 9, "{results}");
    assert!(results.contains("trained encoder, layer1"), "{results}");
    assert!(results.contains("trained encoder, epoch 1"), "{results}");
    assert!(html.contains("--stage layer1"), "to repeat it takes the same stage");
    assert!(html.contains("--checkpoint 1"), "and the same epoch");
    assert!(tables.join("clusters.csv").exists() && tables.join("health.csv").exists());

    // The page's map holds every test image with its nearest others.
    let start = html.find("<script type=\"application/json\">").unwrap() + 32;
    let data: Value =
        serde_json::from_str(&html[start..start + html[start..].find("</script>").unwrap()]).unwrap();
    assert_eq!(data["images"].as_array().unwrap().len(), 343);
    assert_eq!(data["names"].as_array().unwrap().len(), 343);
    let neighbours = data["frames"][0]["neighbours"].as_array().unwrap();
    assert_eq!((data["frames"][0]["nearest"].as_u64(), neighbours.len()), (Some(8), 8 * 343));
    let bytes = std::fs::read(&features).unwrap();
    let features: Vec<f32> = bytes[bytes.len() - 343 * 512 * 4..]
        .chunks_exact(4)
        .map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()))
        .collect();
    let row = |at: usize| &features[at * 512..][..512];
    let cosine = |a: &[f32], b: &[f32]| {
        let dot =
            |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
        dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
    };
    for image in [0, 100, 342] {
        let nearest = (0..343).filter(|&other| other != image);
        let nearest =
            nearest.max_by(|&a, &b| cosine(row(image), row(a)).total_cmp(&cosine(row(image), row(b))));
        assert_eq!(neighbours[8 * image].as_u64(), nearest.map(|nearest| nearest as u64), "image {image}");
    }
    let names: Vec<&str> =
        data["colourings"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names[..3], ["label", "predicted by knn", "knn right or wrong"]);

    let fail = run_with_cache(&["knn", run, "--data", "bundled", "-k", "5", "--fail-under", "1"], &cache);
    assert!(complaint(&fail, 1).contains("is below 1"));
    let many = run_with_cache(&["knn", run, "--data", "bundled", "-k", "5000"], &cache);
    assert!(complaint(&many, 2).contains("5000"));
}

/// `embed` writes the features and the maps of an inner stage of a ResNet-18.
fn stages_are_written(run: &str, place: &Place, cache: &Path) {
    let embed = |name: &str, more: &[&str]| {
        let out = place.at(name);
        let start =
            ["embed", run, "--data", "bundled", "--split", "test", "--json", "--out", out.to_str().unwrap()];
        run_with_cache(&[start.as_slice(), more].concat(), cache)
    };
    let pooled = json(&embed("layer3.npy", &["--stage", "layer3"]));
    assert_eq!((pooled["stage"].as_str(), pooled["features"].as_u64()), (Some("layer3"), Some(256)));
    let maps = json(&embed("maps.safetensors", &["--stage", "layer3", "--spatial"]));
    let shape: Vec<u64> = maps["shape"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect();
    assert_eq!((shape[..2].to_vec(), shape[2] == shape[3]), (vec![343, 256], true), "{shape:?}");
    let length = std::fs::metadata(place.at("maps.safetensors")).unwrap().len();
    assert!(length > shape.iter().product::<u64>() * 4, "{length} for {shape:?}");
    let last = json(&embed("last.npy", &["--spatial"]));
    assert_eq!((last["stage"].as_str(), &last["shape"][1]), (Some("layer4"), &512.into()));
    let refused = complaint(&embed("maps.csv", &["--spatial"]), 2);
    assert!(refused.contains(".npy or .safetensors"), "{refused}");
    let refused = complaint(&embed("a.npy", &["--stage", "layer33"]), 2);
    assert!(refused.contains("perhaps `layer3`; stages: ") && refused.contains("layer4"), "{refused}");
    let refused = complaint(&embed("a.npy", &["--stage", "layer3", "--features", "pixels"]), 2);
    assert!(refused.contains("--features trained"), "{refused}");
}

#[test]
fn maps_go_through_the_epochs_of_a_run_and_runs_stand_side_by_side() {
    let place = Place::new();
    let (first, second) = (place.at("first"), place.at("second"));
    json(&pretrain(&first, &["checkpoint.keep=5", "checkpoint.every=1"]).output().unwrap());
    json(&pretrain(&second, &["epochs=1", "seed=1"]).output().unwrap());
    let [first, second] = [&first, &second].map(|path| path.to_str().unwrap());
    let cache = place.at("cache");
    let told = |arguments: &[&str]| json(&run_with_cache(&[arguments, &["--json"]].concat(), &cache));
    let bundled = ["--data", "bundled", "--iterations", "60", "--most", "100"];
    let epochs = told(&[&["tsne", first, "--through-epochs", "--html"], &bundled[..]].concat());
    assert_eq!(epochs["maps"], serde_json::json!(["untrained", "epoch 1", "epoch 2"]));
    assert_eq!(epochs["images"], 100);
    let files: Vec<&str> =
        epochs["files"].as_array().unwrap().iter().map(|file| file.as_str().unwrap()).collect();
    assert!(files[0].ends_with("-through-epochs.svg") && files[0].starts_with(first), "{files:?}");
    let csv = std::fs::read_to_string(files[1]).unwrap();
    assert_eq!(csv.lines().count(), 301);
    let page = std::fs::read_to_string(files[2]).unwrap();
    assert!(page.contains("\"epoch 2\"") && page.contains("data:image/jpeg;base64,"));
    // The last epoch's map is of the encoder that the run left.
    let pca = told(&[
        "tsne",
        first,
        second,
        "--data",
        "bundled",
        "--map",
        "pca",
        "--out",
        place.at("m").to_str().unwrap(),
    ]);
    assert_eq!(pca["maps"].as_array().unwrap().len(), 2);
    let epochs = told(&[&["tsne", first, "--through-epochs", "--map", "pca"], &bundled[..]].concat());
    let rows = |file: &str, map: &str| -> Vec<String> {
        let text = std::fs::read_to_string(file).unwrap();
        let rows = text.lines().filter(|line| line.starts_with(map));
        rows.map(|row| {
            row.split(',').skip(3).map(|value| value.trim_start_matches('-')).collect::<Vec<_>>().join(",")
        })
        .collect()
    };
    let alone = told(&["tsne", first, "--map", "pca", "--most", "100", "--data", "bundled"]);
    let (last, alone) = (epochs["files"][1].as_str().unwrap(), alone["files"][1].as_str().unwrap());
    assert_eq!(rows(last, "epoch 2,"), rows(alone, ","));

    let none = run_with_cache(
        &["tsne", second, "--through-epochs", "--data", "bundled", "--features", "pixels"],
        &cache,
    );
    assert!(complaint(&none, 2).contains("only a trained encoder"));
    let file = place.at("first/encoder/encoder.safetensors");
    let nowhere = run_with_cache(&["tsne", file.to_str().unwrap(), "--data", "bundled"], &cache);
    assert!(complaint(&nowhere, 2).contains("--out FOLDER"));
    let sharp =
        run_with_cache(&["tsne", first, "--data", "bundled", "--most", "20", "--perplexity", "30"], &cache);
    assert!(complaint(&sharp, 2).contains("perplexity"));

    told(&["knn", first, "--data", "bundled", "-k", "5"]);
    assert!(complaint(&run_with_cache(&["report", first, second], &cache), 2).contains("--out PATH"));
    let page = place.at("both.html");
    told(&["report", first, second, "--out", page.to_str().unwrap()]);
    let page = std::fs::read_to_string(page).unwrap();
    for part in ["2 runs side by side", "Settings that differ", "epochs", "seed", first, second] {
        assert!(page.contains(part), "{part}");
    }
    assert_eq!(page.matches("<div class=\"atlas-still\">").count(), 2);
    assert_eq!(
        page.matches("<div class=\"panels\">").count(),
        2,
        "one grid for both runs, and one for the machine"
    );
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
        wait_until_under_way(&out, signal == "KILL");
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
    assert!(complaint(&gpu, 4).contains("features vulkan"));
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
    let smoke = pretrain(&out, &["--smoke"]).output().unwrap();
    assert_eq!(json(&smoke), serde_json::json!({"smoke": true, "schema_version": 1}));
    // What is gone is not named.
    assert!(!String::from_utf8_lossy(&smoke.stderr).contains("/smoke"), "{smoke:?}");
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
fn the_hardness_of_policies_is_a_table_and_a_picture() {
    let place = Place::new();
    let hardness =
        |more: &[&str]| run(&[&["views", "--data", "bundled", "--hardness", "--images", "9"], more].concat());
    let picture = place.at("hardness.svg");
    let out = picture.to_str().unwrap();
    let told = json(&hardness(&["--policy", "simclr,medmnist", "--out", out, "--json"]));
    assert_eq!(told["pairs"], 9);
    let policies = told["policies"].as_array().unwrap();
    assert_eq!([&policies[0]["policy"], &policies[1]["policy"]], ["simclr", "medmnist"]);
    assert!(policies[0]["hardness"][0]["operation"].is_null());
    let table = std::fs::read_to_string(place.at("hardness.csv")).unwrap();
    assert!(table.contains("\nsimclr,whole policy,9,") && table.contains("\nmedmnist,rot90,9,"), "{table}");
    assert!(std::fs::read_to_string(&picture).unwrap().starts_with("<svg "));
    // A policy is the same alone as beside another.
    let of_one = json(&hardness(&["policy=simclr", "--json"]));
    assert_eq!(of_one["policies"][0], policies[0]);
    // What cannot be is told before anything is read.
    assert!(complaint(&hardness(&["--out", "hardness.pdf"]), 2).contains(".svg"));
    assert!(complaint(&hardness(&["--policy", "simclrr"]), 2).contains("simclr"));
    let both = ["--policy", "simclr,byol", "--over", "views.0.color_jitter.hue=0..0.5", "--out", "a.png"];
    let over = run(&[&["views", "--data", "bundled"], &both[..]].concat());
    assert!(complaint(&over, 2).contains("--over shows one policy"));
    let empty = place.at("empty.safetensors");
    std::fs::write(&empty, b"\x02\0\0\0\0\0\0\0{}").unwrap();
    let text = complaint(&hardness(&["--lpips-weights", empty.to_str().unwrap()]), 3);
    assert!(text.contains("features.0.weight") && text.contains("lin0.model.1.weight"), "{text}");
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
