//! Decoded images in one block, in memory or mapped from a cache file; or files that are decoded when their image is asked for.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use memmap2::Mmap;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use crate::decode::{About, Refusal};
use crate::fields::Fields;
use crate::notice::Notice;
use crate::source::Skipped;
use crate::text::{NAME, escaped, shown};
use crate::{
    DataError, DataSettings, Image, ImageSource, OnBadSample, OpenOptions, PixelType, Pixels, Split, Tag,
};

/// All images of a set, part after part, each as it was decoded.
pub(crate) struct Store {
    bytes: Bytes,
    offsets: Vec<usize>,
    channels: usize,
    pixel_type: PixelType,
    /// Grey is given as RGB.
    pub(crate) rgb: bool,
    /// The column of metadata whose values are groups.
    pub(crate) group: Option<usize>,
    pub(crate) index: Index,
}

enum Bytes {
    Memory(Vec<u8>),
    Mapped {
        map: Mmap,
        len: usize,
    },
    /// Not held: decoded from the file of each image.
    Files(Arc<dyn ImageFiles>),
}

/// Files that can be decoded at any time.
pub(crate) trait ImageFiles: Send + Sync {
    /// The image at a place; `None` if there is none any more.
    fn image(&self, place: &FilePlace) -> Result<Option<Image>, DataError>;
}

/// Where an image comes from.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct FilePlace {
    /// The number of its file, or of those of its channels.
    pub(crate) entries: Box<[usize]>,
    /// Its place among the images of that file; its number among the tiles of a slide.
    pub(crate) page: usize,
    /// Bytes that decoding the file takes.
    pub(crate) bytes: u64,
}

/// Files are decoded on demand if so many can be decoded at a time within the limit.
const AT_A_TIME: u64 = 8;

/// Everything about the stored images but their pixels; the foot of a cache file.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Index {
    records: Vec<Record>,
    /// Paths of the images; empty where the part's name and a number say it.
    names: Vec<String>,
    pub(crate) parts: Vec<Part>,
    pub(crate) classes: Vec<String>,
    /// What is said of all images alike.
    #[serde(default)]
    pub(crate) about: About,
    pub(crate) skipped: Skipped,
    pub(crate) notices: Vec<Notice>,
    /// What the images' metadata are called.
    columns: Vec<String>,
    /// Whether a number means the same in every image, whatever its type.
    #[serde(default)]
    one_scale: bool,
    /// The column that names what drawn splits do not divide.
    #[serde(default)]
    pub(crate) group: Option<String>,
    pub(crate) fingerprint: String,
    /// Where images are decoded from when they are needed; empty where their pixels are kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    places: Vec<FilePlace>,
    /// Whether images were not decoded when the set was read, however few they are.
    #[serde(default)]
    unread: bool,
}

#[derive(Serialize, Deserialize)]
struct Record {
    height: u32,
    width: u32,
    channels: u32,
    pixel_type: PixelType,
    label: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tags: Option<Vec<Tag>>,
    /// One text for each of the index's columns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    metadata: Vec<String>,
}

/// A run of images that belong together.
#[derive(Serialize, Deserialize)]
pub(crate) struct Part {
    /// The split that the set says it is; `None` where the set is undivided.
    pub(crate) split: Option<Split>,
    /// What messages call it.
    name: String,
    /// The images.
    pub(crate) range: Range<usize>,
}

impl Index {
    /// Whether every image has a file, of which several can be decoded at a time within `limit` bytes.
    fn are_files(&self, limit: u64) -> bool {
        let small = |place: &FilePlace| place.bytes.saturating_mul(AT_A_TIME) <= limit;
        self.places.len() == self.records.len() && self.places.iter().all(small)
    }
}

impl Record {
    fn bytes(&self) -> usize {
        self.height as usize * self.width as usize * self.channels as usize * self.pixel_type.bytes()
    }

    fn describe(&self) -> String {
        format!(
            "{} x {} {}",
            self.channels,
            self.pixel_type,
            if self.channels == 1 { "grey" } else { "channels" }
        )
    }
}

