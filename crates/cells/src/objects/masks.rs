//! Label masks: images whose values are the numbers of objects, 0 for the background.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use twinlens_data::{DataSet, Image, ImageSource, Notice, Split, Splits, Subset, each_pixel_type};

use crate::names::{FieldNames, Meant};
use crate::{CellsError, FieldObjects, Labels};

/// Masks, each of one field.
#[derive(Clone)]
pub struct MaskSource {
    /// What messages call them.
    place: String,
    masks: Vec<Arc<dyn ImageSource>>,
    /// Source and number of the mask of each field, by the field's name.
    by_field: HashMap<String, (usize, usize)>,
}

/// Words at the end of the name of a mask that the name of its field lacks.
const WORDS: [&str; 12] = [
    "label",
    "labels",
    "mask",
    "masks",
    "cp_masks",
    "seg",
    "segmentation",
    "objects",
    "nuclei",
    "nuclei_mask",
    "nuclei_masks",
    "labelled",
];

impl MaskSource {
    /// The images of `masks` as masks of `fields`, matched by name: `plate1/B02_s1.png` or `B02_s1_labels.png` is of
    /// `plate1/B02_s1.tif`. Fields without a mask are told.
    ///
    /// # Errors
    /// [`CellsError::Masks`] when a mask could be of several fields, two are of one, or none is of any.
    pub fn new(masks: &DataSet, fields: &DataSet) -> Result<(MaskSource, Vec<Notice>), CellsError> {
        let names = field_names(fields);
        let known = FieldNames::new(names.iter().cloned());
        let sources: Vec<Arc<dyn ImageSource>> =
            Split::ALL.iter().filter_map(|split| masks.splits.get(*split).cloned()).collect();
        let mut found = MaskSource { place: masks.name.clone(), masks: sources, by_field: HashMap::new() };
        let mut strange =
            Notice::new("masks-without-field", format!("masks of {} are of none of the fields", masks.name));
        for (source, images) in found.masks.iter().enumerate() {
            for mask in 0..images.len() {
                let name = images.name(mask);
                match known.meant(&name) {
                    Meant::Field(field) => {
                        if found.by_field.insert(names[field].clone(), (source, mask)).is_some() {
                            return Err(found.wrong(
                                format!("two masks are of {}; the second is {name}", names[field]),
                                "leave one mask for every field",
                            ));
                        }
                    }
                    Meant::Several => {
                        return Err(found.wrong(
                            format!("{name} could be the mask of several fields"),
                            "put masks into folders as those of the fields",
                        ));
                    }
                    Meant::None => strange = strange.about(name),
                }
            }
        }
        if found.by_field.is_empty() {
            let first = found.masks.first().map(|masks| masks.name(0)).unwrap_or_default();
            let reason = format!(
                "no mask is of one of the fields: the first mask is {first}, the first field {}",
                names.first().map_or("", String::as_str)
            );
            return Err(found.wrong(reason, "a mask is called as its field, or as that and _labels"));
        }
        let mut without = Notice::new(
            "fields-without-mask",
            format!("fields have no mask in {} and give no cells", masks.name),
        );
        for name in names.iter().filter(|name| !found.by_field.contains_key(*name)) {
            without = without.about(name);
        }
        Ok((found, [strange, without].into_iter().filter(|notice| notice.count > 0).collect()))
    }

    /// The objects of the field called `name`, of `size` pixels; none where it has no mask.
    pub(crate) fn objects(&self, name: &str, size: [usize; 2]) -> Result<FieldObjects, CellsError> {
        let Some(&(source, mask)) = self.by_field.get(name) else { return Ok(FieldObjects::default()) };
        let image = self.masks[source].stored(mask)?;
        let mask = self.masks[source].name(mask);
        if [image.height, image.width] != size {
            let reason = format!(
                "it has {} x {} pixels, its field {} x {}",
                image.height, image.width, size[0], size[1]
            );
            return Err(CellsError::Masks {
                place: mask,
                reason,
                hint: "a mask has the size of its field, and is read without turning or scaling",
            });
        }
        let stored = whole_numbers(&image).map_err(|reason| CellsError::Masks {
            place: mask,
            reason,
            hint: "save masks as 8- or 16-bit PNG or TIFF whose values are the numbers of objects",
        })?;
        let labels = stored.clone().renumbered(|_| true);
        let mut numbers = vec![0; labels.largest() as usize];
        labels
            .ids
            .iter()
            .zip(&stored.ids)
            .filter(|(id, _)| **id > 0)
            .for_each(|(&id, &stored)| numbers[id as usize - 1] = stored);
        Ok(FieldObjects {
            numbers,
            centroids: labels.centroids(),
            areas: labels.areas().into_iter().map(Some).collect(),
            labels: Some(labels),
        })
    }

