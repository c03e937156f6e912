//! How to open a data set.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::memory::available_memory;
use crate::range::RangeChoice;
use crate::slide::Tiling;
use crate::stain::StainChoice;
use crate::subset::SubsetChoice;
use crate::{DataError, Illumination, Split, Window};

/// What to do with an image that cannot be decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnBadSample {
    /// Leave it out, count it and name it.
    #[default]
    Skip,
    /// Stop with an error.
    Fail,
}

/// Which images are learnt from and which are held out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SplitPolicy {
    /// As the set says; what it leaves open is drawn. One part only: all three from it. Train and test but no
    /// validation: validation from train. Train and validation but no test: as they are.
    #[default]
    Auto,
    /// As the set says and no more (a set of one undivided part is its training split).
    Defined,
    /// Drawn from all images, whatever the set says.
    Drawn,
    /// Nothing is held out but the test images that the set names: all others learn.
    Complete,
    /// As the column [`DataSettings::split_column`] of the table of labels says.
    Column,
}

/// What becomes of splits that a set has, in which images of one group stand on both sides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SharedGroups {
    /// They are an error.
    #[default]
    Refuse,
    /// They are kept, with a word.
    Tell,
}

impl SharedGroups {
    fn is_default(&self) -> bool {
        *self == SharedGroups::default()
    }
}

/// The axes of an array of images, in order: number, depth, height, width, channels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ArrayLayout {
    /// `nhw` for three axes, `nhwc` for four, unless sizes say that it is something else: then the array is refused.
    #[default]
    Auto,
    /// Images with channels last.
    Nhwc,
    /// Images with channels first.
    Nchw,
    /// Images of one channel.
    Nhw,
    /// One image with channels last.
    Hwc,
    /// One image with channels first.
    Chw,
    /// One image of one channel.
    Hw,
    /// Volumes of one channel; every slice is an image.
    Ndhw,
    /// Volumes with channels last; every slice is an image.
    Ndhwc,
    /// Volumes with channels first; every slice is an image.
    Ncdhw,
}

/// What becomes of a file with several pages that are not the channels of one image: a z-stack, a time series, an
/// animation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Pages {
    /// The first page, with a word; of a volume (NIfTI) every slice.
    #[default]
    First,
    /// The page in the middle.
    Middle,
    /// The largest value of all pages at every place (maximum intensity projection).
    Max,
    /// The mean of all pages at every place; of whole numbers the nearest.
    Mean,
    /// Every page is an image.
    Each,
}

/// The plane of the slices of a volume.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Plane {
    /// Across the body, from inferior to superior.
    #[default]
    Axial,
    /// From the posterior to the anterior.
    Coronal,
    /// From left to right.
    Sagittal,
}

/// Whether images are turned as their files say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Orientation {
    /// Upright, as viewers show them: EXIF's and TIFF's tag 274 is heeded, and how a volume lies in the patient.
    #[default]
    Upright,
    /// As their pixels are stored; the planes of a volume are those of its axes (axial: the first two).
    Stored,
}

/// Shares of the images in splits that are drawn; they must add up to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SplitShares {
    /// Share of the training split.
    pub train: f64,
    /// Share of the validation split.
    pub val: f64,
    /// Share of the test split.
    pub test: f64,
}

impl Default for SplitShares {
    fn default() -> SplitShares {
        SplitShares { train: 0.7, val: 0.1, test: 0.2 }
    }
}

