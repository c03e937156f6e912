//! What lies at a path: one file, the files of a folder, or the members of a zip or tar archive, seen alike.
//!
//! Formats read from a tree and never learn which of these it is. Gzip is undone on the way.

use std::fs;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use flate2::bufread::MultiGzDecoder;
use image::ImageFormat;
use sha2::{Digest, Sha256};
use zip::ZipArchive;

use crate::DataError;
use crate::blob::Blob;
use crate::decode::format_of;
use crate::error::read_error;

/// Deflate cannot shrink by more than this factor: a member that claims more is damaged or hostile.
const MAX_DEFLATE_RATIO: u64 = 1032;

/// Bytes that tell what a file is: a tar says it after the name and rights of its first member.
const HEAD: u64 = 262;

/// Bytes that tell all other kinds.
const ENOUGH: usize = 32;

/// The files at a path.
pub(crate) struct Tree {
    place: String,
    root: Root,
    /// The files, sorted by path.
    pub(crate) entries: Vec<Entry>,
}

enum Root {
    Folder(PathBuf),
    Zip(ZipArchive<Blob>),
    Tar(Blob),
    File(Blob),
}

/// One file of a tree.
pub(crate) struct Entry {
    /// Its path within the tree, with `/` between folders.
    pub(crate) path: String,
    /// What its first bytes say it is, gzip undone.
    pub(crate) kind: Kind,
    /// Its length in bytes, where it can be known without unpacking it.
    pub(crate) len: Option<u64>,
    gzip: bool,
    /// Where its archive holds it: its number in a zip, its first byte in a tar.
    at: u64,
    /// Its length there, gzip not undone; needed in a tar only.
    size: u64,
    stamp: u64,
}

/// What a file is, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Npy,
    Zip,
    Tar,
    Idx,
    Image(ImageFormat),
    Empty,
    Other,
    Unreadable,
}

impl Tree {
    /// The tree at `path`.
    pub(crate) fn open(path: &Path, limit: u64) -> Result<Tree, DataError> {
        let place = path.display().to_string();
        let cannot = |source| DataError::Read { place: path.display().to_string(), source };
        if fs::metadata(path).map_err(cannot)?.is_dir() {
            let mut found = Vec::new();
            walk(path, "", &mut found).map_err(cannot)?;
            return Tree { place, root: Root::Folder(path.into()), entries: found }.ready(limit);
        }
        let blob = Blob::open(path).map_err(cannot)?;
        let name = path.file_name().map_or(place.clone(), |name| name.to_string_lossy().into_owned());
        Tree::of_blob(place, name, blob, modified(path), limit)
    }

    /// The tree of a file that is already in memory.
    pub(crate) fn in_memory(
        name: &str,
        bytes: impl AsRef<[u8]> + Send + Sync + 'static,
        limit: u64,
    ) -> Result<Tree, DataError> {
        Tree::of_blob(name.into(), name.into(), Blob::memory(bytes), 0, limit)
    }

    /// The tree of two files in one folder.
    pub(crate) fn pair(first: &Path, second: &Path, limit: u64) -> Result<Tree, DataError> {
        let folder = first.parent().unwrap_or(Path::new(""));
        let mut entries = Vec::new();
        for path in [first, second] {
            let cannot = |source| DataError::Read { place: path.display().to_string(), source };
            let len = Some(fs::metadata(path).map_err(cannot)?.len());
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let stamp = modified(path);
            entries.push(Entry { path: name, kind: Kind::Other, len, gzip: false, at: 0, size: 0, stamp });
        }
        Tree { place: first.display().to_string(), root: Root::Folder(folder.into()), entries }.ready(limit)
    }

    fn of_blob(place: String, name: String, blob: Blob, stamp: u64, limit: u64) -> Result<Tree, DataError> {
        if blob.len() == 0 {
            return Err(DataError::Empty { place });
        }
        let head = head_of(blob.clone()).map_err(|source| read_error(&place, source))?;
        match kind_of(&head) {
            Kind::Zip => return Tree::of_zip(place, blob, limit),
            Kind::Tar => return Tree::of_tar(place, blob, stamp, limit),
            _ => {}
        }
        let len = Some(blob.len());
        let entry = Entry { path: name, kind: Kind::Other, len, gzip: false, at: 0, size: 0, stamp };
        Tree { place, root: Root::File(blob), entries: vec![entry] }.ready(limit)
    }

