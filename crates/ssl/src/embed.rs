//! From images to features: an encoder looked at from outside.

use std::sync::Arc;

use burn::tensor::Device;
use twinlens_data::{ChannelBag, ImageSource, Tag, group_numbers};
use twinlens_eval::{EvalError, Features, Labelled, Tagged};
use twinlens_nn::encoders::Encoder;
use twinlens_nn::ops::{read, release_arrays};
use twinlens_nn::weights::{Pass, Weights};
use twinlens_views::{
    BuildContext, EvalResize, Form, Loader, LoaderSettings, Policy, SampleOrder, ViewBatch, ViewsError,
};

use crate::SslError;
use crate::learner::{form, tensor};

/// Maps of images: what a network knows of each place.
#[derive(Clone, Debug)]
pub struct Maps {
    /// Channels, height and width of each.
    pub shape: [usize; 3],
    /// A row an image: its map `[C, H, W]`, as PyTorch orders it.
    pub values: Features,
}

/// How images are put through an encoder.
#[derive(Clone, Debug)]
pub struct Embedding {
    /// Size, channels and normalisation of the encoder's input.
    pub context: BuildContext,
    /// How images are brought to that size.
    pub resize: EvalResize,
    /// Whether each channel of an image goes through the encoder alone, and their features stand side by side.
    pub bag_of_channels: bool,
    /// Images in a batch, at most: a matter of memory, never of the result. Of large images fewer are taken.
    pub batch: usize,
    /// Threads that prepare images.
    pub workers: usize,
}

