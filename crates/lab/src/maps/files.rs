//! Where maps are written.

use std::path::{Path, PathBuf};

use twinlens_run::{RunFolder, write_atomically};

use crate::{LabError, read_encoder};

/// Where files go.
pub enum Place {
    /// A folder, which is made if it is missing.
    Folder(PathBuf),
    /// The pictures of a run.
    Run(RunFolder),
}

impl Place {
    /// The folder `out`; without one, the run at `encoder`.
    ///
    /// # Errors
    /// No folder where the encoder is no run's; a run that is in use or cannot be read.
    pub fn open(out: Option<&Path>, encoder: &Path) -> Result<Place, LabError> {
        match out {
            Some(folder) => Ok(Place::Folder(folder.to_owned())),
            None if encoder.is_dir() => Ok(Place::Run(RunFolder::open(encoder)?)),
            None => {
                // That there is no encoder is to be told first.
                read_encoder(encoder)?;
                Err(LabError::NoPlace)
            }
        }
    }

    /// Writes a file and returns where it is.
    pub(super) fn put(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, LabError> {
        match self {
            Place::Run(run) => Ok(run.write_plot(name, bytes)?),
            Place::Folder(folder) => {
                std::fs::create_dir_all(folder).map_err(|error| LabError::io(folder, error))?;
                let path = folder.join(name);
                write_atomically(&path, bytes)?;
                Ok(path)
            }
        }
    }
}
