//! DICOM: the pixels of a file as numbers, and as what a viewer shows.
//!
//! A file is read in three steps, as PS3.3 (C.7.6.3, C.11) has them. [`pixels`] gives the samples as they are stored: native,
//! deflated, RLE, JPEG, lossless JPEG, JPEG-LS or JPEG 2000, cut to the bits that count. The modality step makes values of
//! them: by a table, or slope and intercept (Hounsfield units in CT). The window ([`crate::Window`]) makes shades of values,
//! from 0 for black to 1 for white, computed and kept in floating point, so that files with windows of their own have one
//! common form; MONOCHROME1 is turned over, palettes become colours. Colours are kept as they are.
//!
//! Elements are parsed here, as the crate for that (dicom-object) brings thirty others, keeps copies of everything, and
//! would read texts about people, which this must not: [`header`] names the few elements that are looked at. Names and dates
//! are not among them; the number of a patient is, and leaves [`facts`] as a hash only.

mod elements;
mod facts;
mod header;
mod jpegls;
mod lossless;
mod pixels;
mod rle;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::ops::Range;

pub(super) use self::elements::has_preamble;
pub(crate) use self::elements::is_dicom;
pub(crate) use self::facts::{Facts, Frame, facts};
use self::header::{FrameFacts, Header, Shape, Voi};
use self::pixels::{Color, Frames, Layout};
use super::pages::{PageSource, Take};
use super::{Refusal, Remark};
use crate::{Image, Pixels, Window, WindowRule};

/// A file whose data set lies open.
pub(super) struct File<'a> {
    syntax: &'a str,
    body: Cow<'a, [u8]>,
}

impl<'a> File<'a> {
    /// Unpacks the data set, if need be, to at most `allowed` bytes.
    pub(super) fn open(bytes: &'a [u8], allowed: u64) -> Result<File<'a>, Refusal> {
        let elements::File { syntax, body } = elements::open(bytes)?;
        let body = match syntax {
            elements::DEFLATED => Cow::Owned(elements::inflated(body, allowed)?),
            _ => Cow::Borrowed(body),
        };
        Ok(File { syntax, body })
    }

    /// Its frames as images, by `window`.
    pub(super) fn pages(&self, window: Window, allowed: u64) -> Result<Pictures<'_>, Refusal> {
        let header = Header::read(elements::data_set(self.syntax, &self.body))?;
        let layout = Layout::of(&header, self.syntax)?;
        if layout.color == Color::Palette && header.palette.is_none() {
            return Err("DICOM: the image has no palette, or one that is damaged".into());
        }
        let frames = Frames::open(&header, layout, allowed)?;
        let whole = all_whole(&header, &frames.layout);
        Ok(Pictures { header, frames, window, whole, held: None, extremes: None, by_extremes: false })
    }
}

/// The frames of a file.
pub(super) struct Pictures<'a> {
    header: Header<'a>,
    frames: Frames<'a>,
    window: Window,
    /// Whether values of all frames are whole numbers of 16 bits; `None` where those of a single frame say it.
    whole: Option<bool>,
    /// The values of the frame that was decoded last.
    held: Option<(usize, Vec<f64>)>,
    /// The smallest and the largest value of all frames, when they were asked for.
    extremes: Option<[f64; 2]>,
    /// Whether shades go by these.
    by_extremes: bool,
}

impl PageSource for Pictures<'_> {
    fn count(&self) -> usize {
        self.frames.layout.frames
    }

    fn visit(&mut self, range: Range<usize>, take: &mut Take<'_>) -> Result<(), Refusal> {
        for number in range {
            take(self.image(number)?)?;
        }
        Ok(())
    }

    fn remarks(&self) -> Vec<Remark> {
        let mut remarks = Vec::new();
        if let Color::Grey { .. } = self.frames.layout.color {
            let stated = self.window.bounds().is_some();
            remarks.push(match self.window {
                Window::Rule(WindowRule::None) => Remark::Unwindowed,
                _ if stated => Remark::Windowed,
                _ if self.by_extremes => Remark::NoWindow,
                _ => Remark::OwnWindow,
            });
            if stated && self.header.modality != "CT" {
                remarks.push(Remark::NoHounsfield);
            }
        }
        remarks
    }
}

