//! The `[limits]` of `broker.toml`.

use crate::limits::{Limits, Quota};
use serde::Deserialize;
use std::num::NonZeroU32;
use std::time::Duration;

/// The limits of a stand-alone broker: edges are users like others.
pub fn defaults() -> Limits {
    let limits = Limits::default();
    Limits { edge: limits.person.clone(), ..limits }
}

/// The limits of the development mode: nothing that a test of the protocol might try runs into one.
pub fn open() -> Limits {
    let base = defaults();
    let person = Quota {
        packet_bytes: 4 << 20,
        filters: 10_000,
        queue_messages: 100_000,
        queue_bytes: 256 << 20,
        ..base.person
    };
    Limits {
        connect_bytes: 512 << 10,
        client_id_bytes: usize::from(u16::MAX),
        topic_bytes: usize::from(u16::MAX),
        topic_levels: 1_024,
        keep_alive_told: Duration::from_secs(60),
        session_expiry: Duration::from_secs(u32::MAX.into()),
        person,
        ..base
    }
}

/// What is not named keeps its default.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitSettings {
    connections: Option<usize>,
    connections_per_address: Option<usize>,
    half_open: Option<usize>,
    sessions: Option<usize>,
    session_expiry_s: Option<u64>,
    connect_deadline_s: Option<u64>,
    write_deadline_s: Option<u64>,
    keep_alive_max_s: Option<u64>,
    topic_bytes: Option<usize>,
    topic_levels: Option<usize>,
    topic_aliases: Option<u16>,
    client_id_bytes: Option<usize>,
    retained: Option<usize>,
    packet_bytes: Option<usize>,
    filters: Option<usize>,
    in_flight: Option<u16>,
    queue_messages: Option<usize>,
    queue_bytes: Option<usize>,
    publishes_per_s: Option<u32>,
}

impl LimitSettings {
    /// The limits with these changes. Those of a client are the same for users, people and edges; the website keeps
    /// its own.
    pub fn into_limits(self) -> Limits {
        let base = defaults();
        let seconds = |given: Option<u64>, or: Duration| given.map_or(or, Duration::from_secs);
        let client = Quota {
            packet_bytes: self.packet_bytes.unwrap_or(base.person.packet_bytes),
            filters: self.filters.unwrap_or(base.person.filters),
            in_flight: self.in_flight.map_or(base.person.in_flight, usize::from),
            queue_messages: self.queue_messages.unwrap_or(base.person.queue_messages),
            queue_bytes: self.queue_bytes.unwrap_or(base.person.queue_bytes),
            publishes_per_s: self.publishes_per_s.map_or(base.person.publishes_per_s, NonZeroU32::new),
        };
        Limits {
            connections: self.connections.unwrap_or(base.connections),
            connections_per_address: self.connections_per_address.unwrap_or(base.connections_per_address),
            half_open: self.half_open.unwrap_or(base.half_open),
            sessions: self.sessions.unwrap_or(base.sessions),
            session_expiry: seconds(self.session_expiry_s, base.session_expiry),
            connect_deadline: seconds(self.connect_deadline_s, base.connect_deadline),
            write_deadline: seconds(self.write_deadline_s, base.write_deadline),
            keep_alive_max: seconds(self.keep_alive_max_s, base.keep_alive_max),
            keep_alive_told: seconds(self.keep_alive_max_s, base.keep_alive_told),
            topic_bytes: self.topic_bytes.unwrap_or(base.topic_bytes),
            topic_levels: self.topic_levels.unwrap_or(base.topic_levels),
            topic_aliases: self.topic_aliases.unwrap_or(base.topic_aliases),
            client_id_bytes: self.client_id_bytes.unwrap_or(base.client_id_bytes),
            retained: self.retained.unwrap_or(base.retained),
            edge: client.clone(),
            person: client,
            ..base
        }
    }
}
