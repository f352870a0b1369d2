//! An edge differs, and is told how.

use super::{Ingest, Sender};
use crate::{
    clock,
    decide::repair,
    tables::{customers, edges, locations},
    wire,
};
use protocol::message::{Inbox, Repair, Want};

impl Ingest {
    /// Answers with the rosters of the buckets that differ, read in one snapshot; and with a head, which is all that
    /// an edge in another history needs, and what tells the others whether the repair has helped.
    pub(super) async fn answer_repair(&self, sender: &Sender, asked: &Repair) -> sqlx::Result<()> {
        let mut tx = self.app.db.read().await?;
        let Some((edge, _)) = self.active(&mut tx, sender).await? else { return Ok(()) };
        if edge.repair_ordered_at.is_some() {
            let mut order = self.app.db.write().await?;
            edges::repair_begun(&mut order, &sender.edge).await?;
            order.commit().await?;
        }
        let Some(location) = locations::get(&mut tx, &sender.location).await? else { return Ok(()) };
        let rows = customers::hashes(&mut tx, &sender.location).await?;
        drop(tx);
        self.app.counters.repairs.one();
        crash_point::reach(crash_point::REPAIR);
        let pages = repair::rosters(asked, &location.totals, &rows).unwrap_or_default();
        pages.into_iter().for_each(|page| self.tell(sender, &Inbox::Roster(page)));
        let mut tx = self.app.db.write().await?;
        locations::date_head(&mut tx, &sender.location, clock::now()).await?;
        tx.commit().await?;
        self.app.changed.notify_one();
        Ok(())
    }

    /// Answers with the rows an edge lacks.
    pub(super) async fn answer_want(&self, sender: &Sender, want: &Want) -> sqlx::Result<()> {
        let mut tx = self.app.db.read().await?;
        if self.active(&mut tx, sender).await?.is_none() {
            return Ok(());
        }
        let Some(location) = locations::get(&mut tx, &sender.location).await? else { return Ok(()) };
        let Some(round) = repair::wants(want, &location.totals) else { return Ok(()) };
        for face_id in &want.faces {
            let row = customers::get(&mut tx, &sender.location, face_id).await?;
            let known = row.map(|row| wire::change(location.totals.epoch, &row));
            let change = repair::wanted(face_id, known, &location.totals);
            self.tell(sender, &Inbox::Change { round, change });
        }
        self.app.counters.wanted.more(want.faces.len() as u64);
        Ok(())
    }
}
