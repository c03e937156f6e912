//! A method of one's own: alignment and uniformity on the sphere, trained on the bundled blood cells.
//!
//! ```text
//! cargo run --release --example own_method -- runs/own
//! ```

use std::error::Error;
use std::path::Path;

use burn::tensor::Tensor;
use serde::Serialize;
use twinlens::lab::{BUNDLED, Lab};
use twinlens::nn::norms::unit_rows;
use twinlens::run::{Environment, Overwrite, RunFolder, Start};
use twinlens::ssl::methods::{JointEmbedding, JointEmbeddingSettings, OwnMethod, ProjectorSettings};
use twinlens::ssl::objectives::{Loss, PairLoss};
use twinlens::ssl::{Asked, Hooks, Prepared, Settings, StartFrom, TrainingEnd, TrainingEvent, train};
use twinlens::views::presets::preset;

/// Wang and Isola, "Understanding contrastive representation learning through alignment and uniformity on the hypersphere",
/// ICML 2020. With `u`, `v` the unit rows of both views,
///
/// ```text
/// L = mean_i |u_i - v_i|^2 + (U(u) + U(v)) / 2,   U(u) = log mean_{i != j} exp(-t |u_i - u_j|^2)
/// ```
#[derive(Clone, Copy, Debug, Serialize)]
struct AlignUniform {
    t: f64,
}

impl PairLoss for AlignUniform {
    fn loss(&self, z_a: Tensor<2>, z_b: Tensor<2>) -> Loss {
        let (u, v) = (unit_rows(z_a), unit_rows(z_b));
        let alignment = (u.clone() - v.clone()).square().sum_dim(1).mean();
        let uniformity = (self.uniformity(u) + self.uniformity(v)).mul_scalar(0.5);
        let total = alignment.clone() + uniformity.clone();
        Loss::new(total, [("alignment", alignment), ("uniformity", uniformity)])
    }
}

impl AlignUniform {
    /// `U`, where `|u_i - u_j|^2` is `2 - 2 u_i . u_j`, and 0 for the n pairs of a row with itself.
    fn uniformity(&self, u: Tensor<2>) -> Tensor<1> {
        let n = u.dims()[0] as f64;
        let cosines = u.clone().matmul(u.transpose());
        let potentials = cosines.sub_scalar(1.0).mul_scalar(2.0 * self.t).exp();
        potentials.sum().sub_scalar(n).div_scalar(n * (n - 1.0)).log()
    }
}

impl JointEmbedding for AlignUniform {
    const TITLE: &'static str = "alignment and uniformity";
    const COLLAPSE_ADVICE: &'static str = "embeddings are alike: raise method.t or lower optim.lr";
}

/// Trains in `folder` as the program does: with checkpoints, a log, and a look at held-out labels after every epoch.
fn learn(folder: &Path, settings: Settings, hooks: Hooks<'_>) -> Result<TrainingEnd, Box<dyn Error>> {
    let method = JointEmbeddingSettings {
        objective: AlignUniform { t: 2.0 },
        projector: ProjectorSettings::default(),
    };
    let mut settings = settings.with_method(OwnMethod::new("align-uniform", method));
    settings.views = preset("medmnist")?;
    let images = Lab::default().open(BUNDLED, &settings.data_options)?;
    let prepared = Prepared::new(&settings, &images)?;
    let data = images.fingerprint.clone().into();
    let environment = Environment { version: "example", commit: None, threads: 1, data }.describe();
    let start = Start { config: &toml::to_string_pretty(&settings)?, command: &[], environment };
    let mut folder = RunFolder::create(folder, Overwrite::Never, &start)?;
    Ok(train(&settings, &images, &prepared, &mut folder, StartFrom::Scratch, hooks)?)
}

#[expect(clippy::print_stdout, reason = "it is a program")]
fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("give a folder to write to")?;
    let mut settings = Settings { epochs: 20, ..Settings::default() };
    settings.size = 28.into();
    let mut progress = |event: &TrainingEvent<'_>| {
        if let TrainingEvent::Look { epoch, measure, value } = event {
            println!("epoch {epoch}: {measure} {value:.3}");
        }
    };
    learn(folder.as_ref(), settings, Hooks { asked: &|| Asked::Continue, progress: &mut progress })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_learns_and_is_saved_under_its_name() -> Result<(), Box<dyn Error>> {
        let place = tempfile::tempdir()?;
        let path = place.path().join("run");
        let mut settings = Settings { limit: 64, epochs: 2, ..Settings::default() };
        (settings.size, settings.batch) = (8.into(), 32);
        let mut losses = Vec::new();
        let mut progress = |event: &TrainingEvent<'_>| {
            if let TrainingEvent::Step { loss, .. } = event {
                losses.extend(*loss);
            }
        };
        let hooks = Hooks { asked: &|| Asked::Continue, progress: &mut progress };
        let outcome = learn(&path, settings, hooks)?;
        assert_eq!((outcome, losses.len()), (TrainingEnd::Done, 4));
        assert!(losses.iter().all(|loss| loss.is_finite()), "{losses:?}");
        let config = std::fs::read_to_string(path.join("config.toml"))?;
        assert!(config.contains("name = \"align-uniform\"") && config.contains("t = 2.0"), "{config}");
        twinlens::Encoder::load(&path)?;
        Ok(())
    }
}