impl ImageSource for Store {
    fn len(&self) -> usize {
        self.index.records.len()
    }

    fn image(&self, index: usize) -> Result<Image, DataError> {
        let Some(record) = self.index.records.get(index) else {
            return Err(DataError::NoSuchSample { index, len: self.len() });
        };
        let image = match &self.bytes {
            Bytes::Memory(bytes) => self.held(index, record, bytes),
            Bytes::Mapped { map, len } => self.held(index, record, &map[..*len]),
            Bytes::Files(files) => self.decoded(index, record, files.image(&self.index.places[index])?)?,
        };
        Ok(image.widened(self.channels(), self.pixel_type))
    }

    fn size(&self, index: usize) -> Result<[usize; 2], DataError> {
        let none = DataError::NoSuchSample { index, len: self.len() };
        let record = self.index.records.get(index).ok_or(none)?;
        Ok([record.height as usize, record.width as usize])
    }

    fn label(&self, index: usize) -> Option<usize> {
        self.index.records.get(index)?.label.map(|label| label as usize)
    }

    fn tags(&self, index: usize) -> Option<&[Tag]> {
        self.index.records.get(index)?.tags.as_deref()
    }

    fn channel_names(&self) -> &[String] {
        let names = &self.index.about.channel_names;
        if names.len() == self.channels() { names } else { &[] }
    }

    fn columns(&self) -> &[String] {
        &self.index.columns
    }

    fn metadata(&self, index: usize) -> &[String] {
        self.index.records.get(index).map_or(&[], |record| &record.metadata)
    }

    fn group_column(&self) -> Option<usize> {
        self.group
    }

    fn name(&self, index: usize) -> String {
        if let Some(name) = self.index.names.get(index) {
            return name.clone();
        }
        let part = self.index.parts.iter().find(|part| part.range.contains(&index));
        part.map_or(format!("#{index}"), |part| format!("{}[{}]", part.name, index - part.range.start))
    }
}

impl Store {
    fn new(bytes: Bytes, index: Index, place: &str) -> Result<Store, DataError> {
        let (channels, pixel_type) = common_form(&index, place)?;
        let mut offsets = Vec::with_capacity(index.records.len());
        let mut end = 0;
        for record in &index.records {
            offsets.push(end);
            end += record.bytes();
        }
        Ok(Store { bytes, offsets, channels, pixel_type, rgb: false, group: None, index })
    }

    /// Samples of a pixel of the images as they are given.
    pub(crate) fn channels(&self) -> usize {
        if self.rgb && self.channels == 1 { 3 } else { self.channels }
    }

    /// Whether its images are called by the files that they come from.
    pub(crate) fn has_names(&self) -> bool {
        !self.index.names.is_empty()
    }

    /// Bytes of pixels held in memory.
    pub(crate) fn bytes_in_memory(&self) -> u64 {
        match &self.bytes {
            Bytes::Memory(bytes) => bytes.len() as u64,
            Bytes::Mapped { .. } | Bytes::Files(_) => 0,
        }
    }

    /// Tells images that were brought into the form of the others: grey ones among colours, 8 bits among 16.
    pub(crate) fn mixed(&self) -> impl Iterator<Item = Notice> {
        let grey = |record: &Record| record.channels as usize != self.channels;
        let narrow = |record: &Record| record.pixel_type != self.pixel_type;
        let told = |id: &str, message: &str, differs: &dyn Fn(&Record) -> bool| {
            let records = self.index.records.iter().enumerate().filter(|(_, record)| differs(record));
            let hint =
                "do they belong together? Masks beside photographs, or a file for each channel, do not";
            records.fold(Notice::new(id, message).hint(hint), |notice, (at, _)| notice.about(self.name(at)))
        };
        let channels = told("mixed-channels", "grey images among those in colour are given as RGB", &grey);
        let (id, depths) = match (self.index.one_scale, self.pixel_type) {
            (true, _) => ("mixed-types", "volumes of another type than others are given as floating point"),
            (false, PixelType::F32) => {
                ("mixed-depths", "images of whole numbers among those of floating point are given as such")
            }
            _ => ("mixed-depths", "images of 8 bits among those of 16 are given as 16 bits"),
        };
        let depths = told(id, depths, &narrow);
        [channels, depths].into_iter().filter(|notice| notice.count > 0)
    }

