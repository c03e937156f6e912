//! Batches of views, made by worker threads and handed out in order.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use twinlens_data::ImageSource;
use twinlens_random::{Purpose, Stream};

use crate::canvas::{Shape, Workspace};
use crate::error::{ViewProblem, ViewsError};
use crate::eval_resize::EvalResize;
use crate::form::{Form, ViewData};
use crate::operation::BuildContext;
use crate::policy::{DrawKey, Policy};

/// The order of samples within an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SampleOrder {
    /// A new random permutation every epoch, a function of (seed, epoch).
    Shuffled,
    /// As the source has them.
    Sequential,
}

/// How a [`Loader`] goes through its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoaderSettings {
    /// Seed of the order and of the views.
    pub seed: u64,
    /// Number of passes through the source.
    pub epochs: u32,
    /// Samples per batch.
    pub batch: usize,
    /// The order of samples.
    pub order: SampleOrder,
    /// Whether an incomplete last batch of an epoch is left out.
    pub drop_last: bool,
    /// Threads that make batches. It changes the speed, never the batches.
    pub workers: usize,
    /// Finished batches that may wait, for each worker.
    pub prefetch: usize,
    /// What views are made of.
    pub form: Form,
}

impl LoaderSettings {
    /// Batches in an epoch over `samples` images.
    pub fn steps(&self, samples: usize) -> usize {
        if self.drop_last { samples / self.batch.max(1) } else { samples.div_ceil(self.batch.max(1)) }
    }

    fn check(&self, samples: usize) -> Result<(), ViewsError> {
        let mut problems = Vec::new();
        let mut require = |good: bool, key: &str, expected: String, got: usize| {
            if !good {
                problems.push(ViewProblem { key: key.to_string(), expected, got: got.to_string() });
            }
        };
        require(self.batch > 0, "batch", "at least 1".into(), self.batch);
        require(self.workers > 0, "workers", "at least 1".into(), self.workers);
        require(self.prefetch > 0, "prefetch", "at least 1".into(), self.prefetch);
        let most = u32::MAX as usize;
        require((1..=most).contains(&samples), "images in the source", format!("1 to {most}"), samples);
        let full = !self.drop_last || self.batch <= samples;
        require(full, "batch", format!("at most the {samples} images there are, with drop_last"), self.batch);
        if problems.is_empty() { Ok(()) } else { Err(ViewsError::Settings(problems)) }
    }
}

/// One view of every sample of a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct ViewBatch {
    /// Its values, `[samples, height, width, channels]`.
    pub data: ViewData,
    /// Rows of a view.
    pub height: usize,
    /// Columns of a view.
    pub width: usize,
    /// Samples per pixel.
    pub channels: usize,
}

/// The views of a batch of samples.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadedBatch {
    /// The epoch, from 0.
    pub epoch: u32,
    /// The batch's number in its epoch, from 0.
    pub step: usize,
    /// The samples' numbers in the source.
    pub indices: Vec<usize>,
    /// The views, in the policy's order.
    pub views: Vec<ViewBatch>,
}

/// Goes through a source epoch by epoch and yields batches of views, in order.
///
/// A batch is a function of (source, policy, seed, epoch, step): neither the number of workers nor where the
/// loader started changes a byte. After an error it yields nothing more. Dropping it stops its threads after
/// the image they are at.
pub struct Loader {
    shared: Arc<Shared>,
    first: usize,
    next: usize,
    workers: Vec<Worker>,
    waited: Duration,
}

impl std::fmt::Debug for Loader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loader").field("settings", &self.shared.settings).field("next", &self.next).finish()
    }
}

struct Worker {
    batches: Receiver<Result<LoadedBatch, ViewsError>>,
    thread: JoinHandle<()>,
}

/// What all workers read.
struct Shared {
    source: Arc<dyn ImageSource>,
    policy: Arc<Policy>,
    settings: LoaderSettings,
    steps: usize,
    stop: AtomicBool,
}

impl Loader {
    /// Starts the workers at batch `start` = (epoch, step).
    ///
    /// # Errors
    /// [`ViewsError::Settings`] when a setting is 0, the source is empty, or `drop_last` would drop everything;
    /// [`ViewsError::Thread`] when a thread cannot be started.
    pub fn new(
        source: Arc<dyn ImageSource>,
        policy: Arc<Policy>,
        settings: LoaderSettings,
        start: (u32, usize),
    ) -> Result<Loader, ViewsError> {
        let samples = source.len();
        settings.check(samples)?;
        let steps = settings.steps(samples);
        let first = start.0 as usize * steps + start.1;
        let shared = Arc::new(Shared { source, policy, settings, steps, stop: AtomicBool::new(false) });
        let mut loader = Loader { shared, first, next: first, workers: Vec::new(), waited: Duration::ZERO };
        for worker in 0..loader.shared.settings.workers {
            loader.workers.push(loader.start_worker(worker)?);
        }
        Ok(loader)
    }

