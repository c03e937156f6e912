//! What there is to say of a file that was read.

use crate::{Notice, Pages, Plane};

/// What a person should know of how a file was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remark {
    /// The image was turned as the file says.
    Turned,
    /// The file has several pages, of which these were taken.
    Paged(Pages),
    /// The file has pages of another size or type than the first, which were left out.
    OtherPages,
    /// The file holds several series of images, of which the first was taken.
    Series,
    /// What the file says of its channels, slices and times does not fit its pages, which were taken one by one.
    Misdescribed,
    /// The list of pages breaks off.
    BrokenList,
    /// Alpha was left out.
    Alpha,
    /// Samples beyond the colours that the file does not say the meaning of became channels.
    Undeclared,
    /// Numbers were rounded to 32-bit floating point.
    Rounded,
    /// Values that are no numbers, or infinite, became 0.
    Filled,
    /// Values of DICOM became shades by the windows of the files.
    OwnWindow,
    /// By the window that was asked for.
    Windowed,
    /// The file has no window: its smallest value is black, its largest white.
    NoWindow,
    /// A window in Hounsfield units of images that are not said to be CT.
    NoHounsfield,
    /// Values of DICOM are as they are.
    Unwindowed,
    /// The file is a volume, which was cut along this plane.
    Sliced(Plane),
    /// The file does not say how its volume lies in the patient.
    Unoriented,
    /// The pixels of its slices are not square.
    Stretched,
    /// Its slices are as far apart as their pixels are not.
    Apart,
}

impl Remark {
    /// It as a notice about the file at `path`.
    pub(crate) fn notice(self, path: &str) -> Notice {
        let (id, message, hint) = match self {
            Remark::Turned => (
                "turned",
                "images were turned upright, as their files say",
                "data_options.orientation = \"stored\" ({orientation} stored) leaves them as they are stored",
            ),
            Remark::Paged(pages) => ("pages", paged(pages), PAGES_HINT),
            Remark::OtherPages => (
                "other-pages",
                "pages that differ in size or type from the first of their file were left out",
                "",
            ),
            Remark::Series => (
                "series",
                "of files with several series of images only the first series was read",
                "save each series as a file of its own to use them all",
            ),
            Remark::Misdescribed => (
                "misdescribed",
                "the channels, slices and times that files describe do not fit their pages, which were taken one by one",
                PAGES_HINT,
            ),
            Remark::BrokenList => (
                "broken-pages",
                "the list of pages breaks off; pages may be missing",
                "the files may be damaged: compare them with their origin",
            ),
            Remark::Alpha => ("alpha", "an alpha channel was left out (not blended)", ""),
            Remark::Undeclared => (
                "undeclared-channels",
                "files have more samples than their colours need and do not say what these are: they are read as channels",
                "where they are alpha, write the files with the tag ExtraSamples",
            ),
            Remark::OwnWindow => (
                "window",
                "values of DICOM images became shades from 0 to 1 by the window of each file",
                WINDOW_HINT,
            ),
            Remark::Windowed => (
                "window",
                "values of DICOM images became shades from 0 to 1 by the window that was asked for",
                "",
            ),
            Remark::NoWindow => (
                "no-window",
                "DICOM images without a window: the smallest value of each file is black, the largest white",
                WINDOW_HINT,
            ),
            Remark::NoHounsfield => (
                "no-hounsfield",
                "a window for CT was asked for, of DICOM images that are not said to be CT",
                "data_options.window = \"file\" ({window} file) takes the window of each file",
            ),
            Remark::Unwindowed => (
                "window",
                "values of DICOM images are as they are, after slope and intercept",
                "data_options.range ({range}) says which are black and white",
            ),
            Remark::Rounded => ("rounded", "numbers were rounded to 32-bit floating point", ""),
            Remark::Filled => (
                "not-finite",
                "values that are no numbers (NaN) or infinite were read as 0",
                "where 0 is a value of its own, write the files with another one there",
            ),
            Remark::Sliced(plane) => ("slices", sliced(plane), PLANE_HINT),
            Remark::Unoriented => (
                "unoriented",
                "volumes do not say how they lie in the patient: x is taken to run to the left, y forward, z up, as nibabel \
                 takes it; planes may be others, and left and right changed about",
                "write the affine into the files, or leave axes as they are with {orientation} stored",
            ),
            Remark::Stretched => (
                "not-square",
                "voxels of volumes are not cubic: the pixels of slices are not square, so shapes look stretched",
                CUBIC_HINT,
            ),
            Remark::Apart => (
                "not-cubic",
                "voxels of volumes are not cubic: slices lie at another distance than their pixels",
                CUBIC_HINT,
            ),
        };
        let notice = Notice::new(id, message).about(path);
        if hint.is_empty() { notice } else { notice.hint(hint) }
    }
}

const WINDOW_HINT: &str = "data_options.window ({window} file|none|lung|bone|soft-tissue|LOW,HIGH) decides";
const PLANE_HINT: &str = "data_options.plane ({plane} axial|coronal|sagittal) decides";

const CUBIC_HINT: &str =
    "where that matters, resample them first (Python: nibabel.processing.resample_to_output)";

const PAGES_HINT: &str = "data_options.pages ({pages} first|middle|max|mean|each) decides";

fn paged(pages: Pages) -> &'static str {
    match pages {
        Pages::First => "of files with several pages only the first page was read",
        Pages::Middle => "of files with several pages only the middle page was read",
        Pages::Max => "files with several pages became the largest value of all pages",
        Pages::Mean => "files with several pages became the mean of all pages",
        Pages::Each => "every page of files with several pages became an image",
    }
}

fn sliced(plane: Plane) -> &'static str {
    match plane {
        Plane::Axial => "volumes were cut into axial slices",
        Plane::Coronal => "volumes were cut into coronal slices",
        Plane::Sagittal => "volumes were cut into sagittal slices",
    }
}
