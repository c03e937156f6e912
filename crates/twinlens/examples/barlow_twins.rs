//! Barlow Twins, whole: images in, an encoder out.
//!
//! ```text
//! cargo run --release --example barlow_twins -- blood.npz
//! ```

use std::error::Error;
use std::path::Path;

use twinlens::data::{OpenOptions, open};
use twinlens::nn::encoders::EncoderSettings;
use twinlens::nn::weights::EncoderFile;
use twinlens::ssl::methods::MethodSettings;
use twinlens::ssl::{Learner, Prepared, Settings};
use twinlens::views::presets;

/// Learns from the training images in `path`, and tells the loss of each step.
fn learn(
    path: &Path,
    mut settings: Settings,
    tell: impl Fn(usize, f64),
) -> Result<EncoderFile, Box<dyn Error>> {
    let images = open(path, &OpenOptions::default())?;
    settings.method = MethodSettings::named("barlow-twins")?;
    settings.views = presets::preset("medmnist")?;
    let prepared = Prepared::new(&settings, &images)?;
    let steps = prepared.steps_per_epoch(settings.batch);
    let mut learner = Learner::new(&settings, prepared.shape(), steps, &settings.open_device()?);
    for batch in prepared.batches(&settings)? {
        let batch = batch?;
        let report = learner.step(&batch.views, &batch.indices, Vec::new());
        tell(learner.steps(), report.loss.read());
    }
    Ok(prepared.encoder(&settings, &images, &mut learner, "an example".into()))
}

#[expect(clippy::print_stdout, reason = "it is a program")]
fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("give a file or folder of images")?;
    let mut settings = Settings { epochs: 10, ..Settings::default() };
    settings.encoder = EncoderSettings::named("resnet18")?;
    settings.size = 28.into();
    let file = learn(path.as_ref(), settings, |step, loss| println!("step {step}: loss {loss:.3}"))?;
    let images = open(path.as_ref(), &OpenOptions::default())?.splits.test.ok_or("no test images")?;
    let features = twinlens::Encoder::from_file(file, "cpu")?.embed(images)?;
    println!("{} test images, {} features each", features.rows(), features.dim());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loss_is_finite_and_the_encoder_embeds() -> Result<(), Box<dyn Error>> {
        let cells = Path::new(env!("CARGO_MANIFEST_DIR")).join("../lab/assets/blood_cells_28.npz");
        let mut settings = Settings { limit: 64, epochs: 1, ..Settings::default() };
        settings.size = 8.into();
        settings.batch = 32;
        let file = learn(&cells, settings, |_, loss| assert!(loss.is_finite()))?;
        let images = open(&cells, &OpenOptions::default())?.splits.test.ok_or("no test images")?;
        let features = twinlens::Encoder::from_file(file, "cpu")?.embed(images.clone())?;
        assert_eq!((features.rows(), features.dim()), (images.len(), 512));
        Ok(())
    }
}
