//! A protocol of one's own: how sparse are the features of an encoder?
//!
//! ```text
//! cargo run --release --example own_protocol -- runs/a blood.npz
//! ```

use std::error::Error;
use std::path::Path;

use serde::{Deserialize, Serialize};
use twinlens::data::{OpenOptions, open};
use twinlens::eval::{Better, Judgement, Measure, MeasureOf, Unit};
use twinlens::lab::protocols::{Needs, Protocol, ProtocolSpec};
use twinlens::lab::{
    Computing, Judging, LabError, Measured, Outcome, Repeat, Settings, Silent, Subject, Verdict, read_encoder,
};

/// The share of features whose magnitude is at most `threshold`.
#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Sparsity {
    threshold: f32,
}

/// What it measures: tables, CSV files, comparisons and reports show it as it is described here.
static MEASURES: [MeasureOf<f64>; 1] = [Measure {
    id: "sparsity",
    title: "sparsity",
    unit: Unit::Share,
    better: Better::Higher,
    of: |share| Some(*share),
}];

impl Protocol for Sparsity {
    const ID: &'static str = "sparsity";
    const SUMMARY: &'static str = "the share of features that are about 0";
    const NEEDS: Needs = Needs::Images;

    fn run(&self, judging: &Judging<'_>, _seed: u64) -> Result<Vec<Judgement<Outcome>>, LabError> {
        let features = judging.features()?;
        let small = features.values().iter().filter(|value| value.abs() <= self.threshold).count();
        let share = small as f64 / features.values().len() as f64;
        let measured = Measured::of(&MEASURES, [(judging.part.name(), features.rows(), &share)]);
        Ok(vec![Judgement::new([("threshold", self.threshold.into())], Outcome::Measured(measured))])
    }
}

/// Its row; one in `PROTOCOLS` would make it known to the command line.
pub static SPARSITY: ProtocolSpec = ProtocolSpec::of::<Sparsity>();

/// The sparsity of the test features by `subject`.
pub fn judge(subject: &Subject, path: &Path, settings: &Settings) -> Result<Vec<Verdict>, Box<dyn Error>> {
    let data = open(path, &OpenOptions::default())?;
    let (name, computing) = (path.display().to_string(), Computing::new(0, "cpu", None));
    let mut judging = Judging::new(subject, (&data, &name), &computing, &Silent);
    Ok(judging.run(&SPARSITY, settings, &Repeat::default())?)
}

#[expect(clippy::print_stdout, reason = "it is a program")]
#[cfg_attr(test, expect(dead_code, reason = "tests call what it calls"))]
fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [encoder, images] = &arguments[..] else { return Err("give a run and images".into()) };
    let subject = Subject::trained(read_encoder(encoder.as_ref())?);
    for verdict in judge(&subject, images.as_ref(), &Settings::new())? {
        println!("{}", serde_json::to_string_pretty(&verdict)?);
    }
    Ok(())
}
