//! The program itself: help, exit codes, streams.

use std::io::Read;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn twinlens() -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("twinlens"));
    command.env_clear().env("PATH", "").env("LANG", "C.UTF-8").env("HOME", "/nowhere");
    command
}

pub(crate) fn run(arguments: &[&str]) -> Output {
    twinlens().args(arguments).output().unwrap()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    // What changes with every commit and machine.
    text.replace(twinlens::COMMIT, "COMMIT").replace(twinlens::TARGET, "TARGET")
}

#[test]
fn without_arguments_the_help_is_short_and_nothing_is_touched() {
    let folder = tempfile::tempdir().unwrap();
    let output = twinlens().current_dir(folder.path()).output().unwrap();
    assert!(output.status.success());
    assert!(output.stderr.is_empty());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    insta::assert_snapshot!(text(&output.stdout));
}

#[test]
fn every_help_text_is_as_documented() {
    let pages: &[&[&str]] = &[
        &["--help"],
        &["data", "--help"],
        &["data", "list", "--help"],
        &["data", "fetch", "--help"],
        &["data", "inspect", "--help"],
        &["runs", "list", "--help"],
        &["runs", "show", "--help"],
        &["runs", "compare", "--help"],
        &["config", "--help"],
        &["config", "diff", "--help"],
        &["pretrain", "--help"],
        &["finetune", "--help"],
        &["doctor", "--help"],
        &["completions", "--help"],
    ];
    for page in pages {
        let output = run(page);
        assert!(output.status.success());
        let name = format!("help {}", page.join(" ").replace("--help", ""));
        insta::assert_snapshot!(name.trim().replace(' ', "_"), text(&output.stdout));
    }
}

#[test]
fn the_version_names_the_commit() {
    let output = run(&["--version"]);
    let expected = format!("twinlens {} (commit COMMIT, TARGET)\n", twinlens::VERSION);
    assert_eq!(text(&output.stdout), expected);
}

