//! Whether the database still holds what was written into it. A disk can change a bit without saying so: SQLite has no
//! checksums of its own, but it has a structure, and every customer's row has a keyed hash of ours.

use crate::{
    app::App,
    tables::{customers, locations},
};
use protocol::FaceId;

/// Rows read at once.
const PAGE: u32 = 256;
/// Lines of the log about customers of one location; the number of all stands in the last.
const LINES_MAX: u64 = 10;

/// Reads every live customer once and names, in the log, those who are not what was stored. The website goes on with the
/// others: edges that hold the row keep it, and no other edge can find it right.
pub(crate) async fn look(app: &App) {
    if let Err(error) = try_look(app).await {
        tracing::error!(%error, "not every customer could be read: the database may be damaged");
    }
}

async fn try_look(app: &App) -> sqlx::Result<()> {
    let known = locations::all(&mut app.db.read().await?).await?;
    for location in known {
        let mut after: Option<FaceId> = None;
        let mut damaged = 0;
        loop {
            // One short snapshot for each page: a long one would keep the log from being emptied.
            let mut tx = app.db.read().await?;
            let page = customers::live_after(&mut tx, &location.id, after.as_ref(), PAGE).await?;
            drop(tx);
            let Some(last) = page.last() else { break };
            for (row, live) in page.iter().filter_map(|row| Some((row, row.live()?))) {
                if location.digest_key.hash(&row.face_id, row.seq, &live.content) == live.row_hash {
                    continue;
                }
                damaged += 1;
                if damaged <= LINES_MAX {
                    tracing::error!(
                        location = %location.id,
                        face_id = %row.face_id,
                        "a customer in the database is not what was stored, the disk may be failing: restore a backup, \
                         or remove this customer, or rename them to keep them as they are now"
                    );
                }
            }
            after = Some(last.face_id.clone());
        }
        if damaged > LINES_MAX {
            tracing::error!(location = %location.id, damaged, "so many customers are not what was stored");
        }
    }
    Ok(())
}
