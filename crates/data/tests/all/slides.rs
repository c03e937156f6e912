//! Whole slides: regions, levels, sizes of pixels, tissue, tiles as a set, and what is refused.

use std::collections::BTreeSet;
use std::path::PathBuf;

use proptest::prelude::*;
use tempfile::TempDir;
use twinlens_data::{
    DataError, DataSet, DataSettings, ImageSource, OpenOptions, Pages, PixelType, Pixels, Slide, Split,
    SplitPolicy, inspect, open, open_bytes,
};
use zip::CompressionMethod;

use crate::layouts::notice;
use crate::make::{bytes_of, png, put, refusal, with, zipped};
use crate::pyramids::{Codec, Picture, rgb, tiff};

fn train(set: &DataSet) -> &dyn ImageSource {
    set.splits.train.as_deref().unwrap()
}

/// A file in a folder of its own.
fn file(name: &str, bytes: &[u8]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), name, bytes);
    let path = folder.path().join(name);
    (folder, path)
}

fn slide(bytes: &[u8]) -> (TempDir, Slide) {
    let (folder, path) = file("slide.svs", bytes);
    let slide = Slide::open(&path).unwrap();
    (folder, slide)
}

fn samples(pixels: &Pixels) -> Vec<u8> {
    match pixels {
        Pixels::U8(values) => values.clone(),
        Pixels::U16(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        other => panic!("{:?}", other.pixel_type()),
    }
}

/// The message of an error, and its hint.
fn told(error: &DataError) -> String {
    assert!(!error.to_string().contains('{'), "{error}");
    format!("{error}\nhint: {}", error.hint())
}

fn refused_slide(name: &str, bytes: &[u8]) -> String {
    let (_folder, path) = file(name, bytes);
    told(&Slide::open(&path).err().expect("it was opened, though it should not"))
}

/// Tiles of this size, all of them, at the pixels of the slide.
fn tiles(size: usize) -> OpenOptions<'static> {
    with(|settings| (settings.tile_size, settings.min_tissue) = (Some(size), Some(0.0)))
}

/// The same, and a slide that cannot be read is an error.
fn strict(change: impl FnOnce(&mut DataSettings)) -> OpenOptions<'static> {
    with(|settings| {
        (settings.tile_size, settings.min_tissue) = (Some(16), Some(0.0));
        settings.on_bad_sample = twinlens_data::OnBadSample::Fail;
        change(settings);
    })
}

/// A set, and the folder that it is read from whenever a tile is asked for.
struct Opened {
    set: DataSet,
    _folder: TempDir,
}

impl std::ops::Deref for Opened {
    type Target = DataSet;

    fn deref(&self) -> &DataSet {
        &self.set
    }
}

fn tried(files: &[(&str, Vec<u8>)], options: &OpenOptions<'_>) -> (Result<DataSet, DataError>, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    files.iter().for_each(|(path, bytes)| put(folder.path(), path, bytes));
    (open(folder.path(), options), folder)
}

fn folder(files: &[(&str, Vec<u8>)], options: &OpenOptions<'_>) -> Opened {
    let (set, folder) = tried(files, options);
    Opened { set: set.unwrap(), _folder: folder }
}

/// The message and the hint of the error that a folder of these files must give.
fn message(files: &[(&str, Vec<u8>)], options: &OpenOptions<'_>) -> String {
    refusal(tried(files, options).0)
}

/// The picture made `by` times smaller by means of blocks, rounded down in size.
fn smaller(picture: &Picture, by: usize) -> Picture {
    let (width, height) = (picture.width / by, picture.height / by);
    let mean = |x: usize, y: usize, c: usize| {
        let block = picture.cut([x * by, y * by], [by, by]);
        let values: Vec<usize> = block.iter().skip(c).step_by(picture.samples).map(|&v| v.into()).collect();
        ((values.iter().sum::<usize>() as f64 / values.len() as f64).round()) as u8
    };
    let samples = picture.samples;
    let raster = (0..height).flat_map(|y| (0..width).flat_map(move |x| (0..samples).map(move |c| (x, y, c))));
    Picture::of(width, height, samples, raster.map(|(x, y, c)| mean(x, y, c)).collect())
}

/// A slide of glass with tissue in the rectangle of `sides` at `at`.
fn stained(width: usize, height: usize, at: [usize; 2], sides: [usize; 2]) -> Picture {
    let inside =
        |x: usize, y: usize| (at[0]..at[0] + sides[0]).contains(&x) && (at[1]..at[1] + sides[1]).contains(&y);
    let color =
        |x: usize, y: usize| if inside(x, y) { [180, 90, 150] } else { [240, 238 + (x % 2) as u8, 241] };
    let raster = (0..height).flat_map(|y| (0..width).flat_map(move |x| color(x, y))).collect();
    Picture::of(width, height, 3, raster)
}

// Regions

