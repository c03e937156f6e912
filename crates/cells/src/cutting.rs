//! A data set of cells out of one of fields.

use std::collections::BTreeMap;
use std::sync::Arc;

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use twinlens_data::{DataSet, ImageSource, Notice, Ranged, Split, Splits};
use twinlens_random::{Purpose, Stream};

use crate::background::{Background, Runs};
use crate::cells::{Cell, Cells};
use crate::crop::{Padding, top_left};
use crate::{CellsError, FieldObjects, Finder};

/// What becomes of a cell whose crop leaves the field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Border {
    /// It is left out.
    #[default]
    Drop,
    /// It is padded (`padding`).
    Pad,
}

/// How cells are cut out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CropSettings {
    /// Rows and columns of a crop, in pixels.
    pub size: usize,
    /// What becomes of a cell whose crop leaves the field: `drop` or `pad`.
    pub border: Border,
    /// What a crop shows beyond the field, for `border = "pad"`: `reflect` or `constant` (the value `fill`).
    pub padding: Padding,
    /// What becomes of the pixels around the cell: `keep`, `own` (all that is not of its own mask is filled) or `neighbours`
    /// (what is of the masks of others is filled).
    pub background: Background,
    /// The value of pixels that are filled, in numbers of the stored image.
    pub fill: f64,
    /// The most cells of one field, drawn by `seed`; 0 for all.
    pub per_field: usize,
    /// Seed of the draw.
    pub seed: u64,
}

impl Default for CropSettings {
    fn default() -> CropSettings {
        CropSettings {
            size: 196,
            border: Border::Drop,
            padding: Padding::Reflect,
            background: Background::Keep,
            fill: 0.0,
            per_field: 0,
            seed: 0,
        }
    }
}

/// The largest crop, in pixels.
const MAX_SIZE: usize = 16_384;

impl CropSettings {
    /// Refuses settings that make no sense.
    ///
    /// # Errors
    /// [`CellsError::Setting`].
    pub fn check(&self) -> Result<(), CellsError> {
        if !(1..=MAX_SIZE).contains(&self.size) {
            return Err(CellsError::setting("size", "a number of pixels from 1 to 16384", self.size));
        }
        if !self.fill.is_finite() {
            return Err(CellsError::setting("fill", "a number", self.fill));
        }
        Ok(())
    }
}

/// A data set of cells, and what became of the objects.
#[derive(Clone)]
pub struct Cut {
    /// The cells, in the splits of their fields; images are cut when they are asked for.
    pub set: DataSet,
    /// The same by split, with the places of the cells.
    pub cells: BTreeMap<Split, Arc<Cells>>,
    /// Counts.
    pub counts: Counts,
}

/// What became of the objects of all fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Fields looked at.
    pub fields: usize,
    /// Fields without an object.
    pub empty_fields: usize,
    /// Objects found.
    pub objects: usize,
    /// Of these, those whose crop leaves the field.
    pub left_field: usize,
    /// Of the others, those that were not drawn.
    pub not_drawn: usize,
    /// Cells that are left.
    pub cells: usize,
}

/// Cuts the cells that `finder` finds out of the fields of `set`. Every cell is in the split of its field and has its label,
/// and the fields' range of values counts for cells too. `progress` is told (fields done, fields in all).
///
/// # Errors
/// [`CellsError::Setting`]; [`CellsError::NoCells`]; what reading fields and finding gives.
pub fn cut(
    set: &DataSet,
    finder: &Finder,
    settings: &CropSettings,
    progress: Option<&dyn Fn(usize, usize)>,
) -> Result<Cut, CellsError> {
    settings.check()?;
    if settings.background != Background::Keep && !finder.has_masks() {
        let expected = "keep, as a table of middles does not say which pixels are of a cell";
        let got = if settings.background == Background::Own { "own" } else { "neighbours" };
        return Err(CellsError::setting("background", expected, got));
    }
    let all = Split::ALL.iter().filter_map(|split| set.splits.get(*split)).map(|source| source.len()).sum();
    let mut counts = Counts::default();
    let mut cells = BTreeMap::new();
    let mut hash = Sha256::new();
    hash.update(format!("{} {settings:?}", set.fingerprint));
    for split in Split::ALL {
        let Some(fields) = set.splits.get(split) else { continue };
        let mut told = |done: usize| progress.iter().for_each(|progress| progress(done, all));
        let found = of_split(fields, finder, settings, &mut counts, &mut told)?;
        found.0.iter().for_each(|cell| hash.update(format!("{split:?} {cell:?}")));
        if !found.0.is_empty() {
            cells.insert(split, Arc::new(Cells::new(fields.clone(), found.0, found.1, settings.clone())));
        }
    }
    if cells.is_empty() {
        let reason = match (counts.objects, counts.left_field) {
            (0, _) => "nothing was found".to_owned(),
            (_, left) => {
                format!("the crops of {left}, of {0} x {0} pixels, leave their field", settings.size)
            }
        };
        return Err(CellsError::NoCells { found: counts.objects, fields: counts.fields, reason });
    }
    let ranged = |split| cells.get(&split).map(|cells: &Arc<Cells>| Ranged::wrap(cells.clone(), &set.range));
    let splits = Splits { train: ranged(Split::Train), val: ranged(Split::Val), test: ranged(Split::Test) };
    let mut notices = set.notices.clone();
    notices.extend(notices_of(&counts, settings));
    let fingerprint = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Cut { set: DataSet { splits, notices, fingerprint, ..set.clone() }, cells, counts })
}

