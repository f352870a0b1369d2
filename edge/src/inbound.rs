//! What comes in over MQTT, read at the rim: from a topic and bytes to an event that cannot be malformed.

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
    /// The website's key.
    pub site_key: PublicKey,
    /// The location's digest key.
    pub digest_key: DigestKey,
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
    pub fn read(&self, topic: &str, payload: &[u8]) -> Result<Event, Refusal> {
        match topic.parse::<Topic>() {
            Ok(Topic::Customer(location, _)) if location == self.location && payload.is_empty() => {
                Ok(Event::Cleared)
            }
            Ok(Topic::Customer(location, face_id)) if location == self.location => {
                let change = Change::decode(payload).map_err(unreadable("change"))?;
                if change.face_id != face_id {
                    return Err(Refusal::WrongTopic);
                }
                let hash = self.hash(&change);
                Ok(Event::Change(Box::new(change), hash))
            }
            Ok(Topic::Head(location)) if location == self.location => {
                let head = SignedHead::decode(payload).map_err(unreadable("head"))?;
                head.verify(&self.location, &self.site_key)
                    .map(Event::Head)
                    .map_err(|_| Refusal::BadSignature)
            }
            Ok(Topic::Inbox(location, edge)) if location == self.location && edge == self.edge => {
                match Inbox::decode(payload).map_err(unreadable("inbox message"))? {
                    Inbox::Settled(settled) => Ok(Event::Settled(settled)),
                    Inbox::ReceiptsStored(stored) => Ok(Event::ReceiptsStored(stored.receipts)),
                    Inbox::Command(order) => Ok(Event::Order(order)),
                    Inbox::Roster(roster) => Ok(Event::Roster(roster)),
                    Inbox::Change { round, change } => {
                        let hash = self.hash(&change);
                        Ok(Event::Wanted(round, Box::new(change), hash))
                    }
                }
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
