//! What is wrong with a packet, and the reason code that tells the client.

use super::reason::{ConnectReason, DisconnectReason};

/// Why bytes are not a packet of MQTT 3.1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Longer than this client may send.
    #[error("the packet is longer than this client may send")]
    TooLong,
    /// A packet type that only the server sends, or none at all.
    #[error("a client does not send packets of this type")]
    Type,
    /// The fixed bits of the first byte are wrong.
    #[error("the flags of the packet are wrong")]
    Flags,
    /// The remaining length is not a number of at most four bytes.
    #[error("the remaining length is malformed")]
    Length,
    /// The packet ends before its fields do, or after them.
    #[error("the packet's fields do not fill the packet")]
    Fields,
    /// A text is not UTF-8, or holds a NUL.
    #[error("a text is not UTF-8")]
    Text,
    /// A packet id of zero, a QoS of 3, or an empty list of filters.
    #[error("a field has a value that the protocol forbids")]
    Value,
    /// The name of the protocol in CONNECT is not MQTT.
    #[error("the client does not speak MQTT")]
    Protocol,
}

/// Why a packet is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It is no packet.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// A property that does not belong there, or anywhere.
    #[error("a property does not belong into this packet")]
    Misplaced,
    /// A property that may occur once occurs twice.
    #[error("a property stands there more than once")]
    Repeated,
    /// A value, or the lack of one, that the protocol forbids.
    #[error("a field has a value that the protocol forbids")]
    Forbidden,
    /// A topic alias of zero, or above what the server said it takes.
    #[error("the topic alias is not one that this server takes")]
    Alias,
    /// A topic alias that stands for nothing yet.
    #[error("the topic alias stands for no topic yet")]
    UnknownAlias,
    /// Extended authentication, which is not served here.
    #[error("extended authentication is not served here")]
    Authentication,
    /// More QoS 2 messages at once than the server takes.
    #[error("more messages are under way than this server takes at once")]
    ReceiveMax,
    /// A packet whose answer is larger than the client can take.
    #[error("the answer is larger than the client can take")]
    Answer,
    /// An acknowledgement that does not belong to the message's QoS, or comes before its turn.
    #[error("the acknowledgement is not the one that this message awaits")]
    Mismatch,
    /// A topic name or filter that is not well formed.
    #[error("a topic is not well formed")]
    Topic,
}

impl Fault {
    /// The reason code of DISCONNECT.
    pub fn reason(self) -> DisconnectReason {
        match self {
            Fault::Malformed(Malformed::TooLong) | Fault::Answer => DisconnectReason::TooLarge,
            Fault::Malformed(Malformed::Type) => DisconnectReason::Protocol,
            Fault::Malformed(_) | Fault::Misplaced | Fault::Topic => DisconnectReason::Malformed,
            Fault::Repeated
            | Fault::Forbidden
            | Fault::UnknownAlias
            | Fault::Authentication
            | Fault::Mismatch => DisconnectReason::Protocol,
            Fault::Alias => DisconnectReason::Alias,
            Fault::ReceiveMax => DisconnectReason::ReceiveMax,
        }
    }

    /// The reason code of CONNACK.
    pub fn connect_reason(self) -> ConnectReason {
        match self {
            Fault::Malformed(Malformed::TooLong) | Fault::Answer => ConnectReason::TooLarge,
            Fault::Malformed(_) | Fault::Misplaced => ConnectReason::Malformed,
            Fault::Topic => ConnectReason::TopicName,
            Fault::Authentication => ConnectReason::AuthenticationMethod,
            Fault::Repeated
            | Fault::Forbidden
            | Fault::UnknownAlias
            | Fault::Alias
            | Fault::ReceiveMax
            | Fault::Mismatch => ConnectReason::Protocol,
        }
    }
}
