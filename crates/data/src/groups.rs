//! Images that belong together: of one patient, plate, slide or centre.
//!
//! Images of one group are more alike than others, whatever their class. Where some of them are learnt from and others tested
//! on, an encoder is praised for knowing the patient: slices of MRI that were split by slice instead of by patient raised
//! accuracies by 29 to 55 points (Yagis et al., "Effect of data leakage in brain MRI classification using 2D convolutional neural
//! networks", Scientific Reports 11, 2021). So a column of metadata can be named as that of groups
//! ([`DataSettings::group`]): drawn splits do not divide them, and given splits that do are refused.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::notice::Notice;
use crate::source::{SplitOrigin, Splits};
use crate::table::is_missing;
use crate::text::{in_hint, shown};
use crate::{DataError, DataSettings, ImageSource, SharedGroups, Split};

/// What columns are called whose values are groups, without spaces and in lower case, `id` left out; the first that is there
/// is told.
const TELLING: &[&str] = &[
    "patient",
    "subject",
    "participant",
    "person",
    "donor",
    "animal",
    "mouse",
    "case",
    "specimen",
    "lesion",
    "slide",
    "wsi",
    "studyinstance",
    "study",
    "seriesinstance",
    "series",
    "scan",
    "volume",
    "plate",
    "centre",
    "center",
    "hospital",
    "institution",
];

/// What stands before or behind such a name.
const BEFORE: &[&str] = &["image", "metadata"];
const BEHIND: &[&str] = &["uid", "id", "number", "name", "barcode"];

/// Names of groups that an error shows.
const SHOWN: usize = 5;

/// The groups of a data set in figures.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GroupInspection {
    /// The column whose values are groups.
    pub column: String,
    /// Number of groups; an image without a value is one by itself.
    pub groups: usize,
    /// Median of the number of images in a group.
    pub median_images: f64,
    /// Number of images in the largest group.
    pub most_images: usize,
    /// Images without a value.
    pub without: usize,
    /// Groups that have images in more than one split.
    pub shared_groups: usize,
    /// Validation and test images whose group has images in another split.
    pub shared_images: usize,
    /// Their share of the validation and test images; 0 where there are none.
    pub shared_share: f64,
}

impl std::fmt::Display for GroupInspection {
    /// ``55 by the column `plate`, of 92 images (median) to 240 (largest); 3 stand in more than one split (40 held-out images,
    /// 2.5 %)``
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let GroupInspection { column, groups, median_images, most_images, .. } = self;
        write!(
            f,
            "{groups} by the column `{column}`, of {median_images} images (median) to {most_images} (largest); "
        )?;
        match self.shared_groups {
            0 => write!(f, "none stands in more than one split"),
            count => write!(
                f,
                "{count} stand in more than one split ({} held-out images, {:.1} %)",
                self.shared_images,
                100.0 * self.shared_share
            ),
        }
    }
}

/// A number for the group of each image of `source`, from 0 on in the order of first images: images of one group have one
/// number, an image without a group has a number of its own. `None` where no groups are known.
pub fn group_numbers(source: &dyn ImageSource) -> Option<Vec<u32>> {
    source.group_column()?;
    let mut numbers = vec![0; source.len()];
    for (number, members) in members(source, 0..source.len()).iter().enumerate() {
        members.iter().for_each(|&index| numbers[index] = number as u32);
    }
    Some(numbers)
}

/// A number for the value of each image of `source` in that column, from 0 on in the order of first images; `None` for images without a
/// value.
pub fn column_numbers(source: &dyn ImageSource, column: usize) -> Vec<Option<usize>> {
    let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
    let mut number = |index: usize| {
        let text = value(source.metadata(index), column)?;
        let next = numbers.len();
        Some(*numbers.entry(text).or_insert(next))
    };
    (0..source.len()).map(&mut number).collect()
}

