//! SimSiam: BYOL's predictor without a target network; the other view gets no gradient.

use twinlens_nn::heads::Mlp;
use twinlens_nn::weights::Scope;

use super::{Batch, Method, Network, Output, Rate, Widths, predictor, projector, two};
use crate::Settings;
use crate::objectives::simsiam;

/// The predictor's learning rate stays constant (section 4 of the paper): it should keep up with the latest embeddings.
#[derive(Debug)]
pub(super) struct Simsiam {
    projector: Mlp,
    predictor: Mlp,
}

impl Simsiam {
    pub(super) fn new(settings: &Settings, scope: &mut Scope<'_>, widths: Widths) -> Simsiam {
        let projector = projector(&settings.projector, scope, widths.features);
        let predictor = predictor(&settings.predictor, scope, settings.projector.output_dim);
        Simsiam { projector, predictor }
    }
}

impl Method for Simsiam {
    fn forward(&mut self, network: &mut Network<'_>, batch: Batch, _epoch: usize) -> Output {
        let z = network.project(&self.projector, batch.views);
        let p = network.apply(z.clone(), |pass, z| self.predictor.forward(pass, z));
        Output::new(simsiam(two(&p), two(&z)), &z[0])
    }

    fn rate(&self, name: &str, _epoch: usize) -> Rate {
        if name.starts_with("predictor.") { Rate::Constant } else { Rate::Scheduled }
    }

    fn collapse_advice(&self) -> &'static str {
        "SimSiam collapses when its predictor falls behind or its projector does not end in batch normalisation: set \
         projector.last_norm=\"batch_norm_without_affine\", narrow predictor.hidden_dim, or change optim.lr"
    }
}