#[test]
fn a_typo_in_a_verb_or_a_flag_is_usage_with_a_suggestion() {
    let output = run(&["doctr"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    assert!(text(&output.stderr).contains("did you mean `doctor`?"), "{}", text(&output.stderr));
    let output = run(&["data", "inspect", "x", "--on-bad-samples", "skip"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("did you mean `--on-bad-sample`?"), "{}", text(&output.stderr));
    let output = run(&["data", "inspect", "x", "--on-bad-sample", "ignore"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("expected one of skip, fail"));
}

#[test]
fn data_that_cannot_be_read_is_code_3_with_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.npz");
    std::fs::write(&empty, "").unwrap();
    for path in [empty.as_path(), &folder.path().join("missing.npz"), folder.path()] {
        let output = run(&["data", "inspect", &path.display().to_string()]);
        assert_eq!(output.status.code(), Some(3));
        assert!(output.stdout.is_empty());
        let said = text(&output.stderr);
        assert!(said.starts_with("error: ") && said.contains("\n  hint: "), "{said}");
        assert!(!said.contains("backtrace") && !said.contains("twinlens::"), "{said}");
    }
}

#[test]
fn a_backtrace_comes_with_vv_only() {
    let output = run(&["-vv", "runs", "show", "/nowhere"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("twinlens::"), "{}", text(&output.stderr));
}

#[test]
fn a_folder_that_is_no_run_is_usage() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(&["runs", "show", &folder.path().display().to_string()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("is not a run folder"));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_below_stdout_is_code_4() {
    let full = std::fs::File::create("/dev/full").unwrap();
    let output = twinlens().arg("doctor").stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(4));
    assert!(text(&output.stderr).contains("where: stdout"), "{}", text(&output.stderr));
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let mut child = twinlens()
        .args(["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0];
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut first).unwrap();
    drop(stdout);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(text(&output.stderr), "");
}

#[test]
fn colour_is_off_for_pipes_and_on_when_asked_for() {
    let said = |arguments: &[&str], variable: Option<(&str, &str)>| {
        let output = twinlens().args(arguments).envs(variable).output().unwrap();
        text(&output.stdout) + &text(&output.stderr)
    };
    for line in [&["doctor"][..], &["doctr"], &["--help"], &["runs", "show", "/nowhere"]] {
        assert!(!said(line, None).contains('\x1b'), "{line:?}");
        let always = [line, &["--color", "always"]].concat();
        assert!(said(&always, None).contains('\x1b'), "{line:?}");
        let never = [line, &["--color=never"]].concat();
        assert!(!said(&never, Some(("NO_COLOR", "1"))).contains('\x1b'), "{line:?}");
    }
}

#[test]
fn json_is_one_document_with_its_version() {
    for line in [&["doctor", "--json"][..], &["--json", "runs", "list", "/tmp"]] {
        let output = run(line);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(document["schema_version"], 1);
    }
    let output = run(&["doctor", "--json-lines"]);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["event"], "result");
    assert_eq!(run(&["doctor", "--json", "--json-lines"]).status.code(), Some(2));
}

#[test]
fn an_error_is_one_document_too() {
    for (line, code, place) in [
        (&["runs", "show", "/nowhere", "--json"][..], 2, None),
        (&["pretrain", "--json", "--polcy", "simclr"], 2, None),
        (&["data", "--json"], 2, None),
        (&["data", "inspect", "/nowhere.npz", "--json"], 3, None),
        (&["config", "show", "epochs=0", "--json"], 2, Some("epochs")),
    ] {
        let output = run(line);
        assert_eq!(output.status.code(), Some(code));
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&document["schema_version"], &document["error"]["exit_code"]), (&1.into(), &code.into()));
        let message = document["error"]["message"].as_str().unwrap();
        assert!(message.len() > 10 && !message.starts_with("error"), "{line:?}: {message}");
        assert!(place.is_none_or(|place| message.contains(place)), "{message}");
        assert!(!output.stderr.is_empty());
    }
    let hint = |line: &[&str]| {
        let document: Value = serde_json::from_slice(&run(line).stdout).unwrap();
        document["error"]["hint"].as_str().unwrap().to_owned()
    };
    assert!(hint(&["pretrain", "--json", "--policy", "simclr"]).contains("policy=simclr"));
    let output = run(&["runs", "show", "/nowhere", "--json-lines"]);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["event"], "error");
}

#[test]
fn choices_among_names_are_suggested_whatever_way_they_are_given() {
    for (line, near) in [
        (&["config", "show", "encoder=resnet19"][..], "resnet18"),
        (&["config", "show", "encoder.name=resnet19"], "resnet18"),
        (&["config", "show", "--encoder", "resnet19"], "resnet18"),
        (&["config", "show", "method=simclrr"], "simclr"),
        (&["config", "show", "policy=simcrl"], "simclr"),
        (&["config", "show", "encoder.stem=cifr"], "cifar"),
        (&["config", "show", "--preset", "small-image"], "small-images"),
        (&["config", "show", "data_options.pages=frist"], "first"),
    ] {
        let output = run(line);
        assert_eq!(output.status.code(), Some(2));
        let said = text(&output.stderr);
        assert!(
            said.contains("expected") && said.contains(&format!("did you mean `{near}`?")),
            "{line:?}: {said}"
        );
    }
}

#[test]
fn wrong_numbers_are_refused_once_and_in_words() {
    let said = |setting: &str| text(&run(&["config", "show", setting]).stderr);
    let told = said("epochs=1.5");
    assert!(
        told.contains("`epochs` is 1.5\n") && told.contains("expected: a whole number, at least 1\n"),
        "{told}"
    );
    let told = said("epochs=0");
    assert!(told.contains("has a mistake\n") && told.contains("at least 1\n"), "{told}");
    let told = said("batch=1");
    assert!(told.contains("has a mistake\n") && told.contains("at least 2\n"), "{told}");
}

#[test]
fn the_doctor_knows_the_machine() {
    let document: Value = serde_json::from_slice(&run(&["doctor", "--json"]).stdout).unwrap();
    assert_eq!(document["version"], twinlens::VERSION);
    assert!(document["threads"].as_u64().unwrap() >= 1);
    assert!(
        document["memory_available_bytes"].as_u64().unwrap() <= document["memory_bytes"].as_u64().unwrap()
    );
    let told = text(&run(&["doctor"]).stdout);
    for row in ["version", "CPU", "memory", "disk here"] {
        assert!(told.lines().any(|line| line.starts_with(row)), "{told}");
    }
}

#[test]
fn completions_know_verbs_flags_and_values() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = text(&run(&["completions", shell]).stdout);
        for word in ["doctor", "inspect", "on-bad-sample"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
        // Of the values of a flag, the scripts of the other two know nothing.
        for value in [
            "skip",
            "barlow-twins",
            "resnet18",
            "few-images",
            "many-channels",
            "bloodmnist_64",
            "knn-12000x512",
        ] {
            assert_eq!(script.contains(value), ["bash", "zsh", "fish"].contains(&shell), "{shell}: {value}");
        }
    }
    assert_eq!(run(&["completions", "tcsh"]).status.code(), Some(2));
}

