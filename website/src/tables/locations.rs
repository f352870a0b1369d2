//! Locations and their counters.

use crate::{
    column,
    db::{Tx, on},
    decide::totals::Totals,
    points::Points,
};
use protocol::{DigestKey, Epoch, LocationId, Seq, UnixMs, message::EnrolPolicy};

/// One location.
#[derive(Debug, Clone)]
pub struct Location {
    /// Its id, as it stands in topics.
    pub id: LocationId,
    /// As people call it.
    pub name: String,
    /// Where its days begin and end.
    pub time_zone: chrono_tz::Tz,
    /// What becomes of new faces.
    pub enrol: EnrolPolicy,
    /// Whether people's mirror under `view/` shows names.
    pub names: NamesInView,
    /// How long an edge may recognise without a newer verified head, in seconds.
    pub lease_s: u32,
    /// What a customer gets for each visit.
    pub points_per_visit: Points,
    /// The secret of its digests.
    pub digest_key: DigestKey,
    /// Its counters.
    pub totals: Totals,
    /// The date of its newest head; never goes back.
    pub issued_at: UnixMs,
    /// Goes up whenever everything is to be published again.
    pub publish_round: i64,
    /// The highest seq that the broker has acknowledged in this round.
    pub published: Seq,
    /// The date of the newest head that the broker has acknowledged in this round.
    pub published_head: UnixMs,
    /// The highest seq that stood on `view/<location>/changes` once.
    pub announced: Seq,
    /// When the newest backup was begun.
    pub backed_up_at: Option<UnixMs>,
    /// The epoch in which retained messages of unknown faces were cleared.
    pub swept: Epoch,
    /// Until when any head signed under an earlier lease lets an edge recognise.
    pub lease_out: UnixMs,
    /// When it was added.
    pub created_at: UnixMs,
}

/// Whether `view/` shows customers' names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamesInView {
    /// It does.
    Shown,
    /// It does not.
    Hidden,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    name: String,
    time_zone: String,
    enrol: String,
    names_in_view: i64,
    lease_s: i64,
    points_per_visit: i64,
    epoch: i64,
    seq: i64,
    live: i64,
    digest: Vec<u8>,
    digest_key: Vec<u8>,
    last_removal: i64,
    issued_at: i64,
    publish_round: i64,
    published_seq: i64,
    published_head: i64,
    announced_seq: i64,
    backed_up_at: Option<i64>,
    swept_epoch: i64,
    lease_out: i64,
    created_at: i64,
}

impl TryFrom<Row> for Location {
    type Error = sqlx::Error;

    fn try_from(row: Row) -> sqlx::Result<Self> {
        Ok(Location {
            id: column::text(&row.id)?,
            name: row.name,
            time_zone: column::text(&row.time_zone)?,
            enrol: column::text(&row.enrol)?,
            names: if row.names_in_view == 1 { NamesInView::Shown } else { NamesInView::Hidden },
            lease_s: row.lease_s as u32,
            points_per_visit: column::parsed(row.points_per_visit.try_into(), "points")?,
            digest_key: DigestKey::from_bytes(column::bytes(&row.digest_key)?),
            totals: Totals {
                epoch: Epoch(row.epoch as u64),
                seq: Seq(row.seq as u64),
                count: row.live as u64,
                digest: column::digest(&row.digest)?,
                last_removal: Seq(row.last_removal as u64),
            },
            issued_at: UnixMs(row.issued_at),
            publish_round: row.publish_round,
            published: Seq(row.published_seq as u64),
            published_head: UnixMs(row.published_head),
            announced: Seq(row.announced_seq as u64),
            backed_up_at: column::moment(row.backed_up_at),
            swept: Epoch(row.swept_epoch as u64),
            lease_out: UnixMs(row.lease_out),
            created_at: UnixMs(row.created_at),
        })
    }
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, name, time_zone, enrol, names_in_view, lease_s, epoch, seq, live, digest, digest_key, \
             last_removal, issued_at, publish_round, published_seq, published_head, announced_seq, \
             backed_up_at, swept_epoch, lease_out, created_at, points_per_visit FROM locations ",
            $rest
        )
    };
}

