//! Nuclei found on one channel of a field.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_data::otsu_binned;

use crate::filter::Dropped;
use crate::noise::{noise, quantile};
use crate::{
    CellsError, Connectivity, Filter, Labels, Mask, Plane, TRUNCATE, components, fill_holes, gaussian,
    local_mean, split,
};

/// Where nuclei begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ThresholdRule {
    /// Otsu's threshold of the field.
    #[default]
    Otsu,
    /// Otsu's threshold of the square roots, which makes the noise of bright and dim pixels alike: where some nuclei are much
    /// brighter than others.
    Root,
    /// The mean of the surroundings (`window`) and Otsu's threshold of what stands out from it: where the light is uneven. The
    /// surroundings must reach beyond nuclei and clumps of them.
    Local,
    /// The value `level`.
    Fixed,
}

/// How nuclei are found. `correction` and `min_contrast` have defaults that came from looking at fields with masks (16 of BBBC039,
/// 42 of the 2018 Data Science Bowl); the others were chosen before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Detector {
    /// Standard deviation of the smoothing before the threshold, in pixels; 0 for none.
    pub sigma: f64,
    /// How the threshold is chosen.
    pub threshold: ThresholdRule,
    /// Factor on how far the threshold lies above the background (the 10th percentile): below 1 nuclei grow, above 1 they shrink.
    pub correction: f64,
    /// Bins of the histogram that Otsu's threshold is chosen from.
    pub bins: usize,
    /// For `threshold = "local"`: how many pixels the surroundings reach to each side.
    pub window: usize,
    /// For `threshold = "fixed"`: the value, in numbers of the stored image.
    pub level: f64,
    /// How far the threshold must lie above the background, in standard deviations of the noise of a
    /// pixel; else the field is taken for empty. 0 for no such check, which `threshold = "fixed"` never has.
    pub min_contrast: f64,
    /// Make holes part of the nuclei.
    pub fill_holes: bool,
    /// Split nuclei that touch.
    pub split: bool,
    /// Standard deviation of the smoothing of the distance to the background, in pixels, before its peaks are taken.
    pub distance_sigma: f64,
    /// The least distance of the middles of two nuclei that touch, in pixels; 0 takes a share of the size of what is found.
    pub min_distance: usize,
    /// The least area of a nucleus, in pixels.
    pub min_area: u32,
    /// The largest area of a nucleus, in pixels; 0 for any.
    pub max_area: u32,
    /// Leave out nuclei that have a pixel on the border of the field.
    pub clear_border: bool,
}

impl Default for Detector {
    fn default() -> Detector {
        Detector {
            sigma: 1.0,
            threshold: ThresholdRule::Otsu,
            correction: 0.8,
            bins: 256,
            window: 50,
            level: 0.0,
            min_contrast: 3.0,
            fill_holes: true,
            split: true,
            distance_sigma: 1.0,
            min_distance: 0,
            min_area: 30,
            max_area: 0,
            clear_border: false,
        }
    }
}

/// What was found in a field.
#[derive(Clone, Debug, PartialEq)]
pub struct Detection {
    /// The nucleus of every pixel.
    pub labels: Labels,
    /// Mean row and column of the pixels of each.
    pub centroids: Vec<[f64; 2]>,
    /// Pixels of each.
    pub areas: Vec<u32>,
    /// The threshold of the field, in numbers of the stored image; with `threshold = "local"` how far it is
    /// above the mean of the surroundings.
    pub threshold: f64,
    /// What was left out.
    pub dropped: Dropped,
}

/// The share of a field's pixels that are surely background.
const BACKGROUND: f64 = 0.1;

/// The largest standard deviation of a smoothing, in pixels.
const MAX_SIGMA: f64 = 1000.0;

/// With `min_distance = 0`: the least distance of middles, in diameters of a disc of the median area.
const SHARE_OF_DIAMETER: f64 = 0.3;

