//! Finding a model set in a folder, and making sure that every file is the one its manifest means.

use crate::face::manifest::{Manifest, SelfTest};
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::path::{Path, PathBuf};

/// A file of this name in the folder decides alone.
pub const MANIFEST_FILE: &str = "manifest.toml";

/// A manifest and the folder that holds its files, all of them checked.
#[derive(Debug, Clone)]
pub struct ModelSet {
    /// The manifest.
    pub manifest: Manifest,
    /// Path of the detector's file.
    pub detector: PathBuf,
    /// Path of the embedder's file.
    pub embedder: PathBuf,
}

/// What to do with a set whose manifest has no self-test vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unproven {
    /// Refuse it: the rule for whoever counts visits and enrols people.
    Refuse,
    /// Use it, with a warning: somebody asked for it by name.
    Accept,
}

impl ModelSet {
    /// Finds the set of a folder. Its `manifest.toml` decides, when there is one; otherwise the first shipped set all
    /// of whose files lie there. Every file's size and SHA-256 are checked.
    ///
    /// # Errors
    /// One sentence: no folder, no complete set, a wrong file, a manifest that does not read, or an unproven set.
    pub fn find(folder: &Path, unproven: Unproven) -> Result<Self> {
        let manifest = Self::manifest_of(folder)?;
        if let (SelfTest::Unproven(reason), Unproven::Refuse) = (&manifest.self_test, unproven) {
            bail!(
                "the model set {} has no self-test vector ({reason}): choose a proven set, or accept it with --allow-unproven-models",
                manifest.name
            );
        }
        let [detector, embedder] = manifest.files().map(|file| {
            let path = folder.join(&file.name);
            file.verify(&path).map(|()| path)
        });
        Ok(Self { detector: detector?, embedder: embedder?, manifest })
    }

    /// The manifest by which a folder would be used, whether or not its files are right.
    ///
    /// # Errors
    /// One sentence: no folder, no complete set, or a manifest that does not read.
    pub fn manifest_of(folder: &Path) -> Result<Manifest> {
        ensure!(
            folder.is_dir(),
            "{} is no folder: --models takes the folder of the model files",
            folder.display()
        );
        let own = folder.join(MANIFEST_FILE);
        if !own.exists() {
            return shipped_in(folder);
        }
        let text = fs::read_to_string(&own).with_context(|| format!("{} cannot be read", own.display()))?;
        Manifest::parse(&text).with_context(|| format!("{} is no manifest of a model set", own.display()))
    }
}

fn shipped_in(folder: &Path) -> Result<Manifest> {
    let sets = Manifest::shipped();
    if let Some(set) = sets.iter().find(|set| set.files().iter().all(|file| folder.join(&file.name).exists()))
    {
        return Ok(set.clone());
    }
    let wanted: Vec<String> = sets
        .iter()
        .map(|set| format!("{} ({})", set.files().map(|file| file.name.as_str()).join(" and "), set.name))
        .collect();
    bail!(
        "{} holds no model set: get one with `edge models pull`; it needs {}, or a {MANIFEST_FILE} that names other files",
        folder.display(),
        wanted.join(", or ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    fn refusal(folder: &Path) -> String {
        format!("{:#}", ModelSet::find(folder, Unproven::Refuse).unwrap_err())
    }

    /// A manifest whose files are two words, so that no real model is needed.
    fn write_set(folder: &Path, detector: &str) {
        let mut text = include_str!("../../models/yunet_s_mobileface_v2.toml").to_owned();
        for (file, content) in Manifest::shipped().remove(0).files().into_iter().zip(["detector", "embedder"])
        {
            text = text.replace(&file.sha256, &hex::encode(Sha256::digest(content)));
            text = text.replace(&format!("bytes = {}", file.bytes), "bytes = 8");
        }
        fs::write(folder.join(MANIFEST_FILE), text).unwrap();
        fs::write(folder.join("yunet_s_dynamic.onnx"), detector).unwrap();
        fs::write(folder.join("mobileface_v2_512.onnx"), "embedder").unwrap();
    }

    #[test]
    fn a_folders_own_manifest_decides_and_its_files_are_checked() {
        let folder = tempfile::tempdir().unwrap();
        write_set(folder.path(), "detector");
        assert!(ModelSet::find(folder.path(), Unproven::Refuse).is_ok());
        write_set(folder.path(), "detektor");
        let wrong = refusal(folder.path());
        for part in ["yunet_s_dynamic.onnx is not the one", "expected SHA-256", "found", "get it again with"]
        {
            assert!(wrong.contains(part), "{wrong}");
        }
        write_set(folder.path(), "detector");
        fs::remove_file(folder.path().join("mobileface_v2_512.onnx")).unwrap();
        assert!(refusal(folder.path()).contains("mobileface_v2_512.onnx is missing"));
        fs::write(folder.path().join(MANIFEST_FILE), "nonsense").unwrap();
        assert!(refusal(folder.path()).contains("is no manifest"));
    }

    #[test]
    fn without_a_manifest_the_shipped_sets_are_looked_for() {
        let folder = tempfile::tempdir().unwrap();
        assert!(refusal(folder.path()).contains("holds no model set"));
        assert!(refusal(&folder.path().join("nowhere")).contains("is no folder"));
        for name in ["yunet_s_dynamic.onnx", "mobileface_v2_512.onnx"] {
            fs::write(folder.path().join(name), "something else").unwrap();
        }
        assert!(refusal(folder.path()).contains("is not the one its manifest means"));
    }

    #[test]
    fn an_unproven_set_is_used_only_where_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let text = include_str!("../../models/yunet_2023mar_sface.toml");
        fs::write(folder.path().join(MANIFEST_FILE), text).unwrap();
        assert!(refusal(folder.path()).contains("--allow-unproven-models"));
        let accepted = ModelSet::find(folder.path(), Unproven::Accept).unwrap_err();
        assert!(accepted.to_string().contains("is missing"), "{accepted}");
    }
}
