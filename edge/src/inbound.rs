//! What comes in over MQTT, read at the rim: from a topic and bytes to an event that cannot be malformed, or to a head
//! whose signature is still to be checked.

use crate::sync::Event;
use protocol::{
    DigestKey, EdgeId, LocationId, PublicKey, RowHash, Topic,
    codec::{DecodeError, Message},
    message::{Change, CustomerState, Inbox, SignedHead},
};

/// Knows to whom the edge listens.
#[derive(Debug, Clone)]
pub struct Ears {
    /// The edge's location.
    pub location: LocationId,
    /// The edge.
    pub edge: EdgeId,
    /// The location's digest key.
    pub digest_key: DigestKey,
}

/// A message that could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// It can be ruled on.
    Event(Event),
    /// A head, to be proved first. That takes as long as reading dozens of messages, and whoever listens must not be kept
    /// from hearing of a removal by it.
    Head(SignedHead),
}

impl Heard {
    /// What can be ruled on: a head only with the signature of the website whose key this is, for this location.
    ///
    /// # Errors
    /// When a head has not.
    pub fn proved(self, location: &LocationId, site_key: &PublicKey) -> Result<Event, Refusal> {
        match self {
            Heard::Event(event) => Ok(event),
            Heard::Head(head) => {
                head.verify(location, site_key).map(Event::Head).map_err(|_| Refusal::BadSignature)
            }
        }
    }
}

/// Why a message is not taken in. Says nothing of its content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Its topic is not one this edge listens to.
    #[error("a message on a topic that is not for this edge")]
    NotForUs,
    /// Its bytes are no message.
    #[error("{kind}: {why}")]
    Unreadable {
        /// What it should have been.
        kind: &'static str,
        /// What is wrong.
        why: DecodeError,
    },
    /// The head was not signed by the website for this location.
    #[error("a head whose signature is not the website's for this location")]
    BadSignature,
    /// The change stands on the topic of another face.
    #[error("a change on the topic of another face")]
    WrongTopic,
}

impl Ears {
    /// Reads one message.
    ///
    /// # Errors
    /// When it must not be taken in; it is acknowledged all the same, since it will never be better.
    pub fn read(&self, topic: &str, payload: &[u8]) -> Result<Heard, Refusal> {
        match topic.parse::<Topic>() {
            Ok(Topic::Customer(location, _)) if location == self.location && payload.is_empty() => {
                Ok(Heard::Event(Event::Cleared))
            }
            Ok(Topic::Customer(location, face_id)) if location == self.location => {
                let change = Change::decode(payload).map_err(unreadable("change"))?;
                if change.face_id != face_id {
                    return Err(Refusal::WrongTopic);
                }
                let hash = self.hash(&change);
                Ok(Heard::Event(Event::Change(Box::new(change), hash)))
            }
            Ok(Topic::Head(location)) if location == self.location => {
                SignedHead::decode(payload).map(Heard::Head).map_err(unreadable("head"))
            }
            Ok(Topic::Inbox(location, edge)) if location == self.location && edge == self.edge => {
                let message = Inbox::decode(payload).map_err(unreadable("inbox message"))?;
                Ok(Heard::Event(match message {
                    Inbox::Settled(settled) => Event::Settled(settled),
                    Inbox::ReceiptsStored(stored) => Event::ReceiptsStored(stored.receipts),
                    Inbox::Command(order) => Event::Order(order),
                    Inbox::Roster(roster) => Event::Roster(roster),
                    Inbox::Change { round, change } => {
                        let hash = self.hash(&change);
                        Event::Wanted(round, Box::new(change), hash)
                    }
                }))
            }
            _ => Err(Refusal::NotForUs),
        }
    }

    fn hash(&self, change: &Change) -> Option<RowHash> {
        match &change.state {
            CustomerState::Live(customer) => {
                Some(self.digest_key.hash(&change.face_id, change.seq, customer))
            }
            CustomerState::Removed { merged_into: _ } => None,
        }
    }
}

fn unreadable(kind: &'static str) -> impl Fn(DecodeError) -> Refusal {
    move |why| Refusal::Unreadable { kind, why }
}
