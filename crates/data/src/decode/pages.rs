//! Of several pages, those that are wanted.

use std::cmp::Ordering;
use std::ops::Range;

use super::About;
use super::refusal::Refusal;
use super::remark::Remark;
use crate::{Image, Pages, PixelType, Pixels, each_pixel_type};

/// The pages of one file.
pub(super) trait PageSource {
    /// How many there are; at least 1.
    fn count(&self) -> usize;

    /// Decodes pages `range` and hands them over, in order.
    fn visit(&mut self, range: Range<usize>, take: &mut Take<'_>) -> Result<(), Refusal>;

    /// How the file says that it must be turned, as EXIF numbers it; 1 for upright.
    fn orientation(&self) -> u8 {
        1
    }

    /// Whether the pages are slices of a volume: then each is an image, unless something else than the first is wanted.
    fn is_volume(&self) -> bool {
        false
    }

    /// What there is to say after the visit.
    fn remarks(&self) -> Vec<Remark> {
        Vec::new()
    }

    /// What the file says of its images.
    fn about(&self) -> About {
        About::default()
    }
}

/// The one image of a file, or the first.
pub(super) struct Still {
    pub(super) image: Image,
    pub(super) orientation: u8,
    /// Alpha was left out.
    pub(super) alpha: bool,
}

impl PageSource for Still {
    fn count(&self) -> usize {
        1
    }

    fn visit(&mut self, _: Range<usize>, take: &mut Take<'_>) -> Result<(), Refusal> {
        take(self.image.clone())
    }

    fn orientation(&self) -> u8 {
        self.orientation
    }

    fn remarks(&self) -> Vec<Remark> {
        if self.alpha { vec![Remark::Alpha] } else { Vec::new() }
    }
}

/// Takes one page.
pub(super) type Take<'a> = dyn FnMut(Image) -> Result<(), Refusal> + 'a;

/// The images that `pages` wants; together no more than `allowed` bytes.
pub(super) fn pick(source: &mut dyn PageSource, pages: Pages, allowed: u64) -> Result<Vec<Image>, Refusal> {
    let count = source.count();
    let range = match pages {
        Pages::First => 0..1,
        Pages::Middle => count / 2..count / 2 + 1,
        Pages::Max | Pages::Mean | Pages::Each => 0..count,
    };
    let mut images: Vec<Image> = Vec::new();
    let mut mean = Mean::default();
    let mut held = 0;
    source.visit(range, &mut |image| {
        if pages == Pages::Mean {
            mean.add(&image.pixels);
        }
        if let (Some(first), Pages::Max | Pages::Mean) = (images.last_mut(), pages) {
            alike(first, &image)?;
            if pages == Pages::Max {
                raise(&mut first.pixels, &image.pixels);
            }
            return Ok(());
        }
        held += (image.pixels.len() * image.pixel_type().bytes()) as u64;
        images.push(image);
        if held > allowed {
            let reason = format!("its {count} pages need more than the limit of {allowed} bytes");
            return Err(Refusal::new(reason, "raise the memory limit"));
        }
        Ok(())
    })?;
    if let (Some(image), Pages::Mean) = (images.first_mut(), pages) {
        image.pixels = mean.of_type(image.pixel_type());
    }
    if images.is_empty() { Err("the file holds no image".into()) } else { Ok(images) }
}

/// Refuses pages that cannot become one.
fn alike(first: &Image, image: &Image) -> Result<(), Refusal> {
    let differ = |what: &str| {
        let reason = format!("its pages differ in {what}, so that they do not become one image");
        Err(Refusal::new(reason, "{pages} each makes every page an image"))
    };
    if [first.height, first.width, first.channels] != [image.height, image.width, image.channels] {
        return differ("size");
    }
    if first.pixel_type() != image.pixel_type() { differ("type") } else { Ok(()) }
}

/// Raises every sample of `largest` to that of `pixels`, of the same type, if it is larger.
fn raise(largest: &mut Pixels, pixels: &Pixels) {
    match (largest, pixels) {
        (Pixels::U8(all), Pixels::U8(new)) => raise_all(all, new),
        (Pixels::U16(all), Pixels::U16(new)) => raise_all(all, new),
        (Pixels::I16(all), Pixels::I16(new)) => raise_all(all, new),
        (Pixels::U32(all), Pixels::U32(new)) => raise_all(all, new),
        (Pixels::F32(all), Pixels::F32(new)) => raise_all(all, new),
        _ => {}
    }
}

/// The sums of pages so far.
#[derive(Default)]
struct Mean {
    sums: Vec<f64>,
    pages: usize,
}

impl Mean {
    fn add(&mut self, pixels: &Pixels) {
        self.sums.resize(pixels.len().max(self.sums.len()), 0.0);
        self.pages += 1;
        each_pixel_type!(pixels, values => {
            self.sums.iter_mut().zip(values).for_each(|(sum, &value)| *sum += f64::from(value));
        });
    }

    /// The means, whole numbers rounded to the nearest.
    fn of_type(&self, pixel_type: PixelType) -> Pixels {
        let means = self.sums.iter().map(|sum| sum / self.pages as f64);
        match pixel_type {
            PixelType::U8 => Pixels::U8(means.map(|mean| mean.round() as u8).collect()),
            PixelType::U16 => Pixels::U16(means.map(|mean| mean.round() as u16).collect()),
            PixelType::I16 => Pixels::I16(means.map(|mean| mean.round() as i16).collect()),
            PixelType::U32 => Pixels::U32(means.map(|mean| mean.round() as u32).collect()),
            PixelType::F32 => Pixels::F32(means.map(|mean| mean as f32).collect()),
        }
    }
}

/// What cannot be compared (NaN) wins, so that it is not lost from sight.
fn raise_all<T: PartialOrd + Copy>(all: &mut [T], new: &[T]) {
    for (old, &new) in all.iter_mut().zip(new) {
        if !matches!(new.partial_cmp(old), Some(Ordering::Less | Ordering::Equal)) {
            *old = new;
        }
    }
}
