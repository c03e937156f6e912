//! Data sets by path or by name.

use std::path::{Path, PathBuf};

use twinlens_config::nearest;
use twinlens_data::{
    DataSet, DataSettings, Inspection, OpenOptions, PixelRange, RangeOrigin, inspect, open as open_path,
    open_bytes,
};
use twinlens_nn::weights::EncoderFile;
use twinlens_run::RunRecord;
use twinlens_ssl::finetune::{range_of, stain_of};

use crate::catalogue::{self, PublicSet};
use crate::run_settings::RunSettings;
use crate::{Events, Lab, LabError, NameError};

/// The name of the data set inside the program, where others have a path.
pub const BUNDLED: &str = "bundled";

/// Photographs of blood cells; see `assets/README.md` for where they come from.
const BLOOD_CELLS: &[u8] = include_bytes!("../assets/blood_cells_28.npz");

impl Lab<'_> {
    /// Opens the data set called `name`: [`BUNDLED`], a path, or a public one that was fetched; with those that
    /// `settings.join` names, as one ([`DataSet::union`]). What was skipped, guessed or left out is told.
    ///
    /// # Errors
    /// [`NameError`], data that cannot be read, or sets that cannot be joined.
    pub fn open(&self, name: &str, settings: &DataSettings) -> Result<DataSet, LabError> {
        let sets = self.all(name, settings)?;
        sets.iter().for_each(|data| tell(data, self.events));
        Ok(DataSet::union(sets)?)
    }

    /// The data set called `name`, as [`Lab::open`] opens it, and what it holds. What was skipped, guessed or left out is in what is
    /// returned, and not told besides.
    ///
    /// # Errors
    /// As [`Lab::open`].
    pub fn inspect(&self, name: &str, settings: &DataSettings) -> Result<(DataSet, Inspection), LabError> {
        let data = DataSet::union(self.all(name, settings)?)?;
        let inspection = inspect(&data)?;
        Ok((data, inspection))
    }

    /// The data set called `name` and those that are to be joined with it, each for itself.
    fn all(&self, name: &str, settings: &DataSettings) -> Result<Vec<DataSet>, LabError> {
        let alone = settings.alone();
        let names = std::iter::once(name).chain(settings.join.iter().map(String::as_str));
        names.map(|name| self.open_one(name, &alone)).collect()
    }

    fn open_one(&self, name: &str, settings: &DataSettings) -> Result<DataSet, LabError> {
        if name.is_empty() {
            return Err(NameError::Empty.into());
        }
        let task = self.events.begin("reading images");
        let progress = |done: usize, total: usize| task.at(done as u64, total as u64);
        let options = self.options(settings, &progress);
        if name == BUNDLED {
            let class_names = catalogue::find("bloodmnist").map(|edition| edition.set.class_names.clone());
            let options = OpenOptions { class_names, ..options };
            return Ok(open_bytes("blood_cells_28.npz", BLOOD_CELLS, &options)?);
        }
        self.open_located(name, options)
    }

    fn options<'p>(&self, settings: &DataSettings, progress: &'p dyn Fn(usize, usize)) -> OpenOptions<'p> {
        OpenOptions {
            settings: settings.clone(),
            cache_dir: self.data_folder.clone(),
            progress: Some(progress),
            ..OpenOptions::default()
        }
    }

    /// Opens a path, or a public data set that was fetched.
    fn open_located(&self, name: &str, options: OpenOptions<'_>) -> Result<DataSet, LabError> {
        let (path, class_names) = locate(name, self.data_folder.as_deref())?;
        Ok(open_path(&path, &OpenOptions { class_names, ..options })?)
    }
}

/// Where the data set called `name` lies, and the names of its classes where its files do not hold them: a path that
/// exists, or a public data set that was fetched into `data_folder`.
///
/// # Errors
/// A public data set that is not here yet, or what looks like a misspelt one.
pub fn locate(name: &str, data_folder: Option<&Path>) -> Result<(PathBuf, Option<Vec<String>>), NameError> {
    let path = PathBuf::from(name);
    if path.exists() {
        return Ok((path, None));
    }
    let Some(edition) = catalogue::find(name) else {
        let names: Vec<String> =
            catalogue::sets().iter().flat_map(PublicSet::editions).map(|edition| edition.name()).collect();
        return match nearest(name, names.iter().map(String::as_str)) {
            Some(near) => Err(NameError::Unknown { got: name.to_owned(), near: near.to_owned() }),
            None => Ok((path, None)), // the reader tells what is wrong with it
        };
    };
    let folder = data_folder.ok_or(NameError::NoFolder)?;
    if !edition.is_here(folder) {
        let set = &edition.set.name;
        let side = (edition.name() != *set).then_some(edition.side);
        let (name, path) = (name.to_owned(), edition.path(folder));
        return Err(NameError::NotHere { name, fetch: (set.clone(), side), path });
    }
    let names = &edition.set.class_names;
    Ok((edition.path(folder), (!names.is_empty()).then(|| names.clone())))
}

