//! The network that runs on a face and on its mirror image at once: both in one batch of two, each answer brought to
//! length one, joined, and brought to length one again. Without the first of the two the longer answer would weigh more
//! (cosine 0.99988 to the right one instead of 1).

use super::{
    graph::{self, Bias, Convolution, Operator},
    onnx_writer::{Attribute, Model, Node, Tensor, Values},
    params::{self, Array},
};
use crate::face::align::CROP_PX;
use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeMap;

const INPUT: &str = "data";
const OUTPUT: &str = "embedding";
const CHANNELS: usize = 3;

/// Converts a network for 3x112x112 crops. Its answer to a crop is twice as long as the original's.
///
/// # Errors
/// One sentence: what of the two files is not understood, or does not fit together.
pub fn mxnet_mirrored(graph: &[u8], parameters: &[u8]) -> Result<Vec<u8>> {
    let mut translation = Translation::of(params::parse(parameters)?);
    for node in graph::parse(graph)? {
        let flow =
            translation.translate(&node).with_context(|| format!("node {} of the graph", node.name))?;
        translation.flows.push(flow);
    }
    translation.joined()
}

/// What a node of the graph gives to those that read it.
#[derive(Clone)]
enum Flow {
    /// A constant of this shape, by the name of its node.
    Array(String, Vec<usize>),
    /// Something computed.
    Value(Value),
    /// The same, still to be held above the constant of this name: it is done together with the limit above.
    HeldAbove(Value, String),
}

/// Something computed, once for the face and once for its mirror image.
#[derive(Clone)]
struct Value {
    name: String,
    /// Without the batch: channels, height and width, or a length.
    shape: Vec<usize>,
}

struct Translation {
    parameters: BTreeMap<String, Array>,
    /// One for each node of the graph so far.
    flows: Vec<Flow>,
    nodes: Vec<Node>,
    tensors: Vec<Tensor>,
}

impl Translation {
    fn of(parameters: BTreeMap<String, Array>) -> Self {
        let mut this = Self { parameters, flows: Vec::new(), nodes: Vec::new(), tensors: Vec::new() };
        this.emit("Slice", [INPUT, "f_st", "f_en", "f_ax", "f_sp"], "flipped", vec![]);
        this.emit("Concat", [INPUT, "flipped"], "both", vec![("axis", Attribute::Int(0))]);
        this
    }

    fn emit<'a>(
        &mut self,
        operator: &'static str,
        inputs: impl IntoIterator<Item = &'a str>,
        output: &str,
        attributes: Vec<(&'static str, Attribute)>,
    ) {
        let inputs = inputs.into_iter().map(str::to_owned).collect();
        self.nodes.push(Node { operator, inputs, output: output.to_owned(), attributes });
    }

    fn translate(&mut self, node: &graph::Node) -> Result<Flow> {
        let name = &*node.name;
        match &node.operator {
            Operator::Named => self.named(name),
            Operator::MinusScalar(by) => self.with_scalar("Sub", node, *by),
            Operator::MulScalar(by) => self.with_scalar("Mul", node, *by),
            Operator::MaximumScalar(least) => {
                let value = self.value(node, 0)?;
                Ok(Flow::HeldAbove(value, self.scalar(name, *least)))
            }
            Operator::MinimumScalar(most) => {
                let Flow::HeldAbove(value, least) = self.flows[node.inputs[0]].clone() else {
                    bail!("holds below a limit what is not held above one, which is not understood");
                };
                let most = self.scalar(name, *most);
                self.emit("Clip", [&*value.name, &*least, &*most], name, vec![]);
                Ok(value.became(name))
            }
            Operator::Convolution(convolution) => self.convolution(node, convolution),
            Operator::BatchNorm { epsilon } => self.batch_norm(node, *epsilon),
            Operator::Add => {
                let (one, other) = (self.value(node, 0)?, self.value(node, 1)?);
                ensure!(one.shape == other.shape, "adds {:?} to {:?}", other.shape, one.shape);
                self.emit("Add", [&*one.name, &*other.name], name, vec![]);
                Ok(one.became(name))
            }
            Operator::Flatten => {
                let value = self.value(node, 0)?;
                self.emit("Flatten", [&*value.name], name, vec![("axis", Attribute::Int(1))]);
                Ok(computed(name, vec![value.shape.iter().product()]))
            }
            Operator::FullyConnected { hidden } => {
                let value = self.value(node, 0)?;
                let weight = self.array(node, 1, &[*hidden, value.shape.iter().product()])?;
                ensure!(value.shape.len() == 1, "takes {:?}, and not what is flat", value.shape);
                self.emit("Gemm", [&*value.name, &*weight], name, vec![("transB", Attribute::Int(1))]);
                Ok(computed(name, vec![*hidden]))
            }
        }
    }

    fn named(&mut self, name: &str) -> Result<Flow> {
        if name == INPUT {
            return Ok(computed("both", vec![CHANNELS, CROP_PX as usize, CROP_PX as usize]));
        }
        let array = self.parameters.remove(name).context("is in no array of the parameters")?;
        let Array { shape, values } = array;
        self.tensors.push(Tensor {
            name: name.to_owned(),
            shape: shape.clone(),
            values: Values::F32(values),
        });
        Ok(Flow::Array(name.to_owned(), shape))
    }

