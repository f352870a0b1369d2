//! What reaches the rules task, but for sightings.

use crate::{
    face::{FaceVector, Grade},
    inbound::Refusal,
    sync::Event,
};
use protocol::UnixMs;
use rumqttc::{AsyncClient, ManualAck, PublishOptions};
use std::fmt;

/// Something to take in.
#[derive(Debug)]
pub enum Input {
    /// A session began; this is the way to the broker while it lasts.
    Began(Link),
    /// A message came, or something that is none.
    Message {
        /// What it says. A head's signature has been checked.
        event: Result<Event, Refusal>,
        /// How to acknowledge it, on the connection it came on.
        ack: Option<ManualAck>,
        /// Which connection that is.
        link: u64,
    },
    /// A connection ended, or was not made.
    Over {
        /// Which.
        link: u64,
        /// In words.
        why: String,
    },
    /// Time went by.
    Tick,
}

/// A face that is worth a decision.
#[derive(Debug, Clone)]
pub struct Sighting {
    /// The face, of the edge's model. Its `Debug` shows no numbers.
    pub vector: FaceVector,
    /// What it is good enough for.
    pub grade: Grade,
    /// When.
    pub at: UnixMs,
}

/// The way to the broker, for one connection.
pub struct Link {
    client: AsyncClient,
    number: u64,
}

impl Link {
    /// The way over `client`, which is connection `number`.
    pub fn new(client: AsyncClient, number: u64) -> Self {
        Self { client, number }
    }

    /// Which connection.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Acknowledges a message of this connection. One of another connection must not be: the broker will send it again.
    pub fn ack(&self, ack: ManualAck, link: u64) {
        if link == self.number {
            // An error means that the connection is over; then the message comes again.
            let _ = self.client.try_manual_ack(ack);
        }
    }

    /// Sends bytes with QoS 1. What does not get through is sent again from the tables.
    pub fn publish(&self, topic: &str, bytes: Vec<u8>) {
        let _ = self.client.try_publish(topic, bytes, PublishOptions::at_least_once());
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Link({})", self.number)
    }
}
