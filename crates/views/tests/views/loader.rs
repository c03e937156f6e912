//! Batches: in order, the same for any number of workers, and wherever one starts.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use twinlens_data::{DataError, Image, ImageSource, PixelType, Pixels};
use twinlens_views::{
    DrawKey, EvalResize, Form, LoadedBatch, Loader, LoaderSettings, Policy, ResizedSide, SampleOrder,
    ViewBatch, ViewData, ViewsError, Workspace, presets,
};

use crate::support::{context, noise};

/// Images of random samples; what each request does can be changed.
struct Made {
    images: usize,
    requests: AtomicUsize,
    on_request: fn(usize) -> Result<(), DataError>,
}

impl ImageSource for Made {
    fn len(&self) -> usize {
        self.images
    }

    fn image(&self, index: usize) -> Result<Image, DataError> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        (self.on_request)(index)?;
        Ok(noise(10 + index % 3, 9 + index % 5, 3, PixelType::U8, index as u64))
    }

    fn label(&self, _: usize) -> Option<usize> {
        None
    }
}

/// Images of 16 bits.
struct Wide;

impl ImageSource for Wide {
    fn len(&self) -> usize {
        4
    }

    fn image(&self, index: usize) -> Result<Image, DataError> {
        Ok(noise(7, 7, 3, PixelType::U16, index as u64))
    }

    fn label(&self, _: usize) -> Option<usize> {
        None
    }
}

fn source(images: usize, on_request: fn(usize) -> Result<(), DataError>) -> Arc<Made> {
    Arc::new(Made { images, requests: AtomicUsize::new(0), on_request })
}

fn good(_: usize) -> Result<(), DataError> {
    Ok(())
}

fn policy() -> Arc<Policy> {
    Arc::new(Policy::build(&presets::preset("simclr").unwrap(), context(8, 3, PixelType::U8)).unwrap())
}

fn settings(workers: usize) -> LoaderSettings {
    LoaderSettings {
        seed: 5,
        epochs: 3,
        batch: 6,
        order: SampleOrder::Shuffled,
        drop_last: false,
        workers,
        prefetch: 2,
        form: Form::Normalised,
    }
}

fn batches(settings: LoaderSettings, start: (u32, usize)) -> Vec<LoadedBatch> {
    Loader::new(source(20, good), policy(), settings, start).unwrap().map(Result::unwrap).collect()
}

#[test]
fn the_number_of_workers_and_prefetched_batches_changes_no_byte() {
    let alone = batches(settings(1), (0, 0));
    let places: Vec<_> = alone.iter().map(|batch| (batch.epoch, batch.step)).collect();
    let want: Vec<_> = (0..3).flat_map(|epoch| (0..4).map(move |step| (epoch, step))).collect();
    assert_eq!(places, want);
    for workers in [2, 3, 7] {
        assert_eq!(batches(settings(workers), (0, 0)), alone);
        assert_eq!(batches(LoaderSettings { prefetch: 5, ..settings(workers) }, (0, 0)), alone);
    }
}

#[test]
fn starting_in_the_middle_gives_the_same_batches_as_running_through() {
    let all = batches(settings(2), (0, 0));
    for (number, start) in [(1, (0, 1)), (4, (1, 0)), (6, (1, 2)), (11, (2, 3)), (12, (3, 0)), (4, (0, 4))] {
        assert_eq!(batches(settings(3), start), all[number..]);
    }
}

#[test]
fn every_epoch_holds_every_sample_once_in_its_own_order() {
    let all = batches(settings(2), (0, 0));
    let orders: Vec<Vec<usize>> =
        all.chunks(4).map(|epoch| epoch.iter().flat_map(|batch| batch.indices.clone()).collect()).collect();
    for order in &orders {
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..20).collect::<Vec<_>>());
    }
    assert!(orders[0] != orders[1] && orders[1] != orders[2]);
    assert_eq!(all[3].indices.len(), 2);
    let other = batches(LoaderSettings { seed: 6, ..settings(2) }, (0, 0));
    assert_ne!(other[0].indices, all[0].indices);
}