prop_compose! {
    /// A picture of any form, with a region of it.
    fn pictures()(
        width in 1usize..70,
        height in 1usize..70,
        samples in prop::sample::select(vec![1usize, 3]),
        bytes in 1usize..=2,
        tile in prop::sample::select(vec![[16usize, 16], [32, 16], [16, 48], [64, 64]]),
        strip in prop::option::of(1usize..80),
        planar in any::<bool>(),
        codec in prop::sample::select(vec![
            Codec::None, Codec::Deflate, Codec::Lzw, Codec::PackBits, Codec::Jpeg, Codec::JpegTables,
        ]),
        big in any::<bool>(),
        seed in any::<u64>(),
        corners in prop::array::uniform4(0.0f64..1.0),
    ) -> (Picture, bool, [usize; 2], [usize; 2]) {
        let jpeg = matches!(codec, Codec::Jpeg | Codec::JpegTables);
        let bytes = if jpeg { 1 } else { bytes };
        // Smooth, so that JPEG changes little, and different everywhere.
        let value = |at: usize| (at as u64).wrapping_mul(seed | 1).rotate_left(17) as u8;
        let smooth = |at: usize| (at / samples % width + at / samples / width + at % samples * 40) as u8;
        let raster = (0..width * height * samples * bytes).map(|at| if jpeg { smooth(at) } else { value(at) }).collect();
        let picture = Picture { tile, planar: planar && samples > 1, ..Picture::of(width, height, samples, raster).codec(codec) };
        let picture = match strip {
            Some(rows) => picture.strips(rows.min(height)),
            None => picture,
        };
        let within = |one: f64, other: f64, side: usize| {
            let (from, to) = (one.min(other), one.max(other));
            let at = (from * side as f64) as usize;
            (at, ((to * side as f64) as usize - at).max(1))
        };
        let ((x, wide), (y, high)) = (within(corners[0], corners[1], width), within(corners[2], corners[3], height));
        (picture, big, [x, y], [wide, high])
    }
}

proptest! {
    /// A region is the same cut of what was written, and of the image as it is read as a whole.
    #[test]
    fn a_region_is_a_cut_of_the_whole((picture, big, at, sides) in pictures()) {
        let bytes = tiff(std::slice::from_ref(&picture), big);
        let (_folder, slide) = slide(&bytes);
        let level = slide.levels()[0];
        prop_assert_eq!((level.width, level.height, level.downsample), (picture.width, picture.height, 1.0));
        let region = slide.region(0, at, sides).unwrap();
        prop_assert_eq!([region.width, region.height, region.channels], [sides[0], sides[1], picture.samples]);
        let set = open_bytes("whole.tif", bytes, &with(|settings| settings.rgb = false)).unwrap();
        let whole = train(&set).stored(0).unwrap();
        let whole = Picture { raster: samples(&whole.pixels), ..picture.clone() };
        prop_assert_eq!(&samples(&region.pixels), &whole.cut(at, sides));
        let written = picture.cut(at, sides);
        if matches!(picture.codec, Codec::Jpeg | Codec::JpegTables) {
            let far = samples(&region.pixels).iter().zip(&written).map(|(a, b)| a.abs_diff(*b)).max();
            prop_assert!(far <= Some(40), "{:?}", far);
        } else {
            prop_assert_eq!(samples(&region.pixels), written);
        }
    }
}

#[test]
fn regions_lie_within_their_level() {
    let (_folder, slide) = slide(&tiff(&[rgb(40, 30, 0)], false));
    for (level, at, sides) in [
        (0, [0, 0], [41, 1]),
        (0, [39, 0], [2, 1]),
        (0, [0, usize::MAX], [1, 2]),
        (0, [0, 0], [0, 1]),
        (1, [0, 0], [1, 1]),
    ] {
        let error = slide.region(level, at, sides).unwrap_err();
        assert!(matches!(error, DataError::BadOption { .. }), "{error}");
    }
    assert!(told(&slide.region(0, [39, 0], [2, 1]).unwrap_err()).contains("within 40 x 30 pixels"));
}

#[test]
fn a_slide_of_8_gigapixels_is_opened_by_its_directories() {
    // All tiles of 256 x 256 are one and the same.
    let (width, height) = (100_000, 80_000);
    let tile = Picture { tile: [256, 256], ..rgb(256, 256, 3) }.codec(Codec::Deflate);
    let count = 391 * 313;
    let small = tiff(std::slice::from_ref(&tile), true);
    let place = |tag: u16| {
        let at = (0..small.len())
            .find(|&at| small[at..].starts_with(&[tag.to_le_bytes(), [16, 0]].concat()))
            .unwrap();
        u32::from_le_bytes(small[at + 12..at + 16].try_into().unwrap())
    };
    let (offset, length) = (place(324), place(325));
    // The picture of one tile, with tags that say that it is large. Its own tile is written first, at the same place.
    let large = tile
        .clone()
        .tag(256, &[width])
        .tag(257, &[height])
        .tag(324, &vec![offset; count])
        .tag(325, &vec![length; count]);
    let bytes = tiff(&[large], true);
    let (_folder, path) = file("large.svs", &bytes);
    let start = std::time::Instant::now();
    let slide = Slide::open(&path).unwrap();
    assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
    let region = slide.region(0, [99_900, 79_800], [100, 200]).unwrap();
    // The last row of tiles begins at 79,872, and its column at 99,840.
    let expected = [tile.cut([60, 184], [100, 72]), tile.cut([60, 0], [100, 128])].concat();
    assert_eq!(samples(&region.pixels), expected);
    // Its 390 x 312 tiles are known, and none but the first was read.
    let options = OpenOptions { memory_limit: Some(64 << 20), ..tiles(256) };
    let set = open(&path, &options).unwrap();
    assert_eq!(train(&set).len(), 390 * 312);
    assert_eq!(set.bytes_in_memory, 0);
    assert_eq!(bytes_of(set.splits.train.as_ref().unwrap(), 390 * 312 - 1), tile.raster);
    let whole = refusal(open(&path, &OpenOptions { memory_limit: Some(64 << 20), ..with(|_| ()) }));
    assert!(whole.contains("80000 x 100000 pixels") && whole.contains("{tile_size} 224"), "{whole}");
}

// Levels