/// How the data set called `name` is read for the encoder at `path`, of which `file` was read: as its run read it, where it is the
/// run's own or one of several, and by the range of values that the encoder knows. It is read alone, whatever it was joined with.
pub fn reading_for(path: &Path, file: &EncoderFile, name: &str) -> DataSettings {
    let own = RunRecord::read(path).ok().and_then(|record| RunSettings::of(&record).ok());
    let is_of_run = |settings: &RunSettings| {
        let common = settings.common();
        common.data == name || common.data_options.join.iter().any(|joined| joined == name)
    };
    let own = own.filter(is_of_run);
    let settings = own.map(|settings| settings.common().data_options.alone()).unwrap_or_default();
    let (range, stain) = (range_of(&file.description), stain_of(&file.description));
    DataSettings { range, stain, stain_reference: String::new(), ..settings }
}

/// The data set that the run in the folder `path` learned from, as it was asked for, the first of several; none of a file or of a
/// folder that is no run.
pub fn own_data(path: &Path) -> Option<String> {
    let record = RunRecord::read(path).ok()?;
    Some(RunSettings::of(&record).ok()?.common().data.clone())
}

/// The data sets that were joined to it ([`own_data`]), as they were asked for.
pub fn own_joined(path: &Path) -> Vec<String> {
    let settings = RunRecord::read(path).ok().and_then(|record| RunSettings::of(&record).ok());
    settings.map_or_else(Vec::new, |settings| settings.common().data_options.join.clone())
}

/// Tells what a person should know of how `data` were read.
fn tell(data: &DataSet, events: &dyn Events) {
    if data.skipped.count > 0 {
        events.skipped(&data.skipped);
    }
    data.notices.iter().for_each(|notice| events.notice(&data.name, notice));
    if data.range.origin != RangeOrigin::Type {
        events.note(&format!("{}: black and white are {}", data.name, range_in_words(&data.range)));
    }
}

/// A range with where it comes from: one pair for all channels, where they agree.
pub fn range_in_words(range: &PixelRange) -> String {
    let pair = |[low, high]: &[f64; 2]| format!("{low} to {high}");
    let pairs = match &range.channels[..] {
        [first, rest @ ..] if rest.iter().all(|bounds| bounds == first) => pair(first),
        all => all.iter().map(pair).collect::<Vec<_>>().join(", "),
    };
    let origin = match range.origin {
        RangeOrigin::Type => "all values of the type",
        RangeOrigin::Bits => "the fewest bits that hold the training images",
        RangeOrigin::Measured => "smallest and largest value of the training images",
        RangeOrigin::Percentiles => "percentiles of the training images",
        RangeOrigin::Stated => "as stated",
    };
    format!("{pairs} ({origin})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bundled_images_are_there_and_other_names_say_what_to_do() {
        let lab = Lab::default();
        let data = lab.open(BUNDLED, &DataSettings::default()).unwrap();
        assert_eq!((data.classes.len(), data.splits.test.unwrap().len()), (8, 343));
        let told = |name: &str, folder: Option<&Path>| locate(name, folder).unwrap_err();
        let here = tempfile::tempdir().unwrap();
        let missing = told("bloodmnist_64", Some(here.path()));
        assert_eq!(missing.hint(), "`{fetch} bloodmnist {size} 64` downloads it");
        assert_eq!(told("bloodmnist", Some(here.path())).hint(), "`{fetch} bloodmnist` downloads it");
        assert!(matches!(told("bloodmnist", None), NameError::NoFolder));
        assert_eq!(told("blodmnist", None).hint(), "did you mean `bloodmnist`?");
        assert_eq!(locate("no-such-file.npz", None).unwrap().0, Path::new("no-such-file.npz"));
        let unnamed = lab.open("", &DataSettings::default()).unwrap_err();
        assert!(unnamed.hint().is_some_and(|hint| hint.contains("{data}")), "{unnamed}");
    }
}
