//! Splits by the folders that the settings name.

use std::cmp::Reverse;

use super::wrappers::shared_below;
use super::{Item, Place, Reading, folders_of};
use crate::names::Meaning;
use crate::notice::Notice;
use crate::{DataError, DataSettings, Split};

/// Splits by the names of folders that the settings give.
struct Stated(Vec<(Vec<String>, Split)>);

/// Where in a path the folder of a split stands.
struct Hit {
    at: usize,
    len: usize,
    split: Split,
}

impl Reading<'_> {
    /// Splits by the names that the settings give; folders that they do not name keep what their name says.
    pub(super) fn divide_as_stated(&mut self) -> Result<(), DataError> {
        let stated = Stated::of(self.settings);
        if let Some((name, split)) =
            stated.0.iter().find(|(name, _)| !self.items.iter().any(|item| at(name, item).is_some()))
        {
            return Err(DataError::BadOption {
                name: "split_folders",
                expected: format!("folders that hold images: {}", self.describe(0)),
                got: format!("{}={}", split.name(), name.join("/")),
            });
        }
        let message = "images outside the stated folders of the splits are left out";
        let notice = Notice::new("left-out", message).hint("`{split_folder} train=FOLDER` takes them in");
        self.leave_out(notice, |item| stated.split_of(item).is_none());
        let items = std::mem::take(&mut self.items);
        let mut rests = items.clone();
        for item in &mut rests {
            let cut = stated.split_of(item).map_or(0, |hit| hit.end(item));
            item.folders.drain(..cut);
        }
        let wrapped = shared_below(&rests);
        let classes_above = rests.iter().all(|item| item.folders.is_empty());
        let drawn = self.drawn();
        for (item, rest) in items.into_iter().zip(rests) {
            let Some(hit) = stated.split_of(&item) else { continue };
            let above = item.folders[..hit.at].last().filter(|_| classes_above);
            let class = rest.folders.get(wrapped).or(above).cloned();
            self.places[item.number] = Place::In { split: Some(hit.split).filter(|_| !drawn), class };
        }
        Ok(())
    }
}

impl Stated {
    fn of(settings: &DataSettings) -> Stated {
        let folders = settings.split_folders.iter();
        let names = folders.flat_map(|(split, names)| names.iter().map(|name| (folders_of(name), *split)));
        Stated(names.collect())
    }

    /// The split of an item: of several, that of the outermost folder, of these of the longest; else by its name.
    fn split_of(&self, item: &Item<'_>) -> Option<Hit> {
        let hit = |(name, split): &(Vec<String>, Split)| {
            Some(Hit { at: at(name, item)?, len: name.len(), split: *split })
        };
        let by_name = || {
            let split = |(at, name): (usize, &String)| {
                Some(Hit { at, len: 1, split: Meaning::of(name).clean_split()? })
            };
            item.folders.iter().enumerate().find_map(split)
        };
        self.0.iter().filter_map(hit).min_by_key(|hit| (hit.at, Reverse(hit.len))).or_else(by_name)
    }
}

impl Hit {
    /// Where what lies below begins: a folder of the same name once more is looked through.
    fn end(&self, item: &Item<'_>) -> usize {
        let end = self.at + self.len;
        end + usize::from(item.folders.get(end) == item.folders.get(end - 1))
    }
}

/// Where a folder, or several in each other, stand in an item's path.
fn at(name: &[String], item: &Item<'_>) -> Option<usize> {
    if name.is_empty() { None } else { item.folders.windows(name.len()).position(|window| window == name) }
}
