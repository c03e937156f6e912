//! Classes of new images: by the head of a run that was fine-tuned, or by a linear probe of one that learned without labels.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use twinlens_data::DataSet;
use twinlens_eval::{FittedProbe, LinearProbe, metrics};
use twinlens_nn::encoders::Encoder;
use twinlens_nn::weights::{EncoderFile, NamedTensor, Weights, read_safetensors};
use twinlens_ssl::finetune::{HEAD, Head, class_table, probabilities, with_head};

use crate::encoder::network;
use crate::features::{by_network, features};
use crate::{Computing, Events, Judging, Lab, LabError, Part, Subject, encoder_file};
use crate::{judged, names, own_data, read_encoder, reading_for};

/// What tells the classes of images.
pub struct Classifier {
    file: EncoderFile,
    rule: Rule,
    classes: Vec<String>,
}

enum Rule {
    Head { kind: Head, tensors: BTreeMap<String, NamedTensor> },
    Probe(Box<FittedProbe>),
}

/// `encoder/head.json`.
#[derive(Deserialize)]
struct HeadDescription {
    head: Head,
    classes: Vec<String>,
}

/// The classes of images, as far as a classifier knows them.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassTable {
    /// What each image is called.
    pub names: Vec<String>,
    /// The classes.
    pub classes: Vec<String>,
    /// The probability of every class for every image, `[images, classes]`.
    pub probabilities: Vec<f64>,
}

impl Classifier {
    /// That of the run in the folder `run`: its head, or a linear probe fitted to the labels of the run's own data set.
    ///
    /// # Errors
    /// A folder that is no run; of a run without a head, data that are no longer there or have no labels.
    pub fn of_run(run: &Path, computing: &Computing, lab: &Lab<'_>) -> Result<Classifier, LabError> {
        let file = read_encoder(run)?;
        let weights = encoder_file(run).with_file_name("head.safetensors");
        if weights.is_file() {
            return Classifier::with_head(file, &weights);
        }
        let data = own_data(run).ok_or(LabError::NoClassifier)?;
        let settings = reading_for(run, &file, &data);
        let set = judged(&lab.open(&data, &settings)?, lab.events);
        let subject = Subject::trained(file.clone());
        let judging = Judging::new(&subject, (&set, &data), computing, lab.events);
        let (train, splits) = (judging.train()?, judging.splits()?);
        let held_out = splits.held_out();
        let probe = LinearProbe::default().fit(&train, &held_out)?;
        lab.events.note(&format!(
            "{} has no head: a linear probe of {} labels of {data} tells the classes (C = {}, chosen on validation)",
            run.display(),
            train.labels().len(),
            probe.c
        ));
        Ok(Classifier { file, rule: Rule::Probe(Box::new(probe)), classes: set.classes.clone() })
    }

    fn with_head(file: EncoderFile, weights: &Path) -> Result<Classifier, LabError> {
        let description = weights.with_extension("json");
        let text = std::fs::read(&description).map_err(|error| LabError::io(&description, error))?;
        let HeadDescription { head: kind, classes } = serde_json::from_slice(&text)
            .map_err(|error| LabError::BadHead { path: description, reason: error.to_string() })?;
        Ok(Classifier { file, rule: Rule::Head { kind, tensors: read_safetensors(weights)? }, classes })
    }

    /// The encoder, with how images are prepared for it.
    pub fn encoder(&self) -> &EncoderFile {
        &self.file
    }

    /// The classes of all images of `data`, whatever its splits and labels say.
    ///
    /// # Errors
    /// Images of other channels, or that cannot be read.
    pub fn predict(
        &self,
        data: &DataSet,
        computing: &Computing,
        events: &dyn Events,
    ) -> Result<ClassTable, LabError> {
        let subject = Subject::trained(self.file.clone());
        let splits = Part::All.of(data)?;
        let mut found = Vec::new();
        match &self.rule {
            Rule::Head { kind, tensors } => {
                let mut network = self.network(*kind, tensors, &computing.device)?;
                for split in splits {
                    let logits = by_network(&subject, &mut network, data, split, computing, events)?;
                    found.extend(probabilities(&logits));
                }
            }
            Rule::Probe(probe) => {
                for split in splits {
                    let features = features(&subject, data, split, computing, events)?;
                    found.extend(probe.probabilities(&features)?);
                }
            }
        }
        let names = names(data, Part::All)?.into_iter().map(|(_, name)| name).collect();
        Ok(ClassTable { names, classes: self.classes.clone(), probabilities: found })
    }

    /// The encoder with its head.
    fn network(
        &self,
        kind: Head,
        tensors: &BTreeMap<String, NamedTensor>,
        device: &str,
    ) -> Result<(Encoder, Weights), LabError> {
        let (encoder, mut weights) = network(&self.file, 0, device)?;
        weights.import("", &self.file.tensors)?;
        let whole = with_head(&mut weights, encoder, self.classes.len(), kind);
        weights.import(HEAD, tensors)?;
        Ok((whole, weights))
    }
}

impl ClassTable {
    /// The number of the likeliest class of each image.
    pub fn predicted(&self) -> Vec<usize> {
        metrics::predictions(&self.probabilities, self.classes.len())
    }

    /// How many images each class has.
    pub fn counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes.len()];
        self.predicted().into_iter().for_each(|class| counts[class] += 1);
        counts
    }

    /// A line for each image: its name, its likeliest class, how probable that is, and the probability of every class.
    pub fn csv(&self) -> String {
        let row = |((name, class), row): ((&String, usize), &[f64])| {
            [name.clone(), self.classes[class].clone(), row[class].to_string()]
        };
        let rows = self.probabilities.chunks_exact(self.classes.len().max(1));
        let rows = self.names.iter().zip(self.predicted()).zip(rows).map(row);
        class_table(["image", "predicted", "probability"], rows, &self.classes, &self.probabilities)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_the_image_and_its_likeliest_class() {
        let table = ClassTable {
            names: vec!["new/1.jpg".into(), "a,b.png".into()],
            classes: vec!["round".into(), "long".into()],
            probabilities: vec![0.25, 0.75, 0.5, 0.5],
        };
        let csv = "image,predicted,probability,p(round),p(long)\n\
                   new/1.jpg,long,0.75,0.25,0.75\n\"a,b.png\",round,0.5,0.5,0.5\n";
        assert_eq!((table.csv().as_str(), table.counts()), (csv, vec![1, 1]));
    }
}
