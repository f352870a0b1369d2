//! Opening a database file: its settings, its version; and when what is committed to it is on the disk.

use rusqlite::{Connection, ErrorCode, Transaction, ffi};
use std::{fs, io, path::Path, time::Duration};

/// Every setting with its reason.
const SETTINGS: &str = "
    -- Nobody else reads these files: so a checkpoint can always empty the log, and a removal is really one.
    PRAGMA locking_mode = EXCLUSIVE;
    -- One sequential write a commit, and a kill at any moment leaves the last commit.
    PRAGMA journal_mode = WAL;
    -- A commit is on the disk when it returns, unless a transaction begins otherwise.
    PRAGMA synchronous = FULL;
    -- What is deleted is overwritten, in its page and in free pages.
    PRAGMA secure_delete = ON;
    -- No temporary file ever holds a face.
    PRAGMA temp_store = MEMORY;
    -- The schema of a tampered file runs nothing.
    PRAGMA trusted_schema = OFF;
";

/// An open database file.
#[derive(Debug)]
pub(super) struct Database {
    db: Connection,
    flush: Flush,
}

/// One step in the form of a file, from one version to the next.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    /// These statements, in one transaction.
    Sql(&'static [&'static str]),
    /// The file is written anew: of what the steps before have moved no copy is left. Whoever opens a file that a kill has kept from
    /// this step does it first.
    WrittenAnew,
}

/// When a commit is on the disk. A kill never undoes one, and a power cut leaves a whole database in either case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flush {
    /// When it returns.
    AtCommit,
    /// With the next commit that is, or the next emptying of the log: until then a power cut can undo it, and whatever
    /// was committed after it.
    Later,
}

/// Why a database file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A newer program has changed its form.
    #[error(
        "{file} was written by a newer edge (version {found}, this one knows {known}): update this program"
    )]
    Newer {
        /// The file.
        file: String,
        /// Its version.
        found: i64,
        /// The newest version known here.
        known: i64,
    },
    /// Another process has it.
    #[error("{0} is in use by another program: stop that one first")]
    InUse(String),
    /// Its content is no database, or no longer one.
    #[error("{file} is damaged: {reason}")]
    Damaged {
        /// The file.
        file: String,
        /// What the check says.
        reason: String,
    },
    /// Anything else.
    #[error("{file} cannot be used: {source}")]
    Other {
        /// The file.
        file: String,
        /// Why.
        source: rusqlite::Error,
    },
}

impl OpenError {
    /// Sorts an error that came while `file` was used.
    pub(super) fn of(file: &Path, source: rusqlite::Error) -> Self {
        let file = file.display().to_string();
        match source.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::InUse(file),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Damaged { file, reason: source.to_string() }
            }
            _ => Self::Other { file, source },
        }
    }

    /// Whether the file's content is at fault.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. })
    }
}

/// Whether room on the disk, or the right to write to it, would have prevented this error.
pub fn waits_for_disk(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DiskFull
                | ErrorCode::ReadOnly
                | ErrorCode::PermissionDenied
                | ErrorCode::CannotOpen
                | ErrorCode::SystemIoFailure
                | ErrorCode::DatabaseBusy
        )
    )
}

/// Opens a file, checks it, and brings it to the newest form: `forms[n]` leads from version n to n + 1.
pub(super) fn open(file: &Path, forms: &[Form]) -> Result<Database, OpenError> {
    let wrong = |error| OpenError::of(file, error);
    let db = Connection::open(file).map_err(wrong)?;
    private(file).map_err(|e| wrong(rusqlite::Error::ToSqlConversionFailure(Box::new(e))))?;
    db.busy_timeout(Duration::from_secs(2)).map_err(wrong)?;
    db.set_prepared_statement_cache_capacity(64);
    db.execute_batch(SETTINGS).map_err(wrong)?;
    let known = forms.len() as i64;
    let found: i64 = db.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(wrong)?;
    if found > known {
        return Err(OpenError::Newer { file: file.display().to_string(), found, known });
    }
    let verdict: String = db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(wrong)?;
    if verdict != "ok" {
        return Err(OpenError::Damaged { file: file.display().to_string(), reason: verdict });
    }
    let from = usize::try_from(found).unwrap_or(0);
    let mut database = Database { db, flush: Flush::AtCommit };
    for (version, form) in (1_i64..).zip(forms).skip(from) {
        database.bring_to(version, *form).map_err(wrong)?;
    }
    Ok(database)
}

impl Database {
    fn bring_to(&mut self, version: i64, form: Form) -> rusqlite::Result<()> {
        let statements = match form {
            Form::Sql(statements) => statements,
            Form::WrittenAnew => {
                self.vacuum()?;
                &[]
            }
        };
        let tx = self.db.transaction()?;
        statements.iter().try_for_each(|batch| tx.execute_batch(batch))?;
        tx.pragma_update(None, "user_version", version)?;
        tx.commit()
    }

