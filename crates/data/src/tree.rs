//! What lies at a path: one file, the files of a folder, the members of a zip or tar archive, those of several tars (shards), or the
//! rows of Parquet files, seen alike.
//!
//! Formats read from a tree and never learn which of these it is. Gzip is undone on the way. Links in folders are followed
//! wherever they lead, links in archives within the archive; what is no file (named pipes, sockets, devices) is passed
//! over. Names that are not Unicode, or have control characters, are shown with these escaped (`\xff`, `\n`); files without
//! a name, or with one that no system takes, are passed over.

use std::fs;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use flate2::bufread::MultiGzDecoder;
use image::ImageFormat;
use sha2::{Digest, Sha256};
use zip::ZipArchive;

use crate::blob::Blob;
use crate::decode::{PARQUET, format_of, is_dicom, is_nifti, name_of};
use crate::error::read_error;
use crate::links::{self, Link};
use crate::notice::Notice;
use crate::parquet::{Candidate, Place, Set};
use crate::shards;
use crate::store::hex;
use crate::text::escaped;
use crate::{DataError, OpenOptions};

/// Deflate cannot shrink by more than this factor: a member that claims more is damaged or hostile.
const MAX_DEFLATE_RATIO: u64 = 1032;

/// Bytes that tell what a file is: the header of a tar's first member is one block.
const HEAD: u64 = 512;

/// Bytes of a path and of a symbolic link, at most: more no system takes.
const MAX_PATH: usize = 4096;

/// Bytes that tell all other kinds.
const ENOUGH: usize = 32;

/// The files at a path.
pub(crate) struct Tree {
    place: String,
    root: Root,
    /// The files, sorted by path.
    pub(crate) entries: Vec<Entry>,
    /// Folders that hold no file themselves, where they are known.
    pub(crate) folders: Vec<String>,
    /// Tables on disk that lie beside the tree, or that the settings name.
    pub(crate) beside: Vec<PathBuf>,
    /// What was passed over.
    pub(crate) notices: Vec<Notice>,
}

enum Root {
    Folder(PathBuf),
    Zip(ZipArchive<Blob>),
    /// One tar, or several whose members are seen as those of one, under the names of these.
    Tars(Vec<(String, Blob)>),
    /// Rows of Parquet files, and where their images lie.
    Rows(Set, Vec<Blob>),
    File(Blob),
}

/// What was found at a place, before it is a tree.
#[derive(Default)]
struct Found {
    entries: Vec<Entry>,
    folders: Vec<String>,
    notices: Vec<Notice>,
    links: Vec<Link>,
}

impl Found {
    /// Adds the members of a tar, which is called `place`. They keep no checksum of their content: `stamp` is that of the archive.
    fn add_tar(&mut self, place: &str, blob: &Blob, stamp: u64) -> Result<(), DataError> {
        let damaged = |reason: String| DataError::Damaged { place: place.to_owned(), reason };
        let broken = |source: io::Error| damaged(format!("tar: {source}"));
        let mut archive = tar::Archive::new(blob.clone());
        for member in archive.entries_with_seek().map_err(broken)? {
            let member = member.map_err(broken)?;
            let path = tidy(&readable(&member.path_bytes()));
            let kind = member.header().entry_type();
            if let Some(target) =
                member.link_name_bytes().filter(|_| kind.is_symlink() || kind.is_hard_link())
            {
                self.links.push(Link { path, target: readable(&target), hard: kind.is_hard_link() });
                continue;
            }
            match kind {
                kind if kind.is_dir() => self.folders.push(path),
                kind if kind.is_file() => {
                    let (at, size) = (member.raw_file_position(), member.size());
                    if at.checked_add(size).is_none_or(|end| end > blob.len()) {
                        return Err(damaged(format!("tar: {path} goes on beyond the end of the archive")));
                    }
                    self.entries.push(Entry { len: Some(size), at, size, stamp, ..Entry::at(path) });
                }
                _ => passed_over(path).add_to(&mut self.notices),
            }
        }
        Ok(())
    }

