//! What comes in over MQTT, read at the rim: from a topic and bytes to an event that cannot be malformed, or to a head
//! whose signature is still to be checked.

use crate::sync::Event;
use protocol::{
    DigestKey, EdgeId, LocationId, RowHash, Topic,
    codec::{DecodeError, Message as _},
    message::{Change, CustomerState, Inbox, SignedHead},
};

/// Reads what is for one edge.
#[derive(Debug, Clone)]
pub struct Reader {
    /// The edge's location.
    pub location: LocationId,
    /// The edge.
    pub edge: EdgeId,
    /// The location's digest key.
    pub digest_key: DigestKey,
}

/// A message that could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// It can be ruled on.
    Event(Event),
    /// A head, whose signature is to be checked first.
    Head(SignedHead),
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

impl Reader {
    /// Reads one message.
    ///
    /// # Errors
    /// When it must not be taken in; it is acknowledged all the same, since it will never be better.
    pub fn read(&self, topic: &str, payload: &[u8]) -> Result<Message, Refusal> {
        match topic.parse::<Topic>() {
            Ok(Topic::Customer(location, _)) if location == self.location && payload.is_empty() => {
                Ok(Message::Event(Event::Cleared))
            }
            Ok(Topic::Customer(location, face_id)) if location == self.location => {
                let change = Change::decode(payload).map_err(unreadable("change"))?;
                if change.face_id != face_id {
                    return Err(Refusal::WrongTopic);
                }
                let hash = self.hash(&change);
                Ok(Message::Event(Event::Change(Box::new(change), hash)))
            }
            Ok(Topic::Head(location)) if location == self.location => {
                SignedHead::decode(payload).map(Message::Head).map_err(unreadable("head"))
            }
            Ok(Topic::Inbox(location, edge)) if location == self.location && edge == self.edge => {
                let message = Inbox::decode(payload).map_err(unreadable("inbox message"))?;
                Ok(Message::Event(match message {
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
