//! Whole slides in folders: each is a set of tiles, which are cut when they are needed.
//!
//! When a set is opened, the directories of each slide are read, a small level of it to tell tissue from glass, and one tile, which
//! tells whether its pixels can be decoded. The fingerprint of the set is over what tells the content without decoding it: sizes of
//! levels, lengths of the encoded strips and tiles, the pixels of the small level, the place of each tile.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use image::ImageFormat;
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::folder::{File, Parts, check_any};
use super::{merge, volumes};
use crate::containers::slide_by_ending;
use crate::decode::{About, Decoded, Kept, Pyramid, Refusal, Remark, Resolution};
use crate::notice::Notice;
use crate::slide::{AT_A_TIME, Cutting, KEPT, Opened, Tiling, Tissue, not_read};
use crate::store::{FilePlace, ImageFiles, StoreBuilder, Unread};
use crate::table::Known;
use crate::tree::{Kind, Tree};
use crate::{DataError, DataSettings, Image, Orientation, PixelType};

/// Slides that are looked at side by side.
const BATCH: usize = 64;

/// Cuts slides into tiles.
pub(super) struct Cutter {
    tiling: Tiling,
    settings: DataSettings,
    limit: u64,
    kept: Arc<Kept>,
    /// Slides that were opened, by entry.
    slides: Mutex<BTreeMap<usize, Arc<Slide>>>,
    /// The columns of metadata that say where in its slide a tile is: `x`, `y`, `level`.
    columns: [usize; 3],
    counts: Counts,
}

/// A slide whose structure was read.
struct Slide {
    pyramid: Arc<Pyramid>,
    cutting: Cutting,
}

/// What was found in a slide.
struct Found {
    slide: Arc<Slide>,
    /// The tiles that are kept.
    tiles: Vec<usize>,
    /// Channels and type of the first, and what its channels are called.
    form: Option<(usize, PixelType, Vec<String>)>,
    /// What stands for its content in the fingerprint.
    digest: [u8; 32],
}

/// Tiles of all slides.
#[derive(Default)]
struct Counts {
    kept: usize,
    all: usize,
    /// Slides without a tile of enough tissue.
    bare: Vec<String>,
}

impl Cutter {
    /// Nothing where the settings ask for no tiles.
    pub(super) fn of(settings: &DataSettings, limit: u64) -> Result<Option<Cutter>, DataError> {
        let Some(tiling) = Tiling::of(settings)? else { return Ok(None) };
        if !matches!(settings.channels_from.as_str(), "" | "auto" | "none") {
            let expected = "none, as the channels of a slide are in one file".to_owned();
            return Err(DataError::BadOption {
                name: "channels_from",
                expected,
                got: settings.channels_from.clone(),
            });
        }
        Ok(Some(Cutter {
            tiling,
            settings: settings.clone(),
            limit,
            kept: Arc::new(Kept::new(KEPT.min(limit / AT_A_TIME))),
            slides: Mutex::default(),
            columns: [0; 3],
            counts: Counts::default(),
        }))
    }

    /// Adds columns that say of which slide a tile is and where in it: column and row of its upper left corner in pixels of level 0, and
    /// the level it is read from.
    pub(super) fn add_columns(&mut self, tree: &Tree, images: &[usize], known: &mut Known) {
        let names = volumes::names(tree, images.iter().copied());
        known.add_column("slide", images.len(), |image| {
            names.get(&images[image]).cloned().unwrap_or_default()
        });
        self.columns =
            ["x", "y", "level"].map(|name| known.add_column(name, images.len(), |_| String::new()));
    }

    /// Looks at all slides and enters their tiles.
    pub(super) fn read(
        &mut self,
        tree: &Tree,
        parts: Parts,
        store: &mut StoreBuilder<'_>,
    ) -> Result<(), DataError> {
        for (split, files) in parts {
            store.begin(split, split.map_or("images", crate::Split::name));
            let mut files = files.into_iter();
            while files.len() > 0 {
                let batch: Vec<File> = files.by_ref().take(BATCH).collect();
                let found: Vec<Result<Found, Refusal>> =
                    batch.par_iter().map(|file| self.look(tree, &file.entries)).collect();
                for (file, found) in batch.into_iter().zip(found) {
                    self.enter(tree, file, found, store)?;
                }
            }
        }
        self.tell(tree, store)
    }

