//! Public data sets in figures: what each holds, and what of it is here.

use std::path::Path;

use serde::Serialize;

use super::{Edition, PublicSet, Remote, sets};

/// A public data set in figures.
#[derive(Clone, Debug, Serialize)]
pub struct Listing {
    /// Its name.
    pub name: &'static str,
    /// What is on the images.
    pub summary: &'static str,
    /// How many there are.
    pub images: Images,
    /// Number of classes.
    pub classes: usize,
    /// 1 for grey, 3 for RGB.
    pub channels: usize,
    /// Under which licence it is published.
    pub licence: &'static str,
    /// Its sizes, smallest first.
    pub editions: Vec<EditionListing>,
}

/// Numbers of images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Images {
    /// To learn from.
    pub train: u32,
    /// To choose by; 0 where the set defines none.
    pub val: u32,
    /// To judge by.
    pub test: u32,
}

/// A data set in one of its sizes.
#[derive(Clone, Debug, Serialize)]
pub struct EditionListing {
    /// The name by which it is fetched and opened.
    pub name: String,
    /// The side of its images in pixels.
    pub side: usize,
    /// Its files on the network.
    pub files: Vec<Remote>,
    /// Whether all of them are here.
    pub here: bool,
}

/// All public data sets, by name; `data_folder` is where those that were fetched lie, if anywhere.
pub fn listing(data_folder: Option<&Path>) -> Vec<Listing> {
    sets().iter().map(|set| Listing::of(set, data_folder)).collect()
}

impl Listing {
    fn of(set: &'static PublicSet, data_folder: Option<&Path>) -> Listing {
        let edition = |edition: Edition| EditionListing {
            name: edition.name(),
            side: edition.side,
            files: edition.files(None).into_iter().map(|(_, remote)| remote).collect(),
            here: data_folder.is_some_and(|folder| edition.is_here(folder)),
        };
        let [train, val, test] = set.images;
        Listing {
            name: &set.name,
            summary: &set.summary,
            images: Images { train, val, test },
            classes: set.classes,
            channels: set.channels,
            licence: &set.licence,
            editions: set.editions().into_iter().map(edition).collect(),
        }
    }

    /// Bytes of the files of all sizes; none where a publisher does not tell them.
    pub fn bytes(&self) -> Option<u64> {
        self.editions.iter().flat_map(|edition| &edition.files).map(|file| file.bytes).sum()
    }
}

impl Images {
    /// All together.
    pub fn sum(self) -> u32 {
        self.train + self.val + self.test
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_set_is_listed_with_its_sizes() {
        let here = tempfile::tempdir().unwrap();
        let all = listing(Some(here.path()));
        let find = |name: &str| all.iter().find(|one| one.name == name).unwrap();
        let sides: Vec<usize> = find("bloodmnist").editions.iter().map(|edition| edition.side).collect();
        assert_eq!((sides, find("bloodmnist").bytes()), (vec![28, 64, 128, 224], None));
        assert_eq!(find("mnist").images.sum(), 70_000);
        assert!(find("mnist").bytes().is_some_and(|bytes| bytes > 10 << 20));
        assert!(all.iter().flat_map(|one| &one.editions).all(|edition| !edition.here));
    }
}
