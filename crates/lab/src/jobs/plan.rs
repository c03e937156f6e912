//! What a training would take, before it is made.

use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System};

/// What a training would take, found by two steps of each of its stages.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Batches in an epoch.
    pub steps_per_epoch: usize,
    /// Its stages in order; a pre-training is a single one.
    pub stages: Vec<PlannedStage>,
    /// Parameters of the network, whether they learn or not.
    pub parameters: usize,
    /// About the size of a checkpoint in bytes.
    pub checkpoint_bytes: u64,
    /// Bytes of memory that the process held after the steps, where the system tells.
    pub memory_bytes: Option<u64>,
}

/// What a stage of a training would take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlannedStage {
    /// Its epochs.
    pub epochs: usize,
    /// Seconds of a step, without looks at held-out images.
    pub seconds_per_step: f64,
    /// Parameters that learn in it.
    pub trained: usize,
}

impl Plan {
    /// Steps in all.
    pub fn steps(&self) -> usize {
        self.steps_per_epoch * self.stages.iter().map(|stage| stage.epochs).sum::<usize>()
    }

    /// Seconds of all steps: `sum of epochs * steps_per_epoch * seconds_per_step` over the stages.
    pub fn seconds(&self) -> f64 {
        let of = |stage: &PlannedStage| (stage.epochs * self.steps_per_epoch) as f64 * stage.seconds_per_step;
        self.stages.iter().map(of).sum()
    }

    /// Bytes of parameters, their gradients and two moments, four each.
    pub fn learning_bytes(&self) -> u64 {
        self.parameters as u64 * 16
    }
}

/// About the size of a checkpoint that keeps so many lists of as many numbers as there are parameters, four bytes each.
pub(super) fn checkpoint_bytes(lists: u64, parameters: usize) -> u64 {
    lists * 4 * parameters as u64
}

/// Bytes of memory that this process holds, where the system tells.
pub fn memory_held() -> Option<u64> {
    let (mut system, this) = (System::new(), sysinfo::get_current_pid().ok()?);
    let memory = ProcessRefreshKind::nothing().with_memory();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[this]), false, memory);
    Some(system.process(this)?.memory())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_and_seconds_are_those_of_all_stages() {
        let stage = |epochs, seconds_per_step| PlannedStage { epochs, seconds_per_step, trained: 1 };
        let plan = Plan {
            steps_per_epoch: 3,
            stages: vec![stage(2, 0.5), stage(1, 2.0)],
            parameters: 10,
            checkpoint_bytes: checkpoint_bytes(3, 10),
            memory_bytes: None,
        };
        assert_eq!((plan.steps(), plan.seconds()), (9, 9.0));
        assert_eq!((plan.learning_bytes(), plan.checkpoint_bytes), (160, 120));
    }

    #[test]
    fn the_memory_held_is_more_than_nothing() {
        assert!(memory_held().is_none_or(|held| held > 1 << 20));
    }
}
