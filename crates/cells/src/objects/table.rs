//! Tables of the middles of objects: CellProfiler's, or any with columns for an image, x and y.
//!
//! CellProfiler's table of objects (`Nuclei.csv`) numbers its images; its table of images (`Image.csv`, beside it or given)
//! says which file each number is. Where neither names files, number `n` is the field at place `n` in the order of names,
//! which is told. `x` is the column and `y` the row of a pixel's middle, from 0, as CellProfiler and scikit-image have them.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use twinlens_data::{DataError, Notice};

use super::columns::Columns;
use crate::names::{FieldNames, Meant};
use crate::{CellsError, FieldObjects};

/// A table of middles, not yet matched with fields.
#[derive(Clone, Debug)]
pub struct CentroidTable {
    place: String,
    rows: Vec<Row>,
    /// Rows without a middle: CellProfiler writes `nan` for objects of no pixels.
    without: usize,
}

/// One object.
#[derive(Clone, Debug)]
struct Row {
    line: u64,
    image: ImageOf,
    object: Option<u32>,
    centroid: [f64; 2],
    area: Option<u32>,
}

/// How a row says its image.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum ImageOf {
    /// By one of these names.
    Named(Arc<[String]>),
    /// By a number that no table of images explains.
    Numbered(u64),
    /// Not at all.
    Unsaid,
}

/// The objects of each field, by its name.
#[derive(Clone, Debug)]
pub(crate) struct FieldTable {
    place: String,
    by_field: HashMap<String, Vec<Row>>,
}

impl CentroidTable {
    /// The table at `path`; `images` is CellProfiler's table of images, which is looked for beside it otherwise.
    ///
    /// # Errors
    /// [`CellsError::Data`] when a file cannot be read; [`CellsError::Table`] when it is no such table.
    pub fn read(path: &Path, images: Option<&Path>) -> Result<CentroidTable, CellsError> {
        let bytes = |path: &Path| {
            fs::read(path).map_err(|source| DataError::Read { place: path.display().to_string(), source })
        };
        let objects = bytes(path)?;
        let images = images.map(Path::to_path_buf).or_else(|| beside(path));
        let images =
            images.map(|path| Ok::<_, DataError>((path.display().to_string(), bytes(&path)?))).transpose()?;
        let images = images.as_ref().map(|(place, bytes)| (place.as_str(), bytes.as_slice()));
        CentroidTable::parse(&path.display().to_string(), &objects, images)
    }

