//! Running a target once: panics are caught, memory and time are measured.

use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::time::{Duration, Instant};

use peak_alloc::PeakAlloc;

use crate::{Target, target};

/// Counts what is allocated, so that a reader can be held to a limit.
#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Inputs run one at a time, so that memory is counted for one. Holds what the last panic said and where it was.
static RUNNING: Mutex<()> = Mutex::new(());
static PANIC: Mutex<Option<String>> = Mutex::new(None);

/// Names a folder: [`fuzz`] writes there what it finds, and goes on instead of stopping at the first finding.
const FOLDER: &str = "TWINLENS_FUZZ_FOLDER";

/// What one input needed.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// The most memory held at a time, in bytes.
    pub peak: usize,
    /// The time it took.
    pub time: Duration,
}

/// What does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding(pub String);

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Finding {
    /// What findings of one kind have in common, fit for a file's name: the words before the first colon; of a panic,
    /// where it was.
    pub fn kind(&self) -> String {
        let end = [": ", ":\n"].iter().filter_map(|colon| self.0.find(colon)).min();
        let head = &self.0[..end.unwrap_or(self.0.len())];
        let words: Vec<&str> =
            head.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
        words[words.len().saturating_sub(14)..].join("-")
    }
}

impl Target {
    /// Runs the target on `bytes`.
    ///
    /// # Errors
    /// A panic, more memory than allowed, or what [`Target::run`] says.
    pub fn execute(&self, bytes: &[u8]) -> Result<Cost, Finding> {
        let _alone = lock(&RUNNING);
        watch_panics();
        *lock(&PANIC) = Some(String::new());
        let before = MEMORY.current_usage();
        MEMORY.reset_peak_usage();
        let start = Instant::now();
        let result = catch_unwind(AssertUnwindSafe(|| (self.run)(bytes)));
        let cost = Cost { peak: MEMORY.peak_usage().saturating_sub(before), time: start.elapsed() };
        let panic = lock(&PANIC).take().unwrap_or_default();
        result.unwrap_or(Err(panic)).map_err(Finding)?;
        let allowed = (self.memory)(bytes.len());
        if cost.peak > allowed {
            let Cost { peak, .. } = cost;
            return Err(Finding(format!("too much memory: {peak} bytes, allowed are {allowed}")));
        }
        Ok(cost)
    }
}

/// One execution by libFuzzer, which takes a panic for a finding. With a folder in the environment variable
/// `TWINLENS_FUZZ_FOLDER` it goes on: of every kind of finding the shortest input is written to `findings` there, and beside
/// it the `slowest` input and the one with the `largest` need of memory so far.
///
/// # Panics
/// When there is no such target, at a finding without a folder, or when the folder cannot be written.
#[expect(clippy::panic, reason = "libFuzzer is told by a panic that an input is to be kept")]
pub fn fuzz(name: &str, bytes: &[u8]) {
    let Some(target) = target(name) else { panic!("there is no target {name}") };
    let result = target.execute(bytes);
    match (std::env::var_os(FOLDER), result) {
        (None, Ok(_)) => {}
        (None, Err(finding)) => panic!("{finding}"),
        (Some(folder), result) => {
            if let Err(error) = keep(Path::new(&folder), bytes, &result) {
                panic!("{}: {error}", folder.display());
            }
        }
    }
}

/// Writes an input to `folder` if it is worth it.
fn keep(folder: &Path, bytes: &[u8], result: &Result<Cost, Finding>) -> io::Result<()> {
    static WORST: Mutex<Cost> = Mutex::new(Cost { peak: 0, time: Duration::ZERO });
    let mut worst = lock(&WORST);
    match result {
        Err(finding) => {
            let path = folder.join("findings").join(finding.kind());
            let known = fs::metadata(&path).is_ok_and(|known| known.len() <= bytes.len() as u64);
            if known { Ok(()) } else { fs::write(path, bytes) }
        }
        Ok(cost) => {
            if cost.time > worst.time {
                worst.time = cost.time;
                fs::write(folder.join("slowest"), bytes)?;
            }
            if cost.peak > worst.peak {
                worst.peak = cost.peak;
                fs::write(folder.join("largest"), bytes)?;
            }
            Ok(())
        }
    }
}

/// Keeps what panics say while an input runs (some are caught by the reader); others are told as ever.
fn watch_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = take_hook();
        set_hook(Box::new(move |panic| match &mut *lock(&PANIC) {
            Some(told) => *told = panic.to_string(),
            None => usual(panic),
        }));
    });
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn executed(run: fn(&[u8]) -> Result<(), String>) -> Result<Cost, Finding> {
        Target { name: "test", about: "", run, memory: |len| 1000 * len, seeds: || Ok(Vec::new()) }
            .execute(b"1234")
    }

    #[test]
    fn panics_memory_and_broken_promises_are_findings_and_nothing_else_is() {
        assert!(executed(|bytes| bytes.first().map(|_| ()).ok_or(String::new())).unwrap().peak < 4000);
        assert_eq!(executed(|_| Err("two names: a, b".into())).unwrap_err().kind(), "two-names");
        let wasteful = executed(|bytes| bytes.repeat(2000).last().map(|_| ()).ok_or(String::new()));
        assert_eq!(wasteful.unwrap_err().kind(), "too-much-memory");
        let finding =
            executed(|bytes| bytes.get(9).map(|_| ()).ok_or_else(|| panic!("no tenth byte"))).unwrap_err();
        assert!(finding.to_string().ends_with("no tenth byte"), "{finding}");
        assert!(finding.kind().starts_with("panicked-at-crates-fuzz-src-execute-rs-"), "{}", finding.kind());
    }

    #[test]
    fn of_every_kind_of_finding_the_shortest_input_is_kept_and_the_costliest() {
        let folder = std::env::temp_dir().join(format!("twinlens-fuzz-keep-{}", std::process::id()));
        fs::create_dir_all(folder.join("findings")).unwrap();
        let broken = || Err(Finding("odd: 1".into()));
        let costs = |millis, peak| Ok(Cost { peak, time: Duration::from_millis(millis) });
        for (bytes, result) in [
            (&b"long"[..], broken()),
            (b"no", broken()),
            (b"longer", broken()),
            (b"slow", costs(9, 1)),
            (b"large", costs(2, 7)),
            (b"none", costs(3, 3)),
        ] {
            keep(&folder, bytes, &result).unwrap();
        }
        let kept = ["findings/odd", "slowest", "largest"].map(|name| fs::read(folder.join(name)).unwrap());
        assert_eq!(kept, [&b"no"[..], b"slow", b"large"]);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_panic_that_the_reader_catches_is_none() {
        assert!(executed(|_| catch_unwind(|| panic!("inside")).map_or(Ok(()), Err)).is_ok());
    }
}