/// Three levels, 1 and 3 and 6 times smaller, of different values.
fn levels() -> [Picture; 3] {
    [rgb(96, 66, 0), rgb(32, 22, 1), rgb(16, 11, 2)]
}

#[test]
fn levels_of_svs_follow_the_first_and_other_images_are_none() {
    let [first, second, third] = levels();
    let first = first
        .text(270, "Aperio Image Library v11.2.1\n96x66 -> 96x66|AppMag = 20|MPP = 0.4990|Left = 1.5")
        .codec(Codec::JpegTables);
    let thumbnail = rgb(24, 16, 3).strips(16).codec(Codec::Jpeg);
    let label = rgb(20, 30, 4).strips(30).codec(Codec::Lzw).tag(254, &[1]);
    let macro_image = rgb(48, 33, 5).strips(33).codec(Codec::Jpeg).tag(254, &[9]);
    let bytes = tiff(&[first, thumbnail, second.clone(), third.clone(), label, macro_image], false);
    let (_folder, slide) = slide(&bytes);
    let found: Vec<_> =
        slide.levels().iter().map(|level| (level.width, level.height, level.downsample)).collect();
    assert_eq!(found, [(96, 66, 1.0), (32, 22, 3.0), (16, 11, 6.0)]);
    assert_eq!(slide.pixel_size(), Some([0.499, 0.499]));
    assert_eq!(samples(&slide.region(1, [3, 4], [20, 17]).unwrap().pixels), second.cut([3, 4], [20, 17]));
    assert_eq!(samples(&slide.region(2, [0, 0], [16, 11]).unwrap().pixels), third.raster);
    let set = folder(&[("a.svs", bytes)], &tiles(32));
    assert_eq!(notice(&set, "no-level").count, 1);
    assert_eq!(
        notice(&set, "slides").message,
        "slides of 3 levels (1/1, 1/3, 1/6), about 0.5 micrometres a pixel: tiles are cut out of level 0"
    );
}

#[test]
fn levels_of_ome_hang_below_the_first_and_reduced_ones_beside_it() {
    let [first, second, third] = levels();
    let xml = "<OME><Image><Pixels SizeC='3' SizeX='96' SizeY='66' PhysicalSizeX='0.25' PhysicalSizeY='0.5' PhysicalSizeYUnit='µm'>\
               <Channel SamplesPerPixel='3'/><TiffData/></Pixels></Image></OME>";
    let below = vec![second.clone().tag(254, &[1]), third.clone().tag(254, &[1]).codec(Codec::Deflate)];
    let beside = [first.clone(), third.clone().tag(254, &[1]), second.clone().tag(254, &[1])];
    for big in [false, true] {
        for (pictures, size) in [
            (vec![first.clone().text(270, xml).below(below.clone())], Some([0.5, 0.25])),
            (beside.to_vec(), None),
        ] {
            let (_folder, slide) = slide(&tiff(&pictures, big));
            let found: Vec<_> = slide.levels().iter().map(|level| (level.width, level.downsample)).collect();
            assert_eq!((found, slide.pixel_size()), (vec![(96, 1.0), (32, 3.0), (16, 6.0)], size));
            for (level, picture) in [&first, &second, &third].into_iter().enumerate() {
                let sides = [picture.width, picture.height];
                assert_eq!(samples(&slide.region(level, [0, 0], sides).unwrap().pixels), picture.raster);
            }
        }
    }
}

#[test]
fn channels_of_ome_each_have_levels() {
    let grey = |width: usize, height: usize, seed: usize| {
        Picture::of(width, height, 1, rgb(width, height, seed).raster.into_iter().step_by(3).collect())
    };
    let xml = "<OME><Image><Pixels SizeC='2' PhysicalSizeX='0.3' PhysicalSizeY='0.3'><Channel Name='DAPI'/><Channel Name='Actin'/>\
               <TiffData/></Pixels></Image></OME>";
    let channel = |seed: usize| grey(40, 40, seed).below(vec![grey(20, 20, seed + 7).tag(254, &[1])]);
    let bytes = tiff(&[channel(0).text(270, xml), channel(1)], false);
    let (_folder, slide) = slide(&bytes);
    let region = slide.region(1, [5, 6], [3, 2]).unwrap();
    let expected = |seed: usize| grey(20, 20, seed).cut([5, 6], [3, 2]);
    let interleaved: Vec<u8> =
        expected(7).into_iter().zip(expected(8)).flat_map(|(one, other)| [one, other]).collect();
    assert_eq!((region.channels, samples(&region.pixels)), (2, interleaved));
    let files = [("a.ome.tif", bytes)];
    let set = folder(&files, &tiles(20));
    assert_eq!(
        (train(&set).len(), &set.channel_names[..]),
        (4, &["DAPI".to_owned(), "Actin".to_owned()][..])
    );
    let chosen = folder(&files, &strict(|settings| settings.channels = vec!["Actin".into()]));
    assert_eq!(bytes_of(chosen.splits.train.as_ref().unwrap(), 0), grey(40, 40, 1).cut([0, 0], [16, 16]));
    // Tissue is told in colour.
    let refused = message(&files, &strict(|settings| settings.min_tissue = None));
    assert!(
        refused.contains("RGB of 8 bits, but it has 2 channels of u8") && refused.contains("{min_tissue} 0"),
        "{refused}"
    );
}

#[test]
fn a_copy_that_does_not_fit_is_refused() {
    let copy = rgb(48, 20, 1).tag(254, &[1]);
    let refused = refused_slide("a.svs", &tiff(&[rgb(96, 66, 0), copy.clone()], false));
    assert!(refused.contains("48 x 20 pixels is no smaller copy of 96 x 66"), "{refused}");
    // An image that does not say it is a copy is another image.
    let (_folder, slide) = slide(&tiff(&[rgb(96, 66, 0), rgb(48, 20, 1)], false));
    assert_eq!(slide.levels().len(), 1);
}

