//! Where tests find what is not compiled in.

use std::path::{Path, PathBuf};

pub use test_kit::face_data as faces;

/// The root of the workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}
