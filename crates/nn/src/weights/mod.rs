//! Named parameters and buffers of a network, in the order in which the network declares them.
//!
//! Inside, every entry is a flat tensor in the program's own order (channels last); at the door, in
//! [`Weights::export`] and [`Weights::import`], entries have torchvision's names, shapes and order:
//!
//! | entry | torchvision | inside |
//! |---|---|---|
//! | convolution | `[out, in, kh, kw]` | `[kh, kw, in, out]` |
//! | linear | `[out, in]` | `[in, out]` |
//! | anything else | as it is | as it is |

mod adapt;
mod detectron2;
mod file;
mod order;
mod published;
mod torch;

pub use adapt::{adapt_channels, adapt_statistics};
pub use detectron2::write_detectron2;
pub use file::{
    EncoderDescription, EncoderFile, parse_safetensors, read_safetensors, read_weights, write_safetensors,
};
pub use order::WeightOrder;
pub use published::{IMAGENET_MEAN, IMAGENET_SIZE, IMAGENET_STD, PUBLISHED, Published};

use std::collections::BTreeMap;
use std::fmt::Display;

use burn::tensor::{Device, Tensor, TensorData};
use twinlens_random::{Purpose, Stream};

use crate::ops::read;
use crate::{NnError, Precision};

/// The place of an entry in its [`Weights`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Id(usize);

/// How an entry starts.
#[derive(Clone, Copy, Debug)]
pub enum Init {
    /// Every value the same.
    Constant(f32),
    /// Normal with the given standard deviation.
    Normal(f64),
    /// Uniform in `[-bound, bound)`.
    Uniform(f64),
}

/// Whether training changes an entry by its gradient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Trained by the optimiser.
    Parameter,
    /// Carried along, such as running statistics.
    Buffer,
}

/// One named tensor.
#[derive(Clone, Debug)]
pub struct Entry {
    name: String,
    shape: Vec<usize>,
    order: WeightOrder,
    role: Role,
    trainable: bool,
    fixed: bool,
    value: Tensor<1>,
}

impl Entry {
    /// The full name, torchvision's where torchvision has this network.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The shape in torchvision's order.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Whether the optimiser changes this entry.
    pub fn is_trainable(&self) -> bool {
        self.trainable
    }

    /// Parameter or buffer.
    pub fn role(&self) -> Role {
        self.role
    }

    /// The flat value in the program's order, ready for gradients if trainable.
    pub fn value(&self) -> &Tensor<1> {
        &self.value
    }

    /// Replaces the value by one of the same length.
    pub fn set_value(&mut self, value: Tensor<1>) {
        let value = value.without_autodiff().autodiff();
        self.value = if self.trainable { value.require_grad() } else { value };
    }

    /// Replaces the value by what `change` makes of it, as a constant of the same length. Nothing here holds the old
    /// value meanwhile, so that it can be changed in place.
    pub fn change(&mut self, change: impl FnOnce(Tensor<1>) -> Tensor<1>) {
        let nothing = Tensor::zeros([1], &self.value.device().without_autodiff());
        let value = std::mem::replace(&mut self.value, nothing).without_autodiff();
        self.set_value(change(value));
    }
}

/// One tensor as files hold it.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedTensor {
    /// Rows first, in torchvision's order.
    pub shape: Vec<usize>,
    /// The values.
    pub values: Vec<f32>,
}

/// The named parameters and buffers of one network.
#[derive(Clone, Debug)]
pub struct Weights {
    entries: Vec<Entry>,
    /// `None` if every entry starts at 0.
    seed: Option<u64>,
    device: Device,
}

impl Weights {
    /// An empty list; entries added later start from `seed` on `device`.
    pub fn new(seed: u64, device: &Device) -> Weights {
        Weights { entries: Vec::new(), seed: Some(seed), device: device.clone().without_autodiff() }
    }

    /// An empty list whose entries start at 0: for names and shapes, or weights that come from a file.
    pub fn zeroed(device: &Device) -> Weights {
        Weights { entries: Vec::new(), seed: None, device: device.clone().without_autodiff() }
    }

