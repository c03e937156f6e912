//! Cells as images: each is cut out of its field when it is asked for.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use twinlens_data::{DataError, Image, ImageSource, Tag};

use crate::background::{Background, Runs};
use crate::crop::{crop, top_left};
use crate::cutting::CropSettings;

/// One cell of a field.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// The number of its field in the source of fields.
    pub field: usize,
    /// What it is called where it comes from.
    pub object: u32,
    /// Row and column of its middle.
    pub centroid: [f64; 2],
    /// Pixels of its mask, where that is known.
    pub area: Option<u32>,
    /// Its number among the masks of its field; 0 where there are none.
    pub mask: u32,
}

/// A source of cells: [`ImageSource::image`] and [`ImageSource::stored`] both give the pixels as the field stores them, cut,
/// filled and padded by the [`CropSettings`]. Labels and tags are those of the field; columns are `field`, `object`, `x`, `y`,
/// `area` and those of the field.
///
/// The fields that were used last are held, so that cells that are asked for in order cost one field each.
pub struct Cells {
    fields: Arc<dyn ImageSource>,
    cells: Vec<Cell>,
    /// The masks of each field, where something is done with them.
    masks: Vec<Option<Runs>>,
    settings: CropSettings,
    columns: Vec<String>,
    metadata: Vec<Vec<String>>,
    recent: Mutex<Recent>,
}

/// Bytes of fields that are held.
const HELD: usize = 256 << 20;

/// What is known of every cell.
const COLUMNS: [&str; 5] = ["field", "object", "x", "y", "area"];

impl Cells {
    /// The cells `cells` of `fields`; `masks` has one entry for every field, or none where the background is kept.
    pub(crate) fn new(
        fields: Arc<dyn ImageSource>,
        cells: Vec<Cell>,
        masks: Vec<Option<Runs>>,
        settings: CropSettings,
    ) -> Cells {
        let own = COLUMNS.map(String::from);
        // A column of the fields that is called like one of these is kept under another name.
        let renamed = |name: &String| if own.contains(name) { format!("field_{name}") } else { name.clone() };
        let columns = own.iter().cloned().chain(fields.columns().iter().map(renamed)).collect();
        let metadata = cells.iter().map(|cell| described(cell, fields.as_ref())).collect();
        Cells { fields, cells, masks, settings, columns, metadata, recent: Mutex::default() }
    }

    /// All cells, in order.
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// The fields that they are cut out of.
    pub fn fields(&self) -> &Arc<dyn ImageSource> {
        &self.fields
    }

    fn at(&self, index: usize) -> Result<&Cell, DataError> {
        self.cells.get(index).ok_or(DataError::NoSuchSample { index, len: self.cells.len() })
    }

    /// The field, from those that are held or from its source.
    fn field(&self, field: usize) -> Result<Arc<Image>, DataError> {
        let recent = || self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(image) = recent().get(field) {
            return Ok(image);
        }
        let image = Arc::new(self.fields.stored(field)?);
        recent().put(field, &image);
        Ok(image)
    }
}

/// The texts of a cell for [`COLUMNS`] and the columns of its field.
fn described(cell: &Cell, fields: &dyn ImageSource) -> Vec<String> {
    // Hundredths of a pixel are more than any detector knows.
    let place = |at: f64| format!("{}", (at * 100.0).round() / 100.0);
    let own = [
        fields.name(cell.field),
        cell.object.to_string(),
        place(cell.centroid[1]),
        place(cell.centroid[0]),
        cell.area.map(|area| area.to_string()).unwrap_or_default(),
    ];
    own.into_iter().chain(fields.metadata(cell.field).iter().cloned()).collect()
}

impl ImageSource for Cells {
    fn len(&self) -> usize {
        self.cells.len()
    }

    fn image(&self, index: usize) -> Result<Image, DataError> {
        let cell = self.at(index)?;
        let field = self.field(cell.field)?;
        let CropSettings { size, padding, fill, background, .. } = self.settings;
        let corner = top_left(cell.centroid, size);
        let mut image = crop(&field, corner, size, padding, fill);
        if let (Some(Some(masks)), true) = (self.masks.get(cell.field), background != Background::Keep) {
            masks.treat(&mut image, corner, cell.mask, (background, padding, fill));
        }
        Ok(image)
    }

    fn size(&self, index: usize) -> Result<[usize; 2], DataError> {
        self.at(index).map(|_| [self.settings.size; 2])
    }

    fn label(&self, index: usize) -> Option<usize> {
        self.fields.label(self.at(index).ok()?.field)
    }

    fn tags(&self, index: usize) -> Option<&[Tag]> {
        self.fields.tags(self.at(index).ok()?.field)
    }

    /// The field's name and the cell's number: `plate1/B02_s1.tif#17`.
    fn name(&self, index: usize) -> String {
        match self.at(index) {
            Ok(cell) => format!("{}#{}", self.fields.name(cell.field), cell.object),
            Err(_) => format!("#{index}"),
        }
    }

    fn columns(&self) -> &[String] {
        &self.columns
    }

    fn metadata(&self, index: usize) -> &[String] {
        self.metadata.get(index).map_or(&[], Vec::as_slice)
    }

    fn channel_names(&self) -> &[String] {
        self.fields.channel_names()
    }

    /// The cells of one group of fields belong together.
    fn group_column(&self) -> Option<usize> {
        self.fields.group_column().map(|column| COLUMNS.len() + column)
    }
}

/// The fields that were used last, the newest at the end.
#[derive(Default)]
struct Recent {
    fields: VecDeque<(usize, Arc<Image>)>,
    bytes: usize,
}

impl Recent {
    fn get(&mut self, field: usize) -> Option<Arc<Image>> {
        let at = self.fields.iter().position(|(held, _)| *held == field)?;
        let found = self.fields.remove(at)?;
        let image = found.1.clone();
        self.fields.push_back(found);
        Some(image)
    }

    fn put(&mut self, field: usize, image: &Arc<Image>) {
        let bytes = |image: &Image| image.pixels.len() * image.pixel_type().bytes();
        if self.fields.iter().any(|(held, _)| *held == field) || bytes(image) > HELD {
            return;
        }
        self.bytes += bytes(image);
        self.fields.push_back((field, image.clone()));
        while self.bytes > HELD {
            let Some((_, oldest)) = self.fields.pop_front() else { break };
            self.bytes -= bytes(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use twinlens_data::Pixels;

    use super::*;

    #[test]
    fn no_more_is_held_than_may_be() {
        let large = |value| Arc::new(Image::new(1, HELD / 2, 1, Pixels::U8(vec![value; HELD / 2])).unwrap());
        let mut recent = Recent::default();
        (0..3).for_each(|field| recent.put(field, &large(field as u8)));
        assert!(recent.get(0).is_none());
        assert_eq!(recent.get(1).unwrap().pixels.to_f64()[0], 1.0);
        recent.put(3, &large(3));
        assert!(recent.get(2).is_none() && recent.get(1).is_some() && recent.get(3).is_some());
        assert_eq!(recent.bytes, HELD);
    }
}
