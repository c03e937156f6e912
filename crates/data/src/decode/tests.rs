//! Files of other programs against the values that these read, and files written here in every variant.

use std::collections::BTreeMap;

use super::*;
use crate::Pixels;

mod tiff_writer;

use tiff_writer::packed;

pub(super) use tiff_writer::TiffWriter;

fn file(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/files/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn options(pages: Pages) -> DecodeOptions {
    DecodeOptions::of(&DataSettings { pages, ..DataSettings::default() }, 1 << 26)
}

fn first(bytes: &[u8]) -> Decoded {
    decode(bytes, &options(Pages::First)).unwrap()
}

fn one(bytes: &[u8]) -> Image {
    let mut decoded = first(bytes);
    assert_eq!(decoded.images.len(), 1);
    decoded.images.remove(0)
}

fn refusal(bytes: &[u8]) -> String {
    refused(bytes).reason
}

fn refused(bytes: &[u8]) -> Refusal {
    decode(bytes, &options(Pages::First)).unwrap_err()
}

fn sides(image: &Image) -> [usize; 3] {
    [image.height, image.width, image.channels]
}

/// What Pillow and tifffile read of a file.
#[derive(serde::Deserialize)]
struct Expected {
    height: usize,
    width: usize,
    channels: usize,
    dtype: String,
    mean: Vec<f64>,
    first: Vec<f64>,
    last: Vec<f64>,
}

#[test]
fn files_of_others_have_the_values_that_others_read() {
    let all: BTreeMap<String, Expected> = serde_json::from_slice(&file("images.json")).unwrap();
    assert!(all.len() > 20);
    for (name, expected) in all {
        let image = one(&file(&name));
        assert_eq!(sides(&image), [expected.height, expected.width, expected.channels], "{name}");
        let kind = match expected.dtype.as_str() {
            "float16" => "f32".into(),
            other => other.replace("uint", "u").replace("int", "i"),
        };
        assert_eq!(image.pixel_type().to_string(), kind, "{name}");
        let tolerance = if name.contains("jpeg") || name.ends_with(".jpg") { 2.0 } else { 1e-4 };
        let values = image.pixels.to_f64();
        let area = (image.height * image.width) as f64;
        for channel in 0..image.channels {
            let of_channel: Vec<f64> = values.iter().skip(channel).step_by(image.channels).copied().collect();
            let mean = of_channel.iter().sum::<f64>() / area;
            let found = [mean, of_channel[0], of_channel[of_channel.len() - 1]];
            let right = [expected.mean[channel], expected.first[channel], expected.last[channel]];
            for (found, right) in found.into_iter().zip(right) {
                assert!((found - right).abs() <= tolerance, "{name} {channel}: {found} is not {right}");
            }
        }
    }
}

/// `row * 13 + column * 7 + channel * 31` in 21 x 35 pixels.
fn formula(channels: usize) -> impl Iterator<Item = usize> {
    let pixels = (0..21).flat_map(|y| (0..35).map(move |x| y * 13 + x * 7));
    pixels.flat_map(move |value| (0..channels).map(move |c| value + c * 31))
}

#[test]
fn every_codec_gives_every_value() {
    let floats = |channels| Pixels::F32(formula(channels).map(|v| v as f32).collect());
    let rgb = Pixels::U16(formula(3).map(|v| v as u16).collect());
    let signed = Pixels::I16(formula(1).map(|v| (v % 256) as i16 - 128).collect());
    let wide = Pixels::U32(formula(1).map(|v| v as u32).collect());
    let black_and_white = Pixels::U8(formula(1).map(|v| if v % 256 > 100 { 255 } else { 0 }).collect());
    for (name, channels, right) in [
        ("formula_lzw_tiled_planar_big_endian.tif", 3, rgb),
        ("formula_deflate_predictor3_f16.tif", 2, floats(2)),
        ("formula_zstd_f64.tif", 1, floats(1)),
        ("formula_packbits_i8.tif", 1, signed),
        ("formula_lzw_u32.tif", 1, wide),
        ("formula_group4.tif", 1, black_and_white),
    ] {
        let image = one(&file(name));
        assert_eq!(sides(&image), [21, 35, channels], "{name}");
        assert_eq!(image.pixels, right, "{name}");
    }
    assert_eq!(first(&file("formula_zstd_f64.tif")).remarks, [Remark::Rounded]);
}

#[test]
fn grey_of_any_number_of_bits() {
    for bits in [1, 2, 3, 4, 6, 8, 10, 12, 14] {
        let most = (1u32 << bits) - 1;
        let values: Vec<u32> = (0..5 * 7).map(|v| v * 5 % (most + 1)).collect();
        let data = packed(&values, 7, bits);
        let shown = |value: u32| {
            if bits < 8 { (f64::from(value * 255) / f64::from(most)).round() } else { value.into() }
        };
        let white = if bits < 8 { 255.0 } else { f64::from(most) };
        let right: Vec<f64> = values.iter().map(|&v| shown(v)).collect();
        let inverted: Vec<f64> = right.iter().map(|v| white - v).collect();
        for big_endian in [false, true] {
            let mut writer = TiffWriter::new(7, 5, bits, 1, 1);
            writer.big_endian = big_endian;
            let image = one(&writer.write(&[&data]));
            assert_eq!(image.pixels.to_f64(), right, "{bits} bits");
            assert_eq!(image.pixel_type().bytes(), if bits > 8 { 2 } else { 1 });
            let negative = writer.clone().tag(262, &[0]).write(&[&data]);
            assert_eq!(one(&negative).pixels.to_f64(), inverted, "{bits} bits, white is zero");
            let reversed: Vec<u8> = data.iter().map(|byte| byte.reverse_bits()).collect();
            assert_eq!(
                one(&writer.tag(266, &[2]).write(&[&reversed])).pixels.to_f64(),
                right,
                "{bits} bits reversed"
            );
        }
    }
}

#[test]
fn sixteen_bits_with_white_as_zero() {
    let data: Vec<u8> = [0u16, 1, 1000, 65535].iter().flat_map(|v| v.to_le_bytes()).collect();
    let image = one(&TiffWriter::new(2, 2, 16, 1, 0).write(&[&data]));
    assert_eq!(image.pixels, Pixels::U16(vec![65535, 65534, 64535, 0]));
}

#[test]
fn palettes_of_1_to_8_bits() {
    for bits in [1, 2, 4, 8] {
        let entries = 1u32 << bits;
        let values: Vec<u32> = (0..6 * 5).map(|v| v * 3 % entries).collect();
        let color = |value: u32, channel: u32| (value * 37 + channel * 101 + 5) % 256;
        let map: Vec<u32> = (0..3).flat_map(|c| (0..entries).map(move |v| color(v, c))).collect();
        let right: Vec<u8> = values.iter().flat_map(|&v| (0..3).map(move |c| color(v, c) as u8)).collect();
        let writer = TiffWriter::new(6, 5, bits as usize, 1, 3);
        for shift in [8, 0] {
            let map: Vec<u32> = map.iter().map(|v| v << shift).collect();
            let image = one(&writer.clone().tag(320, &map).write(&[&packed(&values, 6, bits as usize)]));
            assert_eq!((sides(&image), image.pixels), ([5, 6, 3], Pixels::U8(right.clone())), "{bits} bits");
        }
    }
}

#[test]
fn alpha_is_dropped_where_it_is_declared_and_only_there() {
    let bytes: Vec<u8> = (0..2 * 2 * 5).collect();
    let kept = |channels: usize, drop: &[usize]| {
        let all = (0..4 * channels as u8).filter(|&v| !drop.contains(&(usize::from(v) % channels)));
        Pixels::U8(all.collect())
    };
    for (channels, photometric, extra, dropped, remarks) in [
        (4, 2, &[1][..], &[3][..], vec![Remark::Alpha]),
        (4, 2, &[2], &[3], vec![Remark::Alpha]),
        (4, 2, &[0], &[], vec![]),
        (4, 2, &[], &[], vec![Remark::Undeclared]),
        (5, 2, &[0, 2], &[4], vec![Remark::Alpha]),
        (5, 2, &[2, 0], &[3], vec![Remark::Alpha]),
        (2, 1, &[2], &[1], vec![Remark::Alpha]),
        (2, 1, &[0], &[], vec![]),
        (5, 5, &[1], &[4], vec![Remark::Alpha]),
        (4, 5, &[], &[], vec![]),
    ] {
        let mut writer = TiffWriter::new(2, 2, 8, channels, photometric);
        if !extra.is_empty() {
            writer = writer.tag(338, extra);
        }
        let decoded = first(&writer.write(&[&bytes[..4 * channels]]));
        assert_eq!(decoded.images[0].pixels, kept(channels, dropped), "{channels} {photometric} {extra:?}");
        assert_eq!(decoded.remarks, remarks, "{channels} {photometric} {extra:?}");
    }
}

/// RGB of grey (chroma 128) is grey; Cb = 128 + 10 adds 17.72 to blue and takes 3.44 from green; Cr = 128 + 10 adds
/// 14.02 to red and takes 7.14 from green.
#[test]
fn ycbcr_with_any_subsampling_interleaved_and_in_planes() {
    let (width, height) = (5usize, 3usize);
    let luma = |y: usize, x: usize| (40 + 20 * y + 10 * x) as u8;
    for [across, down] in [[1, 1], [2, 1], [1, 2], [2, 2], [4, 2], [4, 4]] {
        let (units_x, units_y) = (width.div_ceil(across), height.div_ceil(down));
        let chroma = |uy: usize, ux: usize| if (uy + ux).is_multiple_of(2) { [138, 128] } else { [128, 138] };
        let mut units = Vec::new();
        for (uy, ux) in (0..units_y).flat_map(|uy| (0..units_x).map(move |ux| (uy, ux))) {
            let block = (0..down).flat_map(|y| (0..across).map(move |x| (uy * down + y, ux * across + x)));
            units.extend(block.map(|(y, x)| luma(y.min(height - 1), x.min(width - 1))));
            units.extend(chroma(uy, ux));
        }
        let all = || (0..height).flat_map(|y| (0..width).map(move |x| (y, x)));
        let right: Vec<f64> = all()
            .flat_map(|(y, x)| {
                let [cb, cr] = chroma(y / down, x / across).map(|code: u8| f64::from(code) - 128.0);
                let luma = f64::from(luma(y, x));
                [luma + 1.402 * cr, luma - 0.344 * cb - 0.714 * cr, luma + 1.772 * cb]
            })
            .collect();
        let writer = TiffWriter::new(width, height, 8, 3, 6).tag(530, &[across as u32, down as u32]);
        let planes: [Vec<u8>; 3] = [
            all().map(|(y, x)| luma(y, x)).collect(),
            (0..units_y * units_x).map(|unit| chroma(unit / units_x, unit % units_x)[0]).collect(),
            (0..units_y * units_x).map(|unit| chroma(unit / units_x, unit % units_x)[1]).collect(),
        ];
        let planar = writer.clone().tag(284, &[2]).write(&[&planes[0], &planes[1], &planes[2]]);
        for bytes in [writer.write(&[&units]), planar] {
            let image = one(&bytes);
            assert_eq!(sides(&image), [height, width, 3]);
            for (found, right) in image.pixels.to_f64().iter().zip(&right) {
                assert!((found - right).abs() < 1.0, "{across}x{down}: {found} is not {right}");
            }
        }
    }
}

#[test]
fn ycbcr_with_other_references_and_weights() {
    let writer = TiffWriter::new(2, 1, 8, 3, 6).tag(530, &[1, 1]);
    let writer = writer.fractions(532, &[16, 235, 128, 240, 128, 240]);
    let image = one(&writer.clone().write(&[&[16, 128, 128, 235, 128, 128]]));
    assert_eq!(image.pixels, Pixels::U8(vec![0, 0, 0, 255, 255, 255]));
    // Luma of equal weights: Cr = 240 stands for 127 * 2 * (1 - 1/3) more red than luma.
    let image = one(&writer.thirds(529).write(&[&[16, 128, 240, 235, 128, 128]]));
    assert_eq!(image.pixels, Pixels::U8(vec![169, 0, 0, 255, 255, 255]));
}

#[test]
fn signed_32_bits_are_read_where_they_are_exact() {
    let write = |values: &[i32]| {
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        TiffWriter::new(2, 1, 32, 1, 1).tag(339, &[2]).write(&[&bytes])
    };
    assert_eq!(one(&write(&[-(1 << 24), 5])).pixels, Pixels::F32(vec![-16_777_216.0, 5.0]));
    let Refusal { reason, hint } = refused(&write(&[0, (1 << 24) + 1]));
    assert!(reason.contains("16777217"), "{reason}");
    assert_eq!(hint.as_deref(), Some("save them unsigned or as float"));
}

#[test]
fn orientation_of_every_format() {
    // 2 rows of 3: the drawing of `turn` says what each orientation shows.
    let stored: Vec<u8> = vec![10, 20, 30, 40, 50, 60];
    for orientation in 1..=8u8 {
        let tiff = TiffWriter::new(3, 2, 8, 1, 1).tag(274, &[u32::from(orientation)]).write(&[&stored]);
        let exif = TiffWriter::new(0, 0, 8, 1, 1).tag(274, &[u32::from(orientation)]).write(&[]);
        let image = image::GrayImage::from_raw(3, 2, stored.clone()).unwrap();
        let plain = Image::new(2, 3, 1, Pixels::U8(stored.clone())).unwrap();
        let right = turn::upright(plain.clone(), orientation).unwrap();
        for (name, bytes) in
            [("tiff", tiff), ("png", with_exif::png(&image, &exif)), ("webp", with_exif::webp(&image, &exif))]
        {
            let decoded = first(&bytes);
            let grey = turn::only_channels(decoded.images[0].clone(), &[0]).unwrap();
            assert_eq!(grey, right, "{name} {orientation}");
            assert_eq!(decoded.remarks.contains(&Remark::Turned), orientation > 1, "{name} {orientation}");
            let as_stored = DecodeOptions { orientation: Orientation::Stored, ..options(Pages::First) };
            let decoded = decode(&bytes, &as_stored).unwrap();
            assert_eq!(turn::only_channels(decoded.images[0].clone(), &[0]).unwrap(), plain, "{name}");
            assert_eq!(decoded.remarks, []);
        }
        let jpeg = with_exif::jpeg(&image, &exif);
        assert_eq!(sides(&one(&jpeg)), sides(&right), "jpeg {orientation}");
        let middle = |image: &Image| image.pixels.to_f64().iter().sum::<f64>();
        assert_eq!(middle(&one(&jpeg)), middle(&one(&with_exif::jpeg(&image, &[]))));
        assert_eq!(first(&jpeg).remarks.contains(&Remark::Turned), orientation > 1);
    }
}

#[test]
fn a_bmp_whose_header_forgets_the_palette_is_read_behind_it() {
    let whole = file("gray_8bit.bmp");
    let mut forgetful = whole.clone();
    let header = u32::from_le_bytes(*whole[14..].first_chunk().unwrap());
    forgetful[10..14].copy_from_slice(&(14 + header).to_le_bytes());
    assert_ne!(forgetful, whole);
    assert_eq!(one(&forgetful), one(&whole));
}

#[test]
fn transparent_pixels_of_a_gif_are_told() {
    let written = |transparent: Option<u8>| {
        let mut bytes = Vec::new();
        let mut encoder = gif::Encoder::new(&mut bytes, 2, 1, &[0, 0, 0, 200, 100, 50]).unwrap();
        let frame =
            gif::Frame { width: 2, height: 1, buffer: vec![1, 0].into(), transparent, ..Default::default() };
        encoder.write_frame(&frame).unwrap();
        drop(encoder);
        bytes
    };
    assert_eq!(first(&written(None)).remarks, []);
    assert_eq!(one(&written(None)).pixels, Pixels::U8(vec![200, 100, 50, 0, 0, 0]));
    assert_eq!(first(&written(Some(1))).remarks, [Remark::Alpha]);
    assert_eq!(one(&written(Some(1))).pixels, one(&written(None)).pixels, "not blended");
}

/// Files with EXIF metadata.
mod with_exif {
    use image::codecs::jpeg::JpegEncoder;
    use image::codecs::png::PngEncoder;
    use image::codecs::webp::WebPEncoder;
    use image::{GrayImage, ImageEncoder};

    fn encode(mut encoder: impl ImageEncoder, image: &GrayImage, exif: &[u8]) {
        if !exif.is_empty() {
            encoder.set_exif_metadata(exif.to_vec()).unwrap();
        }
        encoder.write_image(image, image.width(), image.height(), image::ExtendedColorType::L8).unwrap();
    }

    pub fn png(image: &GrayImage, exif: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(PngEncoder::new(&mut bytes), image, exif);
        bytes
    }

    pub fn webp(image: &GrayImage, exif: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(WebPEncoder::new_lossless(&mut bytes), image, exif);
        bytes
    }

    pub fn jpeg(image: &GrayImage, exif: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(JpegEncoder::new_with_quality(&mut bytes, 100), image, exif);
        bytes
    }
}

/// Pages of 2 x 1 pixels whose values are `10 * page` and `10 * page + 1`.
fn paged(pages: u8, description: &str) -> Vec<u8> {
    let pages: Vec<[u8; 2]> = (0..pages).map(|page| [10 * page, 10 * page + 1]).collect();
    let pages: Vec<&[u8]> = pages.iter().map(|page| &page[..]).collect();
    TiffWriter::new(2, 1, 8, 1, 1).text(270, description).write_pages(&pages)
}

fn values(bytes: &[u8], pages: Pages) -> Vec<Vec<f64>> {
    let decoded = decode(bytes, &options(pages)).unwrap();
    decoded.images.iter().map(|image| image.pixels.to_f64()).collect()
}

#[test]
fn pages_as_asked_and_told() {
    let stack = paged(4, "a stack");
    assert_eq!(values(&stack, Pages::First), [[0.0, 1.0]]);
    assert_eq!(values(&stack, Pages::Middle), [[20.0, 21.0]]);
    assert_eq!(values(&stack, Pages::Max), [[30.0, 31.0]]);
    assert_eq!(values(&stack, Pages::Mean), [[15.0, 16.0]]);
    assert_eq!(values(&stack, Pages::Each), [[0.0, 1.0], [10.0, 11.0], [20.0, 21.0], [30.0, 31.0]]);
    assert_eq!(first(&stack).remarks, [Remark::Paged(Pages::First)]);
    assert_eq!(first(&paged(1, "one")).remarks, []);
    assert_eq!(values(&file("zstack_5_pages.tif"), Pages::Max)[0][..2], [80.0, 80.0]);
}

#[test]
fn channels_of_imagej_are_channels() {
    let stack = paged(6, "ImageJ=1.53t\nimages=6\nchannels=2\nslices=3\nhyperstack=true\n");
    assert_eq!(
        values(&stack, Pages::Each),
        [[0.0, 10.0, 1.0, 11.0], [20.0, 30.0, 21.0, 31.0], [40.0, 50.0, 41.0, 51.0]]
    );
    let channels = paged(3, "ImageJ=1.53t\nimages=3\nchannels=3\n");
    let decoded = first(&channels);
    assert_eq!(decoded.images[0].pixels, Pixels::U8(vec![0, 10, 20, 1, 11, 21]));
    assert_eq!(decoded.remarks, []);
    // More images than the file has.
    let wrong = first(&paged(3, "ImageJ=1.53t\nimages=8\nchannels=2\nslices=4\n"));
    assert_eq!(wrong.remarks, [Remark::Misdescribed, Remark::Paged(Pages::First)]);
}

#[test]
fn images_that_imagej_wrote_without_directories() {
    let writer = TiffWriter::new(2, 1, 8, 1, 1).text(270, "ImageJ=1.53t\nimages=4\nchannels=2\nframes=2\n");
    let bytes = writer.with_data_behind(&[3, 4, 5, 6, 7, 8]).write(&[&[1, 2]]);
    assert_eq!(values(&bytes, Pages::Each), [[1.0, 3.0, 2.0, 4.0], [5.0, 7.0, 6.0, 8.0]]);
}

#[test]
fn planes_of_ome_go_by_its_order() {
    let xml = |order: &str, sizes: &str, rest: &str| {
        format!(
            "<?xml version=\"1.0\"?><OME><Image ID=\"Image:0\"><Pixels DimensionOrder=\"{order}\" {sizes}>{rest}</Pixels></Image>\
             </OME>"
        )
    };
    let sizes = "SizeX=\"2\" SizeY=\"1\" SizeC=\"2\" SizeZ=\"3\" SizeT=\"1\"";
    let whole = "<TiffData IFD=\"0\" PlaneCount=\"6\"/>";
    let channels_first = paged(6, &xml("XYCZT", sizes, whole));
    assert_eq!(values(&channels_first, Pages::Middle), [[20.0, 30.0, 21.0, 31.0]]);
    let slices_first = paged(6, &xml("XYZCT", sizes, whole));
    assert_eq!(values(&slices_first, Pages::Middle), [[10.0, 40.0, 11.0, 41.0]]);
    assert_eq!(
        values(&paged(6, &xml("XYZCT", sizes, "<TiffData/>")), Pages::Middle),
        [[10.0, 40.0, 11.0, 41.0]]
    );
    // Each plane stated, from the last image to the first.
    let each: String = (0..6)
        .map(|image| {
            format!("<TiffData FirstC=\"{}\" FirstZ=\"{}\" IFD=\"{}\"/>", image % 2, image / 2, 5 - image)
        })
        .collect();
    assert_eq!(values(&paged(6, &xml("XYCZT", sizes, &each)), Pages::First), [[50.0, 40.0, 51.0, 41.0]]);
    // A second series.
    let second = "<Image ID=\"Image:1\"><Pixels SizeC=\"1\"/></Image></OME>";
    let two = xml("XYCZT", sizes, whole).replace("</OME>", second);
    assert_eq!(first(&paged(7, &two)).remarks, [Remark::Series, Remark::Paged(Pages::First)]);
    // Planes in other files.
    assert!(first(&paged(2, &xml("XYCZT", sizes, whole))).remarks.contains(&Remark::Misdescribed));
}

#[test]
fn ome_names_channels_and_sizes_of_pixels() {
    let xml = |channels: &str, size: &str| {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><!-- <Pixels> -->\n\
             <OME:OME xmlns:OME=\"http://www.openmicroscopy.org/Schemas/OME/2016-06\" UUID=\"urn:uuid:a\"><OME:Image>\
             <OME:Pixels DimensionOrder='XYZCT' SizeC='2' SizeZ='1' SizeT='2' {size}>{channels}</OME:Pixels>\
             </OME:Image></OME:OME>"
        )
    };
    let named = "<OME:Channel Name='H &amp; E &lt;1&gt;'/><OME:Channel Fluor='GFP'/>";
    let decoded =
        first(&paged(4, &xml(named, "PhysicalSizeX='0.5' PhysicalSizeY='325' PhysicalSizeYUnit='nm'")));
    assert_eq!(decoded.images[0].pixels, Pixels::U8(vec![0, 10, 1, 11]));
    assert_eq!(decoded.about.channel_names, ["H & E <1>", "GFP"]);
    assert_eq!(decoded.about.pixel_size, Some([0.325, 0.5]));
    let one = first(&paged(4, &xml("<OME:Channel/><OME:Channel Name='GFP'/>", "PhysicalSizeX='1'")));
    assert_eq!(
        (one.about.channel_names, one.about.pixel_size),
        (vec!["channel 1".into(), "GFP".into()], None)
    );
    for wrong in [
        "PhysicalSizeX='-1' PhysicalSizeY='1'",
        "PhysicalSizeX='x' PhysicalSizeY='1'",
        "PhysicalSizeX='1' PhysicalSizeY='inf'",
    ] {
        assert_eq!(first(&paged(4, &xml("", wrong))).about, super::About::default(), "{wrong}");
    }
    // More names than channels are none.
    assert!(first(&paged(4, &xml(&named.repeat(2), ""))).about.channel_names.is_empty());
}

