//! Whole runs on small made-up images: continuing is exact, threads do not matter, trouble is reported.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use twinlens_data::{
    DataError, DataSet, DataSettings, Image, ImageSource, OpenOptions, PixelRange, PixelType, Pixels,
    RangeOrigin, Skipped, SplitOrigin, SplitPolicy, Splits, open,
};
use twinlens_random::{Purpose, Stream};
use twinlens_run::{Environment, Overwrite, RunFolder, RunRecord, Start};
use twinlens_ssl::methods::MethodSettings;
use twinlens_ssl::{
    Asked, Hooks, Prepared, Settings, SslError, StartFrom, TrainingEnd, TrainingEvent, train,
};

use crate::changed::changed;

/// Noise around one of three colours, in the first channels; the others hold one value.
pub(crate) struct Colours {
    pub images: usize,
    pub varying: usize,
}

impl ImageSource for Colours {
    fn len(&self) -> usize {
        self.images
    }

    fn image(&self, index: usize) -> Result<Image, DataError> {
        let mut stream = Stream::new(9, Purpose::Evaluation, [index as u32, 0, 0]);
        let value = |at: usize| match at % 3 {
            channel if channel >= self.varying => 60,
            channel if channel == index % 3 => 160 + stream.below(40) as u8,
            _ => 60 + stream.below(40) as u8,
        };
        Image::new(8, 8, 3, Pixels::U8((0..8 * 8 * 3).map(value).collect()))
    }

    fn label(&self, index: usize) -> Option<usize> {
        (index < self.images).then_some(index % 3)
    }
}

pub(crate) fn data(images: usize) -> DataSet {
    data_with(images, 3)
}

fn data_with(images: usize, varying: usize) -> DataSet {
    let source = |images| Some(Arc::new(Colours { images, varying }) as Arc<dyn ImageSource>);
    DataSet {
        name: "colours".into(),
        format: "made",
        splits: Splits { train: source(images), val: source(9), test: source(9) },
        split_origin: SplitOrigin::Defined,
        classes: ["red", "green", "blue"].map(String::from).to_vec(),
        channel_names: Vec::new(),
        pixel_size: None,
        skipped: Skipped::default(),
        notices: Vec::new(),
        range: PixelRange {
            pixel_type: PixelType::U8,
            channels: vec![[0.0, 255.0]; 3],
            origin: RangeOrigin::Type,
        },
        stain: None,
        fingerprint: "0".into(),
        bytes_in_memory: 0,
        parts: Vec::new(),
    }
}

fn settings(method: &str) -> Settings {
    let own = if method == "deepclusterv2" { "prototypes = [4, 3, 5]" } else { "" };
    let method = changed(&MethodSettings::named(method).unwrap(), own);
    let method = changed(&method, "projector = { hidden_dim = 16, output_dim = 8 }");
    let mut settings = Settings { method, epochs: 3, ..Settings::default() };
    settings.batch = 8;
    settings.log_every = 2;
    settings.views = twinlens_views::presets::preset("simclr").unwrap();
    settings.optim.lr = 0.01;
    settings
}

pub(crate) fn folder(path: &Path) -> RunFolder {
    let environment = Environment { version: "0", commit: None, threads: 1, data: json!(null) }.describe();
    let command = ["twinlens".to_owned()];
    RunFolder::create(path, Overwrite::Never, &Start { config: "", command: &command, environment }).unwrap()
}

/// Runs until `stop` steps were made, or to the end.
pub(crate) fn run(
    settings: &Settings,
    folder: &mut RunFolder,
    start: StartFrom<'_>,
    stop: Option<usize>,
) -> Result<TrainingEnd, SslError> {
    let steps = AtomicUsize::new(0);
    let asked = || {
        let made = steps.fetch_add(1, Ordering::Relaxed) + 1;
        if Some(made) == stop { Asked::Stop } else { Asked::Continue }
    };
    told(settings, folder, start, &asked, &mut |_| {})
}