    /// Batches for judging an encoder: one view by [`Policy::evaluation`], all samples once, in the source's
    /// order, the last batch as small as it is, its views of the given form.
    ///
    /// # Errors
    /// As [`Policy::build`] and [`Loader::new`].
    pub fn evaluation(
        source: Arc<dyn ImageSource>,
        (context, resize): (BuildContext, EvalResize),
        batch: usize,
        workers: usize,
        form: Form,
    ) -> Result<Loader, ViewsError> {
        let policy = Arc::new(Policy::evaluation(context, resize)?);
        let order = SampleOrder::Sequential;
        let settings =
            LoaderSettings { seed: 0, epochs: 1, batch, order, drop_last: false, workers, prefetch: 2, form };
        Loader::new(source, policy, settings, (0, 0))
    }

    /// Batches in an epoch.
    pub fn steps(&self) -> usize {
        self.shared.steps
    }

    /// How long the last call of `next` waited for its batch.
    pub fn waited(&self) -> Duration {
        self.waited
    }

    fn start_worker(&self, worker: usize) -> Result<Worker, ViewsError> {
        let shared = Arc::clone(&self.shared);
        let (sender, batches) = sync_channel(shared.settings.prefetch);
        let numbers = (self.first + worker..shared.end()).step_by(shared.settings.workers);
        let thread = std::thread::Builder::new()
            .name(format!("views-{worker}"))
            .spawn(move || shared.work(numbers, &sender))
            .map_err(|source| ViewsError::Thread { worker, source })?;
        Ok(Worker { batches, thread })
    }
}

impl Iterator for Loader {
    type Item = Result<LoadedBatch, ViewsError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.shared.end() {
            return None;
        }
        let worker = (self.next - self.first) % self.workers.len();
        let asked = Instant::now();
        let batch = self.workers[worker].batches.recv().unwrap_or_else(|_| {
            let (epoch, step) = self.shared.place(self.next);
            Err(ViewsError::WorkerStopped { worker, epoch, step })
        });
        self.waited = asked.elapsed();
        self.next = if batch.is_ok() { self.next + 1 } else { self.shared.end() };
        Some(batch)
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        let (receivers, threads): (Vec<_>, Vec<_>) =
            self.workers.drain(..).map(|worker| (worker.batches, worker.thread)).unzip();
        // Without receivers, a worker that waits to send gives up.
        drop(receivers);
        for thread in threads {
            // A worker that panicked has been reported as stopped, by `next`.
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// The number after the last batch of the last epoch, counted through all epochs.
    fn end(&self) -> usize {
        (self.settings.epochs as usize).saturating_mul(self.steps)
    }

    /// Epoch and step of batch `number`.
    fn place(&self, number: usize) -> (u32, usize) {
        ((number / self.steps) as u32, number % self.steps)
    }

    /// Makes the batches `numbers` and sends them, until nobody wants them.
    fn work(
        &self,
        numbers: impl Iterator<Item = usize>,
        sender: &SyncSender<Result<LoadedBatch, ViewsError>>,
    ) {
        let mut workspace = Workspace::default();
        let mut order = (0, self.order(0));
        for number in numbers {
            let (epoch, step) = self.place(number);
            if order.0 != epoch {
                order = (epoch, self.order(epoch));
            }
            let size = self.settings.batch;
            let end = ((step + 1) * size).min(order.1.len());
            let Some(batch) = self.batch(epoch, step, &order.1[step * size..end], &mut workspace).transpose()
            else {
                return;
            };
            if sender.send(batch).is_err() {
                return;
            }
        }
    }

    fn order(&self, epoch: u32) -> Vec<usize> {
        let samples = self.source.len();
        match self.settings.order {
            SampleOrder::Shuffled => {
                Stream::new(self.settings.seed, Purpose::Order, [epoch, 0, 0]).permutation(samples)
            }
            SampleOrder::Sequential => (0..samples).collect(),
        }
    }

    /// The views of the samples `indices`; `None` when told to stop.
    fn batch(
        &self,
        epoch: u32,
        step: usize,
        indices: &[usize],
        workspace: &mut Workspace,
    ) -> Result<Option<LoadedBatch>, ViewsError> {
        let shapes: Vec<_> = (0..self.policy.views()).map(|view| self.policy.shape(view)).collect();
        let blank = |shape: &Shape| self.policy.blank(indices.len() * shape.samples(), self.settings.form);
        let mut data: Vec<ViewData> = shapes.iter().map(blank).collect();
        for (position, &index) in indices.iter().enumerate() {
            if self.stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let image = self
                .source
                .image(index)
                .map_err(|source| ViewsError::Source { index, source: Box::new(source) })?;
            let place = DrawKey { seed: self.settings.seed, epoch, sample: index as u32 };
            for (view, (data, shape)) in data.iter_mut().zip(&shapes).enumerate() {
                let out = position * shape.samples()..(position + 1) * shape.samples();
                let written = match data {
                    ViewData::Normalised(values) => {
                        self.policy.write(view, place, &image, workspace, &mut values[out])
                    }
                    ViewData::Bytes { bytes, .. } => {
                        self.policy.write_bytes(view, place, &image, workspace, &mut bytes[out])
                    }
                };
                written.map_err(|source| ViewsError::Sample { index, source: Box::new(source) })?;
            }
        }
        let view = |(data, shape): (ViewData, Shape)| ViewBatch {
            data,
            height: shape.height,
            width: shape.width,
            channels: shape.channels,
        };
        let views = data.into_iter().zip(shapes).map(view).collect();
        Ok(Some(LoadedBatch { epoch, step, indices: indices.to_vec(), views }))
    }
}
