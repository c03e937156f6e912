//! Whole slides: a large image and smaller copies of it (levels), of which parts are read.
//!
//! The first full image of the file is level 0; where the file describes channels (OME), it is that of each channel. Its levels are
//! the images below it (tag SubIFDs, as OME-TIFF has them) and, of one that is not of several channels, the others of the main list: those marked as smaller copies (tag
//! NewSubfileType) and those that follow it as in Aperio's SVS, which marks none. A level is stored as level 0 is, in tiles or in
//! strips, has the same samples, and both its sides are those of level 0 divided by one number, to within a pixel. What is no
//! level (thumbnail, label, picture of the glass) is not read.
//!
//! Formats that are a TIFF outside but lay out their pixels in ways of their own are refused by name.

use std::sync::Arc;

use super::directory::*;
use super::kept::{Kept, PieceKey};
use super::layout::{Layout, Meaning};
use super::raster::{self, Region};
use super::stack::Stack;
use crate::blob::Blob;
use crate::containers::advice;
use crate::decode::guard::guarded;
use crate::decode::pages::PageSource;
use crate::decode::{About, Refusal, Remark, stacked};
use crate::text::{NAME, shown};
use crate::{Image, Pages};

/// The structure of a whole slide, without its pixels.
pub(crate) struct Pyramid {
    form: Form,
    /// Level 0 first.
    pub(crate) levels: Vec<Level>,
    pub(crate) about: About,
    pub(crate) resolution: Resolution,
    pub(crate) remarks: Vec<Remark>,
    /// How the file says that it must be turned, as EXIF numbers it; 1 for upright.
    pub(crate) orientation: u8,
    /// Images of the file that are no levels.
    pub(crate) others: usize,
}

/// One size of a slide.
pub(crate) struct Level {
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// How many pixels of level 0, along a side, one of its pixels stands for.
    pub(crate) downsample: f64,
    /// Its images, which are its channels.
    planes: Vec<Plane>,
}

struct Plane {
    tags: Arc<Tags>,
    layout: Layout,
    shift: u64,
}

/// The size of a pixel of level 0.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Resolution {
    /// Height and width in micrometres.
    Known([f64; 2]),
    /// Why it is not known.
    Unknown(String),
}

/// Pixels that are larger, in micrometres, are those of screens and printers: 20 are 1270 an inch.
const LARGEST_PIXEL: f64 = 20.0;

impl Pyramid {
    /// Reads the directories of a TIFF.
    pub(crate) fn open(blob: &Blob) -> Result<Pyramid, Refusal> {
        let opened = guarded(|| Pyramid::read(Source::Read(blob)));
        opened.unwrap_or_else(|panic| Err(format!("the decoder failed on this file: {panic}").into()))
    }

    fn read(source: Source<'_>) -> Result<Pyramid, Refusal> {
        refuse_vendors(&File::open(source)?.0)?;
        let stack = Stack::open(source, u64::MAX)?;
        let described = &stack.directories[0];
        let first = &stack.pages[0];
        let bases: Vec<&Directory<'_>> =
            first.iter().map(|plane| &stack.directories[plane.directory]).collect();
        let copies = Copies::of(&stack.directories, &bases)?;
        let mut levels = vec![Level::of(&bases, None, first[0].shift)?];
        levels[0].planes.iter_mut().zip(first).for_each(|(plane, place)| plane.shift = place.shift);
        for copy in &copies.levels {
            levels.push(Level::of(&copy.iter().collect::<Vec<_>>(), Some(&levels[0]), 0)?);
        }
        levels.sort_by_key(|level| std::cmp::Reverse(level.width));
        levels.dedup_by_key(|level| (level.width, level.height));
        let about = stack.about();
        let resolution = match about.pixel_size {
            Some(size) => Resolution::Known(size),
            None => Resolution::of(described, bases[0])?,
        };
        let mut remarks = stack.remarks();
        remarks.retain(|remark| *remark != Remark::OtherPages);
        if stack.count() > 1 {
            remarks.push(Remark::Paged(Pages::First));
        }
        Ok(Pyramid {
            form: bases[0].file().form,
            levels,
            about,
            resolution,
            remarks,
            orientation: stack.orientation(),
            others: copies.others,
        })
    }

    /// A part of a level, which lies within it. `slide` is the number of the file among those whose pieces are `kept`.
    pub(crate) fn region(
        &self,
        (blob, slide): (&Blob, usize),
        level: usize,
        region: Region,
        kept: &Kept,
        allowed: u64,
    ) -> Result<Image, Refusal> {
        let file = File { source: Source::Read(blob), form: self.form };
        let planes = &self.levels[level].planes;
        let read = |(number, plane): (usize, &Plane)| {
            let tags = Directory::kept(file, plane.tags.clone());
            let kept = (kept, PieceKey::image(slide, level, number));
            raster::region(&tags, &plane.layout, (region, plane.shift), Some(kept), allowed, &mut Vec::new())
        };
        let images = || planes.iter().enumerate().map(read).collect::<Result<Vec<_>, Refusal>>();
        let images =
            guarded(images).map_err(|panic| format!("the decoder failed on this file: {panic}"))??;
        Ok(stacked(images)?)
    }

