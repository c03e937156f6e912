//! Columns of tables of objects, by the names that programs give them.

/// How a header is compared: lower case letters and digits, what separates words as `_`.
pub(super) fn plain(name: &str) -> String {
    name.trim().chars().map(|c| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect()
}

/// Columns of the row of a middle.
const Y: &[&str] = &[
    "location_center_y",
    "y",
    "center_y",
    "centre_y",
    "centroid_y",
    "y_center",
    "centroid_0",
    "pos_y",
    "row",
];

/// Columns of the column of a middle.
const X: &[&str] = &[
    "location_center_x",
    "x",
    "center_x",
    "centre_x",
    "centroid_x",
    "x_center",
    "centroid_1",
    "pos_x",
    "column",
];

/// Columns of an area in pixels.
const AREA: &[&str] = &["areashape_area", "area"];

/// Columns of the number of an object.
const OBJECT: &[&str] = &["objectnumber", "number_object_number", "object_number", "object", "label", "id"];

/// Columns that name an image.
const NAMES: &[&str] = &[
    "path",
    "filepath",
    "file_path",
    "filename",
    "file_name",
    "file",
    "image",
    "imagename",
    "image_name",
    "image_path",
    "field",
    "name",
];

/// The columns of one table that count; places in its header.
pub(super) struct Columns {
    pub(super) y: Option<usize>,
    pub(super) x: Option<usize>,
    pub(super) area: Option<usize>,
    pub(super) object: Option<usize>,
    pub(super) image_number: Option<usize>,
    pub(super) names: Vec<NameColumn>,
}

/// A column that names an image, and the one of its folder.
pub(super) struct NameColumn {
    pub(super) file: usize,
    pub(super) folder: Option<usize>,
}

impl Columns {
    pub(super) fn of(header: &csv::StringRecord) -> Columns {
        let plain: Vec<String> = header.iter().map(plain).collect();
        // CellProfiler puts the name of the objects before the measure when it writes one table for all.
        let find = |known: &[&str]| {
            let exact = known.iter().find_map(|name| plain.iter().position(|column| column == name));
            let behind = || {
                let ends: Vec<String> =
                    known.iter().filter(|name| name.contains('_')).map(|name| format!("_{name}")).collect();
                ends.iter().find_map(|end| plain.iter().position(|column| column.ends_with(end)))
            };
            exact.or_else(behind)
        };
        let number = ["imagenumber", "image_number", "metadata_imagenumber"];
        Columns {
            y: find(Y),
            x: find(X),
            area: find(AREA),
            object: find(OBJECT),
            image_number: number.iter().find_map(|name| plain.iter().position(|column| column == name)),
            names: names(&plain),
        }
    }
}

/// Columns that name images: plain ones, and CellProfiler's `FileName_DAPI` with `PathName_DAPI`, and `URL_DAPI`.
fn names(plain: &[String]) -> Vec<NameColumn> {
    let alone = NAMES.iter().filter_map(|name| plain.iter().position(|column| column == name));
    let mut found: Vec<NameColumn> = alone.map(|file| NameColumn { file, folder: None }).collect();
    for (file, column) in plain.iter().enumerate() {
        let column = column.strip_prefix("image_").unwrap_or(column);
        if let Some(channel) = column.strip_prefix("filename_") {
            let ends = format!("pathname_{channel}");
            let folder = plain.iter().position(|other| other.strip_prefix("image_").unwrap_or(other) == ends);
            found.push(NameColumn { file, folder });
        } else if column.starts_with("url_") {
            found.push(NameColumn { file, folder: None });
        }
    }
    found
}
