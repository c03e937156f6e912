//! What an image belongs to: patient and series by hashes, its place in the series.

use sha2::{Digest, Sha256};

use super::elements;
use super::header::{FrameFacts, Header, Shape};
use crate::{DataSettings, Pages, Window, WindowRule};

/// The key of hashes where none is given.
const KEY: &str = "twinlens";

/// Letters of a hash.
const LETTERS: usize = 12;

/// What is known of a file before its pixels are decoded. No text of the file is in it but the modality.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Facts {
    /// Hash of PatientID; empty where there is none.
    pub(crate) patient: String,
    /// Hash of SeriesInstanceUID; empty where there is none.
    pub(crate) series: String,
    /// As `CT`; empty where there is none.
    pub(crate) modality: String,
    pub(crate) instance: Option<i64>,
    /// Of the frame that becomes an image; of every frame where each does and they differ. Never empty.
    pub(crate) frames: Vec<Frame>,
}

/// What is known of a frame.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Frame {
    /// Where the first pixel lies in the patient, in mm.
    position: Option<[f64; 3]>,
    /// The directions of rows and columns.
    orientation: Option<[f64; 6]>,
    /// The window that it is shown by: `CENTER/WIDTH` of the file, or `LOW..HIGH` as asked.
    pub(crate) window: String,
}

impl Frame {
    /// The place along the normal of the slice, in mm, and the normal.
    pub(crate) fn along_normal(&self) -> Option<(f64, [f64; 3])> {
        let [a, b, c, d, e, f] = self.orientation?;
        let normal = [b * f - c * e, c * d - a * f, a * e - b * d];
        let place = normal.iter().zip(self.position?).map(|(n, p)| n * p).sum::<f64>();
        place.is_finite().then_some((place, normal))
    }
}

/// What the beginning of a file says, and whether all that counts was in it: then more bytes say no more.
pub(crate) fn facts(head: &[u8], allowed: u64, settings: &DataSettings) -> Option<(Facts, bool)> {
    let elements::File { syntax, body } = elements::open(head).ok()?;
    if syntax == elements::DEFLATED {
        let body = elements::inflated(body, allowed).ok()?;
        return Some(facts_of(&Header::begin(elements::data_set(syntax, &body)), settings));
    }
    Some(facts_of(&Header::begin(elements::data_set(syntax, body)), settings))
}

fn facts_of((header, whole): &(Header<'_>, bool), settings: &DataSettings) -> (Facts, bool) {
    let is_code = |text: &&str| {
        text.len() <= 16 && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
    };
    let frames = usize::try_from(header.frames.unwrap_or(1)).unwrap_or(1);
    let count = if header.each.len() == frames { frames.max(1) } else { 1 };
    let wanted = match settings.pages {
        Pages::First | Pages::Max | Pages::Mean => 0..1,
        Pages::Middle => count / 2..count / 2 + 1,
        Pages::Each => 0..count,
    };
    let frame = |number: usize| {
        let facts = header.frame(number);
        // What becomes of all frames together lies nowhere.
        let nowhere = matches!(settings.pages, Pages::Max | Pages::Mean) && count > 1;
        let window = window_of(header, &facts, settings.window);
        Frame { position: facts.position.filter(|_| !nowhere), orientation: facts.orientation, window }
    };
    let key = &settings.patient_key;
    let facts = Facts {
        patient: hashed(key, "patient", header.patient),
        series: hashed(key, "series", header.series),
        modality: Some(header.modality).filter(is_code).unwrap_or_default().into(),
        instance: header.instance,
        frames: wanted.map(frame).collect(),
    };
    (facts, *whole)
}

/// How the window of a frame is written.
fn window_of(header: &Header<'_>, facts: &FrameFacts, window: Window) -> String {
    match (window, facts.voi) {
        (Window::Rule(WindowRule::None), _) => String::new(),
        (Window::Rule(WindowRule::File), Some(voi)) => {
            let curve = match voi.shape {
                Shape::Linear => "",
                Shape::LinearExact => " linear exact",
                Shape::Sigmoid => " sigmoid",
            };
            format!("{}/{}{curve}", voi.center, voi.width)
        }
        (Window::Rule(WindowRule::File), None) if header.voi_table.is_some() => "table".into(),
        _ => window.bounds().map(|[low, high]| format!("{low}..{high}")).unwrap_or_default(),
    }
}

/// The hash that stands for `text`; nothing for nothing.
fn hashed(key: &str, what: &str, text: &[u8]) -> String {
    if text.is_empty() {
        return String::new();
    }
    let key = if key.is_empty() { KEY } else { key };
    let mut hash = Sha256::new();
    hash.update((key.len() as u64).to_le_bytes());
    hash.update(key);
    hash.update(what);
    hash.update([0]);
    hash.update(text);
    crate::store::hex(&hash.finalize())[..LETTERS].into()
}
