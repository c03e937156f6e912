//! Fine-tuning: an encoder with a head learns from labels, in stages that say what learns.
//!
//! - [`FinetuneSettings`]: stages, head, learning rates, how many labels;
//! - [`Finetuner`]: one network; takes a batch of labelled images, makes one step;
//! - [`finetune`]: goes through all stages in a run folder, and returns the judgement on validation and test images;
//! - [`recipes`]: the protocols of the literature, as TOML inside the program.

mod classifier;
mod finetuner;
mod metric;
pub mod recipes;
mod settings;
mod task;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use burn::tensor::Device;
use twinlens_data::stain::{FittedStain, StainChoice};
use twinlens_data::{DataSet, ImageSource, LabelShare, PixelRange, RangeChoice, RangeRule, Split, Subset};
use twinlens_nn::encoders::EncoderSettings;
use twinlens_nn::weights::EncoderDescription;
use twinlens_views::{BuildContext, Loader, LoaderSettings, Policy, SampleOrder};

pub use classifier::with_head;
pub use finetuner::{Finetuner, HEAD};
pub use metric::Metric;
pub use settings::{FinetuneSettings, Head, SCRATCH, Stage, Trainable, ValidationSettings, Whole};
pub use task::{Finetuned, class_table, finetune, probabilities};

use crate::learner::form;
use crate::train::measured;
use crate::{DataShape, SslError, workers};

/// A data set made ready for fine-tuning: its labels chosen and checked, its views compiled.
#[derive(Clone)]
pub struct LabelledImages {
    /// The training images whose labels are used, and no others.
    pub train: Arc<dyn ImageSource>,
    /// The validation images, where there are any with labels; else nothing is chosen while it learns, and test alone is judged.
    pub val: Option<Arc<dyn ImageSource>>,
    /// The test images, where there are any with labels; else validation alone is judged.
    pub test: Option<Arc<dyn ImageSource>>,
    /// The names of all classes.
    pub classes: Vec<String>,
    /// Size, channels and normalisation of the images.
    pub context: BuildContext,
    /// Which values are black and white.
    pub range: PixelRange,
    /// What the colours of their stains were normalised to.
    pub stain: Option<FittedStain>,
    /// The compiled view.
    pub policy: Arc<Policy>,
    /// Threads that make views.
    pub workers: usize,
    /// What to know before training: classes without a label.
    pub warnings: Vec<String>,
}

impl std::fmt::Debug for LabelledImages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LabelledImages")
            .field("labels", &self.train.len())
            .field("context", &self.context)
            .finish()
    }
}

impl LabelledImages {
    /// Checks `settings` against `data` and chooses the labels.
    ///
    /// # Errors
    /// Settings that cannot be used, all of them together; no training images with labels, none to choose by where something is
    /// chosen, or none to judge by; chosen labels of one class only; images with other channels than the encoder's.
    pub fn new(settings: &FinetuneSettings, data: &DataSet) -> Result<LabelledImages, SslError> {
        let told = data.notices.len();
        let data = &data.ranged(&settings.data_options.range)?.for_judging();
        let unjudged = data.notices[told..].iter().map(ToString::to_string);
        let unjudged: Vec<String> = unjudged.chain(missing(data)).collect();
        let problems = settings.problems();
        if !problems.is_empty() {
            return Err(SslError::Settings { problems });
        }
        data.check_for_evaluation()?;
        let all = split(data, Split::Train)?;
        if settings.validation.chooses() || data.splits.test.is_none() {
            split(data, Split::Val)?;
        }
        let held_out = |which| data.splits.get(which).map(|_| judged(data, which)).transpose();
        let (val, test) = (held_out(Split::Val)?, held_out(Split::Test)?);
        let mut settings = settings.clone();
        settings.take_images(data)?;
        let context = context(&settings, all.as_ref(), &data.name)?;
        let share =
            LabelShare::new(all.clone(), settings.label_amount(), settings.label_choice, settings.seed)?;
        let train: Arc<dyn ImageSource> = Arc::new(Subset::new(all, share.known())?);
        let present: BTreeSet<usize> = (0..train.len()).filter_map(|index| train.label(index)).collect();
        if present.len() < 2 {
            let class = present.first().and_then(|&class| data.classes.get(class)).cloned();
            return Err(SslError::OneClassChosen { labels: train.len(), class: class.unwrap_or_default() });
        }
        let absent = (0..data.classes.len()).filter(|class| !present.contains(class));
        let warning = |class: usize| {
            let labels = train.len();
            let name = &data.classes[class];
            format!("class `{name}` has no label among the {labels} chosen: it can never be predicted")
        };
        Ok(LabelledImages {
            warnings: unjudged.into_iter().chain(absent.map(warning)).collect(),
            policy: Arc::new(Policy::build(&settings.views, context.clone())?),
            workers: workers(settings.workers),
            classes: data.classes.clone(),
            range: data.range.clone(),
            stain: data.stain.clone(),
            train,
            val,
            test,
            context,
        })
    }

