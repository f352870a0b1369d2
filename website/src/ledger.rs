//! The erasure ledger: a file in the data folder, outside the database, that names every removal, every revoked edge and
//! every credential that was taken back. A backup of the database cannot bring a removed person back, nor let in whoever
//! was shut out, because whatever only the ledger knows is done again.
//!
//! One line a removal, JSON: `{"location","face_id","also","epoch","seq","at"}`; `also` lists every face that was
//! ever merged into that one, `epoch` is 16 hexadecimal digits, `at` milliseconds since 1970. One line a revocation:
//! `{"location","edge","revoked_at"}`. One line a credential: `{"credential","withdrawn_at"}`, the first the SHA-256 of
//! what the database kept of it, 64 hexadecimal digits. Nothing personal and no secret. It is only ever appended to. A
//! line is written after the deed is committed and before it is answered as done; where that fails the deed stands, the
//! answer says so, and the line is tried again every minute.

use crate::{
    app::App,
    db::Db,
    decide::{
        erasure::Erasure,
        revocation::Revocation,
        withdrawal::{Fingerprint, Withdrawal},
    },
    tables::{edges, erasures, withdrawals},
};
use anyhow::Context;
use protocol::{EdgeId, Epoch, FaceId, LocationId, Seq, UnixMs};
use serde::{Deserialize, Serialize};
use std::{
    fs,
    io::{ErrorKind, Read, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};
use tokio::{sync::Mutex, task::spawn_blocking};

/// Removals, revocations and withdrawals, of each so many written in one go.
const BATCH: u32 = 1_000;

/// The ledger of one data folder.
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
    writing: Mutex<()>,
}

/// What the file holds.
#[derive(Debug, Default)]
pub struct Written {
    /// The removals, oldest first.
    pub erasures: Vec<Erasure>,
    /// The edges that were revoked, oldest first.
    pub revocations: Vec<Revocation>,
    /// The credentials that were taken back, oldest first.
    pub withdrawals: Vec<Withdrawal>,
    /// Lines that cannot be read. The last one of a crash is not among them: it was never answered as done.
    pub damaged: usize,
}

/// Why something is not in the ledger.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The file.
    #[error("{path} cannot be written: {error}")]
    File {
        /// Which.
        path: String,
        /// What the operating system said.
        error: std::io::Error,
    },
    /// The database.
    #[error("the database did not say what to write: {0}")]
    Database(#[from] sqlx::Error),
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Line {
    Removed { location: LocationId, face_id: FaceId, also: Vec<FaceId>, epoch: String, seq: Seq, at: UnixMs },
    Revoked { location: LocationId, edge: EdgeId, revoked_at: UnixMs },
    Withdrawn { credential: String, withdrawn_at: UnixMs },
}

impl Ledger {
    /// The ledger in `data`; its file is made by the first line.
    pub fn at(data: &Path) -> Ledger {
        Ledger { path: data.join("erasures.jsonl"), writing: Mutex::default() }
    }

    /// Everything that was ever written.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub async fn read(&self) -> anyhow::Result<Written> {
        let path = self.path.clone();
        let text = spawn_blocking(move || match fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            read => read.with_context(|| format!("the erasure ledger {} cannot be read", path.display())),
        });
        Ok(parse(&text.await.context("the erasure ledger was not read")??))
    }

    /// Writes down whatever is not in the ledger yet; when this returns it is durable.
    ///
    /// # Errors
    /// When the file cannot be written. Nothing is lost by that: what was done stands, and the next call writes it.
    pub async fn write_down(&self, db: &Db) -> Result<(), LedgerError> {
        let _turn = self.writing.lock().await;
        loop {
            let mut tx = db.read().await?;
            let removed = erasures::unwritten(&mut tx, BATCH).await?;
            let removed: Vec<Erasure> = removed.into_iter().map(|recorded| recorded.erasure).collect();
            let revoked = edges::unwritten_revocations(&mut tx, BATCH).await?;
            let withdrawn = withdrawals::unwritten(&mut tx, BATCH).await?;
            drop(tx);
            let lines = lines(&removed, &revoked, &withdrawn);
            if lines.is_empty() {
                return Ok(());
            }
            let path = self.path.clone();
            let appended = spawn_blocking(move || append(&path, &lines)).await;
            let appended = appended.unwrap_or_else(|_| Err(std::io::Error::other("the writer was stopped")));
            appended.map_err(|error| LedgerError::File { path: self.path.display().to_string(), error })?;
            let mut tx = db.write().await?;
            for erasure in &removed {
                erasures::set_written(&mut tx, erasure).await?;
            }
            for revocation in &revoked {
                edges::set_revocation_written(&mut tx, &revocation.edge).await?;
            }
            for withdrawal in &withdrawn {
                withdrawals::set_written(&mut tx, withdrawal).await?;
            }
            tx.commit().await?;
        }
    }
}

