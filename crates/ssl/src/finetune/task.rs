//! The run of a fine-tuning: stages, the look at validation images, the judgement.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::{Value, json};
use twinlens_data::{ImageSource, Split};
use twinlens_eval::metrics::MEASURES;
use twinlens_eval::{EvalError, Features, Judgement, Labelled, Predictions, Scores, metrics};
use twinlens_nn::weights::{EncoderDescription, NamedTensor, write_safetensors};
use twinlens_run::{RunFolder, csv_cell};
use twinlens_views::{LoadedBatch, Loader};

use super::finetuner::begin_of;
use super::{FinetuneSettings, Finetuner, LabelledImages};
use crate::embed::{Embedding, with_labels};
use crate::hooks::{Hooks, StartFrom, TrainingEnd};
use crate::metrics_log::{MetricsLog, row};
use crate::sections::{joined, section};
use crate::task::{Judged, Plan, Position, Task, TaskState};
use crate::train::write_encoder;
use crate::training_loop::TrainingLoop;
use crate::{SslError, StepReport};

/// How a fine-tuning run ended.
#[derive(Clone, Debug)]
pub enum Finetuned {
    /// To the end; judged on validation and test images.
    Done(Box<Judgement<Predictions>>),
    /// It was asked to stop; a checkpoint is saved.
    Interrupted,
}

/// Fine-tunes on `images` into `folder`: from random weights, from an encoder's, or from the newest whole checkpoint.
///
/// Stops and continues as [`crate::train`] does, to the same bits. At the end, `encoder/` holds the encoder as it was
/// fine-tuned and the head, `eval/predictions-val.csv` and `-test.csv` what it predicts.
///
/// # Errors
/// Unreadable images, an encoder or checkpoint that does not fit, a loss that is not a number, or a folder that cannot
/// be written.
pub fn finetune(
    settings: &FinetuneSettings,
    images: &LabelledImages,
    folder: &mut RunFolder,
    start: StartFrom<'_>,
    hooks: Hooks<'_>,
) -> Result<Finetuned, SslError> {
    let device = settings.open_device()?;
    let steps_per_epoch = images.steps_per_epoch(settings.batch);
    let mut finetuner = Finetuner::new(settings, images.shape(), steps_per_epoch, &device);
    let mut warnings = images.warnings.clone();
    if let StartFrom::Encoder(file) = start {
        let unused = finetuner.import_encoder(&file.tensors)?;
        if !unused.is_empty() {
            let unused = unused.join(", ");
            warnings.push(format!("weights without a place in {}: {unused}", settings.encoder.name()));
        }
    }
    let task = FinetuneTask { settings, images, finetuner, best: None, over: false };
    let mut training = TrainingLoop::new(task, folder, hooks);
    for warning in &warnings {
        training.metrics_log.warn(warning);
    }
    match training.run(matches!(start, StartFrom::Checkpoint))? {
        TrainingEnd::Interrupted => Ok(Finetuned::Interrupted),
        TrainingEnd::Done => {
            Ok(Finetuned::Done(Box::new(training.task.finish(training.metrics_log.folder)?)))
        }
    }
}

struct FinetuneTask<'a> {
    settings: &'a FinetuneSettings,
    images: &'a LabelledImages,
    finetuner: Finetuner,
    /// The best look at validation images so far.
    best: Option<Best>,
    /// Whether patience has run out.
    over: bool,
}

/// A look at validation images, and the weights that were looked at.
struct Best {
    epoch: usize,
    value: f64,
    /// Empty where only the value counts.
    weights: BTreeMap<String, NamedTensor>,
}

