//! The packets of MQTT 3.1.1 that a client may send, as a closed set.

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

/// A client's packet id: never zero.
pub type PacketId = std::num::NonZeroU16;

/// What a client may send after its CONNECT.
#[derive(Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// PUBLISH.
    Publish(Publish<'a>),
    /// PUBACK: a QoS 1 message has arrived.
    PubAck(PacketId),
    /// PUBREC: a QoS 2 message has arrived.
    PubRec(PacketId),
    /// PUBREL: the client has dropped its QoS 2 message.
    PubRel(PacketId),
    /// PUBCOMP: the client has forgotten a QoS 2 packet id.
    PubComp(PacketId),
    /// SUBSCRIBE, with at least one filter.
    Subscribe(PacketId, Vec<(&'a str, QoS)>),
    /// UNSUBSCRIBE, with at least one filter.
    Unsubscribe(PacketId, Vec<&'a str>),
    /// PINGREQ.
    Ping,
    /// DISCONNECT: goodbye, and no will.
    Disconnect,
}

/// A PUBLISH.
#[derive(Debug, PartialEq, Eq)]
pub struct Publish<'a> {
    /// Topic name, UTF-8 but not checked otherwise.
    pub topic: &'a str,
    /// The message.
    pub payload: &'a [u8],
    /// Keep the message for those who subscribe later.
    pub retain: bool,
    /// How surely it is to arrive, with the packet id that QoS 1 and 2 have.
    pub delivery: Delivery,
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

/// A CONNECT.
#[derive(Debug, PartialEq, Eq)]
pub struct Connect<'a> {
    /// The client id, possibly empty.
    pub client_id: &'a str,
    /// Forget what was before, and forget this session with its connection.
    pub clean_session: bool,
    /// Seconds between two packets of the client; 0 for no promise.
    pub keep_alive_s: u16,
    /// What to publish when the client vanishes.
    pub will: Option<WillPacket<'a>>,
    /// User name, if given.
    pub username: Option<&'a str>,
    /// Password, if given.
    pub password: Option<&'a [u8]>,
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
}
