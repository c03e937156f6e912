//! The data sets of a study: found by the names of its recipe, opened once.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use serde::{Deserialize, Serialize};
use twinlens_data::{DataSet, DataSettings};
use twinlens_lab::{DataRecord, Lab, data_record};

use crate::StudyError;

/// Where data sets lie on this machine: by name.
pub type Places = BTreeMap<String, String>;

/// A data set of a plan: what must be the same on every machine.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PlannedData {
    /// Its name in the recipe.
    pub name: String,
    /// How it is read.
    pub reading: String,
    /// SHA-256 of its content.
    pub sha256: String,
    /// Which images stand in which split, where that was drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub splits: Option<String>,
    /// Those that are joined with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub joined: Vec<String>,
    /// Images to learn from.
    pub train: usize,
}

impl PlannedData {
    /// What it is called: with those that are joined.
    pub fn title(&self) -> String {
        std::iter::once(&self.name).chain(&self.joined).map(String::as_str).collect::<Vec<_>>().join(" + ")
    }
}

/// A data set that is open. What tells it from others is found once: of splits that were drawn it goes through all images.
pub(crate) struct Opened {
    pub set: DataSet,
    pub record: DataRecord,
}

/// Data sets that are open.
pub(crate) struct DataSets<'a> {
    places: &'a Places,
    lab: &'a Lab<'a>,
    open: RefCell<BTreeMap<(String, String), Rc<Opened>>>,
}

fn settings_of(reading: &str) -> Result<DataSettings, StudyError> {
    toml::from_str(reading).map_err(|error| StudyError::Recipe {
        recipe: "data.options".into(),
        problems: vec![error.to_string()],
    })
}

/// What names of data sets may end in, where they are files beside.
const ENDINGS: [&str; 4] = ["", ".npz", ".zip", ".npy"];

impl<'a> DataSets<'a> {
    pub fn new(places: &'a Places, lab: &'a Lab<'a>) -> DataSets<'a> {
        DataSets { places, lab, open: RefCell::default() }
    }

    /// Where the data set called `name` lies: where it was said to, in the working folder or in that of data, or else its own
    /// name, which may be that of a public one. `pathmnist@64` is the public set `pathmnist_64`.
    pub fn place(&self, name: &str) -> String {
        if let Some(place) = self.places.get(name) {
            return place.clone();
        }
        let folders = [Some(Path::new("").to_path_buf()), self.lab.data_folder.clone()];
        let beside = folders
            .iter()
            .flatten()
            .flat_map(|folder| ENDINGS.iter().map(move |ending| folder.join(format!("{name}{ending}"))));
        let found = beside.into_iter().find(|path| path.exists());
        found.map_or_else(|| name.replace('@', "_"), |path| path.display().to_string())
    }

    /// The data set called `name`, read as `reading` says, which is the text of `data_options`.
    pub fn open(&self, name: &str, reading: &str) -> Result<Rc<Opened>, StudyError> {
        let key = (name.to_owned(), reading.to_owned());
        if let Some(opened) = self.open.borrow().get(&key) {
            return Ok(opened.clone());
        }
        let mut settings = settings_of(reading)?;
        settings.join = settings.join.iter().map(|name| self.place(name)).collect();
        if !settings.labels_from.is_empty() {
            settings.labels_from = self.place(&settings.labels_from);
        }
        let missing = |source| StudyError::NoData { name: name.to_owned(), source: Box::new(source) };
        let set = self.lab.open(&self.place(name), &settings).map_err(missing)?;
        let opened = Rc::new(Opened { record: data_record("", &set), set });
        self.open.borrow_mut().insert(key, opened.clone());
        Ok(opened)
    }

    /// What a plan keeps of those that were opened.
    pub fn planned(&self) -> Vec<PlannedData> {
        let of = |((name, reading), Opened { set, record }): (&(String, String), &Opened)| PlannedData {
            name: name.clone(),
            reading: reading.clone(),
            sha256: set.fingerprint.clone(),
            splits: record.splits.clone(),
            joined: settings_of(reading).map(|settings| settings.join).unwrap_or_default(),
            train: set.splits.train.as_ref().map_or(0, |train| train.len()),
        };
        self.open.borrow().iter().map(|(key, opened)| of((key, opened))).collect()
    }

    /// The data set of a plan, if it is still what it was.
    pub fn same(&self, planned: &[PlannedData], name: &str, reading: &str) -> Result<DataSet, StudyError> {
        let opened = self.open(name, reading)?;
        let Opened { set, record } = opened.as_ref();
        let other = planned.iter().find(|one| one.name == name && one.reading == reading).and_then(|one| {
            let now = (&set.fingerprint, &record.splits);
            (now != (&one.sha256, &one.splits)).then(|| one.sha256.clone())
        });
        match other {
            Some(planned) => {
                Err(StudyError::OtherData { name: name.to_owned(), planned, found: set.fingerprint.clone() })
            }
            None => Ok(set.clone()),
        }
    }
}
