//! Other classes for the same images.

use twinlens_data::{DataSet, OpenOptions, Split, open};

use crate::layouts::notice;
use crate::make::{encoded, put, refusal, with};

/// Twelve grey pictures, brighter and brighter, of two classes, three plates and a dose each.
fn set(label_by: &str) -> Result<DataSet, twinlens_data::DataError> {
    let folder = tempfile::tempdir().unwrap();
    let mut table = "file,label,plate,dose\n".to_owned();
    for at in 0..12u8 {
        let picture = image::DynamicImage::ImageLuma8(image::GrayImage::from_pixel(4, 4, [at * 20].into()));
        put(folder.path(), &format!("{at:02}.png"), &encoded(&picture, image::ImageFormat::Png));
        let plate = if at == 5 { String::new() } else { format!("p{}", at % 3) };
        table +=
            &format!("{at:02}.png,{},{plate},{}\n", ["a", "b"][usize::from(at % 2)], f64::from(at) / 10.0);
    }
    put(folder.path(), "labels.csv", table.as_bytes());
    let options = with(|settings| settings.label_by = label_by.into());
    open(folder.path(), &OpenOptions::from(options.settings))
}

/// What every image is called and labelled, split by split.
fn labels(set: &DataSet) -> Vec<(Split, String, Option<String>)> {
    let of = |split: Split| {
        let source = set.splits.get(split)?.clone();
        let class = |index| source.label(index).map(|label| set.classes[label].clone());
        Some((0..source.len()).map(|index| (split, source.name(index), class(index))).collect::<Vec<_>>())
    };
    Split::ALL.into_iter().filter_map(of).flatten().collect()
}

fn class_of<'a>(all: &'a [(Split, String, Option<String>)], name: &str) -> Option<&'a str> {
    all.iter().find(|(_, known, _)| known.starts_with(name)).and_then(|(.., class)| class.as_deref())
}

#[test]
fn columns_and_brightness_are_classes_in_the_same_splits() {
    let own = set("").unwrap();
    let places =
        |set: &DataSet| labels(set).into_iter().map(|(split, name, _)| (split, name)).collect::<Vec<_>>();
    let plates = set("plate").unwrap();
    assert_eq!(plates.classes, ["p0", "p1", "p2"]);
    let all = labels(&plates);
    assert_eq!((class_of(&all, "04"), class_of(&all, "05")), (Some("p1"), None));
    assert_eq!(notice(&plates, "without-value").message, "1 images have no value of `plate`, and no label");
    let bright = set("brightness").unwrap();
    let all = labels(&bright);
    assert_eq!(bright.classes, ["low", "middle", "high"]);
    assert_eq!((class_of(&all, "00"), class_of(&all, "11")), (Some("low"), Some("high")));
    let doses = set("dose").unwrap();
    assert_eq!(doses.classes, ["low", "middle", "high"], "more than ten numbers are cut into thirds");
    for other in [&plates, &bright, &doses] {
        assert_eq!(places(other), places(&own), "splits stay");
        assert_ne!(other.fingerprint, own.fingerprint);
    }
    let told = refusal(set("plat"));
    assert!(told.contains("no column \"plat\""), "{told}");
}
