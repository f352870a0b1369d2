//! The broker without its sockets: lanes, subscriptions and sessions, and what connections do with them.
//!
//! Architecture invariant: locks are taken in the order index, session, lane, and none of them is held while
//! waiting or while a socket is written.

use crate::access::{Action, may};
use crate::backlog::{Client, Offered};
use crate::counters::{Counters, Tally};
use crate::index::{Entry, Index};
use crate::lane::{Arrival, Lanes};
use crate::limits::Limits;
use crate::message::{Draft, Message};
use crate::packet::QoS;
use crate::principal::{Identity, Login, Principal};
use crate::replay::lanes_of;
use crate::retained::{Clears, Kept, Wanted};
use crate::router::Dead;
use crate::session::Session;
use crate::sessions::{HANDOVER, NotOwned, Owned, Sessions};
use crate::state::{Filled, Lifetime, Subscription};
use crate::window::Outgoing;
use bytes::BytesMut;
use parking_lot::RwLock;
use std::cmp::Reverse;
use std::sync::Arc;
use tokio::time::Instant;

/// Topics looked at under one lock.
const PAGE: usize = 256;

/// What everything in the broker shares.
pub struct Door {
    /// The lanes.
    pub lanes: Lanes,
    /// The limits.
    pub limits: Limits,
    /// Whom to ask about logins.
    pub login: Arc<dyn Login>,
    /// What is counted.
    pub tally: Tally,
    index: RwLock<Index<Arc<Session>>>,
    sessions: Sessions,
}

/// What a client finds when it has connected.
pub struct Entered {
    /// Its session.
    pub owned: Owned,
    /// Whether it is the one that the client left.
    pub present: bool,
}

impl Door {
    /// A broker in which nobody is.
    pub fn new(lanes: Lanes, limits: Limits, login: Arc<dyn Login>) -> Self {
        let (tally, index, sessions) = (Tally::default(), RwLock::default(), Sessions::default());
        Self { lanes, limits, login, tally, index, sessions }
    }

    /// A snapshot of all counters.
    pub fn counters(&self) -> Counters {
        let (sessions, retained) = (self.sessions.len() as u64, self.lanes.retained() as u64);
        let subscriptions = self.sessions.subscriptions();
        Counters { sessions, retained, subscriptions, ..self.tally.snapshot() }
    }

    /// Publishes what a client sent; see `Lanes::publish`.
    pub async fn publish(&self, draft: Draft) -> Result<(), Dead> {
        self.tally.published.add();
        self.say(draft).await
    }

    /// Publishes what the broker says of itself.
    pub async fn say(&self, draft: Draft) -> Result<(), Dead> {
        if self.lanes.publish(draft).await?.kept == Kept::Full {
            self.tally.not_kept.add();
        }
        Ok(())
    }