/// The images `indices` by group, in the order of first images; an image without a group is one by itself.
pub(crate) fn members(source: &dyn ImageSource, indices: impl IntoIterator<Item = usize>) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    for index in indices {
        let place = source.group(index).map(|group| *places.entry(group).or_insert(groups.len()));
        match place.filter(|&place| place < groups.len()) {
            Some(place) => groups[place].push(index),
            None => groups.push(vec![index]),
        }
    }
    groups
}

/// The first of `columns` by name that seems to hold groups, and has a value for some of the images of this `metadata`.
pub(crate) fn telling<'a>(columns: &'a [String], metadata: &[Vec<String>]) -> Option<&'a String> {
    let plain: Vec<String> = columns.iter().map(|column| plain(column)).collect();
    let known = |place: &usize| metadata.iter().any(|cells| value(cells, *place).is_some());
    let place = |telling: &&str| plain.iter().position(|column| column == *telling).filter(known);
    TELLING.iter().find_map(place).map(|place| &columns[place])
}

/// The value that groups an image, if it is one: empty texts and those that stand for "none" are not.
pub(crate) fn value(metadata: &[String], column: usize) -> Option<&str> {
    metadata.get(column).map(String::as_str).filter(|text| !is_missing(text))
}

/// All such values.
fn values(source: &dyn ImageSource, column: usize) -> impl Iterator<Item = &str> {
    (0..source.len()).filter_map(move |index| value(source.metadata(index), column))
}

/// The place among `columns` of the one that is `wanted`: written alike, or else but for case. `place` is what the data set is called,
/// `option` how a hint calls what names the column (`{group}`).
///
/// # Errors
/// No such column.
pub fn find_column(place: &str, columns: &[String], wanted: &str, option: &str) -> Result<usize, DataError> {
    let same = |other: &String| other.to_lowercase() == wanted.to_lowercase();
    let found = columns.iter().position(|column| column == wanted);
    found.or_else(|| columns.iter().position(same)).ok_or_else(|| no_column(place, columns, wanted, option))
}

fn no_column(place: &str, columns: &[String], wanted: &str, option: &str) -> DataError {
    let place = place.to_owned();
    if columns.is_empty() {
        let reason = format!("there is no column {wanted:?}, as nothing is known of its images but labels");
        let hint = "columns are those of a table beside the images; {labels} FILE states the table";
        return DataError::WrongTable { place, reason, hint: hint.into() };
    }
    let lower = wanted.to_lowercase();
    let distance = |column: &&String| strsim::damerau_levenshtein(&lower, &column.to_lowercase());
    // Of a much longer one (a file may hold any) no distance is taken.
    let alike = columns.iter().filter(|column| column.len() <= 2 * wanted.len());
    let near = alike.min_by_key(distance).filter(|near| distance(near) <= lower.chars().count() / 2);
    let reason =
        format!("no column {wanted:?} is known of its images; known columns are {}", columns.join(", "));
    let hint = match near {
        Some(near) => format!("did you mean {option} {}?", in_hint(near)),
        None => format!("choose one of these with {option}"),
    };
    DataError::WrongTable { place, reason, hint }
}

/// The groups that have images in more than one split.
#[derive(Default)]
struct Shared<'a> {
    /// All groups there are, those of single images too.
    groups: usize,
    /// Those in more than one split.
    names: Vec<&'a str>,
    /// Held-out images of these.
    images: usize,
    held_out: usize,
}