    /// Where new parts of the network declare their entries.
    pub fn root(&mut self) -> Scope<'_> {
        Scope { weights: self, prefix: String::new() }
    }

    /// The device that holds the values.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// All entries, in order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// All entries, in order, to be changed.
    pub fn entries_mut(&mut self) -> &mut [Entry] {
        &mut self.entries
    }

    /// The entry at `id`.
    pub fn entry(&self, id: Id) -> &Entry {
        &self.entries[id.0]
    }

    /// Replaces the value at `id`.
    pub fn set(&mut self, id: Id, value: Tensor<1>) {
        self.entries[id.0].set_value(value);
    }

    /// The number of trained values.
    pub fn parameter_count(&self) -> usize {
        self.entries
            .iter()
            .filter(|e| e.role == Role::Parameter)
            .map(|e| e.shape.iter().product::<usize>())
            .sum()
    }

    /// Lets training change only the parameters for which `keep` is true of their name.
    pub fn train_only(&mut self, keep: impl Fn(&str) -> bool) {
        for entry in &mut self.entries {
            entry.trainable = entry.role == Role::Parameter && keep(&entry.name);
            let value = entry.value.clone();
            entry.set_value(value);
        }
    }

    /// Fixes the buffers for which `fix` is true of their name, and no others: batch norms use these running statistics
    /// as they are, in training too.
    pub fn fix_buffers(&mut self, fix: impl Fn(&str) -> bool) {
        for entry in &mut self.entries {
            entry.fixed = entry.role == Role::Buffer && fix(&entry.name);
        }
    }

    /// The entries whose names start with `prefix`, that prefix removed, as files hold them.
    pub fn export(&self, prefix: &str) -> BTreeMap<String, NamedTensor> {
        let belongs = |entry: &Entry| entry.name.strip_prefix(prefix).map(str::to_owned);
        let tensor = |entry: &Entry| {
            let values = entry.order.to_torch(&entry.shape, &read(entry.value.clone()));
            NamedTensor { shape: entry.shape.clone(), values }
        };
        self.entries.iter().filter_map(|entry| Some((belongs(entry)?, tensor(entry)))).collect()
    }

    /// Fills the entries whose names start with `prefix` from `source`, which holds them without it.
    ///
    /// Names in `source` that no entry has (a classifier, say) are left unused and returned.
    ///
    /// # Errors
    /// An entry without a source, another shape, NaN or infinity. Nothing is changed then.
    pub fn import(
        &mut self,
        prefix: &str,
        source: &BTreeMap<String, NamedTensor>,
    ) -> Result<Vec<String>, NnError> {
        let mut unused: Vec<String> = source.keys().cloned().collect();
        let mut staged = Vec::new();
        for (index, entry) in self.entries.iter().enumerate() {
            let Some(name) = entry.name.strip_prefix(prefix) else { continue };
            let tensor = source.get(name).ok_or_else(|| missing(name, source))?;
            check(name, entry, tensor)?;
            unused.retain(|other| other != name);
            staged.push((index, entry.order.from_torch(&entry.shape, &tensor.values)));
        }
        for (index, values) in staged {
            let value = tensor(values, &self.device);
            self.entries[index].set_value(value);
        }
        Ok(unused)
    }
}

/// The error of an entry that `source` does not have.
pub(crate) fn missing(name: &str, source: &BTreeMap<String, NamedTensor>) -> NnError {
    let example = source.keys().take(3).cloned().collect::<Vec<_>>().join(", ");
    NnError::MissingWeight { name: name.into(), found: source.len(), example }
}

fn check(name: &str, entry: &Entry, tensor: &NamedTensor) -> Result<(), NnError> {
    if tensor.shape != entry.shape {
        let (expected, got) = (entry.shape.clone(), tensor.shape.clone());
        return Err(NnError::WeightShape { name: name.into(), expected, got });
    }
    match tensor.values.iter().position(|value| !value.is_finite()) {
        Some(position) => {
            Err(NnError::WeightValue { name: name.into(), position, value: tensor.values[position] })
        }
        None => Ok(()),
    }
}