    /// What is in a slide.
    fn look(&self, tree: &Tree, entries: &[usize]) -> Result<Found, Refusal> {
        let (slide, opened) = self.open(tree, entries)?;
        let Slide { pyramid, cutting, .. } = &*slide;
        let mut hash = Sha256::new();
        hash.update(b"twinlens slide 1");
        for level in &pyramid.levels {
            hash.update(format!("{} x {},", level.width, level.height));
        }
        for level in [0, cutting.level] {
            hash.update(pyramid.piece_lengths(&opened.blob, level)?);
        }
        let tiles = match self.tiling.min_tissue {
            0.0 => (0..cutting.len()).collect(),
            least => {
                let (tissue, overview) = Tissue::of(&opened)?;
                if let crate::Pixels::U8(values) = &overview.pixels {
                    hash.update(values);
                }
                cutting.with_tissue(&tissue, least)
            }
        };
        let first = tiles.first().map(|&number| self.tile(&slide, &opened, number)).transpose()?;
        let form = first.and_then(|tile| {
            let image = tile.images.first()?;
            Some((image.channels, image.pixel_type(), tile.about.channel_names.clone()))
        });
        if let Some((channels, pixel_type, _)) = form {
            self.check_room(cutting, pyramid, channels * pixel_type.bytes())?;
        }
        Ok(Found { slide: slide.clone(), tiles, form, digest: hash.finalize().into() })
    }

    /// Refuses tiles of which several cannot be read at a time.
    fn check_room(&self, cutting: &Cutting, pyramid: &Pyramid, pixel: usize) -> Result<(), Refusal> {
        let bytes = cutting.bytes(pixel as u64);
        if bytes.saturating_mul(AT_A_TIME) <= self.limit {
            return Ok(());
        }
        let (levels, level) = (pyramid.levels.len(), cutting.level);
        let reason = format!(
            "a tile takes {bytes} bytes of level {level} of {levels}, the smallest that is fine enough: too many for the limit of {} bytes",
            self.limit
        );
        Err(Refusal::new(
            reason,
            "write the slide with more levels, ask for finer or smaller tiles ({mpp}, {tile_size}), or raise the memory limit",
        ))
    }

    /// The slide of these files, which must be one.
    fn open(&self, tree: &Tree, entries: &[usize]) -> Result<(Arc<Slide>, Opened), Refusal> {
        let &[entry] = entries else {
            return Err("its channels are files of their own, of which no tiles are cut".into());
        };
        let path = &tree.entries[entry].path;
        if let Some(what) = slide_by_ending(path) {
            return Err(not_read(what)); // its first bytes may be those of another format
        }
        check_kind(tree.entries[entry].kind)?;
        let Some(blob) = tree.blob(entry)? else {
            return Err(Refusal::new(
                "it is packed or lies in an archive, of which no parts can be read",
                "unpack it and give the folder",
            ));
        };
        if tree.entries[entry].len != Some(blob.len()) {
            return Err("the file has changed since the data set was opened".into());
        }
        let known = || self.slides.lock().unwrap_or_else(PoisonError::into_inner);
        let before = known().get(&entry).cloned();
        let slide = match before {
            Some(slide) => slide,
            None => {
                let pyramid = Pyramid::open(&blob)?;
                if self.settings.orientation == Orientation::Upright && pyramid.orientation > 1 {
                    let reason =
                        format!("it says that it is stored turned (tag 274 is {})", pyramid.orientation);
                    return Err(Refusal::new(
                        reason,
                        "{orientation} stored cuts tiles of it as it is stored",
                    ));
                }
                let cutting = Cutting::of(&pyramid, &self.tiling)?;
                let slide = Arc::new(Slide { pyramid: Arc::new(pyramid), cutting });
                known().insert(entry, slide.clone());
                slide
            }
        };
        let (pyramid, kept) = (slide.pyramid.clone(), self.kept.clone());
        Ok((slide, Opened { pyramid, blob, number: entry, kept, limit: self.limit }))
    }