#[test]
fn planes_of_ome_in_other_files_are_refused_and_named() {
    let data = |c: usize, uuid: &str, file: &str| {
        format!(
            "<TiffData FirstC=\"{c}\" IFD=\"0\" PlaneCount=\"1\"><UUID FileName=\"{file}\">urn:uuid:{uuid}</UUID></TiffData>"
        )
    };
    let pixels = |data: &str, c: usize| {
        format!(
            "<Image><Pixels DimensionOrder=\"XYCZT\" SizeC=\"{c}\" SizeZ=\"1\" SizeT=\"1\">{data}</Pixels></Image>"
        )
    };
    let ome = |images: &str| format!("<OME UUID=\"urn:uuid:a\">{images}</OME>");
    let split = ome(&pixels(&(data(0, "a", "a.ome.tif") + &data(1, "b", "b.ome.tif")), 2));
    let refused = decode(&paged(1, &split), &options(Pages::First)).unwrap_err();
    assert!(
        refused.reason.contains("several files")
            && refused.reason.contains("b.ome.tif")
            && !refused.reason.contains("a.ome.tif"),
        "{refused:?}"
    );
    assert!(refused.hint.unwrap().contains("one file"));
    // A file that is one series of several files is whole.
    let of_series = ome(&(pixels(&data(0, "b", "b.ome.tif"), 1) + &pixels(&data(0, "a", "a.ome.tif"), 1)));
    assert_eq!(first(&paged(1, &of_series)).remarks, []);
    let companion = "<OME><BinaryOnly MetadataFile=\"set.companion.ome\" UUID=\"urn:uuid:c\"/></OME>";
    assert!(refusal(&paged(1, companion)).contains("set.companion.ome"));
    // Neither planes without number nor planes without end are believed.
    for sizes in ["SizeC='16777216' SizeZ='1' SizeT='1'", "DimensionOrder='XYCCCCCCCC' SizeC='16777216'"] {
        let huge = format!("<OME><Image><Pixels {sizes}/></Image></OME>");
        assert!(first(&paged(2, &huge)).remarks.contains(&Remark::Misdescribed), "{sizes}");
    }
    let again = "<TiffData PlaneCount='2'/>".repeat(5000);
    let again = format!("<OME><Image><Pixels SizeC='2'>{again}</Pixels></Image></OME>");
    assert!(first(&paged(2, &again)).remarks.contains(&Remark::Misdescribed));
    // What is no XML leaves the pages one by one.
    assert_eq!(
        first(&paged(2, "<OME><Image><Pixels SizeC=\"2\">")).remarks,
        [Remark::Misdescribed, Remark::Paged(Pages::First)]
    );
}

