//! Whole fine-tuning runs on small made-up images.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use twinlens_data::{
    DataError, DataSet, Image, ImageSource, LabelAmount, LabelChoice, PixelRange, RangeChoice, RangeOrigin,
    Subset,
};
use twinlens_eval::{Judgement, Predictions};
use twinlens_nn::encoders::EncoderSettings;
use twinlens_nn::weights::{EncoderDescription, EncoderFile, read_safetensors};
use twinlens_run::{RunFolder, RunRecord};
use twinlens_ssl::finetune::{
    FinetuneSettings, Finetuned, Finetuner, LabelledImages, Metric, Stage, Trainable, Whole, finetune,
};
use twinlens_ssl::{Asked, Hooks, SslError, StartFrom};
use twinlens_views::EvalResize;

use crate::runs::{Colours, data, folder, result};

fn stage(epochs: usize, trainable: Whole) -> Stage {
    let trainable = Trainable::Whole(trainable);
    Stage { epochs, trainable, lr_encoder: None, lr_head: None, freeze_batch_norm: false }
}

fn settings() -> FinetuneSettings {
    let stages = vec![stage(1, Whole::Head), stage(2, Whole::All)];
    let mut settings = FinetuneSettings { stages, ..FinetuneSettings::default() };
    settings.batch = 8;
    settings.log_every = 1;
    settings.views = twinlens_views::presets::preset("crop-flip").unwrap();
    settings.checkpoint.every = 1;
    settings.optim.lr = 2e-3;
    settings
}

/// Runs until `stop` steps were made, or to the end.
fn run(
    settings: &FinetuneSettings,
    data: &DataSet,
    folder: &mut RunFolder,
    start: StartFrom<'_>,
    stop: Option<usize>,
) -> Result<Finetuned, SslError> {
    let steps = AtomicUsize::new(0);
    let asked = || {
        let made = steps.fetch_add(1, Ordering::Relaxed) + 1;
        if Some(made) == stop { Asked::Stop } else { Asked::Continue }
    };
    let images = LabelledImages::new(settings, data)?;
    finetune(settings, &images, folder, start, Hooks { asked: &asked, progress: &mut |_| {} })
}

fn whole(settings: &FinetuneSettings, path: &Path) -> Judgement<Predictions> {
    match run(settings, &data(24), &mut folder(path), StartFrom::Scratch, None).unwrap() {
        Finetuned::Done(verdict) => *verdict,
        Finetuned::Interrupted => panic!("nobody asked to stop"),
    }
}

fn head(path: &Path) -> Vec<u8> {
    std::fs::read(path.join("encoder/head.safetensors")).unwrap()
}

#[test]
fn an_interrupted_and_resumed_fine_tuning_equals_an_uninterrupted_one() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("whole");
    let verdict = whole(&settings(), &path);
    // 3 steps an epoch: within a stage, where one ends and the next begins, one step from the end.
    for stop in [2, 3, 8] {
        let other = place.path().join(format!("{stop}"));
        let mut cut = folder(&other);
        let stopped = run(&settings(), &data(24), &mut cut, StartFrom::Scratch, Some(stop)).unwrap();
        assert!(matches!(stopped, Finetuned::Interrupted));
        drop(cut);
        let mut again = RunFolder::open(&other).unwrap();
        let resumed = run(&settings(), &data(24), &mut again, StartFrom::Checkpoint, None).unwrap();
        let Finetuned::Done(resumed) = resumed else { panic!("stopped again") };
        assert_eq!(*resumed, verdict, "stopped after {stop} steps");
        assert_eq!(result(&other), result(&path), "stopped after {stop} steps");
        assert_eq!(head(&other), head(&path), "stopped after {stop} steps");
    }
}

#[test]
fn threads_and_workers_do_not_change_a_bit() {
    let place = tempfile::tempdir().unwrap();
    let with = |threads: usize, workers: usize| {
        let path = place.path().join(format!("{threads}-{workers}"));
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let mut settings = settings();
        settings.workers = workers;
        let verdict = pool.install(|| whole(&settings, &path));
        (verdict, result(&path), head(&path))
    };
    assert_eq!(with(1, 1), with(3, 2));
}

