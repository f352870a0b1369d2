//! The broker without its sockets: lanes, subscriptions and sessions, and what connections do with them. How
//! messages get to sessions is in `fanout`.
//!
//! Architecture invariant: locks are taken in the order index, session, lane, and none of them is held while
//! waiting or while a socket is written.

use crate::auth::access::may;
use crate::auth::action::Action;
use crate::auth::login::Login;
use crate::auth::principal::{Identity, Principal};
use crate::codec::packet::{Options, QoS};
use crate::codec::reason::{SubscribeReason, UnsubscribeReason};
use crate::limits::Limits;
use crate::observe::counters::{Counters, Tally};
use crate::observe::denials::Denials;
use crate::routing::filter::Filter;
use crate::routing::index::{Entry, Index};
use crate::routing::lane::Lanes;
use crate::routing::message::Draft;
use crate::routing::retained::Kept;
use crate::routing::router::RouterDied;
use crate::session::session::Session;
use crate::session::sessions::{NotOwned, Owned, Sessions, TAKEOVER_TIMEOUT};
use crate::session::state::Lifetime;
use crate::session::wills::Wills;
use parking_lot::RwLock;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The state that all connections and tasks of a broker share.
pub struct Core {
    /// The lanes.
    pub lanes: Lanes,
    /// The limits.
    pub limits: Limits,
    /// Checks logins.
    pub login: Arc<dyn Login>,
    /// The counters.
    pub tally: Tally,
    /// Logs refusals.
    pub denials: Denials,
    /// Subscribers by filter.
    pub index: RwLock<Index<Arc<Session>>>,
    /// All sessions.
    pub sessions: Sessions,
    /// Wills that wait for their delay.
    pub wills: Wills,
    /// Cancelled when the broker stops.
    pub closing: CancellationToken,
}

/// The session that a client asks for once its login has been checked.
#[derive(Debug)]
pub struct SessionRequest<'a> {
    /// Who logged in.
    pub principal: &'a Principal,
    /// Its client id.
    pub client_id: &'a str,
    /// Whether it goes on with a session it has.
    pub start: Start,
    /// How long its session is to live.
    pub lifetime: Lifetime,
    /// QoS 1 and 2 messages that it takes at once.
    pub receive_max: u16,
    /// When the check of its login began: a kick since then counts.
    pub login_started: Instant,
}

/// Whether a client goes on with the session it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// It starts anew.
    Clean,
    /// It goes on.
    Resume,
}

/// A session that a connection has opened.
pub struct OpenedSession {
    /// The session, owned by the connection.
    pub owned: Owned,
    /// *Session present*: the client goes on with what it had.
    pub present: bool,
}

impl Core {
    /// A broker without clients.
    pub fn new(lanes: Lanes, limits: Limits, login: Arc<dyn Login>) -> Self {
        let (tally, index, sessions) = (Tally::default(), RwLock::default(), Sessions::default());
        let (denials, wills, closing) = (Denials::default(), Wills::default(), CancellationToken::new());
        Self { lanes, limits, login, tally, denials, index, sessions, wills, closing }
    }

    /// A snapshot of all counters.
    pub fn counters(&self) -> Counters {
        let (sessions, retained) = (self.sessions.len() as u64, self.lanes.retained() as u64);
        let subscriptions = self.sessions.subscriptions();
        Counters { sessions, retained, subscriptions, ..self.tally.snapshot() }
    }

    /// Publishes what a client sent; see `Lanes::publish`.
    pub async fn publish(&self, draft: Draft) -> Result<(), RouterDied> {
        self.tally.published.add();
        self.publish_own(draft).await
    }

    /// Publishes a message of the broker's own.
    pub async fn publish_own(&self, draft: Draft) -> Result<(), RouterDied> {
        if self.lanes.publish(draft).await?.kept == Kept::Full {
            self.tally.not_kept.add();
        }
        Ok(())
    }

    /// Opens the session of a client: the connection it had ends first.
    pub async fn open_session(&self, request: SessionRequest<'_>) -> Result<OpenedSession, NotOwned> {
        let SessionRequest { principal, client_id, start, lifetime, receive_max, login_started } = request;
        let owned =
            self.sessions.own(principal, client_id, &self.limits, |victim| self.expire(victim)).await?;
        if start == Start::Resume {
            self.ask_to_resume(&owned.session, principal).await;
        }
        let present = start == Start::Resume && self.may_resume(&owned.session, principal);
        let will = owned.session.take_will().and_then(|id| self.wills.take(id));
        if !present {
            self.reset(&owned.session, lifetime);
            // The session that the will waited for has ended. A dead router is reported by the broker itself.
            if let Some(will) = will {
                let _ = self.publish(will).await;
            }
        }
        owned.session.state().client_connected(lifetime, receive_max);
        if present {
            self.catch_up(&owned.session);
        }
        // A session that was ended from outside before this point must not stand; one that is ended after it
        // finds out by itself. The same for a login that was revoked after it had been checked.
        let gone = !self.sessions.contains(&owned.session) || self.closing.is_cancelled();
        if gone || self.sessions.kicked_since(&principal.identity(), login_started) {
            self.end_session(&owned.session);
            return Err(NotOwned::Unavailable);
        }
        Ok(OpenedSession { owned, present })
    }

    /// Whether a service has to be asked about that first.
    pub fn must_ask(&self, principal: &Principal, action: Action<'_>) -> bool {
        matches!(principal, Principal::User(user) if user.must_ask(action))
    }

    /// Asks about that, if a service has to be asked.
    pub async fn ask(&self, principal: &Principal, action: Action<'_>) {
        if let Principal::User(user) = principal {
            user.ask(action).await;
        }
    }

