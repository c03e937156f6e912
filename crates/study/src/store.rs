//! Where the results of nodes lie: each once, in a folder named by its identity.
//!
//! ```text
//! STORE/KIND/ID/
//!   node.json     what the node is: all that went into its identity
//!   claim         who is working on it; gone when nobody is
//!   run/          the run of a training, which goes on after an interruption
//!   result/       what came out: verdicts.json
//!   failed.json   why it failed
//!   done.json     written last: outputs with hashes, time, machine
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use twinlens_lab::Verdict;
use twinlens_run::write_atomically;

use crate::StudyError;
use crate::claim::Claim;
use crate::node::{Node, sha256};
use crate::plan::Plan;

/// A folder of results, which several studies may share.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
}

/// How a node stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Its input is not done.
    Waiting,
    /// It can be made.
    Ready,
    /// Somebody makes it: who, in words.
    Held(String),
    /// It is there.
    Done,
    /// It is there, but what learned collapsed.
    Collapsed,
    /// It failed: why.
    Failed(String),
    /// What it needs failed.
    Blocked,
}

impl State {
    /// In one word.
    pub fn name(&self) -> &'static str {
        match self {
            State::Waiting => "waiting",
            State::Ready => "ready",
            State::Held(_) => "held",
            State::Done => "done",
            State::Collapsed => "collapsed",
            State::Failed(_) => "failed",
            State::Blocked => "blocked",
        }
    }

    /// Whether its results are there.
    pub fn is_there(&self) -> bool {
        matches!(self, State::Done | State::Collapsed)
    }
}

/// `done.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Done {
    /// Files with their SHA-256, by their paths in the node's folder.
    pub outputs: BTreeMap<String, String>,
    /// Whether what learned collapsed.
    #[serde(default)]
    pub collapsed: bool,
    /// The epochs whose encoders are kept beside the last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keeps: Vec<u64>,
    /// How long it took in all.
    pub seconds: f64,
    /// Where it was computed: `cpu`, `gpu:0`.
    pub device: String,
    /// On which machine.
    pub host: String,
    /// By which version of the program.
    pub version: String,
    /// By which commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

/// `failed.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What went wrong.
    pub cause: String,
    /// On which machine.
    pub host: String,
}

const NODE: &str = "node.json";
const DONE: &str = "done.json";
const FAILED: &str = "failed.json";
const CLAIM: &str = "claim";
/// The file of verdicts in a result.
pub(crate) const VERDICTS: &str = "verdicts.json";

impl Store {
    /// The store in that folder, which is made when something is written.
    pub fn at(root: impl Into<PathBuf>) -> Store {
        Store { root: root.into() }
    }

    /// Its folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of a node.
    pub fn folder(&self, node: &Node) -> PathBuf {
        self.root.join(node.kind().name()).join(&node.id)
    }

    /// The run of a training.
    pub fn run(&self, node: &Node) -> PathBuf {
        self.folder(node).join("run")
    }

    /// What came out of a node.
    pub fn result(&self, node: &Node) -> PathBuf {
        self.folder(node).join("result")
    }

    pub(crate) fn claim_file(&self, node: &Node) -> PathBuf {
        self.folder(node).join(CLAIM)
    }

    /// Makes the folder of a node, which says what it is.
    pub(crate) fn describe(&self, node: &Node) -> Result<(), StudyError> {
        let folder = self.folder(node);
        std::fs::create_dir_all(&folder).map_err(|error| StudyError::io(&folder, error))?;
        if !folder.join(NODE).is_file() {
            write_json(&folder.join(NODE), node)?;
        }
        Ok(())
    }

