//! From the tables to the broker: a cursor over each location's rows, then its head.
//!
//! Publishing twice is harmless, so the cursor moves only behind the broker's acknowledgements and is stored now
//! and then; a change's nudge is a hint, the tables read on a timer are the truth.

mod lines;
mod place;

use crate::{
    app::App,
    clock,
    complaint::Complaint,
    db::Tx,
    marks,
    session::{Connection, Link},
    tables::{change_log, customers, locations},
    wire,
};
use place::{Batch, Place};
use protocol::{LocationId, Seq, Topic, UnixMs, codec::Message};
use rumqttc::PublishNotice;
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval, timeout},
};
use tokio_util::sync::CancellationToken;

/// Rows read at once.
const PAGE: u32 = 256;
/// Lines on `view/<location>/changes` for one page; what is older is in the log and on the pages.
const LINES_MAX: u32 = 512;
/// Messages of one location, and of all, that wait for the broker's acknowledgement.
const OUTSTANDING_OF_ONE_MAX: usize = 2_000;
const OUTSTANDING_MAX: usize = 12_000;
/// How often the tables are read without a nudge, and the cursors stored.
const TICK: Duration = Duration::from_millis(250);
/// With messages outstanding, an acknowledgement comes within this or the connection is given up.
const PROGRESS: Duration = Duration::from_secs(30);

enum Event {
    /// Something may have changed.
    Look,
    Tick,
    Heartbeat,
    Done(Batch),
    Connection(Connection),
}

struct Publisher {
    app: Arc<App>,
    link: Link,
    places: HashMap<LocationId, Place>,
    outstanding: usize,
    batches: mpsc::UnboundedSender<Batch>,
    /// Batches of an earlier generation are forgotten: their session was lost.
    generation: u64,
    connected: bool,
    progress_at: Instant,
}

/// Publishes until `stop`.
pub(crate) async fn run(
    app: Arc<App>,
    link: Link,
    mut connections: mpsc::UnboundedReceiver<Connection>,
    stop: CancellationToken,
) {
    let (batches, waiting) = mpsc::unbounded_channel();
    let (done, mut finished) = mpsc::unbounded_channel();
    let acks = tokio::spawn(stop.clone().run_until_cancelled_owned(place::acknowledged(waiting, done)));
    let [mut tick, mut heartbeat] = [TICK, app.settings.heartbeat].map(interval);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut publisher = Publisher {
        app: Arc::clone(&app),
        link,
        places: HashMap::new(),
        outstanding: 0,
        batches,
        generation: 0,
        connected: false,
        progress_at: Instant::now(),
    };
    let mut complaint = Complaint::default();
    loop {
        let event = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(connection) = connections.recv() => Event::Connection(connection),
            () = app.changed.notified() => Event::Look,
            Some(batch) = finished.recv() => Event::Done(batch),
            _ = heartbeat.tick() => Event::Heartbeat,
            _ = tick.tick() => Event::Tick,
        };
        if let Err(error) = publisher.apply(event).await {
            if complaint.is_due(std::time::Instant::now()) {
                tracing::error!(%error, "the publisher could not read or store; it tries again");
            }
            // What was read or stored is not known: the tables tell.
            publisher.forget();
        }
    }
    let _ = timeout(Duration::from_secs(1), publisher.store_cursors()).await;
    let _ = acks.await;
}

impl Publisher {
    async fn apply(&mut self, event: Event) -> sqlx::Result<()> {
        match event {
            Event::Look => self.sweep().await,
            Event::Tick => {
                self.watch_progress();
                self.store_cursors().await?;
                self.sweep().await
            }
            Event::Heartbeat => {
                let mut tx = self.app.db.write().await?;
                locations::date_heads(&mut tx, clock::now()).await?;
                tx.commit().await?;
                self.sweep().await
            }
            Event::Done(batch) => self.done(batch).await,
            Event::Connection(Connection::Lost) => {
                self.connected = false;
                Ok(())
            }
            Event::Connection(Connection::Resumed) => self.up().await,
            Event::Connection(Connection::New) => {
                self.app.counters.sessions_new.one();
                self.forget();
                let mut tx = self.app.db.write().await?;
                locations::unpublish_all(&mut tx).await?;
                locations::date_heads(&mut tx, clock::now()).await?;
                tx.commit().await?;
                self.up().await
            }
        }
    }

    async fn up(&mut self) -> sqlx::Result<()> {
        self.connected = true;
        self.progress_at = Instant::now();
        self.sweep().await
    }

    /// Publishes whatever is due, as far as the limits on what is outstanding allow.
    async fn sweep(&mut self) -> sqlx::Result<()> {
        if !self.connected || self.outstanding >= OUTSTANDING_MAX {
            return Ok(());
        }
        let mut tx = self.app.db.read().await?;
        let due = locations::due(&mut tx).await?;
        if let Some(newest) = due.iter().map(|location| location.issued_at).max() {
            marks::cover(&self.app, newest).await;
        }
        for location in due {
            self.flush(&mut tx, &location).await?;
        }
        Ok(())
    }

