//! Features of a data set's splits, by an encoder, by the same network untrained, or raw pixels.

use std::path::PathBuf;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use twinlens_data::{DataSet, ImageSource, RangeChoice, Split};
use twinlens_eval::{Features, Labelled, Tagged};
use twinlens_nn::encoders::{self, Encoder, Stem};
use twinlens_nn::weights::{EncoderFile, NamedTensor, Weights, read_safetensors, write_safetensors};
use twinlens_run::write_atomically;
use twinlens_ssl::finetune::range_of;
use twinlens_ssl::{Embedding, with_labels, with_tags};
use twinlens_views::{BuildContext, Policy, ViewPolicy};

use super::data_folder;
use crate::exit::{Exit, Failure, Outcome};
use crate::terminal::Terminal;

/// Where features come from.
#[derive(Clone, Debug)]
pub enum Subject {
    /// An encoder with its weights.
    Encoder(EncoderFile),
    /// The pixels themselves, resized and normalised as for this encoder.
    Pixels(EncoderFile),
}

/// How features are computed.
#[derive(Clone, Debug)]
pub struct Computing {
    /// Images in a batch.
    pub batch: usize,
    /// Threads that prepare images.
    pub workers: usize,
    /// `auto`, `cpu`, `gpu` or `gpu:N`.
    pub device: String,
    /// Whether features are looked for, and kept, in the user's cache folder.
    pub cached: bool,
}

impl Computing {
    /// The usual way on `device`, with features kept; 0 `workers` are as many as there are cores.
    pub fn new(workers: usize, device: &str) -> Computing {
        Computing {
            batch: 256,
            workers: twinlens_ssl::workers(workers),
            device: device.to_owned(),
            cached: true,
        }
    }
}

/// The same network as in `file`, with fresh random weights from `seed`.
///
/// # Errors
/// An encoder that this program does not know.
pub fn untrained(file: &EncoderFile, seed: u64) -> Outcome<EncoderFile> {
    let (_, weights) = network(file, seed, "cpu")?;
    Ok(EncoderFile { description: file.description.clone(), tensors: weights.export("") })
}

/// The features of every image of `split`, in order.
///
/// # Errors
/// A missing split; an encoder that does not fit its description or the images; images that cannot be read.
pub fn features(
    subject: &Subject,
    data: &DataSet,
    split: Split,
    computing: &Computing,
    terminal: &Terminal,
) -> Outcome<Features> {
    let (Subject::Encoder(file) | Subject::Pixels(file)) = subject;
    let data = &seen_by(file, data)?;
    let source = source(data, split)?;
    let context = context(file, source.as_ref())?;
    let place = computing.cached.then(|| cache_place(subject, data, split)).flatten();
    if let Some(features) = place.as_ref().and_then(|place| read_cached(place, source.len())) {
        return Ok(features);
    }
    let embedding = Embedding { context, batch: computing.batch, workers: computing.workers };
    let bar = terminal.progress(&format!("features of {}", split.name()), source.len() as u64);
    let progress = &mut |done: usize, total: usize| bar.set_of(done as u64, total as u64, "");
    let features = match subject {
        Subject::Encoder(file) => {
            let (encoder, mut weights) = network(file, 0, &computing.device)?;
            weights.import("", &file.tensors)?;
            embedding.run(encoder.as_ref(), &mut weights, source, progress)?
        }
        Subject::Pixels(_) => embedding.pixels(source, progress)?,
    };
    if let Some(place) = place {
        keep(&place, &features);
    }
    Ok(features)
}

/// The images with the range of values that the encoder in `file` knows, whatever the range that they were opened with.
fn seen_by(file: &EncoderFile, data: &DataSet) -> Outcome<DataSet> {
    match range_of(&file.description) {
        choice if choice == RangeChoice::default() => Ok(data.clone()),
        choice => Ok(data.ranged(&choice)?),
    }
}

