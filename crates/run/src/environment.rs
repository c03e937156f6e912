//! `env.json`: where and with what a run was made.

use serde_json::{Value, json};
use sysinfo::System;

use crate::LAYOUT;

/// What only the caller knows about the environment of a run.
#[derive(Clone, Debug)]
pub struct Environment<'a> {
    /// The version of the program.
    pub version: &'a str,
    /// The commit it was built from, where known.
    pub commit: Option<&'a str>,
    /// The number of threads it computes with.
    pub threads: usize,
    /// What identifies the data: paths, counts, hashes. Stored as it is.
    pub data: Value,
}

impl Environment<'_> {
    /// The content of `env.json`: the layout version, what the caller knows, and what the machine says about
    /// its CPU (model, instruction sets that matter for speed and rounding, logical cores), memory in bytes,
    /// operating system, and the time (UTC, RFC 3339).
    pub fn describe(&self) -> Value {
        let mut system = System::new();
        system.refresh_memory();
        system.refresh_cpu_list(sysinfo::CpuRefreshKind::nothing());
        let cpu = system.cpus().first().map(|cpu| cpu.brand().trim().to_owned());
        let started = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        json!({
            "layout": LAYOUT,
            "version": self.version,
            "commit": self.commit,
            "started": started,
            "cpu": {
                "model": cpu,
                "architecture": std::env::consts::ARCH,
                "features": cpu_features(),
                "logical_cores": std::thread::available_parallelism().map(usize::from).ok(),
            },
            "threads": self.threads,
            "memory_bytes": system.total_memory(),
            "os": {
                "family": std::env::consts::OS,
                "name": System::long_os_version(),
                "kernel": System::kernel_version(),
            },
            "data": self.data,
        })
    }
}

/// The instruction sets found on this CPU, among those that the program has code for.
#[cfg(target_arch = "x86_64")]
fn cpu_features() -> Vec<&'static str> {
    [
        ("avx2", std::arch::is_x86_feature_detected!("avx2")),
        ("fma", std::arch::is_x86_feature_detected!("fma")),
        ("avx512f", std::arch::is_x86_feature_detected!("avx512f")),
        ("avx512bf16", std::arch::is_x86_feature_detected!("avx512bf16")),
        ("amx_bf16", has_amx_bf16()),
    ]
    .into_iter()
    .filter_map(|(name, found)| found.then_some(name))
    .collect()
}

/// The standard library does not tell it yet.
#[cfg(target_arch = "x86_64")]
fn has_amx_bf16() -> bool {
    use std::arch::x86_64::{__cpuid, __cpuid_count};
    __cpuid(0).eax >= 7 && __cpuid_count(7, 0).edx & 1 << 22 != 0
}

/// The instruction sets found on this CPU, among those that the program has code for.
#[cfg(target_arch = "aarch64")]
fn cpu_features() -> Vec<&'static str> {
    if std::arch::is_aarch64_feature_detected!("neon") { vec!["neon"] } else { Vec::new() }
}

/// No instruction set of other architectures is told apart.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn cpu_features() -> Vec<&'static str> {
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_description_names_the_machine_and_the_data() {
        let data = json!({"sha256": "00ff"});
        let environment =
            Environment { version: "1.2.3", commit: Some("abc"), threads: 2, data: data.clone() }.describe();
        assert_eq!(environment["layout"], json!(LAYOUT));
        assert_eq!(environment["version"], json!("1.2.3"));
        assert_eq!(environment["data"], data);
        assert!(environment["memory_bytes"].as_u64().unwrap() > 1 << 20);
        assert!(environment["cpu"]["logical_cores"].as_u64().unwrap() >= 1);
        assert!(environment["started"].as_str().unwrap().ends_with('Z'));
    }
}
