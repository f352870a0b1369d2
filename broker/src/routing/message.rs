//! A message on its way through the broker, and its envelope: the one opaque payload that the router sees.

use crate::codec::packet::QoS;
use crate::codec::properties::Properties;
use crate::observe::clock::Moment;
use bytes::Bytes;

/// How many lanes there are; see `lane`.
pub const LANES: usize = 4;

/// Before topic, properties and payload: kind, flags, and from here on counter, spent, expiry, publisher, and the
/// lengths of topic and properties.
const COUNTER: usize = 2;
const SPENT: usize = COUNTER + 8;
const EXPIRES: usize = SPENT + 8;
const PUBLISHER: usize = EXPIRES + 8;
const TOPIC_BYTES: usize = PUBLISHER + 8;
const LASTING_BYTES: usize = TOPIC_BYTES + 2;
const HEADER: usize = LASTING_BYTES + 4;

/// The publisher of a message: the same number for the same client id and login, whatever became of its sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Publisher(pub u64);

/// A message with its place in the order of its lane. Cheap to clone and to share: topic and payload are slices
/// of one allocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    topic: Bytes,
    /// The payload, empty for a cleared retained topic.
    pub payload: Bytes,
    /// The properties that are passed on as they are, as `Properties::write_lasting` wrote them.
    pub lasting: Bytes,
    /// When it expires.
    pub expires: Option<Moment>,
    /// Its publisher; zero for the broker itself.
    pub publisher: Publisher,
    /// QoS of the publish; a subscriber gets the lower of this and its own.
    pub qos: QoS,
    /// Whether it was published to be retained.
    pub retain: bool,
    /// Its lane.
    pub lane: Lane,
    /// Its number within the lane, from 1 on without gaps.
    pub counter: u64,
}

impl Message {
    /// The topic name.
    pub fn topic(&self) -> &str {
        std::str::from_utf8(&self.topic).expect("a message is only made from a topic that was text")
    }

    /// The topic name's bytes.
    pub fn topic_bytes(&self) -> &[u8] {
        &self.topic
    }

    /// What it counts against a queue.
    pub fn bytes(&self) -> usize {
        self.topic.len() + self.payload.len() + self.lasting.len()
    }

    /// Whether it has expired.
    pub fn is_expired(&self, now: Moment) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

#[cfg(test)]
impl Message {
    /// As it would come out of its lane with this counter.
    pub fn sample(
        topic: &str,
        payload: &str,
        qos: QoS,
        retain: bool,
        counter: u64,
    ) -> std::sync::Arc<Message> {
        let draft = Draft::message(topic, payload.as_bytes(), qos, retain, &Properties::default());
        let lane = draft.lane;
        match open(lane, &draft.stamp(counter, 0, Moment::of_ms(1))).expect("an envelope").envelope {
            Envelope::Message(message) => message.into(),
            Envelope::Probe => panic!("a message"),
        }
    }
}

/// Which lane a topic belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lane(u8);

impl Lane {
    /// Every lane.
    pub fn all() -> impl Iterator<Item = Lane> {
        (0..LANES as u8).map(Lane)
    }

    /// As an index below `LANES`.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    /// The lane of a topic name: chosen by its first two levels, so that everything of one location under one
    /// root is in one order.
    pub fn of_topic(name: &str) -> Lane {
        let end = name.match_indices('/').nth(1).map_or(name.len(), |(at, _)| at);
        Lane::of_prefix(&name[..end])
    }

    /// The lane whose topics a filter can match; `None` when it can match topics of every lane.
    pub fn of_filter(filter: &str) -> Option<Lane> {
        let end = filter.match_indices('/').nth(1).map_or(filter.len(), |(at, _)| at);
        let prefix = &filter[..end];
        if prefix.contains(['+', '#']) { None } else { Some(Lane::of_prefix(prefix)) }
    }

    /// FNV-1a (Fowler, Noll, Vo) of 64 bits, with a step of MurmurHash3's finaliser: names that differ only in
    /// their last characters differ only in FNV's low bits.
    fn of_prefix(prefix: &str) -> Lane {
        let hash = prefix.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        });
        let mixed = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        Lane(((mixed >> 33) % LANES as u64) as u8)
    }
}

/// What the router carries.
#[derive(Debug, PartialEq, Eq)]
pub enum Envelope {
    /// A published message.
    Message(Message),
    /// The broker's own probe.
    Probe,
}

/// An envelope that waits for its place in a lane.
pub struct Draft {
    bytes: Vec<u8>,
    /// Its lane.
    pub lane: Lane,
    /// Seconds from its stamp until it expires.
    expiry_s: Option<u32>,
}

impl Draft {
    /// Wraps a message. The topic has been checked.
    pub fn message(
        topic: &str,
        payload: &[u8],
        qos: QoS,
        retain: bool,
        properties: &Properties<'_>,
    ) -> Draft {
        let lasting = properties.lasting_bytes();
        let mut draft = Draft::new(Lane::of_topic(topic), HEADER + topic.len() + lasting + payload.len());
        draft.expiry_s = properties.expiry_s;
        draft.bytes.resize(HEADER, 0);
        draft.bytes[1] = qos as u8 | u8::from(retain) << 2;
        let topic_bytes = u16::try_from(topic.len()).expect("a topic is at most 65,535 bytes on the wire");
        draft.bytes[TOPIC_BYTES..][..2].copy_from_slice(&topic_bytes.to_be_bytes());
        let lasting_bytes = u32::try_from(lasting).expect("a packet is at most 256 MB on the wire");
        draft.bytes[LASTING_BYTES..][..4].copy_from_slice(&lasting_bytes.to_be_bytes());
        draft.bytes.extend(topic.as_bytes());
        properties.write_lasting(&mut draft.bytes);
        draft.bytes.extend(payload);
        draft
    }