fn told(
    settings: &Settings,
    folder: &mut RunFolder,
    start: StartFrom<'_>,
    asked: &dyn Fn() -> Asked,
    progress: &mut dyn FnMut(&TrainingEvent<'_>),
) -> Result<TrainingEnd, SslError> {
    learn(settings, &data(30), folder, start, Hooks { asked, progress })
}

fn learn(
    settings: &Settings,
    data: &DataSet,
    folder: &mut RunFolder,
    start: StartFrom<'_>,
    hooks: Hooks<'_>,
) -> Result<TrainingEnd, SslError> {
    let prepared = Prepared::new(settings, data)?;
    train(settings, data, &prepared, folder, start, hooks)
}

/// The encoder file's bytes and the metrics without what depends on the clock.
pub(crate) fn result(path: &Path) -> (Vec<u8>, Vec<BTreeMap<String, Value>>) {
    let encoder = std::fs::read(path.join("encoder/encoder.safetensors")).unwrap();
    let rows = RunRecord::read(path).unwrap().metrics.into_iter().map(|row| {
        row.into_iter().filter(|(key, _)| key != "images_per_second" && key != "data_wait_share").collect()
    });
    (encoder, rows.collect())
}

#[test]
fn an_interrupted_and_resumed_run_equals_an_uninterrupted_one() {
    // DeepCluster v2 looks at all images at the start of an epoch; the other methods differ in their state, which is
    // tested on the learner.
    for method in ["barlow-twins", "deepclusterv2"] {
        let settings = settings(method);
        let place = tempfile::tempdir().unwrap();
        let whole = place.path().join("whole");
        let outcome = run(&settings, &mut folder(&whole), StartFrom::Scratch, None).unwrap();
        assert_eq!(outcome, TrainingEnd::Done);
        // 3 steps an epoch: in the middle of an epoch, at its end, and one step from the end.
        for stop in [2, 3, 8] {
            let path = place.path().join(format!("{stop}"));
            let mut cut = folder(&path);
            assert_eq!(
                run(&settings, &mut cut, StartFrom::Scratch, Some(stop)).unwrap(),
                TrainingEnd::Interrupted
            );
            drop(cut);
            let mut again = RunFolder::open(&path).unwrap();
            assert_eq!(run(&settings, &mut again, StartFrom::Checkpoint, None).unwrap(), TrainingEnd::Done);
            assert_eq!(result(&path), result(&whole), "{method} stopped after {stop} steps");
        }
    }
}

/// The images of [`data`] in shards of seven, held in memory or, under a limit, decoded from the shards each time.
fn from_shards(place: &Path, memory_limit: Option<u64>) -> DataSet {
    let source = Colours { images: 30, varying: 3 };
    for shard in 0..30_usize.div_ceil(7) {
        let mut tar = tar::Builder::new(Vec::new());
        for index in shard * 7..30.min((shard + 1) * 7) {
            let Pixels::U8(pixels) = source.image(index).unwrap().pixels else { unreachable!() };
            let picture = [b"P6\n8 8\n255\n".to_vec(), pixels].concat();
            let label = source.label(index).unwrap().to_string().into_bytes();
            for (ending, bytes) in [("ppm", picture), ("cls", label)] {
                let mut header = tar::Header::new_ustar();
                header.set_size(bytes.len() as u64);
                tar.append_data(&mut header, format!("{index:04}.{ending}"), bytes.as_slice()).unwrap();
            }
        }
        std::fs::write(place.join(format!("train-{shard:04}.tar")), tar.into_inner().unwrap()).unwrap();
    }
    let settings = DataSettings { splits: SplitPolicy::Defined, ..DataSettings::default() };
    let set = open(place, &OpenOptions { memory_limit, ..OpenOptions::from(settings) }).unwrap();
    assert_eq!(set.bytes_in_memory == 0, memory_limit.is_some(), "only a limit lets them go");
    set
}

#[test]
fn images_that_stream_from_shards_give_the_bits_of_those_in_memory_and_resume_in_the_middle_of_one() {
    let place = tempfile::tempdir().unwrap();
    let settings = settings("barlow-twins");
    let run = |data: &DataSet, path: &Path, stops: &[usize]| {
        for (at, stop) in stops.iter().map(Some).chain([None]).enumerate() {
            let (mut folder, start) = match at {
                0 => (folder(path), StartFrom::Scratch),
                _ => (RunFolder::open(path).unwrap(), StartFrom::Checkpoint),
            };
            let steps = AtomicUsize::new(0);
            let asked = || match Some(&(steps.fetch_add(1, Ordering::Relaxed) + 1)) == stop {
                true => Asked::Stop,
                false => Asked::Continue,
            };
            learn(&settings, data, &mut folder, start, Hooks { asked: &asked, progress: &mut |_| {} })
                .unwrap();
        }
        result(path)
    };
    let shards = place.path().join("shards");
    std::fs::create_dir(&shards).unwrap();
    let in_memory = run(&from_shards(&shards, None), &place.path().join("memory"), &[]);
    let streamed = from_shards(&shards, Some(4000));
    assert_eq!(run(&streamed, &place.path().join("whole"), &[]), in_memory);
    // Batches of 8 from shards of 7, shuffled: every stop is in the middle of several.
    assert_eq!(run(&streamed, &place.path().join("cut"), &[2, 3, 1]), in_memory);
}

#[test]
fn an_encoder_learns_from_channels_one_by_one() {
    let place = tempfile::tempdir().unwrap();
    let mut settings = Settings { bag_of_channels: true, ..settings("barlow-twins") };
    settings.epochs = 1;
    // Colours alone make these views; they are nothing for one channel.
    settings.views = twinlens_views::presets::preset("grey-scans").unwrap();
    let prepared = Prepared::new(&settings, &data(30)).unwrap();
    assert_eq!((prepared.train.len(), prepared.shape().channels), (90, 1));
    let path = place.path().join("run");
    run(&settings, &mut folder(&path), StartFrom::Scratch, None).unwrap();
    let described = std::fs::read_to_string(path.join("encoder/encoder.json")).unwrap();
    let described: Value = serde_json::from_str(&described).unwrap();
    assert_eq!((&described["channels"], &described["bag_of_channels"]), (&json!(1), &json!(true)));
    let metrics = RunRecord::read(&path).unwrap().metrics;
    assert!(
        metrics.iter().any(|row| row.contains_key("knn_accuracy")),
        "whole images are judged: {metrics:?}"
    );
    let unset = Settings { bag_of_channels: false, ..settings };
    let text = serde_json::to_value(&unset).unwrap();
    assert!(text.get("bag_of_channels").is_none(), "what is not used is not written");
}

#[test]
fn a_run_that_died_in_its_first_step_goes_on() {
    // No state, a queue beside a target network, a memory of all images.
    for method in ["barlow-twins", "mocov2plus", "deepclusterv2"] {
        let settings = Settings { epochs: 1, ..settings(method) };
        let place = tempfile::tempdir().unwrap();
        let [whole, dead] = ["whole", "dead"].map(|name| place.path().join(name));
        run(&settings, &mut folder(&whole), StartFrom::Scratch, None).unwrap();
        let mut cut = folder(&dead);
        let die =
            &mut |event: &TrainingEvent<'_>| assert!(!matches!(event, TrainingEvent::Step { .. }), "dies");
        let ended = catch_unwind(AssertUnwindSafe(|| {
            told(&settings, &mut cut, StartFrom::Scratch, &|| Asked::Continue, die)
        }));
        assert!(ended.is_err(), "{method}");
        drop(cut);
        let mut again = RunFolder::open(&dead).unwrap();
        run(&settings, &mut again, StartFrom::Checkpoint, None).unwrap();
        assert_eq!(result(&dead), result(&whole), "{method}");
    }
}

#[test]
fn threads_and_workers_do_not_change_a_bit() {
    let place = tempfile::tempdir().unwrap();
    let with = |threads: usize, workers: usize| {
        let path = place.path().join(format!("{threads}-{workers}"));
        let mut settings = Settings { epochs: 1, ..settings("barlow-twins") };
        settings.workers = workers;
        // Wide enough for the products and sums that burn shares among threads.
        settings.method = changed(&settings.method, "projector = { hidden_dim = 2048, output_dim = 2048 }");
        let mut folder = folder(&path);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| run(&settings, &mut folder, StartFrom::Scratch, None)).unwrap();
        result(&path)
    };
    let one = with(1, 1);
    assert_eq!(one, with(2, 1));
    assert_eq!(one, with(3, 2));
}

