//! One PNG, JPEG, WebP, BMP, GIF or PNM.

use std::io;

use image::{DynamicImage, ImageFormat};

use crate::Target;
use crate::check::{memory, opened, settings};
use crate::files::{self, encoded, picture};

pub(super) const TARGET: Target = Target {
    name: "raster",
    about: "a PNG (checksums are mended), JPEG, WebP, BMP, GIF or PNM",
    run,
    memory,
    seeds,
};

fn run(bytes: &[u8]) -> Result<(), String> {
    opened("image", &with_checksums(bytes.to_vec()), settings())
}

/// A PNG with the checksum that each of its chunks should have, as far as there are chunks; other files as they are.
fn with_checksums(mut bytes: Vec<u8>) -> Vec<u8> {
    let mut at = if bytes.starts_with(b"\x89PNG\r\n\x1a\n") { 8 } else { bytes.len() };
    while let Some(len) = bytes.get(at..).and_then(|rest| rest.first_chunk::<4>()) {
        let end = (at + 8).saturating_add(u32::from_be_bytes(*len) as usize);
        let Some(covered) = bytes.get(at + 4..end) else { break };
        let sum = crc32fast::hash(covered).to_be_bytes();
        bytes.iter_mut().skip(end).zip(sum).for_each(|(byte, sum)| *byte = sum);
        at = end + 4;
    }
    bytes
}

fn seeds() -> io::Result<Vec<Vec<u8>>> {
    let mut seeds = files::examples(&[".png", ".jpg", ".bmp", ".gif", ".webp"])?;
    for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP, ImageFormat::Bmp] {
        seeds.push(picture(9, 1, format)?);
    }
    for image in [
        DynamicImage::new_luma8(5, 3),
        DynamicImage::new_luma_a8(3, 5),
        DynamicImage::new_rgba8(4, 4),
        DynamicImage::new_luma16(7, 2),
        DynamicImage::new_rgba16(2, 2),
    ] {
        seeds.push(encoded(&image, ImageFormat::Png)?);
    }
    let texts: [&[u8]; 8] = [
        b"P1\n# bits\n3 2\n1 0 1\n0 1 0\n",
        b"P2 3 2 15 1 2 3 4 5 15\n",
        b"P3\n2 1\n255\n1 2 3 255 0 9\n",
        b"P4\n9 2\n\xaa\x80\x55\x00",
        b"P5\n2 2\n255\n\x00\x7f\x80\xff",
        b"P5\n2 1\n65535\n\x00\x01\xff\xfe",
        b"P6\n1 2\n100\n\x01\x02\x03\x32\x63\x64",
        b"P7\nWIDTH 2\nHEIGHT 1\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n12345678",
    ];
    seeds.extend(texts.map(<[u8]>::to_vec));
    Ok(seeds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_of_a_png_are_mended_and_nothing_else_is_touched() {
        let png = picture(9, 1, ImageFormat::Png).unwrap();
        assert_eq!(with_checksums(png.clone()), png);
        let mut broken = png.clone();
        broken[29..33].fill(0); // of the header, which is 13 bytes long
        assert_eq!(with_checksums(broken), png);
        assert_eq!(with_checksums(png[..40].to_vec()), png[..40]);
        assert_eq!(with_checksums(b"BM12".to_vec()), b"BM12");
    }
}