fn tensor(values: Vec<f32>, device: &Device) -> Tensor<1> {
    let length = values.len();
    Tensor::from_data(TensorData::new(values, [length]), device)
}

/// A place in the tree of names where a part of a network declares its entries.
#[derive(Debug)]
pub struct Scope<'a> {
    weights: &'a mut Weights,
    prefix: String,
}

impl Scope<'_> {
    /// The place `name` below this one.
    pub fn at(&mut self, name: impl Display) -> Scope<'_> {
        let prefix = format!("{}{name}.", self.prefix);
        Scope { weights: self.weights, prefix }
    }

    /// All entries declared so far, in every scope.
    pub fn weights(&self) -> &Weights {
        self.weights
    }

    /// Declares a trained parameter of torchvision shape `shape`.
    pub fn parameter(&mut self, name: &str, shape: &[usize], order: WeightOrder, init: Init) -> Id {
        self.add(name, shape, order, Role::Parameter, init)
    }

    /// Declares a buffer: carried and saved, never trained.
    pub fn buffer(&mut self, name: &str, shape: &[usize], init: Init) -> Id {
        self.add(name, shape, WeightOrder::Plain, Role::Buffer, init)
    }

    fn add(&mut self, name: &str, shape: &[usize], order: WeightOrder, role: Role, init: Init) -> Id {
        let index = self.weights.entries.len();
        let length = shape.iter().product();
        let stream = |seed| Stream::new(seed, Purpose::Weights, [index as u32, 0, 0]);
        let values = match self.weights.seed {
            Some(seed) => initial(init, length, stream(seed)),
            None => vec![0.0; length],
        };
        let value = tensor(values, &self.weights.device);
        let mut entry = Entry {
            name: format!("{}{name}", self.prefix),
            shape: shape.to_vec(),
            order,
            role,
            trainable: role == Role::Parameter,
            fixed: false,
            value: value.clone(),
        };
        entry.set_value(value);
        self.weights.entries.push(entry);
        Id(index)
    }
}

fn initial(init: Init, length: usize, mut stream: Stream) -> Vec<f32> {
    match init {
        Init::Constant(value) => vec![value; length],
        Init::Normal(std) => (0..length).map(|_| (std * stream.normal()) as f32).collect(),
        Init::Uniform(bound) => (0..length).map(|_| stream.range(-bound, bound) as f32).collect(),
    }
}

/// Weights in use: which ones, and whether in training or evaluation.
#[derive(Debug)]
pub struct Pass<'a> {
    weights: &'a mut Weights,
    training: bool,
    tracked: bool,
    precision: Precision,
    /// Step and view of the noise, if there is any.
    noise: Option<[u32; 2]>,
}

