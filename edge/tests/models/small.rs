//! A small network as MXNet would write it: every operator the converter knows, in a few hundred bytes.

use serde_json::{Value, json};

const ARRAYS: [(&str, &[u64]); 13] = [
    ("arg:conv_weight", &[2, 3, 8, 8]),
    ("arg:conv_bias", &[2]),
    ("arg:bn_gamma", &[2]),
    ("arg:bn_beta", &[2]),
    ("aux:bn_moving_mean", &[2]),
    ("aux:bn_moving_var", &[2]),
    ("arg:deep_weight", &[2, 1, 3, 3]),
    ("arg:fc_weight", &[3, 2 * 7 * 7]),
    ("arg:last_gamma", &[3]),
    ("arg:last_beta", &[3]),
    ("aux:last_moving_mean", &[3]),
    ("aux:last_moving_var", &[3]),
    ("arg:deep_bias", &[2]),
];

/// The parameters.
pub fn parameters() -> Vec<u8> {
    let mut bytes = [0x112u64, 0, ARRAYS.len() as u64].map(u64::to_le_bytes).concat();
    for (n, (_, shape)) in ARRAYS.iter().enumerate() {
        bytes.extend([0xF993_FAC9u32, 0, shape.len() as u32].map(u32::to_le_bytes).concat());
        shape.iter().for_each(|size| bytes.extend(size.to_le_bytes()));
        bytes.extend([1u32, 0, 0].map(u32::to_le_bytes).concat());
        let value = |k: u64| ((k * 37 + n as u64 * 11) % 19) as f32 / 19.0 + 0.05;
        (0..shape.iter().product()).for_each(|k| bytes.extend(value(k).to_le_bytes()));
    }
    bytes.extend((ARRAYS.len() as u64).to_le_bytes());
    for (name, _) in ARRAYS {
        bytes.extend((name.len() as u64).to_le_bytes());
        bytes.extend(name.as_bytes());
    }
    bytes
}

/// Nodes of a graph in the making.
#[derive(Default)]
struct Nodes(Vec<Value>);

impl Nodes {
    fn add(&mut self, op: &str, name: &str, attrs: Value, inputs: &[usize]) -> usize {
        let inputs: Vec<[usize; 3]> = inputs.iter().map(|input| [*input, 0, 0]).collect();
        self.0.push(json!({ "op": op, "name": name, "attrs": attrs, "inputs": inputs }));
        self.0.len() - 1
    }

    /// A node, and before it the arrays it reads besides its value.
    fn with_arrays(&mut self, op: &str, name: &str, attrs: Value, value: usize, arrays: &[&str]) -> usize {
        let mut inputs = vec![value];
        inputs
            .extend(arrays.iter().map(|array| self.add("null", &format!("{name}_{array}"), json!({}), &[])));
        self.add(op, name, attrs, &inputs)
    }
}

/// The graph, as JSON that a test may change.
pub fn graph() -> Value {
    let mut nodes = Nodes::default();
    let data = nodes.add("null", "data", json!({}), &[]);
    let minus = nodes.add("_minus_scalar", "minus", json!({ "scalar": "127.5" }), &[data]);
    let scaled = nodes.add("_mul_scalar", "scaled", json!({ "scalar": "0.0078125" }), &[minus]);
    let attrs = json!({ "kernel": "(8, 8)", "stride": "(16, 16)", "pad": "(0, 0)", "num_filter": "2" });
    let conv = nodes.with_arrays("Convolution", "conv", attrs, scaled, &["weight", "bias"]);
    let normalise = json!({ "fix_gamma": "False", "use_global_stats": "False", "__mirror_stage__": "True" });
    let figures = ["gamma", "beta", "moving_mean", "moving_var"];
    let bn = nodes.with_arrays("BatchNorm", "bn", normalise.clone(), conv, &figures);
    let least = nodes.add("_maximum_scalar", "least", json!({ "scalar": "0" }), &[bn]);
    let most = nodes.add("_minimum_scalar", "most", json!({ "scalar": "6" }), &[least]);
    let attrs = json!({ "kernel": "(3, 3)", "stride": "(1, 1)", "pad": "(1, 1)", "num_filter": "2", "num_group": "2" });
    let deep = nodes.with_arrays("Convolution", "deep", attrs, most, &["weight", "bias"]);
    let plus = nodes.add("elemwise_add", "plus", json!({}), &[most, deep]);
    let flat = nodes.add("Flatten", "flat", json!({}), &[plus]);
    let attrs = json!({ "no_bias": "True", "num_hidden": "3" });
    let fc = nodes.with_arrays("FullyConnected", "fc", attrs, flat, &["weight"]);
    let last = nodes.with_arrays("BatchNorm", "last", normalise, fc, &figures);
    json!({
        "nodes": nodes.0, "arg_nodes": [0], "node_row_ptr": [0], "heads": [[last, 0, 0]],
        "attrs": { "mxnet_version": ["int", 10200] },
    })
}
