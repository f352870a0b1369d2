//! The database: PostgreSQL, or SQLite embedded in the program. One SQL text runs on both natively.
//!
//! Architecture invariant: SQL stands only in the modules of [`crate::tables`], each named after its table.
//! Every statement runs inside a [`Tx`], and [`on!`] expands its body once for each driver; the two of an edit on
//! PostgreSQL are each a transaction of their own.

use anyhow::{Context, anyhow, bail};
use sqlx::{
    ConnectOptions, Connection, Executor, PgPool, Postgres, Sqlite, SqlitePool, Transaction,
    migrate::{MigrateError, Migrator},
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteError, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use std::{path::Path, str::FromStr, time::Duration};

/// After so long without use it is asked whether a connection is still one.
const IDLE: Duration = Duration::from_secs(1);
const UNMIGRATED: &str = "the tables could not be brought up to date";

static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");
static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");

/// Connections to the website's database.
#[derive(Debug, Clone)]
pub enum Db {
    /// PostgreSQL.
    Pg(PgPool),
    /// SQLite: one connection writes, so that no transaction ever waits for another inside the program; the
    /// others read, each in a snapshot of its own.
    Lite {
        /// The writer.
        w: SqlitePool,
        /// The readers.
        r: SqlitePool,
    },
}

/// A transaction. Dropped without [`Tx::commit`] it changes nothing.
#[derive(Debug)]
pub enum Tx {
    /// On PostgreSQL.
    Pg(Transaction<'static, Postgres>),
    /// On SQLite.
    Lite(Transaction<'static, Sqlite>),
}

/// Whether the database's log was emptied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scrubbed {
    /// It was, or there is none.
    All,
    /// A reader still needs it; the next removal, or the website's end, empties it.
    ReaderInTheWay,
}

/// Runs one body on whichever driver a [`Tx`] has; inside, `$conn` is that driver's own connection.
macro_rules! on {
    ($tx:expr, $conn:ident => $body:expr) => {
        match $tx {
            $crate::db::Tx::Pg(tx) => {
                let $conn = &mut **tx;
                $body
            }
            $crate::db::Tx::Lite(tx) => {
                let $conn = &mut **tx;
                $body
            }
        }
    };
}
pub(crate) use on;

impl Db {
    /// Connects to `postgres://...` or `sqlite:FILE` (created when absent) and brings the tables up to date.
    ///
    /// # Errors
    /// When the address is neither, the database cannot be reached, or it is newer than this program.
    pub async fn open(url: &str) -> anyhow::Result<Db> {
        let db = if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            Db::Pg(postgres(url).await?)
        } else if let Some(path) = url.strip_prefix("sqlite:") {
            sqlite(Path::new(path.strip_prefix("//").unwrap_or(path))).await?
        } else {
            bail!("the database address must begin with postgres:// or sqlite:, this one does not");
        };
        match db.migrate().await {
            Ok(()) => Ok(db),
            Err(MigrateError::VersionMissing(version)) => bail!(
                "the database is newer than this program (it has migration {version}): \
                 run the newer program, or restore a backup made with this one"
            ),
            Err(MigrateError::VersionMismatch(version)) => bail!(
                "migration {version} of the database is not the one this program was made with: \
                 run the program that created the database"
            ),
            Err(MigrateError::Execute(error)) => Err(unusable(error, || UNMIGRATED.to_owned())),
            Err(error) => Err(error).context(UNMIGRATED),
        }
    }

    /// The newest migration of this program.
    pub fn schema() -> i64 {
        SQLITE.iter().map(|migration| migration.version).max().unwrap_or(0)
    }

    async fn migrate(&self) -> Result<(), MigrateError> {
        match self {
            Db::Pg(pool) => POSTGRES.run(pool).await,
            Db::Lite { w, .. } => SQLITE.run(w).await,
        }
    }

    /// Begins a transaction that reads one snapshot.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn read(&self) -> sqlx::Result<Tx> {
        Ok(match self {
            Db::Pg(pool) => {
                Tx::Pg(pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY").await?)
            }
            Db::Lite { r, .. } => Tx::Lite(r.begin().await?),
        })
    }

    /// Begins a transaction that writes. On SQLite it takes the write lock at once: one that reads first and
    /// asks for the lock later loses against any other writer.
    ///
    /// # Errors
    /// When the database cannot be reached, or another program has held its lock for too long.
    pub async fn write(&self) -> sqlx::Result<Tx> {
        Ok(match self {
            // Whoever waits for a row's lock then reads what was committed meanwhile, whatever the server's default is.
            Db::Pg(pool) => Tx::Pg(pool.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await?),
            Db::Lite { w, .. } => Tx::Lite(w.begin_with("BEGIN IMMEDIATE").await?),
        })
    }

    /// Empties SQLite's write-ahead log into the database file, where erased bytes are overwritten: until then the
    /// log holds pages from before a removal; from then on an erased face is nowhere in the files. Tells whether that was
    /// possible; a reader that keeps its snapshot prevents it. PostgreSQL's dead rows wait for its vacuum.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn scrub(&self) -> sqlx::Result<Scrubbed> {
        match self {
            Db::Pg(_) => Ok(Scrubbed::All),
            Db::Lite { w, .. } => {
                let busy: i64 = sqlx::query_scalar("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(w).await?;
                Ok(if busy == 0 { Scrubbed::All } else { Scrubbed::ReaderInTheWay })
            }
        }
    }

    /// Writes SQLite's file anew, so that it holds nothing but its rows; [`Db::scrub`] has to follow. It takes the writer
    /// for as long as the file is long, and as much memory. PostgreSQL's dead rows wait for its vacuum.
    ///
    /// # Errors
    /// When the database cannot be reached, or the disk has no room for a second copy.
    pub async fn vacuum(&self) -> sqlx::Result<()> {
        match self {
            Db::Pg(_) => Ok(()),
            Db::Lite { w, .. } => sqlx::query("VACUUM").execute(w).await.map(drop),
        }
    }

    /// Looks whether the structure of SQLite's file is whole; reads all of it. PostgreSQL looks after its own.
    ///
    /// # Errors
    /// When it is not; the sentence says what to do.
    pub async fn check(&self) -> anyhow::Result<()> {
        let Db::Lite { r, .. } = self else { return Ok(()) };
        let found: sqlx::Result<String> = sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(r).await;
        match found {
            Ok(found) if found == "ok" => Ok(()),
            Ok(found) => Err(damaged(&found.split_whitespace().collect::<Vec<_>>().join(" "))),
            Err(error) => Err(unusable(error, || "the database file cannot be read".to_owned())),
        }
    }

    /// Waits for every connection to be given back and closes it.
    pub async fn close(&self) {
        match self {
            Db::Pg(pool) => pool.close().await,
            Db::Lite { w, r } => {
                r.close().await;
                w.close().await;
            }
        }
    }
}

impl Tx {
    /// Makes the transaction's effects durable.
    ///
    /// # Errors
    /// When that failed; whether the effects are there is then unknown.
    pub async fn commit(self) -> sqlx::Result<()> {
        match self {
            Tx::Pg(tx) => tx.commit().await,
            Tx::Lite(tx) => tx.commit().await,
        }
    }
}

/// Whether the database had no room: SQLite's SQLITE_FULL, PostgreSQL's SQLSTATE 53100.
pub(crate) fn is_full(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    sqlite_code(error) == Some(13) || code.is_some_and(|code| code == "53100")
}

/// Whether SQLite found its file broken: SQLITE_CORRUPT or SQLITE_NOTADB.
fn is_damaged(error: &sqlx::Error) -> bool {
    matches!(sqlite_code(error), Some(11 | 26))
}

/// SQLite's primary result code, the low byte of the extended one.
fn sqlite_code(error: &sqlx::Error) -> Option<u32> {
    let error = error.as_database_error()?;
    error.try_downcast_ref::<SqliteError>()?;
    error.code()?.parse::<u32>().ok().map(|code| code & 0xff)
}

/// What to say of a file that is no database any more, or not a whole one.
fn damaged(what: &str) -> anyhow::Error {
    anyhow!(
        "the database file is damaged ({what}): check the disk, then move the file away and put a backup in its place \
         with website restore"
    )
}

/// Says what to do when the file is damaged, otherwise what was tried.
fn unusable(error: sqlx::Error, tried: impl FnOnce() -> String) -> anyhow::Error {
    match error.as_database_error().filter(|_| is_damaged(&error)) {
        Some(broken) => damaged(broken.message()),
        None => anyhow!(error).context(tried()),
    }
}

async fn postgres(url: &str) -> anyhow::Result<PgPool> {
    let options = PgConnectOptions::from_str(url).context("the PostgreSQL address is not one")?;
    let unreachable = "PostgreSQL cannot be reached: check --database-url and that the server runs";
    // The pool would try for a long time to get through what a first connection tells at once.
    options.connect().await.context(unreachable)?.close().await.context(unreachable)?;
    PgPoolOptions::new()
        .max_connections(16)
        .acquire_timeout(Duration::from_secs(10))
        // Whether the server still answers is asked only of a connection that nobody has used for a while: of every other
        // one it costs a round.
        .test_before_acquire(false)
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                if meta.idle_for >= IDLE {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        // For statements without a transaction around them, what `Db::write` says for the others.
        .after_connect(|connection, _| {
            Box::pin(async move {
                let level = "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED";
                connection.execute(level).await.map(drop)
            })
        })
        .connect_with(options)
        .await
        .context(unreachable)
}

async fn sqlite(path: &Path) -> anyhow::Result<Db> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        // Readers go on in their snapshot while the writer commits.
        .journal_mode(SqliteJournalMode::Wal)
        // A visit is settled, and an edge lets go of it, once it is committed: it must survive a power cut.
        .synchronous(SqliteSynchronous::Full)
        // Off in SQLite unless asked for.
        .foreign_keys(true)
        // The command line works beside a running server and waits for its turn.
        .busy_timeout(Duration::from_secs(10))
        // No page with a vector in a temporary file.
        .pragma("temp_store", "MEMORY")
        // An erased vector's bytes are overwritten in the file, not only unlinked.
        .pragma("secure_delete", "ON");
    // A file is never out of reach as a server can be: nobody has to ask whether it still answers.
    let pool = SqlitePoolOptions::new().test_before_acquire(false).after_release(|connection, _| {
        Box::pin(async move {
            // A full disk makes SQLite roll back by itself, behind the driver's back, which from then on takes the
            // connection for one inside a transaction and can begin no other: such a one is not used again. What is
            // still to be rolled back is done before the ping is answered.
            connection.ping().await?;
            Ok(!connection.is_in_transaction())
        })
    });
    let w = pool.clone().max_connections(1).connect_with(options.clone()).await;
    let w = w.map_err(|error| {
        unusable(error, || format!("the database file {} cannot be opened", path.display()))
    })?;
    // A reader that tried to write would wait for the writer and deadlock with it: it gets an error instead.
    let r = pool.max_connections(4).connect_with(options.pragma("query_only", "ON")).await;
    let r = r.map_err(|error| {
        unusable(error, || format!("the database file {} cannot be read", path.display()))
    })?;
    Ok(Db::Lite { w, r })
}