    fn held(&self, index: usize, record: &Record, bytes: &[u8]) -> Image {
        let start = self.offsets[index];
        Image {
            height: record.height as usize,
            width: record.width as usize,
            channels: record.channels as usize,
            pixels: Pixels::read_le(record.pixel_type, &bytes[start..start + record.bytes()]),
        }
    }

    /// Image `index` from its file, which must be as it was when the set was opened.
    fn decoded(&self, index: usize, record: &Record, image: Option<Image>) -> Result<Image, DataError> {
        let same = |image: &Image| {
            let shape = [image.height, image.width, image.channels];
            shape == [record.height, record.width, record.channels].map(|side| side as usize)
                && image.pixel_type() == record.pixel_type
        };
        image.filter(same).ok_or_else(|| DataError::Damaged {
            place: self.name(index),
            reason: "the file has changed since the data set was opened".into(),
        })
    }
}

/// The number of channels and kind of numbers that all images of the set are given in.
fn common_form(index: &Index, place: &str) -> Result<(usize, PixelType), DataError> {
    let Some(first) = index.records.first() else { return Ok((1, PixelType::U8)) };
    let mut form = (first.channels, first.pixel_type);
    for (position, record) in index.records.iter().enumerate() {
        let channels = match (form.0, record.channels) {
            (a, b) if a == b => Some(a),
            (1, 3) | (3, 1) => Some(3),
            _ => None,
        };
        let pixel_type = match (form.1, record.pixel_type) {
            (a, b) if a == b => Some(a),
            (PixelType::U32, _) | (_, PixelType::U32) => None,
            _ if index.one_scale => Some(PixelType::F32),
            (PixelType::U8 | PixelType::U16, PixelType::U8 | PixelType::U16) => Some(PixelType::U16),
            (PixelType::I16 | PixelType::F32, PixelType::I16 | PixelType::F32) => Some(PixelType::F32),
            _ => None,
        };
        let (Some(channels), Some(pixel_type)) = (channels, pixel_type) else {
            let name = |position: usize| index.names.get(position).cloned().unwrap_or(format!("#{position}"));
            return Err(DataError::MixedImages {
                place: place.into(),
                first: format!("{} has {}", name(0), first.describe()),
                second: format!("{} has {}", name(position), record.describe()),
            });
        };
        form = (channels, pixel_type);
    }
    Ok((form.0 as usize, form.1))
}

/// One decoded image on its way into the store.
pub(crate) struct Sample {
    pub(crate) image: Image,
    pub(crate) label: Option<u32>,
    /// Instead of a label, where an image may show several classes.
    pub(crate) tags: Option<Vec<Tag>>,
    /// Its path; `None` in arrays, where its place says it.
    pub(crate) name: Option<String>,
    /// Where it can be decoded from again, if that can be.
    pub(crate) place: Option<FilePlace>,
    /// One text for each column that [`StoreBuilder::columns`] named.
    pub(crate) metadata: Vec<String>,
}

impl Sample {
    /// An image of which no more is known.
    pub(crate) fn of(image: Image) -> Sample {
        Sample { image, label: None, tags: None, name: None, place: None, metadata: Vec::new() }
    }
}

/// An image on its way into the store that is decoded when it is needed, and not before.
pub(crate) struct Unread {
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) channels: usize,
    pub(crate) pixel_type: PixelType,
    /// What stands for its pixels in the fingerprint of the set.
    pub(crate) digest: [u8; 32],
    pub(crate) label: Option<u32>,
    pub(crate) tags: Option<Vec<Tag>>,
    pub(crate) name: String,
    pub(crate) place: FilePlace,
    pub(crate) metadata: Vec<String>,
}

