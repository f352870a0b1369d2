//! A session as the connections, the dispatcher and the table of sessions share it.

use super::backlog::{Client, Offered};
use super::outgoing::Outgoing;
use super::state::State;
use super::wills::Place;
use crate::auth::principal::{Identity, Principal};
use crate::codec::packet::QoS;
use crate::routing::message::Publisher;
use parking_lot::{Mutex, MutexGuard};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, OwnedMutexGuard, watch};
use tokio::time::Instant;

/// Whose session it is: a client id means nothing without the one who logged in with it, so nobody can take over
/// somebody else's session.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    /// Who logged in.
    pub identity: Identity,
    /// With which client id.
    pub client_id: String,
}

impl Key {
    /// The key of this login's session.
    pub fn of(principal: &Principal, client_id: &str) -> Key {
        Key { identity: principal.identity(), client_id: client_id.to_owned() }
    }
}

/// A session.
#[derive(Debug)]
pub struct Session {
    /// Whose it is.
    pub key: Key,
    /// The number under which its client publishes.
    pub publisher: Publisher,
    /// Told when there is something to send.
    pub wake: Notify,
    state: Mutex<State>,
    /// The ticket of the newest connection that wants it; the one that holds an older ticket must leave.
    newest: watch::Sender<u64>,
    /// Held by the one connection that has it.
    owner: Arc<tokio::sync::Mutex<()>>,
    absence: Mutex<Absence>,
    /// Where its client's will waits for the client to come back.
    will: Mutex<Option<Place>>,
}

/// How long a client has been away, and how long it may be.
#[derive(Debug, Clone, Copy)]
struct Absence {
    since: Instant,
    max: Duration,
}

/// The right to use a session, until a newer ticket is drawn.
#[derive(Debug)]
pub struct Ticket {
    number: u64,
    newest: watch::Receiver<u64>,
}

impl PartialEq for Session {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Session {
    /// A session nobody has yet.
    pub fn new(key: Key, publisher: Publisher, state: State) -> Session {
        Session {
            key,
            publisher,
            wake: Notify::new(),
            state: Mutex::new(state),
            newest: watch::Sender::new(0),
            owner: Arc::default(),
            absence: Mutex::new(Absence { since: Instant::now(), max: Duration::MAX }),
            will: Mutex::default(),
        }
    }

    /// Its state. Not to be held while waiting for anything but a lane.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Draws a ticket, which tells whoever has the session to leave.
    pub fn draw(&self) -> Ticket {
        let mut number = 0;
        self.newest.send_modify(|newest| {
            *newest += 1;
            number = *newest;
        });
        Ticket { number, newest: self.newest.subscribe() }
    }

    /// Waits until the connection that had the session has left it.
    pub async fn own(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.owner).lock_owned().await
    }

    /// The session, if no connection has it.
    pub fn try_own(&self) -> Option<OwnedMutexGuard<()>> {
        Arc::clone(&self.owner).try_lock_owned().ok()
    }

    /// Offers a message.
    pub fn offer(&self, outgoing: Outgoing) -> Offered {
        let offered = self.state.lock().offer(outgoing);
        self.wake.notify_one();
        offered
    }

    /// Offers a message that another one could take as well, if its client is there, or away, as is wanted, and
    /// there is room for it. Gives it back otherwise.
    pub fn offer_if(&self, wanted: Client, outgoing: Outgoing) -> Result<Offered, Outgoing> {
        let mut state = self.state.lock();
        let useful = wanted == Client::Here || outgoing.qos > QoS::Zero;
        if !useful || state.client() != wanted || !state.has_room_for_message(&outgoing.message) {
            return Err(outgoing);
        }
        let offered = state.offer(outgoing);
        drop(state);
        self.wake.notify_one();
        Ok(offered)
    }

    /// Since when its client has been away.
    pub fn away_since(&self) -> Instant {
        self.absence.lock().since
    }

    /// Its client is away from now on, for `max` at most.
    pub fn away_from_now(&self, max: Duration) {
        *self.absence.lock() = Absence { since: Instant::now(), max };
    }

    /// Whether its client, if it is away, has been so for too long.
    pub fn is_expired(&self, now: Instant) -> bool {
        let absence = *self.absence.lock();
        now.duration_since(absence.since) > absence.max
    }

    /// Notes where its client's will waits.
    pub fn leave_will(&self, place: Place) {
        *self.will.lock() = Some(place);
    }

    /// Where its client's will waits, from now on forgotten here.
    pub fn take_will(&self) -> Option<Place> {
        self.will.lock().take()
    }
}

impl Ticket {
    /// Whether a newer one has been drawn.
    pub fn is_old(&self) -> bool {
        *self.newest.borrow() > self.number
    }

    /// Waits until a newer one is drawn. Loses nothing when cancelled.
    pub async fn outdated(&mut self) {
        let number = self.number;
        if self.newest.wait_for(|newest| *newest > number).await.is_err() {
            // The session itself is gone, and so is the right to use it.
        }
    }
}
