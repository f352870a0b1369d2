//! What a session has yet to get. Pure: no lock, no socket, no clock.
//!
//! Two kinds of messages, two ways of waiting. A message that was published to be *retained* is in its lane's
//! map anyway: the session only remembers, for each lane, up to which counter it has dealt with them and up to
//! which it has left them in the map, and later gets from the map what lies between. So 40 heartbeats on one
//! topic are one message on return, and nothing overtakes what is still on its way through the router. Any other
//! message waits in a queue that is bounded in messages and bytes; when that runs over, the session is
//! `Lost`, and the next CONNECT is answered without *session present*.

use super::outgoing::Outgoing;
use super::replay::Replay;
use crate::codec::packet::QoS;
use crate::limits::Quota;
use crate::routing::lane::LaneCounters;
use crate::routing::message::{LANES, Lane, Message};
use std::collections::VecDeque;

/// Whether the session's client is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientState {
    /// It is connected.
    Connected,
    /// It is away.
    Disconnected,
}

/// What became of a message that was offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offered {
    /// It waits to be sent.
    Queued,
    /// The map has it, and the session will look there; or a client that is away does not get it (QoS 0).
    Left,
    /// A QoS 0 message for which there was no room.
    Dropped,
    /// The queue has run over: the session cannot go on.
    Lost,
}

/// The retained messages that were left in the maps: for each lane those above the one counter, up to the other.
#[derive(Debug, Clone, Copy)]
pub struct Missed {
    /// Dealt with up to here.
    pub above: LaneCounters,
    /// Left up to here.
    pub up_to: LaneCounters,
}

/// Something waiting.
#[derive(Debug)]
pub enum Waiting {
    /// A message.
    Message(Outgoing),
    /// The retained messages of a new subscription.
    Replay(Replay),
}

/// What a session has yet to get.
#[derive(Debug)]
pub struct Backlog {
    queue: VecDeque<Waiting>,
    /// Messages in the queue that are nowhere else, and their bytes.
    own: usize,
    own_bytes: usize,
    /// Messages in the queue that are in a map as well.
    mapped: usize,
    /// For each lane the counter up to which retained messages are in the queue or further.
    seen: LaneCounters,
    /// For each lane the highest counter of a retained message that was left in the map.
    left: LaneCounters,
    /// Retained messages above `seen` have been left in the map, or are about to be.
    behind: bool,
    messages_max: usize,
    bytes_max: usize,
}

impl Backlog {
    /// Nothing waits.
    pub fn new(quota: &Quota) -> Self {
        Self {
            queue: VecDeque::new(),
            own: 0,
            own_bytes: 0,
            mapped: 0,
            seen: [0; LANES],
            left: [0; LANES],
            behind: false,
            messages_max: quota.queue_messages,
            bytes_max: quota.queue_bytes,
        }
    }

    /// For each lane the counter up to which retained messages have been dealt with.
    pub fn seen(&self) -> &LaneCounters {
        &self.seen
    }

    /// A message that the session's subscriptions match.
    pub fn offer(&mut self, outgoing: Outgoing, client: ClientState) -> Offered {
        if outgoing.is_mapped() {
            return self.offer_mapped(outgoing, client);
        }
        if outgoing.qos == QoS::Zero && client == ClientState::Disconnected {
            return Offered::Left;
        }
        if !self.has_room_for(&outgoing.message) {
            return if outgoing.qos == QoS::Zero { Offered::Dropped } else { Offered::Lost };
        }
        self.push(outgoing);
        Offered::Queued
    }

    /// Whether there is room for one more message that is nowhere else.
    pub fn has_room_for(&self, message: &Message) -> bool {
        self.own < self.messages_max && self.own_bytes + message.bytes() <= self.bytes_max
    }

    fn offer_mapped(&mut self, outgoing: Outgoing, client: ClientState) -> Offered {
        let (lane, counter) = (outgoing.message.lane.index(), outgoing.message.counter);
        if counter <= self.seen[lane] {
            return Offered::Left;
        }
        if client == ClientState::Disconnected || self.behind || self.mapped >= self.messages_max {
            self.behind = true;
            self.left[lane] = counter;
            return Offered::Left;
        }
        self.seen[lane] = counter;
        self.push(outgoing);
        Offered::Queued
    }

