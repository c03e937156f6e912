//! A task in a run folder's checkpoint, and back.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::json;
use twinlens_nn::weights::{EncoderFile, NamedTensor, parse_safetensors, write_safetensors};
use twinlens_run::{Checkpoint, Loaded, RunFolder};

use crate::SslError;
use crate::sections::ENCODER;
use crate::task::{Position, Task, TaskState};

/// Where a checkpoint's notes describe its encoder.
pub(crate) const ENCODER_NOTE: &str = "encoder";

/// The encoder in a checkpoint of a pre-training, with what its file would say; none where the checkpoint does not describe it.
///
/// # Errors
/// As [`checkpoint_encoder`].
pub fn described_encoder(loaded: &Loaded) -> Result<Option<EncoderFile>, SslError> {
    let note = loaded.sidecar.state["notes"][ENCODER_NOTE].clone();
    let Ok(description) = serde_json::from_value(note) else { return Ok(None) };
    Ok(Some(EncoderFile { description, tensors: checkpoint_encoder(loaded)? }))
}

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

/// Saves `task` at `position` as the folder's last checkpoint.
pub(crate) fn save(folder: &mut RunFolder, task: &impl Task, position: Position) -> Result<(), SslError> {
    let state = task.state();
    let bytes = write_safetensors(&state.tensors, &[])?;
    folder.save_last(&Checkpoint {
        bytes: &bytes,
        epoch: position.epoch as u64,
        step: task.steps() as u64,
        state: json!({ "step_in_epoch": position.step_in_epoch, "notes": state.notes }),
    })?;
    Ok(())
}

/// Restores `task` from a checkpoint and says where the run stood.
pub(crate) fn restore(task: &mut impl Task, loaded: &Loaded) -> Result<Position, SslError> {
    let misfit = |reason: String| SslError::Checkpoint { path: loaded.path.display().to_string(), reason };
    let step_in_epoch = loaded.sidecar.state["step_in_epoch"].as_u64();
    let step_in_epoch =
        step_in_epoch.ok_or_else(|| misfit("its sidecar does not say step_in_epoch".into()))?;
    let tensors = parse_safetensors(Path::new(&loaded.path), &loaded.bytes)?;
    let state = TaskState { tensors, notes: loaded.sidecar.state["notes"].clone() };
    task.restore(&state, loaded.sidecar.step as usize).map_err(|e| misfit(e.to_string()))?;
    Ok(Position { epoch: loaded.sidecar.epoch as usize, step_in_epoch: step_in_epoch as usize })
}