impl Detector {
    /// Refuses settings that make no sense.
    ///
    /// # Errors
    /// [`CellsError::Setting`].
    pub fn check(&self) -> Result<(), CellsError> {
        for (name, sigma) in [("sigma", self.sigma), ("distance_sigma", self.distance_sigma)] {
            if !(0.0..=MAX_SIGMA).contains(&sigma) {
                return Err(CellsError::setting(name, "a number from 0 to 1000", sigma));
            }
        }
        if !(self.correction.is_finite() && self.correction > 0.0) {
            return Err(CellsError::setting("correction", "a number above 0", self.correction));
        }
        if !(2..=65_536).contains(&self.bins) {
            return Err(CellsError::setting("bins", "a number from 2 to 65536", self.bins));
        }
        if !self.level.is_finite() {
            return Err(CellsError::setting("level", "a number", self.level));
        }
        if !(self.min_contrast.is_finite() && self.min_contrast >= 0.0) {
            return Err(CellsError::setting("min_contrast", "0 or a number above", self.min_contrast));
        }
        if self.window == 0 {
            return Err(CellsError::setting("window", "at least 1 pixel", self.window));
        }
        if self.max_area > 0 && self.max_area < self.min_area {
            let expected = format!("0, or at least min_area = {}", self.min_area);
            return Err(CellsError::setting("max_area", &expected, self.max_area));
        }
        Ok(())
    }

    /// Finds the nuclei of a field.
    ///
    /// # Errors
    /// [`CellsError::Setting`] when a setting makes no sense.
    pub fn detect(&self, plane: &Plane) -> Result<Detection, CellsError> {
        let (mut mask, threshold) = self.foreground(plane)?;
        if self.fill_holes {
            fill_holes(&mut mask);
        }
        // Dust goes before clumps are split, so that a split nucleus does not become dust.
        let dust = Filter { min_area: self.min_area, ..Filter::default() };
        let (mut labels, before) = dust.apply(components(&mask, Connectivity::Eight));
        if self.split {
            labels = split(&labels, self.distance_sigma, self.least_distance(&labels));
        }
        let rules =
            Filter { min_area: self.min_area, max_area: self.max_area, clear_border: self.clear_border };
        let (labels, mut dropped) = rules.apply(labels);
        dropped.small += before.small;
        Ok(Detection { centroids: labels.centroids(), areas: labels.areas(), labels, threshold, dropped })
    }

    /// The pixels above the threshold, after smoothing, and the threshold.
    ///
    /// # Errors
    /// [`CellsError::Setting`] when a setting makes no sense.
    pub fn foreground(&self, plane: &Plane) -> Result<(Mask, f64), CellsError> {
        self.check()?;
        let mut smoothed = gaussian(plane, self.sigma, TRUNCATE);
        if self.threshold == ThresholdRule::Local {
            let means = local_mean(&smoothed, self.window);
            smoothed.values.iter_mut().zip(&means.values).for_each(|(value, mean)| *value -= mean);
        }
        let chosen = match self.threshold {
            ThresholdRule::Otsu | ThresholdRule::Local => otsu_binned(&smoothed.values, self.bins),
            ThresholdRule::Root => self.of_roots(&smoothed.values),
            ThresholdRule::Fixed => {
                let inside = smoothed.values.iter().map(|value| *value > self.level).collect();
                return Ok((Mask { height: plane.height, width: plane.width, inside }, self.level));
            }
        };
        let background = quantile(&mut smoothed.values.clone(), BACKGROUND).unwrap_or(chosen);
        // Without a factor the very number: a sum of differences would be rounded.
        let lower = background + self.correction * (chosen - background);
        let threshold = if self.correction == 1.0 { chosen } else { lower };
        let empty = self.is_empty(plane, threshold - background);
        let inside = smoothed.values.iter().map(|value| *value > threshold && !empty).collect();
        Ok((Mask { height: plane.height, width: plane.width, inside }, threshold))
    }

    /// Whether nothing stands out, where the threshold lies so far above the background: in a constant field, and in one of
    /// noise alone.
    fn is_empty(&self, plane: &Plane, above: f64) -> bool {
        let constant = plane.values.windows(2).all(|two| two[0] == two[1]);
        constant || (self.min_contrast > 0.0 && above < self.min_contrast * noise(plane))
    }

