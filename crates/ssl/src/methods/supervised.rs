//! Supervised learning, for comparison: a linear classifier on the features.

use std::ops::RangeInclusive;

use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_nn::layers::Linear;
use twinlens_nn::weights::Scope;

use super::method::{Batch, Ground, MANY, Method, MethodConfig, Output, Registered};
use super::network::Network;
use crate::objectives::{Loss, assigned_cross_entropy};
use crate::problems::Problems;

/// Settings of supervised learning: none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SupervisedSettings {}

impl Registered for SupervisedSettings {
    const SUMMARY: &'static str = "a linear classifier on the features learns the labels, for comparison";
    const PAPER: &'static str = "cross-entropy, as in He et al., CVPR 2016, arXiv:1512.03385";
    const LOSS: &'static str = "ln(classes) where nothing is known; 0 where every training image is right";
}

impl MethodConfig for SupervisedSettings {
    fn labels(&self) -> bool {
        true
    }

    fn views(&self) -> RangeInclusive<usize> {
        1..=MANY
    }

    fn check(&self, _problems: &mut Problems) {}

    fn build(&self, scope: &mut Scope<'_>, ground: Ground) -> Box<dyn Method> {
        let classes = ground.classes.max(1);
        Box::new(Supervised {
            classifier: Linear::new(&mut scope.at("classifier"), ground.features, classes, true),
        })
    }
}

/// Cross-entropy over all views; images without a label do not count.
#[derive(Debug)]
struct Supervised {
    classifier: Linear,
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
