//! What the machine does to a run: disks that fill up, folders that cannot be written, memory that runs out, clocks that
//! were wrong, two processes at once. `scripts/kill-test` kills runs at random moments.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;
use twinlens_random::{Purpose, Stream};

use crate::finetune::{finetune, pretrained};
use crate::training::{Place, SMALL, complaint, encoder, json, pretrain, twinlens, wait_until_under_way};

/// `script` in a shell, with the program as `$PROGRAM` and arguments of a small run as `$RUN`.
fn shell(script: &str, place: &Path) -> Output {
    let run = format!("pretrain --data bundled --method barlow-twins {}", SMALL.join(" "));
    let mut command = Command::new("sh");
    command.args(["-c", script]).current_dir(place).stdin(Stdio::null());
    command.env("PROGRAM", env!("CARGO_BIN_EXE_twinlens")).env("RUN", run).env("RUST_BACKTRACE", "0");
    command.output().unwrap()
}

/// [`shell`] where a file system may be mounted that nobody else sees; nothing where the system allows none.
#[expect(clippy::print_stderr, reason = "what is not tested is told")]
fn shell_with_mounts(script: &str, place: &Path) -> Option<Output> {
    let allowed = Command::new("unshare").args(["-rm", "true"]).status().is_ok_and(|status| status.success());
    if !allowed {
        eprintln!("this system lets no test mount a file system: not tested here");
        return None;
    }
    Some(shell(&format!("exec unshare -rm sh -c '{script}'"), place))
}

