//! How messages get to sessions: as they come out of the lanes, or from the maps when a session has fallen behind.

use super::core::Core;
use crate::codec::packet::QoS;
use crate::routing::index::{Entry, Found, Group};
use crate::routing::lane::Arrival;
use crate::routing::message::Message;
use crate::routing::retained::{Clears, Wanted};
use crate::session::backlog::{ClientState, Offered};
use crate::session::outgoing::{Outgoing, Route};
use crate::session::replay::lanes_of;
use crate::session::session::Session;
use crate::session::state::{Filled, Sent, Subscription};
use crate::session::write_buffer::WriteBuffer;
use std::sync::Arc;

/// Topics looked at under one lock.
const PAGE: usize = 256;

type Shared<'i> = &'i Group<Arc<Session>>;

impl Core {
    /// Dispatches what came out of a lane: every session with a matching filter of its own is offered the message
    /// once, and of every group that shares one, one session.
    pub fn dispatch(&self, arrival: &Arrival) {
        if arrival.gap {
            self.end_all_sessions();
        }
        let Some(message) = &arrival.message else { return };
        let index = self.index.read();
        let (mut hits, mut groups, mut lists) = (Vec::new(), Vec::new(), 0);
        index.matching(message.topic(), &mut |found| match found {
            Found::Each(entries) => {
                lists += 1;
                hits.extend(entries.iter().filter(|entry| concerns(entry, message)));
            }
            Found::OneOf(group) => groups.push(group),
        });
        if lists > 1 {
            hits.sort_by_key(|hit| Arc::as_ptr(&hit.subscriber));
        }
        let mut lost = Vec::new();
        let mut hits = hits.into_iter().peekable();
        while let Some(Entry { subscriber, options, .. }) = hits.next() {
            let mut outgoing = Outgoing::live(Arc::clone(message), options, Route::Own);
            while let Some(again) = hits.next_if(|hit| Arc::ptr_eq(&hit.subscriber, subscriber)) {
                outgoing.merge(&Outgoing::live(Arc::clone(message), &again.options, Route::Own));
            }
            match subscriber.offer(outgoing) {
                Offered::Queued | Offered::Left => {}
                Offered::Dropped => self.tally.dropped.add(),
                Offered::Lost => lost.push(Arc::clone(subscriber)),
            }
        }
        groups.into_iter().for_each(|group| self.offer_to_one(group, message));
        drop(index);
        lost.iter().for_each(|session| self.lost(session));
    }

    /// Offers a message to the member whose turn it is, of those whose clients are there, or else of the others. A
    /// message is dropped when no member has room for it.
    fn offer_to_one(&self, group: Shared<'_>, message: &Arc<Message>) {
        let members = group.in_turn().filter(|entry| concerns(entry, message));
        for wanted in [ClientState::Connected, ClientState::Disconnected] {
            for Entry { subscriber, options, .. } in members.clone() {
                let outgoing = Outgoing::live(Arc::clone(message), options, Route::Shared);
                if subscriber.offer_if(wanted, outgoing).is_ok() {
                    return;
                }
            }
        }
        if message.qos > QoS::Zero {
            self.tally.dropped.add();
        }
    }

    /// A session that has run over goes; if its client is connected, the connection notices by itself.
    fn lost(&self, session: &Session) {
        self.tally.dropped.add();
        self.tally.sessions_lost.add();
        if session.state().client() == ClientState::Disconnected {
            self.end_session(session);
        }
    }

    /// Appends to `out` what the session may be sent now.
    pub fn fill(&self, session: &Session, out: &mut WriteBuffer) -> Filled {
        let mut sent = Sent::default();
        let now = self.lanes.now();
        let filled = loop {
            let filled = session.state().fill(&self.lanes, out, now, &mut sent);
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
        if sent.delivered > 0 {
            self.tally.delivered.add_many(sent.delivered);
        }
        if sent.too_large > 0 {
            self.tally.dropped.add_many(sent.too_large);
        }
        filled
    }

    /// Fetches from the maps what the session has left there. The maps are locked for a page at a time; what
    /// changes meanwhile has a higher counter and comes live.
    pub fn catch_up(&self, session: &Session) {
        let (missed, subscriptions) = {
            let mut state = session.state();
            (state.begin_catch_up(), state.subscriptions().to_vec())
        };
        let mut found = Vec::new();
        for Subscription { filter, options, since } in &subscriptions {
            if filter.group().is_some() {
                continue;
            }
            for lane in lanes_of(filter.pattern()) {
                let above = missed.above[lane.index()].max(since[lane.index()]);
                let up_to = missed.up_to[lane.index()];
                let wanted = Wanted { filter: filter.pattern(), above, up_to, clears: Clears::Included };
                let mut start = None;
                loop {
                    let page = self.lanes.page(lane, &wanted, start.as_ref(), PAGE);
                    let foreign = |message: &Arc<Message>| {
                        !(options.no_local && message.publisher == session.publisher)
                    };
                    let messages = page.found.into_iter().filter(foreign);
                    found.extend(messages.map(|message| Outgoing::live(message, options, Route::Own)));
                    match page.rest {
                        Some(rest) => start = Some(rest),
                        None => break,
                    }
                }
            }
        }
        session.state().caught_up(found);
    }
}

/// Whether a message that matches a subscription's filter is for this subscriber.
fn concerns(entry: &Entry<Arc<Session>>, message: &Message) -> bool {
    let local = entry.options.no_local && entry.subscriber.publisher == message.publisher;
    entry.since[message.lane.index()] < message.counter && !local
}
