//! Studies on the command line: planned, made, killed, told.

use std::path::Path;
use std::process::{Child, Output};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::training::{complaint, json, twinlens};

/// Two settings with two seeds on a few bundled photographs.
const RECIPE: &str = "\
id = 'hue'
title = 'Hue'
data = { learn = ['bundled'] }
base = { preset = 'medmnist/barlow-twins', method.projector = { hidden_dim = 32, output_dim = 16 }, epochs = 2, batch = 16, limit = 48, size = 8, workers = 1 }
axes = [
    { name = 'hue', role = 'x', key = 'views.0.color_jitter.hue', values = [0.0, 0.1] },
    { name = 'seed', role = 'repeat', key = 'seed', values = [0, 1] },
]
protocols = [{ name = 'neighbours', kind = 'knn', k = 5 }]
pages = [{ kind = 'lines', measure = 'neighbours.test.accuracy' }]
expect = [{ says = 'hue does nothing', kind = 'flat', along = 'hue', by = 0.5 }]
";

fn study(arguments: &[&str]) -> Output {
    twinlens(&[&["study"], arguments].concat()).output().unwrap()
}

fn recipe(folder: &Path) -> String {
    let file = folder.join("hue.toml");
    std::fs::write(&file, RECIPE).unwrap();
    file.to_str().unwrap().to_owned()
}

fn table(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("table.csv")).unwrap()
}

#[test]
fn studies_are_listed_with_rows_and_budgets() {
    let listed = json(&study(&["list", "--json"]));
    let listed = listed.as_array().unwrap();
    assert!(listed.len() > 10);
    for one in listed {
        assert!(one["id"].is_string() && one["rows"][0].is_string(), "{one}");
        let budgets: Vec<&str> = one["budgets"]
            .as_array()
            .unwrap()
            .iter()
            .map(|budget| budget["name"].as_str().unwrap())
            .collect();
        assert!(["paper", "small", "tiny"].iter().all(|name| budgets.contains(name)), "{one}");
    }
    let row = json(&study(&["list", "--row", "P14", "--json"]));
    assert_eq!(row.as_array().unwrap().len(), 1);
    let shown = study(&["show", "p/figure-14", "--budget", "small"]);
    let text = String::from_utf8(shown.stdout).unwrap();
    assert!(
        text.contains("batch: 32, 64, 128") && text.contains("the source states: data = pathmnist"),
        "{text}"
    );
}

#[test]
fn a_study_of_the_program_runs_in_one_command() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("batch");
    let done =
        json(&study(&["run", "p/figure-14", "--budget", "tiny", "--out", out.to_str().unwrap(), "--json"]));
    assert_eq!(done["tally"]["states"]["done"], 8);
    assert!(
        done["differences"].as_array().unwrap().iter().any(|one| one == "data bundled, not pathmnist"),
        "{done}"
    );
    assert!(table(&out).contains("linear,simclr,64,0,test,accuracy,0."), "{}", table(&out));
    let page = std::fs::read_to_string(out.join("report.html")).unwrap();
    assert!(page.contains("Not the source") && page.contains("SimCLR is best near 128"));
    let expected: Value = serde_json::from_slice(&std::fs::read(out.join("expect.json")).unwrap()).unwrap();
    assert_eq!(expected["expected"][1]["finding"], "not-tested");
}

#[test]
fn mistakes_are_told_with_their_code_before_anything_is_written() {
    let place = tempfile::tempdir().unwrap();
    let (file, out) = (recipe(place.path()), place.path().join("out"));
    let out = out.to_str().unwrap();
    let cases: [(&[&str], i32, &str); 7] = [
        (&["plan", "p/figure14", "--out", out], 2, "did you mean `p/figure-14`?"),
        (&["plan", &file, "--axis", "hu=0.1", "--out", out], 2, "did you mean `hue`?"),
        (&["plan", &file, "--budget", "huge", "--out", out], 2, "there are paper"),
        (&["plan", "p/table-1", "--out", out], 3, "--data-at pathmnist@64=PATH"),
        (&["run", out], 2, "add --out DIR"),
        (&["status", place.path().to_str().unwrap()], 2, "holds no study"),
        (&["plan", &file, "--out", place.path().to_str().unwrap()], 2, "is not empty and holds no study"),
    ];
    for (arguments, code, told) in cases {
        let text = complaint(&study(arguments), code);
        assert!(text.contains(told), "{arguments:?}: {text}");
    }
    assert!(!Path::new(out).exists());
}

#[test]
fn jobs_of_schedulers_make_the_study_and_say_what_is_not_ready() {
    let place = tempfile::tempdir().unwrap();
    let (file, out) = (recipe(place.path()), place.path().join("out"));
    let at = out.to_str().unwrap();
    let planned = json(&study(&["plan", &file, "--out", at, "--unit", "node", "--json"]));
    assert_eq!((planned["nodes"].as_array().unwrap().len(), planned["cells"].as_u64()), (8, Some(4)));
    let judge = planned["levels"][1][0][0].as_str().unwrap();
    let text = complaint(&study(&["run", at, "--node", judge]), 4);
    assert!(text.contains("is not done"), "{text}");
    let commands = study(&["plan", "--out", at, "--unit", "node", "--format", "commands"]).stdout;
    let commands = String::from_utf8(commands).unwrap();
    assert_eq!(commands.lines().count(), 8);
    for line in commands.lines() {
        let done = std::process::Command::new("sh").args(["-c", line]).output().unwrap();
        assert!(done.status.success(), "{line}: {}", String::from_utf8_lossy(&done.stderr));
    }
    assert!(json(&study(&["status", at, "--json"]))["tally"]["states"]["done"] == 8);
    // What is done is not done again.
    assert_eq!(json(&study(&["run", at, "--node", judge, "--json"]))["made"], false);
    let text = complaint(&study(&["run", at, "--level", "0", "--nth", "4"]), 2);
    assert!(text.contains("has 4 units"), "{text}");
    let script = study(&["plan", "--out", at, "--format", "slurm"]).stdout;
    assert!(String::from_utf8(script).unwrap().contains("--array=0-3"));
}