#[test]
fn imagej_says_the_size_of_a_pixel() {
    let writer =
        |unit: &str| TiffWriter::new(2, 1, 8, 1, 1).text(270, &format!("ImageJ=1.53t\nunit={unit}\n"));
    let sized = |unit: &str| {
        first(&writer(unit).fractions(282, &[4]).fractions(283, &[2]).write(&[&[1, 2]])).about.pixel_size
    };
    assert_eq!(
        (sized("micron"), sized("\\u00B5m"), sized("nm")),
        (Some([0.5, 0.25]), Some([0.5, 0.25]), Some([0.0005, 0.00025]))
    );
    assert_eq!((sized("pixel"), first(&writer("um").write(&[&[1, 2]])).about.pixel_size), (None, None));
}

#[test]
fn palettes_of_greys_are_one_channel() {
    let map = |color: fn(u32) -> [u32; 3]| {
        (0..3).flat_map(move |c| (0..256).map(move |entry| color(entry)[c])).collect::<Vec<u32>>()
    };
    let image = |map: &[u32]| one(&TiffWriter::new(2, 1, 8, 1, 3).tag(320, map).write(&[&[7, 200]]));
    assert_eq!(image(&map(|entry| [entry * 257; 3])).pixels, Pixels::U8(vec![7, 200]));
    assert_eq!(image(&map(|entry| [65535 - entry * 257; 3])).pixels, Pixels::U8(vec![248, 55]));
    let colours = image(&map(|entry| [entry * 257, 0, entry * 257]));
    assert_eq!((colours.channels, colours.pixels), (3, Pixels::U8(vec![7, 0, 7, 200, 0, 200])));
}

