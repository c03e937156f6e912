//! From fields on disk to cells on disk, and back through the reader of data sets.
#![allow(clippy::unwrap_used, reason = "the helpers of tests may stop the test too")]

use std::fs;
use std::path::Path;
use std::sync::Arc;

use twinlens_cells::{
    Background, Border, CellsError, CentroidTable, CropSettings, Detector, Finder, Padding, PictureFormat,
    check_place, cut, divided, png_bytes, write_folder, write_npz,
};
use twinlens_data::{
    DataError, DataSet, DataSettings, Image, ImageSource, OpenOptions, Pixels, Split, SplitPolicy, Splits,
    Tag, open,
};

/// Fields of 64 x 80 pixels with three channels of 16 bits: the first has discs of radius 6 at these middles.
fn field(middles: &[[f64; 2]], seed: usize) -> Image {
    let mut values = Vec::new();
    for at in 0..64 * 80 {
        let inside = |[y, x]: &[f64; 2]| ((at / 80) as f64 - y).hypot((at % 80) as f64 - x) <= 6.0;
        values.push(if middles.iter().any(inside) { 3000 } else { 100 + (at % 7) as u16 });
        values.push(((at * 31 + seed * 977) % 5000) as u16);
        values.push((at % 4096) as u16);
    }
    Image::new(64, 80, 3, Pixels::U16(values)).unwrap()
}

const A: [[f64; 2]; 4] = [[20.0, 20.0], [20.0, 40.0], [40.0, 60.0], [4.0, 70.0]];
const B: [[f64; 2]; 2] = [[30.0, 30.0], [45.0, 50.0]];

/// Two fields of class `dim` and one of class `bright` that has nothing.
fn folder(place: &Path) -> DataSet {
    let fields = [("dim/a.png", field(&A, 1)), ("dim/b.png", field(&B, 2)), ("bright/c.png", field(&[], 3))];
    for (path, image) in fields {
        let path = place.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, png_bytes(&image).unwrap()).unwrap();
    }
    let settings = DataSettings { splits: SplitPolicy::Defined, ..DataSettings::default() };
    open(place, &OpenOptions::from(settings)).unwrap()
}

fn nuclei() -> Finder {
    Finder::detector(Detector::default(), 0).unwrap()
}

fn small(border: Border) -> CropSettings {
    CropSettings { size: 16, border, ..CropSettings::default() }
}

fn defined(path: &Path) -> DataSet {
    let settings = DataSettings { splits: SplitPolicy::Defined, ..DataSettings::default() };
    open(path, &OpenOptions::from(settings)).unwrap()
}

fn all(source: &dyn ImageSource) -> Vec<Image> {
    (0..source.len()).map(|index| source.stored(index).unwrap()).collect()
}

#[test]
fn every_nucleus_is_cut_out_of_all_channels_in_the_middle() {
    let place = tempfile::tempdir().unwrap();
    let fields = folder(place.path());
    let found = cut(&fields, &nuclei(), &small(Border::Drop), None).unwrap();
    let counts = found.counts;
    assert_eq!((counts.fields, counts.empty_fields, counts.objects), (3, 1, 6));
    assert_eq!((counts.left_field, counts.cells), (1, 5));
    let cells = found.set.splits.train.as_ref().unwrap();
    assert_eq!(cells.len(), 5);
    assert_eq!(cells.name(0), "dim/a.png#2");
    assert_eq!(cells.columns(), ["field", "object", "x", "y", "area"]);
    assert_eq!(cells.metadata(0)[..4], ["dim/a.png", "2", "20", "20"]);
    assert!((0..5).all(|index| found.set.classes[cells.label(index).unwrap()] == "dim"));
    let Pixels::U16(values) = cells.stored(0).unwrap().pixels else { panic!() };
    let whole = field(&A, 1).pixels.to_f64();
    for (at, value) in values.iter().enumerate() {
        let (y, x, channel) = (at / 3 / 16 + 12, at / 3 % 16 + 12, at % 3);
        assert_eq!(f64::from(*value), whole[(y * 80 + x) * 3 + channel]);
    }
    assert!(matches!(cells.image(5), Err(DataError::NoSuchSample { index: 5, len: 5 })));
    let ids: Vec<&str> = found.set.notices.iter().map(|notice| notice.id.as_str()).collect();
    assert!(ids.ends_with(&["crops-left-out", "empty-fields"]), "{ids:?}");
}

