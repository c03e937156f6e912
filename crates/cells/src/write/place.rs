//! Where something is written, and how it gets there whole.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use tempfile::{NamedTempFile, TempDir};

use crate::CellsError;

/// What is being written is called so.
const TEMPORARY: &str = ".twinlens-tmp-";

/// The folder that holds `path`; made if it is missing.
pub(super) fn folder_of(path: &Path) -> Result<&Path, CellsError> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(folder).map_err(CellsError::write(folder))?;
    Ok(folder)
}

/// Refuses a place where there is something, unless it may be replaced; a folder is never replaced by a file.
pub(super) fn check_file(path: &Path, overwrite: bool) -> Result<(), CellsError> {
    if path.is_dir() || (!overwrite && path.symlink_metadata().is_ok()) {
        return Err(CellsError::Exists { path: path.to_path_buf() });
    }
    Ok(())
}

/// A file beside `path` that takes its place by [`publish`].
pub(super) fn beside(path: &Path) -> Result<NamedTempFile, CellsError> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMPORARY);
    // A temporary file is private by default; what it becomes should be as readable as any other file.
    #[cfg(unix)]
    let builder = {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666))
    };
    builder.tempfile_in(folder_of(path)?).map_err(CellsError::write(path))
}

/// Moves a file that is whole to `path`.
pub(super) fn publish(mut file: NamedTempFile, path: &Path) -> Result<(), CellsError> {
    file.flush().and_then(|()| file.as_file().sync_all()).map_err(CellsError::write(path))?;
    file.persist(path).map_err(|error| CellsError::write(path)(error.error))?;
    sync(folder_of(path)?)
}

/// A rename is on disk only when its folder is; Windows needs no such call.
fn sync(folder: &Path) -> Result<(), CellsError> {
    match cfg!(unix) {
        true => File::open(folder).and_then(|folder| folder.sync_all()).map_err(CellsError::write(folder)),
        false => Ok(()),
    }
}

/// Refuses a place where there is something other than an empty folder; with `overwrite`, other than what is called as one of
/// `ours`.
pub(super) fn check_folder(path: &Path, ours: &[&str], overwrite: bool) -> Result<(), CellsError> {
    if path.symlink_metadata().is_err() {
        return Ok(());
    }
    if !path.is_dir() {
        return Err(CellsError::Exists { path: path.to_path_buf() });
    }
    let mut found = false;
    for entry in fs::read_dir(path).map_err(CellsError::write(path))? {
        let name = entry.map_err(CellsError::write(path))?.file_name().to_string_lossy().into_owned();
        if overwrite && !ours.contains(&name.as_str()) {
            return Err(CellsError::NotOurs { path: path.to_path_buf(), found: name });
        }
        found = true;
    }
    if found && !overwrite { Err(CellsError::Exists { path: path.to_path_buf() }) } else { Ok(()) }
}

/// A folder beside `path` that takes its place by [`publish_folder`]; what is in it is removed if it never does.
pub(super) fn folder_beside(path: &Path) -> Result<TempDir, CellsError> {
    let made = tempfile::Builder::new().prefix(TEMPORARY).tempdir_in(folder_of(path)?);
    let made = made.map_err(CellsError::write(path))?;
    // The temporary folder itself is private; the one in it is as readable as any other.
    fs::create_dir(made.path().join(NEW)).map_err(CellsError::write(path))?;
    Ok(made)
}

/// What is to take the place, in a temporary folder.
pub(super) const NEW: &str = "new";
/// What had it before.
const OLD: &str = "old";

/// Moves the new folder to `path`; one that is there goes.
pub(super) fn publish_folder(made: &TempDir, path: &Path) -> Result<(), CellsError> {
    let (new, old) = (made.path().join(NEW), made.path().join(OLD));
    if path.is_dir() {
        fs::rename(path, &old).map_err(CellsError::write(path))?;
    }
    if let Err(error) = fs::rename(&new, path) {
        // What was there stays there.
        if old.is_dir() {
            fs::rename(&old, path).map_err(CellsError::write(path))?;
        }
        return Err(CellsError::write(path)(error));
    }
    sync(folder_of(path)?)
}
