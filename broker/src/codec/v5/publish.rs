//! PUBLISH as a server sends it.

use super::encode::{packet_bytes, variable_bytes};
use crate::codec::encode::{Dup, length};
use crate::codec::fields::PacketId;
use crate::codec::packet::QoS;
use crate::codec::properties::{Alias, SubscriptionId};
use bytes::{BufMut, BytesMut};

/// A message on its way to one client.
#[derive(Debug, Clone, Copy)]
pub struct Outbound<'a> {
    /// The topic name.
    pub topic: &'a [u8],
    /// The alias that stands for it.
    pub alias: TopicForm,
    /// The message.
    pub payload: &'a [u8],
    /// The retain flag.
    pub retain: bool,
    /// `None` exactly for QoS 0.
    pub id: Option<(PacketId, QoS, Dup)>,
    /// Seconds that the message has left.
    pub expiry_s: Option<u32>,
    /// The properties that are passed on as they are, as `Properties::write_lasting` wrote them.
    pub lasting: &'a [u8],
    /// The client's numbers of the subscriptions that brought it.
    pub identifiers: &'a [SubscriptionId],
}

/// How a topic is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TopicForm {
    /// By its name.
    Name,
    /// By its name, for which the alias stands from now on.
    NameAndAlias(Alias),
    /// By the alias only.
    AliasOnly(Alias),
}

impl Outbound<'_> {
    fn name(&self) -> &[u8] {
        if matches!(self.alias, TopicForm::AliasOnly(_)) { &[] } else { self.topic }
    }

    fn properties_bytes(&self) -> usize {
        let alias = if self.alias == TopicForm::Name { 0 } else { 3 };
        let identifiers: usize =
            self.identifiers.iter().map(|number| 1 + variable_bytes(number.get() as usize)).sum();
        alias + self.expiry_s.map_or(0, |_| 5) + self.lasting.len() + identifiers
    }

    fn body_bytes(&self) -> usize {
        let properties = self.properties_bytes();
        let id = if self.id.is_some() { 2 } else { 0 };
        2 + self.name().len() + id + variable_bytes(properties) + properties + self.payload.len()
    }

    /// Bytes of the packet.
    pub fn bytes(&self) -> usize {
        packet_bytes(self.body_bytes())
    }

    /// Writes the packet.
    pub fn write(&self, out: &mut BytesMut) {
        let bits = self.id.map_or(0, |(_, qos, dup)| (qos as u8) << 1 | u8::from(dup == Dup::Again) << 3);
        out.reserve(self.bytes());
        out.put_u8(0x30 | bits | u8::from(self.retain));
        length(out, self.body_bytes());
        let name = self.name();
        out.put_u16(u16::try_from(name.len()).expect("topics are checked to be short when they arrive"));
        out.put_slice(name);
        if let Some((id, ..)) = self.id {
            out.put_u16(id.get());
        }
        length(out, self.properties_bytes());
        if let TopicForm::NameAndAlias(alias) | TopicForm::AliasOnly(alias) = self.alias {
            out.put_u8(0x23);
            out.put_u16(alias.get());
        }
        if let Some(seconds) = self.expiry_s {
            out.put_u8(0x02);
            out.put_u32(seconds);
        }
        out.put_slice(self.lasting);
        for number in self.identifiers {
            out.put_u8(0x0b);
            length(out, number.get() as usize);
        }
        out.put_slice(self.payload);
    }
}
