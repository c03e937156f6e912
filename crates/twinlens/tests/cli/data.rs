//! Public data sets by name. Servers are local; nothing here uses the network.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread::JoinHandle;

use serde_json::Value;

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        Place { folder: tempfile::tempdir().unwrap() }
    }

    fn twinlens(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("twinlens"));
        command.env_clear().env("TWINLENS_DATA_DIR", self.folder.path()).args(arguments);
        command.current_dir(self.folder.path());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.twinlens(arguments).output().unwrap()
    }

    /// Fetches from a server on this machine.
    fn fetch_from(&self, mirror: &str, arguments: &[&str]) -> Output {
        let line = [&["data", "fetch"], arguments].concat();
        self.twinlens(&line).env("TWINLENS_DATA_MIRROR", mirror).output().unwrap()
    }

    fn file(&self, path: &str) -> PathBuf {
        self.folder.path().join("downloads").join(path)
    }

    fn put(&self, path: &str, bytes: &[u8]) {
        let path = self.file(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

fn complaint(output: &Output, code: i32) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(output.stdout.is_empty());
    text
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Answers one request and returns its first line.
fn serve(status: &'static str, body: &'static [u8]) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let served = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let lines = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
        let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
        let answer =
            format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
        stream.write_all(answer.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        head[0].clone()
    });
    (address, served)
}

/// Images and labels of MNIST's kind: one small file of each for training and test.
fn put_digits(place: &Place) {
    for (name, count) in [("train", 10u8), ("t10k", 4)] {
        let images: Vec<u8> = [0, 0, 8, 3, 0, 0, 0, count, 0, 0, 0, 4, 0, 0, 0, 4]
            .into_iter()
            .chain((0..count * 16).map(|at| at.wrapping_mul(37)))
            .collect();
        let labels: Vec<u8> = [0, 0, 8, 1, 0, 0, 0, count].into_iter().chain(0..count).collect();
        place.put(&format!("mnist/{name}-images-idx3-ubyte.gz"), &images);
        place.put(&format!("mnist/{name}-labels-idx1-ubyte.gz"), &labels);
    }
}

fn entry<'a>(list: &'a Value, name: &str) -> &'a Value {
    list["datasets"].as_array().unwrap().iter().find(|entry| entry["name"] == name).unwrap()
}

#[test]
fn public_sets_are_listed_with_licence_and_checksum() {
    let place = Place::new();
    let list = json(&place.run(&["data", "list", "--json"]));
    let blood = entry(&list, "bloodmnist");
    assert_eq!(blood["licence"], "CC BY 4.0");
    assert_eq!(blood["editions"][1]["name"], "bloodmnist_64");
    assert_eq!(blood["editions"][1]["files"][0]["bytes"], Value::Null, "its publisher does not say");
    let checksum = &blood["editions"][1]["files"][0]["checksum"];
    assert_eq!(checksum["md5"], "2b94928a2ae4916078ca51e05b6b800b");
    assert_eq!(blood["editions"][1]["here"], false);
    assert!(entry(&list, "cifar10")["editions"][0]["files"][0]["checksum"]["sha256"].is_string());
    let told = String::from_utf8(place.run(&["data", "list"]).stdout).unwrap();
    let line = |name: &str| told.lines().find(|line| line.starts_with(name)).unwrap();
    assert!(line("bloodmnist").contains("28 64 128 224"), "{told}");
    assert!(line("bloodmnist").contains("not known") && line("mnist").contains("11.1 MiB"), "{told}");
}

#[test]
fn a_name_that_was_not_fetched_is_wrong_data_and_tells_the_command() {
    let place = Place::new();
    for line in [
        &["data", "inspect", "bloodmnist_64"][..],
        &["pretrain", "--data", "bloodmnist_64", "--dry-run"],
        &["views", "--data", "bloodmnist_64", "--out", "views.png"],
    ] {
        let told = complaint(&place.run(line), 3);
        assert!(told.contains("hint: `twinlens data fetch bloodmnist --size 64` downloads it"), "{told}");
    }
    let told = complaint(&place.run(&["data", "inspect", "bloodmnst"]), 3);
    assert!(told.contains("did you mean `bloodmnist`?"), "{told}");
}

#[test]
fn a_fetched_name_is_as_good_as_a_path() {
    let place = Place::new();
    put_digits(&place);
    let inspected = json(&place.run(&["data", "inspect", "mnist", "--json"]));
    assert_eq!(inspected["splits"]["test"]["images"], 4);
    let list = json(&place.run(&["data", "list", "--json"]));
    assert_eq!(entry(&list, "mnist")["editions"][0]["here"], true);
    // Offline, what is here is enough.
    let fetched = json(&place.run(&["data", "fetch", "mnist", "--offline", "--json"]));
    assert_eq!(fetched["was_here"], true);
    assert_eq!(Path::new(fetched["path"].as_str().unwrap()), place.file("mnist"));
    let plan = ["pretrain", "--data", "mnist", "--dry-run", "batch=4", "device=cpu", "--json"];
    assert_eq!(json(&place.run(&plan))["images"], 10, "no class gives its only image to validation");
}

