//! One file a channel, merged by their names.

use image::ImageFormat;
use twinlens_data::{
    DataSettings, OpenOptions, Percentiles, PixelType, RangeChoice, RangeRule, Split, inspect,
};

use crate::make::{as_defined, encoded, png, put, refusal, strict, with, zipped};
use crate::{folder, grey, metadata, names, notice, numbers, open, train};

/// Two wells of two sites of three channels of ImageXpress.
const PLATE: [&str; 6] = [
    "plate_A01_s1_w1.tif",
    "plate_A01_s1_w2.tif",
    "plate_A01_s1_w3.tif",
    "plate_B02_s4_w1.tif",
    "plate_B02_s4_w2.tif",
    "plate_B02_s4_w3.tif",
];

#[test]
fn files_of_a_field_become_one_image_of_16_bits() {
    let folder = folder(&PLATE, &[]);
    let set = open(folder.path(), |_| {});
    assert_eq!(numbers(&set), [[0, 1, 2], [3, 4, 5]]);
    assert_eq!(
        (names(&set), set.channel_names.join(" ")),
        (vec![PLATE[0].into(), PLATE[3].into()], "1 2 3".into())
    );
    assert_eq!(metadata(&set), ["plate=plate well=A01 site=1", "plate=plate well=B02 site=4"]);
    let image = train(&set).stored(1).unwrap();
    assert_eq!((image.height, image.width, image.channels, image.pixel_type()), (2, 3, 3, PixelType::U16));
    // Pixel by pixel, channels interleaved.
    assert_eq!(image.pixels.to_f64()[..6], [300.0, 400.0, 500.0, 301.0, 401.0, 501.0]);
    let told = notice(&set, "channels");
    assert!(told.message.starts_with(
        "2 image(s) have 3 channels (1, 2, 3) from files of their own, by names of ImageXpress"
    ));
    assert!(told.hint.as_deref().unwrap().contains("{channels_from} none"));
    assert_eq!(set.notices.len(), 1);
    let found = inspect(&set).unwrap();
    assert_eq!((found.channels, found.channel_names.join(" ")), (3, "1 2 3".into()));
}

#[test]
fn channels_with_names_have_ranges_of_their_own() {
    let folder = folder(&PLATE, &[]);
    for range in [
        RangeChoice::Rule(RangeRule::Measured),
        RangeChoice::Percentiles(Percentiles { percentiles: [0.0, 100.0] }),
    ] {
        let set = open(folder.path(), |settings| settings.range = range);
        assert_eq!(set.range.channels, [[0.0, 305.0], [100.0, 405.0], [200.0, 505.0]]);
        assert_eq!(train(&set).channel_names(), ["1", "2", "3"]);
    }
}

#[test]
fn channels_may_be_chosen_ordered_or_left_in_files_of_their_own() {
    let folder = folder(&PLATE, &[]);
    let chosen = open(folder.path(), |settings| settings.channels = vec!["3".into(), "1".into()]);
    assert_eq!(
        (numbers(&chosen), chosen.channel_names.join(" ")),
        (vec![vec![2, 0], vec![5, 3]], "3 1".into())
    );
    let apart = open(folder.path(), |settings| settings.channels_from = "none".into());
    assert_eq!((numbers(&apart), apart.channel_names.len()), ((0..6).map(|at| vec![at]).collect(), 0));
    let missing = with(|settings| settings.channels = vec!["DAPI".into()]);
    let message = refusal(twinlens_data::open(folder.path(), &missing));
    assert!(message.contains("channels") && message.contains("some of 1, 2, 3"), "{message}");
}

#[test]
fn a_pattern_may_be_stated_and_its_fields_be_the_labels() {
    let folder =
        folder(&["x/1-drug-R.png", "x/1-drug-G.png", "x/2-none-R.png", "x/2-none-G.png", "x/other.png"], &[]);
    let set = open(folder.path(), |settings| {
        settings.channels_from = "{site}-{treatment}-{channel}".into();
        settings.labels_column = "treatment".into();
    });
    assert_eq!(numbers(&set), [[1, 0], [3, 2]]);
    assert_eq!(
        (crate::labels(&set), metadata(&set)),
        (vec![Some("drug"), Some("none")], vec!["site=1".into(), "site=2".into()])
    );
    assert_eq!(
        (notice(&set, "no-channel").count, notice(&set, "no-channel").first[0].as_str()),
        (1, "x/other.png")
    );
    let wrong = with(|settings| settings.channels_from = "{site}".into());
    assert!(refusal(twinlens_data::open(folder.path(), &wrong)).contains("no field is called {channel}"));
}

#[test]
fn fields_that_lack_a_channel_are_left_out_and_named() {
    let folder = folder(&PLATE[..5], &[]);
    let set =
        open(folder.path(), |settings| settings.channels_from = "{plate}_{well}_s{site}_w{channel}".into());
    assert_eq!(numbers(&set), [[0, 1, 2]]);
    let missing = notice(&set, "missing-channels");
    assert_eq!((missing.count, missing.first[0].as_str()), (1, "plate_B02_s4_w1.tif: no 3"));
}

