//! A session as the connections, the dispatcher and the table of sessions share it.

use crate::backlog::Offered;
use crate::message::Message;
use crate::packet::QoS;
use crate::principal::{Identity, Principal};
use crate::state::State;
use parking_lot::{Mutex, MutexGuard};
use std::sync::Arc;
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
    /// Told when there is something to send.
    pub wake: Notify,
    state: Mutex<State>,
    /// The ticket of the newest connection that wants it; the one that holds an older ticket must leave.
    newest: watch::Sender<u64>,
    /// Held by the one connection that has it.
    owner: Arc<tokio::sync::Mutex<()>>,
    away_since: Mutex<Instant>,
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
    pub fn new(key: Key, state: State) -> Session {
        Session {
            key,
            wake: Notify::new(),
            state: Mutex::new(state),
            newest: watch::Sender::new(0),
            owner: Arc::default(),
            away_since: Mutex::new(Instant::now()),
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
    pub fn offer(&self, message: &Arc<Message>, granted: QoS) -> Offered {
        let offered = self.state.lock().offer(message, granted);
        self.wake.notify_one();
        offered
    }

    /// Since when its client has been away.
    pub fn away_since(&self) -> Instant {
        *self.away_since.lock()
    }

    /// Its client is away from now on.
    pub fn away_from_now(&self) {
        *self.away_since.lock() = Instant::now();
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
