//! Which images of a TIFF are pages and which are channels of one page.
//!
//! ImageJ and OME write down which channel, slice and time each image is. Channels become channels; slices and times are
//! pages. Without such a description every image is a page. Smaller copies and masks are no pages, and images that
//! differ from the first in size or type are left out with a word.

use std::ops::Range;

use rayon::prelude::*;

use super::directory::*;
use super::layout::Layout;
use super::plan::{Plan, micrometres};
use super::{ome, raster};
use crate::Image;
use crate::decode::guard::guarded;
use crate::decode::pages::{PageSource, Take};
use crate::decode::{About, Refusal, Remark, stacked};

/// The pages of a TIFF.
pub(crate) struct Stack<'a> {
    pub(super) directories: Vec<Directory<'a>>,
    /// The images of each page, which are its channels.
    pub(super) pages: Vec<Vec<Plane>>,
    /// Of the first image.
    layout: Layout,
    allowed: u64,
    remarks: Vec<Remark>,
    about: About,
}

/// One image: its directory, and what is added to the place of its bytes.
#[derive(Clone, Copy)]
pub(super) struct Plane {
    pub(super) directory: usize,
    pub(super) shift: u64,
}

impl<'a> Stack<'a> {
    /// Reads the directories of a TIFF.
    pub(crate) fn open(source: Source<'a>, allowed: u64) -> Result<Stack<'a>, Refusal> {
        let (directories, whole) = File::open(source)?;
        let mut remarks = if whole { Vec::new() } else { vec![Remark::BrokenList] };
        let (directories, full) = full_images(directories)?;
        let layout = Layout::of(&directories[full[0]])?;
        let (pages, about) = match described(&directories, &layout)? {
            Some(Described { pages, remarks: more, about }) => {
                remarks.extend(more);
                (pages, about)
            }
            None => {
                let alike = alike(&directories, &full, &layout);
                if alike.len() < full.len() {
                    remarks.push(Remark::OtherPages);
                }
                let page = |directory| vec![Plane { directory, shift: 0 }];
                (alike.into_iter().map(page).collect(), About::default())
            }
        };
        Ok(Stack { directories, pages, layout, allowed, remarks, about })
    }

    /// The page of that number, with what there is to say of it. A decoder that panics costs the file, on any thread.
    fn page(&self, page: usize) -> Result<(Image, Vec<Remark>), Refusal> {
        let mut remarks = Vec::new();
        let mut plane = |plane: &Plane| {
            let tags = &self.directories[plane.directory];
            raster::read(tags, &Layout::of(tags)?, plane.shift, self.allowed, &mut remarks)
        };
        let images = || self.pages[page].iter().map(&mut plane).collect::<Result<Vec<_>, Refusal>>();
        let image = stacked(guarded(images)??)?;
        Ok((image, remarks))
    }

    /// How many pages are decoded at once: enough for all threads, within the memory allowed (16 bytes a sample on the way).
    fn at_once(&self) -> usize {
        let Layout { width, height, samples, .. } = self.layout;
        let bytes =
            [width, height, samples, 16].iter().fold(1u64, |bytes, &n| bytes.saturating_mul(n as u64));
        (self.allowed / bytes.max(1)).clamp(1, 64) as usize
    }
}

impl PageSource for Stack<'_> {
    fn count(&self) -> usize {
        self.pages.len()
    }

    fn visit(&mut self, range: Range<usize>, take: &mut Take<'_>) -> Result<(), Refusal> {
        for start in range.clone().step_by(self.at_once()) {
            let pages = start..range.end.min(start + self.at_once());
            let decoded: Vec<_> = pages.into_par_iter().map(|page| self.page(page)).collect();
            for page in decoded {
                let (image, mut remarks) = page?;
                remarks.retain(|remark| !self.remarks.contains(remark));
                self.remarks.extend(remarks);
                take(image)?;
            }
        }
        Ok(())
    }

    fn orientation(&self) -> u8 {
        self.layout.orientation
    }

    fn remarks(&self) -> Vec<Remark> {
        self.remarks.clone()
    }

    fn about(&self) -> About {
        self.about.clone()
    }
}

/// The directories, and which of them are full images: not smaller copies or masks. Where all of the list are such, the
/// full ones hang below them.
fn full_images(mut directories: Vec<Directory<'_>>) -> Result<(Vec<Directory<'_>>, Vec<usize>), String> {
    let full = |directories: &[Directory<'_>]| -> Vec<usize> {
        (0..directories.len()).filter(|&index| !directories[index].is_reduced()).collect()
    };
    if full(&directories).is_empty() {
        for index in 0..directories.len() {
            let file = directories[index].file();
            for at in directories[index].numbers(SUB_DIRECTORIES)?.unwrap_or_default() {
                directories.push(file.directory(at)?.0);
            }
        }
    }
    let mut found = full(&directories);
    if found.is_empty() {
        found.push(0);
    }
    Ok((directories, found))
}