#[test]
fn a_loss_that_is_not_a_number_stops_the_run_and_names_the_setting() {
    let place = tempfile::tempdir().unwrap();
    let mut settings = settings("simclr");
    settings.optim.lr = 1e30;
    settings.schedule.warmup_epochs = 0.0;
    let error = run(&settings, &mut folder(&place.path().join("a")), StartFrom::Scratch, None).unwrap_err();
    assert!(matches!(error, SslError::NotFinite { .. }), "{error}");
    assert!(error.to_string().contains("optim.lr"));
}

#[test]
fn a_channel_that_never_varies_is_left_and_images_that_never_do_are_refused() {
    let settings = settings("simclr");
    let prepared = Prepared::new(&settings, &data_with(24, 2)).unwrap();
    assert!(prepared.context.std[0] < 0.5 && prepared.context.std[2] == 1.0, "{:?}", prepared.context.std);
    let error = Prepared::new(&settings, &data_with(24, 0)).unwrap_err();
    assert!(matches!(error, SslError::NoVariation { .. }), "{error}");
}

#[test]
fn a_collapse_stops_the_run_with_the_methods_advice() {
    let place = tempfile::tempdir().unwrap();
    let mut settings = settings("simclr");
    settings.collapse_threshold = 1.0;
    let error = run(&settings, &mut folder(&place.path().join("a")), StartFrom::Scratch, None).unwrap_err();
    assert!(matches!(error, SslError::Collapsed { .. }), "{error}");
    assert!(error.to_string().contains("method.temperature"));
}

