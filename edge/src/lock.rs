//! One daemon for a state folder.

use anyhow::{Context, Result, bail};
use std::{
    fs::{File, TryLockError},
    path::Path,
    thread,
    time::{Duration, Instant},
};

/// A command is done with the files long before.
const PATIENCE: Duration = Duration::from_secs(2);

/// Holds a state folder for as long as it lives; the system lets go of it when the process dies, however.
#[derive(Debug)]
pub struct StateLock {
    _file: File,
}

impl StateLock {
    /// Takes the folder, and waits a moment for it: a command that looks into the files has it just as long as it
    /// looks. Blocks.
    ///
    /// # Errors
    /// When another process keeps it, or it cannot be written.
    pub fn take(folder: &Path) -> Result<Self> {
        let end = Instant::now() + PATIENCE;
        loop {
            // A lock of the system can be waited for, but not with a deadline.
            match Self::try_take(folder)? {
                Some(lock) => return Ok(lock),
                None if Instant::now() < end => thread::sleep(Duration::from_millis(20)),
                None => bail!(
                    "{} is in use by a running edge: stop that one first, or give this one another --state",
                    folder.display()
                ),
            }
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
