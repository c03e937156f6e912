//! Where a run is written down, and who is told.

use serde_json::Value;
use twinlens_run::{Direction, Row, RunFolder};

use crate::SslError;
use crate::hooks::{Hooks, TrainingEvent};
use crate::task::Judged;

/// What is found on held-out images while training, by its name in rows.
const LOOKS: [&str; 2] = ["knn_accuracy", "val_accuracy"];

/// Where a run is written down, and who is told.
pub(crate) struct MetricsLog<'f, 'h> {
    pub folder: &'f mut RunFolder,
    pub hooks: Hooks<'h>,
    /// The newest value of each metric.
    pub newest: Row,
}

impl MetricsLog<'_, '_> {
    pub(crate) fn append(&mut self, row: &Row) -> Result<(), SslError> {
        self.folder.append_metrics(row)?;
        self.newest.extend(row.iter().map(|(key, value)| (key.clone(), value.clone())));
        self.tell(&TrainingEvent::Metrics(row));
        let epoch = row.get("epoch").and_then(Value::as_u64).unwrap_or(0) as usize;
        for measure in LOOKS {
            if let Some(value) = row.get(measure).and_then(Value::as_f64) {
                self.tell(&TrainingEvent::Look { epoch, measure, value });
            }
        }
        Ok(())
    }

    /// The newest value of a metric, by which a checkpoint may be the best.
    pub(crate) fn newest(&self, metric: &'static str, direction: Direction) -> Option<Judged> {
        let value = self.newest.get(metric)?.as_f64()?;
        Some(Judged { metric, direction, value })
    }

    pub(crate) fn warn(&mut self, warning: &str) {
        self.tell(&TrainingEvent::Warning(warning));
    }

    pub(crate) fn tell(&mut self, event: &TrainingEvent<'_>) {
        (self.hooks.progress)(event);
    }
}

/// The start of a row.
pub(crate) fn row(epoch: usize, step: usize) -> Row {
    let mut row = Row::new();
    row.insert("epoch".into(), Value::from(epoch));
    row.insert("step".into(), Value::from(step));
    row
}
