//! Image files of all kinds as data sets: what is told of them, and that one bad file costs no other.

use std::path::Path;

use twinlens_data::{DataSet, Notice, OnBadSample, OpenOptions, Orientation, Pages};

use crate::make::{as_defined, put, refusal, strict, with};

fn file(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files").join(name)).unwrap()
}

/// The set of a folder that holds these files.
fn open(names: &[&str], options: &OpenOptions<'_>) -> DataSet {
    let folder = tempfile::tempdir().unwrap();
    names.iter().for_each(|name| put(folder.path(), name, &file(name)));
    twinlens_data::open(folder.path(), options).unwrap()
}

fn open_file(name: &str, options: &OpenOptions<'_>) -> DataSet {
    twinlens_data::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files").join(name), options)
        .unwrap()
}

fn names(set: &DataSet) -> Vec<String> {
    let source = set.splits.train.as_ref().unwrap();
    (0..source.len()).map(|index| source.name(index)).collect()
}

fn notice<'a>(set: &'a DataSet, id: &str) -> &'a Notice {
    set.notices
        .iter()
        .find(|notice| notice.id == id)
        .unwrap_or_else(|| panic!("no {id} in {:?}", set.notices))
}

#[test]
fn images_that_are_turned_are_counted_and_named() {
    let files = ["exif6.jpg", "exif6.png", "bigtiff_rgb.tif"];
    let set = open(&files, &strict());
    let turned = notice(&set, "turned");
    assert_eq!((turned.count, &turned.first[..]), (2, &["exif6.jpg".to_string(), "exif6.png".into()][..]));
    assert!(turned.hint.as_ref().unwrap().contains("orientation"));
    let image = set.splits.train.unwrap().image(1).unwrap();
    assert_eq!((image.height, image.width), (40, 24));
    let set = open(&files, &with(|settings| settings.orientation = Orientation::Stored));
    assert!(set.notices.iter().all(|notice| notice.id != "turned"));
    let image = set.splits.train.unwrap().image(1).unwrap();
    assert_eq!((image.height, image.width), (24, 40));
}

#[test]
fn files_with_several_pages_are_told_and_pages_are_named() {
    let set = open(&["zstack_5_pages.tif"], &strict());
    assert_eq!(names(&set), ["zstack_5_pages.tif"]);
    let told = notice(&set, "pages");
    assert_eq!(told.first, ["zstack_5_pages.tif"]);
    assert!(told.hint.as_ref().unwrap().contains("{pages} first|middle|max|mean|each"));
    let first = |set: &DataSet| set.splits.train.as_ref().unwrap().image(0).unwrap().pixels.to_f64()[0];
    let set = open(&["zstack_5_pages.tif"], &with(|settings| settings.pages = Pages::Middle));
    assert_eq!(first(&set), 40.0);
    let set = open(&["zstack_5_pages.tif"], &with(|settings| settings.pages = Pages::Max));
    assert_eq!(first(&set), 80.0);
    let set = open(&["zstack_5_pages.tif", "gray_8bit.bmp"], &with(|settings| settings.pages = Pages::Each));
    let pages = (0..5).map(|page| format!("zstack_5_pages.tif[{page}]"));
    assert_eq!(names(&set), ["gray_8bit.bmp".to_string()].into_iter().chain(pages).collect::<Vec<_>>());
}

#[test]
fn channels_of_imagej_are_one_image_without_a_word() {
    let set = open(&["imagej_3_channels.tif"], &strict());
    assert_eq!(set.splits.train.unwrap().image(0).unwrap().channels, 3);
    assert_eq!(set.notices.iter().filter(|notice| notice.id == "pages").count(), 0);
}

/// Crate `tiff` panics on one of the files, whose planes are tiled.
#[test]
fn a_file_that_makes_decoders_panic_is_read() {
    let set = open_file("twelve_good_one_panics.zip", &strict());
    assert_eq!(set.splits.train.unwrap().len(), 13);
}

#[test]
fn grey_with_alpha_is_grey_beside_grey() {
    let set = open_file("gray_png_and_gray_alpha_tif.zip", &strict());
    let source = set.splits.train.as_ref().unwrap();
    assert!((0..source.len()).all(|index| source.image(index).unwrap().channels == 1));
    assert!(notice(&set, "alpha").count > 0);
}

#[test]
fn a_class_of_gifs_is_a_class() {
    let set = open_file("class_of_gifs.zip", &strict());
    assert_eq!(set.skipped.count, 0);
    let source = set.splits.train.unwrap();
    let classes: std::collections::BTreeSet<_> = (0..source.len()).map(|index| source.label(index)).collect();
    assert_eq!(classes.len(), set.classes.len());
    assert!(classes.len() > 1);
}

#[test]
fn a_jpeg_that_breaks_off_is_skipped_and_counted_or_refused() {
    let set = open(&["truncated_half.jpg", "exif6.jpg"], &as_defined());
    assert_eq!(names(&set), ["exif6.jpg"]);
    assert_eq!((set.skipped.count, set.skipped.first[0].path.as_str()), (1, "truncated_half.jpg"));
    assert!(set.skipped.first[0].reason.contains("truncated"));
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "truncated_half.jpg", &file("truncated_half.jpg"));
    let fails = with(|settings| settings.on_bad_sample = OnBadSample::Fail);
    let message = refusal(twinlens_data::open(folder.path(), &fails));
    assert!(message.contains("truncated_half.jpg") && message.contains("break off"), "{message}");
}
