//! Judging itself: a protocol is asked once for each draw of labels, or each seed, and its judgements become verdicts.

use twinlens_eval::Judgement;

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
        let exhibits = protocol.exhibits(self, &judgement.outcome)?;
        Ok(Verdict { exhibits, ..Verdict::new(protocol.id, judgement, subject, data) })
    }
}
