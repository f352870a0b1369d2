//! A limit on everything a client can make grow.

use crate::auth::principal::Principal;
use std::num::NonZeroU32;
use std::time::Duration;

/// What the broker allows. Every limit that bites is counted in `Counters`.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Sockets open at once; one more is closed as soon as it is accepted.
    pub connections: usize,
    /// Sockets open at once from one IPv4 address or one /64 network of IPv6.
    pub connections_per_address: usize,
    /// Sockets open at once whose client has not sent its CONNECT yet, TLS handshakes included.
    pub half_open: usize,
    /// Sessions remembered, those of clients that are away included. When full, the session that has been away
    /// longest makes room; when none is away, the new client is told that the server is unavailable.
    pub sessions: usize,
    /// Sessions remembered for one person, whatever client ids they use.
    pub sessions_per_person: usize,
    /// How long a session outlives its connection.
    pub session_expiry: Duration,
    /// Bytes of a CONNECT packet.
    pub connect_bytes: usize,
    /// From accepting a socket to its complete CONNECT, with everything that comes before it: TLS, WebSocket.
    pub connect_deadline: Duration,
    /// How long a login may take before the client is told that the server is unavailable.
    pub login_deadline: Duration,
    /// How long a client may leave bytes meant for it unread.
    pub write_deadline: Duration,
    /// The keep-alive used for clients that ask for a longer one, or for none.
    pub keep_alive_max: Duration,
    /// The longest keep-alive that a client of MQTT 5.0 is told to keep; one of 3.1.1 cannot be told.
    pub keep_alive_told: Duration,
    /// Bytes of a topic name or filter.
    pub topic_bytes: usize,
    /// Levels of a topic name or filter.
    pub topic_levels: usize,
    /// Topic aliases of a connection, each way.
    pub topic_aliases: u16,
    /// Bytes of a client id.
    pub client_id_bytes: usize,
    /// Retained messages kept; one more is delivered but not kept.
    pub retained: usize,
    /// Cleared retained topics that are remembered for the clients that are away, per lane. A client that was
    /// away when an older one was cleared starts with a new session.
    pub clears: usize,
    /// What one edge may use.
    pub edge: Quota,
    /// What the website may use.
    pub website: Quota,
    /// What one connection of a person, or of a stand-alone broker's user, may use.
    pub person: Quota,
}

/// What one session may use.
#[derive(Debug, Clone)]
pub struct Quota {
    /// Bytes of one packet, from its first byte.
    pub packet_bytes: usize,
    /// Filters subscribed to.
    pub filters: usize,
    /// Messages sent and not acknowledged yet (QoS 1 and 2), and QoS 2 messages received and not released yet.
    pub in_flight: usize,
    /// Messages waiting for a slow or absent client.
    pub queue_messages: usize,
    /// Bytes of topics and payloads waiting for a slow or absent client.
    pub queue_bytes: usize,
    /// Messages a second that may be published; a client that is faster is slowed down. `None`: as fast as it can.
    pub publishes_per_s: Option<NonZeroU32>,
}

impl Default for Limits {
    fn default() -> Self {
        let quota = Quota {
            packet_bytes: 64 << 10,
            filters: 32,
            in_flight: 200,
            queue_messages: 10_000,
            queue_bytes: 8 << 20,
            publishes_per_s: None,
        };
        Self {
            connections: 20_000,
            connections_per_address: 2_048,
            half_open: 4_096,
            sessions: 40_000,
            sessions_per_person: 16,
            session_expiry: Duration::from_secs(45 * 24 * 3600),
            connect_bytes: 32 << 10,
            connect_deadline: Duration::from_secs(5),
            login_deadline: Duration::from_secs(10),
            write_deadline: Duration::from_secs(20),
            keep_alive_max: Duration::from_secs(3600),
            keep_alive_told: Duration::from_secs(3600),
            topic_bytes: 512,
            topic_levels: 16,
            topic_aliases: 32,
            client_id_bytes: 128,
            retained: 2_000_000,
            clears: 16_384,
            website: Quota {
                packet_bytes: 256 << 10,
                queue_messages: 100_000,
                queue_bytes: 128 << 20,
                ..quota.clone()
            },
            person: quota.clone(),
            edge: Quota { publishes_per_s: NonZeroU32::new(1_000), ..quota },
        }
    }
}

impl Limits {
    /// The quota of this kind of client.
    pub fn quota(&self, principal: &Principal) -> &Quota {
        match principal {
            Principal::Website => &self.website,
            Principal::Edge { .. } => &self.edge,
            Principal::Ops { .. } | Principal::User(_) => &self.person,
        }
    }
}
