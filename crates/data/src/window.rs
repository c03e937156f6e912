//! Which values of a DICOM image are black and which are white.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::DataError;

/// `window`: `"file"`, `"none"`, `"lung"`, `"bone"`, `"soft-tissue"`, or `[low, high]` in Hounsfield units.
///
/// All but `none` make images of floating point from 0 for black to 1 for white; values beyond the ends are set to these.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "expected \"file\", \"none\", \"lung\", \"bone\", \"soft-tissue\" or [low, high]"
)]
pub enum Window {
    /// By name.
    Rule(WindowRule),
    /// The values that are black and white, after slope and intercept: Hounsfield units in CT.
    Bounds([f64; 2]),
}

/// A window by name. Widths and levels of CT are those commonly used for reading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WindowRule {
    /// As the file says: the first of its windows, or its table; without either, the smallest value of the file is black and
    /// the largest is white.
    #[default]
    File,
    /// Values are given as they are, after slope and intercept, and [`range`](crate::DataSettings::range) decides.
    None,
    /// -1350 to 150 Hounsfield units: level -600, width 1500.
    Lung,
    /// -500 to 1300 Hounsfield units: level 400, width 1800.
    Bone,
    /// -160 to 240 Hounsfield units: level 40, width 400.
    SoftTissue,
}

impl Default for Window {
    fn default() -> Window {
        Window::Rule(WindowRule::File)
    }
}

impl Window {
    /// The values that are black and white, where they are the same for all files.
    pub fn bounds(&self) -> Option<[f64; 2]> {
        match self {
            Window::Rule(WindowRule::File | WindowRule::None) => None,
            Window::Rule(WindowRule::Lung) => Some([-1350.0, 150.0]),
            Window::Rule(WindowRule::Bone) => Some([-500.0, 1300.0]),
            Window::Rule(WindowRule::SoftTissue) => Some([-160.0, 240.0]),
            Window::Bounds(bounds) => Some(*bounds),
        }
    }

    pub(crate) fn is_default(&self) -> bool {
        *self == Window::default()
    }

    pub(crate) fn check(&self) -> Result<(), DataError> {
        let sound = |[low, high]: [f64; 2]| low < high && (high - low).is_finite();
        if self.bounds().is_none_or(sound) {
            return Ok(());
        }
        Err(DataError::BadOption {
            name: "window",
            expected: "low below high, both finite".into(),
            got: serde_json::to_string(self).unwrap_or_default(),
        })
    }
}

impl std::str::FromStr for Window {
    type Err = String;

    /// `file`, `none`, `lung`, `bone`, `soft-tissue` or `LOW,HIGH`.
    fn from_str(text: &str) -> Result<Window, String> {
        let expected = || format!("expected file, none, lung, bone, soft-tissue or LOW,HIGH, got {text:?}");
        if let Ok(rule) = serde_json::from_value(text.into()) {
            return Ok(Window::Rule(rule));
        }
        let (low, high) = text.split_once(',').ok_or_else(expected)?;
        let number = |text: &str| text.trim().parse::<f64>().map_err(|_| expected());
        Ok(Window::Bounds([number(low)?, number(high)?]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_written_as_they_are_read() {
        for (text, json, bounds) in [
            ("file", r#""file""#, None),
            ("none", r#""none""#, None),
            ("lung", r#""lung""#, Some([-1350.0, 150.0])),
            ("bone", r#""bone""#, Some([-500.0, 1300.0])),
            ("soft-tissue", r#""soft-tissue""#, Some([-160.0, 240.0])),
            ("-100, 20.5", "[-100.0,20.5]", Some([-100.0, 20.5])),
        ] {
            let window: Window = text.parse().unwrap();
            assert_eq!(window.bounds(), bounds);
            assert_eq!(serde_json::to_string(&window).unwrap(), json);
            assert_eq!(serde_json::from_str::<Window>(json).unwrap(), window);
            window.check().unwrap();
        }
        for text in ["liver", "1", "1,x", ""] {
            assert!(text.parse::<Window>().unwrap_err().contains("LOW,HIGH"), "{text}");
        }
        assert!(Window::Bounds([3.0, 3.0]).check().is_err());
        assert!(Window::Bounds([0.0, f64::INFINITY]).check().is_err());
    }
}
