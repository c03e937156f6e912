//! A contact sheet of a data set: a few images of every class, or of every value of a column, such as a treatment.

use std::collections::BTreeMap;
use std::sync::Arc;

use twinlens_data::{DataError, DataSet, ImageSource, Split, Tag, find_column};
use twinlens_report::{MontageRow, RgbImage, cell_for, montage};

use crate::{LabError, on_screen};

/// Images of a row.
const IMAGES: usize = 10;
/// The most rows: those with the most images are shown.
const ROWS: usize = 40;
/// The least side of an image, in pixels.
const CELL: u32 = 72;
/// What stands for images of which nothing is known.
const UNKNOWN: &str = "(none)";

/// An image: of which split, and its number there.
type Place = (Split, usize);

/// Images of every class of `data`, a class a row; of every value of the column `by`, where one is named; of every split where there
/// are no classes. The images of a row are spread evenly over all that it has, as sets are often sorted.
///
/// # Errors
/// A column that is not there; images that cannot be read.
pub fn data_sheet(data: &DataSet, by: Option<&str>) -> Result<RgbImage, LabError> {
    let mut rows: Vec<(String, Vec<Place>)> = groups(data, by)?.into_iter().collect();
    rows.sort_by_key(|(_, places)| std::cmp::Reverse(places.len()));
    let more = rows.len().saturating_sub(ROWS);
    rows.truncate(ROWS);
    rows.sort();
    let mut shown = Vec::new();
    for (title, places) in &rows {
        let count = places.len().min(IMAGES);
        let chosen = (0..count).map(|at| places[at * places.len() / count]);
        let images = chosen.map(|(split, index)| image(data, split, index));
        let images = images.collect::<Result<Vec<RgbImage>, LabError>>()?;
        let note = if places.len() == 1 { "1 image".to_owned() } else { format!("{} images", places.len()) };
        shown.push(MontageRow { title: title.clone(), note, images });
    }
    if more > 0 {
        let note = "those with the fewest images".to_owned();
        shown.push(MontageRow { title: format!("and {more} more"), note, images: Vec::new() });
    }
    let side = shown.iter().flat_map(|row| &row.images).map(|image| image.width().max(image.height())).min();
    montage(&shown, cell_for(side.unwrap_or(CELL) as usize, CELL)).map_err(LabError::Sheet)
}

fn image(data: &DataSet, split: Split, index: usize) -> Result<RgbImage, LabError> {
    let source = data.splits.get(split).ok_or(DataError::NoSamples { what: "a contact sheet" })?;
    on_screen(&source.image(index)?)
}

/// The images by what they are called together.
fn groups(data: &DataSet, by: Option<&str>) -> Result<BTreeMap<String, Vec<Place>>, LabError> {
    let sources: Vec<(Split, &Arc<dyn ImageSource>)> =
        Split::ALL.into_iter().filter_map(|split| Some((split, data.splits.get(split)?))).collect();
    let column = match by {
        None => None,
        Some(name) => {
            let columns = sources.first().map_or(&[][..], |(_, source)| source.columns());
            Some(find_column(&data.name, columns, name, "{sheet_by}")?)
        }
    };
    let mut groups: BTreeMap<String, Vec<Place>> = BTreeMap::new();
    for (split, source) in sources {
        for index in 0..source.len() {
            let names = match column {
                Some(column) => {
                    let value = source.metadata(index).get(column).filter(|value| !value.is_empty());
                    vec![value.map_or(UNKNOWN, String::as_str)]
                }
                None if data.classes.is_empty() => vec![split.name()],
                None => classes(data, source.as_ref(), index),
            };
            names.into_iter().for_each(|name| {
                groups.entry(name.to_owned()).or_default().push((split, index));
            });
        }
    }
    Ok(groups)
}

/// The classes that an image shows.
fn classes<'a>(data: &'a DataSet, source: &dyn ImageSource, index: usize) -> Vec<&'a str> {
    let name = |class: usize| data.classes.get(class).map_or(UNKNOWN, String::as_str);
    match (source.label(index), source.tags(index)) {
        (Some(label), _) => vec![name(label)],
        (None, Some(tags)) => {
            let shown = tags.iter().enumerate().filter(|(_, tag)| **tag == Tag::Present);
            shown.map(|(class, _)| name(class)).collect()
        }
        (None, None) => vec![UNKNOWN],
    }
}

#[cfg(test)]
mod tests {
    use twinlens_data::{DataSettings, OpenOptions};
    use twinlens_report::Picture;

    use super::*;

    fn plates() -> DataSet {
        let folder = tempfile::tempdir().unwrap();
        let mut table = "file,label,plate\n".to_owned();
        for number in 0..6u8 {
            let picture = RgbImage::from_vec(5, 4, [number * 40, 0, 0].repeat(20)).unwrap();
            let file = folder.path().join(format!("{number}.png"));
            std::fs::write(file, Picture::png(&picture).unwrap().bytes()).unwrap();
            table += &format!("{number}.png,{},p{}\n", ["a", "b"][usize::from(number % 2)], number / 4);
        }
        std::fs::write(folder.path().join("labels.csv"), table).unwrap();
        twinlens_data::open(folder.path(), &OpenOptions::from(DataSettings::default())).unwrap()
    }

    #[test]
    fn a_row_holds_the_images_of_a_class_or_of_a_value() {
        let data = plates();
        let sizes = |by| {
            let groups = groups(&data, by).unwrap();
            groups.into_iter().map(|(name, places)| (name, places.len())).collect::<Vec<_>>()
        };
        assert_eq!(sizes(None), [("a".to_owned(), 3), ("b".into(), 3)]);
        assert_eq!(sizes(Some("plate")), [("p0".to_owned(), 4), ("p1".into(), 2)]);
        let by_class = data_sheet(&data, None).unwrap();
        assert!(by_class.pixels().any(|pixel| pixel.0 == [200, 0, 0]), "the images are on it");
        assert_eq!(by_class.height(), data_sheet(&data, Some("plate")).unwrap().height());
        let error = data_sheet(&data, Some("well")).unwrap_err().to_string();
        assert!(error.contains("well") && error.contains("plate"), "{error}");
    }
}
