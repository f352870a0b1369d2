//! The state of one session: its subscriptions, what it has yet to get, what is in flight. No socket, no clock.

use super::backlog::{Backlog, ClientState, Missed, Offered, Waiting};
use super::inflight::{Inflight, Mismatch};
use super::outgoing::Outgoing;
use super::replay::{Peek, Replay, lanes_of};
use super::write_buffer::{WriteBuffer, Written};
use crate::codec::fields::PacketId;
use crate::codec::packet::{Options, QoS, SendRetained};
use crate::limits::Quota;
use crate::observe::clock::Moment;
use crate::routing::filter::Filter;
use crate::routing::lane::{LaneCounters, Lanes};
use crate::routing::message::{Message, Publisher};
use std::collections::HashSet;

/// Bytes ready to be written at which no more messages are added.
pub const OUT_BYTES: usize = 64 << 10;

/// Messages that are not sent after all, because they are too late or too large, before others get a turn.
const SKIPPED_AT_ONCE: usize = 1_000;

/// One subscription.
#[derive(Debug, Clone)]
pub struct Subscription {
    /// Its filter.
    pub filter: Filter,
    /// How it is to be served.
    pub options: Options,
    /// The lanes' counters when it was made.
    pub since: LaneCounters,
}

/// What was there to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filled {
    /// All there is, or as much as fits for now.
    Enough,
    /// There may be more, but it is the turn of others.
    Later,
    /// It is time to catch up with the maps, and to fill again.
    Behind,
    /// The session cannot go on: its queue has run over, or it was ended from outside.
    Over,
}

/// One session.
#[derive(Debug)]
pub struct State {
    subscriptions: Vec<Subscription>,
    backlog: Backlog,
    inflight: Inflight,
    quota: Quota,
    /// QoS 2 messages of the client that were taken in and not released yet.
    received: HashSet<PacketId>,
    client: ClientState,
    lifetime: Lifetime,
    publisher: Publisher,
    /// Messages in flight that its client can take at once.
    in_flight: usize,
}

/// Messages that were to be sent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sent {
    /// Ready to be written.
    pub delivered: u64,
    /// Dropped, because they are larger than the client can take.
    pub too_large: u64,
}

/// How long a session lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// As long as its connection.
    Connection,
    /// Until it expires.
    Lasting,
    /// Something is missing in it, so the client must not be told *session present*.
    Lost,
    /// It has been taken out of the table.
    Over,
}

