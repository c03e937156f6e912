//! Which values are black and white: every rule, and what becomes of images.

use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use twinlens_data::{
    DataError, DataSet, Image, ImageSource, Percentiles, PixelRange, PixelType, Pixels, RangeChoice,
    RangeOrigin, RangeRule, Split, inspect,
};

use crate::make::{Listed, as_defined, npy, npz, open_file, refusal, with};

/// An .npy of one image of `[height, width, channels]` for each `height * width * channels` values.
fn floats(shape: &[usize], values: &[f32]) -> Vec<u8> {
    npy("<f4", false, shape, &values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>())
}

fn shorts(shape: &[usize], values: &[u16]) -> Vec<u8> {
    npy("<u2", false, shape, &values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>())
}

fn opened(file: &[u8], range: RangeChoice) -> DataSet {
    open_file("a.npy", file, &with(|settings| settings.range = range)).unwrap()
}

fn auto(file: &[u8]) -> DataSet {
    opened(file, RangeChoice::default())
}

fn image(set: &DataSet, split: Split, index: usize) -> Pixels {
    set.splits.get(split).unwrap().image(index).unwrap().pixels
}

fn range(pixel_type: PixelType, channels: &[[f64; 2]]) -> PixelRange {
    PixelRange { pixel_type, channels: channels.to_vec(), origin: RangeOrigin::Stated }
}

fn grey(pixels: Pixels) -> Image {
    Image::new(1, pixels.len(), 1, pixels).unwrap()
}

#[test]
fn auto_leaves_8_bits_and_floats_within_0_and_1_as_they_are() {
    let eight = auto(&npy("|u1", false, &[1, 1, 2], &[7, 9]));
    assert_eq!((eight.range.origin, &eight.range.channels[..]), (RangeOrigin::Type, &[[0.0, 255.0]][..]));
    assert_eq!(image(&eight, Split::Train, 0), Pixels::U8(vec![7, 9]));
    let unit = auto(&floats(&[1, 1, 2], &[0.25, 1.0]));
    assert_eq!((unit.range.origin, &unit.range.channels[..]), (RangeOrigin::Type, &[[0.0, 1.0]][..]));
    assert_eq!(image(&unit, Split::Train, 0), Pixels::F32(vec![0.25, 1.0]));
}

#[test]
fn auto_takes_the_fewest_bits_that_hold_16_bit_images() {
    for (largest, top, origin) in [
        (0, 255.0, RangeOrigin::Bits),
        (255, 255.0, RangeOrigin::Bits),
        (256, 1023.0, RangeOrigin::Bits),
        (1023, 1023.0, RangeOrigin::Bits),
        (1024, 4095.0, RangeOrigin::Bits),
        (4095, 4095.0, RangeOrigin::Bits),
        (4096, 16383.0, RangeOrigin::Bits),
        (16383, 16383.0, RangeOrigin::Bits),
        (16384, 65535.0, RangeOrigin::Type),
        (65535, 65535.0, RangeOrigin::Type),
    ] {
        let set = auto(&shorts(&[2, 1, 1], &[0, largest]));
        assert_eq!((&set.range.channels[..], set.range.origin), (&[[0.0, top]][..], origin), "{largest}");
        let expected = (f64::from(largest) / top * 65535.0).round() as u16;
        assert_eq!(image(&set, Split::Train, 1), Pixels::U16(vec![expected]), "{largest}");
    }
}

#[test]
fn auto_measures_signed_wide_and_other_floating_point_images() {
    let hounsfield: Vec<u8> = [-1000i16, 0, 1000].iter().flat_map(|value| value.to_le_bytes()).collect();
    let set = auto(&npy("<i2", false, &[3, 1, 1], &hounsfield));
    assert_eq!(
        (&set.range.channels[..], set.range.origin),
        (&[[-1000.0, 1000.0]][..], RangeOrigin::Measured)
    );
    assert_eq!(image(&set, Split::Train, 1), Pixels::F32(vec![0.5]));
    let wide: Vec<u8> = [10u32, 4_000_000_010].iter().flat_map(|value| value.to_le_bytes()).collect();
    let set = auto(&npy("<u4", false, &[1, 1, 2], &wide));
    assert_eq!(set.range.channels, [[10.0, 4_000_000_010.0]]);
    assert_eq!(image(&set, Split::Train, 0), Pixels::F32(vec![0.0, 1.0]));
    let set = auto(&floats(&[1, 1, 3], &[0.0, 51.0, 255.0]));
    assert_eq!(image(&set, Split::Train, 0), Pixels::F32(vec![0.0, 0.2, 1.0]));
    let set = auto(&floats(&[1, 1, 2], &[-0.5, 0.5]));
    assert_eq!(set.range.channels, [[-0.5, 0.5]]);
}

