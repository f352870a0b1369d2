//! In a new epoch the broker may keep messages of faces that the database does not know: people who were enrolled, or
//! removed, after the backup that was restored. Their retained messages are cleared.
//!
//! The broker is asked for everything it keeps of customers. What comes in of an unknown face is cleared at once;
//! when nothing has come for a while, the epoch is marked as swept. Interrupted, it begins again.

use crate::{
    app::App,
    session::Link,
    tables::{customers, locations},
};
use protocol::{Epoch, LocationId, Topic};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

/// Everything the broker keeps of customers.
const FILTERS: [&str; 2] = ["store/+/customers/+", "view/+/customers/+"];
const LOOK: Duration = Duration::from_millis(500);
/// The broker sends what it keeps without pauses.
const QUIET: Duration = Duration::from_secs(2);

enum Event {
    Look,
    Kept(Topic),
    Connection,
}

/// A sweep that is going on.
struct Going {
    due: Vec<(LocationId, Epoch)>,
    heard_at: Instant,
}

struct Sweep {
    app: Arc<App>,
    link: Link,
    going: Option<Going>,
}

/// Sweeps whenever a new epoch has begun, until `stop`.
pub(crate) async fn run(
    app: Arc<App>,
    link: Link,
    mut kept: mpsc::UnboundedReceiver<Topic>,
    stop: CancellationToken,
) {
    let mut connected = app.connected.subscribe();
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut sweep = Sweep { app, link, going: None };
    loop {
        let event = tokio::select! {
            () = stop.cancelled() => return,
            Some(topic) = kept.recv() => Event::Kept(topic),
            Ok(()) = connected.changed() => Event::Connection,
            _ = look.tick() => Event::Look,
        };
        if let Err(error) = sweep.apply(event).await {
            tracing::error!(%error, "retained messages of unknown faces could not be cleared; it is tried again");
            sweep.going = None;
        }
    }
}

impl Sweep {
    async fn apply(&mut self, event: Event) -> sqlx::Result<()> {
        match event {
            // Another connection sends what it keeps from the start, once it is asked again.
            Event::Connection => self.going = None,
            Event::Kept(topic) => self.clear_unknown(topic).await?,
            Event::Look => match self.going.take() {
                Some(going) if going.heard_at.elapsed() < QUIET => self.going = Some(going),
                Some(going) => self.end(going.due).await?,
                None if *self.app.connected.borrow() => self.begin().await?,
                None => {}
            },
        }
        Ok(())
    }

    async fn begin(&mut self) -> sqlx::Result<()> {
        let known = locations::unswept(&mut self.app.db.read().await?).await?;
        if known.is_empty() {
            return Ok(());
        }
        match self.link.watch(&FILTERS) {
            Ok(()) => self.going = Some(Going { due: known, heard_at: Instant::now() }),
            Err(_) => self.link.give_up(),
        }
        Ok(())
    }

    async fn clear_unknown(&mut self, topic: Topic) -> sqlx::Result<()> {
        if let Some(going) = &mut self.going {
            going.heard_at = Instant::now();
        }
        let (Topic::Customer(location, face_id) | Topic::ViewCustomer(location, face_id)) = &topic else {
            return Ok(());
        };
        let row = customers::get(&mut self.app.db.read().await?, location, face_id).await?;
        if row.is_none() {
            self.app.counters.swept.one();
            if self.link.publish(&topic, Vec::new()).is_err() {
                self.link.give_up();
            }
        }
        Ok(())
    }

    async fn end(&mut self, due: Vec<(LocationId, Epoch)>) -> sqlx::Result<()> {
        if self.link.unwatch(&FILTERS).is_err() {
            self.link.give_up();
        }
        let mut tx = self.app.db.write().await?;
        for (id, epoch) in &due {
            locations::set_swept(&mut tx, id, *epoch).await?;
        }
        tx.commit().await
    }
}
