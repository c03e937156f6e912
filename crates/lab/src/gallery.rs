//! What an encoder will see: training images beside their views.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use twinlens_data::{DataSet, ImageSource};
use twinlens_report::{Picture, RgbImage, cell_for, contact_sheet};
use twinlens_run::write_atomically;
use twinlens_ssl::finetune::{FinetuneSettings, LabelledImages};
use twinlens_ssl::{Prepared, Settings, SslError};
use twinlens_views::{BuildContext, DrawKey, Explanation, Policy, Shape, ViewPolicy, Workspace};

use crate::jobs::fitted;
use crate::{Events, LabError, Span};

/// The least side of an image on the sheet, in pixels.
const CELL: u32 = 112;

/// Training images beside their views, as the first epoch of a run draws them.
pub struct Gallery {
    train: Arc<dyn ImageSource>,
    context: BuildContext,
    columns: Vec<Column>,
    seed: u64,
}

/// What stands under one title: a view of every image.
pub struct Column {
    title: String,
    policy: Arc<Policy>,
    view: usize,
}

/// What was shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Shown {
    /// The sheet, if one was written.
    pub file: Option<PathBuf>,
    /// Views beside each image.
    pub views_per_row: usize,
    /// The images, in the order of the sheet.
    pub rows: Vec<Row>,
}

/// One image of the sheet.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The image's number among the training images.
    pub index: usize,
    /// Its name.
    pub image: String,
    /// What was drawn for each of its views.
    pub views: Vec<Explanation>,
}

/// The training images as these settings see them. Nothing is trained, so the batch may be larger than the set.
///
/// # Errors
/// Settings that do not fit the data, or data that cannot be read.
pub fn prepared(settings: &Settings, data: &DataSet, events: &dyn Events) -> Result<Prepared, LabError> {
    let images = data.splits.train.as_ref().map_or(0, |train| train.len());
    let used = if settings.limit > 0 { images.min(settings.limit) } else { images };
    let batch = settings.batch.min(used.max(2));
    let mut settings = settings.clone();
    settings.batch = batch;
    Ok(Prepared::new(&fitted(&settings, data, events)?, data)?)
}

/// `count` values from `low` to `high`, at least these two, evenly spaced and without the digits that rounding adds.
pub fn steps([low, high]: [f64; 2], count: u32) -> Vec<f64> {
    let count = count.max(2);
    let value = |step| low + (high - low) * f64::from(step) / f64::from(count - 1);
    (0..count).map(|step| (value(step) * 1e6).round() / 1e6).collect()
}

impl Gallery {
    /// The images and views of these settings.
    ///
    /// # Errors
    /// Settings that do not fit the data, or data that cannot be read.
    pub fn new(settings: &Settings, data: &DataSet, events: &dyn Events) -> Result<Gallery, LabError> {
        let Prepared { train, policy, context, .. } = prepared(settings, data, events)?;
        Ok(Gallery::of(train, context, &policy, settings.seed))
    }

    /// The labelled images of a fine-tuning and its view.
    ///
    /// # Errors
    /// Settings that do not fit the data, or data that cannot be read.
    pub fn of_finetuning(settings: &FinetuneSettings, data: &DataSet) -> Result<Gallery, LabError> {
        let LabelledImages { train, policy, context, .. } = LabelledImages::new(settings, data)?;
        Ok(Gallery::of(train, context, &policy, settings.seed))
    }

    fn of(train: Arc<dyn ImageSource>, context: BuildContext, policy: &Arc<Policy>, seed: u64) -> Gallery {
        let columns = every_view(policy, |number| format!("view {number}")).collect();
        Gallery { train, context, columns, seed }
    }

    /// The same images with other views.
    pub fn showing(self, columns: Vec<Column>) -> Gallery {
        Gallery { columns, ..self }
    }

    /// The views of the policies of all these settings, side by side.
    ///
    /// # Errors
    /// A policy that does not fit the images.
    pub fn columns_of(&self, policies: &[Settings]) -> Result<Vec<Column>, LabError> {
        let mut columns = Vec::new();
        for settings in policies {
            let policy = self.built(&settings.views)?;
            columns.extend(every_view(&policy, |number| format!("{number} {}", settings.policy)));
        }
        Ok(columns)
    }