#[test]
fn it_learns_and_leaves_encoder_head_verdict_and_predictions() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("a");
    let mut settings = FinetuneSettings { stages: vec![stage(8, Whole::All)], ..settings() };
    settings.validation.metric = Metric::Loss;
    let verdict = whole(&settings, &path);
    let accuracy = |split: &str| verdict.outcome.split(split).unwrap().scores.accuracy();
    assert!(accuracy("val") > 0.8 && accuracy("test") > 0.8, "{} {}", accuracy("val"), accuracy("test"));
    assert_eq!(verdict.outcome.training_labels, 24);
    assert!(verdict.outcome.split("test").unwrap().scores.measures["macro_auc"].unwrap() > 0.9);
    let metrics = RunRecord::read(&path).unwrap().metrics;
    let losses: Vec<f64> = metrics.iter().filter_map(|row| row.get("loss")?.as_f64()).collect();
    assert!(losses[losses.len() - 1] < 0.5 * losses[0], "{losses:?}");
    let looks: Vec<f64> = metrics.iter().filter_map(|row| row.get("val_loss")?.as_f64()).collect();
    assert_eq!(looks.len(), 8);
    // The weights kept are those of the epoch with the lowest loss.
    let best = (0..8).min_by(|&a, &b| looks[a].total_cmp(&looks[b])).unwrap();
    assert_eq!(verdict.found["epoch_kept"], best + 1);
    let table = std::fs::read_to_string(path.join("eval/predictions-test.csv")).unwrap();
    let rows: Vec<&str> = table.lines().collect();
    assert_eq!(rows[0], "image,class,predicted,p(red),p(green),p(blue)");
    let test = verdict.outcome.split("test").unwrap();
    for (row, (&label, &predicted)) in rows[1..].iter().zip(test.labels.iter().zip(&test.predictions)) {
        let cells: Vec<&str> = row.split(',').collect();
        assert_eq!(
            cells[1..3],
            [verdict.outcome.classes[label].as_str(), &verdict.outcome.classes[predicted]]
        );
        let sum: f64 = cells[3..].iter().map(|cell| cell.parse::<f64>().unwrap()).sum();
        assert!((sum - 1.0).abs() < 1e-9, "{row}");
    }
    assert_eq!(rows.len(), 10);
    let file = EncoderFile::read(&path.join("encoder/encoder.safetensors")).unwrap();
    assert_eq!((file.description.size, file.description.features), (8, 512));
    let head = read_safetensors(&path.join("encoder/head.safetensors")).unwrap();
    assert_eq!(head["weight"].shape, [3, 512]);
    let text = std::fs::read_to_string(path.join("encoder/head.json")).unwrap();
    let described: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(described["classes"], serde_json::json!(["red", "green", "blue"]));
}

/// The file of an encoder of random weights.
fn encoder(seed: u64) -> EncoderFile {
    let mut settings = settings();
    settings.seed = seed;
    let images = LabelledImages::new(&settings, &data(24)).unwrap();
    let device = settings.open_device().unwrap();
    let finetuner = Finetuner::new(&settings, images.shape(), 1, &device);
    let description = EncoderDescription {
        version: 1,
        encoder: settings.encoder.name().into(),
        stem: settings.encoder.stem().name().into(),
        channels: 3,
        features: 512,
        size: 8,
        range: None,
        stain: None,
        bag_of_channels: false,
        mean: images.context.mean,
        std: images.context.std,
        eval_resize: EvalResize::default(),
        origin: "made".into(),
    };
    EncoderFile { description, tensors: finetuner.encoder_weights() }
}

#[test]
fn a_frozen_encoder_is_written_as_it_was_read() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("a");
    let file = encoder(5);
    let mut settings = FinetuneSettings { stages: vec![stage(2, Whole::Head)], ..settings() };
    settings.take_encoder(&file.description).unwrap();
    run(&settings, &data(24), &mut folder(&path), StartFrom::Encoder(&file), None).unwrap();
    let written = EncoderFile::read(&path.join("encoder/encoder.safetensors")).unwrap();
    assert_eq!(written.tensors, file.tensors);
}