/// Returns when there is something in the file at `path`.
fn wait_for(path: &Path) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while std::fs::metadata(path).map_or(0, |file| file.len()) == 0 {
        assert!(Instant::now() < deadline, "no {}", path.display());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Every JSON and safetensors file below `folder` is whole.
fn check_whole(folder: &Path) {
    for item in std::fs::read_dir(folder).unwrap() {
        let path = item.unwrap().path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        match extension {
            _ if path.is_dir() => check_whole(&path),
            Some("json") => {
                let text = std::fs::read(&path).unwrap();
                assert!(serde_json::from_slice::<serde_json::Value>(&text).is_ok(), "{}", path.display());
            }
            Some("safetensors") => {
                assert!(twinlens_nn::weights::read_safetensors(&path).is_ok(), "{}", path.display());
            }
            _ => {}
        }
    }
}

#[test]
fn a_disk_that_fills_up_ends_the_run_with_whole_files_and_it_goes_on_when_there_is_room() {
    let place = Place::new();
    std::fs::create_dir_all(place.at("disk")).unwrap();
    // The run begins with room enough; something else then takes it.
    let script = r#"
        mount -t tmpfs -o size=700m tmpfs disk || exit 99
        $PROGRAM $RUN epochs=6 checkpoint.every=1 --out disk/run 2> told &
        until test -s disk/run/checkpoints/epoch-0001.json; do sleep 0.01; kill -0 $! || break; done
        cat /dev/zero > disk/filler 2> /dev/null
        wait $!
        code=$?
        rm disk/filler
        cp -r disk/run kept
        $PROGRAM pretrain --resume disk/run > resumed.json --json 2> resumed || exit 98
        cp disk/run/encoder/encoder.safetensors resumed.safetensors
        exit $code"#;
    let Some(output) = shell_with_mounts(script, &place.at("")) else { return };
    let told = std::fs::read_to_string(place.at("told")).unwrap();
    assert_eq!(output.status.code(), Some(4), "{told}{}", String::from_utf8_lossy(&output.stderr));
    assert!(told.contains("error: ") && told.contains("hint: "), "{told}");
    check_whole(&place.at("kept"));
    let whole = place.at("whole");
    json(&pretrain(&whole, &["epochs=6", "checkpoint.every=1"]).output().unwrap());
    assert_eq!(std::fs::read(place.at("resumed.safetensors")).unwrap(), encoder(&whole));
}

#[test]
fn a_file_that_may_not_grow_ends_the_run_with_a_sentence() {
    let place = Place::new();
    // In blocks of 512 bytes: no checkpoint fits.
    let output = shell("trap '' XFSZ; ulimit -f 20000; exec $PROGRAM $RUN --out run", &place.at(""));
    let told = complaint(&output, if cfg!(target_os = "linux") { 4 } else { 1 });
    assert!(told.contains("error: ") && told.contains("hint: "), "{told}");
    check_whole(&place.at("run"));
}

#[test]
fn a_folder_that_cannot_be_written_is_told_before_any_work() {
    let place = Place::new();
    std::fs::create_dir_all(place.at("disk")).unwrap();
    let script = "mount -t tmpfs -o ro tmpfs disk || exit 99; exec $PROGRAM $RUN --out disk/run";
    let Some(output) = shell_with_mounts(script, &place.at("")) else { return };
    let told = complaint(&output, 4);
    assert!(told.contains("disk/run") && told.contains("hint: "), "{told}");
}

#[test]
fn memory_that_is_not_there_is_refused_and_memory_that_runs_out_is_told() {
    let place = Place::new();
    let output = shell("ulimit -v 930000; exec $PROGRAM $RUN batch=48 size=64 --out run", &place.at(""));
    let told = complaint(&output, 4);
    assert!(told.contains("of memory") && told.contains("would fit"), "{told}");
    assert!(!place.at("run").exists());
    // What takes memory without an estimate ends with a sentence all the same.
    let bench = "ulimit -v 500000; exec $PROGRAM bench --case r18-imagenet-28-b256 --steps 1";
    let told = complaint(&shell(bench, &place.at("")), 1);
    assert!(told.contains("memory") && told.contains("hint: "), "{told}");
}

#[test]
fn two_processes_do_not_write_one_run() {
    let place = Place::new();
    let out = place.at("run");
    let mut first =
        pretrain(&out, &["epochs=200"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_for(&out.join("metrics.jsonl"));
    let folder = out.to_str().unwrap();
    for second in
        [twinlens(&["pretrain", "--resume", folder]).output(), pretrain(&out, &["--overwrite"]).output()]
    {
        let told = complaint(&second.unwrap(), 2);
        assert!(told.contains("hint: "), "{told}");
    }
    assert!(first.try_wait().unwrap().is_none(), "the first goes on");
    first.kill().unwrap();
    first.wait().unwrap();
    check_whole(&out);
}

/// The command that begins a piece of work in this folder.
type Begin<'a> = &'a dyn Fn(&Path) -> Command;

/// Kills `begin`, and whatever goes on with it, so many times within `time`, then lets it end; returns what it prints.
fn killed(kills: u64, time: Duration, out: &Path, begin: Begin<'_>, verb: &str) -> Value {
    // Before the first checkpoint there is nothing to go on with.
    let go_on = || match out.join("checkpoints/last.json").exists() || out.join("study.toml").exists() {
        true => twinlens(&[verb, "--resume", out.to_str().unwrap(), "--json"]),
        false => {
            let mut again = begin(out);
            again.arg("--overwrite");
            again
        }
    };
    let mut moments = Stream::new(7, Purpose::Mutation, [0; 3]);
    for _ in 0..kills {
        let mut child = go_on().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(time.mul_f64(moments.uniform()));
        child.kill().unwrap();
        child.wait().unwrap();
        if out.exists() {
            check_whole(out);
        }
    }
    json(&go_on().output().unwrap())
}

/// `scripts/kill-test` does this a hundred times.
#[test]
fn runs_killed_at_any_moment_leave_whole_files_and_end_with_the_same_bits() {
    let place = Place::new();
    let start = pretrained(&place);
    let train = |out: &Path| pretrain(out, &["epochs=4", "checkpoint.every=1"]);
    let study = |out: &Path| {
        let more = ["stages.1.epochs=1", "--label-share", "0.02", "--seeds", "0,1", "--rivals", "scratch"];
        finetune(&place, &[&start], &[&more[..], &["--out", out.to_str().unwrap()]].concat())
    };
    let works: [(&str, Begin<'_>, &str); 2] = [("pretrain", &train, "loss"), ("finetune", &study, "points")];
    for (verb, begin, result) in works {
        let (whole, out) = (place.at(&format!("{verb}-whole")), place.at(&format!("{verb}-killed")));
        let clock = Instant::now();
        let expected = json(&begin(&whole).output().unwrap());
        let told = killed(4, clock.elapsed(), &out, begin, verb);
        assert_eq!(told[result], expected[result], "{verb}");
        assert!(!told[result].is_null());
        if verb == "pretrain" {
            assert_eq!(encoder(&out), encoder(&whole));
        }
    }
}

#[test]
fn clocks_that_were_wrong_change_nothing() {
    let place = Place::new();
    let (whole, out) = (place.at("whole"), place.at("run"));
    json(&pretrain(&whole, &["epochs=3", "checkpoint.every=1"]).output().unwrap());
    let mut child = pretrain(&out, &["epochs=3", "checkpoint.every=1"]).spawn().unwrap();
    wait_until_under_way(&out, true);
    child.kill().unwrap();
    child.wait().unwrap();
    // The newest checkpoint is the one with the most steps, whatever the dates of the files say.
    let future = SystemTime::now() + Duration::from_secs(20 * 365 * 24 * 3600);
    for (name, time) in [("last", SystemTime::UNIX_EPOCH), ("best", future)] {
        for kind in ["json", "safetensors"] {
            let path = out.join(format!("checkpoints/{name}.{kind}"));
            if let Ok(file) = std::fs::File::options().write(true).open(path) {
                file.set_modified(time).unwrap();
            }
        }
    }
    std::fs::File::options()
        .append(true)
        .open(out.join("metrics.jsonl"))
        .unwrap()
        .set_modified(future)
        .unwrap();
    json(&twinlens(&["pretrain", "--resume", out.to_str().unwrap(), "--json"]).output().unwrap());
    assert_eq!(encoder(&out), encoder(&whole));
}
