//! Colours of stains normalised as a set is opened.

use proptest::prelude::*;
use twinlens_data::stain::{FittedStain, Macenko, StainChoice, StainMethod, StainTarget};
use twinlens_data::{
    DataError, DataSet, DataSettings, Image, ImageSource, OpenOptions, PixelType, Pixels, RangeChoice,
    SplitPolicy, open,
};

use crate::layouts::notice;
use crate::make::{encoded, put, refusal};

/// A tile in which amounts of haematoxylin and eosin of these colours vary from pixel to pixel; `seed` decides how.
fn tile(side: u32, seed: u32, colors: [[f64; 3]; 2]) -> image::DynamicImage {
    let amount = |x: u32, y: u32, step: u32| f64::from((x * 7 + y * step + seed * 13) % 31) / 20.0 + 0.2;
    image::DynamicImage::ImageRgb8(image::RgbImage::from_fn(side, side, |x, y| {
        let (h, e) = (amount(x, y, 11), amount(y, x, 5));
        image::Rgb(
            [0, 1, 2].map(|c: usize| (240.0 * (-(h * colors[0][c] + e * colors[1][c])).exp()).round() as u8),
        )
    }))
}

const PURPLE_PINK: [[f64; 3]; 2] = [[0.65, 0.70, 0.29], [0.27, 0.88, 0.39]];
const BLUE_RED: [[f64; 3]; 2] = [[0.86, 0.42, 0.28], [0.14, 0.96, 0.24]];

fn png(image: &image::DynamicImage) -> Vec<u8> {
    encoded(image, image::ImageFormat::Png)
}

fn settings(stain: StainMethod, reference: &str) -> DataSettings {
    DataSettings {
        stain: stain.into(),
        stain_reference: reference.into(),
        splits: SplitPolicy::Defined,
        ..DataSettings::default()
    }
}

fn train(set: &DataSet) -> &dyn ImageSource {
    set.splits.train.as_deref().unwrap()
}

/// Mean of every channel over all training images.
fn means(set: &DataSet) -> [f64; 3] {
    let mut sums = [0.0; 4];
    for index in 0..train(set).len() {
        for pixel in train(set).image(index).unwrap().pixels.to_f64().chunks_exact(3) {
            (0..3).for_each(|channel| sums[channel] += pixel[channel]);
            sums[3] += 1.0;
        }
    }
    [0, 1, 2].map(|channel| sums[channel] / sums[3])
}

/// A folder of ten tiles by one scanner, and a reference by another.
struct Slides {
    root: tempfile::TempDir,
    reference: String,
}

fn slides() -> Slides {
    let root = tempfile::tempdir().unwrap();
    (0..10)
        .for_each(|seed| put(root.path(), &format!("tiles/{seed}.png"), &png(&tile(24, seed, PURPLE_PINK))));
    put(root.path(), "reference.png", &png(&tile(32, 77, BLUE_RED)));
    let reference = root.path().join("reference.png").display().to_string();
    Slides { root, reference }
}

impl Slides {
    fn opened(&self, settings: DataSettings) -> DataSet {
        open(&self.root.path().join("tiles"), &OpenOptions::from(settings)).unwrap()
    }
}

#[test]
fn images_take_the_colours_of_the_reference() {
    let slides = slides();
    let plain = slides.opened(settings(StainMethod::None, ""));
    assert_eq!(plain.stain, None);
    let before = means(&plain);
    let alone = open(slides.reference.as_ref(), &settings(StainMethod::None, "").into()).unwrap();
    let target = means(&alone);
    let apart = |a: [f64; 3], b: [f64; 3]| (0..3).map(|c| (a[c] - b[c]).abs()).fold(0.0, f64::max);
    assert!(apart(before, target) > 10.0, "{before:?} {target:?}");
    for (method, near) in [(StainMethod::Macenko, 6.0), (StainMethod::Reinhard, 3.0)] {
        let set = slides.opened(settings(method, &slides.reference));
        let after = means(&set);
        assert!(apart(after, target) < near, "{method:?}: {after:?} {target:?}");
        assert!(notice(&set, "stains").message.contains(&slides.reference));
        assert_eq!(set.fingerprint, plain.fingerprint, "that of what was read");
        assert_eq!(train(&set).stored(3).unwrap(), train(&set).image(3).unwrap());
        // What was fitted normalises other sets, and single images, alike.
        let fitted = set.stain.clone().unwrap();
        let again = plain.stained(&fitted).unwrap();
        let image = train(&plain).image(7).unwrap();
        assert_eq!(train(&again).image(7).unwrap(), train(&set).image(7).unwrap());
        assert_eq!(fitted.normalised(&image).unwrap(), Some(train(&set).image(7).unwrap()));
        assert_eq!(again.stained(&fitted).unwrap().stain, set.stain, "once is enough");
    }
}

