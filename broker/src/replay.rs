//! The retained messages of a new subscription, fetched from the maps a page at a time, so that any number of
//! them costs a session no more than a page.

use crate::filter::Filter;
use crate::lane::{Counters, Lanes};
use crate::message::{Lane, Message, Publisher};
use crate::outgoing::Outgoing;
use crate::packet::{Options, QoS};
use crate::retained::{Clears, Place, Wanted};
use std::collections::VecDeque;
use std::sync::Arc;

/// Topics looked at under one lock.
const PAGE: usize = 256;

/// Where a replay has come to. It survives its connection.
#[derive(Debug)]
pub struct Replay {
    filter: Filter,
    options: Options,
    subscriber: Publisher,
    /// The lanes' counters at the subscription: what is above comes live.
    up_to: Counters,
    /// Lanes still to be looked into, the current one last.
    lanes: Vec<Lane>,
    next: Next,
    page: VecDeque<Arc<Message>>,
}

/// Where the next page of the current lane begins.
#[derive(Debug)]
enum Next {
    First,
    At(Place),
    None,
}

impl Replay {
    /// All that the filter matches at the lanes' counters `up_to`.
    pub fn new(filter: Filter, options: Options, subscriber: Publisher, up_to: Counters) -> Self {
        let lanes = lanes_of(filter.pattern());
        Self { filter, options, subscriber, up_to, lanes, next: Next::First, page: VecDeque::new() }
    }

    /// The subscription's filter.
    pub fn filter(&self) -> &Filter {
        &self.filter
    }

    /// The QoS of the next message, if there is one; fetches a page when needed.
    pub fn peek(&mut self, lanes: &Lanes) -> Option<QoS> {
        let now = lanes.now();
        loop {
            let options = self.options;
            while let Some(message) = self.page.front() {
                let own = options.no_local && message.publisher == self.subscriber;
                if !own && !message.is_expired(now) {
                    return Some(message.qos.min(options.qos));
                }
                self.page.pop_front();
            }
            let lane = *self.lanes.last()?;
            let start = match &self.next {
                Next::First => None,
                Next::At(place) => Some(place),
                Next::None => {
                    self.lanes.pop();
                    self.next = Next::First;
                    continue;
                }
            };
            let wanted = Wanted {
                filter: self.filter.pattern(),
                above: 0,
                up_to: self.up_to[lane.index()],
                clears: Clears::Hidden,
            };
            let page = lanes.page(lane, &wanted, start, PAGE);
            self.page = page.found.into();
            self.next = page.rest.map_or(Next::None, Next::At);
        }
    }

    /// Lets go of the page: what is on it may have changed when the client comes back.
    pub fn rewind(&mut self) {
        if let Some(message) = self.page.pop_front() {
            self.next = Next::At(Place::of(message.topic()));
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
