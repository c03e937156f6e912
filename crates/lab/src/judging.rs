//! What a protocol is given: a subject, data, and what it asks of them, computed once.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use serde_json::json;
use twinlens_data::{DataSet, ImageSource, LabelAmount, LabelChoice, LabelShare, Split};
use twinlens_eval::clustering::RowName;
use twinlens_eval::{Features, Labelled, Tagged};
use twinlens_views::ViewPolicy;

use crate::subject::SubjectRecord;
use crate::verdict::{DataRecord, Settings};
use crate::{
    Computing, Events, LabError, Part, Subject, features_of, images, labelled, labels, names, split_key,
    tagged, views,
};

/// Some of the training labels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LabelDraw {
    /// How many.
    pub amount: LabelAmount,
    /// How they are chosen.
    pub choice: LabelChoice,
    /// The seed of the choice.
    pub seed: u64,
}

impl LabelDraw {
    /// All of them.
    pub const ALL: LabelDraw =
        LabelDraw { amount: LabelAmount::Share(1.0), choice: LabelChoice::Stratified, seed: 0 };

    /// Which training images of `data` have a label that is used.
    ///
    /// # Errors
    /// No training images; an amount that cannot be.
    pub fn known(&self, data: &DataSet) -> Result<Vec<usize>, LabError> {
        let missing = || LabError::NoSplit { data: data.name.clone(), split: Split::Train };
        let source = data.splits.train.clone().ok_or_else(missing)?;
        Ok(LabelShare::new(source, self.amount, self.choice, self.seed)?.known())
    }

    /// Writes itself into what was asked. Of all labels nothing is drawn, so neither a choice nor a seed is said.
    pub fn sign(&self, asked: &mut Settings, seeds: &mut BTreeMap<String, u64>) {
        let (key, amount) = self.amount.setting();
        asked.insert(key.into(), amount);
        if self.amount != LabelAmount::Share(1.0) {
            asked.insert("label_choice".into(), json!(self.choice));
            seeds.insert("labels".into(), self.seed);
        }
    }
}

/// The features of a data set with their labels.
#[derive(Clone, Debug)]
pub struct LabelledSplits<'a> {
    /// What a protocol learns from.
    pub train: &'a Labelled,
    held_out: Vec<(&'a str, &'a Labelled)>,
}

impl<'a> LabelledSplits<'a> {
    /// What a protocol is judged on: `val` and `test`, as far as they are there.
    pub fn held_out(&self) -> Vec<(&'a str, &'a Labelled)> {
        self.held_out.clone()
    }
}

/// A subject and data, and how to go about judging it.
pub struct Judging<'a> {
    /// What is judged.
    pub subject: &'a Subject,
    /// On which data.
    pub data: &'a DataSet,
    /// Where these lie, as they were asked for.
    pub path: &'a str,
    /// How features are computed.
    pub computing: &'a Computing,
    /// Which images, of protocols that take them all alike.
    pub part: Part,
    /// A named policy whose views are compared, of protocols that compare views.
    pub views: Option<(String, Vec<ViewPolicy>)>,
    /// Who hears of what takes long.
    pub events: &'a dyn Events,
    /// Which labels a protocol learns from.
    pub(crate) labels: LabelDraw,
    train: OnceCell<Labelled>,
    held_out: OnceCell<Vec<(Split, Labelled)>>,
    features: OnceCell<Features>,
    viewed: RefCell<Option<Viewed>>,
    pub(crate) records: OnceCell<(SubjectRecord, DataRecord)>,
}

/// Features of views, and what was asked for to have them.
struct Viewed {
    policy: Vec<ViewPolicy>,
    count: usize,
    seed: u64,
    part: Part,
    features: Rc<Vec<Features>>,
}