#[test]
fn a_batch_holds_the_views_the_policy_makes() {
    let (policy, source) = (policy(), source(20, good));
    for batch in batches(settings(2), (1, 0)) {
        assert_eq!(batch.views.len(), 2);
        for (view, made) in batch.views.iter().enumerate() {
            assert_eq!((made.height, made.width, made.channels), (8, 8, 3));
            let data = normalised(made);
            assert_eq!(data.len(), batch.indices.len() * 8 * 8 * 3);
            for (&index, got) in batch.indices.iter().zip(data.chunks_exact(8 * 8 * 3)) {
                let place = DrawKey { seed: 5, epoch: batch.epoch, sample: index as u32 };
                let mut want = vec![0.0; got.len()];
                let image = source.image(index).unwrap();
                policy.write(view, place, &image, &mut Workspace::default(), &mut want).unwrap();
                assert_eq!(got, want);
            }
        }
        assert_ne!(batch.views[0].data, batch.views[1].data);
    }
}

/// The normalised values of a view, whatever its form.
fn normalised(view: &ViewBatch) -> Vec<f32> {
    match &view.data {
        ViewData::Normalised(values) => values.clone(),
        ViewData::Bytes { bytes, scale, shift } => {
            let channels = scale.iter().zip(shift).cycle();
            bytes
                .iter()
                .zip(channels)
                .map(|(&byte, (scale, shift))| f32::from(byte) * scale + shift)
                .collect()
        }
    }
}

#[test]
fn views_as_bytes_are_normalised_to_the_same_bits_and_only_images_of_8_bits_have_some() {
    let views = |form: Form| -> Vec<ViewBatch> {
        batches(LoaderSettings { form, ..settings(2) }, (0, 0))
            .into_iter()
            .flat_map(|batch| batch.views)
            .collect()
    };
    for (bytes, values) in views(Form::Stored).iter().zip(views(Form::Normalised)) {
        assert!(matches!(bytes.data, ViewData::Bytes { .. }));
        assert_eq!(ViewData::Normalised(normalised(bytes)), values.data);
    }
    let context = context(7, 3, PixelType::U16);
    let wide =
        Loader::evaluation(Arc::new(Wide), (context, EvalResize::default()), 4, 1, Form::Stored).unwrap();
    assert!(wide.map(Result::unwrap).all(|batch| matches!(batch.views[0].data, ViewData::Normalised(_))));
}

#[test]
fn drop_last_leaves_incomplete_batches_out() {
    let settings = LoaderSettings { drop_last: true, epochs: 2, ..settings(2) };
    assert_eq!((settings.steps(20), settings.steps(5), settings.steps(24)), (3, 0, 4));
    let all = batches(settings, (0, 0));
    assert_eq!(all.len(), 6);
    assert!(all.iter().all(|batch| batch.indices.len() == 6));
}

#[test]
fn an_error_comes_in_its_place_and_ends_the_batches() {
    fn bad(index: usize) -> Result<(), DataError> {
        if index == 13 { Err(DataError::NoSuchSample { index, len: 13 }) } else { Ok(()) }
    }
    let sequential = LoaderSettings { order: SampleOrder::Sequential, ..settings(3) };
    let mut loader = Loader::new(source(20, bad), policy(), sequential, (0, 0)).unwrap();
    assert_eq!(loader.next().unwrap().unwrap().indices, [0, 1, 2, 3, 4, 5]);
    assert!(loader.next().unwrap().is_ok());
    let error = loader.next().unwrap().unwrap_err();
    assert!(matches!(error, ViewsError::Source { index: 13, .. }), "{error}");
    assert!(error.to_string().contains("sample 13"), "{error}");
    assert!(loader.next().is_none());
}

