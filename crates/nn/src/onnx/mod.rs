//! Encoders as ONNX models, for programs in other languages.
//!
//! The model takes `images` `[N, C, H, W]`, scaled to `[0, 1]` and normalised, and gives `features` `[N, D]`. `N` is
//! free; `H` and `W` are those of the encoder's description. Mean, deviation and origin are in the model's metadata.

mod protobuf;

use protobuf::Message;

use crate::encoders::Encoder;
use crate::weights::{EncoderDescription, Id, Weights};

/// The version of the operators: the first with layer normalisation.
const OPSET: u64 = 17;
/// The version of the file format that came with it.
const IR_VERSION: u64 = 8;
/// The element type of single precision.
const FLOAT: u64 = 1;

/// The bytes of an `.onnx` file of an encoder in evaluation mode.
///
/// `weights` are those of `encoder`, declared without a prefix. `None` for a network that has no such form.
pub fn write_onnx(
    encoder: &dyn Encoder,
    weights: &Weights,
    description: &EncoderDescription,
) -> Option<Vec<u8>> {
    let mut graph = Graph { weights, nodes: Vec::new(), initializers: Vec::new(), values: 0 };
    let size = [description.size; 2];
    let features =
        encoder.onnx(&mut graph, Map { name: "images".into(), channels: description.channels, size })?;
    graph.named_node("Identity", &[&features], Vec::new(), "features".into());
    graph.initializers.extend(weights.export("").iter().map(|(name, tensor)| {
        let shape: Vec<u64> = tensor.shape.iter().map(|&size| size as u64).collect();
        initializer(name, &shape, &tensor.values)
    }));
    let [height, width] = size.map(|side| Dimension::Size(side as u64));
    let images = [Dimension::Batch, Dimension::Size(description.channels as u64), height, width];
    let graph = Message::new()
        .messages(1, graph.nodes)
        .text(2, &description.encoder)
        .messages(5, graph.initializers)
        .message(11, value_info("images", &images))
        .message(
            12,
            value_info("features", &[Dimension::Batch, Dimension::Size(description.features as u64)]),
        );
    let list = |values: &[f32]| values.iter().map(f32::to_string).collect::<Vec<_>>().join(",");
    let list_of =
        |bounds: &[[f64; 2]]| bounds.iter().flatten().map(f64::to_string).collect::<Vec<_>>().join(",");
    let metadata = [
        ("mean", list(&description.mean)),
        ("std", list(&description.std)),
        ("origin", description.origin.clone()),
        ("range", description.range.as_ref().map(|range| list_of(&range.channels)).unwrap_or_default()),
    ];
    let model = Message::new()
        .int(1, IR_VERSION)
        .text(2, "twinlens")
        .text(3, env!("CARGO_PKG_VERSION"))
        .message(7, graph)
        .message(8, Message::new().int(2, OPSET))
        .messages(14, metadata.map(|(key, value)| Message::new().text(1, key).text(2, &value)));
    Some(model.finish())
}

/// Images `[N, channels, height, width]` on their way through a graph.
#[derive(Clone, Debug)]
pub struct Map {
    /// The value that holds them.
    pub name: String,
    /// Channels.
    pub channels: usize,
    /// Height and width.
    pub size: [usize; 2],
}

impl Map {
    /// The same shape under another name.
    pub(crate) fn renamed(&self, name: String) -> Map {
        Map { name, ..self.clone() }
    }
}

/// A named argument of an operator.
#[derive(Debug)]
pub(crate) enum Attribute {
    Int(u64),
    Ints(Vec<u64>),
    Float(f32),
}

/// The nodes of a model so far.
#[derive(Debug)]
pub struct Graph<'a> {
    weights: &'a Weights,
    nodes: Vec<Message>,
    initializers: Vec<Message>,
    values: usize,
}

