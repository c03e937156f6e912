//! Lists of the training images whose labels are used: `labels_from`, as the lists of 1 % and 10 % of ImageNet that came with
//! SimCLR. One image a line: its file name (`n02442845_10212.JPEG`), or as much of its path as tells it from others.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::error::read_error;
use crate::notice::Notice;
use crate::store::hex;
use crate::text::{NAME, shown};
use crate::wrap::LabelShare;
use crate::{DataError, DataSet, ImageSource};

/// Bytes of a list, at most.
const MAX_LIST: u64 = 256 << 20;

/// Names that a message shows.
const SHOWN: usize = 5;

const NAMES: &str = "each line is the file name of a training image, or as much of its path as tells it from others: CLASS/NAME";
const HELD_OUT: &str = "each line is the file name of a training image; {splits} complete holds out no image but the test images";

impl DataSet {
    /// The same set of which only the labels of the training images in the list at `path` are known; labels that are not given
    /// are labels changed, so the fingerprint is another.
    ///
    /// # Errors
    /// A list that cannot be read or is empty; names that are doubled, that no training image or several have, or of images
    /// without a label, all counted; no training images.
    pub(crate) fn labelled_by(mut self, path: &Path) -> Result<DataSet, DataError> {
        let list = List::read(path)?;
        let train = self.splits.train.clone().ok_or(DataError::NoSamples { what: "a list of labels" })?;
        let known = list.find(train.as_ref())?;
        let sha256 = list.sha256();
        let (listed, images) = (known.len(), train.len());
        let message = format!(
            "labels of {listed} of {images} training images are used, those in {} (SHA-256 {}...)",
            list.place,
            &sha256[..8]
        );
        Notice::new("labels-from", message).add_to(&mut self.notices);
        self.splits.train = Some(Arc::new(LabelShare::of(train, known)));
        self.fingerprint = hex(&Sha256::digest(format!("{} labels of {sha256}", self.fingerprint)));
        Ok(self)
    }
}

/// The names in a list, each once.
struct List {
    place: String,
    names: BTreeSet<String>,
}

impl List {
    fn read(path: &Path) -> Result<List, DataError> {
        let place = path.display().to_string();
        let mut text = String::new();
        let file = File::open(path).map_err(|source| read_error(&place, source))?;
        file.take(MAX_LIST).read_to_string(&mut text).map_err(|source| read_error(&place, source))?;
        let (mut names, mut doubled) = (BTreeSet::new(), Vec::new());
        for name in text.lines().map(str::trim).filter(|name| !name.is_empty()) {
            if !names.insert(name.to_owned()) {
                doubled.push(name);
            }
        }
        let list = List { place, names };
        if list.names.is_empty() {
            return Err(DataError::Empty { place: list.place });
        }
        list.refuse(&doubled, "stand in it more than once", "name each image once")?;
        Ok(list)
    }

    /// The indices in `train` of the images that it names, ascending.
    fn find(&self, train: &dyn ImageSource) -> Result<Vec<usize>, DataError> {
        let names: Vec<String> = (0..train.len()).map(|index| train.name(index)).collect();
        let mut by_file: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (index, name) in names.iter().enumerate() {
            by_file.entry(file_of(name)).or_default().push(index);
        }
        let images = |listed: &str| -> Vec<usize> {
            let same_file = by_file.get(file_of(listed)).into_iter().flatten().copied();
            same_file.filter(|&index| ends_with(&names[index], listed)).collect()
        };
        let found: Vec<(&str, Vec<usize>)> =
            self.names.iter().map(|listed| (listed.as_str(), images(listed))).collect();
        let of = |which: &dyn Fn(&[usize]) -> bool| -> Vec<&str> {
            found.iter().filter(|(_, images)| which(images)).map(|(listed, _)| *listed).collect()
        };
        self.refuse(&of(&|images| images.is_empty()), "are of no training image", HELD_OUT)?;
        self.refuse(&of(&|images| images.len() > 1), "are of several training images each", NAMES)?;
        let unlabelled =
            |images: &[usize]| images.iter().any(|&at| train.label(at).is_none() && train.tags(at).is_none());
        self.refuse(&of(&unlabelled), "are of images without a label", "leave them out of the list")?;
        self.refuse(&twice(&found), "are of an image that another line names too", "name each image once")?;
        let mut known: Vec<usize> = found.iter().flat_map(|(_, images)| images).copied().collect();
        known.sort_unstable();
        Ok(known)
    }

    /// An error with the number and the first of `names`, if there are any.
    fn refuse(&self, names: &[&str], what: &str, hint: &'static str) -> Result<(), DataError> {
        if names.is_empty() {
            return Ok(());
        }
        let first: Vec<String> = names.iter().take(SHOWN).map(|name| shown(name, NAME)).collect();
        let more = if names.len() > SHOWN { ", ..." } else { "" };
        let total = self.names.len();
        let reason = format!("{} of {total} names {what}: {}{more}", names.len(), first.join(", "));
        Err(DataError::WrongList { place: self.place.clone(), reason, hint })
    }

    /// SHA-256 of the names, whatever their order.
    fn sha256(&self) -> String {
        let mut hash = Sha256::new();
        self.names.iter().for_each(|name| hash.update(format!("{name}\n")));
        hex(&hash.finalize())
    }
}

/// The lines that name an image which an earlier line names.
fn twice<'n>(found: &[(&'n str, Vec<usize>)]) -> Vec<&'n str> {
    let mut seen = BTreeSet::new();
    let again = found.iter().filter(|(_, images)| !images.iter().all(|&index| seen.insert(index)));
    again.map(|(listed, _)| *listed).collect()
}

fn file_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Whether `path` is `end`, or ends in it after a folder.
fn ends_with(path: &str, end: &str) -> bool {
    path.strip_suffix(end).is_some_and(|before| before.is_empty() || before.ends_with('/'))
}
