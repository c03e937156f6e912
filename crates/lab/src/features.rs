//! Features of a data set's splits, by an encoder, by the same network untrained, or raw pixels.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use twinlens_data::{DataSet, ImageSource, RangeChoice, Split};
use twinlens_eval::{Features, Labelled, Tagged};
use twinlens_nn::weights::{EncoderFile, NamedTensor, read_safetensors, write_safetensors};
use twinlens_run::write_atomically;
use twinlens_ssl::finetune::range_of;
use twinlens_ssl::{Embedding, SslError, with_labels, with_tags};
use twinlens_views::{Policy, ViewPolicy};

use crate::encoder::{context, network};
use crate::{Events, FeaturesKind, LabError, Subject};

/// How features are computed.
#[derive(Clone, Debug)]
pub struct Computing {
    /// Images in a batch.
    pub batch: usize,
    /// Threads that prepare images.
    pub workers: usize,
    /// `auto`, `cpu`, `gpu` or `gpu:N`.
    pub device: String,
    /// Where features are looked for and kept, if anywhere.
    pub cache: Option<Cache>,
}

/// A place where features are kept for later.
#[derive(Clone, Debug)]
pub struct Cache {
    /// The folder.
    pub folder: PathBuf,
    /// Which program computes them: what another one kept is not taken.
    pub program: String,
}

impl Computing {
    /// The usual way on `device`; 0 `workers` are as many as there are cores.
    pub fn new(workers: usize, device: &str, cache: Option<Cache>) -> Computing {
        let device = device.to_owned();
        Computing { batch: 256, workers: twinlens_ssl::workers(workers), device, cache }
    }
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
    events: &dyn Events,
) -> Result<Features, LabError> {
    let file = subject.file();
    let data = &seen_by(file, data)?;
    let source = source(data, split)?;
    let context = context(file, source.as_ref())?;
    let place = computing.cache.as_ref().and_then(|cache| cache_place(cache, subject, data, split));
    if let Some(features) = place.as_ref().and_then(|place| read_cached(place, source.len())) {
        return Ok(features);
    }
    let embedding = Embedding { context, batch: computing.batch, workers: computing.workers };
    let task = events.begin(&format!("features of {}", split.name()));
    let progress = &mut |done: usize, total: usize| task.at(done as u64, total as u64);
    let features = match subject.kind() {
        FeaturesKind::Pixels => embedding.pixels(source, progress)?,
        _ => {
            let (encoder, mut weights) = network(file, 0, &computing.device)?;
            weights.import("", &file.tensors)?;
            embedding.run(encoder.as_ref(), &mut weights, source, progress)?
        }
    };
    if let Some(place) = place {
        keep(&place, &features);
    }
    Ok(features)
}

/// The images with the range of values that the encoder in `file` knows, whatever the range that they were opened with.
fn seen_by(file: &EncoderFile, data: &DataSet) -> Result<DataSet, LabError> {
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
    events: &dyn Events,
) -> Result<Vec<Features>, LabError> {
    if subject.kind() == FeaturesKind::Pixels {
        return Err(LabError::ViewsOfPixels);
    }
    let file = subject.file();
    let context = context(file, source.as_ref())?;
    let policy = Policy::build(policy, context.clone()).map_err(SslError::Views)?;
    let embedding = Embedding { context, batch: computing.batch, workers: computing.workers };
    let (encoder, mut weights) = network(file, 0, &computing.device)?;
    weights.import("", &file.tensors)?;
    let task = events.begin("features of views");
    let progress = &mut |done: usize, total: usize| task.at(done as u64, total as u64);
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
    events: &dyn Events,
) -> Result<Labelled, LabError> {
    let source = source(data, split)?;
    let features = features(subject, data, split, computing, events)?;
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
    events: &dyn Events,
) -> Result<Tagged, LabError> {
    let source = source(data, split)?;
    let features = features(subject, data, split, computing, events)?;
    with_tags(features, source.as_ref(), &data.classes)?.ok_or_else(|| without_labels(data, split))
}

fn without_labels(data: &DataSet, split: Split) -> LabError {
    LabError::NoLabels { data: data.name.clone(), split }
}

fn source(data: &DataSet, split: Split) -> Result<Arc<dyn ImageSource>, LabError> {
    let missing = || LabError::NoSplit { data: data.name.clone(), split };
    data.splits.get(split).cloned().ok_or_else(missing)
}

/// Where these features are kept: a name made of everything that decides them.
fn cache_place(cache: &Cache, subject: &Subject, data: &DataSet, split: Split) -> Option<PathBuf> {
    let mut hash = Sha256::new();
    let file = subject.file();
    let kind = if subject.kind() == FeaturesKind::Pixels { "pixels" } else { "encoder" };
    let description = serde_json::to_string(&file.description).ok()?;
    let origin = format!("{:?} {:?}", data.split_origin, data.range);
    for text in [&cache.program, kind, &description, &data.fingerprint, &origin, split.name()] {
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
    Some(cache.folder.join("features").join(format!("{}.safetensors", hexadecimal(hash))))
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
fn read_cached(place: &Path, rows: usize) -> Option<Features> {
    let tensor = read_safetensors(place).ok()?.remove("features")?;
    match tensor.shape[..] {
        [found, dim] if found == rows => Features::new(rows, dim, tensor.values).ok(),
        _ => None,
    }
}

/// Keeps features for the next command; a cache that cannot be written costs time, not the result.
fn keep(place: &Path, features: &Features) {
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
    use crate::Silent;

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
        let subject =
            Subject::new(FeaturesKind::Pixels, EncoderFile { description, tensors: BTreeMap::new() }, 0)
                .unwrap();
        let computing = Computing::new(1, "cpu", None);
        features(&subject, &data, Split::Train, &computing, &Silent).unwrap().values().to_vec()
    }

    #[test]
    fn every_encoder_sees_images_by_the_range_that_it_knows() {
        assert_eq!(seen(Some([0.0, 200.0])), [0.0, 0.25, 0.5, 0.75]);
        assert_eq!(seen(Some([0.0, 100.0])), [0.0, 0.5, 1.0, 1.0]);
        assert_eq!(seen(None), [0.0, 50.0 / 150.0, 100.0 / 150.0, 1.0], "as they were opened");
    }
}
