//! One writer per run folder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, Write};
use std::path::Path;
use std::time::Duration;

use crate::{RunError, names};

/// The first line of a lock file: it tells a folder of ours from any other, even if nothing else was written.
const MARKER: &str = "twinlens run";

/// An operating-system lock on `.lock`. It ends with the process, however that ends; the file itself stays,
/// and its text (who held the lock last) means nothing by itself.
#[derive(Debug)]
pub(crate) struct Lock {
    /// Held, never read: closing it gives the lock back.
    _file: File,
    /// Set if the file system has no locks, so that nothing protects the folder.
    pub(crate) warning: Option<String>,
}

/// Takes the lock of the run folder `root`.
pub(crate) fn acquire(root: &Path) -> Result<Lock, RunError> {
    let path = root.join(names::LOCK);
    let failed = |e| RunError::io("lock", &path, e);
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
    let mut warning = None;
    // A reader that asks whether a run is alive holds the lock for an instant: try more than once.
    let mut tries = 0;
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) if tries < 10 => std::thread::sleep(Duration::from_millis(10)),
            Err(TryLockError::WouldBlock) => {
                return Err(RunError::Locked { path: root.to_path_buf(), holder: holder(&mut file) });
            }
            Err(TryLockError::Error(e)) if e.kind() == ErrorKind::Unsupported => {
                warning = Some(format!(
                    "the file system of {} has no locks: make sure that only one process writes there",
                    root.display()
                ));
                break;
            }
            Err(TryLockError::Error(e)) => return Err(failed(e)),
        }
        tries += 1;
    }
    let text = format!("{MARKER}\npid {}\n", std::process::id());
    file.set_len(0).and_then(|()| file.rewind()).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    Ok(Lock { _file: file, warning })
}

/// Whether a process holds the lock of the run folder `root` at this moment, or may hold it for all that the
/// file system can tell.
pub(crate) fn is_held(root: &Path) -> bool {
    File::open(root.join(names::LOCK)).is_ok_and(|file| file.try_lock_shared().is_err())
}

/// Whether a lock file of ours lies in `root`, held or not.
pub(crate) fn is_present(root: &Path) -> bool {
    std::fs::read_to_string(root.join(names::LOCK)).is_ok_and(|text| text.starts_with(MARKER))
}

/// The process named in a lock file. Some systems do not let a locked file be read: then it stays unknown.
fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    text.lines().find_map(|line| line.strip_prefix("pid "))?.parse().ok()
}
