//! Uneven illumination, measured on the images themselves and divided out.
//!
//! A field that is lit unevenly is dark at its corners in every image of a plate. What is common to many fields is the light,
//! what differs is cells. For every plate and channel
//!
//! ```text
//! f(p) = G * median over fields k of I_k(p)        corrected I_k(p) = I_k(p) / (f(p) / mean of f)
//! ```
//!
//! where `G *` is smoothing by a Gaussian whose standard deviation is a twentieth of the shorter side, and means, medians and smoothing are
//! taken on a grid of at most 256 points a side. Retrospective correction from all images of a plate and channel is that of
//! Singh, Bray, Jones and Carpenter, "Pipeline for illumination correction of images for high-throughput microscopy", Journal of
//! Microscopy 256 (2014), doi:10.1111/jmi.12178; they average and smooth by a median filter. The median of the fields, taken here
//! instead, is not moved by cells where these cover less than half of them. The offset of a camera is taken for light: where
//! it is a large part of the values, too little is corrected.

use std::collections::BTreeMap;
use std::sync::Arc;

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::notice::Notice;
use crate::{DataError, Image, ImageSource, Pixels, each_pixel_type};

/// Whether images are divided by the illumination of their plate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Illumination {
    /// They are as they were stored.
    #[default]
    Off,
    /// By the smoothed median of the images of each plate (column `plate`; without one, of all images) and channel.
    Median,
}

impl Illumination {
    pub(crate) fn is_off(&self) -> bool {
        *self == Illumination::Off
    }
}

/// Points of the grid along the longer side, at most.
const GRID: usize = 256;

/// Images of a plate that are measured, at most.
const SAMPLE: usize = 64;

/// Images of a plate that must be there: of fewer the median is not free of cells.
const LEAST: usize = 8;

/// The standard deviation of the Gaussian, as a share of the shorter side.
const WIDTH: f64 = 0.05;

/// Its reach, in standard deviations.
const REACH: f64 = 3.0;

/// The darkest that illumination is taken for, as a share of its mean: what was not lit cannot be brightened.
const DARKEST: f64 = 0.1;

/// Columns that say the plate, but for case.
const PLATES: [&str; 2] = ["plate", "metadata_plate"];

/// The images of `source` divided by the illumination of their plate, and what there is to say of it.
///
/// # Errors
/// Images of one plate that differ in size, and what reading images gives.
pub(crate) fn corrected(
    source: Arc<dyn ImageSource>,
) -> Result<(Arc<dyn ImageSource>, Vec<Notice>), DataError> {
    let plates = plates(source.as_ref());
    let mut lights = vec![None; source.len()];
    let mut few =
        Notice::new("few-fields", format!("plates of fewer than {LEAST} images keep their illumination"));
    let (mut count, mut range) = (0, [f64::INFINITY, 0.0_f64]);
    for (plate, members) in plates {
        if members.len() < LEAST {
            few = few.about(if plate.is_empty() { "all images" } else { &plate });
            continue;
        }
        let light = Arc::new(Light::of(source.as_ref(), &plate, &members)?);
        count += 1;
        range = [range[0].min(light.bounds()[0]), range[1].max(light.bounds()[1])];
        members.into_iter().for_each(|index| lights[index] = Some(light.clone()));
    }
    let mut notices = Vec::new();
    if count > 0 {
        let [darkest, brightest] = range.map(|share| (100.0 * share).round());
        let message = format!(
            "images were divided by the illumination of their plate (of {count}), the smoothed median of up to {SAMPLE} images: from \
             {darkest} % to {brightest} % of its mean"
        );
        notices.push(
            Notice::new("illumination", message).hint("`{illumination} off` leaves them as they are stored"),
        );
    }
    notices.extend(Some(few).filter(|notice| notice.count > 0));
    Ok((Arc::new(Corrected { source, lights }), notices))
}