    /// The table in `objects`, called `place` in messages, with that of images and its name.
    ///
    /// # Errors
    /// [`CellsError::Table`].
    pub fn parse(
        place: &str,
        objects: &[u8],
        images: Option<(&str, &[u8])>,
    ) -> Result<CentroidTable, CellsError> {
        let table = Records::parse(place, objects, |columns| columns.x.is_some() && columns.y.is_some())?;
        let (Some(x), Some(y)) = (table.columns.x, table.columns.y) else {
            return Err(table.wrong(
                format!("no columns say where objects are; it has {}", table.header_text()),
                "call them Location_Center_X and Location_Center_Y, or x and y",
            ));
        };
        let numbered = images.map(|(place, bytes)| names_by_number(place, bytes)).transpose()?;
        let mut found = CentroidTable { place: place.to_owned(), rows: Vec::new(), without: 0 };
        for (line, record) in &table.records {
            let centroid = (table.number(record, y, *line)?, table.number(record, x, *line)?);
            let (Some(row), Some(column)) = centroid else {
                found.without += 1;
                continue;
            };
            let whole = |column: Option<usize>| {
                let value = column.and_then(|column| record.get(column)?.trim().parse::<f64>().ok())?;
                (value.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&value)).then_some(value as u32)
            };
            found.rows.push(Row {
                line: *line,
                image: table.image_of(record, *line, numbered.as_ref())?,
                object: whole(table.columns.object),
                centroid: [row, column],
                area: whole(table.columns.area),
            });
        }
        match found.rows.is_empty() {
            true => Err(table.wrong(
                "no row has the middle of an object".into(),
                "export the table with the locations of objects",
            )),
            false => Ok(found),
        }
    }

    /// Number of objects that have a middle.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none; a table that was read has one.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The objects of each of the fields of these names, and what a person should know of it.
    ///
    /// # Errors
    /// [`CellsError::Table`] when no row is of one of the fields, a row could be of several, or numbers are of none.
    pub(crate) fn of_fields(&self, fields: &[String]) -> Result<(FieldTable, Vec<Notice>), CellsError> {
        let known = FieldNames::new(fields.iter().cloned());
        let mut in_order: Vec<&String> = fields.iter().collect();
        in_order.sort();
        let mut places: HashMap<&ImageOf, Option<&String>> = HashMap::new();
        let mut by_field: HashMap<String, Vec<Row>> = HashMap::new();
        let mut unknown: BTreeMap<String, usize> = BTreeMap::new();
        let mut by_number = false;
        for row in &self.rows {
            let field = match places.get(&row.image) {
                Some(field) => *field,
                None => {
                    let field = match &row.image {
                        ImageOf::Named(names) => {
                            self.named(&known, names, row.line)?.map(|field| &fields[field])
                        }
                        ImageOf::Numbered(number) => {
                            by_number = true;
                            let at = usize::try_from(*number).ok().and_then(|number| number.checked_sub(1));
                            at.and_then(|at| in_order.get(at).copied())
                        }
                        ImageOf::Unsaid if fields.len() == 1 => fields.first(),
                        ImageOf::Unsaid => {
                            return Err(self.wrong(
                                format!("no column says which of {} fields an object is of", fields.len()),
                                "add a column path, or CellProfiler's ImageNumber with its table of images ({image_table})",
                            ));
                        }
                    };
                    places.insert(&row.image, field);
                    field
                }
            };
            match field {
                Some(field) => by_field.entry(field.clone()).or_default().push(row.clone()),
                None => *unknown.entry(row.image.to_string()).or_default() += 1,
            }
        }
        if by_field.is_empty() {
            let first = unknown.keys().next().cloned().unwrap_or_default();
            let field = fields.first().cloned().unwrap_or_default();
            return Err(self.wrong(
                format!(
                    "no row is of one of the fields: the first image is {first}, the first field {field}"
                ),
                "file names in the table must be those of the fields",
            ));
        }
        let notices = self.notices(&by_field, &unknown, by_number, fields);
        Ok((FieldTable { place: self.place.clone(), by_field }, notices))
    }

    /// The field that the first of `names` which means one means.
    fn named(&self, known: &FieldNames, names: &[String], line: u64) -> Result<Option<usize>, CellsError> {
        let meant: Vec<Meant> = names.iter().map(|name| known.meant(name)).collect();
        let field = meant.iter().find_map(|meant| match meant {
            Meant::Field(field) => Some(*field),
            _ => None,
        });
        match field {
            None if meant.contains(&Meant::Several) => Err(self.wrong(
                format!("line {line}: {} could be one of several fields", names.join(", ")),
                "give the folders of the file as well",
            )),
            field => Ok(field),
        }
    }

    fn notices(
        &self,
        by_field: &HashMap<String, Vec<Row>>,
        unknown: &BTreeMap<String, usize>,
        by_number: bool,
        fields: &[String],
    ) -> Vec<Notice> {
        let mut notices = Vec::new();
        if by_number {
            let message = format!(
                "{}: images are numbered, and number n is taken for the nth field by name",
                self.place
            );
            notices.push(
                Notice::new("images-numbered", message)
                    .hint("{image_table} FILE says which file each number is"),
            );
        }
        let about = |id: &str, message: String, names: &mut dyn Iterator<Item = &String>| {
            names.fold(Notice::new(id, message), |notice, name| notice.about(name))
        };
        let rows: usize = unknown.values().sum();
        let message = format!("{}: {rows} objects are of images that are not among the fields", self.place);
        notices.push(about("objects-without-field", message, &mut unknown.keys()));
        let message = format!("fields have no object in {}", self.place);
        let mut without = fields.iter().filter(|field| !by_field.contains_key(*field));
        notices.push(about("fields-without-objects", message, &mut without));
        notices.retain(|notice| notice.count > 0 || notice.id == "images-numbered");
        if self.without > 0 {
            let message = format!("{}: {} objects have no middle and are left out", self.place, self.without);
            notices.push(Notice::new("objects-without-middle", message));
        }
        notices
    }

    fn wrong(&self, reason: String, hint: &str) -> CellsError {
        CellsError::Table { place: self.place.clone(), reason, hint: hint.to_owned() }
    }
}

impl std::fmt::Display for ImageOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ImageOf::Named(names) => f.write_str(names.first().map_or("", String::as_str)),
            ImageOf::Numbered(number) => write!(f, "number {number}"),
            ImageOf::Unsaid => f.write_str("unnamed"),
        }
    }
}

