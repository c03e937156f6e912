//! Checkpoints: blocks of bytes with a JSON sidecar that knows their hash.
//!
//! A checkpoint is two files, and two renames cannot be one operation. So the new sidecar first waits under
//! a second name (`last.json.new`), then the bytes are replaced, then the sidecar: at every instant one of
//! the two sidecars carries the hash of the bytes that are there.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::files::{self, Staged};
use crate::{LAYOUT, RunError, layout, names};

const LAST: &str = "last";
const BEST: &str = "best";
const EPOCH: &str = "epoch-";

/// What is to be saved.
#[derive(Clone, Debug)]
pub struct Checkpoint<'a> {
    /// The tensors, in the form of a safetensors file. Not looked into here.
    pub bytes: &'a [u8],
    /// The number of epochs completed.
    pub epoch: u64,
    /// The number of optimiser steps completed.
    pub step: u64,
    /// Whatever else is needed to continue: the sampler's position, the settings, counters.
    pub state: Value,
}

/// The JSON file beside a checkpoint's bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sidecar {
    /// The layout version, [`LAYOUT`].
    pub layout: u32,
    /// The SHA-256 of the bytes, in lower-case hexadecimal.
    pub sha256: String,
    /// The number of bytes.
    pub bytes: u64,
    /// The number of epochs completed.
    pub epoch: u64,
    /// The number of optimiser steps completed.
    pub step: u64,
    /// The number of rows in the metrics log at this point; [`crate::RunFolder::rewind`] returns to it.
    pub metrics_rows: u64,
    /// For the best checkpoint: by what it is the best.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best: Option<Score>,
    /// The caller's own, see [`Checkpoint::state`].
    pub state: Value,
}

/// Which of two values of a metric is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// The higher one, as for accuracy.
    Higher,
    /// The lower one, as for a loss.
    Lower,
}

/// The value by which a checkpoint is the best so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// The metric's name in the metrics log.
    pub metric: String,
    /// Which way is better.
    pub direction: Direction,
    /// The value reached.
    pub value: f64,
}

impl Score {
    /// Whether this score is strictly better than `other`. A value that is not a number is never better;
    /// any other is better than it, and better than a score of another metric or direction.
    fn beats(&self, other: &Score) -> bool {
        if self.value.is_nan() {
            return false;
        }
        let comparable = self.metric == other.metric && self.direction == other.direction;
        let better = match self.direction {
            Direction::Higher => self.value > other.value,
            Direction::Lower => self.value < other.value,
        };
        !comparable || other.value.is_nan() || better
    }
}

/// A checkpoint read back, its hash verified.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The file it came from.
    pub path: PathBuf,
    /// The bytes as they were saved.
    pub bytes: Vec<u8>,
    /// Their sidecar.
    pub sidecar: Sidecar,
    /// Newer checkpoints that were damaged and passed over, one sentence each, for the user.
    pub warnings: Vec<String>,
}

/// The epochs of which the run at `root` keeps a checkpoint of their own, ascending. They are not looked into.
///
/// # Errors
/// [`RunError::NotARun`] and others of a folder that is no run; file system errors.
pub fn kept_epochs(root: &Path) -> Result<Vec<u64>, RunError> {
    layout::check_run(root)?;
    Ok(Checkpoints::of(root).epochs()?.into_iter().map(|(epoch, _)| epoch).collect())
}

/// Reads the newest whole checkpoint of the run at `root`, as [`crate::RunFolder::newest_checkpoint`] does; the run may be going on.
///
/// # Errors
/// As [`kept_epochs`]; [`RunError::NoCheckpoint`] if none is whole; [`RunError::NewerLayout`].
pub fn newest_checkpoint(root: &Path) -> Result<Loaded, RunError> {
    layout::check_run(root)?;
    Checkpoints::of(root).newest(root)
}

