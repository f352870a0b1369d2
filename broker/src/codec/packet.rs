//! The packets that a client may send, as a closed set: those of MQTT 5.0, of which 3.1.1 knows a part.

use super::fields::PacketId;
use super::properties::{AliasedTopic, Properties, SubscriptionId};
use super::reason::{AckReason, ReleaseReason};
use std::num::{NonZeroU16, NonZeroU32};

/// Quality of service, in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum QoS {
    /// At most once.
    Zero = 0,
    /// At least once.
    One = 1,
    /// Exactly once.
    Two = 2,
}

impl QoS {
    /// From its two bits; 3 is nothing.
    pub fn from_bits(bits: u8) -> Option<QoS> {
        match bits {
            0 => Some(QoS::Zero),
            1 => Some(QoS::One),
            2 => Some(QoS::Two),
            _ => None,
        }
    }
}

/// What a client may send after its CONNECT.
#[derive(Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// PUBLISH.
    Publish(Publish<'a>),
    /// PUBACK: a QoS 1 message has arrived, or was refused: it is done either way.
    PubAck(PacketId, AckReason),
    /// PUBREC: a QoS 2 message has arrived, or was refused, which ends it.
    PubRec(PacketId, AckReason),
    /// PUBREL: the client has dropped its QoS 2 message.
    PubRel(PacketId, ReleaseReason),
    /// PUBCOMP: the client has forgotten a QoS 2 packet id.
    PubComp(PacketId, ReleaseReason),
    /// SUBSCRIBE.
    Subscribe(Subscribe<'a>),
    /// UNSUBSCRIBE, with at least one filter.
    Unsubscribe(PacketId, Vec<&'a str>),
    /// PINGREQ.
    Ping,
    /// DISCONNECT.
    Disconnect(Disconnect),
}

/// A PUBLISH.
#[derive(Debug, PartialEq, Eq)]
pub struct Publish<'a> {
    /// Topic name, UTF-8 but not checked otherwise.
    pub topic: AliasedTopic<'a>,
    /// The message.
    pub payload: &'a [u8],
    /// Keep the message for those who subscribe later.
    pub retain: bool,
    /// How surely it is to arrive, with the packet id that QoS 1 and 2 have.
    pub delivery: Delivery,
    /// What goes with it.
    pub properties: Properties<'a>,
}

/// How surely a PUBLISH is to arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// At most once.
    Zero,
    /// At least once, with its packet id.
    One(PacketId),
    /// Exactly once, with its packet id.
    Two(PacketId),
}

impl Delivery {
    /// Without the packet id.
    pub fn qos(self) -> QoS {
        match self {
            Delivery::Zero => QoS::Zero,
            Delivery::One(_) => QoS::One,
            Delivery::Two(_) => QoS::Two,
        }
    }
}

/// A SUBSCRIBE, with at least one filter.
#[derive(Debug, PartialEq, Eq)]
pub struct Subscribe<'a> {
    /// Its packet id.
    pub id: PacketId,
    /// The filters, UTF-8 but not checked otherwise. All have the same identifier.
    pub filters: Vec<(&'a str, Options)>,
}

/// How a subscription is to be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// The highest QoS to deliver with.
    pub qos: QoS,
    /// Leave out what the subscriber has published itself.
    pub no_local: bool,
    /// Deliver with the retain flag of the publish; otherwise it only says that a message was there before.
    pub retain_as_published: bool,
    /// What becomes of the messages that are retained already.
    pub retained: SendRetained,
    /// The subscription identifier, sent with every message.
    pub identifier: Option<SubscriptionId>,
}

impl Options {
    /// The only ones that MQTT 3.1.1 has.
    pub fn of_qos(qos: QoS) -> Options {
        let (no_local, retain_as_published) = (false, false);
        Options { qos, no_local, retain_as_published, retained: SendRetained::Always, identifier: None }
    }
}

/// When a subscription brings what is retained already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendRetained {
    /// Whenever it is made, even if it is there.
    Always,
    /// Only when it was not there.
    IfNew,
    /// Never.
    Never,
}

/// A DISCONNECT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disconnect {
    /// What becomes of the will.
    pub will: WillOnDisconnect,
    /// The session's expiry, if DISCONNECT changes it.
    pub session_expiry_s: Option<u32>,
}

/// What becomes of the will when the client disconnects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WillOnDisconnect {
    /// It is discarded.
    Discard,
    /// It is published, as if the connection had failed.
    Publish,
}

/// A CONNECT.
#[derive(Debug, PartialEq, Eq)]
pub struct Connect<'a> {
    /// Its version of MQTT.
    pub version: MqttVersion,
    /// The client id, possibly empty.
    pub client_id: &'a str,
    /// Start a new session.
    pub clean_start: bool,
    /// How long the session outlives its connection: `0` not at all, `u32::MAX` for ever.
    pub session_expiry_s: u32,
    /// Seconds between two packets of the client; 0 for no promise.
    pub keep_alive_s: u16,
    /// What to publish when the connection ends without DISCONNECT.
    pub will: Option<WillPacket<'a>>,
    /// User name, if given.
    pub username: Option<&'a str>,
    /// Password, if given.
    pub password: Option<&'a [u8]>,
}

/// The version of MQTT of a connection, with what the client asked for in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MqttVersion {
    /// MQTT 3.1.1.
    V4,
    /// MQTT 5.0.
    V5(ClientLimits),
}

/// What a client of MQTT 5.0 can take, as its CONNECT says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientLimits {
    /// Messages of QoS 1 and 2 at once.
    pub receive_max: NonZeroU16,
    /// Bytes of one packet.
    pub packet_bytes: Option<NonZeroU32>,
    /// Topic aliases.
    pub alias_max: u16,
    /// Whether it wants reason strings.
    pub reasons: ReasonStrings,
}

/// Whether reason strings are sent to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReasonStrings {
    /// They are.
    Sent,
    /// Only in CONNACK and DISCONNECT.
    Omitted,
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self { receive_max: NonZeroU16::MAX, packet_bytes: None, alias_max: 0, reasons: ReasonStrings::Sent }
    }
}

/// The will within a CONNECT.
#[derive(Debug, PartialEq, Eq)]
pub struct WillPacket<'a> {
    /// Topic name, UTF-8 but not checked otherwise.
    pub topic: &'a str,
    /// The message.
    pub payload: &'a [u8],
    /// With which QoS it is published.
    pub qos: QoS,
    /// Whether it is retained.
    pub retain: bool,
    /// How long the broker waits for the client to come back before it publishes.
    pub delay_s: u32,
    /// What goes with it.
    pub properties: Properties<'a>,
}
