//! The state of one session: its subscriptions, what it has yet to get, what is in flight. No socket, no clock.

use crate::backlog::{Backlog, Client, Missed, Offered, Waiting};
use crate::lane::{Counters, Lanes};
use crate::limits::Quota;
use crate::message::Message;
use crate::packet::{PacketId, QoS};
use crate::replay::{Replay, lanes_of};
use crate::window::{Outgoing, Window};
use bytes::BytesMut;
use std::collections::HashSet;
use std::sync::Arc;

/// Bytes ready to be written at which no more messages are added.
pub const OUT_BYTES: usize = 64 << 10;

/// One subscription.
#[derive(Debug, Clone)]
pub struct Subscription {
    /// Its filter.
    pub filter: Arc<str>,
    /// The QoS it was granted.
    pub granted: QoS,
    /// The lanes' counters when it was made.
    pub since: Counters,
}

/// What was there to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filled {
    /// All there is, or as much as fits for now.
    Enough,
    /// It is time to catch up with the maps, and to fill again.
    Behind,
    /// The session cannot go on: a queue has run over, or it was ended from outside.
    Over,
}

/// One session.
#[derive(Debug)]
pub struct State {
    subscriptions: Vec<Subscription>,
    backlog: Backlog,
    window: Window,
    quota: Quota,
    /// QoS 2 messages of the client that were taken in and not released yet.
    received: HashSet<PacketId>,
    client: Client,
    lifetime: Lifetime,
}

/// How long a session lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// As long as its connection.
    Connection,
    /// Until it expires.
    Lasting,
    /// Something is missing in it, so the client must be told that it is gone.
    Lost,
    /// It has been taken out of the table.
    Over,
}

impl State {
    /// A session of which nothing is known yet.
    pub fn new(quota: &Quota) -> Self {
        Self {
            subscriptions: Vec::new(),
            backlog: Backlog::new(quota),
            window: Window::default(),
            quota: quota.clone(),
            received: HashSet::new(),
            client: Client::Away,
            lifetime: Lifetime::Connection,
        }
    }

    /// How long it lives.
    pub fn lifetime(&self) -> Lifetime {
        self.lifetime
    }

    /// Its subscriptions.
    pub fn subscriptions(&self) -> &[Subscription] {
        &self.subscriptions
    }

    /// Whether nothing that its subscriptions could have brought has been forgotten: `forgotten` are the lanes'
    /// counters of the last cleared topic that the maps do not remember.
    pub fn is_complete(&self, forgotten: &Counters) -> bool {
        self.subscriptions.iter().all(|subscription| {
            lanes_of(&subscription.filter)
                .into_iter()
                .map(|lane| lane.index())
                .all(|lane| forgotten[lane] <= self.backlog.seen()[lane].max(subscription.since[lane]))
        })
    }

    /// The client is here, on a new connection.
    pub fn arrive(&mut self, lifetime: Lifetime) {
        self.client = Client::Here;
        self.lifetime = lifetime;
        self.window.begin_again();
    }

    /// The client has gone; see `Backlog::go_away`.
    pub fn depart(&mut self, dispatched: &Counters) {
        self.client = Client::Away;
        self.backlog.go_away(dispatched);
    }

    /// Starts anew, with the lifetime given, and returns the subscriptions it had.
    pub fn reset(&mut self, lifetime: Lifetime) -> Vec<Subscription> {
        let new = State { lifetime, ..State::new(&self.quota) };
        std::mem::replace(self, new).subscriptions
    }

    /// Whether there is room for one more filter, or it has this one already.
    pub fn has_room_for(&self, filter: &str) -> bool {
        self.subscriptions.len() < self.quota.filters
            || self.subscriptions.iter().any(|subscription| *subscription.filter == *filter)
    }

    /// A subscription made at the lanes' counters `now`: new, or made again.
    pub fn subscribed(&mut self, filter: &str, granted: QoS, now: Counters) {
        match self.subscriptions.iter_mut().find(|subscription| *subscription.filter == *filter) {
            Some(subscription) => subscription.granted = granted,
            None => self.subscriptions.push(Subscription { filter: filter.into(), granted, since: now }),
        }
        self.backlog.end_replay(filter);
        self.backlog.replay(Replay::new(filter, granted, now));
    }