    /// Lets a client in whose login was looked up from `asked` on: the connection it had ends first.
    pub async fn enter(
        &self,
        principal: &Principal,
        client_id: &str,
        lifetime: Lifetime,
        asked: Instant,
    ) -> Result<Entered, NotOwned> {
        let owned =
            self.sessions.own(principal, client_id, &self.limits, |victim| self.expire(victim)).await?;
        self.ask_to_resume(&owned.session, principal).await;
        let present = lifetime == Lifetime::Lasting && self.may_resume(&owned.session, principal);
        if !present {
            self.reset(&owned.session, lifetime);
        }
        owned.session.state().arrive(lifetime);
        if present {
            self.catch_up(&owned.session);
        }
        // A session that was ended from outside before this point must not stand; one that is ended after it
        // finds out by itself. The same for a login that was revoked after it had been looked up.
        if !self.sessions.has(&owned.session) || self.sessions.kicked_since(&principal.identity(), asked) {
            self.forget(&owned.session);
            return Err(NotOwned::Unavailable);
        }
        Ok(Entered { owned, present })
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
                self.ask(principal, Action::Subscribe { filter: &subscription.filter }).await;
            }
        }
    }

    fn may_resume(&self, session: &Session, principal: &Principal) -> bool {
        let forgotten = self.lanes.forgotten();
        let state = session.state();
        if state.lifetime() != Lifetime::Lasting {
            return false;
        }
        if !state.is_complete(&forgotten) {
            self.tally.sessions_lost.add();
            return false;
        }
        // Rights may have changed while the client was away.
        state.subscriptions().iter().all(|s| may(principal, Action::Subscribe { filter: &s.filter }))
    }

    /// A client's connection has ended.
    pub fn leave(&self, owned: Owned) {
        let session = &owned.session;
        let dispatched = self.lanes.dispatched();
        let lifetime = {
            let mut state = session.state();
            state.depart(&dispatched);
            state.lifetime()
        };
        session.away_from_now();
        if lifetime != Lifetime::Lasting {
            self.forget(session);
        }
    }

    /// Subscribes a session. What the maps hold comes first, what is published from now on after it.
    pub fn subscribe(&self, session: &Arc<Session>, filter: &str, granted: QoS) -> Option<QoS> {
        let mut index = self.index.write();
        let now = self.lanes.counters();
        let mut state = session.state();
        if state.lifetime() == Lifetime::Over || !state.has_room_for(filter) {
            return None;
        }
        index.insert(filter, Entry { subscriber: Arc::clone(session), granted, since: now });
        state.subscribed(filter, granted, now);
        Some(granted)
    }

    /// Ends a subscription, if the session has it.
    pub fn unsubscribe(&self, session: &Arc<Session>, filter: &str) {
        self.index.write().remove(filter, |there| there == session);
        session.state().unsubscribed(filter);
    }

    /// Appends to `out` what the session may be sent now.
    pub fn fill(&self, session: &Session, out: &mut BytesMut) -> Filled {
        let mut sent = 0;
        let filled = loop {
            let filled = session.state().fill(&self.lanes, out, &mut sent);
            match filled {
                Filled::Behind => {}
                Filled::Later => {
                    session.wake.notify_one();
                    break filled;
                }
                Filled::Enough | Filled::Over => break filled,
            }
            if !session.state().is_complete(&self.lanes.forgotten()) {
                session.state().lose();
            }
            self.catch_up(session);
        };
        if sent > 0 {
            self.tally.delivered.add_many(sent);
        }
        filled
    }

    /// Fetches from the maps what the session has left there. The maps are locked for a page at a time; what
    /// changes meanwhile has a higher counter and comes live.
    fn catch_up(&self, session: &Session) {
        let (missed, subscriptions) = {
            let mut state = session.state();
            (state.begin_catch_up(), state.subscriptions().to_vec())
        };
        let mut found = Vec::new();
        for Subscription { filter, granted, since } in &subscriptions {
            for lane in lanes_of(filter) {
                let above = missed.above[lane.index()].max(since[lane.index()]);
                let up_to = missed.up_to[lane.index()];
                let wanted = Wanted { filter, above, up_to, clears: Clears::Told };
                let mut start = None;
                loop {
                    let page = self.lanes.page(lane, &wanted, start.as_ref(), PAGE);
                    found.extend(page.found.into_iter().map(|message| Outgoing {
                        qos: message.qos.min(*granted),
                        message,
                        retain: false,
                    }));
                    match page.rest {
                        Some(rest) => start = Some(rest),
                        None => break,
                    }
                }
            }
        }
        session.state().caught_up(found);
    }

    /// Takes in what came out of a lane: every session with a matching filter is offered the message once, with
    /// the highest QoS of those filters.
    pub fn dispatch(&self, arrival: &Arrival) {
        if arrival.gap {
            self.end_all();
        }
        let Some(message) = &arrival.message else { return };
        let lane = message.lane.index();
        let index = self.index.read();
        let (mut hits, mut lists) = (Vec::new(), 0);
        index.matching(message.topic(), &mut |entries| {
            lists += 1;
            hits.extend(entries.iter().filter(|entry| entry.since[lane] < message.counter));
        });
        if lists > 1 {
            hits.sort_by_key(|hit| (Arc::as_ptr(&hit.subscriber), Reverse(hit.granted)));
            hits.dedup_by_key(|hit| Arc::as_ptr(&hit.subscriber));
        }
        let mut lost = Vec::new();
        for Entry { subscriber, granted, .. } in hits {
            if self.offer(subscriber, message, *granted) == Offered::Lost {
                lost.push(Arc::clone(subscriber));
            }
        }
        drop(index);
        lost.iter().for_each(|session| self.lost(session));
    }

    fn offer(&self, session: &Arc<Session>, message: &Arc<Message>, granted: QoS) -> Offered {
        let offered = session.offer(message, granted);
        if matches!(offered, Offered::Dropped | Offered::Lost) {
            self.tally.dropped.add();
        }
        offered
    }

    /// A session that has run over goes; if its client is here, its connection finds out by itself.
    fn lost(&self, session: &Session) {
        self.tally.sessions_lost.add();
        if session.state().client() == Client::Away {
            self.forget(session);
        }
    }

    /// Messages of a lane never came: nobody can know which, so every session starts anew.
    fn end_all(&self) {
        tracing::error!("the router lost messages, every session starts anew");
        for session in self.sessions.all() {
            self.tally.sessions_lost.add();
            self.forget(&session);
        }
    }

    /// What the users of a stand-alone broker are subscribed to.
    pub fn users(&self) -> Vec<(String, String, Vec<String>)> {
        let filters = |session: &Session| {
            let state = session.state();
            state.subscriptions().iter().map(|subscription| subscription.filter.to_string()).collect()
        };
        let user = |session: Arc<Session>| match &session.key.identity {
            Identity::User(name) => Some((name.clone(), session.key.client_id.clone(), filters(&session))),
            Identity::Website | Identity::Edge(..) | Identity::Ops(_) => None,
        };
        self.sessions.all().into_iter().filter_map(user).collect()
    }

    /// Ends every session of a principal, with what waits for it, and its connections.
    pub fn kick(&self, principal: &Principal) {
        let memory = self.limits.login_deadline + HANDOVER;
        for session in self.sessions.kick(&principal.identity(), memory) {
            self.forget(&session);
        }
    }

    /// Ends every session, because the broker stops.
    pub fn close(&self) {
        self.sessions.all().iter().for_each(|session| self.forget(session));
        self.lanes.close();
    }

    /// Ends the sessions whose clients have been away for too long.
    pub fn expire_old(&self) {
        let now = Instant::now();
        for session in self.sessions.expired(self.limits.session_expiry, now) {
            self.expire(&session);
        }
    }

    fn expire(&self, session: &Session) {
        self.tally.sessions_expired.add();
        self.forget(session);
    }

    fn forget(&self, session: &Session) {
        self.sessions.take_out(session);
        self.reset(session, Lifetime::Over);
        session.wake.notify_one();
    }

    fn reset(&self, session: &Session, lifetime: Lifetime) {
        let mut index = self.index.write();
        for subscription in session.state().reset(lifetime) {
            index.remove(&subscription.filter, |there| **there == *session);
        }
    }
}
