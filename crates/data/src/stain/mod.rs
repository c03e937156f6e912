//! Colours of histological stains: images of 8-bit RGB given those of a reference.
//!
//! The reference is an image, or the set itself: at most [`IMAGES`] of its training images, at even distances, of each at most
//! [`PIXELS`] pixels, likewise. What was found there ([`FittedStain`]) belongs to the data set, as the range of values does, and
//! is to be kept with the encoder that learned from it, so that new images are treated alike ([`DataSet::stained`]).

pub mod hed;
mod macenko;
mod reinhard;

use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use self::macenko::{Macenko, NoStains, Stains};
pub use self::reinhard::LabStatistics;
use self::reinhard::Transfer;
use crate::decode::{DecodeOptions, decode};
use crate::matrix::Matrix;
use crate::notice::Notice;
use crate::store::hex;
use crate::tree::Tree;
use crate::{DataError, DataSet, DataSettings, Image, ImageSource, OpenOptions, PixelType, Pixels, Split};

/// Images of a set that it is fitted to, at most.
pub const IMAGES: usize = 64;

/// Pixels of each of these, at most.
pub const PIXELS: usize = 1 << 16;

/// `stain`: whether colours are normalised, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StainMethod {
    /// Images are given as they are.
    #[default]
    None,
    /// Two stains are found in every image and given the colours and strengths that they have in the reference (Macenko et al.
    /// 2009).
    Macenko,
    /// Mean and standard deviation of L\*, a\* and b\* of every image become those of the reference (Reinhard et al. 2001).
    Reinhard,
}

/// `stain` in settings: a method, which is fitted to the reference or to the set, or what was fitted before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum StainChoice {
    /// By name.
    Method(StainMethod),
    /// As it was kept with an encoder, say.
    Fitted(FittedStain),
}

impl Default for StainChoice {
    fn default() -> StainChoice {
        StainChoice::Method(StainMethod::None)
    }
}

impl From<StainMethod> for StainChoice {
    fn from(method: StainMethod) -> StainChoice {
        StainChoice::Method(method)
    }
}

/// What colours are normalised to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "method", rename_all = "lowercase", deny_unknown_fields)]
pub enum StainTarget {
    /// By Macenko's method.
    Macenko {
        /// How stains are found, in the reference and in every image.
        how: Macenko,
        /// Those of the reference.
        stains: Stains,
    },
    /// By Reinhard's.
    Reinhard {
        /// Those of the reference.
        statistics: LabStatistics,
    },
}

/// A normalisation of colours that was fitted to a reference: all that is needed to treat other images alike.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FittedStain {
    /// What colours become.
    pub target: StainTarget,
    /// What it was fitted to, for people.
    pub fitted_to: String,
}

/// What is done to one image.
enum Change {
    Densities(Macenko, Matrix),
    Lab(Transfer),
}

/// The pixels of an image of 8-bit RGB.
fn rgb(image: &Image) -> Option<&[[u8; 3]]> {
    match &image.pixels {
        Pixels::U8(values) if image.channels == 3 => Some(values.as_chunks().0),
        _ => None,
    }
}

/// Refuses images that are no 8-bit RGB.
fn refused(place: &str, pixel_type: PixelType, channels: usize) -> DataError {
    DataError::NotStained {
        place: place.into(),
        reason: format!(
            "stains are told apart in images of 3 channels of u8; here are {channels} of {pixel_type}"
        ),
        hint: "leave {stain} out, or give the images in 8-bit RGB",
    }
}

const NO_STAINS: &str =
    "no two stains are found in it: too few pixels are dark in red, green and blue, or all have one colour";

impl StainTarget {
    /// What images like this one have, given as they are.
    fn of_pixels(method: StainMethod, pixels: &[[u8; 3]]) -> Result<Option<StainTarget>, NoStains> {
        Ok(match method {
            StainMethod::None => None,
            StainMethod::Macenko => {
                let how = Macenko::default();
                Some(StainTarget::Macenko { how, stains: how.fit(pixels)? })
            }
            StainMethod::Reinhard => Some(StainTarget::Reinhard { statistics: LabStatistics::of(pixels) }),
        })
    }

