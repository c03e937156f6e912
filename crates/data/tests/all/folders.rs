//! Image files in folders and archives.

use image::{
    DynamicImage, GrayImage, ImageBuffer, ImageFormat, Luma, LumaA, Rgb, Rgb32FImage, Rgba, RgbaImage,
};
use twinlens_data::{DataSet, OpenOptions, PixelType, Pixels, Split, inspect};
use zip::CompressionMethod;

use crate::make::{
    as_defined, bytes_of, encoded, npy_u8, npz, open_file, png, put, refusal, rgb, strict, zipped,
};

fn opened(files: &[(&str, Vec<u8>)]) -> DataSet {
    let folder = tempfile::tempdir().unwrap();
    files.iter().for_each(|(path, bytes)| put(folder.path(), path, bytes));
    twinlens_data::open(folder.path(), &as_defined()).unwrap()
}

/// The one image of a folder that holds `bytes` under a name that says nothing.
fn decoded(bytes: Vec<u8>) -> twinlens_data::Image {
    opened(&[("picture", bytes)]).splits.train.unwrap().stored(0).unwrap()
}

#[test]
fn classes_are_the_folders_in_the_order_of_their_names() {
    let set = opened(&[
        ("zebra/2.png", png(4, 2)),
        ("ape/9.png", png(5, 9)),
        ("ape/deep/er/1.png", png(4, 1)),
        ("stray.png", png(4, 7)),
        ("notes.txt", b"not an image".to_vec()),
        (".hidden.png", b"left by the system".to_vec()),
    ]);
    assert_eq!(set.classes, ["ape", "zebra"]);
    assert_eq!((set.format, set.skipped.count), ("folder", 0));
    let train = set.splits.train.unwrap();
    let all: Vec<(String, Option<usize>)> =
        (0..train.len()).map(|i| (train.name(i), train.label(i))).collect();
    let expected = [
        ("ape/9.png", Some(0)),
        ("ape/deep/er/1.png", Some(0)),
        ("stray.png", None),
        ("zebra/2.png", Some(1)),
    ];
    assert_eq!(all, expected.map(|(name, label)| (name.to_string(), label)));
    assert_eq!(train.image(0).unwrap().height, 5);
    assert_eq!(bytes_of(&train, 3), rgb(4, 2).into_bytes());
}

#[test]
fn folders_named_after_splits_are_splits() {
    let files = [
        ("Train/a/1.png", png(3, 1)),
        ("Train/b/2.png", png(3, 2)),
        ("validation/b/3.png", png(3, 3)),
        ("test/c/4.png", png(3, 4)),
    ];
    let set = opened(&files);
    assert_eq!(set.classes, ["a", "b", "c"]);
    let labels =
        |split| set.splits.get(split).map(|s| (0..s.len()).map(|i| s.label(i).unwrap()).collect::<Vec<_>>());
    assert_eq!(labels(Split::Train), Some(vec![0, 1]));
    assert_eq!(labels(Split::Val), Some(vec![1]));
    assert_eq!(labels(Split::Test), Some(vec![2]));
    let wrapped = files.clone().map(|(path, bytes)| (format!("set-1.0/{path}"), bytes));
    let wrapped = wrapped.each_ref().map(|(path, bytes)| (path.as_str(), bytes.clone()));
    let archive = zipped(&wrapped, CompressionMethod::Deflated);
    let from_zip = open_file("set.zip", &archive, &as_defined()).unwrap();
    assert_eq!((from_zip.classes, from_zip.fingerprint), (set.classes.clone(), set.fingerprint.clone()));
}

#[test]
fn an_archive_with_one_folder_around_the_classes_is_looked_through() {
    let files =
        [("photos/a/1.png", png(3, 1)), ("photos/b/2.png", png(3, 2)), ("photos/stray.png", png(3, 3))];
    let set = open_file("set.zip", &zipped(&files, CompressionMethod::Stored), &as_defined()).unwrap();
    assert_eq!(set.classes, ["a", "b"]);
    assert_eq!(set.splits.train.unwrap().label(2), None);
    let files = [("./a/1.png", png(3, 1)), ("./b/2.png", png(3, 2)), ("__MACOSX/a/._1.png", vec![0])];
    let set = open_file("set.zip", &zipped(&files, CompressionMethod::Stored), &as_defined()).unwrap();
    assert_eq!((set.classes.len(), set.skipped.count), (2, 0));
}

