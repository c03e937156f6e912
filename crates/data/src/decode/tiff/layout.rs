//! What the tags of one image say of its samples and of where they are.

use std::borrow::Cow;

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
    /// The tags that say where the strips or tiles are, and how many bytes each has; some writers leave out the latter of
    /// what is not compressed.
    offsets: Tag,
    counts: Option<Tag>,
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

/// JPEG 2000: of Aperio in YCbCr and in RGB, and of others.
pub(super) const JPEG_2000_YCBCR: u64 = 33003;
pub(super) const JPEG_2000_RGB: u64 = 33005;
pub(super) const JPEG_2000: u64 = 34712;

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
            offsets: STRIP_OFFSETS,
            counts: None,
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

    /// Finds the tags that say where strips or tiles are: some writers call those of tiles those of strips.
    fn place_chunks(&mut self, tags: &Directory<'_>) -> Result<(), String> {
        let strips = [STRIP_OFFSETS, STRIP_COUNTS];
        let tiles = [TILE_OFFSETS, TILE_COUNTS];
        let [usual, other] = if self.tiled { [tiles, strips] } else { [strips, tiles] };
        let either = |at: usize| [usual[at], other[at]].into_iter().find(|&tag| tags.has(tag));
        self.offsets = either(0).ok_or("TIFF: no tag says where the pixels are")?;
        self.counts = either(1);
        let needed = self.across().saturating_mul(self.down()).saturating_mul(self.planes());
        for tag in std::iter::once(self.offsets).chain(self.counts) {
            let found = tags.listed(tag)?.unwrap_or(0);
            if found < needed {
                return Err(format!("TIFF: {needed} strips or tiles are needed, {found} are listed"));
            }
        }
        Ok(())
    }

    /// Where a strip or tile begins, and how many bytes it has.
    pub(super) fn place(&self, tags: &Directory<'_>, chunk: usize) -> Result<[u64; 2], String> {
        let missing = || format!("TIFF: nothing says where strip or tile {chunk} is");
        let offset = tags.number_at(self.offsets, chunk)?.ok_or_else(missing)?;
        let count = match self.counts {
            Some(tag) => tags.number_at(tag, chunk)?.ok_or_else(missing)?,
            None => tags.file().source.len().saturating_sub(offset),
        };
        Ok([offset, count])
    }

    /// The numbers of bytes of all strips or tiles, as they are stored.
    pub(super) fn counts<'a>(&self, tags: &Directory<'a>) -> Result<Cow<'a, [u8]>, String> {
        Ok(tags.bytes(self.counts.unwrap_or(self.offsets))?.unwrap_or_default())
    }

    fn subsample(&mut self, tags: &Directory<'_>) -> Result<(), String> {
        if self.meaning == Meaning::YCbCr && !self.has_own_colors() {
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

    /// Whether its pieces are compressed as pictures, which become RGB when they are unpacked.
    pub(super) fn has_own_colors(&self) -> bool {
        self.compression == JPEG || self.is_jpeg_2000()
    }

    pub(super) fn is_jpeg_2000(&self) -> bool {
        matches!(self.compression, JPEG_2000_YCBCR | JPEG_2000_RGB | JPEG_2000)
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
