//! Sources made of other sources: some of the images, several sources in a row, some of the labels.

use std::collections::BTreeMap;
use std::sync::Arc;

use twinlens_random::{Purpose, Stream};

use crate::groups::members;
use crate::{DataError, Image, ImageSource, Tag};

/// Some images of a source, in a given order.
pub struct Subset {
    source: Arc<dyn ImageSource>,
    indices: Vec<usize>,
}

impl Subset {
    /// The images `indices` of `source`; an index may occur more than once.
    ///
    /// # Errors
    /// [`DataError::NoSuchSample`] when an index is not below `source.len()`.
    pub fn new(source: Arc<dyn ImageSource>, indices: Vec<usize>) -> Result<Subset, DataError> {
        let len = source.len();
        match indices.iter().find(|&&index| index >= len) {
            Some(&index) => Err(DataError::NoSuchSample { index, len }),
            None => Ok(Subset { source, indices }),
        }
    }

    /// The numbers that `indices` of this subset have in its source.
    pub(crate) fn translate(&self, indices: &[usize]) -> Vec<usize> {
        indices.iter().map(|&index| self.indices[index]).collect()
    }

    fn at(&self, index: usize) -> Result<usize, DataError> {
        let len = self.indices.len();
        self.indices.get(index).copied().ok_or(DataError::NoSuchSample { index, len })
    }
}

impl ImageSource for Subset {
    fn len(&self) -> usize {
        self.indices.len()
    }

    fn image(&self, index: usize) -> Result<Image, DataError> {
        self.source.image(self.at(index)?)
    }

    fn label(&self, index: usize) -> Option<usize> {
        self.source.label(self.at(index).ok()?)
    }

    fn tags(&self, index: usize) -> Option<&[Tag]> {
        self.source.tags(self.at(index).ok()?)
    }

    fn name(&self, index: usize) -> String {
        self.at(index).map_or(format!("#{index}"), |index| self.source.name(index))
    }

    fn size(&self, index: usize) -> Result<[usize; 2], DataError> {
        self.source.size(self.at(index)?)
    }

    fn stored(&self, index: usize) -> Result<Image, DataError> {
        self.source.stored(self.at(index)?)
    }

    fn channel_names(&self) -> &[String] {
        self.source.channel_names()
    }

    fn columns(&self) -> &[String] {
        self.source.columns()
    }

    fn metadata(&self, index: usize) -> &[String] {
        self.at(index).map_or(&[], |index| self.source.metadata(index))
    }

    fn group_column(&self) -> Option<usize> {
        self.source.group_column()
    }
}

/// The first `n` images of `source`, in its order; all of them when it has no more.
///
/// Image folders are ordered by class: their first images may be of one class only.
pub fn limit(source: Arc<dyn ImageSource>, n: usize) -> Arc<dyn ImageSource> {
    if n >= source.len() {
        return source;
    }
    Arc::new(Subset { source, indices: (0..n).collect() })
}

/// A share of the images of `source`, drawn by `seed`, in its order: of each class alike (images without a class are one of
/// their own), of all together, or by whole groups. Shares of one seed are nested.
///
/// # Errors
/// [`DataError::BadOption`] when `share` is not in (0, 1], or groups are to be drawn and none are known.
pub fn image_share(
    source: Arc<dyn ImageSource>,
    share: f64,
    choice: LabelChoice,
    seed: u64,
) -> Result<Arc<dyn ImageSource>, DataError> {
    let amount = LabelAmount::Share(share);
    amount.check()?;
    if share == 1.0 {
        return Ok(source);
    }
    if choice == LabelChoice::ByGroup {
        let mut due = amount.of(source.len());
        let met = |group: &[usize]| {
            due = due.saturating_sub(group.len());
            due == 0
        };
        let indices = drawn_groups(source.as_ref(), |_| true, (seed, Purpose::Images), met)?;
        return Ok(Arc::new(Subset { source, indices }));
    }
    let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for index in 0..source.len() {
        let class = source.label(index).map_or(usize::MAX, |label| label);
        groups.entry(if choice == LabelChoice::Stratified { class } else { 0 }).or_default().push(index);
    }
    let mut indices = Vec::new();
    for (class, mut members) in groups {
        Stream::new(seed, Purpose::Images, [class as u32, 0, 0]).shuffle(&mut members);
        members.truncate(amount.of(members.len()));
        indices.append(&mut members);
    }
    indices.sort_unstable();
    Ok(Arc::new(Subset { source, indices }))
}

