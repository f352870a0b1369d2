//! The table of sessions: whose clients are connected or away, and how one connection takes over from another.

use super::backlog::ClientState;
use super::session::{Key, Session, Ticket};
use super::state::{Lifetime, State};
use crate::auth::principal::{Identity, Principal};
use crate::limits::Limits;
use crate::routing::message::Publisher;
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::OwnedMutexGuard;
use tokio::time::{Instant, timeout};

/// How long a connection may take to release a session to the next one.
pub const TAKEOVER_TIMEOUT: Duration = Duration::from_secs(10);

/// All sessions.
#[derive(Debug, Default)]
pub struct Sessions {
    table: Mutex<HashMap<Key, Arc<Session>>>,
    /// Recent kicks.
    kicked: Mutex<VecDeque<(Instant, Identity)>>,
    /// Makes numbers that cannot be foreseen from outside.
    numbers: RandomState,
    /// Client ids assigned so far.
    unnamed: AtomicU64,
}

/// A session that one connection owns.
#[derive(Debug)]
pub struct Owned {
    /// The session.
    pub session: Arc<Session>,
    /// The right to it.
    pub ticket: Ticket,
    /// Released when dropped, for the next connection that waits.
    _owner: OwnedMutexGuard<()>,
}

/// Why a connection did not get its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotOwned {
    /// The client has connected once more in the meantime.
    Superseded,
    /// There are too many sessions, or the old connection does not end.
    Unavailable,
}

impl Sessions {
    /// A client id for a client that left it to the broker.
    pub fn new_client_id(&self) -> String {
        let number = self.unnamed.fetch_add(1, Ordering::Relaxed);
        format!("auto-{:016x}", self.numbers.hash_one(number))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.table.lock().len()
    }

    /// How many subscriptions they have.
    pub fn subscriptions(&self) -> u64 {
        self.table.lock().values().map(|session| session.state().subscriptions().len() as u64).sum()
    }

    /// The session of a client, made if need be, once the connection that owned it has released it. `evict` ends the
    /// session that had to make room.
    pub async fn own(
        &self,
        principal: &Principal,
        client_id: &str,
        limits: &Limits,
        evict: impl Fn(&Session),
    ) -> Result<Owned, NotOwned> {
        let key = Key::of(principal, client_id);
        loop {
            let session = self.find_or_make(&key, principal, limits, &evict)?;
            let ticket = session.new_ticket();
            let owner = timeout(TAKEOVER_TIMEOUT, session.own()).await.map_err(|_| NotOwned::Unavailable)?;
            if session.state().lifetime() == Lifetime::Over {
                // It ended while this connection waited: take the next one.
                continue;
            }
            if ticket.is_old() {
                return Err(NotOwned::Superseded);
            }
            return Ok(Owned { session, ticket, _owner: owner });
        }
    }

    fn find_or_make(
        &self,
        key: &Key,
        principal: &Principal,
        limits: &Limits,
        evict: &impl Fn(&Session),
    ) -> Result<Arc<Session>, NotOwned> {
        let (session, victim) = {
            let mut table = self.table.lock();
            if let Some(session) = table.get(key) {
                return Ok(Arc::clone(session));
            }
            let victim = match occupancy(&table, key, limits) {
                Occupancy::Free => None,
                Occupancy::Full(sessions) => {
                    let longest = sessions.into_iter().min_by_key(|session| session.away_since());
                    let longest = longest.map(Arc::clone).ok_or(NotOwned::Unavailable)?;
                    table.remove(&longest.key);
                    Some(longest)
                }
            };
            // Zero is the broker itself.
            let publisher = Publisher(self.numbers.hash_one(key).max(1));
            let state = State::new(limits.quota(principal), publisher);
            let session = Arc::new(Session::new(key.clone(), publisher, state));
            table.insert(key.clone(), Arc::clone(&session));
            (session, victim)
        };
        if let Some(victim) = victim {
            evict(&victim);
        }
        Ok(session)
    }

    /// Takes a session out of the table, if it is still in it.
    pub fn remove(&self, session: &Session) {
        let mut table = self.table.lock();
        if table.get(&session.key).is_some_and(|there| **there == *session) {
            table.remove(&session.key);
        }
    }

    /// Whether this session is the one in the table.
    pub fn contains(&self, session: &Session) -> bool {
        self.table.lock().get(&session.key).is_some_and(|there| **there == *session)
    }

    /// Notes that a principal is kicked now, and returns its sessions. Kicks older than `keep` are dropped.
    pub fn kick(&self, identity: &Identity, keep: Duration) -> Vec<Arc<Session>> {
        let now = Instant::now();
        let mut kicked = self.kicked.lock();
        while kicked.front().is_some_and(|(at, _)| now.duration_since(*at) > keep) {
            kicked.pop_front();
        }
        kicked.push_back((now, identity.clone()));
        drop(kicked);
        self.of(identity)
    }

    /// Whether this principal was kicked at or after that moment: a login looked up before it may be revoked.
    pub fn kicked_since(&self, identity: &Identity, since: Instant) -> bool {
        self.kicked.lock().iter().any(|(at, kicked)| *at >= since && kicked == identity)
    }

    /// Every session of this principal.
    fn of(&self, identity: &Identity) -> Vec<Arc<Session>> {
        self.table
            .lock()
            .values()
            .filter(|session| session.key.identity == *identity)
            .map(Arc::clone)
            .collect()
    }

    /// Every session.
    pub fn all(&self) -> Vec<Arc<Session>> {
        self.table.lock().values().map(Arc::clone).collect()
    }

    /// Sessions whose clients have been away for longer than they may.
    pub fn expired(&self, now: Instant) -> Vec<Arc<Session>> {
        let table = self.table.lock();
        let expired = |session: &&Arc<Session>| {
            session.state().client() == ClientState::Disconnected
                && session.is_expired(now)
                && session.try_own().is_some()
        };
        table.values().filter(expired).map(Arc::clone).collect()
    }
}

enum Occupancy<'t> {
    /// There is room for one more.
    Free,
    /// There is none; one of these can be evicted.
    Full(Vec<&'t Arc<Session>>),
}

/// Whether there is room for one more, and if not, whose sessions could make room: those whose clients are away.
fn occupancy<'t>(table: &'t HashMap<Key, Arc<Session>>, key: &Key, limits: &Limits) -> Occupancy<'t> {
    let away = |sessions: Vec<&'t Arc<Session>>| {
        Occupancy::Full(sessions.into_iter().filter(|session| session.try_own().is_some()).collect())
    };
    if let Identity::Ops(_) = key.identity {
        let own: Vec<_> = table.values().filter(|session| session.key.identity == key.identity).collect();
        if own.len() >= limits.sessions_per_person {
            return away(own);
        }
    }
    if table.len() >= limits.sessions { away(table.values().collect()) } else { Occupancy::Free }
}
