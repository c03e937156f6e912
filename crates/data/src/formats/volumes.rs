//! Volumes among the files of a set: what they are called, the two files of a pair, and the columns that tell slices apart.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::decode::is_pair;
use crate::table::{Known, stem};
use crate::tree::{Kind, Tree};

/// Bytes of a header with whatever lies behind it, at most, where its numbers are in another file.
const MAX_HEADER: u64 = 1 << 20;

/// Whether entry `index` is a volume.
pub(super) fn is_volume(tree: &Tree, index: usize) -> bool {
    tree.entries[index].kind == Kind::Nifti
}

/// The paths that the numbers of the pair with this header can have.
fn numbers_beside(header: &str) -> impl Iterator<Item = String> {
    let stem = stem(header).to_owned();
    ["img", "img.gz", "IMG"].into_iter().map(move |ending| format!("{stem}.{ending}"))
}

/// The entry that holds the numbers of the header at `entry`, if that can be the header of a pair.
pub(super) fn numbers_of(tree: &Tree, entry: usize) -> Option<usize> {
    let path = tree.entries[entry].path.as_str();
    let known = |path: String| tree.entries.binary_search_by(|entry| entry.path.cmp(&path)).ok();
    numbers_beside(path).filter_map(known).find(|&numbers| numbers != entry)
}

/// The file with the numbers of the pair whose header is at `path`.
pub(crate) fn beside(path: &Path, tree: &Tree) -> Option<PathBuf> {
    tree.bytes(0, MAX_HEADER).ok().filter(|header| is_pair(header))?;
    numbers_beside(path.to_str()?).map(PathBuf::from).find(|path| path.is_file())
}

/// The entries that are the numbers of a header in the tree: no images of their own, whatever they begin with.
pub(super) fn numbers(tree: &Tree) -> BTreeSet<usize> {
    let volumes = (0..tree.entries.len()).filter(|&index| is_volume(tree, index));
    volumes.filter_map(|index| numbers_of(tree, index)).collect()
}

/// What files among `images` that hold several images are called: by their name without the ending, or where several have the same,
/// by their path without the ending.
pub(super) fn names(tree: &Tree, images: impl Iterator<Item = usize>) -> BTreeMap<usize, String> {
    let path = |index: usize| stem(&tree.entries[index].path).to_owned();
    let file = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
    let paths: BTreeMap<usize, String> = images.map(|index| (index, path(index))).collect();
    let files: BTreeSet<String> = paths.values().map(|path| file(path)).collect();
    match files.len() == paths.len() {
        true => paths.into_iter().map(|(index, path)| (index, file(&path))).collect(),
        false => paths,
    }
}

/// Adds two columns, which say of which volume an image is and which of its slices. Returns their places; the cells of the
/// latter are left empty.
pub(super) fn add_columns(tree: &Tree, images: &[usize], known: &mut Known) -> Option<[usize; 2]> {
    let names = names(tree, images.iter().copied().filter(|&index| is_volume(tree, index)));
    if names.is_empty() {
        return None;
    }
    let name = |image: usize| names.get(&images[image]).cloned().unwrap_or_default();
    let volume = known.add_column("volume", images.len(), name);
    Some([volume, known.add_column("slice", images.len(), |_| String::new())])
}