    /// A tile with the wanted channels.
    fn tile(&self, slide: &Slide, opened: &Opened, number: usize) -> Result<Decoded, Refusal> {
        let tile = Decoded::one(slide.cutting.tile(opened, number)?);
        let about = slide.pyramid.about.clone();
        merge::chosen(Decoded { about, ..tile }, &self.settings.channels)
    }

    /// Enters the tiles of a slide into the store.
    fn enter(
        &mut self,
        tree: &Tree,
        file: File,
        found: Result<Found, Refusal>,
        store: &mut StoreBuilder<'_>,
    ) -> Result<(), DataError> {
        let path = &tree.entries[file.entries[0]].path;
        let found = match found {
            Ok(found) => found,
            Err(refusal) => return store.bad_sample(tree.place_of(file.entries[0]), path, refusal),
        };
        let Found { slide, tiles, form, digest } = found;
        let Slide { pyramid, cutting, .. } = &*slide;
        self.counts.all += cutting.len();
        self.counts.kept += tiles.len();
        let Some((channels, pixel_type, channel_names)) = form else {
            self.counts.bare.push(path.clone());
            return Ok(());
        };
        self.tell_slide(&slide, path, store);
        store.describe(&About { channel_names, pixel_size: self.pixel_size(pyramid) }, path);
        store.expect(tiles.len() - 1);
        let bytes = cutting.bytes((channels * pixel_type.bytes()) as u64);
        let unread = |number: usize| {
            let [y, x] = cutting.corner(number).map(|at| at.round() as u64);
            let mut metadata = file.metadata.clone();
            for (column, value) in self.columns.into_iter().zip([x, y, cutting.level as u64]) {
                metadata[column] = value.to_string();
            }
            let mut hash = Sha256::new();
            hash.update(digest);
            hash.update(format!("{x} {y} {:?} {:?}", cutting.scale, self.tiling.size));
            hash.update(file.label.map_or(0, |label| u64::from(label) + 1).to_le_bytes());
            Unread {
                height: self.tiling.size,
                width: self.tiling.size,
                channels,
                pixel_type,
                digest: hash.finalize().into(),
                label: file.label,
                tags: file.tags.clone(),
                name: format!("{path}[{x},{y}]"),
                place: FilePlace { entries: file.entries.clone(), page: number, bytes },
                metadata,
            }
        };
        let all: Vec<Unread> = tiles.into_iter().map(unread).collect();
        store.push_unread(all)
    }

    /// Height and width of a pixel of a tile in micrometres: that asked for, or else that of the slide.
    fn pixel_size(&self, pyramid: &Pyramid) -> Option<[f64; 2]> {
        match &pyramid.resolution {
            _ if self.tiling.mpp.is_some() => self.tiling.mpp.map(|mpp| [mpp; 2]),
            Resolution::Known(size) => Some(*size),
            Resolution::Unknown(_) => None,
        }
    }

    /// Tells what a slide is and how it is cut. Slides of one kind share a notice: sizes of pixels are told to two digits.
    fn tell_slide(&self, slide: &Slide, path: &str, store: &mut StoreBuilder<'_>) {
        let Slide { pyramid, cutting, .. } = slide;
        let two_digits = |value: f64| {
            let unit = 10f64.powf(1.0 - value.abs().log10().floor());
            (value * unit).round() / unit
        };
        let levels: Vec<String> =
            pyramid.levels.iter().map(|level| format!("1/{}", two_digits(level.downsample))).collect();
        let pixel = match &pyramid.resolution {
            Resolution::Known([_, across]) => format!("about {} micrometres a pixel", two_digits(*across)),
            Resolution::Unknown(_) => "pixels of unknown size".to_owned(),
        };
        let [shrunk, _] = cutting.scale;
        let how = if cutting.scale == [1.0; 2] {
            String::new()
        } else {
            format!(", shrunk by {}", two_digits(shrunk))
        };
        let message = format!(
            "slides of {} ({}), {pixel}: tiles are cut out of level {}{how}",
            counted(levels.len(), "level"),
            levels.join(", "),
            cutting.level
        );
        store.tell(Notice::new("slides", message).about(path));
        pyramid
            .remarks
            .iter()
            .filter(|remark| **remark != Remark::Alpha)
            .for_each(|remark| store.tell(remark.notice(path)));
        if pyramid.others > 0 {
            let message = "images of slides that are no level of them (thumbnail, label, picture of the glass) are left out";
            store.tell(Notice::new("no-level", message).about(path));
        }
    }

