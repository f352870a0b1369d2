//! Backups of the database: one file, made while the website works, of either database and for either.
//!
//! A backup is one snapshot. It holds no removed person's data, because the database holds none; one that was made
//! before a removal does, and so the erasure ledger lies outside of it. The data folder's `signing.key` and
//! `erasures.jsonl` are not in it: they are kept where the data folder is.

mod format;

pub use format::Header;

use crate::{
    app::App,
    changes::Actor,
    clock,
    db::Db,
    epochs::{self, Beside, Why},
    serving::Serving,
    settings::Settings,
    site_key,
    tables::{
        audit,
        export::{self, Column, Kind, Value},
        faces, locations, site,
    },
};
use anyhow::{Context, bail};
use format::{Item, Reader, Writer};
use protocol::UnixMs;
use std::{
    fs::{self, File, OpenOptions},
    io::{BufReader, BufWriter, ErrorKind, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// What a backup or a restore has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Done {
    /// Rows.
    pub rows: u64,
    /// When the backup was begun.
    pub begun_at: UnixMs,
    /// When a newer backup was begun than the one restored, as the database knew before.
    pub newer: Option<UnixMs>,
}

/// Writes a backup of the database to `file`, which must not be there yet. Beside a running website it holds changes
/// and visits up for a moment at its begin and for no longer. Edges learn that visits settled before it are safe.
///
/// # Errors
/// When the database cannot be read or the file not be written; then no file is left.
pub async fn write(app: &App, file: &Path) -> anyhow::Result<Done> {
    if file.exists() {
        bail!("{} is there already: choose another name", file.display());
    }
    let part = part(file);
    let result = write_part(app, &part).await;
    if result.is_err() {
        let _ = fs::remove_file(&part);
    }
    let done = result?;
    fs::rename(&part, file).with_context(|| format!("{} cannot be made", file.display()))?;
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).context("the folder cannot be written")?;
    let mut tx = app.db.write().await?;
    locations::set_backed_up(&mut tx, done.begun_at).await?;
    audit::insert(&mut tx, &entry("backup.write")).await?;
    tx.commit().await?;
    app.changed.notify_one();
    Ok(done)
}

fn part(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

async fn write_part(app: &App, part: &Path) -> anyhow::Result<Done> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(part);
    let file = file.with_context(|| format!("{} cannot be made", part.display()))?;
    // While nobody can commit, the snapshot is taken: it holds everything dated before it.
    let mut barrier = app.db.write().await?;
    locations::hold_all(&mut barrier).await?;
    let begun_at = clock::now();
    let mut tx = app.db.read().await?;
    site::public_key(&mut tx).await?;
    // An edit without the lock that was dated before, and not yet written, finds a head that is newer than the one it knew.
    locations::date_heads(&mut barrier, begun_at).await?;
    barrier.commit().await?;
    let header = Header { begun_at, schema: Db::schema(), site_key: app.key.public() };
    let mut writer = Writer::new(BufWriter::new(file), &header)?;
    for table in export::TABLES {
        let columns = export::columns(&mut tx, table).await?;
        writer.table(table, &columns)?;
        let mut walk = export::Walk::new(table, &columns);
        loop {
            let rows = walk.next(&mut tx).await?;
            if rows.is_empty() {
                break;
            }
            rows.iter().try_for_each(|row| writer.row(row))?;
        }
    }
    let (mut file, rows) = writer.end(&app.key)?;
    file.flush().context("the backup cannot be written")?;
    file.get_ref().sync_all().context("the backup cannot be written")?;
    Ok(Done { rows, begun_at, newer: None })
}