#[test]
fn smaller_copies_are_no_pages() {
    let writer = TiffWriter::new(2, 1, 8, 1, 1);
    let bytes = writer.clone().chain(&[(writer.clone(), &[1, 2]), (writer.clone().tag(254, &[1]), &[3, 4])]);
    assert_eq!(values(&bytes, Pages::Each), [[1.0, 2.0]]);
    assert_eq!(first(&bytes).remarks, []);
    let other = TiffWriter::new(1, 1, 8, 1, 1);
    let bytes = writer.clone().chain(&[(writer.clone(), &[1, 2]), (other, &[3]), (writer.clone(), &[5, 6])]);
    assert_eq!(values(&bytes, Pages::Each), [[1.0, 2.0], [5.0, 6.0]]);
    assert_eq!(first(&bytes).remarks, [Remark::OtherPages, Remark::Paged(Pages::First)]);
}

#[test]
fn frames_of_animations_are_pages() {
    let smooth = |row: usize| -> Vec<f64> {
        (row..row + 6)
            .flat_map(|y| (0..8).flat_map(move |x| [y * 3 + x, 255 - x * 4, 100 + y]))
            .map(|v| v as f64)
            .collect()
    };
    let frames = values(&file("three_frames.png"), Pages::Each);
    assert_eq!(frames, [smooth(0), smooth(6), smooth(12)]);
    assert_eq!(values(&file("three_frames.png"), Pages::Middle), [smooth(6)]);
    for name in ["three_frames.webp", "three_frames.gif"] {
        assert_eq!(values(&file(name), Pages::Each).len(), 3, "{name}");
        assert_eq!(values(&file(name), Pages::First), values(&file(name), Pages::Each)[..1], "{name}");
        assert_eq!(values(&file(name), Pages::Middle), values(&file(name), Pages::Each)[1..2], "{name}");
        assert_eq!(first(&file(name)).remarks, [Remark::Paged(Pages::First)], "{name}");
    }
    assert_eq!(values(&file("three_frames.webp"), Pages::First), [smooth(0)]);
}