impl Pictures<'_> {
    fn image(&mut self, number: usize) -> Result<Image, Refusal> {
        let layout = self.frames.layout.clone();
        let values = self.values(number)?;
        let stored = self.window == Window::Rule(WindowRule::None);
        let (channels, pixels) = match layout.color {
            Color::Grey { .. } | Color::Palette if stored => (1, numbers(values, self.whole)),
            Color::Grey { inverted } => (1, Pixels::F32(self.shades(number, values, inverted)?)),
            Color::Palette => (3, self.colors(&values)),
            Color::Rgb | Color::Ybr | Color::YbrHalf => (3, colors(values, &layout, stored)),
        };
        Image::new(layout.rows, layout.columns, channels, pixels).map_err(|error| error.to_string().into())
    }

    /// The values of a frame after the modality step; colours as they are stored.
    fn values(&mut self, number: usize) -> Result<Vec<f64>, Refusal> {
        if let Some((_, values)) = self.held.take_if(|(held, _)| *held == number) {
            return Ok(values);
        }
        let mut values = self.frames.samples(number)?;
        if !matches!(self.frames.layout.color, Color::Grey { .. }) {
            return Ok(values);
        }
        if let Some(table) = &self.header.modality_table {
            values.iter_mut().for_each(|value| *value = table.entry(*value).into());
        } else if let Some([slope, intercept]) = self.header.frame(number).rescale {
            values.iter_mut().for_each(|value| *value = slope * *value + intercept);
        }
        Ok(values)
    }

    /// The shades of a frame of grey, from 0 to 1.
    fn shades(&mut self, number: usize, values: Vec<f64>, inverted: bool) -> Result<Vec<f32>, Refusal> {
        let turned = |shade: f64| if inverted { 1.0 - shade } else { shade };
        let mapped = |values: &[f64], shade: &dyn Fn(f64) -> f64| -> Vec<f32> {
            values.iter().map(|&value| turned(shade(value)) as f32).collect()
        };
        if let Some([low, high]) = self.window.bounds() {
            return Ok(mapped(&values, &|value| ((value - low) / (high - low)).clamp(0.0, 1.0)));
        }
        if let Some(voi) = self.header.frame(number).voi {
            return Ok(mapped(&values, &|value| voi.shade(value)));
        }
        if let Some(table) = &self.header.voi_table {
            let top = f64::from(u16::MAX >> (16 - table.bits));
            return Ok(mapped(&values, &|value| (f64::from(table.entry(value)) / top).min(1.0)));
        }
        self.by_extremes = true;
        self.held = Some((number, values));
        let [low, high] = self.extremes()?;
        let values = self.values(number)?;
        let width = if high > low { high - low } else { f64::INFINITY };
        Ok(mapped(&values, &|value| (value - low) / width))
    }

    /// The smallest and the largest value of all frames.
    fn extremes(&mut self) -> Result<[f64; 2], Refusal> {
        if let Some(extremes) = self.extremes {
            return Ok(extremes);
        }
        let kept = self.held.take();
        let mut found = [f64::INFINITY, f64::NEG_INFINITY];
        let mut widen = |values: &[f64]| {
            found = values.iter().fold(found, |[low, high], &value| [low.min(value), high.max(value)]);
        };
        for number in 0..self.count() {
            match &kept {
                Some((held, values)) if *held == number => widen(values),
                _ => widen(&self.values(number)?),
            }
        }
        self.held = kept;
        self.extremes = Some(found);
        Ok(found)
    }

    /// The colours that the palette has for these values.
    fn colors(&self, values: &[f64]) -> Pixels {
        let Some(palette) = &self.header.palette else { return Pixels::U8(Vec::new()) };
        let colors = values.iter().flat_map(|&value| palette.iter().map(move |table| table.entry(value)));
        match palette.iter().all(|table| table.bits <= 8) {
            true => Pixels::U8(colors.map(|color| color.min(255) as u8).collect()),
            false => Pixels::U16(colors.collect()),
        }
    }
}

impl Voi {
    /// The shade of a value, from 0 to 1.
    fn shade(&self, value: f64) -> f64 {
        let &Voi { center, width, shape } = self;
        match shape {
            Shape::Linear if value <= center - 0.5 - (width - 1.0) / 2.0 => 0.0,
            Shape::Linear if value > center - 0.5 + (width - 1.0) / 2.0 => 1.0,
            Shape::Linear => (value - (center - 0.5)) / (width - 1.0) + 0.5,
            Shape::LinearExact => ((value - center) / width + 0.5).clamp(0.0, 1.0),
            Shape::Sigmoid => 1.0 / (1.0 + (-4.0 * (value - center) / width).exp()),
        }
    }
}

/// Whether the bits of several frames, which must have one type, allow no values but whole numbers of 16 bits.
fn all_whole(header: &Header<'_>, layout: &Layout) -> Option<bool> {
    if layout.frames == 1 {
        return None;
    }
    let [low, high] = match (layout.signed, 2f64.powi(layout.bits as i32)) {
        (true, count) => [-count / 2.0, count / 2.0 - 1.0],
        (false, count) => [0.0, count - 1.0],
    };
    let fits = |facts: &FrameFacts| {
        let [slope, intercept] = facts.rescale.unwrap_or([1.0, 0.0]);
        let ends = [slope * low + intercept, slope * high + intercept];
        slope.fract() == 0.0 && intercept.fract() == 0.0 && ends.into_iter().all(is_short)
    };
    let stated = header.each.len().min(layout.frames) + 1; // those beyond are like all
    Some(
        !layout.float
            && header.modality_table.is_none()
            && (0..stated).all(|number| fits(&header.frame(number))),
    )
}

fn is_short(value: f64) -> bool {
    value.fract() == 0.0 && (f64::from(i16::MIN)..=f64::from(i16::MAX)).contains(&value)
}

/// Values as they are: whole numbers of 16 bits where all are such, else floating point.
fn numbers(values: Vec<f64>, whole: Option<bool>) -> Pixels {
    match whole.unwrap_or_else(|| values.iter().copied().all(is_short)) {
        true => Pixels::I16(values.into_iter().map(|value| value as i16).collect()),
        false => Pixels::F32(values.into_iter().map(|value| value as f32).collect()),
    }
}

/// Colours as 8 or 16 bits; those of other depths as shares of the largest, unless they are wanted as they are stored.
fn colors(values: Vec<f64>, layout: &Layout, stored: bool) -> Pixels {
    let top = 2f64.powi(layout.bits as i32) - 1.0;
    match layout.bits {
        8 => Pixels::U8(values.into_iter().map(|value| value as u8).collect()),
        ..8 if stored => Pixels::U8(values.into_iter().map(|value| value as u8).collect()),
        16 => Pixels::U16(values.into_iter().map(|value| value as u16).collect()),
        9..16 if stored => Pixels::U16(values.into_iter().map(|value| value as u16).collect()),
        _ if stored => Pixels::F32(values.into_iter().map(|value| value as f32).collect()),
        _ => Pixels::F32(values.into_iter().map(|value| (value / top) as f32).collect()),
    }
}
