//! A session as the connections, the dispatcher and the table of sessions share it.

use super::backlog::{ClientState, Offered};
use super::outgoing::Outgoing;
use super::state::State;
use super::wills::WillId;
use crate::auth::principal::{Identity, Principal};
use crate::codec::packet::QoS;
use crate::routing::message::Publisher;
use parking_lot::{Mutex, MutexGuard};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, OwnedMutexGuard, watch};
use tokio::time::Instant;

/// Whose session it is: the login as well as the client id, so that a client id alone never takes over the session of
/// another login.
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
    /// Login and client id.
    pub key: Key,
    /// The number under which its client publishes.
    pub publisher: Publisher,
    /// Notified when there is something to send.
    pub wake: Notify,
    state: Mutex<State>,
    /// The ticket of the newest connection that wants it; a connection with an older one must end.
    newest: watch::Sender<u64>,
    /// Held by the one connection that owns the session.
    owner: Arc<tokio::sync::Mutex<()>>,
    absence: Mutex<Absence>,
    /// Its client's will, while that waits for its delay.
    will: Mutex<Option<WillId>>,
}

/// How long a client has been away, and how long it may be.
#[derive(Debug, Clone, Copy)]
struct Absence {
    since: Instant,
    max: Duration,
}

/// The right to use a session, until a newer ticket is issued.
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
    /// A session without an owner.
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

    /// Issues a ticket, which tells the present owner to end.
    pub fn new_ticket(&self) -> Ticket {
        let mut number = 0;
        self.newest.send_modify(|newest| {
            *newest += 1;
            number = *newest;
        });
        Ticket { number, newest: self.newest.subscribe() }
    }

    /// Waits until the connection that owned the session has released it.
    pub async fn own(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.owner).lock_owned().await
    }

    /// The session, if no connection owns it.
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
    pub fn offer_if(&self, wanted: ClientState, outgoing: Outgoing) -> Result<Offered, Outgoing> {
        let mut state = self.state.lock();
        let useful = wanted == ClientState::Connected || outgoing.qos > QoS::Zero;
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

    /// Notes its client's will, which waits for its delay.
    pub fn set_will(&self, id: WillId) {
        *self.will.lock() = Some(id);
    }

    /// Its client's waiting will, removed from the session.
    pub fn take_will(&self) -> Option<WillId> {
        self.will.lock().take()
    }
}

impl Ticket {
    /// Whether a newer one has been issued.
    pub fn is_old(&self) -> bool {
        *self.newest.borrow() > self.number
    }

    /// Waits until a newer one is issued. Loses nothing when cancelled.
    pub async fn superseded(&mut self) {
        let number = self.number;
        if self.newest.wait_for(|newest| *newest > number).await.is_err() {
            // The session itself is gone, and so is the right to use it.
        }
    }
}