/// What bash offers behind these words, the last of which is being written.
#[cfg(target_os = "linux")]
fn offered(words: &[&str], place: &std::path::Path) -> Vec<String> {
    let script = place.join("twinlens.bash");
    std::fs::write(&script, run(&["completions", "bash"]).stdout).unwrap();
    let line = format!(
        "source {} && COMP_WORDS=({}) && COMP_CWORD={} && _twinlens twinlens \"${{COMP_WORDS[COMP_CWORD]}}\" \
         \"${{COMP_WORDS[COMP_CWORD-1]}}\"; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        script.display(),
        words.join(" "),
        words.len() - 1
    );
    let output = Command::new("bash").args(["-c", &line]).current_dir(place).output().unwrap();
    text(&output.stdout).lines().map(str::to_owned).collect()
}

#[cfg(target_os = "linux")]
#[test]
fn bash_completes_presets_policies_data_sets_settings_and_cases() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("blood-photos")).unwrap();
    for (words, expected) in [
        (&["twinlens", "pretrain", "--preset", "few"][..], &["few-images"][..]),
        (&["twinlens", "views", "--policy", "grey"], &["grey-scans"]),
        (&["twinlens", "pretrain", "--data", "bloodm"], &["bloodmnist"]),
        (&["twinlens", "pretrain", "--data", "blood-"], &["blood-photos"]),
        (&["twinlens", "pretrain", "optim.weight"], &["optim.weight_decay="]),
        (&["twinlens", "pretrain", "--set", "method.lam"], &["method.lambda="]),
        (&["twinlens", "bench", "--case", "knn-12000x512-3400-k2"], &["knn-12000x512-3400-k200"]),
    ] {
        let offered = offered(words, folder.path());
        for expected in expected {
            assert!(offered.iter().any(|word| word == expected), "{words:?}: {offered:?}");
        }
    }
    // The other two that know values offer files beside data sets too.
    assert!(text(&run(&["completions", "zsh"]).stdout).contains(":PATH:_twinlens_data"));
    assert!(text(&run(&["completions", "fish"]).stdout).contains("-r -F -a \"bundled\\t''\n"));
}

#[test]
fn manual_pages_are_there_for_packagers() {
    let page = text(&run(&["man"]).stdout);
    assert!(page.contains(".TH twinlens 1"), "{page}");
    for (line, title) in [
        (&["man", "doctor"][..], ".TH twinlens-doctor 1"),
        (&["man", "data", "fetch"], ".TH twinlens-data-fetch 1"),
    ] {
        let page = text(&run(line).stdout).replace("\\-", "-");
        assert!(page.contains(title), "{page}");
    }
    assert_eq!(run(&["man", "data", "nothing"]).status.code(), Some(2));
    assert_eq!(run(&["man", "nothing"]).status.code(), Some(2));
}

/// A .npy of `shape` in version 1.0 of the format.
pub(crate) fn npy(kind: &str, shape: &str, bytes: &[u8]) -> Vec<u8> {
    let mut header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}");
    while !(header.len() + 11).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
    let length = u16::try_from(header.len()).unwrap().to_le_bytes();
    [b"\x93NUMPY\x01\x00".as_slice(), &length, header.as_bytes(), bytes].concat()
}

#[test]
fn data_inspect_tells_what_a_set_holds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dots.npy");
    let pixels: Vec<u8> = (0..20 * 8 * 8).map(|i| (i % 7 * 40) as u8).collect();
    std::fs::write(&path, npy("|u1", "(20, 8, 8)", &pixels)).unwrap();
    let output = run(&["data", "inspect", &path.display().to_string()]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    insta::assert_snapshot!(text(&output.stdout));
    let output = run(&["data", "inspect", "--data", &path.display().to_string(), "--json"]);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["channels"], 1);
    let images = |split: &str| document["splits"][split]["images"].as_u64();
    assert_eq!(["train", "val", "test"].map(images), [Some(20), None, None], "without labels all train");
}

