//! What a run folder promises, seen from outside.
#![allow(clippy::unwrap_used, reason = "the helpers of tests may stop the test too")]

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use twinlens_run::{
    Ancestor, Checkpoint, DataIdentity, Direction, Environment, LINEAGE_VERSION, Lineage, Overwrite, Recipe,
    RunError, RunFolder, RunKind, RunRecord, RunState, Start, epoch_checkpoint, find_runs, kept_epochs,
    names,
};

fn start() -> Start<'static> {
    let environment = Environment { version: "0.1.0", commit: None, threads: 2, data: Value::Null };
    Start { config: "epochs = 2\n", command: &[], environment: environment.describe() }
}

fn create(path: &Path) -> RunFolder {
    RunFolder::create(path, Overwrite::Never, &start()).unwrap()
}

fn checkpoint(bytes: &[u8], epoch: u64, step: u64) -> Checkpoint<'_> {
    Checkpoint { bytes, epoch, step, state: json!({"cursor": step}) }
}

fn lineage() -> Lineage {
    let ancestor = |sha256: &str, method: Option<&str>, run: Option<&str>| Ancestor {
        sha256: sha256.into(),
        method: method.map(str::to_owned),
        run: run.map(str::to_owned),
    };
    Lineage {
        version: LINEAGE_VERSION,
        kind: RunKind::Finetuning,
        recipe: Some(Recipe { id: "a/b".into(), sha256: "07".into(), changed: vec!["optim.lr".into()] }),
        data: DataIdentity { sha256: "0f".into(), path: "cells.npz".into() },
        encoder: vec![ancestor("1a", Some("simclr"), Some("runs/a")), ancestor("2b", None, None)],
    }
}

#[test]
fn a_run_says_what_it_came_from_and_older_ones_are_read_without() {
    let (_place, path) = place();
    let run = create(&path);
    assert_eq!(RunRecord::read(&path).unwrap().lineage, None);
    run.write_lineage(&lineage()).unwrap();
    let text = fs::read_to_string(path.join("lineage.json")).unwrap();
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&value["version"], &value["kind"]), (&json!(1), &json!("finetuning")));
    assert_eq!(
        value["encoder"],
        json!([{"sha256": "1a", "method": "simclr", "run": "runs/a"}, {"sha256": "2b"}])
    );
    assert_eq!(Lineage::read(&path).unwrap(), Some(lineage()));

    fs::write(path.join("lineage.json"), text.replace("\"version\": 1", "\"version\": 9")).unwrap();
    assert!(matches!(RunRecord::read(&path), Err(RunError::NewerLayout { got: 9, known: 1, .. })));
    fs::write(path.join("lineage.json"), text.replace("finetuning", "cooking")).unwrap();
    assert!(matches!(Lineage::read(&path), Err(RunError::Damaged { .. })));
    // Another run in its place does not inherit it.
    drop(run);
    drop(RunFolder::create(&path, Overwrite::Run, &start()).unwrap());
    assert_eq!(Lineage::read(&path).unwrap(), None);
}

/// A temporary place and a path in it that does not exist yet.
fn place() -> (tempfile::TempDir, PathBuf) {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("runs").join("a");
    (place, path)
}