/// Reads a checkpoint by the path of its bytes, `checkpoints/best.safetensors` for instance.
///
/// # Errors
/// [`RunError::Damaged`] if its bytes do not have the hash in the sidecar beside them, or one is missing;
/// [`RunError::NewerLayout`].
pub fn read_checkpoint(path: &Path) -> Result<Loaded, RunError> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    Checkpoints::at(folder.to_path_buf()).loaded(&stem)
}

/// Reads the checkpoint that the run at `root` keeps of an epoch.
///
/// # Errors
/// As [`kept_epochs`]; [`RunError::Damaged`] if it is missing or its bytes do not have the hash in its sidecar;
/// [`RunError::NewerLayout`].
pub fn epoch_checkpoint(root: &Path, epoch: u64) -> Result<Loaded, RunError> {
    layout::check_run(root)?;
    Checkpoints::of(root).loaded(&stem_of(epoch))
}

/// What the checkpoint of an epoch is called.
fn stem_of(epoch: u64) -> String {
    format!("{EPOCH}{epoch:04}")
}

/// The folder `checkpoints/`.
#[derive(Debug)]
pub(crate) struct Checkpoints {
    folder: PathBuf,
}

impl Checkpoints {
    pub(crate) fn at(folder: PathBuf) -> Checkpoints {
        Checkpoints { folder }
    }

    fn of(root: &Path) -> Checkpoints {
        Checkpoints::at(root.join(names::CHECKPOINTS))
    }

    /// Saves `last`.
    pub(crate) fn save_last(&self, checkpoint: &Checkpoint, metrics_rows: u64) -> Result<Sidecar, RunError> {
        files::create_folder(&self.folder)?;
        let sidecar = Sidecar {
            layout: LAYOUT,
            sha256: sha256(checkpoint.bytes),
            bytes: checkpoint.bytes.len() as u64,
            epoch: checkpoint.epoch,
            step: checkpoint.step,
            metrics_rows,
            best: None,
            state: checkpoint.state.clone(),
        };
        self.replace(LAST, files::stage(&self.bytes_of(LAST), checkpoint.bytes)?, &sidecar)?;
        Ok(sidecar)
    }

    /// Keeps `last` under its epoch's number too, and only the `keep` highest numbers beside those that are `named`.
    pub(crate) fn keep_epoch(&self, keep: usize, named: &[u64]) -> Result<(), RunError> {
        let sidecar = self.sidecar_of_last()?;
        if keep > 0 || named.contains(&sidecar.epoch) {
            self.copy_last(&stem_of(sidecar.epoch), &sidecar)?;
        }
        let named: Vec<String> = named.iter().map(|&epoch| stem_of(epoch)).collect();
        let numbered = self.numbered()?;
        for stem in numbered.iter().filter(|stem| !named.contains(stem)).rev().skip(keep) {
            files::remove_file(&self.sidecar_path(stem))?;
            files::remove_file(&self.bytes_of(stem))?;
        }
        Ok(())
    }

    /// Removes all but the checkpoints of `named` epochs. Says whether there is any of these.
    pub(crate) fn keep_only(&self, named: &[u64]) -> Result<bool, RunError> {
        let named: Vec<String> = named.iter().map(|&epoch| stem_of(epoch)).collect();
        let mut numbered = self.numbered()?;
        let count = numbered.len();
        numbered.retain(|stem| !named.contains(stem));
        if numbered.len() == count {
            return Ok(false);
        }
        for stem in numbered.into_iter().chain([BEST.to_owned(), LAST.to_owned()]) {
            files::remove_file(&self.sidecar_path(&stem))?;
            files::remove_file(&self.bytes_of(&stem))?;
        }
        Ok(true)
    }

    /// Keeps `last` as `best` too, if its score beats that of the present one. Says whether it did.
    pub(crate) fn keep_best(&self, score: Score) -> Result<bool, RunError> {
        let present = match self.load(BEST) {
            Ok((_, Sidecar { best, .. })) => best,
            Err(Unusable::Refused(error)) => return Err(error),
            // A damaged one is replaced; a missing one has no score to beat.
            Err(Unusable::Damaged(_)) => None,
        };
        let better = match &present {
            Some(present) => score.beats(present),
            None => !score.value.is_nan(),
        };
        if better {
            self.copy_last(BEST, &Sidecar { best: Some(score), ..self.sidecar_of_last()? })?;
        }
        Ok(better)
    }