#[test]
fn patience_ends_training_and_the_best_weights_are_kept() {
    let place = tempfile::tempdir().unwrap();
    let mut settings =
        FinetuneSettings { stages: vec![stage(1, Whole::Head), stage(9, Whole::All)], ..settings() };
    // With steps this small and statistics as they are no prediction changes, so the first look stays the best.
    settings.stages[1].freeze_batch_norm = true;
    settings.optim.lr = 1e-12;
    settings.validation.patience = 2;
    let path = place.path().join("a");
    let verdict = whole(&settings, &path);
    // Patience counts within the last stage, which begins after epoch 1.
    assert_eq!((&verdict.found["epochs"], &verdict.found["epoch_kept"]), (&3.into(), &1.into()));
    // A run that is over stays so.
    let mut again = RunFolder::open(&path).unwrap();
    let Finetuned::Done(same) = run(&settings, &data(24), &mut again, StartFrom::Checkpoint, None).unwrap()
    else {
        panic!("stopped")
    };
    assert_eq!(*same, verdict);
    settings.validation.keep_best = false;
    settings.validation.patience = 0;
    let verdict = whole(&settings, &place.path().join("b"));
    assert_eq!((&verdict.found["epochs"], &verdict.found["epoch_kept"]), (&10.into(), &10.into()));
}

#[test]
fn batches_are_of_one_size_and_use_nearly_all_images() {
    for (images, most) in [(2, 8), (3, 2), (7, 3), (24, 8), (130, 128), (255, 128), (257, 128), (101, 10)] {
        let mut settings = settings();
        settings.batch = most;
        let prepared = LabelledImages::new(&settings, &data(images)).unwrap();
        let (batch, steps) = (prepared.batch(most), prepared.steps_per_epoch(most));
        assert!(batch >= 2 && batch <= most && steps >= 1, "{images} {most}");
        assert!(images - batch * steps < images.div_ceil(most).max(2), "{images} {most}: {batch} x {steps}");
    }
}

/// Labels hidden from some images.
struct Hidden(Arc<dyn ImageSource>, usize);

impl ImageSource for Hidden {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn image(&self, index: usize) -> Result<Image, DataError> {
        self.0.image(index)
    }

    fn label(&self, index: usize) -> Option<usize> {
        self.0.label(index).filter(|_| index >= self.1)
    }
}

fn refusal(settings: &FinetuneSettings, data: &DataSet) -> String {
    LabelledImages::new(settings, data).unwrap_err().to_string()
}

#[test]
fn what_cannot_be_learned_from_or_judged_by_is_refused() {
    let colours = |images| Arc::new(Colours { images, varying: 3 }) as Arc<dyn ImageSource>;
    // Only the labels that are there are drawn from.
    let mut some = data(24);
    some.splits.train = Some(Arc::new(Hidden(colours(24), 20)));
    let prepared = LabelledImages::new(&settings(), &some).unwrap();
    assert_eq!(prepared.train.len(), 4);

    let mut none = data(24);
    none.splits.train = Some(Arc::new(Hidden(colours(24), 24)));
    assert!(refusal(&settings(), &none).contains("label"));

    let mut unjudged = data(24);
    unjudged.splits.test = Some(Arc::new(Hidden(colours(9), 2)));
    let prepared = LabelledImages::new(&settings(), &unjudged).unwrap();
    assert_eq!(prepared.test.unwrap().len(), 7);
    assert!(prepared.warnings[0].contains("2 test images without a label"), "{:?}", prepared.warnings);
    unjudged.splits.test = None;
    let prepared = LabelledImages::new(&settings(), &unjudged).unwrap();
    assert!(prepared.test.is_none());
    assert!(prepared.warnings[0].contains("validation alone"), "{:?}", prepared.warnings);
    unjudged.splits.val = None;
    assert!(refusal(&settings(), &unjudged).contains("no val images"));

    let few = FinetuneSettings { label_share: 0.01, label_choice: LabelChoice::Random, ..settings() };
    let told = refusal(&few, &data(24));
    assert!(told.contains("the 1 labels chosen"), "{told}");

    let mut grey = FinetuneSettings { mean: vec![0.5], std: vec![0.5], ..settings() };
    grey.size = 8.into();
    assert!(refusal(&grey, &data(24)).contains("3 channel(s), the encoder takes 1"));
    grey.stages.clear();
    grey.batch = 1;
    let told = refusal(&grey, &data(24));
    assert!(told.contains("stages") && told.contains("batch is 1"), "{told}");
}

