//! The loop around a made task, whose numbers come at once or from a device that nobody has waited for.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use burn::tensor::{Device, Tensor};
use serde_json::json;
use twinlens_data::{DataError, Image, ImageSource, PixelType, Pixels};
use twinlens_run::{Environment, Overwrite, Row, RunRecord, Start};
use twinlens_views::{
    BuildContext, EvalResize, Form, LoadedBatch, Loader, LoaderSettings, Policy, SampleOrder,
};

use super::*;
use crate::task::TaskState;

/// Images, in batches of one.
const STEPS: usize = 7;

struct Black;

impl ImageSource for Black {
    fn len(&self) -> usize {
        STEPS
    }

    fn image(&self, _: usize) -> Result<Image, DataError> {
        Image::new(2, 2, 1, Pixels::U8(vec![0; 4]))
    }

    fn label(&self, _: usize) -> Option<usize> {
        None
    }
}

/// Its losses are given; its state is the steps it made.
struct Made {
    losses: Vec<f32>,
    pending: bool,
    steps: usize,
}

impl Made {
    fn number(&self, number: f32) -> Scalar {
        let x = Tensor::from_floats([number], &Device::flex());
        if self.pending { Scalar::Pending(x) } else { Scalar::of(x) }
    }
}

impl Task for Made {
    fn plan(&self) -> Plan {
        let checkpoint = CheckpointSettings::default();
        Plan { epochs: 1, steps_per_epoch: STEPS, batch: 1, log_every: 3, checkpoint }
    }

    fn batches(&self, from: Position) -> Result<Loader, SslError> {
        let pixel_type = PixelType::U8;
        let context = BuildContext { size: 2, channels: 1, pixel_type, mean: vec![0.0], std: vec![1.0] };
        let (order, start) = (SampleOrder::Sequential, (from.epoch as u32, from.step_in_epoch));
        let how = LoaderSettings {
            seed: 0,
            epochs: 1,
            batch: 1,
            order,
            drop_last: true,
            workers: 1,
            prefetch: 1,
            form: Form::Normalised,
        };
        Ok(Loader::new(
            Arc::new(Black),
            Arc::new(Policy::evaluation(context, EvalResize::default())?),
            how,
            start,
        )?)
    }

    fn start_of_epoch(&mut self, _: usize) -> Result<(), SslError> {
        Ok(())
    }

    fn step(&mut self, _: &LoadedBatch) -> StepReport {
        let loss = self.losses[self.steps];
        let embeddings = Tensor::from_floats([[1.0, 0.0], [0.0, 1.0]], &Device::flex());
        self.steps += usize::from(self.pending || loss.is_finite());
        StepReport {
            parts: vec![("half".into(), self.number(0.5 * loss))],
            gradient_norm: self.number(2.0 * loss),
            loss: self.number(loss),
            factor: 1.0,
            embeddings,
        }
    }

    fn steps(&self) -> usize {
        self.steps
    }

    fn learning_rate(&self, factor: f64) -> f64 {
        factor
    }

    fn judge(&mut self, _: usize, _: &mut MetricsLog<'_, '_>) -> Result<Option<Judged>, SslError> {
        Ok(None)
    }

    fn state(&self) -> TaskState {
        TaskState { tensors: BTreeMap::new(), notes: json!(self.steps) }
    }

    fn restore(&mut self, _: &TaskState, step: usize) -> Result<(), SslError> {
        self.steps = step;
        Ok(())
    }
}

/// What a run of the task left.
struct Left {
    outcome: Result<TrainingEnd, SslError>,
    /// The steps that were told, each with its loss.
    told: Vec<(usize, Option<f64>)>,
    rows: Vec<Row>,
    /// The steps made at the last checkpoint.
    saved: u64,
}