#[test]
fn killed_workers_leave_a_study_that_comes_to_the_same_table() {
    let place = tempfile::tempdir().unwrap();
    let file = recipe(place.path());
    let (whole, killed) = (place.path().join("whole"), place.path().join("killed"));
    json(&study(&["run", &file, "--out", whole.to_str().unwrap(), "--json"]));
    let at = killed.to_str().unwrap();
    json(&study(&["plan", &file, "--out", at, "--json"]));
    let worker = || -> Child {
        let mut command = twinlens(&["study", "run", at, "--wait", "--json"]);
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        command.spawn().unwrap()
    };
    for number in 0..6_u64 {
        let mut child = worker();
        std::thread::sleep(Duration::from_millis(300 + 150 * number));
        // It may have ended by itself.
        drop(child.kill());
        child.wait().unwrap();
    }
    let deadline = Instant::now() + Duration::from_secs(120);
    let mut both = [worker(), worker()];
    for child in &mut both {
        while child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "a worker waits for ever");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    json(&study(&["report", at, "--json"]));
    assert_eq!(table(&killed), table(&whole));
}

#[test]
fn numbers_from_elsewhere_are_taken_in_and_what_no_plan_needs_is_removed() {
    let place = tempfile::tempdir().unwrap();
    let (file, out) = (recipe(place.path()), place.path().join("out"));
    let at = out.to_str().unwrap();
    json(&study(&["run", &file, "--out", at, "--json"]));
    let csv = place.path().join("theirs.csv");
    std::fs::write(
        &csv,
        "hue,seed,protocol,split,measure,value,origin\n0.2,0,neighbours,test,accuracy,0.9,by hand\n",
    )
    .unwrap();
    assert_eq!(json(&study(&["import", at, csv.to_str().unwrap(), "--json"]))["rows"], 1);
    json(&study(&["report", at, "--json"]));
    assert!(table(&out).ends_with("neighbours,0.2,0,test,accuracy,0.9,,import by hand\n"));
    std::fs::write(&csv, "colour,value\n1,2\n").unwrap();
    assert!(complaint(&study(&["import", at, csv.to_str().unwrap()]), 3).contains("no axis `colour`"));
    // A plan with fewer seeds needs less.
    json(&study(&["plan", &file, "--seeds", "0", "--out", at, "--json"]));
    let told = json(&study(&["clean", at, "--json"]));
    assert_eq!((told["folders"].as_array().unwrap().len(), told["removed"].as_bool()), (4, Some(false)));
    json(&study(&["clean", at, "--yes", "--json"]));
    assert_eq!(json(&study(&["clean", at, "--json"]))["bytes"], 0);
    assert_eq!(json(&study(&["status", at, "--json"]))["tally"]["states"]["done"], 4);
}

/// Small pictures of two classes by colour, on three plates by brightness, with a table.
fn plates(folder: &Path) {
    let mut table = "file,split,label,plate\n".to_owned();
    for at in 0..72u32 {
        let (class, plate) = (at % 2, at / 2 % 3);
        let split = if at < 48 { "train" } else { "test" };
        let shade = |channel: u32, x: u32, y: u32| {
            (60 * plate + 40 * u32::from(class == channel) + (x * 7 + y * 13 + at) % 20) as u8
        };
        let pixels = (0..64).flat_map(|pixel| [0, 1, 2].map(|channel| shade(channel, pixel % 8, pixel / 8)));
        let file = [b"P6\n8 8\n255\n".to_vec(), pixels.collect()].concat();
        std::fs::write(folder.join(format!("{at:02}.ppm")), file).unwrap();
        table += &format!("{at:02}.ppm,{split},{},p{plate}\n", ["red", "green"][class as usize]);
    }
    std::fs::write(folder.join("labels.csv"), table).unwrap();
}

#[test]
fn views_are_found_for_a_question() {
    let place = tempfile::tempdir().unwrap();
    let (data, out) = (place.path().join("data"), place.path().join("views"));
    std::fs::create_dir(&data).unwrap();
    plates(&data);
    let (data, at) = (data.to_str().unwrap(), out.to_str().unwrap());
    let asked = [
        "views-for",
        "--data",
        data,
        "--keep",
        "class",
        "--ignore",
        "plate",
        "--out",
        at,
        "--epochs",
        "1",
        "--seeds",
        "0,1",
        "--json",
    ];
    let answer = json(&study(&asked));
    let operations = answer["operations"].as_array().unwrap();
    assert_eq!(operations.len(), 7, "{answer}");
    for one in operations {
        for side in ["keep", "ignore"] {
            let [low, value, high] = ["low", "value", "high"].map(|key| one[side][key].as_f64().unwrap());
            assert!(low <= value && value <= high, "{one}");
        }
    }
    let policy = std::fs::read_to_string(out.join("policy.toml")).unwrap();
    assert!(
        policy.contains("random_resized_crop") && policy.contains("plate is to be not told apart"),
        "{policy}"
    );
    assert!(out.join("report.html").is_file());
    // What is there is not made again.
    assert_eq!(json(&study(&asked)), answer);
    let wrong = ["views-for", "--data", data, "--keep", "class", "--ignore", "plat", "--out", "elsewhere"];
    assert!(complaint(&study(&wrong), 3).contains("no column \"plat\""));
    assert!(!Path::new("elsewhere").exists());
}