/// The images of every plate; all of them without a column that says it.
fn plates(source: &dyn ImageSource) -> BTreeMap<String, Vec<usize>> {
    let is_plate = |column: &String| PLATES.contains(&column.to_lowercase().as_str());
    let column = source.columns().iter().position(is_plate);
    let mut plates: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for index in 0..source.len() {
        let plate = column.and_then(|column| source.metadata(index).get(column)).cloned();
        plates.entry(plate.unwrap_or_default()).or_default().push(index);
    }
    plates
}

/// Illumination at the points of a grid, by channel, with mean 1.
struct Light {
    /// Points down and across.
    points: [usize; 2],
    /// Pixels between two points.
    step: usize,
    channels: Vec<Vec<f64>>,
}

impl Light {
    fn of(source: &dyn ImageSource, plate: &str, members: &[usize]) -> Result<Light, DataError> {
        let size = source.size(members[0])?;
        for &index in members {
            let other = source.size(index)?;
            if other != size {
                let form = |[height, width]: [usize; 2]| format!("{height} x {width}");
                let (one, other) = (form(size), form(other));
                let expected =
                    format!("off, as images of one plate {plate:?} differ in size ({one}, {other})");
                return Err(DataError::BadOption { name: "illumination", expected, got: "median".into() });
            }
        }
        let step = size[0].max(size[1]).div_ceil(GRID).max(1);
        let points = size.map(|side| side.div_ceil(step));
        let taken = members.iter().step_by(members.len().div_ceil(SAMPLE)).copied().collect::<Vec<usize>>();
        let reduced: Vec<Vec<Vec<f32>>> = taken
            .into_par_iter()
            .map(|index| source.stored(index).map(|image| reduced(&image, points, step)))
            .collect::<Result<_, _>>()?;
        let channels = reduced.first().map_or(0, Vec::len);
        let light = |channel: usize| {
            let fields: Vec<&[f32]> = reduced.iter().map(|field| &field[channel][..]).collect();
            normalised(smoothed(medians(&fields), points))
        };
        Ok(Light { points, step, channels: (0..channels).map(light).collect() })
    }

    fn bounds(&self) -> [f64; 2] {
        let all = || self.channels.iter().flatten().copied();
        [all().fold(f64::INFINITY, f64::min), all().fold(0.0, f64::max)]
    }

    /// Where a pixel lies between the points along a side: the point before it, and how far it is to the next.
    fn between(&self, pixel: usize, points: usize) -> (usize, f64) {
        let place = (pixel as f64 - (self.step - 1) as f64 / 2.0) / self.step as f64;
        let place = place.clamp(0.0, (points - 1) as f64);
        let before = (place as usize).min(points.saturating_sub(2));
        (before, place - before as f64)
    }

    /// The illumination of every pixel of a channel, row by row, by linear interpolation.
    fn row(&self, channel: usize, y: usize, across: &[(usize, f64)]) -> Vec<f64> {
        let [down, wide] = self.points;
        let (above, share) = self.between(y, down);
        let light = &self.channels[channel];
        let at = |x: usize| {
            let [upper, lower] = [above, (above + 1).min(down - 1)].map(|row| light[row * wide + x]);
            upper + (lower - upper) * share
        };
        across.iter().map(|&(x, share)| at(x) + (at((x + 1).min(wide - 1)) - at(x)) * share).collect()
    }

    /// `image` divided by it. Whole numbers are rounded, and end at the largest of their type.
    fn divide(&self, image: Image) -> Image {
        let Image { height, width, channels, pixels } = image;
        let across: Vec<(usize, f64)> = (0..width).map(|x| self.between(x, self.points[1])).collect();
        let mut light = Vec::with_capacity(pixels.len());
        for y in 0..height {
            let rows: Vec<Vec<f64>> = (0..channels)
                .map(|channel| self.row(channel.min(self.channels.len() - 1), y, &across))
                .collect();
            light.extend((0..width).flat_map(|x| rows.iter().map(move |row| row[x])));
        }
        fn all<T: Copy + Into<f64>, U>(values: &[T], light: &[f64], to: impl Fn(f64) -> U) -> Vec<U> {
            values.iter().zip(light).map(|(&value, light)| to(value.into() / light)).collect()
        }
        let pixels = match &pixels {
            // Casts end at the bounds of the type.
            Pixels::U8(values) => Pixels::U8(all(values, &light, |value| value.round() as u8)),
            Pixels::U16(values) => Pixels::U16(all(values, &light, |value| value.round() as u16)),
            Pixels::I16(values) => Pixels::I16(all(values, &light, |value| value.round() as i16)),
            Pixels::U32(values) => Pixels::U32(all(values, &light, |value| value.round() as u32)),
            Pixels::F32(values) => Pixels::F32(all(values, &light, |value| value as f32)),
        };
        Image { height, width, channels, pixels }
    }
}

