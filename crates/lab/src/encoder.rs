//! A trained encoder, ready for images.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use twinlens_data::ImageSource;
use twinlens_eval::Features;
use twinlens_nn::encoders::{self, EncoderSettings};
use twinlens_nn::network::Stage;
use twinlens_nn::weights::{EncoderDescription, EncoderFile, Weights};
use twinlens_run::{epoch_checkpoint, kept_epochs, names, newest_checkpoint, read_checkpoint};
use twinlens_ssl::{Embedding, Maps, described_encoder};
use twinlens_views::BuildContext;

use crate::LabError;

/// An encoder with its weights, and how images are prepared for it.
pub struct Encoder {
    file: EncoderFile,
    network: encoders::Encoder,
    weights: Weights,
}

impl Encoder {
    /// Reads the encoder of a run's folder, or an `encoder.safetensors` with its `encoder.json` beside it, for the CPU.
    ///
    /// # Errors
    /// A missing, damaged or foreign file.
    pub fn load(path: impl AsRef<Path>) -> Result<Encoder, LabError> {
        Encoder::from_file(read_encoder(path.as_ref())?, "cpu")
    }

    /// The encoder in `file` on a device: `auto`, `cpu`, `gpu` or `gpu:N`.
    ///
    /// # Errors
    /// An encoder that this program does not know, weights that do not fit it, a missing device.
    pub fn from_file(file: EncoderFile, device: &str) -> Result<Encoder, LabError> {
        let (network, mut weights) = network(&file, 0, device)?;
        weights.import("", &file.tensors)?;
        Ok(Encoder { file, network, weights })
    }

    /// Architecture, and preparation of images.
    pub fn description(&self) -> &EncoderDescription {
        &self.file.description
    }

    /// The stages whose maps and features it gives, from the images to the features.
    pub fn stages(&self) -> &[Stage] {
        self.network.stages()
    }

    /// The features of every image of `images`, `[images, features]`, in order.
    ///
    /// # Errors
    /// Images of other channels, or that cannot be read; features that are not finite.
    pub fn embed(&mut self, images: Arc<dyn ImageSource>) -> Result<Features, LabError> {
        let embedding = self.embedding(images.as_ref())?;
        Ok(embedding.run(&self.network, &mut self.weights, images, &mut |_, _| {})?)
    }

    /// The features of a stage, `[images, channels]`: its maps, averaged over their pixels.
    ///
    /// # Errors
    /// As [`Encoder::embed`]; a name that no stage has.
    pub fn embed_stage(&mut self, images: Arc<dyn ImageSource>, stage: &str) -> Result<Features, LabError> {
        let (until, _) = self.network.split_after(stage)?;
        let embedding = self.embedding(images.as_ref())?;
        Ok(embedding.run(&until, &mut self.weights, images, &mut |_, _| {})?)
    }

    /// The maps of a stage, `[images, channels, height, width]`, all in memory at once.
    ///
    /// # Errors
    /// As [`Encoder::embed_stage`].
    pub fn maps(&mut self, images: Arc<dyn ImageSource>, stage: &str) -> Result<Maps, LabError> {
        let (until, _) = self.network.split_after(stage)?;
        let embedding = self.embedding(images.as_ref())?;
        Ok(embedding.maps(&until, &mut self.weights, images, &mut |_, _| {})?)
    }

    fn embedding(&self, images: &dyn ImageSource) -> Result<Embedding, LabError> {
        let context = context(&self.file, images)?;
        let EncoderDescription { eval_resize: resize, bag_of_channels, .. } = self.file.description;
        Ok(Embedding { context, resize, bag_of_channels, batch: 256, workers: twinlens_ssl::workers(0) })
    }
}

