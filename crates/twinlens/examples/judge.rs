//! Judging an encoder: itself, the same network untrained, and the pixels, under the same protocols.
//!
//! ```text
//! cargo run --release --example judge -- runs/a blood.npz
//! ```

use std::error::Error;
use std::path::Path;

use twinlens::data::{OpenOptions, open};
use twinlens::lab::protocols::{find, title};
use twinlens::lab::{
    Computing, FeaturesKind, Judging, Repeat, Settings, Silent, Subject, Verdict, read_encoder,
};
use twinlens::nn::weights::EncoderFile;

/// What each of `protocols` says of each of `kinds` of features, on the images in `path`.
fn judge(
    encoder: &EncoderFile,
    path: &Path,
    kinds: &[FeaturesKind],
    protocols: &[&str],
) -> Result<Vec<Verdict>, Box<dyn Error>> {
    let data = open(path, &OpenOptions::default())?.for_judging();
    let (name, computing) = (path.display().to_string(), Computing::new(0, "cpu", None));
    let mut verdicts = Vec::new();
    for &kind in kinds {
        let subject = Subject::new(kind, encoder.clone(), 0)?;
        // Features are computed once, whatever the number of protocols.
        let mut judging = Judging::new(&subject, (&data, &name), &computing, &Silent);
        for protocol in protocols {
            verdicts.extend(judging.run(find(protocol)?, &Settings::new(), &Repeat::default())?);
        }
    }
    Ok(verdicts)
}

#[expect(clippy::print_stdout, reason = "it is a program")]
fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [encoder, images] = &arguments[..] else { return Err("give a run and images".into()) };
    let encoder = read_encoder(encoder.as_ref())?;
    let protocols = ["knn", "linear-probe"];
    for verdict in judge(&encoder, images.as_ref(), &FeaturesKind::OF_ENCODER, &protocols)? {
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
    use twinlens::lab::Outcome;
    use twinlens::nn::weights::EncoderDescription;

    use super::*;

    #[test]
    fn pixels_of_blood_cells_tell_their_classes() -> Result<(), Box<dyn Error>> {
        let cells = Path::new(env!("CARGO_MANIFEST_DIR")).join("../lab/assets/blood_cells_28.npz");
        let description = EncoderDescription {
            version: 2,
            encoder: "resnet18".into(),
            stem: "cifar".into(),
            channels: 3,
            features: 512,
            size: 14,
            range: None,
            mean: vec![0.5; 3],
            std: vec![0.25; 3],
            origin: String::new(),
        };
        let encoder = EncoderFile { description, tensors: Default::default() };
        let verdicts = judge(&encoder, &cells, &[FeaturesKind::Pixels], &["knn", "ridge-probe"])?;
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
