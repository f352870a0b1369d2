//! Why a connection ended.

use crate::codec::error::Fault;
use crate::codec::reason::DisconnectReason;
use crate::observe::counters::Tally;
use crate::session::inflight::Mismatch;

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The client said goodbye: no will.
    Goodbye,
    /// The client said goodbye, and wants its will published.
    GoodbyeWithWill,
    /// The socket is closed or broken.
    Closed,
    /// The client sent what is not MQTT, or not allowed in it.
    Malformed(Fault),
    /// The client published where it may not; MQTT 3.1.1 has no other word for that than closing.
    Refused,
    /// The client was not heard of for too long.
    Silent,
    /// The client does not read what it is sent.
    NotReading,
    /// The client has connected again.
    TakenOver,
    /// The session was ended from outside.
    Over,
    /// The session has run over.
    Overrun,
    /// The broker stops.
    Stopping,
    /// The router is gone.
    Dead,
}

impl From<Mismatch> for End {
    fn from(_: Mismatch) -> End {
        End::Malformed(Fault::Mismatch)
    }
}

impl End {
    /// What the client is told, in protocols that have a word for it: the reason, and a text for people.
    pub fn told(self) -> Option<(DisconnectReason, String)> {
        let (reason, text) = match self {
            End::Goodbye | End::GoodbyeWithWill | End::Closed | End::Refused | End::NotReading => {
                return None;
            }
            End::Malformed(fault) => return Some((fault.reason(), fault.to_string())),
            End::Silent => (DisconnectReason::KeepAlive, "nothing came for one and a half keep-alives"),
            End::TakenOver => (DisconnectReason::TakenOver, "this client id has connected again"),
            End::Over => (DisconnectReason::Administrative, "the session was ended"),
            End::Stopping => (DisconnectReason::ShuttingDown, "the broker stops"),
            End::Overrun => (DisconnectReason::Quota, "more was waiting than may wait"),
            End::Dead => (DisconnectReason::ShuttingDown, "the broker cannot go on"),
        };
        Some((reason, text.to_owned()))
    }

    /// Whether the client's will is published. A broker that stops leaves nobody to read it, and its clients come back.
    pub fn leaves_will(self) -> bool {
        !matches!(self, End::Goodbye | End::Stopping)
    }

    /// Counts it.
    pub fn count(self, tally: &Tally) {
        match self {
            End::Goodbye | End::GoodbyeWithWill | End::Closed | End::Over | End::Overrun => {}
            End::Stopping | End::Dead => {}
            End::Malformed(_) => tally.malformed.add(),
            End::Refused => tally.refused.add(),
            End::Silent => tally.keep_alive_timeouts.add(),
            End::NotReading => tally.write_timeouts.add(),
            End::TakenOver => tally.taken_over.add(),
        }
    }
}
