//! Encoders as ONNX models, for programs in other languages.
//!
//! The model takes `images` `[N, C, H, W]`, scaled to `[0, 1]` and normalised, and gives `features` `[N, D]`. `N` is
//! free; `H` and `W` are those of the encoder's description. Mean, deviation and origin are in the model's metadata.

mod graph;
mod layers;
mod protobuf;

use graph::{FLOAT, Graph, Map, initializer};
use protobuf::Message;

use crate::network::Encoder;
use crate::weights::{EncoderDescription, Weights};

/// The version of the operators: the first with layer normalisation.
const OPSET: u64 = 17;
/// The version of the file format that came with it.
const IR_VERSION: u64 = 8;

/// The bytes of an `.onnx` file of an encoder in evaluation mode.
///
/// `weights` are those of `encoder`, declared without a prefix.
pub fn write_onnx(encoder: &Encoder, weights: &Weights, description: &EncoderDescription) -> Vec<u8> {
    let size = [description.size; 2];
    let mut graph = Graph::new(weights);
    let features = graph.encoder(encoder, Map { name: "images".into(), size });
    graph.named_node("Identity", &[&features], Vec::new(), "features".into());
    let (nodes, mut initializers) = graph.finish();
    initializers.extend(weights.export("").iter().map(|(name, tensor)| {
        let shape: Vec<u64> = tensor.shape.iter().map(|&size| size as u64).collect();
        initializer(name, &shape, &tensor.values)
    }));
    let [height, width] = size.map(|side| Dimension::Size(side as u64));
    let images = [Dimension::Batch, Dimension::Size(description.channels as u64), height, width];
    let graph = Message::new()
        .messages(1, nodes)
        .text(2, &description.encoder)
        .messages(5, initializers)
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
    model.finish()
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
pub(crate) mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use burn::tensor::Device;

    use super::*;
    use twinlens_views::EvalResize;

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
            stain: None,
            bag_of_channels: false,
            mean: vec![0.5; 2],
            std: vec![0.25; 2],
            eval_resize: EvalResize::default(),
            origin: "a test".into(),
        };
        (write_onnx(&encoder, &weights, &description), weights)
    }

    #[test]
    fn every_encoder_has_a_sound_graph_that_uses_all_of_its_weights() {
        // VGG leaves out a pooling, ConvNeXt pads, on the smaller images.
        for (spec, size) in ENCODERS.iter().flat_map(|spec| [(spec, 64), (spec, 9)]) {
            let (model, weights) = model(spec, size);
            assert_sound(&model, &weights, spec.id);
        }
    }

    /// Every value of the model's graph is made before it is used, once, and every weight is used.
    pub(crate) fn assert_sound(model: &[u8], weights: &Weights, what: &str) {
        let [graph] = all(model, 7)[..] else { panic!("one graph") };
        let mut known: BTreeSet<String> =
            all(graph, 5).into_iter().flat_map(|tensor| texts(tensor, 8)).collect();
        for entry in weights.entries() {
            assert!(known.contains(entry.name()), "{what}: no {}", entry.name());
        }
        let mut unused = known.clone();
        known.insert("images".into());
        for node in all(graph, 1) {
            for input in texts(node, 1) {
                assert!(known.contains(&input), "{what}: {input} is used before it is made");
                unused.remove(&input);
            }
            for output in texts(node, 2) {
                assert!(known.insert(output.clone()), "{what}: {output} is made twice");
            }
        }
        assert!(known.contains("features") && unused.is_empty(), "{what}: unused {unused:?}");
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
