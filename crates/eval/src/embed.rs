//! From images to features: an encoder looked at from outside.

use std::sync::Arc;

use burn::tensor::{Tensor, TensorData};
use twinlens_data::ImageSource;
use twinlens_nn::encoders::Encoder;
use twinlens_nn::ops::read;
use twinlens_nn::weights::{Pass, Weights};
use twinlens_views::{BuildContext, Loader, ViewsError};

use crate::{EvalError, Features, Labelled};

/// How images are put through an encoder.
#[derive(Clone, Debug)]
pub struct Embedding {
    /// Size, channels and normalisation of the encoder's input.
    pub context: BuildContext,
    /// Images in a batch: a matter of memory, never of the result.
    pub batch: usize,
    /// Threads that prepare images.
    pub workers: usize,
}

impl Embedding {
    /// The features of every image of `source`, in order: running statistics, no augmentation, the shorter side
    /// resized and the centre cropped where the size differs. `progress` is told (images done, images in all).
    ///
    /// # Errors
    /// An image that cannot be read or prepared; features that are not finite.
    pub fn run(
        &self,
        encoder: &dyn Encoder,
        weights: &mut Weights,
        source: Arc<dyn ImageSource>,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Features, EvalError> {
        let total = source.len();
        let loader = Loader::evaluation(source, self.context.clone(), self.batch, self.workers).map_err(unreadable)?;
        let device = weights.device().clone();
        let mut values = Vec::with_capacity(total * encoder.features());
        for batch in loader {
            let batch = batch.map_err(unreadable)?;
            let images = batch.indices.len();
            for view in batch.views {
                let shape = [images, view.height, view.width, view.channels];
                let x = Tensor::<4>::from_data(TensorData::new(view.data, shape), &device);
                values.extend(read(encoder.forward(&mut Pass::evaluate(weights), x)));
            }
            progress(values.len() / encoder.features(), total);
        }
        Features::new(total, encoder.features(), values)
    }
}

fn unreadable(error: ViewsError) -> EvalError {
    EvalError::Image { reason: error.to_string() }
}

/// Features joined with the labels of the images they came from; `None` if any image has no label.
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
        Some(labels) => Some(Labelled::new(features, labels, classes.to_vec())?),
        None => None,
    })
}