#[test]
fn without_a_reference_the_set_is_its_own() {
    let slides = slides();
    let before = means(&slides.opened(settings(StainMethod::None, "")));
    for method in [StainMethod::Macenko, StainMethod::Reinhard] {
        let set = slides.opened(settings(method, ""));
        let after = means(&set);
        assert!((0..3).all(|c| (after[c] - before[c]).abs() < 4.0), "{method:?}: {after:?} {before:?}");
        assert!(notice(&set, "stains").message.contains("10 of 10 training images of tiles"));
        assert_eq!(slides.opened(settings(method, "")).stain, set.stain, "the same every time");
    }
}

#[test]
fn a_range_is_that_of_normalised_images() {
    let slides = slides();
    let mut settings = settings(StainMethod::Reinhard, &slides.reference);
    settings.range = RangeChoice::Same([0.0, 127.5]);
    let set = slides.opened(settings.clone());
    // The same of a set that has its range already.
    let plain = DataSettings { stain: StainMethod::None.into(), stain_reference: String::new(), ..settings };
    let later = slides.opened(plain).stained(set.stain.as_ref().unwrap()).unwrap();
    let kept = StainChoice::Fitted(set.stain.clone().unwrap());
    let kept = slides.opened(DataSettings { stain: kept, ..DataSettings::default() });
    assert_eq!((kept.stain, kept.fingerprint), (later.stain.clone(), later.fingerprint.clone()));
    assert_eq!(train(&later).image(0).unwrap(), train(&set).image(0).unwrap());
    let (stored, shown) = (train(&set).stored(0).unwrap(), train(&set).image(0).unwrap());
    for (stored, shown) in stored.pixels.to_f64().into_iter().zip(shown.pixels.to_f64()) {
        assert_eq!(shown, (2.0 * stored).min(255.0));
    }
}

#[test]
fn images_without_tissue_are_told_and_stay() {
    let slides = slides();
    let white =
        image::DynamicImage::ImageRgb8(image::RgbImage::from_pixel(24, 24, image::Rgb([250, 249, 251])));
    put(slides.root.path(), "tiles/white.png", &png(&white));
    let set = slides.opened(settings(StainMethod::Macenko, ""));
    let told = notice(&set, "no-stains");
    assert_eq!((told.count, &told.first[..]), (1, &["white.png".to_string()][..]));
    assert_eq!(train(&set).image(10).unwrap().pixels, Pixels::U8(white.into_bytes()));
    put(slides.root.path(), "white.png", &std::fs::read(slides.root.path().join("tiles/white.png")).unwrap());
    let white = slides.root.path().join("white.png").display().to_string();
    let path = slides.root.path().join("tiles");
    let refused = refusal(open(&path, &settings(StainMethod::Macenko, &white).into()));
    assert!(refused.contains("no two stains") && refused.contains("{stain_reference}"), "{refused}");
}

#[test]
fn what_has_no_stains_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let grey = image::DynamicImage::ImageLuma8(image::GrayImage::from_pixel(4, 4, image::Luma([9])));
    let deep = image::DynamicImage::ImageRgb16(image::ImageBuffer::from_pixel(4, 4, image::Rgb([900, 5, 7])));
    for (folder, image, form) in [("grey", grey, "1 of u8"), ("deep", deep, "3 of u16")] {
        put(root.path(), &format!("{folder}/1.png"), &png(&image));
        let refused = refusal(open(&root.path().join(folder), &settings(StainMethod::Macenko, "").into()));
        assert!(refused.contains(form) && refused.contains("{stain}"), "{refused}");
    }
    let slides = slides();
    let path = slides.root.path().join("tiles");
    let deep = root.path().join("deep/1.png").display().to_string();
    for (settings, said) in [
        (settings(StainMethod::Reinhard, &deep), "3 of u16"),
        (settings(StainMethod::Reinhard, "/no/such/file.png"), "cannot read"),
        (settings(StainMethod::None, &slides.reference), "stain_reference"),
    ] {
        let refused = refusal(open(&path, &settings.into()));
        assert!(refused.contains(said), "{refused}");
    }
    let set = slides.opened(settings(StainMethod::Reinhard, ""));
    let other = slides.opened(settings(StainMethod::Reinhard, &slides.reference)).stain.unwrap();
    assert!(refusal(set.stained(&other)).contains("normalised to 10 of 10 training images"));
}

