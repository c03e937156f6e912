//! What a run came to, in words: did the encoder learn, how sure is that, and what is worth doing next?
//!
//! [`judge_ended`] judges a pre-training that has ended without being asked: by nearest neighbours where images have labels,
//! the same network untrained and the raw pixels beside it; by what needs no labels where they have none. [`Assessment::of`]
//! puts into sentences what a run's folder says.

use serde::Serialize;
use serde_json::Value;
use twinlens_data::DataSet;
use twinlens_eval::clustering::{Agreement, ClusterProtocol, Clusters};
use twinlens_eval::health::{Health, HealthProtocol};
use twinlens_eval::statistics::{Bootstrap, Interval, difference_of_proportions, proportion};
use twinlens_eval::{LinearProbe, Predictions, accuracy, gain};
use twinlens_nn::weights::EncoderFile;
use twinlens_run::{Row, RunFolder, RunRecord};
use twinlens_ssl::{LOW_RANK, Settings};

use crate::jobs::Pretraining;
use crate::protocols::{Knn, Protocol, TsneMap, find, settings};
use crate::run_settings::RunSettings;
use crate::sentence::{images, over_groups, percent, range, sentence};
use crate::verdict::KeptVerdicts;
use crate::words::counted;
use crate::{
    FeaturesKind, Judging, Lab, LabError, Outcome, Part, Repeat, Subject, Verdict, ViewsOf, read_encoder,
};

/// What a run came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Assessment {
    /// What was found, and what it means.
    pub sentences: Vec<String>,
    /// Whether the encoder learned.
    pub learned: Learned,
    /// What is worth doing next, the best first.
    pub next: Vec<NextStep>,
}

/// Whether an encoder learned, as far as the images that it was judged on can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Learned {
    /// It is better than untrained.
    Yes,
    /// The difference to untrained may be chance.
    NotShown,
    /// It is worse than untrained.
    Worse,
    /// Nothing says it: there are no labels, or it was not judged.
    Unknown,
}

/// Something worth doing with a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextStep {
    /// Look at the map of the images.
    Map,
    /// Judge the encoder by a classifier on its features.
    Probe,
    /// Find groups of images.
    Clusters,
    /// Take the features to other programs.
    Embed,
    /// Train on some of the labels.
    Finetune,
    /// Classify other images.
    Predict,
    /// Judge by nearest neighbours on all images.
    Neighbours,
    /// The same training for so many epochs.
    Longer {
        /// Epochs in all.
        epochs: usize,
    },
}

/// More images than this are judged only when somebody asks.
const MOST: usize = 20_000;
/// More images than this are not clustered unasked.
const MOST_CLUSTERED: usize = 2_000;
/// Seed of the untrained network beside the trained one.
pub const UNTRAINED_SEED: u64 = 0;

/// Judges what a pre-training learned and keeps the verdicts in its folder; returns them. Nothing is judged where it would take
/// long beside the training: of more than 20,000 images, and where the training was limited to some of them.
///
/// # Errors
/// An encoder or images that cannot be read, a folder that cannot be written.
pub fn judge_ended(run: &Pretraining, folder: &RunFolder, lab: &Lab<'_>) -> Result<Vec<Verdict>, LabError> {
    if run.settings.limit > 0 || Part::All.count(&run.data) > MOST {
        return Ok(Vec::new());
    }
    let (encoder, labelled) = (read_encoder(folder.path())?, run.data.for_judging());
    let verdicts = if looks_at_labels(&run.settings, &labelled) {
        by_labels(run, &labelled, &encoder, lab)?
    } else {
        without_labels(run, folder, &encoder, lab)?
    };
    for verdict in &verdicts {
        verdict.keep(folder)?;
    }
    Ok(verdicts)
}

/// Whether a run looks at labels at all, and images of `labelled` are held out to look at.
fn looks_at_labels(settings: &Settings, labelled: &DataSet) -> bool {
    let held_out = labelled.splits.val.is_some() || labelled.splits.test.is_some();
    settings.knn.every > 0 && labelled.check_for_evaluation().is_ok() && held_out
}

/// The neighbours that the run's log counts, of every kind of features.
fn by_labels(
    run: &Pretraining,
    labelled: &DataSet,
    encoder: &EncoderFile,
    lab: &Lab<'_>,
) -> Result<Vec<Verdict>, LabError> {
    let train = labelled.splits.train.as_ref().map_or(0, |train| train.len());
    let knn = settings(&neighbours(&run.settings, train));
    let (computing, mut verdicts) = (run.computing(lab), Vec::new());
    for kind in FeaturesKind::OF_ENCODER {
        let subject = Subject::new(kind, encoder.clone(), UNTRAINED_SEED)?;
        let mut judging = Judging::new(&subject, (labelled, &run.settings.data), &computing, lab.events);
        verdicts.extend(judging.run(find(Knn::ID)?, &knn, &Repeat::default())?);
    }
    Ok(verdicts)
}

