//! From the edges to the tables. A message is acknowledged once its effect is committed; what can never succeed is
//! counted, logged without its content, and acknowledged.

mod presence;
mod repair;
mod reports;
mod visits;

use crate::{
    app::App,
    complaint::Complaint,
    session::{Arrival, Link},
};
use protocol::{
    EdgeId, LocationId, Topic,
    codec::Message,
    message::{Inbox, Report, Visit},
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{sync::mpsc, time::sleep};
use tokio_util::sync::CancellationToken;

/// Messages taken together into one transaction.
const BATCH_MAX: usize = 256;
const BACK_OFF: Duration = Duration::from_millis(500);

/// Whose message it is, as its topic says; the broker lets nobody write on another's.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Sender {
    location: LocationId,
    edge: EdgeId,
}

/// What came in, parsed.
enum Input {
    Visit(Sender, Visit),
    Report(Sender, Report),
    Presence(Sender, presence::Said),
    /// The broker has kept this; it was asked for by [`crate::sweep`].
    Kept(Topic),
    /// Nothing to do.
    Cleared,
}

struct Ingest {
    app: Arc<App>,
    link: Link,
    kept: mpsc::UnboundedSender<Topic>,
    complaint: Complaint,
}

/// Stores what comes in, until `stop`.
pub(crate) async fn run(
    app: Arc<App>,
    link: Link,
    mut arrivals: mpsc::UnboundedReceiver<Arrival>,
    kept: mpsc::UnboundedSender<Topic>,
    stop: CancellationToken,
) {
    let mut ingest = Ingest { app, link, kept, complaint: Complaint::default() };
    while let Some(Some(batch)) = stop.run_until_cancelled(next(&mut arrivals)).await {
        ingest.apply(batch, &stop).await;
    }
}

async fn next(arrivals: &mut mpsc::UnboundedReceiver<Arrival>) -> Option<Vec<Arrival>> {
    let mut batch = Vec::new();
    (arrivals.recv_many(&mut batch, BATCH_MAX).await > 0).then_some(batch)
}

impl Ingest {
    async fn apply(&mut self, batch: Vec<Arrival>, stop: &CancellationToken) {
        let (mut visits, mut reports, mut presences) = (Vec::new(), Vec::new(), Vec::new());
        for arrival in &batch {
            match parse(arrival) {
                Ok(Input::Visit(sender, visit)) => visits.push((sender, visit)),
                Ok(Input::Report(sender, report)) => reports.push((sender, report)),
                Ok(Input::Presence(sender, said)) => presences.push((sender, said)),
                // Lost with a crash it comes again: the sweep is repeated until it is complete.
                Ok(Input::Kept(topic)) => drop(self.kept.send(topic)),
                Ok(Input::Cleared) => {}
                Err(Unreadable::NotOurs) => {
                    self.app.counters.not_ours.one();
                    tracing::warn!("a message on a topic that is not for the website was left alone");
                }
                Err(Unreadable::Malformed) => {
                    self.app.counters.malformed.one();
                    tracing::warn!(topic = arrival.topic, "a malformed message was left alone");
                }
            }
        }
        for (location, visits) in visits::by_location(visits) {
            while let Err(error) = self.store_visits(&location, &visits).await {
                if self.pause(&error, stop).await.is_none() {
                    return;
                }
            }
        }
        while let Err(error) = self.store_reports(&reports, &presences).await {
            if self.pause(&error, stop).await.is_none() {
                return;
            }
        }
        crash_point::reach("website_settled_before_acknowledged");
        batch.iter().for_each(|arrival| self.link.ack(arrival));
    }

    /// Waits before the next attempt; `None` when there is none, because the website stops.
    async fn pause(&mut self, error: &sqlx::Error, stop: &CancellationToken) -> Option<()> {
        if self.complaint.is_due(Instant::now()) {
            tracing::error!(%error, "what edges sent could not be stored; it is tried again, and they keep it");
        }
        stop.run_until_cancelled(sleep(BACK_OFF)).await
    }

    /// Tells one edge something. Lost on the way it is said again when the edge asks again.
    fn tell(&self, to: &Sender, what: &Inbox) {
        let topic = Topic::Inbox(to.location.clone(), to.edge.clone());
        if self.link.publish(&topic, what.encode()).is_err() {
            self.link.give_up();
        }
    }
}

enum Unreadable {
    NotOurs,
    Malformed,
}

fn parse(arrival: &Arrival) -> Result<Input, Unreadable> {
    let topic = arrival.topic.parse().map_err(|_| Unreadable::NotOurs)?;
    let malformed = |_| Unreadable::Malformed;
    match topic {
        Topic::Visits(location, edge) => {
            let visit = Visit::decode(&arrival.payload).map_err(malformed)?;
            // The table's numbers are signed; an edge counts from 1.
            let countable = (1..=i64::MAX as u64).contains(&visit.n);
            let sender = Sender { location, edge };
            if countable { Ok(Input::Visit(sender, visit)) } else { Err(Unreadable::Malformed) }
        }
        Topic::Report(location, edge) => {
            let report = Report::decode(&arrival.payload).map_err(malformed)?;
            Ok(Input::Report(Sender { location, edge }, report))
        }
        Topic::Customer(..) | Topic::ViewCustomer(..) if arrival.retained => Ok(Input::Kept(topic)),
        Topic::Customer(..) | Topic::ViewCustomer(..) => Ok(Input::Cleared),
        Topic::ViewEdge(..) if arrival.payload.is_empty() => Ok(Input::Cleared),
        Topic::ViewEdge(location, edge) => {
            let said = serde_json::from_slice(&arrival.payload).map_err(|_| Unreadable::Malformed)?;
            Ok(Input::Presence(Sender { location, edge }, said))
        }
        Topic::Head(..)
        | Topic::Inbox(..)
        | Topic::ViewHead(..)
        | Topic::ViewChanges(..)
        | Topic::ViewVisits(..)
        | Topic::ViewBroker => Err(Unreadable::NotOurs),
    }
}