#[test]
fn an_image_the_policy_was_not_built_for_is_named() {
    let nothing = [twinlens_views::ViewPolicy { count: 1, operations: Vec::new() }];
    let policy = Arc::new(Policy::build(&nothing, context(8, 3, PixelType::U8)).unwrap());
    let mut loader = Loader::new(source(4, good), policy, settings(1), (0, 0)).unwrap();
    let error = loader.next().unwrap().unwrap_err();
    assert!(matches!(error, ViewsError::Sample { .. }), "{error}");
    assert!(error.to_string().contains("8x8"), "{error}");
}

#[test]
fn a_worker_that_panics_is_reported() {
    fn panics(index: usize) -> Result<(), DataError> {
        assert!(index < 6, "made to panic");
        Ok(())
    }
    let sequential = LoaderSettings { order: SampleOrder::Sequential, ..settings(2) };
    let mut loader = Loader::new(source(20, panics), policy(), sequential, (0, 0)).unwrap();
    assert!(loader.next().unwrap().is_ok());
    let error = loader.next().unwrap().unwrap_err();
    assert!(matches!(error, ViewsError::WorkerStopped { worker: 1, epoch: 0, step: 1 }), "{error}");
    assert!(loader.next().is_none());
}

#[test]
fn dropping_the_loader_stops_its_threads_soon() {
    fn slow(_: usize) -> Result<(), DataError> {
        std::thread::sleep(Duration::from_millis(20));
        Ok(())
    }
    let source = source(5000, slow);
    let settings = LoaderSettings { batch: 1000, ..settings(4) };
    let loader = Loader::new(source.clone(), policy(), settings, (0, 0)).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    let asked = Instant::now();
    drop(loader);
    // A batch takes 20 seconds.
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    // The threads are gone, and with them their hold on the source.
    assert_eq!(Arc::strong_count(&source), 1);
}

#[test]
fn workers_make_no_more_batches_than_may_wait() {
    let source = source(600, good);
    let settings = LoaderSettings { batch: 10, prefetch: 1, ..settings(2) };
    let mut loader = Loader::new(source.clone(), policy(), settings, (0, 0)).unwrap();
    loader.next().unwrap().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    // One handed out, and for each of two workers one waiting and one being sent.
    assert!(source.requests.load(Ordering::Relaxed) <= 50);
}

#[test]
fn the_wait_for_a_batch_is_measured() {
    fn slow(_: usize) -> Result<(), DataError> {
        std::thread::sleep(Duration::from_millis(10));
        Ok(())
    }
    let mut loader = Loader::new(source(12, slow), policy(), settings(1), (0, 0)).unwrap();
    assert_eq!(loader.waited(), Duration::ZERO);
    let asked = Instant::now();
    loader.next().unwrap().unwrap();
    assert!(loader.waited() >= Duration::from_millis(40) && loader.waited() <= asked.elapsed());
    while loader.next().is_some() {}
    assert!(loader.waited() < Duration::from_secs(1));
}

#[test]
fn evaluation_takes_every_sample_once_in_order_without_chance() {
    let run = |workers: usize| -> Vec<LoadedBatch> {
        let how = (context(7, 3, PixelType::U8), EvalResize::default());
        Loader::evaluation(source(20, good), how, 6, workers, Form::Normalised)
            .unwrap()
            .map(Result::unwrap)
            .collect()
    };
    let all = run(1);
    assert_eq!(all, run(3));
    let indices: Vec<usize> = all.iter().flat_map(|batch| batch.indices.clone()).collect();
    assert_eq!(indices, (0..20).collect::<Vec<_>>());
    assert_eq!(all.iter().map(|batch| batch.indices.len()).collect::<Vec<_>>(), [6, 6, 6, 2]);
    assert!(all.iter().all(|batch| batch.views.len() == 1 && batch.views[0].width == 7));
}

