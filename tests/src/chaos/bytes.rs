//! The bytes of faces, searched for where they must not be.

use crate::Website;
use edge::FaceVector;
use std::{
    collections::{HashMap, HashSet},
    fs,
    path::Path,
};

/// Pieces of vectors: of each, as f16 and as f32, one of eight bytes in every sixteenth part.
pub(super) struct Traces(HashMap<[u8; 8], &'static str>);

impl Traces {
    /// Of everybody that was shown and whose vector is none of these.
    pub(super) fn of(shown: &[Vec<f32>], live: &[Vec<u8>]) -> Self {
        let live: HashSet<&[u8]> = live.iter().map(Vec::as_slice).collect();
        let mut traces = HashMap::new();
        for vector in shown {
            let face = FaceVector::from_output(vector).unwrap();
            let embedding = face.to_embedding();
            if live.contains(embedding.as_bytes()) {
                continue;
            }
            let bytes =
                |numbers: &[f32]| -> Vec<u8> { numbers.iter().flat_map(|n| n.to_le_bytes()).collect() };
            for (kind, bytes) in [
                ("f16", embedding.as_bytes().to_vec()),
                ("f32", bytes(&embedding.to_f32())),
                ("f32 before it was rounded", bytes(face.as_slice())),
            ] {
                for part in bytes.chunks(bytes.len() / 16) {
                    traces.insert(part[..8].try_into().unwrap(), kind);
                }
            }
        }
        Self(traces)
    }

    /// Where in the files of a folder a piece was found.
    pub(super) fn in_folder(&self, folder: &Path) -> Option<String> {
        fs::read_dir(folder).unwrap().find_map(|entry| {
            let path = entry.unwrap().path();
            if path.is_dir() {
                return self.in_folder(&path);
            }
            // A socket cannot be read, and a file may just have gone.
            let bytes = fs::read(&path).ok()?;
            self.found(&bytes).map(|what| format!("{what} in {}", path.display()))
        })
    }

    /// Where a piece was found in whatever the website keeps.
    pub(super) fn in_website(&self, site: &Website) -> Option<String> {
        let tables = site.tables().into_iter();
        let dumped = tables.map(|table| (site.dump(&table), table));
        self.in_folder(site.data()).or_else(|| {
            dumped
                .into_iter()
                .find_map(|(bytes, table)| self.found(&bytes).map(|what| format!("{what} in {table}")))
        })
    }

    fn found(&self, bytes: &[u8]) -> Option<&'static str> {
        bytes.windows(8).find_map(|window| {
            let piece: [u8; 8] = window.try_into().unwrap();
            self.0.get(&piece).copied()
        })
    }
}