#[test]
fn what_leaves_the_field_is_padded_where_that_is_wanted() {
    let place = tempfile::tempdir().unwrap();
    let fields = folder(place.path());
    let first = |padding| {
        let settings = CropSettings { padding, fill: 7.0, ..small(Border::Pad) };
        let found = cut(&fields, &nuclei(), &settings, None).unwrap();
        assert_eq!((found.counts.cells, found.counts.left_field), (6, 1));
        found.set.splits.train.unwrap().stored(0).unwrap().pixels.to_f64()
    };
    // The middle of the nucleus at the border is in row 4 or 5: the crop begins 3 or 4 rows above the field.
    let (reflected, constant) = (first(Padding::Reflect), first(Padding::Constant));
    assert!(constant[..3 * 16 * 3].iter().all(|value| *value == 7.0));
    assert!(reflected[..3 * 16].iter().all(|value| *value != 7.0));
    assert_eq!(reflected[5 * 16 * 3..], constant[5 * 16 * 3..]);
}

#[test]
fn an_npz_reads_as_the_same_cells() {
    let place = tempfile::tempdir().unwrap();
    let fields = folder(place.path());
    let found = cut(&fields, &nuclei(), &small(Border::Drop), None).unwrap();
    let path = place.path().join("out/cells.npz");
    let written = write_npz(&found.set, &path, false).unwrap();
    assert_eq!((written.images, written.table.clone()), (5, place.path().join("out/cells.csv")));
    let read = defined(&path);
    let (cells, again) = (found.set.splits.train.unwrap(), read.splits.train.as_ref().unwrap());
    assert_eq!(all(again.as_ref()), all(cells.as_ref()));
    assert!((0..5).all(|index| read.classes[again.label(index).unwrap()] == "dim"));
    let table = fs::read_to_string(written.table).unwrap();
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines[0], "array,index,split,label,field,object,x,y,area");
    assert!(lines[1].starts_with("train_images,0,train,dim,dim/a.png,2,20,20,"), "{}", lines[1]);
    assert_eq!(lines.len(), 6);
}

#[test]
fn a_folder_reads_as_the_same_cells_with_what_is_known_of_them() {
    let place = tempfile::tempdir().unwrap();
    let fields = folder(&place.path().join("fields"));
    let found = cut(&fields, &nuclei(), &small(Border::Drop), None).unwrap();
    let cells = found.set.splits.train.clone().unwrap();
    for (format, ending) in [(PictureFormat::Auto, "png"), (PictureFormat::Tiff, "tif")] {
        let path = place.path().join(ending);
        let written = write_folder(&found.set, &path, format, false).unwrap();
        assert_eq!(written.images, 5);
        assert!(path.join(format!("images/000000_a_2.{ending}")).is_file());
        let read = defined(&path);
        let again = read.splits.train.as_ref().unwrap();
        assert_eq!(all(again.as_ref()), all(cells.as_ref()));
        assert_eq!(read.classes, ["dim"]);
        let known: Vec<(&str, &str)> = again
            .columns()
            .iter()
            .map(String::as_str)
            .zip(again.metadata(4).iter().map(String::as_str))
            .collect();
        assert!(known.contains(&("field", "dim/b.png")) && known.contains(&("object", "2")), "{known:?}");
    }
}

