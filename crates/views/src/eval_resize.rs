//! How images are brought to the size of an encoder where it is looked at, not trained.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::ViewProblem;
use crate::ops::{CenterCrop, CenterResizedCrop, OperationSetting, Resize};
use crate::settings::Interval;

/// `[eval_resize]`: images that an encoder is judged on are resized to `R` pixels, and the centre `S` x `S` is cut out. `S` is the size
/// of the encoder's views,
///
/// ```text
/// R = floor(S / crop)
/// ```
///
/// so that 256 then 224 is `crop = 0.875` (timm's `crop_pct`), and other sizes scale alike.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EvalResize {
    /// The share of the resized side that the centre crop keeps: 0.875 is 256 pixels, then 224. 1 crops no more than makes a
    /// square.
    #[schemars(range(min = 0.1, max = 1.0))]
    pub crop: f64,
    /// What is resized.
    pub side: ResizedSide,
}

/// What is resized before the centre is cut out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ResizedSide {
    /// The shorter side, the other in proportion: torchvision's `Resize` with one number, and what most released code does.
    #[default]
    Shorter,
    /// Both sides to the same, whatever the proportions were: "resized to 256 x 256" as papers write it.
    Square,
}

impl Default for EvalResize {
    /// The shorter side becomes that of the views.
    fn default() -> EvalResize {
        EvalResize { crop: 1.0, side: ResizedSide::Shorter }
    }
}

impl EvalResize {
    /// The smallest share: less of an image is no image of it.
    const LEAST: f64 = 0.1;

    /// Whether it is what is done where nothing is said.
    pub fn is_usual(&self) -> bool {
        *self == EvalResize::default()
    }

    /// What cannot be used of it, with its dotted key.
    pub fn problem(&self) -> Option<ViewProblem> {
        let sound = (EvalResize::LEAST..=1.0).contains(&self.crop);
        let expected = format!("{} to 1", EvalResize::LEAST);
        (!sound).then(|| ViewProblem { key: "eval_resize.crop".into(), expected, got: self.crop.to_string() })
    }

    /// The pixels that are resized to, for views of `size`.
    pub fn resized(&self, size: usize) -> usize {
        (size as f64 / self.crop) as usize
    }

    /// The operations for views of `size`; none is left to chance.
    pub(crate) fn operations(&self, size: usize) -> Vec<OperationSetting> {
        let resized = Some(self.resized(size));
        let resize = match self.side {
            ResizedSide::Shorter => OperationSetting::Resize(Resize { size: resized, ..Resize::default() }),
            ResizedSide::Square => OperationSetting::CenterResizedCrop(CenterResizedCrop {
                size: resized,
                share: Interval::One(1.0),
                ..CenterResizedCrop::default()
            }),
        };
        vec![resize, OperationSetting::CenterCrop(CenterCrop { size: Some(size), ..CenterCrop::default() })]
    }
}
