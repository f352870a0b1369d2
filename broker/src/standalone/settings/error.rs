//! What is wrong with `broker.toml`.

use std::ops::Range;
use std::path::PathBuf;

/// The file is of no use.
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
    Wrong {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong, and what to do.
        what: String,
    },
}

/// What is wrong, and where in the text.
pub struct Wrong(pub Range<usize>, pub String);
