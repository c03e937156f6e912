//! A slow copy of the network: the exponential moving average of its weights.

use twinlens_nn::NnError;
use twinlens_nn::optim::{momentum_schedule, momentum_update};
use twinlens_nn::weights::{Scope, Weights};

use super::heads::TargetSettings;
use super::network::Network;
use super::state::MethodState;

/// What the names of its entries start with in a checkpoint.
const PREFIX: &str = "target/";

/// The weights of a target network.
///
/// Parameters follow the online network's after every step (`tau` from [`momentum_schedule`]); running statistics are
/// the target's own. It receives no gradients and uses batch statistics, as the online network does.
#[derive(Debug)]
pub(super) struct Target {
    weights: Weights,
    settings: TargetSettings,
    /// Whether the weights are a copy of the online network's: they become one at the first step, after any weights
    /// were imported.
    started: bool,
}

impl Target {
    /// Of everything that has been declared so far: encoder and projector, and no predictor if that comes later.
    pub(super) fn new(settings: &TargetSettings, scope: &Scope<'_>) -> Target {
        let mut weights = scope.weights().clone();
        weights.train_only(|_| false);
        Target { weights, settings: settings.clone(), started: false }
    }

    /// `online` with the target's weights.
    pub(super) fn network<'b>(&'b mut self, online: &'b Network<'_>) -> Network<'b> {
        if !self.started {
            let entries = self.weights.entries_mut().iter_mut().zip(online.weights().entries());
            entries.for_each(|(target, online)| target.set_value(online.value().clone()));
            self.started = true;
        }
        online.target(&mut self.weights)
    }

    /// After step number `step` of `total`.
    pub(super) fn follow(&mut self, online: &Weights, step: usize, total: usize) {
        let TargetSettings { base_momentum, final_momentum } = self.settings;
        let tau = momentum_schedule(base_momentum, final_momentum, step, total);
        momentum_update(&mut self.weights, online, tau);
    }

    pub(super) fn save(&self, state: &mut MethodState) {
        let named = self.weights.export("").into_iter();
        state.extend(named.map(|(name, tensor)| (format!("{PREFIX}{name}"), tensor)));
    }

    pub(super) fn load(&mut self, state: &MethodState) -> Result<(), NnError> {
        let inside = state
            .iter()
            .filter_map(|(name, tensor)| Some((name.strip_prefix(PREFIX)?.to_owned(), tensor.clone())));
        self.weights.import("", &inside.collect())?;
        self.started = true;
        Ok(())
    }
}
