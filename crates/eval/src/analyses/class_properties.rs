//! What the classes of a data set are like: their features, and their images.

use serde::{Deserialize, Serialize};

use super::Tested;
use crate::health::{covariance_spectrum, two_nn};
use crate::settings::{above_zero, at_least};
use crate::texture::{Cooccurrence, Grey, OFFSETS, Texture, high_frequency};
use crate::{EvalError, Features, Labelled};

/// Settings of [`image_measures`] and [`class_properties`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PropertySettings {
    /// Share of the ratios that the intrinsic dimension is fitted to ([`two_nn`]).
    pub keep: f64,
    /// Images that a class must have for an intrinsic dimension.
    pub least: usize,
    /// Shares of the spectrum that are kept.
    pub shares: usize,
    /// Grey levels of the co-occurrence.
    pub levels: usize,
    /// Frequencies above this are high, in cycles per pixel.
    pub cutoff: f64,
}

impl Default for PropertySettings {
    /// 0.9 of the ratios of at least 20 images, 10 shares, 256 grey levels, 0.25 cycles per pixel.
    fn default() -> PropertySettings {
        PropertySettings { keep: 0.9, least: 20, shares: 10, levels: 256, cutoff: 0.25 }
    }
}

impl PropertySettings {
    /// Refuses settings outside their range.
    ///
    /// # Errors
    /// [`EvalError::Setting`].
    pub fn check(&self) -> Result<(), EvalError> {
        at_least("least", 3, self.least)?;
        at_least("shares", 1, self.shares)?;
        at_least("levels", 2, self.levels)?;
        above_zero("keep", &[self.keep])?;
        above_zero("cutoff", &[self.cutoff])
    }
}

/// What [`class_properties`] needs of one image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ImageMeasures {
    /// Contrast, homogeneity, energy and correlation of co-occurring grey levels.
    pub texture: [f64; 4],
    /// Share of the energy at high frequencies; `None` of an image of one level.
    pub high_frequency: Option<f64>,
}

/// The properties of one class, a row of a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassProperties {
    /// Its name.
    pub class: String,
    /// How many images it has here.
    pub images: usize,
    /// Intrinsic dimension of its features.
    pub intrinsic_dimension: Tested<f64>,
    /// The largest eigenvalues of the covariance of its features, as shares of the sum of all, falling.
    pub spectrum: Tested<Vec<f64>>,
    /// Means over its images of the contrast, homogeneity, energy and correlation of co-occurring grey levels.
    pub texture: Tested<[f64; 4]>,
    /// Mean over its images, but those of one level, of the share of energy at high frequencies.
    pub high_frequency: Tested<f64>,
}

/// The grey levels of an image of which the planes are given: one plane as it is; three as red, green and blue by the weights of
/// ITU-R BT.601, `0.299 R + 0.587 G + 0.114 B`; any other number (channels of a microscope) by their mean. Rounded to the nearest
/// level.
///
/// # Errors
/// [`EvalError::Empty`] without planes, [`EvalError::Length`] for planes of different size.
pub fn grey_of_planes(planes: &[&[u8]]) -> Result<Vec<u8>, EvalError> {
    let Some(first) = planes.first() else {
        return Err(EvalError::Empty { what: "the list of an image's planes".to_owned() });
    };
    if let Some(odd) = planes.iter().find(|plane| plane.len() != first.len()) {
        return Err(EvalError::Length { what: "plane of an image", expected: first.len(), got: odd.len() });
    }
    let weights = match planes.len() {
        3 => vec![0.299, 0.587, 0.114],
        count => vec![1.0 / count as f64; count],
    };
    let level = |pixel: usize| -> f64 {
        planes.iter().zip(&weights).map(|(plane, weight)| weight * f64::from(plane[pixel])).sum()
    };
    // Weights that sum to 1 keep levels within 0 to 255, up to a rounding that this rounding swallows.
    Ok((0..first.len()).map(|pixel| level(pixel).round() as u8).collect())
}

