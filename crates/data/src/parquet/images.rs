//! Where the encoded images of Parquet files lie, so that each can be read at any time.
//!
//! Images in pages that are not packed are read from where they lie. Packed pages are unpacked once: into memory, or, where that would
//! take too much, into a file of the cache, from which later openings read. Images stay encoded (JPEG, PNG) in both.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use super::fault::Fault;
use super::pages::{Column, Ranges, Source};
use super::{File, Set, page_limit};
use crate::DataError;
use crate::blob::Blob;
use crate::notice::Notice;
use crate::store::{HEAD, Kept, begin_file, cache_path, finish_file};

/// The share of the memory limit that unpacked pages may take.
const SHARE: u64 = 4;

/// Where an image lies: the number of its blob, its first byte there and its length, which is 0 where a row has no image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place(pub(crate) usize, pub(crate) u64, pub(crate) u64);

/// The images of a set, in the order of its rows.
pub(crate) struct Images {
    /// What was unpacked, then the files.
    pub(crate) blobs: Vec<Blob>,
    pub(crate) places: Vec<Place>,
    /// What there is to say of where they are kept.
    pub(crate) notices: Vec<Notice>,
}

impl Set {
    /// Finds all images. `cache` is the folder to keep unpacked ones in, and the key to keep them under.
    pub(crate) fn images(&self, cache: Option<(&Path, &str)>, limit: u64) -> Result<Images, DataError> {
        let path = cache.map(|(folder, key)| cache_path(folder, "encoded", key));
        if let Some(images) = path.as_deref().and_then(|path| self.kept(path)) {
            return Ok(images);
        }
        let bytes = Bytes::Memory(vec![0; HEAD as usize]);
        let mut unpacked = Unpacked { place: &self.place, path, limit, bytes };
        let mut places = Vec::new();
        for (number, file) in self.files.iter().enumerate() {
            file.find_images(number + 1, (&mut unpacked, &mut places), limit)?;
        }
        let mut notices = Vec::new();
        let first = unpacked.finish(&places, &mut notices)?;
        Ok(Images { blobs: self.blobs(first), places, notices })
    }

    fn blobs(&self, first: Blob) -> Vec<Blob> {
        std::iter::once(first).chain(self.files.iter().map(|file| file.blob.clone())).collect()
    }

    /// What an earlier opening has kept, if it is sound.
    fn kept(&self, path: &Path) -> Option<Images> {
        let kept = Kept::open(path).ok()?;
        let places: Vec<Place> = serde_json::from_slice(&kept.index).ok()?;
        let blobs = self.blobs(Blob::open(path).ok()?);
        let inside = |Place(blob, at, len): &Place| {
            let end = at.checked_add(*len);
            end.is_some_and(|end| blobs.get(*blob).is_some_and(|blob| end <= blob.len()))
        };
        let sound = places.len() == self.rows() && places.iter().all(inside);
        let notices = Some(told(kept.len as u64)).filter(|_| kept.len > 0).into_iter().collect();
        sound.then_some(Images { blobs, places, notices })
    }
}

fn told(bytes: u64) -> Notice {
    let message = format!(
        "images are unpacked once and kept as they are encoded in the cache folder: {} MiB",
        bytes.div_ceil(1 << 20)
    );
    Notice::new("unpacked", message)
}

