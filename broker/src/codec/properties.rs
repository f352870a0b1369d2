//! The properties of MQTT 5.0: what stands in a property section, and what of it travels with a message.
//!
//! A section is checked once, when its packet is decoded, and each packet's properties become fields of their
//! own. User properties, of which there may be any number, stay where they are: a checked slice to walk along.

use super::error::Fault;
use super::fields::Fields;
use bytes::BufMut;
use std::num::{NonZeroU16, NonZeroU32};

/// A subscriber's number for a subscription.
pub type SubscriptionId = NonZeroU32;

/// A number that stands for a topic name within one connection and direction.
pub type Alias = NonZeroU16;

/// How a PUBLISH names its topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AliasedTopic<'a> {
    /// By its name.
    Name(&'a str),
    /// By its name, for which the alias stands from now on.
    Defines(&'a str, Alias),
    /// By an alias given before.
    Alias(Alias),
}

/// What a payload says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PayloadFormat {
    /// Bytes.
    Bytes = 0,
    /// UTF-8 text.
    Text = 1,
}

/// What travels with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Properties<'a> {
    /// What the payload says it is.
    pub format: Option<PayloadFormat>,
    /// Seconds until the message expires.
    pub expiry_s: Option<u32>,
    /// What the content is.
    pub content_type: Option<&'a str>,
    /// Where to answer to.
    pub response_topic: Option<&'a str>,
    /// What the answer belongs to.
    pub correlation: Option<&'a [u8]>,
    /// Pairs of name and value.
    pub user: UserProperties<'a>,
}

/// The user properties of a section that has been checked; they compare by what they say.
#[derive(Debug, Clone, Copy, Default)]
pub struct UserProperties<'a> {
    section: Section<'a>,
}

impl<'a> UserProperties<'a> {
    /// All pairs, in their order.
    pub fn pairs(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let mut section = self.section;
        std::iter::from_fn(move || section.next().ok().flatten()).filter_map(|property| match property {
            Property::User(name, value) => Some((name, value)),
            _ => None,
        })
    }
}

impl PartialEq for UserProperties<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.pairs().eq(other.pairs())
    }
}

impl Eq for UserProperties<'_> {}

/// A section of properties that is being read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Section<'a> {
    fields: Fields<'a>,
}

