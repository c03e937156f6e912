//! The folder of a training: made when it begins, watched over while it goes on.

use std::path::Path;

use serde_json::{Value, json};
#[cfg(not(unix))]
use sysinfo::Disks;
use twinlens_data::DataSet;
use twinlens_run::{Environment, Overwrite, RunFolder, RunState, Start};
use twinlens_ssl::{Hooks, SslError, TrainingEvent};

use super::{JobError, TrainingJob, lineage};
use crate::{Lab, LabError, Training};

/// See [`TrainingJob::create`].
pub(super) fn create(
    job: &impl TrainingJob,
    path: &Path,
    overwrite: bool,
    lab: &Lab<'_>,
) -> Result<RunFolder, LabError> {
    let settings = job.settings();
    let free = std::path::absolute(path).ok().and_then(|path| free_space(&path));
    room_for(job.checkpoint_bytes()?, free, path)?;
    let program = &lab.program;
    let environment = Environment {
        version: &program.version,
        commit: program.commit.as_deref(),
        threads: rayon::current_num_threads(),
        data: identity(&settings.common().data, job.data()),
    };
    // A run that begins again after a kill was asked for when it first began.
    let recipe = match job.recipe() {
        Some(recipe) => Some(recipe.clone()),
        None => lineage::of_earlier(path),
    };
    let lineage = lineage::of(job, recipe)?;
    let overwrite = if overwrite { Overwrite::Run } else { Overwrite::Never };
    let config = settings.config()?;
    let start = Start { config: &config, command: &program.command, environment: environment.describe() };
    let folder = RunFolder::create(path, overwrite, &start)?;
    folder.write_lineage(&lineage)?;
    Ok(folder)
}

/// What the environment says of the data that lie at `path`, and of the sets that they were joined from.
fn identity(path: &str, data: &DataSet) -> Value {
    let mut identity = json!({ "path": path, "sha256": data.fingerprint });
    if !data.parts.is_empty() {
        identity["parts"] = json!(data.parts);
    }
    identity
}

/// Whether a disk with `free` bytes, if that is known, has room for checkpoints of so many bytes: the last, the best, one of
/// an epoch, and the next while it is written.
///
/// # Errors
/// [`JobError::NoRoom`].
pub fn room_for(checkpoint: u64, free: Option<u64>, path: &Path) -> Result<(), JobError> {
    let needed = 4 * checkpoint;
    match free {
        Some(free) if free < needed => Err(JobError::NoRoom { needed, free, path: path.to_path_buf() }),
        _ => Ok(()),
    }
}

/// Bytes free for this user on the file system that holds `path`, or will.
#[cfg(unix)]
pub fn free_space(path: &Path) -> Option<u64> {
    let there = path.ancestors().find(|folder| folder.exists())?;
    let found = rustix::fs::statvfs(there).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}

/// Bytes free on the disk that holds `path`, which is absolute: that of the longest mount point above it.
#[cfg(not(unix))]
pub fn free_space(path: &Path) -> Option<u64> {
    let disks = Disks::new_with_refreshed_list();
    let holding = disks.list().iter().filter(|disk| path.starts_with(disk.mount_point()));
    holding.max_by_key(|disk| disk.mount_point().components().count()).map(|disk| disk.available_space())
}

/// Does the training `work` in `folder`, which returns nothing if it was interrupted: its steps are told, requests heard, and
/// the folder's status says how it ended.
pub(super) fn watched<T>(
    folder: &mut RunFolder,
    (label, epochs): (&str, usize),
    lab: &Lab<'_>,
    work: impl FnOnce(&mut RunFolder, Hooks<'_>) -> Result<Option<T>, SslError>,
) -> Result<T, LabError> {
    let log = folder.log_file()?;
    let mut listener = lab.events.train(Training { label, folder: folder.path(), epochs, log });
    if let Some(warning) = folder.warning() {
        lab.events.warn(warning);
    }
    let mut progress = |event: &TrainingEvent<'_>| match event {
        TrainingEvent::Warning(warning) => lab.events.warn(warning),
        event => listener.hear(event),
    };
    let ended = work(folder, Hooks { asked: lab.asked, progress: &mut progress });
    let state = match &ended {
        Ok(Some(_)) => RunState::Done,
        Ok(None) => RunState::Interrupted,
        Err(_) => RunState::Failed,
    };
    match &ended {
        Ok(Some(_)) => folder.set_status(state, "")?,
        Ok(None) => folder.set_status(state, "stopped by a signal")?,
        // A full disk may refuse the status too; the error that matters is the run's.
        Err(error) => drop(folder.set_status(state, &error.to_string())),
    }
    listener.hear(&TrainingEvent::Ended(state));
    let place = folder.path().display();
    ended?.ok_or_else(|| LabError::from(JobError::Interrupted).at(place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_without_room_is_told_before_anything_is_written() {
        let error = room_for(1 << 30, Some(3 << 30), Path::new("runs/a")).unwrap_err();
        let told = error.to_string();
        assert!(["4.0 GiB", "3.0 GiB", "runs/a"].iter().all(|word| told.contains(word)), "{told}");
        assert!(error.hint().is_some_and(|hint| hint.contains("{out}")));
        assert!(room_for(1 << 30, Some(4 << 30), Path::new("runs/a")).is_ok());
        assert!(room_for(1 << 30, None, Path::new("runs/a")).is_ok());
    }
}