#[test]
fn sets_that_are_joined_are_told_one_by_one() {
    let place = Place::new();
    put_digits(&place);
    let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (6, 5, 5), }";
    let values = (0..150u8).map(|at| at.wrapping_mul(7));
    let array: Vec<u8> =
        b"\x93NUMPY\x01\x00".iter().copied().chain((header.len() as u16).to_le_bytes()).collect();
    let array: Vec<u8> = array.into_iter().chain(header.bytes()).chain(values).collect();
    std::fs::write(place.folder.path().join("b.npy"), array).unwrap();
    let inspect = ["data", "inspect", "mnist", "--join", "b.npy"];
    let inspected = json(&place.run(&[&inspect[..], &["--json"]].concat()));
    assert_eq!(inspected["parts"][1]["splits"]["train"], 6);
    assert_eq!(inspected["splits"]["train"]["images"], 16);
    let told = String::from_utf8(place.run(&inspect).stdout).unwrap();
    assert!(told.contains("joined: mnist: 10 train, 4 test\njoined: b.npy: 6 train"), "{told}");
    let plan = ["pretrain", "--data", "mnist", "--join", "b.npy", "--dry-run", "batch=4", "device=cpu"];
    let planned = json(&place.run(&[&plan[..], &["--json"]].concat()));
    assert_eq!((&planned["images"], &planned["parts"]), (&Value::from(16), &inspected["parts"]));
    let told = String::from_utf8(place.run(&plan).stdout).unwrap();
    assert!(told.contains("of the joined set") && told.contains("b.npy: 6 train"), "{told}");
    let twice = complaint(&place.run(&["data", "inspect", "mnist", "--join", "mnist"]), 3);
    assert!(twice.contains("holds the same images") && twice.contains("hint: name each set once"), "{twice}");
    let judged = complaint(
        &place.run(&["finetune", "scratch", "--data", "mnist", "data_options.join=[\"b.npy\"]", "--dry-run"]),
        2,
    );
    assert!(judged.contains("data_options.join"), "{judged}");
}

#[test]
fn a_path_that_exists_goes_before_a_name() {
    let place = Place::new();
    std::fs::create_dir(place.folder.path().join("mnist")).unwrap();
    let told = complaint(&place.run(&["data", "inspect", "mnist"]), 3);
    assert!(told.contains("it is empty"), "{told}");
}

#[test]
fn offline_leaves_the_network_alone() {
    let place = Place::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let mirror = format!("http://{}", listener.local_addr().unwrap());
    let told = complaint(&place.fetch_from(&mirror, &["bloodmnist", "--offline"]), 4);
    assert!(told.contains("--offline leaves the network alone") && told.contains("hint: "), "{told}");
    assert!(listener.accept().is_err(), "somebody called");
    assert!(!place.file("").exists(), "nothing is made");
}

#[test]
fn a_forged_file_is_refused_and_removed() {
    let place = Place::new();
    let (mirror, served) = serve("200 OK", b"forged");
    let told = complaint(&place.fetch_from(&mirror, &["bloodmnist", "--size", "64"]), 3);
    assert_eq!(served.join().unwrap(), "GET /bloodmnist_64.npz HTTP/1.1");
    for part in ["licence: CC BY 4.0", "size 6 B", "expected 2b94928a2ae4916078ca51e05b6b800b", "hint: "] {
        assert!(told.contains(part), "{part} in\n{told}");
    }
    assert_eq!(std::fs::read_dir(place.file("bloodmnist")).unwrap().count(), 0);
}

#[test]
fn a_server_in_trouble_is_an_environment_in_trouble() {
    let place = Place::new();
    let (mirror, served) = serve("503 Service Unavailable", b"");
    let told = complaint(&place.fetch_from(&mirror, &["mnist"]), 4);
    assert!(told.contains("503") && told.contains("train-images-idx3-ubyte.gz"), "{told}");
    served.join().unwrap();
}

#[test]
fn the_proxy_of_the_environment_is_used() {
    let place = Place::new();
    let (proxy, served) = serve("403 Forbidden", b"");
    let output = place
        .twinlens(&["data", "fetch", "bloodmnist"])
        .env("TWINLENS_DATA_MIRROR", "http://mirror.invalid/data")
        .env("HTTP_PROXY", &proxy)
        .output()
        .unwrap();
    complaint(&output, 4);
    let request = served.join().unwrap();
    assert!(request.contains("mirror.invalid"), "{request}");
}

#[test]
fn a_set_or_size_that_does_not_exist_is_usage() {
    let place = Place::new();
    let told = complaint(&place.run(&["data", "fetch", "bloodmnst"]), 2);
    assert!(told.contains("did you mean `bloodmnist`?"), "{told}");
    let told = complaint(&place.run(&["data", "fetch", "bloodmnist", "--size", "32"]), 2);
    assert!(told.contains("it has 28, 64, 128, 224"), "{told}");
}