#[test]
fn measured_ranges_are_by_channel_but_shared_by_three() {
    let measured = RangeChoice::Rule(RangeRule::Measured);
    let two = opened(&floats(&[1, 2, 1, 2], &[1.0, -5.0, 3.0, 5.0]), measured.clone());
    assert_eq!(two.range.channels, [[1.0, 3.0], [-5.0, 5.0]]);
    assert_eq!(image(&two, Split::Train, 0), Pixels::F32(vec![0.0, 0.0, 1.0, 1.0]));
    let three = opened(&floats(&[1, 2, 1, 3], &[1.0, -5.0, 0.0, 3.0, 5.0, 0.0]), measured.clone());
    assert_eq!(three.range.channels, [[-5.0, 5.0]; 3]);
    let constant = opened(&floats(&[1, 1, 2], &[7.0, 7.0]), measured.clone());
    assert_eq!(constant.range.channels, [[7.0, 8.0]]);
    assert_eq!(image(&constant, Split::Train, 0), Pixels::F32(vec![0.0, 0.0]));
    let huge = opened(&floats(&[1, 1, 1], &[1e30]), measured.clone());
    assert_eq!(
        image(&huge, Split::Train, 0),
        Pixels::F32(vec![0.0]),
        "a range of one value divides by nothing"
    );
    let eight = opened(&npy("|u1", false, &[1, 1, 3], &[50, 75, 100]), measured);
    assert_eq!(image(&eight, Split::Train, 0), Pixels::U8(vec![0, 128, 255]));
    let by_type = opened(&floats(&[1, 1, 2], &[-1.0, 0.5]), RangeChoice::Rule(RangeRule::Type));
    assert_eq!(by_type.range.origin, RangeOrigin::Type);
}

#[test]
fn percentiles_are_numpys() {
    let choice = |percentiles| RangeChoice::Percentiles(Percentiles { percentiles });
    // numpy.percentile([3, 1, 4, 1, 5, 9, 2, 6], [10, 90]) == [1, 6.9]; [25, 50] == [1.75, 3.5]
    let values = [3, 1, 4, 1, 5, 9, 2, 6];
    for (percentiles, bounds) in
        [([10.0, 90.0], [1.0, 6.9]), ([25.0, 50.0], [1.75, 3.5]), ([0.0, 100.0], [1.0, 9.0])]
    {
        let set = opened(&shorts(&[2, 2, 2], &values), choice(percentiles));
        let [low, high] = set.range.channels[0];
        assert!((low - bounds[0]).abs() < 1e-12 && (high - bounds[1]).abs() < 1e-12, "{:?}", set.range);
        assert_eq!(set.range.origin, RangeOrigin::Percentiles);
    }
    let two = opened(&floats(&[1, 3, 1, 2], &[0.0, 10.0, 1.0, 30.0, 2.0, 20.0]), choice([50.0, 100.0]));
    assert_eq!(two.range.channels, [[1.0, 2.0], [20.0, 30.0]]);
    let three = opened(&floats(&[1, 1, 1, 3], &[0.0, 2.0, 4.0]), choice([0.0, 50.0]));
    assert_eq!(three.range.channels, [[0.0, 2.0]; 3]);
}

#[test]
fn stated_ranges_are_for_all_channels_or_one_each() {
    let file = floats(&[1, 1, 1, 2], &[5.0, 30.0]);
    let same = opened(&file, RangeChoice::Same([0.0, 10.0]));
    assert_eq!(same.range, range(PixelType::F32, &[[0.0, 10.0]; 2]));
    assert_eq!(image(&same, Split::Train, 0), Pixels::F32(vec![0.5, 1.0]));
    let each = opened(&file, RangeChoice::PerChannel(vec![[0.0, 10.0], [20.0, 40.0]]));
    assert_eq!(image(&each, Split::Train, 0), Pixels::F32(vec![0.5, 0.5]));
    let refused = |choice| refusal(open_file("a.npy", &file, &with(|settings| settings.range = choice)));
    let message = refused(RangeChoice::PerChannel(vec![[0.0, 1.0]; 3]));
    assert!(message.contains("each of 2 channels") && message.contains("got 3"), "{message}");
    for bad in [
        RangeChoice::Same([1.0, 1.0]),
        RangeChoice::Same([0.0, f64::NAN]),
        RangeChoice::Same([f64::MIN, f64::MAX]),
        RangeChoice::PerChannel(vec![]),
        RangeChoice::Percentiles(Percentiles { percentiles: [-1.0, 50.0] }),
        RangeChoice::Percentiles(Percentiles { percentiles: [50.0, 101.0] }),
    ] {
        assert!(refused(bad.clone()).contains("option range"), "{bad:?}");
    }
}

