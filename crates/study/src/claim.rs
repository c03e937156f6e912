//! Who works on a node: a file that only one can make, kept fresh while the work goes on.
//!
//! A claim is made whole under another name and then hard-linked into place, which is atomic on local disks and on NFS; where
//! links are not known, it is created exclusively. Its time of change is renewed every [`RENEWAL`]. It is stale when it is older
//! than a file that was touched just now beside it by [`PATIENCE`]: the file system's clock decides, so that machines whose clocks
//! differ agree. That of a process of this machine that is gone is stale at once, where `/proc` tells it. Taking over renames the stale claim away, which one alone can do.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::StudyError;

/// How often a claim says that its owner is alive.
pub const RENEWAL: Duration = Duration::from_secs(30);

/// How old a claim must be until somebody else may take over.
pub const PATIENCE: Duration = Duration::from_secs(600);

/// A claim that this process holds. It is given up when it is dropped.
#[derive(Debug)]
pub struct Claim {
    path: PathBuf,
    owner: Owner,
    lost: Arc<AtomicBool>,
    pulse: Option<Pulse>,
}

/// What a claim's file says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Owner {
    host: String,
    pid: u32,
    /// Within which the number of the process means something: containers of one name have each their own.
    #[serde(default)]
    space: String,
    nonce: String,
}

impl Owner {
    fn new() -> Owner {
        Owner { host: host(), pid: std::process::id(), space: space(), nonce: nonce() }
    }

    /// Whether it is known to be gone.
    fn is_gone(&self) -> bool {
        let here = !self.space.is_empty() && self.space == space() && self.host == host();
        here && !Path::new("/proc").join(self.pid.to_string()).exists()
    }
}

/// The space of process numbers of this machine; empty where it is not told.
fn space() -> String {
    std::fs::read_link("/proc/self/ns/pid").map(|link| link.display().to_string()).unwrap_or_default()
}

/// The thread that keeps a claim fresh.
#[derive(Debug)]
struct Pulse {
    stop: Arc<(Mutex<bool>, Condvar)>,
    thread: JoinHandle<()>,
}

impl Claim {
    /// Claims the file `path`, if nobody else has it, or nobody has kept it fresh for [`PATIENCE`].
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub fn take(path: &Path) -> Result<Option<Claim>, StudyError> {
        let owner = Owner::new();
        if !place(path, &owner)? {
            if !is_left(path)? {
                return Ok(None);
            }
            // One rename wins; whoever loses finds nothing to rename.
            let aside = beside(path, &owner.nonce, "stale");
            match std::fs::rename(path, &aside) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(StudyError::io(path, error)),
            }
            // Between the look and the rename it may have been renewed or taken over: then it is given back.
            let was_left = is_left(&aside)?;
            if !was_left {
                drop(std::fs::hard_link(&aside, path));
            }
            drop(std::fs::remove_file(&aside));
            if !was_left || !place(path, &owner)? {
                return Ok(None);
            }
        }
        let lost = Arc::new(AtomicBool::new(false));
        let pulse = Some(Pulse::start(path.to_path_buf(), owner.clone(), lost.clone()));
        Ok(Some(Claim { path: path.to_path_buf(), owner, lost, pulse }))
    }

    /// Who holds the claim `path`, in words; none where nobody does, or nobody keeps it fresh.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn holder(path: &Path) -> Result<Option<String>, StudyError> {
        let Some(owner) = read(path)? else { return Ok(None) };
        if owner.is_gone() || is_stale(path)? {
            return Ok(None);
        }
        Ok(Some(format!("process {} on {}", owner.pid, owner.host)))
    }

    /// What tells this claim from all others, for names of files that only its owner writes.
    pub fn nonce(&self) -> &str {
        &self.owner.nonce
    }

    /// Whether it is still this process's.
    pub fn is_own(&self) -> bool {
        !self.lost.load(Ordering::Relaxed) && read(&self.path).ok().flatten().as_ref() == Some(&self.owner)
    }

    /// Whether it was found to be another's, without looking anew.
    pub fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some(pulse) = self.pulse.take() {
            pulse.end();
        }
        if self.is_own() {
            drop(std::fs::remove_file(&self.path));
        }
    }
}

impl Pulse {
    fn start(path: PathBuf, owner: Owner, lost: Arc<AtomicBool>) -> Pulse {
        let stop = Arc::new((Mutex::new(false), Condvar::new()));
        let until = stop.clone();
        let thread = std::thread::spawn(move || {
            let (ended, bell) = &*until;
            let mut guard = match ended.lock() {
                Ok(guard) => guard,
                Err(poisoned) => poisoned.into_inner(),
            };
            while !*guard {
                let waited = bell.wait_timeout(guard, RENEWAL);
                (guard, _) = match waited {
                    Ok(waited) => waited,
                    Err(poisoned) => poisoned.into_inner(),
                };
                if *guard {
                    break;
                }
                // A file system that fails for a moment does not end the work; it ends when somebody else has the claim.
                match read(&path) {
                    Ok(Some(found)) if found == owner => touch(&path).unwrap_or_default(),
                    Ok(_) => lost.store(true, Ordering::Relaxed),
                    Err(_) => {}
                }
            }
        });
        Pulse { stop, thread }
    }

    fn end(self) {
        let (ended, bell) = &*self.stop;
        match ended.lock() {
            Ok(mut ended) => *ended = true,
            Err(poisoned) => *poisoned.into_inner() = true,
        }
        bell.notify_all();
        drop(self.thread.join());
    }
}

