//! Judging itself: a protocol is asked once for each draw of labels, or each seed, and its judgements become verdicts.

use twinlens_data::{LabelAmount, LabelChoice};
use twinlens_eval::Judgement;

use crate::error::Unheeded;
use crate::judging::data_record;
use crate::outcome::Outcome;
use crate::protocols::{Needs, ProtocolSpec};
use crate::verdict::{Settings, Verdict};
use crate::{Judging, LabError, LabelDraw};

/// How often, and with how many labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Repeat {
    /// Which labels, of a protocol that learns from them: one verdict or more for each.
    pub labels: Vec<LabelDraw>,
    /// The seeds, of a protocol that draws at random itself: one verdict or more for each.
    pub seeds: Vec<u64>,
}

impl Default for Repeat {
    /// Once, with all labels and seed 0.
    fn default() -> Repeat {
        Repeat { labels: vec![LabelDraw::ALL], seeds: vec![0] }
    }
}

/// Labels to learn from and seeds, as they are asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelsAsked {
    /// Amounts of labels, each once; none where all are learned from.
    pub amounts: Vec<LabelAmount>,
    /// How the labels of an amount are chosen.
    pub choice: LabelChoice,
    /// Seeds, each once, where several were asked for.
    pub seeds: Vec<u64>,
    /// The only seed where not.
    pub seed: u64,
}

impl LabelsAsked {
    /// Every seed.
    pub fn seeds(&self) -> Vec<u64> {
        if self.seeds.is_empty() { vec![self.seed] } else { self.seeds.clone() }
    }

    /// Every amount with every seed; of all labels nothing is drawn, so that amount comes once. All labels once where no amount
    /// is asked for.
    ///
    /// # Errors
    /// [`LabError::NothingDrawn`]: seeds without an amount.
    pub fn draws(&self) -> Result<Vec<LabelDraw>, LabError> {
        let (seeds, choice) = (self.seeds(), self.choice);
        if self.amounts.is_empty() && !self.seeds.is_empty() {
            return Err(LabError::NothingDrawn);
        }
        if self.amounts.is_empty() {
            return Ok(vec![LabelDraw::ALL]);
        }
        let of = |&amount: &LabelAmount| {
            let draws = if amount == LabelDraw::ALL.amount { 1 } else { seeds.len() };
            seeds.iter().take(draws).map(move |&seed| LabelDraw { amount, choice, seed })
        };
        Ok(self.amounts.iter().flat_map(of).collect())
    }

    /// How often a protocol judges: one that learns from labels with every draw of them, any other with its own seeds.
    ///
    /// # Errors
    /// As [`LabelsAsked::draws`]; amounts of labels for a protocol that does not learn from a share of them.
    pub fn repeat(&self, protocol: &ProtocolSpec) -> Result<Repeat, LabError> {
        if protocol.needs == Needs::Classes {
            return Ok(Repeat { labels: self.draws()?, ..Repeat::default() });
        }
        if self.amounts.is_empty() {
            return Ok(Repeat { seeds: self.seeds(), ..Repeat::default() });
        }
        Err(LabError::NotHeeded { protocol: protocol.id, what: Unheeded::Labels })
    }
}

impl Judging<'_> {
    /// The verdicts of `protocol` with these settings, those it does not name as usual: one for each repetition and each
    /// variant that the settings ask for.
    ///
    /// # Errors
    /// Settings that the protocol does not have; data without what it needs; images or an encoder that cannot be used.
    pub fn run(
        &mut self,
        protocol: &ProtocolSpec,
        settings: &Settings,
        repeat: &Repeat,
    ) -> Result<Vec<Verdict>, LabError> {
        protocol.check(settings)?;
        let mut verdicts = Vec::new();
        if protocol.needs == Needs::Classes {
            for draw in &repeat.labels {
                self.labels = *draw;
                for mut judgement in protocol.run(settings, self, 0)? {
                    draw.sign(&mut judgement.asked, &mut judgement.seeds);
                    verdicts.push(self.signed(protocol, judgement)?);
                }
            }
        } else {
            for &seed in &repeat.seeds {
                let judgements = protocol.run(settings, self, seed)?;
                for judgement in judgements {
                    verdicts.push(self.signed(protocol, judgement)?);
                }
            }
        }
        Ok(verdicts)
    }

    fn signed(
        &self,
        protocol: &ProtocolSpec,
        mut judgement: Judgement<Outcome>,
    ) -> Result<Verdict, LabError> {
        judgement.seeds.extend(self.subject.seed().map(|seed| ("untrained".to_owned(), seed)));
        let records = || (self.subject.record(), data_record(self.path, self.data));
        let (subject, data) = self.records.get_or_init(records).clone();
        let exhibits = protocol.exhibits(self, &judgement)?;
        Ok(Verdict { exhibits, ..Verdict::new(protocol.id, judgement, subject, data) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocols::find;

    fn asked(amounts: &[LabelAmount], seeds: &[u64]) -> LabelsAsked {
        LabelsAsked { amounts: amounts.into(), choice: LabelChoice::Random, seeds: seeds.into(), seed: 7 }
    }

    #[test]
    fn every_amount_meets_every_seed_but_all_labels_come_once() {
        let [few, all] = [0.1, 1.0].map(LabelAmount::Share);
        let draws = |amounts: &[LabelAmount], seeds: &[u64]| -> Vec<(LabelAmount, u64)> {
            let draws = asked(amounts, seeds).draws().unwrap();
            draws.iter().map(|draw| (draw.amount, draw.seed)).collect()
        };
        assert_eq!(draws(&[few, all], &[3, 0]), [(few, 3), (few, 0), (all, 3)]);
        assert_eq!(draws(&[few], &[]), [(few, 7)]);
        assert_eq!(asked(&[], &[]).draws().unwrap(), [LabelDraw::ALL]);
        assert!(matches!(asked(&[], &[3]).draws(), Err(LabError::NothingDrawn)));
    }

    #[test]
    fn what_learns_from_labels_is_repeated_with_draws_and_all_else_with_seeds() {
        let few = asked(&[LabelAmount::PerClass(5)], &[3, 0]);
        assert_eq!(few.repeat(find("knn").unwrap()).unwrap().labels.len(), 2);
        let error = few.repeat(find("health").unwrap()).unwrap_err();
        assert_eq!(error.to_string(), "health does not learn from a share of the labels");
        let seeds = asked(&[], &[3, 0]).repeat(find("health").unwrap()).unwrap();
        assert_eq!(seeds, Repeat { seeds: vec![3, 0], ..Repeat::default() });
    }
}