/// The channels of the images of a source as grey images of their own: of the first image each channel, then of the second.
///
/// A network that sees one channel at a time fits images of any channels.
pub struct ChannelBag {
    source: Arc<dyn ImageSource>,
    channels: usize,
}

impl ChannelBag {
    /// The channels of all images of `source`.
    ///
    /// # Errors
    /// A first image that cannot be read, as it says how many channels there are.
    pub fn new(source: Arc<dyn ImageSource>) -> Result<ChannelBag, DataError> {
        let channels = if source.is_empty() { 1 } else { source.image(0)?.channels };
        Ok(ChannelBag { source, channels })
    }

    /// How many channels an image has.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// The image of an index, and the channel.
    fn at(&self, index: usize) -> Result<(usize, usize), DataError> {
        let len = self.len();
        let within = index < len;
        let at = (index / self.channels, index % self.channels);
        within.then_some(at).ok_or(DataError::NoSuchSample { index, len })
    }
}

impl ImageSource for ChannelBag {
    fn len(&self) -> usize {
        self.source.len() * self.channels
    }

    fn image(&self, index: usize) -> Result<Image, DataError> {
        let (image, channel) = self.at(index)?;
        Ok(self.source.image(image)?.channel(channel))
    }

    fn stored(&self, index: usize) -> Result<Image, DataError> {
        let (image, channel) = self.at(index)?;
        Ok(self.source.stored(image)?.channel(channel))
    }

    fn size(&self, index: usize) -> Result<[usize; 2], DataError> {
        self.source.size(self.at(index)?.0)
    }

    fn label(&self, index: usize) -> Option<usize> {
        self.source.label(self.at(index).ok()?.0)
    }

    fn tags(&self, index: usize) -> Option<&[Tag]> {
        self.source.tags(self.at(index).ok()?.0)
    }

    /// The image, and the channel by name or number.
    fn name(&self, index: usize) -> String {
        let Ok((image, channel)) = self.at(index) else { return format!("#{index}") };
        let name = self.source.channel_names().get(channel).cloned();
        format!("{} ({})", self.source.name(image), name.unwrap_or_else(|| format!("channel {channel}")))
    }

    fn columns(&self) -> &[String] {
        self.source.columns()
    }

    fn metadata(&self, index: usize) -> &[String] {
        self.at(index).map_or(&[], |(image, _)| self.source.metadata(image))
    }

    fn group_column(&self) -> Option<usize> {
        self.source.group_column()
    }
}

/// Several sources, one after the other, as one.
pub struct Concat {
    sources: Vec<Arc<dyn ImageSource>>,
    ends: Vec<usize>,
}

impl Concat {
    /// The images of all `sources`, in order. The sources must number their classes alike.
    pub fn new(sources: Vec<Arc<dyn ImageSource>>) -> Concat {
        let ends = sources.iter().scan(0, |end, source| {
            *end += source.len();
            Some(*end)
        });
        let ends = ends.collect();
        Concat { sources, ends }
    }

    fn at(&self, index: usize) -> Result<(&dyn ImageSource, usize), DataError> {
        let which = self.ends.partition_point(|&end| end <= index);
        let Some(source) = self.sources.get(which) else {
            return Err(DataError::NoSuchSample { index, len: self.len() });
        };
        Ok((source.as_ref(), index - (self.ends[which] - source.len())))
    }
}

impl ImageSource for Concat {
    fn len(&self) -> usize {
        self.ends.last().copied().unwrap_or(0)
    }

    fn image(&self, index: usize) -> Result<Image, DataError> {
        let (source, index) = self.at(index)?;
        source.image(index)
    }

    fn label(&self, index: usize) -> Option<usize> {
        let (source, index) = self.at(index).ok()?;
        source.label(index)
    }

    fn tags(&self, index: usize) -> Option<&[Tag]> {
        let (source, index) = self.at(index).ok()?;
        source.tags(index)
    }

