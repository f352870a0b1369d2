//! New epochs: what happens when a location's history can have gone back.

use crate::{
    app::App,
    changes::{Actor, ChangeError, Held},
    clock,
    credentials::withdraw_again,
    db::Tx,
    decide::{
        epoch::{self, Ahead},
        erasure::{self, Erasure},
        revocation, withdrawal,
    },
    edges::revoke_in,
    ledger::{Ledger, Written},
    marks::{self, Marks},
    random,
    tables::{
        edge_reports,
        edges::{self, Alarm},
        erasures, locations, withdrawals,
    },
};
use anyhow::Context;
use protocol::{EdgeId, Epoch, LocationId};
use std::path::Path;

/// Why a new epoch begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Somebody asked for it.
    Asked,
    /// A backup was restored.
    Restored,
    /// The database stands behind what is written beside it: it was restored by hand.
    Behind,
    /// An edge has verified a seq that this database has not given out: it was restored by hand.
    EdgeAhead,
}

impl Why {
    /// The reason as the audit has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Why::Asked => "epoch.asked",
            Why::Restored => "epoch.restored",
            Why::Behind => "epoch.database-behind",
            Why::EdgeAhead => "epoch.edge-ahead",
        }
    }
}

/// What is written beside the database.
pub(crate) struct Beside {
    /// What was done for good.
    pub ledger: Written,
    /// Where the locations stood.
    pub marks: Marks,
}

impl Beside {
    /// What is written in `data`.
    ///
    /// # Errors
    /// When the ledger is there and cannot be read.
    pub(crate) async fn read(data: &Path) -> anyhow::Result<Beside> {
        Ok(Beside { ledger: Ledger::at(data).read().await?, marks: Marks::read(data) })
    }
}

/// Begins a new epoch of one location: everything edges said of the old one is void, everything is published again,
/// and whatever only the ledger knows is done once more, before anything else can be published.
///
/// # Errors
/// When there is no such location, or the ledger cannot be read.
pub async fn begin(app: &App, id: &LocationId, why: Why, by: &Actor) -> anyhow::Result<Epoch> {
    let beside = Beside::read(&app.settings.data).await?;
    let mut held = Held::begin(&app.db, id).await?;
    withdraw_again(&mut held.tx, &beside.ledger.withdrawals, by).await?;
    let epoch = renew(&mut held, &beside, why, by).await?;
    held.commit().await?;
    told(app).await;
    Ok(epoch)
}

/// The same for every location, in one transaction that may have begun already; it is the caller's to commit.
pub(crate) async fn begin_all(mut tx: Tx, beside: &Beside, why: Why, by: &Actor) -> Result<Tx, ChangeError> {
    withdraw_again(&mut tx, &beside.ledger.withdrawals, by).await?;
    for location in locations::all(&mut tx).await? {
        let mut held = Held::inside(tx, &location.id).await?;
        renew(&mut held, beside, why, by).await?;
        tx = held.finish().await?;
    }
    Ok(tx)
}

/// What a report of `edge` that is ahead leads to, unless that has been done meanwhile: a new epoch, but not twice an
/// hour; beyond that the edge is shut out.
pub(crate) async fn begin_if_behind(
    app: &App,
    (id, edge): (&LocationId, &EdgeId),
    report: &protocol::message::Applied,
) -> anyhow::Result<()> {
    let (beside, by) = (Beside::read(&app.settings.data).await?, Actor::website());
    let mut held = Held::begin(&app.db, id).await?;
    let (seq, now) = (held.location.totals.seq, held.now);
    let last = locations::ahead_at(&mut held.tx, id).await?;
    match epoch::ahead(report, &held.location.totals, last, now) {
        Ahead::No => return Ok(()),
        Ahead::NewEpoch => {
            tracing::error!(location = %id, %seq, verified = %report.verified,
                "an edge has verified more than this database has given out: it was restored by hand, a new epoch begins");
            withdraw_again(&mut held.tx, &beside.ledger.withdrawals, &by).await?;
            renew(&mut held, &beside, Why::EdgeAhead, &by).await?;
            locations::set_ahead_at(&mut held.tx, id, now).await?;
        }
        Ahead::ShutOut => {
            tracing::error!(location = %id, %edge, %seq, verified = %report.verified,
                "an edge names what nobody can have told it: it is shut out until it joins again");
            edges::set_alarm(&mut held.tx, edge, Alarm::Ahead, now).await?;
            edge_reports::delete(&mut held.tx, edge).await?;
        }
    }
    held.commit().await?;
    app.revoked.notify_one();
    told(app).await;
    Ok(())
}