    /// Otsu's threshold of the square roots of how far values lie above the smallest.
    fn of_roots(&self, values: &[f64]) -> f64 {
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let roots: Vec<f64> = values.iter().map(|value| (value - low).sqrt()).collect();
        otsu_binned(&roots, self.bins).powi(2) + low
    }

    /// The least distance of the middles of nuclei that touch.
    fn least_distance(&self, labels: &Labels) -> usize {
        let mut areas = labels.areas();
        if self.min_distance > 0 || areas.is_empty() {
            return self.min_distance;
        }
        let middle = areas.len() / 2;
        let area = *areas.select_nth_unstable(middle).1;
        let diameter = 2.0 * (f64::from(area) / std::f64::consts::PI).sqrt();
        (SHARE_OF_DIAMETER * diameter).round() as usize
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use twinlens_golden::{Case, cases};
    use twinlens_random::{Purpose, Stream};

    use super::*;

    /// The image of a case.
    pub(crate) fn plane_of(case: &Case) -> Plane {
        let [height, width] = case.shape("in.image") else { panic!("{}: in.image", case.name()) };
        Plane { height: *height, width: *width, values: case.as_f64("in.image") }
    }

    /// The steps that a case describes.
    pub(crate) fn detector_of(case: &Case) -> Detector {
        assert_eq!((case.number("truncate"), case.count("connectivity")), (TRUNCATE, 8), "{}", case.name());
        Detector {
            sigma: case.number("sigma"),
            bins: case.count("otsu_bins"),
            min_area: case.count("min_area") as u32,
            correction: 1.0,
            min_contrast: 0.0,
            fill_holes: false,
            split: false,
            ..Detector::default()
        }
    }

    #[test]
    fn parts_above_the_threshold_are_those_of_the_reference() {
        for case in cases("cells/threshold_components") {
            let detector = Detector { clear_border: case.flag("clear_border"), ..detector_of(&case) };
            let plane = plane_of(&case);
            let (mask, _) = detector.foreground(&plane).unwrap();
            // The border is cleared of what is too small as well, so the order of the two rules does not show here.
            let found = detector.detect(&plane).unwrap();
            case.check("out.threshold", &[found.threshold]);
            case.check("out.mask", &mask.inside.iter().map(|&inside| u8::from(inside)).collect::<Vec<u8>>());
            case.check("out.labels", &found.labels.ids);
            case.check_exact("out.count", &[found.areas.len() as i64]);
            if case.has("out.areas") {
                case.check("out.areas", &found.areas);
                case.check("out.centroids", &found.centroids.concat());
            }
        }
    }

    /// Discs of these middles and radii, and brightnesses, on a ground of 10.
    fn discs(height: usize, width: usize, discs: &[([f64; 2], f64, f64)]) -> Plane {
        let value = |at: usize| {
            let inside = |[y, x]: [f64; 2]| ((at / width) as f64 - y).hypot((at % width) as f64 - x);
            discs
                .iter()
                .find(|(middle, radius, _)| inside(*middle) <= *radius)
                .map_or(10.0, |(.., value)| *value)
        };
        Plane { height, width, values: (0..height * width).map(value).collect() }
    }

    #[test]
    fn discs_that_touch_are_found_each_by_itself() {
        let plane = discs(
            60,
            80,
            &[([20.0, 20.0], 10.0, 100.0), ([20.0, 38.0], 10.0, 90.0), ([45.0, 60.0], 8.0, 80.0)],
        );
        let found = Detector::default().detect(&plane).unwrap();
        assert_eq!(found.areas.len(), 3, "{:?}", found.centroids);
        for (got, want) in found.centroids.iter().zip([[20.0, 20.0], [20.0, 38.0], [45.0, 60.0]]) {
            assert!((got[0] - want[0]).abs() < 1.0 && (got[1] - want[1]).abs() < 1.0, "{got:?} {want:?}");
        }
        let together = Detector { split: false, ..Detector::default() }.detect(&plane).unwrap();
        assert_eq!(together.areas.len(), 2);
    }

    #[test]
    fn dim_nuclei_beside_bright_ones_need_roots() {
        let plane = discs(60, 80, &[([20.0, 20.0], 10.0, 4000.0), ([40.0, 60.0], 10.0, 1200.0)]);
        let count = |threshold| {
            let detector = Detector { threshold, correction: 1.0, sigma: 0.0, ..Detector::default() };
            detector.detect(&plane).unwrap().areas.len()
        };
        assert_eq!((count(ThresholdRule::Otsu), count(ThresholdRule::Root)), (1, 2));
    }

    #[test]
    fn local_thresholds_follow_the_light() {
        // The light falls from left to right; each disc is half again as bright as the ground around it.
        let middles = [25.0, 100.0, 175.0].map(|x| ([30.0, x], 10.0, 15.0));
        let mut plane = discs(60, 200, &middles);
        plane.values.iter_mut().enumerate().for_each(|(at, value)| *value *= 10.0 - (at % 200) as f64 / 40.0);
        let areas = |threshold| {
            Detector { threshold, window: 20, correction: 1.0, sigma: 0.0, ..Detector::default() }
                .detect(&plane)
                .unwrap()
                .areas
        };
        assert_ne!(areas(ThresholdRule::Otsu).len(), 3, "{:?}", areas(ThresholdRule::Otsu));
        assert_eq!(areas(ThresholdRule::Local).len(), 3, "{:?}", areas(ThresholdRule::Local));
    }

    #[test]
    fn an_empty_field_has_no_nuclei_and_a_level_is_taken_as_it_is() {
        for rule in [ThresholdRule::Otsu, ThresholdRule::Root, ThresholdRule::Local] {
            let detector = Detector { threshold: rule, ..Detector::default() };
            let flat = Plane { height: 20, width: 30, values: vec![1234.5; 600] };
            assert_eq!(detector.detect(&flat).unwrap().areas, [0u32; 0], "{rule:?}");
        }
        let mut stream = Stream::new(3, Purpose::Mutation, [0, 0, 0]);
        let values = (0..160 * 200).map(|_| 150.0 + 12.0 * stream.normal()).collect();
        let noise = Plane { height: 160, width: 200, values };
        let count = |min_contrast| {
            let detector = Detector { min_contrast, min_area: 1, ..Detector::default() };
            detector.detect(&noise).unwrap().areas.len()
        };
        assert!(count(0.0) > 100 && count(3.0) == 0);
        let plane = discs(40, 40, &[([20.0, 20.0], 10.0, 100.0)]);
        let fixed =
            |level| Detector { threshold: ThresholdRule::Fixed, level, sigma: 0.0, ..Detector::default() };
        assert_eq!(fixed(100.0).detect(&plane).unwrap().areas.len(), 0);
        assert_eq!(fixed(99.0).detect(&plane).unwrap().areas.len(), 1);
    }

    #[test]
    fn settings_without_sense_are_refused_by_name() {
        let plane = Plane { height: 1, width: 1, values: vec![0.0] };
        let wrong: [(&str, Detector); 8] = [
            ("sigma", Detector { sigma: -1.0, ..Detector::default() }),
            ("distance_sigma", Detector { distance_sigma: f64::NAN, ..Detector::default() }),
            ("correction", Detector { correction: 0.0, ..Detector::default() }),
            ("bins", Detector { bins: 1, ..Detector::default() }),
            ("level", Detector { level: f64::INFINITY, ..Detector::default() }),
            ("min_contrast", Detector { min_contrast: -1.0, ..Detector::default() }),
            ("window", Detector { window: 0, ..Detector::default() }),
            ("max_area", Detector { max_area: 10, ..Detector::default() }),
        ];
        for (name, detector) in wrong {
            let error = detector.detect(&plane).unwrap_err();
            assert!(error.to_string().starts_with(&format!("{name}: expected")), "{error}");
        }
    }

    #[test]
    fn settings_are_the_same_after_they_were_written_and_read() {
        let detector = Detector { threshold: ThresholdRule::Local, min_distance: 7, ..Detector::default() };
        let text = toml::to_string(&detector).unwrap();
        assert_eq!(toml::from_str::<Detector>(&text).unwrap(), detector);
        assert_eq!(toml::from_str::<Detector>("").unwrap(), Detector::default());
        assert!(toml::from_str::<Detector>("sigmma = 1").is_err());
    }
}