    /// What a network must know of these images.
    pub fn shape(&self) -> DataShape {
        DataShape { channels: self.context.channels, classes: self.classes.len() }
    }

    /// Images in a batch: an epoch has as few batches of one size as `most` allows. Images left over, fewer than batches,
    /// take their turn in other epochs.
    pub fn batch(&self, most: usize) -> usize {
        let images = self.train.len();
        (images / images.div_ceil(most)).max(2)
    }

    /// Batches in an epoch.
    pub fn steps_per_epoch(&self, most: usize) -> usize {
        self.train.len() / self.batch(most)
    }

    /// Seconds that a step takes in each stage, and the values that learn in it: two steps are made, and the second is
    /// timed, as the first makes buffers.
    ///
    /// # Errors
    /// A device that is missing, images that cannot be read.
    pub fn rehearse(&self, settings: &FinetuneSettings) -> Result<Vec<Rehearsal>, SslError> {
        let device = settings.open_device()?;
        let mut finetuner = Finetuner::new(settings, self.shape(), 1, &device);
        let loading = LoaderSettings { epochs: 2, ..self.loading(settings, &device) };
        let mut rehearsals = Vec::new();
        for number in 0..settings.stages.len() {
            finetuner.start_of_epoch(finetuner::begin_of(settings, number));
            let mut seconds = 0.0;
            for batch in
                Loader::new(self.train.clone(), self.policy.clone(), loading.clone(), (0, 0))?.take(2)
            {
                let batch = batch?;
                let start = Instant::now();
                finetuner.step(&batch.views, &self.labels(&batch.indices)).loss.read();
                seconds = start.elapsed().as_secs_f64();
            }
            let (parameters, trained) = (finetuner.weights().parameter_count(), finetuner.trained());
            rehearsals.push(Rehearsal { seconds_per_step: seconds, parameters, trained });
        }
        Ok(rehearsals)
    }

    /// The classes of training images.
    fn labels(&self, indices: &[usize]) -> Vec<Option<usize>> {
        indices.iter().map(|&index| self.train.label(index)).collect()
    }

    fn loading(&self, settings: &FinetuneSettings, device: &Device) -> LoaderSettings {
        LoaderSettings {
            seed: settings.seed,
            epochs: settings.epochs() as u32,
            batch: self.batch(settings.batch),
            order: SampleOrder::Shuffled,
            drop_last: true,
            workers: self.workers,
            prefetch: 2,
            form: form(device),
        }
    }
}

/// What two steps of a stage tell.
#[derive(Clone, Copy, Debug)]
pub struct Rehearsal {
    /// Seconds of the second step.
    pub seconds_per_step: f64,
    /// Values of encoder and head.
    pub parameters: usize,
    /// Those of them that learn.
    pub trained: usize,
}

