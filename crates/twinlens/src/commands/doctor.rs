//! `doctor`: what this machine and this build can do.

use serde_json::{Value, json};
use twinlens_data::available_memory;
use twinlens_lab::jobs::free_space;
use twinlens_nn::device::gpu_back_ends;
use twinlens_run::Environment;

use super::{bytes, data_folder};
use crate::exit::Outcome;
use crate::terminal::Terminal;

/// Arguments of `doctor`.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  twinlens doctor
  twinlens doctor --json")]
pub struct DoctorArgs {}

/// Tells version, CPU, memory, disk, and what will be slow or missing.
///
/// # Errors
/// When stdout cannot be written.
pub fn run(_args: &DoctorArgs, terminal: &Terminal) -> Outcome {
    let document = examine();
    terminal.result(&document, || describe(&document, terminal))
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
    let mut told = terminal.table(&["what", "here"], &rows);
    for warning in document["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        told += &format!("warning: {warning}\n");
    }
    told
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