impl FieldTable {
    /// The objects of the field called `name`, of `size` pixels.
    pub(crate) fn objects(
        &self,
        name: &str,
        [height, width]: [usize; 2],
    ) -> Result<FieldObjects, CellsError> {
        let rows = self.by_field.get(name).map_or(&[][..], Vec::as_slice);
        let within = |at: f64, len: usize| (-0.5..len as f64 - 0.5).contains(&at);
        if let Some(row) =
            rows.iter().find(|row| !within(row.centroid[0], height) || !within(row.centroid[1], width))
        {
            let [y, x] = row.centroid;
            return Err(CellsError::Table {
                place: self.place.clone(),
                reason: format!(
                    "line {}: x {x}, y {y} lies outside of {name}, which is {width} wide and {height} high",
                    row.line
                ),
                hint: "x is the column and y the row, in pixels of the field as it is read".into(),
            });
        }
        Ok(FieldObjects {
            numbers: rows.iter().zip(1..).map(|(row, place)| row.object.unwrap_or(place)).collect(),
            centroids: rows.iter().map(|row| row.centroid).collect(),
            areas: rows.iter().map(|row| row.area).collect(),
            labels: None,
        })
    }
}

/// CellProfiler's table of images beside that of objects: `Image.csv`, or `MyExpt_Image.csv` beside `MyExpt_Nuclei.csv`.
fn beside(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    let prefixed = name.rsplit_once('_').map(|(before, _)| format!("{before}_Image.csv"));
    let names = prefixed.into_iter().chain(["Image.csv".to_owned()]);
    names.filter(|other| other != name).map(|other| path.with_file_name(other)).find(|path| path.is_file())
}

/// The names of the file of each image, by its number.
fn names_by_number(place: &str, bytes: &[u8]) -> Result<HashMap<u64, Arc<[String]>>, CellsError> {
    let table = Records::parse(place, bytes, |columns| columns.image_number.is_some())?;
    let Some(number) = table.columns.image_number else {
        return Err(table.wrong(
            format!("no column ImageNumber; it has {}", table.header_text()),
            "give CellProfiler's table of images with {image_table}",
        ));
    };
    if table.columns.names.is_empty() {
        let reason = format!("no column FileName_... names files; it has {}", table.header_text());
        return Err(table.wrong(reason, "export the table of images with its file names"));
    }
    let mut names = HashMap::new();
    for (line, record) in &table.records {
        let number = table.whole(record, number, *line)?;
        names.insert(number, table.names(record).into());
    }
    Ok(names)
}

/// A table as it is read.
struct Records {
    place: String,
    header: csv::StringRecord,
    columns: Columns,
    /// Line and cells.
    records: Vec<(u64, csv::StringRecord)>,
}

impl Records {
    /// The table in `bytes`. Its header is the first line whose columns are `wanted`, of the first two: CellProfiler can
    /// write the names of the objects above.
    fn parse(place: &str, bytes: &[u8], wanted: impl Fn(&Columns) -> bool) -> Result<Records, CellsError> {
        let text = String::from_utf8_lossy(bytes);
        let text = text.trim_start_matches('\u{feff}');
        let head = text.lines().next().unwrap_or_default();
        let count = |mark: u8| head.bytes().filter(|&byte| byte == mark).count();
        let delimiter = [b',', b'\t', b';'].into_iter().rev().max_by_key(|&mark| count(mark)).unwrap_or(b',');
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .trim(csv::Trim::All)
            .has_headers(false)
            .flexible(true)
            .from_reader(text.as_bytes());
        let records = reader.records().map(|record| {
            let record = record?;
            Ok((record.position().map_or(0, csv::Position::line), record))
        });
        let mut records: Vec<(u64, csv::StringRecord)> =
            records.collect::<Result<_, csv::Error>>().map_err(|error| CellsError::Table {
                place: place.to_owned(),
                reason: format!("it is no table: {error}"),
                hint: "give a CSV file with a line of column names".into(),
            })?;
        let header = records.iter().take(2).position(|(_, record)| wanted(&Columns::of(record))).unwrap_or(0);
        let header = match records.len() {
            0 => csv::StringRecord::new(),
            _ => records.drain(..=header).next_back().map(|(_, record)| record).unwrap_or_default(),
        };
        Ok(Records { place: place.to_owned(), columns: Columns::of(&header), header, records })
    }

