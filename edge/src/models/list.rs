//! `edge models list`: which sets there are.

use crate::face::{Manifest, ModelFile, manifest::SelfTest};
use serde::Serialize;
use std::{fmt, path::PathBuf};

/// A shipped set, and whether it is here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// What `edge models pull` calls it.
    pub name: &'static str,
    /// What people call it.
    pub title: String,
    /// What it is good for.
    pub about: String,
    /// Why it cannot prove itself, when it cannot.
    pub unproven: Option<String>,
    /// Bytes to be fetched.
    pub bytes: u64,
    /// The files it consists of.
    pub files: Vec<ListedFile>,
    /// The folder in which all of its files are right; nothing when there is none.
    pub folder: Option<PathBuf>,
}

/// A file to be fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListedFile {
    /// Its name.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256, in hex.
    pub sha256: String,
    /// Where it is fetched from.
    pub url: Option<String>,
    /// Its licence.
    pub licence: String,
    /// Where the licence's text is.
    pub licence_url: Option<String>,
}

/// The shipped sets, looked for in these folders.
pub fn sets(folders: &[PathBuf]) -> Vec<Listed> {
    Manifest::catalogue().into_iter().map(|(name, manifest)| listed(name, &manifest, folders)).collect()
}

fn listed(name: &'static str, manifest: &Manifest, folders: &[PathBuf]) -> Listed {
    let origins = manifest.origins().into_iter().flat_map(|(_, origins)| origins);
    let files: Vec<ListedFile> = origins.map(listed_file).collect();
    let right = |folder: &&PathBuf| {
        manifest.files().into_iter().all(|file| file.verify(&folder.join(&file.name)).is_ok())
    };
    Listed {
        name,
        title: manifest.name.clone(),
        about: manifest.about.clone(),
        unproven: match &manifest.self_test {
            SelfTest::Vector(_) => None,
            SelfTest::Unproven(reason) => Some(reason.clone()),
        },
        bytes: files.iter().map(|file| file.bytes).sum(),
        files,
        folder: folders.iter().find(right).cloned(),
    }
}

fn listed_file(file: &ModelFile) -> ListedFile {
    let ModelFile { name, bytes, sha256, source: _, licence, published } = file;
    ListedFile {
        name: name.clone(),
        bytes: *bytes,
        sha256: sha256.clone(),
        url: published.as_ref().map(|published| published.url.clone()),
        licence: licence.clone(),
        licence_url: published.as_ref().map(|published| published.licence_url.clone()),
    }
}

/// What it means that a set has no self-test vector.
pub fn in_plain_words(reason: &str) -> String {
    format!(
        "NOT PROVED: it has no self-test vector ({reason}). A mistake in how it is fed (colours, scale) would go unnoticed, \
and strangers could be taken for customers. It is used only with --allow-unproven-models: measure it on your own store first."
    )
}

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, title, about, unproven, bytes, files, folder } = self;
        writeln!(f, "{name}: {title}, {about}")?;
        if let Some(reason) = unproven {
            writeln!(f, "  {}", in_plain_words(reason))?;
        }
        for file in files {
            let url = file.licence_url.as_deref().unwrap_or("no address");
            writeln!(f, "  {}, {} bytes, {} ({url})", file.name, file.bytes, file.licence)?;
        }
        match folder {
            Some(folder) => write!(f, "  here: {}", folder.display()),
            None => write!(f, "  not here: {:.1} MB, `edge models pull {name}`", *bytes as f64 / 1e6),
        }
    }
}