    fn wrong(&self, reason: String, hint: &'static str) -> CellsError {
        CellsError::Masks { place: self.place.clone(), reason, hint }
    }
}

/// The names of all fields of a set.
pub(crate) fn field_names(fields: &DataSet) -> Vec<String> {
    let sources = Split::ALL.iter().filter_map(|split| fields.splits.get(*split));
    sources.flat_map(|source| (0..source.len()).map(|index| source.name(index))).collect()
}

/// The values of a mask as numbers of objects, or why they are none.
///
/// # Errors
/// The reason, in words: a picture of several channels, fractions, numbers below 0.
pub fn whole_numbers(image: &Image) -> Result<Labels, String> {
    let values = each_pixel_type!(&image.pixels, values => values.iter().map(|&value| f64::from(value)).collect::<Vec<f64>>());
    let mut ids = Vec::with_capacity(image.height * image.width);
    for (at, pixel) in values.chunks(image.channels).enumerate() {
        let place = || format!("row {}, column {}", at / image.width, at % image.width);
        if pixel.iter().any(|value| value != &pixel[0]) {
            return Err(format!("its channels differ at {}: it is a picture, no mask of numbers", place()));
        }
        let whole = pixel[0].fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&pixel[0]);
        if !whole {
            return Err(format!("expected numbers of objects from 0 on, got {} at {}", pixel[0], place()));
        }
        ids.push(pixel[0] as u32);
    }
    Ok(Labels { height: image.height, width: image.width, ids })
}

/// A set of fields among which their masks lie, told by name (`B02_s1.tif` and `B02_s1_labels.png`): the fields alone, and the
/// masks alone; `None` where there are no such masks.
///
/// # Errors
/// Those of making a set of some of the images.
pub fn divided(set: &DataSet) -> Result<Option<(DataSet, DataSet)>, CellsError> {
    let stem = |name: &str| name.rsplit_once('.').map_or(name, |(stem, _)| stem).to_owned();
    let stems: std::collections::HashSet<String> = field_names(set).iter().map(|name| stem(name)).collect();
    let is_mask = |name: &str| {
        let stem = stem(name);
        let lower = stem.to_lowercase();
        lower.is_ascii()
            && stem.is_ascii()
            && WORDS.iter().any(|word| {
                let before = lower.strip_suffix(word).filter(|before| before.ends_with(['_', '-', '.', ' ']));
                before.is_some_and(|before| stems.contains(&stem[..before.len() - 1]))
            })
    };
    let part = |masks: bool| -> Result<DataSet, CellsError> {
        let mut splits = BTreeMap::new();
        for split in Split::ALL {
            let Some(source) = set.splits.get(split) else { continue };
            let kept: Vec<usize> =
                (0..source.len()).filter(|&index| is_mask(&source.name(index)) == masks).collect();
            if !kept.is_empty() {
                splits.insert(split, Arc::new(Subset::new(source.clone(), kept)?) as Arc<dyn ImageSource>);
            }
        }
        let mut get = |split| splits.remove(&split);
        let splits = Splits { train: get(Split::Train), val: get(Split::Val), test: get(Split::Test) };
        Ok(DataSet { splits, ..set.clone() })
    };
    let masks = part(true)?;
    match field_names(&masks).is_empty() {
        true => Ok(None),
        false => Ok(Some((part(false)?, masks))),
    }
}
