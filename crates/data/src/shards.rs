//! Several tar archives that hold one data set, as WebDataset and img2dataset write it: which they are.
//!
//! Shards are all tars of a folder, or those that a pattern in braces names: `train-{000000..000146}.tar`. They are never unpacked:
//! a member is found by its place in its archive, so that images are read in any order.

use std::path::{Path, PathBuf};

use crate::names::{Meaning, Role};
use crate::tree::{Entry, Kind};

/// The most shards that a pattern may name.
const MOST: usize = 1_000_000;

/// Endings of files that may lie beside shards: lists of lengths, descriptions.
const BESIDE: [&str; 5] = [".json", ".txt", ".md", ".yaml", ".idx"];

/// The shards among the files of a folder: its tars, if there are several and nothing else is there but descriptions.
pub(crate) fn among(entries: &[Entry]) -> Option<impl Iterator<Item = &Entry>> {
    let is_shard = |entry: &&Entry| entry.kind == Kind::Tar && !entry.gzip;
    let is_beside = |entry: &Entry| BESIDE.iter().any(|ending| entry.path.ends_with(ending));
    let several = entries.iter().filter(is_shard).nth(1).is_some();
    let alone = entries.iter().all(|entry| is_shard(&entry) || is_beside(entry));
    (several && alone).then(|| entries.iter().filter(is_shard))
}

/// What a shard is called: its path without the ending.
pub(crate) fn name(path: &str) -> String {
    [".tar", ".parquet"].iter().find_map(|ending| path.strip_suffix(ending)).unwrap_or(path).to_owned()
}

/// The split that the name of a shard says, or that of a folder that it lies in.
pub(crate) fn role(name: &str) -> Option<Role> {
    let mut roles = name.split('/').rev().filter_map(|name| Meaning::of(name).role);
    roles.find(|role| matches!(role, Role::Split(_) | Role::Unlabelled))
}

/// The shards that a path with a range in braces names, in order, each with its name; nothing where it holds none.
pub(crate) fn named(path: &Path) -> Option<Vec<(String, PathBuf)>> {
    let text = path.to_str()?;
    let (before, rest) = text.split_once('{')?;
    let (range, after) = rest.split_once('}')?;
    let (first, last) = range.split_once("..")?;
    let (from, to): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
    let width = if first.len() == last.len() { first.len() } else { 0 };
    if from > to || to - from >= MOST {
        return None;
    }
    let shard = |number: usize| {
        let path = PathBuf::from(format!("{before}{number:0width$}{after}"));
        (name(&path.file_name().unwrap_or_default().to_string_lossy()), path)
    };
    Some((from..=to).map(shard).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_in_braces_names_shards() {
        let shards = named(Path::new("a/train-{008..010}.tar")).unwrap();
        let names: Vec<&str> = shards.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["train-008", "train-009", "train-010"]);
        assert_eq!(shards[2].1, Path::new("a/train-010.tar"));
        let names = |path: &str| named(Path::new(path)).map(|shards| shards.len());
        assert_eq!(names("x-{9..11}.tar"), Some(3));
        for none in ["x.tar", "x-{1.tar", "x-{3..1}.tar", "x-{a..b}.tar", "x-{0..99999999}.tar"] {
            assert_eq!(names(none), None, "{none}");
        }
    }
}