    fn push(&mut self, outgoing: Outgoing) {
        if outgoing.is_mapped() {
            self.mapped += 1;
        } else {
            self.own += 1;
            self.own_bytes += outgoing.message.bytes();
        }
        self.queue.push_back(Waiting::Message(outgoing));
    }

    /// A new subscription's retained messages wait behind what waits already.
    pub fn replay(&mut self, replay: Replay) {
        self.queue.push_back(Waiting::Replay(replay));
    }

    /// Drops the retained messages of a subscription that has ended.
    pub fn end_replay(&mut self, filter: &str) {
        let is_its = |waiting: &Waiting| matches!(waiting, Waiting::Replay(replay) if replay.filter().text() == filter);
        self.queue.retain(|waiting| !is_its(waiting));
    }

    /// What comes next.
    pub fn first(&mut self) -> Option<&mut Waiting> {
        self.queue.front_mut()
    }

    /// Takes what comes next.
    pub fn take_first(&mut self) -> Option<Waiting> {
        let first = self.queue.pop_front()?;
        if let Waiting::Message(outgoing) = &first {
            if outgoing.is_mapped() {
                self.mapped -= 1;
            } else {
                self.own -= 1;
                self.own_bytes -= outgoing.message.bytes();
            }
        }
        Some(first)
    }

    /// Whether it is time to look into the maps: there is something to catch up with, and what was taken from
    /// them before has been sent.
    pub fn is_behind(&self) -> bool {
        self.behind && self.mapped == 0
    }

    /// The client has disconnected. What the maps have is dropped and will be looked up again; QoS 0 is dropped for good.
    /// `dispatched` is how far each lane had been offered to this session when it went.
    pub fn client_disconnected(&mut self, dispatched: &LaneCounters) {
        if !self.behind {
            // Whatever matched up to there has been offered, so it is in the queue or further.
            Lane::all().map(Lane::index).for_each(|at| self.seen[at] = self.seen[at].max(dispatched[at]));
        }
        let queue = std::mem::take(&mut self.queue);
        (self.own, self.own_bytes, self.mapped) = (0, 0, 0);
        for waiting in queue {
            match waiting {
                Waiting::Message(outgoing) if outgoing.is_mapped() => {
                    let (lane, counter) = (outgoing.message.lane.index(), outgoing.message.counter);
                    self.seen[lane] = self.seen[lane].min(counter - 1);
                    self.left[lane] = self.left[lane].max(counter);
                }
                Waiting::Message(outgoing) if outgoing.qos == QoS::Zero => {}
                Waiting::Message(outgoing) => self.push(outgoing),
                Waiting::Replay(mut replay) => {
                    replay.rewind();
                    self.queue.push_back(Waiting::Replay(replay));
                }
            }
        }
        self.behind = true;
    }

    /// Begins to catch up with the maps: returns what to fetch from them. What is above is offered from now on,
    /// and goes behind what `caught_up` will put into the queue.
    pub fn begin_catch_up(&mut self) -> Missed {
        let above = self.seen;
        Lane::all().map(Lane::index).for_each(|at| self.seen[at] = self.seen[at].max(self.left[at]));
        self.behind = false;
        Missed { above, up_to: self.seen }
    }

    /// What the maps had. Goes before what has been queued since, each lane in its order.
    pub fn caught_up(&mut self, found: Vec<Outgoing>) {
        let (mut replays, mut messages) = (VecDeque::new(), found);
        for waiting in std::mem::take(&mut self.queue) {
            match waiting {
                Waiting::Message(outgoing) => messages.push(outgoing),
                Waiting::Replay(replay) => replays.push_back(Waiting::Replay(replay)),
            }
        }
        // A message that two filters matched was found twice.
        let key = |o: &Outgoing| (o.message.lane, o.message.counter, o.route);
        messages.sort_by_key(key);
        messages.dedup_by(|again, first| {
            let same = key(again) == key(first);
            if same {
                first.merge(again);
            }
            same
        });
        self.queue = replays;
        (self.own, self.own_bytes, self.mapped) = (0, 0, 0);
        messages.into_iter().for_each(|outgoing| self.push(outgoing));
    }
}

#[cfg(test)]
mod tests;
