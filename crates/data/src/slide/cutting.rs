//! Where the tiles of a slide are.
//!
//! A tile of `size` pixels at `mpp` micrometres a pixel covers `size * mpp / mpp0` pixels of level 0 along each side, where `mpp0` is the
//! size of a pixel of level 0. It is read from the smallest level that is as fine as asked for, or at most 1 % coarser, and shrunk by
//! area averages; where that level is within 1 % of what is asked, its pixels are taken as they are. A slide whose level 0 is
//! coarser than asked by more than 10 % is refused, as its tiles would be blown up.

use super::{Opened, Tissue};
use crate::decode::{Level, Pyramid, Refusal, Region, Resolution};
use crate::{DataError, DataSettings, Image, Pages};

/// How slides are cut, as the settings say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Tiling {
    /// Pixels of a side of a tile.
    pub(crate) size: usize,
    /// Micrometres of a pixel of a tile; without, its pixels are those of level 0.
    pub(crate) mpp: Option<f64>,
    /// Pixels of a tile from the beginning of one to that of the next.
    pub(crate) stride: usize,
    /// The share of a tile that must be tissue.
    pub(crate) min_tissue: f64,
}

/// The share of a tile that must be tissue, where nothing else is said.
const MIN_TISSUE: f64 = 0.5;

/// Pixels of a side of a tile, at most.
const LARGEST: usize = 1 << 14;

/// How far a level may be from what is asked and be taken as it is.
const SAME: f64 = 0.01;

/// How much coarser than asked level 0 may be.
const BLOWN_UP: f64 = 1.1;

/// How many regions of a tile must fit into the limit of memory.
pub(crate) const AT_A_TIME: u64 = 8;

impl Tiling {
    /// Nothing where `tile_size` is not given.
    ///
    /// # Errors
    /// Values that make no sense.
    pub(crate) fn of(settings: &DataSettings) -> Result<Option<Tiling>, DataError> {
        let bad = |name: &'static str, expected: &str, got: String| {
            Err(DataError::BadOption { name, expected: expected.into(), got })
        };
        let &DataSettings { tile_size, mpp, tile_stride, min_tissue, pages, .. } = settings;
        let Some(size) = tile_size else {
            let nothing = "nothing without `tile_size`";
            return match (mpp, tile_stride, min_tissue) {
                (Some(mpp), ..) => bad("mpp", nothing, mpp.to_string()),
                (_, Some(stride), _) => bad("tile_stride", nothing, stride.to_string()),
                (.., Some(share)) => bad("min_tissue", nothing, share.to_string()),
                _ => Ok(None),
            };
        };
        let stride = tile_stride.unwrap_or(size);
        let min_tissue = min_tissue.unwrap_or(MIN_TISSUE);
        match mpp {
            _ if !(1..=LARGEST).contains(&size) => bad("tile_size", "1 to 16384 pixels", size.to_string()),
            _ if !(1..=LARGEST).contains(&stride) => {
                bad("tile_stride", "1 to 16384 pixels", stride.to_string())
            }
            _ if !(0.0..=1.0).contains(&min_tissue) => bad("min_tissue", "0 to 1", min_tissue.to_string()),
            _ if pages != Pages::First => bad(
                "pages",
                "first, as tiles are cut out of the first page",
                format!("{pages:?}").to_lowercase(),
            ),
            Some(mpp) if !(mpp.is_finite() && mpp > 0.0) => {
                bad("mpp", "micrometres above 0", mpp.to_string())
            }
            _ => Ok(Some(Tiling { size, mpp, stride, min_tissue })),
        }
    }
}

/// The tiles of one slide: a grid from its upper left corner; what is less than a tile at the other edges is left out.
pub(crate) struct Cutting {
    pub(crate) level: usize,
    /// Pixels of that level that a pixel of a tile covers, down and across.
    pub(crate) scale: [f64; 2],
    /// Pixels of level 0 that a pixel of a tile covers.
    from_first: [f64; 2],
    size: usize,
    stride: usize,
    /// Rows and columns of tiles.
    pub(crate) count: [usize; 2],
}