impl Task for FinetuneTask<'_> {
    fn plan(&self) -> Plan {
        Plan {
            epochs: self.settings.epochs(),
            steps_per_epoch: self.images.steps_per_epoch(self.settings.batch),
            batch: self.images.batch(self.settings.batch),
            log_every: self.settings.log_every,
            checkpoint: self.settings.checkpoint.clone(),
        }
    }

    fn batches(&self, from: Position) -> Result<Loader, SslError> {
        let start = (from.epoch as u32, from.step_in_epoch);
        let (train, policy) = (self.images.train.clone(), self.images.policy.clone());
        let how = self.images.loading(self.settings, self.finetuner.weights().device());
        Ok(Loader::new(train, policy, how, start)?)
    }

    fn start_of_epoch(&mut self, epoch: usize) -> Result<(), SslError> {
        self.finetuner.start_of_epoch(epoch);
        Ok(())
    }

    fn step(&mut self, batch: &LoadedBatch) -> StepReport {
        self.finetuner.step(&batch.views, &self.images.labels(&batch.indices))
    }

    fn steps(&self) -> usize {
        self.finetuner.steps()
    }

    fn learning_rate(&self, factor: f64) -> f64 {
        self.finetuner.learning_rate(factor)
    }

    fn judge(
        &mut self,
        epoch: usize,
        metrics_log: &mut MetricsLog<'_, '_>,
    ) -> Result<Option<Judged>, SslError> {
        let every = self.settings.validation.every;
        if epoch == 0 || !(epoch.is_multiple_of(every) || epoch == self.settings.epochs()) {
            return Ok(None);
        }
        let Some(val) = self.images.val.clone() else { return Ok(None) };
        let (val, probabilities) = self.predict(val)?;
        let scores = scores(&val, &probabilities)?;
        let loss = cross_entropy(val.labels(), &probabilities, val.classes().len());
        let mut row = row(epoch, self.finetuner.steps());
        row.insert("val_loss".into(), json!(loss));
        row.extend(MEASURES.iter().map(|one| (format!("val_{}", one.id), json!(one.value(&scores)))));
        metrics_log.append(&row)?;
        self.compare(epoch, loss, &scores);
        Ok(None)
    }

    fn is_over(&self) -> bool {
        self.over
    }

    fn state(&self) -> TaskState {
        let best = self.best.as_ref();
        TaskState {
            tensors: joined([
                ("now", self.finetuner.state()),
                ("best", best.map(|best| best.weights.clone()).unwrap_or_default()),
            ]),
            // The bits of the value: its decimal digits might be rounded on the way.
            notes: json!({
                "best": best.map(|best| json!({ "epoch": best.epoch, "bits": best.value.to_bits() })),
                "over": self.over,
            }),
        }
    }

    fn restore(&mut self, state: &TaskState, step: usize) -> Result<(), SslError> {
        self.finetuner.restore(&section(&state.tensors, "now"), step)?;
        let best = &state.notes["best"];
        self.best = best["epoch"].as_u64().zip(best["bits"].as_u64()).map(|(epoch, bits)| Best {
            epoch: epoch as usize,
            value: f64::from_bits(bits),
            weights: section(&state.tensors, "best"),
        });
        self.over = state.notes["over"].as_bool().unwrap_or(false);
        Ok(())
    }
}