#[test]
fn a_flat_folder_has_no_labels_and_one_image_is_a_set() {
    let set = opened(&[("only.png", png(6, 1))]);
    let train = set.splits.train.as_ref().unwrap();
    assert_eq!((train.len(), train.label(0), set.classes.len()), (1, None, 0));
    let message = set.check_for_evaluation().unwrap_err().to_string();
    assert!(message.contains("needs labels"), "{message}");
    let seeded = open_file("only.png", &png(6, 1), &OpenOptions::default()).unwrap();
    assert_eq!(seeded.splits.train.unwrap().len(), 1);
    assert!(seeded.splits.val.is_none() && seeded.splits.test.is_none());
}

#[test]
fn one_class_opens_but_cannot_be_judged() {
    let set = opened(&[("cats/1.png", png(3, 1)), ("cats/2.png", png(3, 2))]);
    assert_eq!(set.classes, ["cats"]);
    let message = set.check_for_evaluation().unwrap_err().to_string();
    assert!(message.contains("at least 2 classes") && message.contains("\"cats\""), "{message}");
    assert!(opened(&[("a/1.png", png(3, 1)), ("b/2.png", png(3, 2))]).check_for_evaluation().is_ok());
}

#[test]
fn the_same_images_as_files_and_as_arrays_have_the_same_fingerprint() {
    let pixels: Vec<u8> = (1..=2).flat_map(|seed| rgb(4, seed).into_bytes()).collect();
    let arrays = npz(&[("images", npy_u8(&[2, 4, 4, 3], &pixels)), ("labels", npy_u8(&[2], &[0, 1]))]);
    let arrays = open_file("a.npz", &arrays, &as_defined()).unwrap();
    let files = opened(&[("x/1.png", png(4, 1)), ("y/2.png", png(4, 2))]);
    assert_eq!(arrays.fingerprint, files.fingerprint);
}

#[test]
fn every_format_is_read_whatever_the_file_is_called() {
    let picture = rgb(16, 5);
    for format in [ImageFormat::Png, ImageFormat::Tiff, ImageFormat::Bmp, ImageFormat::WebP] {
        assert_eq!(
            decoded(encoded(&picture, format)).pixels,
            Pixels::U8(picture.as_bytes().to_vec()),
            "{format:?}"
        );
    }
    let smooth =
        DynamicImage::ImageRgb8(image::RgbImage::from_fn(16, 16, |x, y| Rgb([x as u8 * 8, y as u8 * 8, 90])));
    let jpeg = decoded(encoded(&smooth, ImageFormat::Jpeg));
    let Pixels::U8(values) = jpeg.pixels else { panic!("{:?}", jpeg.pixels) };
    let error = values.iter().zip(smooth.as_bytes()).map(|(a, b)| a.abs_diff(*b)).max();
    assert!(error < Some(24), "{error:?}");
}

#[test]
fn samples_keep_their_kind_and_alpha_is_dropped() {
    let grey = DynamicImage::ImageLuma8(GrayImage::from_fn(3, 2, |x, y| Luma([(x * 40 + y) as u8])));
    let image = decoded(encoded(&grey, ImageFormat::Png));
    assert_eq!((image.channels, image.pixels), (1, Pixels::U8(grey.as_bytes().to_vec())));

    let wide: ImageBuffer<Luma<u16>, Vec<u16>> =
        ImageBuffer::from_fn(3, 2, |x, y| Luma([(x * 20000 + y) as u16]));
    for format in [ImageFormat::Png, ImageFormat::Tiff] {
        let image = decoded(encoded(&DynamicImage::ImageLuma16(wide.clone()), format));
        assert_eq!((image.channels, image.pixels), (1, Pixels::U16(wide.as_raw().clone())));
    }
    let rgba = RgbaImage::from_fn(2, 2, |x, y| Rgba([x as u8, y as u8, 7, (x * 200) as u8]));
    let image = decoded(encoded(&DynamicImage::ImageRgba8(rgba), ImageFormat::Png));
    assert_eq!((image.channels, image.pixels), (3, Pixels::U8(vec![0, 0, 7, 1, 0, 7, 0, 1, 7, 1, 1, 7])));
    let with_alpha: ImageBuffer<LumaA<u8>, Vec<u8>> =
        ImageBuffer::from_fn(2, 1, |x, _| LumaA([50 + x as u8, 9]));
    let image = decoded(encoded(&DynamicImage::ImageLumaA8(with_alpha), ImageFormat::Png));
    assert_eq!((image.channels, image.pixels), (1, Pixels::U8(vec![50, 51])));
    let float = Rgb32FImage::from_fn(2, 1, |x, _| Rgb([x as f32, -0.5, 1e5]));
    let image = decoded(encoded(&DynamicImage::ImageRgb32F(float), ImageFormat::Tiff));
    assert_eq!(image.pixels, Pixels::F32(vec![0.0, -0.5, 1e5, 1.0, -0.5, 1e5]));
}

