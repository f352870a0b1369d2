//! The packets after CONNECT.

use crate::codec::error::{Fault, Malformed};
use crate::codec::fields::Fields;
use crate::codec::packet::{
    Delivery, Disconnect, Options, Packet, Publish, QoS, SendRetained, Subscribe, WillOnDisconnect,
};
use crate::codec::properties::{AliasedTopic, Properties, Property, Section, once};
use crate::codec::reason::{AckReason, ClientDisconnectReason, ReleaseReason};

/// Decodes a packet after CONNECT: its first byte and its body.
pub fn packet(first: u8, body: &[u8]) -> Result<Packet<'_>, Fault> {
    let (kind, flags) = (first >> 4, first & 0x0f);
    let mut fields = Fields(body);
    if kind == 3 {
        return publish(flags, fields);
    }
    let expected = match kind {
        4 | 5 | 7 | 12 | 14 => 0,
        6 | 8 | 10 => 2,
        15 => return Err(Fault::Authentication),
        _ => return Err(Malformed::Type.into()),
    };
    if flags != expected {
        return Err(Malformed::Flags.into());
    }
    let packet = match kind {
        4 | 5 => {
            let id = fields.id()?;
            let reason = reason(&mut fields, AckReason::Success, AckReason::from_byte)?;
            if kind == 4 { Packet::PubAck(id, reason) } else { Packet::PubRec(id, reason) }
        }
        6 | 7 => {
            let id = fields.id()?;
            let reason = reason(&mut fields, ReleaseReason::Success, ReleaseReason::from_byte)?;
            if kind == 6 { Packet::PubRel(id, reason) } else { Packet::PubComp(id, reason) }
        }
        8 => Packet::Subscribe(subscribe(&mut fields)?),
        10 => {
            let id = fields.id()?;
            only_user(Section::read(&mut fields)?)?;
            Packet::Unsubscribe(id, filters(&mut fields)?)
        }
        12 => Packet::Ping,
        _ => Packet::Disconnect(disconnect(&mut fields)?),
    };
    fields.end()?;
    Ok(packet)
}

fn publish(flags: u8, mut fields: Fields<'_>) -> Result<Packet<'_>, Fault> {
    let qos = QoS::from_bits(flags >> 1 & 3).ok_or(Malformed::Value)?;
    let name = fields.text()?;
    let delivery = match qos {
        // A QoS 0 message is never sent again, so it cannot be a duplicate.
        QoS::Zero if flags & 0x08 != 0 => return Err(Malformed::Flags.into()),
        QoS::Zero => Delivery::Zero,
        QoS::One => Delivery::One(fields.id()?),
        QoS::Two => Delivery::Two(fields.id()?),
    };
    let mut section = Section::read(&mut fields)?;
    let (mut alias, mut properties) = (None, Properties::of_section(section));
    while let Some(property) = section.next()? {
        match property {
            Property::Alias(number) => once(&mut alias, number)?,
            // Only a server may send one.
            Property::SubscriptionId(_) => return Err(Fault::Forbidden),
            other => properties.accept(other)?,
        }
    }
    let topic = match (name, alias) {
        ("", None) => return Err(Fault::Forbidden),
        ("", Some(alias)) => AliasedTopic::Alias(alias),
        (name, Some(alias)) => AliasedTopic::Defines(name, alias),
        (name, None) => AliasedTopic::Name(name),
    };
    Ok(Packet::Publish(Publish {
        topic,
        payload: fields.rest(),
        retain: flags & 1 != 0,
        delivery,
        properties,
    }))
}

/// The reason of an acknowledgement: left out, it is `default`; so may be the properties behind it.
fn reason<R>(fields: &mut Fields<'_>, default: R, from_byte: fn(u8) -> Option<R>) -> Result<R, Fault> {
    if fields.is_empty() {
        return Ok(default);
    }
    let reason = from_byte(fields.byte()?).ok_or(Malformed::Value)?;
    if !fields.is_empty() {
        let (mut section, mut text) = (Section::read(fields)?, None);
        while let Some(property) = section.next()? {
            match property {
                Property::Reason(reason) => once(&mut text, reason)?,
                Property::User(..) => {}
                _ => return Err(Fault::Misplaced),
            }
        }
    }
    Ok(reason)
}

fn subscribe<'a>(fields: &mut Fields<'a>) -> Result<Subscribe<'a>, Fault> {
    let id = fields.id()?;
    let (mut section, mut identifier) = (Section::read(fields)?, None);
    while let Some(property) = section.next()? {
        match property {
            Property::SubscriptionId(number) => once(&mut identifier, number)?,
            Property::User(..) => {}
            _ => return Err(Fault::Misplaced),
        }
    }
    let mut filters = Vec::new();
    while !fields.is_empty() {
        let filter = fields.text()?;
        let options = Options { identifier, ..options(fields.byte()?)? };
        // A member of a group cannot know what the others have published.
        if options.no_local && filter.starts_with("$share/") {
            return Err(Fault::Forbidden);
        }
        filters.push((filter, options));
    }
    if filters.is_empty() { Err(Fault::Forbidden) } else { Ok(Subscribe { id, filters }) }
}

fn options(byte: u8) -> Result<Options, Fault> {
    let retained = match byte >> 4 & 3 {
        0 => SendRetained::Always,
        1 => SendRetained::IfNew,
        2 => SendRetained::Never,
        _ => return Err(Fault::Forbidden),
    };
    if byte & 0xc0 != 0 {
        return Err(Malformed::Value.into());
    }
    Ok(Options {
        qos: QoS::from_bits(byte & 3).ok_or(Fault::Forbidden)?,
        no_local: byte & 0x04 != 0,
        retain_as_published: byte & 0x08 != 0,
        retained,
        identifier: None,
    })
}

fn filters<'a>(fields: &mut Fields<'a>) -> Result<Vec<&'a str>, Fault> {
    let mut list = Vec::new();
    while !fields.is_empty() {
        list.push(fields.text()?);
    }
    if list.is_empty() { Err(Fault::Forbidden) } else { Ok(list) }
}

fn only_user(mut section: Section<'_>) -> Result<(), Fault> {
    while let Some(property) = section.next()? {
        if !matches!(property, Property::User(..)) {
            return Err(Fault::Misplaced);
        }
    }
    Ok(())
}

fn disconnect(fields: &mut Fields<'_>) -> Result<Disconnect, Fault> {
    let (mut session_expiry_s, mut text) = (None, None);
    let mut reason = ClientDisconnectReason::Normal;
    if !fields.is_empty() {
        reason = ClientDisconnectReason::from_byte(fields.byte()?).ok_or(Malformed::Value)?;
    }
    if !fields.is_empty() {
        let mut section = Section::read(fields)?;
        while let Some(property) = section.next()? {
            match property {
                Property::SessionExpiry(seconds) => once(&mut session_expiry_s, seconds)?,
                Property::Reason(reason) => once(&mut text, reason)?,
                Property::User(..) => {}
                _ => return Err(Fault::Misplaced),
            }
        }
    }
    let will = if reason == ClientDisconnectReason::Normal {
        WillOnDisconnect::Discard
    } else {
        WillOnDisconnect::Publish
    };
    Ok(Disconnect { will, session_expiry_s })
}