impl FinetuneTask<'_> {
    /// `source` with its labels, and the probability of every class for every image, `[images, classes]`.
    fn predict(&mut self, source: Arc<dyn ImageSource>) -> Result<(Labelled, Vec<f64>), SslError> {
        let LabelledImages { context, workers, classes, .. } = self.images;
        let embedding = Embedding {
            context: context.clone(),
            resize: self.settings.eval_resize,
            bag_of_channels: false,
            batch: 256,
            workers: *workers,
        };
        let (classifier, weights) = self.finetuner.network();
        let logits = embedding.run(classifier, weights, source.clone(), &mut |_, _| {})?;
        let probabilities = probabilities(&logits);
        let labelled = with_labels(logits, source.as_ref(), classes)?;
        // Checked before training; a source whose labels went away meanwhile is no list of labels.
        let missing = || EvalError::Empty { what: "the list of labels".to_owned() };
        Ok((labelled.ok_or_else(missing)?, probabilities))
    }

    /// Keeps the weights if they are the best so far, and sees whether patience has run out.
    fn compare(&mut self, epoch: usize, loss: f64, scores: &Scores) {
        let validation = &self.settings.validation;
        // The greater the better; what is undefined is never better.
        let value = validation.metric.goodness(loss, scores);
        let better = match &self.best {
            Some(best) => value > best.value,
            None => !value.is_nan(),
        };
        if better {
            let weights = if validation.keep_best { self.finetuner.snapshot() } else { BTreeMap::default() };
            self.best = Some(Best { epoch, value, weights });
        }
        let begin = begin_of(self.settings, self.settings.stages.len() - 1);
        let since = epoch.saturating_sub(self.best.as_ref().map_or(0, |best| best.epoch).max(begin));
        self.over = validation.patience > 0 && epoch > begin && since >= validation.patience;
    }

    /// Judges the weights that are kept and writes them.
    fn finish(&mut self, folder: &RunFolder) -> Result<Judgement<Predictions>, SslError> {
        let kept = self.best.as_ref().filter(|best| !best.weights.is_empty());
        let epochs = self.finetuner.steps() / self.images.steps_per_epoch(self.settings.batch);
        let epoch = kept.map_or(epochs, |best| best.epoch);
        if let Some(best) = kept {
            self.finetuner.revert(&best.weights)?;
        }
        let mut judgement = None;
        let held_out = [(Split::Val, self.images.val.clone()), (Split::Test, self.images.test.clone())];
        for (split, source) in held_out.into_iter().filter_map(|(split, source)| Some((split, source?))) {
            let (held_out, probabilities) = self.predict(source.clone())?;
            let judgement = judgement.get_or_insert_with(|| self.judgement(&held_out, epoch, epochs));
            judgement.judge(split.name(), &held_out, &probabilities)?;
            let name = format!("predictions-{}", split.name());
            folder.write_predictions(&name, &table(source.as_ref(), &held_out, &probabilities))?;
        }
        self.write(folder, epoch)?;
        judgement.ok_or_else(|| EvalError::Empty { what: "the list of splits".to_owned() }.into())
    }

    /// Writes the encoder, the head and the table of metrics.
    fn write(&self, folder: &RunFolder, epoch: usize) -> Result<(), SslError> {
        let LabelledImages { context, train, range, stain, .. } = self.images;
        let origin = format!(
            "fine-tuned on {} labels of {}, from {}, as after {epoch} of {} epochs",
            train.len(),
            self.settings.data,
            self.settings.init,
            self.settings.epochs()
        );
        let features = self.finetuner.features();
        let description = self.settings.description(context, range, features, origin);
        let description = EncoderDescription { stain: stain.clone(), ..description };
        write_encoder(folder, &self.finetuner.encoder_weights(), &description)?;
        let head = write_safetensors(&self.finetuner.head_weights(), &[("format", "pt".into())])?;
        folder.write_head(
            &head,
            &json!({ "version": 1, "head": self.settings.head, "classes": self.images.classes }),
        )?;
        folder.write_metrics_csv()?;
        Ok(())
    }

    fn judgement(&self, held_out: &Labelled, epoch: usize, epochs: usize) -> Judgement<Predictions> {
        let FinetuneSettings { label_choice, init, init_origin, head, layer_decay, .. } = self.settings;
        let asked: [(&'static str, Value); 8] = [
            self.settings.label_amount().setting(),
            ("label_choice", json!(label_choice)),
            ("encoder", json!(self.settings.encoder.name())),
            ("init", json!(init)),
            ("init_origin", json!(init_origin)),
            ("head", json!(head)),
            ("layer_decay", json!(layer_decay)),
            ("stages", json!(self.settings.stages)),
        ];
        let train = &self.images.train;
        let labels: Vec<usize> = (0..train.len()).filter_map(|index| train.label(index)).collect();
        let mut judgement = Judgement::of_labels(asked, &labels, held_out.classes())
            .finding([("epochs", json!(epochs)), ("epoch_kept", json!(epoch))]);
        judgement.seeds.extend(["labels", "training"].map(|what| (what.to_owned(), self.settings.seed)));
        judgement
    }
}