/// Those of the images that are like the first.
fn alike(directories: &[Directory<'_>], images: &[usize], first: &Layout) -> Vec<usize> {
    let like_first =
        |&&index: &&usize| Layout::of(&directories[index]).is_ok_and(|layout| layout.like(first));
    images
        .iter()
        .enumerate()
        .filter(|(at, index)| *at == 0 || like_first(index))
        .map(|(_, &index)| index)
        .collect()
}

/// What is said of the images of a file.
struct Described {
    pages: Vec<Vec<Plane>>,
    remarks: Vec<Remark>,
    about: About,
}

/// Pages as ImageJ, OME or MetaMorph describe them; `None` where no one does.
fn described(directories: &[Directory<'_>], first: &Layout) -> Result<Option<Described>, Refusal> {
    let text = directories[0].text(DESCRIPTION);
    let planes = planes(directories, first, &text);
    let plan = if text.starts_with("ImageJ=") {
        imagej(&text, planes.len(), first.samples)
            .map(|plan| Plan { about: imagej_about(&directories[0], &text), ..plan })
    } else if text.contains("<OME") {
        ome::plan(&text, first.samples, planes.len())?
    } else if directories[0].count(METAMORPH_PLANES) > 1 && planes.len() > 1 {
        Some(Plan { channels: 1, planes: (0..planes.len()).map(Some).collect(), ..Plan::default() })
    } else {
        None
    };
    let Some(plan) = plan else { return Ok(None) };
    let found: Option<Vec<Plane>> =
        plan.planes.iter().map(|number| planes.get((*number)?).copied()).collect();
    let fits = |found: &Vec<Plane>| {
        let like =
            |plane: &Plane| Layout::of(&directories[plane.directory]).is_ok_and(|layout| layout.like(first));
        !found.is_empty() && found.len().is_multiple_of(plan.channels) && found.iter().all(like)
    };
    Ok(Some(match found.filter(fits) {
        Some(found) => Described {
            pages: found.chunks(plan.channels).map(<[Plane]>::to_vec).collect(),
            remarks: plan.remarks,
            about: plan.about,
        },
        None => {
            let single = planes.iter().filter(|plane| !directories[plane.directory].is_reduced());
            let pages = single.map(|&plane| vec![plane]).collect();
            Described { pages, remarks: vec![Remark::Misdescribed], about: About::default() }
        }
    }))
}

/// All images in the order of the file. ImageJ and MetaMorph write large stacks as one directory, whose images follow
/// each other without compression.
fn planes(directories: &[Directory<'_>], first: &Layout, text: &str) -> Vec<Plane> {
    let hidden = match text.starts_with("ImageJ=") {
        true => imagej_number(text, "images").unwrap_or(1),
        false => directories[0].count(METAMORPH_PLANES).max(1),
    };
    if directories.len() > 1 || hidden < 2 || first.compression != 1 {
        return (0..directories.len()).map(|directory| Plane { directory, shift: 0 }).collect();
    }
    let bits = first.width.saturating_mul(first.samples).saturating_mul(first.bits);
    let len = (bits.div_ceil(8) as u64).saturating_mul(first.height as u64);
    let start = first.place(&directories[0], 0).map_or(u64::MAX, |[offset, _]| offset);
    let room = directories[0].file().source.len().saturating_sub(start);
    let there = (room / len.max(1)).min(hidden as u64);
    (0..there.max(1)).map(|image| Plane { directory: 0, shift: image * len }).collect()
}

fn imagej_number(text: &str, name: &str) -> Option<usize> {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
    value.trim().parse().ok()
}

/// ImageJ counts channels first, then slices, then frames. Colours of one image are its own channels.
fn imagej(text: &str, found: usize, samples: usize) -> Option<Plan> {
    let number = |name| imagej_number(text, name).filter(|&number| number > 0);
    let channels = if samples > 1 { 1 } else { number("channels").unwrap_or(1) };
    let said =
        channels.checked_mul(number("slices").unwrap_or(1))?.checked_mul(number("frames").unwrap_or(1))?;
    let images = number("images").unwrap_or(said);
    let whole = images == found && (said == images || said == channels || said == 1);
    let planes = if whole { (0..images).map(Some).collect() } else { Vec::new() };
    Some(Plan { channels, planes, ..Plan::default() })
}

/// The size of a pixel: ImageJ gives the pixels of a unit as the resolution, and the unit in its description.
fn imagej_about(tags: &Directory<'_>, text: &str) -> About {
    let unit = text.lines().find_map(|line| line.strip_prefix("unit=")).and_then(micrometres);
    let pixels = |tag| tags.reals(tag).ok().flatten().and_then(|reals| reals.first().copied());
    let size = |tag| Some(unit? / pixels(tag)?).filter(|size| size.is_finite() && *size > 0.0);
    let size = size(Y_RESOLUTION).zip(size(X_RESOLUTION)).map(|(down, across)| [down, across]);
    About { pixel_size: size, ..About::default() }
}