impl Cutting {
    /// Where the tiles of a slide are, of which a region may take `limit` bytes.
    pub(crate) fn of(pyramid: &Pyramid, tiling: &Tiling) -> Result<Cutting, Refusal> {
        let wanted = wanted(pyramid, tiling)?;
        let finest = wanted[0].min(wanted[1]);
        let fine = |level: &Level| level.downsample <= finest * (1.0 + SAME);
        // Levels become smaller one after the other.
        let level = pyramid.levels.iter().rposition(fine).unwrap_or(0);
        let Level { width, height, downsample, .. } = pyramid.levels[level];
        let mut scale = wanted.map(|wanted| wanted / downsample);
        if scale.iter().all(|scale| (scale - 1.0).abs() <= SAME) {
            scale = [1.0; 2];
        }
        let Tiling { size, stride, .. } = *tiling;
        let first = &pyramid.levels[0];
        // Levels that are rounded up end behind the slide.
        let ends = [(height, first.height), (width, first.width)]
            .map(|(side, first)| (side as f64).min(first as f64 / downsample));
        let along = |at: usize| {
            let beyond = (ends[at] - size as f64 * scale[at]) / (stride as f64 * scale[at]);
            if beyond < -1e-9 { 0 } else { (beyond + 1e-9) as usize + 1 }
        };
        let count = [along(0), along(1)];
        if count.contains(&0) {
            let [rows, columns] = scale.map(|scale| (size as f64 * scale).ceil());
            let reason = format!(
                "its level {level} has {width} x {height} pixels, and a tile covers {columns} x {rows} of them: it is smaller than a tile"
            );
            return Err(Refusal::new(
                reason,
                "ask for smaller tiles with {tile_size}, or finer ones with {mpp}",
            ));
        }
        let from_first = scale.map(|scale| scale * downsample);
        Ok(Cutting { level, scale, from_first, size, stride, count })
    }

    /// How many tiles there are.
    pub(crate) fn len(&self) -> usize {
        self.count[0] * self.count[1]
    }

    /// Row and column of the upper left corner of tile `number` in pixels of level 0; tiles are numbered row by row.
    pub(crate) fn corner(&self, number: usize) -> [f64; 2] {
        let at = [number / self.count[1], number % self.count[1]];
        [0, 1].map(|axis| (at[axis] * self.stride) as f64 * self.from_first[axis])
    }

    /// Rows and columns of level 0 that a tile covers.
    pub(crate) fn extent(&self) -> [f64; 2] {
        self.from_first.map(|scale| scale * self.size as f64)
    }

    /// The region of the level that a tile touches, and where in it the tile begins.
    fn region(&self, number: usize, sides: [usize; 2]) -> (Region, [f64; 2]) {
        let tile = [number / self.count[1], number % self.count[1]];
        let start = [0, 1].map(|axis| (tile[axis] * self.stride) as f64 * self.scale[axis]);
        let at = start.map(|start| (start + 1e-9) as usize);
        let end = |axis: usize| {
            let end = start[axis] + self.size as f64 * self.scale[axis];
            ((end - 1e-9).ceil() as usize).min(sides[axis])
        };
        let region = Region { at, sides: [end(0) - at[0], end(1) - at[1]] };
        (region, [0, 1].map(|axis| start[axis] - at[axis] as f64))
    }

    /// Bytes that reading a tile takes, of so many bytes a pixel.
    pub(crate) fn bytes(&self, pixel: u64) -> u64 {
        let sides = self.scale.map(|scale| (self.size as f64 * scale).ceil() as u64 + 1);
        sides[0].saturating_mul(sides[1]).saturating_mul(pixel)
    }

    /// A tile.
    pub(crate) fn tile(&self, slide: &Opened, number: usize) -> Result<Image, Refusal> {
        let level = &slide.pyramid.levels[self.level];
        let (region, start) = self.region(number, [level.height, level.width]);
        let image = slide.region(self.level, region)?;
        Ok(match self.scale {
            [1.0, 1.0] => image,
            scale => super::shrink::shrunk(&image, start, scale, [self.size; 2]),
        })
    }

    /// The tiles of which at least the share that is asked for is tissue.
    pub(crate) fn with_tissue(&self, tissue: &Tissue, least: f64) -> Vec<usize> {
        let share = |number: &usize| tissue.share(self.corner(*number), self.extent());
        (0..self.len()).filter(|number| share(number) >= least).collect()
    }
}

/// How many pixels of level 0 a pixel of a tile shall cover, down and across.
fn wanted(pyramid: &Pyramid, tiling: &Tiling) -> Result<[f64; 2], Refusal> {
    let Some(mpp) = tiling.mpp else { return Ok([1.0; 2]) };
    let size = match &pyramid.resolution {
        Resolution::Known(size) => *size,
        Resolution::Unknown(reason) => {
            let reason = format!(
                "tiles of {mpp} micrometres a pixel are asked for, but the size of its pixels is not known: {reason}"
            );
            return Err(Refusal::new(reason, "leave out {mpp} to cut tiles of its own pixels"));
        }
    };
    let wanted = size.map(|size| mpp / size);
    if wanted.iter().any(|wanted| wanted * BLOWN_UP < 1.0) {
        let [down, across] = size;
        let reason = format!(
            "tiles of {mpp} micrometres a pixel are asked for, but its pixels have {across} x {down}: they would be blown up"
        );
        return Err(Refusal::new(
            reason,
            "ask for coarser tiles with {mpp}, or leave it out for its own pixels",
        ));
    }
    Ok(wanted)
}