/// The vote of `[knn]` in the run's settings, among so many training images.
fn neighbours(settings: &Settings, images: usize) -> Knn {
    Knn {
        k: vec![settings.knn.k.min(images.max(1))],
        temperature: vec![settings.knn.temperature],
        ..Knn::default()
    }
}

/// Health of the features, trained and untrained, and clusters from two starts.
fn without_labels(
    run: &Pretraining,
    folder: &RunFolder,
    encoder: &EncoderFile,
    lab: &Lab<'_>,
) -> Result<Vec<Verdict>, LabError> {
    let count = Part::usual(&run.data).count(&run.data);
    let seed = run.settings.seed;
    let (computing, mut verdicts) = (run.computing(lab), Vec::new());
    for kind in [FeaturesKind::Trained, FeaturesKind::Untrained] {
        let subject = Subject::new(kind, encoder.clone(), UNTRAINED_SEED)?;
        let mut judging = Judging::new(&subject, (&run.data, &run.settings.data), &computing, lab.events);
        judging.views = ViewsOf::Run.policy(kind, folder.path())?;
        let once = Repeat { seeds: vec![seed], ..Repeat::default() };
        verdicts.extend(judging.run(find(HealthProtocol::ID)?, &crate::Settings::new(), &once)?);
        // Two clusters of two images each, at least.
        if kind.is_trained() && (4..=MOST_CLUSTERED).contains(&count) {
            let twice = Repeat { seeds: vec![seed, seed + 1], ..Repeat::default() };
            verdicts.extend(judging.run(find(ClusterProtocol::ID)?, &crate::Settings::new(), &twice)?);
        }
    }
    Ok(verdicts)
}

impl Assessment {
    /// What the run in the folder of `record` came to.
    ///
    /// # Errors
    /// Settings that cannot be read.
    pub fn read(record: &RunRecord) -> Result<Assessment, LabError> {
        let settings = RunSettings::of(record)?;
        let verdicts: Vec<Verdict> =
            KeptVerdicts::of(record).verdicts.into_iter().map(|(_, verdict)| verdict).collect();
        Assessment::of(record, &settings, &verdicts)
    }

    /// What a run with these settings and verdicts came to.
    ///
    /// # Errors
    /// Verdicts that do not compare.
    pub fn of(
        record: &RunRecord,
        settings: &RunSettings,
        verdicts: &[Verdict],
    ) -> Result<Assessment, LabError> {
        let data = record.environment["data"]["sha256"].as_str();
        let own: Vec<&Verdict> = verdicts
            .iter()
            .filter(|verdict| verdict.data.sha256.as_deref() == data && verdict.subject.place().is_empty())
            .collect();
        let found = Assessment::found(record, settings, &own)?;
        // What was done is not worth doing again.
        let by = |protocol: &str| own.iter().any(|verdict| verdict.protocol == protocol);
        let done = |step: &NextStep| match step {
            NextStep::Probe => by(LinearProbe::ID),
            NextStep::Map => by(TsneMap::ID),
            _ => false,
        };
        Ok(Assessment { next: found.next.into_iter().filter(|step| !done(step)).collect(), ..found })
    }

    fn found(record: &RunRecord, settings: &RunSettings, own: &[&Verdict]) -> Result<Assessment, LabError> {
        let settings = match settings {
            RunSettings::Pretraining(settings) => settings,
            RunSettings::Finetuning(_) => return Ok(of_finetuning(own)),
        };
        let latest = record.latest();
        let epochs = latest.get("epoch").and_then(Value::as_u64).unwrap_or(0) as usize;
        if let Some(found) = Neighbours::judged(own, settings)? {
            return Ok(found.assessment(epochs));
        }
        if let Some(found) = Neighbours::looked_up(&record.metrics) {
            return Ok(found.assessment(epochs));
        }
        let rank = latest.get("effective_rank").and_then(Value::as_f64);
        Ok(of_unlabelled(own, rank, epochs))
    }

    /// All of it as one text.
    pub fn summary(&self) -> String {
        self.sentences.join(" ")
    }
}

