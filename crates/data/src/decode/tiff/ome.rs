//! The order of planes that OME-XML in the first description of a TIFF states.
//!
//! Of `Pixels` the attributes `SizeC`, `SizeZ`, `SizeT` and `DimensionOrder` are read, and of its `TiffData` which plane
//! each image of the file is. Only the first `Pixels`, that is the first series, counts.

use super::plan::Plan;
use crate::decode::Remark;

/// More planes than this in one file are taken for a mistake.
const MAX_PLANES: usize = 1 << 24;

/// Numbers and strides of channels, slices and times.
struct Axes {
    /// Sizes of C, Z and T; colours of one image do not count as C.
    sizes: [usize; 3],
    /// How far apart neighbours are along C, Z and T.
    strides: [usize; 3],
}

/// `None` where there are no `Pixels`; a plan without planes where they make no sense.
pub(super) fn plan(text: &str, samples: usize) -> Option<Plan> {
    let begin = text.find("<Pixels")?;
    let end = text[begin..].find("</Pixels>").map_or(text.len(), |len| begin + len);
    let pixels = &text[begin..end];
    let remarks = if text[end..].contains("<Pixels") { vec![Remark::Series] } else { Vec::new() };
    let axes = Axes::of(element(pixels), samples);
    let planes = axes.as_ref().and_then(|axes| numbers(pixels, axes)).unwrap_or_default();
    let channels = axes.map_or(1, |axes| axes.sizes[0]);
    Some(Plan { channels, planes, remarks })
}

impl Axes {
    fn of(element: &str, samples: usize) -> Option<Axes> {
        let size = |name| number(element, name).unwrap_or(1);
        let channels = size("SizeC");
        let sizes =
            [if samples > 1 { channels / samples } else { channels }.max(1), size("SizeZ"), size("SizeT")];
        let all = sizes[0].checked_mul(sizes[1])?.checked_mul(sizes[2])?;
        let mut strides = [0; 3];
        let mut stride = 1;
        for letter in attribute(element, "DimensionOrder").unwrap_or("XYCZT").chars().skip(2) {
            let axis = "CZT".find(letter)?;
            strides[axis] = stride;
            stride *= sizes[axis];
        }
        (all > 0 && all <= MAX_PLANES && !strides.contains(&0)).then_some(Axes { sizes, strides })
    }

    fn all(&self) -> usize {
        self.sizes.iter().product()
    }

    /// The number, in the order of the file, of a plane.
    fn at(&self, plane: [usize; 3]) -> usize {
        plane
            .iter()
            .zip(self.strides)
            .map(|(at, stride)| at.saturating_mul(stride))
            .fold(0, usize::saturating_add)
    }
}

/// For every plane, channels first, then slices, then times: which image of the file it is.
fn numbers(pixels: &str, axes: &Axes) -> Option<Vec<Option<usize>>> {
    let mut images = vec![None; axes.all()];
    let mut stated = false;
    for data in pixels.split("<TiffData").skip(1).map(element) {
        stated = true;
        let get = |name| number(data, name);
        let first = axes.at([get("FirstC"), get("FirstZ"), get("FirstT")].map(|first| first.unwrap_or(0)));
        let image = get("IFD").unwrap_or(0);
        let default = if get("IFD").is_some() { 1 } else { axes.all() };
        for step in 0..get("PlaneCount").unwrap_or(default).min(axes.all()) {
            if let Some(place) = images.get_mut(first.saturating_add(step)) {
                *place = Some(image.saturating_add(step));
            }
        }
    }
    if !stated {
        images = (0..axes.all()).map(Some).collect();
    }
    let [c, z, t] = axes.sizes;
    let planes = (0..t).flat_map(|t| (0..z).flat_map(move |z| (0..c).map(move |c| [c, z, t])));
    Some(planes.map(|plane| images[axes.at(plane)]).collect())
}

/// The text up to the end of the element that it begins in.
fn element(text: &str) -> &str {
    &text[..text.find('>').unwrap_or(text.len())]
}

fn attribute<'a>(element: &'a str, name: &str) -> Option<&'a str> {
    let begin = element.find(&format!(" {name}=\""))? + name.len() + 3;
    element[begin..].split('"').next()
}

fn number(element: &str, name: &str) -> Option<usize> {
    attribute(element, name)?.parse().ok()
}