    fn name(&self, index: usize) -> String {
        self.at(index).map_or(format!("#{index}"), |(source, index)| source.name(index))
    }

    fn size(&self, index: usize) -> Result<[usize; 2], DataError> {
        let (source, index) = self.at(index)?;
        source.size(index)
    }

    fn stored(&self, index: usize) -> Result<Image, DataError> {
        let (source, index) = self.at(index)?;
        source.stored(index)
    }

    /// Those of the first source, if all have the same.
    fn channel_names(&self) -> &[String] {
        let names = self.sources.first().map_or(&[][..], |source| source.channel_names());
        if self.sources.iter().all(|source| source.channel_names() == names) { names } else { &[] }
    }

    /// Those of the first source: the parts of one set have the same.
    fn columns(&self) -> &[String] {
        self.sources.first().map_or(&[], |source| source.columns())
    }

    fn metadata(&self, index: usize) -> &[String] {
        self.at(index).map_or(&[], |(source, index)| source.metadata(index))
    }

    fn group_column(&self) -> Option<usize> {
        self.sources.first().and_then(|source| source.group_column())
    }
}

/// How the samples with known labels are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LabelChoice {
    /// The same share of every class, rounded, and at least one sample of each.
    Stratified,
    /// The share of all labelled samples together, rounded, and at least one; rare classes may be missing.
    Random,
    /// Whole groups ([`ImageSource::group`]), drawn one after the other until the share of all labelled samples is met, so
    /// that it is missed by less than one group; rare classes may be missing.
    #[serde(rename = "by-group")]
    ByGroup,
}

/// How many labels are known.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LabelAmount {
    /// A share of them, above 0 and up to 1.
    Share(f64),
    /// So many of every class, or all of a class that has fewer.
    PerClass(usize),
}

impl LabelAmount {
    fn check(self) -> Result<(), DataError> {
        let bad = |expected: &str, got: String| DataError::BadOption {
            name: "labels",
            expected: expected.to_owned(),
            got,
        };
        match self {
            LabelAmount::Share(share) if !(share > 0.0 && share <= 1.0) => {
                Err(bad("a share above 0, up to 1", share.to_string()))
            }
            LabelAmount::PerClass(0) => Err(bad("at least 1 label of every class", "0".to_owned())),
            _ => Ok(()),
        }
    }

    /// The name and the value that it has among settings.
    pub fn setting(self) -> (&'static str, serde_json::Value) {
        match self {
            LabelAmount::Share(share) => ("label_share", share.into()),
            LabelAmount::PerClass(count) => ("labels_per_class", count.into()),
        }
    }

    /// How many of `samples`.
    fn of(self, samples: usize) -> usize {
        match self {
            LabelAmount::Share(share) => ((samples as f64 * share).round() as usize).max(1),
            LabelAmount::PerClass(count) => count.min(samples),
        }
    }
}

impl std::fmt::Display for LabelAmount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            // Rounded: 0.07 as a percentage is 7.000000000000001.
            LabelAmount::Share(share) => write!(f, "{} %", (share * 1e10).round() / 1e8),
            LabelAmount::PerClass(count) => write!(f, "{count} a class"),
        }
    }
}

/// A source of which only some labels are known; all images remain. Of images with tags none are drawn.
pub struct LabelShare {
    source: Arc<dyn ImageSource>,
    known: Vec<bool>,
}

impl LabelShare {
    /// Keeps `amount` of the labels and hides the others. Counts per class are stratified, whatever the `choice`; by groups, these
    /// are drawn until every class has as many, or all of its labels.
    ///
    /// The choice is a function of `seed`, and nested: what is known at 1 % is known at 10 %, and what is known of
    /// 5 a class at 10 a class.
    ///
    /// # Errors
    /// [`DataError::BadOption`] when a share is not in (0, 1], a count is 0, or groups are to be drawn and none are known.
    pub fn new(
        source: Arc<dyn ImageSource>,
        amount: LabelAmount,
        choice: LabelChoice,
        seed: u64,
    ) -> Result<LabelShare, DataError> {
        amount.check()?;
        let choice = match (amount, choice) {
            (_, LabelChoice::ByGroup) => return LabelShare::by_group(source, amount, seed),
            (LabelAmount::Share(_), _) => choice,
            (LabelAmount::PerClass(_), _) => LabelChoice::Stratified,
        };
        let mut known = Vec::new();
        for (class, mut members) in groups(source.as_ref(), choice).into_iter().enumerate() {
            Stream::new(seed, Purpose::Labels, [class as u32, 0, 0]).shuffle(&mut members);
            known.extend_from_slice(&members[..amount.of(members.len()).min(members.len())]);
        }
        Ok(LabelShare::of(source, known))
    }