impl Graph<'_> {
    /// Adds a node with one output and returns that output's name.
    pub(crate) fn node(
        &mut self,
        operator: &str,
        inputs: &[&str],
        attributes: Vec<(&str, Attribute)>,
    ) -> String {
        self.values += 1;
        let output = format!("{}_{}", operator.to_lowercase(), self.values);
        self.named_node(operator, inputs, attributes, output.clone());
        output
    }

    fn named_node(
        &mut self,
        operator: &str,
        inputs: &[&str],
        attributes: Vec<(&str, Attribute)>,
        output: String,
    ) {
        let node = inputs.iter().fold(Message::new(), |node, input| node.text(1, input));
        let node = node.text(2, &output).text(3, &output).text(4, operator);
        self.nodes.push(node.messages(5, attributes.into_iter().map(attribute)));
    }

    /// The name of a weight.
    pub(crate) fn weight(&self, id: Id) -> &str {
        self.weights.entry(id).name()
    }

    /// An array that is no weight.
    pub(crate) fn constant(&mut self, shape: &[u64], values: &[f32]) -> String {
        self.values += 1;
        let name = format!("constant_{}", self.values);
        self.initializers.push(initializer(&name, shape, values));
        name
    }

    /// `max(x, 0)`.
    pub(crate) fn relu(&mut self, x: &Map) -> Map {
        let name = self.node("Relu", &[&x.name], Vec::new());
        x.renamed(name)
    }

    /// As [`crate::ops::max_pool2d`].
    pub(crate) fn max_pool(&mut self, x: &Map, kernel: usize, stride: usize, padding: usize) -> Map {
        let attributes = windows([kernel; 2], [stride; 2], [padding; 2]);
        let name = self.node("MaxPool", &[&x.name], attributes);
        let size = x.size.map(|side| (side + 2 * padding - kernel) / stride + 1);
        Map { name, size, ..*x }
    }

    /// The mean over all pixels, `[N, channels]`.
    pub(crate) fn global_average_pool(&mut self, x: &Map) -> String {
        let pooled = self.node("GlobalAveragePool", &[&x.name], Vec::new());
        self.node("Flatten", &[&pooled], vec![("axis", Attribute::Int(1))])
    }

    /// The same numbers with their axes in another order.
    pub(crate) fn transpose(&mut self, x: &str, axes: &[u64]) -> String {
        self.node("Transpose", &[x], vec![("perm", Attribute::Ints(axes.to_vec()))])
    }

    /// As [`crate::ops::gelu`].
    pub(crate) fn gelu(&mut self, x: &str) -> String {
        let numbers = [std::f32::consts::SQRT_2, 1.0, 0.5];
        let [root, one, half] = numbers.map(|number| self.constant(&[], &[number]));
        let scaled = self.node("Div", &[x, &root], Vec::new());
        let erf = self.node("Erf", &[&scaled], Vec::new());
        let shifted = self.node("Add", &[&erf, &one], Vec::new());
        let doubled = self.node("Mul", &[x, &shifted], Vec::new());
        self.node("Mul", &[&doubled, &half], Vec::new())
    }
}

/// The attributes of an operator that moves a window over images.
pub(crate) fn windows(
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 2],
) -> Vec<(&'static str, Attribute)> {
    let ints = |values: &[usize]| Attribute::Ints(values.iter().map(|&value| value as u64).collect());
    vec![
        ("kernel_shape", ints(&kernel)),
        ("strides", ints(&stride)),
        ("pads", ints(&[padding, padding].concat())),
    ]
}

fn attribute((name, value): (&str, Attribute)) -> Message {
    let message = Message::new().text(1, name);
    match value {
        Attribute::Float(value) => message.float(2, value).int(20, 1),
        Attribute::Int(value) => message.int(3, value).int(20, 2),
        Attribute::Ints(values) => {
            values.into_iter().fold(message, |message, value| message.int(8, value)).int(20, 7)
        }
    }
}

fn initializer(name: &str, shape: &[u64], values: &[f32]) -> Message {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let tensor = shape.iter().fold(Message::new(), |tensor, &size| tensor.int(1, size));
    tensor.int(2, FLOAT).text(8, name).bytes(9, &bytes)
}

/// A side of an array.
enum Dimension {
    Batch,
    Size(u64),
}