/// Puts a claim in place, unless there is one.
fn place(path: &Path, owner: &Owner) -> Result<bool, StudyError> {
    let failed = |error| StudyError::io(path, error);
    let text = serde_json::to_vec(owner).map_err(|error| failed(error.into()))?;
    let whole = beside(path, &owner.nonce, "new");
    std::fs::write(&whole, &text).map_err(failed)?;
    let linked = std::fs::hard_link(&whole, path);
    drop(std::fs::remove_file(&whole));
    match linked {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        // A file system without links.
        Err(_) => match OpenOptions::new().write(true).create_new(true).open(path) {
            Ok(mut file) => {
                file.write_all(&text).map_err(failed)?;
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(failed(error)),
        },
    }
}

fn read(path: &Path) -> Result<Option<Owner>, StudyError> {
    match std::fs::read(path) {
        // One that is just being written, where links are not known, is somebody's.
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes).unwrap_or(Owner {
            host: "another machine".into(),
            pid: 0,
            space: String::new(),
            nonce: String::new(),
        }))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StudyError::io(path, error)),
    }
}

/// Whether nobody works under the claim any more.
fn is_left(path: &Path) -> Result<bool, StudyError> {
    Ok(read(path)?.is_some_and(|owner| owner.is_gone()) || is_stale(path)?)
}

/// Whether the file was not changed for so long, by the clock of its file system.
fn is_stale(path: &Path) -> Result<bool, StudyError> {
    let changed = match path.metadata().and_then(|found| found.modified()) {
        Ok(changed) => changed,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(StudyError::io(path, error)),
    };
    // Most claims are young by any clock that is not hours off: no file is written to see that.
    let by_own = SystemTime::now().duration_since(changed).unwrap_or_default();
    if by_own < PATIENCE / 2 {
        return Ok(false);
    }
    let probe = beside(path, &nonce(), "now");
    let now = File::create(&probe).and_then(|file| file.metadata()).and_then(|found| found.modified());
    drop(std::fs::remove_file(&probe));
    let now = now.map_err(|error| StudyError::io(&probe, error))?;
    Ok(now.duration_since(changed).unwrap_or_default() >= PATIENCE)
}

fn touch(path: &Path) -> std::io::Result<()> {
    // Written and not set: the file system's clock says when.
    let bytes = std::fs::read(path)?;
    OpenOptions::new().write(true).open(path)?.write_all(&bytes)
}

/// A name beside a claim.
fn beside(path: &Path, nonce: &str, end: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}-{nonce}.{end}"))
}

/// This machine's name.
pub(crate) fn host() -> String {
    let named = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let named =
        named.or_else(|| std::env::var("HOSTNAME").ok()).or_else(|| std::env::var("COMPUTERNAME").ok());
    named
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "this machine".into())
}

/// A name that no other process uses: process, time and a count.
fn nonce() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    crate::node::sha256(format!("{} {} {time} {count}", host(), std::process::id()).as_bytes())[..16]
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn old(path: &Path, age: Duration) {
        let file = OpenOptions::new().write(true).open(path).unwrap();
        file.set_modified(SystemTime::now() - age).unwrap();
    }

    #[test]
    fn one_alone_has_a_claim() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("claim");
        let first = Claim::take(&path).unwrap().unwrap();
        assert!(first.is_own());
        assert!(Claim::take(&path).unwrap().is_none());
        assert!(Claim::holder(&path).unwrap().unwrap().contains(&std::process::id().to_string()));
        drop(first);
        assert!(Claim::holder(&path).unwrap().is_none());
        assert!(Claim::take(&path).unwrap().is_some());
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0, "nothing is left beside it");
    }

    #[test]
    fn a_stale_claim_is_taken_over_by_one_and_its_owner_writes_nothing_more() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("claim");
        let dead = Claim::take(&path).unwrap().unwrap();
        old(&path, PATIENCE + Duration::from_secs(1));
        assert!(Claim::holder(&path).unwrap().is_none());
        let winners: Vec<Claim> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| Claim::take(&path).unwrap())).collect();
            threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(winners.len(), 1);
        assert!(!dead.is_own());
        drop(dead);
        assert!(winners[0].is_own(), "who lost a claim does not remove it");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_process_that_is_gone_leaves_its_claim_at_once() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("claim");
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let dead = Owner { pid: child.id(), ..Owner::new() };
        child.wait().unwrap();
        std::fs::write(&path, serde_json::to_vec(&dead).unwrap()).unwrap();
        assert!(Claim::holder(&path).unwrap().is_none());
        let taken = Claim::take(&path).unwrap().unwrap();
        assert!(taken.is_own());
        drop(taken);
        // Of another machine, nobody here can tell.
        std::fs::write(&path, serde_json::to_vec(&Owner { host: "elsewhere".into(), ..dead }).unwrap())
            .unwrap();
        assert!(Claim::take(&path).unwrap().is_none());
    }

    #[test]
    fn a_clock_that_is_an_hour_off_makes_no_claim_stale() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("claim");
        let _claim = Claim::take(&path).unwrap().unwrap();
        // From the future, as the file system of a machine whose clock is ahead would say.
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        file.set_modified(SystemTime::now() + Duration::from_secs(3600)).unwrap();
        assert!(Claim::take(&path).unwrap().is_none());
    }
}