/// Takes decoded images in order. When they outgrow memory, it lets them go where they can be decoded again, and moves to a cache
/// file where they cannot.
pub(crate) struct StoreBuilder<'a> {
    options: &'a OpenOptions<'a>,
    place: String,
    key: String,
    /// Bytes of decoded images to hold in memory.
    pub(crate) limit: u64,
    /// The files that images can be decoded from again.
    files: Option<Arc<dyn ImageFiles>>,
    bytes: Sink,
    index: Index,
    fingerprint: Sha256,
    /// What the first file says of its images.
    about: Option<About>,
    /// What channels are called that were files of their own.
    names: Option<Vec<String>>,
    done: usize,
    total: usize,
}

enum Sink {
    Memory(Vec<u8>),
    File {
        file: BufWriter<NamedTempFile>,
        len: u64,
    },
    /// Nothing is held: images can be decoded again.
    Files(Arc<dyn ImageFiles>),
}

impl<'a> StoreBuilder<'a> {
    pub(crate) fn new(options: &'a OpenOptions<'a>, place: &str, key: &str, limit: u64) -> StoreBuilder<'a> {
        let mut fingerprint = Sha256::new();
        fingerprint.update(b"twinlens data set 1");
        StoreBuilder {
            options,
            place: place.into(),
            key: key.into(),
            limit,
            files: None,
            bytes: Sink::Memory(Vec::new()),
            index: Index::default(),
            fingerprint,
            about: None,
            names: None,
            done: 0,
            total: 0,
        }
    }

    /// The same, of images that can be decoded from `files` again.
    pub(crate) fn backed_by(self, files: Option<Arc<dyn ImageFiles>>) -> StoreBuilder<'a> {
        StoreBuilder { files, ..self }
    }

    /// What decides how the set is understood.
    pub(crate) fn settings(&self) -> &'a DataSettings {
        &self.options.settings
    }

    /// Announces `count` more images, for the progress bar.
    pub(crate) fn expect(&mut self, count: usize) {
        self.total = self.total.saturating_add(count); // headers may claim anything
    }

    /// Takes room for `bytes` more in advance, if that much may be held and can be had: a block that grows
    /// step by step may be held twice while it moves.
    pub(crate) fn reserve(&mut self, bytes: u64) {
        if let Sink::Memory(held) = &mut self.bytes
            && let Ok(more) = usize::try_from(bytes)
            && bytes.saturating_add(held.len() as u64) <= self.limit
        {
            let _ = held.try_reserve_exact(more); // without it, the block grows step by step
        }
    }

    /// Starts a part; what is pushed from now on belongs to it.
    pub(crate) fn begin(&mut self, split: Option<Split>, name: &str) {
        let here = self.index.records.len();
        self.index.parts.push(Part { split, name: name.into(), range: here..here });
    }

    /// Takes images, in order. `place` is where they come from.
    pub(crate) fn push(&mut self, place: &str, samples: Vec<Sample>) -> Result<(), DataError> {
        let first = self.index.parts.last().map_or(0, |part| part.range.len()); // numbers count within a part
        let digests: Vec<[u8; 32]> = samples
            .par_iter()
            .enumerate()
            .map(|(position, sample)| {
                check_finite(sample, place, first + position)?;
                Ok(digest(sample))
            })
            .collect::<Result<_, DataError>>()?;
        self.begin_fingerprint(samples.is_empty());
        for (sample, digest) in samples.into_iter().zip(digests) {
            self.fingerprint.update(digest);
            self.push_one(sample)?;
        }
        self.report();
        Ok(())
    }

    /// Takes images, in order, that are decoded from the files behind the store when they are needed.
    pub(crate) fn push_unread(&mut self, samples: Vec<Unread>) -> Result<(), DataError> {
        if let Some(files) = self.files.take() {
            self.bytes = Sink::Files(files);
        }
        self.index.unread = true;
        self.begin_fingerprint(samples.is_empty());
        for Unread { height, width, channels, pixel_type, digest, label, tags, name, place, metadata } in
            samples
        {
            self.fingerprint.update(digest);
            let record = self.record([height, width, channels], pixel_type)?;
            self.enter(Record { label, tags, metadata, ..record }, Some(name), Some(place));
        }
        self.report();
        Ok(())
    }

    /// Notes in the fingerprint where a part begins: with its first image.
    fn begin_fingerprint(&mut self, is_empty: bool) {
        if let Some(part) = self.index.parts.last()
            && part.range.is_empty()
            && !is_empty
        {
            self.fingerprint.update([0xff, part.split.map_or(0, |split| split as u8 + 1)]);
        }
    }

    fn push_one(&mut self, sample: Sample) -> Result<(), DataError> {
        let Sample { image, label, tags, name, place, metadata } = sample;
        let record = self.record([image.height, image.width, image.channels], image.pixel_type())?;
        self.enter(Record { label, tags, metadata, ..record }, name, place);
        self.store(&image.pixels)
    }

    /// An image of these sides and channels, of which no more is known.
    fn record(&self, shape: [usize; 3], pixel_type: PixelType) -> Result<Record, DataError> {
        let [height, width, channels] = shape;
        let narrow = |size: usize| {
            u32::try_from(size).map_err(|_| DataError::WrongShape {
                place: self.place.clone(),
                expected: "sides of fewer than 2^32 pixels".into(),
                got: format!("{height} x {width} x {channels}"),
                hint: "cut the image into tiles".into(),
            })
        };
        let [height, width, channels] = [narrow(height)?, narrow(width)?, narrow(channels)?];
        Ok(Record { height, width, channels, pixel_type, label: None, tags: None, metadata: Vec::new() })
    }

    fn enter(&mut self, record: Record, name: Option<String>, place: Option<FilePlace>) {
        self.index.records.push(record);
        self.index.names.extend(name);
        self.index.places.extend(place);
        if let Some(part) = self.index.parts.last_mut() {
            part.range.end = self.index.records.len();
        }
        self.done += 1;
    }

    fn store(&mut self, pixels: &Pixels) -> Result<(), DataError> {
        let adding = (pixels.len() * pixels.pixel_type().bytes()) as u64;
        if let Sink::Memory(bytes) = &self.bytes
            && bytes.len() as u64 + adding > self.limit
        {
            match self.files.take().filter(|_| self.index.are_files(self.limit)) {
                Some(files) => self.bytes = Sink::Files(files),
                None => self.spill(adding)?,
            }
        }
        match &mut self.bytes {
            Sink::Files(_) => {}
            Sink::Memory(bytes) => pixels.write_le(bytes),
            Sink::File { file, len } => {
                let mut bytes = Vec::new();
                pixels.write_le(&mut bytes);
                file.write_all(&bytes).map_err(|source| cache_error(self.options, source))?;
                *len += adding;
            }
        }
        Ok(())
    }

    /// Moves what is in memory to a file in the cache folder.
    fn spill(&mut self, adding: u64) -> Result<(), DataError> {
        let Sink::Memory(bytes) = &mut self.bytes else { return Ok(()) };
        let Some(folder) = &self.options.cache_dir else {
            return Err(DataError::TooLarge {
                place: format!("{}, decoded,", self.place),
                needed: bytes.len() as u64 + adding,
                limit: self.limit,
                hint: "give a cache folder, so that decoded images are kept on disk, or raise the limit"
                    .into(),
            });
        };
        let bytes = std::mem::take(bytes);
        let file = begin_file(folder, &bytes).map_err(|source| cache_error(self.options, source))?;
        self.bytes = Sink::File { file, len: bytes.len() as u64 };
        Ok(())
    }

    /// Notes what a person should know.
    pub(crate) fn tell(&mut self, notice: Notice) {
        notice.add_to(&mut self.index.notices);
    }

    /// Says that a number means the same in every image, whatever its type: then types may be mixed.
    pub(crate) fn of_one_scale(&mut self) {
        self.index.one_scale = true;
    }

    /// Says which column names what drawn splits do not divide.
    pub(crate) fn grouped_by(&mut self, column: &str) {
        self.index.group = Some(escaped(column));
    }

    /// Names what is known of every image besides its label.
    pub(crate) fn columns(&mut self, columns: Vec<String>) {
        self.index.columns = columns.iter().map(|column| escaped(column)).collect();
    }

    /// How many of these there are.
    pub(crate) fn column_count(&self) -> usize {
        self.index.columns.len()
    }

    /// Notes that images are made of several files.
    pub(crate) fn merges(&mut self, fields: &Fields) {
        self.tell(fields.notice());
        self.names = Some(fields.channels.clone());
        let files: usize = fields.fields.iter().map(|field| field.files.len() - 1).sum();
        self.total = self.total.saturating_sub(files);
    }

    /// What all files so far call their channels.
    pub(crate) fn channel_names(&self) -> &[String] {
        &self.index.about.channel_names
    }

    /// Notes what the file at `path` says of its images. What files do not say alike is not known of the set.
    pub(crate) fn describe(&mut self, about: &About, path: &str) {
        let names = self.names.as_ref().unwrap_or(&about.channel_names);
        let names: Vec<String> = names.iter().map(|name| shown(name, NAME)).collect();
        let about = About { channel_names: names, ..about.clone() };
        let Some(first) = &self.about else {
            self.about = Some(about.clone());
            self.index.about = about;
            return;
        };
        let near =
            |[a, b]: [f64; 2], [c, d]: [f64; 2]| (a - c).abs() <= 1e-3 * a && (b - d).abs() <= 1e-3 * b;
        let same_size = match (first.pixel_size, about.pixel_size) {
            (Some(one), Some(other)) => near(one, other),
            (one, other) => one == other,
        };
        if first.channel_names != about.channel_names {
            self.index.about.channel_names.clear();
            let message = "channels are not called as in the first file, so that their names are not kept";
            self.tell(Notice::new("channel-names", message).about(path));
        }
        if !same_size {
            self.index.about.pixel_size = None;
            let message = "pixels are of another size (in micrometres) than those of the first file";
            self.tell(Notice::new("pixel-sizes", message).about(path));
        }
    }

    /// Notes a sample that cannot be decoded, or stops, as the options say.
    pub(crate) fn bad_sample(
        &mut self,
        place: String,
        path: &str,
        refusal: Refusal,
    ) -> Result<(), DataError> {
        if self.options.settings.on_bad_sample == OnBadSample::Fail {
            return Err(DataError::bad_sample(place, refusal));
        }
        self.index.skipped.add(path, refusal);
        self.done += 1;
        self.report();
        Ok(())
    }

    /// What was skipped so far.
    pub(crate) fn skipped(&self) -> &Skipped {
        &self.index.skipped
    }

    /// Whether no image was taken yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.index.records.is_empty()
    }

    fn report(&self) {
        if let Some(progress) = self.options.progress {
            progress(self.done, self.total);
        }
    }

    /// The finished store. `classes` are the names of the classes.
    pub(crate) fn finish(mut self, classes: Vec<String>) -> Result<Store, DataError> {
        self.index.parts.retain(|part| !part.range.is_empty());
        self.index.classes = classes.iter().map(|class| escaped(class)).collect();
        self.index.fingerprint = hex(&self.fingerprint.finalize());
        match self.bytes {
            Sink::Memory(mut bytes) => {
                self.index.places = Vec::new();
                bytes.shrink_to_fit();
                Store::new(Bytes::Memory(bytes), self.index, &self.place)
            }
            Sink::Files(files) => {
                let all: usize = self.index.records.iter().map(Record::bytes).sum();
                let message = format!(
                    "images are decoded when they are needed: all at once they would take {} MiB of memory",
                    all >> 20
                );
                Notice::new("decoded-on-demand", message).add_to(&mut self.index.notices);
                let keep = |folder: &Path| {
                    let path = cache_path(folder, DECODED, &self.key);
                    finish_file(begin_file(folder, &[])?, 0, &self.index, &path)
                };
                if let Some(Err(error)) = self.options.cache_dir.as_deref().map(keep) {
                    // Nothing is lost but time: the next opening decodes all images once more.
                    let message = format!("what was found of the images cannot be kept: {error}");
                    Notice::new("cache", message).add_to(&mut self.index.notices);
                }
                Store::new(Bytes::Files(files), self.index, &self.place)
            }
            Sink::File { file, len } => {
                self.index.places = Vec::new();
                let folder = self.options.cache_dir.clone().unwrap_or_default();
                let path = cache_path(&folder, DECODED, &self.key);
                finish_file(file, len, &self.index, &path)
                    .map_err(|source| DataError::Cache { path: path.clone(), source })?;
                let mapped = Kept::open(&path).and_then(|kept| kept.pixels());
                let mapped = mapped.map_err(|source| DataError::Cache { path, source })?;
                Store::new(mapped, self.index, &self.place)
            }
        }
    }
}