// The size of a pixel

#[test]
fn the_size_of_a_pixel_is_that_of_the_file_or_not_known() {
    let sized = |picture: Picture| slide(&tiff(&[picture], false)).1.pixel_size();
    let resolution = |unit: u32, pixels: [u32; 2]| {
        sized(rgb(20, 20, 0).tag(296, &[unit]).fraction(282, pixels).fraction(283, pixels))
    };
    assert_eq!(resolution(3, [40_000, 1]), Some([0.25, 0.25]));
    assert_eq!(resolution(2, [50_800, 1]), Some([0.5, 0.5]));
    assert_eq!(resolution(2, [300, 1]), None, "300 dpi of a printer");
    assert_eq!(resolution(1, [40_000, 1]), None, "without a unit");
    assert_eq!(resolution(3, [1, 0]), None, "infinite");
    assert_eq!(sized(rgb(20, 20, 0)), None);
    assert_eq!(sized(rgb(20, 20, 0).text(270, "Aperio|MPP = 0.2520")), Some([0.252, 0.252]));
    for broken in ["abc", "-1", "0", "inf", ""] {
        let picture = rgb(20, 20, 0).text(270, &format!("Aperio|MPP = {broken}|AppMag = 40"));
        assert_eq!(sized(picture.clone()), None);
        let files = [("a.svs", tiff(&[picture], false))];
        let refused = message(&files, &strict(|settings| settings.mpp = Some(0.5)));
        assert!(
            refused.contains("0.5 micrometres") && refused.contains("MPP = ") && refused.contains("{mpp}"),
            "{refused}"
        );
        // In its own pixels it is read.
        assert_eq!(train(&folder(&files, &strict(|_| ()))).len(), 1);
    }
    let files = [("a.tif", tiff(&[rgb(20, 20, 0).text(270, "<OME><Image><Pix")], false))];
    let refused = message(&files, &strict(|settings| settings.mpp = Some(0.5)));
    assert!(refused.contains("not known"), "{refused}");
    let set = folder(&files, &strict(|_| ()));
    assert_eq!(notice(&set, "misdescribed").count, 1);
}

// Tiles

/// What metadata of all images say.
fn known(source: &dyn ImageSource) -> Vec<String> {
    (0..source.len()).map(|index| source.metadata(index).join(" ")).collect()
}

#[test]
fn tiles_come_row_by_row_with_slide_and_place() {
    let (a, b) = (rgb(40, 35, 0), rgb(33, 16, 1));
    let files = [
        ("ill/b.svs", tiff(std::slice::from_ref(&b), false)),
        ("ill/a.svs", tiff(std::slice::from_ref(&a), true)),
        ("well/c.tif", tiff(std::slice::from_ref(&b), false)),
    ];
    let set = folder(&files, &tiles(16));
    let source = train(&set);
    assert_eq!(source.columns(), ["slide", "x", "y", "level"]);
    assert_eq!(
        known(source),
        ["a 0 0 0", "a 16 0 0", "a 0 16 0", "a 16 16 0", "b 0 0 0", "b 16 0 0", "c 0 0 0", "c 16 0 0"]
    );
    assert_eq!((source.name(3), source.size(3).unwrap()), ("ill/a.svs[16,16]".to_owned(), [16, 16]));
    assert_eq!(source.group(4), Some("b"));
    let labels: Vec<_> = (0..8).map(|index| source.label(index)).collect();
    assert_eq!(labels, [0, 0, 0, 0, 0, 0, 1, 1].map(Some));
    assert_eq!(set.classes, ["ill", "well"]);
    assert_eq!(bytes_of(set.splits.train.as_ref().unwrap(), 3), a.cut([16, 16], [16, 16]));
    assert_eq!(bytes_of(set.splits.train.as_ref().unwrap(), 7), b.cut([16, 0], [16, 16]));
    assert!(matches!(source.image(8), Err(DataError::NoSuchSample { .. })));
    assert!(notice(&set, "tiles").message.contains("16 x 16 pixels: 8 of 8 have at least 0 % tissue"));
    assert!(notice(&set, "tiles").message.contains("right and lower edges is left out"));
    let inspection = inspect(&set).unwrap();
    assert_eq!((inspection.channels, inspection.pixel_type), (3, PixelType::U8));
    assert_eq!(inspection.groups.unwrap().groups, 3);
}

#[test]
fn tiles_may_overlap_or_lie_apart() {
    let picture = rgb(40, 20, 0);
    let files = [("a.svs", tiff(std::slice::from_ref(&picture), false))];
    let with_stride = |stride: usize| {
        let set = folder(&files, &strict(|settings| settings.tile_stride = Some(stride)));
        let second = bytes_of(set.splits.train.as_ref().unwrap(), 1);
        assert_eq!(second, picture.cut([stride, 0], [16, 16]));
        train(&set).len()
    };
    assert_eq!([with_stride(4), with_stride(8), with_stride(20)], [14, 4, 2]);
}

