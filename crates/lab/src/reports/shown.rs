//! What the encoder was shown: originals and their views.

use twinlens_data::{DataSet, DataSummary};
use twinlens_report::{Block, Picture, Plate, Section, sheet_spots};
use twinlens_run::RunFolder;

use super::absent;
use super::run_view::RunView;
use crate::gallery::Gallery;
use crate::protocols::{Protocol, TsneMap, find};
use crate::run_settings::RunSettings;
use crate::{Judging, Lab, LabError, Part, Repeat, Settings, Subject, read_encoder};

/// The file of the contact sheet among the run's pictures, and that of the names of its rows.
pub const SHEET: &str = "views.png";
const NAMES: &str = "views.json";
/// Training images on the contact sheet.
const ROWS: usize = 8;
/// Images on a map, at least.
const LEAST: usize = 16;

/// The contact sheet.
pub(super) fn section(run: &RunView) -> Section {
    let Some(picture) = run.plot(SHEET) else { return absent() };
    let spots = sheet_spots(&picture, &names(run));
    let plate = Plate::new(
        "Originals and views",
        format!(
            "Each row: a training image, then its views as the first epoch with seed {} draws them, before \
             normalisation. What the encoder is to learn must survive in the views. Images of 8 bits \
             are shown as they are; others from their darkest to their brightest value.",
            run.settings.common().seed
        ),
        "A table of pictures: training images on the left, their random views to the right.",
        picture,
    );
    let plate = plate.wide(spots);
    Section::new("What the encoder was shown", vec![Block::Plates(vec![plate])])
}

/// What the rows of the contact sheet are called; nothing of runs that did not keep it.
fn names(run: &RunView) -> Vec<String> {
    let text = run.plot_text(NAMES).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

/// Keeps with a run that has ended what its report shows of the data: their numbers, the contact sheet, and a map of the test
/// images by the encoder's features. So the report is drawn from the folder alone. A picture that cannot be made is told and
/// left out.
///
/// # Errors
/// A folder that cannot be written.
pub fn keep_shown(
    folder: &RunFolder,
    data: &DataSet,
    settings: &RunSettings,
    lab: &Lab<'_>,
) -> Result<(), LabError> {
    folder.write_data(&DataSummary::of(data))?;
    if let Err(error) = keep_sheet(folder, data, settings, lab) {
        lab.events.warn(&format!("there is no contact sheet: {}", reason(&error)));
    }
    let part = shown(data);
    if part.count(data) < LEAST {
        let few = format!("{} images are too few, it takes {LEAST}", part.count(data));
        lab.events.note(&format!("there is no map of the features: {few}"));
    } else if let Err(error) = keep_map(folder, data, settings, lab) {
        lab.events.warn(&format!("there is no map of the features: {}", reason(&error)));
    }
    Ok(())
}

/// The images on the map: the usual ones, or all where these are too few.
fn shown(data: &DataSet) -> Part {
    let usual = Part::usual(data);
    if usual.count(data) < LEAST { Part::All } else { usual }
}

/// Keeps with a run what its encoder was shown: some training images, and views of each.
///
/// # Errors
/// Images that cannot be read, a folder that cannot be written.
pub fn keep_sheet(
    folder: &RunFolder,
    data: &DataSet,
    settings: &RunSettings,
    lab: &Lab<'_>,
) -> Result<(), LabError> {
    let gallery = match settings {
        RunSettings::Pretraining(settings) => Gallery::new(settings, data, lab.events)?,
        RunSettings::Finetuning(settings) => Gallery::of_finetuning(settings, data)?,
    };
    let samples = gallery.samples(ROWS);
    let picture = Picture::png(&gallery.sheet(&samples)?)?;
    folder.write_plot(SHEET, picture.bytes())?;
    folder.write_plot(NAMES, serde_json::json!(gallery.names(&samples)).to_string().as_bytes())?;
    Ok(())
}

fn keep_map(
    folder: &RunFolder,
    data: &DataSet,
    settings: &RunSettings,
    lab: &Lab<'_>,
) -> Result<(), LabError> {
    let subject = Subject::trained(read_encoder(folder.path())?);
    let common = settings.common();
    let computing = lab.computing(common.workers, &common.device);
    let mut judging = Judging::new(&subject, (data, &common.data), &computing, lab.events);
    judging.part = shown(data);
    let repeat = Repeat { seeds: vec![common.seed], ..Repeat::default() };
    for verdict in judging.run(find(TsneMap::ID)?, &Settings::new(), &repeat)? {
        verdict.keep(folder)?;
    }
    Ok(())
}

/// The first line of what went wrong.
fn reason(error: &LabError) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}