impl FinetuneSettings {
    /// Takes what a file says about its encoder. Size, resizing and normalisation that are given already are kept.
    ///
    /// # Errors
    /// An encoder or a stem that does not exist.
    pub fn take_encoder(&mut self, description: &EncoderDescription) -> Result<(), SslError> {
        self.encoder = EncoderSettings::of(description)?;
        self.init_origin.clone_from(&description.origin);
        if self.size.known().is_none() {
            self.size = description.size.into();
        }
        if self.eval_resize.is_usual() {
            self.eval_resize = description.eval_resize;
        }
        if self.data_options.range == RangeChoice::default() {
            self.data_options.range = range_of(description);
        }
        if self.data_options.stain == StainChoice::default() {
            self.data_options.stain = stain_of(description);
        }
        if self.mean.is_empty() && self.std.is_empty() {
            self.mean.clone_from(&description.mean);
            self.std.clone_from(&description.std);
        }
        Ok(())
    }

    /// Fills in size and normalisation that are still open with what the training images say.
    ///
    /// # Errors
    /// No training images, or images that are one single value.
    pub fn take_images(&mut self, data: &DataSet) -> Result<(), SslError> {
        if self.size.known().is_none() || self.mean.is_empty() || self.std.is_empty() {
            let context = measured(split(data, Split::Train)?.as_ref(), self.size, &data.name)?;
            self.size = context.size.into();
            if self.mean.is_empty() {
                self.mean = context.mean;
            }
            if self.std.is_empty() {
                self.std = context.std;
            }
        }
        let size = self.size.known().unwrap_or_default();
        self.encoder.fit(size);
        Ok(())
    }
}

/// How images are to be read for an encoder: with the range of those that it learned from, where it says so. Descriptions
/// of version 1 knew no range, and took that of the type.
pub fn range_of(description: &EncoderDescription) -> RangeChoice {
    match &description.range {
        Some(range) => RangeChoice::Kept(range.clone()),
        None if description.version < 2 => RangeChoice::Rule(RangeRule::Type),
        None => RangeChoice::default(),
    }
}

/// How the colours of stains are to be normalised for an encoder: as those of the images that it learned from.
pub fn stain_of(description: &EncoderDescription) -> StainChoice {
    description.stain.clone().map_or_else(StainChoice::default, StainChoice::Fitted)
}

fn split(data: &DataSet, split: Split) -> Result<Arc<dyn ImageSource>, SslError> {
    let missing = || SslError::NoImages { name: data.name.clone(), split: split.name() };
    data.splits.get(split).cloned().ok_or_else(missing)
}

/// What is said of `data` without validation or without test images.
fn missing(data: &DataSet) -> Option<String> {
    let (splits, name) = (&data.splits, &data.name);
    match (splits.val.is_some(), splits.test.is_some()) {
        (true, false) => Some(format!("{name} has no test images with labels: validation alone is judged")),
        (false, true) => Some(format!(
            "{name} has no validation images with labels: nothing is looked at while it learns, and the last epoch's weights \
             are kept"
        )),
        _ => None,
    }
}

/// A split all of whose images have labels.
fn judged(data: &DataSet, which: Split) -> Result<Arc<dyn ImageSource>, SslError> {
    let source = split(data, which)?;
    let without = (0..source.len()).filter(|&index| source.label(index).is_none()).count();
    if without > 0 {
        let (name, images) = (data.name.clone(), source.len());
        return Err(SslError::MissingLabels { name, split: which.name(), without, images });
    }
    Ok(source)
}

/// How the images are prepared, as the settings say.
fn context(
    settings: &FinetuneSettings,
    images: &dyn ImageSource,
    name: &str,
) -> Result<BuildContext, SslError> {
    let first = images.image(0)?;
    let expected = settings.mean.len();
    if first.channels != expected {
        return Err(SslError::Channels { name: name.to_owned(), got: first.channels, expected });
    }
    Ok(BuildContext {
        size: settings.size.on(images)?,
        channels: first.channels,
        pixel_type: first.pixel_type(),
        mean: settings.mean.clone(),
        std: settings.std.clone(),
    })
}