    /// Tells how many tiles there are; without any, that is an error.
    fn tell(&mut self, tree: &Tree, store: &mut StoreBuilder<'_>) -> Result<(), DataError> {
        let Counts { kept, all, bare } = std::mem::take(&mut self.counts);
        let Tiling { size, mpp, min_tissue, .. } = self.tiling;
        let percent = two_decimals(100.0 * min_tissue);
        if kept == 0 && !bare.is_empty() {
            return Err(DataError::NoImages {
                place: tree.place().into(),
                found: format!(
                    "none of {all} tiles of {} has at least {percent} % tissue",
                    counted(bare.len(), "slide")
                ),
                hint: Some("{min_tissue} 0 keeps all tiles, a smaller share more of them".into()),
            });
        }
        check_any(tree, store)?;
        let pixels = mpp.map_or(String::new(), |mpp| format!(" at {mpp} micrometres a pixel"));
        let message = format!(
            "slides are cut into tiles of {size} x {size} pixels{pixels}: {kept} of {all} have at least {percent} % tissue and are kept; what \
             is less than a tile at right and lower edges is left out"
        );
        let hint =
            "{min_tissue} says how much of a tile must be tissue, {tile_stride} how far apart tiles are";
        store.tell(Notice::new("tiles", message).hint(hint));
        let message = "slides without a tile of enough tissue are left out";
        let notice = Notice::new("no-tissue", message).hint("{min_tissue} 0 keeps all tiles");
        let notice = bare.iter().fold(notice, Notice::about);
        if notice.count > 0 {
            store.tell(notice);
        }
        Ok(())
    }
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

fn two_decimals(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// Refuses what no tiles are cut of.
fn check_kind(kind: Kind) -> Result<(), Refusal> {
    let what = match kind {
        Kind::Image(ImageFormat::Tiff) => return Ok(()),
        Kind::Dicom => "a DICOM file (whole slides in DICOM are not read)".to_owned(),
        Kind::Image(format) => format!("{format:?}").to_uppercase(),
        Kind::Known(what) => what.to_owned(),
        _ => "none that is known".to_owned(),
    };
    let reason = format!("tiles are cut out of TIFF alone (SVS and OME-TIFF are such), and it is {what}");
    Err(Refusal::new(
        reason,
        "convert it to pyramidal TIFF (libvips' tiffsave with tile and pyramid, or Bio-Formats' bfconvert)",
    ))
}

/// The slides of a tree, of which tiles are cut at any time.
struct Slides {
    tree: Arc<Tree>,
    cutter: Cutter,
}

impl ImageFiles for Slides {
    fn image(&self, FilePlace { entries, page, .. }: &FilePlace) -> Result<Option<Image>, DataError> {
        let cut = || {
            let (slide, opened) = self.cutter.open(&self.tree, entries)?;
            match *page < slide.cutting.len() {
                true => self.cutter.tile(&slide, &opened, *page).map(|tile| tile.images.into_iter().next()),
                false => Ok(None),
            }
        };
        cut().map_err(|refusal| DataError::bad_sample(self.tree.place_of(entries[0]), refusal))
    }
}

/// Where tiles of the slides of `tree` can be cut from at any time, each within `limit` bytes.
pub(super) fn files(tree: &Arc<Tree>, settings: &DataSettings, limit: u64) -> Option<Arc<dyn ImageFiles>> {
    let cutter = Cutter::of(settings, limit).ok().flatten()?;
    Some(Arc::new(Slides { tree: tree.clone(), cutter }))
}