    fn of_zip(place: String, blob: Blob, limit: u64) -> Result<Tree, DataError> {
        let damaged = |source: zip::result::ZipError| DataError::Damaged {
            place: place.clone(),
            reason: format!("zip: {source}"),
        };
        let mut archive = ZipArchive::new(blob).map_err(damaged)?;
        let mut entries = Vec::new();
        for zip_index in 0..archive.len() {
            let member = archive.by_index_raw(zip_index).map_err(damaged)?;
            let path = member.name().replace('\\', "/").trim_start_matches("./").to_string();
            if member.is_dir() || hidden(&path) {
                continue;
            }
            let (size, packed) = (member.size(), member.compressed_size());
            if size > packed.saturating_mul(MAX_DEFLATE_RATIO).saturating_add(64) {
                let reason = format!("{path} claims to unpack from {packed} to {size} bytes");
                return Err(DataError::Damaged { place, reason });
            }
            let stamp = u64::from(member.crc32());
            let at = zip_index as u64;
            entries.push(Entry { path, kind: Kind::Other, len: Some(size), gzip: false, at, size, stamp });
        }
        Tree { place, root: Root::Zip(archive), entries }.ready(limit)
    }

    /// The members of a tar keep no checksum of their content: `stamp` is that of the archive.
    fn of_tar(place: String, blob: Blob, stamp: u64, limit: u64) -> Result<Tree, DataError> {
        let damaged = |reason: String| DataError::Damaged { place: place.clone(), reason };
        let broken = |source: io::Error| damaged(format!("tar: {source}"));
        let mut archive = tar::Archive::new(blob.clone());
        let mut entries = Vec::new();
        for member in archive.entries_with_seek().map_err(broken)? {
            let member = member.map_err(broken)?;
            let path = String::from_utf8_lossy(&member.path_bytes()).trim_start_matches("./").to_owned();
            if !member.header().entry_type().is_file() || hidden(&path) {
                continue;
            }
            let (at, size) = (member.raw_file_position(), member.size());
            if at.checked_add(size).is_none_or(|end| end > blob.len()) {
                return Err(damaged(format!("tar: {path} goes on beyond the end of the archive")));
            }
            entries.push(Entry { path, kind: Kind::Other, len: Some(size), gzip: false, at, size, stamp });
        }
        drop(archive);
        Tree { place, root: Root::Tar(blob), entries }.ready(limit)
    }

    /// Sorts and classifies the entries; a lone archive within a folder or archive is opened in its place.
    fn ready(mut self, limit: u64) -> Result<Tree, DataError> {
        self.entries.sort_by(|a, b| a.path.cmp(&b.path));
        for index in 0..self.entries.len() {
            let (kind, gzip) = self.classify(index);
            self.entries[index].kind = kind;
            self.entries[index].gzip = gzip;
            self.entries[index].len = self.entries[index].len.filter(|_| !gzip);
        }
        if let [only] = &self.entries[..]
            && matches!(only.kind, Kind::Zip | Kind::Tar)
        {
            let (kind, stamp) = (only.kind, only.stamp);
            let (place, blob) = (self.place_of(0), Blob::memory(self.bytes(0, limit)?));
            return match kind {
                Kind::Zip => Tree::of_zip(place, blob, limit),
                _ => Tree::of_tar(place, blob, stamp, limit),
            };
        }
        Ok(self)
    }

    fn classify(&self, index: usize) -> (Kind, bool) {
        let raw = self.with_raw(index, |reader| head_of(reader));
        let Ok(Ok(head)) = raw else { return (Kind::Unreadable, false) };
        if !head.starts_with(&[0x1f, 0x8b]) {
            return (kind_of(&head), false);
        }
        match self.with_raw(index, |reader| head_of(MultiGzDecoder::new(BufReader::new(reader)))) {
            Ok(Ok(head)) => (kind_of(&head), true),
            _ => (Kind::Unreadable, true),
        }
    }

    /// How the tree is called in messages.
    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    /// How entry `index` is called in messages.
    pub(crate) fn place_of(&self, index: usize) -> String {
        match &self.root {
            Root::File(_) => self.place.clone(),
            Root::Zip(_) | Root::Tar(_) => format!("{}: {}", self.place, self.entries[index].path),
            Root::Folder(root) => root.join(&self.entries[index].path).display().to_string(),
        }
    }

    /// Whether the tree is one single file.
    pub(crate) fn is_file(&self) -> bool {
        matches!(self.root, Root::File(_))
    }

    /// Hands a reader over entry `index`, gzip undone, to `read`. What is read is checked against the
    /// container's checksum when the end is reached.
    pub(crate) fn with_reader<T>(
        &self,
        index: usize,
        read: impl FnOnce(&mut dyn Read) -> Result<T, DataError>,
    ) -> Result<T, DataError> {
        let gzip = self.entries[index].gzip;
        self.with_raw(index, |reader| match gzip {
            true => read(&mut MultiGzDecoder::new(BufReader::new(reader))),
            false => read(reader),
        })?
    }

