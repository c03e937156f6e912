//! The first commands of strangers on ten kinds of data: each ends well, or in a sentence that helps, within 4 GB of addresses.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::program::npy;
use crate::training::Place;

/// Runs the program within 4 GB of addresses, where the system can hold it to that.
fn within_4_gb(words: &[&str], cache: &Path) -> Output {
    let program = env!("CARGO_BIN_EXE_twinlens");
    let mut command = if cfg!(target_os = "linux") {
        let mut shell = Command::new("sh");
        shell.args(["-c", "ulimit -v 4000000 && exec \"$0\" \"$@\"", program]);
        shell
    } else {
        Command::new(program)
    };
    command.args(words).env("RUST_BACKTRACE", "0").env("TWINLENS_DATA_DIR", cache).output().unwrap()
}

/// A stranger with images, who has typed one command and types the next.
struct Stranger {
    place: Place,
    data: PathBuf,
    /// What pre-training said on stderr.
    said: String,
    /// Its document.
    told: Value,
}

impl Stranger {
    /// Who lays down images with `write`, and learns from them with nothing but what makes it short.
    fn with(name: &str, write: impl FnOnce(&Path)) -> Stranger {
        let place = Place::new();
        let data = place.at(name);
        write(&data);
        let mut stranger = Stranger { place, data, said: String::new(), told: Value::Null };
        let out = stranger.run_folder();
        let words = ["pretrain", "--data", stranger.data.to_str().unwrap(), "--out", &out, "--json"];
        let short = ["epochs=1", "batch=8", "limit=16", "device=cpu"];
        let output = within_4_gb(&[&words[..], &short].concat(), &stranger.place.at("cache"));
        stranger.said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{name}: {}", stranger.said);
        assert!(Path::new(&out).join("encoder/encoder.safetensors").is_file(), "{}", stranger.said);
        assert!(Path::new(&out).join("report.html").is_file(), "{}", stranger.said);
        stranger.told = serde_json::from_slice(&output.stdout).unwrap();
        stranger
    }

    fn run_folder(&self) -> String {
        self.place.at("run").to_str().unwrap().to_owned()
    }

    /// The words of a next command, behind its verb: the run, and nothing else.
    fn next(&self, verb: &str) -> Output {
        within_4_gb(&[verb, &self.run_folder(), "--json"], &self.place.at("cache"))
    }

    /// That ends well.
    fn succeeds(&self, verb: &str) {
        let output = self.next(verb);
        assert!(output.status.success(), "{verb}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// That ends in a mistake of the data, with these words in what is said, a hint among them.
    fn is_helped(&self, verb: &str, words: &[&str]) {
        let output = self.next(verb);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(3), "{verb}: {said}");
        for word in [words, &["hint: "]].concat() {
            assert!(said.contains(word), "{verb}: {word} in {said}");
        }
    }
}

/// A picture of one channel or three, 8 or 16 bits, as the simplest format has it: stripes that no two pictures share.
fn picture(path: &Path, (width, height): (usize, usize), channels: usize, deep: bool, number: usize) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let kind = if channels == 1 { "P5" } else { "P6" };
    let header = format!("{kind} {width} {height} {}\n", if deep { 65535 } else { 255 });
    let row = width * channels * if deep { 2 } else { 1 };
    let value = |at: usize| ((at % row * (number % 7 + 1) / 3 + at / row * number) % 251) as u8;
    let bytes: Vec<u8> = header.into_bytes().into_iter().chain((0..height * row).map(value)).collect();
    std::fs::write(path, bytes).unwrap();
}

/// Two classes of pictures in folders of their own.
fn classes(folder: &Path, size: (usize, usize), channels: usize, deep: bool) {
    for number in 0..24 {
        let name = format!("{}/{number}.pnm", if number % 2 == 0 { "cats" } else { "dogs" });
        picture(&folder.join(name), size, channels, deep, number);
    }
}

/// Numbers that look like noise.
fn noise(count: usize) -> Vec<u8> {
    (0..count).map(|at| (at * 7919 % 251) as u8).collect()
}

#[test]
fn a_folder_of_photographs() {
    let stranger = Stranger::with("photos", |folder| classes(folder, (200, 150), 3, false));
    assert!(stranger.told["knn_accuracy"].is_number(), "{}", stranger.told);
    // Of photographs with 150 pixels, views are chosen that one computer can learn from.
    assert!(stranger.said.contains("views have 128"), "{}", stranger.said);
    stranger.succeeds("knn");
    let line = ["doctor", "--data", stranger.data.to_str().unwrap(), "--json"];
    let output = within_4_gb(&line, &stranger.place.at("cache"));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&told["preset"], &told["images"], &told["classes"]),
        (&"few-images".into(), &18.into(), &2.into())
    );
    let command = told["command"].as_str().unwrap();
    assert!(
        command.starts_with("twinlens pretrain --data ") && command.contains("--preset few-images"),
        "{told}"
    );
    assert!(
        told["seconds"].as_f64().unwrap() > 0.0 && told["next"][0].as_str().unwrap().contains("knn"),
        "{told}"
    );
    let words: Vec<&str> =
        command.split_whitespace().skip(1).chain(["epochs=1", "--dry-run", "--json"]).collect();
    let proposed = within_4_gb(&words, &stranger.place.at("cache"));
    assert!(proposed.status.success(), "{}", String::from_utf8_lossy(&proposed.stderr));
}