/// How often nearest neighbours were right, before and after.
struct Neighbours {
    /// On which images.
    split: String,
    samples: usize,
    trained: Interval,
    untrained: f64,
    /// What training brought.
    gain: Interval,
    /// Accuracy of raw pixels, and what training brings over them.
    pixels: Option<(f64, Interval)>,
}

impl Neighbours {
    /// From the verdicts of [`judge_ended`]: on test, or on validation alone where there is no test.
    fn judged(verdicts: &[&Verdict], settings: &Settings) -> Result<Option<Neighbours>, LabError> {
        let of = |kind: FeaturesKind| {
            let (k, t) = (settings.knn.k as f64, settings.knn.temperature);
            let ours = |verdict: &&&Verdict| {
                verdict.protocol == Knn::ID
                    && verdict.subject.features == kind
                    && verdict.number("k").is_some_and(|found| found <= k)
                    && verdict.number("temperature") == Some(t)
                    && verdict.number("label_share") == Some(1.0)
                    && verdict.text("distance") == Some("cosine")
            };
            // Of several, that with the run's own k.
            let key = |verdict: &&&Verdict| verdict.number("k").unwrap_or(0.0) as usize;
            verdicts.iter().filter(ours).max_by_key(key).and_then(|verdict| match &verdict.outcome {
                Outcome::Predictions(found) => Some(found),
                _ => None,
            })
        };
        let (Some(trained), Some(untrained)) = (of(FeaturesKind::Trained), of(FeaturesKind::Untrained))
        else {
            return Ok(None);
        };
        let Some(split) = trained.splits.last().map(|split| split.split.clone()) else { return Ok(None) };
        let level = |of: &Predictions| Ok::<_, LabError>(accuracy(&[of], &split, Bootstrap::default())?);
        let over = |rival: &Predictions| {
            Ok::<_, LabError>(gain(&[trained], &[rival], &split, Bootstrap::default())?)
        };
        let (Some(now), Some(before), Some(brought)) = (level(trained)?, level(untrained)?, over(untrained)?)
        else {
            return Ok(None);
        };
        let pixels = match of(FeaturesKind::Pixels) {
            Some(pixels) => level(pixels)?.map(|found| found.value).zip(over(pixels)?),
            None => None,
        };
        let samples = trained.split(&split).map_or(0, |split| split.labels.len());
        Ok(Some(Neighbours { split, samples, trained: now, untrained: before.value, gain: brought, pixels }))
    }

    /// From the looks while training, of which the log knows how many images were right.
    fn looked_up(metrics: &[Row]) -> Option<Neighbours> {
        let look = |row: &Row| {
            let samples = row.get("held_out_images")?.as_u64()? as usize;
            Some((
                row.get("epoch")?.as_u64()?,
                proportion(row.get("knn_accuracy")?.as_f64()?, samples),
                samples,
            ))
        };
        let mut looks = metrics.iter().filter_map(look);
        let (0, untrained, samples) = looks.next()? else { return None };
        let (_, trained, _) = looks.next_back()?;
        let (gain, untrained) = (difference_of_proportions(trained, untrained), untrained.value);
        Some(Neighbours { split: "val".to_owned(), samples, trained, untrained, gain, pixels: None })
    }

    fn assessment(&self, epochs: usize) -> Assessment {
        let learned = match self.gain {
            Interval { low, .. } if low > 0.0 => Learned::Yes,
            Interval { high, .. } if high < 0.0 => Learned::Worse,
            _ => Learned::NotShown,
        };
        let sentences = std::iter::once(self.numbers(epochs))
            .chain([self.meaning(learned, epochs)])
            .chain(self.against_pixels())
            .collect();
        let longer = NextStep::Longer { epochs: more(epochs) };
        let next = match learned {
            Learned::Yes => vec![NextStep::Map, NextStep::Probe, NextStep::Finetune],
            _ => vec![longer, NextStep::Map, NextStep::Probe],
        };
        Assessment { sentences, learned, next }
    }

    fn numbers(&self, epochs: usize) -> String {
        let Neighbours { split, samples, trained, untrained, pixels, .. } = self;
        let pixels =
            pixels.map(|(pixels, _)| format!(", raw pixels {}", percent(pixels))).unwrap_or_default();
        format!(
            "Nearest neighbours are right for {} of {} after {} ({}); untrained {}{pixels}.",
            percent(trained.value),
            images(*samples, split),
            counted(epochs, "epoch"),
            range(trained),
            percent(*untrained),
        )
    }

