//! Features of a data set's splits, by an encoder, by the same network untrained, or raw pixels.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use twinlens_data::{DataSet, ImageSource, RangeChoice, Split};
use twinlens_eval::{Features, Labelled, Tagged};
use twinlens_nn::encoders::Encoder;
use twinlens_nn::weights::{
    EncoderDescription, EncoderFile, NamedTensor, Weights, read_safetensors, write_safetensors,
};
use twinlens_run::write_atomically;
use twinlens_ssl::finetune::range_of;
use twinlens_ssl::{Embedding, Maps, SslError, with_labels, with_tags};
use twinlens_views::{BuildContext, Policy, ViewPolicy};

use crate::encoder::context;
use crate::identity::{add_weights, hexadecimal};
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
    let (data, source, embedding) = prepared(subject, data, split, computing)?;
    let place = computing.cache.as_ref().and_then(|cache| cache_place(cache, subject, &data, split));
    if let Some(features) = place.as_ref().and_then(|place| read_cached(place, source.len())) {
        return Ok(features);
    }
    let features = run(&embedding, subject.network(&computing.device)?.as_mut(), source, split, events)?;
    if let Some(place) = place {
        keep(&place, &features);
    }
    Ok(features)
}

/// What a network on top of the subject's encoder gives for every image of `split`, in order.
///
/// # Errors
/// As [`features`].
pub(crate) fn by_network(
    subject: &Subject,
    network: &mut (Encoder, Weights),
    data: &DataSet,
    split: Split,
    computing: &Computing,
    events: &dyn Events,
) -> Result<Features, LabError> {
    let (_, source, embedding) = prepared(subject, data, split, computing)?;
    run(&embedding, Some(network), source, split, events)
}

/// Puts images through a network; without one, their pixels.
fn run(
    embedding: &Embedding,
    network: Option<&mut (Encoder, Weights)>,
    source: Arc<dyn ImageSource>,
    split: Split,
    events: &dyn Events,
) -> Result<Features, LabError> {
    let task = events.begin(&format!("features of {}", split.name()));
    let progress = &mut |done: usize, total: usize| task.at(done as u64, total as u64);
    Ok(match network {
        Some((encoder, weights)) => embedding.run(encoder, weights, source, progress)?,
        None => embedding.pixels(source, progress)?,
    })
}

/// The map of the subject's last stage, of every image of `split`, in order. Maps are not kept for later: they are large.
///
/// # Errors
/// As [`features`]; pixels, which have no stages.
pub fn stage_maps(
    subject: &Subject,
    data: &DataSet,
    split: Split,
    computing: &Computing,
    events: &dyn Events,
) -> Result<Maps, LabError> {
    let (_, source, embedding) = prepared(subject, data, split, computing)?;
    let (encoder, mut weights) = subject.network(&computing.device)?.ok_or(LabError::StagesOfPixels)?;
    let task = events.begin(&format!("maps of {}", split.name()));
    let progress = &mut |done: usize, total: usize| task.at(done as u64, total as u64);
    Ok(embedding.maps(&encoder, &mut weights, source, progress)?)
}

/// The data as the subject sees them, the images of `split`, and how they are put through an encoder.
fn prepared(
    subject: &Subject,
    data: &DataSet,
    split: Split,
    computing: &Computing,
) -> Result<(DataSet, Arc<dyn ImageSource>, Embedding), LabError> {
    let data = seen_by(subject.file(), data)?;
    let source = source(&data, split)?;
    let context = context(subject.file(), source.as_ref())?;
    let embedding = embedding(subject, context, computing);
    Ok((data, source, embedding))
}

/// How images of `context` are put through the subject's encoder.
fn embedding(subject: &Subject, context: BuildContext, computing: &Computing) -> Embedding {
    let EncoderDescription { eval_resize: resize, bag_of_channels, .. } = subject.file().description;
    Embedding { context, resize, bag_of_channels, batch: computing.batch, workers: computing.workers }
}