    fn wrong(&self, reason: String, hint: &str) -> CellsError {
        CellsError::Table { place: self.place.clone(), reason, hint: hint.to_owned() }
    }

    /// The first few columns.
    fn header_text(&self) -> String {
        let more = if self.header.len() > 12 { ", ..." } else { "" };
        self.header.iter().take(12).collect::<Vec<&str>>().join(", ") + more
    }

    /// A coordinate; `None` for an empty cell or NaN.
    fn number(
        &self,
        record: &csv::StringRecord,
        column: usize,
        line: u64,
    ) -> Result<Option<f64>, CellsError> {
        let text = record.get(column).unwrap_or_default().trim();
        match text.parse::<f64>() {
            _ if text.is_empty() => Ok(None),
            Ok(value) if value.is_nan() => Ok(None),
            Ok(value) if value.is_finite() => Ok(Some(value)),
            _ => {
                let name = self.header.get(column).unwrap_or_default();
                Err(self.wrong(
                    format!("line {line}: {name} is {text:?}, which is no number of pixels"),
                    "write coordinates as numbers, with a point",
                ))
            }
        }
    }

    fn whole(&self, record: &csv::StringRecord, column: usize, line: u64) -> Result<u64, CellsError> {
        let text = record.get(column).unwrap_or_default().trim();
        let whole =
            text.parse::<f64>().ok().filter(|value| value.fract() == 0.0 && (0.0..1e15).contains(value));
        whole.map(|value| value as u64).ok_or_else(|| {
            let name = self.header.get(column).unwrap_or_default();
            self.wrong(
                format!("line {line}: {name} is {text:?}, which is no number of an image"),
                "number images from 1",
            )
        })
    }

    /// The names that a row gives its image.
    fn names(&self, record: &csv::StringRecord) -> Vec<String> {
        let cell = |column: usize| record.get(column).unwrap_or_default();
        let named = self.columns.names.iter().filter(|column| !cell(column.file).is_empty());
        let path = named.map(|column| match column.folder.map(cell).filter(|folder| !folder.is_empty()) {
            Some(folder) => format!("{folder}/{}", cell(column.file)),
            None => cell(column.file).to_owned(),
        });
        path.collect()
    }