impl State {
    /// A new session.
    pub fn new(quota: &Quota, publisher: Publisher) -> Self {
        Self {
            subscriptions: Vec::new(),
            backlog: Backlog::new(quota),
            inflight: Inflight::default(),
            quota: quota.clone(),
            received: HashSet::new(),
            client: ClientState::Disconnected,
            lifetime: Lifetime::Connection,
            publisher,
            in_flight: quota.in_flight,
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

    /// Whether the maps still know everything that its subscriptions could have brought: `forgotten` are the lanes'
    /// counters of the last cleared topic that the maps do not remember.
    pub fn is_complete(&self, forgotten: &LaneCounters) -> bool {
        self.subscriptions.iter().filter(|subscription| subscription.filter.group().is_none()).all(
            |subscription| {
                lanes_of(subscription.filter.pattern())
                    .into_iter()
                    .map(|lane| lane.index())
                    .all(|lane| forgotten[lane] <= self.backlog.seen()[lane].max(subscription.since[lane]))
            },
        )
    }

    /// The client has connected, and takes `receive_max` messages at once.
    pub fn client_connected(&mut self, lifetime: Lifetime, receive_max: u16) {
        self.client = ClientState::Connected;
        self.lifetime = lifetime;
        self.in_flight = self.quota.in_flight.min(receive_max.into());
        self.inflight.resend_all();
    }

    /// It lives as long as its connection, whatever was agreed before.
    pub fn end_with_connection(&mut self) {
        if self.lifetime == Lifetime::Lasting {
            self.lifetime = Lifetime::Connection;
        }
    }

    /// The client has gone; see `Backlog::client_disconnected`.
    pub fn client_disconnected(&mut self, dispatched: &LaneCounters) {
        self.client = ClientState::Disconnected;
        self.backlog.client_disconnected(dispatched);
    }

    /// Starts anew, with the lifetime given, and returns the subscriptions it had.
    pub fn reset(&mut self, lifetime: Lifetime) -> Vec<Subscription> {
        let new = State { lifetime, ..State::new(&self.quota, self.publisher) };
        std::mem::replace(self, new).subscriptions
    }

    /// Whether there is room for one more filter, or it has this one already.
    pub fn has_room_for(&self, filter: &str) -> bool {
        self.subscriptions.len() < self.quota.filters
            || self.subscriptions.iter().any(|subscription| subscription.filter.text() == filter)
    }

    /// A subscription made at the lanes' counters `now`: new, or made again.
    pub fn subscribed(&mut self, filter: &Filter, options: Options, now: LaneCounters) {
        let there = self.subscriptions.iter_mut().find(|subscription| subscription.filter == *filter);
        let is_new = there.is_none();
        match there {
            Some(subscription) => subscription.options = options,
            None => self.subscriptions.push(Subscription { filter: filter.clone(), options, since: now }),
        }
        let wanted = match options.retained {
            SendRetained::Always => true,
            SendRetained::IfNew => is_new,
            SendRetained::Never => false,
        };
        if wanted && filter.group().is_none() {
            self.backlog.end_replay(filter.text());
            self.backlog.replay(Replay::new(filter.clone(), options, self.publisher, now));
        }
    }

    /// A subscription has ended; returns its filter, if there was one.
    pub fn unsubscribed(&mut self, filter: &str) -> Option<Filter> {
        let at = self.subscriptions.iter().position(|subscription| subscription.filter.text() == filter)?;
        self.backlog.end_replay(filter);
        Some(self.subscriptions.remove(at).filter)
    }

    /// Whether it can take a message that goes to one subscriber of a group only.
    pub fn has_room_for_message(&self, message: &Message) -> bool {
        !matches!(self.lifetime, Lifetime::Lost | Lifetime::Over) && self.backlog.has_room_for(message)
    }

    /// A message for it. A session that has been lost takes no more.
    pub fn offer(&mut self, outgoing: Outgoing) -> Offered {
        if matches!(self.lifetime, Lifetime::Lost | Lifetime::Over) {
            return Offered::Left;
        }
        let offered = self.backlog.offer(outgoing, self.client);
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
    pub fn client(&self) -> ClientState {
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

    /// Appends what may be sent now.
    pub fn fill(&mut self, lanes: &Lanes, out: &mut WriteBuffer, now: Moment, sent: &mut Sent) -> Filled {
        if matches!(self.lifetime, Lifetime::Lost | Lifetime::Over) {
            return Filled::Over;
        }
        let mut skipped = 0;
        while out.bytes.len() < OUT_BYTES {
            if self.inflight.resend_next(out, self.in_flight, now) {
                continue;
            }
            if self.backlog.is_behind() {
                return Filled::Behind;
            }
            let outgoing = match self.next(lanes) {
                Next::Message(outgoing) => outgoing,
                Next::Later => return Filled::Later,
                Next::Nothing => break,
            };
            if !outgoing.message.is_expired(now) {
                let written = match outgoing.qos {
                    QoS::Zero => out.publish(&outgoing, None, now),
                    QoS::One | QoS::Two => self.inflight.send(outgoing, out, now),
                };
                if written == Written::Yes {
                    sent.delivered += 1;
                    continue;
                }
                sent.too_large += 1;
            }
            skipped += 1;
            if skipped == SKIPPED_AT_ONCE {
                return Filled::Later;
            }
        }
        Filled::Enough
    }

    /// The next message that fits into the window.
    fn next(&mut self, lanes: &Lanes) -> Next {
        let room = |inflight: &Inflight, qos| qos == QoS::Zero || inflight.len() < self.in_flight;
        loop {
            match self.backlog.first() {
                None => return Next::Nothing,
                Some(Waiting::Message(outgoing)) if !room(&self.inflight, outgoing.qos) => {
                    return Next::Nothing;
                }
                Some(Waiting::Message(_)) => {}
                Some(Waiting::Replay(replay)) => match replay.peek(lanes) {
                    Peek::Message(qos) if !room(&self.inflight, qos) => return Next::Nothing,
                    Peek::Message(_) => return replay.take().map_or(Next::Later, Next::Message),
                    Peek::Later => return Next::Later,
                    Peek::End => {}
                },
            }
            if let Some(Waiting::Message(outgoing)) = self.backlog.take_first() {
                return Next::Message(outgoing);
            }
        }
    }

    /// PUBACK.
    pub fn acknowledged(&mut self, id: PacketId) -> Result<(), Mismatch> {
        self.inflight.acknowledged(id)
    }

    /// PUBREC of a message that was taken.
    pub fn received(&mut self, id: PacketId, out: &mut WriteBuffer) -> Result<(), Mismatch> {
        self.inflight.received(id, out)
    }

    /// PUBREC of a message that was refused.
    pub fn refused(&mut self, id: PacketId) -> Result<(), Mismatch> {
        self.inflight.refused(id)
    }

    /// PUBCOMP.
    pub fn completed(&mut self, id: PacketId) -> Result<(), Mismatch> {
        self.inflight.completed(id)
    }

    /// A QoS 2 publish of the client: whether it is to be passed on, has been already, or is one too many.
    pub fn incoming(&mut self, id: PacketId) -> Incoming {
        if self.received.contains(&id) {
            Incoming::Known
        } else if self.received.len() >= self.quota.in_flight {
            Incoming::TooMany
        } else {
            Incoming::New
        }
    }

    /// A QoS 2 publish of the client has been passed on.
    pub fn accepted(&mut self, id: PacketId) {
        self.received.insert(id);
    }

    /// PUBREL: the id may be used for another message; `false` when it was not in use.
    pub fn released(&mut self, id: PacketId) -> bool {
        self.received.remove(&id)
    }
}

/// What may be sent next.
enum Next {
    Message(Outgoing),
    Later,
    Nothing,
}

/// What to do with a QoS 2 publish of the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Incoming {
    /// Pass it on.
    New,
    /// It was passed on before; only answer.
    Known,
    /// The client has more unreleased messages than it may.
    TooMany,
}
