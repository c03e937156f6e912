//! What must hold of a data set that was opened, and of an error.

use twinlens_data::{
    DataError, DataSet, DataSettings, ImageSource, Inspection, OnBadSample, OpenOptions, Orientation, Pages,
    Percentiles, RangeChoice, RangeRule, Split, SplitPolicy, inspect, open_bytes,
};

/// The memory limit that data sets are opened with, in bytes.
pub const LIMIT: usize = 16 << 20;

/// The most memory that opening an input of `len` bytes may need: the limit counts decoded images, which are held twice
/// on their way into the store, and what one file is unpacked to.
pub fn memory(len: usize) -> usize {
    4 * LIMIT + 64 * len
}

/// The longest message that is still one.
const LONGEST: usize = 5_000;

/// Settings that take different ways through the readers.
pub fn settings() -> Vec<DataSettings> {
    let strict = DataSettings {
        on_bad_sample: OnBadSample::Fail,
        pages: Pages::Each,
        orientation: Orientation::Stored,
        range: RangeChoice::Rule(RangeRule::Measured),
        splits: SplitPolicy::Defined,
        ..DataSettings::default()
    };
    let projected = DataSettings {
        pages: Pages::Max,
        rgb: true,
        range: RangeChoice::Percentiles(Percentiles { percentiles: [1.0, 99.0] }),
        splits: SplitPolicy::Drawn,
        ..DataSettings::default()
    };
    vec![DataSettings::default(), strict, projected]
}

/// Opens `bytes`, as a file called `name`, with each of `settings`.
///
/// # Errors
/// What does not hold.
pub fn opened(name: &str, bytes: &[u8], settings: Vec<DataSettings>) -> Result<(), String> {
    for settings in settings {
        let options = OpenOptions { memory_limit: Some(LIMIT as u64), ..OpenOptions::from(settings) };
        match open_bytes(name, bytes.to_vec(), &options) {
            Ok(set) => data_set(&set)?,
            Err(error) => refusal(&error)?,
        }
    }
    Ok(())
}

/// An error says how to mend it, in words that can be shown.
///
/// # Errors
/// What does not hold.
pub fn refusal(error: &DataError) -> Result<(), String> {
    shown(&error.to_string())?;
    ensure(!error.hint().is_empty(), || format!("an error without a hint: {error}"))?;
    shown(error.hint())
}

/// A text for people has no control characters, which would reach their terminal, and ends some time.
///
/// # Errors
/// What does not hold.
pub fn shown(text: &str) -> Result<(), String> {
    plain("message", &text.replace('\n', " "))?;
    ensure(text.len() <= LONGEST, || format!("a message too long for people: {} bytes", text.len()))
}

/// Text that a terminal takes for text alone.
pub fn plain(what: &str, text: &str) -> Result<(), String> {
    ensure(!text.contains(char::is_control), || format!("control characters in a {what}: {text:?}"))
}

fn data_set(set: &DataSet) -> Result<(), String> {
    let found = inspect(set).map_err(|error| format!("opened but not to be inspected: {error}"))?;
    let splits = Split::ALL.into_iter().filter_map(|split| Some((split, set.splits.get(split)?)));
    for (split, source) in splits {
        ensure(!source.is_empty(), || format!("an empty split: {}", split.name()))?;
        source.columns().iter().try_for_each(|column| plain("column", column))?;
        (0..source.len()).try_for_each(|index| sample(source.as_ref(), index, set))?;
        ensure(source.image(source.len()).is_err(), || "an image after the last one".into())?;
    }
    figures(&found)?;
    set.classes.iter().try_for_each(|class| plain("class", class))?;
    set.notices.iter().try_for_each(|notice| shown(&notice.to_string()))?;
    set.skipped.first.iter().try_for_each(|skipped| shown(&format!("{}{}", skipped.path, skipped.reason)))?;
    let of_notices = set.notices.iter().filter_map(|notice| notice.hint.as_deref());
    let of_skipped = set.skipped.first.iter().filter_map(|skipped| skipped.hint.as_deref());
    of_notices.chain(of_skipped).try_for_each(shown)
}

fn sample(source: &dyn ImageSource, index: usize, set: &DataSet) -> Result<(), String> {
    for image in [source.image(index), source.stored(index)] {
        let image = image.map_err(|error| format!("an image that is not to be had: {index}, {error}"))?;
        let (height, width, channels) = (image.height, image.width, image.channels);
        let size = format!("image {index} of {height} x {width} x {channels}");
        let samples = image.pixels.len();
        ensure(samples > 0 && samples == height * width * channels, || {
            format!("another number of samples than the size says: {size}, {samples}")
        })?;
        ensure(channels == set.range.channels.len(), || format!("other channels than the set has: {size}"))?;
    }
    let classes = set.classes.len();
    let label = source.label(index);
    ensure(label.is_none_or(|label| label < classes), || {
        format!("a label that is no class: {label:?} of {classes}")
    })?;
    let tags = source.tags(index).map(<[_]>::len);
    ensure(tags.is_none_or(|tags| tags == classes), || {
        format!("not one tag for each class: {tags:?} of {classes}")
    })?;
    let (columns, metadata) = (source.columns().len(), source.metadata(index).len());
    ensure(columns == metadata, || format!("not one text for each column: {metadata} of {columns}"))?;
    plain("name", &source.name(index))?;
    ensure(!source.name(index).is_empty(), || format!("an image without a name: {index}"))
}

fn figures(found: &Inspection) -> Result<(), String> {
    for (split, figures) in &found.splits {
        let statistics = figures.statistics.mean.iter().chain(&figures.statistics.std);
        let numbers = figures.value_range.iter().chain(&figures.value_mean).chain(statistics);
        let finite = numbers.chain([&figures.outside_range]).all(|number| number.is_finite());
        ensure(finite, || format!("figures that are not finite: {}, {figures:?}", split.name()))?;
        let labelled: usize = figures.per_class.iter().sum();
        let sound = figures.not_judged.is_some() || labelled == figures.labelled;
        ensure(sound, || format!("not every label is counted: {labelled} of {}", figures.labelled))?;
    }
    Ok(())
}

fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}
