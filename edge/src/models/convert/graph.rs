//! MXNet's `symbol.json`: a list of nodes, each after those it reads, as strictly as this converter understands them.

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use std::collections::BTreeMap;

const BYTES_MAX: usize = 1 << 20;
const NODES_MAX: usize = 4_096;
/// MXNet's own default, for graphs that do not name one.
const EPSILON: f32 = 1e-3;

/// One node.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Its name, unique in the graph.
    pub name: String,
    /// What it does.
    pub operator: Operator,
    /// The nodes it reads, by their place in the list, all of them before its own.
    pub inputs: Vec<usize>,
}

/// What a node does.
#[derive(Debug, Clone, PartialEq)]
pub enum Operator {
    /// The graph's input, or an array of the parameters.
    Named,
    /// Takes a number away.
    MinusScalar(f32),
    /// Multiplies by a number.
    MulScalar(f32),
    /// Not below a number.
    MaximumScalar(f32),
    /// Not above a number.
    MinimumScalar(f32),
    /// Inputs: values, weight, and a bias where there is one.
    Convolution(Convolution),
    /// Inputs: values, gamma, beta, moving mean, moving variance.
    BatchNorm {
        /// Added to the variance.
        epsilon: f32,
    },
    /// The sum of two.
    Add,
    /// One dimension for all but the first.
    Flatten,
    /// Inputs: values, weight. No bias.
    FullyConnected {
        /// Values that come out.
        hidden: usize,
    },
}

/// A convolution over the two dimensions of a picture; each pair is (height, width).
#[derive(Debug, Clone, PartialEq)]
pub struct Convolution {
    /// The kernel's size.
    pub kernel: [usize; 2],
    /// Steps.
    pub stride: [usize; 2],
    /// Zeros round the picture.
    pub pad: [usize; 2],
    /// Channels that come out.
    pub filters: usize,
    /// Groups of channels that do not see one another.
    pub groups: usize,
    /// Whether a bias is added.
    pub bias: Bias,
}