    fn with_scalar(&mut self, operator: &'static str, node: &graph::Node, by: f32) -> Result<Flow> {
        let value = self.value(node, 0)?;
        let by = self.scalar(&node.name, by);
        self.emit(operator, [&*value.name, &*by], &node.name, vec![]);
        Ok(value.became(&node.name))
    }

    fn convolution(&mut self, node: &graph::Node, convolution: &Convolution) -> Result<Flow> {
        let Convolution { kernel, stride, pad, filters, groups, bias } = convolution;
        let value = self.value(node, 0)?;
        let [channels, height, width] = value.shape[..] else {
            bail!("takes {:?}, and no picture", value.shape)
        };
        ensure!(
            channels % groups == 0 && filters % groups == 0,
            "has {groups} groups for {channels} channels"
        );
        let weight = self.array(node, 1, &[*filters, channels / groups, kernel[0], kernel[1]])?;
        let mut inputs = vec![value.name, weight];
        if *bias == Bias::Added {
            inputs.push(self.array(node, 2, &[*filters])?);
        }
        let mut shape = vec![*filters];
        for (size, axis) in [height, width].into_iter().zip(0..) {
            let room = (size + 2 * pad[axis]).checked_sub(kernel[axis]);
            shape.push(room.with_context(|| format!("its kernel is larger than {size}"))? / stride[axis] + 1);
        }
        let attributes = vec![
            ("group", Attribute::Int(*groups as u64)),
            ("kernel_shape", Attribute::Ints(kernel.to_vec())),
            ("pads", Attribute::Ints([*pad, *pad].concat())),
            ("strides", Attribute::Ints(stride.to_vec())),
        ];
        self.emit("Conv", inputs.iter().map(String::as_str), &node.name, attributes);
        Ok(computed(&node.name, shape))
    }

    fn batch_norm(&mut self, node: &graph::Node, epsilon: f32) -> Result<Flow> {
        let value = self.value(node, 0)?;
        let mut inputs = vec![value.name.clone()];
        for place in 1..5 {
            inputs.push(self.array(node, place, &value.shape[..1])?);
        }
        let attributes = vec![("epsilon", Attribute::Float(epsilon))];
        self.emit("BatchNormalization", inputs.iter().map(String::as_str), &node.name, attributes);
        Ok(value.became(&node.name))
    }

    /// What comes after the graph: the two answers become one.
    fn joined(mut self) -> Result<Vec<u8>> {
        ensure!(
            self.parameters.is_empty(),
            "the graph does not use {} of the parameters",
            self.parameters.keys().cloned().collect::<Vec<_>>().join(", ")
        );
        let Some(Flow::Value(Value { name, shape })) = self.flows.last().cloned() else {
            bail!("the graph's last node computes nothing");
        };
        let [length] = shape[..] else { bail!("the graph's result is {shape:?}, and no vector") };
        let of_length_one = || vec![("axis", Attribute::Int(1)), ("p", Attribute::Int(2))];
        self.emit("LpNormalization", [&*name], "n2", of_length_one());
        self.emit("Reshape", ["n2", "r_shape"], "cat", vec![]);
        self.emit("LpNormalization", ["cat"], OUTPUT, of_length_one());
        let dimension = 2 * length;
        // The mirror image: from the last column to before the first, backwards.
        for (name, values) in [
            ("f_st", vec![-1]),
            ("f_en", vec![i64::from(i32::MIN)]),
            ("f_ax", vec![3]),
            ("f_sp", vec![-1]),
            ("r_shape", vec![1, i64::try_from(dimension)?]),
        ] {
            self.tensors.push(Tensor {
                name: name.to_owned(),
                shape: vec![values.len()],
                values: Values::I64(values),
            });
        }
        let side = CROP_PX as usize;
        let model = Model {
            name: &format!("mobileface_v2_flipcat_{dimension}"),
            producer: "own mxnet2onnx",
            input: (INPUT, &[1, CHANNELS, side, side]),
            output: (OUTPUT, &[1, dimension]),
            nodes: self.nodes,
            tensors: self.tensors,
        };
        Ok(model.to_bytes())
    }

    fn value(&self, node: &graph::Node, place: usize) -> Result<Value> {
        match &self.flows[node.inputs[place]] {
            Flow::Value(value) => Ok(value.clone()),
            Flow::HeldAbove(..) => {
                bail!("reads what has a limit below and none above, which is not understood")
            }
            Flow::Array(name, _) => bail!("computes with {name} where a value is expected"),
        }
    }

    /// The name of an array that must have this shape.
    fn array(&self, node: &graph::Node, place: usize, wanted: &[usize]) -> Result<String> {
        match &self.flows[node.inputs[place]] {
            Flow::Array(name, shape) if shape == wanted => Ok(name.clone()),
            Flow::Array(name, shape) => bail!("{name} is of {shape:?}, and {wanted:?} is expected"),
            _ => bail!("input {place} is no array of the parameters"),
        }
    }

    fn scalar(&mut self, of: &str, value: f32) -> String {
        let name = format!("{of}_c");
        self.tensors.push(Tensor { name: name.clone(), shape: vec![1], values: Values::F32(vec![value]) });
        name
    }
}

impl Value {
    /// The same shape under another name.
    fn became(self, name: &str) -> Flow {
        computed(name, self.shape)
    }
}

fn computed(name: &str, shape: Vec<usize>) -> Flow {
    Flow::Value(Value { name: name.to_owned(), shape })
}
