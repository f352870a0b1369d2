//! CONNECT of MQTT 5.0.

use crate::codec::error::{Fault, Malformed};
use crate::codec::fields::Fields;
use crate::codec::packet::{ClientLimits, Connect, MqttVersion, QoS, ReasonStrings, WillPacket};
use crate::codec::properties::{Properties, Property, Section, once};

/// What stands behind the protocol's version.
pub fn connect(mut fields: Fields<'_>) -> Result<Connect<'_>, Fault> {
    let flags = fields.byte()?;
    let keep_alive_s = fields.number()?;
    let (has_will, qos, retain) = (flags & 0x04 != 0, flags >> 3 & 3, flags & 0x20 != 0);
    if flags & 0x01 != 0 || (!has_will && (qos != 0 || retain)) {
        return Err(Malformed::Flags.into());
    }
    let (session_expiry_s, limits) = limits(Section::read(&mut fields)?)?;
    let client_id = fields.text()?;
    let will = if has_will {
        let qos = QoS::from_bits(qos).ok_or(Malformed::Value)?;
        let (delay_s, properties) = will_properties(Section::read(&mut fields)?)?;
        Some(WillPacket {
            topic: fields.text()?,
            payload: fields.binary()?,
            qos,
            retain,
            delay_s,
            properties,
        })
    } else {
        None
    };
    let username = if flags & 0x80 != 0 { Some(fields.text()?) } else { None };
    let password = if flags & 0x40 != 0 { Some(fields.binary()?) } else { None };
    fields.end()?;
    let (version, clean_start) = (MqttVersion::V5(limits), flags & 0x02 != 0);
    Ok(Connect { version, client_id, clean_start, session_expiry_s, keep_alive_s, will, username, password })
}

fn limits(mut section: Section<'_>) -> Result<(u32, ClientLimits), Fault> {
    let (mut expiry, mut receive, mut packet, mut aliases) = (None, None, None, None);
    let (mut problem, mut response, mut method, mut data) = (None, None, None, None);
    while let Some(property) = section.next()? {
        match property {
            Property::SessionExpiry(seconds) => once(&mut expiry, seconds)?,
            Property::ReceiveMax(messages) => once(&mut receive, messages)?,
            Property::PacketMax(bytes) => once(&mut packet, bytes)?,
            Property::AliasMax(count) => once(&mut aliases, count)?,
            Property::RequestProblem(wanted) => once(&mut problem, wanted)?,
            // A server need not offer response topics, and this one does not.
            Property::RequestResponse(wanted) => once(&mut response, wanted)?,
            Property::AuthenticationMethod(name) => once(&mut method, name)?,
            Property::AuthenticationData(bytes) => once(&mut data, bytes)?,
            Property::User(..) => {}
            _ => return Err(Fault::Misplaced),
        }
    }
    match (method, data) {
        (None, None) => {}
        (Some(_), _) => return Err(Fault::Authentication),
        (None, Some(_)) => return Err(Fault::Forbidden),
    }
    let default = ClientLimits::default();
    let limits = ClientLimits {
        receive_max: receive.unwrap_or(default.receive_max),
        packet_bytes: packet,
        alias_max: aliases.unwrap_or(default.alias_max),
        reasons: if problem == Some(false) { ReasonStrings::Omitted } else { ReasonStrings::Sent },
    };
    Ok((expiry.unwrap_or(0), limits))
}

fn will_properties(mut section: Section<'_>) -> Result<(u32, Properties<'_>), Fault> {
    let (mut delay, mut properties) = (None, Properties::of_section(section));
    while let Some(property) = section.next()? {
        match property {
            Property::WillDelay(seconds) => once(&mut delay, seconds)?,
            other => properties.accept(other)?,
        }
    }
    Ok((delay.unwrap_or(0), properties))
}
