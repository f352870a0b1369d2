//! What is wrong with `broker.toml`.

use std::ops::Range;
use std::path::PathBuf;

/// The file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadSettings {
    /// It cannot be read at all.
    #[error("{}: cannot be read: {error}; make it with: broker config > {}", .file.display(), .file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// Something in it is wrong.
    #[error("{}:{line}: {what}", .file.display())]
    Invalid {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong, and what to do.
        what: String,
    },
}

/// What is wrong, and where in the text.
pub struct Invalid(pub Range<usize>, pub String);