/// The mean of the pixels around every point of the grid, by channel.
fn reduced(image: &Image, [down, wide]: [usize; 2], step: usize) -> Vec<Vec<f32>> {
    let &Image { height, width, channels, .. } = image;
    let mut sums = vec![vec![0.0_f64; down * wide]; channels];
    each_pixel_type!(&image.pixels, values => for (pixel, samples) in values.chunks_exact(channels).enumerate() {
        let point = pixel / width / step * wide + pixel % width / step;
        sums.iter_mut().zip(samples).for_each(|(sums, &value)| sums[point] += f64::from(value));
    });
    let reach = |point: usize, side: usize| ((point + 1) * step).min(side) - point * step;
    let pixels = |point: usize| (reach(point / wide, height) * reach(point % wide, width)) as f64;
    let means =
        |sums: Vec<f64>| sums.into_iter().enumerate().map(|(point, sum)| (sum / pixels(point)) as f32);
    sums.into_iter().map(|sums| means(sums).collect()).collect()
}

/// The median of all fields at every point; of two in the middle their mean.
fn medians(fields: &[&[f32]]) -> Vec<f64> {
    let median = |point: usize| {
        let mut values: Vec<f32> = fields.iter().map(|field| field[point]).collect();
        values.sort_unstable_by(f32::total_cmp);
        let middle = values.len() / 2;
        let below = if values.len().is_multiple_of(2) { middle - 1 } else { middle };
        (f64::from(values[below]) + f64::from(values[middle])) / 2.0
    };
    (0..fields.first().map_or(0, |field| field.len())).into_par_iter().map(median).collect()
}

/// Smoothed by a Gaussian along both sides. Beyond the border the grid goes on as its reflection at the outermost point
/// (`f(-k) = 2 f(0) - f(k)`), so that what falls evenly towards the border keeps falling.
fn smoothed(grid: Vec<f64>, [down, wide]: [usize; 2]) -> Vec<f64> {
    let sigma = WIDTH * down.min(wide) as f64;
    let weights: Vec<f64> =
        (0..=(REACH * sigma) as usize).map(|k| (-0.5 * (k as f64 / sigma).powi(2)).exp()).collect();
    let along = |grid: &[f64], at: &(dyn Fn(usize) -> usize + Sync), length: usize, place: usize| {
        let value = |offset: isize| {
            let last = length as isize - 1;
            let here = place as isize + offset;
            let inner = here.clamp(0, last);
            // As far within as it lies beyond, at most up to the other end.
            let mirrored = (2 * inner - here).clamp(0, last);
            match here == inner {
                true => grid[at(inner as usize)],
                false => 2.0 * grid[at(inner as usize)] - grid[at(mirrored as usize)],
            }
        };
        let (mut sum, mut total) = (0.0, 0.0);
        for (k, &weight) in weights.iter().enumerate() {
            let both = if k == 0 { value(0) } else { value(k as isize) + value(-(k as isize)) };
            sum += weight * both;
            total += if k == 0 { weight } else { 2.0 * weight };
        }
        sum / total
    };
    let rows: Vec<f64> = (0..down * wide)
        .into_par_iter()
        .map(|point| along(&grid, &|x| point / wide * wide + x, wide, point % wide))
        .collect();
    (0..down * wide)
        .into_par_iter()
        .map(|point| along(&rows, &|y| y * wide + point % wide, down, point / wide))
        .collect()
}

