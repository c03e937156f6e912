//! What the tags of one image say of its samples and of where they are.

use super::directory::*;
use crate::decode::Refusal;

/// What kind of numbers the samples are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Numbers {
    Unsigned,
    Signed,
    Float,
}

/// What the samples stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    WhiteIsZero,
    /// Shades of grey, or any channels.
    Grey,
    Rgb,
    Palette,
    Cmyk,
    YCbCr,
}

/// Where the samples of one image are and what they mean. Strips are tiles as wide as the image.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) width: usize,
    pub(super) height: usize,
    /// Samples of a pixel, alpha included.
    pub(super) samples: usize,
    pub(super) bits: usize,
    pub(super) numbers: Numbers,
    pub(super) meaning: Meaning,
    /// Whether each sample has a plane of its own.
    pub(super) planar: bool,
    pub(super) tiled: bool,
    /// Width and height of a tile.
    pub(super) tile: [usize; 2],
    pub(super) offsets: Vec<u64>,
    pub(super) counts: Vec<u64>,
    pub(super) compression: u64,
    pub(super) predictor: u64,
    /// Bits stand in bytes from the lowest on.
    pub(super) bits_reversed: bool,
    /// Meaning of the samples beyond the colours: 0 unspecified, 1 or 2 alpha.
    pub(super) extra: Vec<u64>,
    /// Pixels that share a pair of chroma samples, across and down.
    pub(super) subsampling: [usize; 2],
    pub(super) orientation: u8,
}

pub(super) const JPEG: u64 = 7;

impl Layout {
    /// Reads it from the tags.
    pub(super) fn of(tags: &Directory<'_>) -> Result<Layout, Refusal> {
        let number = |tag: Tag, default: u64| tags.number(tag).map(|found| found.unwrap_or(default));
        let side = |tag: Tag| match tags.number(tag)? {
            Some(side @ 1..=0x7fff_ffff) => Ok(side as usize),
            other => Err(format!("TIFF: tag {tag} is not a width or height: {other:?}")),
        };
        let (width, height) = (side(WIDTH)?, side(LENGTH)?);
        if number(IMAGE_DEPTH, 1)? > 1 {
            let reason = "TIFF: volumes in one image (tag ImageDepth) are not read";
            return Err(Refusal::new(reason, "save the slices as pages"));
        }
        let samples = number(SAMPLES, 1)?;
        let tiled = tags.has(TILE_WIDTH);
        let rows = usize::try_from(number(ROWS_PER_STRIP, height as u64)?).unwrap_or(usize::MAX);
        let tile =
            if tiled { [side(TILE_WIDTH)?, side(TILE_LENGTH)?] } else { [width, rows.clamp(1, height)] };
        let samples = usize::try_from(samples).ok().filter(|samples| (1..=65535).contains(samples));
        let samples = samples.ok_or("TIFF: no samples in a pixel")?;
        let mut layout = Layout {
            width,
            height,
            samples,
            bits: same(tags, BITS, 1)? as usize,
            numbers: numbers(same(tags, SAMPLE_FORMAT, 1)?)?,
            meaning: meaning(number(PHOTOMETRIC, 1)?)?,
            planar: samples > 1 && number(PLANAR, 1)? == 2,
            tiled,
            tile,
            offsets: Vec::new(),
            counts: Vec::new(),
            compression: number(COMPRESSION, 1)?,
            predictor: number(PREDICTOR, 1)?,
            bits_reversed: number(FILL_ORDER, 1)? == 2,
            extra: tags.numbers(EXTRA_SAMPLES)?.unwrap_or_default(),
            subsampling: [1, 1],
            orientation: number(ORIENTATION, 1)?.min(255) as u8,
        };
        layout.place_chunks(tags)?;
        layout.subsample(tags)?;
        layout.check()?;
        Ok(layout)
    }

    /// Finds the bytes of strips or tiles. Some writers leave out the length of what is not compressed.
    fn place_chunks(&mut self, tags: &Directory<'_>) -> Result<(), String> {
        // Some writers call the offsets of tiles those of strips.
        let either = |one: Tag, other: Tag| Ok::<_, String>(tags.numbers(one)?.or(tags.numbers(other)?));
        let [offsets, counts] = match self.tiled {
            true => [either(TILE_OFFSETS, STRIP_OFFSETS)?, either(TILE_COUNTS, STRIP_COUNTS)?],
            false => [either(STRIP_OFFSETS, TILE_OFFSETS)?, either(STRIP_COUNTS, TILE_COUNTS)?],
        };
        self.offsets = offsets.ok_or("TIFF: no tag says where the pixels are")?;
        let rest = |&offset: &u64| (tags.file().bytes.len() as u64).saturating_sub(offset);
        self.counts = counts.unwrap_or_else(|| self.offsets.iter().map(rest).collect());
        let needed = self.across().saturating_mul(self.down()).saturating_mul(self.planes());
        if self.offsets.len() < needed || self.counts.len() < needed {
            let found = self.offsets.len().min(self.counts.len());
            return Err(format!("TIFF: {needed} strips or tiles are needed, {found} are listed"));
        }
        Ok(())
    }