/// A TIFF of 2 x 1 pixels with the indices 3 and 200 and a palette of (i, 2 i, 255 - i).
fn palette_tiff(big_endian: bool) -> Vec<u8> {
    let short = |v: u16| if big_endian { v.to_be_bytes() } else { v.to_le_bytes() };
    let long = |v: u32| if big_endian { v.to_be_bytes() } else { v.to_le_bytes() };
    let mut bytes = if big_endian { b"MM\0*".to_vec() } else { b"II*\0".to_vec() };
    bytes.extend(long(8));
    let tags: [(u16, u32, u32); 9] = [
        (256, 1, 2),
        (257, 1, 1),
        (258, 1, 8),
        (259, 1, 1),
        (262, 1, 3),
        (273, 1, 200),
        (278, 1, 1),
        (279, 1, 2),
        (320, 768, 202),
    ];
    bytes.extend(short(tags.len() as u16));
    for (tag, count, value) in tags {
        bytes.extend(short(tag));
        bytes.extend(short(3));
        bytes.extend(long(count));
        match count {
            1 => bytes.extend([short(value as u16), [0, 0]].concat()),
            _ => bytes.extend(long(value)),
        }
    }
    bytes.resize(200, 0);
    bytes.extend([3, 200]);
    let columns: [fn(u16) -> u16; 3] = [|i| i, |i| 2 * i % 256, |i| 255 - i];
    for column in columns {
        (0..256).for_each(|i| bytes.extend(short(column(i) * 257)));
    }
    bytes
}

#[test]
fn palettes_become_the_colours_they_stand_for() {
    for big_endian in [false, true] {
        let image = decoded(palette_tiff(big_endian));
        assert_eq!((image.height, image.width, image.channels), (1, 2, 3));
        assert_eq!(image.pixels, Pixels::U8(vec![3, 6, 252, 200, 144, 55]));
    }
    // PNG, 2 x 1, colour type 3, written by hand: signature, IHDR, PLTE, IDAT, IEND.
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |kind: &[u8], data: &[u8]| {
        let mut body = kind.to_vec();
        body.extend(data);
        let mut crc = flate2::Crc::new();
        crc.update(&body);
        bytes.extend((data.len() as u32).to_be_bytes());
        bytes.extend(&body);
        bytes.extend(crc.sum().to_be_bytes());
    };
    chunk(b"IHDR", &[0, 0, 0, 2, 0, 0, 0, 1, 8, 3, 0, 0, 0]);
    chunk(b"PLTE", &[10, 20, 30, 40, 50, 60]);
    let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut packed, &[0, 1, 0]).unwrap();
    chunk(b"IDAT", &packed.finish().unwrap());
    chunk(b"IEND", &[]);
    assert_eq!(decoded(bytes).pixels, Pixels::U8(vec![40, 50, 60, 10, 20, 30]));
}

#[test]
fn floating_point_tiffs_of_one_channel_are_read() {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let mut encoder = tiff::encoder::TiffEncoder::new(&mut bytes).unwrap();
    let values = [0.5f32, -3.0, 1e9, 2.0];
    encoder.write_image::<tiff::encoder::colortype::Gray32Float>(2, 2, &values).unwrap();
    let image = decoded(bytes.into_inner());
    assert_eq!((image.channels, image.pixels), (1, Pixels::F32(values.to_vec())));
}