/// The features of the first views of every image of `source`: `(policy, views, seed)` say which.
///
/// # Errors
/// A policy that does not fit the images or draws fewer views; pixels, which no encoder turns into features; otherwise as
/// [`features`].
pub fn views(
    subject: &Subject,
    source: Arc<dyn ImageSource>,
    (policy, count, seed): (&[ViewPolicy], usize, u64),
    computing: &Computing,
    terminal: &Terminal,
) -> Outcome<Vec<Features>> {
    let Subject::Encoder(file) = subject else {
        let message = "views of raw pixels differ in place, not in content: their alignment says nothing";
        return Err(Failure::message(Exit::Usage, message).hint("add --policy none"));
    };
    let context = context(file, source.as_ref())?;
    let policy = Policy::build(policy, context.clone()).map_err(twinlens_ssl::SslError::Views)?;
    let embedding = Embedding { context, batch: computing.batch, workers: computing.workers };
    let (encoder, mut weights) = network(file, 0, &computing.device)?;
    weights.import("", &file.tensors)?;
    let bar = terminal.progress("features of views", source.len() as u64);
    let progress = &mut |done: usize, total: usize| bar.set_of(done as u64, total as u64, "");
    Ok(embedding.views(encoder.as_ref(), &mut weights, source, (Arc::new(policy), count, seed), progress)?)
}

/// [`features`] joined with the labels of the images.
///
/// # Errors
/// As [`features`]; images without labels.
pub fn labelled(
    subject: &Subject,
    data: &DataSet,
    split: Split,
    computing: &Computing,
    terminal: &Terminal,
) -> Outcome<Labelled> {
    let source = source(data, split)?;
    let features = features(subject, data, split, computing, terminal)?;
    with_labels(features, source.as_ref(), &data.classes)?.ok_or_else(|| without_labels(data, split))
}

/// The same of images that may show several classes.
///
/// # Errors
/// As [`labelled`].
pub fn tagged(
    subject: &Subject,
    data: &DataSet,
    split: Split,
    computing: &Computing,
    terminal: &Terminal,
) -> Outcome<Tagged> {
    let source = source(data, split)?;
    let features = features(subject, data, split, computing, terminal)?;
    with_tags(features, source.as_ref(), &data.classes)?.ok_or_else(|| without_labels(data, split))
}

fn without_labels(data: &DataSet, split: Split) -> Failure {
    let message = format!("the {} images of {} have no labels, or not all of them", split.name(), data.name);
    Failure::message(Exit::Data, message).hint("judging needs labels; `twinlens embed` does not")
}

fn source(data: &DataSet, split: Split) -> Outcome<Arc<dyn ImageSource>> {
    data.splits.get(split).cloned().ok_or_else(|| {
        let message = format!("data set {} has no {} images", data.name, split.name());
        Failure::message(Exit::Data, message).hint("`twinlens data inspect` shows its splits")
    })
}

/// A network with the architecture of `file`, its weights fresh from `seed`.
fn network(file: &EncoderFile, seed: u64, device: &str) -> Outcome<(Box<dyn Encoder>, Weights)> {
    let description = &file.description;
    let spec = encoders::find(&description.encoder)?;
    let stem = Stem::named(&description.stem)?;
    let mut weights = Weights::new(seed, &twinlens_nn::device::open(device)?);
    let encoder = spec.build(&mut weights.root(), stem, description.channels);
    Ok((encoder, weights))
}

/// How the images of `source` are prepared for the encoder in `file`.
fn context(file: &EncoderFile, source: &dyn ImageSource) -> Outcome<BuildContext> {
    let description = &file.description;
    let first = source.image(0)?;
    if first.channels != description.channels {
        let (got, expected) = (first.channels, description.channels);
        let message = format!("the images have {got} channels, the encoder was trained on {expected}");
        let failure = Failure::message(Exit::Data, message);
        return Err(match (got, expected) {
            (1, 3) => failure.hint("--rgb gives grey images as RGB"),
            _ => failure.hint("`twinlens weights import --channels N` adapts weights to other channels"),
        });
    }
    Ok(BuildContext {
        size: description.size,
        channels: description.channels,
        pixel_type: first.pixel_type(),
        mean: description.mean.clone(),
        std: description.std.clone(),
    })
}

