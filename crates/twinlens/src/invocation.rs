//! How the program was called.

use std::ffi::OsString;
use std::path::PathBuf;

/// How the program was called.
#[derive(Clone, Debug, Default)]
pub struct Invocation {
    /// The command line, the program's name first.
    pub arguments: Vec<OsString>,
    /// The program's file, to start it again for trainings on other devices; none where the system does not tell.
    pub executable: Option<PathBuf>,
}

impl Invocation {
    /// The command line as text, for the record of a run.
    pub fn words(&self) -> Vec<String> {
        self.arguments.iter().map(|word| word.to_string_lossy().into_owned()).collect()
    }
}