#[test]
fn fields_of_a_split_give_cells_of_it() {
    let place = tempfile::tempdir().unwrap();
    for (path, image) in
        [("train/x/a.png", field(&A, 1)), ("test/x/b.png", field(&B, 2)), ("test/y/c.png", field(&B, 3))]
    {
        let path = place.path().join("fields").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, png_bytes(&image).unwrap()).unwrap();
    }
    let fields = defined(&place.path().join("fields"));
    let found = cut(&fields, &nuclei(), &small(Border::Drop), None).unwrap();
    let count = |set: &DataSet| Split::ALL.map(|split| set.splits.get(split).map(|source| source.len()));
    assert_eq!(count(&found.set), [Some(3), None, Some(4)]);
    write_npz(&found.set, &place.path().join("c.npz"), false).unwrap();
    write_folder(&found.set, &place.path().join("c"), PictureFormat::Auto, false).unwrap();
    for path in ["c.npz", "c"] {
        let read = defined(&place.path().join(path));
        assert_eq!(count(&read), count(&found.set), "{path}");
        for split in [Split::Train, Split::Test] {
            let (a, b) = (found.set.splits.get(split).unwrap(), read.splits.get(split).unwrap());
            assert_eq!(all(a.as_ref()), all(b.as_ref()), "{path}");
            let classes = |set: &DataSet, source: &dyn ImageSource| -> Vec<String> {
                (0..source.len()).map(|index| set.classes[source.label(index).unwrap()].clone()).collect()
            };
            assert_eq!(classes(&found.set, a.as_ref()), classes(&read, b.as_ref()), "{path}");
        }
    }
}

#[test]
fn cells_belong_to_the_group_of_their_field() {
    let place = tempfile::tempdir().unwrap();
    for (path, image) in [("a.png", field(&A, 1)), ("b.png", field(&B, 2))] {
        fs::write(place.path().join(path), png_bytes(&image).unwrap()).unwrap();
    }
    fs::write(place.path().join("labels.csv"), "file,label,plate\na.png,x,p1\nb.png,y,p2\n").unwrap();
    let settings =
        DataSettings { splits: SplitPolicy::Defined, group: "plate".into(), ..DataSettings::default() };
    let fields = open(place.path(), &OpenOptions::from(settings)).unwrap();
    let found = cut(&fields, &nuclei(), &small(Border::Drop), None).unwrap();
    let cells = found.set.splits.train.unwrap();
    let plates: Vec<&str> = (0..cells.len()).map(|index| cells.group(index).unwrap()).collect();
    assert!(plates.contains(&"p1") && plates.contains(&"p2"), "{plates:?}");
    for index in 0..cells.len() {
        let plate = if cells.name(index).starts_with("a.png") { "p1" } else { "p2" };
        assert_eq!(cells.group(index), Some(plate), "{}", cells.name(index));
    }
}

#[test]
fn cells_without_labels_stay_without() {
    let place = tempfile::tempdir().unwrap();
    fs::create_dir(place.path().join("fields")).unwrap();
    fs::write(place.path().join("fields/a.png"), png_bytes(&field(&A, 1)).unwrap()).unwrap();
    let fields = open(&place.path().join("fields"), &OpenOptions::default()).unwrap();
    let found = cut(&fields, &nuclei(), &small(Border::Drop), None).unwrap();
    write_npz(&found.set, &place.path().join("c.npz"), false).unwrap();
    write_folder(&found.set, &place.path().join("c"), PictureFormat::Auto, false).unwrap();
    for path in ["c.npz", "c"] {
        let read = open(&place.path().join(path), &OpenOptions::default()).unwrap();
        assert!(read.classes.is_empty(), "{path}: {:?}", read.classes);
        assert_eq!(read.splits.train.unwrap().len(), 3, "{path}");
    }
}

#[test]
fn draws_are_nested_and_a_function_of_the_seed() {
    let place = tempfile::tempdir().unwrap();
    let fields = folder(place.path());
    let names = |per_field, seed| -> Vec<String> {
        let settings = CropSettings { per_field, seed, ..small(Border::Pad) };
        let cells = cut(&fields, &nuclei(), &settings, None).unwrap().set.splits.train.unwrap();
        (0..cells.len()).map(|index| cells.name(index)).collect()
    };
    assert_eq!(names(0, 1).len(), 6);
    let (one, two) = (names(1, 1), names(2, 1));
    assert_eq!((one.len(), two.len()), (2, 4));
    assert!(one.iter().all(|name| two.contains(name)));
    assert_eq!(one, names(1, 1));
    assert!((0..20).any(|seed| names(1, seed) != one));
}