    /// Keeps the labels of whole groups.
    fn by_group(
        source: Arc<dyn ImageSource>,
        amount: LabelAmount,
        seed: u64,
    ) -> Result<LabelShare, DataError> {
        let labelled = |index: &usize| source.label(*index).is_some();
        let classes = groups(source.as_ref(), LabelChoice::Stratified);
        // What is still to be drawn: of all together, or of each class.
        let mut due = match amount {
            LabelAmount::Share(_) => vec![amount.of(classes.iter().map(Vec::len).sum())],
            LabelAmount::PerClass(_) => classes.iter().map(|members| amount.of(members.len())).collect(),
        };
        let met = |group: &[usize]| {
            for label in group.iter().filter_map(|&index| source.label(index)) {
                let place = if due.len() == 1 { 0 } else { label };
                due[place] = due[place].saturating_sub(1);
            }
            due.iter().all(|&due| due == 0)
        };
        let known = drawn_groups(source.as_ref(), labelled, (seed, Purpose::Labels), met)?;
        Ok(LabelShare::of(source, known))
    }

    /// Keeps the labels of the images `known` and hides the others.
    pub(crate) fn of(source: Arc<dyn ImageSource>, indices: impl IntoIterator<Item = usize>) -> LabelShare {
        let mut known = vec![false; source.len()];
        indices.into_iter().filter(|&index| index < source.len()).for_each(|index| known[index] = true);
        LabelShare { source, known }
    }

    /// Indices of the samples whose labels are known, ascending: what a classifier may learn from.
    pub fn known(&self) -> Vec<usize> {
        (0..self.known.len()).filter(|&index| self.known[index]).collect()
    }
}

/// Images of whole groups, ascending: of the images that `counts` takes, groups are drawn until `met`, which is given the images of
/// each, says that they are enough.
fn drawn_groups(
    source: &dyn ImageSource,
    counts: impl Fn(&usize) -> bool,
    (seed, purpose): (u64, Purpose),
    mut met: impl FnMut(&[usize]) -> bool,
) -> Result<Vec<usize>, DataError> {
    if source.group_column().is_none() {
        return Err(DataError::BadOption {
            name: if purpose == Purpose::Images { "images.choice" } else { "label_choice" },
            expected: "stratified or random, as no `group` says what belongs together".into(),
            got: "by-group".into(),
        });
    }
    let mut groups = members(source, (0..source.len()).filter(counts));
    Stream::new(seed, purpose, [0; 3]).shuffle(&mut groups);
    let mut taken = Vec::new();
    for group in groups {
        taken.extend_from_slice(&group);
        if met(&group) {
            break;
        }
    }
    taken.sort_unstable();
    Ok(taken)
}

/// Indices of the labelled samples, by class or all together.
fn groups(source: &dyn ImageSource, choice: LabelChoice) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for index in 0..source.len() {
        let Some(label) = source.label(index) else { continue };
        let group = if choice == LabelChoice::Stratified { label } else { 0 };
        if groups.len() <= group {
            groups.resize_with(group + 1, Vec::new);
        }
        groups[group].push(index);
    }
    groups
}

impl ImageSource for LabelShare {
    fn len(&self) -> usize {
        self.source.len()
    }

    fn image(&self, index: usize) -> Result<Image, DataError> {
        self.source.image(index)
    }

    fn label(&self, index: usize) -> Option<usize> {
        self.source.label(index).filter(|_| self.known[index])
    }

    fn tags(&self, index: usize) -> Option<&[Tag]> {
        self.source.tags(index).filter(|_| self.known[index])
    }

    fn stored(&self, index: usize) -> Result<Image, DataError> {
        self.source.stored(index)
    }

    crate::source::forward_known!(source);
}