    /// A probe of this lane.
    pub fn probe(lane: Lane) -> Draft {
        let mut draft = Draft::new(lane, HEADER);
        draft.bytes.resize(HEADER, 0);
        draft.bytes[0] = 1;
        draft
    }

    fn new(lane: Lane, bytes: usize) -> Draft {
        Draft { bytes: Vec::with_capacity(bytes), lane, expiry_s: None }
    }

    /// The same, published by this client.
    pub fn by(mut self, publisher: Publisher) -> Draft {
        self.bytes[PUBLISHER..][..8].copy_from_slice(&publisher.0.to_be_bytes());
        self
    }

    /// Bytes of the envelope.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Gives the envelope its number within the lane, the sum of what the lane has accepted so far, and, if it is
    /// to expire, the moment when.
    pub fn stamp(mut self, counter: u64, spent: u64, now: Moment) -> Bytes {
        let expires = self.expiry_s.map_or(0, |seconds| now.plus_s(seconds).ms());
        for (at, number) in [(COUNTER, counter), (SPENT, spent), (EXPIRES, expires)] {
            self.bytes[at..][..8].copy_from_slice(&number.to_be_bytes());
        }
        self.bytes.into()
    }
}

/// An envelope as it comes out of the router.
pub struct Opened {
    /// What was in it.
    pub envelope: Envelope,
    /// Its number within the lane.
    pub counter: u64,
    /// What the lane had accepted when it was stamped, itself included.
    pub spent: u64,
}

/// Opens an envelope; `None` for bytes that no `Draft` made.
pub fn open(lane: Lane, bytes: &Bytes) -> Option<Opened> {
    let number = |at: usize| Some(u64::from_be_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
    let (counter, spent, expires) = (number(COUNTER)?, number(SPENT)?, number(EXPIRES)?);
    let topic_bytes = u16::from_be_bytes(bytes.get(TOPIC_BYTES..LASTING_BYTES)?.try_into().ok()?);
    let lasting_bytes = u32::from_be_bytes(bytes.get(LASTING_BYTES..HEADER)?.try_into().ok()?);
    let lasting = HEADER + usize::from(topic_bytes);
    let payload = lasting + usize::try_from(lasting_bytes).ok()?;
    let envelope = match bytes[0] {
        1 => Envelope::Probe,
        0 if payload <= bytes.len() => Envelope::Message(Message {
            topic: bytes.slice(HEADER..lasting),
            // An empty slice is not a share of the allocation, and costs nothing to clone.
            lasting: if lasting == payload { Bytes::new() } else { bytes.slice(lasting..payload) },
            payload: bytes.slice(payload..),
            expires: (expires > 0).then(|| Moment::of_ms(expires)),
            publisher: Publisher(number(PUBLISHER)?),
            qos: QoS::from_bits(bytes[1] & 3)?,
            retain: bytes[1] & 4 != 0,
            lane,
            counter,
        }),
        _ => return None,
    };
    Some(Opened { envelope, counter, spent })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_is_opened_as_it_was_wrapped() {
        for (topic, payload, qos, retain) in [
            ("a/b/c", &b"x"[..], QoS::Zero, false),
            ("é", b"", QoS::One, true),
            ("t", &[0; 70_000], QoS::Two, true),
        ] {
            let properties = Properties {
                expiry_s: (qos == QoS::One).then_some(3),
                content_type: retain.then_some("text"),
                ..Properties::default()
            };
            let draft = Draft::message(topic, payload, qos, retain, &properties).by(Publisher(5));
            let lane = draft.lane;
            let opened = open(lane, &draft.stamp(7, 9, Moment::of_ms(100))).unwrap();
            assert_eq!((opened.counter, opened.spent), (7, 9));
            let Envelope::Message(message) = opened.envelope else { panic!("a message") };
            assert_eq!(message.topic(), topic);
            assert_eq!((&message.payload[..], message.qos, message.retain), (payload, qos, retain));
            assert_eq!(message.lasting[..], if retain { &b"\x03\x00\x04text"[..] } else { b"" }[..]);
            assert_eq!(message.expires, (qos == QoS::One).then(|| Moment::of_ms(3100)));
            assert_eq!(message.publisher, Publisher(5));
        }
        for lane in Lane::all() {
            assert_eq!(
                open(lane, &Draft::probe(lane).stamp(1, 1, Moment::of_ms(1))).unwrap().envelope,
                Envelope::Probe
            );
        }
        assert!(open(Lane(0), &Bytes::from_static(b"short")).is_none());
    }

    #[test]
    fn a_filter_looks_into_the_lane_of_every_topic_it_matches() {
        let names = [
            "a",
            "a/",
            "a/b",
            "a/b/c",
            "a/b/c/d",
            "x/y",
            "x/y/z",
            "store/L1/customers/f",
            "store/L2/visits/e",
        ];
        let filters =
            ["a", "a/#", "a/b", "a/b/#", "+/b/c", "a/+/c", "#", "store/L1/customers/#", "store/L2/+/e"];
        for filter in filters {
            for name in names.iter().filter(|name| crate::routing::topic::matches(filter, name)) {
                let lane = Lane::of_filter(filter);
                assert!(lane.is_none_or(|lane| lane == Lane::of_topic(name)), "{filter} {name}");
            }
        }
        let used: std::collections::HashSet<_> =
            (0..100).map(|n| Lane::of_topic(&format!("store/L{n}/customers"))).collect();
        assert_eq!(used.len(), LANES, "locations are spread over the lanes");
    }
}
