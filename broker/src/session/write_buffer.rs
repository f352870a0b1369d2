//! What is ready to be written to one client, in the protocol it speaks.

use super::outgoing::Outgoing;
use crate::codec::encode::{self, Dup};
use crate::codec::fields::PacketId;
use crate::codec::packet::{Dialect, QoS, Reasons, Terms};
use crate::codec::reason::{AckReason, DisconnectReason, ReleaseReason, SubscribeReason, UnsubscribeReason};
use crate::codec::v5::aliases::Given;
use crate::codec::v5::encode::{self as five, Why};
use crate::codec::v5::publish::{Named, Outbound};
use crate::observe::clock::Moment;
use bytes::BytesMut;

/// Packets for one client.
#[derive(Debug)]
pub struct Outbox {
    /// Their bytes.
    pub bytes: BytesMut,
    voice: Voice,
}

#[derive(Debug)]
enum Voice {
    Four,
    Five(Box<Five>),
}

/// What must be known of a client to write MQTT 5.0.
#[derive(Debug)]
struct Five {
    reasons: Reasons,
    packet_bytes: usize,
    aliases: Given,
}

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// It is in the outbox.
    Yes,
    /// It is not: the client could not take it.
    No,
}

impl Outbox {
    /// Nothing to be written, in this protocol; no more than `alias_max` topic aliases are given.
    pub fn new(dialect: Dialect, alias_max: u16) -> Self {
        let voice = match dialect {
            Dialect::Four => Voice::Four,
            Dialect::Five(terms) => Voice::Five(Box::new(Five {
                reasons: terms.reasons,
                packet_bytes: packet_bytes(&terms),
                aliases: Given::new(terms.alias_max.min(alias_max)),
            })),
        };
        Self { bytes: BytesMut::new(), voice }
    }

    /// PUBLISH. `id` is `None` exactly for QoS 0.
    pub fn publish(&mut self, out: &Outgoing, id: Option<(PacketId, QoS, Dup)>, now: Moment) -> Written {
        let message = &out.message;
        match &mut self.voice {
            Voice::Four => {
                let (topic, payload) = (message.topic_bytes(), &message.payload);
                encode::publish(&mut self.bytes, topic, payload, out.retain, id);
                Written::Yes
            }
            Voice::Five(five) => five.publish(&mut self.bytes, out, id, now),
        }
    }

    /// PUBACK, or in MQTT 3.1.1 for a message that was not taken nothing: it has no word for that.
    pub fn puback(&mut self, id: PacketId, reason: AckReason) {
        match &self.voice {
            Voice::Four if !reason.is_success() => {}
            Voice::Four => encode::puback(&mut self.bytes, id),
            Voice::Five(five) => five::puback(&mut self.bytes, id, five.why(reason), five.packet_bytes),
        }
    }

    /// PUBREC; see `puback`.
    pub fn pubrec(&mut self, id: PacketId, reason: AckReason) {
        match &self.voice {
            Voice::Four if !reason.is_success() => {}
            Voice::Four => encode::pubrec(&mut self.bytes, id),
            Voice::Five(five) => five::pubrec(&mut self.bytes, id, five.why(reason), five.packet_bytes),
        }
    }

    /// PUBREL.
    pub fn pubrel(&mut self, id: PacketId, reason: ReleaseReason) {
        match &self.voice {
            Voice::Four => encode::pubrel(&mut self.bytes, id),
            Voice::Five(_) => five::pubrel(&mut self.bytes, id, reason),
        }
    }

    /// PUBCOMP.
    pub fn pubcomp(&mut self, id: PacketId, reason: ReleaseReason) {
        match &self.voice {
            Voice::Four => encode::pubcomp(&mut self.bytes, id),
            Voice::Five(_) => five::pubcomp(&mut self.bytes, id, reason),
        }
    }

    /// SUBACK: for each filter the granted QoS, or why it was refused.
    pub fn suback(&mut self, id: PacketId, granted: &[Result<QoS, SubscribeReason>]) -> Written {
        match &self.voice {
            Voice::Four => encode::suback(&mut self.bytes, id, granted),
            Voice::Five(five) if five::answer_bytes(granted.len()) > five.packet_bytes => return Written::No,
            Voice::Five(_) => five::suback(&mut self.bytes, id, granted),
        }
        Written::Yes
    }

    /// UNSUBACK: what became of each filter.
    pub fn unsuback(&mut self, id: PacketId, ended: &[UnsubscribeReason]) -> Written {
        match &self.voice {
            Voice::Four => encode::unsuback(&mut self.bytes, id),
            Voice::Five(five) if five::answer_bytes(ended.len()) > five.packet_bytes => return Written::No,
            Voice::Five(_) => five::unsuback(&mut self.bytes, id, ended),
        }
        Written::Yes
    }

    /// PINGRESP.
    pub fn pingresp(&mut self) {
        encode::pingresp(&mut self.bytes);
    }

    /// DISCONNECT, which MQTT 3.1.1 servers do not send.
    pub fn disconnect(&mut self, reason: DisconnectReason, text: &str) {
        if let Voice::Five(five) = &self.voice {
            five::disconnect(&mut self.bytes, Why { reason, text: Some(text) }, five.packet_bytes);
        }
    }

    /// Gives back memory that is not needed.
    pub fn shrink(&mut self) {
        self.bytes = BytesMut::from(&self.bytes[..]);
    }
}

/// Bytes of one packet that the client can take.
pub fn packet_bytes(terms: &Terms) -> usize {
    terms.packet_bytes.map_or(usize::MAX, |bytes| usize::try_from(bytes.get()).unwrap_or(usize::MAX))
}

impl Five {
    fn why(&self, reason: AckReason) -> Why<'static, AckReason> {
        let text = if self.reasons == Reasons::Told { reason.text() } else { None };
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
        if outbound.bytes() > self.packet_bytes && matches!(outbound.alias, Named::Defining(_)) {
            // Without the alias it may just fit.
            outbound.alias = Named::Fully;
        }
        if outbound.bytes() > self.packet_bytes {
            return Written::No;
        }
        outbound.write(bytes);
        if let Named::Defining(alias) = outbound.alias {
            self.aliases.define(topic, alias);
        }
        Written::Yes
    }
}