/// Texture and detail of one grey image: co-occurrence at distance 1, both ways, the four directions averaged; and the share of energy
/// above the cutoff.
///
/// # Errors
/// [`EvalError::Undefined`] for an image without two pixels in each direction; settings outside their range.
pub fn image_measures(image: Grey<'_>, settings: &PropertySettings) -> Result<ImageMeasures, EvalError> {
    let mut texture = [0.0; 4];
    for offset in OFFSETS {
        let Texture { contrast, homogeneity, energy, correlation, .. } =
            Cooccurrence::new(image, settings.levels, offset, true)?.texture();
        let measures = [contrast, homogeneity, energy, correlation];
        texture.iter_mut().zip(measures).for_each(|(sum, measure)| *sum += measure / OFFSETS.len() as f64);
    }
    let high_frequency = match high_frequency(image, settings.cutoff) {
        Ok(detail) => Some(detail.ratio),
        Err(EvalError::Undefined { .. }) => None,
        Err(error) => return Err(error),
    };
    Ok(ImageMeasures { texture, high_frequency })
}

/// The properties of every class (N, section 3.1): intrinsic dimension and spectrum of its features, texture and detail of its images,
/// `images`, one for each row of `labelled` ([`image_measures`]). N names no estimators; these are
///
/// ```text
/// intrinsic dimension   TwoNN's fit                                      (two_nn)
/// spectrum              lambda_i / sum lambda, i = 1..10, of the covariance   (covariance_spectrum)
/// texture               grey-level co-occurrence, distance 1, mean of 4 directions
/// detail                spectral energy above 0.25 cycles a pixel / all
/// ```
///
/// Features are those of an encoder that learned from ImageNet with labels; its depth and input size change them and must be told. Fewer
/// shares are kept than there are dimensions: all together sum to 1, and an analysis of variance of them would be undefined.
///
/// Not tested, each by itself: an intrinsic dimension of too few images or different ones, a spectrum of images that are no more than its
/// shares and one, texture and detail without images.
///
/// # Errors
/// [`EvalError::Length`] unless there is one image a row; settings outside their range; a numeric routine that fails.
pub fn class_properties(
    labelled: &Labelled,
    images: &[ImageMeasures],
    settings: &PropertySettings,
) -> Result<Vec<ClassProperties>, EvalError> {
    let expected = labelled.labels().len();
    if images.len() != expected {
        return Err(EvalError::Length { what: "measures of images", expected, got: images.len() });
    }
    settings.check()?;
    let mut rows = vec![Vec::new(); labelled.classes().len()];
    labelled.labels().iter().enumerate().for_each(|(row, &class)| rows[class].push(row));
    let of =
        |(name, rows): (&String, Vec<usize>)| of_class(name, labelled.features(), images, &rows, settings);
    labelled.classes().iter().zip(rows).map(of).collect()
}

fn of_class(
    name: &str,
    features: &Features,
    images: &[ImageMeasures],
    rows: &[usize],
    settings: &PropertySettings,
) -> Result<ClassProperties, EvalError> {
    let textures: Vec<[f64; 4]> = rows.iter().map(|&row| images[row].texture).collect();
    let details: Vec<f64> = rows.iter().filter_map(|&row| images[row].high_frequency).collect();
    let texture = [0, 1, 2, 3].map(|measure| mean(textures.iter().map(|texture| texture[measure])));
    Ok(ClassProperties {
        class: name.to_owned(),
        images: rows.len(),
        intrinsic_dimension: intrinsic_dimension(features, rows, settings)?,
        spectrum: spectrum(features, rows, settings)?,
        texture: if rows.is_empty() { Tested::too_few("images", 1, 0) } else { Tested::Tested(texture) },
        high_frequency: match details.len() {
            0 => Tested::too_few("images of more than one level", 1, 0),
            _ => Tested::Tested(mean(details.into_iter())),
        },
    })
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len() as f64;
    values.sum::<f64>() / count
}

