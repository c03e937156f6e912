//! Public data sets by name: what they are, where they are, and where they lie once fetched.
//!
//! One more is a table in `sets.toml`. Only [`Client::fetch`] opens a connection.

mod fetch;
mod listing;

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use serde::Deserialize;

pub use fetch::{Checksum, Client, FetchError, Remote};
pub use listing::{EditionListing, Images, Listing, listing};

use crate::error::NameError;
use crate::{Events, bytes};

/// A variable that names a folder on another server, to take files from instead of their publisher's.
pub const MIRROR: &str = "TWINLENS_DATA_MIRROR";

/// A public data set.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublicSet {
    /// Its name.
    pub name: String,
    /// What is on the images.
    pub summary: String,
    /// Training, validation and test images; no validation where the set defines none.
    pub images: [u32; 3],
    /// Number of classes.
    pub classes: usize,
    /// 1 for grey, 3 for RGB.
    pub channels: usize,
    /// Under which licence it is published.
    pub licence: String,
    /// The names of the classes by label; empty where the files hold them or they are numbers.
    #[serde(default)]
    pub class_names: Vec<String>,
    /// Where its files are; `{name}` stands for the name of one.
    address: String,
    files: Vec<PublicFile>,
}

/// A file of a public data set.
#[derive(Debug, Deserialize)]
struct PublicFile {
    /// The side of its images in pixels.
    side: usize,
    name: String,
    /// Its length, where the publisher tells it.
    bytes: Option<u64>,
    #[serde(flatten)]
    checksum: Checksum,
}

/// A data set in one of its sizes.
#[derive(Clone, Copy, Debug)]
pub struct Edition {
    /// The set.
    pub set: &'static PublicSet,
    /// The side of its images in pixels.
    pub side: usize,
}

/// All sets, by name.
pub fn sets() -> &'static [PublicSet] {
    &SETS
}

static SETS: LazyLock<Vec<PublicSet>> = LazyLock::new(|| {
    #[derive(Deserialize)]
    struct Sets {
        set: Vec<PublicSet>,
    }
    #[expect(clippy::expect_used, reason = "the text is part of the program, and tests read it")]
    toml::from_str::<Sets>(include_str!("sets.toml")).expect("sets.toml lists data sets").set
});

/// The edition called `name`: `bloodmnist`, `bloodmnist_64`.
pub fn find(name: &str) -> Option<Edition> {
    sets().iter().flat_map(PublicSet::editions).find(|edition| edition.name() == name)
}

impl PublicSet {
    /// The set in each of its sizes, smallest first.
    pub fn editions(&'static self) -> Vec<Edition> {
        let mut sides: Vec<usize> = self.files.iter().map(|file| file.side).collect();
        sides.dedup();
        sides.into_iter().map(|side| Edition { set: self, side }).collect()
    }

    /// The set in the size `side`, or in its smallest.
    ///
    /// # Errors
    /// [`NameError::NoSize`].
    pub fn edition(&'static self, side: Option<usize>) -> Result<Edition, NameError> {
        let editions = self.editions();
        let wanted = |edition: &&Edition| side.is_none_or(|side| side == edition.side);
        editions.iter().find(wanted).copied().ok_or_else(|| NameError::NoSize {
            name: self.name.clone(),
            side: side.unwrap_or_default(),
            sides: editions.iter().map(|edition| edition.side).collect(),
        })
    }
}

impl Edition {
    /// Its name: the set's, with the size unless that is the smallest.
    pub fn name(&self) -> String {
        let PublicSet { name, files, .. } = self.set;
        match files.first() {
            Some(smallest) if smallest.side != self.side => format!("{name}_{}", self.side),
            _ => name.clone(),
        }
    }

    /// Its files: name on disk and place on the network; `mirror` is an address to take them from instead.
    pub fn files(&self, mirror: Option<&str>) -> Vec<(String, Remote)> {
        let address = |name: &str| match mirror {
            Some(mirror) => format!("{}/{name}", mirror.trim_end_matches('/')),
            None => self.set.address.replace("{name}", name),
        };
        let remote = |file: &PublicFile| Remote {
            url: address(&file.name),
            bytes: file.bytes,
            checksum: file.checksum.clone(),
        };
        let own = self.set.files.iter().filter(|file| file.side == self.side);
        own.map(|file| (file.name.clone(), remote(file))).collect()
    }

    /// Where each file lies in the user's data folder.
    pub fn places(&self, data_folder: &Path) -> Vec<PathBuf> {
        let folder = self.folder(data_folder);
        self.files(None).into_iter().map(|(name, _)| folder.join(name)).collect()
    }