    /// The image of a row, where `numbered` says which file each number is.
    fn image_of(
        &self,
        record: &csv::StringRecord,
        line: u64,
        numbered: Option<&HashMap<u64, Arc<[String]>>>,
    ) -> Result<ImageOf, CellsError> {
        let names = self.names(record);
        match (self.columns.image_number, numbered) {
            _ if !names.is_empty() => Ok(ImageOf::Named(names.into())),
            (None, _) => Ok(ImageOf::Unsaid),
            (Some(column), None) => Ok(ImageOf::Numbered(self.whole(record, column, line)?)),
            (Some(column), Some(numbered)) => {
                let number = self.whole(record, column, line)?;
                match numbered.get(&number) {
                    Some(names) => Ok(ImageOf::Named(names.clone())),
                    None => Err(self.wrong(
                        format!("line {line}: image {number} is not in the table of images"),
                        "both tables must be of one run of CellProfiler",
                    )),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str, images: Option<&str>) -> Result<CentroidTable, CellsError> {
        CentroidTable::parse("o.csv", text.as_bytes(), images.map(|text| ("i.csv", text.as_bytes())))
    }

    fn fields() -> Vec<String> {
        ["p1/b_w1.tif", "p1/a_w1.tif", "p2/a_w1.tif"].map(String::from).to_vec()
    }

    /// Number, row and column, and area of an object.
    type Told = (u32, [f64; 2], Option<u32>);

    /// The objects of each field.
    fn objects(found: &FieldTable) -> Vec<Vec<Told>> {
        let of = |name: &String| {
            let objects = found.objects(name, [100, 200]).unwrap();
            let both = objects.numbers.into_iter().zip(objects.centroids).zip(objects.areas);
            both.map(|((number, middle), area)| (number, middle, area)).collect()
        };
        fields().iter().map(of).collect()
    }

    #[test]
    fn cellprofilers_tables_are_matched_by_the_names_of_files() {
        let text = "ImageNumber,ObjectNumber,AreaShape_Area,Location_Center_X,Location_Center_Y\n\
                    7,1,300,10.5,20.25\n7,2,310,30,40\n9,1,nan,150,99\n9,2,0,nan,nan\n";
        let images = "ImageNumber,FileName_DAPI,PathName_DAPI,FileName_Actin\n\
                      7,a_w1.tif,C:\\raw\\p2,a_w4.tif\n9,b_w1.tif,C:\\raw\\p1,b_w4.tif\n";
        let (found, notices) = table(text, Some(images)).unwrap().of_fields(&fields()).unwrap();
        assert_eq!(
            objects(&found),
            [
                vec![(1, [99.0, 150.0], None)],
                vec![],
                vec![(1, [20.25, 10.5], Some(300)), (2, [40.0, 30.0], Some(310))],
            ]
        );
        let ids: Vec<&str> = notices.iter().map(|notice| notice.id.as_str()).collect();
        assert_eq!(ids, ["fields-without-objects", "objects-without-middle"]);
    }

    #[test]
    fn one_table_for_all_has_a_line_above_its_header_and_names_before_measures() {
        let text = "Image,Image,Nuclei,Nuclei\nImageNumber,FileName_DNA,Nuclei_Location_Center_X,Nuclei_Location_Center_Y\n1,b_w1.tif,3,4\n";
        let (found, _) = table(text, None).unwrap().of_fields(&fields()).unwrap();
        assert_eq!(objects(&found)[0], [(1, [4.0, 3.0], None)]);
    }

    #[test]
    fn numbers_without_names_are_places_in_the_order_of_names() {
        let text = "ImageNumber,ObjectNumber,Location_Center_X,Location_Center_Y\n2,5,1,2\n4,1,1,2\n";
        let (found, notices) = table(text, None).unwrap().of_fields(&fields()).unwrap();
        assert_eq!(objects(&found), [vec![(5, [2.0, 1.0], None)], vec![], vec![]]);
        let ids: Vec<&str> = notices.iter().map(|notice| notice.id.as_str()).collect();
        assert_eq!(ids, ["images-numbered", "objects-without-field", "fields-without-objects"]);
    }

    #[test]
    fn a_plain_table_has_paths_or_is_of_one_field() {
        let (found, _) = table("path;x;y\np1/a_w1.tif;1;2\n", None).unwrap().of_fields(&fields()).unwrap();
        assert_eq!(objects(&found)[1], [(1, [2.0, 1.0], None)]);
        let alone = table("centroid-0,centroid-1,label\n5,6,9\n", None).unwrap();
        let one = &fields()[..1];
        assert_eq!(objects(&alone.of_fields(one).unwrap().0)[0], [(9, [5.0, 6.0], None)]);
        assert!(alone.of_fields(&fields()).unwrap_err().to_string().contains("which of 3 fields"));
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_line() {
        let said = |text: &str, images: Option<&str>| {
            let found = table(text, images).and_then(|table| table.of_fields(&fields()));
            found.unwrap_err().to_string()
        };
        for (text, images, want) in [
            ("a,b\n1,2\n", None, "no columns say where objects are; it has a, b"),
            ("", None, "no columns say where objects are; it has "),
            ("path,x,y\n", None, "no row has the middle"),
            ("path,x,y\na_w1.tif,1,2\n", None, "line 2: a_w1.tif could be one of several fields"),
            ("path,x,y\nz.tif,1,2\n", None, "no row is of one of the fields: the first image is z.tif"),
            ("path,x,y\nb_w1.tif,1e999,2\n", None, "line 2: x is \"1e999\""),
            ("path,x,y\nb_w1.tif,1,\"2,5\"\n", None, "line 2: y is \"2,5\""),
            ("ImageNumber,x,y\none,1,2\n", None, "line 2: ImageNumber is \"one\""),
            (
                "ImageNumber,x,y\n3,1,2\n",
                Some("ImageNumber,FileName_A\n1,a.tif\n"),
                "line 2: image 3 is not in",
            ),
            ("ImageNumber,x,y\n3,1,2\n", Some("ImageNumber,Count\n1,2\n"), "no column FileName_..."),
            ("ImageNumber,x,y\n3,1,2\n", Some("FileName_A\na\n"), "no column ImageNumber"),
        ] {
            let said = said(text, images);
            assert!(said.contains(want), "{text:?}: {said}");
        }
        let (found, _) = table("path,x,y\nb_w1.tif,200,2\n", None).unwrap().of_fields(&fields()).unwrap();
        let error = found.objects("p1/b_w1.tif", [100, 200]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "o.csv: line 2: x 200, y 2 lies outside of p1/b_w1.tif, which is 200 wide and 100 high"
        );
    }
}
