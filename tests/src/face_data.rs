//! The folder of real pictures and models, which is no part of the project.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Where the pictures and the models are.
pub struct FaceData {
    root: PathBuf,
}

/// Finds the folder; where there is none the test is skipped.
pub fn face_data() -> Option<FaceData> {
    test_kit::face_data().map(|root| FaceData { root })
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
