//! The table `receipts`: removals carried out, and what the probe said, until the website holds them.

use protocol::{
    Epoch, Seq, UnixMs,
    message::{Probe, Receipt, ReceiptKey},
};
use rusqlite::{Connection, Transaction, params};

pub(super) const FORM: &str = "
    CREATE TABLE receipts (
        face_id    TEXT NOT NULL,
        epoch      INTEGER NOT NULL,
        seq        INTEGER NOT NULL,
        removed_at INTEGER NOT NULL,
        probe      TEXT NOT NULL,
        PRIMARY KEY (face_id, epoch, seq)
    ) STRICT, WITHOUT ROWID;
";

const PROBES: [(Probe, &str); 3] =
    [(Probe::Gone, "gone"), (Probe::NeverHeld, "never_held"), (Probe::StillFound, "still_found")];

pub(super) fn add(tx: &Transaction<'_>, receipt: &Receipt) -> rusqlite::Result<()> {
    let Receipt { key: ReceiptKey { face_id, epoch, seq }, removed_at, probe } = receipt;
    let probe = PROBES.iter().find(|(of, _)| of == probe).map(|(_, text)| *text);
    tx.prepare_cached(
        "INSERT OR IGNORE INTO receipts (face_id, epoch, seq, removed_at, probe) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![face_id.as_str(), epoch.0 as i64, seq.0 as i64, removed_at.0, probe])
    .map(|_| ())
}

pub(super) fn forget(tx: &Transaction<'_>, key: &ReceiptKey) -> rusqlite::Result<()> {
    let ReceiptKey { face_id, epoch, seq } = key;
    tx.prepare_cached("DELETE FROM receipts WHERE face_id = ?1 AND epoch = ?2 AND seq = ?3")?
        .execute(params![face_id.as_str(), epoch.0 as i64, seq.0 as i64])
        .map(|_| ())
}

pub(super) fn load(db: &Connection) -> rusqlite::Result<Vec<Receipt>> {
    let mut query = db.prepare(
        "SELECT face_id, epoch, seq, removed_at, probe FROM receipts ORDER BY removed_at, face_id",
    )?;
    let rows = query.query_map([], |row| {
        let face_id = row.get_ref(0)?.as_str()?.parse().ok();
        let (epoch, seq) = (Epoch(row.get::<_, i64>(1)? as u64), Seq(row.get::<_, i64>(2)? as u64));
        let removed_at = UnixMs(row.get(3)?);
        let text = row.get_ref(4)?.as_str()?;
        let probe = PROBES.iter().find(|(_, of)| *of == text).map(|(probe, _)| *probe);
        Ok(face_id.zip(probe).map(|(face_id, probe)| Receipt {
            key: ReceiptKey { face_id, epoch, seq },
            removed_at,
            probe,
        }))
    })?;
    rows.filter_map(Result::transpose).collect()
}