    /// What to open: the file, or the folder of several.
    pub fn path(&self, data_folder: &Path) -> PathBuf {
        match &self.places(data_folder)[..] {
            [only] => only.clone(),
            _ => self.folder(data_folder),
        }
    }

    /// Whether every file is there. A file gets its name only after its checksum was right.
    pub fn is_here(&self, data_folder: &Path) -> bool {
        self.places(data_folder).iter().all(|place| place.is_file())
    }

    /// Brings those of its files to the user's data folder that are not there; `mirror` is an address to take them from
    /// instead of their publisher's. What is fetched from where is told.
    ///
    /// # Errors
    /// As [`Client::fetch`].
    pub fn fetch(
        &self,
        data_folder: &Path,
        mirror: Option<&str>,
        events: &dyn Events,
    ) -> Result<(), FetchError> {
        let PublicSet { summary, licence, .. } = self.set;
        events.note(&format!("{}: {summary}; licence: {licence}", self.name()));
        let client = Client::new();
        let files = self.files(mirror).into_iter().zip(self.places(data_folder));
        for ((name, remote), place) in files.filter(|(_, place)| !place.is_file()) {
            events.note(&format!("from {}", remote.url));
            events.note(&format!("to {}", place.display()));
            let task = events.begin(&name);
            let mut told = false;
            client.fetch(&remote, &place, &mut |done, total| {
                if !std::mem::replace(&mut told, true) {
                    let size = total.map_or("not known".into(), bytes);
                    events.note(&format!("size {size}, {} of it here", bytes(done)));
                }
                task.at(done, total.unwrap_or(0));
            })?;
        }
        Ok(())
    }

    /// One folder for a set, so that several files of one set are together and alone.
    fn folder(&self, data_folder: &Path) -> PathBuf {
        data_folder.join("downloads").join(&self.set.name)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_sorted_and_tell_the_size() {
        assert!(sets().is_sorted_by_key(|set| &set.name));
        assert_eq!(sets().len(), 15);
        let names: Vec<String> = sets().iter().flat_map(PublicSet::editions).map(|one| one.name()).collect();
        assert_eq!(names.len(), 12 * 4 + 3);
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        let found = find("bloodmnist_64").unwrap();
        assert_eq!((found.set.name.as_str(), found.side), ("bloodmnist", 64));
        assert_eq!(find("cifar10").unwrap().side, 32);
        for wrong in ["bloodmnist_28", "bloodmnist_65", "mnist_28", "BLOODMNIST", ""] {
            assert!(find(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn a_size_is_chosen_or_refused_with_those_that_exist() {
        let set = find("bloodmnist").unwrap().set;
        assert_eq!(set.edition(None).unwrap().side, 28);
        assert_eq!(set.edition(Some(128)).unwrap().name(), "bloodmnist_128");
        let error = set.edition(Some(32)).unwrap_err();
        assert_eq!(error.to_string(), "bloodmnist has no images of size 32");
        assert_eq!(error.hint(), "it has 28, 64, 128, 224");
    }

    #[test]
    fn every_checksum_is_one_and_none_is_there_twice() {
        let mut seen = BTreeSet::new();
        for (name, remote) in sets().iter().flat_map(PublicSet::editions).flat_map(|one| one.files(None)) {
            let (digits, length) = match &remote.checksum {
                Checksum::Md5(digits) => (digits, 32),
                Checksum::Sha256(digits) => (digits, 64),
            };
            let hexadecimal = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
            assert!(digits.len() == length && digits.chars().all(hexadecimal), "{name}");
            assert!(seen.insert(digits.clone()), "{name}: copied from another file");
        }
    }

    #[test]
    fn class_names_are_as_many_as_classes() {
        for set in sets().iter().filter(|set| !set.class_names.is_empty()) {
            assert_eq!(set.class_names.len(), set.classes, "{}", set.name);
        }
    }

    #[test]
    fn addresses_are_the_publishers_or_a_mirrors() {
        let url = |name: &str, mirror| find(name).unwrap().files(mirror)[0].1.url.clone();
        assert_eq!(
            url("bloodmnist_64", None),
            "https://zenodo.org/records/10519652/files/bloodmnist_64.npz?download=1"
        );
        assert_eq!(url("cifar10", None), "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz");
        assert_eq!(url("bloodmnist", Some("http://here/data/")), "http://here/data/bloodmnist.npz");
    }

    #[test]
    fn one_file_is_opened_itself_and_several_as_their_folder() {
        let path = |name: &str| find(name).unwrap().path(Path::new("cache"));
        assert_eq!(path("bloodmnist_224"), Path::new("cache/downloads/bloodmnist/bloodmnist_224.npz"));
        assert_eq!(path("mnist"), Path::new("cache/downloads/mnist"));
    }
}
