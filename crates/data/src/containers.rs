//! Files that hold images but are not read here: what they are, and what to do with them.

use crate::decode::PARQUET;

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
    } else if is(&[PARQUET]) {
        "give the file itself, unpacked, or a folder that holds such files and no image files"
    } else if is(&["table", "database"]) {
        "save its images as files in one folder per class, or as an .npz (numpy.savez)"
    } else if is(&["volume"]) {
        "save it as NIfTI, which says how it lies in the patient (Python: nibabel)"
    } else if is(&["slide"]) {
        "export it as pyramidal TIFF or OME-TIFF (Bio-Formats' bfconvert, QuPath, or libvips' tiffsave with tile and pyramid)"
    } else if is(&["CZI", "LIF", "ZVI"]) {
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
    ("svg", "SVG"),
    ("psd", "Photoshop"),
    ("dng", "a camera's raw image"),
    ("cr2", "a camera's raw image"),
    ("nef", "a camera's raw image"),
    ("arw", "a camera's raw image"),
    ("exr", "OpenEXR"),
    ("hdr", "Radiance HDR"),
    ("tga", "TGA"),
    ("nd2", "an ND2 file of Nikon"),
    ("mp4", "a film"),
    ("avi", "a film"),
    ("mov", "a film"),
];

/// Endings of whole slides that are not read here. Some begin as a TIFF or a JPEG does, and are read as something else than they are.
const SLIDES: &[(&str, &str)] = &[
    ("ndpi", "an NDPI slide of Hamamatsu"),
    ("vms", "a VMS slide of Hamamatsu"),
    ("mrxs", "an MRXS slide of 3DHISTECH"),
    ("vsi", "a VSI slide of Olympus"),
    ("scn", "an SCN slide of Leica"),
    ("bif", "a BIF slide of Ventana"),
    ("czi", "a CZI slide of Zeiss"),
    ("zvi", "a ZVI slide of Zeiss"),
    ("isyntax", "an iSyntax slide of Philips"),
];

/// What a whole slide that is not read here is, by its name.
pub(crate) fn slide_by_ending(path: &str) -> Option<&'static str> {
    let (_, ending) = path.rsplit_once('.')?;
    SLIDES.iter().find(|(known, _)| ending.eq_ignore_ascii_case(known)).map(|(_, name)| *name)
}

/// What an image file that is not decoded here is, by its name.
pub(crate) fn by_ending(path: &str) -> Option<&'static str> {
    let (_, ending) = path.rsplit_once('.')?;
    let known = ENDINGS.iter().find(|(known, _)| ending.eq_ignore_ascii_case(known)).map(|(_, name)| *name);
    known.or_else(|| slide_by_ending(path))
}