    fn subsample(&mut self, tags: &Directory<'_>) -> Result<(), String> {
        if self.meaning == Meaning::YCbCr && self.compression != JPEG {
            let sides = tags.numbers(YCBCR_SUBSAMPLING)?.unwrap_or(vec![2, 2]);
            self.subsampling = match sides[..] {
                [across @ (1 | 2 | 4), down @ (1 | 2 | 4)] => [across as usize, down as usize],
                _ => return Err(format!("TIFF: chroma subsampling {sides:?} is not read")),
            };
        }
        Ok(())
    }

    fn check(&self) -> Result<(), Refusal> {
        let refused = |what: String| {
            Err(Refusal::new(format!("TIFF: {what} are not read"), "convert to 8 or 16 bits or to float"))
        };
        match (self.numbers, self.bits) {
            (Numbers::Unsigned, 1..=16 | 32)
            | (Numbers::Signed, 8 | 16 | 32)
            | (Numbers::Float, 16 | 32 | 64) => {}
            (numbers, bits) => return refused(format!("samples of {bits} bits ({numbers:?})")),
        }
        if self.extra.len() > self.samples {
            return Err("TIFF: more extra samples than samples".into());
        }
        let colors = self.samples - self.extra.len();
        let fits = match self.meaning {
            Meaning::Grey => true,
            Meaning::WhiteIsZero => colors == 1,
            Meaning::Palette => colors == 1 && self.numbers == Numbers::Unsigned,
            Meaning::Rgb => colors >= 3,
            Meaning::Cmyk => colors >= 1,
            Meaning::YCbCr => {
                colors == 3 && self.bits == 8 && self.numbers == Numbers::Unsigned && self.samples == 3
            }
        };
        if !fits {
            return refused(format!(
                "{:?} colours with {colors} samples of {} bits",
                self.meaning, self.bits
            ));
        }
        Ok(())
    }

    /// Tiles in a row.
    pub(super) fn across(&self) -> usize {
        self.width.div_ceil(self.tile[0])
    }

    /// Rows of tiles.
    pub(super) fn down(&self) -> usize {
        self.height.div_ceil(self.tile[1])
    }

    /// Planes that are stored one after the other.
    pub(super) fn planes(&self) -> usize {
        if self.planar { self.samples } else { 1 }
    }

    /// Bytes of one sample once unpacked.
    pub(super) fn size(&self) -> usize {
        self.bits.div_ceil(8).next_power_of_two()
    }

    /// Whether images of both can be pages of one stack or channels of one image.
    pub(super) fn like(&self, other: &Layout) -> bool {
        let form = |one: &Layout| (one.width, one.height, one.samples, one.bits, one.numbers, one.meaning);
        form(self) == form(other)
    }
}

/// The value of a tag that has one for each sample, which must be the same for all.
fn same(tags: &Directory<'_>, tag: Tag, default: u64) -> Result<u64, String> {
    let values = tags.numbers(tag)?.unwrap_or(vec![default]);
    let first = values.first().copied().unwrap_or(default);
    match values.iter().all(|&value| value == first) {
        true => Ok(first),
        false => {
            Err(format!("TIFF: samples of different kinds in one pixel are not read (tag {tag}: {values:?})"))
        }
    }
}

fn numbers(format: u64) -> Result<Numbers, Refusal> {
    Ok(match format {
        1 | 4 => Numbers::Unsigned,
        2 => Numbers::Signed,
        3 => Numbers::Float,
        5 | 6 => return Err(Refusal::new("TIFF: complex numbers are not read", "save their magnitude")),
        _ => return Err(format!("TIFF: samples of format {format} are not read").into()),
    })
}

fn meaning(photometric: u64) -> Result<Meaning, Refusal> {
    let refused = |what: &str, hint: &str| Err(Refusal::new(format!("TIFF: {what} are not read"), hint));
    Ok(match photometric {
        0 => Meaning::WhiteIsZero,
        1 | 4 | 34892 => Meaning::Grey,
        2 => Meaning::Rgb,
        3 => Meaning::Palette,
        5 => Meaning::Cmyk,
        6 => Meaning::YCbCr,
        8..=10 => return refused("L*a*b* colours", "convert to RGB"),
        32803 => return refused("the raw data of a camera", "develop them to RGB"),
        other => return refused(&format!("colours of kind {other}"), "convert to RGB"),
    })
}