#[test]
fn tiles_of_a_resolution_are_shrunk_from_the_nearest_finer_level() {
    let first = stained(192, 128, [0, 0], [192, 128]);
    let first = Picture { raster: rgb(192, 128, 0).raster, ..first }.text(270, "Aperio|MPP = 0.25");
    let second = smaller(&first, 2);
    let third = smaller(&first, 8);
    let files = [("a.svs", tiff(&[first.clone(), second.clone(), third.clone()], false))];
    let cut = |mpp: f64| {
        let set = folder(&files, &strict(|settings| settings.mpp = Some(mpp)));
        (known(train(&set)), set)
    };
    // A level as it is, also if it is so to within 1 %.
    for mpp in [0.5, 0.503, 0.497] {
        let (places, set) = cut(mpp);
        assert_eq!(places.len(), 6 * 4);
        assert_eq!((&places[1][..], &places[23][..]), ("a 32 0 1", "a 160 96 1"));
        assert_eq!(bytes_of(set.splits.train.as_ref().unwrap(), 7), second.cut([16, 16], [16, 16]));
        assert_eq!(set.pixel_size, Some([mpp, mpp]));
    }
    // 1 micrometre: level 1 made half as large.
    let (places, set) = cut(1.0);
    assert_eq!(places, ["a 0 0 1", "a 64 0 1", "a 128 0 1", "a 0 64 1", "a 64 64 1", "a 128 64 1"]);
    assert_eq!(bytes_of(set.splits.train.as_ref().unwrap(), 4), smaller(&second, 2).cut([16, 16], [16, 16]));
    assert!(notice(&set, "slides").message.ends_with("level 1, shrunk by 2"));
    assert!(notice(&set, "tiles").message.contains("at 1 micrometres a pixel"));
    // No whole number: 0.75 is 3 pixels of level 0, 1.5 of level 1.
    let (places, set) = cut(0.75);
    assert_eq!((places.len(), &places[3][..]), (8, "a 144 0 1"));
    let tile = bytes_of(set.splits.train.as_ref().unwrap(), 0);
    let of = |x: usize, y: usize| f64::from(second.raster[(y * 96 + x) * 3]);
    let mean = (of(0, 0) + 0.5 * of(1, 0) + 0.5 * of(0, 1) + 0.25 * of(1, 1)) / 2.25;
    assert_eq!(tile[0], mean.round() as u8);
    // Coarser than asked by up to 10 % is taken, by more it is not.
    assert_eq!(cut(0.24).0.len(), 12 * 8);
    let refused = message(&files, &strict(|settings| settings.mpp = Some(0.2)));
    assert!(refused.contains("its pixels have 0.25 x 0.25: they would be blown up"), "{refused}");
}

#[test]
fn a_slide_smaller_than_a_tile_is_told() {
    let files = [("a.svs", tiff(&[rgb(40, 15, 0)], false)), ("b.svs", tiff(&[rgb(40, 16, 0)], false))];
    let set = folder(&files, &tiles(16));
    assert_eq!((train(&set).len(), set.skipped.count), (2, 1));
    assert!(
        set.skipped.first[0].reason.contains("40 x 15 pixels")
            && set.skipped.first[0].reason.contains("smaller than a tile")
    );
}

#[test]
fn drawn_splits_do_not_divide_slides_or_patients() {
    let slides: Vec<(String, Vec<u8>)> = (0..12)
        .map(|number| {
            (format!("{}/s{number}.svs", ["a", "b"][number % 2]), tiff(&[rgb(48, 48, number)], false))
        })
        .collect();
    let mut files: Vec<(&str, Vec<u8>)> =
        slides.iter().map(|(path, bytes)| (&path[..], bytes.clone())).collect();
    let options = strict(|settings| settings.splits = SplitPolicy::Drawn);
    let groups = |set: &DataSet, column: usize| {
        Split::ALL.map(|split| {
            let source = set.splits.get(split).unwrap();
            (0..source.len())
                .map(|index| source.metadata(index)[column].clone())
                .collect::<BTreeSet<String>>()
        })
    };
    let set = folder(&files, &options);
    let [train, val, test] = groups(&set, 0);
    assert_eq!(train.len() + val.len() + test.len(), 12);
    assert!(notice(&set, "groups").message.contains("`slide`"));
    // A table of patients, of which each has two slides.
    let rows: String = (0..12).map(|number| format!("s{number}.svs,p{}\n", number / 2)).collect();
    files.push(("labels.csv", format!("file,patient\n{rows}").into_bytes()));
    let set = folder(&files, &options);
    let [train, val, test] = groups(&set, 0);
    assert_eq!(train.len() + val.len() + test.len(), 6);
    assert!(notice(&set, "groups").message.contains("`patient`"));
}

#[test]
fn labels_of_slides_come_from_a_table_too() {
    let files = [
        ("x/a.svs", tiff(&[rgb(32, 16, 0)], false)),
        ("x/b.svs", tiff(&[rgb(16, 16, 0)], false)),
        ("labels.csv", b"slide_id,label\na,tumour\nb,normal\n".to_vec()),
    ];
    let set = folder(&files, &strict(|settings| settings.path_column = "slide_id".into()));
    assert_eq!(set.classes, ["normal", "tumour"]);
    assert_eq!((0..3).map(|index| train(&set).label(index)).collect::<Vec<_>>(), [Some(1), Some(1), Some(0)]);
}

