//! What can be wrong with data.

use std::path::PathBuf;

use crate::decode::Refusal;
use crate::text::{SENTENCE, shown};

/// What failed, where, what was expected and what was found; [`DataError::hint`] says how to mend it.
///
/// `place` names a file, or a file and what lies in it (`blood.npz: train_images`). Messages escape control characters and
/// shorten what is long; the fields do not.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// A file or folder could not be read at all.
    #[error(
        "cannot read {place}: {source}",
        place = line(.place)
    )]
    Read {
        /// The file or folder.
        place: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file of 0 bytes, or an array without samples.
    #[error(
        "{place} is empty",
        place = line(.place)
    )]
    Empty {
        /// The file.
        place: String,
    },
    /// The content is in no format that is read here.
    #[error(
        "{place} holds no images in a format read here: {found}",
        place = line(.place), found = line(.found)
    )]
    UnknownFormat {
        /// The file or folder.
        place: String,
        /// What it looks like instead.
        found: String,
    },
    /// The content is of a kind that is known and not read here.
    #[error(
        "{place} is {what}, which is not read here",
        place = line(.place), what = line(.what)
    )]
    NotRead {
        /// The file or folder.
        place: String,
        /// What it is.
        what: String,
        /// How to bring its images here, in the form of [`DataError::hint`].
        hint: String,
    },
    /// Folders of which some may be splits and others not, so that test images might be learnt from.
    #[error(
        "{place}: which folders hold images to learn from and which to test on is not clear: {found}",
        place = line(.place), found = line(.found)
    )]
    UnclearFolders {
        /// The data set.
        place: String,
        /// The folders, and what they are taken for.
        found: String,
    },
    /// A table of labels that cannot be read, contradicts itself or does not fit the images.
    #[error("{place}: {reason}", place = line(.place), reason = line(.reason))]
    WrongTable {
        /// The table.
        place: String,
        /// What is wrong.
        reason: String,
        /// How to mend it.
        hint: String,
    },
    /// The content starts right, then breaks off or contradicts itself.
    #[error(
        "{place} is damaged or cut short: {reason}",
        place = line(.place), reason = line(.reason)
    )]
    Damaged {
        /// The file and, where known, the part of it.
        place: String,
        /// What contradicts what.
        reason: String,
    },
    /// An array of numbers (or other things) that cannot be images or labels.
    #[error(
        "{place}: expected {expected}, got {got}",
        place = line(.place), expected = line(.expected), got = line(.got)
    )]
    WrongType {
        /// The file and array.
        place: String,
        /// The types that are read.
        expected: String,
        /// The type found.
        got: String,
        /// How to convert.
        hint: String,
    },
    /// An array whose shape cannot be that of images or labels.
    #[error(
        "{place}: expected {expected}, got {got}",
        place = line(.place), expected = line(.expected), got = line(.got)
    )]
    WrongShape {
        /// The file and array.
        place: String,
        /// The shapes that are read.
        expected: String,
        /// The shape found.
        got: String,
        /// How to convert.
        hint: String,
    },
    /// Images and labels differ in number.
    #[error(
        "{place}: {images} images but {labels} labels",
        place = line(.place)
    )]
    CountMismatch {
        /// The file and array of labels.
        place: String,
        /// Number of images.
        images: u64,
        /// Number of labels.
        labels: u64,
    },
    /// A label that is no class number.
    #[error(
        "{place}: sample {sample} has label {label}, expected 0..={max}",
        place = line(.place)
    )]
    LabelOutOfRange {
        /// The file and array.
        place: String,
        /// Index of the sample in the array.
        sample: usize,
        /// The label found.
        label: i128,
        /// The largest label allowed.
        max: usize,
    },
    /// A number other than 0 and 1 among labels of several classes an image.
    #[error(
        "{place}: sample {sample} has {value} in column {column}, expected 0 or 1",
        place = line(.place)
    )]
    NoTag {
        /// The file and array.
        place: String,
        /// Index of the sample in the array.
        sample: usize,
        /// Index of the column: the class.
        column: usize,
        /// The number found.
        value: i128,
    },
    /// A list of images, or a set of such lists, that contradicts itself or the images.
    #[error("{place}: {reason}", place = line(.place), reason = line(.reason))]
    WrongList {
        /// The list, or the set.
        place: String,
        /// What contradicts what.
        reason: String,
        /// How to mend it.
        hint: &'static str,
    },
    /// Splits of which two have images of one group.
    #[error(
        "{place}: {groups} of {of} groups of the column \"{column}\" stand in more than one split ({images} of {held_out} \
         held-out images): {first}{more}",
        place = line(.place), column = line(.column), first = line(&.first.join(", ")),
        more = if .groups > &.first.len() { ", ..." } else { "" }
    )]
    SharedGroups {
        /// The data set.
        place: String,
        /// The column whose values are groups.
        column: String,
        /// Groups with images in more than one split.
        groups: usize,
        /// Groups there are.
        of: usize,
        /// Validation and test images of these.
        images: usize,
        /// Validation and test images there are.
        held_out: usize,
        /// The first few of the groups.
        first: Vec<String>,
    },
    /// NaN or infinity among floating-point pixels.
    #[error(
        "{place}: sample {sample} has the value {value} at row {row}, column {column}, channel {channel}, \
         expected finite numbers",
        place = line(.place)
    )]
    NotFinite {
        /// The file and array.
        place: String,
        /// Index of the sample in the array.
        sample: usize,
        /// Row of the first such pixel.
        row: usize,
        /// Its column.
        column: usize,
        /// Its channel.
        channel: usize,
        /// What it holds.
        value: f32,
    },
    /// No readable image in a folder or archive.
    #[error(
        "{place} holds no readable image: {found}",
        place = line(.place), found = line(.found)
    )]
    NoImages {
        /// The folder or archive.
        place: String,
        /// What was found instead.
        found: String,
        /// What helps with the first file that cannot be decoded, where that is known.
        hint: Option<String>,
    },
    /// One image cannot be decoded, and bad samples are to stop the run.
    #[error(
        "{place} cannot be decoded: {reason}",
        place = line(.place), reason = line(.reason)
    )]
    BadSample {
        /// The file.
        place: String,
        /// What the decoder said.
        reason: String,
        /// What helps with such a file, where that is known.
        hint: Option<String>,
    },
    /// Images of one set that cannot be brought to a common form.
    #[error(
        "{place} mixes images that do not go together: {first}, but {second}",
        place = line(.place), first = line(.first), second = line(.second)
    )]
    MixedImages {
        /// The data set.
        place: String,
        /// One image and its form.
        first: String,
        /// Another image and its form.
        second: String,
    },
    /// Something needs more memory than allowed.
    #[error(
        "{place} needs {needed} bytes of memory, the limit is {limit}",
        place = line(.place)
    )]
    TooLarge {
        /// What needs it.
        place: String,
        /// Bytes needed (so far).
        needed: u64,
        /// Bytes allowed.
        limit: u64,
        /// What to do.
        hint: String,
    },
    /// The cache of decoded images could not be written or mapped.
    #[error("cannot keep decoded images in {path}: {source}")]
    Cache {
        /// The cache file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// An array file without the arrays that make a data set.
    #[error(
        "{place}: cannot tell which array holds the images; it has {found}",
        place = line(.place), found = line(.found)
    )]
    UnknownArrays {
        /// The file.
        place: String,
        /// The arrays found.
        found: String,
        /// How to say which.
        hint: String,
    },
    /// Data sets that cannot be learned from as one.
    #[error("data sets cannot be joined: {reason}", reason = line(.reason))]
    NotJoined {
        /// What does not go together.
        reason: String,
        /// How to mend it.
        hint: &'static str,
    },
    /// Images whose stains cannot be normalised, or a reference that they cannot be normalised to.
    #[error("colours of stains cannot be normalised: {place}: {reason}", place = line(.place), reason = line(.reason))]
    NotStained {
        /// The images.
        place: String,
        /// What they lack.
        reason: String,
        /// How to mend it.
        hint: &'static str,
    },
    /// An option has a value that makes no sense.
    #[error(
        "option {name}: expected {expected}, got {got}",
        expected = line(.expected), got = line(.got)
    )]
    BadOption {
        /// The option.
        name: &'static str,
        /// What is allowed.
        expected: String,
        /// What was given.
        got: String,
    },
    /// A sample that does not exist was asked for.
    #[error("sample {index} was asked for, but there are {len}")]
    NoSuchSample {
        /// The index asked for.
        index: usize,
        /// The number of samples.
        len: usize,
    },
    /// A source without images where at least one is needed.
    #[error("{what} needs at least one image, got none")]
    NoSamples {
        /// What needs images.
        what: &'static str,
    },
    /// A protocol needs labels and there are none.
    #[error(
        "{name}: judging an encoder needs labels in the training split, got none",
        name = line(.name)
    )]
    NoLabels {
        /// The data set.
        name: String,
    },
    /// A protocol predicts one class an image and the set gives several.
    #[error(
        "{name}: an image may show several classes, which can be judged by support vector machines alone",
        name = line(.name)
    )]
    SeveralLabels {
        /// The data set.
        name: String,
    },
    /// A protocol needs at least two classes and there is one.
    #[error(
        "{name}: judging an encoder needs at least 2 classes in the training split, got only \"{class}\"",
        name = line(.name), class = line(.class)
    )]
    OneClass {
        /// The data set.
        name: String,
        /// The only class.
        class: String,
    },
}