    /// The checkpoint with the most steps whose bytes are whole.
    pub(crate) fn newest(&self, root: &Path) -> Result<Loaded, RunError> {
        let mut warnings = Vec::new();
        let mut stems = Vec::new();
        for stem in self.numbered()?.into_iter().chain([BEST.to_owned(), LAST.to_owned()]) {
            match self.sidecars(&stem) {
                Ok(sidecars) => stems.push((sidecars.iter().map(|s| s.step).max().unwrap_or(0), stem)),
                Err(Unusable::Refused(error)) => return Err(error),
                Err(Unusable::Damaged(reason)) if self.bytes_of(&stem).exists() => warnings.push(reason),
                Err(Unusable::Damaged(_)) => {}
            }
        }
        // Stable: of those with as many steps, `last` comes first.
        stems.sort_by_key(|(step, _)| *step);
        for (_, stem) in stems.into_iter().rev() {
            match self.load(&stem) {
                Ok((bytes, sidecar)) => {
                    return Ok(Loaded { path: self.bytes_of(&stem), bytes, sidecar, warnings });
                }
                Err(Unusable::Refused(error)) => return Err(error),
                Err(Unusable::Damaged(reason)) => warnings.push(reason),
            }
        }
        Err(RunError::NoCheckpoint { path: root.to_path_buf(), reasons: warnings })
    }

    fn copy_last(&self, stem: &str, sidecar: &Sidecar) -> Result<(), RunError> {
        self.replace(stem, files::stage_copy(&self.bytes_of(stem), &self.bytes_of(LAST))?, sidecar)
    }

    /// Replaces the pair `stem`, in the order that the module's description argues for.
    fn replace(&self, stem: &str, bytes: Staged, sidecar: &Sidecar) -> Result<(), RunError> {
        let waiting = self.waiting_path(stem);
        files::write_json(&waiting, sidecar)?;
        bytes.publish()?;
        files::rename(&waiting, &self.sidecar_path(stem))
    }

    /// The checkpoint `stem`, which nothing else may stand in for.
    fn loaded(&self, stem: &str) -> Result<Loaded, RunError> {
        let path = self.bytes_of(stem);
        match self.load(stem) {
            Ok((bytes, sidecar)) => Ok(Loaded { path, bytes, sidecar, warnings: Vec::new() }),
            Err(Unusable::Refused(error)) => Err(error),
            Err(Unusable::Damaged(reason)) => Err(RunError::Damaged { path, reason }),
        }
    }

    /// The bytes of `stem` and the sidecar that fits them.
    fn load(&self, stem: &str) -> Result<(Vec<u8>, Sidecar), Unusable> {
        let path = self.bytes_of(stem);
        let sidecars = self.sidecars(stem)?;
        let bytes = std::fs::read(&path)
            .map_err(|e| Unusable::Damaged(format!("{} cannot be read: {e}", path.display())))?;
        let hash = sha256(&bytes);
        let expected: Vec<u64> = sidecars.iter().map(|sidecar| sidecar.bytes).collect();
        match sidecars.into_iter().find(|sidecar| sidecar.sha256 == hash) {
            Some(sidecar) => Ok((bytes, sidecar)),
            None if expected.contains(&(bytes.len() as u64)) => Err(Unusable::Damaged(format!(
                "{} is damaged: its bytes do not have the SHA-256 in its sidecar",
                path.display()
            ))),
            None => Err(Unusable::Damaged(format!(
                "{} is damaged: it has {} bytes, its sidecar says {expected:?}",
                path.display(),
                bytes.len()
            ))),
        }
    }

