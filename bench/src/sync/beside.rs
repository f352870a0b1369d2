//! What the machine itself takes at the same time: a hop through Mosquitto, a flush, a commit.

use crate::arena::{Arena, Contestant, Name};
use crate::mqtt::{Client, Login, Retain, publish};
use anyhow::Result;
use sqlx::{
    Connection as _, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use std::{fs::File, io::Write as _, time::Instant};
use tempfile::TempDir;

const TOPIC: &str = "store/beside/edges/there/inbox";
const BYTES: usize = 1_100;

/// Everything that is measured beside.
pub struct Beside {
    hop: Option<Hop>,
    file: File,
    db: SqliteConnection,
    _folder: TempDir,
}

struct Hop {
    here: Client,
    there: Client,
    _mosquitto: Contestant,
    _arena: Arena,
}

impl Beside {
    /// Starts Mosquitto, if it is installed, and makes the files.
    pub async fn begin() -> Result<Beside> {
        let arena = Arena::open(1)?;
        let hop = if arena.names().contains(&Name::Mosquitto) {
            let mosquitto = arena.start_one(Name::Mosquitto).await?;
            let login = Login { client_id: "there".to_owned(), ..Login::website() };
            let mut there = Client::connect(&mosquitto.plain, &login).await?;
            there.subscribe(TOPIC).await?;
            let here = Client::connect(&mosquitto.plain, &Login::website()).await?;
            Some(Hop { here, there, _mosquitto: mosquitto, _arena: arena })
        } else {
            None
        };
        let folder = tempfile::tempdir()?;
        let file = File::create(folder.path().join("flushed"))?;
        let options = SqliteConnectOptions::new()
            .filename(folder.path().join("committed.db"))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full);
        let mut db = SqliteConnection::connect_with(&options).await?;
        sqlx::query("CREATE TABLE one (value INTEGER NOT NULL)").execute(&mut db).await?;
        sqlx::query("INSERT INTO one (value) VALUES (0)").execute(&mut db).await?;
        Ok(Beside { hop, file, db, _folder: folder })
    }

    /// Milliseconds of a message with QoS 1 from one client of Mosquitto to another.
    pub async fn hop(&mut self) -> Result<Option<f64>> {
        let Some(Hop { here, there, .. }) = &mut self.hop else { return Ok(None) };
        let began = Instant::now();
        publish(&mut here.out, TOPIC, 1, Retain::No, &[0; 8], &[b'x'; BYTES]);
        here.flush().await?;
        there.message(|_| ()).await?;
        let took = began.elapsed();
        there.flush().await?;
        Ok(Some(took.as_secs_f64() * 1e3))
    }

    /// Milliseconds until 4 KB more of a file are on the disk.
    pub fn flush(&mut self) -> Result<f64> {
        let began = Instant::now();
        self.file.write_all(&[0; 4096])?;
        self.file.sync_data()?;
        Ok(began.elapsed().as_secs_f64() * 1e3)
    }

    /// Milliseconds of a transaction that changes one row.
    pub async fn commit(&mut self) -> Result<f64> {
        let began = Instant::now();
        sqlx::query("UPDATE one SET value = value + 1").execute(&mut self.db).await?;
        Ok(began.elapsed().as_secs_f64() * 1e3)
    }
}