/// Adds `location`; tells whether its id was free.
pub async fn insert(tx: &mut Tx, location: &Location) -> sqlx::Result<bool> {
    on!(tx, conn => sqlx::query(
        "INSERT INTO locations (id, name, time_zone, enrol, names_in_view, lease_s, epoch, seq, live, digest, \
         digest_key, last_removal, issued_at, publish_round, published_seq, published_head, announced_seq, \
         backed_up_at, swept_epoch, lease_out, created_at, points_per_visit) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, \
         $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22) ON CONFLICT DO NOTHING")
        .bind(location.id.as_str())
        .bind(location.name.as_str())
        .bind(location.time_zone.name())
        .bind(location.enrol.as_str())
        .bind(i64::from(location.names == NamesInView::Shown))
        .bind(i64::from(location.lease_s))
        .bind(location.totals.epoch.0 as i64)
        .bind(location.totals.seq.0 as i64)
        .bind(location.totals.count as i64)
        .bind(&location.totals.digest.to_bytes()[..])
        .bind(&location.digest_key.as_bytes()[..])
        .bind(location.totals.last_removal.0 as i64)
        .bind(location.issued_at.0)
        .bind(location.publish_round)
        .bind(location.published.0 as i64)
        .bind(location.published_head.0)
        .bind(location.announced.0 as i64)
        .bind(location.backed_up_at.map(|at| at.0))
        .bind(location.swept.0 as i64)
        .bind(location.lease_out.0)
        .bind(location.created_at.0)
        .bind(location.points_per_visit.get())
        .execute(conn).await.map(|done| done.rows_affected() == 1))
}

/// The location, if there is one.
pub async fn get(tx: &mut Tx, id: &LocationId) -> sqlx::Result<Option<Location>> {
    let row: Option<Row> = on!(tx, conn => sqlx::query_as(select!("WHERE id = $1"))
        .bind(id.as_str()).fetch_optional(conn).await)?;
    row.map(Location::try_from).transpose()
}

/// The location, locked until the transaction ends: whoever changes one of its customers holds this, so the
/// order of seqs is the order of commits. (SQLite has one writer: its lock is the database's.)
pub async fn lock(tx: &mut Tx, id: &LocationId) -> sqlx::Result<Option<Location>> {
    let row: Option<Row> = match tx {
        // Of a row that it had to wait for, PostgreSQL gives the version that was committed meanwhile.
        Tx::Pg(tx) => {
            sqlx::query_as(select!("WHERE id = $1 FOR UPDATE"))
                .bind(id.as_str())
                .fetch_optional(&mut **tx)
                .await?
        }
        Tx::Lite(_) => return get(tx, id).await,
    };
    row.map(Location::try_from).transpose()
}

/// Every location, by id.
pub async fn all(tx: &mut Tx) -> sqlx::Result<Vec<Location>> {
    let rows: Vec<Row> = on!(tx, conn => sqlx::query_as(select!("ORDER BY id")).fetch_all(conn).await)?;
    rows.into_iter().map(Location::try_from).collect()
}

/// The locations that have tombstones, by id.
pub async fn with_tombstones(tx: &mut Tx) -> sqlx::Result<Vec<Location>> {
    let rows: Vec<Row> = on!(tx, conn => sqlx::query_as(
        select!("WHERE EXISTS (SELECT 1 FROM customers WHERE location = locations.id AND state = 'removed') ORDER BY id"))
        .fetch_all(conn).await)?;
    rows.into_iter().map(Location::try_from).collect()
}

/// Stores the counters, and the date of the head that will carry them.
macro_rules! update_totals {
    () => {
        "UPDATE locations SET epoch = $2, seq = $3, live = $4, digest = $5, last_removal = $6, issued_at = $7 \
         WHERE id = $1"
    };
}
pub(super) use update_totals;

