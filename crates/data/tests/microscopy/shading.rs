//! Illumination divided out of a set as it is opened.

use image::ImageFormat;
use twinlens_data::{Illumination, PixelType, RangeOrigin, inspect};

use crate::make::{encoded, put};
use crate::{metadata, notice, open, train};

/// A field of 40 x 60 pixels of 16 bits that is lit from the left, with a bright cell at a place of its own.
fn field(seed: u32) -> Vec<u8> {
    let light = |x: u32| 1.2 - 0.4 * f64::from(x) / 59.0;
    let value = |x: u32, y: u32| if x / 6 == seed % 10 && y / 6 == seed % 7 { 9000.0 } else { 3000.0 };
    let picture = image::ImageBuffer::from_fn(60, 40, |x, y| image::Luma([(value(x, y) * light(x)) as u16]));
    encoded(&image::DynamicImage::ImageLuma16(picture), ImageFormat::Png)
}

#[test]
fn a_plate_is_evened_out_by_its_own_light() {
    let folder = tempfile::tempdir().unwrap();
    for site in 0..12 {
        for channel in [1, 2] {
            put(folder.path(), &format!("P1_A01_s{site}_w{channel}.png"), &field(site + channel));
        }
    }
    let stored = open(folder.path(), |_| {});
    let set = open(folder.path(), |settings| settings.illumination = Illumination::Median);
    assert_eq!(metadata(&set)[0], "plate=P1 well=A01 site=0");
    assert_ne!(set.fingerprint, stored.fingerprint);
    assert!(notice(&set, "illumination").message.contains("(of 1)"));
    let row = |set: &twinlens_data::DataSet| {
        let image = train(set).stored(3).unwrap();
        assert_eq!((image.channels, image.pixel_type()), (2, PixelType::U16));
        // The last row has no cell.
        let values = image.pixels.to_f64();
        values[39 * 120..].iter().step_by(2).copied().collect::<Vec<f64>>()
    };
    let spread = |row: Vec<f64>| {
        row.iter().copied().fold(0.0, f64::max) / row.iter().copied().fold(f64::INFINITY, f64::min)
    };
    assert!(spread(row(&stored)) > 1.45);
    assert!(spread(row(&set)) < 1.01, "{:?}", row(&set));
    // The range is measured on what is given.
    assert_eq!(set.range.origin, RangeOrigin::Bits);
    let found = inspect(&set).unwrap();
    assert!(found.splits.values().all(|split| split.value_range[1] < 9500.0), "{found:?}");
}