impl<'a> Pass<'a> {
    /// Training: batch statistics, running statistics updated, gradients recorded.
    pub fn train(weights: &'a mut Weights) -> Pass<'a> {
        Pass { weights, training: true, tracked: true, precision: Precision::F32, noise: None }
    }

    /// Evaluation: running statistics, nothing recorded.
    pub fn evaluate(weights: &'a mut Weights) -> Pass<'a> {
        Pass { weights, training: false, tracked: false, precision: Precision::F32, noise: None }
    }

    /// Batch statistics as in training, nothing recorded: a target network.
    pub fn constant(weights: &'a mut Weights) -> Pass<'a> {
        Pass { weights, training: true, tracked: false, precision: Precision::F32, noise: None }
    }

    /// Frozen statistics with gradients, as in fine-tuning with fixed batch norm.
    pub fn frozen_statistics(weights: &'a mut Weights) -> Pass<'a> {
        Pass { weights, training: false, tracked: true, precision: Precision::F32, noise: None }
    }

    /// Lets convolutions and linear layers multiply numbers of this precision, single precision where it is not said. The maps
    /// of ResNet and VGG are kept in it, too (see [`crate::ops::in_precision`]); all else, from weights and statistics to
    /// features and losses, is in single precision.
    pub fn with_precision(self, precision: Precision) -> Pass<'a> {
        Pass { precision, ..self }
    }

    /// What convolutions and linear layers multiply.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Lets layers with noise of their own (stochastic depth) draw it, as a function of the weights' seed, the training
    /// step and the view's number in it. Without this, and outside of training, they draw none.
    pub fn with_noise(self, step: u32, view: u32) -> Pass<'a> {
        Pass { noise: Some([step, view]), ..self }
    }

    /// The noise of layer number `layer`, in training with noise.
    pub fn noise(&self, layer: u32) -> Option<Stream> {
        let [step, view] = self.noise.filter(|_| self.training)?;
        Some(Stream::new(self.weights.seed?, Purpose::Network, [step, view, layer]))
    }

    /// Whether batch statistics are used and running statistics updated.
    pub fn is_training(&self) -> bool {
        self.training
    }

    /// Whether the buffer `id` stays as it is, see [`Weights::fix_buffers`].
    pub fn is_fixed(&self, id: Id) -> bool {
        self.weights.entry(id).fixed
    }

    /// The entry `id` as a tensor of the program's shape `shape`.
    pub fn tensor<const D: usize>(&self, id: Id, shape: [usize; D]) -> Tensor<D> {
        let value = self.weights.entry(id).value.clone();
        let value = if self.tracked { value } else { value.without_autodiff() };
        value.reshape(shape)
    }

    /// Replaces the buffer `id`.
    pub fn set_buffer(&mut self, id: Id, value: Tensor<1>) {
        self.weights.set(id, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> Weights {
        let mut weights = Weights::new(1, &Device::flex());
        let mut root = weights.root();
        root.at("conv").parameter("weight", &[2, 3, 1, 1], WeightOrder::Convolution, Init::Normal(1.0));
        root.at("conv").parameter("bias", &[2], WeightOrder::Plain, Init::Constant(0.5));
        root.at("norm").buffer("running_mean", &[2], Init::Constant(0.0));
        weights
    }

    #[test]
    fn export_and_import_are_inverse_and_ignore_strangers() {
        let mut weights = small();
        let mut exported = weights.export("");
        exported.insert("fc.weight".into(), NamedTensor { shape: vec![1], values: vec![1.0] });
        let mut other = Weights::new(2, &Device::flex());
        other.root().at("conv").parameter(
            "weight",
            &[2, 3, 1, 1],
            WeightOrder::Convolution,
            Init::Constant(0.0),
        );
        assert_eq!(
            other.import("", &exported).unwrap(),
            ["conv.bias", "fc.weight", "norm.running_mean"].map(String::from)
        );
        assert_eq!(other.export("")["conv.weight"], exported["conv.weight"]);
        assert_eq!(weights.import("", &exported).unwrap(), ["fc.weight"]);
        assert_eq!(weights.parameter_count(), 8);
    }

    #[test]
    fn import_refuses_missing_misshapen_and_nan_and_changes_nothing() {
        let mut weights = small();
        let good = weights.export("");
        let mut missing = good.clone();
        missing.remove("conv.bias");
        let mut misshapen = good.clone();
        misshapen.insert("conv.bias".into(), NamedTensor { shape: vec![3], values: vec![0.0; 3] });
        let mut nan = good.clone();
        nan.insert("conv.bias".into(), NamedTensor { shape: vec![2], values: vec![0.0, f32::NAN] });
        for (source, word) in
            [(missing, "no entry `conv.bias`"), (misshapen, "shape [3]"), (nan, "position 1")]
        {
            let error = weights.import("", &source).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
            assert_eq!(weights.export(""), good);
        }
    }

    #[test]
    fn freezing_takes_parameters_out_of_training_and_back() {
        let mut weights = small();
        let trainable = |w: &Weights| w.entries().iter().filter(|e| e.is_trainable()).count();
        assert_eq!(trainable(&weights), 2);
        weights.train_only(|name| name.ends_with("bias"));
        assert_eq!(trainable(&weights), 1);
        assert!(!weights.entries()[0].value().is_require_grad());
        weights.train_only(|_| true);
        assert_eq!(trainable(&weights), 2);
        assert!(weights.entries()[0].value().is_require_grad());
    }
}