/// One property, of those that a client may send at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Property<'a> {
    Format(PayloadFormat),
    Expiry(u32),
    ContentType(&'a str),
    ResponseTopic(&'a str),
    Correlation(&'a [u8]),
    SubscriptionId(SubscriptionId),
    SessionExpiry(u32),
    AuthenticationMethod(&'a str),
    AuthenticationData(&'a [u8]),
    RequestProblem(bool),
    WillDelay(u32),
    RequestResponse(bool),
    Reason(&'a str),
    ReceiveMax(NonZeroU16),
    AliasMax(u16),
    Alias(Alias),
    User(&'a str, &'a str),
    PacketMax(NonZeroU32),
}

impl<'a> Section<'a> {
    /// The section that begins here.
    pub fn read(fields: &mut Fields<'a>) -> Result<Section<'a>, Fault> {
        let bytes = fields.variable()?;
        let bytes = usize::try_from(bytes).map_err(|_| crate::codec::error::Malformed::Length)?;
        Ok(Section { fields: Fields(fields.take(bytes)?) })
    }

    /// The next property; `None` at the end.
    pub fn next(&mut self) -> Result<Option<Property<'a>>, Fault> {
        let fields = &mut self.fields;
        if fields.is_empty() {
            return Ok(None);
        }
        Ok(Some(match fields.variable()? {
            0x01 if flag(fields)? => Property::Format(PayloadFormat::Text),
            0x01 => Property::Format(PayloadFormat::Bytes),
            0x02 => Property::Expiry(fields.long()?),
            0x03 => Property::ContentType(fields.text()?),
            0x08 => Property::ResponseTopic(fields.text()?),
            0x09 => Property::Correlation(fields.binary()?),
            0x0b => {
                let id = SubscriptionId::new(fields.variable()?).ok_or(Fault::Forbidden)?;
                Property::SubscriptionId(id)
            }
            0x11 => Property::SessionExpiry(fields.long()?),
            0x15 => Property::AuthenticationMethod(fields.text()?),
            0x16 => Property::AuthenticationData(fields.binary()?),
            0x17 => Property::RequestProblem(flag(fields)?),
            0x18 => Property::WillDelay(fields.long()?),
            0x19 => Property::RequestResponse(flag(fields)?),
            0x1f => Property::Reason(fields.text()?),
            0x21 => Property::ReceiveMax(NonZeroU16::new(fields.number()?).ok_or(Fault::Forbidden)?),
            0x22 => Property::AliasMax(fields.number()?),
            0x23 => Property::Alias(Alias::new(fields.number()?).ok_or(Fault::Alias)?),
            0x26 => Property::User(fields.text()?, fields.text()?),
            0x27 => Property::PacketMax(NonZeroU32::new(fields.long()?).ok_or(Fault::Forbidden)?),
            _ => return Err(Fault::Misplaced),
        }))
    }
}

fn flag(fields: &mut Fields<'_>) -> Result<bool, Fault> {
    match fields.byte()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Fault::Forbidden),
    }
}

/// Fills a place that may be filled once.
pub fn once<T>(place: &mut Option<T>, value: T) -> Result<(), Fault> {
    if place.replace(value).is_some() { Err(Fault::Repeated) } else { Ok(()) }
}

impl<'a> Properties<'a> {
    /// Whose user properties are those of this section.
    pub fn of_section(section: Section<'a>) -> Properties<'a> {
        Properties { user: UserProperties { section }, ..Properties::default() }
    }

    /// Accepts a property that travels with messages; any other is misplaced.
    pub fn accept(&mut self, property: Property<'a>) -> Result<(), Fault> {
        match property {
            Property::Format(format) => once(&mut self.format, format),
            Property::Expiry(seconds) => once(&mut self.expiry_s, seconds),
            Property::ContentType(text) => once(&mut self.content_type, text),
            Property::ResponseTopic(topic) if topic.is_empty() || topic.contains(['+', '#']) => {
                Err(Fault::Forbidden)
            }
            Property::ResponseTopic(topic) => once(&mut self.response_topic, topic),
            Property::Correlation(bytes) => once(&mut self.correlation, bytes),
            Property::User(..) => Ok(()),
            _ => Err(Fault::Misplaced),
        }
    }

    /// Writes those that are passed on as they are: all but the expiry, which changes while the message waits.
    pub fn write_lasting(&self, out: &mut impl BufMut) {
        if let Some(format) = self.format {
            out.put_slice(&[0x01, format as u8]);
        }
        for (id, text) in [(0x03, self.content_type), (0x08, self.response_topic)] {
            if let Some(text) = text {
                out.put_u8(id);
                put_binary(out, text.as_bytes());
            }
        }
        if let Some(bytes) = self.correlation {
            out.put_u8(0x09);
            put_binary(out, bytes);
        }
        for (name, value) in self.user.pairs() {
            out.put_u8(0x26);
            put_binary(out, name.as_bytes());
            put_binary(out, value.as_bytes());
        }
    }

    /// Bytes that `write_lasting` writes.
    pub fn lasting_bytes(&self) -> usize {
        let user: usize = self.user.pairs().map(|(name, value)| 5 + name.len() + value.len()).sum();
        let texts = [self.content_type, self.response_topic].into_iter().flatten().map(|text| 3 + text.len());
        let correlation = self.correlation.map_or(0, |bytes| 3 + bytes.len());
        user + texts.sum::<usize>() + correlation + self.format.map_or(0, |_| 2)
    }
}

/// Writes bytes behind their length.
pub fn put_binary(out: &mut impl BufMut, bytes: &[u8]) {
    out.put_u16(
        u16::try_from(bytes.len()).expect("no text or binary on the wire is longer than 65,535 bytes"),
    );
    out.put_slice(bytes);
}
