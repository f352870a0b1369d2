//! What edges say of themselves.

use super::{Ingest, Sender, presence};
use crate::{
    clock,
    db::Tx,
    decide::{
        applied::{self, Held, Moved, StartIs, Verdict},
        epoch,
        totals::Totals,
    },
    epochs,
    tables::{
        edge_progress, edge_reports, edge_starts, edges, edges::Alarm, locations, receipt_pages, receipts,
    },
};
use protocol::{
    LocationId, UnixMs,
    codec::Message,
    message::{Applied, Command, Inbox, Probe, Receipt, ReceiptsStored, Report, SignedApplied, Start},
};
use std::collections::HashMap;

/// What one transaction has taken in.
#[derive(Default)]
struct Taken {
    /// The counters of the locations it was about, read once: whatever a report that is here can speak of was
    /// committed before it was sent.
    totals: HashMap<LocationId, Totals>,
    answers: Vec<(Sender, Inbox)>,
    /// Reports of more than the website has given out.
    ahead: Vec<(Sender, Applied)>,
}

impl Taken {
    async fn totals(&mut self, tx: &mut Tx, location: &LocationId) -> sqlx::Result<Option<Totals>> {
        if let Some(known) = self.totals.get(location) {
            return Ok(Some(*known));
        }
        let Some(found) = locations::get(tx, location).await? else { return Ok(None) };
        Ok(Some(*self.totals.entry(location.clone()).or_insert(found.totals)))
    }
}

impl Ingest {
    /// Stores reports and presence in one transaction, then answers. Repairs and wants are answered from a
    /// snapshot of their own.
    pub(super) async fn store_reports(
        &mut self,
        reports: &[(Sender, Report)],
        presences: &[(Sender, presence::Said)],
    ) -> sqlx::Result<()> {
        let mut taken = Taken::default();
        let signed = reports.iter().any(|(_, report)| matches!(report, Report::Applied(_)));
        if signed || !presences.is_empty() {
            let (mut tx, now) = (self.app.db.write().await?, clock::now());
            for (sender, report) in reports {
                if let Report::Applied(signed) = report {
                    self.store_applied(&mut tx, sender, signed, now, &mut taken).await?;
                }
            }
            for (sender, said) in presences {
                self.store_presence(&mut tx, sender, said, now).await?;
            }
            tx.commit().await?;
            crash_point::reach("website_report_stored_before_answered");
        }
        for (sender, answer) in taken.answers {
            self.tell(&sender, &answer);
        }
        for (sender, report) in taken.ahead {
            let of = (&sender.location, &sender.edge);
            if let Err(error) = epochs::begin_if_behind(&self.app, of, &report).await {
                tracing::error!("a report that is ahead is not seen to, the next one asks again: {error:#}");
            }
        }
        for (sender, report) in reports {
            match report {
                Report::Applied(_) => {}
                Report::Repair(repair) => self.answer_repair(sender, repair).await?,
                Report::Want(want) => self.answer_want(sender, want).await?,
            }
        }
        Ok(())
    }

