//! The texts of the licences under which models and runtime are published. They go with every copy: `edge models pull`
//! puts them beside the files.

use super::library::Build;
use crate::face::{Manifest, ModelFile};
use anyhow::{Context, Result};
use std::{
    fs,
    path::{Path, PathBuf},
};

const TEXTS: [(&str, &str); 5] = [
    ("mobileface_MIT.txt", include_str!("../../models/licences/mobileface_MIT.txt")),
    ("onnxruntime_MIT.txt", include_str!("../../models/licences/onnxruntime_MIT.txt")),
    ("sface_Apache-2.0.txt", include_str!("../../models/licences/sface_Apache-2.0.txt")),
    ("yunet_2023mar_MIT.txt", include_str!("../../models/licences/yunet_2023mar_MIT.txt")),
    ("yunet_s_Apache-2.0.txt", include_str!("../../models/licences/yunet_s_Apache-2.0.txt")),
];

/// A licence that goes with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Licence {
    /// The file it is about.
    pub of: String,
    /// Its name, such as MIT.
    pub name: String,
    /// Where its text is published.
    pub url: String,
    text: &'static str,
}

impl Licence {
    /// Those of a set, one for each of its files whose licence is shipped.
    pub fn of_set(set: &Manifest) -> Vec<Self> {
        let of = |(file, origins): (&ModelFile, Vec<&ModelFile>)| {
            let origin = *origins.first()?;
            let published = origin.published.as_ref()?;
            let (_, text) = TEXTS.iter().find(|(name, _)| *name == published.licence_text)?;
            Some(Self {
                of: file.name.clone(),
                name: origin.licence.clone(),
                url: published.licence_url.clone(),
                text,
            })
        };
        set.origins().into_iter().filter_map(of).collect()
    }

    /// That of the runtime.
    pub fn of_runtime(build: &Build) -> Self {
        let Build { name, bytes: _, sha256: _, machine: _ } = build;
        let url = "https://github.com/microsoft/onnxruntime/blob/v1.24.4/LICENSE";
        Self { of: (*name).to_owned(), name: "MIT".to_owned(), url: url.to_owned(), text: TEXTS[1].1 }
    }

    /// Where its text lies beside its file.
    pub fn path(&self, folder: &Path) -> PathBuf {
        folder.join(format!("{}.LICENSE.txt", self.of))
    }

    /// Whether the text lies there, word for word.
    pub fn is_in(&self, folder: &Path) -> bool {
        fs::read(self.path(folder)).is_ok_and(|text| text == self.text.as_bytes())
    }

    /// Puts the text beside its file.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn store(&self, folder: &Path) -> Result<()> {
        let path = self.path(folder);
        fs::write(&path, self.text).with_context(|| {
            format!("{} cannot be written: choose another folder with --models DIR", path.display())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_file_has_its_licence() {
        for set in Manifest::shipped() {
            let licences = Licence::of_set(&set);
            assert_eq!(licences.len(), set.files().len(), "{}", set.name);
            for (licence, file) in licences.iter().zip(set.files()) {
                assert_eq!((&licence.of, &licence.name), (&file.name, &file.licence));
                let first =
                    if licence.name == "MIT" { "Permission is hereby granted" } else { "Apache License" };
                assert!(licence.text.contains(first), "{licence:?}");
            }
        }
        assert!(Licence::of_runtime(&Build::ALL[0]).text.contains("Copyright (c) Microsoft Corporation"));
    }
}