/// `[data_options]`: what decides how a data set is understood. The defaults suit most.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DataSettings {
    /// Further data sets that are learned from as one with it (pre-training only), by path or name. All are read by these
    /// options, and each has its own splits.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub join: Vec<String>,
    /// What to do with a file that cannot be decoded: `skip` or `fail`.
    pub on_bad_sample: OnBadSample,
    /// The array of an .npz, the folder of a set, or the column of Parquet, that holds the images, where names do not say; empty to go by the
    /// usual names.
    pub member: String,
    /// Where the labels are: an array of the .npz, a table (CSV) beside the images or elsewhere, or a task of MIMeta; empty to
    /// look for the usual names.
    pub labels: String,
    /// The column of the table that holds the labels; empty to go by the usual names.
    pub labels_column: String,
    /// The column of the table that names the image; empty to go by the usual names.
    pub path_column: String,
    /// Other classes for the same images in the same splits: the values of a column of the table (a column of many numbers: low, middle,
    /// high), or `brightness`; empty for those of the set.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub label_by: String,
    /// A list of the training images whose labels are used, one file name a line, such as those of 1 % and 10 % of ImageNet; empty
    /// uses all.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub labels_from: String,
    /// Label values that mean "no label", besides -1.
    pub ignore_labels: Vec<i64>,
    /// The axes of arrays of images.
    pub layout: ArrayLayout,
    /// What becomes of files with several pages.
    pub pages: Pages,
    /// Whether images are turned as their files say.
    pub orientation: Orientation,
    /// Which values of DICOM images are black and white.
    #[serde(skip_serializing_if = "Window::is_default")]
    pub window: Window,
    /// The key of the hashes that stand for patients and series of DICOM images; empty for a key that all know. With the same
    /// key, a patient has the same hash everywhere; who knows the key can try numbers of patients. It is saved with a run.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub patient_key: String,
    /// The plane along which volumes (NIfTI) are cut into images.
    #[serde(skip_serializing_if = "is_default")]
    pub plane: Plane,
    /// Which volume is read of files with several, such as the times of a series, counted from 0; files with several are
    /// refused without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume: Option<usize>,
    /// Pixels of a side of the tiles that whole slides (TIFF, SVS, OME-TIFF) are cut into; without, every file is one image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tile_size: Option<usize>,
    /// Micrometres of a pixel of a tile; without, tiles have the pixels of the slide.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mpp: Option<f64>,
    /// Pixels of a tile from the beginning of one tile to that of the next; without, tiles lie side by side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tile_stride: Option<usize>,
    /// The share of a tile that must be tissue, from 0 to 1; 0.5 without. With 0 all tiles are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_tissue: Option<f64>,
    /// Which files are the channels of one image: a pattern of their names such as `{well}_{site}_w{channel}`, or `none`; empty
    /// or `auto` to go by the tables and names that microscopes write.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub channels_from: String,
    /// The channels to read, by name and in this order, where names are known; empty for all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub channels: Vec<String>,
    /// Whether images are divided by the illumination of their plate.
    #[serde(skip_serializing_if = "Illumination::is_off")]
    pub illumination: Illumination,
    /// Give grey images as RGB, each value three times.
    pub rgb: bool,
    /// Whether the colours of histological stains are normalised, and how.
    #[serde(skip_serializing_if = "is_default")]
    pub stain: StainChoice,
    /// The image file whose colours they are normalised to; empty is the set itself.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stain_reference: String,
    /// The values that are black and white.
    pub range: RangeChoice,
    /// Which images are learnt from and which are held out.
    pub splits: SplitPolicy,
    /// Folders of each split, by their names, where these do not say it (`train = ["seg_train"]`).
    pub split_folders: BTreeMap<Split, Vec<String>>,
    /// The column of the table that says the split of an image, for `splits = "column"`; empty is `split`.
    pub split_column: String,
    /// Shares of the images in splits that are drawn.
    pub split_shares: SplitShares,
    /// Seed of splits that are drawn.
    pub split_seed: u64,
    /// The column of the table whose values are groups of images that belong together (patient, plate, slide, centre): drawn
    /// splits do not divide them; empty for none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// What becomes of given splits that divide groups: `refuse` or `tell`.
    #[serde(skip_serializing_if = "SharedGroups::is_default")]
    pub shared_groups: SharedGroups,
    /// Which images of the set there are.
    #[serde(skip_serializing_if = "SubsetChoice::is_all")]
    pub subset: SubsetChoice,
}

/// How to open a data set; `OpenOptions::default()` suits most.
#[derive(Clone, Default)]
pub struct OpenOptions<'a> {
    /// What decides how the set is understood.
    pub settings: DataSettings,
    /// Names of the classes, by class number; a label beyond them is an error. Sets that bring names (image
    /// folders) keep their own.
    pub class_names: Option<Vec<String>>,
    /// Bytes of decoded images to hold in memory, and the most that one image may need; `None` means half of
    /// the memory available now.
    pub memory_limit: Option<u64>,
    /// Where decoded sets beyond the limit are kept; without it they are an error.
    pub cache_dir: Option<PathBuf>,
    /// Called from the opening thread with (images done, images in all), for a progress bar.
    pub progress: Option<&'a dyn Fn(usize, usize)>,
}

/// Whether a setting is left as it is; such ones need not be written.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl DataSettings {
    /// The same for one data set alone: nothing is joined with it.
    #[must_use]
    pub fn alone(&self) -> DataSettings {
        DataSettings { join: Vec::new(), ..self.clone() }
    }
}

impl From<DataSettings> for OpenOptions<'_> {
    fn from(settings: DataSettings) -> Self {
        OpenOptions { settings, ..OpenOptions::default() }
    }
}

impl OpenOptions<'_> {
    /// The memory limit in bytes: as given, or half of the memory available now.
    pub fn memory_limit_bytes(&self) -> u64 {
        self.memory_limit.unwrap_or_else(|| available_memory() / 2)
    }

    pub(crate) fn check(&self) -> Result<(), DataError> {
        let SplitShares { train, val, test } = self.settings.split_shares;
        let sound = [val, test].iter().all(|share| (0.0..1.0).contains(share)) && train > 0.0;
        if !sound || (train + val + test - 1.0).abs() > 1e-6 {
            return Err(DataError::BadOption {
                name: "split_shares",
                expected: "train > 0, val >= 0, test >= 0, adding up to 1".into(),
                got: format!("train {train}, val {val}, test {test}"),
            });
        }
        if self.class_names.as_ref().is_some_and(Vec::is_empty) {
            return Err(DataError::BadOption {
                name: "class_names",
                expected: "one name per class".into(),
                got: "an empty list".into(),
            });
        }
        self.settings.window.check()?;
        self.settings.subset.check()?;
        Tiling::of(&self.settings)?;
        self.settings.range.check()
    }
}