/// With mean 1, and nothing darker than [`DARKEST`]; 1 everywhere where there is no light to be measured.
fn normalised(light: Vec<f64>) -> Vec<f64> {
    let mean = light.iter().sum::<f64>() / light.len() as f64;
    if !(mean.is_finite() && mean > 0.0) {
        return vec![1.0; light.len()];
    }
    light.into_iter().map(|value| (value / mean).max(DARKEST)).collect()
}

/// The images of a source, divided by the illumination of their plate where that is known.
struct Corrected {
    source: Arc<dyn ImageSource>,
    lights: Vec<Option<Arc<Light>>>,
}

impl Corrected {
    fn divided(&self, index: usize, image: Image) -> Image {
        match self.lights.get(index) {
            Some(Some(light)) => light.divide(image),
            _ => image,
        }
    }
}

impl ImageSource for Corrected {
    fn image(&self, index: usize) -> Result<Image, DataError> {
        Ok(self.divided(index, self.source.image(index)?))
    }

    fn stored(&self, index: usize) -> Result<Image, DataError> {
        Ok(self.divided(index, self.source.stored(index)?))
    }

    crate::source::forward!(source, but stored);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fields of several plates.
    struct Fields {
        images: Vec<Image>,
        columns: Vec<String>,
        plates: Vec<Vec<String>>,
    }

    impl ImageSource for Fields {
        fn len(&self) -> usize {
            self.images.len()
        }

        fn image(&self, index: usize) -> Result<Image, DataError> {
            Ok(self.images[index].clone())
        }

        fn label(&self, _: usize) -> Option<usize> {
            None
        }

        fn columns(&self) -> &[String] {
            &self.columns
        }

        fn metadata(&self, index: usize) -> &[String] {
            &self.plates[index]
        }
    }

    const SIDES: [usize; 2] = [300, 400];

    /// Fields of `SIDES`: a background, a tenth of the fields bright at each place, times `light(channel, y, x)`.
    fn fields(count: usize, light: impl Fn(usize, f64, f64) -> f64) -> Vec<Image> {
        let field = |number: usize| {
            let mut values = Vec::with_capacity(SIDES[0] * SIDES[1] * 2);
            for y in 0..SIDES[0] {
                for x in 0..SIDES[1] {
                    let cell = (y / 20 * 7 + x / 20 * 3 + number).is_multiple_of(10);
                    let at = |place: usize, side: usize| 2.0 * place as f64 / (side - 1) as f64 - 1.0;
                    for channel in 0..2 {
                        let value = if cell { 9000.0 } else { 3000.0 };
                        values
                            .push((value * light(channel, at(y, SIDES[0]), at(x, SIDES[1]))).round() as u16);
                    }
                }
            }
            Image::new(SIDES[0], SIDES[1], 2, Pixels::U16(values)).unwrap()
        };
        (0..count).map(field).collect()
    }

    fn source(images: Vec<Image>, plates: &[&str]) -> Arc<dyn ImageSource> {
        let columns = if plates.is_empty() { Vec::new() } else { vec!["Plate".into()] };
        let plate = |at: usize| plates.get(at % plates.len().max(1)).map(|plate| vec![(*plate).to_owned()]);
        let plates = (0..images.len()).map(|at| plate(at).unwrap_or_default()).collect();
        Arc::new(Fields { images, columns, plates })
    }

    /// The background of a channel: its smallest and largest value over its mean.
    fn spread(image: &Image, channel: usize) -> [f64; 2] {
        let values = image.pixels.to_f64();
        let of_channel = values.iter().skip(channel).step_by(image.channels).copied();
        let background: Vec<f64> = of_channel.filter(|value| *value < 5500.0).collect();
        let mean = background.iter().sum::<f64>() / background.len() as f64;
        [f64::min, f64::max].map(|one| background.iter().copied().reduce(one).unwrap() / mean)
    }

    #[test]
    fn an_even_light_changes_nothing() {
        let images = fields(12, |_, _, _| 1.0);
        let (corrected, notices) = corrected(source(images.clone(), &[])).unwrap();
        for (index, image) in images.iter().enumerate() {
            assert_eq!(corrected.image(index).unwrap(), *image);
            assert_eq!(corrected.stored(index).unwrap(), *image);
        }
        assert!(
            notices[0].message.contains("(of 1)") && notices[0].message.contains("from 100 % to 100 %"),
            "{notices:?}"
        );
    }