#[test]
fn values_beyond_the_range_are_set_to_its_ends_and_counted() {
    let bounds = range(PixelType::I16, &[[-100.0, 300.0]]);
    let picture = grey(Pixels::I16(vec![-101, -100, 0, 300, 301]));
    assert_eq!(bounds.outside(&picture), 0.4);
    assert_eq!(bounds.apply(picture).pixels, Pixels::F32(vec![0.0, 0.0, 0.25, 1.0, 1.0]));
    let eight = range(PixelType::U8, &[[10.0, 20.0]]);
    assert_eq!(
        eight.apply(grey(Pixels::U8(vec![9, 10, 15, 20, 21]))).pixels,
        Pixels::U8(vec![0, 0, 128, 255, 255])
    );
}

#[test]
fn the_test_split_is_held_to_the_range_of_the_training_split() {
    let file = npz(&[
        ("train_images", floats(&[2, 1, 2], &[0.0, 4.0, 8.0, 10.0])),
        ("test_images", floats(&[1, 1, 4], &[-5.0, 5.0, 20.0, 10.0])),
    ]);
    let set = open_file("a.npz", &file, &as_defined()).unwrap();
    assert_eq!(set.range.channels, [[0.0, 10.0]]);
    assert_eq!(image(&set, Split::Test, 0), Pixels::F32(vec![0.0, 0.5, 1.0, 1.0]));
    let inspection = inspect(&set).unwrap();
    let (train, test) = (&inspection.splits[&Split::Train], &inspection.splits[&Split::Test]);
    assert_eq!((train.outside_range, test.outside_range), (0.0, 0.5));
    assert_eq!((test.value_range, &test.value_mean[..]), ([-5.0, 20.0], &[7.5][..]));
    assert_eq!((&inspection.range, inspection.pixel_type), (&set.range, PixelType::F32));
}

#[test]
fn another_range_replaces_the_one_before() {
    let set = auto(&floats(&[1, 1, 3], &[0.0, 50.0, 100.0]));
    let other = set.with_range(&range(PixelType::F32, &[[50.0, 150.0]])).unwrap();
    assert_eq!(image(&other, Split::Train, 0), Pixels::F32(vec![0.0, 0.0, 0.5]));
    assert_eq!(
        other.splits.train.as_ref().unwrap().stored(0).unwrap().pixels,
        Pixels::F32(vec![0.0, 50.0, 100.0])
    );
    let back = other.with_range(&set.range).unwrap();
    assert_eq!(image(&back, Split::Train, 0), Pixels::F32(vec![0.0, 0.5, 1.0]));
    assert_eq!(back.range, set.range);
    for (bad, word) in [
        (range(PixelType::U16, &[[0.0, 1.0]]), "u16"),
        (range(PixelType::F32, &[[0.0, 1.0]; 3]), "3 channels"),
        (range(PixelType::F32, &[[1.0, 1.0]]), "[[1.0,1.0]]"),
    ] {
        let message = set.with_range(&bad).unwrap_err().to_string();
        assert!(message.contains(word), "{message}");
    }
}

#[test]
fn a_set_that_is_open_is_given_by_the_range_of_another_encoder() {
    let set = auto(&floats(&[1, 1, 3], &[0.0, 50.0, 100.0]));
    let kept = |pixel_type| RangeChoice::Kept(range(pixel_type, &[[50.0, 150.0]]));
    let other = set.ranged(&kept(PixelType::F32)).unwrap();
    assert_eq!(image(&other, Split::Train, 0), Pixels::F32(vec![0.0, 0.0, 0.5]));
    let own = other.ranged(&kept(PixelType::U16)).unwrap();
    assert_eq!(own.range, set.range, "a range of other numbers is that of the images themselves");
    assert_eq!(image(&own, Split::Train, 0), Pixels::F32(vec![0.0, 0.5, 1.0]));
}

#[test]
fn signed_numbers_are_mapped_even_by_the_range_of_their_type() {
    let whole = with(|settings| settings.range = RangeChoice::Rule(RangeRule::Type));
    let set = open_file("a.npy", &npy("<i2", false, &[1, 1, 2], &[0, 0x80, 0xff, 0x7f]), &whole).unwrap();
    assert_eq!(image(&set, Split::Train, 0), Pixels::F32(vec![0.0, 1.0]));
}

