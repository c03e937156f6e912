//! `class-properties`: what the classes of a set are like, by their features and by their images. See
//! [`class_properties`](twinlens_eval::analyses::class_properties).
//!
//! The outcome has a row a class where others have one a split.

use std::collections::BTreeMap;

use twinlens_data::DataError;
use twinlens_eval::analyses::{ClassProperties, ImageMeasures, PropertySettings, class_properties};
use twinlens_eval::{Better, Judgement, Labelled, Unit};

use super::{Needs, Protocol};
use crate::by_class::measured;
use crate::outcome::{Measured, MeasuredSplit};
use crate::{Judging, LabError, MeasureRecord, Outcome};

/// What is measured of every class, but for the shares of the spectrum, which are `spectrum_1` and so on.
const MEASURES: [(&str, &str); 6] = [
    ("intrinsic_dimension", "intrinsic dimension"),
    ("contrast", "texture: contrast"),
    ("homogeneity", "texture: homogeneity"),
    ("energy", "texture: energy"),
    ("correlation", "texture: correlation"),
    ("high_frequency", "energy at high frequencies"),
];

impl Protocol for PropertySettings {
    const ID: &'static str = "class-properties";
    const SUMMARY: &'static str = "intrinsic dimension, spectrum, texture and detail of every class";
    const NEEDS: Needs = Needs::Images;

    fn check(&self) -> Result<(), LabError> {
        Ok(PropertySettings::check(self)?)
    }

    fn run(&self, judging: &Judging<'_>, _: u64) -> Result<Vec<Judgement<Outcome>>, LabError> {
        let images = judging.images()?;
        let missing = || DataError::NoLabels { name: judging.data.name.clone() };
        let labels = judging.labels()?.ok_or_else(missing)?;
        let task = judging.events.begin("texture of images");
        let mut measures: Vec<ImageMeasures> = Vec::with_capacity(images.len());
        for index in 0..images.len() {
            measures.push(measured(&images.image(index)?, self)?);
            task.at(index as u64 + 1, images.len() as u64);
        }
        let labelled = Labelled::new(judging.features()?.clone(), labels, judging.data.classes.clone())?;
        let found = class_properties(&labelled, &measures, self)?;
        let shares =
            found.iter().filter_map(|class| class.spectrum.tested()).map(Vec::len).max().unwrap_or(0);
        let measured = Measured {
            measures: records(shares),
            splits: found.iter().map(|class| row(class, shares)).collect(),
        };
        let mut judgement = Judgement::new([], Outcome::Measured(measured));
        judgement.asked = super::settings(self);
        judgement.asked.insert("split".into(), judging.part.name().into());
        judgement.warnings = found.iter().flat_map(untested).collect();
        Ok(vec![judgement])
    }
}

fn records(shares: usize) -> Vec<MeasureRecord> {
    let record =
        |id: String, title: String| MeasureRecord { id, title, unit: Unit::Number, better: Better::Higher };
    let mut all: Vec<MeasureRecord> =
        MEASURES.map(|(id, title)| record(id.to_owned(), title.to_owned())).into_iter().collect();
    all.extend(
        (1..=shares)
            .map(|place| record(format!("spectrum_{place}"), format!("share {place} of the spectrum"))),
    );
    all
}

/// The numbers of a class.
fn row(class: &ClassProperties, shares: usize) -> MeasuredSplit {
    let mut values: BTreeMap<String, Option<f64>> = BTreeMap::new();
    values.insert("intrinsic_dimension".into(), class.intrinsic_dimension.tested().copied());
    values.insert("high_frequency".into(), class.high_frequency.tested().copied());
    for (place, name) in ["contrast", "homogeneity", "energy", "correlation"].into_iter().enumerate() {
        values.insert(name.into(), class.texture.tested().map(|texture| texture[place]));
    }
    for place in 0..shares {
        let share = class.spectrum.tested().and_then(|spectrum| spectrum.get(place).copied());
        values.insert(format!("spectrum_{}", place + 1), share);
    }
    MeasuredSplit { split: class.class.clone(), samples: class.images, values }
}

/// What could not be measured of a class, and why.
fn untested(class: &ClassProperties) -> Vec<String> {
    let reasons = [
        ("intrinsic dimension", class.intrinsic_dimension.reason()),
        ("spectrum", class.spectrum.reason()),
        ("texture", class.texture.reason()),
        ("detail", class.high_frequency.reason()),
    ];
    let told = |(what, reason): (&str, Option<&str>)| {
        Some(format!("{}: {what} not tested: {}", class.class, reason?))
    };
    reasons.into_iter().filter_map(told).collect()
}