    /// Adds what was found in the shard number `archive`, under its name.
    fn add_shard(&mut self, shard: Found, name: &str, archive: usize) {
        let within = |path: String| format!("{name}/{path}");
        let Found { entries, folders, notices, links } = shard;
        let entries = entries.into_iter().map(|entry| Entry { path: within(entry.path), archive, ..entry });
        self.entries.extend(entries);
        self.folders.extend(folders.into_iter().map(within));
        notices.into_iter().for_each(|notice| notice.add_to(&mut self.notices));
        // A hard link names its target from the root of its archive, a symbolic one from its own folder.
        let links = links.into_iter().map(|link| Link {
            path: within(link.path),
            target: if link.hard { within(link.target) } else { link.target },
            ..link
        });
        self.links.extend(links);
    }
}

/// One file of a tree.
#[derive(Clone)]
pub(crate) struct Entry {
    /// Its path within the tree, with `/` between folders; control characters and what is not Unicode are escaped.
    pub(crate) path: String,
    /// Its path as the system has it, where that differs.
    raw: Option<PathBuf>,
    /// What its first bytes say it is, gzip undone.
    pub(crate) kind: Kind,
    /// Its length in bytes, where it can be known without unpacking it.
    pub(crate) len: Option<u64>,
    pub(crate) gzip: bool,
    /// The number of its archive among several tars, or of the blob that holds its row.
    pub(crate) archive: usize,
    /// Where its archive holds it: its number in a zip, its first byte in a tar or blob.
    at: u64,
    /// Its length there, gzip not undone; needed in a tar and in a blob only.
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
    Dicom,
    Nifti,
    Empty,
    /// Known, but not read here: what it is.
    Known(&'static str),
    Other,
    Unreadable,
}

impl Tree {
    /// The tree at `path`.
    pub(crate) fn open(path: &Path, limit: u64) -> Result<Tree, DataError> {
        let place = path.display().to_string();
        let cannot = |source| DataError::Read { place: path.display().to_string(), source };
        let metadata = match fs::metadata(path) {
            Err(_) if let Some(shards) = shards::named(path) => {
                if path.extension().is_some_and(|ending| ending == "parquet") {
                    let files: Vec<&Path> = shards.iter().map(|(_, path)| path.as_path()).collect();
                    return Tree::of_files(place, &files, limit);
                }
                return Tree::of_shards(place, &shards, limit);
            }
            found => found.map_err(cannot)?,
        };
        if metadata.is_dir() {
            let mut walk =
                Walk { found: Found::default(), inside: vec![fs::canonicalize(path).map_err(cannot)?] };
            walk.folder(path, Path::new(""), "").map_err(cannot)?;
            return Tree::new(place, Root::Folder(path.into()), walk.found).ready(limit);
        }
        if !metadata.is_file() {
            let what = "a named pipe, a socket or a device".into();
            return Err(DataError::NotRead { place, what, hint: "save its content as a file first".into() });
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

    /// The tree of some files of one folder.
    pub(crate) fn of_files(place: String, files: &[&Path], limit: u64) -> Result<Tree, DataError> {
        let parent = |path: &Path| path.parent().unwrap_or(Path::new("")).to_owned();
        let mut folder = files.first().map(|path| parent(path)).unwrap_or_default();
        while !files.iter().all(|path| path.starts_with(&folder)) {
            folder = parent(&folder);
        }
        let mut entries = Vec::new();
        for path in files {
            let cannot = |source| DataError::Read { place: path.display().to_string(), source };
            let len = Some(fs::metadata(path).map_err(cannot)?.len());
            let name = path.strip_prefix(&folder).unwrap_or(path).to_string_lossy().into_owned();
            entries.push(Entry { len, stamp: modified(path), ..Entry::at(name) });
        }
        Tree::new(place, Root::Folder(folder), Found { entries, ..Found::default() }).ready(limit)
    }

    /// Where it holds Parquet files and nothing else that has images, the tree of their rows, each a file.
    pub(crate) fn with_rows(mut self, options: &OpenOptions<'_>, limit: u64) -> Result<Tree, DataError> {
        let Some(files) = self.tables()? else { return Ok(self) };
        let stamps = self.entries.iter().map(|entry| entry.stamp).fold(0, u64::wrapping_add);
        let set = Set::open(&self.place, files, &options.settings, limit)?;
        let key = hex(&self.key().chain_update(&set.image).finalize());
        let images = set.images(options.cache_dir.as_deref().map(|folder| (folder, key.as_str())), limit)?;
        let entry = |(path, Place(archive, at, size)): (String, Place)| {
            let kind = if size == 0 { Kind::Empty } else { Kind::Other };
            Entry { kind, len: Some(size), archive, at, size, stamp: stamps, ..Entry::at(path) }
        };
        self.entries = set.names(limit)?.into_iter().zip(images.places).map(entry).collect();
        self.notices.extend(images.notices);
        self.root = Root::Rows(set, images.blobs);
        Ok(self)
    }

    /// The Parquet files, where nothing else has images. Those that are only called so count too: they may be cut short.
    fn tables(&self) -> Result<Option<Vec<Candidate>>, DataError> {
        let is_one = |entry: &&Entry| {
            let called = entry.path.to_ascii_lowercase().ends_with(".parquet");
            !entry.gzip && (entry.kind == Kind::Known(PARQUET) || called)
        };
        let is_other = |entry: &Entry| match entry.kind {
            Kind::Npy | Kind::Zip | Kind::Tar | Kind::Idx | Kind::Image(_) | Kind::Dicom | Kind::Nifti => {
                true
            }
            Kind::Empty | Kind::Known(_) | Kind::Other | Kind::Unreadable => false,
        };
        if self.entries.iter().any(is_other) {
            return Ok(None);
        }
        let open = |(index, entry): (usize, &Entry)| {
            let place = self.place_of(index);
            let blob = match &self.root {
                Root::Folder(root) => Blob::open(&entry.path_in(root)),
                Root::File(blob) => Ok(blob.clone()),
                Root::Zip(_) | Root::Tars(_) | Root::Rows(..) => return None,
            };
            let blob = blob.map_err(|source| DataError::Read { place: place.clone(), source });
            Some(blob.map(|blob| Candidate { path: entry.path.clone(), place, blob }))
        };
        let files = self.entries.iter().enumerate().filter(|(_, entry)| is_one(entry)).filter_map(open);
        let files = files.collect::<Result<Vec<Candidate>, DataError>>()?;
        Ok(Some(files).filter(|files| !files.is_empty()))
    }

    fn new(place: String, root: Root, found: Found) -> Tree {
        let Found { entries, folders, notices, .. } = found;
        Tree { place, root, entries, folders, beside: Vec::new(), notices }
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
        let entries = vec![Entry { len: Some(blob.len()), stamp, ..Entry::at(name) }];
        Tree::new(place, Root::File(blob), Found { entries, ..Found::default() }).ready(limit)
    }

    fn of_zip(place: String, blob: Blob, limit: u64) -> Result<Tree, DataError> {
        let damaged = |source: zip::result::ZipError| DataError::Damaged {
            place: place.clone(),
            reason: format!("zip: {source}"),
        };
        let mut archive = ZipArchive::new(blob).map_err(damaged)?;
        let mut found = Found::default();
        for zip_index in 0..archive.len() {
            let member = archive.by_index_raw(zip_index).map_err(damaged)?;
            let path = tidy(&zip_name(&member));
            if member.is_dir() {
                found.folders.push(path);
                continue;
            }
            let (size, packed) = (member.size(), member.compressed_size());
            if size > packed.saturating_mul(MAX_DEFLATE_RATIO).saturating_add(64) {
                let reason = format!("{path} claims to unpack from {packed} to {size} bytes");
                return Err(DataError::Damaged { place, reason });
            }
            if member.is_symlink() {
                drop(member);
                let (hard, target) = (false, zip_link(&mut archive, zip_index));
                found.links.push(Link { path, target, hard });
                continue;
            }
            let stamp = u64::from(member.crc32());
            let at = zip_index as u64;
            found.entries.push(Entry { len: Some(size), at, size, stamp, ..Entry::at(path) });
        }
        Tree::of_archive(place, Root::Zip(archive), found, limit)
    }

    fn of_tar(place: String, blob: Blob, stamp: u64, limit: u64) -> Result<Tree, DataError> {
        let mut found = Found::default();
        found.add_tar(&place, &blob, stamp)?;
        Tree::of_archive(place, Root::Tars(vec![(String::new(), blob)]), found, limit)
    }

    /// The members of several tars, each at the path of its archive without the ending, then its own.
    fn of_shards(place: String, shards: &[(String, PathBuf)], limit: u64) -> Result<Tree, DataError> {
        let (mut found, mut blobs) = (Found::default(), Vec::new());
        for (archive, (name, path)) in shards.iter().enumerate() {
            let shown = path.display().to_string();
            let blob = Blob::open(path).map_err(|source| DataError::Read { place: shown.clone(), source })?;
            let mut of_shard = Found::default();
            of_shard.add_tar(&shown, &blob, modified(path))?;
            found.add_shard(of_shard, name, archive);
            blobs.push((name.clone(), blob));
        }
        Tree::of_archive(place, Root::Tars(blobs), found, limit)
    }

    /// Follows the links of an archive and leaves out what systems left behind, or could not take.
    fn of_archive(place: String, root: Root, mut found: Found, limit: u64) -> Result<Tree, DataError> {
        found.links.retain(|link| link.path.len().max(link.target.len()) <= MAX_PATH);
        let numbers =
            found.entries.iter().enumerate().map(|(number, entry)| (entry.path.clone(), number)).collect();
        let followed = links::follow(&numbers, &found.links)
            .map_err(|reason| DataError::Damaged { place: place.clone(), reason })?;
        let linked = |(path, number): (String, usize)| Entry { path, ..found.entries[number].clone() };
        let linked: Vec<Entry> = followed.files.into_iter().map(linked).collect();
        found.entries.extend(linked);
        found.entries.retain(|entry| !hidden(&entry.path));
        found.folders.retain(|path| !hidden(path) && is_name(path));
        for entry in found.entries.extract_if(.., |entry| !is_name(&entry.path)) {
            let message = "files without a name, or with one of more than 4096 bytes, are passed over";
            let name = if entry.path.is_empty() { "(no name)" } else { &entry.path };
            Notice::new("passed-over", message).about(name).add_to(&mut found.notices);
        }
        for path in followed.lost.into_iter().filter(|path| !hidden(path)) {
            let message = "links that lead out of the archive, nowhere or in circles are passed over";
            Notice::new("links", message).about(path).add_to(&mut found.notices);
        }
        Tree::new(place, root, found).ready(limit)
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
        if let Root::Folder(root) = &self.root
            && let Some(shards) = shards::among(&self.entries)
        {
            let shards: Vec<(String, PathBuf)> =
                shards.map(|entry| (shards::name(&entry.path), entry.path_in(root))).collect();
            return Tree::of_shards(self.place, &shards, limit);
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
            Root::Zip(_) | Root::Tars(_) | Root::Rows(..) => {
                format!("{}: {}", self.place, self.entries[index].path)
            }
            Root::Folder(root) => self.entries[index].path_in(root).display().to_string(),
        }
    }

    /// Whether the tree is one single file.
    pub(crate) fn is_file(&self) -> bool {
        matches!(self.root, Root::File(_))
    }

    /// The names of the tars that its files lie in; that of a single one is empty.
    pub(crate) fn tars(&self) -> impl Iterator<Item = &str> {
        let tars: &[(String, Blob)] = match &self.root {
            Root::Tars(tars) => tars,
            _ => &[],
        };
        tars.iter().map(|(name, _)| name.as_str())
    }

    /// The Parquet files whose rows its files are.
    pub(crate) fn rows(&self) -> Option<&Set> {
        match &self.root {
            Root::Rows(set, _) => Some(set),
            _ => None,
        }
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
                let path = entry.path_in(root);
                let mut file = fs::File::open(&path)
                    .map_err(|source| DataError::Read { place: path.display().to_string(), source })?;
                Ok(read(&mut file))
            }
            Root::Tars(blobs) => self.within(index, &blobs[entry.archive].1, read),
            Root::Rows(_, blobs) => self.within(index, &blobs[entry.archive], read),
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

    /// Hands a reader over entry `index`, which lies in `blob` as it is.
    fn within<T>(
        &self,
        index: usize,
        blob: &Blob,
        read: impl FnOnce(&mut dyn Read) -> T,
    ) -> Result<T, DataError> {
        let (entry, mut blob) = (&self.entries[index], blob.clone());
        let sought = blob.seek(SeekFrom::Start(entry.at));
        sought.map_err(|source| read_error(&self.place_of(index), source))?;
        Ok(read(&mut blob.take(entry.size)))
    }

    /// All bytes of entry `index`, at most `limit`.
    pub(crate) fn bytes(&self, index: usize, limit: u64) -> Result<Vec<u8>, DataError> {
        let place = || self.place_of(index);
        // Files are as long as the system says; what archives say of their members is not believed.
        let len = self.entries[index]
            .len
            .filter(|len| matches!(self.root, Root::Folder(_) | Root::Rows(..)) && *len <= limit);
        let room = len.and_then(|len| usize::try_from(len).ok()).map_or(0, |len| len + 1);
        let bytes = self.with_reader(index, |reader| {
            let mut bytes = Vec::with_capacity(room);
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

    /// Entry `index` as bytes of which any can be read; nothing where it is packed or lies in an archive.
    pub(crate) fn blob(&self, index: usize) -> Result<Option<Blob>, DataError> {
        let entry = &self.entries[index];
        match &self.root {
            _ if entry.gzip => Ok(None),
            Root::File(blob) => Ok(Some(blob.clone())),
            Root::Folder(root) => {
                let path = entry.path_in(root);
                let read = |source| DataError::Read { place: path.display().to_string(), source };
                Blob::open(&path).map(Some).map_err(read)
            }
            Root::Zip(_) | Root::Tars(_) | Root::Rows(..) => Ok(None),
        }
    }

    /// The first bytes of entry `index`, at most `count`.
    pub(crate) fn head(&self, index: usize, count: u64) -> Result<Vec<u8>, DataError> {
        self.with_reader(index, |reader| {
            let mut bytes = Vec::new();
            let read = reader.take(count).read_to_end(&mut bytes);
            read.map_err(|source| read_error(&self.place_of(index), source))?;
            Ok(bytes)
        })
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
        for path in &self.beside {
            hash.update(path.as_os_str().as_encoded_bytes());
            hash.update(modified(path).to_le_bytes());
        }
        hash
    }
}

impl Entry {
    /// A file at `path` of which no more is known.
    fn at(path: String) -> Entry {
        let (kind, raw, len) = (Kind::Other, None, None);
        Entry { path, raw, kind, len, gzip: false, archive: 0, at: 0, size: 0, stamp: 0 }
    }

    /// Where it is on disk, in the folder `root`.
    fn path_in(&self, root: &Path) -> PathBuf {
        root.join(self.raw.as_deref().unwrap_or(Path::new(&self.path)))
    }
}

/// The way through the folders on a disk.
struct Walk {
    found: Found,
    /// The folders that are walked now, one in the other, without links in their paths.
    inside: Vec<PathBuf>,
}

impl Walk {
    /// Notes the files of `folder`, which is called `raw` seen from the root, and shown as `prefix`.
    fn folder(&mut self, folder: &Path, raw: &Path, prefix: &str) -> io::Result<()> {
        let before = self.found.entries.len();
        for item in fs::read_dir(folder)? {
            let item = item?;
            let name = readable(item.file_name().as_encoded_bytes());
            if hidden(&name) {
                continue;
            }
            let Ok(metadata) = fs::metadata(item.path()) else {
                continue; // a link that leads nowhere
            };
            let (path, raw) = (format!("{prefix}{name}"), raw.join(item.file_name()));
            if metadata.is_dir() {
                self.enter(&item, &raw, &path)?;
            } else if metadata.is_file() {
                let (len, stamp) = (Some(metadata.len()), modified(&item.path()));
                let raw = Some(raw).filter(|raw| raw.to_str() != Some(&path));
                self.found.entries.push(Entry { raw, len, stamp, ..Entry::at(path) });
            } else {
                passed_over(path).add_to(&mut self.found.notices);
            }
        }
        if self.found.entries.len() == before && !prefix.is_empty() {
            self.found.folders.push(prefix.trim_end_matches('/').into());
        }
        Ok(())
    }

    /// Walks the folder `item`, unless it is a link to a folder that is walked now: following it would never end.
    fn enter(&mut self, item: &fs::DirEntry, raw: &Path, path: &str) -> io::Result<()> {
        let target = match item.file_type()?.is_symlink() {
            true => fs::canonicalize(item.path())?,
            false => self.inside.last().map_or(item.path(), |folder| folder.join(item.file_name())),
        };
        if self.inside.iter().any(|folder| folder.starts_with(&target)) {
            return Ok(());
        }
        self.inside.push(target);
        self.folder(&item.path(), raw, &format!("{path}/"))?;
        self.inside.pop();
        Ok(())
    }
}

fn passed_over(path: String) -> Notice {
    let message = "what is no file (a named pipe, a socket, a device) is passed over";
    Notice::new("passed-over", message).about(path)
}

/// A name for people: control characters and bytes that are not Unicode are escaped.
fn readable(name: &[u8]) -> String {
    let mut text = String::new();
    for chunk in name.utf8_chunks() {
        text.push_str(&escaped(chunk.valid()));
        chunk.invalid().iter().for_each(|byte| text.push_str(&format!("\\x{byte:02x}")));
    }
    text
}

/// A path without empty parts and `.`.
fn tidy(path: &str) -> String {
    path.split('/').filter(|part| !part.is_empty() && *part != ".").collect::<Vec<_>>().join("/")
}

/// Whether a file can have this path.
fn is_name(path: &str) -> bool {
    (1..=MAX_PATH).contains(&path.len())
}

/// The name of a member: UTF-8 if it can be that, else code page 437, as the format has it, unless the member claims to
/// be UTF-8.
fn zip_name(member: &zip::read::ZipFile<'_, Blob>) -> String {
    let raw = member.name_raw();
    match std::str::from_utf8(raw) {
        Ok(name) => escaped(&name.replace('\\', "/")),
        // Read as UTF-8 it has characters that stand for others; code page 437 has none of these.
        Err(_) if member.name().contains(char::REPLACEMENT_CHARACTER) => readable(raw),
        Err(_) => escaped(&member.name().replace('\\', "/")),
    }
}

/// What a symbolic link in a zip names; nothing when that cannot be read.
fn zip_link(archive: &mut ZipArchive<Blob>, zip_index: usize) -> String {
    let mut target = Vec::new();
    let read =
        archive.by_index(zip_index).map(|member| member.take(MAX_PATH as u64).read_to_end(&mut target));
    if matches!(read, Ok(Ok(_))) { readable(&target) } else { String::new() }
}

/// Nanoseconds since 1970 of the last change; 0 where the system keeps none.
fn modified(path: &Path) -> u64 {
    let time = fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    time.and_then(|time| time.duration_since(UNIX_EPOCH).ok()).map_or(0, |since| since.as_nanos() as u64)
}

/// Files and folders that systems leave behind and no one means, in lower case; also all that begin with a dot.
const LEFT_BEHIND: &[&str] = &[
    "__macosx",
    "thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
    "@eadir",
    "@recycle",
    "#recycle",
    "#snapshot",
    "$recycle.bin",
    "recycler",
    "system volume information",
    "lost+found",
    "__pycache__",
];

fn hidden(path: &str) -> bool {
    let left_behind = |part: &str| LEFT_BEHIND.iter().any(|name| part.eq_ignore_ascii_case(name));
    path.split('/').any(|part| part.starts_with('.') && part != ".." || left_behind(part))
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
            _ if is_dicom(head) => Kind::Dicom,
            _ if is_nifti(head) => Kind::Nifti,
            _ if is_tar(head) => Kind::Tar,
            _ => match name_of(head) {
                Some(name) => Kind::Known(name),
                None => Kind::Other,
            },
        },
    }
}

/// Whether `head` begins a tar: newer ones say so, in old ones the checksum of the first member's header is right.
fn is_tar(head: &[u8]) -> bool {
    let sum = |field: &[u8]| field.iter().map(|&byte| u32::from(byte)).sum::<u32>();
    let said = |field: &[u8]| {
        let digits = std::str::from_utf8(field).ok()?.trim_matches(['\0', ' ']);
        u32::from_str_radix(digits, 8).ok()
    };
    let checked = |head: &[u8]| said(&head[148..156]) == Some(sum(&head[..148]) + 8 * 32 + sum(&head[156..]));
    head.get(257..262) == Some(b"ustar") || head.get(..512).is_some_and(checked)
}
