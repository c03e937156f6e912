//! Two stains found in an image, and given the colours and strengths that they have in another.
//!
//! M. Macenko et al., "A method for normalizing histology slides for quantitative analysis", ISBI 2009, in the form in which
//! it is used (mitkovetta/staining-normalization, torchstain), with `I0` for the white of the scanner:
//!
//! 1. Optical density of every pixel: `d = -ln((I + 1) / I0)`. Tissue is where it is at least `beta` in all three channels.
//! 2. The plane of the tissue: the two eigenvectors `e1, e2` with the largest eigenvalues of the covariance of its densities.
//! 3. In it, each pixel of tissue has an angle, `atan2(d e2, d e1)`; the colours of the stains are the directions at
//!    percentiles `alpha` and `100 - alpha`. Haematoxylin is the one that has more red.
//! 4. Concentrations `C` of every pixel: the least squares of `d = S C`. The strength of a stain is their 99th percentile.
//! 5. Normalised: `I' = min(255, I0 exp(-S' diag(m' / m) C))`, with the colours `S'` and strengths `m'` of the reference.
//!
//! Steps 4 and 5 are one matrix for each image, which is all that has to be kept of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::matrix::{Matrix, eigenvectors};

/// How stains are found. The defaults are those that are commonly used.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Macenko {
    /// The value of white, `I0`.
    pub white: f64,
    /// The least optical density of tissue.
    pub beta: f64,
    /// The percentile of angles at which a stain is taken to be pure, from both ends.
    pub alpha: f64,
    /// The percentile of concentrations that is a stain's strength.
    pub strength_percentile: f64,
}

impl Default for Macenko {
    fn default() -> Macenko {
        Macenko { white: 240.0, beta: 0.15, alpha: 1.0, strength_percentile: 99.0 }
    }
}

/// The stains of an image: haematoxylin, then eosin.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stains {
    /// The colour of each, as optical densities of red, green and blue, of length 1.
    pub colors: [[f64; 3]; 2],
    /// The concentration that counts as full strength of each.
    pub strengths: [f64; 2],
}

/// An image has no two stains: no tissue, or tissue of one colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoStains;

/// Colours that differ by less (the sine of their angle, squared) cannot be told apart.
const ONE_COLOR: f64 = 1e-9;

impl Macenko {
    /// The optical densities of all 256 values.
    fn densities(&self) -> [f64; 256] {
        std::array::from_fn(|value| -((value as f64 + 1.0) / self.white).ln())
    }

    /// The densities of the pixels that are tissue. `pixels` are 8-bit RGB.
    pub(super) fn tissue(&self, pixels: &[[u8; 3]]) -> Vec<[f64; 3]> {
        let table = self.densities();
        let densities = pixels.iter().map(|pixel| pixel.map(|value| table[usize::from(value)]));
        densities.filter(|density| density.iter().all(|&channel| channel >= self.beta)).collect()
    }

    /// The stains of an image of 8-bit RGB.
    ///
    /// # Errors
    /// [`NoStains`] without tissue, and where all tissue has one colour.
    pub fn fit(&self, pixels: &[[u8; 3]]) -> Result<Stains, NoStains> {
        let colors = self.colors(&self.tissue(pixels))?;
        let concentrations = self.concentrations(&colors, pixels);
        let strength = |stain: usize| {
            let mut values: Vec<f64> = concentrations.iter().map(|pixel| pixel[stain]).collect();
            percentile(&mut values, self.strength_percentile)
        };
        let strengths = [strength(0), strength(1)];
        if strengths.iter().all(|&strength| strength > 0.0) {
            Ok(Stains { colors, strengths })
        } else {
            Err(NoStains)
        }
    }

    /// The colours of the stains of tissue with these densities: steps 2 and 3.
    fn colors(&self, tissue: &[[f64; 3]]) -> Result<[[f64; 3]; 2], NoStains> {
        if tissue.len() < 2 {
            return Err(NoStains);
        }
        let [mut first, second, _] = eigenvectors(covariance(tissue));
        if first.iter().sum::<f64>() < 0.0 {
            first = first.map(|entry| -entry);
        }
        let angle = |density: &[f64; 3]| dot(density, &second).atan2(dot(density, &first));
        let mut angles: Vec<f64> = tissue.iter().map(angle).collect();
        let ends = [self.alpha, 100.0 - self.alpha].map(|percent| percentile(&mut angles, percent));
        let [a, b] = ends.map(|angle| -> [f64; 3] {
            std::array::from_fn(|channel| angle.cos() * first[channel] + angle.sin() * second[channel])
        });
        let colors = if a[0] > b[0] { [a, b] } else { [b, a] };
        if overlap(&colors) < ONE_COLOR { Err(NoStains) } else { Ok(colors) }
    }

    /// The concentrations of both stains in every pixel.
    pub fn concentrations(&self, colors: &[[f64; 3]; 2], pixels: &[[u8; 3]]) -> Vec<[f64; 2]> {
        let (table, solve) = (self.densities(), least_squares(colors));
        let of = |pixel: &[u8; 3]| {
            let density = pixel.map(|value| table[usize::from(value)]);
            solve.map(|row| dot(&row, &density))
        };
        pixels.iter().map(of).collect()
    }

    /// What makes densities of an image with stains `from` those of one with stains `to`: `d' = S' diag(m' / m) S^+ d`.
    pub(super) fn towards(from: &Stains, to: &Stains) -> Matrix {
        let solve = least_squares(&from.colors);
        std::array::from_fn(|row| {
            std::array::from_fn(|column| {
                let part = |stain: usize| {
                    to.colors[stain][row] * to.strengths[stain] / from.strengths[stain] * solve[stain][column]
                };
                part(0) + part(1)
            })
        })
    }

