//! What a file holds, by which it is known.

use sha2::{Digest, Sha256};
use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

/// Size and hash of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256, in hex.
    pub sha256: String,
}

impl Content {
    /// Reads a file to its end.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let (mut hash, mut bytes, mut chunk) = (Sha256::new(), 0, vec![0; 1 << 16]);
        loop {
            match file.read(&mut chunk)? {
                0 => return Ok(Self { bytes, sha256: hex::encode(hash.finalize()) }),
                n => {
                    hash.update(&chunk[..n]);
                    bytes += n as u64;
                }
            }
        }
    }
}
