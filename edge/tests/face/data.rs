//! The folder of real faces. It is not part of the project.

use std::{
    env,
    path::{Path, PathBuf},
};

/// The root of the workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The folder of real faces, or a word that the test skipped.
pub fn faces() -> Option<PathBuf> {
    let folder =
        env::var_os("REGULARS_FACE_DATA").map_or_else(|| root().join("../shared/face"), PathBuf::from);
    if folder.join("golden.json").exists() {
        return Some(folder);
    }
    println!(
        "skipped, because {} has no real faces (REGULARS_FACE_DATA names another folder)",
        folder.display()
    );
    None
}
