//! `cluster`: do groups of the features follow labels that they never saw? See [`ClusterProtocol`].

use twinlens_data::Split;
use twinlens_eval::Judgement;
use twinlens_eval::clustering::{ClusterProtocol, RowName};

use super::{Needs, Protocol, wrapped};
use crate::outcome::Outcome;
use crate::{Judging, LabError, names};

impl Protocol for ClusterProtocol {
    const ID: &'static str = "cluster";
    const SUMMARY: &'static str = "k-means of the features, compared with labels that it never saw";
    const NEEDS: Needs = Needs::Images;

    fn run(&self, judging: &Judging<'_>, seed: u64) -> Result<Vec<Judgement<Outcome>>, LabError> {
        let (data, labels) = (judging.data, judging.labels()?);
        let mut judgement =
            ClusterProtocol::run(self, judging.features()?, labels.as_deref(), &data.classes, seed)?;
        let named = |(split, name): (Split, String)| RowName { split: split.name().to_owned(), name };
        judgement.outcome.rows = names(data, judging.part)?.into_iter().map(named).collect();
        judgement.asked.insert("split".into(), judging.part.name().into());
        if labels.is_none() {
            let reason = match data.has_tags() {
                true => "an image may show several classes",
                false => "not every image has a label",
            };
            judgement.warnings.push(format!("{reason}: clusters were not compared with labels"));
        }
        Ok(vec![wrapped(judgement, Outcome::Clusters)])
    }
}