const READ: &str = "check that it exists and that you may read it";
const EMPTY: &str = "the download or copy may have failed; fetch it again";
const FORMATS: &str = "give an .npz or .npy of images, Parquet, tar shards, DICOM, NIfTI, MNIST's idx files, CIFAR's binary batches, PASCAL VOC's folder, a set \
                       of MIMeta, a folder class/file of PNG, JPEG, TIFF, BMP or WebP, or a zip or tar of these";
const FOLDERS: &str = "say which is which with {split_folder} train=FOLDER and {split_folder} test=FOLDER \
                       (data_options.split_folders), read one folder alone with {member} FOLDER, or draw splits whatever \
                       the folders are called with {splits} drawn";
const DAMAGED: &str = "compare it with the original, or fetch it again";
const COUNT: &str = "there must be one label per image, in the same order";
const CLASS: &str = "number the classes from 0 as they are named; give samples without a label -1, or name their value \
                     with {ignore_labels}";
const TAG: &str = "several columns say for each class whether the image shows it; for one class number an image give one \
                   column";
const FINITE: &str = "mask or replace such pixels (numpy.nan_to_num) before training";
const IMAGES: &str = "put PNG, JPEG, TIFF, BMP or WebP files into one folder per class (or all into one folder, without \
                      labels)";