    /// Publishes what is new of one location; the head after the last row, all from one snapshot.
    async fn flush(&mut self, tx: &mut Tx, location: &locations::Location) -> sqlx::Result<()> {
        loop {
            let place = self.places.entry(location.id.clone()).or_insert_with(|| Place::at(location));
            if place.round != location.publish_round {
                // Everything again, but people are not told the same news twice.
                let announced = place.announced.max(location.announced);
                *place = Place { announced, ..Place::at(location) };
            }
            let all_sent = place.sent >= location.totals.seq && place.head_sent >= location.issued_at;
            let full = place.outstanding >= OUTSTANDING_OF_ONE_MAX || self.outstanding >= OUTSTANDING_MAX;
            if all_sent || full {
                return Ok(());
            }
            let (sent, announced) = (place.sent, place.announced);
            // A heartbeat has a head and nothing else.
            let rows = match sent < location.totals.seq {
                true => customers::newer_than(tx, &location.id, sent, PAGE).await?,
                false => Vec::new(),
            };
            let last = rows.len() < PAGE as usize;
            let upto = if last { location.totals.seq } else { rows.last().map_or(sent, |row| row.seq) };
            let head = last.then(|| wire::signed_head(location, &self.app.key).encode());
            // What edges wait for goes before anything more is read for people.
            let Some(mut notices) = self.publish(for_edges(location, &rows, head)) else { return Ok(()) };
            let news = match announced.max(sent) {
                told if told < upto => change_log::between(tx, &location.id, told, upto, LINES_MAX).await?,
                _ => Vec::new(),
            };
            let lines = lines::customers(location, &rows).chain(lines::changes(location, &rows, &news));
            let Some(lines) = self.publish(lines.chain(last.then(|| lines::head(location)))) else {
                return Ok(());
            };
            notices.extend(lines);
            let head = if last { location.issued_at } else { UnixMs(0) };
            if !self.sent(location, notices, upto, head) {
                return Ok(());
            }
        }
    }

    /// Hands messages to the session; nothing when it takes no more, and the connection is given up.
    fn publish(&self, messages: impl IntoIterator<Item = (Topic, Vec<u8>)>) -> Option<Vec<PublishNotice>> {
        let notices = messages.into_iter().map(|(topic, payload)| self.link.publish(&topic, payload));
        let notices: Result<Vec<_>, _> = notices.collect();
        if notices.is_err() {
            self.link.give_up();
        }
        notices.ok()
    }

    /// Remembers what was handed to the session; tells whether anybody waits for its acknowledgement.
    fn sent(
        &mut self,
        location: &locations::Location,
        notices: Vec<PublishNotice>,
        upto: Seq,
        head: UnixMs,
    ) -> bool {
        let (count, generation) = (notices.len(), self.generation);
        let batch = Batch {
            location: location.id.clone(),
            upto,
            head,
            generation,
            count,
            notices,
            acknowledged: false,
        };
        self.outstanding += count;
        if let Some(place) = self.places.get_mut(&location.id) {
            place.outstanding += count;
            place.sent = place.sent.max(upto);
            place.announced = place.announced.max(upto);
            place.head_sent = place.head_sent.max(head);
        }
        self.batches.send(batch).is_ok()
    }

    async fn done(&mut self, batch: Batch) -> sqlx::Result<()> {
        if batch.generation != self.generation {
            return Ok(());
        }
        if !batch.acknowledged {
            self.forget();
            return self.sweep().await;
        }
        self.progress_at = Instant::now();
        let was_full = self.outstanding >= OUTSTANDING_MAX;
        self.outstanding -= batch.count;
        self.app.counters.published.more(batch.count as u64);
        let Some(place) = self.places.get_mut(&batch.location) else { return Ok(()) };
        let was_full = was_full || place.outstanding >= OUTSTANDING_OF_ONE_MAX;
        place.outstanding = place.outstanding.saturating_sub(batch.count);
        place.acked = place.acked.max(batch.upto);
        place.head_acked = place.head_acked.max(batch.head);
        if was_full { self.sweep().await } else { Ok(()) }
    }

    /// Stores how far the broker has acknowledged.
    async fn store_cursors(&mut self) -> sqlx::Result<()> {
        let moved: Vec<_> = self.places.iter_mut().filter(|(_, place)| place.to_store()).collect();
        if moved.is_empty() {
            return Ok(());
        }
        crash_point::reach("website_published_before_marked");
        let mut tx = self.app.db.write().await?;
        for (id, place) in &moved {
            locations::set_published(&mut tx, id, place.round, place.acked, place.head_acked).await?;
        }
        tx.commit().await?;
        moved.into_iter().for_each(|(_, place)| place.stored = (place.acked, place.head_acked));
        Ok(())
    }

    fn watch_progress(&mut self) {
        if self.outstanding == 0 {
            self.progress_at = Instant::now();
        } else if self.connected && self.progress_at.elapsed() > PROGRESS {
            self.progress_at = Instant::now();
            self.link.give_up();
        }
    }

    fn forget(&mut self) {
        self.generation += 1;
        self.places.clear();
        self.outstanding = 0;
    }
}

/// Each row, and the head after the last of them.
fn for_edges(
    location: &locations::Location,
    rows: &[customers::Customer],
    head: Option<Vec<u8>>,
) -> impl Iterator<Item = (Topic, Vec<u8>)> {
    let row = |row: &customers::Customer| {
        let topic = Topic::Customer(location.id.clone(), row.face_id.clone());
        (topic, wire::change(location.totals.epoch, row).encode())
    };
    rows.iter().map(row).chain(head.map(|head| (Topic::Head(location.id.clone()), head)))
}