#[test]
fn outputs_that_say_nothing_are_told_with_the_methods_advice() {
    let place = tempfile::tempdir().unwrap();
    let mut settings = Settings { epochs: 2, ..settings("dino") };
    // So hot a student is even whatever it sees.
    settings.method = changed(&settings.method, "student_temperature = 1e4");
    let mut warnings = Vec::new();
    let mut progress = |event: &TrainingEvent<'_>| {
        if let TrainingEvent::Warning(warning) = event {
            warnings.push(warning.to_string());
        }
    };
    let mut folder = folder(&place.path().join("a"));
    told(&settings, &mut folder, StartFrom::Scratch, &|| Asked::Continue, &mut progress).unwrap();
    let warned = warnings.iter().filter(|warning| warning.contains("the same for every image")).count();
    assert_eq!(warned, 1, "{warnings:?}");
    assert!(warnings[0].contains("method.teacher_temperature"), "{warnings:?}");
}

#[test]
fn a_method_that_needs_labels_is_refused_without_them() {
    let mut data = data(30);
    data.classes = vec![];
    let error = Prepared::new(&settings("supervised"), &data).unwrap_err().to_string();
    assert!(error.contains("needs no labels"), "{error}");
}

#[test]
fn the_number_of_views_is_checked() {
    let mut settings = settings("simclr");
    settings.views[0].count = 3;
    let error = Prepared::new(&settings, &data(30)).unwrap_err().to_string();
    assert!(error.contains("2 views for simclr"), "{error}");
}

#[test]
fn more_clusters_than_images_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let mut settings = settings("deepclusterv2");
    settings.method = changed(&settings.method, "prototypes = [31]");
    let error = run(&settings, &mut folder(&place.path().join("a")), StartFrom::Scratch, None).unwrap_err();
    assert!(error.to_string().contains("30 training images"), "{error}");
}

#[test]
fn all_unusable_settings_are_reported_together_and_nothing_is_written() {
    let mut settings = settings("barlow-twins");
    settings.batch = 31;
    settings.optim.lr = -1.0;
    settings.method = changed(&settings.method, "lambda = -2.0");
    let error = Prepared::new(&settings, &data(30)).unwrap_err().to_string();
    for word in ["batch is 31", "30 training images", "optim.lr is -1", "method.lambda is -2"] {
        assert!(error.contains(word), "{error}");
    }
}
