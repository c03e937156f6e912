//! Whether a folder is a run, and one of a layout that this program knows.

use std::path::Path;

use crate::{LAYOUT, RunError, files, names};

/// Checks that `path` holds a run of a layout that this program knows.
pub(crate) fn check_run(path: &Path) -> Result<(), RunError> {
    let not_a_run = |reason: String| RunError::NotARun { path: path.to_path_buf(), reason };
    if path.is_file() {
        return Err(RunError::PathIsFile { path: path.to_path_buf() });
    }
    if !path.is_dir() {
        return Err(not_a_run("there is no such folder".into()));
    }
    let environment = path.join(names::ENVIRONMENT);
    if !environment.is_file() {
        return Err(not_a_run(format!("{} is missing", names::ENVIRONMENT)));
    }
    match files::read_json(&environment)?["layout"].as_u64() {
        None => Err(not_a_run(format!("{} names no layout", names::ENVIRONMENT))),
        Some(got) if got > u64::from(LAYOUT) => {
            Err(RunError::NewerLayout { path: environment, got, known: LAYOUT })
        }
        Some(_) => Ok(()),
    }
}
