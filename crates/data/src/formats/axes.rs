//! Which axis of an array of images is what: as stated, or where the sizes leave no doubt.
//!
//! Nothing in an array says whether `[60, 50, 3]` is one image with three channels or 60 narrow images. What could be read
//! in several ways is refused with all of them; what is taken all the same, for a reason, is told.

use std::borrow::Cow;

use super::array::ArrayHeader;
use crate::notice::Notice;
use crate::{ArrayLayout, DataError};

/// All axes that an array of images may have, in the order in which images come out: volumes (or images), slices, rows,
/// columns, channels.
const AXES: &str = "ndhwc";

/// Most channels that a picture usually has.
const FEW: u64 = 4;

/// An array as images: sizes, and how far apart neighbours along each axis lie, in the order of [`AXES`].
#[derive(Clone, Debug)]
pub(super) struct ImageShape {
    sizes: [usize; 5],
    strides: [usize; 5],
    /// Every slice of a volume is an image.
    pub(super) of_volumes: bool,
}

/// An array of images whose axes are to be told.
pub(super) struct Question<'a> {
    pub(super) header: &'a ArrayHeader,
    pub(super) place: &'a str,
    /// How many labels it comes with.
    pub(super) labels: Option<u64>,
}

impl ArrayLayout {
    /// One letter an axis, as the layout is called; empty for [`ArrayLayout::Auto`].
    fn letters(self) -> &'static str {
        match self {
            ArrayLayout::Auto => "",
            ArrayLayout::Nhwc => "nhwc",
            ArrayLayout::Nchw => "nchw",
            ArrayLayout::Nhw => "nhw",
            ArrayLayout::Hwc => "hwc",
            ArrayLayout::Chw => "chw",
            ArrayLayout::Hw => "hw",
            ArrayLayout::Ndhw => "ndhw",
            ArrayLayout::Ndhwc => "ndhwc",
            ArrayLayout::Ncdhw => "ncdhw",
        }
    }
}

impl ImageShape {
    /// The array of `header` in this layout, which has as many axes.
    fn new(layout: ArrayLayout, header: &ArrayHeader) -> ImageShape {
        let shape: Vec<usize> =
            header.shape.iter().map(|&size| usize::try_from(size).unwrap_or(usize::MAX)).collect();
        let product = |sizes: &[usize]| sizes.iter().fold(1usize, |product, &n| product.saturating_mul(n));
        let axis = |letter: char| {
            let Some(at) = layout.letters().find(letter) else { return (1, 0) };
            (shape[at], product(if header.fortran { &shape[..at] } else { &shape[at + 1..] }))
        };
        let mut of =
            ImageShape { sizes: [1; 5], strides: [0; 5], of_volumes: layout.letters().contains('d') };
        for (at, letter) in AXES.chars().enumerate() {
            (of.sizes[at], of.strides[at]) = axis(letter);
        }
        of
    }

    /// Volumes, or images where there are no volumes: what has a label each.
    pub(super) fn volumes(&self) -> usize {
        self.sizes[0]
    }

    /// Images of each volume.
    pub(super) fn slices(&self) -> usize {
        self.sizes[1]
    }

    /// Height, width and channels.
    pub(super) fn image(&self) -> [usize; 3] {
        [self.sizes[2], self.sizes[3], self.sizes[4]]
    }

    /// Numbers of one volume.
    pub(super) fn numbers(&self) -> usize {
        self.sizes[1..].iter().fold(1, |product, &size| product.saturating_mul(size))
    }

    /// The numbers of one image, pixel by pixel, out of volumes that start with the first of `bytes`; a number has `size`
    /// bytes.
    pub(super) fn image_bytes<'a>(
        &self,
        bytes: &'a [u8],
        size: usize,
        (volume, slice): (usize, usize),
    ) -> Cow<'a, [u8]> {
        let [height, width, channels] = self.image();
        let [by_volume, by_slice, by_row, by_column, by_channel] = self.strides;
        let start = volume * by_volume + slice * by_slice;
        let len = height * width * channels;
        if self.is_in_order() {
            return Cow::Borrowed(&bytes[start * size..(start + len) * size]);
        }
        let mut out = Vec::with_capacity(len * size);
        for row in 0..height {
            for column in 0..width {
                for channel in 0..channels {
                    let at = (start + row * by_row + column * by_column + channel * by_channel) * size;
                    out.extend_from_slice(&bytes[at..at + size]);
                }
            }
        }
        Cow::Owned(out)
    }

    /// Whether the numbers of an image lie one after the other as they come out.
    fn is_in_order(&self) -> bool {
        let mut expected = 1;
        (2..5).rev().all(|axis| {
            let fits = self.sizes[axis] == 1 || self.strides[axis] == expected;
            expected *= self.sizes[axis];
            fits
        })
    }
}

