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

/// The graph, as JSON that a test may change.
pub fn graph() -> Value {
    let mut nodes: Vec<Value> = Vec::new();
    let mut node = |op: &str, name: &str, attrs: Value, inputs: &[usize]| {
        let inputs: Vec<[usize; 3]> = inputs.iter().map(|input| [*input, 0, 0]).collect();
        nodes.push(json!({ "op": op, "name": name, "attrs": attrs, "inputs": inputs }));
        nodes.len() - 1
    };
    let data = node("null", "data", json!({}), &[]);
    let minus = node("_minus_scalar", "minus", json!({ "scalar": "127.5" }), &[data]);
    let scaled = node("_mul_scalar", "scaled", json!({ "scalar": "0.0078125" }), &[minus]);
    let array = |node: &mut dyn FnMut(&str, &str, Value, &[usize]) -> usize, name: &str| {
        node("null", name, json!({}), &[])
    };
    let (weight, bias) = (array(&mut node, "conv_weight"), array(&mut node, "conv_bias"));
    let conv = json!({ "kernel": "(8, 8)", "stride": "(16, 16)", "pad": "(0, 0)", "num_filter": "2" });
    let conv = node("Convolution", "conv", conv, &[scaled, weight, bias]);
    let normalise = json!({ "fix_gamma": "False", "use_global_stats": "False", "__mirror_stage__": "True" });
    let bn = ["bn_gamma", "bn_beta", "bn_moving_mean", "bn_moving_var"].map(|name| array(&mut node, name));
    let bn = node("BatchNorm", "bn", normalise.clone(), &[&[conv][..], &bn].concat());
    let least = node("_maximum_scalar", "least", json!({ "scalar": "0" }), &[bn]);
    let most = node("_minimum_scalar", "most", json!({ "scalar": "6" }), &[least]);
    let (weight, bias) = (array(&mut node, "deep_weight"), array(&mut node, "deep_bias"));
    let deep = json!({ "kernel": "(3, 3)", "stride": "(1, 1)", "pad": "(1, 1)", "num_filter": "2", "num_group": "2" });
    let deep = node("Convolution", "deep", deep, &[most, weight, bias]);
    let plus = node("elemwise_add", "plus", json!({}), &[most, deep]);
    let flat = node("Flatten", "flat", json!({}), &[plus]);
    let weight = array(&mut node, "fc_weight");
    let fc = node("FullyConnected", "fc", json!({ "no_bias": "True", "num_hidden": "3" }), &[flat, weight]);
    let last =
        ["last_gamma", "last_beta", "last_moving_mean", "last_moving_var"].map(|name| array(&mut node, name));
    let last = node("BatchNorm", "last", normalise, &[&[fc][..], &last].concat());
    json!({
        "nodes": nodes, "arg_nodes": [0], "node_row_ptr": [0], "heads": [[last, 0, 0]],
        "attrs": { "mxnet_version": ["int", 10200] },
    })
}