    /// What several images have: Macenko's stains of all pixels together, of those images that have any; of L\*a\*b\*, the mean of
    /// the images' statistics.
    fn of_images(method: StainMethod, images: &[Vec<[u8; 3]>]) -> Result<Option<StainTarget>, NoStains> {
        if method == StainMethod::Reinhard {
            let all: Vec<LabStatistics> = images.par_iter().map(|pixels| LabStatistics::of(pixels)).collect();
            let statistics = LabStatistics::mean_of(&all).ok_or(NoStains)?;
            return Ok(Some(StainTarget::Reinhard { statistics }));
        }
        let stained = images.par_iter().filter(|pixels| Macenko::default().fit(pixels).is_ok());
        let pixels: Vec<[u8; 3]> = stained.flat_map_iter(|pixels| pixels.iter().copied()).collect();
        StainTarget::of_pixels(method, &pixels)
    }

    /// What is to be done to an image of these pixels; `None` where no stains are found in it.
    fn change(&self, pixels: &[[u8; 3]]) -> Option<Change> {
        match self {
            StainTarget::Macenko { how, stains } => {
                let own = how.fit(pixels).ok()?;
                Some(Change::Densities(*how, Macenko::towards(&own, stains)))
            }
            StainTarget::Reinhard { statistics } => {
                Some(Change::Lab(LabStatistics::of(pixels).towards(statistics)))
            }
        }
    }

    /// Refuses numbers that no image can be normalised by: they may come from a file.
    fn check(&self) -> Result<(), DataError> {
        let (numbers, sound) = match self {
            StainTarget::Macenko { how, stains } => {
                let Macenko { white, beta, alpha, strength_percentile } = *how;
                let strong = stains.strengths.iter().all(|&strength| strength > 0.0);
                let percents = (0.0..50.0).contains(&alpha) && (0.0..=100.0).contains(&strength_percentile);
                let numbers = [stains.colors.as_flattened(), &stains.strengths, &[white, beta]].concat();
                (numbers, strong && percents && white > 0.0)
            }
            StainTarget::Reinhard { statistics: LabStatistics { mean, std } } => {
                ([*mean, *std].concat(), std.iter().all(|&std| std >= 0.0))
            }
        };
        if sound && numbers.iter().all(|number| number.is_finite()) {
            return Ok(());
        }
        Err(DataError::BadOption {
            name: "stain",
            expected: "finite colours, and strengths and deviations above 0".into(),
            got: format!("{self:?}"),
        })
    }
}

impl Change {
    fn apply(&self, image: &Image) -> Option<Image> {
        let pixels = rgb(image)?;
        let pixels = match self {
            Change::Densities(how, matrix) => how.apply(matrix, pixels),
            Change::Lab(transfer) => transfer.apply(pixels),
        };
        Some(Image { pixels: Pixels::U8(pixels), ..*image })
    }
}

impl FittedStain {
    /// Fitted to the image in the file `path`; of a file with several, to the first.
    ///
    /// # Errors
    /// A file that is no image of 8-bit RGB, or in which no stains are found.
    pub fn to_file(method: StainMethod, path: &Path) -> Result<Option<FittedStain>, DataError> {
        let place = path.display().to_string();
        let options = OpenOptions::default();
        let limit = options.memory_limit_bytes();
        let bytes = Tree::open(path, limit)?.bytes(0, limit)?;
        let decoded = decode(&bytes, &DecodeOptions::of(&DataSettings::default(), limit));
        let decoded = decoded.map_err(|refusal| DataError::bad_sample(place.clone(), refusal))?;
        let image = decoded.images.first().ok_or(DataError::NoSamples { what: "fitting stains" })?;
        let pixels = rgb(image).ok_or_else(|| refused(&place, image.pixel_type(), image.channels))?;
        let target = StainTarget::of_pixels(method, pixels).map_err(|_| DataError::NotStained {
            place: place.clone(),
            reason: NO_STAINS.into(),
            hint: "choose an image of stained tissue with {stain_reference}",
        })?;
        let fitted_to = format!("{place} (SHA-256 {}...)", &hex(&Sha256::digest(&bytes))[..8]);
        Ok(target.map(|target| FittedStain { target, fitted_to }))
    }