#[test]
fn the_fingerprint_tells_content_and_cut_and_the_cache_keeps_what_was_found() {
    let root = tempfile::tempdir().unwrap();
    let cache = tempfile::tempdir().unwrap();
    put(root.path(), "a.svs", &tiff(&[stained(64, 64, [0, 0], [64, 30])], false));
    let opened = |change: &dyn Fn(&mut DataSettings)| {
        let mut options = strict(|settings| settings.min_tissue = None);
        change(&mut options.settings);
        options.cache_dir = Some(cache.path().into());
        open(root.path(), &options).unwrap()
    };
    let first = opened(&|_| ());
    assert_eq!(std::fs::read_dir(cache.path()).unwrap().count(), 1);
    let again = opened(&|_| ());
    assert_eq!((&first.fingerprint, known(train(&first))), (&again.fingerprint, known(train(&again))));
    assert_eq!(first.notices, again.notices);
    assert_eq!(
        bytes_of(again.splits.train.as_ref().unwrap(), 2),
        bytes_of(first.splits.train.as_ref().unwrap(), 2)
    );
    assert!(notice(&first, "decoded-on-demand").count == 0 && first.bytes_in_memory == 0);
    assert_ne!(first.fingerprint, opened(&|settings| settings.tile_stride = Some(8)).fingerprint);
    // Another picture in a file of the same length.
    put(root.path(), "a.svs", &tiff(&[stained(64, 64, [0, 0], [64, 32])], false));
    assert_ne!(first.fingerprint, opened(&|_| ()).fingerprint);
    // A file that becomes another one while a set of it is open.
    put(root.path(), "a.svs", &tiff(&[rgb(64, 70, 0)], false));
    assert!(told(&train(&first).image(0).unwrap_err()).contains("has changed"));
}

// Tissue

#[test]
fn tiles_of_enough_tissue_are_kept() {
    // Tissue covers the tile at (16, 16), half of that to its right, a quarter of the one below.
    let picture = stained(64, 48, [16, 16], [24, 16]);
    let files = [("a.svs", tiff(std::slice::from_ref(&picture), false))];
    let kept = |least: Option<f64>| {
        let set = folder(&files, &strict(|settings| settings.min_tissue = least));
        (known(train(&set)), notice(&set, "tiles").message.clone())
    };
    assert_eq!(kept(Some(0.6)).0, ["a 16 16 0"]);
    assert_eq!(kept(None).0, ["a 16 16 0", "a 32 16 0"]);
    assert_eq!(kept(Some(0.0)).0.len(), 12);
    assert!(kept(None).1.contains("2 of 12 have at least 50 % tissue"));
    // On a smaller level as well.
    let first = stained(2048, 1024, [512, 256], [768, 512]);
    let bytes = tiff(&[first.clone(), smaller(&first, 2)], false);
    let set = folder(
        &[("a.svs", bytes)],
        &strict(|settings| (settings.tile_size, settings.min_tissue) = (Some(256), None)),
    );
    assert_eq!(
        known(train(&set)),
        ["a 512 256 0", "a 768 256 0", "a 1024 256 0", "a 512 512 0", "a 768 512 0", "a 1024 512 0"]
    );
}

#[test]
fn glass_alone_is_no_tissue_and_tissue_alone_is() {
    let glass = ("glass.svs", tiff(&[stained(64, 64, [0, 0], [0, 0])], false));
    let whole = ("whole.svs", tiff(&[stained(64, 64, [0, 0], [64, 64])], false));
    let black = Picture::of(64, 64, 3, (0..64 * 64).flat_map(|at| [(at % 20) as u8, 0, 3]).collect());
    let options = strict(|settings| settings.min_tissue = None);
    assert_eq!(train(&folder(std::slice::from_ref(&whole), &options)).len(), 16);
    let set = folder(&[glass.clone(), whole], &options);
    assert_eq!(train(&set).len(), 16);
    assert_eq!((notice(&set, "no-tissue").count, &notice(&set, "no-tissue").first[0][..]), (1, "glass.svs"));
    let refused = message(&[glass, ("black.svs", tiff(&[black], false))], &options);
    assert!(refused.contains("none of 32 tiles of 2 slides has at least 50 % tissue"), "{refused}");
    assert!(refused.contains("{min_tissue} 0 keeps all tiles"), "{refused}");
}

// What is refused

#[test]
fn pieces_that_are_damaged_are_refused_by_name() {
    let region = |bytes: &[u8], at: [usize; 2]| {
        let (_folder, slide) = slide(bytes);
        slide.region(0, at, [16, 16])
    };
    for codec in [Codec::Deflate, Codec::Lzw, Codec::Jpeg, Codec::JpegTables] {
        // The first tile has a third of its bytes.
        let picture = rgb(32, 16, 0).codec(codec);
        let bytes = tiff(std::slice::from_ref(&picture), false);
        let at = (0..bytes.len()).rfind(|&at| bytes[at..].starts_with(&[0x45, 1, 4, 0, 2, 0, 0, 0])).unwrap();
        let list = u32::from_le_bytes(bytes[at + 8..at + 12].try_into().unwrap()) as usize;
        let count = u32::from_le_bytes(bytes[list..list + 4].try_into().unwrap());
        let mut cut = bytes.clone();
        cut[list..list + 4].copy_from_slice(&(count / 3).to_le_bytes());
        let refused = told(&region(&cut, [0, 0]).unwrap_err());
        assert!(refused.contains("slide.svs cannot be decoded"), "{codec:?}: {refused}");
        assert!(region(&cut, [16, 0]).is_ok(), "the other tile is whole");
        // The file ends before its second tile, or its place lies beyond it.
        let beyond = picture.tag(324, &[8, 1 << 30]);
        let refused = told(&region(&tiff(&[beyond], false), [16, 0]).unwrap_err());
        assert!(refused.contains("at 1073741824 lies beyond its end"), "{codec:?}: {refused}");
    }
    let empty = rgb(32, 16, 0).tag(325, &[768, 0]);
    assert!(told(&region(&tiff(&[empty], false), [16, 0]).unwrap_err()).contains("never written"));
    let few = rgb(64, 64, 0).tag(324, &[8, 8]).tag(325, &[768, 768]);
    assert!(
        refused_slide("few.tif", &tiff(&[few], false))
            .contains("16 strips or tiles are needed, 2 are listed")
    );
    let without = rgb(32, 16, 0).codec(Codec::JpegTables);
    let without = Picture { tags: vec![(347, (7, 0, Vec::new()))], ..without };
    let refused = told(&region(&tiff(&[without], false), [0, 0]).unwrap_err());
    assert!(refused.contains("JPEG"), "{refused}");
    // A set of such a slide names it when it is opened.
    let without =
        Picture { tags: vec![(347, (7, 0, Vec::new()))], ..rgb(32, 16, 0).codec(Codec::JpegTables) };
    let refused = message(&[("a.svs", tiff(&[without], false))], &strict(|_| ()));
    assert!(refused.contains("a.svs cannot be decoded: JPEG"), "{refused}");
}

