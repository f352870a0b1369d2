//! What the tests run on: the runtime, the folder of real faces, eyes.

pub use crate::data::faces;
use crate::data::root;
use edge::face::onnx::Runtime;
use edge::face::runtime::Surroundings;
use edge::face::{Eyes, EyesConfig, Point, Rect, Unproven};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// The project's own model folder: manifests and the toy embedder.
pub fn own_models() -> PathBuf {
    root().join("edge/models")
}

/// libonnxruntime as a test finds it. A test that needs it fails without it: one command brings it.
pub fn library() -> PathBuf {
    let setting = env::var_os("REGULARS_ONNXRUNTIME").map(PathBuf::from);
    Surroundings::of_this_process(setting, &own_models()).find().unwrap_or_else(|error| panic!("{error}"))
}

pub fn runtime() -> Runtime {
    Runtime::load(&library()).unwrap()
}

pub fn eyes(models: &Path) -> anyhow::Result<Eyes> {
    let config = EyesConfig {
        models: models.to_owned(),
        onnxruntime: Some(library()),
        threads: 1,
        unproven: Unproven::Refuse,
    };
    Eyes::open(&config)
}

pub fn json(file: &Path) -> Value {
    serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
}

pub fn numbers(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as f32).collect()
}

pub fn rect(face: &Value) -> Rect {
    let [x, y, w, h] = numbers(&face["box_xywh"]).try_into().unwrap();
    Rect { x, y, w, h }
}

pub fn landmarks(face: &Value) -> [Point; 5] {
    let points = face["kps"].as_array().unwrap();
    std::array::from_fn(|i| Point { x: numbers(&points[i])[0], y: numbers(&points[i])[1] })
}
