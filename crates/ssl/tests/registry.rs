//! The registry: every method on an encoder of every family, at 32 pixels, through a whole run.

use std::path::Path;
use std::sync::Arc;

use burn::tensor::Device;
use twinlens_data::{ImageSource, Subset};
use twinlens_eval::Features;
use twinlens_nn::encoders::{self, EncoderSettings, Stem};
use twinlens_nn::weights::{EncoderFile, Weights};
use twinlens_run::{RunFolder, RunRecord};
use twinlens_ssl::methods::{METHODS, MethodSettings, MethodSpec};
use twinlens_ssl::{Embedding, Settings, StartFrom, TrainingEnd};
use twinlens_views::{BuildContext, EvalResize};

use crate::changed::changed;
use crate::runs::{Colours, folder, run};

const BATCH: usize = 6;

/// What makes every method small.
const SMALL: &str =
    "queue = 18\nprojector = { hidden_dim = 16, output_dim = 4 }\npredictor = { hidden_dim = 8 }";

fn settings(spec: &MethodSpec, encoder: &str, stem: Stem) -> Settings {
    let method = changed(&MethodSettings::named(spec.id).unwrap(), SMALL);
    let own = match spec.id {
        "swav" => "prototypes = 9\nqueue = 0",
        "dino" => "prototypes = 9",
        "deepclusterv2" => "prototypes = [4, 3]",
        _ => "",
    };
    let mut settings = Settings {
        method: changed(&method, own),
        epochs: 1,
        limit: 2 * BATCH,
        // A handful of images says nothing of a collapse.
        collapse_threshold: 0.0,
        ..Settings::default()
    };
    if let MethodSettings::WeightedSum(sum) = &mut settings.method {
        sum.terms.iter_mut().for_each(|term| term.method = changed(&term.method, SMALL));
    }
    settings.encoder = EncoderSettings::described(encoder, stem.name()).unwrap();
    settings.size = 32.into();
    settings.batch = BATCH;
    settings.log_every = 1;
    settings.views = twinlens_views::presets::preset("simclr").unwrap();
    settings.knn.every = 0;
    settings.optim.lr = 1e-3;
    settings.views[0].count = *settings.method.views().start();
    settings
}

/// The features of the test images by the encoder that a run left.
fn features(run: &Path) -> Features {
    let file = EncoderFile::read(&run.join("encoder/encoder.safetensors")).unwrap();
    let stem = Stem::named(&file.description.stem).unwrap();
    let mut weights = Weights::zeroed(&Device::flex());
    let encoder = encoders::find(&file.description.encoder).unwrap().build(&mut weights.root(), stem, 3);
    weights.import("", &file.tensors).unwrap();
    let images: Arc<dyn ImageSource> = Arc::new(Colours { images: 9, varying: 3 });
    let first = images.image(0).unwrap();
    let context = BuildContext {
        size: file.description.size,
        channels: 3,
        pixel_type: first.pixel_type(),
        mean: file.description.mean,
        std: file.description.std,
    };
    let images = Arc::new(Subset::new(images, vec![0, 1]).unwrap());
    let embedding =
        Embedding { context, resize: EvalResize::default(), bag_of_channels: false, batch: 2, workers: 1 };
    embedding.run(&encoder, &mut weights, images, &mut |_, _| {}).unwrap()
}

fn sweep(encoder: &str, stem: Stem) {
    for spec in METHODS {
        let settings = settings(spec, encoder, stem);
        let what = format!("{} on {encoder}", spec.id);
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("run");
        let mut cut = folder(&path);
        assert_eq!(
            run(&settings, &mut cut, StartFrom::Scratch, Some(1)).unwrap(),
            TrainingEnd::Interrupted,
            "{what}"
        );
        drop(cut);
        let mut again = RunFolder::open(&path).unwrap();
        assert_eq!(
            run(&settings, &mut again, StartFrom::Checkpoint, None).unwrap(),
            TrainingEnd::Done,
            "{what}"
        );
        drop(again);
        let metrics = RunRecord::read(&path).unwrap().metrics;
        let losses: Vec<f64> = metrics.iter().filter_map(|row| row.get("loss")?.as_f64()).collect();
        assert_eq!(losses.len(), 2, "{what}: {metrics:?}");
        assert!(losses.iter().all(|loss| loss.is_finite()), "{what}: {losses:?}");
        let features = features(&path);
        assert!(features.row(0) != features.row(1), "{what}: two images have the same features");
    }
}

#[test]
fn every_method_trains_resumes_and_leaves_a_resnet() {
    sweep("resnet18", Stem::Cifar);
}

#[test]
fn every_method_trains_resumes_and_leaves_a_vgg() {
    sweep("vgg11", Stem::Imagenet);
}

#[test]
fn every_method_trains_resumes_and_leaves_a_convnext() {
    sweep("convnext_tiny", Stem::Imagenet);
}
