//! Lists targets, writes their seeds, tries inputs.
//!
//! ```text
//! twinlens-fuzz list
//! twinlens-fuzz seeds FOLDER          writes the seeds of every target to FOLDER/TARGET
//! twinlens-fuzz try TARGET FILE...    says what each input gives and needs
//! twinlens-fuzz run TARGET COUNT      runs inputs of the mutator, without libFuzzer
//! ```
#![expect(clippy::print_stdout, reason = "its output is for people")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use twinlens_fuzz::{Cost, Finding, TARGETS, Target, mutate, target};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = perform(&arguments);
    result.as_ref().err().iter().for_each(|error| println!("error: {error:#}"));
    ExitCode::from(u8::from(result.is_err()))
}

fn perform(arguments: &[&str]) -> Result<()> {
    match arguments {
        ["list"] => TARGETS.iter().for_each(|target| println!("{:<12} {}", target.name, target.about)),
        ["seeds", folder] => return seeds(Path::new(folder)),
        ["try", name, files @ ..] => return try_files(named(name)?, files),
        ["run", name, count] => return run(named(name)?, count.parse()?),
        _ => bail!("expected: list, seeds FOLDER, try TARGET FILE..., or run TARGET COUNT"),
    }
    Ok(())
}

fn named(name: &str) -> Result<&'static Target> {
    target(name).with_context(|| format!("there is no target {name}; `list` shows those there are"))
}

fn seeds(folder: &Path) -> Result<()> {
    for target in TARGETS {
        let folder = folder.join(target.name);
        std::fs::create_dir_all(&folder)?;
        for (number, seed) in target.inputs()?.iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{number:02}")), seed)?;
        }
    }
    Ok(())
}

fn try_files(target: &Target, files: &[&str]) -> Result<()> {
    let mut broken = 0;
    for file in files {
        let bytes = std::fs::read(file).with_context(|| format!("cannot read {file}"))?;
        let result = target.execute(&bytes);
        broken += usize::from(result.is_err());
        println!("{file}: {}", told(&result));
    }
    ensure!(broken == 0, "{broken} of {} inputs break a promise", files.len());
    Ok(())
}

fn told(result: &Result<Cost, Finding>) -> String {
    match result {
        Ok(cost) => format!("sound, {:.1?}, {} KiB", cost.time, cost.peak >> 10),
        Err(finding) => format!("BROKEN: {finding}"),
    }
}

fn run(target: &Target, count: usize) -> Result<()> {
    let seeds = target.inputs()?;
    let mut findings: BTreeMap<String, (usize, usize, Finding)> = BTreeMap::new();
    let (mut peak, mut slowest) = (0, (Duration::ZERO, 0));
    for number in 0..count {
        match target.execute(&mutate::input(&seeds, 0, number)) {
            Ok(cost) => (peak, slowest) = (peak.max(cost.peak), slowest.max((cost.time, number))),
            Err(finding) => findings.entry(finding.kind()).or_insert((number, 0, finding)).1 += 1,
        }
    }
    let (time, number) = slowest;
    println!(
        "{}: {count} inputs, {} KiB at most, {time:.1?} at most (input {number})",
        target.name,
        peak >> 10
    );
    for (kind, (first, times, finding)) in &findings {
        let path = std::env::temp_dir().join(format!("twinlens-fuzz-{}-{kind}", target.name));
        std::fs::write(&path, mutate::input(&seeds, 0, *first))?;
        println!("{times} times, first by input {first} ({}): {finding}", path.display());
    }
    ensure!(findings.is_empty(), "{} promises are broken", findings.len());
    Ok(())
}