#[test]
fn what_a_library_advises_names_flags_of_this_program() {
    let folder = tempfile::tempdir().unwrap();
    let inspect = |shape: &str, len: usize, more: &[&str]| {
        let path = folder.path().join("set.npy");
        std::fs::write(&path, npy("|u1", shape, &vec![7; len])).unwrap();
        run(&[&["data", "inspect", &path.display().to_string()], more].concat())
    };
    let refused = inspect("(64, 3, 12, 16)", 64 * 3 * 12 * 16, &[]);
    assert_eq!(refused.status.code(), Some(3));
    let said = text(&refused.stderr);
    assert!(said.contains("\n  hint: ") && said.contains("--layout nchw (64 images of 12 x 16"), "{said}");
    let advice = "; --layout says what else it is, such as nchw or ndhw\n";
    let said = text(&inspect("(20, 1, 8, 8)", 20 * 8 * 8, &[]).stdout);
    assert!(said.contains(advice), "{said}");
    let document: Value =
        serde_json::from_slice(&inspect("(20, 1, 8, 8)", 20 * 8 * 8, &["--json"]).stdout).unwrap();
    assert_eq!(format!("; {}\n", document["notices"][0]["hint"].as_str().unwrap()), advice);
}

#[test]
fn data_inspect_counts_and_names_bad_files_or_fails() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("photos");
    std::fs::create_dir(&path).unwrap();
    // The smallest bitmap: one pixel, 24 bits.
    let header =
        [b"BM".as_slice(), &58u32.to_le_bytes(), &[0; 4], &54u32.to_le_bytes(), &40u32.to_le_bytes()]
            .concat();
    let size = [1u32.to_le_bytes(), 1u32.to_le_bytes(), 0x0018_0001u32.to_le_bytes()].concat();
    let bitmap = [header, size, vec![0; 24], vec![10, 20, 30, 0]].concat();
    for number in 0..10 {
        std::fs::write(path.join(format!("{number}.bmp")), &bitmap).unwrap();
    }
    std::fs::write(path.join("bad.bmp"), "no image").unwrap();
    let line = ["data", "inspect", &path.display().to_string()];
    let told = text(&run(&line).stdout);
    assert!(told.contains("1 image(s) cannot be decoded") && told.contains("  bad.bmp: "), "{told}");
    let output = run(&[&line[..], &["--on-bad-sample", "fail"]].concat());
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stderr).contains("bad.bmp"), "{}", text(&output.stderr));
}

/// A run's folder with these settings, made from data with this SHA-256.
pub(crate) fn run_folder(path: &std::path::Path, config: &str, data: &str) -> twinlens_run::RunFolder {
    use twinlens_run::{Environment, Overwrite, RunFolder, Start};
    let data = serde_json::json!({ "sha256": data });
    let environment = Environment { version: "0.1.0", commit: None, threads: 2, data }.describe();
    let start = Start { config, command: &["twinlens".into(), "pretrain".into()], environment };
    RunFolder::create(path, Overwrite::Never, &start).unwrap()
}

/// A verdict as `probe` writes it.
fn verdict(data: &str, accuracy: f64) -> Value {
    let scores = serde_json::json!({
        "samples": 8, "accuracy": accuracy, "top5_accuracy": null, "balanced_accuracy": 0.625, "macro_f1": 0.5,
        "macro_auc": null, "confusion": [], "per_class": [],
    });
    serde_json::json!({
        "schema_version": 1, "protocol": "linear-probe", "seeds": {"labels": 3}, "classes": ["a", "b"],
        "settings": {"features": "trained", "label_share": 0.1, "data_sha256": data},
        "training_labels": 10, "warnings": [],
        "splits": [{"split": "test", "scores": scores, "labels": [], "predictions": []}],
    })
}