    /// The first view of the policy numbered `policy` (from 0) among `views`, under this title.
    ///
    /// # Errors
    /// A policy that does not fit the images.
    pub fn first_view(&self, views: &[ViewPolicy], policy: usize, title: String) -> Result<Column, LabError> {
        let view = views.iter().take(policy).map(|policy| policy.count).sum();
        Ok(Column { title, policy: self.built(views)?, view })
    }

    fn built(&self, views: &[ViewPolicy]) -> Result<Arc<Policy>, LabError> {
        Ok(Arc::new(Policy::build(views, self.context.clone()).map_err(SslError::Views)?))
    }

    /// Shows `count` images and says what was drawn for each; the sheet is written to `file`, if one is named.
    ///
    /// # Errors
    /// As [`Gallery::sheet`]; a file that cannot be written.
    pub fn show(&self, count: usize, file: Option<&Path>) -> Result<Shown, LabError> {
        let samples = self.samples(count);
        if let Some(file) = file {
            let picture = Picture::png(&self.sheet(&samples)?)?;
            write_atomically(file, picture.bytes())?;
        }
        let rows = samples.iter().map(|sample| self.explain(*sample)).collect::<Result<_, LabError>>()?;
        Ok(Shown { file: file.map(Path::to_owned), views_per_row: self.columns.len(), rows })
    }

    /// `count` images spread evenly over the training images, which are often sorted by class; all of them if
    /// there are fewer.
    pub fn samples(&self, count: usize) -> Vec<usize> {
        let images = self.train.len();
        let count = count.min(images);
        (0..count).map(|row| row * images / count).collect()
    }

    /// One row per image: the original, then its views, not normalised.
    ///
    /// # Errors
    /// Images that cannot be read or are not what the views were built for; a sheet too large to be a picture.
    pub fn sheet(&self, samples: &[usize]) -> Result<RgbImage, LabError> {
        let views = self.columns.iter().map(|column| column.title.clone());
        let titles: Vec<String> = std::iter::once("original".to_owned()).chain(views).collect();
        let mut workspace = Workspace::default();
        let mut rows = Vec::new();
        for &sample in samples {
            let original = self.train.image(sample)?;
            let span = Span::of(&original);
            let mut row = vec![span.show(&original)?];
            for Column { policy, view, .. } in &self.columns {
                let image = policy.image(*view, self.place(sample), &original, &mut workspace);
                row.push(span.show(&image.map_err(SslError::Views)?)?);
            }
            rows.push(row);
        }
        // Views are shown evenly, originals as large as these.
        contact_sheet(&rows, &titles, cell_for(self.context.size, CELL)).map_err(LabError::Sheet)
    }

    /// What the images of these rows are called.
    pub fn names(&self, samples: &[usize]) -> Vec<String> {
        samples.iter().map(|&sample| self.train.name(sample)).collect()
    }

    fn explain(&self, index: usize) -> Result<Row, LabError> {
        let image = self.train.image(index)?;
        let shape = Shape::of(&image);
        let explain =
            |column: &Column| column.policy.explain(self.place(index), shape).into_iter().nth(column.view);
        let views = self.columns.iter().filter_map(explain).collect();
        Ok(Row { index, image: self.train.name(index), views })
    }

    fn place(&self, index: usize) -> DrawKey {
        DrawKey { seed: self.seed, epoch: 0, sample: index as u32 }
    }
}

/// The views of a policy, each with the title that its number, from 1, gives.
fn every_view(policy: &Arc<Policy>, title: impl Fn(usize) -> String) -> impl Iterator<Item = Column> {
    (0..policy.views()).map(move |view| Column { title: title(view + 1), policy: policy.clone(), view })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_even_and_include_both_ends() {
        assert_eq!(steps([0.0, 0.5], 6), [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]);
        assert_eq!(steps([90.0, -90.0], 3), [90.0, 0.0, -90.0]);
        assert_eq!(steps([1.0, 2.0], 1), [1.0, 2.0]);
    }
}