#[test]
fn jpegs_that_break_off_are_refused() {
    for name in ["progressive.jpg", "restarts.jpg", "grey.jpg", "cmyk.jpg", "exif6.jpg"] {
        let whole = file(name);
        for tenth in 0..10 {
            let reason = refusal(&whole[..(whole.len() * tenth / 10).max(3)]);
            assert!(!reason.is_empty(), "{name}");
        }
        assert!(refusal(&whole[..whole.len() - 8]).contains("break off"), "{name}");
    }
    assert!(refusal(&file("truncated_half.jpg")).contains("truncated or damaged"));
    // All data are there and only the end marker is not.
    for name in ["restarts.jpg", "grey.jpg"] {
        let whole = file(name);
        assert_eq!(one(&whole[..whole.len() - 2]), one(&whole));
    }
}

#[test]
fn jpegs_with_damaged_data_are_refused() {
    for name in ["progressive.jpg", "restarts.jpg", "grey.jpg", "exif6.jpg"] {
        let mut bytes = file(name);
        let data = bytes.windows(2).position(|two| two == [0xff, 0xda]).unwrap() + 14;
        let middle = data + (bytes.len() - data) / 2;
        bytes.splice(middle..middle + 40.min(bytes.len() - middle - 2), [0x5a; 40]);
        assert!(refusal(&bytes).contains("damaged"), "{name}");
    }
}

