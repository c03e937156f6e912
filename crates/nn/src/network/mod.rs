//! A network as data: stages of layers. The forward pass, the maps of stages, the blocks of fine-tuning and the ONNX export
//! are all read from this one description.
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use twinlens_nn::layers::{BatchNorm, Conv2d};
//! use twinlens_nn::network::{Encoder, Layer, Stage};
//! use twinlens_nn::weights::{Pass, Scope, Weights};
//!
//! fn convolution(scope: &mut Scope<'_>, channels: [usize; 2], stride: usize) -> Vec<Layer> {
//!     let conv = Conv2d::new(&mut scope.at("conv"), channels, 3, stride, 1);
//!     let norm = BatchNorm::new(&mut scope.at("bn"), channels[1]);
//!     vec![Layer::Conv(conv), Layer::BatchNorm { norm, relu: true }]
//! }
//!
//! let mut weights = Weights::new(0, &Device::flex());
//! let mut root = weights.root();
//! let small = Stage::new("layer1", 8).module(&mut root, "layer1", |scope| convolution(scope, [3, 8], 1));
//! let large = Stage::new("layer2", 16).module(&mut root, "layer2", |scope| convolution(scope, [8, 16], 2));
//! let encoder = Encoder::new(vec![small, large]);
//!
//! let images = Tensor::<4>::zeros([5, 12, 12, 3], &Device::flex());
//! let mut pass = Pass::evaluate(&mut weights);
//! assert_eq!(encoder.forward(&mut pass, images.clone()).dims(), [5, 16]);
//! let (until, _) = encoder.split_after("layer1")?;
//! assert_eq!(until.forward_map(&mut pass, images).dims(), [5, 12, 12, 8]);
//! # Ok::<(), twinlens_nn::NnError>(())
//! ```

mod footprint;
mod layer;
#[cfg(test)]
mod tests;

use std::fmt::Display;

use burn::tensor::Tensor;

pub use layer::{Layer, LayerScale, PixelLayer, Residual};

use crate::weights::{Id, Pass, Scope};
use crate::{NnError, ops};

/// A network without its classifier: images in, features out.
///
/// The features are the average of the last stage's map over its pixels, and what the head makes of it, if there is one.
#[derive(Clone, Debug)]
pub struct Encoder {
    stages: Vec<Stage>,
    /// On the averaged map.
    head: Vec<PixelLayer>,
    /// The modules that hold the head's weights.
    head_modules: Vec<String>,
    features: usize,
}

/// Layers that end in a map with a name, and what fine-tuning trains or freezes together.
#[derive(Clone, Debug)]
pub struct Stage {
    name: String,
    channels: usize,
    modules: Vec<String>,
    layers: Vec<Layer>,
}

impl Stage {
    /// An empty stage whose last map has `channels` channels and is called `name`, as torchvision calls the module that gives it.
    pub fn new(name: impl Into<String>, channels: usize) -> Stage {
        Stage { name: name.into(), channels, modules: Vec::new(), layers: Vec::new() }
    }

    /// With the layers of the module `name`, whose weights are declared below that name in `scope`.
    pub fn module(
        mut self,
        scope: &mut Scope<'_>,
        name: impl Display,
        layers: impl FnOnce(&mut Scope<'_>) -> Vec<Layer>,
    ) -> Stage {
        self.layers.extend(layers(&mut scope.at(&name)));
        self.modules.push(name.to_string());
        self
    }

    /// With a layer that has no weights.
    pub fn layer(mut self, layer: Layer) -> Stage {
        self.layers.push(layer);
        self
    }

    /// What its last map is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Channels of its last map.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// In the order of computation.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }
}

impl Encoder {
    /// The stages, from the images on.
    pub fn new(stages: Vec<Stage>) -> Encoder {
        let features = stages.last().map_or(0, Stage::channels);
        Encoder { stages, head: Vec::new(), head_modules: Vec::new(), features }
    }