impl File {
    /// Adds the places of all images of the file, whose blob has the number `number`.
    fn find_images(
        &self,
        number: usize,
        (unpacked, places): (&mut Unpacked<'_>, &mut Vec<Place>),
        limit: u64,
    ) -> Result<(), DataError> {
        let mut add = |source: &mut Source, ranges: Ranges| -> Result<(), Fault> {
            let (blob, base) = match (source.at, source.kept) {
                (Some(at), _) => (number, at),
                (None, Some(kept)) => (0, kept),
                (None, None) => (0, unpacked.add(&source.bytes).map_err(Fault::Other)?),
            };
            source.kept = Some(base).filter(|_| blob == 0);
            let place =
                |range: std::ops::Range<usize>| Place(blob, base + range.start as u64, range.len() as u64);
            places.extend(ranges.into_iter().map(|range| range.map_or(Place(0, 0, 0), place)));
            Ok(())
        };
        for (group_number, group) in self.footer.groups.iter().enumerate() {
            let column = Column {
                blob: &self.blob,
                leaf: &self.footer.leaves[self.bytes],
                chunk: &group.chunks[self.bytes],
                rows: group.rows,
                limit: page_limit(limit),
            };
            column.read(&mut add).map_err(|fault| self.wrong(fault, self.bytes, group_number, limit))?;
        }
        Ok(())
    }
}

/// Pages that are not packed any more.
struct Unpacked<'a> {
    /// The set that they are of.
    place: &'a str,
    /// Where to keep them, and the places of all images.
    path: Option<PathBuf>,
    limit: u64,
    bytes: Bytes,
}

/// Both begin with as many other bytes, so that a place means the same in each.
enum Bytes {
    Memory(Vec<u8>),
    File { file: BufWriter<NamedTempFile>, len: u64, path: PathBuf },
}

impl Unpacked<'_> {
    /// Adds a page and says where it begins.
    fn add(&mut self, page: &[u8]) -> Result<u64, DataError> {
        if let Bytes::Memory(held) = &self.bytes
            && (held.len() + page.len()) as u64 > HEAD + self.limit / SHARE
        {
            self.spill(page.len())?;
        }
        match &mut self.bytes {
            Bytes::Memory(held) => {
                let at = held.len() as u64;
                held.extend_from_slice(page);
                Ok(at)
            }
            Bytes::File { file, len, path } => {
                file.write_all(page).map_err(|source| DataError::Cache { path: path.clone(), source })?;
                let at = *len;
                *len += page.len() as u64;
                Ok(at)
            }
        }
    }

    /// Moves what is in memory to a file.
    fn spill(&mut self, adding: usize) -> Result<(), DataError> {
        let Bytes::Memory(held) = &mut self.bytes else { return Ok(()) };
        let Some(path) = self.path.take() else {
            return Err(DataError::TooLarge {
                place: format!("{}, unpacked,", self.place),
                needed: (held.len() + adding) as u64,
                limit: self.limit / SHARE,
                hint: "give a cache folder, so that unpacked images are kept on disk, or raise the limit"
                    .into(),
            });
        };
        let (held, folder) = (std::mem::take(held), path.parent().unwrap_or(&path));
        let file = begin_file(folder, &held[HEAD as usize..]);
        let file = file.map_err(|source| DataError::Cache { path: path.clone(), source })?;
        self.bytes = Bytes::File { file, len: held.len() as u64, path };
        Ok(())
    }

    /// What was unpacked. Where it is not held in memory, the places are kept too; likewise where images lie in large files, as
    /// the next opening then need not look through all their pages.
    fn finish(self, places: &[Place], notices: &mut Vec<Notice>) -> Result<Blob, DataError> {
        match self.bytes {
            Bytes::File { file, len, path } => {
                let failed = |source| DataError::Cache { path: path.clone(), source };
                finish_file(file, len - HEAD, &places, &path).map_err(failed)?;
                notices.push(told(len - HEAD));
                Blob::open(&path).map_err(failed)
            }
            Bytes::Memory(held) => {
                let all: u64 = places.iter().map(|place| place.2).sum();
                let alone = held.len() as u64 == HEAD && all > self.limit / SHARE;
                let keep = |path: PathBuf| {
                    let empty = begin_file(path.parent().unwrap_or(&path), &[])?;
                    finish_file(empty, 0, &places, &path)
                };
                if let Some(Err(error)) = self.path.filter(|_| alone).map(keep) {
                    let message = format!("where images lie cannot be kept: {error}");
                    notices.push(Notice::new("cache", message));
                }
                Ok(Blob::memory(held))
            }
        }
    }
}