#[test]
fn evaluation_leaves_images_of_the_right_size_as_they_are() {
    let image = noise(7, 7, 3, PixelType::U8, 2);
    let policy = Policy::evaluation(context(7, 3, PixelType::U8), EvalResize::default()).unwrap();
    let place = DrawKey { seed: 9, epoch: 9, sample: 9 };
    assert_eq!(policy.image(0, place, &image, &mut Workspace::default()).unwrap(), image);
}

/// What an encoder of 7 pixels sees of a grey image of 8 x 16 by `value(row, column)`, with 8 pixels resized to.
fn judged(side: ResizedSide, value: impl Fn(u8, u8) -> u8) -> Vec<f64> {
    let values = (0..8).flat_map(|row| (0..16).map(move |column| (row, column)));
    let values = values.map(|(row, column)| value(row, column)).collect();
    let image = Image::new(8, 16, 1, Pixels::U8(values)).unwrap();
    let resize = EvalResize { crop: 0.875, side };
    let policy = Policy::evaluation(context(7, 1, PixelType::U8), resize).unwrap();
    let place = DrawKey { seed: 0, epoch: 0, sample: 0 };
    policy.image(0, place, &image, &mut Workspace::default()).unwrap().pixels.to_f64()
}

#[test]
fn images_are_resized_and_then_the_centre_is_cut_out() {
    // 8 pixels high already: of the shorter side nothing changes, and columns 4 to 10 (round(4.5), to even) are left.
    let columns = judged(ResizedSide::Shorter, |_, column| 10 * column);
    let line: Vec<f64> = (4..11).map(|column| 10.0 * f64::from(column)).collect();
    assert_eq!(columns, line.repeat(7));
    // Of a square two columns become one: a line that rises by 10 rises by 20, from 5 on between the ends.
    let columns = judged(ResizedSide::Square, |_, column| 10 * column);
    for line in columns.chunks(7) {
        assert_eq!(line[1..], [25.0, 45.0, 65.0, 85.0, 105.0, 125.0]);
    }
    // Rows stay what they were in both, and the last one is cut off (round(0.5), to even).
    for side in [ResizedSide::Shorter, ResizedSide::Square] {
        let rows = judged(side, |row, _| 10 * row);
        let expected: Vec<f64> = (0..7).flat_map(|row| [10.0 * f64::from(row); 7]).collect();
        assert_eq!(rows, expected, "{side:?}");
    }
}

#[test]
fn other_sizes_scale_alike_and_shares_that_cannot_be_are_refused() {
    let published = EvalResize { crop: 0.875, ..EvalResize::default() };
    assert_eq!([224, 64, 32, 28].map(|size| published.resized(size)), [256, 73, 36, 32]);
    assert_eq!([224, 7, 1].map(|size| EvalResize::default().resized(size)), [224, 7, 1]);
    for crop in [0.0, 0.05, 1.1, f64::NAN] {
        let resize = EvalResize { crop, ..published };
        match Policy::evaluation(context(7, 1, PixelType::U8), resize) {
            Err(ViewsError::Settings(problems)) => assert_eq!(problems[0].key, "eval_resize.crop"),
            other => panic!("{crop}: {other:?}"),
        }
    }
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let refused = |settings: LoaderSettings, images: usize| -> String {
        match Loader::new(source(images, good), policy(), settings, (0, 0)) {
            Err(ViewsError::Settings(problems)) => problems[0].key.clone(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(refused(LoaderSettings { batch: 0, ..settings(1) }, 20), "batch");
    assert_eq!(refused(settings(0), 20), "workers");
    assert_eq!(refused(LoaderSettings { prefetch: 0, ..settings(1) }, 20), "prefetch");
    assert_eq!(refused(LoaderSettings { batch: 21, drop_last: true, ..settings(1) }, 20), "batch");
    assert_eq!(refused(settings(1), 0), "images in the source");
}
