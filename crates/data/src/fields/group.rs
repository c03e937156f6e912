//! Files by what a pattern says of them.

use std::collections::{BTreeMap, BTreeSet};

use super::pattern::{CHANNEL, Pattern};
use super::{Field, Fields};
use crate::notice::Notice;

/// What names and folders say of a field but for the channel.
type Key = (String, Vec<String>);

/// The files that fit a pattern, by field and channel.
pub(super) struct Fits {
    groups: BTreeMap<Key, BTreeMap<String, usize>>,
    /// The number of the first file of every group, so that fields are in the order of files.
    fitting: BTreeSet<usize>,
    columns: Vec<String>,
    /// Two files of one field and channel.
    pub(super) twice: Option<[usize; 2]>,
}

impl Fits {
    /// The files at `paths` that fit; `known` says whether a channel may be called so.
    pub(super) fn of(paths: &[Option<&str>], pattern: &Pattern, known: &dyn Fn(&str) -> bool) -> Fits {
        let named = |wanted: &dyn Fn(&str) -> bool| -> Vec<usize> {
            (0..pattern.names().len()).filter(|&at| wanted(&pattern.names()[at])).collect()
        };
        let channel = named(&|name| name == CHANNEL);
        let others = named(&|name| name != CHANNEL && !name.is_empty());
        let columns = others.iter().map(|&at| pattern.names()[at].clone()).collect();
        let mut fits = Fits { groups: BTreeMap::new(), fitting: BTreeSet::new(), columns, twice: None };
        for (number, path) in paths.iter().enumerate() {
            let Some(fit) = path.and_then(|path| pattern.fit(path)) else { continue };
            let Some(channel) = channel.first().map(|&at| &fit.values[at]).filter(|name| known(name)) else {
                continue;
            };
            let values = others.iter().map(|&at| fit.values[at].clone()).collect();
            fits.fitting.insert(number);
            let group = fits.groups.entry((fit.above.to_owned(), values)).or_default();
            if let Some(other) = group.insert(channel.clone(), number) {
                fits.twice.get_or_insert([other, number]);
            }
        }
        fits
    }

    /// The number of files that fit.
    pub(super) fn files(&self) -> usize {
        self.fitting.len()
    }

    /// The number of fields.
    pub(super) fn len(&self) -> usize {
        self.groups.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Fields that have all channels of the set.
    pub(super) fn into_fields(self, paths: &[Option<&str>], origin: String) -> Fields {
        let path = |number: usize| paths[number].unwrap_or_default();
        let (channels, rare) = self.channels();
        let mut rest = Notice::new("no-channel", format!("files that have no {origin} are left out"));
        let unfit = (0..paths.len()).filter(|number| !self.fitting.contains(number));
        rest = unfit.filter_map(|number| paths[number]).fold(rest, Notice::about);
        let message = format!(
            "files of channels that fewer than half of the fields have are left out: {}",
            rare.join(", ")
        );
        let mut of_rare = Notice::new("rare-channels", message);
        let mut missing = Notice::new("missing-channels", "fields that lack a channel are left out");
        let mut fields = Vec::with_capacity(self.groups.len());
        for ((_, values), files) in self.groups {
            let of_field: Option<Vec<usize>> = channels.iter().map(|name| files.get(name).copied()).collect();
            of_rare = rare
                .iter()
                .filter_map(|name| files.get(name))
                .fold(of_rare, |told, &file| told.about(path(file)));
            match (of_field, files.values().min()) {
                (Some(files), _) => fields.push(Field { files, values }),
                (None, Some(&first)) => {
                    let lacks: Vec<&str> = channels
                        .iter()
                        .filter(|name| !files.contains_key(*name))
                        .map(String::as_str)
                        .collect();
                    missing = missing.about(format!("{}: no {}", path(first), lacks.join(", ")));
                }
                (None, None) => {}
            }
        }
        fields.sort_by_key(|field| field.files.iter().min().copied());
        let notices = [rest, of_rare, missing].into_iter().filter(|notice| notice.count > 0).collect();
        let mut merged =
            Fields { origin, channels, columns: self.columns, fields, notices, ..Fields::default() };
        merged.add_wells();
        merged
    }

    /// The channels that at least half of the fields have, and all others.
    fn channels(&self) -> (Vec<String>, Vec<String>) {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        let names = self.groups.values().flat_map(BTreeMap::keys);
        names.for_each(|name| *counts.entry(name).or_default() += 1);
        let mut all: Vec<&str> = counts.keys().copied().collect();
        let number = |name: &&str| name.parse::<u64>().ok();
        if all.iter().all(|name| number(name).is_some()) {
            all.sort_by_key(number);
        }
        let (often, rare): (Vec<&str>, Vec<&str>) =
            all.into_iter().partition(|name| counts[name] * 2 >= self.groups.len());
        let owned = |names: Vec<&str>| names.into_iter().map(String::from).collect();
        (owned(often), owned(rare))
    }
}

impl Fields {
    /// Makes wells (`A01`) of rows and columns, where names say these alone.
    fn add_wells(&mut self) {
        let place = |name: &str| self.columns.iter().position(|column| column == name);
        let (None, Some(row), Some(column)) = (place("well"), place("row"), place("column")) else { return };
        self.columns.insert(0, "well".into());
        for field in &mut self.fields {
            let well = well(&field.values[row], &field.values[column]);
            field.values.insert(0, well);
        }
    }
}

/// The name of a well by row and column; rows may be numbers from 1 on.
fn well(row: &str, column: &str) -> String {
    let letter = |number: u32| char::from(b'A' + (number % 26) as u8);
    let row = match row.parse::<u32>() {
        Ok(number @ 1..=26) => letter(number - 1).to_string(),
        Ok(number @ 27..=702) => format!("{}{}", letter((number - 27) / 26), letter((number - 1) % 26)),
        _ => row.to_owned(),
    };
    match column.parse::<u32>() {
        Ok(column) => format!("{row}{column:02}"),
        Err(_) => format!("{row}{column}"),
    }
}