fn cache_error(options: &OpenOptions<'_>, source: io::Error) -> DataError {
    DataError::Cache { path: options.cache_dir.clone().unwrap_or_default(), source }
}

/// Refuses NaN and infinity, naming the first.
fn check_finite(sample: &Sample, place: &str, number: usize) -> Result<(), DataError> {
    let Pixels::F32(values) = &sample.image.pixels else { return Ok(()) };
    let Some(at) = values.iter().position(|value| !value.is_finite()) else { return Ok(()) };
    let Image { width, channels, .. } = sample.image;
    Err(DataError::NotFinite {
        place: sample.name.as_ref().map_or(place.into(), |name| format!("{place}: {name}")),
        sample: number,
        row: at / channels / width,
        column: at / channels % width,
        channel: at % channels,
        value: values[at],
    })
}

/// SHA-256 of one image (size, kind of numbers, pixels) and its label or tags.
fn digest(sample: &Sample) -> [u8; 32] {
    let image = &sample.image;
    let mut hash = Sha256::new();
    for size in [image.height, image.width, image.channels, image.pixel_type().bytes()] {
        hash.update((size as u64).to_le_bytes());
    }
    if let PixelType::I16 | PixelType::U32 = image.pixel_type() {
        hash.update(image.pixel_type().to_string()); // as wide as other types, which came first
    }
    match &sample.tags {
        None => hash.update(sample.label.map_or(0, |label| u64::from(label) + 1).to_le_bytes()),
        Some(tags) => {
            hash.update(u64::MAX.to_le_bytes()); // no label is so large
            hash.update(tags.iter().map(|tag| *tag as u8).collect::<Vec<u8>>());
        }
    }
    match &image.pixels {
        Pixels::U8(values) => hash.update(values),
        pixels => {
            let mut bytes = Vec::new();
            pixels.write_le(&mut bytes);
            hash.update(&bytes);
        }
    }
    hash.finalize().into()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

// The cache file: MAGIC, pixels, index (JSON), then a foot of fixed length: length of the pixels, length of
// the index, SHA-256 of the index, MAGIC. It is written under another name and renamed when complete.

// The images of Parquet, unpacked but encoded, are kept in such a file too: instead of pixels, with their places as index.

const MAGIC: &[u8; 8] = b"TWLDATA3";

/// Bytes before the pixels.
pub(crate) const HEAD: u64 = MAGIC.len() as u64;

/// What a file of pixels is called.
const DECODED: &str = "decoded";

const FOOT: u64 = 8 + 8 + 32 + 8;

/// The file for what is called `kind`, of the set with that key.
pub(crate) fn cache_path(folder: &Path, kind: &str, key: &str) -> PathBuf {
    folder.join(format!("{kind}-{}.bin", &key[..32.min(key.len())]))
}

pub(crate) fn begin_file(folder: &Path, bytes: &[u8]) -> io::Result<BufWriter<NamedTempFile>> {
    std::fs::create_dir_all(folder)?;
    let mut file = BufWriter::with_capacity(1 << 20, NamedTempFile::new_in(folder)?);
    file.write_all(MAGIC)?;
    file.write_all(bytes)?;
    Ok(file)
}

pub(crate) fn finish_file(
    mut file: BufWriter<NamedTempFile>,
    len: u64,
    index: &impl Serialize,
    path: &Path,
) -> io::Result<()> {
    let index = serde_json::to_vec(index)?;
    file.write_all(&index)?;
    file.write_all(&len.to_le_bytes())?;
    file.write_all(&(index.len() as u64).to_le_bytes())?;
    file.write_all(&Sha256::digest(&index))?;
    file.write_all(MAGIC)?;
    let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// A cache file: where its pixels are, and its index, as written.
pub(crate) struct Kept {
    file: File,
    pub(crate) len: usize,
    pub(crate) index: Vec<u8>,
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("cache file: {what}"))
}

impl Kept {
    /// Reads the index. Any contradiction is an error.
    pub(crate) fn open(path: &Path) -> io::Result<Kept> {
        let mut file = File::open(path)?;
        let total = file.metadata()?.len();
        let mut head = [0; 8];
        file.read_exact(&mut head)?;
        let mut foot = [0; FOOT as usize];
        file.seek(SeekFrom::Start(total.checked_sub(FOOT).ok_or_else(|| broken("too short"))?))?;
        file.read_exact(&mut foot)?;
        let number =
            |at: usize| foot[at..at + 8].iter().rev().fold(0u64, |sum, &byte| sum << 8 | u64::from(byte));
        let (len, index_len) = (number(0), number(8));
        if &head != MAGIC || &foot[48..] != MAGIC {
            return Err(broken("not one of ours, or of another version"));
        }
        if len.checked_add(index_len).and_then(|sum| sum.checked_add(8 + FOOT)) != Some(total) {
            return Err(broken("its length is not what it says"));
        }
        file.seek(SeekFrom::Start(8 + len))?;
        let mut index = vec![0; index_len as usize];
        file.read_exact(&mut index)?;
        if Sha256::digest(&index)[..] != foot[16..48] {
            return Err(broken("its index is damaged"));
        }
        let len = usize::try_from(len).map_err(|_| broken("too large for this machine"))?;
        Ok(Kept { file, len, index })
    }

    /// The pixels, mapped.
    fn pixels(self) -> io::Result<Bytes> {
        let Kept { file, len, .. } = self;
        if len == 0 {
            return Err(broken("no pixels"));
        }
        // SAFETY: the map is read-only, and the file is only ever replaced by renaming another over it, which
        // leaves this one's content in place for as long as it is mapped. Someone who truncates or overwrites
        // files in the cache folder by hand while a run reads them could stop the run (SIGBUS) or change pixels;
        // u8 has no invalid values, so no other harm can follow.
        #[expect(unsafe_code)]
        let map = unsafe { memmap2::MmapOptions::new().offset(8).len(len).map(&file)? };
        Ok(Bytes::Mapped { map, len })
    }
}

/// The store kept under `key`, if there is a sound one. Where its images are decoded from `files`, it is only taken if they would
/// need more than `limit` bytes at once.
pub(crate) fn load_cached(
    folder: &Path,
    (key, place): (&str, &str),
    files: Option<&Arc<dyn ImageFiles>>,
    limit: u64,
) -> Option<Store> {
    let kept = Kept::open(&cache_path(folder, DECODED, key)).ok()?;
    let index: Index = serde_json::from_slice(&kept.index).ok()?;
    let expected: Option<usize> = index.records.iter().try_fold(0usize, |sum, r| sum.checked_add(r.bytes()));
    let bytes = match files {
        Some(files) if kept.len == 0 => {
            let many = expected? as u64 > limit || index.unread;
            (index.are_files(limit) && many).then(|| Bytes::Files(files.clone()))?
        }
        _ if Some(kept.len) == expected => kept.pixels().ok()?,
        _ => return None,
    };
    Store::new(bytes, index, place).ok()
}
