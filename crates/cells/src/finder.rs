//! Whatever says where the cells of a field are.

use std::path::Path;

use twinlens_data::{DataSet, ImageSource, Notice};

use crate::objects::{FieldTable, MaskSource};
use crate::{CellsError, CentroidTable, Detector, Labels, Plane};

/// Where cells come from.
#[derive(Clone)]
pub struct Finder(Kind);

#[derive(Clone)]
enum Kind {
    Detector { detector: Detector, channel: usize },
    Masks(MaskSource),
    Table(FieldTable),
}

/// The objects of one field.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FieldObjects {
    /// What each is called where it comes from: its number in a table or mask, or in the order of the field.
    pub numbers: Vec<u32>,
    /// Row and column of the middle of each.
    pub centroids: Vec<[f64; 2]>,
    /// Pixels of each, where they are known.
    pub areas: Vec<Option<u32>>,
    /// The object of every pixel, where masks are known: number 1 is the first of these objects, and so on.
    pub labels: Option<Labels>,
}

impl Finder {
    /// Nuclei found by `detector` on channel `channel`, counted from 0.
    ///
    /// # Errors
    /// [`CellsError::Setting`] when a setting of the detector makes no sense.
    pub fn detector(detector: Detector, channel: usize) -> Result<Finder, CellsError> {
        detector.check()?;
        Ok(Finder(Kind::Detector { detector, channel }))
    }

    /// The objects of label masks, and what a person should know of how they fit `fields`.
    ///
    /// # Errors
    /// As [`MaskSource::new`].
    pub fn masks(masks: &DataSet, fields: &DataSet) -> Result<(Finder, Vec<Notice>), CellsError> {
        let (masks, notices) = MaskSource::new(masks, fields)?;
        Ok((Finder(Kind::Masks(masks)), notices))
    }

    /// The objects of a table, and what a person should know of how they fit `fields`.
    ///
    /// # Errors
    /// [`CellsError::Table`] when no row is of one of the fields, or a row could be of several.
    pub fn table(table: &CentroidTable, fields: &DataSet) -> Result<(Finder, Vec<Notice>), CellsError> {
        let (table, notices) = table.of_fields(&crate::objects::field_names(fields))?;
        Ok((Finder(Kind::Table(table)), notices))
    }

    /// The objects of a table at `path` with CellProfiler's table of images at `images` (as [`CentroidTable::read`]).
    ///
    /// # Errors
    /// As [`CentroidTable::read`] and [`Finder::table`].
    pub fn table_at(
        path: &Path,
        images: Option<&Path>,
        fields: &DataSet,
    ) -> Result<(Finder, Vec<Notice>), CellsError> {
        Finder::table(&CentroidTable::read(path, images)?, fields)
    }

    /// Whether it is known which pixels are of an object.
    pub fn has_masks(&self) -> bool {
        !matches!(self.0, Kind::Table(_))
    }

    /// The objects of field `index` of `fields`.
    ///
    /// # Errors
    /// What reading the field or its mask gives; a table that does not fit it.
    pub fn find(&self, fields: &dyn ImageSource, index: usize) -> Result<FieldObjects, CellsError> {
        let name = fields.name(index);
        let found = || match &self.0 {
            Kind::Detector { detector, channel } => {
                let found = detector.detect(&Plane::of(&fields.stored(index)?, *channel)?)?;
                Ok(FieldObjects {
                    numbers: (1..=found.labels.largest()).collect(),
                    centroids: found.centroids,
                    areas: found.areas.into_iter().map(Some).collect(),
                    labels: Some(found.labels),
                })
            }
            Kind::Masks(masks) => masks.objects(&name, fields.size(index)?),
            Kind::Table(table) => table.objects(&name, fields.size(index)?),
        };
        found().map_err(|error: CellsError| match error {
            CellsError::Table { .. } | CellsError::Masks { .. } => error,
            error => error.in_field(&name),
        })
    }
}