#[test]
fn runs_are_compared_side_by_side() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b] = ["a", "b"].map(|name| folder.path().join(name));
    for (path, lr, loss, accuracy) in [(&a, "0.5", 1.5, 0.75), (&b, "0.25", 2.5, 0.875)] {
        let config = format!("epochs = 2\n[optim]\nname = \"sgd\"\nlr = {lr}\n");
        let mut run = run_folder(path, &config, "0123456789");
        run.append_metrics(&serde_json::json!({"step": 1, "epoch": 1, "loss": loss, "lr": 2.5e-5})).unwrap();
        run.write_verdict("probe", &verdict("0123456789", accuracy)).unwrap();
    }
    let [a, b] = [&a, &b].map(|path| path.to_str().unwrap());
    let output = run(&["runs", "compare", a, b]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stderr), "");
    let told = text(&output.stdout);
    let lines: Vec<Vec<&str>> = told.lines().map(|line| line.split_whitespace().collect()).collect();
    let probe = |run, accuracy| {
        let start = [
            "linear", "probe,", "10", "%", "of", "the", "labels", "trained", "01234567", "labels", "3",
            "test",
        ];
        [&start[..], &[run, accuracy, "0.6250", "0.5000"]].concat()
    };
    for expected in [
        vec!["setting", a, b],
        vec!["optim.lr", "0.5", "0.25"],
        vec!["loss", "1.5000", "2.5000"],
        vec!["lr", "2.500e-5", "2.500e-5"],
        probe(a, "0.7500"),
        probe(b, "0.8750"),
    ] {
        assert!(lines.contains(&expected), "{expected:?} in\n{told}");
    }
    assert!(!told.contains("epochs") && !told.contains("sgd"), "settings that agree are left out: {told}");
    let document: Value = serde_json::from_slice(&run(&["runs", "compare", a, b, "--json"]).stdout).unwrap();
    assert_eq!(document["settings"][0], serde_json::json!({"key": "optim.lr", "values": [0.5, 0.25]}));
    assert_eq!(document["verdicts"][1]["accuracy"], 0.875);
    assert_eq!(document["verdicts"][1]["label_share"], 0.1);
    assert_eq!(document["warnings"], serde_json::json!([]));
}

#[test]
fn runs_on_different_data_are_compared_with_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b] = ["a", "b"].map(|name| folder.path().join(name));
    for (path, data) in [(&a, "0123456789"), (&b, "9876543210")] {
        let run = run_folder(path, "epochs = 2\n", data);
        run.write_verdict("probe", &verdict(data, 0.5)).unwrap();
        run.write_verdict("old", &serde_json::json!({"protocol": "knn"})).unwrap();
    }
    let [a, b] = [&a, &b].map(|path| path.to_str().unwrap());
    let output = run(&["runs", "compare", a, b]);
    assert!(output.status.success());
    assert!(text(&output.stdout).ends_with("the settings are the same\n"), "{}", text(&output.stdout));
    let said = text(&output.stderr);
    for warning in ["did not learn from the same data", "are of different data", "left out", "old.json"] {
        assert!(said.contains(warning), "{warning} in\n{said}");
    }
    assert_eq!(run(&["runs", "compare", a]).status.code(), Some(2), "one run cannot be compared");
    assert_eq!(run(&["runs", "compare", a, "/nowhere"]).status.code(), Some(2));
}

#[test]
fn runs_are_listed_and_shown() {
    use serde_json::json;
    use twinlens_run::{Environment, Overwrite, RunFolder, RunState, Start};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    let environment =
        Environment { version: "0.1.0", commit: None, threads: 2, data: json!(null) }.describe();
    let start =
        Start { config: "epochs = 2\n", command: &["twinlens".into(), "pretrain".into()], environment };
    let mut run_folder = RunFolder::create(&path, Overwrite::Never, &start).unwrap();
    run_folder.append_metrics(&json!({"step": 1, "epoch": 1, "loss": 12.5})).unwrap();
    run_folder.append_metrics(&json!({"step": 2, "epoch": 2, "loss": 9.25})).unwrap();
    run_folder.set_status(RunState::Failed, "the loss is not finite").unwrap();
    drop(run_folder);
    let list = text(&run(&["runs", "list", &folder.path().display().to_string()]).stdout);
    let words: Vec<&str> = list.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!((words[1], words[2]), ("failed", "2"), "{list}");
    assert!(!list.contains("9.25"), "losses do not compare over methods: {list}");
    let show = text(&run(&["runs", "show", &path.display().to_string()]).stdout);
    assert!(show.contains("failed (the loss is not finite)") && show.contains("twinlens pretrain"), "{show}");
    let empty = tempfile::tempdir().unwrap();
    let list = text(&run(&["runs", "list", &empty.path().display().to_string()]).stdout);
    assert!(list.starts_with("no runs in "), "{list}");
}

/// The README's `cargo run` names no program, and the workspace has two.
#[test]
fn cargo_runs_this_program_without_being_told_which() {
    let crates = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let manifests = std::fs::read_dir(crates).unwrap().map(|item| item.unwrap().path().join("Cargo.toml"));
    let default = |path: std::path::PathBuf| {
        let manifest: toml::Table = std::fs::read_to_string(path).unwrap().parse().unwrap();
        manifest["package"].get("default-run").and_then(|name| name.as_str().map(str::to_owned))
    };
    assert_eq!(manifests.filter_map(default).collect::<Vec<_>>(), ["twinlens"]);
}