#[test]
fn an_encoder_sees_images_by_its_own_range() {
    let mut own = settings();
    let range = PixelRange { channels: vec![[0.0, 510.0]; 3], ..data(24).range };
    own.data_options.range = RangeChoice::Kept(PixelRange { origin: RangeOrigin::Stated, ..range });
    let [as_opened, by_its_own] = [settings(), own].map(|settings| {
        let prepared = LabelledImages::new(&settings, &data(24)).unwrap();
        (prepared.range.channels[0], prepared.val.as_ref().unwrap().image(0).unwrap().pixels.to_f64())
    });
    assert_eq!((as_opened.0, by_its_own.0), ([0.0, 255.0], [0.0, 510.0]));
    let halves: Vec<f64> = as_opened.1.iter().map(|value| (value / 2.0).round()).collect();
    assert_eq!(by_its_own.1, halves);
}

#[test]
fn without_validation_images_the_last_weights_are_judged_on_test_alone() {
    let mut complete = data(24);
    complete.splits.val = None;
    let error = LabelledImages::new(&settings(), &complete).unwrap_err();
    assert!(error.to_string().contains("no val images"), "{error}");
    assert!(error.hint().unwrap().contains("validation.keep_best=false"), "{:?}", error.hint());
    let mut last = settings();
    last.validation.keep_best = false;
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("a");
    let mut folder = folder(&path);
    let Finetuned::Done(verdict) = run(&last, &complete, &mut folder, StartFrom::Scratch, None).unwrap()
    else {
        panic!("stopped")
    };
    drop(folder);
    let splits: Vec<&str> = verdict.outcome.splits.iter().map(|split| split.split.as_str()).collect();
    assert_eq!((splits, verdict.found["epoch_kept"].as_u64()), (vec!["test"], Some(3)));
    // The same training as beside validation images that choose nothing.
    let beside = place.path().join("b");
    let with = whole(&last, &beside);
    assert_eq!((with.outcome.split("test"), head(&beside)), (verdict.outcome.split("test"), head(&path)));
    complete.splits.test = None;
    assert!(refusal(&last, &complete).contains("no val images"));
}

#[test]
fn classes_that_are_absent_are_told() {
    let reds_and_greens: Vec<usize> = (0..24).filter(|index| index % 3 < 2).collect();
    let mut two = data(24);
    let all = two.splits.train.clone().unwrap();
    two.splits.train = Some(Arc::new(Subset::new(all, reds_and_greens).unwrap()));
    let reds = Subset::new(two.splits.test.clone().unwrap(), vec![0, 3, 6]).unwrap();
    two.splits.test = Some(Arc::new(reds));
    let prepared = LabelledImages::new(&settings(), &two).unwrap();
    assert!(prepared.warnings[0].contains("class `blue`"), "{:?}", prepared.warnings);
    let place = tempfile::tempdir().unwrap();
    let mut folder = folder(&place.path().join("a"));
    let Finetuned::Done(verdict) = run(&settings(), &two, &mut folder, StartFrom::Scratch, None).unwrap()
    else {
        panic!("stopped")
    };
    let told = verdict.warnings.join("\n");
    assert!(told.contains("`blue` is absent from the training labels"), "{told}");
    assert!(told.contains("`green` is absent from split `test`"), "{told}");
    assert_eq!(verdict.outcome.split("test").unwrap().scores.measures["macro_auc"], None);
}

#[test]
fn an_encoder_of_another_architecture_is_refused_by_the_weights_name() {
    let place = tempfile::tempdir().unwrap();
    let file = encoder(5);
    let mut other = settings();
    other.encoder = EncoderSettings::named("resnet34").unwrap();
    let mut folder = folder(&place.path().join("a"));
    let error = run(&other, &data(24), &mut folder, StartFrom::Encoder(&file), None).unwrap_err();
    assert!(error.to_string().contains("layer1.2"), "{error}");
}

#[test]
fn labels_by_share_and_by_class_are_nested() {
    let chosen = |amount: LabelAmount, seed: u64| -> BTreeSet<String> {
        let mut settings = settings();
        settings.seed = seed;
        settings.set_label_amount(amount);
        let train = LabelledImages::new(&settings, &data(90)).unwrap().train;
        (0..train.len()).map(|index| train.name(index)).collect()
    };
    let (two, five) = (chosen(LabelAmount::PerClass(2), 1), chosen(LabelAmount::PerClass(5), 1));
    assert_eq!((two.len(), five.len()), (6, 15));
    assert!(two.is_subset(&five) && five.is_subset(&chosen(LabelAmount::Share(0.5), 1)));
    assert_ne!(two, chosen(LabelAmount::PerClass(2), 2));
}