    /// The sidecars that may belong to `stem`: the one in place and the one in waiting. At least one.
    fn sidecars(&self, stem: &str) -> Result<Vec<Sidecar>, Unusable> {
        let mut found = Vec::new();
        let mut reasons = Vec::new();
        for path in [self.sidecar_path(stem), self.waiting_path(stem)] {
            if !path.exists() {
                continue;
            }
            match read_sidecar(&path) {
                Ok(sidecar) => found.push(sidecar),
                Err(RunError::Damaged { path, reason }) => {
                    reasons.push(format!("{}: {reason}", path.display()));
                }
                Err(error) => return Err(Unusable::Refused(error)),
            }
        }
        match (found.is_empty(), reasons.is_empty()) {
            (false, _) => Ok(found),
            (true, false) => Err(Unusable::Damaged(format!("damaged sidecar {}", reasons.join(", ")))),
            (true, true) => {
                let path = self.sidecar_path(stem);
                Err(Unusable::Damaged(format!("{} has no sidecar {}", stem, path.display())))
            }
        }
    }

    fn sidecar_of_last(&self) -> Result<Sidecar, RunError> {
        read_sidecar(&self.sidecar_path(LAST))
    }

    /// The stems of the numbered checkpoints, by number.
    fn numbered(&self) -> Result<Vec<String>, RunError> {
        Ok(self.epochs()?.into_iter().map(|(_, stem)| stem).collect())
    }

    /// The numbered checkpoints: epoch and stem, by epoch.
    fn epochs(&self) -> Result<Vec<(u64, String)>, RunError> {
        let mut numbered: Vec<(u64, String)> = files::entries(&self.folder)?
            .iter()
            .filter_map(|name| {
                let stem = name.strip_suffix(".safetensors")?;
                Some((stem.strip_prefix(EPOCH)?.parse().ok()?, stem.to_owned()))
            })
            .collect();
        numbered.sort();
        Ok(numbered)
    }

    fn bytes_of(&self, stem: &str) -> PathBuf {
        self.folder.join(format!("{stem}.safetensors"))
    }

    fn sidecar_path(&self, stem: &str) -> PathBuf {
        self.folder.join(format!("{stem}.json"))
    }

    fn waiting_path(&self, stem: &str) -> PathBuf {
        self.folder.join(format!("{stem}.json.new"))
    }
}

/// Why one checkpoint cannot be used.
enum Unusable {
    /// It is damaged or missing: another may do.
    Damaged(String),
    /// None may be used, for example because a newer program wrote them.
    Refused(RunError),
}

fn read_sidecar(path: &Path) -> Result<Sidecar, RunError> {
    let damaged = |reason: String| RunError::Damaged { path: path.to_path_buf(), reason };
    let value = files::read_json(path)?;
    match value["layout"].as_u64() {
        Some(got) if got > u64::from(LAYOUT) => {
            Err(RunError::NewerLayout { path: path.to_path_buf(), got, known: LAYOUT })
        }
        _ => serde_json::from_value(value).map_err(|e| damaged(e.to_string())),
    }
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_sha256() {
        // FIPS 180-2, appendix B.1.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256(b"abc"), abc);
    }

    #[test]
    fn a_score_is_beaten_in_its_direction_and_never_by_nan() {
        let score = |direction, value| Score { metric: "m".into(), direction, value };
        assert!(score(Direction::Higher, 2.0).beats(&score(Direction::Higher, 1.0)));
        assert!(!score(Direction::Higher, 1.0).beats(&score(Direction::Higher, 1.0)));
        assert!(score(Direction::Lower, 1.0).beats(&score(Direction::Lower, 2.0)));
        assert!(!score(Direction::Lower, f64::NAN).beats(&score(Direction::Lower, 2.0)));
        assert!(score(Direction::Lower, 1.0).beats(&score(Direction::Lower, f64::NAN)));
        assert!(score(Direction::Lower, 9.0).beats(&score(Direction::Higher, 1.0)));
    }
}
