//! The folder of real pictures and models, which is no part of the project.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

/// Where the pictures and the models are.
pub struct FaceData {
    root: PathBuf,
}

/// Finds the folder by `REGULARS_FACE_DATA` or beside the project; says so where there is none.
pub fn face_data() -> Option<FaceData> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/face");
    let root = env::var_os("REGULARS_FACE_DATA").map_or(beside, PathBuf::from);
    if root.join("models").is_dir() {
        return Some(FaceData { root: root.canonicalize().unwrap() });
    }
    println!("skipped, because there is no folder of pictures and models at {}", root.display());
    None
}

impl FaceData {
    /// The folder of models.
    pub fn models(&self) -> PathBuf {
        self.root.join("models")
    }

    /// One picture.
    pub fn picture(&self, name: &str) -> PathBuf {
        self.root.join("images").join(name)
    }

    /// A fresh folder under `folder` that holds these pictures in this order, as a source for an edge.
    pub fn source(&self, folder: &Path, names: &[&str]) -> String {
        fs::create_dir_all(folder).unwrap();
        for (n, name) in names.iter().enumerate() {
            fs::copy(self.picture(name), folder.join(format!("{n:02}-{name}"))).unwrap();
        }
        format!("images:{}", folder.display())
    }
}
