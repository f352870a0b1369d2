//! Where the brokers meet: processes of their own on this machine, started alike.

use crate::mqtt::Road;
use crate::paper::Paper;
use crate::{mosquitto, ours};
use anyhow::{Context as _, Result};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Child;
use tempfile::TempDir;

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name {
    /// The broker of this workspace.
    Ours,
    /// Mosquitto.
    Mosquitto,
}

/// What all figures are measured with.
pub struct Arena {
    /// Measurements of each broker, one after the other in turn.
    pub samples: usize,
    mosquitto: Option<PathBuf>,
    folder: TempDir,
    paper: Paper,
}

/// A broker that is running.
pub struct Contestant {
    /// Which.
    pub name: Name,
    /// The way to it in the clear.
    pub plain: Road,
    /// The way to it under TLS.
    pub tls: Road,
    process: Process,
}

/// A process that ends when it is let go of.
pub struct Process(pub Child);

impl Arena {
    /// Makes a certificate, and looks for Mosquitto.
    pub fn open(samples: usize) -> Result<Arena> {
        let folder = TempDir::new().context("cannot make a folder for certificates and settings")?;
        let paper = Paper::make(folder.path())?;
        Ok(Arena { samples, mosquitto: mosquitto::find(), folder, paper })
    }

    /// Starts every broker anew.
    pub async fn start(&self) -> Result<Vec<Contestant>> {
        let mut contestants = Vec::new();
        for name in self.names() {
            contestants.push(self.start_one(name).await?);
        }
        Ok(contestants)
    }

    /// The brokers that are there.
    pub fn names(&self) -> Vec<Name> {
        let mosquitto = self.mosquitto.as_ref().map(|_| Name::Mosquitto);
        [Some(Name::Ours), mosquitto].into_iter().flatten().collect()
    }

    /// Starts this broker anew.
    pub async fn start_one(&self, name: Name) -> Result<Contestant> {
        let (process, [plain, tls]) = match (name, &self.mosquitto) {
            (Name::Mosquitto, Some(program)) => {
                mosquitto::start(program, self.folder.path(), &self.paper).await?
            }
            _ => ours::start(&self.paper).await?,
        };
        let tls = Road::Tls(tls, self.paper.connector.clone());
        Ok(Contestant { name, plain: Road::Plain(plain), tls, process })
    }
}

impl Contestant {
    /// Bytes of memory that it holds.
    pub fn memory(&self) -> Result<u64> {
        let path = format!("/proc/{}/status", self.process.0.id());
        let status = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        let kb: u64 = line.trim().trim_end_matches(" kB").parse().context("VmRSS is no number")?;
        Ok(kb << 10)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended already is all the better.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Where a broker listens, in the clear and under TLS.
pub type Addresses = [SocketAddr; 2];
