//! A file of a model set: by which bytes it is known, and where it comes from.

use crate::face::content::Content;
use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use std::{io, path::Path};

/// A file of a set, known by its content.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelFile {
    /// Name, relative to the set's folder.
    pub name: String,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256, in hex.
    pub sha256: String,
    /// Where it can be had.
    pub source: String,
    /// Its licence.
    pub licence: String,
    /// Where anybody can fetch it, when it is published just so.
    #[serde(default)]
    pub published: Option<Published>,
}

/// Where a file is fetched from, and where its licence is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// Its https address.
    pub url: String,
    /// Where the text of the licence is published.
    pub licence_url: String,
    /// Which of the shipped texts that is: a name of [`crate::models::licence`].
    pub licence_text: String,
}

/// How a file that nobody publishes is made from two that are.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conversion {
    /// What is done.
    pub kind: ConversionKind,
    /// The network's graph.
    pub graph: ModelFile,
    /// The network's parameters.
    pub parameters: ModelFile,
}

/// The conversions this program knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConversionKind {
    /// [`crate::models::convert::mxnet_mirrored`].
    MxnetMirrored,
}

impl ModelFile {
    /// Compares a file on the disk with this one.
    ///
    /// # Errors
    /// One sentence: it is not there, cannot be read, or is another one.
    pub fn verify(&self, path: &Path) -> Result<()> {
        let at = path.display();
        let remedy = format!("get it again with `edge models pull`, or from {}", self.source);
        let Content { bytes, sha256: found } = match Content::of(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                bail!("the model file {at} is missing: {remedy}")
            }
            read => read.with_context(|| format!("the model file {at} cannot be read"))?,
        };
        ensure!(
            found == self.sha256.to_ascii_lowercase(),
            "the model file {at} is not the one its manifest means: expected SHA-256 {} ({} bytes), found {found} ({bytes} bytes): {remedy}",
            self.sha256,
            self.bytes
        );
        ensure!(bytes == self.bytes, "the manifest gives a wrong size of {}", self.name);
        Ok(())
    }

    /// Whether what the manifest says of it makes sense.
    pub(super) fn check(&self) -> Result<()> {
        let Self { name, bytes: _, sha256, source: _, licence: _, published } = self;
        ensure!(!name.is_empty() && !name.starts_with('/'), "a file is named relative to the manifest");
        ensure!(
            hex::decode(sha256).is_ok_and(|hash| hash.len() == 32),
            "the SHA-256 of {name} is not 64 hex digits"
        );
        if let Some(Published { url, licence_url: _, licence_text: _ }) = published {
            ensure!(
                url.starts_with("https://"),
                "{url}, the address of {name}, does not begin with https://"
            );
        }
        Ok(())
    }
}
