//! A file on its way: `NAME.part` grows, and takes its own name only when it is complete, right and on the disk.

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

/// The file, and the hash of what it holds.
pub struct Part {
    file: File,
    path: PathBuf,
    target: PathBuf,
    hash: Sha256,
    written: u64,
    bytes: u64,
}

impl Part {
    /// Goes on with what an earlier attempt has left, or begins.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn open(folder: &Path, name: &str, bytes: u64) -> Result<Self> {
        let (path, target) = (folder.join(format!("{name}.part")), folder.join(name));
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(&path);
        let file = file.with_context(|| {
            format!("{} cannot be written: choose another folder with --models DIR", path.display())
        })?;
        let mut part = Self { file, path, target, hash: Sha256::new(), written: 0, bytes };
        part.read_back()?;
        Ok(part)
    }

    fn read_back(&mut self) -> Result<()> {
        let length = self.file.metadata().map(|metadata| metadata.len());
        if length.with_context(|| self.unreadable())? > self.bytes {
            return self.restart();
        }
        let mut chunk = vec![0; 1 << 16];
        loop {
            match self.file.read(&mut chunk).with_context(|| self.unreadable())? {
                0 => return Ok(()),
                n => {
                    self.hash.update(&chunk[..n]);
                    self.written += n as u64;
                }
            }
        }
    }

    fn unreadable(&self) -> String {
        format!("{} cannot be read", self.path.display())
    }

    /// Bytes that are there.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Whether all bytes are there, right or wrong.
    pub fn is_full(&self) -> bool {
        self.written == self.bytes
    }

    /// Forgets what is there.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn restart(&mut self) -> Result<()> {
        self.hash = Sha256::new();
        self.written = 0;
        let emptied = self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0)));
        emptied.with_context(|| format!("{} cannot be written", self.path.display()))?;
        Ok(())
    }

    /// Appends. Never more than the file is to have: the caller compares first.
    ///
    /// # Errors
    /// When the disk does not take it; a full disk is left as it was before the file was begun.
    pub fn write(&mut self, chunk: &[u8]) -> Result<()> {
        ensure!(
            self.written + chunk.len() as u64 <= self.bytes,
            "{} would become too long",
            self.path.display()
        );
        if let Err(error) = self.file.write_all(chunk) {
            return Err(self.undone(error));
        }
        self.hash.update(chunk);
        self.written += chunk.len() as u64;
        Ok(())
    }

    /// The sentence for a disk that does not take what is written. On a full one the edge may have more important
    /// things to write than what can be fetched again.
    fn undone(&self, error: io::Error) -> anyhow::Error {
        let full = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded, io::ErrorKind::FileTooLarge];
        if !full.contains(&error.kind()) {
            return anyhow::Error::new(error).context(format!("{} cannot be written", self.path.display()));
        }
        let _ = fs::remove_file(&self.path);
        anyhow::anyhow!(
            "the disk of {} is full, and nothing was left on it: make room for {} bytes, or choose another folder with --models DIR",
            self.path.display(),
            self.bytes
        )
    }

    /// The SHA-256 of what is there, in hex.
    pub fn sha256(&self) -> String {
        hex::encode(self.hash.clone().finalize())
    }

    /// Gives the file its name; durable when this returns.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn finish(self) -> Result<()> {
        self.file.sync_all().map_err(|error| self.undone(error))?;
        let renamed = fs::rename(&self.path, &self.target);
        renamed.with_context(|| format!("{} cannot be put into its place", self.target.display()))?;
        // A name is durable when its folder is.
        let folder = self.target.parent().unwrap_or(Path::new("."));
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        synced.with_context(|| format!("{} cannot be synced", folder.display()))
    }

    /// Leaves nothing behind: what is there is wrong.
    pub fn discard(self) {
        let _ = fs::remove_file(&self.path);
    }

    /// Leaves what is there for the next attempt, unless that is nothing.
    pub fn keep(self) {
        if self.written == 0 {
            self.discard();
        }
    }
}
