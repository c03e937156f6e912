//! What a training holds in memory, estimated before it takes any.

use serde::Serialize;
use twinlens_data::available_memory;
use twinlens_nn::encoders::{EncoderSettings, Stem, StemChoice};
use twinlens_ssl::LearnerSize;

use super::JobError;

/// Bytes that a training holds at once beside the data set, at most, as far as its settings tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct MemoryNeed {
    /// The network's maps of a batch, and what is computed of them.
    pub maps: u64,
    /// Weights, their gradients, the optimiser's moments, and a checkpoint while it is written.
    pub weights: u64,
    /// Views made ahead of the steps.
    pub views: u64,
    /// The program itself.
    pub program: u64,
}

/// What decides how much a training holds.
#[derive(Clone, Debug)]
pub(super) struct Demand {
    /// The encoder, with its stem.
    pub(super) encoder: EncoderSettings,
    /// Channels of the images.
    pub(super) channels: usize,
    /// Images in a batch.
    pub(super) batch: usize,
    /// Sides of the views of an image.
    pub(super) sides: Vec<usize>,
    /// Parameters, and what the method keeps beside them.
    pub(super) size: LearnerSize,
    /// Whether all this is in the memory that the processor works in. That of other devices nobody tells.
    pub(super) on_cpu: bool,
}

/// Bytes for each number of a map: the number itself, its gradient while it is needed, and what kernels work in. Steps of encoders
/// of every kind took 5.4 to 7.6 (`docs/developers/performance.md`): the most counts.
const MAP_BYTES: f64 = 7.6;
/// Bytes for each parameter: value, gradient, two moments, and these again but for the gradient while a checkpoint is written.
const PARAMETER_BYTES: u64 = 28;
/// Bytes for each number of a method's state: the number, and itself again in a checkpoint.
const STATE_BYTES: u64 = 8;
/// Batches of views that are made ahead.
const BATCHES_AHEAD: u64 = 3;
/// The program with its threads.
const PROGRAM: u64 = 96 << 20;
/// Sides of views that are proposed, from the largest on.
const SIDES: [usize; 6] = [128, 96, 64, 48, 32, 28];
/// The smallest batch that is proposed.
const LEAST_BATCH: usize = 16;

impl MemoryNeed {
    /// All of it.
    pub fn total(&self) -> u64 {
        self.maps + self.weights + self.views + self.program
    }
}

impl Demand {
    pub(super) fn need(&self) -> MemoryNeed {
        let network = self.encoder.describe();
        let maps: usize = self.sides.iter().map(|&side| network.map_values(self.channels, side)).sum();
        let pixels: usize = self.sides.iter().map(|&side| side * side * self.channels).sum();
        MemoryNeed {
            maps: (MAP_BYTES * (self.batch * maps) as f64) as u64,
            weights: PARAMETER_BYTES * self.size.parameters as u64 + STATE_BYTES * self.size.state as u64,
            views: BATCHES_AHEAD * 4 * (self.batch * pixels) as u64,
            program: PROGRAM,
        }
    }

    /// Refuses what does not fit into the memory that is there.
    ///
    /// # Errors
    /// [`JobError::NoMemory`], with what would fit.
    pub(super) fn check(&self) -> Result<(), JobError> {
        let (needed, available) = (self.need().total(), available_memory());
        if needed <= available || !self.on_cpu {
            return Ok(());
        }
        Err(JobError::NoMemory { needed, available, fitting: self.fitting(available) })
    }

    /// Settings of which each alone would make it fit.
    fn fitting(&self, available: u64) -> Vec<String> {
        let fits = |demand: &Demand| demand.need().total() <= available;
        let batches = std::iter::successors(Some(self.batch / 2), |batch| Some(batch / 2));
        let batch = batches
            .take_while(|batch| *batch >= LEAST_BATCH)
            .find(|&batch| fits(&Demand { batch, ..self.clone() }))
            .map(|batch| format!("batch={batch}"));
        let size = self.smaller().find(|&side| fits(&self.at(side))).map(|side| self.named(side));
        let large = Demand { encoder: self.encoder.with_stem(Stem::Imagenet), ..self.clone() };
        let stem = large.encoder != self.encoder && fits(&large);
        let stem = stem.then(|| "encoder.stem=imagenet".to_owned());
        [batch, size, stem].into_iter().flatten().collect()
    }

    /// The settings that make views of that side and change nothing else: with small ones another stem would come, which needs more.
    fn named(&self, side: usize) -> String {
        let (now, then) = (self.encoder.stem(), StemChoice::Auto.at(side));
        let changes = now == Stem::Imagenet && then != now;
        format!("size={side}{}", if changes { " encoder.stem=imagenet" } else { "" })
    }

    /// Smaller sides of the largest view, from the largest on.
    pub(super) fn smaller(&self) -> impl Iterator<Item = usize> + use<> {
        let largest = self.sides.iter().copied().max().unwrap_or_default();
        SIDES.into_iter().filter(move |side| *side < largest)
    }

    /// With views whose largest has this side, the others in proportion.
    fn at(&self, side: usize) -> Demand {
        let largest = self.sides.iter().copied().max().unwrap_or(1).max(1);
        Demand { sides: self.sides.iter().map(|one| one * side / largest).collect(), ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use twinlens_nn::encoders::EncoderSettings;

    use super::*;

    fn demand(encoder: &str, batch: usize, side: usize) -> Demand {
        Demand {
            encoder: EncoderSettings::named(encoder).unwrap(),
            channels: 3,
            batch,
            sides: vec![side, side],
            size: LearnerSize { parameters: 14_000_000, state: 0 },
            on_cpu: true,
        }
    }

    #[test]
    fn needs_lie_above_what_steps_were_seen_to_take_and_not_far() {
        // Peaks of two steps in MiB, without images; see docs/developers/performance.md.
        for (encoder, stem, side, batch, peak) in [
            ("resnet18", Stem::Cifar, 32, 64, 1105),
            ("resnet18", Stem::Cifar, 32, 16, 498),
            ("resnet18", Stem::Imagenet, 64, 128, 1074),
            ("resnet18", Stem::Imagenet, 128, 64, 1844),
            ("resnet18", Stem::Imagenet, 28, 256, 622),
        ] {
            let mut demand = demand(encoder, batch, side);
            demand.encoder = demand.encoder.with_stem(stem);
            let need = demand.need().total() >> 20;
            assert!((peak..peak * 8 / 5).contains(&need), "{encoder} {side} {batch}: {need} for {peak}");
        }
    }

    #[test]
    fn what_would_fit_is_proposed() {
        let large = demand("resnet18", 128, 360);
        let need = large.need().total();
        let told = large.fitting(need / 4);
        assert_eq!(told.len(), 3, "{told:?}");
        let fits = |demand: Demand| demand.need().total() <= need / 4;
        let number = |text: &str| text.rsplit('=').next().unwrap().parse::<usize>().unwrap();
        assert!(
            fits(demand("resnet18", number(&told[0]), 360))
                && fits(demand("resnet18", 128, number(&told[1])))
        );
        assert!(!fits(demand("resnet18", 2 * number(&told[0]), 360)), "{told:?}");
        assert_eq!(told[2], "encoder.stem=imagenet");
        assert!(large.fitting(0).is_empty());
        assert!(matches!(demand("resnet18", 1 << 30, 360).check(), Err(JobError::NoMemory { .. })));
        demand("resnet18", 2, 8).check().unwrap();
    }
}