    /// With the layers of the module `name` on the averaged map; the last block holds their weights.
    pub fn head_module(
        mut self,
        scope: &mut Scope<'_>,
        name: impl Display,
        layers: impl FnOnce(&mut Scope<'_>) -> Vec<PixelLayer>,
    ) -> Encoder {
        let layers = layers(&mut scope.at(&name));
        self.head_modules.push(name.to_string());
        self.followed_by(layers)
    }

    /// The same with more layers on the features, whose weights belong to none of its blocks: a classifier.
    pub fn followed_by(mut self, layers: Vec<PixelLayer>) -> Encoder {
        self.features = layers.iter().filter_map(PixelLayer::outputs).next_back().unwrap_or(self.features);
        self.head.extend(layers);
        self
    }

    /// Width of the features.
    pub fn features(&self) -> usize {
        self.features
    }

    /// The stages, from the images to the features.
    pub fn stages(&self) -> &[Stage] {
        &self.stages
    }

    /// The layers on the averaged map.
    pub fn head(&self) -> &[PixelLayer] {
        &self.head
    }

    /// `x [N, H, W, C]` to features `[N, D]`, in single precision.
    pub fn forward(&self, pass: &mut Pass<'_>, x: Tensor<4>) -> Tensor<2> {
        let map = self.forward_map(pass, x);
        layer::on_rows(&self.head, pass, ops::global_average_pool(map))
    }

    /// `x [N, H, W, C]` to the map `[N, H', W', C']` of the last stage.
    pub fn forward_map(&self, pass: &mut Pass<'_>, x: Tensor<4>) -> Tensor<4> {
        self.stages.iter().fold(x, |x, stage| layer::on_maps(&stage.layers, pass, x))
    }

    /// `x [N, H, W, C]` to the maps `[N, H', W', C']` of all stages, in their order.
    pub fn forward_stages(&self, pass: &mut Pass<'_>, mut x: Tensor<4>) -> Vec<Tensor<4>> {
        let mut maps = Vec::with_capacity(self.stages.len());
        for stage in &self.stages {
            x = layer::on_maps(&stage.layers, pass, x);
            maps.push(x.clone());
        }
        maps
    }

    /// The network up to the stage called `stage`, without a head, and what follows: from that stage's map to the features.
    ///
    /// The features of the first are the average of the stage's map over its pixels. Both read the weights of the whole.
    ///
    /// # Errors
    /// A name that no stage has.
    pub fn split_after(&self, stage: &str) -> Result<(Encoder, Encoder), NnError> {
        let place = self.stages.iter().position(|known| known.name == stage);
        let place = place.ok_or_else(|| self.unknown(stage))?;
        let (until, after) = self.stages.split_at(place + 1);
        Ok((Encoder::new(until.to_vec()), Encoder { stages: after.to_vec(), ..self.clone() }))
    }

    fn unknown(&self, stage: &str) -> NnError {
        let names = || self.stages.iter().map(Stage::name);
        let nearest = names().min_by_key(|name| strsim::damerau_levenshtein(name, stage));
        NnError::UnknownStage {
            got: stage.to_owned(),
            nearest: nearest.unwrap_or_default().to_owned(),
            known: names().collect::<Vec<_>>().join(", "),
        }
    }

    /// The modules of each block, from the images to the features, by torchvision's names without the final dot: what can be
    /// trained or frozen together. Every stage is a block; the last holds the head, too. Every weight belongs to one
    /// block, see [`crate::encoders::is_within`].
    pub fn blocks(&self) -> Vec<Vec<String>> {
        let mut blocks: Vec<Vec<String>> = self.stages.iter().map(|stage| stage.modules.clone()).collect();
        match blocks.last_mut() {
            Some(last) => last.extend(self.head_modules.clone()),
            None => blocks.push(self.head_modules.clone()),
        }
        blocks
    }

    /// The scales of the norms that end residual branches, where a network has such norms.
    pub fn residual_scales(&self) -> Vec<Id> {
        self.stages.iter().flat_map(|stage| &stage.layers).filter_map(Layer::residual_scale).collect()
    }
}