    /// An image of 8-bit RGB with densities changed by `matrix`.
    pub(super) fn apply(&self, matrix: &Matrix, pixels: &[[u8; 3]]) -> Vec<u8> {
        let table = self.densities();
        let changed = |pixel: &[u8; 3]| {
            let density = pixel.map(|value| table[usize::from(value)]);
            matrix.map(|row| (self.white * (-dot(&row, &density)).exp()).min(255.0).round() as u8)
        };
        pixels.iter().flat_map(changed).collect()
    }
}

fn dot(a: &[f64; 3], b: &[f64; 3]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The covariance of the channels, divided by the number of pixels less one.
fn covariance(pixels: &[[f64; 3]]) -> Matrix {
    let count = pixels.len() as f64;
    let sum = |of: &dyn Fn(&[f64; 3]) -> f64| pixels.iter().map(of).sum::<f64>();
    let means: [f64; 3] = std::array::from_fn(|channel| sum(&|pixel| pixel[channel]) / count);
    std::array::from_fn(|i| {
        std::array::from_fn(|j| sum(&|pixel| (pixel[i] - means[i]) * (pixel[j] - means[j])) / (count - 1.0))
    })
}

/// The determinant of `S^T S`, which is the squared sine of the angle between two colours of length 1.
fn overlap([a, b]: &[[f64; 3]; 2]) -> f64 {
    dot(a, a) * dot(b, b) - dot(a, b) * dot(a, b)
}

/// `S^+ = (S^T S)^-1 S^T`, with the colours as columns of `S`.
fn least_squares(colors: &[[f64; 3]; 2]) -> [[f64; 3]; 2] {
    let [a, b] = colors;
    let (aa, ab, bb, scale) = (dot(a, a), dot(a, b), dot(b, b), overlap(colors).recip());
    [
        std::array::from_fn(|channel| scale * (bb * a[channel] - ab * b[channel])),
        std::array::from_fn(|channel| scale * (aa * b[channel] - ab * a[channel])),
    ]
}

/// By linear interpolation, as NumPy's default; `values` are reordered, and are not none.
fn percentile(values: &mut [f64], percent: f64) -> f64 {
    let place = percent / 100.0 * (values.len() - 1) as f64;
    let (_, &mut below, above) = values.select_nth_unstable_by(place as usize, f64::total_cmp);
    let next = above.iter().copied().min_by(f64::total_cmp).unwrap_or(below);
    below + (next - below) * place.fract()
}

#[cfg(test)]
mod tests {
    use twinlens_golden::{Case, cases};

    use super::*;
    use crate::stain::tests::{interleaved, planes};

    fn settings(case: &Case) -> Macenko {
        Macenko {
            white: case.number("Io"),
            beta: case.number("beta"),
            alpha: case.number("alpha"),
            strength_percentile: case.number("max_percentile"),
        }
    }

    /// Rows of a `[3, 2]` tensor.
    fn by_channel(colors: &[[f64; 3]; 2]) -> Vec<f64> {
        (0..3).flat_map(|channel| colors.map(|color| color[channel])).collect()
    }

    fn reference(case: &Case) -> Stains {
        let stains = case.f32("in.reference_stains");
        let color = |stain: usize| std::array::from_fn(|channel| f64::from(stains[2 * channel + stain]));
        let strengths = [0, 1].map(|stain: usize| f64::from(case.f32("in.reference_max")[stain]));
        Stains { colors: [color(0), color(1)], strengths }
    }

    #[test]
    fn stains_and_images_are_those_of_the_reference() {
        for case in cases("stain/macenko") {
            let how = settings(&case);
            let image = interleaved(case.u8("in.image"));
            let fitted = how.fit(&image);
            if case.said("expect") == Some("error") {
                assert_eq!(fitted, Err(NoStains), "{}", case.name());
                continue;
            }
            let stains = fitted.unwrap();
            case.check_exact("out.tissue_pixels", &[how.tissue(&image).len() as i64]);
            case.check("out.stains", &by_channel(&stains.colors));
            case.check("out.max_concentration", &stains.strengths);
            let concentrations = how.concentrations(&stains.colors, &image);
            let rows: Vec<f64> =
                (0..2).flat_map(|stain| concentrations.iter().map(move |pixel| pixel[stain])).collect();
            case.check("out.concentrations", &rows);
            let reference = reference(&case);
            if case.has("in.target") {
                let found = how.fit(&interleaved(case.u8("in.target"))).unwrap();
                let near = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-4 * b.abs().max(1.0);
                assert!(found.colors.as_flattened().iter().zip(reference.colors.as_flattened()).all(near));
                assert!(found.strengths.iter().zip(&reference.strengths).all(near), "{}", case.name());
            }
            let normalised = how.apply(&Macenko::towards(&stains, &reference), &image);
            case.check("out.image", &planes(&normalised));
        }
    }

    #[test]
    fn percentiles_are_those_of_numpy() {
        // numpy.percentile([3, 1, 2, 10, 7], [0, 10, 50, 99, 100])
        for (percent, expected) in [(0.0, 1.0), (10.0, 1.4), (50.0, 3.0), (99.0, 9.88), (100.0, 10.0)] {
            let found = percentile(&mut [3.0, 1.0, 2.0, 10.0, 7.0], percent);
            assert!((found - expected).abs() < 1e-12, "{percent}: {found}");
        }
        assert_eq!(percentile(&mut [4.0], 37.0), 4.0);
    }

    #[test]
    fn images_of_one_colour_have_no_stains() {
        for color in [[255; 3], [0; 3], [120, 40, 90], [240, 10, 240]] {
            assert_eq!(Macenko::default().fit(&[color; 50]), Err(NoStains), "{color:?}");
        }
        assert_eq!(Macenko::default().fit(&[]), Err(NoStains));
    }
}