impl<'a> Shared<'a> {
    /// By a column, of all splits.
    fn of(splits: &'a Splits, column: usize) -> Shared<'a> {
        let mut shared = Shared::default();
        // By group: its images in each split.
        let mut counts: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
        for (at, split) in Split::ALL.into_iter().enumerate() {
            let Some(source) = splits.get(split) else { continue };
            shared.held_out += if split == Split::Train { 0 } else { source.len() };
            for index in 0..source.len() {
                match value(source.metadata(index), column) {
                    Some(group) => counts.entry(group).or_default()[at] += 1,
                    None => shared.groups += 1,
                }
            }
        }
        shared.groups += counts.len();
        for (name, counts) in counts {
            if counts.iter().filter(|&&count| count > 0).count() > 1 {
                shared.names.push(name);
                shared.images += counts[1] + counts[2];
            }
        }
        shared
    }

    fn share(&self) -> f64 {
        if self.held_out == 0 { 0.0 } else { self.images as f64 / self.held_out as f64 }
    }

    /// `stand in more than one split (300 of 1590 held-out images, 18.9 %)`.
    fn told(&self) -> String {
        let percent = 100.0 * self.share();
        format!(
            "stand in more than one split ({} of {} held-out images, {percent:.1} %)",
            self.images, self.held_out
        )
    }
}

/// What is to be told of groups, once there are splits.
///
/// # Errors
/// [`DataError::SharedGroups`]: splits that a set has, not drawn, divide groups, and that is not allowed.
pub(crate) fn check(
    place: &str,
    splits: &Splits,
    origin: SplitOrigin,
    settings: &DataSettings,
) -> Result<Vec<Notice>, DataError> {
    let sources = || Split::ALL.into_iter().filter_map(|split| splits.get(split));
    let Some(first) = sources().next() else { return Ok(Vec::new()) };
    let Some(column) = first.group_column() else {
        return Ok(ungrouped(splits, origin).into_iter().collect());
    };
    let name = &first.columns()[column];
    let mut notices = Vec::new();
    let message = format!("images have no value in the column `{name}`, and each is a group of its own");
    let without = sources().flat_map(|source| (0..source.len()).map(move |index| (source, index)));
    let without = without.filter(|(source, index)| source.group(*index).is_none());
    let without = without.fold(Notice::new("without-group", message), |notice, (source, index)| {
        notice.about(source.name(index))
    });
    notices.extend(Some(without).filter(|notice| notice.count > 0));
    let asked = !settings.group.is_empty();
    if !asked && matches!(origin, SplitOrigin::Drawn | SplitOrigin::ValFromTrain) {
        let message = format!("splits were drawn so that images of one `{name}` are in one of them");
        notices.push(Notice::new("groups", message).hint("`{group} COLUMN` names another column"));
    }
    let shared = Shared::of(splits, column);
    if shared.names.is_empty() {
        return Ok(notices);
    }
    if asked && settings.shared_groups == SharedGroups::Refuse {
        return Err(DataError::SharedGroups {
            place: place.to_owned(),
            column: name.clone(),
            groups: shared.names.len(),
            of: shared.groups,
            images: shared.images,
            held_out: shared.held_out,
            first: shared.names.iter().take(SHOWN).map(ToString::to_string).collect(),
        });
    }
    let message = format!("groups of `{name}` {}", shared.told());
    let told = shared.names.iter().fold(Notice::new("shared-groups", message), Notice::about);
    notices.push(told.hint("`{splits} drawn` draws splits that divide none"));
    Ok(notices)
}

/// Tells a column that seems to hold groups, where none is named.
fn ungrouped(splits: &Splits, origin: SplitOrigin) -> Option<Notice> {
    let sources: Vec<_> = Split::ALL.into_iter().filter_map(|split| splits.get(split)).collect();
    if sources.len() < 2 {
        return None;
    }
    let columns = sources[0].columns();
    let plain: Vec<String> = columns.iter().map(|column| plain(column)).collect();
    let named = TELLING.iter().filter_map(|telling| plain.iter().position(|column| column == telling));
    // One value groups nothing apart, and a value for each image nothing together.
    let telling = |column: &usize| {
        let of = |source| values(source, *column);
        let distinct =
            sources.iter().flat_map(|source| of(source.as_ref())).collect::<BTreeSet<&str>>().len();
        distinct > 1 && distinct < sources.iter().map(|source| of(source.as_ref()).count()).sum()
    };
    let column = named.into_iter().find(telling)?;
    let (name, shared) = (shown(&columns[column], SHOWN_COLUMN), Shared::of(splits, column));
    let drawn = matches!(origin, SplitOrigin::Drawn | SplitOrigin::ValFromTrain);
    let whose = if drawn { "drawn" } else { "given" };
    let message = match shared.names.len() {
        0 => format!("there is a column `{name}`, of which no value stands in more than one split"),
        count => format!(
            "there is a column `{name}`, which {whose} splits divide: {count} of {} values {}",
            shared.groups,
            shared.told()
        ),
    };
    let hint = format!("`{{group}} {}` keeps images of one `{name}` together", in_hint(&columns[column]));
    Some(Notice::new("groups", message).hint(hint))
}

/// Bytes of a column's name in a notice, at most.
const SHOWN_COLUMN: usize = 60;

/// A column's name as [`TELLING`] has it.
fn plain(column: &str) -> String {
    let letters = column.chars().filter(|letter| letter.is_alphanumeric());
    let mut plain: String = letters.flat_map(char::to_lowercase).collect();
    let keep = |rest: Option<&str>| rest.filter(|rest| !rest.is_empty()).map(str::to_owned);
    for before in BEFORE {
        plain = keep(plain.strip_prefix(before)).unwrap_or(plain);
    }
    BEHIND.iter().find_map(|behind| keep(plain.strip_suffix(behind))).unwrap_or(plain)
}

/// The groups of `splits` in figures; none where no groups are known.
pub(crate) fn inspect(splits: &Splits) -> Option<GroupInspection> {
    let sources = || Split::ALL.into_iter().filter_map(|split| splits.get(split));
    let first = sources().next()?;
    let column = first.group_column()?;
    let mut sizes: BTreeMap<&str, usize> = BTreeMap::new();
    let mut without = 0;
    for source in sources() {
        for index in 0..source.len() {
            match source.group(index) {
                Some(group) => *sizes.entry(group).or_default() += 1,
                None => without += 1,
            }
        }
    }
    let mut sizes: Vec<usize> = sizes.into_values().chain(std::iter::repeat_n(1, without)).collect();
    sizes.sort_unstable();
    let largest = *sizes.last()?;
    let middle = [sizes[(sizes.len() - 1) / 2], sizes[sizes.len() / 2]];
    let shared = Shared::of(splits, column);
    Some(GroupInspection {
        column: first.columns()[column].clone(),
        groups: sizes.len(),
        median_images: (middle[0] + middle[1]) as f64 / 2.0,
        most_images: largest,
        without,
        shared_groups: shared.names.len(),
        shared_images: shared.images,
        shared_share: shared.share(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_groups_are_known_by_their_usual_names() {
        for (name, expected) in [
            ("patient_id", "patient"),
            ("PatientID", "patient"),
            ("Metadata_Plate", "plate"),
            ("Image_Metadata_Plate", "plate"),
            ("SeriesInstanceUID", "seriesinstance"),
            ("id", "id"),
            ("image", "image"),
        ] {
            assert_eq!(plain(name), expected, "{name}");
        }
        assert!(!TELLING.contains(&plain("site").as_str()), "fields of a well are no groups");
    }

    #[test]
    fn a_column_that_is_not_there_is_refused_with_the_nearest() {
        let columns = ["patient", "plate"].map(String::from);
        assert_eq!(find_column("a", &columns, "Plate", "{group}").unwrap(), 1);
        let error = find_column("cells.zip", &columns, "pateint", "{group}").unwrap_err();
        let told = error.to_string();
        assert_eq!(
            told,
            "cells.zip: no column \"pateint\" is known of its images; known columns are patient, plate"
        );
        assert_eq!(error.hint(), "did you mean {group} patient?");
        assert_eq!(
            find_column("a", &columns, "hospital", "{group}").unwrap_err().hint(),
            "choose one of these with {group}"
        );
        let none = find_column("a", &[], "plate", "{group}").unwrap_err();
        assert!(none.to_string().contains("nothing is known"), "{none}");
    }
}