impl<'a> Judging<'a> {
    /// Judging `subject` on `data`, which lie at `path`: the usual images, no views.
    pub fn new(
        subject: &'a Subject,
        (data, path): (&'a DataSet, &'a str),
        computing: &'a Computing,
        events: &'a dyn Events,
    ) -> Judging<'a> {
        Judging {
            subject,
            data,
            path,
            computing,
            part: Part::usual(data),
            views: None,
            events,
            labels: LabelDraw::ALL,
            train: OnceCell::new(),
            held_out: OnceCell::new(),
            features: OnceCell::new(),
            viewed: RefCell::new(None),
            records: OnceCell::new(),
        }
    }

    /// The features of every split with their labels: all of them, whatever is drawn.
    ///
    /// # Errors
    /// Training images without labels of two classes; no held-out image with a label; an encoder that does not fit.
    pub fn splits(&self) -> Result<LabelledSplits<'_>, LabError> {
        self.data.check_for_evaluation()?;
        let held_out = self.held_out()?;
        if let Some(train) = self.train.get() {
            return Ok(LabelledSplits { train, held_out });
        }
        let train = self.labelled(Split::Train)?;
        Ok(LabelledSplits { train: self.train.get_or_init(|| train), held_out })
    }

    /// The features of `val` and `test`, as far as they are there, with their labels.
    ///
    /// # Errors
    /// No held-out image with a label; an encoder that does not fit.
    pub fn held_out(&self) -> Result<Vec<(&str, &Labelled)>, LabError> {
        if let Some(sets) = self.held_out.get() {
            return Ok(by_name(sets));
        }
        let present = |split: &Split| self.data.splits.get(*split).is_some();
        let splits = [Split::Val, Split::Test].into_iter().filter(present);
        let sets: Vec<_> =
            splits.map(|split| Ok((split, self.labelled(split)?))).collect::<Result<_, LabError>>()?;
        if sets.is_empty() {
            return Err(LabError::NothingHeldOut { data: self.data.name.clone() });
        }
        Ok(by_name(self.held_out.get_or_init(|| sets)))
    }

    fn labelled(&self, split: Split) -> Result<Labelled, LabError> {
        labelled(self.subject, self.data, split, self.computing, self.events)
    }

    /// The training features whose labels a protocol learns from.
    ///
    /// # Errors
    /// As [`Judging::splits`]; no label left.
    pub fn train(&self) -> Result<Labelled, LabError> {
        Ok(self.splits()?.train.subset(&self.labels.known(self.data)?)?)
    }

    /// The features of training, validation and test images that may show several classes.
    ///
    /// # Errors
    /// A missing split or label; an encoder that does not fit.
    pub fn tagged(&self) -> Result<[Tagged; 3], LabError> {
        if !self.data.has_tags() {
            return Err(LabError::NoTags { data: self.data.name.clone() });
        }
        let of = |split| tagged(self.subject, self.data, split, self.computing, self.events);
        Ok([of(Split::Train)?, of(Split::Val)?, of(Split::Test)?])
    }

    /// The features of the images of [`Judging::part`].
    ///
    /// # Errors
    /// No such images; an encoder that does not fit.
    pub fn features(&self) -> Result<&Features, LabError> {
        if let Some(features) = self.features.get() {
            return Ok(features);
        }
        let features = features_of(self.subject, self.data, self.part, self.computing, self.events)?;
        Ok(self.features.get_or_init(|| features))
    }

    /// The images themselves.
    ///
    /// # Errors
    /// No such images.
    pub fn images(&self) -> Result<Arc<dyn ImageSource>, LabError> {
        images(self.data, self.part)
    }

    /// What each is called, and its split.
    ///
    /// # Errors
    /// No such images.
    pub fn rows(&self) -> Result<Vec<RowName>, LabError> {
        let named = |(split, name): (Split, String)| RowName { split: split.name().to_owned(), name };
        Ok(names(self.data, self.part)?.into_iter().map(named).collect())
    }

    /// Their labels, if none is without.
    ///
    /// # Errors
    /// No such images.
    pub fn labels(&self) -> Result<Option<Vec<usize>>, LabError> {
        Ok(labels(self.images()?.as_ref()))
    }

    /// The features of `count` views of each of these images, as the policy of [`Judging::views`] draws them; nothing
    /// without a policy. The last ones are kept: asked for again, they are not computed again.
    ///
    /// # Errors
    /// A policy that does not fit the images or draws fewer views; pixels.
    pub fn views(&self, count: usize, seed: u64) -> Result<Option<Rc<Vec<Features>>>, LabError> {
        let Some((_, policy)) = &self.views else { return Ok(None) };
        let same = |viewed: &&Viewed| {
            (viewed.count, viewed.seed, viewed.part) == (count, seed, self.part) && viewed.policy == *policy
        };
        if let Some(viewed) = self.viewed.borrow().as_ref().filter(same) {
            return Ok(Some(viewed.features.clone()));
        }
        let drawn = (policy.as_slice(), count, seed);
        let features = Rc::new(views(self.subject, self.images()?, drawn, self.computing, self.events)?);
        let (policy, part) = (policy.clone(), self.part);
        *self.viewed.borrow_mut() = Some(Viewed { policy, count, seed, part, features: features.clone() });
        Ok(Some(features))
    }
}

fn by_name(sets: &[(Split, Labelled)]) -> Vec<(&str, &Labelled)> {
    sets.iter().map(|(split, set)| (split.name(), set)).collect()
}

/// The images of `data` that can be judged: what is left out for want of a label is told.
pub fn judged(data: &DataSet, events: &dyn Events) -> DataSet {
    let judged = data.for_judging();
    judged.notices[data.notices.len()..].iter().for_each(|notice| events.notice(&data.name, notice));
    if judged.splits.test.is_none() && judged.splits.val.is_some() {
        events.warn(&format!("{} has no test images with labels: validation alone is judged", data.name));
    }
    judged
}

/// What a verdict says of `data`, which were asked for as `path`.
pub fn data_record(path: &str, data: &DataSet) -> DataRecord {
    let sha256 = Some(data.fingerprint.clone()).filter(|sha256| !sha256.is_empty());
    DataRecord { path: path.to_owned(), sha256, splits: split_key(data) }
}