    /// What tells the content of a level without decoding it: the number of bytes of each of its strips and tiles.
    pub(crate) fn piece_lengths(&self, blob: &Blob, level: usize) -> Result<Vec<u8>, Refusal> {
        let file = File { source: Source::Read(blob), form: self.form };
        let mut lengths = Vec::new();
        for plane in &self.levels[level].planes {
            let tags = Directory::kept(file, plane.tags.clone());
            lengths.extend_from_slice(&plane.layout.counts(&tags)?);
        }
        Ok(lengths)
    }

    /// Rows of the strips or tiles of a level.
    pub(crate) fn piece_rows(&self, level: usize) -> usize {
        self.levels[level].planes[0].layout.tile[1]
    }
}

impl Level {
    /// That of these images; of level 0 or of a copy of it.
    fn of(images: &[&Directory<'_>], first: Option<&Level>, shift: u64) -> Result<Level, Refusal> {
        let plane = |tags: &&Directory<'_>| Ok(Plane { tags: tags.tags(), layout: Layout::of(tags)?, shift });
        let planes: Vec<Plane> = images.iter().map(plane).collect::<Result<_, Refusal>>()?;
        let Layout { width, height, .. } = planes[0].layout;
        let downsample = first.map_or(1.0, |first| downsample([first.width, first.height], [width, height]));
        Ok(Level { width, height, downsample, planes })
    }
}

/// The images of a file beside level 0.
#[derive(Default)]
struct Copies<'a> {
    /// The images of each further level, one a channel.
    levels: Vec<Vec<Directory<'a>>>,
    others: usize,
}

impl<'a> Copies<'a> {
    fn of(directories: &[Directory<'a>], bases: &[&Directory<'a>]) -> Result<Copies<'a>, Refusal> {
        let mut copies = Copies::default();
        let first = Layout::of(bases[0])?;
        let below = |base: &&Directory<'a>| -> Result<Vec<Directory<'a>>, String> {
            let places = base.numbers(SUB_DIRECTORIES)?.unwrap_or_default();
            places.into_iter().map(|at| Ok(base.file().directory(at)?.0)).collect()
        };
        let below: Vec<Vec<Directory<'a>>> = bases.iter().map(below).collect::<Result<_, String>>()?;
        for (number, copy) in below[0].iter().enumerate() {
            let of_channels: Option<Vec<_>> = below.iter().map(|below| below.get(number).cloned()).collect();
            let of_channels = of_channels.ok_or("TIFF: channels have different numbers of smaller copies")?;
            if !copies.takes(copy, &first, true)? {
                continue;
            }
            for other in &of_channels {
                let (one, other) = (Layout::of(copy)?, Layout::of(other)?);
                if (one.width, one.height) != (other.width, other.height) {
                    return Err("TIFF: the smaller copies of channels have different sizes".into());
                }
            }
            copies.levels.push(of_channels);
        }
        let is_base = |one: &Directory<'a>| bases.iter().any(|base| Arc::ptr_eq(&base.tags(), &one.tags()));
        for copy in directories.iter().filter(|one| !is_base(one)) {
            // Of several channels it is not known whose copies these are.
            if bases.len() > 1 {
                copies.others += 1;
            } else if copies.takes(copy, &first, copy.is_reduced())? {
                copies.levels.push(vec![copy.clone()]);
            }
        }
        Ok(copies)
    }

    /// Whether an image is a level. One that says that it is a smaller copy, and is not, is an error.
    fn takes(&mut self, copy: &Directory<'_>, first: &Layout, stated: bool) -> Result<bool, Refusal> {
        let colored = |layout: &Layout| match layout.meaning {
            Meaning::YCbCr => Meaning::Rgb,
            meaning => meaning,
        };
        let form = |one: &Layout| (one.samples, one.bits, one.numbers, colored(one), one.tiled);
        let copy = Layout::of(copy);
        let smaller = |copy: &&Layout| {
            form(copy) == form(first)
                && copy.width <= first.width
                && copy.height <= first.height
                && (copy.width, copy.height) != (first.width, first.height)
        };
        let Some(copy) = copy.as_ref().ok().filter(smaller) else {
            self.others += 1;
            return Ok(false);
        };
        let (sides, of) = ([copy.width, copy.height], [first.width, first.height]);
        if factors(of, sides).is_some() {
            return Ok(true);
        }
        if stated && copy.tiled {
            let reason = format!(
                "TIFF: a level of {} x {} pixels is no smaller copy of {} x {}: both sides must be divided by one number",
                sides[0], sides[1], of[0], of[1]
            );
            return Err(Refusal::new(reason, PYRAMID));
        }
        self.others += 1;
        Ok(false)
    }
}