/// Runs the task in `path`; after `save` steps somebody asks for a checkpoint.
fn left(path: &Path, losses: [f32; STEPS], pending: bool, save: usize) -> Left {
    let environment = Environment { version: "0", commit: None, threads: 1, data: json!(null) }.describe();
    let command = ["twinlens".to_owned()];
    let start = Start { config: "", command: &command, environment };
    let mut folder = RunFolder::create(path, Overwrite::Never, &start).unwrap();
    let steps = AtomicUsize::new(0);
    let asked =
        || if steps.fetch_add(1, Ordering::Relaxed) + 1 == save { Asked::Save } else { Asked::Continue };
    let mut told = Vec::new();
    let mut progress = |event: &TrainingEvent<'_>| {
        if let TrainingEvent::Step { step, loss, .. } = event {
            told.push((*step, *loss));
        }
    };
    let task = Made { losses: losses.into(), pending, steps: 0 };
    let hooks = Hooks { asked: &asked, progress: &mut progress };
    let outcome = TrainingLoop::new(task, &mut folder, hooks).run(false);
    let saved = folder.newest_checkpoint().unwrap().sidecar.step;
    drop(folder);
    let timed = |key: &String| key == "images_per_second" || key == "data_wait_share";
    let rows = RunRecord::read(path).unwrap().metrics.into_iter();
    let rows = rows.map(|row| row.into_iter().filter(|(key, _)| !timed(key)).collect()).collect();
    Left { outcome, told, rows, saved }
}

#[test]
fn numbers_on_a_device_give_the_same_rows_and_are_read_when_a_row_is_due() {
    let place = tempfile::tempdir().unwrap();
    let losses = [7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0];
    let [known, pending] =
        [false, true].map(|pending| left(&place.path().join(pending.to_string()), losses, pending, 0));
    for left in [&known, &pending] {
        assert_eq!(left.outcome.as_ref().unwrap(), &TrainingEnd::Done);
        assert_eq!(left.saved, STEPS as u64);
    }
    assert_eq!(known.rows, pending.rows);
    let values = |key: &str| pending.rows.iter().map(|row| row[key].as_f64().unwrap()).collect::<Vec<_>>();
    assert_eq!(values("step"), [3.0, 6.0, 7.0]);
    assert_eq!(values("loss"), [5.0, 2.0, 1.0]);
    assert_eq!(values("loss_half"), [2.5, 1.0, 0.5]);
    assert_eq!(values("gradient_norm"), [10.0, 4.0, 2.0]);
    let losses = |left: &Left| left.told.iter().map(|(_, loss)| loss.unwrap_or(-1.0)).collect::<Vec<_>>();
    assert_eq!(losses(&known), [7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0]);
    assert_eq!(losses(&pending), [-1.0, -1.0, 5.0, 5.0, 5.0, 2.0, 1.0]);
}

#[test]
fn a_loss_that_is_no_number_on_a_device_is_found_before_the_next_row_and_names_its_step() {
    for (pending, steps_told) in [(false, 3), (true, 5)] {
        let place = tempfile::tempdir().unwrap();
        let losses = [7.0, 6.0, 5.0, f32::NAN, 3.0, 2.0, 1.0];
        let left = left(&place.path().join("a"), losses, pending, 0);
        let Err(SslError::NotFinite { loss, epoch, step, norm }) = left.outcome else { panic!("{pending}") };
        assert!(loss.is_nan());
        assert_eq!((epoch, step, norm), (1, 4, 10.0));
        assert_eq!((left.told.len(), left.rows.len(), left.saved), (steps_told, 1, 0));
    }
}

#[test]
fn nothing_bad_is_saved_when_somebody_asks_for_a_checkpoint() {
    let place = tempfile::tempdir().unwrap();
    let losses = [7.0, f32::INFINITY, 5.0, 4.0, 3.0, 2.0, 1.0];
    let bad = left(&place.path().join("bad"), losses, true, 2);
    assert!(matches!(bad.outcome, Err(SslError::NotFinite { step: 2, .. })));
    assert_eq!(bad.saved, 0);
    let before = left(&place.path().join("before"), losses, true, 1);
    assert!(matches!(before.outcome, Err(SslError::NotFinite { step: 2, .. })));
    assert_eq!(before.saved, 1);
}
