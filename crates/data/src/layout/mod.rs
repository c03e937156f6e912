//! What folders mean: from the paths of images alone to the split and class of each.
//!
//! Steps, each of which looks at names and numbers only:
//!
//! 1. [`DataSettings::member`] chooses a folder; the others are left out.
//! 2. `images/` beside `masks/` (labels, annotations, previews): the images are read, their companions left out.
//! 3. Folders that hold everything (as archives often have) are looked through, down to the last above the files.
//! 4. A folder that holds the set once more is left out.
//! 5. Folders called like splits ([`crate::names`]) are splits, above the classes (`train/cat`) or below (`cat/train`).
//! 6. The topmost folder that is left is the class; files in deeper folders belong to it.
//!
//! Whatever is left out or guessed is told. Where a test image might get into training, the set is refused:
//!
//! | folders | read as |
//! |---|---|
//! | `train/cat val/cat test/cat` | splits and classes |
//! | `... unlabeled/` | joins the training images, without labels |
//! | `... images to predict/` | left out |
//! | `cat/train cat/test dog/train` | classes and splits |
//! | `train/ cats/`, `train1/ train2/ test1/`, `train/` and an empty `test/` | refused |
//! | `cat/ dog/` | classes, undivided |

mod divide;
mod level;
mod notices;
mod selection;
mod stated;
mod wrappers;

use unicode_normalization::{UnicodeNormalization, is_nfc};

use crate::notice::Notice;
use crate::{DataError, DataSettings, Split, SplitPolicy};

/// Where an image belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the set: in a split, if folders divide it, and in a class, if folders say so.
    In { split: Option<Split>, class: Option<String> },
    /// Beside the folders that divide the set.
    Outside,
    /// Left out; a notice says why.
    LeftOut,
}

/// What the folders of a set mean.
#[derive(Debug)]
pub(crate) struct Layout {
    /// For every path, in their order.
    pub(crate) places: Vec<Place>,
    /// What was guessed or left out.
    pub(crate) notices: Vec<Notice>,
}

/// An image and the folders that it lies in, outermost first: those that are not understood yet.
#[derive(Clone)]
struct Item<'a> {
    number: usize,
    folders: Vec<String>,
    file: &'a str,
}

/// The state of understanding.
struct Reading<'a> {
    place: &'a str,
    paths: &'a [&'a str],
    settings: &'a DataSettings,
    /// Images whose place is not known yet.
    items: Vec<Item<'a>>,
    /// Folders without images, as far below as the items are.
    barren: Vec<Vec<String>>,
    places: Vec<Place>,
    notices: Vec<Notice>,
}

/// What the folders of `paths` (of images, below `place`) mean. `barren` are folders without any image read here.
pub(crate) fn understand(
    place: &str,
    paths: &[&str],
    barren: &[String],
    settings: &DataSettings,
) -> Result<Layout, DataError> {
    let items: Vec<Item<'_>> =
        paths.iter().enumerate().map(|(number, path)| Item::of(number, path)).collect();
    let all = items.clone();
    let barren = barren.iter().map(|path| folders_of(path)).collect();
    let places = vec![Place::LeftOut; paths.len()];
    let mut reading = Reading { place, paths, settings, items, barren, places, notices: Vec::new() };
    reading.choose_member()?;
    reading.drop_companions();
    if settings.split_folders.is_empty() {
        reading.unwrap();
        reading.divide()?;
    } else {
        reading.divide_as_stated()?;
    }
    reading.tell_tests(&all);
    Ok(Layout { places: reading.places, notices: reading.notices })
}

/// A name in the form in which it is compared: composed letters (NFC), so that one name is one name.
pub(crate) fn composed(name: &str) -> String {
    if is_nfc(name) { name.into() } else { name.nfc().collect() }
}

fn folders_of(path: &str) -> Vec<String> {
    path.split('/').filter(|part| !part.is_empty() && *part != ".").map(composed).collect()
}

impl<'a> Item<'a> {
    fn of(number: usize, path: &'a str) -> Item<'a> {
        let mut folders = folders_of(path);
        folders.pop();
        Item { number, folders, file: path.rsplit('/').next().unwrap_or(path) }
    }

    fn top(&self) -> Option<&str> {
        self.folders.first().map(String::as_str)
    }
}

impl<'a> Reading<'a> {
    /// Takes the items out that `out` names, and tells it.
    fn leave_out(&mut self, notice: Notice, out: impl Fn(&Item<'a>) -> bool) {
        let (out, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut self.items).into_iter().partition(out);
        self.items = kept;
        let notice = out.iter().fold(notice, |notice, item| notice.about(self.paths[item.number]));
        if notice.count > 0 {
            notice.add_to(&mut self.notices);
        }
    }

    /// Whether splits are decided without the folders.
    fn drawn(&self) -> bool {
        matches!(self.settings.splits, SplitPolicy::Drawn | SplitPolicy::Column)
    }
}