    /// For reading.
    pub(super) fn read(&self) -> &Connection {
        &self.db
    }

    /// Begins a transaction that is on the disk at that time.
    pub(super) fn begin(&mut self, flush: Flush) -> rusqlite::Result<Transaction<'_>> {
        if flush != self.flush {
            let word = if flush == Flush::AtCommit { "FULL" } else { "NORMAL" };
            self.db.pragma_update(None, "synchronous", word)?;
            self.flush = flush;
        }
        self.db.transaction()
    }

    /// Writes the file anew and empties the log.
    pub(super) fn vacuum(&self) -> rusqlite::Result<()> {
        self.db.execute_batch("VACUUM")?;
        self.empty_log()
    }

    /// Forgets the pages in memory: what is read next comes from the file.
    pub(super) fn forget_pages(&self) -> rusqlite::Result<()> {
        self.db.execute_batch("PRAGMA shrink_memory")
    }

    /// Moves the log into the file and empties it, so that nothing deleted is left in it; whatever was committed is on
    /// the disk then.
    pub(super) fn empty_log(&self) -> rusqlite::Result<()> {
        let busy: i64 = self.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        if busy == 0 {
            Ok(())
        } else {
            Err(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_BUSY), None))
        }
    }
}

/// What SQLite says of a damaged file, where we have found the damage.
pub(super) fn damage() -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_CORRUPT), None)
}

/// Removes a database file and what belongs to it.
pub(super) fn remove(file: &Path) -> io::Result<()> {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let mut name = file.as_os_str().to_owned();
        name.push(suffix);
        match fs::remove_file(&name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(unix)]
fn private(file: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(file, fs::Permissions::from_mode(0o600))
}

#[cfg(not(unix))]
fn private(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `n` comes, grows by so many bytes, or goes.
    enum Row {
        Comes(u8),
        Grows(u8, usize),
        Goes(u8),
    }
    use Row::{Comes, Goes, Grows};

    /// Rows that come, grow and go in this order leave a copy of a deleted one in the unused part of a page. (Should
    /// SQLite overwrite that one day, the first assertion says so.)
    #[test]
    fn a_file_written_anew_holds_nothing_that_was_moved_before_it_was_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("moved.db");
        const FORM: &str = "CREATE TABLE moved (location TEXT NOT NULL, face_id TEXT NOT NULL, seq INTEGER, state TEXT, \
                            name TEXT, embedding BLOB, h BLOB, PRIMARY KEY (location, face_id)) STRICT;";
        let db = open(&file, &[Form::Sql(&[FORM])]).unwrap();
        let face = |n: u8| {
            (0..1290_u32).map(move |at| (at.wrapping_mul(2_654_435_761) >> 24) as u8 ^ n.wrapping_mul(37))
        };
        let mut gone: Vec<Vec<u8>> = Vec::new();
        let steps = [
            Comes(0),
            Grows(0, 60),
            Goes(0),
            Comes(1),
            Comes(2),
            Comes(3),
            Goes(3),
            Goes(2),
            Comes(4),
            Comes(5),
            Comes(6),
            Comes(7),
            Goes(1),
            Comes(8),
            Goes(8),
            Comes(9),
            Grows(7, 120),
            Goes(5),
            Goes(4),
        ];
        for (step, row) in (0_i64..).zip(steps) {
            let (sql, n, name, seq) = match row {
                Comes(n) => (
                    "INSERT INTO moved VALUES ('oslo', ?1, ?3, 'live', ?2, ?4, zeroblob(16))",
                    n,
                    0,
                    i64::from(n),
                ),
                Grows(n, by) => {
                    ("UPDATE moved SET name = ?2, seq = ?3 WHERE face_id = ?1 AND ?4 <> ''", n, by, step)
                }
                Goes(n) => {
                    gone.push(face(n).collect());
                    let sql = "UPDATE moved SET state = 'removed', name = ?2, seq = ?3, embedding = NULL, h = NULL \
                               WHERE face_id = ?1 AND ?4 <> ''";
                    (sql, n, 0, 1000 + step)
                }
            };
            let values = (format!("face{n}"), "x".repeat(name), seq, face(n).collect::<Vec<u8>>());
            db.read().execute(sql, values).unwrap();
        }
        let left = || {
            let bytes = fs::read(&file).unwrap();
            let piece = |part: &[u8]| bytes.windows(8).any(|window| *window == part[..8]);
            gone.iter().flat_map(|face| face.chunks_exact(face.len() / 16)).any(piece)
        };
        db.empty_log().unwrap();
        assert!(left(), "the search can see what SQLite has left");
        db.vacuum().unwrap();
        assert!(!left());
    }
}