/// Tries again what could not be written; says so once a minute while it cannot.
pub(crate) async fn catch_up(app: &App) {
    if let Err(error) = app.ledger.write_down(&app.db).await {
        tracing::error!(%error, "something is not in the erasure ledger: a backup restored now would undo it");
    }
}

fn lines(removed: &[Erasure], revoked: &[Revocation], withdrawn: &[Withdrawal]) -> Vec<u8> {
    let removed = removed.iter().cloned().map(|Erasure { location, face_id, also, epoch, seq, at }| {
        Line::Removed { location, face_id, also, epoch: epoch.to_string(), seq, at }
    });
    let revoked = revoked.iter().cloned().map(|Revocation { location, edge, at }| Line::Revoked {
        location,
        edge,
        revoked_at: at,
    });
    let withdrawn = withdrawn.iter().map(|Withdrawal { credential, at }| Line::Withdrawn {
        credential: hex::encode(credential.0),
        withdrawn_at: *at,
    });
    let line = |line: Line| serde_json::json!(line).to_string() + "\n";
    removed.chain(revoked).chain(withdrawn).map(line).collect::<String>().into_bytes()
}

fn parse(text: &[u8]) -> Written {
    let mut written = Written::default();
    // What follows the last line break was cut off by a crash.
    let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(&[][..], |end| &text[..end]);
    for line in whole.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        if serde_json::from_slice(line).ok().and_then(|line| written.take(line)).is_none() {
            written.damaged += 1;
        }
    }
    written
}

impl Written {
    /// Takes a line in, unless its numbers are none.
    fn take(&mut self, line: Line) -> Option<()> {
        match line {
            Line::Removed { location, face_id, also, epoch, seq, at } => {
                let epoch = Epoch(u64::from_str_radix(&epoch, 16).ok()?);
                self.erasures.push(Erasure { location, face_id, also, epoch, seq, at });
            }
            Line::Revoked { location, edge, revoked_at: at } => {
                self.revocations.push(Revocation { location, edge, at });
            }
            Line::Withdrawn { credential, withdrawn_at: at } => {
                let mut bytes = [0; 32];
                hex::decode_to_slice(&credential, &mut bytes).ok()?;
                self.withdrawals.push(Withdrawal { credential: Fingerprint(bytes), at });
            }
        }
        Some(())
    }
}

fn append(path: &Path, lines: &[u8]) -> std::io::Result<()> {
    let is_new = !path.exists();
    let mut file = fs::OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
    let mut last = [b'\n'];
    if file.metadata()?.len() > 0 {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
    }
    // A line that a crash cut off must not swallow the next one.
    let start: &[u8] = if last == [b'\n'] { b"" } else { b"\n" };
    file.write_all(&[start, lines].concat())?;
    file.sync_all()?;
    if is_new {
        fs::File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(face: &str) -> Erasure {
        Erasure {
            location: "berlin".parse().unwrap(),
            face_id: face.parse().unwrap(),
            also: vec!["x".parse().unwrap(), "y".parse().unwrap()],
            epoch: Epoch(u64::MAX - 1),
            seq: Seq(7),
            at: UnixMs(9),
        }
    }

    fn revoked(edge: &str) -> Revocation {
        Revocation { location: "berlin".parse().unwrap(), edge: edge.parse().unwrap(), at: UnixMs(5) }
    }

    fn withdrawn(n: u8) -> Withdrawal {
        Withdrawal { credential: Fingerprint([n; 32]), at: UnixMs(6) }
    }

    #[test]
    fn what_was_written_is_read_again_whatever_a_crash_left_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        append(&path, &lines(&[some("a")], &[revoked("till")], &[withdrawn(1)])).unwrap();
        // A crash in the middle of a line, then another removal.
        let cut = &lines(&[some("b")], &[], &[])[..20];
        fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(cut).unwrap();
        assert_eq!(parse(&fs::read(&path).unwrap()).damaged, 0, "it was never answered as done");
        append(&path, &lines(&[some("c"), some("d")], &[revoked("door")], &[withdrawn(0xab)])).unwrap();
        let written = parse(&fs::read(&path).unwrap());
        assert_eq!(written.erasures, [some("a"), some("c"), some("d")]);
        assert_eq!(written.revocations, [revoked("till"), revoked("door")]);
        assert_eq!(written.withdrawals, [withdrawn(1), withdrawn(0xab)]);
        assert_eq!(written.damaged, 1);
        assert_eq!(parse(b"{\"credential\":\"ab\",\"withdrawn_at\":6}\n").damaged, 1, "half a hash");
        assert_eq!(parse(b"").erasures, []);
    }
}
