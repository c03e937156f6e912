//! Supervised learning, for comparison: a linear classifier on the features.

use burn::tensor::Tensor;
use twinlens_nn::layers::Linear;
use twinlens_nn::weights::Scope;

use super::{Batch, Method, Network, Output, Widths};
use crate::Settings;
use crate::objectives::{Loss, assigned_cross_entropy};

/// Cross-entropy over all views; images without a label do not count.
#[derive(Debug)]
pub(super) struct Supervised {
    classifier: Linear,
}

impl Supervised {
    pub(super) fn new(_settings: &Settings, scope: &mut Scope<'_>, widths: Widths) -> Supervised {
        let classes = widths.classes.max(1);
        Supervised { classifier: Linear::new(&mut scope.at("classifier"), widths.features, classes, true) }
    }
}

impl Method for Supervised {
    fn forward(&mut self, network: &mut Network<'_>, batch: Batch, _epoch: usize) -> Output {
        let views = batch.views.len();
        let features = network.features(batch.views);
        let logits = network.apply(features.clone(), |pass, x| self.classifier.forward(pass, x));
        let loss = assigned_cross_entropy(Tensor::cat(logits, 0), &batch.labels.repeat(views));
        Output::new(Loss::new(loss, []), &features[0])
    }

    fn collapse_advice(&self) -> &'static str {
        "Supervised features collapse when the step is too large: lower optim.lr or lengthen schedule.warmup_epochs"
    }
}
