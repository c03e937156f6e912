//! Mean and standard deviation of each channel of CIE L\*a\*b\* given the values that they have in another image.
//!
//! E. Reinhard et al., "Color transfer between images", IEEE Computer Graphics and Applications 2001, with the L\*a\*b\* of
//! white D65 in place of its l-alpha-beta, as is usual for histology:
//!
//! `lab' = (lab - mean) / std * std' + mean'`
//!
//! Standard deviations are divided by the number of pixels. A channel without any deviation becomes the mean of the
//! reference.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::matrix::{Matrix, inverse, times_column};

/// Red, green and blue of sRGB, linear, to X, Y and Z.
const XYZ: Matrix =
    [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]];

/// X, Y and Z of white, D65 seen at 2 degrees.
const WHITE: [f64; 3] = [0.95047, 1.0, 1.08883];

/// A channel that deviates no more than this is constant.
const CONSTANT: f64 = 1e-6;

/// Mean and standard deviation of L\*, a\* and b\*.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LabStatistics {
    /// The means.
    pub mean: [f64; 3],
    /// The standard deviations.
    pub std: [f64; 3],
}

/// What is done to L\*, a\* and b\*: `lab' = scale lab + shift`.
pub(super) struct Transfer {
    scale: [f64; 3],
    shift: [f64; 3],
}

/// The shares of white of all 256 values, linear (IEC 61966-2-1).
fn linear() -> [f64; 256] {
    std::array::from_fn(|value| {
        let share = value as f64 / 255.0;
        if share > 0.04045 { ((share + 0.055) / 1.055).powf(2.4) } else { share / 12.92 }
    })
}

/// The other way round, for one value.
fn encoded(linear: f64) -> f64 {
    if linear > 0.0031308 { 1.055 * linear.powf(1.0 / 2.4) - 0.055 } else { 12.92 * linear }
}

fn to_lab(rgb: [f64; 3]) -> [f64; 3] {
    let xyz = times_column(XYZ, rgb);
    let bent = |axis: usize| {
        let share = xyz[axis] / WHITE[axis];
        if share > 0.008856 { share.cbrt() } else { 7.787 * share + 16.0 / 116.0 }
    };
    let [x, y, z] = [bent(0), bent(1), bent(2)];
    [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
}

/// Linear red, green and blue; beyond 0 and 1 where no screen shows the colour.
fn from_lab([l, a, b]: [f64; 3], rgb_of_xyz: Matrix) -> [f64; 3] {
    let y = (l + 16.0) / 116.0;
    let bent = [y + a / 500.0, y, (y - b / 200.0).max(0.0)];
    let xyz = std::array::from_fn(|axis| {
        let bent: f64 = bent[axis];
        WHITE[axis] * if bent > 0.2068966 { bent.powi(3) } else { (bent - 16.0 / 116.0) / 7.787 }
    });
    times_column(rgb_of_xyz, xyz)
}

/// L\*, a\* and b\* of pixels of 8-bit RGB.
fn lab(pixels: &[[u8; 3]]) -> impl Iterator<Item = [f64; 3]> {
    let table = linear();
    pixels.iter().map(move |pixel| to_lab(pixel.map(|value| table[usize::from(value)])))
}

impl LabStatistics {
    /// Those of an image of 8-bit RGB; zeros without pixels.
    pub fn of(pixels: &[[u8; 3]]) -> LabStatistics {
        let lab: Vec<[f64; 3]> = lab(pixels).collect();
        let count = lab.len().max(1) as f64;
        let sum = |of: &dyn Fn(&[f64; 3]) -> f64| lab.iter().map(of).sum::<f64>() / count;
        let mean: [f64; 3] = std::array::from_fn(|channel| sum(&|lab| lab[channel]));
        let std = std::array::from_fn(|channel| sum(&|lab| (lab[channel] - mean[channel]).powi(2)).sqrt());
        LabStatistics { mean, std }
    }

    /// The mean of both over several images; `None` of no image.
    pub(super) fn mean_of(all: &[LabStatistics]) -> Option<LabStatistics> {
        let mean = |of: &dyn Fn(&LabStatistics) -> f64| all.iter().map(of).sum::<f64>() / all.len() as f64;
        (!all.is_empty()).then(|| LabStatistics {
            mean: std::array::from_fn(|channel| mean(&|one| one.mean[channel])),
            std: std::array::from_fn(|channel| mean(&|one| one.std[channel])),
        })
    }

    /// What makes an image with these statistics one with those of `target`.
    pub(super) fn towards(&self, target: &LabStatistics) -> Transfer {
        let scale: [f64; 3] = std::array::from_fn(|channel| match self.std[channel] {
            std if std > CONSTANT => target.std[channel] / std,
            _ => 0.0,
        });
        let shift = |channel: usize| target.mean[channel] - scale[channel] * self.mean[channel];
        Transfer { scale, shift: [shift(0), shift(1), shift(2)] }
    }
}

impl Transfer {
    /// An image of 8-bit RGB so changed.
    pub(super) fn apply(&self, pixels: &[[u8; 3]]) -> Vec<u8> {
        let rgb_of_xyz = inverse(XYZ);
        let changed = |lab: [f64; 3]| {
            let lab = std::array::from_fn(|channel| self.scale[channel] * lab[channel] + self.shift[channel]);
            from_lab(lab, rgb_of_xyz).map(|value| (255.0 * encoded(value).clamp(0.0, 1.0)).round() as u8)
        };
        lab(pixels).flat_map(changed).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use twinlens_golden::cases;

    use super::*;
    use crate::stain::tests::{interleaved, planes};

    #[test]
    fn statistics_and_images_are_those_of_the_reference() {
        for case in cases("stain/reinhard") {
            assert_eq!(case.number("min_std"), CONSTANT);
            let (image, target) = (interleaved(case.u8("in.image")), interleaved(case.u8("in.target")));
            let (source, target) = (LabStatistics::of(&image), LabStatistics::of(&target));
            case.check("out.mean_source", &source.mean);
            case.check("out.std_source", &source.std);
            case.check("out.mean_target", &target.mean);
            case.check("out.std_target", &target.std);
            case.check("out.image", &planes(&source.towards(&target).apply(&image)));
        }
    }

    #[test]
    fn known_colours() {
        // L*a*b* of sRGB's white, black and red, as tables have them for D65.
        for (rgb, expected) in
            [([255; 3], [100.0, 0.0, 0.0]), ([0; 3], [0.0; 3]), ([255, 0, 0], [53.24, 80.09, 67.2])]
        {
            let found = lab(&[rgb]).next().unwrap();
            assert!(found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 0.02), "{rgb:?}: {found:?}");
        }
    }

    proptest! {
        #[test]
        fn an_image_given_its_own_statistics_stays(pixels in prop::collection::vec(any::<[u8; 3]>(), 2..60)) {
            let own = LabStatistics::of(&pixels);
            let same = own.towards(&own).apply(&pixels);
            prop_assume!(own.std.iter().all(|&std| std > CONSTANT));
            prop_assert_eq!(&same[..], pixels.as_flattened());
        }
    }
}
