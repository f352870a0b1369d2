//! An edge as a process of its own.

use super::{people, stage::PATIENCE};
use anyhow::{Context as _, Result};
use edge::Notice;
use protocol::{Seq, message::SyncState};
use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    sync::broadcast::error::RecvError,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// A running edge.
pub struct EdgeBox {
    process: Child,
    said: Lines<BufReader<ChildStdout>>,
}

/// Bytes of memory.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    /// Held now.
    pub resident: u64,
    /// Held at most so far.
    pub peak: u64,
}

impl EdgeBox {
    /// Starts the edge of a state folder.
    pub fn start(state: &Path) -> Result<EdgeBox> {
        let program = std::env::current_exe().context("cannot find this program")?;
        let mut process = Command::new(program)
            .arg("edge")
            .arg(state)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start an edge")?;
        let stdout = process.stdout.take().context("the edge has no output")?;
        Ok(EdgeBox { process, said: BufReader::new(stdout).lines() })
    }

    /// Waits until it says this, and tells when it did and what followed the word.
    pub async fn says(&mut self, word: &str) -> Result<(Instant, String)> {
        let said = async {
            loop {
                let line = self.said.next_line().await?.context("the edge has ended")?;
                if let Some(rest) = line.strip_prefix(word) {
                    return Ok((Instant::now(), rest.trim().to_owned()));
                }
            }
        };
        timeout(PATIENCE, said).await.with_context(|| format!("the edge does not say {word:?}"))?
    }

    /// Waits until it has verified this seq, and tells when it had.
    pub async fn verified(&mut self, seq: Seq) -> Result<Instant> {
        loop {
            let (at, verified) = self.says("verified").await?;
            if verified.parse::<u64>().is_ok_and(|verified| verified >= seq.0) {
                return Ok(at);
            }
        }
    }

    /// How much memory its process holds.
    pub fn memory(&self) -> Result<Memory> {
        let path = format!("/proc/{}/status", self.process.id().context("the edge has ended")?);
        let status = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        let field = |name: &str| -> Result<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let kb = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
            Ok(kb.with_context(|| format!("no {name}"))? << 10)
        };
        Ok(Memory { resident: field("VmRSS:")?, peak: field("VmHWM:")? })
    }

    /// Stops it, and waits until it has gone.
    pub async fn stop(mut self) -> Result<()> {
        drop(self.process.stdin.take());
        timeout(Duration::from_secs(20), self.process.wait()).await.context("the edge does not stop")??;
        Ok(())
    }
}

/// Is the edge of a state folder, until its input ends, and says what happens.
pub async fn be(state: PathBuf) -> Result<()> {
    let settings = edge::Settings { state, space: people::space()?, away: Duration::from_secs(20) };
    let edge = edge::start(settings, CancellationToken::new()).await?;
    let mut notices = edge.events();
    let mut status = edge.watch();
    let mut stands = status.borrow_and_update().state;
    let ends = CancellationToken::new();
    let ended = ends.clone();
    // Blocks until whoever started this lets go of it.
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        ended.cancel();
    });
    loop {
        let notice = tokio::select! {
            () = ends.cancelled() => break,
            changed = status.changed() => match changed {
                Ok(()) => {
                    let before = std::mem::replace(&mut stands, status.borrow_and_update().state);
                    if before == SyncState::Differs && stands == SyncState::Verified {
                        println!("right");
                    }
                    continue;
                }
                Err(_) => break,
            },
            notice = notices.recv() => notice,
        };
        match notice {
            Ok(Notice::Connected) => println!("connected"),
            Ok(Notice::Verified { seq, .. }) => println!("verified {}", seq.0),
            Ok(Notice::Repairs { .. }) => println!("repairs"),
            Ok(Notice::Wants { rows }) => println!("wants {rows}"),
            Ok(_) | Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => break,
        }
    }
    edge.stop().await
}