#[test]
fn other_files_that_break_off_are_refused() {
    for name in
        ["exif6.png", "three_frames.gif", "three_frames.webp", "gray_8bit.bmp", "zstd.tif", "bigtiff_rgb.tif"]
    {
        let whole = file(name);
        for tenth in 0..10 {
            refusal(&whole[..whole.len() * tenth / 10]);
        }
    }
}

#[test]
fn what_is_not_read_is_named() {
    assert!(refusal(b"").contains("empty"));
    assert!(refusal(b"\0\0\0\x20ftypheic\0\0\0\0mif1heic").contains("HEIC"));
    assert!(refusal(b"\0\0\0\x0cjP  \r\n\x87\n\0\0\0\x14ftyp").contains("JPEG 2000"));
    assert!(refusal(b"what is this").contains("not PNG, JPEG, TIFF"));
    let grey = |tag, value: u32| TiffWriter::new(2, 1, 8, 1, 1).tag(tag, &[value]).write(&[&[1, 2]]);
    assert!(refusal(&grey(259, 34712)).contains("JPEG 2000"));
    assert!(refusal(&grey(262, 8)).contains("L*a*b*"));
    assert!(refusal(&grey(339, 6)).contains("complex"));
    assert!(refusal(&grey(277, 0)).contains("samples"));
}

#[test]
fn headers_that_claim_much_are_refused_before_memory_is_taken() {
    let huge = TiffWriter::new(2_000_000_000, 1_000_000_000, 8, 1, 1);
    assert!(refusal(&huge.write(&[&[1, 2]])).contains("limit"));
    let tile = TiffWriter::new(2, 1, 8, 1, 1).tag(322, &[1 << 30]).tag(323, &[1 << 30]);
    assert!(refusal(&tile.write(&[&[1, 2]])).contains("limit"));
    let samples = TiffWriter::new(2, 1, 8, 65535, 1).tag(278, &[1]);
    assert!(refusal(&samples.write(&[&[1, 2]])).contains("damaged"));
}