/// Puts a backup in the place of whatever the database holds. A new epoch begins, and whatever only the erasure ledger
/// knows is done again, all in one transaction: whatever fails, nothing has happened. The website must not be running.
///
/// # Errors
/// When the file is no whole backup of this website, or the website runs.
pub async fn restore(settings: &Settings, file: &Path) -> anyhow::Result<Done> {
    let refused = || format!("{} was not restored", file.display());
    let header = check(file).with_context(refused)?;
    if header.schema > Db::schema() {
        bail!("{}: it was made by a newer program, run that one", refused());
    }
    match site_key::present(&settings.data)? {
        Some(key) if key.public() == header.site_key => {}
        Some(_) => bail!("{}: it is another website's, its signing key is not the data folder's", refused()),
        None => bail!(
            "{}: put the signing.key and the erasures.jsonl of that website into {} first",
            refused(),
            settings.data.display()
        ),
    }
    let _serving = Serving::begin(&settings.data)?;
    let beside = Beside::read(&settings.data).await?;
    if beside.ledger.damaged > 0 {
        bail!(
            "{}: {} lines of the erasure ledger cannot be read, and whoever they name would come back: mend them first",
            refused(),
            beside.ledger.damaged
        );
    }
    let app = App::open(settings.clone()).await?;
    let mut tx = app.db.write().await?;
    locations::hold_all(&mut tx).await?;
    let round = locations::newest_round(&mut tx).await?;
    let known = locations::all(&mut tx).await?;
    let newest = known.iter().filter_map(|location| location.backed_up_at).max();
    let rows = replace(&mut tx, file).await.with_context(refused)?;
    locations::set_rounds(&mut tx, round + 1).await?;
    locations::set_backed_up(&mut tx, header.begun_at).await?;
    audit::insert(&mut tx, &entry("backup.restore")).await?;
    let tx = epochs::begin_all(tx, &beside, Why::Restored, &Actor::command_line()).await?;
    tx.commit().await.with_context(refused)?;
    // Where whole tables were deleted SQLite has copied rows, faces too.
    if let Err(error) = app.db.vacuum().await {
        tracing::warn!(%error, "the database file could not be written anew after the restore; the next start does it");
    }
    epochs::told(&app).await;
    app.db.close().await;
    Ok(Done { rows, begun_at: header.begun_at, newer: newest.filter(|newest| *newest > header.begun_at) })
}

/// Reads the whole file once: it is restored only when every byte is as it was signed.
fn check(file: &Path) -> anyhow::Result<Header> {
    let (mut reader, header) = Reader::new(open(file)?)?;
    while reader.next()? != Item::End {}
    Ok(header)
}

fn open(file: &Path) -> anyhow::Result<BufReader<File>> {
    match File::open(file) {
        Ok(file) => Ok(BufReader::new(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => bail!("there is no such file"),
        Err(error) => Err(error).context("it cannot be read"),
    }
}

async fn replace(tx: &mut crate::db::Tx, file: &Path) -> anyhow::Result<u64> {
    let (mut reader, _) = Reader::new(open(file)?)?;
    export::empty(tx).await?;
    let (mut rows, mut current) = (0, None);
    loop {
        match (reader.next()?, &current) {
            (Item::Table(table, mut columns), _) => {
                let carried = columns.iter_mut().position(say_where);
                let known = export::columns(tx, &table).await?;
                let fits = columns.iter().all(|column| known.contains(column));
                if !export::TABLES.contains(&table.as_str()) || !fits {
                    bail!(
                        "it holds something this program does not know: restore it with the program that made it"
                    );
                }
                current = Some((table, columns, carried));
            }
            (Item::Row(mut row), Some((table, columns, carried))) => {
                if let Some(value) = carried.and_then(|at| row.get_mut(at))
                    && let Value::Bytes(face) = value
                {
                    *value = Value::Int(faces::put(tx, face).await?.0);
                }
                export::insert(tx, table, columns, &row).await?;
                rows += 1;
            }
            (Item::Row(_), None) => bail!("it is damaged or incomplete: take another backup"),
            (Item::End, _) => break,
        }
    }
    export::count_on(tx).await?;
    Ok(rows)
}

/// Until schema 8 a row carried its face itself: such a column is now one that says where the face is.
fn say_where(column: &mut Column) -> bool {
    let carries = column.0 == "embedding";
    if carries {
        *column = ("face_slot".to_owned(), Kind::Int);
    }
    carries
}

fn entry(action: &str) -> audit::Entry {
    audit::Entry {
        at: clock::now(),
        actor: Actor::command_line().to_string(),
        action: action.to_owned(),
        location: None,
        subject: String::new(),
    }
}