fn intrinsic_dimension(
    features: &Features,
    rows: &[usize],
    settings: &PropertySettings,
) -> Result<Tested<f64>, EvalError> {
    if rows.len() < settings.least {
        return Ok(Tested::too_few("images", settings.least, rows.len()));
    }
    Tested::of(two_nn(&features.subset(rows)?, settings.keep).map(|found| found.fit))
}

fn spectrum(
    features: &Features,
    rows: &[usize],
    settings: &PropertySettings,
) -> Result<Tested<Vec<f64>>, EvalError> {
    let shares = settings.shares.min(features.dim() - 1);
    if shares == 0 {
        return Ok(Tested::too_few("features of an image", 2, features.dim()));
    }
    // n images span n - 1 directions: with one more than the shares, these do not sum to 1.
    if rows.len() < shares + 2 {
        return Ok(Tested::too_few("images", shares + 2, rows.len()));
    }
    let features = features.subset(rows)?;
    if features.iter().all(|row| row == features.row(0)) {
        return Ok(Tested::NotTested("all images of the class have the same features".to_owned()));
    }
    let spectrum = covariance_spectrum(&features)?;
    let sum: f64 = spectrum.iter().sum();
    Ok(Tested::Tested(spectrum[..shares].iter().map(|value| value / sum).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{features_of, random_features};
    use twinlens_golden::Case;

    fn classes(features: Features, labels: Vec<usize>, count: usize) -> Labelled {
        Labelled::new(features, labels, (0..count).map(|class| format!("class {class}")).collect()).unwrap()
    }

    const FLAT: ImageMeasures = ImageMeasures { texture: [0.0, 1.0, 1.0, 1.0], high_frequency: None };

    fn one_class(case: &Case) -> ClassProperties {
        let features = features_of(case, "in.x");
        let rows = features.rows();
        let settings = PropertySettings { shares: 1000, ..PropertySettings::default() };
        let labelled = classes(features, vec![0; rows], 1);
        class_properties(&labelled, &vec![FLAT; rows], &settings).unwrap().remove(0)
    }

    #[test]
    fn golden_intrinsic_dimension_and_spectrum_of_a_class() {
        for case in twinlens_golden::cases("metrics/intrinsic_dimension") {
            let found = one_class(&case);
            case.check("out.twonn_fit", &[*found.intrinsic_dimension.tested().unwrap()]);
            let spectrum = found.spectrum.tested().unwrap();
            assert_eq!(spectrum.len(), case.shape("in.x")[1] - 1);
            assert!(spectrum.is_sorted_by(|a, b| a >= b) && spectrum.iter().sum::<f64>() < 1.0);
        }
    }

    #[test]
    fn golden_texture_and_detail_of_an_image() {
        for case in twinlens_golden::cases("metrics/glcm_texture") {
            let shape = case.shape("in.image");
            let image = Grey::new(case.u8("in.image"), shape[0], shape[1]).unwrap();
            let settings = PropertySettings { levels: case.count("levels"), ..PropertySettings::default() };
            let found = image_measures(image, &settings).unwrap().texture;
            let names = ["out.contrast", "out.homogeneity", "out.energy", "out.correlation"];
            if case.flag("symmetric") {
                for (got, name) in found.iter().zip(names) {
                    let want = mean(case.f32(name).iter().map(|&value| f64::from(value)));
                    assert!((got - want).abs() < 1e-4 * (1.0 + want.abs()), "{name}: {got} against {want}");
                }
            }
        }
        for case in twinlens_golden::cases("metrics/fourier_high_frequency") {
            let shape = case.shape("in.image");
            let image = Grey::new(case.u8("in.image"), shape[0], shape[1]).unwrap();
            let settings = PropertySettings {
                cutoff: case.number("cutoff_cycles_per_pixel"),
                ..PropertySettings::default()
            };
            case.check("out.ratio", &[image_measures(image, &settings).unwrap().high_frequency.unwrap()]);
        }
    }

    #[test]
    fn planes_become_grey() {
        assert_eq!(grey_of_planes(&[&[7, 255]]).unwrap(), [7, 255]);
        assert_eq!(grey_of_planes(&[&[255, 0, 255], &[0, 255, 255], &[0, 0, 255]]).unwrap(), [76, 150, 255]);
        assert_eq!(grey_of_planes(&[&[10], &[20]]).unwrap(), [15]);
        assert_eq!(grey_of_planes(&[&[255; 2][..]; 7]).unwrap(), [255; 2]);
        assert!(grey_of_planes(&[]).is_err() && grey_of_planes(&[&[1], &[1, 2]]).is_err());
    }

    #[test]
    fn every_class_has_a_row_and_small_ones_say_why_not() {
        let features = random_features(40, 12, 2);
        let labels: Vec<usize> = (0..40).map(|row| usize::from(row >= 25) + usize::from(row >= 37)).collect();
        let images: Vec<ImageMeasures> = (0..40)
            .map(|row| match row % 2 {
                0 => FLAT,
                _ => ImageMeasures { texture: [2.0, 0.5, 0.5, 0.0], high_frequency: Some(0.1 * row as f64) },
            })
            .collect();
        let labelled = classes(features, labels, 4);
        let found = class_properties(&labelled, &images, &PropertySettings::default()).unwrap();
        let images_of: Vec<usize> = found.iter().map(|class| class.images).collect();
        assert_eq!(images_of, [25, 12, 3, 0]);
        assert!(found[0].intrinsic_dimension.tested().is_some());
        assert_eq!(found[1].intrinsic_dimension.reason(), Some("images: at least 20 are needed, got 12"));
        assert_eq!(found[1].spectrum.tested().unwrap().len(), 10);
        assert_eq!(found[2].spectrum.reason(), Some("images: at least 12 are needed, got 3"));
        // Rows 37, 38, 39: two with detail and texture, one flat.
        let [contrast, homogeneity, ..] = *found[2].texture.tested().unwrap();
        assert!((contrast - 4.0 / 3.0).abs() < 1e-12 && (homogeneity - 2.0 / 3.0).abs() < 1e-12);
        assert!((found[2].high_frequency.tested().unwrap() - 3.8).abs() < 1e-12);
        assert!(found[3].texture.reason().is_some() && found[3].high_frequency.reason().is_some());
        let json = serde_json::to_string(&found).unwrap();
        assert_eq!(serde_json::from_str::<Vec<ClassProperties>>(&json).unwrap(), found);
    }

    #[test]
    fn equal_features_are_not_tested_and_malformed_input_is_refused() {
        let labelled = classes(Features::new(30, 3, vec![0.5; 90]).unwrap(), vec![0; 30], 1);
        let found = class_properties(&labelled, &[FLAT; 30], &PropertySettings::default()).unwrap();
        assert!(found[0].intrinsic_dimension.reason().unwrap().contains("two different nearest others"));
        assert!(found[0].spectrum.reason().unwrap().contains("same features"));
        assert!(class_properties(&labelled, &[FLAT; 29], &PropertySettings::default()).is_err());
        let narrow = classes(random_features(30, 1, 1), vec![0; 30], 1);
        let found = class_properties(&narrow, &[FLAT; 30], &PropertySettings::default()).unwrap();
        assert_eq!(found[0].spectrum.reason(), Some("features of an image: at least 2 are needed, got 1"));
        let none = PropertySettings { shares: 0, ..PropertySettings::default() };
        assert!(class_properties(&labelled, &[FLAT; 30], &none).is_err());
        let column = Grey::new(&[1, 2, 3], 3, 1).unwrap();
        assert!(image_measures(column, &PropertySettings::default()).is_err());
    }
}
