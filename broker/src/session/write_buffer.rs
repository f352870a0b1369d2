//! Packets ready to be written to one client, in its version of MQTT.

use super::outgoing::Outgoing;
use crate::codec::encode::{self, Dup};
use crate::codec::fields::PacketId;
use crate::codec::packet::{ClientLimits, MqttVersion, QoS, ReasonStrings};
use crate::codec::reason::{AckReason, DisconnectReason, ReleaseReason, SubscribeReason, UnsubscribeReason};
use crate::codec::v5::aliases::OutboundAliases;
use crate::codec::v5::encode::{self as v5, Why};
use crate::codec::v5::publish::{Outbound, TopicForm};
use crate::observe::clock::Moment;
use bytes::BytesMut;

/// Packets for one client.
#[derive(Debug)]
pub struct WriteBuffer {
    /// Their bytes.
    pub bytes: BytesMut,
    encoder: Encoder,
}

#[derive(Debug)]
enum Encoder {
    V4,
    V5(Box<V5>),
}

/// What the encoder of MQTT 5.0 must know of its client.
#[derive(Debug)]
struct V5 {
    reasons: ReasonStrings,
    packet_bytes: usize,
    aliases: OutboundAliases,
}

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// It is in the buffer.
    Yes,
    /// It is not: the client could not take it.
    No,
}

impl WriteBuffer {
    /// An empty buffer for this version of MQTT; no more than `alias_max` topic aliases are assigned.
    pub fn new(version: MqttVersion, alias_max: u16) -> Self {
        let encoder = match version {
            MqttVersion::V4 => Encoder::V4,
            MqttVersion::V5(limits) => Encoder::V5(Box::new(V5 {
                reasons: limits.reasons,
                packet_bytes: packet_bytes(&limits),
                aliases: OutboundAliases::new(limits.alias_max.min(alias_max)),
            })),
        };
        Self { bytes: BytesMut::new(), encoder }
    }

    /// PUBLISH. `id` is `None` exactly for QoS 0.
    pub fn publish(&mut self, out: &Outgoing, id: Option<(PacketId, QoS, Dup)>, now: Moment) -> Written {
        let message = &out.message;
        match &mut self.encoder {
            Encoder::V4 => {
                let (topic, payload) = (message.topic_bytes(), &message.payload);
                encode::publish(&mut self.bytes, topic, payload, out.retain, id);
                Written::Yes
            }
            Encoder::V5(client) => client.publish(&mut self.bytes, out, id, now),
        }
    }

    /// PUBACK; nothing in MQTT 3.1.1 for a message that was not taken, because it has no code for that.
    pub fn puback(&mut self, id: PacketId, reason: AckReason) {
        match &self.encoder {
            Encoder::V4 if !reason.is_success() => {}
            Encoder::V4 => encode::puback(&mut self.bytes, id),
            Encoder::V5(client) => v5::puback(&mut self.bytes, id, client.why(reason), client.packet_bytes),
        }
    }

    /// PUBREC; see `puback`.
    pub fn pubrec(&mut self, id: PacketId, reason: AckReason) {
        match &self.encoder {
            Encoder::V4 if !reason.is_success() => {}
            Encoder::V4 => encode::pubrec(&mut self.bytes, id),
            Encoder::V5(client) => v5::pubrec(&mut self.bytes, id, client.why(reason), client.packet_bytes),
        }
    }

    /// PUBREL.
    pub fn pubrel(&mut self, id: PacketId, reason: ReleaseReason) {
        match &self.encoder {
            Encoder::V4 => encode::pubrel(&mut self.bytes, id),
            Encoder::V5(_) => v5::pubrel(&mut self.bytes, id, reason),
        }
    }

    /// PUBCOMP.
    pub fn pubcomp(&mut self, id: PacketId, reason: ReleaseReason) {
        match &self.encoder {
            Encoder::V4 => encode::pubcomp(&mut self.bytes, id),
            Encoder::V5(_) => v5::pubcomp(&mut self.bytes, id, reason),
        }
    }

    /// SUBACK: for each filter the granted QoS, or why it was refused.
    pub fn suback(&mut self, id: PacketId, granted: &[Result<QoS, SubscribeReason>]) -> Written {
        match &self.encoder {
            Encoder::V4 => encode::suback(&mut self.bytes, id, granted),
            Encoder::V5(client) if v5::answer_bytes(granted.len()) > client.packet_bytes => {
                return Written::No;
            }
            Encoder::V5(_) => v5::suback(&mut self.bytes, id, granted),
        }
        Written::Yes
    }

    /// UNSUBACK: what became of each filter.
    pub fn unsuback(&mut self, id: PacketId, ended: &[UnsubscribeReason]) -> Written {
        match &self.encoder {
            Encoder::V4 => encode::unsuback(&mut self.bytes, id),
            Encoder::V5(client) if v5::answer_bytes(ended.len()) > client.packet_bytes => return Written::No,
            Encoder::V5(_) => v5::unsuback(&mut self.bytes, id, ended),
        }
        Written::Yes
    }

    /// PINGRESP.
    pub fn pingresp(&mut self) {
        encode::pingresp(&mut self.bytes);
    }

    /// DISCONNECT, which MQTT 3.1.1 servers do not send.
    pub fn disconnect(&mut self, reason: DisconnectReason, text: &str) {
        if let Encoder::V5(client) = &self.encoder {
            v5::disconnect(&mut self.bytes, Why { reason, text: Some(text) }, client.packet_bytes);
        }
    }

    /// Gives back memory that is not needed.
    pub fn shrink(&mut self) {
        self.bytes = BytesMut::from(&self.bytes[..]);
    }
}

/// Bytes of one packet that the client can take.
pub fn packet_bytes(limits: &ClientLimits) -> usize {
    limits.packet_bytes.map_or(usize::MAX, |bytes| usize::try_from(bytes.get()).unwrap_or(usize::MAX))
}

impl V5 {
    fn why(&self, reason: AckReason) -> Why<'static, AckReason> {
        let text = if self.reasons == ReasonStrings::Sent { reason.text() } else { None };
        Why { reason, text }
    }

    fn publish(
        &mut self,
        bytes: &mut BytesMut,
        out: &Outgoing,
        id: Option<(PacketId, QoS, Dup)>,
        now: Moment,
    ) -> Written {
        let message = &out.message;
        let topic = message.topic_bytes();
        let mut outbound = Outbound {
            topic,
            alias: self.aliases.naming(topic),
            payload: &message.payload,
            retain: out.retain,
            id,
            expiry_s: message.expires.map(|expires| expires.seconds_from(now)),
            lasting: &message.lasting,
            identifiers: out.identifiers.as_slice(),
        };
        if outbound.bytes() > self.packet_bytes && matches!(outbound.alias, TopicForm::NameAndAlias(_)) {
            // Without the alias it may just fit.
            outbound.alias = TopicForm::Name;
        }
        if outbound.bytes() > self.packet_bytes {
            return Written::No;
        }
        outbound.write(bytes);
        if let TopicForm::NameAndAlias(alias) = outbound.alias {
            self.aliases.define(topic, alias);
        }
        Written::Yes
    }
}