#[test]
fn a_jpeg_that_says_it_is_rgb_is_taken_so() {
    let picture = Picture { samples: 3, ..rgb(16, 16, 0) };
    let jpeg = |picture: Picture| picture.codec(Codec::Jpeg);
    // Stored as RGB by the tag: the decoder must leave the three components as they are.
    let shown = |bytes: Vec<u8>| samples(&slide(&bytes).1.region(0, [0, 0], [16, 16]).unwrap().pixels);
    let in_ycbcr = shown(tiff(&[jpeg(picture.clone())], false));
    let as_stored = shown(tiff(&[jpeg(picture.clone()).tag(262, &[2])], false));
    let far = |one: &[u8], other: &[u8]| {
        one.iter().zip(other).map(|(a, b)| u32::from(a.abs_diff(*b))).sum::<u32>() / one.len() as u32
    };
    assert!(far(&in_ycbcr, &picture.raster) < 12 && far(&as_stored, &picture.raster) > 20);
    // With Adobe's marker, whose transform is 0, also where the tag says YCbCr.
    let bytes = tiff(&[jpeg(picture.clone())], false);
    let at = (0..bytes.len()).find(|&at| bytes[at..].starts_with(&[0xFF, 0xD8, 0xFF, 0xE0])).unwrap();
    let adobe = [&[0xFF, 0xEE, 0, 14][..], b"Adobe", &[0, 100, 0, 0, 0, 0, 0]].concat();
    let counts =
        (0..bytes.len()).rfind(|&at| bytes[at..].starts_with(&[0x45, 1, 4, 0, 1, 0, 0, 0])).unwrap() + 8;
    let count = u32::from_le_bytes(bytes[counts..counts + 4].try_into().unwrap()) as usize;
    let marked = [&bytes[at..at + 2], &adobe, &bytes[at + 2..at + count]].concat();
    let offset = bytes.len() as u32;
    let mut marked_file = [&bytes[..], &marked].concat();
    marked_file[counts..counts + 4].copy_from_slice(&(marked.len() as u32).to_le_bytes());
    let offsets = counts - 12;
    marked_file[offsets..offsets + 4].copy_from_slice(&offset.to_le_bytes());
    assert_eq!(shown(marked_file), as_stored);
}

