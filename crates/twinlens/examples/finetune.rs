//! An encoder learns from the bundled blood cells without labels, and then from a tenth of the labels.
//!
//! ```text
//! cargo run --release --example finetune -- runs/example
//! ```
//!
//! What is done in the folder is not done again: the second time this tells the result at once.

use std::error::Error;
use std::path::Path;

use twinlens::Lab;
use twinlens::lab::{BUNDLED, Logged};
use twinlens::ssl::Settings;
use twinlens::ssl::finetune::FinetuneSettings;
use twinlens::views::presets::preset;

/// Pre-trains as `settings` say, fine-tunes for so many `epochs`, and returns the accuracy on test images.
fn learn(folder: &Path, mut settings: Settings, epochs: usize, lab: &Lab<'_>) -> Result<f64, Box<dyn Error>> {
    settings.data = BUNDLED.into();
    settings.views = preset("medmnist")?;
    let pretrained = twinlens::pretrain(settings, &folder.join("pretrained"), lab)?;
    let init = pretrained.folder.display().to_string();
    let mut settings = FinetuneSettings { init, label_share: 0.1, ..FinetuneSettings::default() };
    settings.data = BUNDLED.into();
    settings.views = preset("crop-flip")?;
    settings.batch = 32;
    settings.stages[0].epochs = epochs;
    let tuned = twinlens::finetune(settings, &folder.join("tuned"), lab)?;
    let test = tuned.verdict.outcome.split("test").ok_or("no test images")?;
    Ok(test.scores.accuracy())
}

#[expect(clippy::print_stdout, reason = "it is a program")]
fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("give a folder to write to")?;
    let lab = Lab { events: &Logged, ..Lab::default() };
    let mut settings = Settings { epochs: 20, ..Settings::default() };
    settings.size = 28.into();
    println!("accuracy on test images: {:.3}", learn(folder.as_ref(), settings, 40, &lab)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_learns_more_than_the_most_frequent_class_and_remembers() -> Result<(), Box<dyn Error>> {
        let place = tempfile::tempdir()?;
        let settings = || {
            let mut settings = Settings { limit: 64, epochs: 1, ..Settings::default() };
            (settings.size, settings.batch) = (8.into(), 32);
            settings
        };
        let accuracy = learn(place.path(), settings(), 15, &Lab::default())?;
        assert!(accuracy > 66.0 / 343.0, "{accuracy}");
        // The same again is read back: a stop that was asked for is not even noticed.
        let stopped = Lab { asked: &|| twinlens::lab::Asked::Stop, ..Lab::default() };
        assert_eq!(learn(place.path(), settings(), 15, &stopped)?, accuracy);
        Ok(())
    }
}
