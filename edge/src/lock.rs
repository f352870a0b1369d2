//! One daemon for a state folder.

use anyhow::{Context, Result, bail};
use std::{
    fs::{File, TryLockError},
    path::Path,
};

/// Holds a state folder for as long as it lives; the system lets go of it when the process dies, however.
#[derive(Debug)]
pub struct StateLock {
    _file: File,
}

impl StateLock {
    /// Takes the folder.
    ///
    /// # Errors
    /// When another process has it, or it cannot be written.
    pub fn take(folder: &Path) -> Result<Self> {
        match Self::try_take(folder)? {
            Some(lock) => Ok(lock),
            None => bail!(
                "{} is in use by a running edge: stop that one first, or give this one another --state",
                folder.display()
            ),
        }
    }

    /// Takes the folder, unless another process has it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn try_take(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join("edge.lock");
        let file = File::create(&path).with_context(|| format!("{} cannot be written", path.display()))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("{} cannot be locked", path.display()))
            }
        }
    }
}