#[test]
fn channels_of_other_sizes_are_bad_samples() {
    let folder = folder(&PLATE, &[]);
    put(folder.path(), PLATE[4], &grey([3, 2], 4));
    let pattern =
        |settings: &mut DataSettings| settings.channels_from = "{plate}_{well}_s{site}_w{channel}".into();
    let set = open(folder.path(), pattern);
    assert_eq!(
        (numbers(&set).len(), set.skipped.count, set.skipped.first[0].path.as_str()),
        (1, 1, PLATE[3])
    );
    assert!(set.skipped.first[0].reason.contains(
        "channels differ: plate_B02_s4_w1.tif is 2 x 3 pixels of u16, plate_B02_s4_w2.tif is 3 x 2"
    ));
    let mut failing = strict();
    pattern(&mut failing.settings);
    assert!(refusal(twinlens_data::open(folder.path(), &failing)).contains("channels differ"));
    // Where nothing was stated, files that cannot be merged are not.
    let set = open(folder.path(), |_| {});
    assert_eq!(numbers(&set).len(), 6);
    assert!(notice(&set, "not-merged").message.contains("channels differ"), "{:?}", set.notices);
    // One that cannot be decoded is named.
    put(folder.path(), PLATE[4], b"no picture");
    let set = open(folder.path(), pattern);
    assert!(set.skipped.first[0].reason.starts_with("plate_B02_s4_w2.tif: "), "{:?}", set.skipped);
}

#[test]
fn photographs_called_so_are_not_merged_and_grey_ones_in_colour_are() {
    let folder = tempfile::tempdir().unwrap();
    ["A01_s1_w1.png", "A01_s1_w2.png"].iter().for_each(|path| put(folder.path(), path, &png(4, 3)));
    let set = open(folder.path(), |_| {});
    assert_eq!(
        (train(&set).len(), notice(&set, "not-merged").message.contains("3 channels itself")),
        (2, true)
    );
    let shades = image::RgbImage::from_fn(4, 4, |x, y| image::Rgb([(40 * x + y) as u8; 3]));
    let grey_in_colour = encoded(&image::DynamicImage::ImageRgb8(shades), ImageFormat::Png);
    put(folder.path(), "A01_s1_w1.png", &grey_in_colour);
    put(folder.path(), "A01_s1_w2.png", &grey_in_colour);
    let set = open(folder.path(), |_| {});
    assert_eq!((train(&set).len(), train(&set).image(0).unwrap().channels), (1, 2));
}

#[test]
fn folders_and_tables_say_the_same_of_fields_as_of_files() {
    let paths: Vec<String> = ["train/a", "train/b", "test/a"]
        .iter()
        .flat_map(|place| PLATE[..2].iter().map(move |file| format!("{place}/{file}")))
        .collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let divided = folder(&paths, &[]);
    let set = open(divided.path(), |_| {});
    assert_eq!(
        (crate::labels(&set), set.splits.test.as_ref().unwrap().len()),
        (vec![Some("a"), Some("b")], 1)
    );
    // A table names the files of any channel.
    let table = "image,label\nplate_A01_s1_w2.tif,x\nplate_B02_s4_w1.tif,y\n";
    let named = folder(&PLATE, &[("labels.csv", table)]);
    let set = open(named.path(), |_| {});
    assert_eq!(crate::labels(&set), [Some("x"), Some("y")]);
    assert!(
        set.notices.iter().all(|notice| ["labels-table", "channels"].contains(&notice.id.as_str())),
        "{:?}",
        set.notices
    );
}

#[test]
fn folders_of_channels_are_no_classes() {
    let folder = folder(&["dapi/1.png", "dapi/2.png", "actin/1.png", "actin/2.png"], &[]);
    let set = open(folder.path(), |settings| settings.channels_from = "{channel}/{site}".into());
    assert_eq!((numbers(&set), set.classes.len()), (vec![vec![2, 0], vec![3, 1]], 0));
    assert_eq!(set.channel_names, ["actin", "dapi"]);
}

#[test]
fn fields_are_decoded_when_they_are_needed() {
    let images: Vec<String> = (1..=9)
        .flat_map(|well| (1..=3).map(move |channel| format!("p_A{well:02}_s1_w{channel}.png")))
        .collect();
    let folder = tempfile::tempdir().unwrap();
    // Pictures that fill a limit which each alone keeps.
    for (number, path) in images.iter().enumerate() {
        put(folder.path(), path, &grey([20, 20], number as u16));
    }
    let held = twinlens_data::open(folder.path(), &as_defined()).unwrap();
    let options = OpenOptions { memory_limit: Some(20_000), ..as_defined() };
    let again = twinlens_data::open(folder.path(), &options).unwrap();
    assert_eq!((again.bytes_in_memory, &again.fingerprint), (0, &held.fingerprint));
    assert!(again.notices.iter().any(|notice| notice.id == "decoded-on-demand"));
    assert_eq!((numbers(&again), &again.channel_names), (numbers(&held), &held.channel_names));
    let source = again.splits.get(Split::Train).unwrap();
    put(folder.path(), &images[4], &grey([20, 21], 4));
    assert!(source.image(1).is_err());
    assert!(source.image(0).is_ok());
}

#[test]
fn zips_and_several_plates_are_read_alike() {
    let members: Vec<(String, Vec<u8>)> = ["P1", "P2"]
        .iter()
        .flat_map(|plate| {
            [1, 2].map(|channel| format!("{plate}/Images/r02c03f01p01-ch{channel}sk1fk1fl1.tiff"))
        })
        .zip(0..)
        .map(|(path, seed)| (path, grey([2, 3], seed)))
        .collect();
    let members: Vec<(&str, Vec<u8>)> =
        members.iter().map(|(path, bytes)| (path.as_str(), bytes.clone())).collect();
    let zip = zipped(&members, zip::CompressionMethod::Stored);
    let set = crate::make::open_file("plates.zip", &zip, &as_defined()).unwrap();
    assert_eq!(numbers(&set), [[0, 1], [2, 3]]);
    assert_eq!(metadata(&set)[0], "well=B03 row=02 column=03 site=01 z=01 t=1");
}