fn notices_of(counts: &Counts, settings: &CropSettings) -> Vec<Notice> {
    let mut notices = Vec::new();
    if counts.left_field > 0 && settings.border == Border::Drop {
        let message = format!(
            "{} of {} cells are left out, as their crops of {2} x {2} pixels leave the field",
            counts.left_field, counts.objects, settings.size
        );
        notices.push(Notice::new("crops-left-out", message).hint("`{border} pad` keeps them"));
    }
    if counts.empty_fields > 0 {
        let message = format!("{} of {} fields have no cell", counts.empty_fields, counts.fields);
        notices.push(Notice::new("empty-fields", message));
    }
    notices
}

/// Fields that are looked at between two words to `progress`, for each thread.
const AT_A_TIME: usize = 2;

/// The cells of all fields of one split, and the masks of each field where they are needed.
fn of_split(
    fields: &Arc<dyn ImageSource>,
    finder: &Finder,
    settings: &CropSettings,
    counts: &mut Counts,
    progress: &mut dyn FnMut(usize),
) -> Result<(Vec<Cell>, Vec<Option<Runs>>), CellsError> {
    let (mut cells, mut masks) = (Vec::new(), Vec::new());
    let numbers: Vec<usize> = (0..fields.len()).collect();
    for chunk in numbers.chunks(AT_A_TIME * rayon::current_num_threads().max(1)) {
        let found: Vec<OfField> = chunk
            .par_iter()
            .map(|&field| of_field(fields.as_ref(), field, finder, settings))
            .collect::<Result<_, _>>()?;
        for found in found {
            counts.fields += 1;
            counts.empty_fields += usize::from(found.objects == 0);
            counts.objects += found.objects;
            counts.left_field += found.left_field;
            counts.not_drawn += found.not_drawn;
            counts.cells += found.cells.len();
            cells.extend(found.cells);
            masks.push(found.masks);
        }
        progress(counts.fields);
    }
    Ok((cells, masks))
}

/// The cells of one field.
struct OfField {
    objects: usize,
    left_field: usize,
    not_drawn: usize,
    cells: Vec<Cell>,
    masks: Option<Runs>,
}

fn of_field(
    fields: &dyn ImageSource,
    field: usize,
    finder: &Finder,
    settings: &CropSettings,
) -> Result<OfField, CellsError> {
    let FieldObjects { numbers, centroids, areas, labels } = finder.find(fields, field)?;
    let objects = centroids.len();
    let [height, width] = fields.size(field)?;
    let inside = |centroid: [f64; 2]| {
        let [top, left] = top_left(centroid, settings.size);
        let size = settings.size as i64;
        top >= 0 && left >= 0 && top + size <= height as i64 && left + size <= width as i64
    };
    let masked = labels.is_some();
    let each = numbers.into_iter().zip(centroids).zip(areas).zip(1..);
    let mut cells: Vec<Cell> = each
        .map(|(((object, centroid), area), place)| Cell {
            field,
            object,
            centroid,
            area,
            mask: if masked { place } else { 0 },
        })
        .collect();
    let outside = cells.iter().filter(|cell| !inside(cell.centroid)).count();
    if settings.border == Border::Drop {
        cells.retain(|cell| inside(cell.centroid));
    }
    let not_drawn = draw(&mut cells, &fields.name(field), settings);
    let masks = labels.filter(|_| settings.background != Background::Keep).map(|labels| Runs::of(&labels));
    Ok(OfField { objects, left_field: outside, not_drawn, cells, masks })
}

/// Keeps as many cells as are wanted, in their order; returns how many go. The draw is a function of the seed and the name of
/// the field, and nested: what is drawn among few is drawn among more.
fn draw(cells: &mut Vec<Cell>, field: &str, settings: &CropSettings) -> usize {
    let before = cells.len();
    if settings.per_field == 0 || before <= settings.per_field {
        return 0;
    }
    let name = Sha256::digest(field.as_bytes());
    let word = |at: usize| u32::from_le_bytes([name[at], name[at + 1], name[at + 2], name[at + 3]]);
    let mut places: Vec<usize> = (0..before).collect();
    Stream::new(settings.seed, Purpose::Cells, [word(0), word(4), word(8)]).shuffle(&mut places);
    places.truncate(settings.per_field);
    places.sort_unstable();
    let mut place = 0;
    cells.retain(|_| {
        place += 1;
        places.binary_search(&(place - 1)).is_ok()
    });
    before - cells.len()
}