/// Where these features are kept: a name made of everything that decides them.
fn cache_place(subject: &Subject, data: &DataSet, split: Split) -> Option<PathBuf> {
    let mut hash = Sha256::new();
    let (kind, file) = match subject {
        Subject::Encoder(file) => ("encoder", file),
        Subject::Pixels(file) => ("pixels", file),
    };
    let description = serde_json::to_string(&file.description).ok()?;
    let origin = format!("{:?} {:?}", data.split_origin, data.range);
    for text in [crate::VERSION, crate::COMMIT, kind, &description, &data.fingerprint, &origin, split.name()]
    {
        hash.update(text.as_bytes());
        hash.update([0]);
    }
    if kind == "encoder" {
        add_weights(&mut hash, file);
    }
    // Which images a split holds depends on how it was drawn, and on whether those without labels were left out.
    let source = data.splits.get(split)?;
    for index in 0..source.len() {
        hash.update(source.name(index));
        hash.update([0]);
    }
    Some(data_folder()?.join("features").join(format!("{}.safetensors", hexadecimal(hash))))
}

/// The SHA-256 of an encoder's weights with their names, in hexadecimal.
pub fn weights_sha256(file: &EncoderFile) -> String {
    let mut hash = Sha256::new();
    add_weights(&mut hash, file);
    hexadecimal(hash)
}

fn add_weights(hash: &mut Sha256, file: &EncoderFile) {
    for (name, tensor) in &file.tensors {
        hash.update(name.as_bytes());
        tensor.values.iter().for_each(|value| hash.update(value.to_le_bytes()));
    }
}

fn hexadecimal(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Features kept by an earlier command; anything unexpected counts as not there.
fn read_cached(place: &std::path::Path, rows: usize) -> Option<Features> {
    let tensor = read_safetensors(place).ok()?.remove("features")?;
    match tensor.shape[..] {
        [found, dim] if found == rows => Features::new(rows, dim, tensor.values).ok(),
        _ => None,
    }
}

/// Keeps features for the next command; a cache that cannot be written costs time, not the result.
fn keep(place: &std::path::Path, features: &Features) {
    let tensor =
        NamedTensor { shape: vec![features.rows(), features.dim()], values: features.values().to_vec() };
    let bytes = write_safetensors(&[("features".to_owned(), tensor)].into(), &[]);
    let folder = place.parent().map(std::fs::create_dir_all);
    if let (Ok(bytes), Some(Ok(()))) = (bytes, folder)
        && let Err(error) = write_atomically(place, &bytes)
    {
        tracing::warn!("features could not be kept for later: {error}");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use twinlens_data::{
        DataSettings, OpenOptions, PixelRange, PixelType, RangeOrigin, SplitPolicy, open_bytes,
    };
    use twinlens_nn::weights::EncoderDescription;

    use super::*;
    use crate::terminal::{OutputArgs, Surroundings};

    /// Pixels of one image of 0, 50, 100 and 150, as an encoder with this range sees them.
    fn seen(range: Option<[f64; 2]>) -> Vec<f32> {
        let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2, 2), }";
        let mut file = b"\x93NUMPY\x01\x00".to_vec();
        file.extend((header.len() as u16).to_le_bytes());
        file.extend(header.bytes());
        file.extend([0.0f32, 50.0, 100.0, 150.0].iter().flat_map(|value| value.to_le_bytes()));
        let settings = DataSettings { splits: SplitPolicy::Defined, ..DataSettings::default() };
        let data = open_bytes("a.npy", file, &OpenOptions::from(settings)).unwrap();
        let range = range.map(|bounds| PixelRange {
            pixel_type: PixelType::F32,
            channels: vec![bounds],
            origin: RangeOrigin::Measured,
        });
        let description = EncoderDescription {
            version: 2,
            encoder: "resnet18".into(),
            stem: "cifar".into(),
            channels: 1,
            features: 512,
            size: 2,
            range,
            mean: vec![0.0],
            std: vec![1.0],
            origin: String::new(),
        };
        let subject = Subject::Pixels(EncoderFile { description, tensors: BTreeMap::new() });
        let computing = Computing { cached: false, ..Computing::new(1, "cpu") };
        let terminal = Terminal::new(&OutputArgs::default(), &Surroundings::default());
        features(&subject, &data, Split::Train, &computing, &terminal).unwrap().values().to_vec()
    }

    #[test]
    fn every_encoder_sees_images_by_the_range_that_it_knows() {
        assert_eq!(seen(Some([0.0, 200.0])), [0.0, 0.25, 0.5, 0.75]);
        assert_eq!(seen(Some([0.0, 100.0])), [0.0, 0.5, 1.0, 1.0]);
        assert_eq!(seen(None), [0.0, 50.0 / 150.0, 100.0 / 150.0, 1.0], "as they were opened");
    }
}