/// The encoder in a run's folder, in a `.safetensors` file with its `.json` beside it, or in a checkpoint of a pre-training. Of a
/// run that has not come to its end it is that of the newest checkpoint, which is told.
///
/// # Errors
/// A missing, damaged or foreign file.
pub fn read_encoder(path: &Path) -> Result<EncoderFile, LabError> {
    let file = if path.is_dir() { encoder_file(path) } else { path.to_owned() };
    if path.is_dir()
        && !file.exists()
        && let Ok(newest) = newest_checkpoint(path)
        && let Some(encoder) = described_encoder(&newest)?
    {
        let (file, epoch) = (newest.path.display(), newest.sidecar.epoch);
        tracing::info!(
            "the run has not come to its end: its encoder after {epoch} epochs is taken, from {file}"
        );
        return Ok(encoder);
    }
    if is_checkpoint(path)
        && let Some(encoder) = described_encoder(&read_checkpoint(path)?)?
    {
        return Ok(encoder);
    }
    EncoderFile::read(&file).map_err(|source| LabError::NoEncoder { path: path.to_owned(), source })
}

/// Whether a file lies where runs keep their checkpoints.
fn is_checkpoint(path: &Path) -> bool {
    let folder = path.parent().and_then(Path::file_name);
    path.is_file() && folder.is_some_and(|name| name == names::CHECKPOINTS)
}

/// Where the run in the folder `run` keeps its encoder.
pub fn encoder_file(run: &Path) -> PathBuf {
    run.join(names::ENCODER).join("encoder.safetensors")
}

/// The encoder of the run in the folder `run` as it was after that epoch, of which the run kept a checkpoint.
///
/// # Errors
/// No run, or one of a fine-tuning; an epoch of which it kept none; a damaged checkpoint.
pub fn read_encoder_after(run: &Path, epoch: u64) -> Result<EncoderFile, LabError> {
    let kept = kept_epochs(run)?;
    if !kept.contains(&epoch) {
        return Err(LabError::NoEpoch { run: run.to_owned(), epoch, kept });
    }
    let file = described_encoder(&epoch_checkpoint(run, epoch)?)?;
    file.ok_or_else(|| LabError::NoEpoch { run: run.to_owned(), epoch, kept: Vec::new() })
}

/// As [`read_encoder`]; without its `own_range` it sees images by the range of values that they were opened with.
///
/// # Errors
/// As [`read_encoder`].
pub fn read_encoder_ranged(path: &Path, own_range: bool) -> Result<EncoderFile, LabError> {
    read_encoder(path).map(|file| ranged(file, own_range))
}

/// The encoder; without its `own_range` it sees images by the range of values that they were opened with.
pub fn ranged(mut file: EncoderFile, own_range: bool) -> EncoderFile {
    if !own_range {
        let description = &mut file.description;
        (description.version, description.range) = (description.version.max(2), None);
    }
    file
}

/// The same network as in `file`, with fresh random weights from `seed`.
///
/// # Errors
/// An encoder that this program does not know.
pub fn untrained(file: &EncoderFile, seed: u64) -> Result<EncoderFile, LabError> {
    let (_, weights) = network(file, seed, "cpu")?;
    Ok(EncoderFile { description: file.description.clone(), tensors: weights.export("") })
}

/// A network with the architecture of `file`, its weights fresh from `seed`.
pub(crate) fn network(
    file: &EncoderFile,
    seed: u64,
    device: &str,
) -> Result<(encoders::Encoder, Weights), LabError> {
    let settings = EncoderSettings::of(&file.description)?;
    let mut weights = Weights::new(seed, &twinlens_nn::device::open(device)?);
    let encoder = settings.build_in(&mut weights.root(), file.description.channels);
    Ok((encoder, weights))
}

/// How the images of `source` are prepared for the encoder in `file`.
pub(crate) fn context(file: &EncoderFile, source: &dyn ImageSource) -> Result<BuildContext, LabError> {
    let description = &file.description;
    let first = source.image(0)?;
    if first.channels != description.channels && !description.bag_of_channels {
        return Err(LabError::Channels { expected: description.channels, got: first.channels });
    }
    Ok(BuildContext {
        size: description.size,
        channels: description.channels,
        pixel_type: first.pixel_type(),
        mean: description.mean.clone(),
        std: description.std.clone(),
    })
}