#[test]
fn masks_are_matched_by_name_and_clear_the_background() {
    let place = tempfile::tempdir().unwrap();
    let fields = folder(&place.path().join("fields"));
    // The masks of a number its two nuclei 7 and 300; there is none of b and c.
    let mut ids = vec![0u16; 64 * 80];
    for (y, x, id) in [(18, 18, 7), (18, 26, 300)] {
        (0..6).for_each(|row| ids[(y + row) * 80 + x..(y + row) * 80 + x + 6].fill(id));
    }
    let mask = Image::new(64, 80, 1, Pixels::U16(ids)).unwrap();
    fs::create_dir(place.path().join("masks")).unwrap();
    fs::write(place.path().join("masks/a_labels.png"), png_bytes(&mask).unwrap()).unwrap();
    let masks = open(&place.path().join("masks"), &OpenOptions::default()).unwrap();
    let (finder, notices) = Finder::masks(&masks, &fields).unwrap();
    assert_eq!(
        notices.iter().map(|notice| (notice.id.as_str(), notice.count)).collect::<Vec<_>>(),
        [("fields-without-mask", 2)]
    );
    let values = |background| {
        let settings = CropSettings { background, ..small(Border::Drop) };
        let cells = cut(&fields, &finder, &settings, None).unwrap().set.splits.train.unwrap();
        assert_eq!((cells.name(0), cells.name(1)), ("dim/a.png#7".into(), "dim/a.png#300".into()));
        assert_eq!(cells.metadata(0)[1..], ["7", "20.5", "20.5", "36"]);
        cells.stored(0).unwrap().pixels.to_f64().chunks(3).map(|pixel| pixel[2]).collect::<Vec<f64>>()
    };
    let kept = values(Background::Keep);
    // The crop begins at row and column 13.
    let at = |y: usize, x: usize| (y - 13) * 16 + x - 13;
    assert_eq!(kept[at(20, 20)], (20 * 80 + 20) as f64);
    let own = values(Background::Own);
    for (index, (a, b)) in own.iter().zip(&kept).enumerate() {
        let (y, x) = (index / 16 + 13, index % 16 + 13);
        let inside = (18..24).contains(&y) && (18..24).contains(&x);
        assert_eq!(*a, if inside { *b } else { 0.0 });
    }
    let neighbours = values(Background::Neighbours);
    let changed: Vec<usize> = (0..256).filter(|index| neighbours[*index] != kept[*index]).collect();
    assert_eq!(changed, (18..24).flat_map(|y| (26..29).map(move |x| at(y, x))).collect::<Vec<usize>>());
}

#[test]
fn masks_among_the_fields_are_told_from_them() {
    let place = tempfile::tempdir().unwrap();
    let mask = Image::new(64, 80, 1, Pixels::U16(vec![1; 64 * 80])).unwrap();
    for (name, image) in [
        ("a.png", field(&A, 1)),
        ("a_labels.png", mask.clone()),
        ("b-mask.png", mask),
        ("x.png", field(&B, 1)),
    ] {
        fs::write(place.path().join(name), png_bytes(&image).unwrap()).unwrap();
    }
    let set = open(place.path(), &OpenOptions::default()).unwrap();
    let (fields, masks) = divided(&set).unwrap().unwrap();
    let names = |set: &DataSet| {
        let source = set.splits.train.clone().unwrap();
        (0..source.len()).map(|index| source.name(index)).collect::<Vec<String>>()
    };
    // b-mask.png is of no field here: it is one.
    assert_eq!(
        (names(&fields), names(&masks)),
        (vec!["a.png".into(), "b-mask.png".into(), "x.png".into()], vec!["a_labels.png".into()])
    );
    let (finder, _) = Finder::masks(&masks, &fields).unwrap();
    let found = cut(&fields, &finder, &small(Border::Drop), None).unwrap();
    assert_eq!((found.counts.cells, found.counts.empty_fields), (1, 2));
    assert!(divided(&folder(&place.path().join("other"))).unwrap().is_none());
}

