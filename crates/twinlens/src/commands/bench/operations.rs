//! Every operation of views by itself, on one thread.

use std::sync::LazyLock;

use serde_json::{Value, json};
use twinlens_ssl::SslError;
use twinlens_views::ops::{NAMES, OperationSetting};
use twinlens_views::{DrawKey, Policy, ViewPolicy, Workspace};

use super::views::{context, figures, images, images_per_s};
use super::{BenchArgs, Figures, Work};
use crate::exit::{Exit, Failure, Outcome};
use crate::terminal::Terminal;

/// One operation, always applied, with parameters drawn anew each time: 8-bit RGB images in, 8-bit RGB images out.
pub(super) struct Operation {
    name: String,
    operation: &'static str,
    size: usize,
}

/// The operations at the size of thumbnails and of photographs.
pub(super) static CASES: LazyLock<Vec<Operation>> = LazyLock::new(|| {
    let case = |operation, size| Operation { name: format!("operation-{operation}-{size}"), operation, size };
    let sized = |size| NAMES.iter().map(move |operation| case(*operation, size));
    sized(32).chain(sized(224)).collect()
});

/// Parameters of `operation` on images of `size` pixels that are not its defaults: what would otherwise leave most images as
/// they are, and strengths as in the literature.
fn parameters(operation: &str, size: usize) -> Value {
    match operation {
        "resize" | "center_crop" => json!({ "size": size * 3 / 4 }),
        "pad" => json!({ "share": [0.1, 0.4] }),
        "rotation" | "perspective" | "elastic" => json!({ "interpolation": "bilinear" }),
        "affine" => json!({
            "degrees": 20, "translate": [0.1, 0.1], "scale": [0.9, 1.1], "shear": 10, "interpolation": "bilinear",
        }),
        "color_jitter" => json!({ "brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1 }),
        "adjust_sharpness" => json!({ "sharpness_factor": [0.5, 2.0] }),
        "channel_intensity" => json!({ "shift": [-0.1, 0.1] }),
        _ => json!({}),
    }
}

impl Operation {
    fn policy(&self) -> Outcome<Policy> {
        let mut setting = parameters(self.operation, self.size);
        setting["op"] = json!(self.operation);
        setting["p"] = json!(1.0);
        let setting: OperationSetting =
            serde_json::from_value(setting).map_err(|error| Failure::new(Exit::Failed, error))?;
        let views = [ViewPolicy { count: 1, operations: vec![setting] }];
        Ok(Policy::build(&views, context(self.size)).map_err(SslError::Views)?)
    }
}

/// Length of a repetition.
const SECONDS: f64 = 0.2;

impl Work for Operation {
    fn name(&self) -> &str {
        &self.name
    }

    fn what(&self) -> String {
        format!("{} alone, {} px RGB, one thread", self.operation, self.size)
    }

    fn time(&self, args: &BenchArgs, _: &Terminal) -> Outcome<Figures> {
        let policy = self.policy()?;
        let images = images(self.size);
        let mut workspace = Workspace::default();
        let make = |epoch, sample: u32| {
            let place = DrawKey { seed: 0, epoch, sample };
            policy.image(0, place, &images[sample as usize], &mut workspace).map_err(SslError::Views)?;
            Ok(())
        };
        Ok(figures(images_per_s(args, SECONDS, make)?, ""))
    }
}

#[cfg(test)]
mod tests {
    use twinlens_data::Pixels;

    use super::*;

    #[test]
    fn every_operation_is_a_case_at_both_sizes_and_changes_an_image() {
        assert_eq!(CASES.len(), 2 * NAMES.len());
        let mut image = images(32).swap_remove(0);
        // Without black and white, so that there is contrast to gain.
        if let Pixels::U8(samples) = &mut image.pixels {
            samples.iter_mut().for_each(|sample| *sample = (*sample).clamp(20, 200));
        }
        let mut workspace = Workspace::default();
        for case in CASES.iter().filter(|case| case.size == 32) {
            let policy = case.policy().unwrap();
            let mut drawn = |sample| {
                let place = DrawKey { seed: 0, epoch: 0, sample };
                policy.image(0, place, &image, &mut workspace).unwrap()
            };
            assert!((0..8).any(|sample| drawn(sample) != image), "{}", case.name);
        }
    }
}