#[test]
fn choices_are_written_as_text_and_as_settings() {
    let percentiles = RangeChoice::Percentiles(Percentiles { percentiles: [1.0, 99.5] });
    let each = RangeChoice::PerChannel(vec![[0.0, 1.0], [2.0, 3.0]]);
    let rules = [("auto", RangeRule::Auto), ("type", RangeRule::Type), ("measured", RangeRule::Measured)];
    for (text, rule) in rules {
        assert_eq!(text.parse(), Ok(RangeChoice::Rule(rule)));
    }
    assert_eq!("1%, 99.5%".parse(), Ok(percentiles.clone()));
    assert_eq!("-1000,1e3".parse(), Ok(RangeChoice::Same([-1000.0, 1000.0])));
    for bad in ["", "all", "1", "1,2,3", "1%,99", "a,b"] {
        assert!(bad.parse::<RangeChoice>().unwrap_err().contains("LOW%,HIGH%"), "{bad}");
    }
    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Settings {
        range: RangeChoice,
    }
    for (text, choice) in [
        ("range = \"measured\"", RangeChoice::Rule(RangeRule::Measured)),
        ("range = { percentiles = [1, 99.5] }", percentiles),
        ("range = [0, 4095]", RangeChoice::Same([0.0, 4095.0])),
        ("range = [[0, 1], [2, 3.0]]", each),
    ] {
        assert_eq!(toml::from_str(text), Ok(Settings { range: choice }), "{text}");
    }
    let message = toml::from_str::<Settings>("range = \"all\"").unwrap_err().to_string();
    assert!(message.contains("percentiles = [low, high]"), "{message}");
}

/// A source that counts how often it is asked for an image.
struct Counting(Listed, AtomicUsize);

impl ImageSource for Counting {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn image(&self, index: usize) -> Result<Image, DataError> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.image(index)
    }

    fn label(&self, index: usize) -> Option<usize> {
        self.0.label(index)
    }
}

#[test]
fn images_are_looked_at_only_where_the_range_depends_on_them() {
    let looks = |pixels: Pixels, choice: RangeChoice| {
        let source = Counting(Listed(vec![grey(pixels); 5], vec![None; 5]), AtomicUsize::new(0));
        choice.of(&source).unwrap();
        source.1.into_inner()
    };
    let (eight, real) = (|| Pixels::U8(vec![1, 2]), || Pixels::F32(vec![1.0, 2.0]));
    assert_eq!(looks(eight(), RangeChoice::default()), 1);
    assert_eq!(looks(real(), RangeChoice::Rule(RangeRule::Type)), 1);
    assert_eq!(looks(real(), RangeChoice::Same([0.0, 1.0])), 1);
    assert_eq!(looks(real(), RangeChoice::default()), 6);
    assert_eq!(looks(eight(), RangeChoice::Rule(RangeRule::Measured)), 6);
}

#[test]
fn percentiles_of_many_values_are_taken_of_some_at_even_distances() {
    let values: Vec<u16> = (0..8 * 1024 * 1024).map(|at| (at % 997) as u16).collect();
    let choice = RangeChoice::Percentiles(Percentiles { percentiles: [10.0, 90.0] });
    let [low, high] = opened(&shorts(&[8, 1024, 1024], &values), choice).range.channels[0];
    assert!((low - 99.6).abs() < 1.0 && (high - 896.4).abs() < 1.0, "{low} {high}");
}

proptest! {
    #[test]
    fn ranges_are_monotone_and_within_0_and_1(
        values in prop::collection::vec(-1e6f32..1e6, 2..20),
        low in -1e6f64..1e6,
        width in 1e-3f64..1e6,
    ) {
        let bounds = range(PixelType::F32, &[[low, low + width]]);
        let Pixels::F32(mapped) = bounds.apply(grey(Pixels::F32(values.clone()))).pixels else { unreachable!() };
        for (at, &value) in mapped.iter().enumerate() {
            prop_assert!((0.0..=1.0).contains(&value));
            for (other, &mapped_other) in mapped.iter().enumerate() {
                prop_assert!(values[at] > values[other] || value <= mapped_other);
            }
        }
    }

    #[test]
    fn all_16_bits_stay_what_they_are(values in prop::collection::vec(any::<u16>(), 1..50)) {
        let image = grey(Pixels::U16(values));
        let all = range(PixelType::U16, &[[0.0, 65535.0]]);
        prop_assert_eq!(all.apply(image.clone()), image);
    }
}