    #[test]
    fn a_vignette_is_removed_channel_by_channel() {
        // Dark corners in one channel, light that falls from left to right in the other.
        let light = |channel: usize, y: f64, x: f64| match channel {
            0 => 1.0 - 0.25 * (y * y + x * x),
            _ => 1.0 - 0.3 * x,
        };
        let images = fields(20, light);
        let before = [0, 1].map(|channel| spread(&images[3], channel));
        assert!(before[0][0] < 0.65 && before[1][0] < 0.75, "{before:?}");
        let (corrected, _) = corrected(source(images, &[])).unwrap();
        for index in [0, 3, 19] {
            let image = corrected.image(index).unwrap();
            for channel in 0..2 {
                let [least, most] = spread(&image, channel);
                assert!(least > 0.98 && most < 1.02, "field {index}, channel {channel}: {least} to {most}");
            }
        }
    }

    #[test]
    fn each_plate_has_its_own_light() {
        let one = fields(9, |_, _, x| 1.0 - 0.3 * x);
        let other = fields(9, |_, _, x| 1.0 + 0.3 * x);
        let few = fields(2, |_, _, x| 1.0 + 0.3 * x);
        let images: Vec<Image> = one.into_iter().chain(other).chain(few.clone()).collect();
        let columns = vec!["plate".to_owned()];
        let plates = (0..20).map(|at| vec![["a", "b", "c"][at / 9].to_owned()]).collect();
        let (corrected, notices) = corrected(Arc::new(Fields { images, columns, plates })).unwrap();
        for index in [0, 17] {
            let [least, most] = spread(&corrected.image(index).unwrap(), 0);
            assert!(least > 0.98 && most < 1.02, "field {index}: {least} to {most}");
        }
        assert_eq!(corrected.image(18).unwrap(), few[0]);
        assert_eq!((notices[1].id.as_str(), notices[1].first.join(" ")), ("few-fields", "c".into()));
    }

    #[test]
    fn fields_of_several_sizes_are_refused() {
        let mut images = fields(9, |_, _, _| 1.0);
        images[4] = Image::new(1, 2, 2, Pixels::U16(vec![1; 4])).unwrap();
        let error = corrected(source(images, &["p1"])).err().unwrap().to_string();
        assert!(error.contains("300 x 400") && error.contains("1 x 2") && error.contains("p1"), "{error}");
    }

    #[test]
    fn what_is_dark_stays_dark() {
        let black = vec![Image::new(4, 5, 1, Pixels::F32(vec![0.0; 20])).unwrap(); 8];
        let (corrected, _) = corrected(source(black.clone(), &[])).unwrap();
        assert_eq!(corrected.image(0).unwrap(), black[0]);
        // Half of the field was never lit: it is brightened tenfold at most.
        let half: Vec<u8> = (0..400).map(|at| if at % 20 < 10 { 0 } else { 200 }).collect();
        let half = vec![Image::new(20, 20, 1, Pixels::U8(half)).unwrap(); 8];
        let (corrected, _) = super::corrected(source(half, &[])).unwrap();
        assert!(corrected.image(0).unwrap().pixels.to_f64().iter().all(|value| value.is_finite()));
    }

    proptest::proptest! {
        /// Light that falls evenly keeps its slope up to the border, whatever it is.
        #[test]
        fn planes_are_not_changed_by_smoothing(a in -1.0..1.0f64, b in -1.0..1.0f64, down in 2usize..40, wide in 2usize..40) {
            let plane: Vec<f64> = (0..down * wide).map(|at| 5.0 + a * (at / wide) as f64 + b * (at % wide) as f64).collect();
            let smooth = smoothed(plane.clone(), [down, wide]);
            for (one, other) in plane.iter().zip(smooth) {
                proptest::prop_assert!((one - other).abs() < 1e-9);
            }
        }
    }
}