/// The images with the range of values that the encoder in `file` knows, whatever the range that they were opened with, and with the
/// colours of stains that it knows, unless they were normalised already.
fn seen_by(file: &EncoderFile, data: &DataSet) -> Result<DataSet, LabError> {
    let stained = match &file.description.stain {
        Some(stain) if data.stain.is_none() => Some(data.stained(stain)?),
        _ => None,
    };
    let data = stained.as_ref().unwrap_or(data);
    match range_of(&file.description) {
        // Channels that it has not seen have the range of values that they were opened with.
        RangeChoice::Kept(range)
            if file.description.bag_of_channels && range.channels.len() != data.range.channels.len() =>
        {
            Ok(data.clone())
        }
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
    let context = context(subject.file(), source.as_ref())?;
    let policy = Policy::build(policy, context.clone()).map_err(SslError::Views)?;
    let embedding = embedding(subject, context, computing);
    let (encoder, mut weights) = subject.network(&computing.device)?.ok_or(LabError::ViewsOfPixels)?;
    let task = events.begin("features of views");
    let progress = &mut |done: usize, total: usize| task.at(done as u64, total as u64);
    Ok(embedding.views(&encoder, &mut weights, source, (Arc::new(policy), count, seed), progress)?)
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
    let kind = match (subject.kind(), subject.stage()) {
        (FeaturesKind::Pixels, _) => "pixels".to_owned(),
        (_, Some(stage)) => format!("stage {stage}"),
        (_, None) => "encoder".to_owned(),
    };
    let file = subject.file();
    let description = serde_json::to_string(&file.description).ok()?;
    let stain = data.stain.as_ref().map(|stain| format!(" {stain:?}")).unwrap_or_default();
    let origin = format!("{:?} {:?}{stain}", data.split_origin, data.range);
    for text in [&cache.program, &kind, &description, &data.fingerprint, &origin, split.name()] {
        hash.update(text.as_bytes());
        hash.update([0]);
    }
    if subject.kind() != FeaturesKind::Pixels {
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

    use burn::tensor::{Device, Tensor, TensorData};
    use twinlens_data::{
        ArrayLayout, DataSettings, OpenOptions, PixelRange, PixelType, RangeOrigin, RangeRule, SplitPolicy,
        open_bytes,
    };
    use twinlens_nn::ops::read;
    use twinlens_nn::weights::Pass;

    use super::*;
    use crate::Silent;
    use twinlens_nn::encoders::{self, Stem};
    use twinlens_nn::network::Stage;
    use twinlens_nn::weights::Weights;
    use twinlens_views::{EvalResize, ResizedSide};

    /// Images of one channel, one array after the other.
    fn images(count: usize, side: usize, values: &[f32]) -> DataSet {
        let header =
            format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({count}, {side}, {side}), }}");
        let mut file = b"\x93NUMPY\x01\x00".to_vec();
        file.extend((header.len() as u16).to_le_bytes());
        file.extend(header.bytes());
        file.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        let (splits, layout) = (SplitPolicy::Defined, ArrayLayout::Nhw);
        let settings = DataSettings { splits, layout, ..DataSettings::default() };
        open_bytes("a.npy", file, &OpenOptions::from(settings)).unwrap()
    }

    /// A ResNet-18 for images of one channel.
    fn description(size: usize, range: Option<PixelRange>) -> EncoderDescription {
        EncoderDescription {
            version: 2,
            encoder: "resnet18".into(),
            stem: "cifar".into(),
            channels: 1,
            features: 512,
            size,
            range,
            stain: None,
            bag_of_channels: false,
            mean: vec![0.0],
            std: vec![1.0],
            eval_resize: EvalResize::default(),
            origin: String::new(),
        }
    }

    /// Pixels of one image of 0, 50, 100 and 150, as an encoder with this range sees them.
    fn seen(range: Option<[f64; 2]>) -> Vec<f32> {
        let data = images(1, 2, &[0.0, 50.0, 100.0, 150.0]);
        let range = range.map(|bounds| PixelRange {
            pixel_type: PixelType::F32,
            channels: vec![bounds],
            origin: RangeOrigin::Measured,
        });
        let description = description(2, range);
        let subject =
            Subject::new(FeaturesKind::Pixels, EncoderFile { description, tensors: BTreeMap::new() }, 0)
                .unwrap();
        let computing = Computing::new(1, "cpu", None);
        features(&subject, &data, Split::Train, &computing, &Silent).unwrap().values().to_vec()
    }

    #[test]
    fn every_encoder_sees_images_resized_as_it_says() {
        let data = images(1, 8, &(0..64).map(|at| (at % 8) as f32 / 8.0).collect::<Vec<f32>>());
        let seen = |eval_resize: EvalResize| {
            let description = EncoderDescription { eval_resize, ..description(4, None) };
            let tensors = BTreeMap::new();
            let subject =
                Subject::new(FeaturesKind::Pixels, EncoderFile { description, tensors }, 0).unwrap();
            let computing = Computing::new(1, "cpu", None);
            features(&subject, &data, Split::Train, &computing, &Silent).unwrap().values().to_vec()
        };
        // Half of the side, 4 of 8 pixels: nothing is resized, and the centre is left.
        let centre = seen(EvalResize { crop: 0.5, side: ResizedSide::Shorter });
        assert_eq!(centre[..4], [2.0, 3.0, 4.0, 5.0].map(|column| column / 8.0));
        assert_ne!(seen(EvalResize::default()), centre);
    }

    #[test]
    fn every_encoder_sees_images_by_the_range_that_it_knows() {
        assert_eq!(seen(Some([0.0, 200.0])), [0.0, 0.25, 0.5, 0.75]);
        assert_eq!(seen(Some([0.0, 100.0])), [0.0, 0.5, 1.0, 1.0]);
        assert_eq!(seen(None), [0.0, 50.0 / 150.0, 100.0 / 150.0, 1.0], "as they were opened");
    }

    /// An encoder of noise, and five images of noise.
    fn noise() -> (EncoderFile, DataSet) {
        let mut weights = Weights::new(5, &Device::flex());
        encoders::find("resnet18").unwrap().build(&mut weights.root(), Stem::Cifar, 1);
        let values: Vec<f32> = (0..5 * 64u16).map(|at| f32::from(at * 37 % 256) / 256.0).collect();
        (
            EncoderFile { description: description(8, None), tensors: weights.export("") },
            images(5, 8, &values),
        )
    }

    fn pixels(file: EncoderFile) -> Subject {
        Subject::new(FeaturesKind::Pixels, file, 0).unwrap()
    }

    #[test]
    fn maps_of_a_stage_are_those_of_the_network_with_channels_first() {
        let (file, data) = noise();
        let computing = Computing::new(1, "cpu", None);
        let whole = Subject::trained(file.clone());
        let stage = whole.clone().until(Some("layer2")).unwrap();
        let Maps { shape, values } = stage_maps(&stage, &data, Split::Train, &computing, &Silent).unwrap();
        assert_eq!((shape, values.rows()), ([128, 4, 4], 5));

        let pixels = features(&pixels(file), &data, Split::Train, &computing, &Silent).unwrap();
        let (encoder, mut weights) = whole.network("cpu").unwrap().unwrap();
        let x = TensorData::new(pixels.values().to_vec(), [5, 8, 8, 1]);
        let x = Tensor::<4>::from_data(x, &Device::flex());
        let mut all = encoder.forward_stages(&mut Pass::evaluate(&mut weights), x);
        let layer2 = read(all.swap_remove(2));
        for (image, channel, line, column) in [(0, 0, 0, 0), (4, 127, 3, 3), (1, 77, 1, 2), (1, 77, 2, 1)] {
            let got = values.row(image)[(channel * 4 + line) * 4 + column];
            assert_eq!(got, layer2[((image * 4 + line) * 4 + column) * 128 + channel]);
        }

        let averaged = features(&stage, &data, Split::Train, &computing, &Silent).unwrap();
        let means = values.values().chunks(16).map(|map| map.iter().sum::<f32>() / 16.0);
        assert_eq!(averaged.dim(), 128);
        assert!(averaged.values().iter().zip(means).all(|(a, b)| (a - b).abs() < 1e-5));

        let last = whole.until(None).unwrap();
        assert_eq!(stage_maps(&last, &data, Split::Train, &computing, &Silent).unwrap().shape, [512, 1, 1]);
    }

    #[test]
    fn features_of_every_stage_are_kept_apart() {
        let (file, data) = noise();
        let place = tempfile::tempdir().unwrap();
        let cache = Cache { folder: place.path().to_owned(), program: "a test".into() };
        let computing = Computing::new(1, "cpu", Some(cache));
        let mut encoder = crate::Encoder::from_file(file.clone(), "cpu").unwrap();
        let whole = Subject::trained(file);
        let until = |stage: &str| whole.clone().until(Some(stage)).unwrap();
        for again in [false, true] {
            for (subject, dim) in [(whole.clone(), 512), (until("layer2"), 128), (until("layer3"), 256)] {
                let found = features(&subject, &data, Split::Train, &computing, &Silent).unwrap();
                let images = data.splits.train.clone().unwrap();
                let alone = match subject.stage() {
                    Some(stage) => encoder.embed_stage(images, stage),
                    None => encoder.embed(images),
                };
                assert_eq!(found, alone.unwrap(), "{again}");
                assert_eq!(found.dim(), dim);
            }
            assert_eq!(std::fs::read_dir(place.path().join("features")).unwrap().count(), 3);
        }
        let names: Vec<&str> = encoder.stages().iter().map(Stage::name).collect();
        assert_eq!(names, ["relu", "layer1", "layer2", "layer3", "layer4"]);
    }

    /// Two images of three channels, and each channel as two images of one.
    fn channels() -> (DataSet, [DataSet; 3]) {
        let value = |image: usize, at: usize, channel: usize| {
            ((image * 97 + at * 31 + channel * 53) % 256) as f32 / 256.0
        };
        let of =
            |channel: usize| (0..2).flat_map(move |image| (0..64).map(move |at| value(image, at, channel)));
        let planes = [0, 1, 2].map(|channel| images(2, 8, &of(channel).collect::<Vec<f32>>()));
        let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 8, 8, 3), }";
        let mut file = b"\x93NUMPY\x01\x00".to_vec();
        file.extend((header.len() as u16).to_le_bytes());
        file.extend(header.bytes());
        for (image, at) in (0..2).flat_map(|image| (0..64).map(move |at| (image, at))) {
            file.extend((0..3).flat_map(|channel| value(image, at, channel).to_le_bytes()));
        }
        let range = RangeChoice::Rule(RangeRule::Type);
        let settings = DataSettings { splits: SplitPolicy::Defined, range, ..DataSettings::default() };
        let whole = open_bytes("rgb.npy", file, &OpenOptions::from(settings.clone())).unwrap();
        let typed = |set: DataSet| set.ranged(&settings.range).unwrap();
        (whole, planes.map(typed))
    }

    #[test]
    fn an_image_is_a_bag_of_its_channels() {
        let (file, _) = noise();
        let computing = Computing::new(1, "cpu", None);
        let mut bag = file.clone();
        bag.description.bag_of_channels = true;
        let (whole, planes) = channels();
        let of = |file: &EncoderFile, set: &DataSet| {
            features(&Subject::trained(file.clone()), set, Split::Train, &computing, &Silent)
        };
        let together = of(&bag, &whole).unwrap();
        assert_eq!((together.rows(), together.dim()), (2, 3 * 512));
        for (channel, plane) in planes.iter().enumerate() {
            let alone = of(&file, plane).unwrap();
            for row in 0..2 {
                let part = &together.row(row)[channel * 512..][..512];
                let close = part.iter().zip(alone.row(row)).all(|(a, b)| (a - b).abs() < 1e-5);
                assert!(close, "channel {channel} of image {row}");
            }
        }
        let maps = stage_maps(&Subject::trained(bag), &whole, Split::Train, &computing, &Silent).unwrap();
        assert_eq!((maps.shape, maps.values.rows()), ([3 * 512, 1, 1], 2));
        let refused = of(&file, &whole).unwrap_err();
        assert!(matches!(refused, LabError::Channels { expected: 1, got: 3 }), "{refused}");
    }

    #[test]
    fn what_has_no_such_stage_says_so() {
        let (file, data) = noise();
        let pixels = pixels(file.clone());
        let computing = Computing::new(1, "cpu", None);
        let refused = stage_maps(&pixels, &data, Split::Train, &computing, &Silent);
        assert!(matches!(refused, Err(LabError::StagesOfPixels)));
        assert!(matches!(pixels.until(None), Err(LabError::StagesOfPixels)));
        let error = Subject::trained(file).until(Some("layer5")).unwrap_err().to_string();
        assert!(error.contains("`layer5`") && error.contains("layer1, layer2, layer3, layer4"), "{error}");
    }
}
