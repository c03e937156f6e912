//! BYOL: a predictor on top of the projector guesses the target network's projections.

use twinlens_nn::NnError;
use twinlens_nn::heads::Mlp;
use twinlens_nn::weights::{Scope, Weights};

use super::target::Target;
use super::{Batch, Method, Network, Output, State, Widths, predictor, projector, two};
use crate::Settings;
use crate::objectives::byol;

#[derive(Debug)]
pub(super) struct Byol {
    projector: Mlp,
    target: Target,
    predictor: Mlp,
}

impl Byol {
    pub(super) fn new(settings: &Settings, scope: &mut Scope<'_>, widths: Widths) -> Byol {
        let projector = projector(&settings.projector, scope, widths.features);
        let target = Target::new(&settings.target, scope);
        let predictor = predictor(&settings.predictor, scope, settings.projector.output_dim);
        Byol { projector, target, predictor }
    }
}

impl Method for Byol {
    fn forward(&mut self, network: &mut Network<'_>, batch: Batch, _epoch: usize) -> Output {
        let targets = self.target.network(network).project(&self.projector, batch.views.clone());
        let z = network.project(&self.projector, batch.views);
        let p = network.apply(z.clone(), |pass, z| self.predictor.forward(pass, z));
        Output::new(byol(two(&p), two(&targets)), &z[0])
    }

    fn after_step(&mut self, weights: &Weights, step: usize, total: usize) {
        self.target.follow(weights, step, total);
    }

    fn state(&self) -> State {
        let mut state = State::new();
        self.target.save(&mut state);
        state
    }

    fn restore(&mut self, state: &State) -> Result<(), NnError> {
        self.target.load(state)
    }

    fn collapse_advice(&self) -> &'static str {
        "BYOL collapses when its target follows too fast or its heads have no batch normalisation: raise \
         target.base_momentum, set projector.batch_norm=true, raise batch, or lower optim.lr"
    }
}
