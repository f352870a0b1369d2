//! What the broker counts.

use serde::Serialize;
use std::sync::atomic::{AtomicU64, Ordering};

/// A snapshot of the broker's counters. Those that say "at the moment" go up and down; all others count from the
/// start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// Clients connected at the moment.
    pub clients: u64,
    /// Accepted connections of clients.
    pub let_in: u64,
    /// Sessions at the moment, those of clients that are away included.
    pub sessions: u64,
    /// Retained messages at the moment.
    pub retained: u64,
    /// Subscriptions at the moment, those of clients that are away included.
    pub subscriptions: u64,
    /// Messages published.
    pub published: u64,
    /// Messages handed to subscribers; one message for ten subscribers counts ten times.
    pub delivered: u64,
    /// Messages that a subscriber did not get for want of room: QoS 0 ones, and the queues of lost sessions.
    pub dropped: u64,
    /// Retained messages that were delivered but not kept for want of room.
    pub not_kept: u64,
    /// Publishes and subscriptions refused for want of rights, or of room for another filter.
    pub refused: u64,
    /// Logins refused.
    pub logins_refused: u64,
    /// Connections closed because of bytes that are not MQTT, or not allowed in it.
    pub malformed: u64,
    /// Connections closed as soon as they were made, because there were too many, or too many sessions.
    pub turned_away: u64,
    /// Connections closed as soon as they were made, because their address had too many.
    pub address_full: u64,
    /// Connections closed as soon as they were made, because too many had not sent their CONNECT yet.
    pub half_open_full: u64,
    /// Connections that ended in their TLS handshake.
    pub handshakes_failed: u64,
    /// Publishes that had to wait because their client published faster than it may.
    pub throttled: u64,
    /// Connections closed because no CONNECT came in time.
    pub connect_timeouts: u64,
    /// Connections closed because nothing came from the client for one and a half keep-alives.
    pub keep_alive_timeouts: u64,
    /// Connections closed because the client did not read what it was sent.
    pub write_timeouts: u64,
    /// Connections that ended because the client connected again.
    pub taken_over: u64,
    /// Sessions that were given up because their queue ran over, or because what was cleared is forgotten.
    pub sessions_lost: u64,
    /// Sessions that were given up because their client stayed away too long, or to make room.
    pub sessions_expired: u64,
}

macro_rules! tally {
    ($($name:ident),* $(,)?) => {
        /// The counters that only grow, shared by all connections.
        #[derive(Debug, Default)]
        pub struct Tally {
            $(pub $name: Count,)*
        }

        impl Tally {
            /// Fills in all counters that only grow.
            pub fn snapshot(&self) -> Counters {
                Counters { $($name: self.$name.get(),)* ..Counters::default() }
            }
        }
    };
}

tally!(
    clients,
    let_in,
    published,
    delivered,
    dropped,
    not_kept,
    refused,
    logins_refused,
    malformed,
    turned_away,
    address_full,
    half_open_full,
    handshakes_failed,
    throttled,
    connect_timeouts,
    keep_alive_timeouts,
    write_timeouts,
    taken_over,
    sessions_lost,
    sessions_expired,
);

/// One counter.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// One more.
    pub fn add(&self) {
        self.add_many(1);
    }

    /// So many more.
    pub fn add_many(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// One less.
    pub fn less(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// At the moment.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
