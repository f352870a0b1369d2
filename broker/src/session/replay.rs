//! The retained messages of a new subscription, fetched from the maps a page at a time, so that any number of
//! them costs a session no more than a page.

use super::outgoing::Outgoing;
use crate::codec::packet::{Options, QoS};
use crate::routing::filter::Filter;
use crate::routing::lane::{LaneCounters, Lanes};
use crate::routing::message::{Lane, Message, Publisher};
use crate::routing::retained::{Clears, TopicKey, Wanted};
use std::collections::VecDeque;
use std::sync::Arc;

/// Topics looked at under one lock.
const PAGE: usize = 256;
/// Pages looked at before others get a turn: a filter may match few of many topics.
const PAGES: usize = 8;

/// What a replay has next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peek {
    /// A message, with this QoS.
    Message(QoS),
    /// Nothing found yet: to be continued when others have had their turn.
    Later,
    /// Nothing more.
    End,
}

/// Where a replay has come to. It survives its connection.
#[derive(Debug)]
pub struct Replay {
    filter: Filter,
    options: Options,
    subscriber: Publisher,
    /// The lanes' counters at the subscription: what is above comes live.
    up_to: LaneCounters,
    /// Lanes still to be looked into, the current one last.
    lanes: Vec<Lane>,
    next: Next,
    page: VecDeque<Arc<Message>>,
}

/// Where the next page of the current lane begins.
#[derive(Debug)]
enum Next {
    First,
    At(TopicKey),
    None,
}

impl Replay {
    /// All that the filter matches at the lanes' counters `up_to`.
    pub fn new(filter: Filter, options: Options, subscriber: Publisher, up_to: LaneCounters) -> Self {
        let lanes = lanes_of(filter.pattern());
        Self { filter, options, subscriber, up_to, lanes, next: Next::First, page: VecDeque::new() }
    }

    /// The subscription's filter.
    pub fn filter(&self) -> &Filter {
        &self.filter
    }

    /// What comes next; fetches pages when needed.
    pub fn peek(&mut self, lanes: &Lanes) -> Peek {
        let (now, mut pages) = (lanes.now(), 0);
        let Options { no_local, qos, .. } = self.options;
        loop {
            while let Some(message) = self.page.front() {
                let own = no_local && message.publisher == self.subscriber;
                if !own && !message.is_expired(now) {
                    return Peek::Message(message.qos.min(qos));
                }
                self.page.pop_front();
            }
            let Some(&lane) = self.lanes.last() else { return Peek::End };
            let start = match &self.next {
                Next::First => None,
                Next::At(place) => Some(place),
                Next::None => {
                    self.lanes.pop();
                    self.next = Next::First;
                    continue;
                }
            };
            if pages == PAGES {
                return Peek::Later;
            }
            pages += 1;
            let wanted = Wanted {
                filter: self.filter.pattern(),
                above: 0,
                up_to: self.up_to[lane.index()],
                clears: Clears::Omitted,
            };
            let page = lanes.page(lane, &wanted, start, PAGE);
            self.page = page.found.into();
            self.next = page.rest.map_or(Next::None, Next::At);
        }
    }

    /// Drops the page: what is on it may have changed when the client comes back.
    pub fn rewind(&mut self) {
        if let Some(message) = self.page.pop_front() {
            self.next = Next::At(TopicKey::of(message.topic()));
            self.page = VecDeque::new();
        }
    }

    /// The next message of the page that `peek` looked at.
    pub fn take(&mut self) -> Option<Outgoing> {
        Some(Outgoing::retained(self.page.pop_front()?, &self.options))
    }
}

/// The lanes that a filter can look into.
pub fn lanes_of(filter: &str) -> Vec<Lane> {
    Lane::of_filter(filter).map_or_else(|| Lane::all().collect(), |lane| vec![lane])
}