#[test]
fn tables_say_where_cells_are_and_no_more() {
    let place = tempfile::tempdir().unwrap();
    let fields = folder(&place.path().join("fields"));
    let table = place.path().join("Nuclei.csv");
    fs::write(
        &table,
        "ImageNumber,ObjectNumber,Location_Center_X,Location_Center_Y\n1,4,20,30\n2,1,40,41.5\n2,2,3,3\n",
    )
    .unwrap();
    fs::write(place.path().join("Image.csv"), "ImageNumber,FileName_DAPI\n1,b.png\n2,a.png\n").unwrap();
    let (finder, _) = Finder::table(&CentroidTable::read(&table, None).unwrap(), &fields).unwrap();
    let found = cut(&fields, &finder, &small(Border::Drop), None).unwrap();
    let cells = found.set.splits.train.unwrap();
    assert_eq!((cells.name(0), cells.name(1)), ("dim/a.png#1".into(), "dim/b.png#4".into()));
    assert_eq!(cells.metadata(0)[1..], ["1", "40", "41.5", ""]);
    let own = CropSettings { background: Background::Own, ..small(Border::Drop) };
    let error = cut(&fields, &finder, &own, None).map(|_| ()).unwrap_err();
    assert!(error.to_string().starts_with("background: expected keep"), "{error}");
}

#[test]
fn what_is_there_is_kept_unless_it_is_to_be_replaced() {
    let place = tempfile::tempdir().unwrap();
    let fields = folder(&place.path().join("fields"));
    let cells = cut(&fields, &nuclei(), &small(Border::Drop), None).unwrap().set;
    let other = cut(&fields, &nuclei(), &small(Border::Pad), None).unwrap().set;
    let (npz, out) = (place.path().join("c.npz"), place.path().join("c"));
    let folder = |set, overwrite| write_folder(set, &out, PictureFormat::Auto, overwrite);
    let exists = |result: Result<_, CellsError>| matches!(result, Err(CellsError::Exists { .. }));
    write_npz(&cells, &npz, false).unwrap();
    folder(&cells, false).unwrap();
    let before = fs::read(&npz).unwrap();
    assert!(exists(write_npz(&other, &npz, false)) && exists(folder(&other, false)));
    assert_eq!(fs::read(&npz).unwrap(), before);
    for place in [&npz, &out] {
        assert!(check_place(place, false).is_err() && check_place(place, true).is_ok());
    }
    assert_eq!(write_npz(&other, &npz, true).unwrap().images, 6);
    assert_eq!(folder(&other, true).unwrap().images, 6);
    assert_eq!(defined(&out).splits.train.unwrap().len(), 6);
    fs::write(out.join("thesis.txt"), "mine").unwrap();
    assert!(matches!(check_place(&out, true), Err(CellsError::NotOurs { .. })));
    assert!(matches!(folder(&cells, true), Err(CellsError::NotOurs { .. })));
    assert_eq!(defined(&out).splits.train.unwrap().len(), 6);
    // Nothing half-written is left beside them.
    let mut names: Vec<_> =
        fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["c", "c.csv", "c.npz", "fields"]);
    // A folder that is empty is no loss.
    let empty = place.path().join("empty");
    fs::create_dir(&empty).unwrap();
    write_folder(&cells, &empty, PictureFormat::Auto, false).unwrap();
}

