//! What the encoder was shown: originals and their views.

use twinlens_data::{DataSet, DataSummary, Split};
use twinlens_lab::gallery::Gallery;
use twinlens_lab::protocols::{Protocol, TsneMap, find};
use twinlens_lab::{Judging, Logged, Repeat, Settings, Subject, read_encoder};
use twinlens_report::{Block, Picture, Plate, Section};
use twinlens_run::RunFolder;

use super::seen::Seen;
use super::{absent, undrawn};
use crate::commands::computing;
use crate::commands::run_settings::RunSettings;
use crate::exit::{Failure, Outcome};
use crate::terminal::Terminal;

/// The file of the contact sheet among the run's pictures.
const FILE: &str = "views.png";
/// Training images on the contact sheet.
const ROWS: usize = 8;
/// Test images on a map, at least.
const LEAST: usize = 16;

/// The contact sheet.
pub(super) fn section(seen: &Seen) -> Section {
    let Some(picture) = seen.plot(FILE) else { return absent() };
    let plate = Plate {
        title: "Originals and views".to_owned(),
        caption: format!(
            "Each row: a training image, then its views as the first epoch with seed {} draws them, before \
             normalisation. What the encoder is to learn must survive in the views. Images of 8 bits are shown as \
             they are; others from their darkest to their brightest value.",
            seen.settings.common().seed
        ),
        alt: "A table of pictures: training images on the left, their random views to the right.".to_owned(),
        picture,
    };
    Section::new("What the encoder was shown", vec![Block::Plates(vec![plate])])
}

/// Keeps with a run what its report shows of the data: their numbers, the contact sheet, and a map of the test images by the
/// encoder's features. So the report is drawn from the folder alone. A picture that cannot be made is told and left out.
pub(super) fn keep(
    folder: &RunFolder,
    data: &DataSet,
    settings: &RunSettings,
    terminal: &Terminal,
) -> Outcome {
    folder.write_data(&DataSummary::of(data))?;
    if let Err(failure) = keep_sheet(folder, data, settings) {
        tracing::warn!("there is no contact sheet: {}", reason(&failure));
    }
    let test = data.splits.test.as_ref().map_or(0, |test| test.len());
    if test < LEAST {
        tracing::info!("there is no map of the features: {test} test images are too few, it takes {LEAST}");
    } else if let Err(failure) = keep_map(folder, data, settings, terminal) {
        tracing::warn!("there is no map of the features: {}", reason(&failure));
    }
    Ok(())
}

fn keep_sheet(folder: &RunFolder, data: &DataSet, settings: &RunSettings) -> Outcome {
    let gallery = match settings {
        RunSettings::Pretraining(settings) => Gallery::new(settings, data, &Logged)?,
        RunSettings::Finetuning(settings) => Gallery::of_finetuning(settings, data)?,
    };
    let picture = Picture::png(&gallery.sheet(&gallery.samples(ROWS))?).map_err(undrawn)?;
    folder.write_plot(FILE, picture.bytes())?;
    Ok(())
}

fn keep_map(folder: &RunFolder, data: &DataSet, settings: &RunSettings, terminal: &Terminal) -> Outcome {
    let subject = Subject::trained(read_encoder(folder.path())?);
    let common = settings.common();
    let computing = computing(common.workers, &common.device);
    let mut judging = Judging::new(&subject, (data, &common.data), &computing, terminal);
    judging.part = twinlens_lab::Part::Split(Split::Test);
    let repeat = Repeat { seeds: vec![common.seed], ..Repeat::default() };
    for verdict in judging.run(find(TsneMap::ID)?, &Settings::new(), &repeat)? {
        verdict.keep(folder)?;
    }
    Ok(())
}

/// The first line of what a failure says.
fn reason(failure: &Failure) -> String {
    let text = failure.render(false);
    text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
}
