//! What OME-XML in the first description of a TIFF states: the order of planes, names of channels, the size of a pixel.
//!
//! Of `Pixels` the attributes `SizeC`, `SizeZ`, `SizeT` and `DimensionOrder` are read, and of its `TiffData` which plane
//! each image of the file is. Only the first series with planes in this file counts; one that has planes in other files too is
//! refused, as no image of it would be whole. (The OME data model, schema of June 2016, and its page on OME-TIFF.)

use roxmltree::{Document, Node, ParsingOptions};

use super::plan::{Plan, micrometres};
use crate::decode::{About, Refusal, Remark};
use crate::text::{SENTENCE, shown};

/// Elements and texts of a description, at most.
const MAX_NODES: u32 = 1 << 22;

/// Files that a refusal names.
const NAMED: usize = 3;

/// Numbers and strides of channels, slices and times.
struct Axes {
    /// Sizes of C, Z and T; colours of one image do not count as C.
    sizes: [usize; 3],
    /// How far apart neighbours are along C, Z and T.
    strides: [usize; 3],
}

/// `None` where there are no `Pixels`; a plan without planes where they make no sense, as where more are described than the
/// `found` images of the file. `samples` are those of a pixel of the first.
///
/// # Errors
/// Planes that lie in other files.
pub(super) fn plan(text: &str, samples: usize, found: usize) -> Result<Option<Plan>, Refusal> {
    let text = &text[text.find('<').unwrap_or(0)..];
    // A text of so many bytes has no more nodes.
    let nodes_limit = u32::try_from(text.len()).map_or(MAX_NODES, |len| len.clamp(1, MAX_NODES));
    let options = ParsingOptions { nodes_limit, ..ParsingOptions::default() };
    let Ok(document) = Document::parse_with_options(text, options) else {
        return Ok(Some(Plan::default()));
    };
    let root = document.root_element();
    if let Some(file) = child(root, "BinaryOnly").and_then(|node| node.attribute("MetadataFile")) {
        return Err(elsewhere(&format!("what its planes are is said in another file, {file}")));
    }
    let own = root.attribute("UUID");
    let here = |pixels: &Node<'_, '_>| {
        let mut data = children(*pixels, "TiffData").peekable();
        data.peek().is_none() || data.any(|data| is_here(data, own))
    };
    let mut series = root.descendants().filter(|node| named(node, "Pixels")).filter(here);
    let Some(pixels) = series.next() else {
        return Ok(None);
    };
    let others: Vec<Node<'_, '_>> =
        children(pixels, "TiffData").filter(|data| !is_here(*data, own)).collect();
    if !others.is_empty() {
        let names: Vec<&str> =
            others.iter().filter_map(|data| child(*data, "UUID")?.attribute("FileName")).collect();
        let more = if names.len() > NAMED { ", ..." } else { "" };
        let names = names.into_iter().take(NAMED).collect::<Vec<_>>().join(", ");
        return Err(elsewhere(&format!(
            "planes of its image lie in {} other files ({names}{more})",
            others.len()
        )));
    }
    let remarks = if series.next().is_some() { vec![Remark::Series] } else { Vec::new() };
    let axes = Axes::of(pixels, samples);
    let whole = axes.as_ref().filter(|axes| axes.all() <= found);
    let planes = whole.and_then(|axes| numbers(pixels, axes)).unwrap_or_default();
    let channels = axes.map_or(1, |axes| axes.sizes[0]);
    Ok(Some(Plan { channels, planes, remarks, about: about(pixels) }))
}

fn elsewhere(reason: &str) -> Refusal {
    Refusal::new(
        format!("OME-TIFF of several files: {}", shown(reason, SENTENCE)),
        "save each image with all its planes as one file (Bio-Formats' bfconvert, or Fiji, does)",
    )
}

/// Whether an element is called so in whatever namespace.
fn named(node: &Node<'_, '_>, name: &str) -> bool {
    node.tag_name().name() == name
}

fn children<'a, 'i>(node: Node<'a, 'i>, name: &'static str) -> impl Iterator<Item = Node<'a, 'i>> {
    node.children().filter(move |child| named(child, name))
}

fn child<'a, 'i>(node: Node<'a, 'i>, name: &'static str) -> Option<Node<'a, 'i>> {
    children(node, name).next()
}

/// Whether the planes of a `TiffData` are in the file whose UUID is `own`; without such names all are.
fn is_here(data: Node<'_, '_>, own: Option<&str>) -> bool {
    let file = child(data, "UUID").and_then(|uuid| uuid.text());
    file.zip(own).is_none_or(|(file, own)| file.trim() == own.trim())
}

/// What its channels are called, if any is, and how large a pixel is.
fn about(pixels: Node<'_, '_>) -> About {
    let name = |channel: Node<'_, '_>| {
        let name = channel.attribute("Name").or(channel.attribute("Fluor")).unwrap_or_default();
        name.trim().to_owned()
    };
    let mut channel_names: Vec<String> = children(pixels, "Channel").map(name).collect();
    if channel_names.iter().all(String::is_empty) {
        channel_names.clear();
    }
    for (name, number) in channel_names.iter_mut().zip(1..).filter(|(name, _)| name.is_empty()) {
        *name = format!("channel {number}");
    }
    let size = |[size, unit]: [&str; 2]| {
        let size: f64 = pixels.attribute(size)?.parse().ok()?;
        let size = size * micrometres(pixels.attribute(unit).unwrap_or("um"))?;
        (size.is_finite() && size > 0.0).then_some(size)
    };
    let down = size(["PhysicalSizeY", "PhysicalSizeYUnit"]);
    let across = size(["PhysicalSizeX", "PhysicalSizeXUnit"]);
    About { channel_names, pixel_size: down.zip(across).map(|(down, across)| [down, across]) }
}

impl Axes {
    fn of(pixels: Node<'_, '_>, samples: usize) -> Option<Axes> {
        let size = |name| number(pixels, name).unwrap_or(1);
        let channels = size("SizeC");
        let sizes =
            [if samples > 1 { channels / samples } else { channels }.max(1), size("SizeZ"), size("SizeT")];
        let all = sizes[0].checked_mul(sizes[1])?.checked_mul(sizes[2])?;
        let mut strides = [0; 3];
        let mut stride: usize = 1;
        for letter in pixels.attribute("DimensionOrder").unwrap_or("XYCZT").chars().skip(2) {
            let axis = "CZT".find(letter)?;
            strides[axis] = stride;
            stride = stride.saturating_mul(sizes[axis]);
        }
        (all > 0 && !strides.contains(&0)).then_some(Axes { sizes, strides })
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
fn numbers(pixels: Node<'_, '_>, axes: &Axes) -> Option<Vec<Option<usize>>> {
    let mut images = vec![None; axes.all()];
    let (mut stated, mut steps) = (false, 0);
    for data in children(pixels, "TiffData") {
        stated = true;
        let get = |name| number(data, name);
        let first = axes.at([get("FirstC"), get("FirstZ"), get("FirstT")].map(|first| first.unwrap_or(0)));
        let image = get("IFD").unwrap_or(0);
        let default = if get("IFD").is_some() { 1 } else { axes.all() };
        let count = get("PlaneCount").unwrap_or(default).min(axes.all());
        steps += count;
        // Who states a plane again and again is not to be followed.
        if steps > 2 * axes.all() {
            return None;
        }
        for step in 0..count {
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

fn number(element: Node<'_, '_>, name: &str) -> Option<usize> {
    element.attribute(name)?.parse().ok()
}