/// Stores the counters after a change, and the date of the head that will carry them.
pub async fn set_totals(
    tx: &mut Tx,
    id: &LocationId,
    totals: &Totals,
    issued_at: UnixMs,
) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query(update_totals!())
        .bind(id.as_str())
        .bind(totals.epoch.0 as i64)
        .bind(totals.seq.0 as i64)
        .bind(totals.count as i64)
        .bind(&totals.digest.to_bytes()[..])
        .bind(totals.last_removal.0 as i64)
        .bind(issued_at.0)
        .execute(conn).await.map(drop))
}

/// Dates a new head of every location: `now`, or one millisecond after its last one if that is later.
pub async fn date_heads(tx: &mut Tx, now: UnixMs) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query(
        "UPDATE locations SET issued_at = CASE WHEN issued_at >= $1 THEN issued_at + 1 ELSE $1 END")
        .bind(now.0).execute(conn).await.map(drop))
}

/// Makes a new head of one location due.
pub async fn date_head(tx: &mut Tx, id: &LocationId, now: UnixMs) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query(
        "UPDATE locations SET issued_at = CASE WHEN issued_at >= $2 THEN issued_at + 1 ELSE $2 END WHERE id = $1")
        .bind(id.as_str()).bind(now.0).execute(conn).await.map(drop))
}

/// The locations of which the broker has not acknowledged everything, by id.
pub async fn due(tx: &mut Tx) -> sqlx::Result<Vec<Location>> {
    let rows: Vec<Row> = on!(tx, conn => sqlx::query_as(
        select!("WHERE seq > published_seq OR issued_at > published_head ORDER BY id")).fetch_all(conn).await)?;
    rows.into_iter().map(Location::try_from).collect()
}

/// Stores how far the broker has acknowledged in `round`; only forwards, and nothing when a new round has begun.
pub async fn set_published(
    tx: &mut Tx,
    id: &LocationId,
    round: i64,
    published: Seq,
    head: UnixMs,
) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query(
        "UPDATE locations SET published_seq = CASE WHEN published_seq < $3 THEN $3 ELSE published_seq END, \
         published_head = CASE WHEN published_head < $4 THEN $4 ELSE published_head END, \
         announced_seq = CASE WHEN announced_seq < $3 THEN $3 ELSE announced_seq END \
         WHERE id = $1 AND publish_round = $2")
        .bind(id.as_str()).bind(round).bind(published.0 as i64).bind(head.0).execute(conn).await.map(drop))
}

/// The broker has lost everything: all of it is to be published again.
pub async fn unpublish_all(tx: &mut Tx) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query(
        "UPDATE locations SET published_seq = 0, published_head = 0, publish_round = publish_round + 1")
        .execute(conn).await.map(drop))
}

/// A new epoch has begun: everything is to be published again, and what edges said of the old one is void with it.
pub async fn set_unpublished(tx: &mut Tx, id: &LocationId) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query(
        "UPDATE locations SET published_seq = 0, published_head = 0, publish_round = publish_round + 1 WHERE id = $1")
        .bind(id.as_str()).execute(conn).await.map(drop))
}

/// The locations, with their epochs, in which retained messages of unknown faces are still to be cleared.
pub async fn unswept(tx: &mut Tx) -> sqlx::Result<Vec<(LocationId, Epoch)>> {
    let rows: Vec<(String, i64)> = on!(tx, conn => sqlx::query_as(
        "SELECT id, epoch FROM locations WHERE swept_epoch <> epoch").fetch_all(conn).await)?;
    rows.iter().map(|(id, epoch)| Ok((column::text(id)?, Epoch(*epoch as u64)))).collect()
}

/// Retained messages of unknown faces are cleared in this epoch.
pub async fn set_swept(tx: &mut Tx, id: &LocationId, epoch: Epoch) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query("UPDATE locations SET swept_epoch = $2 WHERE id = $1")
        .bind(id.as_str()).bind(epoch.0 as i64).execute(conn).await.map(drop))
}