fn files_in(path: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(path).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_whole_run_has_exactly_the_documented_layout_and_reads_back() {
    let (_place, path) = place();
    let command: Vec<String> =
        ["twinlens", "pretrain", "--data", "my cells.npz", "it's", ""].map(String::from).into();
    let mut run =
        RunFolder::create(&path, Overwrite::Never, &Start { command: &command, ..start() }).unwrap();
    assert_eq!(RunRecord::read(&path).unwrap().status.state, RunState::Running);
    run.write_lineage(&lineage()).unwrap();
    run.append_metrics(&json!({"step": 1, "epoch": 0, "loss": 2.5})).unwrap();
    run.append_metrics(&json!({"step": 2, "epoch": 1, "loss": 1.5, "knn_accuracy": 0.7})).unwrap();
    run.save_last(&checkpoint(b"weights", 1, 2)).unwrap();
    run.keep_epoch(2, &[]).unwrap();
    assert!(run.keep_best("knn_accuracy", Direction::Higher, 0.7).unwrap());
    run.write_encoder(b"encoder", &json!({"name": "resnet18"})).unwrap();
    run.write_verdict("knn", &json!({"test": {"accuracy": 0.7}})).unwrap();
    run.write_plot("curves.svg", b"<svg/>").unwrap();
    run.write_table("results.csv", "a,b\n").unwrap();
    run.write_report("<html></html>").unwrap();
    run.write_metrics_csv().unwrap();
    drop(run.log_file().unwrap());
    run.set_status(RunState::Done, "").unwrap();
    drop(run);

    let expected = [
        ".lock",
        "STATUS",
        "checkpoints",
        "command.txt",
        "config.toml",
        "encoder",
        "env.json",
        "eval",
        "lineage.json",
        "metrics.csv",
        "metrics.jsonl",
        "plots",
        "report.html",
        "tables",
        "train.log",
    ];
    assert_eq!(files_in(&path), expected);
    let pairs = [
        "best.json",
        "best.safetensors",
        "epoch-0001.json",
        "epoch-0001.safetensors",
        "last.json",
        "last.safetensors",
    ];
    assert_eq!(files_in(&path.join("checkpoints")), pairs);
    assert_eq!(fs::read_to_string(path.join("STATUS")).unwrap(), "done\n");
    assert_eq!(
        fs::read_to_string(path.join("metrics.csv")).unwrap(),
        "epoch,step,knn_accuracy,loss\n0,1,,2.5\n1,2,0.7,1.5\n"
    );

    let record = RunRecord::read(&path).unwrap();
    assert_eq!(record.config, "epochs = 2\n");
    assert_eq!(record.command, r"twinlens pretrain --data 'my cells.npz' 'it'\''s' ''");
    assert_eq!(record.metrics[1]["knn_accuracy"], json!(0.7));
    assert_eq!(record.verdicts["knn"]["test"]["accuracy"], json!(0.7));
    assert_eq!(record.environment["layout"], json!(1));
    assert_eq!(record.lineage, Some(lineage()));
    let latest = json!({"epoch": 1, "step": 2, "loss": 1.5, "knn_accuracy": 0.7});
    assert_eq!(json!(record.latest()), latest);
    let summary = json!(record.summary());
    assert_eq!(
        (&summary["status"], &summary["message"], &summary["epoch"], &summary["loss"]),
        (&json!("done"), &json!(""), &json!(1), &json!(1.5))
    );
    assert_eq!(summary["command"], json!(record.command));
    assert_eq!(find_runs(path.parent().unwrap().parent().unwrap()).unwrap(), [path]);
}

#[test]
#[cfg(unix)]
fn the_command_survives_a_shell() {
    let (_place, path) = place();
    let words = ["printf", "%s|", "a b", "it's", "$HOME", "*", "--set=x.y=[1,2]", "", "ü", "\\", "~"];
    let command: Vec<String> = words.map(String::from).into();
    drop(RunFolder::create(&path, Overwrite::Never, &Start { command: &command, ..start() }).unwrap());
    let output = std::process::Command::new("sh").arg(path.join("command.txt")).output().unwrap();
    let expected: String = words[2..].iter().map(|word| format!("{word}|")).collect();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
}

#[test]
fn a_second_writer_is_refused_and_told_who_holds_the_lock() {
    let (_place, path) = place();
    let first = create(&path);
    for error in
        [RunFolder::open(&path).unwrap_err(), RunFolder::create(&path, Overwrite::Run, &start()).unwrap_err()]
    {
        let RunError::Locked { holder, .. } = &error else { panic!("{error:?}") };
        assert_eq!(*holder, Some(std::process::id()));
        assert!(error.to_string().contains(&std::process::id().to_string()), "{error}");
    }
    drop(first);
    // The lock file stays and names a process; that alone locks nothing.
    assert!(path.join(".lock").exists());
    RunFolder::open(&path).unwrap();
}

/// Not a test of its own: the process that the next test kills. It does nothing unless started by it.
#[test]
fn holder_of_the_lock() {
    if let Some(path) = std::env::var_os("TWINLENS_TEST_HOLD") {
        let _run = create(Path::new(&path));
        std::thread::sleep(std::time::Duration::from_secs(60));
    }
}

/// A process that makes a run at `path` and holds it.
fn holder(path: &Path) -> std::process::Child {
    std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "holder_of_the_lock"])
        .env("TWINLENS_TEST_HOLD", path)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn a_killed_run_gives_the_lock_back_and_is_seen_as_interrupted() {
    let (_place, path) = place();
    let mut child = holder(&path);
    let mut waited = 0;
    while !path.join("metrics.jsonl").exists() {
        waited += 1;
        assert!(waited < 3000, "the child made no run");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert!(
        matches!(RunFolder::open(&path), Err(RunError::Locked { holder: Some(pid), .. }) if pid == child.id())
    );
    assert_eq!(RunRecord::read(&path).unwrap().status.state, RunState::Running);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(RunRecord::read(&path).unwrap().status.state, RunState::Interrupted);
    RunFolder::open(&path).unwrap();
}

#[test]
fn a_run_that_is_killed_while_it_is_made_is_whole_or_none() {
    for moment in 0..24 {
        let (_place, path) = place();
        let mut child = holder(&path);
        while !path.join(names::LOCK).exists() {
            std::thread::yield_now();
        }
        std::thread::sleep(std::time::Duration::from_micros(100 * moment));
        child.kill().unwrap();
        child.wait().unwrap();
        if path.join(names::ENVIRONMENT).is_file() {
            RunRecord::read(&path).unwrap();
            RunFolder::open(&path).unwrap();
        } else {
            RunFolder::create(&path, Overwrite::Run, &start()).unwrap();
        }
    }
}

#[test]
fn only_a_run_is_overwritten_and_only_its_own_files() {
    let (_place, path) = place();
    fs::create_dir_all(&path).unwrap();
    fs::write(path.join("thesis.txt"), "years of work").unwrap();
    let refused = |overwrite| RunFolder::create(&path, overwrite, &start()).unwrap_err();
    assert!(matches!(refused(Overwrite::Never), RunError::NotEmpty { .. }));
    assert!(matches!(refused(Overwrite::Run), RunError::NotARun { .. }));
    assert_eq!(files_in(&path), ["thesis.txt"]);

    fs::remove_file(path.join("thesis.txt")).unwrap();
    let mut run = create(&path);
    run.append_metrics(&json!({"step": 1})).unwrap();
    run.save_last(&checkpoint(b"old", 1, 1)).unwrap();
    drop(run);
    for folder in [names::CHECKPOINTS, names::ENCODER, names::EVAL, names::PLOTS, names::TABLES] {
        fs::create_dir_all(path.join(folder)).unwrap();
    }
    fs::write(path.join("notes.txt"), "mine").unwrap();
    assert!(matches!(refused(Overwrite::Never), RunError::NotEmpty { .. }));
    drop(RunFolder::create(&path, Overwrite::Run, &start()).unwrap());
    let left = [".lock", "STATUS", "command.txt", "config.toml", "env.json", "metrics.jsonl", "notes.txt"];
    assert_eq!(files_in(&path), left);
    assert_eq!(fs::read_to_string(path.join("metrics.jsonl")).unwrap(), "");
}

#[test]
fn what_is_not_a_usable_folder_is_told_apart() {
    let (place, path) = place();
    let file = place.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(matches!(RunFolder::create(&file, Overwrite::Run, &start()), Err(RunError::PathIsFile { .. })));
    assert!(matches!(RunFolder::open(&file), Err(RunError::PathIsFile { .. })));
    assert!(matches!(RunFolder::open(&path), Err(RunError::NotARun { .. })));
    assert!(matches!(RunFolder::open(place.path()), Err(RunError::NotARun { .. })));
    assert!(RunFolder::create(&file.join("below"), Overwrite::Never, &start()).is_err());

    drop(create(&path));
    let newer = fs::read_to_string(path.join("env.json")).unwrap().replace("\"layout\": 1", "\"layout\": 2");
    fs::write(path.join("env.json"), newer).unwrap();
    let error = RunFolder::open(&path).unwrap_err();
    assert!(matches!(error, RunError::NewerLayout { got: 2, known: 1, .. }), "{error:?}");
    assert!(matches!(RunRecord::read(&path), Err(RunError::NewerLayout { .. })));
}

#[test]
#[cfg(target_os = "linux")]
fn a_place_that_may_not_be_written_is_told_apart() {
    // Even the superuser cannot make folders here.
    let path = Path::new("/sys/kernel/twinlens");
    let error = RunFolder::create(path, Overwrite::Never, &start()).unwrap_err();
    assert!(matches!(error, RunError::ReadOnly { .. }), "{error:?}");
}

#[test]
fn epochs_that_are_named_stay_whatever_is_kept() {
    let (_place, path) = place();
    let mut run = create(&path);
    for epoch in 1..=5_u64 {
        run.save_last(&checkpoint(format!("weights {epoch}").as_bytes(), epoch, 10 * epoch)).unwrap();
        run.keep_epoch(1, &[1, 3]).unwrap();
    }
    assert_eq!(kept_epochs(&path).unwrap(), [1, 3, 5]);
    run.remove_checkpoints(&[1, 3]).unwrap();
    assert_eq!(kept_epochs(&path).unwrap(), [1, 3]);
    assert_eq!(epoch_checkpoint(&path, 3).unwrap().bytes, b"weights 3");
    assert!(!path.join("checkpoints/last.safetensors").exists());
    run.remove_checkpoints(&[]).unwrap();
    assert!(!path.join("checkpoints").exists());
}

#[test]
fn damaged_checkpoints_are_passed_over_with_a_warning() {
    let (_place, path) = place();
    let mut run = create(&path);
    for epoch in 1..=4_u64 {
        run.save_last(&checkpoint(format!("weights {epoch}").as_bytes(), epoch, 10 * epoch)).unwrap();
        run.keep_epoch(3, &[]).unwrap();
    }
    let folder = path.join("checkpoints");
    let stems = |names: Vec<String>| {
        names.iter().filter(|n| n.ends_with(".safetensors")).cloned().collect::<Vec<_>>()
    };
    let numbered = ["epoch-0002.safetensors", "epoch-0003.safetensors", "epoch-0004.safetensors"];
    assert_eq!(stems(files_in(&folder)), [&numbered[..], &["last.safetensors"]].concat());

    assert_eq!(kept_epochs(&path).unwrap(), [2, 3, 4]);
    let third = epoch_checkpoint(&path, 3).unwrap();
    assert_eq!((third.sidecar.epoch, third.bytes.as_slice()), (3, &b"weights 3"[..]));
    assert_eq!(third.path, folder.join("epoch-0003.safetensors"));
    assert!(matches!(epoch_checkpoint(&path, 1), Err(RunError::Damaged { .. })));
    fs::remove_file(folder.join("epoch-0003.safetensors")).unwrap();
    fs::write(folder.join("epoch-0003.safetensors"), b"weights ?").unwrap();
    let damaged = epoch_checkpoint(&path, 3).unwrap_err().to_string();
    assert!(damaged.contains("SHA-256"), "{damaged}");
    assert!(matches!(kept_epochs(&folder), Err(RunError::NotARun { .. })));

    let loaded = run.newest_checkpoint().unwrap();
    assert_eq!((loaded.sidecar.step, loaded.bytes.as_slice()), (40, &b"weights 4"[..]));
    assert_eq!(loaded.path, folder.join("last.safetensors"));
    assert!(loaded.warnings.is_empty());

    // `last` and `epoch-0004` may share their bytes: replace, do not write into them.
    fs::remove_file(folder.join("last.safetensors")).unwrap();
    fs::write(folder.join("last.safetensors"), "weigh").unwrap();
    let loaded = run.newest_checkpoint().unwrap();
    assert_eq!(loaded.path, folder.join("epoch-0004.safetensors"));
    assert_eq!(loaded.warnings.len(), 1);
    assert!(loaded.warnings[0].contains("has 5 bytes"), "{:?}", loaded.warnings);

    fs::write(folder.join("epoch-0004.safetensors"), "Weights 4").unwrap();
    fs::write(folder.join("epoch-0003.json"), "{\"layout\": 1, \"sha2").unwrap();
    let loaded = run.newest_checkpoint().unwrap();
    assert_eq!((loaded.sidecar.epoch, loaded.bytes.as_slice()), (2, &b"weights 2"[..]));
    assert_eq!(loaded.sidecar.state, json!({"cursor": 20}));
    assert_eq!(loaded.warnings.len(), 3);
    assert!(loaded.warnings.iter().any(|w| w.contains("SHA-256")), "{:?}", loaded.warnings);

    fs::write(folder.join("epoch-0002.safetensors"), "").unwrap();
    let error = run.newest_checkpoint().unwrap_err();
    assert!(matches!(&error, RunError::NoCheckpoint { reasons, .. } if reasons.len() == 4), "{error:?}");
}

#[test]
fn no_checkpoint_is_an_error_and_a_newer_one_is_refused() {
    let (_place, path) = place();
    let mut run = create(&path);
    assert!(
        matches!(run.newest_checkpoint(), Err(RunError::NoCheckpoint { reasons, .. }) if reasons.is_empty())
    );
    run.save_last(&checkpoint(b"weights", 1, 1)).unwrap();
    let sidecar = path.join("checkpoints/last.json");
    let newer = fs::read_to_string(&sidecar).unwrap().replace("\"layout\": 1", "\"layout\": 7");
    fs::write(&sidecar, newer).unwrap();
    assert!(matches!(run.newest_checkpoint(), Err(RunError::NewerLayout { got: 7, .. })));
}

#[test]
fn a_crash_between_the_two_renames_loses_nothing() {
    let (_place, path) = place();
    let folder = path.join("checkpoints");
    let mut run = create(&path);
    run.save_last(&checkpoint(b"old", 1, 1)).unwrap();
    let old = fs::read(folder.join("last.json")).unwrap();
    run.save_last(&checkpoint(b"new", 2, 2)).unwrap();
    // As it is after the bytes took their place and before the sidecar did.
    fs::rename(folder.join("last.json"), folder.join("last.json.new")).unwrap();
    fs::write(folder.join("last.json"), &old).unwrap();
    let loaded = run.newest_checkpoint().unwrap();
    assert_eq!((loaded.bytes.as_slice(), loaded.sidecar.step), (&b"new"[..], 2));
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    // As it is before the bytes took their place.
    fs::write(folder.join("last.safetensors"), "old").unwrap();
    let loaded = run.newest_checkpoint().unwrap();
    assert_eq!((loaded.bytes.as_slice(), loaded.sidecar.step), (&b"old"[..], 1));
    // The next save puts all in order.
    run.save_last(&checkpoint(b"next", 2, 3)).unwrap();
    assert_eq!(files_in(&folder), ["last.json", "last.safetensors"]);
    assert_eq!(run.newest_checkpoint().unwrap().sidecar.step, 3);
}

#[test]
fn the_best_is_kept_when_last_moves_on_and_remembered_on_resume() {
    let (_place, path) = place();
    let mut run = create(&path);
    let save = |run: &mut RunFolder, text: &str, value: f64| {
        run.save_last(&checkpoint(text.as_bytes(), 1, 1)).unwrap();
        run.keep_best("knn_accuracy", Direction::Higher, value).unwrap()
    };
    assert!(!save(&mut run, "nan", f64::NAN));
    assert!(save(&mut run, "good", 0.8));
    assert!(!save(&mut run, "worse", 0.7));
    assert!(!save(&mut run, "equal", 0.8));
    assert!(!save(&mut run, "nan", f64::NAN));
    drop(run);
    let mut run = RunFolder::open(&path).unwrap();
    assert!(!save(&mut run, "worse", 0.79));
    assert_eq!(fs::read(path.join("checkpoints/best.safetensors")).unwrap(), b"good");
    let sidecar: Value =
        serde_json::from_str(&fs::read_to_string(path.join("checkpoints/best.json")).unwrap()).unwrap();
    assert_eq!(sidecar["best"], json!({"metric": "knn_accuracy", "direction": "higher", "value": 0.8}));
    assert!(save(&mut run, "better", 0.9));
    assert_eq!(fs::read(path.join("checkpoints/best.safetensors")).unwrap(), b"better");
    assert_eq!(fs::read(path.join("checkpoints/last.safetensors")).unwrap(), b"better");
}

#[test]
fn an_interrupted_and_resumed_run_writes_the_log_of_an_uninterrupted_one() {
    let row = |step: u64| json!({"step": step, "loss": 1.0 / step as f64});
    let (_a, whole) = place();
    let mut run = create(&whole);
    for step in 1..=9 {
        run.append_metrics(&row(step)).unwrap();
    }
    drop(run);

    let (_b, resumed) = place();
    let mut run = create(&resumed);
    for step in 1..=6 {
        run.append_metrics(&row(step)).unwrap();
        if step == 4 {
            run.save_last(&checkpoint(b"weights", 0, step)).unwrap();
        }
    }
    drop(run);
    let log = resumed.join("metrics.jsonl");
    let mut torn = fs::read(&log).unwrap();
    torn.extend_from_slice(b"{\"step\": 7, \"lo");
    fs::write(&log, torn).unwrap();

    let mut run = RunFolder::open(&resumed).unwrap();
    let loaded = run.newest_checkpoint().unwrap();
    assert_eq!(run.rewind(&loaded.sidecar).unwrap(), None);
    for step in loaded.sidecar.step + 1..=9 {
        run.append_metrics(&row(step)).unwrap();
    }
    drop(run);
    assert_eq!(fs::read(&log).unwrap(), fs::read(whole.join("metrics.jsonl")).unwrap());

    fs::write(&log, "").unwrap();
    let mut run = RunFolder::open(&resumed).unwrap();
    assert!(run.rewind(&loaded.sidecar).unwrap().is_some_and(|warning| warning.contains("0 rows")));
}

#[test]
fn names_cannot_leave_the_folder() {
    let (_place, path) = place();
    let run = create(&path);
    for name in ["../x", "a/b", ".hidden", "a b", "", "ü", "a\\b"] {
        let result = run.write_verdict(name, &json!({}));
        assert!(matches!(result, Err(RunError::BadName { .. })), "{name:?}");
    }
    run.write_verdict("knn-k20_v1.0", &json!({})).unwrap();
}

#[test]
#[cfg(unix)]
fn files_are_as_readable_as_any_other() {
    use std::os::unix::fs::PermissionsExt;
    let (place, path) = place();
    drop(create(&path));
    fs::write(place.path().join("plain"), "").unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&path.join("config.toml")), mode(&place.path().join("plain")));
}
