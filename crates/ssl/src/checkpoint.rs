//! A learner in a run folder's checkpoint, and back.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::json;
use twinlens_nn::weights::{NamedTensor, parse_safetensors, write_safetensors};
use twinlens_run::{Checkpoint, Loaded, RunFolder};

use crate::learner::ENCODER;
use crate::{Learner, SslError};

/// The encoder's weights in a run's checkpoint, under torchvision's names.
///
/// # Errors
/// [`SslError::Checkpoint`] if there are none; bytes that are no safetensors file.
pub fn checkpoint_encoder(loaded: &Loaded) -> Result<BTreeMap<String, NamedTensor>, SslError> {
    let state = parse_safetensors(&loaded.path, &loaded.bytes)?;
    let prefix = format!("weights/{ENCODER}");
    let inside =
        |(name, tensor): (String, NamedTensor)| Some((name.strip_prefix(&prefix)?.to_owned(), tensor));
    let tensors: BTreeMap<String, NamedTensor> = state.into_iter().filter_map(inside).collect();
    match tensors.is_empty() {
        false => Ok(tensors),
        true => Err(SslError::Checkpoint {
            path: loaded.path.display().to_string(),
            reason: "it holds no weights of an encoder".into(),
        }),
    }
}

/// Where a run stands between two steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// Completed epochs.
    pub epoch: usize,
    /// Completed steps of the epoch under way.
    pub step_in_epoch: usize,
}

/// Saves `learner` at `position` as the folder's last checkpoint.
pub(crate) fn save(folder: &mut RunFolder, learner: &Learner, position: Position) -> Result<(), SslError> {
    let bytes = write_safetensors(&learner.state(), &[])?;
    folder.save_last(&Checkpoint {
        bytes: &bytes,
        epoch: position.epoch as u64,
        step: learner.steps() as u64,
        state: json!({ "step_in_epoch": position.step_in_epoch }),
    })?;
    Ok(())
}

/// Restores `learner` from a checkpoint and says where the run stood.
pub(crate) fn restore(learner: &mut Learner, loaded: &Loaded) -> Result<Position, SslError> {
    let misfit = |reason: String| SslError::Checkpoint { path: loaded.path.display().to_string(), reason };
    let step_in_epoch = loaded.sidecar.state["step_in_epoch"].as_u64();
    let step_in_epoch =
        step_in_epoch.ok_or_else(|| misfit("its sidecar does not say step_in_epoch".into()))?;
    let state = parse_safetensors(Path::new(&loaded.path), &loaded.bytes)?;
    learner.restore(&state, loaded.sidecar.step as usize).map_err(|e| misfit(e.to_string()))?;
    Ok(Position { epoch: loaded.sidecar.epoch as usize, step_in_epoch: step_in_epoch as usize })
}