#[test]
fn grey_among_rgb_and_8_among_16_bits_are_widened() {
    let grey = DynamicImage::ImageLuma8(GrayImage::from_fn(2, 1, |x, _| Luma([100 + x as u8])));
    let wide = ImageBuffer::from_fn(1, 1, |_, _| Rgb([1u16, 300, 65535]));
    let set = opened(&[
        ("1.png", encoded(&grey, ImageFormat::Png)),
        ("2.png", encoded(&DynamicImage::ImageRgb16(wide), ImageFormat::Png)),
    ]);
    let train = set.splits.train.as_ref().unwrap();
    let image = train.image(0).unwrap();
    let (a, b) = (100 * 257, 101 * 257);
    assert_eq!((image.channels, image.pixels), (3, Pixels::U16(vec![a, a, a, b, b, b])));
    assert_eq!(train.image(1).unwrap().pixels, Pixels::U16(vec![1, 300, 65535]));
    let seen = inspect(&set).unwrap();
    assert_eq!((seen.channels, seen.pixel_type), (3, PixelType::U16));
    // Such a folder often holds what does not belong together, so it is told, with the files.
    let told = |id: &str| {
        let notice = set.notices.iter().find(|notice| notice.id == id).unwrap();
        (notice.count, notice.first.clone(), notice.hint.is_some())
    };
    assert_eq!(told("mixed-channels"), (1, vec!["1.png".to_owned()], true));
    assert_eq!(told("mixed-depths"), (1, vec!["1.png".to_owned()], true));
}

#[test]
fn images_that_do_not_go_together_are_refused() {
    let float = Rgb32FImage::from_fn(1, 1, |_, _| Rgb([0.0, 0.5, 1.0]));
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "1.png", &png(2, 1));
    put(folder.path(), "2.tif", &encoded(&DynamicImage::ImageRgb32F(float), ImageFormat::Tiff));
    let message = refusal(twinlens_data::open(folder.path(), &as_defined()));
    assert!(message.contains("1.png") && message.contains("2.tif has 3 x f32"), "{message}");
}

#[test]
fn nan_in_a_floating_point_file_names_the_file() {
    let float =
        Rgb32FImage::from_fn(3, 2, |x, y| Rgb([0.0, if (x, y) == (2, 1) { f32::NAN } else { 0.5 }, 1.0]));
    let folder = tempfile::tempdir().unwrap();
    let sound = Rgb32FImage::from_fn(3, 2, |_, _| Rgb([0.5; 3]));
    put(folder.path(), "a/1.tif", &encoded(&DynamicImage::ImageRgb32F(sound), ImageFormat::Tiff));
    put(folder.path(), "b/2.tif", &encoded(&DynamicImage::ImageRgb32F(float), ImageFormat::Tiff));
    let message = refusal(twinlens_data::open(folder.path(), &as_defined()));
    assert!(
        message.contains("b/2.tif: sample 1 has the value NaN at row 1, column 2, channel 1"),
        "{message}"
    );
}

#[test]
fn a_corrupt_jpeg_among_good_ones_is_skipped_and_named_or_stops() {
    let folder = tempfile::tempdir().unwrap();
    let good = encoded(&rgb(16, 1), ImageFormat::Jpeg);
    put(folder.path(), "a/good.jpg", &good);
    put(folder.path(), "a/cut.jpg", &good[..20]);
    put(folder.path(), "b/good.jpg", &good);
    put(folder.path(), "b/text.jpg", b"no image at all");
    put(folder.path(), "b/empty.png", b"");
    let set = twinlens_data::open(folder.path(), &as_defined()).unwrap();
    assert_eq!((set.splits.train.unwrap().len(), set.skipped.count), (2, 3));
    let named: Vec<&str> = set.skipped.first.iter().map(|bad| bad.path.as_str()).collect();
    assert_eq!(named, ["a/cut.jpg", "b/empty.png", "b/text.jpg"]);
    assert!(set.skipped.first[1].reason.contains("empty"));
    let strict = strict();
    let message = refusal(twinlens_data::open(folder.path(), &strict));
    assert!(message.contains("cut.jpg cannot be decoded"), "{message}");
}

#[test]
fn only_the_first_skipped_are_named_but_all_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "good.png", &png(2, 1));
    (0..30).for_each(|i| put(folder.path(), &format!("bad{i:02}.png"), b"x"));
    let skipped = twinlens_data::open(folder.path(), &as_defined()).unwrap().skipped;
    assert_eq!((skipped.count, skipped.first.len()), (30, 10));
}