    /// What `done.json` says, if the node is done and keeps what is asked of it.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn done(&self, node: &Node) -> Result<Option<Done>, StudyError> {
        let done: Option<Done> = read_json(&self.folder(node).join(DONE))?;
        Ok(done.filter(|done| node.keeps().iter().all(|epoch| done.keeps.contains(epoch))))
    }

    pub(crate) fn set_done(&self, node: &Node, done: &Done) -> Result<(), StudyError> {
        write_json(&self.folder(node).join(DONE), done)
    }

    /// Why the node failed, if it did.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn failure(&self, node: &Node) -> Result<Option<Failure>, StudyError> {
        read_json(&self.folder(node).join(FAILED))
    }

    pub(crate) fn set_failed(&self, node: &Node, failure: &Failure) -> Result<(), StudyError> {
        write_json(&self.folder(node).join(FAILED), failure)
    }

    /// Makes a failed node ready again. Returns whether it had failed.
    ///
    /// # Errors
    /// A file that cannot be removed.
    pub fn retry(&self, node: &Node) -> Result<bool, StudyError> {
        let file = self.folder(node).join(FAILED);
        match std::fs::remove_file(&file) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(StudyError::io(file, error)),
        }
    }

    /// How every node of a plan stands, in its order.
    ///
    /// # Errors
    /// Files that cannot be read.
    pub fn states(&self, plan: &Plan) -> Result<Vec<State>, StudyError> {
        self.states_beyond(plan, &mut BTreeMap::new())
    }

    /// The same for whoever asks again and again: nodes that are there, by their numbers, stay so and are not looked at anew.
    pub(crate) fn states_beyond(
        &self,
        plan: &Plan,
        known: &mut BTreeMap<usize, State>,
    ) -> Result<Vec<State>, StudyError> {
        let mut states: Vec<State> = Vec::with_capacity(plan.nodes.len());
        let at = plan.numbers();
        for (number, node) in plan.nodes.iter().enumerate() {
            let input = node.input.as_deref().and_then(|input| at.get(input)).map(|&at| &states[at]);
            let state = match known.get(&number) {
                Some(state) => state.clone(),
                None => self.state(node, input)?,
            };
            if state.is_there() {
                known.insert(number, state.clone());
            }
            states.push(state);
        }
        Ok(states)
    }

    /// How a node stands whose input stands so. Inputs come before what takes them.
    fn state(&self, node: &Node, input: Option<&State>) -> Result<State, StudyError> {
        if let Some(done) = self.done(node)? {
            return Ok(if done.collapsed { State::Collapsed } else { State::Done });
        }
        if let Some(Failure { cause, .. }) = self.failure(node)? {
            return Ok(State::Failed(cause));
        }
        if let Some(holder) = Claim::holder(&self.claim_file(node))? {
            return Ok(State::Held(holder));
        }
        Ok(match input {
            Some(State::Failed(_) | State::Blocked) => State::Blocked,
            Some(state) if !state.is_there() => State::Waiting,
            _ => State::Ready,
        })
    }

    /// What a node that judges, or learns from labels, came to.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn verdicts(&self, node: &Node) -> Result<Vec<Verdict>, StudyError> {
        Ok(read_json(&self.result(node).join(VERDICTS))?.unwrap_or_default())
    }

    /// The encoder that a training left, after this epoch or at its end: a run's folder, or a checkpoint's file. One that
    /// collapsed has no file of its own, so that it is that of its newest checkpoint.
    ///
    /// # Errors
    /// No encoder.
    pub fn encoder(&self, node: &Node, epoch: Option<u64>) -> Result<PathBuf, StudyError> {
        let run = self.run(node);
        if let Some(epoch) = epoch {
            return Ok(run.join("checkpoints").join(format!("epoch-{epoch:04}.safetensors")));
        }
        let own = twinlens_lab::encoder_file(&run);
        let last = run.join("checkpoints/last.safetensors");
        Ok(if own.is_file() || !last.is_file() { run } else { last })
    }

    /// The nodes in the store that none of these plans has, with the bytes that they take.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub fn unused(&self, plans: &[Plan]) -> Result<Vec<(PathBuf, u64)>, StudyError> {
        let used: std::collections::BTreeSet<PathBuf> =
            plans.iter().flat_map(|plan| plan.nodes.iter().map(|node| self.folder(node))).collect();
        let mut unused = Vec::new();
        for kind in crate::node::Kind::ALL {
            for folder in folders(&self.root.join(kind.name()))? {
                if !used.contains(&folder) {
                    let bytes = size(&folder)?;
                    unused.push((folder, bytes));
                }
            }
        }
        Ok(unused)
    }

    /// The files of a node's result and run that are kept, with their hashes.
    pub(crate) fn outputs(&self, node: &Node) -> Result<BTreeMap<String, String>, StudyError> {
        let folder = self.folder(node);
        let mut files = vec![];
        for part in ["result", "run/encoder", "run/checkpoints"] {
            let inside = folder.join(part);
            if inside.is_dir() {
                files.extend(entries(&inside)?.into_iter().filter(|path| path.is_file()));
            }
        }
        let hashed = |path: PathBuf| {
            let bytes = std::fs::read(&path).map_err(|error| StudyError::io(&path, error))?;
            let name = path.strip_prefix(&folder).unwrap_or(&path).to_string_lossy().replace('\\', "/");
            Ok((name, sha256(&bytes)))
        };
        files.into_iter().map(hashed).collect()
    }
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, StudyError> {
    let failed = |error| StudyError::io(folder, error);
    let mut paths = std::fs::read_dir(folder)
        .map_err(failed)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(failed)?;
    paths.sort();
    Ok(paths)
}

fn folders(folder: &Path) -> Result<Vec<PathBuf>, StudyError> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    Ok(entries(folder)?.into_iter().filter(|path| path.is_dir()).collect())
}

/// The bytes of all files in a folder.
fn size(folder: &Path) -> Result<u64, StudyError> {
    let mut bytes = 0;
    for path in entries(folder)? {
        bytes += if path.is_dir() { size(&path)? } else { path.metadata().map_or(0, |found| found.len()) };
    }
    Ok(bytes)
}

/// The content of a file of JSON; none where there is no such file.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, StudyError> {
    match std::fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| StudyError::Unreadable { path: path.to_path_buf(), reason: error.to_string() }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StudyError::io(path, error)),
    }
}

pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), StudyError> {
    let mut text = serde_json::to_vec_pretty(value)
        .map_err(|error| StudyError::Unreadable { path: path.to_path_buf(), reason: error.to_string() })?;
    text.push(b'\n');
    Ok(write_atomically(path, &text)?)
}
