//! What the lab tells, shown on the terminal: bars, lines, events of `--json-lines`.

use serde_json::Value;
use twinlens_data::{Notice, Skipped};
use twinlens_lab::jobs::memory_held;
use twinlens_lab::{Events, Task, Training, TrainingEvent, TrainingListener, bytes};
use twinlens_run::Row;

use crate::commands::notices;
use crate::terminal::{Progress, Terminal};

impl Events for Terminal {
    fn begin(&self, what: &str) -> Box<dyn Task + '_> {
        Box::new(self.progress(what, 0))
    }

    fn notice(&self, name: &str, notice: &Notice) {
        self.warn(&format!("{name}: {}", notices::notice(notice)));
    }

    fn skipped(&self, skipped: &Skipped) {
        let first: Vec<String> =
            skipped.first.iter().map(|bad| format!("{} ({})", bad.path, notices::reason(bad))).collect();
        let (count, first) = (skipped.count, first.join("; "));
        self.warn(&format!("{count} images could not be read and were left out: {first}"));
    }

    fn train(&self, training: Training<'_>) -> Box<dyn TrainingListener + '_> {
        self.log_to(training.log);
        let (bar, epochs) = (self.progress(training.label, 0), training.epochs);
        let (knn, latest) = (String::new(), String::new());
        Box::new(TrainingBar { terminal: self, bar, epochs, steps: 0, knn, latest })
    }
}

impl Task for Progress {
    fn at(&self, done: u64, total: u64) {
        self.set_of(done, total, "");
    }
}

/// The bar of a training.
struct TrainingBar<'a> {
    terminal: &'a Terminal,
    bar: Progress,
    epochs: usize,
    /// Steps of the whole training.
    steps: u64,
    /// What the latest look at held-out images found.
    knn: String,
    /// What the latest row tells.
    latest: String,
}

impl TrainingListener for TrainingBar<'_> {
    fn hear(&mut self, event: &TrainingEvent<'_>) {
        match event {
            TrainingEvent::Started { total_steps, step } => {
                self.steps = *total_steps as u64;
                self.bar.set_of(*step as u64, self.steps, "");
            }
            TrainingEvent::Step { epoch, step, loss } => {
                let loss = loss.map_or_else(String::new, |loss| format!(", loss {loss:.3}"));
                let told = format!(", epoch {epoch}/{}{loss}{}{}", self.epochs, self.knn, self.latest);
                self.bar.set_of(*step as u64, self.steps, &told);
            }
            TrainingEvent::Metrics(row) => {
                self.latest = in_short(row);
                // The row is in the log; a reader of stdout that went away must not end the training.
                drop(self.terminal.event("metrics", row));
            }
            TrainingEvent::Look { epoch, measure, value } => {
                let what = if *measure == "knn_accuracy" { "kNN accuracy" } else { "accuracy" };
                self.knn = format!(", {what} {:.1} %", 100.0 * value);
                tracing::info!("epoch {epoch}: {what} {value:.4} on validation images");
            }
            // How it ended is told by the command.
            _ => {}
        }
    }
}

/// The numbers of a row that tell most, and the memory held, for a bar.
fn in_short(row: &Row) -> String {
    let number = |key: &str| row.get(key).and_then(Value::as_f64);
    let told = [
        number("lr").map(|lr| format!(", lr {lr:.2e}")),
        number("effective_rank").map(|rank| format!(", effective rank {rank:.1}")),
        number("images_per_second").map(|speed| format!(", {speed:.0} images/s")),
        number("data_wait_share").map(|share| format!(", waiting for images {:.0} %", 100.0 * share)),
        memory_held().map(|held| format!(", memory {}", bytes(held))),
    ];
    told.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_bar_tells_the_memory_held() {
        let numbers = [("images_per_second", 3.0), ("lr", 0.0003), ("effective_rank", 12.41)];
        let row = Row::from_iter(numbers.map(|(key, value)| (key.to_owned(), json!(value))));
        let text = in_short(&row);
        let expected = ", lr 3.00e-4, effective rank 12.4, 3 images/s, memory ";
        assert!(text.starts_with(expected), "{text}");
    }
}
