//! Judging an encoder: itself, the same network untrained, and the pixels, under the same protocols.
//!
//! ```text
//! cargo run --release --example judge -- runs/a blood.npz
//! ```

use std::error::Error;
use std::path::Path;

use twinlens::lab::protocols::title;
use twinlens::lab::{FeaturesKind, Verdict};
use twinlens::{JudgeRequest, Lab, judge};

/// What each of `protocols` says of each of `kinds` of features of the encoder, on the images called `data`.
fn compare(
    encoder: &Path,
    data: &str,
    kinds: &[FeaturesKind],
    protocols: &[&str],
) -> Result<Vec<Verdict>, Box<dyn Error>> {
    let mut verdicts = Vec::new();
    for &features in kinds {
        for protocol in protocols {
            let request = JudgeRequest { features, ..JudgeRequest::new(encoder, data, protocol) };
            verdicts.extend(judge(request, &Lab::default())?);
        }
    }
    Ok(verdicts)
}

#[expect(clippy::print_stdout, reason = "it is a program")]
fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [encoder, images] = &arguments[..] else { return Err("give a run and images".into()) };
    let protocols = ["knn", "linear-probe"];
    for verdict in compare(encoder.as_ref(), images, &FeaturesKind::OF_ENCODER, &protocols)? {
        let readings = verdict.readings();
        for (split, values) in &readings.splits {
            let (protocol, features) = (title(&verdict.protocol, &verdict.asked), verdict.subject.features);
            println!(
                "{protocol}, {}, {split}: {} {:?}",
                features.title(),
                readings.measures[0].title,
                values[0]
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use twinlens::lab::{BUNDLED, Outcome};
    use twinlens::nn::encoders::{Stem, find};
    use twinlens::nn::weights::{EncoderDescription, Weights, write_safetensors};

    use super::*;

    /// A small network with random weights, as a file.
    fn untrained(folder: &Path) -> Result<std::path::PathBuf, Box<dyn Error>> {
        let description = EncoderDescription {
            version: 2,
            encoder: "resnet18".into(),
            stem: "cifar".into(),
            channels: 3,
            features: 512,
            size: 14,
            range: None,
            stain: None,
            bag_of_channels: false,
            mean: vec![0.5; 3],
            std: vec![0.25; 3],
            eval_resize: twinlens_views::EvalResize::default(),
            origin: String::new(),
        };
        let mut weights = Weights::new(0, &twinlens::nn::device::open("cpu")?);
        find("resnet18")?.build(&mut weights.root(), Stem::Cifar, 3);
        let file = folder.join("encoder.safetensors");
        std::fs::write(&file, write_safetensors(&weights.export(""), &[])?)?;
        std::fs::write(file.with_extension("json"), serde_json::to_vec(&description)?)?;
        Ok(file)
    }

    #[test]
    fn pixels_of_blood_cells_tell_their_classes() -> Result<(), Box<dyn Error>> {
        let folder = tempfile::tempdir()?;
        let encoder = untrained(folder.path())?;
        let verdicts = compare(&encoder, BUNDLED, &[FeaturesKind::Pixels], &["knn", "ridge-probe"])?;
        // kNN with 20 and with 200 neighbours, and a probe.
        assert_eq!(verdicts.len(), 3);
        for verdict in verdicts {
            let Outcome::Predictions(found) = &verdict.outcome else { panic!("no predictions") };
            let test = found.split("test").ok_or("no test images")?;
            assert!(test.scores.accuracy() > 0.4, "{}: {}", verdict.protocol, test.scores.accuracy());
        }
        Ok(())
    }
}
