//! `doctor`: what this machine and this build can do, and how to begin with a person's images on it.

use clap::ValueHint;
use serde_json::{Value, json};
use twinlens_data::available_memory;
use twinlens_lab::jobs::free_space;
use twinlens_nn::device::gpu_back_ends;
use twinlens_run::Environment;

use super::reading::ReadingArgs;
use super::training::lab;
use super::{advice, bytes, data_folder};
use crate::exit::Outcome;
use crate::invocation::Invocation;
use crate::terminal::Terminal;

/// Arguments of `doctor`.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  twinlens doctor
  twinlens doctor --data photos/
  twinlens doctor --json")]
pub struct DoctorArgs {
    /// The data set: a file or folder of images (`twinlens list formats`), or a public one by name
    ///
    /// With it, the command is told that fits these images and this machine, and how long it takes: two of its steps are made.
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub data: Option<String>,
    /// How it is read.
    #[command(flatten)]
    pub reading: ReadingArgs,
}

/// Tells version, CPU, memory, disk, and what will be slow or missing; of images, how to begin with them.
///
/// # Errors
/// Images that cannot be read, or that nothing can be learned from here; stdout that cannot be written.
pub fn run(args: &DoctorArgs, invocation: &Invocation, terminal: &Terminal) -> Outcome {
    let mut document = examine();
    let Some(data) = &args.data else {
        return terminal.result(&document, || describe(&document, terminal));
    };
    let advice = advice::advice(data, &args.reading, &lab(invocation, terminal))?;
    if let (Some(all), Some(advice)) = (document.as_object_mut(), advice.as_object()) {
        all.extend(advice.clone());
    }
    terminal.result(&document, || advice::in_words(&advice) + &warned(&document))
}

fn examine() -> Value {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let commit = Some(crate::COMMIT).filter(|commit| *commit != "unknown");
    let mut document = Environment { version: crate::VERSION, commit, threads, data: Value::Null }.describe();
    let available = available_memory();
    let here = std::env::current_dir().ok();
    let free = here.as_deref().and_then(free_space);
    if let Some(object) = document.as_object_mut() {
        for key in ["data", "layout", "started"] {
            object.remove(key);
        }
        object.insert("target".to_owned(), json!(crate::TARGET));
        object.insert("optimised".to_owned(), json!(!cfg!(debug_assertions)));
        object.insert("memory_available_bytes".to_owned(), json!(available));
        object.insert("disk_free_bytes".to_owned(), json!(free));
        let gpus = gpu_back_ends().into_iter().map(|(name, count)| format!("{name}: {count}"));
        object.insert("gpus".to_owned(), json!(gpus.collect::<Vec<_>>()));
        object.insert("data_folder".to_owned(), json!(data_folder()));
        let features = object["cpu"]["features"].clone();
        object.insert("warnings".to_owned(), json!(warnings(&features, available, free)));
    }
    document
}

/// What will be slow or fail here.
fn warnings(features: &Value, memory: u64, disk: Option<u64>) -> Vec<String> {
    const ENOUGH: u64 = 2 << 30;
    let has = |name: &str| features.as_array().is_some_and(|list| list.iter().any(|one| one == name));
    let mut warnings = Vec::new();
    if cfg!(target_arch = "x86_64") && !(has("avx2") && has("fma")) {
        warnings.push("this CPU has no AVX2 and FMA: training will be several times slower".to_owned());
    }
    if cfg!(debug_assertions) {
        warnings.push("this is a development build: build with `cargo build --release`".to_owned());
    }
    if memory < ENOUGH {
        warnings.push(format!("only {} of memory are free: lower `batch`", bytes(memory)));
    }
    if let Some(disk) = disk.filter(|disk| *disk < ENOUGH) {
        warnings.push(format!("only {} of disk are free here: checkpoints may not fit", bytes(disk)));
    }
    warnings
}

fn describe(document: &Value, terminal: &Terminal) -> String {
    let text = |pointer: &str| match document.pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => "unknown".to_owned(),
        Some(Value::Array(list)) if list.is_empty() => "none".to_owned(),
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "),
        Some(other) => other.to_string(),
    };
    let size =
        |pointer: &str| document.pointer(pointer).and_then(Value::as_u64).map_or("unknown".to_owned(), bytes);
    let rows = [
        ("version", format!("{} (commit {})", text("/version"), text("/commit"))),
        ("built for", text("/target")),
        ("system", text("/os/name")),
        ("CPU", text("/cpu/model")),
        ("instructions", text("/cpu/features")),
        ("threads", text("/threads")),
        ("GPU back ends", text("/gpus")),
        ("memory", format!("{} free of {}", size("/memory_available_bytes"), size("/memory_bytes"))),
        ("disk here", format!("{} free", size("/disk_free_bytes"))),
        ("data folder", text("/data_folder")),
    ];
    let rows: Vec<Vec<String>> = rows.into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect();
    terminal.table(&["what", "here"], &rows) + &warned(document)
}

fn warned(document: &Value) -> String {
    let warnings = document["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str);
    warnings.map(|warning| format!("warning: {warning}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_memory_and_little_disk_are_warned_of() {
        let told = warnings(&json!(["avx2", "fma"]), 1 << 20, Some(1 << 20)).join("\n");
        assert!(told.contains("1.0 MiB of memory") && told.contains("1.0 MiB of disk"), "{told}");
        let told = warnings(&json!(["avx2", "fma"]), 1 << 40, Some(1 << 40)).join("\n");
        assert!(!told.contains("memory") && !told.contains("disk") && !told.contains("AVX2"), "{told}");
    }
}
