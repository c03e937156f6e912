//! Nodes of a model, and what they are made of.

use super::protobuf::Message;
use crate::weights::{Id, Weights};

/// The element type of single precision.
pub(super) const FLOAT: u64 = 1;

/// Images `[N, C, height, width]` on their way through a graph.
#[derive(Clone, Debug)]
pub(super) struct Map {
    /// The value that holds them.
    pub name: String,
    /// Height and width.
    pub size: [usize; 2],
}

impl Map {
    /// The same size under another name.
    pub fn renamed(&self, name: String) -> Map {
        Map { name, size: self.size }
    }
}

/// A named argument of an operator.
#[derive(Debug)]
pub(super) enum Attribute {
    Int(u64),
    Ints(Vec<u64>),
    Float(f32),
}

/// The nodes of a model so far.
#[derive(Debug)]
pub(super) struct Graph<'a> {
    weights: &'a Weights,
    nodes: Vec<Message>,
    initializers: Vec<Message>,
    values: usize,
}

impl<'a> Graph<'a> {
    /// Without a node, of a network with these weights.
    pub fn new(weights: &'a Weights) -> Graph<'a> {
        Graph { weights, nodes: Vec::new(), initializers: Vec::new(), values: 0 }
    }

    /// Nodes, and arrays that are no weights.
    pub fn finish(self) -> (Vec<Message>, Vec<Message>) {
        (self.nodes, self.initializers)
    }

    /// Adds a node with one output and returns that output's name.
    pub fn node(&mut self, operator: &str, inputs: &[&str], attributes: Vec<(&str, Attribute)>) -> String {
        self.values += 1;
        let output = format!("{}_{}", operator.to_lowercase(), self.values);
        self.named_node(operator, inputs, attributes, output.clone());
        output
    }

    /// The same with an output of that name.
    pub fn named_node(
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
    pub fn weight(&self, id: Id) -> &'a str {
        self.weights.entry(id).name()
    }

    /// An array that is no weight.
    pub fn constant(&mut self, shape: &[u64], values: &[f32]) -> String {
        self.values += 1;
        let name = format!("constant_{}", self.values);
        self.initializers.push(initializer(&name, shape, values));
        name
    }

    /// The same numbers with their axes in another order.
    pub fn transpose(&mut self, x: &str, axes: &[u64]) -> String {
        self.node("Transpose", &[x], vec![("perm", Attribute::Ints(axes.to_vec()))])
    }
}

/// The attributes of an operator that moves a window over images.
pub(super) fn windows(
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

/// An array of a model.
pub(super) fn initializer(name: &str, shape: &[u64], values: &[f32]) -> Message {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let tensor = shape.iter().fold(Message::new(), |tensor, &size| tensor.int(1, size));
    tensor.int(2, FLOAT).text(8, name).bytes(9, &bytes)
}
