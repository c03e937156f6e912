//! What stands beside a verdict in a run's folder: pictures and tables that need the images to be made.

use std::path::PathBuf;

use twinlens_run::{RunError, RunFolder};

use crate::Verdict;

/// A file beside a verdict, named as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exhibit {
    /// The end of its name: `csv` for a table, `png`, `jpg` or `svg` for a picture.
    pub extension: &'static str,
    /// Its content.
    pub bytes: Vec<u8>,
}

impl Verdict {
    /// Keeps the verdict in `eval` of a run and what stands beside it: tables there, pictures in `plots`. Returns where the
    /// pictures are.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub fn keep(&self, run: &RunFolder) -> Result<Vec<PathBuf>, RunError> {
        let name = self.file_name();
        run.write_verdict(&name, self)?;
        let mut pictures = Vec::new();
        for Exhibit { extension, bytes } in &self.exhibits {
            match *extension {
                "csv" => run.write_predictions(&name, &String::from_utf8_lossy(bytes))?,
                picture => pictures.push(run.write_plot(&format!("{name}.{picture}"), bytes)?),
            }
        }
        Ok(pictures)
    }
}

impl<O> Verdict<O> {
    /// What stands beside it with that end of its name.
    pub fn exhibit(&self, extension: &str) -> Option<&[u8]> {
        self.exhibits
            .iter()
            .find(|exhibit| exhibit.extension == extension)
            .map(|exhibit| exhibit.bytes.as_slice())
    }
}