    /// Fitted to images of `source`: to at most [`IMAGES`] at even distances, of each to at most [`PIXELS`] pixels, likewise.
    ///
    /// # Errors
    /// Images that are no 8-bit RGB, or in none of which stains are found; what reading them gives.
    pub fn to_images(
        method: StainMethod,
        source: &dyn ImageSource,
        name: &str,
    ) -> Result<Option<FittedStain>, DataError> {
        let (all, count) = (source.len(), source.len().min(IMAGES));
        let taken = |number: usize| {
            let image = source.stored(number * all / count)?;
            let pixels = rgb(&image).ok_or_else(|| refused(name, image.pixel_type(), image.channels))?;
            let step = pixels.len().div_ceil(PIXELS).max(1);
            Ok(pixels.iter().step_by(step).copied().collect())
        };
        let images: Vec<Vec<[u8; 3]>> =
            (0..count).into_par_iter().map(taken).collect::<Result<_, DataError>>()?;
        let target = StainTarget::of_images(method, &images).map_err(|_| DataError::NotStained {
            place: format!("{name} ({count} of {all} images)"),
            reason: NO_STAINS.into(),
            hint: "name an image of stained tissue with {stain_reference}",
        })?;
        let fitted_to = format!("{count} of {all} training images of {name}");
        Ok(target.map(|target| FittedStain { target, fitted_to }))
    }

    /// `image` with its colours normalised; `None` where no stains are found in it.
    ///
    /// # Errors
    /// [`DataError::NotStained`] of an image that is no 8-bit RGB.
    pub fn normalised(&self, image: &Image) -> Result<Option<Image>, DataError> {
        let pixels = rgb(image).ok_or_else(|| refused("image", image.pixel_type(), image.channels))?;
        Ok(self.target.change(pixels).and_then(|change| change.apply(image)))
    }

    fn name(&self) -> &'static str {
        match self.target {
            StainTarget::Macenko { .. } => "Macenko",
            StainTarget::Reinhard { .. } => "Reinhard",
        }
    }
}

impl DataSet {
    /// The same images with the colours of their stains normalised to those of `stain`: for an encoder which learned from such
    /// images, for instance. Images in which no stains are found stay as they are, and are told.
    ///
    /// # Errors
    /// [`DataError::NotStained`] of images that are no 8-bit RGB, and of a set that was normalised to something else before;
    /// [`DataError::BadOption`] of a `stain` that no image can be normalised by; what reading images gives.
    pub fn stained(&self, stain: &FittedStain) -> Result<DataSet, DataError> {
        stain.target.check()?;
        if let Some(before) = &self.stain {
            return if before == stain { Ok(self.clone()) } else { Err(self.stained_before(before)) };
        }
        if self.range.pixel_type != PixelType::U8 || self.range.channels.len() != 3 {
            return Err(refused(&self.name, self.range.pixel_type, self.range.channels.len()));
        }
        let mut set = self.clone();
        let message = "images in which no two stains are found (background, for instance) keep their colours";
        let mut without = Notice::new("no-stains", message);
        for split in Split::ALL {
            let Some(source) = self.splits.get(split) else { continue };
            let stained = Stained::new(source.clone(), stain)?;
            without = stained.without().fold(without, |notice, index| notice.about(source.name(index)));
            set.splits.set(split, Arc::new(stained));
        }
        let message = format!(
            "colours of stains were normalised by the method of {} to {}",
            stain.name(),
            stain.fitted_to
        );
        Notice::new("stains", message)
            .hint("{stain_reference} names the image that they are normalised to")
            .add_to(&mut set.notices);
        if without.count > 0 {
            without.add_to(&mut set.notices);
        }
        set.stain = Some(stain.clone());
        // A range that was mapped before is mapped again, of what colours are now.
        if self.range.is_of_type() { Ok(set) } else { set.with_range(&self.range) }
    }

