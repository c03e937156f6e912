//! What the encoder was shown: originals and their views.

use twinlens_report::{Block, Picture, Plate, Section};

use super::seen::Seen;
use super::{Kept, absent, reason, undrawn};
use crate::commands::run_settings::RunSettings;
use crate::commands::views::Gallery;
use crate::exit::Outcome;

/// Training images on the contact sheet.
const ROWS: usize = 8;

/// The contact sheet.
pub(super) fn section(seen: &Seen, kept: &mut Kept) -> Outcome<Section> {
    let Ok(data) = seen.data else { return Ok(absent()) };
    let gallery = match &seen.settings {
        RunSettings::Pretraining(settings) => Gallery::new(settings, data),
        RunSettings::Finetuning(settings) => Gallery::of_finetuning(settings, data),
    };
    let sheet = gallery.and_then(|gallery| gallery.sheet(&gallery.samples(ROWS)));
    let sheet = match sheet {
        Ok(sheet) => sheet,
        Err(failure) => {
            kept.warn(format!("There is no contact sheet: {}", reason(&failure)));
            return Ok(absent());
        }
    };
    let picture = Picture::png(&sheet).map_err(undrawn)?;
    kept.plot("views", &picture);
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
    Ok(Section::new("What the encoder was shown", vec![Block::Plates(vec![plate])]))
}