/// Compares the database with what is written beside it, before anything is published: the erasure ledger and the
/// marks. A database that stands behind was restored by hand: new epochs, and whatever only the ledger knows once more.
pub(crate) async fn compare(app: &App) -> anyhow::Result<()> {
    let beside = Beside::read(&app.settings.data).await?;
    let Beside { ledger, marks } = &beside;
    if ledger.damaged > 0 {
        tracing::error!(
            lines = ledger.damaged,
            "lines of the erasure ledger cannot be read: after a restore compare removals by hand"
        );
    }
    let mut tx = app.db.write().await?;
    let recorded: Vec<Erasure> =
        erasures::all(&mut tx).await?.into_iter().map(|recorded| recorded.erasure).collect();
    let removals = erasure::compare(&ledger.erasures, &recorded);
    for erasure in &removals.unwritten {
        erasures::set_unwritten(&mut tx, erasure).await?;
    }
    let revocations = revocation::compare(&ledger.revocations, &edges::known(&mut tx).await?);
    for revocation in &revocations.unwritten {
        edges::set_revocation_unwritten(&mut tx, &revocation.edge).await?;
    }
    let credentials = withdrawal::compare(&ledger.withdrawals, &withdrawals::all(&mut tx).await?);
    for withdrawal in &credentials.unwritten {
        withdrawals::set_unwritten(&mut tx, withdrawal).await?;
    }
    let known = locations::all(&mut tx).await?;
    let here = |erasure: &&Erasure| known.iter().any(|location| location.id == erasure.location);
    let lost = removals.lost.iter().filter(here).count();
    let (let_in, good_again) = (revocations.lost.len(), credentials.lost.len());
    let behind = |location: &&locations::Location| {
        let mark = marks.of(&location.id);
        mark.is_some_and(|mark| epoch::is_behind(mark, &location.totals, location.issued_at))
    };
    let behind = known.iter().filter(behind).count();
    if lost + let_in + good_again + behind > 0 {
        tracing::error!(
            lost,
            let_in,
            good_again,
            behind,
            "the database has gone back: new epochs begin, and whatever only the ledger knows is done again"
        );
        tx = begin_all(tx, &beside, Why::Behind, &Actor::website()).await?;
    }
    tx.commit().await.context("the database did not store the comparison with the ledger")?;
    told(app).await;
    Ok(())
}

pub(crate) async fn told(app: &App) {
    app.changed.notify_one();
    crate::ledger::catch_up(app).await;
    marks::write(app).await;
    crate::changes::overwrite(app).await;
}

async fn renew(held: &mut Held, beside: &Beside, why: Why, by: &Actor) -> Result<Epoch, ChangeError> {
    let (epoch, ledger) = (Epoch(random::number()), &beside.ledger);
    // Edges take no head of another epoch that is not dated later than all they have seen.
    held.location.issued_at = held.location.issued_at.max(beside.marks.heads_until());
    held.begin_epoch(epoch).await?;
    let id = held.location.id.clone();
    edge_reports::delete_of_location(&mut held.tx, &id).await?;
    held.note(why.as_str(), &epoch.to_string(), by).await?;
    let recorded = erasures::all(&mut held.tx).await?.into_iter().map(|recorded| recorded.erasure);
    let recorded: Vec<Erasure> = recorded.filter(|erasure| erasure.location == id).collect();
    let removals: Vec<Erasure> =
        ledger.erasures.iter().filter(|erasure| erasure.location == id).cloned().collect();
    for lost in erasure::compare(&removals, &recorded).lost {
        held.remove_again(&lost, by).await?;
    }
    let known = edges::known(&mut held.tx).await?;
    for lost in revocation::compare(&ledger.revocations, &known).lost {
        if lost.location == id {
            revoke_in(&mut held.tx, &id, &lost.edge, by).await?;
        }
    }
    tracing::warn!(location = %id, %epoch, reason = why.as_str(), at = clock::now().0, "a new epoch has begun");
    Ok(epoch)
}