#[test]
fn sets_are_joined_if_they_are_normalised_to_one_image() {
    let slides = slides();
    (0..5).for_each(|seed| {
        put(slides.root.path(), &format!("more/{seed}.png"), &png(&tile(24, 40 + seed, BLUE_RED)));
    });
    let joined = |reference: &str| {
        let mut settings = settings(StainMethod::Macenko, reference);
        settings.join = vec![slides.root.path().join("more").display().to_string()];
        open(&slides.root.path().join("tiles"), &OpenOptions::from(settings))
    };
    let set = joined(&slides.reference).unwrap();
    assert_eq!((train(&set).len(), set.stain.is_some()), (15, true));
    assert!(refusal(joined("")).contains("{stain_reference}"));
}

#[test]
fn a_fitted_normalisation_is_kept_as_text() {
    let slides = slides();
    for method in [StainMethod::Macenko, StainMethod::Reinhard] {
        let fitted = slides.opened(settings(method, &slides.reference)).stain.unwrap();
        let read: FittedStain = serde_json::from_str(&serde_json::to_string(&fitted).unwrap()).unwrap();
        let plain = slides.opened(settings(StainMethod::None, ""));
        let image = train(&plain).image(4).unwrap();
        assert_eq!(read.normalised(&image).unwrap(), fitted.normalised(&image).unwrap());
        assert_eq!(read.fitted_to, fitted.fitted_to);
        // Numbers that nothing can be normalised by are refused.
        let mut broken = fitted;
        match &mut broken.target {
            StainTarget::Macenko { how, .. } => how.white = 0.0,
            StainTarget::Reinhard { statistics } => statistics.std[0] = -1.0,
        }
        assert!(matches!(plain.stained(&broken), Err(DataError::BadOption { name: "stain", .. })));
    }
    let text = r#"{"stain": "macenko", "stain_reference": "a.png"}"#;
    let settings: DataSettings = serde_json::from_str(text).unwrap();
    assert_eq!((settings.stain, &settings.stain_reference[..]), (StainMethod::Macenko.into(), "a.png"));
    let written = serde_json::to_value(DataSettings::default()).unwrap();
    assert!(written.get("stain").is_none() && written.get("stain_reference").is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// An image of two stains that is given its own keeps its pixels, but for rounding: densities are those of a value and one
    /// more, so that white is brighter by that.
    #[test]
    fn stains_normalised_to_their_own_stay(amounts in prop::collection::vec([0.3..2.0f64, 0.3..2.0], 200..400)) {
        let value = |[h, e]: [f64; 2], c: usize| 240.0 * (-(h * PURPLE_PINK[0][c] + e * PURPLE_PINK[1][c])).exp();
        let samples: Vec<u8> =
            amounts.iter().flat_map(|&amounts| [0, 1, 2].map(|c| value(amounts, c).round() as u8)).collect();
        let image = Image::new(1, amounts.len(), 3, Pixels::U8(samples.clone())).unwrap();
        prop_assert_eq!(image.pixel_type(), PixelType::U8);
        let how = Macenko::default();
        let stains = how.fit(samples.as_chunks().0).unwrap();
        let own = FittedStain { target: StainTarget::Macenko { how, stains }, fitted_to: "itself".into() };
        let same = own.normalised(&image).unwrap().unwrap();
        for (before, after) in samples.iter().zip(same.pixels.to_f64()) {
            prop_assert!((f64::from(*before) - after).abs() <= 3.0, "{} {}", before, after);
        }
    }
}
