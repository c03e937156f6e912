//! Where work is done: in whose name, with which folder for data, who hears of it, and who may stop it.

use std::path::PathBuf;

use twinlens_ssl::Asked;

use crate::jobs::JobError;
use crate::{Cache, Computing, Events, LabError, Silent};

/// What work in the lab needs to know of its surroundings. Nothing else is read from the process.
///
/// The default works in silence, keeps nothing for later and is not stopped.
#[derive(Clone)]
pub struct Lab<'a> {
    /// Which program works, for the record of runs.
    pub program: Program,
    /// Where decoded and downloaded data and features are kept and looked for, if anywhere.
    pub data_folder: Option<PathBuf>,
    /// Who is told what goes on.
    pub events: &'a dyn Events,
    /// Asked after every step of a training, and between trainings: whether to go on, save, or save and stop.
    pub asked: &'a dyn Fn() -> Asked,
}

/// The program in whose name runs are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Its version.
    pub version: String,
    /// The commit it was built from, where known.
    pub commit: Option<String>,
    /// The command line, program first; empty where there is none.
    pub command: Vec<String>,
}

impl Default for Program {
    /// This library.
    fn default() -> Program {
        Program { version: env!("CARGO_PKG_VERSION").to_owned(), commit: None, command: Vec::new() }
    }
}

impl Default for Lab<'_> {
    fn default() -> Self {
        Lab { program: Program::default(), data_folder: None, events: &Silent, asked: &never_asked }
    }
}

fn never_asked() -> Asked {
    Asked::Continue
}

impl std::fmt::Debug for Lab<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lab").field("program", &self.program).field("data_folder", &self.data_folder).finish()
    }
}

impl Lab<'_> {
    /// How features are computed on `device`, and kept in the data folder; 0 `workers` are as many as there are cores.
    pub fn computing(&self, workers: usize, device: &str) -> Computing {
        let Program { version, commit, .. } = &self.program;
        let program = format!("{version} {}", commit.as_deref().unwrap_or("unknown"));
        let cache = self.data_folder.clone().map(|folder| Cache { folder, program });
        Computing::new(workers, device, cache)
    }

    /// Fails if a stop was asked for; everything so far is saved.
    pub(crate) fn check_stop(&self) -> Result<(), LabError> {
        match (self.asked)() {
            Asked::Stop => Err(JobError::Interrupted.into()),
            Asked::Save | Asked::Continue => Ok(()),
        }
    }
}
