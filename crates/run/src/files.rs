//! Whole files, written so that a crash leaves the old or the new one.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::{NamedTempFile, TempPath};

use crate::RunError;

/// Files that are being written begin with this; those left behind by a crash may be removed.
pub(crate) const TEMPORARY: &str = ".twinlens-tmp-";

/// Replaces the file `path` by `bytes`: written to a temporary file in the same folder, synced to disk,
/// renamed, and the folder synced. A folder that is missing is made.
///
/// # Errors
/// [`RunError::DiskFull`], [`RunError::ReadOnly`] or [`RunError::Io`]; the old file is then still in place.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), RunError> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        create_folder(folder)?;
    }
    stage(path, bytes)?.publish()
}

/// Replaces `path` by `value` as indented JSON with a final newline; atomic.
pub(crate) fn write_json(path: &Path, value: &impl serde::Serialize) -> Result<(), RunError> {
    write_atomically(path, &to_json(path, value)?)
}

/// `value` as indented JSON with a final newline; `path` is where it is going, for the error.
pub(crate) fn to_json(path: &Path, value: &impl serde::Serialize) -> Result<Vec<u8>, RunError> {
    let mut bytes = serde_json::to_vec_pretty(value)
        .map_err(|e| RunError::Damaged { path: path.to_path_buf(), reason: e.to_string() })?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// A complete, synced temporary file that waits to take its place.
pub(crate) struct Staged {
    file: TempPath,
    place: PathBuf,
}

/// Writes `bytes` to a temporary file beside `path` and syncs it.
pub(crate) fn stage(path: &Path, bytes: &[u8]) -> Result<Staged, RunError> {
    let write = || {
        let mut file = temporary(folder_of(path))?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        Ok(file.into_temp_path())
    };
    let file = write().map_err(|e| RunError::io("write", path, e))?;
    Ok(Staged { file, place: path.to_path_buf() })
}

/// A copy of the file `source` that waits to take the place `path`. It is no second name of the same file: what damages one
/// leaves the other whole.
pub(crate) fn stage_copy(path: &Path, source: &Path) -> Result<Staged, RunError> {
    let copy = || {
        let mut file = temporary(folder_of(path))?;
        io::copy(&mut File::open(source)?, file.as_file_mut())?;
        file.as_file().sync_all()?;
        Ok(file.into_temp_path())
    };
    let file = copy().map_err(|e| RunError::io("write", path, e))?;
    Ok(Staged { file, place: path.to_path_buf() })
}

impl Staged {
    /// Takes the place, and syncs the folder.
    pub(crate) fn publish(self) -> Result<(), RunError> {
        let Staged { file, place } = self;
        file.persist(&place).map_err(|e| RunError::io("write", &place, e.error))?;
        sync_folder(folder_of(&place))
    }
}

/// Renames within one folder, and syncs the folder.
pub(crate) fn rename(from: &Path, to: &Path) -> Result<(), RunError> {
    fs::rename(from, to).map_err(|e| RunError::io("write", to, e))?;
    sync_folder(folder_of(to))
}

/// Removes a file; one that is not there is as good as removed.
pub(crate) fn remove_file(path: &Path) -> Result<(), RunError> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(RunError::io("remove", path, e)),
        _ => Ok(()),
    }
}

/// Creates a folder with all its parents, unless it is there.
pub(crate) fn create_folder(path: &Path) -> Result<(), RunError> {
    fs::create_dir_all(path).map_err(|e| RunError::io("create", path, e))
}

/// The names in a folder, sorted; empty if there is no such folder.
pub(crate) fn entries(path: &Path) -> Result<Vec<String>, RunError> {
    let listing = match fs::read_dir(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(|e| RunError::io("list", path, e))?,
    };
    let mut names = Vec::new();
    for entry in listing {
        let entry = entry.map_err(|e| RunError::io("list", path, e))?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// Reads a text file of the layout.
pub(crate) fn read_text(path: &Path) -> Result<String, RunError> {
    fs::read_to_string(path).map_err(|e| match e.kind() {
        ErrorKind::InvalidData => {
            RunError::Damaged { path: path.to_path_buf(), reason: "it is not UTF-8 text".into() }
        }
        _ => RunError::io("read", path, e),
    })
}

/// Reads a JSON file of the layout.
pub(crate) fn read_json(path: &Path) -> Result<Value, RunError> {
    serde_json::from_str(&read_text(path)?)
        .map_err(|e| RunError::Damaged { path: path.to_path_buf(), reason: e.to_string() })
}

/// The folder of a file; "." for a bare file name.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn temporary(folder: &Path) -> std::io::Result<NamedTempFile> {
    let mut builder = builder();
    // A temporary file is private by default; what it becomes should be as readable as any other file.
    #[cfg(unix)]
    let builder = {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666))
    };
    builder.tempfile_in(folder)
}

fn builder() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMPORARY);
    builder
}

/// A rename is on disk only when its folder is. Windows has no such call and does not need it.
fn sync_folder(folder: &Path) -> Result<(), RunError> {
    if cfg!(unix) {
        File::open(folder).and_then(|f| f.sync_all()).map_err(|e| RunError::io("sync", folder, e))?;
    }
    Ok(())
}
