//! `STATUS`: how a run stands, readable by people and by one line of shell.

use std::fmt;
use std::path::Path;

use crate::{RunError, files, names};

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    /// At work, or killed so suddenly that it could not say so (see [`crate::RunRecord::read`]).
    Running,
    /// Ended as planned.
    Done,
    /// Ended by an error; the message says which.
    Failed,
    /// Stopped on request; it can be resumed.
    Interrupted,
}

impl RunState {
    const ALL: [RunState; 4] = [RunState::Running, RunState::Done, RunState::Failed, RunState::Interrupted];

    /// The word on the first line of `STATUS`.
    pub fn as_str(self) -> &'static str {
        match self {
            RunState::Running => "running",
            RunState::Done => "done",
            RunState::Failed => "failed",
            RunState::Interrupted => "interrupted",
        }
    }
}

impl fmt::Display for RunState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The content of `STATUS`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// How the run stands.
    pub state: RunState,
    /// The reason, for people; may be empty.
    pub message: String,
}

/// Writes `STATUS` of the run folder `root`.
pub(crate) fn write(root: &Path, state: RunState, message: &str) -> Result<(), RunError> {
    let message = message.trim();
    let end = if message.is_empty() { "" } else { "\n" };
    files::write_atomically(&root.join(names::STATUS), format!("{state}\n{message}{end}").as_bytes())
}

/// Reads `STATUS` of the run folder `root`.
pub(crate) fn read(root: &Path) -> Result<Status, RunError> {
    let path = root.join(names::STATUS);
    let text = files::read_text(&path)?;
    let (word, message) = text.split_once('\n').unwrap_or((&text, ""));
    let state = RunState::ALL.into_iter().find(|state| state.as_str() == word.trim()).ok_or_else(|| {
        let reason = format!("expected running, done, failed or interrupted, got {word:?}");
        RunError::Damaged { path, reason }
    })?;
    Ok(Status { state, message: message.trim_end().to_owned() })
}
