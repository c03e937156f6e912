//! Brightness, contrast, saturation and hue changed at random: torchvision's `ColorJitter`.

use multiversion::multiversion;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_random::Stream;

use crate::canvas::{Canvas, Shape};
use crate::compute::{join, luma, rgb, split, sum, truncate};
use crate::operation::{BuildContext, Check, Operation, Transform};
use crate::sample::Sample;

/// Changes brightness, contrast, saturation and hue by random amounts, in random order.
///
/// Brightness and contrast work on any number of channels. Saturation and hue do nothing to gray images and
/// are refused for other channel counts than 1 and 3.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ColorJitter {
    /// The factor is drawn uniformly from `[max(0, 1 - brightness), 1 + brightness]`.
    pub brightness: f64,
    /// As brightness.
    pub contrast: f64,
    /// As brightness.
    pub saturation: f64,
    /// The shift is drawn uniformly from `[-hue, hue]`, as a share of the full turn; at most 0.5.
    pub hue: f64,
    /// Probability of being applied.
    pub p: f64,
    /// Probability of a change of brightness by itself, instead of with the others by `p`.
    pub brightness_p: Option<f64>,
    /// As `brightness_p`, of contrast.
    pub contrast_p: Option<f64>,
    /// As `brightness_p`, of saturation.
    pub saturation_p: Option<f64>,
    /// As `brightness_p`, of hue.
    pub hue_p: Option<f64>,
}

impl Default for ColorJitter {
    fn default() -> Self {
        ColorJitter {
            brightness: 0.0,
            contrast: 0.0,
            saturation: 0.0,
            hue: 0.0,
            p: 1.0,
            brightness_p: None,
            contrast_p: None,
            saturation_p: None,
            hue_p: None,
        }
    }
}

impl Operation for ColorJitter {
    type Drawn = Adjustments;

    /// 1 where a change has its own probability: all are then decided upon in [`ColorJitter::draw`].
    fn p(&self) -> f64 {
        if self.separate().iter().any(Option::is_some) { 1.0 } else { self.p }
    }

    fn check(&self, check: &mut Check<'_>) {
        for (key, p) in SEPARATE.into_iter().zip(self.separate()).filter_map(|(key, p)| Some((key, p?))) {
            check.within(key, p, 0.0..=1.0);
        }
        if self.separate().iter().any(Option::is_some) {
            check.within("p", self.p, 0.0..=1.0);
        }
        let limit = 1e6;
        check.within("brightness", self.brightness, 0.0..=limit);
        check.within("contrast", self.contrast, 0.0..=limit);
        check.within("saturation", self.saturation, 0.0..=limit);
        check.within("hue", self.hue, 0.0..=0.5);
        if self.saturation_p.unwrap_or(self.p) > 0.0 && self.saturation != 0.0 {
            check.rgb_or_gray("saturation", "0");
        }
        if self.hue_p.unwrap_or(self.p) > 0.0 && self.hue != 0.0 {
            check.rgb_or_gray("hue", "0");
        }
    }

    fn draw(&self, stream: &mut Stream, _: Shape, _: &BuildContext) -> Adjustments {
        let mut factor = |amount: f64| stream.range((1.0 - amount).max(0.0), 1.0 + amount);
        let mut order = [
            Adjustment::Brightness(factor(self.brightness)),
            Adjustment::Contrast(factor(self.contrast)),
            Adjustment::Saturation(factor(self.saturation)),
            Adjustment::Hue(stream.range(-self.hue, self.hue)),
        ];
        stream.shuffle(&mut order);
        if self.separate().iter().any(Option::is_some) {
            self.leave_out(&mut order, stream);
        }
        Adjustments { order }
    }
}

/// The keys of the separate probabilities.
const SEPARATE: [&str; 4] = ["brightness_p", "contrast_p", "saturation_p", "hue_p"];

impl ColorJitter {
    fn separate(&self) -> [Option<f64>; 4] {
        [self.brightness_p, self.contrast_p, self.saturation_p, self.hue_p]
    }

    /// Replaces the changes that chance decides against by none.
    fn leave_out(&self, order: &mut [Adjustment; 4], stream: &mut Stream) {
        let together = stream.chance(self.p);
        let [brightness, contrast, saturation, hue] =
            self.separate().map(|p| p.map_or(together, |p| stream.chance(p)));
        for adjustment in order {
            *adjustment = match *adjustment {
                Adjustment::Brightness(_) if !brightness => Adjustment::Brightness(1.0),
                Adjustment::Contrast(_) if !contrast => Adjustment::Contrast(1.0),
                Adjustment::Saturation(_) if !saturation => Adjustment::Saturation(1.0),
                Adjustment::Hue(_) if !hue => Adjustment::Hue(0.0),
                kept => kept,
            };
        }
    }
}

/// One change of colour. White is 1 below; integer images drop the fraction after each change.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Adjustment {
    /// `clamp(factor x)`.
    Brightness(f64),
    /// `clamp(factor x + (1 - factor) m)`, m the mean luma of an RGB image, else the mean of x's channel.
    Contrast(f64),
    /// `clamp(factor x + (1 - factor) luma)`.
    Saturation(f64),
    /// The hue turned by this share of the full circle.
    Hue(f64),
}

impl Adjustment {
    fn is_identity(self) -> bool {
        match self {
            Adjustment::Brightness(factor)
            | Adjustment::Contrast(factor)
            | Adjustment::Saturation(factor) => factor == 1.0,
            Adjustment::Hue(shift) => shift == 0.0,
        }
    }