#[test]
fn no_cells_are_an_error_that_says_why() {
    let place = tempfile::tempdir().unwrap();
    let fields = folder(place.path());
    let said = |settings: CropSettings, detector| {
        let finder = Finder::detector(detector, 0).unwrap();
        cut(&fields, &finder, &settings, None).map(|_| ()).unwrap_err().to_string()
    };
    let large = CropSettings { size: 64, ..small(Border::Drop) };
    assert_eq!(
        said(large, Detector::default()),
        "no cell is left of 6 objects in 3 fields: the crops of 6, of 64 x 64 pixels, leave their field"
    );
    let detector = Detector { min_area: 5000, ..Detector::default() };
    assert_eq!(
        said(small(Border::Drop), detector),
        "no cell is left of 0 objects in 3 fields: nothing was found"
    );
    assert_eq!(
        said(CropSettings { size: 0, ..small(Border::Drop) }, Detector::default()),
        "size: expected a number of pixels from 1 to 16384, got 0"
    );
    let error = cut(&fields, &Finder::detector(Detector::default(), 3).unwrap(), &small(Border::Drop), None);
    assert!(error.map(|_| ()).unwrap_err().to_string().contains("expected a number from 0 to 2, got \"3\""));
}

/// Images of any type and number of channels, of which some know more than a label.
struct Made(Vec<Image>, Vec<Tag>);

impl ImageSource for Made {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn image(&self, index: usize) -> Result<Image, DataError> {
        self.0.get(index).cloned().ok_or(DataError::NoSuchSample { index, len: self.0.len() })
    }

    fn label(&self, _: usize) -> Option<usize> {
        None
    }

    fn tags(&self, _: usize) -> Option<&[Tag]> {
        (!self.1.is_empty()).then_some(&self.1)
    }
}

#[test]
fn any_type_and_number_of_channels_is_kept() {
    let place = tempfile::tempdir().unwrap();
    let base = folder(&place.path().join("fields"));
    let set = |image: Image, tags: Vec<Tag>| DataSet {
        classes: if tags.is_empty() { Vec::new() } else { vec!["p".into(), "q".into()] },
        splits: Splits { train: Some(Arc::new(Made(vec![image], tags))), ..Splits::default() },
        ..base.clone()
    };
    let image = |channels, pixels| Image::new(8, 9, channels, pixels).unwrap();
    let numbers = |count: i32| (0..72 * count).map(|at| at * 37 - 900);
    let images = [
        image(1, Pixels::I16(numbers(1).map(|value| value as i16).collect())),
        image(4, Pixels::U16(numbers(4).map(|value| value as u16).collect())),
        image(5, Pixels::U8(numbers(5).map(|value| value as u8).collect())),
        image(2, Pixels::F32(numbers(2).map(|value| value as f32 / 8.0).collect())),
        image(3, Pixels::F32(numbers(3).map(|value| value as f32 / 8.0).collect())),
        image(1, Pixels::U32(numbers(1).map(|value| value as u32).collect())),
    ];
    for (number, image) in images.into_iter().enumerate() {
        let npz = place.path().join(format!("{number}.npz"));
        write_npz(&set(image.clone(), Vec::new()), &npz, false).unwrap();
        assert_eq!(defined(&npz).splits.train.unwrap().stored(0).unwrap(), image);
        let out = place.path().join(number.to_string());
        write_folder(&set(image.clone(), Vec::new()), &out, PictureFormat::Auto, false).unwrap();
        assert_eq!(defined(&out).splits.train.unwrap().stored(0).unwrap(), image);
        let png = write_folder(&set(image, Vec::new()), &place.path().join("png"), PictureFormat::Png, false);
        assert!(matches!(png, Err(CellsError::NotKept { .. })));
    }
    let tagged = set(image(1, Pixels::U8(vec![9; 72])), vec![Tag::Present, Tag::NotJudged]);
    write_npz(&tagged, &place.path().join("tags.npz"), false).unwrap();
    let read = defined(&place.path().join("tags.npz")).splits.train.unwrap();
    assert_eq!(read.tags(0), Some(&[Tag::Present, Tag::NotJudged][..]));
    let out = write_folder(&tagged, &place.path().join("tags"), PictureFormat::Auto, false);
    assert!(matches!(out, Err(CellsError::NotKept { .. })));
}