#[test]
fn a_flat_folder_without_labels() {
    let stranger = Stranger::with("flat", |folder| {
        (0..30).for_each(|number| picture(&folder.join(format!("{number}.ppm")), (24, 20), 3, false, number));
    });
    assert!(stranger.told["knn_accuracy"].is_null(), "{}", stranger.told);
    stranger.is_helped("knn", &["label"]);
    stranger.succeeds("cluster");
}

#[test]
fn arrays_in_an_npz_folder() {
    let stranger = Stranger::with("cells", |folder| {
        std::fs::create_dir_all(folder).unwrap();
        for (split, images) in [("train", 24), ("val", 8), ("test", 8)] {
            let pixels = npy("|u1", &format!("({images}, 28, 28, 3)"), &noise(images * 28 * 28 * 3));
            std::fs::write(folder.join(format!("{split}_images.npy")), pixels).unwrap();
            let labels: Vec<u8> = (0..images).map(|image| image as u8 % 2).collect();
            std::fs::write(
                folder.join(format!("{split}_labels.npy")),
                npy("|u1", &format!("({images},)"), &labels),
            )
            .unwrap();
        }
    });
    stranger.succeeds("knn");
}

#[test]
fn grey_images() {
    let stranger = Stranger::with("scans", |folder| classes(folder, (24, 20), 1, false));
    assert!(!stranger.said.contains("refused"), "{}", stranger.said);
    stranger.succeeds("knn");
}

#[test]
fn sixteen_bits() {
    let stranger = Stranger::with("camera", |folder| classes(folder, (24, 20), 1, true));
    stranger.succeeds("knn");
}

#[test]
fn five_channels() {
    let stranger = Stranger::with("stains.npy", |file| {
        std::fs::write(file, npy("<u2", "(30, 24, 24, 5)", &noise(30 * 24 * 24 * 5 * 2))).unwrap();
    });
    // What needs three channels is left out of the views, and told.
    assert!(stranger.said.contains("images of 5 channels: color_jitter left out"), "{}", stranger.said);
    stranger.succeeds("cluster");
}

#[test]
fn digits_as_mnist_has_them() {
    let stranger = Stranger::with("mnist", |folder| {
        std::fs::create_dir_all(folder).unwrap();
        for (split, images) in [("train", 24u32), ("t10k", 12)] {
            let head: Vec<u8> =
                [0x0803, images, 28, 28].iter().flat_map(|number: &u32| number.to_be_bytes()).collect();
            let pixels = [head, noise(images as usize * 784)].concat();
            std::fs::write(folder.join(format!("{split}-images-idx3-ubyte")), pixels).unwrap();
            let head: Vec<u8> =
                [0x0801, images].iter().flat_map(|number: &u32| number.to_be_bytes()).collect();
            let labels = (0..images).map(|image| image as u8 % 3).collect();
            std::fs::write(folder.join(format!("{split}-labels-idx1-ubyte")), [head, labels].concat())
                .unwrap();
        }
    });
    stranger.succeeds("knn");
}

#[test]
fn several_objects_in_an_image_as_voc_has_them() {
    let stranger = Stranger::with("VOC2007", |folder| {
        let lists = folder.join("ImageSets/Main");
        std::fs::create_dir_all(&lists).unwrap();
        for (split, images) in [("train", 0..16), ("val", 16..24), ("test", 24..32)] {
            for (class, every) in [("cat", 2), ("dog", 3)] {
                let line = |image: usize| {
                    format!("{image:05} {:>2}\n", if image.is_multiple_of(every) { 1 } else { -1 })
                };
                let text: String = images.clone().map(line).collect();
                std::fs::write(lists.join(format!("{class}_{split}.txt")), text).unwrap();
            }
        }
        let name = |number: usize| folder.join(format!("JPEGImages/{number:05}.jpg"));
        (0..32).for_each(|number| picture(&name(number), (24, 20), 3, false, number));
    });
    assert!(stranger.said.contains("--classifier svm"), "{}", stranger.said);
    stranger.is_helped("knn", &["may show several classes"]);
}

#[test]
fn images_of_one_class() {
    let stranger = Stranger::with("healthy", |folder| {
        (0..30).for_each(|number| {
            picture(&folder.join(format!("only/{number}.ppm")), (24, 20), 3, false, number);
        });
    });
    stranger.is_helped("knn", &["only"]);
    stranger.succeeds("cluster");
}

#[test]
fn huge_images() {
    let stranger = Stranger::with("slides", |folder| classes(folder, (1600, 1200), 3, false));
    assert!(stranger.said.contains("views have 128"), "{}", stranger.said);
}