#[test]
fn jpeg_2000_of_aperio() {
    let dicom =
        std::fs::read(format!("{}/tests/files/dicom/jpeg2000_rgb.dcm", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let start = dicom.windows(4).position(|four| four == [0xFF, 0x4F, 0xFF, 0x51]).unwrap();
    let end = dicom.windows(2).rposition(|two| two == [0xFF, 0xD9]).unwrap() + 2;
    let whole = open_bytes("a.dcm", dicom.clone(), &with(|_| ())).unwrap();
    let rgb_values = samples(&train(&whole).stored(0).unwrap().pixels);
    // One tile of 40 x 24 pixels, whose bytes stand at the end of the file.
    let stream = &dicom[start..end];
    let slide_of = |compression: u32| {
        let picture = Picture { tile: [40, 24], ..rgb(40, 24, 0) };
        let mut file = tiff(&[picture.tag(259, &[compression]).tag(325, &[stream.len() as u32])], false);
        let place = file.len() as u32;
        file.extend(stream);
        let at =
            (0..file.len()).rfind(|&at| file[at..].starts_with(&[0x44, 1, 4, 0, 1, 0, 0, 0])).unwrap() + 8;
        file[at..at + 4].copy_from_slice(&place.to_le_bytes());
        file
    };
    let cut = |compression: u32| {
        samples(&slide(&slide_of(compression)).1.region(0, [7, 5], [20, 11]).unwrap().pixels)
    };
    let picture = Picture { raster: rgb_values.clone(), ..rgb(40, 24, 0) };
    assert_eq!(cut(33005), picture.cut([7, 5], [20, 11]));
    assert_eq!(cut(34712), picture.cut([7, 5], [20, 11]));
    let shown = |color: &[u8]| {
        let [y, cb, cr] = [f64::from(color[0]), f64::from(color[1]) - 128.0, f64::from(color[2]) - 128.0];
        [y + 1.402 * cr, y - 0.344_136 * cb - 0.714_136 * cr, y + 1.772 * cb].map(|value| value.round() as u8)
    };
    let in_ycbcr: Vec<u8> = picture.cut([7, 5], [20, 11]).chunks(3).flat_map(shown).collect();
    assert_eq!(cut(33003), in_ycbcr);
    // A stream that breaks off.
    let mut broken = slide_of(33005);
    let at =
        (0..broken.len()).rfind(|&at| broken[at..].starts_with(&[0x45, 1, 4, 0, 1, 0, 0, 0])).unwrap() + 8;
    broken[at..at + 4].copy_from_slice(&100u32.to_le_bytes());
    assert!(told(&slide(&broken).1.region(0, [0, 0], [1, 1]).unwrap_err()).contains("JPEG 2000"));
}

#[test]
fn formats_of_vendors_are_named() {
    let plain = tiff(&[rgb(32, 32, 0)], false);
    for (name, what) in [
        ("a.ndpi", "an NDPI slide of Hamamatsu"),
        ("a.mrxs", "an MRXS slide of 3DHISTECH"),
        ("a.VSI", "a VSI slide of Olympus"),
        ("a.scn", "an SCN slide of Leica"),
        ("a.bif", "a BIF slide of Ventana"),
        ("a.czi", "a CZI slide of Zeiss"),
        ("a.zvi", "a ZVI slide of Zeiss"),
    ] {
        let refused = refused_slide(name, &plain);
        assert!(refused.contains(what) && refused.contains("bfconvert"), "{refused}");
        // As a set of tiles, and as a set of images too.
        for options in [tiles(16), with(|_| ())] {
            let refused = message(&[(name, plain.clone())], &options);
            assert!(refused.contains(what) && refused.contains("bfconvert"), "{refused}");
        }
    }
    for (picture, what) in [
        (rgb(32, 32, 0).tag(65420, &[1]), "Hamamatsu"),
        (
            rgb(32, 32, 0).text(270, "<scn xmlns=\"http://www.leica-microsystems.com/scn/2010/10/01\">"),
            "Leica",
        ),
        (rgb(32, 32, 0).text(700, "<Metadata><iScan Magnification=\"40\"/>"), "Ventana"),
        (rgb(32, 32, 0).text(305, "Philips DP v1.0"), "Philips"),
    ] {
        assert!(refused_slide("a.tif", &tiff(&[picture], false)).contains(what), "{what}");
    }
    let ole = [&b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"[..], &[0; 600]].concat();
    assert!(message(&[("a.zvi", ole)], &tiles(16)).contains("ZVI"));
}

#[test]
fn what_is_no_tiff_or_lies_in_an_archive_is_refused() {
    let dicom =
        std::fs::read(format!("{}/tests/files/dicom/jpeg2000_rgb.dcm", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let refused = |name: &str, bytes: Vec<u8>| message(&[(name, bytes)], &strict(|_| ()));
    assert!(refused("a.png", png(32, 1)).contains("it is PNG"));
    assert!(refused("a.dcm", dicom).contains("a DICOM file (whole slides in DICOM are not read)"));
    let slides = [("a.svs", tiff(&[rgb(32, 32, 0)], false)), ("b.svs", tiff(&[rgb(32, 32, 1)], false))];
    let packed = zipped(&slides, CompressionMethod::Deflated);
    assert!(refused("set.zip", packed).contains("in an archive"));
    let turned = tiff(&[rgb(32, 32, 0).tag(274, &[6])], false);
    assert!(refused("a.svs", turned.clone()).contains("stored turned"));
    let stored = strict(|settings| settings.orientation = twinlens_data::Orientation::Stored);
    assert_eq!(train(&folder(&[("a.svs", turned)], &stored)).len(), 4);
    // In memory a slide is read as from a file.
    let set = open_bytes("a.svs", slides[1].1.clone(), &tiles(16)).unwrap();
    assert_eq!(bytes_of(set.splits.train.as_ref().unwrap(), 0), rgb(32, 32, 1).cut([0, 0], [16, 16]));
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    type Change = dyn Fn(&mut DataSettings);
    let bytes = tiff(&[rgb(32, 32, 0)], false);
    let refused = |change: &Change| message(&[("a.svs", bytes.clone())], &strict(change));
    let cases: [(&Change, &str); 8] = [
        (&|settings| settings.tile_size = Some(0), "option tile_size: expected 1 to 16384"),
        (&|settings| settings.tile_stride = Some(0), "option tile_stride"),
        (&|settings| settings.mpp = Some(0.0), "option mpp: expected micrometres above 0"),
        (&|settings| settings.mpp = Some(f64::NAN), "option mpp"),
        (&|settings| settings.min_tissue = Some(1.5), "option min_tissue: expected 0 to 1"),
        (&|settings| settings.pages = Pages::Max, "option pages"),
        (&|settings| settings.channels_from = "{well}_w{channel}".into(), "option channels_from"),
        (
            &|settings| (settings.tile_size, settings.min_tissue) = (None, Some(0.1)),
            "option min_tissue: expected nothing without `tile_size`",
        ),
    ];
    for (change, told) in cases {
        let refused = refused(change);
        assert!(refused.contains(told), "{refused}");
    }
    let array = crate::make::npz(&[("train_images", crate::make::npy_u8(&[2, 8, 8], &[0; 128]))]);
    let refused = refusal(crate::make::open_file("a.npz", &array, &tiles(4)));
    assert!(
        refused.contains("option tile_size: expected nothing, as a.npz is no folder or file of whole slides"),
        "{refused}"
    );
}

#[test]
fn a_tile_that_needs_too_much_memory_is_refused() {
    let picture = rgb(512, 512, 0).text(270, "Aperio|MPP = 0.25");
    let mut options = strict(|settings| settings.mpp = Some(4.0));
    options.memory_limit = Some(1 << 20);
    let refused = message(&[("a.svs", tiff(&[picture], false))], &options);
    assert!(refused.contains("level 0 of 1") && refused.contains("{mpp}"), "{refused}");
}