    fn needs_color(self) -> bool {
        matches!(self, Adjustment::Saturation(_) | Adjustment::Hue(_))
    }

    /// Applies the change to one plane per channel.
    fn apply<T: Sample>(self, planes: &mut [f32], channels: usize) {
        match self {
            Adjustment::Brightness(factor) => blend::<T>(planes, factor as f32, 0.0),
            Adjustment::Contrast(factor) => contrast::<T>(planes, channels, factor as f32),
            Adjustment::Saturation(factor) => saturate::<T>(rgb(planes), factor as f32),
            Adjustment::Hue(shift) => turn_hue::<T>(rgb(planes), shift as f32),
        }
    }
}

/// Four changes of colour, in the order in which they are applied.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Adjustments {
    /// The changes, first to last.
    pub order: [Adjustment; 4],
}

impl Transform for Adjustments {
    fn apply<T: Sample>(&self, canvas: &mut Canvas<'_, T>) {
        canvas.edit(|shape, samples, scratch| {
            let planes = &mut scratch.planes;
            split(samples, shape.channels, planes);
            for adjustment in self.order {
                let possible = shape.channels == 3 || !adjustment.needs_color();
                if possible && !adjustment.is_identity() {
                    adjustment.apply::<T>(planes, shape.channels);
                }
            }
            join(planes, shape.channels, samples);
        });
    }
}

/// `x = clamp(factor x + offset)`.
#[multiversion(targets("x86_64+avx2"))]
fn blend<T: Sample>(values: &mut [f32], factor: f32, offset: f32) {
    for value in values {
        *value = truncate::<T>(factor * *value + offset);
    }
}

fn contrast<T: Sample>(planes: &mut [f32], channels: usize, factor: f32) {
    let pixels = planes.len() / channels;
    let mean = |total: f64| (total / pixels as f64) as f32;
    if channels == 3 {
        let mean = mean(luma_sum::<T>(rgb(planes)));
        blend::<T>(planes, factor, (1.0 - factor) * mean);
    } else {
        for plane in planes.chunks_exact_mut(pixels) {
            let mean = mean(sum(plane));
            blend::<T>(plane, factor, (1.0 - factor) * mean);
        }
    }
}

#[multiversion(targets("x86_64+avx2"))]
fn luma_sum<T: Sample>([red, green, blue]: [&mut [f32]; 3]) -> f64 {
    const BLOCK: usize = 1024;
    let mut lumas = [0.0; BLOCK];
    let mut total = 0.0;
    for ((red, green), blue) in red.chunks(BLOCK).zip(green.chunks(BLOCK)).zip(blue.chunks(BLOCK)) {
        for (((luminance, &red), &green), &blue) in lumas.iter_mut().zip(red).zip(green).zip(blue) {
            *luminance = luma::<T>(red, green, blue);
        }
        total += sum(&lumas[..red.len()]);
    }
    total
}

#[multiversion(targets("x86_64+avx2"))]
fn saturate<T: Sample>([red, green, blue]: [&mut [f32]; 3], factor: f32) {
    for ((red, green), blue) in red.iter_mut().zip(green).zip(blue) {
        let gray = (1.0 - factor) * luma::<T>(*red, *green, *blue);
        *red = truncate::<T>(factor * *red + gray);
        *green = truncate::<T>(factor * *green + gray);
        *blue = truncate::<T>(factor * *blue + gray);
    }
}

/// RGB to HSV, h + shift, and back.
///
/// With V = max, C = max - min and H in sixths of a turn, the way back is `V - C max(0, min(k, 4 - k, 1))`,
/// k = (n + H) mod 6 with n = 5, 3, 1 for R, G, B: the usual six cases in one formula (A. R. Smith, "Color
/// gamut transform pairs", SIGGRAPH 1978). torchvision ends with `trunc(255.999 x)` for 8 bits.
#[multiversion(targets("x86_64+avx2"))]
fn turn_hue<T: Sample>([red, green, blue]: [&mut [f32]; 3], shift: f32) {
    let scale = if T::INTEGER { (T::WHITE + 0.999) / T::WHITE } else { 1.0 };
    let shift = 6.0 * (shift - shift.floor());
    for ((red, green), blue) in red.iter_mut().zip(green).zip(blue) {
        let (r, g, b) = (*red, *green, *blue);
        let value = larger(larger(r, g), b);
        let chroma = value - smaller(smaller(r, g), b);
        let unit = if chroma > 0.0 { 1.0 / chroma } else { 0.0 };
        let from_blue = (r - g) * unit + 4.0;
        let from_green = (b - r) * unit + 2.0;
        let from_red = (g - b) * unit;
        let other = if value == g { from_green } else { from_blue };
        let hue = if value == r { from_red } else { other } + shift;
        let channel = |n: f32| {
            let turned = (hue + n) * (1.0 / 6.0);
            let k = 6.0 * (turned - turned.floor());
            let share = clamp_unit(smaller(k, 4.0 - k));
            truncate::<T>((value - chroma * share) * scale)
        };
        *red = channel(5.0);
        *green = channel(3.0);
        *blue = channel(1.0);
    }
}

#[inline(always)]
fn larger(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

#[inline(always)]
fn smaller(a: f32, b: f32) -> f32 {
    if a < b { a } else { b }
}

#[inline(always)]
fn clamp_unit(value: f32) -> f32 {
    smaller(larger(value, 0.0), 1.0)
}