    fn stained_before(&self, before: &FittedStain) -> DataError {
        DataError::NotStained {
            place: self.name.clone(),
            reason: format!("its colours are normalised to {} already", before.fitted_to),
            hint: "open it without {stain}, and normalise it once",
        }
    }

    /// Normalised as the settings say.
    ///
    /// # Errors
    /// As [`DataSet::stained`]; a reference that cannot be used, or without a method.
    pub(crate) fn stained_as_set(self, settings: &DataSettings) -> Result<DataSet, DataError> {
        let reference = settings.stain_reference.as_str();
        let method = match &settings.stain {
            StainChoice::Method(method) if *method != StainMethod::None => *method,
            _ if !reference.is_empty() => {
                let expected = "nothing, unless a method of `stain` says how colours become its own".into();
                return Err(DataError::BadOption {
                    name: "stain_reference",
                    expected,
                    got: reference.into(),
                });
            }
            StainChoice::Method(_) => return Ok(self),
            StainChoice::Fitted(fitted) => return self.stained(fitted),
        };
        let fitted = match reference {
            "" => {
                let source = Split::ALL.iter().find_map(|split| self.splits.get(*split));
                let source = source.ok_or(DataError::NoSamples { what: "normalising stains" })?;
                FittedStain::to_images(method, source.as_ref(), &self.name)?
            }
            path => FittedStain::to_file(method, Path::new(path))?,
        };
        fitted.map_or(Ok(self.clone()), |fitted| self.stained(&fitted))
    }
}

/// A source whose images have normalised colours.
struct Stained {
    source: Arc<dyn ImageSource>,
    /// What is done to each image; nothing where no stains are found in it.
    changes: Vec<Option<Change>>,
}

impl Stained {
    /// Looks at every image of `source` once.
    fn new(source: Arc<dyn ImageSource>, stain: &FittedStain) -> Result<Stained, DataError> {
        let change = |index| {
            let image = source.stored(index)?;
            let pixels = rgb(&image).ok_or_else(|| refused("image", image.pixel_type(), image.channels))?;
            Ok(stain.target.change(pixels))
        };
        let changes = (0..source.len()).into_par_iter().map(change).collect::<Result<_, DataError>>()?;
        Ok(Stained { source, changes })
    }

    /// The images that stay as they are.
    fn without(&self) -> impl Iterator<Item = usize> {
        self.changes.iter().enumerate().filter(|(_, change)| change.is_none()).map(|(index, _)| index)
    }
}

impl ImageSource for Stained {
    fn image(&self, index: usize) -> Result<Image, DataError> {
        self.stored(index)
    }

    fn stored(&self, index: usize) -> Result<Image, DataError> {
        let image = self.source.stored(index)?;
        let changed =
            self.changes.get(index).and_then(Option::as_ref).and_then(|change| change.apply(&image));
        Ok(changed.unwrap_or(image))
    }

    crate::source::forward!(source, but stored);
}

#[cfg(test)]
mod tests {
    /// The pixels of an image that is stored plane by plane.
    pub(super) fn interleaved(planes: &[u8]) -> Vec<[u8; 3]> {
        let area = planes.len() / 3;
        (0..area).map(|at| [0, 1, 2].map(|channel: usize| planes[channel * area + at])).collect()
    }

    /// The other way round.
    pub(super) fn planes(samples: &[u8]) -> Vec<u8> {
        let pixels = samples.as_chunks::<3>().0;
        (0..3).flat_map(|channel| pixels.iter().map(move |pixel| pixel[channel])).collect()
    }
}