/// How to get a slide that is read.
const PYRAMID: &str =
    "write it as a pyramidal TIFF anew (libvips: tiffsave with tile and pyramid; Bio-Formats: bfconvert)";

/// From and to which numbers both sides of `of` may have been divided to give `sides`, rounded up or down; nothing if by none.
fn factors(of: [usize; 2], sides: [usize; 2]) -> Option<[f64; 2]> {
    let from = |at: usize| of[at] as f64 / (sides[at] + 1) as f64;
    let to = |at: usize| of[at] as f64 / (sides[at] - 1) as f64; // infinite for a side of one pixel
    let [from, to] = [from(0).max(from(1)), to(0).min(to(1))];
    (from < to).then_some([from, to])
}

/// The number that sides were divided by: a whole number if that can be, else the mean of both quotients.
fn downsample(of: [usize; 2], sides: [usize; 2]) -> f64 {
    let mean = (of[0] as f64 / sides[0] as f64 + of[1] as f64 / sides[1] as f64) / 2.0;
    let [from, to] = factors(of, sides).unwrap_or([mean, mean]);
    if from < mean.round() && mean.round() < to { mean.round() } else { mean }
}

impl Resolution {
    /// As Aperio writes it into the first description (`MPP = 0.2520`), or by the tags of the image.
    fn of(described: &Directory<'_>, image: &Directory<'_>) -> Result<Resolution, String> {
        let text = described.text(DESCRIPTION);
        if let Some(stated) = text.split('|').find_map(|part| part.trim().strip_prefix("MPP")) {
            let stated = stated.trim_start_matches([' ', '=']).trim();
            return Ok(match stated.parse::<f64>() {
                Ok(size) if size.is_finite() && size > 0.0 => Resolution::Known([size; 2]),
                _ => Resolution::Unknown(format!(
                    "its description says MPP = {:?}, which is no size of a pixel",
                    shown(stated, NAME)
                )),
            });
        }
        let unit = match image.number(RESOLUTION_UNIT)? {
            Some(2) => 25_400.0,
            Some(3) => 10_000.0,
            _ => {
                let reason =
                    "neither OME-XML, nor MPP in its description, nor XResolution with a unit says it";
                return Ok(Resolution::Unknown(reason.into()));
            }
        };
        let size = |tag: Tag| {
            Ok::<_, String>(image.reals(tag)?.and_then(|reals| reals.first().map(|pixels| unit / pixels)))
        };
        Ok(match (size(Y_RESOLUTION)?, size(X_RESOLUTION)?) {
            (Some(down), Some(across))
                if [down, across].iter().all(|size| *size > 0.0 && *size <= LARGEST_PIXEL) =>
            {
                Resolution::Known([down, across])
            }
            (Some(down), Some(across)) => Resolution::Unknown(format!(
                "its XResolution makes pixels of {across} x {down} micrometres, as those of screens and printers"
            )),
            _ => {
                Resolution::Unknown("it has a unit of resolution, but no XResolution and YResolution".into())
            }
        })
    }
}

/// Refuses what is a TIFF outside and something else inside.
fn refuse_vendors(directories: &[Directory<'_>]) -> Result<(), Refusal> {
    let holds = |tags: &Directory<'_>, tag: Tag, text: &str| {
        tags.bytes(tag)
            .ok()
            .flatten()
            .is_some_and(|bytes| bytes.windows(text.len()).any(|window| window == text.as_bytes()))
    };
    let of = |tags: &Directory<'_>| match () {
        () if tags.has(NDPI) => Some("an NDPI slide of Hamamatsu"),
        () if holds(tags, DESCRIPTION, "leica-microsystems.com/scn") => Some("an SCN slide of Leica"),
        () if holds(tags, XMP, "<iScan") => Some("a BIF slide of Ventana"),
        () if holds(tags, DESCRIPTION, "DPUfsImport") || tags.text(SOFTWARE).starts_with("Philips") => {
            Some("a TIFF slide of Philips, whose levels are padded")
        }
        () => None,
    };
    match directories.iter().find_map(of) {
        None => Ok(()),
        Some(what) => Err(Refusal::new(format!("it is {what}, which is not read"), advice(what))),
    }
}

/// A tag that Hamamatsu's files have.
const NDPI: Tag = 65420;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_are_divided_by_one_number() {
        // Aperio's CMU-1: 46000 x 32914, rounded down.
        assert_eq!(downsample([46000, 32914], [11500, 8228]), 4.0);
        assert_eq!(downsample([46000, 32914], [2875, 2057]), 16.0);
        assert_eq!(downsample([7, 5], [4, 3]), 2.0, "rounded up");
        assert_eq!(downsample([1000, 500], [400, 200]), 2.5);
        assert!(factors([1000, 500], [400, 230]).is_none());
        assert!(factors([1000, 10], [10, 5]).is_none());
        assert!(factors([1000, 10], [1, 1]).is_some(), "rounded up: no side has fewer pixels than one");
        assert!(factors([3, 2], [1, 1]).is_some());
    }
}