    fn meaning(&self, learned: Learned, epochs: usize) -> String {
        let Interval { value, low, high, .. } = self.gain;
        let over = over_groups(&self.gain);
        let points = |share: f64| format!("{:.1}", 100.0 * share);
        match learned {
            Learned::Yes => format!(
                "The encoder learned: {} points more than untrained (95 %: {} to {}{over}).",
                points(value),
                points(low),
                points(high)
            ),
            Learned::Worse => format!(
                "Training made it worse, by {} points (95 %: {} to {}{over}): try epochs={}, a lower optim.lr, or views that keep \
                 what tells your images apart.",
                points(-value),
                points(-high),
                points(-low),
                more(epochs)
            ),
            _ => format!(
                "Whether it learned cannot be told from {}: the difference to untrained, {} points, may be chance \
                 (95 %: {} to {}{over}). Try epochs={}.",
                images(self.samples, &self.split),
                points(value),
                points(low),
                points(high),
                more(epochs)
            ),
        }
    }

    fn against_pixels(&self) -> Option<String> {
        let (_, over) = self.pixels?;
        let surely = over.high < 0.0;
        surely.then(|| {
            format!("Raw pixels still do better, by {:.1} points: more epochs may help.", -100.0 * over.value)
        })
    }
}

/// Epochs that are worth trying after so many.
fn more(epochs: usize) -> usize {
    (5 * epochs).max(20)
}

fn of_finetuning(verdicts: &[&Verdict]) -> Assessment {
    let own = verdicts.iter().filter(|verdict| verdict.subject.features.is_trained());
    let sentences: Vec<String> = own.take(1).map(|verdict| sentence(verdict)).collect();
    Assessment { sentences, learned: Learned::Unknown, next: vec![NextStep::Predict, NextStep::Map] }
}

/// Without labels: what the features say about themselves, or the `rank` that the log told last.
fn of_unlabelled(verdicts: &[&Verdict], mut rank: Option<f64>, epochs: usize) -> Assessment {
    let health = |kind: FeaturesKind| {
        verdicts.iter().find_map(|verdict| match &verdict.outcome {
            Outcome::Health(found) if verdict.subject.features == kind => Some((verdict, found)),
            _ => None,
        })
    };
    let mut sentences = Vec::new();
    let untrained = health(FeaturesKind::Untrained).map(|(_, found)| found);
    match health(FeaturesKind::Trained) {
        Some((verdict, found)) => {
            rank = Some(found.effective_rank);
            sentences.push(spread(found, untrained, verdict.text("split").unwrap_or("all"), epochs));
        }
        None => sentences.extend(rank.map(|rank| {
            format!(
                "After {}, the last batch's embeddings have effective rank {rank:.1}.",
                counted(epochs, "epoch")
            )
        })),
    }
    sentences.extend(groups(verdicts));
    sentences.push(match rank {
        Some(rank) if rank < LOW_RANK => {
            format!(
                "That is hardly more than a collapse: try epochs={}, a larger batch, or another method.",
                more(epochs)
            )
        }
        _ => "Labels were not looked at, so whether it learned what matters to you only the map shows."
            .to_owned(),
    });
    let mut next = vec![NextStep::Map, NextStep::Clusters, NextStep::Embed];
    if rank.is_some_and(|rank| rank < LOW_RANK) {
        next.insert(0, NextStep::Longer { epochs: more(epochs) });
    }
    Assessment { sentences, learned: Learned::Unknown, next }
}

fn spread(found: &Health, untrained: Option<&Health>, split: &str, epochs: usize) -> String {
    let untrained =
        untrained.map(|before| format!(" (untrained {:.1})", before.effective_rank)).unwrap_or_default();
    format!(
        "After {}, the features of {} have effective rank {:.1} of {}{untrained}.",
        counted(epochs, "epoch"),
        images(found.samples, split),
        found.effective_rank,
        found.dim
    )
}

/// The clusters, and how far another start finds the same ones.
fn groups(verdicts: &[&Verdict]) -> Option<String> {
    let mut all = verdicts.iter().filter_map(|verdict| match &verdict.outcome {
        Outcome::Clusters(found) if verdict.subject.features.is_trained() => Some(found),
        _ => None,
    });
    let first: &Clusters = all.next()?;
    let silhouette = first.silhouette.map(|value| format!(" (silhouette {value:.2})")).unwrap_or_default();
    let again = all.find_map(|other| Agreement::new(&first.assignments, &other.assignments).ok());
    let again = again.map_or(String::new(), |found| {
        format!("; another start finds the same ones to {:.2} (adjusted Rand index)", found.ari())
    });
    Some(format!("They fall into {} clusters{silhouette}{again}.", first.k))
}
