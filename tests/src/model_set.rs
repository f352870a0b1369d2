//! A model set that sees nobody: whoever shows vectors needs its manifest, and joining needs networks that run. Both of
//! its files are the project's own network, which is no detector and knows nobody.

use edge::face::{
    FaceVector, Manifest, ModelSet, Unproven, embed::Embedder, onnx::Runtime, runtime::Surroundings,
    self_test,
};
use std::{env, fs, path::Path, path::PathBuf, sync::OnceLock};
use tempfile::TempDir;

/// The shipped manifest, and the network that takes the place of its models.
const MANIFEST: &str = include_str!("../../edge/models/yunet_s_mobileface_v2.toml");
const TOY: &[u8] = include_bytes!("../../edge/models/toy_embedder_512.onnx");
const TOY_SHA256: &str = "60b88e490771a619503d7baaff7d2dad0c450411a1fe8fef385931eebb4ea582";

/// A folder that `--models` takes as long as no picture is looked at.
pub fn blind_models() -> TempDir {
    static VECTOR: OnceLock<String> = OnceLock::new();
    let folder = tempfile::tempdir().unwrap();
    let manifest = Manifest::parse(MANIFEST).unwrap();
    manifest.files().iter().for_each(|file| fs::write(folder.path().join(&file.name), TOY).unwrap());
    let vector = VECTOR.get_or_init(|| proof(&manifest, folder.path()));
    fs::write(folder.path().join("manifest.toml"), blind(&manifest, vector)).unwrap();
    folder
}

/// The manifest, with the network's size and hash and its answer to the self-test.
fn blind(manifest: &Manifest, vector: &str) -> String {
    let mut text = MANIFEST.to_owned();
    for file in manifest.files() {
        text = text.replace(&file.sha256, TOY_SHA256);
        text = text.replace(&format!("bytes = {}\n", file.bytes), &format!("bytes = {}\n", TOY.len()));
    }
    let (rest, _) = text.split_once("vector = ").unwrap();
    format!("{rest}vector = \"{vector}\"\n")
}

fn proof(manifest: &Manifest, folder: &Path) -> String {
    let setting = env::var_os("REGULARS_ONNXRUNTIME").map(PathBuf::from);
    let library = Surroundings::of_this_process(setting, folder).find().unwrap();
    let runtime = Runtime::load(&library).unwrap();
    let file = folder.join(&manifest.embedder.file.name);
    let mut embedder = Embedder::open(&runtime, &file, &manifest.embedder, 1).unwrap();
    let answer = FaceVector::from_output(&embedder.output(&self_test::pattern()).unwrap()).unwrap();
    hex::encode(answer.to_embedding().as_bytes())
}

/// The space of that set's vectors.
pub fn blind_space() -> protocol::SpaceId {
    let folder = blind_models();
    let set = ModelSet::find(folder.path(), Unproven::Refuse).unwrap();
    set.manifest.space_id()
}
