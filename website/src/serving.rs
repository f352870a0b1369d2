//! At most one website serves from a data folder, and nobody restores its database meanwhile.

use anyhow::Context;
use std::{
    fs::{File, OpenOptions, TryLockError},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

/// Held while a website serves, or its database is replaced; given back when dropped, also by a crash.
#[derive(Debug)]
pub(crate) struct Serving {
    _lock: File,
}

impl Serving {
    /// Takes the data folder for this process.
    ///
    /// # Errors
    /// When another one has it.
    pub(crate) fn begin(data: &Path) -> anyhow::Result<Serving> {
        let path = data.join("serving.lock");
        let lock = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
        let lock = lock.with_context(|| format!("{} cannot be opened", path.display()))?;
        match lock.try_lock() {
            Ok(()) => Ok(Serving { _lock: lock }),
            Err(TryLockError::WouldBlock) => {
                anyhow::bail!("a website is running from {}: stop it first", data.display())
            }
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("{} cannot be locked", path.display()))
            }
        }
    }
}