    /// A subscription has ended.
    pub fn unsubscribed(&mut self, filter: &str) {
        self.subscriptions.retain(|subscription| *subscription.filter != *filter);
        self.backlog.end_replay(filter);
    }

    /// A message for it. A session that has been lost takes no more.
    pub fn offer(&mut self, message: &Arc<Message>, granted: QoS) -> Offered {
        if matches!(self.lifetime, Lifetime::Lost | Lifetime::Over) {
            return Offered::Left;
        }
        let offered = self.backlog.offer(message, granted, self.client);
        if offered == Offered::Lost {
            self.lose();
        }
        offered
    }

    /// Something is missing in it.
    pub fn lose(&mut self) {
        self.lifetime = Lifetime::Lost;
    }

    /// Whether its client is connected.
    pub fn client(&self) -> Client {
        self.client
    }

    /// See `Backlog::begin_catch_up`.
    pub fn begin_catch_up(&mut self) -> Missed {
        self.backlog.begin_catch_up()
    }

    /// See `Backlog::caught_up`.
    pub fn caught_up(&mut self, found: Vec<Outgoing>) {
        self.backlog.caught_up(found);
    }

    /// Appends what may be sent now. `sent` counts messages.
    pub fn fill(&mut self, lanes: &Lanes, out: &mut BytesMut, sent: &mut u64) -> Filled {
        if matches!(self.lifetime, Lifetime::Lost | Lifetime::Over) {
            return Filled::Over;
        }
        while out.len() < OUT_BYTES {
            if self.window.send_again(out) {
                continue;
            }
            if self.backlog.is_behind() {
                return Filled::Behind;
            }
            let Some(outgoing) = self.next(lanes) else { break };
            *sent += 1;
            if outgoing.qos == QoS::Zero {
                outgoing.write_once(out);
            } else {
                self.window.send(outgoing, out);
            }
        }
        Filled::Enough
    }

    /// The next message that fits into the window.
    fn next(&mut self, lanes: &Lanes) -> Option<Outgoing> {
        let room = self.window.len() < self.quota.in_flight;
        loop {
            let qos = match self.backlog.first()? {
                Waiting::Message(outgoing) => outgoing.qos,
                Waiting::Replay(replay) => match replay.peek(lanes) {
                    Some(qos) => qos,
                    None => {
                        self.backlog.take_first();
                        continue;
                    }
                },
            };
            if qos != QoS::Zero && !room {
                return None;
            }
            if let Some(Waiting::Replay(replay)) = self.backlog.first() {
                return replay.take();
            }
            return match self.backlog.take_first() {
                Some(Waiting::Message(outgoing)) => Some(outgoing),
                Some(Waiting::Replay(_)) | None => None,
            };
        }
    }

    /// PUBACK.
    pub fn acknowledged(&mut self, id: PacketId) {
        self.window.acknowledged(id);
    }

    /// PUBREC.
    pub fn received(&mut self, id: PacketId, out: &mut BytesMut) {
        self.window.received(id, out);
    }

    /// PUBCOMP.
    pub fn completed(&mut self, id: PacketId) {
        self.window.completed(id);
    }

    /// A QoS 2 publish of the client: whether it is to be passed on, has been already, or is one too many.
    pub fn taking_in(&mut self, id: PacketId) -> TakingIn {
        if self.received.contains(&id) {
            TakingIn::Known
        } else if self.received.len() >= self.quota.in_flight {
            TakingIn::TooMany
        } else {
            TakingIn::New
        }
    }

    /// A QoS 2 publish of the client has been passed on.
    pub fn taken_in(&mut self, id: PacketId) {
        self.received.insert(id);
    }

    /// PUBREL: the id may be used for another message.
    pub fn released(&mut self, id: PacketId) {
        self.received.remove(&id);
    }
}

/// What to do with a QoS 2 publish of the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TakingIn {
    /// Pass it on.
    New,
    /// It was passed on before; only answer.
    Known,
    /// The client has more unreleased messages than it may.
    TooMany,
}