/// Whether a bias is added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bias {
    /// It is the third input.
    Added,
    /// There is none.
    None,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Symbol {
    nodes: Vec<Described>,
    #[serde(rename = "arg_nodes")]
    _arg_nodes: Vec<u64>,
    #[serde(rename = "node_row_ptr")]
    _node_row_ptr: Vec<u64>,
    heads: Vec<[u64; 3]>,
    #[serde(rename = "attrs")]
    _attrs: serde_json::Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Described {
    op: String,
    name: String,
    #[serde(default)]
    attrs: BTreeMap<String, String>,
    inputs: Vec<[u64; 3]>,
}

/// Reads a graph whose last node is its one result.
///
/// # Errors
/// One sentence: it is no such graph, or has an operator or an attribute that is not understood, by name.
pub fn parse(bytes: &[u8]) -> Result<Vec<Node>> {
    ensure!(bytes.len() <= BYTES_MAX, "the graph has {} bytes, at most {BYTES_MAX} are read", bytes.len());
    let symbol: Symbol = serde_json::from_slice(bytes).context("the graph is no MXNet symbol")?;
    let count = symbol.nodes.len();
    ensure!((1..=NODES_MAX).contains(&count), "the graph has {count} nodes, 1 to {NODES_MAX} are read");
    ensure!(symbol.heads == [[count as u64 - 1, 0, 0]], "the graph's result is not its last node");
    let mut nodes: Vec<Node> = Vec::with_capacity(count);
    for described in symbol.nodes {
        let name = described.name.clone();
        ensure!(!name.is_empty() && name.len() <= 256, "a node of the graph has no usable name");
        ensure!(nodes.iter().all(|node| node.name != name), "two nodes of the graph are called {name}");
        let node = read(described, nodes.len()).with_context(|| format!("node {name} of the graph"))?;
        nodes.push(node);
    }
    Ok(nodes)
}

fn read(described: Described, place: usize) -> Result<Node> {
    let Described { op, name, attrs, inputs } = described;
    let inputs = inputs.into_iter().map(|[node, output, _]| match usize::try_from(node) {
        Ok(node) if node < place && output == 0 => Ok(node),
        _ => bail!("reads output {output} of node {node}, which does not come before it"),
    });
    let inputs: Vec<usize> = inputs.collect::<Result<_>>()?;
    let mut attributes = Attributes(attrs);
    let (operator, wanted) = match op.as_str() {
        // What an array is made for stands in its attributes too, and changes nothing.
        "null" => return no_inputs(name, &inputs),
        "_minus_scalar" => (Operator::MinusScalar(attributes.number("scalar")?), 1),
        "_mul_scalar" => (Operator::MulScalar(attributes.number("scalar")?), 1),
        "_maximum_scalar" => (Operator::MaximumScalar(attributes.number("scalar")?), 1),
        "_minimum_scalar" => (Operator::MinimumScalar(attributes.number("scalar")?), 1),
        "Convolution" => {
            let convolution = attributes.convolution()?;
            let wanted = if convolution.bias == Bias::Added { 3 } else { 2 };
            (Operator::Convolution(convolution), wanted)
        }
        "BatchNorm" => {
            let epsilon = attributes.optional("eps").map_or(Ok(EPSILON), |text| number("eps", &text))?;
            ensure!(!attributes.flag("fix_gamma", true)?, "has a fixed gamma, which is not understood");
            // Both say what happens in training only: a net that is used has its moving figures.
            let (_, _) = (attributes.flag("use_global_stats", false)?, attributes.optional("momentum"));
            (Operator::BatchNorm { epsilon }, 5)
        }
        "elemwise_add" => (Operator::Add, 2),
        "Flatten" => (Operator::Flatten, 1),
        "FullyConnected" => {
            ensure!(attributes.flag("no_bias", false)?, "has a bias, which is not understood");
            (Operator::FullyConnected { hidden: attributes.size("num_hidden")? }, 2)
        }
        other => bail!("does {other:?}, which is not understood"),
    };
    ensure!(inputs.len() == wanted, "reads {} nodes, {wanted} are expected", inputs.len());
    attributes.nothing_left()?;
    Ok(Node { name, operator, inputs })
}

fn no_inputs(name: String, inputs: &[usize]) -> Result<Node> {
    ensure!(inputs.is_empty(), "is an array and reads other nodes");
    Ok(Node { name, operator: Operator::Named, inputs: Vec::new() })
}

fn number(key: &str, text: &str) -> Result<f32> {
    let value = text.parse::<f32>().ok().filter(|value| value.is_finite());
    value.with_context(|| format!("{key} is {text:?}, and no number"))
}

/// What has not been understood yet of a node's attributes.
struct Attributes(BTreeMap<String, String>);

impl Attributes {
    fn optional(&mut self, key: &str) -> Option<String> {
        self.0.remove(key)
    }

    fn text(&mut self, key: &str) -> Result<String> {
        self.optional(key).with_context(|| format!("lacks {key}"))
    }

    fn number(&mut self, key: &str) -> Result<f32> {
        number(key, &self.text(key)?)
    }

    fn size(&mut self, key: &str) -> Result<usize> {
        let text = self.text(key)?;
        let size = text.parse().ok().filter(|size| (1..=65_536).contains(size));
        size.with_context(|| format!("{key} is {text:?}, and no size"))
    }

    fn flag(&mut self, key: &str, default: bool) -> Result<bool> {
        match self.optional(key).as_deref() {
            None => Ok(default),
            Some("True") => Ok(true),
            Some("False") => Ok(false),
            Some(other) => bail!("{key} is {other:?}, neither True nor False"),
        }
    }

    fn pair(&mut self, key: &str) -> Result<[usize; 2]> {
        let text = self.text(key)?;
        let inside = text.strip_prefix('(').and_then(|text| text.strip_suffix(')'));
        let sizes: Option<Vec<usize>> =
            inside.and_then(|inside| inside.split(',').map(|size| size.trim().parse().ok()).collect());
        let pair = sizes.and_then(|sizes| <[usize; 2]>::try_from(sizes).ok());
        pair.filter(|pair| pair.iter().all(|size| *size <= 1_024))
            .with_context(|| format!("{key} is {text:?}, and no pair of sizes"))
    }

    fn convolution(&mut self) -> Result<Convolution> {
        let [kernel, stride, pad] = ["kernel", "stride", "pad"].map(|key| self.pair(key));
        let (kernel, stride) = (kernel?, stride?);
        ensure!(!kernel.contains(&0) && !stride.contains(&0), "has a kernel or steps of no size");
        let filters = self.size("num_filter")?;
        let groups = if self.0.contains_key("num_group") { self.size("num_group")? } else { 1 };
        let bias = if self.flag("no_bias", false)? { Bias::None } else { Bias::Added };
        Ok(Convolution { kernel, stride, pad: pad?, filters, groups, bias })
    }

    /// Names like `__mirror_stage__` are notes for whoever trained the net.
    fn nothing_left(self) -> Result<()> {
        match self.0.keys().find(|key| !(key.starts_with("__") && key.ends_with("__"))) {
            Some(key) => bail!("has an attribute {key}, which is not understood"),
            None => Ok(()),
        }
    }
}