/// A backup that was begun at `at` is complete: the next heads say so.
pub async fn set_backed_up(tx: &mut Tx, at: UnixMs) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query("UPDATE locations SET backed_up_at = CASE WHEN backed_up_at > $1 THEN backed_up_at ELSE $1 END, \
         issued_at = issued_at + 1")
        .bind(at.0).execute(conn).await.map(drop))
}

/// When an edge's report has last begun a new epoch.
pub async fn ahead_at(tx: &mut Tx, id: &LocationId) -> sqlx::Result<Option<UnixMs>> {
    let at: Option<Option<i64>> = on!(tx, conn => sqlx::query_scalar("SELECT ahead_at FROM locations WHERE id = $1")
        .bind(id.as_str()).fetch_optional(conn).await)?;
    Ok(column::moment(at.flatten()))
}

/// An edge's report has begun a new epoch at `at`.
pub async fn set_ahead_at(tx: &mut Tx, id: &LocationId, at: UnixMs) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query("UPDATE locations SET ahead_at = $2 WHERE id = $1")
        .bind(id.as_str()).bind(at.0).execute(conn).await.map(drop))
}

/// Keeps whoever changes customers or counts visits out until the transaction ends, so that everything they have
/// dated is committed. (On SQLite a writing transaction does that by itself.)
pub async fn hold_all(tx: &mut Tx) -> sqlx::Result<()> {
    if let Tx::Pg(pg) = tx {
        sqlx::query("LOCK TABLE locations IN EXCLUSIVE MODE").execute(&mut **pg).await?;
    }
    Ok(())
}

/// The highest number of a publishing round.
pub async fn newest_round(tx: &mut Tx) -> sqlx::Result<i64> {
    on!(tx, conn => sqlx::query_scalar("SELECT COALESCE(MAX(publish_round), 0) FROM locations").fetch_one(conn).await)
}

/// Counts publishing rounds on from `round`: whoever publishes at this moment sees that a new one has begun.
pub async fn set_rounds(tx: &mut Tx, round: i64) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query("UPDATE locations SET publish_round = $1").bind(round).execute(conn).await.map(drop))
}

/// What of a location people may set, and edges or people's mirror are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocationSettings {
    /// As people call it.
    pub name: String,
    /// Where its days begin and end.
    pub time_zone: chrono_tz::Tz,
    /// What becomes of new faces.
    pub enrol: EnrolPolicy,
    /// Whether `view/` shows names.
    pub names: NamesInView,
    /// The lease, in seconds.
    pub lease_s: u32,
}

/// Stores new settings, and that everything is to be published again under a new head: it carries the policy
/// and the lease, and people's mirror the names.
pub async fn set_settings(tx: &mut Tx, id: &LocationId, settings: &LocationSettings) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query(
        "UPDATE locations SET name = $2, time_zone = $3, enrol = $4, names_in_view = $5, lease_s = $6, \
         published_seq = 0, published_head = 0, publish_round = publish_round + 1, \
         issued_at = issued_at + 1, lease_out = CASE WHEN lease_out < issued_at + lease_s * 1000 \
         THEN issued_at + lease_s * 1000 ELSE lease_out END WHERE id = $1")
        .bind(id.as_str())
        .bind(settings.name.as_str())
        .bind(settings.time_zone.name())
        .bind(settings.enrol.as_str())
        .bind(i64::from(settings.names == NamesInView::Shown))
        .bind(i64::from(settings.lease_s))
        .execute(conn).await.map(drop))
}

/// Stores what a visit is worth from now on. Edges do not know points: nothing is published for this.
pub async fn set_points_per_visit(tx: &mut Tx, id: &LocationId, points: Points) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query("UPDATE locations SET points_per_visit = $2 WHERE id = $1")
        .bind(id.as_str()).bind(points.get()).execute(conn).await.map(drop))
}
