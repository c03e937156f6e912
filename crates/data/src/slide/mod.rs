//! Whole slides: images far larger than memory, with smaller copies (levels), of which regions are read.

mod cutting;
mod shrink;
mod tissue;

use std::path::Path;
use std::sync::Arc;

pub(crate) use self::cutting::{AT_A_TIME, Cutting, Tiling};
pub(crate) use self::tissue::Tissue;
use crate::blob::Blob;
use crate::containers::{advice, slide_by_ending};
use crate::decode::{Kept, Level, Pyramid, Refusal, Region, Resolution};
use crate::{DataError, Image};

/// Bytes of unpacked strips and tiles that are held, at most.
pub(crate) const KEPT: u64 = 64 << 20;

/// Bytes of one region, at most.
const REGION: u64 = 4 << 30;

/// A slide, of which no more was read than its structure: a TIFF or BigTIFF in tiles or strips, with or without levels, as Aperio's
/// SVS and OME-TIFF are.
pub struct Slide {
    place: String,
    levels: Vec<SlideLevel>,
    opened: Opened,
}

/// One size of a slide.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SlideLevel {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// How many pixels of level 0, along a side, one pixel of this level stands for.
    pub downsample: f64,
}

impl Slide {
    /// Opens the slide at `path`.
    ///
    /// # Errors
    /// [`DataError::Read`]; [`DataError::BadSample`] where it is no TIFF, its structure is damaged, or it is of a vendor whose format is
    /// not read.
    pub fn open(path: &Path) -> Result<Slide, DataError> {
        let place = path.display().to_string();
        let blob = Blob::open(path).map_err(|source| DataError::Read { place: place.clone(), source })?;
        let pyramid = match slide_by_ending(&place) {
            Some(what) => Err(not_read(what)),
            None => Pyramid::open(&blob),
        };
        let pyramid = pyramid.map_err(|refusal| DataError::bad_sample(place.clone(), refusal))?;
        let level = |level: &Level| SlideLevel {
            width: level.width,
            height: level.height,
            downsample: level.downsample,
        };
        let levels = pyramid.levels.iter().map(level).collect();
        let opened = Opened {
            pyramid: Arc::new(pyramid),
            blob,
            number: 0,
            kept: Arc::new(Kept::new(KEPT)),
            limit: REGION,
        };
        Ok(Slide { place, levels, opened })
    }

    /// Its levels, the largest first.
    pub fn levels(&self) -> &[SlideLevel] {
        &self.levels
    }

    /// Height and width of a pixel of level 0 in micrometres; `None` where the file does not say it.
    pub fn pixel_size(&self) -> Option<[f64; 2]> {
        match &self.opened.pyramid.resolution {
            Resolution::Known(size) => Some(*size),
            Resolution::Unknown(_) => None,
        }
    }

    /// The rectangle of `width` x `height` pixels of level `level` whose upper left pixel is in column `x` and row `y` of that level. Only
    /// the strips and tiles that it touches are decoded.
    ///
    /// # Errors
    /// [`DataError::BadOption`] where the slide has no such level or the rectangle does not lie within it;
    /// [`DataError::BadSample`] where pieces of it cannot be decoded.
    pub fn region(
        &self,
        level: usize,
        [x, y]: [usize; 2],
        [width, height]: [usize; 2],
    ) -> Result<Image, DataError> {
        let bad =
            |name: &'static str, expected: String, got: String| DataError::BadOption { name, expected, got };
        let Some(size) = self.levels.get(level) else {
            return Err(bad("level", format!("a level below {}", self.levels.len()), level.to_string()));
        };
        let within = |at: usize, len: usize, side: usize| {
            len > 0 && at.checked_add(len).is_some_and(|end| end <= side)
        };
        if !within(x, width, size.width) || !within(y, height, size.height) {
            let expected = format!("a rectangle within {} x {} pixels", size.width, size.height);
            return Err(bad("region", expected, format!("{width} x {height} at column {x}, row {y}")));
        }
        let region = Region { at: [y, x], sides: [height, width] };
        let read = self.opened.region(level, region);
        read.map_err(|refusal| DataError::bad_sample(self.place.clone(), refusal))
    }
}

/// A slide and where its bytes are.
pub(crate) struct Opened {
    pub(crate) pyramid: Arc<Pyramid>,
    pub(crate) blob: Blob,
    /// Its number among the slides whose pieces are kept.
    pub(crate) number: usize,
    pub(crate) kept: Arc<Kept>,
    /// Bytes of a region, at most.
    pub(crate) limit: u64,
}

impl Opened {
    pub(crate) fn region(&self, level: usize, region: Region) -> Result<Image, Refusal> {
        self.pyramid.region((&self.blob, self.number), level, region, &self.kept, self.limit)
    }
}

/// A slide that is not read, by its name.
pub(crate) fn not_read(what: &str) -> Refusal {
    Refusal::new(format!("it is {what}, which is not read"), advice(what))
}
