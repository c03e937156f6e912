//! What a file is, by its first bytes: the formats that are decoded here, and names of those that are not.

use image::ImageFormat;

use super::dicom::has_preamble;

/// The format that [`decode`](super::decode) reads a file with this beginning as.
pub(crate) fn format_of(head: &[u8]) -> Option<ImageFormat> {
    if has_preamble(head) {
        return None; // what stands before it may be the header of a TIFF
    }
    if matches!(head, [b'I', b'I', 43, 0, 8, 0, ..] | [b'M', b'M', 0, 43, 0, 8, ..]) {
        return Some(ImageFormat::Tiff); // BigTIFF
    }
    let format = image::guess_format(head).ok()?;
    let known = match format {
        ImageFormat::Tiff | ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::WebP | ImageFormat::Gif => {
            true
        }
        // Two letters alone are the beginning of many a text.
        ImageFormat::Bmp => head.get(6..10).is_none_or(|reserved| reserved == [0; 4]) && head.len() > 14,
        ImageFormat::Pnm => matches!(head, [b'P', b'1'..=b'7', b' ' | b'\t' | b'\r' | b'\n', ..]),
        _ => false,
    };
    known.then_some(format)
}

/// The name of a format that is known and not read here, by the first bytes of a file (132 tell all, fewer most).
pub(crate) fn name_of(head: &[u8]) -> Option<&'static str> {
    if let Some(brand) = head.get(8..12).filter(|_| head.get(4..8) == Some(b"ftyp")) {
        return Some(match brand {
            b"avif" | b"avis" => "AVIF",
            b"heic" | b"heix" | b"hevc" | b"hevx" | b"heim" | b"heis" | b"mif1" | b"msf1" => "HEIC",
            b"crx " => "a Canon raw file (CR3)",
            _ => "a film (MP4 or QuickTime)",
        });
    }
    let found =
        NAMES.iter().find(|(at, magic, _)| head.get(*at..).is_some_and(|rest| rest.starts_with(magic)));
    found.map(|(_, _, name)| *name).or_else(|| riff(head))
}

fn riff(head: &[u8]) -> Option<&'static str> {
    let kind = head.get(8..12).filter(|_| head.starts_with(b"RIFF"))?;
    Some(match kind {
        b"AVI " => "a film (AVI)",
        b"WAVE" => "sound (WAV)",
        _ => return None,
    })
}

/// What a file of Parquet is called.
pub(crate) const PARQUET: &str = "a Parquet table";

/// Where the letters stand, the letters, and the name.
const NAMES: &[(usize, &[u8], &str)] = &[
    (0, b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
    (0, b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
    (0, b"\xff\x0a", "JPEG XL"),
    (0, b"II\xbc\x01", "JPEG XR"),
    (0, b"\x5c\x01\0\0", "an Analyze volume (or a NIfTI header without its letters)"),
    (0, b"\0\0\x01\x5c", "an Analyze volume (or a NIfTI header without its letters)"),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (0, b"MATLAB 5.0 MAT-file", "a MAT file of MATLAB"),
    (0, b"MATLAB 7.3 MAT-file", "a MAT file of MATLAB (HDF5)"),
    (0, b"CDF\x01", "NetCDF"),
    (0, b"CDF\x02", "NetCDF"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (0, b"Rar!\x1a\x07", "a rar archive"),
    (0, b"\xfd7zXZ\0", "an xz archive"),
    (0, b"BZh", "a bzip2 archive"),
    (0, b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (0, b"\x04\x22\x4d\x18", "an lz4 archive"),
    (0, b"\x1f\x9d", "a compress archive"),
    (0, b"PAR1", PARQUET),
    (0, b"ARROW1", "an Arrow table"),
    (0, b"\x80\x02", "a Python pickle"),
    (0, b"\x80\x03", "a Python pickle"),
    (0, b"\x80\x04\x95", "a Python pickle"),
    (0, b"\x80\x05\x95", "a Python pickle"),
    (0, b"SQLite format 3\0", "an SQLite database"),
    (0, b"%PDF-", "a PDF"),
    (0, b"%!PS", "PostScript"),
    (0, b"<svg", "SVG"),
    (0, b"ZISRAWFILE", "a CZI file of Zeiss"),
    (0, b"\xda\xce\xbe\x0a", "an ND2 file of Nikon"),
    (0, b"\x70\0\0\0", "a LIF file of Leica"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a container of Microsoft's (OLE), as ZVI files of Zeiss are"),
    (0, b"NRRD", "NRRD"),
    (0, b"SIMPLE  =", "FITS"),
    (0, b"ObjectType", "MetaImage (MHA)"),
    (0, b"NDims", "MetaImage (MHD)"),
    (0, b"8BPS", "Photoshop (PSD)"),
    (0, b"\x76\x2f\x31\x01", "OpenEXR"),
    (0, b"#?RADIANCE", "Radiance HDR"),
    (0, b"#?RGBE", "Radiance HDR"),
    (0, b"DDS ", "DirectDraw (DDS)"),
    (0, b"qoif", "QOI"),
    (0, b"farbfeld", "farbfeld"),
    (0, b"\0\0\x01\0", "an icon (ICO)"),
    (0, b"\x8aMNG\r\n\x1a\n", "MNG"),
    (0, b"\x8bJNG\r\n\x1a\n", "JNG"),
    (0, b"gimp xcf", "GIMP (XCF)"),
    (0, b"AT&TFORM", "DjVu"),
    (0, b"\xd7\xcd\xc6\x9a", "a Windows metafile"),
    (0, b"\x01\xda", "SGI (RGB)"),
    (0, b"\x59\xa6\x6a\x95", "Sun raster"),
    (0, b"FUJIFILMCCD-RAW", "a Fujifilm raw file"),
    (0, b"IIRO", "an Olympus raw file"),
    (0, b"IIU\0", "a Panasonic raw file"),
    (0, b"\x1a\x45\xdf\xa3", "a film (Matroska or WebM)"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_known_by_their_first_bytes() {
        for (head, name) in [
            (&b"\0\0\0\x1cftypavif\0\0\0\0"[..], "AVIF"),
            (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC"),
            (b"\0\0\0\x0cjP  \r\n\x87\n\0\0", "JPEG 2000"),
            (b"\xfd7zXZ\0\0\x04", "an xz archive"),
            (b"RIFF\0\0\0\0AVI LIST", "a film (AVI)"),
        ] {
            assert_eq!(name_of(head), Some(name));
            assert_eq!(format_of(head), None);
        }
        assert_eq!(name_of(b"name,label\n"), None);
        assert_eq!(format_of(b"P5,cat\nP6,dog\n"), None, "a table of labels");
        assert_eq!(format_of(b"BMI,age\n20,31\n21,37"), None, "a table of labels");
        assert_eq!(format_of(b"P5\n3 3\n255\n"), Some(ImageFormat::Pnm));
        assert_eq!(format_of(b"II\x2b\0\x08\0\0\0"), Some(ImageFormat::Tiff), "BigTIFF");
    }
}