fn value_info(name: &str, shape: &[Dimension]) -> Message {
    let dimension = |dimension: &Dimension| match dimension {
        Dimension::Batch => Message::new().text(2, "N"),
        Dimension::Size(size) => Message::new().int(1, *size),
    };
    let shape = Message::new().messages(1, shape.iter().map(dimension));
    let tensor = Message::new().int(1, FLOAT).message(2, shape);
    Message::new().text(1, name).message(2, Message::new().message(1, tensor))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use burn::tensor::Device;

    use super::*;
    use crate::encoders::{ENCODERS, EncoderSpec, Stem};

    /// A field of a message.
    enum Value<'a> {
        Number,
        Bytes(&'a [u8]),
    }

    /// The fields of a message, with their numbers.
    fn fields(mut bytes: &[u8]) -> Vec<(u64, Value<'_>)> {
        fn varint(bytes: &mut &[u8]) -> u64 {
            let end = bytes.iter().position(|byte| byte & 0x80 == 0).unwrap();
            let (number, rest) = bytes.split_at(end + 1);
            *bytes = rest;
            number.iter().rev().fold(0, |value, byte| value << 7 | u64::from(byte & 0x7f))
        }
        let mut fields = Vec::new();
        while !bytes.is_empty() {
            let key = varint(&mut bytes);
            let value = match key & 7 {
                0 => {
                    varint(&mut bytes);
                    Value::Number
                }
                kind => {
                    let len = if kind == 2 { varint(&mut bytes) as usize } else { 4 };
                    let (value, rest) = bytes.split_at(len);
                    bytes = rest;
                    Value::Bytes(value)
                }
            };
            fields.push((key >> 3, value));
        }
        fields
    }

    /// The values of one field that are bytes.
    fn all(message: &[u8], number: u64) -> Vec<&[u8]> {
        let wanted = |(field, value)| match value {
            Value::Bytes(bytes) if field == number => Some(bytes),
            _ => None,
        };
        fields(message).into_iter().filter_map(wanted).collect()
    }

    fn texts(message: &[u8], number: u64) -> Vec<String> {
        all(message, number).into_iter().map(|text| String::from_utf8(text.to_vec()).unwrap()).collect()
    }

    fn model(spec: &EncoderSpec, size: usize) -> (Vec<u8>, Weights) {
        let mut weights = Weights::zeroed(&Device::flex());
        let encoder = spec.build(&mut weights.root(), Stem::Imagenet, 2);
        let description = EncoderDescription {
            version: 2,
            encoder: spec.id.into(),
            stem: "imagenet".into(),
            channels: 2,
            features: spec.features,
            size,
            range: None,
            mean: vec![0.5; 2],
            std: vec![0.25; 2],
            origin: "a test".into(),
        };
        (write_onnx(encoder.as_ref(), &weights, &description).unwrap(), weights)
    }

    #[test]
    fn every_encoder_has_a_sound_graph_that_uses_all_of_its_weights() {
        // VGG leaves out a pooling, ConvNeXt pads, on the smaller images.
        for (spec, size) in ENCODERS.iter().flat_map(|spec| [(spec, 64), (spec, 9)]) {
            let (model, weights) = model(spec, size);
            let [graph] = all(&model, 7)[..] else { panic!("one graph") };
            let mut known: BTreeSet<String> =
                all(graph, 5).into_iter().flat_map(|tensor| texts(tensor, 8)).collect();
            for entry in weights.entries() {
                assert!(known.contains(entry.name()), "{}: no {}", spec.id, entry.name());
            }
            let mut unused = known.clone();
            known.insert("images".into());
            for node in all(graph, 1) {
                for input in texts(node, 1) {
                    assert!(known.contains(&input), "{}: {input} is used before it is made", spec.id);
                    unused.remove(&input);
                }
                for output in texts(node, 2) {
                    assert!(known.insert(output.clone()), "{}: {output} is made twice", spec.id);
                }
            }
            assert!(known.contains("features") && unused.is_empty(), "{}: unused {unused:?}", spec.id);
        }
    }

    #[test]
    fn resnet18_is_made_of_its_operators() {
        let (model, _) = model(&ENCODERS[0], 64);
        let mut counts = BTreeMap::new();
        for node in all(all(&model, 7)[0], 1) {
            *counts.entry(texts(node, 4).remove(0)).or_insert(0) += 1;
        }
        let expected = [
            ("Add", 8),
            ("BatchNormalization", 20),
            ("Conv", 20),
            ("Flatten", 1),
            ("GlobalAveragePool", 1),
            ("Identity", 1),
            ("MaxPool", 1),
            ("Relu", 17),
        ];
        assert_eq!(counts, expected.map(|(name, count)| (name.to_owned(), count)).into());
    }
}