impl Embedding {
    /// The features of every image of `source`, in order: running statistics, no augmentation, resized and the centre
    /// cropped as [`Embedding::resize`] says where the size differs. `progress` is told (images done, images in all).
    ///
    /// # Errors
    /// An image that cannot be read or prepared; features that are not finite.
    pub fn run(
        &self,
        encoder: &Encoder,
        weights: &mut Weights,
        source: Arc<dyn ImageSource>,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Features, SslError> {
        // Those of training have other lengths, and would only take up memory here; and the other way round.
        release_arrays();
        let form = form(weights.device());
        let features = self.rows(source, form, progress, |view| forward(encoder, weights, view));
        release_arrays();
        features
    }

    /// The maps of the encoder's last stage, of every image of `source`, in order; otherwise as [`Embedding::run`]. All are in
    /// memory at once.
    ///
    /// # Errors
    /// As [`Embedding::run`].
    pub fn maps(
        &self,
        encoder: &Encoder,
        weights: &mut Weights,
        source: Arc<dyn ImageSource>,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Maps, SslError> {
        release_arrays();
        let mut shape = [0; 3];
        let form = form(weights.device());
        let map = |view| {
            let x = tensor(view, &weights.device().clone());
            let maps = encoder.forward_map(&mut Pass::evaluate(weights), x).permute([0, 3, 1, 2]);
            [_, shape[0], shape[1], shape[2]] = maps.dims();
            read(maps)
        };
        let values = self.rows(source, form, progress, map)?;
        shape[0] = values.dim() / (shape[1] * shape[2]).max(1);
        release_arrays();
        Ok(Maps { shape, values })
    }

    /// The features of the first `views` views of every image of `source`, as `policy` draws them in the epoch 0 of a run
    /// with this seed: one matrix a view. Otherwise as [`Embedding::run`].
    ///
    /// # Errors
    /// As [`Embedding::run`]; [`EvalError::TooFew`] if the policy draws fewer views.
    pub fn views(
        &self,
        encoder: &Encoder,
        weights: &mut Weights,
        source: Arc<dyn ImageSource>,
        (policy, views, seed): (Arc<Policy>, usize, u64),
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Vec<Features>, SslError> {
        if policy.views() < views {
            let got = policy.views();
            return Err(EvalError::TooFew { what: "views", expected: views, got }.into());
        }
        let images = source.len();
        let source = self.seen(source)?;
        let total = source.len();
        let settings = LoaderSettings {
            seed,
            epochs: 1,
            batch: self.batch.min(images_of(PIXELS, self.context.size)),
            order: SampleOrder::Sequential,
            drop_last: false,
            workers: self.workers,
            prefetch: 2,
            form: form(weights.device()),
        };
        let mut values = vec![Vec::new(); views];
        let mut done = 0;
        for batch in Loader::new(source, policy, settings, (0, 0)).map_err(unreadable)? {
            let batch = batch.map_err(unreadable)?;
            let seen = batch.indices.len();
            for (values, view) in values.iter_mut().zip(batch.views) {
                values.extend(forward(encoder, weights, view));
            }
            done += seen;
            progress(done, total);
        }
        let features = |values: Vec<f32>| Ok(Features::new(images, values.len() / images.max(1), values)?);
        values.into_iter().map(features).collect()
    }

    /// The prepared pixels themselves as features, `size * size * channels` of them: what an encoder has to beat.
    ///
    /// # Errors
    /// An image that cannot be read or prepared.
    pub fn pixels(
        &self,
        source: Arc<dyn ImageSource>,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Features, SslError> {
        self.rows(source, Form::Normalised, progress, |view| read(tensor(view, &Device::flex())))
    }

    fn rows(
        &self,
        source: Arc<dyn ImageSource>,
        form: Form,
        progress: &mut dyn FnMut(usize, usize),
        mut features: impl FnMut(ViewBatch) -> Vec<f32>,
    ) -> Result<Features, SslError> {
        let images = source.len();
        let source = self.seen(source)?;
        let total = source.len();
        let batch = self.batch.min(images_of(PIXELS, self.context.size));
        let loader =
            Loader::evaluation(source, (self.context.clone(), self.resize), batch, self.workers, form)
                .map_err(unreadable)?;
        let mut values = Vec::new();
        let mut done = 0;
        for batch in loader {
            let batch = batch.map_err(unreadable)?;
            let seen = batch.indices.len();
            for view in batch.views {
                values.extend(features(view));
            }
            done += seen;
            progress(done, total);
        }
        Ok(Features::new(images, values.len() / images.max(1), values)?)
    }

    /// What the encoder is given: images, or their channels one after the other, so that those of an image stand side by side.
    fn seen(&self, source: Arc<dyn ImageSource>) -> Result<Arc<dyn ImageSource>, SslError> {
        if !self.bag_of_channels {
            return Ok(source);
        }
        Ok(Arc::new(ChannelBag::new(source)?))
    }
}

/// Pixels in a batch, at most: 256 images of 32 x 32. The maps of more would take more memory than training does.
const PIXELS: usize = 256 * 32 * 32;

/// How many images of `size` x `size` have so many pixels; one at least.
fn images_of(pixels: usize, size: usize) -> usize {
    (pixels / (size * size).max(1)).max(1)
}

/// The features of one batch.
fn forward(encoder: &Encoder, weights: &mut Weights, view: ViewBatch) -> Vec<f32> {
    let x = tensor(view, &weights.device().clone());
    read(encoder.forward(&mut Pass::evaluate(weights), x))
}

fn unreadable(source: ViewsError) -> SslError {
    SslError::Image { source }
}

/// Features joined with the labels, names and groups of the images they came from; `None` if any image has no label.
///
/// # Errors
/// A label that names no class.
pub fn with_labels(
    features: Features,
    source: &dyn ImageSource,
    classes: &[String],
) -> Result<Option<Labelled>, EvalError> {
    let labels: Option<Vec<usize>> = (0..source.len()).map(|index| source.label(index)).collect();
    Ok(match labels {
        Some(labels) => {
            let names = (0..source.len()).map(|index| source.name(index)).collect();
            let labelled = Labelled::new(features, labels, classes.to_vec())?.named(names)?;
            Some(labelled.grouped(group_numbers(source))?)
        }
        None => None,
    })
}

/// Features with the tags and groups of the images they came from; `None` if any image has none.
///
/// # Errors
/// Tags that are not one for every class.
pub fn with_tags(
    features: Features,
    source: &dyn ImageSource,
    classes: &[String],
) -> Result<Option<Tagged>, EvalError> {
    let tags: Option<Vec<&[Tag]>> = (0..source.len()).map(|index| source.tags(index)).collect();
    let tagged = |tags: Vec<&[Tag]>| {
        Tagged::new(features, tags.concat(), classes.to_vec())?.grouped(group_numbers(source))
    };
    tags.map(tagged).transpose()
}