    fn with_raw<T>(&self, index: usize, read: impl FnOnce(&mut dyn Read) -> T) -> Result<T, DataError> {
        let entry = &self.entries[index];
        match &self.root {
            Root::File(blob) => Ok(read(&mut blob.clone())),
            Root::Folder(root) => {
                let path = root.join(&entry.path);
                let mut file = fs::File::open(&path)
                    .map_err(|source| DataError::Read { place: path.display().to_string(), source })?;
                Ok(read(&mut file))
            }
            Root::Tar(blob) => {
                let mut blob = blob.clone();
                let sought = blob.seek(SeekFrom::Start(entry.at));
                sought.map_err(|source| read_error(&self.place_of(index), source))?;
                Ok(read(&mut blob.take(entry.size)))
            }
            Root::Zip(archive) => {
                let mut archive = archive.clone();
                let mut member =
                    archive.by_index(usize::try_from(entry.at).unwrap_or(usize::MAX)).map_err(|source| {
                        DataError::Damaged { place: self.place_of(index), reason: format!("zip: {source}") }
                    })?;
                Ok(read(&mut member))
            }
        }
    }

    /// All bytes of entry `index`, at most `limit`.
    pub(crate) fn bytes(&self, index: usize, limit: u64) -> Result<Vec<u8>, DataError> {
        let place = || self.place_of(index);
        let bytes = self.with_reader(index, |reader| {
            let mut bytes = Vec::new();
            let limited = &mut reader.take(limit.saturating_add(1));
            limited.read_to_end(&mut bytes).map_err(|source| read_error(&place(), source))?;
            Ok(bytes)
        })?;
        if bytes.len() as u64 > limit {
            return Err(DataError::TooLarge {
                place: place(),
                needed: bytes.len() as u64,
                limit,
                hint: "raise the memory limit, or unpack the file".into(),
            });
        }
        Ok(bytes)
    }

    /// Digest of where the tree is and of every file's path, length and time stamp (in archives: checksum):
    /// it changes when the content does, and is known without reading the content.
    pub(crate) fn key(&self) -> Sha256 {
        let mut hash = Sha256::new();
        let canonical = fs::canonicalize(&self.place).map(|path| path.display().to_string());
        hash.update(canonical.as_deref().unwrap_or(&self.place));
        for entry in &self.entries {
            hash.update((entry.path.len() as u64).to_le_bytes());
            hash.update(&entry.path);
            hash.update(entry.len.unwrap_or(u64::MAX).to_le_bytes());
            hash.update(entry.stamp.to_le_bytes());
        }
        hash
    }
}

fn walk(folder: &Path, prefix: &str, found: &mut Vec<Entry>) -> io::Result<()> {
    for item in fs::read_dir(folder)? {
        let item = item?;
        let name = item.file_name().to_string_lossy().into_owned();
        if hidden(&name) {
            continue;
        }
        let path = format!("{prefix}{name}");
        let Ok(metadata) = fs::metadata(item.path()) else {
            continue; // a link that leads nowhere
        };
        if metadata.is_dir() {
            if !item.file_type()?.is_symlink() || !leads_back(&item.path(), folder) {
                walk(&item.path(), &format!("{path}/"), found)?;
            }
        } else {
            let (len, stamp) = (Some(metadata.len()), modified(&item.path()));
            found.push(Entry { path, kind: Kind::Other, len, gzip: false, at: 0, size: 0, stamp });
        }
    }
    Ok(())
}

/// Whether the link leads to a folder that holds `folder`, so that following it would never end.
fn leads_back(link: &Path, folder: &Path) -> bool {
    match (fs::canonicalize(link), fs::canonicalize(folder)) {
        (Ok(target), Ok(folder)) => folder.starts_with(target),
        _ => true,
    }
}

/// Nanoseconds since 1970 of the last change; 0 where the system keeps none.
fn modified(path: &Path) -> u64 {
    let time = fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    time.and_then(|time| time.duration_since(UNIX_EPOCH).ok()).map_or(0, |since| since.as_nanos() as u64)
}

/// Files that systems leave behind and no one means.
fn hidden(path: &str) -> bool {
    path.split('/').any(|part| part.starts_with('.') || part == "__MACOSX" || part == "Thumbs.db")
}

fn head_of(reader: impl Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    match reader.take(HEAD).read_to_end(&mut head) {
        // What breaks off later is still known by its first bytes, and is told as damaged when it is read.
        Err(error) if head.len() < ENOUGH => Err(error),
        _ => Ok(head),
    }
}

fn kind_of(head: &[u8]) -> Kind {
    match head {
        [] => Kind::Empty,
        [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => Kind::Npy,
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Kind::Zip,
        [0, 0, 0x08 | 0x09 | 0x0B..=0x0E, 1..=4, ..] => Kind::Idx,
        _ => match format_of(head) {
            Some(format) => Kind::Image(format),
            _ if head.get(257..262) == Some(b"ustar") => Kind::Tar,
            _ => Kind::Other,
        },
    }
}
