//! Why a connection ended.

use crate::codec::error::Fault;
use crate::codec::reason::DisconnectReason;
use crate::observe::counters::Tally;
use crate::session::inflight::Mismatch;

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndReason {
    /// The client sent DISCONNECT: no will.
    Disconnected,
    /// The client sent DISCONNECT, and wants its will published.
    DisconnectedWithWill,
    /// The socket is closed or broken.
    Closed,
    /// The client sent what is not MQTT, or not allowed in it.
    Malformed(Fault),
    /// The client published where it may not; MQTT 3.1.1 has no other answer to that than closing.
    Refused,
    /// Nothing came from the client for one and a half keep-alives.
    KeepAliveTimeout,
    /// The client does not read what it is sent.
    WriteTimeout,
    /// The client has connected again.
    TakenOver,
    /// The session was ended from outside.
    SessionEnded,
    /// The session's queue has run over.
    QueueOverflow,
    /// The broker stops.
    ShuttingDown,
    /// The router has died.
    RouterDied,
}

impl From<Mismatch> for EndReason {
    fn from(_: Mismatch) -> EndReason {
        EndReason::Malformed(Fault::Mismatch)
    }
}

impl EndReason {
    /// What DISCONNECT tells the client, where the broker sends one: the reason, and a text for people.
    pub fn disconnect_packet(self) -> Option<(DisconnectReason, String)> {
        let (reason, text) = match self {
            EndReason::Disconnected
            | EndReason::DisconnectedWithWill
            | EndReason::Closed
            | EndReason::Refused
            | EndReason::WriteTimeout => {
                return None;
            }
            EndReason::Malformed(fault) => return Some((fault.reason(), fault.to_string())),
            EndReason::KeepAliveTimeout => {
                (DisconnectReason::KeepAlive, "nothing came for one and a half keep-alives")
            }
            EndReason::TakenOver => (DisconnectReason::TakenOver, "this client id has connected again"),
            EndReason::SessionEnded => (DisconnectReason::Administrative, "the session was ended"),
            EndReason::ShuttingDown => (DisconnectReason::ShuttingDown, "the broker stops"),
            EndReason::QueueOverflow => (DisconnectReason::Quota, "more was waiting than may wait"),
            EndReason::RouterDied => (DisconnectReason::ShuttingDown, "the broker cannot go on"),
        };
        Some((reason, text.to_owned()))
    }

    /// Whether the client's will is published. When the broker stops there is no reader left, and the client comes back.
    pub fn publishes_will(self) -> bool {
        !matches!(self, EndReason::Disconnected | EndReason::ShuttingDown)
    }

    /// Counts it.
    pub fn count(self, tally: &Tally) {
        match self {
            EndReason::Disconnected
            | EndReason::DisconnectedWithWill
            | EndReason::Closed
            | EndReason::SessionEnded
            | EndReason::QueueOverflow => {}
            EndReason::ShuttingDown | EndReason::RouterDied => {}
            EndReason::Malformed(_) => tally.malformed.add(),
            EndReason::Refused => tally.refused.add(),
            EndReason::KeepAliveTimeout => tally.keep_alive_timeouts.add(),
            EndReason::WriteTimeout => tally.write_timeouts.add(),
            EndReason::TakenOver => tally.taken_over.add(),
        }
    }
}
