//! Files that hold images but are not read here: what they are, and what to do with them.

/// What a file is by its first bytes, as a sentence has it.
pub(crate) fn name_of(head: &[u8]) -> Option<&'static str> {
    let starts = |start: &[u8]| head.starts_with(start);
    let found = |at: usize, what: &[u8]| head.get(at..at + what.len()) == Some(what);
    Some(match head {
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => "an xz archive",
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, ..] => "a bzip2 archive",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "a zstd archive",
        [0x04, 0x22, 0x4d, 0x18, ..] => "an lz4 archive",
        [b'7', b'z', 0xbc, 0xaf, 0x27, 0x1c, ..] => "a 7z archive",
        [b'R', b'a', b'r', b'!', 0x1a, 0x07, ..] => "a rar archive",
        [0x89, b'H', b'D', b'F', b'\r', b'\n', ..] => "an HDF5 file",
        _ if starts(b"MATLAB 5.0 MAT-file") => "a MAT file of MATLAB",
        _ if starts(b"MATLAB 7.3 MAT-file") => "a MAT file of MATLAB (HDF5)",
        _ if starts(b"PAR1") => "a Parquet table",
        _ if starts(b"ARROW1") => "an Arrow table",
        _ if starts(b"SQLite format 3\0") => "an SQLite database",
        _ if starts(b"ZISRAWFILE") => "a CZI file of Zeiss",
        _ if starts(b"%PDF-") => "a PDF",
        _ if starts(b"{\\rtf") => "a text document",
        [0x80, 2..=5, b'}' | b']' | b'(' | b'c' | b'q' | 0x95 | 0x8a | 0x8c | b'X', ..] => "a Python pickle",
        [0x5c, 1, 0, 0, ..] | [0, 0, 1, 0x5c, ..] if found(344, b"n+1\0") || found(344, b"ni1\0") => {
            "a NIfTI volume"
        }
        _ if found(128, b"DICM") => "a DICOM file",
        [0x70, 0, 0, 0, _, _, _, _, 0x2a, ..] => "a LIF file of Leica",
        _ => return None,
    })
}

/// What to do with such a file.
pub(crate) fn advice(name: &str) -> &'static str {
    let is = |words: &[&str]| words.iter().any(|word| name.contains(word));
    if is(&["archive"]) {
        "unpack it and give the folder, or pack it as zip or tar.gz"
    } else if is(&["pickle"]) {
        "a pickle can run any program when it is read, so none is ever read; save its images as an .npz \
         (numpy.savez) or as image files in folders"
    } else if is(&["HDF5", "MAT file"]) {
        "save the arrays of images and labels as an .npz (Python: h5py or scipy.io.loadmat, then numpy.savez)"
    } else if is(&["table", "database"]) {
        "save its images as files in one folder per class, or as an .npz (numpy.savez)"
    } else if is(&["NIfTI", "volume"]) {
        "save its slices as an .npz (Python: nibabel, then numpy.savez) or as TIFF"
    } else if is(&["DICOM"]) {
        "save the images as TIFF or an .npz, values as they are (Python: pydicom, then numpy.savez)"
    } else if is(&["CZI", "LIF"]) {
        "export it as TIFF or OME-TIFF (Bio-Formats, Fiji)"
    } else if is(&["film"]) {
        "save its frames as PNG or JPEG (ffmpeg)"
    } else {
        "convert the images to PNG, JPEG or TIFF"
    }
}

/// Endings of image files that are not decoded here and whose first bytes do not say what they are.
const ENDINGS: &[(&str, &str)] = &[
    ("heic", "HEIC"),
    ("heif", "HEIC"),
    ("avif", "AVIF"),
    ("jp2", "JPEG 2000"),
    ("j2k", "JPEG 2000"),
    ("jxl", "JPEG XL"),
    ("dcm", "a DICOM file"),
    ("nii", "a NIfTI volume"),
    ("svg", "SVG"),
    ("psd", "Photoshop"),
    ("dng", "a camera's raw image"),
    ("cr2", "a camera's raw image"),
    ("nef", "a camera's raw image"),
    ("arw", "a camera's raw image"),
    ("exr", "OpenEXR"),
    ("hdr", "Radiance HDR"),
    ("tga", "TGA"),
    ("pgm", "PGM"),
    ("ppm", "PPM"),
    ("nd2", "an ND2 file of Nikon"),
    ("mp4", "a film"),
    ("avi", "a film"),
    ("mov", "a film"),
];

/// What an image file that is not decoded here is, by its name.
pub(crate) fn by_ending(path: &str) -> Option<&'static str> {
    let (_, ending) = path.rsplit_once('.')?;
    ENDINGS.iter().find(|(known, _)| ending.eq_ignore_ascii_case(known)).map(|(_, name)| *name)
}
