//! What stands beside a verdict in a run's folder: pictures and tables that need the images to be made.

/// A file beside a verdict, named as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exhibit {
    /// The end of its name: `csv` for a table, `png`, `jpg` or `svg` for a picture.
    pub extension: &'static str,
    /// Its content.
    pub bytes: Vec<u8>,
}