    /// Whether rights may have been taken away while the client was away is seen by `may_resume`; what that needs to
    /// know is asked here.
    async fn ask_to_resume(&self, session: &Session, principal: &Principal) {
        if let Principal::User(_) = principal {
            let subscriptions = session.state().subscriptions().to_vec();
            for subscription in &subscriptions {
                self.ask(principal, Action::Subscribe { filter: subscription.filter.pattern() }).await;
            }
        }
    }

    fn may_resume(&self, session: &Session, principal: &Principal) -> bool {
        let forgotten = self.lanes.forgotten();
        let expired = session.is_expired(Instant::now());
        let state = session.state();
        if state.lifetime() != Lifetime::Lasting {
            return false;
        }
        if expired {
            self.tally.sessions_expired.add();
            return false;
        }
        if !state.is_complete(&forgotten) {
            self.tally.sessions_lost.add();
            return false;
        }
        // Rights may have changed while the client was away.
        let may = |filter: &Filter| may(principal, Action::Subscribe { filter: filter.pattern() });
        state.subscriptions().iter().all(|subscription| may(&subscription.filter))
    }

    /// Publishes the will of a client whose connection ended without DISCONNECT: at once, or when the client has been
    /// away for `delay`, or its session has ended (after `expiry`), whichever comes first.
    pub async fn schedule_will(&self, session: &Session, will: Draft, delay: Duration, expiry: Duration) {
        let delay = delay.min(expiry);
        if delay.is_zero() || session.state().lifetime() != Lifetime::Lasting {
            // A dead router is reported by the broker itself.
            let _ = self.publish(will).await;
        } else {
            session.set_will(self.wills.schedule(will, Instant::now() + delay));
        }
    }

    /// A client's connection has ended; its session is kept for `expiry`.
    pub fn connection_ended(&self, owned: Owned, expiry: Duration) {
        let session = &owned.session;
        let dispatched = self.lanes.dispatched();
        let lifetime = {
            let mut state = session.state();
            if expiry.is_zero() {
                state.end_with_connection();
            }
            state.client_disconnected(&dispatched);
            state.lifetime()
        };
        session.away_from_now(expiry);
        if lifetime != Lifetime::Lasting {
            self.end_session(session);
        }
    }

    /// Subscribes a session. What the maps hold comes first, what is published from now on after it.
    pub fn subscribe(
        &self,
        session: &Arc<Session>,
        filter: &Filter,
        options: Options,
    ) -> Result<QoS, SubscribeReason> {
        let mut index = self.index.write();
        let now = self.lanes.counters();
        let mut state = session.state();
        if state.lifetime() == Lifetime::Over || !state.has_room_for(filter.text()) {
            return Err(SubscribeReason::Quota);
        }
        index.insert(filter, Entry { subscriber: Arc::clone(session), options, since: now });
        state.subscribed(filter, options, now);
        Ok(options.qos)
    }

    /// Ends a subscription, if the session has it.
    pub fn unsubscribe(&self, session: &Arc<Session>, filter: &str) -> UnsubscribeReason {
        let mut index = self.index.write();
        let Some(filter) = session.state().unsubscribed(filter) else {
            return UnsubscribeReason::NoSubscription;
        };
        index.remove(&filter, |there| there == session);
        UnsubscribeReason::Success
    }

    /// Messages of a lane never came, and it is not known which: every session starts anew.
    pub fn end_all_sessions(&self) {
        tracing::error!("the router lost messages, every session starts anew");
        for session in self.sessions.all() {
            self.tally.sessions_lost.add();
            self.end_session(&session);
        }
    }

    /// What the users of a stand-alone broker are subscribed to.
    pub fn users(&self) -> Vec<(String, String, Vec<String>)> {
        let filters = |session: &Session| {
            let state = session.state();
            state
                .subscriptions()
                .iter()
                .map(|subscription| subscription.filter.pattern().to_owned())
                .collect()
        };
        let user = |session: Arc<Session>| match &session.key.identity {
            Identity::User(name) => Some((name.clone(), session.key.client_id.clone(), filters(&session))),
            Identity::Website | Identity::Edge(..) | Identity::Ops(_) => None,
        };
        self.sessions.all().into_iter().filter_map(user).collect()
    }

    /// Ends every session of a principal, with what waits for it, and its connections.
    pub fn kick(&self, principal: &Principal) {
        let keep = self.limits.login_deadline + TAKEOVER_TIMEOUT;
        for session in self.sessions.kick(&principal.identity(), keep) {
            self.end_session(&session);
        }
    }

    /// Accepts no client any more, and ends every session, because the broker stops. Wills that wait are dropped.
    pub fn close(&self) {
        self.closing.cancel();
        self.wills.drop_all();
        self.sessions.all().iter().for_each(|session| self.end_session(session));
    }

    /// Ends the sessions whose clients have been away for too long.
    pub fn expire_old(&self, now: Instant) {
        for session in self.sessions.expired(now) {
            self.expire(&session);
        }
        self.lanes.drop_expired();
    }

    fn expire(&self, session: &Session) {
        self.tally.sessions_expired.add();
        self.end_session(session);
    }

    /// Ends a session; a will that waits is published now.
    pub fn end_session(&self, session: &Session) {
        self.sessions.remove(session);
        self.reset(session, Lifetime::Over);
        if let Some(id) = session.take_will() {
            self.wills.publish_now(id);
        }
        session.wake.notify_one();
    }

    fn reset(&self, session: &Session, lifetime: Lifetime) {
        let mut index = self.index.write();
        for subscription in session.state().reset(lifetime) {
            index.remove(&subscription.filter, |there| **there == *session);
        }
    }
}
