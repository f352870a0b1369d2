//! The folder of real pictures and models, which is no part of the project.

use crate::{Lack, skip};
use std::{
    env,
    path::{Path, PathBuf},
};

/// The folder that `REGULARS_FACE_DATA` names, or the one beside the project. Where there is none the test is skipped.
///
/// A folder that somebody names, or whose neighbours are there, is meant to be there: only then it counts as provided.
pub fn face_data() -> Option<PathBuf> {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let named = env::var_os("REGULARS_FACE_DATA").map(PathBuf::from);
    let meant = named.is_some() || shared.is_dir();
    let folder = named.unwrap_or_else(|| shared.join("face"));
    if folder.join("models").is_dir() && folder.join("golden.json").is_file() {
        return Some(folder.canonicalize().unwrap());
    }
    let lack = if meant { Lack::Provided } else { Lack::Elsewhere };
    let why = "there is no folder of pictures and models (REGULARS_FACE_DATA names one)";
    skip(lack, why);
    None
}