const SAMPLE: &str = "remove or replace it, or let bad samples be skipped with {on_bad_sample} skip";
const MIXED: &str = "convert them to the same number of channels and the same kind of numbers (grey with RGB and 8 with \
                     16 bits may be mixed)";
const CACHE: &str = "choose a cache folder that can be written and has room for the decoded set";
const LABELS: &str =
    "sort the images into one folder per class, or add an array of labels; pre-training alone needs none";
const SHARED: &str = "{splits} drawn draws splits that divide no group; {shared_groups} tell keeps these with a word: figures on \
                      them are then too good";
const SEVERAL: &str = "`{probe} {classifier} svm` tells the average precision of each class; pre-training, features, health \
                       and maps work as on images without labels";

impl DataError {
    /// How to mend it. `{name}` stands for the argument or action of that name, which every front end spells its own way;
    /// doubled braces stand for single ones.
    pub fn hint(&self) -> &str {
        match self {
            DataError::NotRead { hint, .. }
            | DataError::WrongTable { hint, .. }
            | DataError::WrongType { hint, .. }
            | DataError::WrongShape { hint, .. }
            | DataError::TooLarge { hint, .. }
            | DataError::UnknownArrays { hint, .. } => hint,
            DataError::WrongList { hint, .. }
            | DataError::NotJoined { hint, .. }
            | DataError::NotStained { hint, .. } => hint,
            DataError::NoImages { hint, .. } => hint.as_deref().unwrap_or(IMAGES),
            DataError::BadSample { hint, .. } => hint.as_deref().unwrap_or(SAMPLE),
            DataError::Read { .. } => READ,
            DataError::Empty { .. } => EMPTY,
            DataError::UnknownFormat { .. } => FORMATS,
            DataError::UnclearFolders { .. } => FOLDERS,
            DataError::Damaged { .. } => DAMAGED,
            DataError::CountMismatch { .. } => COUNT,
            DataError::LabelOutOfRange { .. } => CLASS,
            DataError::NoTag { .. } => TAG,
            DataError::NotFinite { .. } => FINITE,
            DataError::MixedImages { .. } => MIXED,
            DataError::SharedGroups { .. } => SHARED,
            DataError::Cache { .. } => CACHE,
            DataError::BadOption { .. } => "give this option another value",
            DataError::NoSuchSample { .. } => "indices run from 0 to the number of images less 1",
            DataError::NoSamples { .. } => "check the split and the limit asked for",
            DataError::NoLabels { .. } => LABELS,
            DataError::SeveralLabels { .. } => SEVERAL,
            DataError::OneClass { .. } => "add images of another class; pre-training alone needs no classes",
        }
    }

    /// An image file that cannot be decoded, where such files are to stop the run.
    pub(crate) fn bad_sample(place: String, refusal: Refusal) -> DataError {
        let hint = refusal.hint.map(|hint| format!("{hint}, or {SAMPLE}"));
        DataError::BadSample { place, reason: refusal.reason, hint }
    }
}

/// What messages say of a file, in which its maker may have written anything.
fn line(text: &str) -> String {
    shown(text, SENTENCE)
}

/// Sorts what went wrong while reading `place`: the content's fault, or the system's.
pub(crate) fn read_error(place: &str, source: std::io::Error) -> DataError {
    use std::io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    match source.kind() {
        UnexpectedEof | InvalidData | InvalidInput => {
            DataError::Damaged { place: place.into(), reason: source.to_string() }
        }
        _ => DataError::Read { place: place.into(), source },
    }
}