impl std::fmt::Display for ImageShape {
    /// `60 images of 12 x 16, 3 channels`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let number =
            |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        let [volumes, slices, height, width, channels] = self.sizes;
        match self.of_volumes {
            true => {
                write!(f, "{} of {}", number(volumes, "volume"), number(slices, "slice"))?;
            }
            false => f.write_str(&number(volumes, "image"))?,
        }
        write!(f, " of {height} x {width}, {}", number(channels, "channel"))
    }
}

/// The layout of all these arrays of one set, and what a person should know of the choice.
///
/// # Errors
/// [`DataError::WrongShape`] where the stated layout has another number of axes, or where nothing is stated and the arrays
/// can be read in several ways, or in none.
pub(super) fn layout_of(
    stated: ArrayLayout,
    arrays: &[Question<'_>],
) -> Result<(ArrayLayout, Option<Notice>), DataError> {
    arrays.iter().try_for_each(|array| {
        array.header.check_not_empty(array.place)?;
        array.header.data_bytes(array.place).map(drop)
    })?;
    if stated != ArrayLayout::Auto {
        arrays.iter().try_for_each(|array| check_axes(stated, array))?;
        return Ok((stated, None));
    }
    let Some(first) = arrays.first() else { return Ok((ArrayLayout::Nhwc, None)) };
    let mut common = readings(&first.header.shape, first.labels);
    for array in &arrays[1..] {
        let these = readings(&array.header.shape, array.labels);
        common.retain(|layout| these.contains(layout));
        if common.is_empty() {
            return Err(differ(first, array));
        }
    }
    match (&common[..], first.header.shape.len()) {
        ([layout], 3 | 4) => Ok((*layout, told(*layout, first))),
        _ => Err(undecided(&common, first)),
    }
}

/// The array as images in this layout.
///
/// # Errors
/// [`DataError::Empty`] when an axis has the size 0, [`DataError::WrongShape`] when `layout` has another number of axes,
/// [`DataError::Damaged`] when the shape is larger than any file.
pub(super) fn image_shape(
    layout: ArrayLayout,
    header: &ArrayHeader,
    place: &str,
) -> Result<ImageShape, DataError> {
    check_axes(layout, &Question { header, place, labels: None })?;
    header.check_not_empty(place)?;
    header.data_bytes(place)?;
    Ok(ImageShape::new(layout, header))
}

/// The layouts in which an array of this shape makes sense, the likeliest first. Labels beside it that are as many as one
/// reading has images leave only that one.
fn readings(shape: &[u64], labels: Option<u64>) -> Vec<ArrayLayout> {
    use ArrayLayout::{Chw, Hw, Hwc, Ncdhw, Nchw, Ndhw, Ndhwc, Nhw, Nhwc};
    match *shape {
        [_, _] => vec![Hw],
        [n, ..] if shape.len() == 3 && labels == Some(n) => vec![Nhw],
        [a, b, c] => {
            let one_fits = labels.is_none_or(|labels| labels == 1) && a != 1;
            let mut all = if labels == Some(1) && a != 1 { vec![] } else { vec![Nhw] };
            let narrow = b > FEW && (c <= FEW || c <= 64 && a.min(b) >= 8 * c);
            all.extend((one_fits && narrow).then_some(Hwc));
            all.extend((one_fits && a <= FEW && b > FEW && c > FEW).then_some(Chw));
            if all.is_empty() { vec![Nhw] } else { all }
        }
        [_, b, c, d] if d <= FEW => match b <= FEW && c >= 8 {
            true => vec![Nhwc, Nchw],
            false => vec![Nhwc],
        },
        [_, b, c, d] if d < b && d < c => vec![Nhwc],
        [_, 1, _, _] => vec![Nchw],
        [_, b, c, d] if b <= FEW || b < c && b < d => vec![Nchw, Ndhw, Nhwc],
        [_, _, _, _] => vec![Ndhw, Nchw, Nhwc],
        [_, _, _, _, last] if last <= FEW => vec![Ndhwc, Ncdhw],
        [_, _, _, _, _] => vec![Ncdhw, Ndhwc],
        _ => vec![],
    }
}

/// What to say of a layout that was not stated: nothing where it is the usual one.
fn told(layout: ArrayLayout, array: &Question<'_>) -> Option<Notice> {
    let shape = &array.header.shape;
    let by_labels = readings(shape, None).len() > 1;
    let many_channels = layout == ArrayLayout::Nhwc && shape.last().is_some_and(|&last| last > FEW);
    // As likely one image of few columns, were there images of so few rows.
    let tiny =
        layout == ArrayLayout::Nhw && array.labels.is_none() && shape[1..].iter().all(|&side| side <= FEW);
    let usual = matches!(layout, ArrayLayout::Nhw | ArrayLayout::Nhwc);
    if usual && !by_labels && !many_channels && !tiny {
        return None;
    }
    let images = ImageShape::new(layout, array.header);
    let because = if by_labels { ", which the other arrays fit" } else { "" };
    let message = format!("an array of shape {} is read as {images}{because}", array.header.shape_text());
    Some(
        Notice::new("layout", message)
            .hint("{layout} says what else it is, such as nchw or ndhw")
            .about(array.place),
    )
}

fn wrong_shape(array: &Question<'_>, expected: String, hint: String) -> DataError {
    DataError::WrongShape { place: array.place.into(), expected, got: array.header.shape_text(), hint }
}

fn check_axes(layout: ArrayLayout, array: &Question<'_>) -> Result<(), DataError> {
    let letters = layout.letters();
    if letters.len() == array.header.shape.len() {
        return Ok(());
    }
    let expected = format!("an array of {} axes, as the layout {letters} says", letters.len());
    let hint = "give one letter for each axis with {layout}: n images or volumes, d slices, h rows, w columns, c channels";
    Err(wrong_shape(array, expected, hint.into()))
}

fn differ(first: &Question<'_>, other: &Question<'_>) -> DataError {
    let expected = format!("images of the same axes as {} {}", first.place, first.header.shape_text());
    let hint = "give all splits images of the same axes, or say with {layout} what the axes of all are";
    wrong_shape(other, expected, hint.into())
}

/// The refusal that names all readings.
fn undecided(readings: &[ArrayLayout], array: &Question<'_>) -> DataError {
    let describe = |layout: &ArrayLayout| {
        format!("{{layout}} {} ({})", layout.letters(), ImageShape::new(*layout, array.header))
    };
    let all: Vec<String> = readings.iter().map(describe).collect();
    let hint = match (array.header.shape.len(), &all[..]) {
        (3.., _) if array.labels.is_some() && array.labels == array.header.shape.last().copied() => {
            "the labels are as many as the last axis: numpy.moveaxis(images, -1, 0) makes it the first".into()
        }
        (2, [one, ..]) => format!("{one}, or reshape rows of numbers to images [N, H, W]"),
        (_, []) => "reshape the array to [N, H, W] or [N, H, W, C]".into(),
        _ => format!("say what the axes are: {}", all.join(", ")),
    };
    wrong_shape(array, "images of shape [N, H, W] or [N, H, W, C], without doubt".into(), hint)
}

/// The layout of an array that holds one image, where its sizes leave no doubt.
pub(super) fn layout_of_one(shape: &[u64]) -> Option<ArrayLayout> {
    match *shape {
        [_, _] => Some(ArrayLayout::Hw),
        [first, height, last] if first <= FEW && last <= FEW && height > FEW => None,
        [height, width, channels] if channels <= FEW || channels < height && channels < width => {
            Some(ArrayLayout::Hwc)
        }
        [channels, height, width] if channels == 1 || channels <= FEW && height > FEW && width > FEW => {
            Some(ArrayLayout::Chw)
        }
        [1, ..] if shape.len() == 4 => match layout_of_one(&shape[1..]) {
            Some(ArrayLayout::Hwc) => Some(ArrayLayout::Nhwc),
            Some(ArrayLayout::Chw) => Some(ArrayLayout::Nchw),
            _ => None,
        },
        _ => None,
    }
}