/// The probability of every class for every row of `logits`, `[rows, classes]`.
pub fn probabilities(logits: &Features) -> Vec<f64> {
    logits.iter().flat_map(softmax).collect()
}

/// `exp(x_j) / sum_k exp(x_k)`, the largest subtracted first.
fn softmax(logits: &[f32]) -> Vec<f64> {
    let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f64> = logits.iter().map(|&logit| f64::from(logit - top).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|power| power / sum).collect()
}

/// The mean of `-ln p` of the true classes; of a probability that underflowed, the smallest there is.
fn cross_entropy(labels: &[usize], probabilities: &[f64], classes: usize) -> f64 {
    let rows = labels.iter().zip(probabilities.chunks_exact(classes));
    let sum: f64 = rows.map(|(&label, row)| -row[label].max(f64::MIN_POSITIVE).ln()).sum();
    sum / labels.len() as f64
}

fn scores(held_out: &Labelled, probabilities: &[f64]) -> Result<Scores, EvalError> {
    let classes = held_out.classes().len();
    let predictions = metrics::predictions(probabilities, classes);
    Scores::new(held_out.labels(), &predictions, probabilities, classes)
}

/// A row for each image: its name, its class, the class predicted, and the probability of every class.
fn table(source: &dyn ImageSource, held_out: &Labelled, probabilities: &[f64]) -> String {
    let classes = held_out.classes();
    let predictions = metrics::predictions(probabilities, classes.len());
    let row = |(index, (&truth, predicted)): (usize, (&usize, usize))| {
        [source.name(index), classes[truth].clone(), classes[predicted].clone()]
    };
    let rows = held_out.labels().iter().zip(predictions).enumerate().map(row);
    class_table(["image", "class", "predicted"], rows, classes, probabilities)
}

/// A table (CSV) with a row for each image: what `columns` name, then the probability of every class, `[images, classes]`.
pub fn class_table<const N: usize>(
    columns: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
    classes: &[String],
    probabilities: &[f64],
) -> String {
    let named = classes.iter().map(|class| csv_cell(&format!("p({class})")));
    let headings: Vec<String> = columns.map(str::to_owned).into_iter().chain(named).collect();
    let mut text = headings.join(",") + "\n";
    for (cells, row) in rows.zip(probabilities.chunks_exact(classes.len().max(1))) {
        text += &cells.map(|cell| csv_cell(&cell)).join(",");
        for probability in row {
            let _ = write!(text, ",{probability}");
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn probabilities_and_their_cross_entropy_agree_with_a_computation_by_hand() {
        let row = softmax(&[0.0, 2.0f32.ln(), 5.0f32.ln()]);
        for (got, expected) in row.iter().zip([0.125, 0.25, 0.625]) {
            assert!((got - expected).abs() < 1e-7, "{got} {expected}");
        }
        let loss = cross_entropy(&[1, 0], &[0.75, 0.25, 0.5, 0.5], 2);
        assert!((loss - 1.5 * 2.0f64.ln()).abs() < 1e-15, "{loss}");
        assert!(cross_entropy(&[0], &[0.0, 1.0], 2).is_finite());
    }

    proptest! {
        #[test]
        fn probabilities_add_up_and_ignore_a_shift(
            logits in prop::collection::vec(-30f32..30.0, 1..9),
            shift in -50i8..50,
        ) {
            let (plain, shifted) = (softmax(&logits), softmax(
                &logits.iter().map(|logit| logit + f32::from(shift)).collect::<Vec<_>>(),
            ));
            prop_assert!((plain.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            for (one, other) in plain.iter().zip(shifted) {
                prop_assert!((one - other).abs() < 1e-4 * (1.0 + one));
            }
        }
    }
}