    async fn store_applied(
        &self,
        tx: &mut Tx,
        sender: &Sender,
        signed: &SignedApplied,
        now: UnixMs,
        taken: &mut Taken,
    ) -> sqlx::Result<()> {
        let Some((edge, key)) = self.active(tx, sender).await? else { return Ok(()) };
        let Ok(report) = signed.clone().verify(&sender.location, &sender.edge, &key) else {
            self.app.counters.bad_signatures.one();
            tracing::warn!(edge = %sender.edge, "a report with a wrong signature was left alone");
            return Ok(());
        };
        let Some(totals) = taken.totals(tx, &sender.location).await? else { return Ok(()) };
        edges::set_seen(tx, &sender.edge, now, report.at).await?;
        if epoch::has_gone_back(&report, &totals) {
            // Nothing of this history is to be believed; the edge says it again in the next one.
            self.app.counters.void_reports.one();
            taken.ahead.push((sender.clone(), report));
            return Ok(());
        }
        let signed = Report::Applied(Box::new(signed.clone())).encode();
        let (held, epoch) = (held(tx, &edge, report.start).await?, totals.epoch);
        match applied::judge(&held, &report, epoch, now) {
            Verdict::Store { start, applied, moved } => {
                self.begin(tx, sender, &report, start, now).await?;
                let kept = edge_reports::Report::of(&report, epoch, applied, now);
                edge_reports::upsert(tx, &sender.edge, &kept, &signed).await?;
                if moved == Moved::On {
                    edge_progress::insert(tx, &sender.edge, epoch, applied, now).await?;
                }
            }
            Verdict::OtherEpoch { start } => {
                self.app.counters.void_reports.one();
                self.begin(tx, sender, &report, start, now).await?;
            }
            Verdict::Late => self.app.counters.void_reports.one(),
            Verdict::Alarm(alarm) => {
                self.app.counters.void_reports.one();
                tracing::error!(edge = %sender.edge, reason = alarm.as_str(), "an edge is shut out until it joins again");
                edges::set_alarm(tx, &sender.edge, alarm, now).await?;
                edge_reports::delete(tx, &sender.edge).await?;
                self.app.revoked.notify_one();
                return Ok(());
            }
        }
        if !report.receipts.is_empty() {
            let page = receipt_pages::Page { public_key: key, signed };
            let page = receipt_pages::insert(tx, &sender.edge, &page, now).await?;
            for receipt in &report.receipts {
                self.store_receipt(tx, sender, receipt, page, now).await?;
            }
            let receipts = report.receipts.iter().map(|receipt| receipt.key.clone()).collect();
            taken.answers.push((sender.clone(), Inbox::ReceiptsStored(ReceiptsStored { receipts })));
        }
        if edge.repair_ordered_at.is_some() {
            taken.answers.push((sender.clone(), Inbox::Command(Command::Repair)));
        }
        Ok(())
    }

    async fn begin(
        &self,
        tx: &mut Tx,
        sender: &Sender,
        report: &Applied,
        start: StartIs,
        now: UnixMs,
    ) -> sqlx::Result<()> {
        if start == StartIs::Known {
            return Ok(());
        }
        edges::set_start(tx, &sender.edge, report.start).await?;
        edge_starts::insert(tx, &sender.edge, report.start, now).await?;
        edge_reports::delete(tx, &sender.edge).await
    }

    async fn store_receipt(
        &self,
        tx: &mut Tx,
        sender: &Sender,
        receipt: &Receipt,
        page: i64,
        now: UnixMs,
    ) -> sqlx::Result<()> {
        receipts::insert(tx, &sender.edge, receipt, page, now).await?;
        if receipt.probe == Probe::StillFound {
            tracing::error!(edge = %sender.edge, "an edge still finds a removed face");
            edges::set_alarm(tx, &sender.edge, Alarm::StillFound, now).await?;
            edges::order_repair(tx, &sender.edge, now).await?;
        }
        Ok(())
    }

    /// The edge behind a message, if it has joined, is neither revoked nor shut out, and belongs to the location it
    /// writes for.
    pub(super) async fn active(
        &self,
        tx: &mut Tx,
        sender: &Sender,
    ) -> sqlx::Result<Option<(edges::Edge, protocol::PublicKey)>> {
        let edge = edges::get(tx, &sender.edge).await?;
        let edge = edge.filter(|edge| {
            edge.location == sender.location && edge.revoked_at.is_none() && !edge.alarm.shuts_out()
        });
        let found = edge.and_then(|edge| {
            let key = edge.joined.as_ref()?.public_key;
            Some((edge, key))
        });
        if found.is_none() {
            self.app.counters.not_ours.one();
            tracing::warn!(edge = %sender.edge, "a message of an edge that is not active here was left alone");
        }
        Ok(found)
    }
}

/// What is held of an edge whose start `reporting` says something.
async fn held(tx: &mut Tx, edge: &edges::Edge, reporting: Start) -> sqlx::Result<Held> {
    let newest = edge_reports::get(tx, &edge.id).await?;
    // Almost every report is of the start known, and asks for no other.
    let (start_seen, start_since) = match reporting == edge.start {
        true => (true, None),
        false => {
            let seen = edge_starts::since(tx, &edge.id, reporting).await?.is_some();
            (seen, edge_starts::since(tx, &edge.id, edge.start).await?)
        }
    };
    Ok(Held {
        start: edge.start,
        position: newest.as_ref().map(|report| (report.epoch, report.applied)),
        reported_at: newest.as_ref().map(|report| report.reported_at),
        start_seen,
        start_since,
    })
}
