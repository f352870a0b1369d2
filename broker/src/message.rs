//! A message on its way through the broker, and its envelope: the one opaque payload that the router sees.

use crate::packet::QoS;
use bytes::Bytes;

/// How many lanes there are; see `lane`.
pub const LANES: usize = 4;

/// Before topic and payload: kind, flags, counter, spent, length of the topic.
const HEADER: usize = 1 + 1 + 8 + 8 + 2;

/// A message with its place in the order of its lane. Cheap to clone and to share: topic and payload are slices
/// of one allocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    topic: Bytes,
    /// The payload, empty for a cleared retained topic.
    pub payload: Bytes,
    /// QoS of the publish; a subscriber gets the lower of this and its own.
    pub qos: QoS,
    /// Whether it was published to be kept.
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
        self.topic.len() + self.payload.len()
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
        let draft = Draft::message(topic, payload.as_bytes(), qos, retain);
        let lane = draft.lane;
        match open(lane, &draft.stamp(counter, 0)).expect("an envelope").envelope {
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
    /// Somebody's message.
    Message(Message),
    /// The broker's own sign of life.
    Probe,
}

/// An envelope that waits for its place in a lane.
pub struct Draft {
    bytes: Vec<u8>,
    /// Its lane.
    pub lane: Lane,
}

impl Draft {
    /// Wraps a message. The topic has been checked.
    pub fn message(topic: &str, payload: &[u8], qos: QoS, retain: bool) -> Draft {
        let mut draft = Draft::new(Lane::of_topic(topic), HEADER + topic.len() + payload.len());
        draft.bytes.push(0);
        draft.bytes.push(qos as u8 | u8::from(retain) << 2);
        draft.bytes.extend([0; 16]);
        let topic_bytes = u16::try_from(topic.len()).expect("a topic is at most 65,535 bytes on the wire");
        draft.bytes.extend(topic_bytes.to_be_bytes());
        draft.bytes.extend(topic.as_bytes());
        draft.bytes.extend(payload);
        draft
    }

    /// A sign of life for this lane.
    pub fn probe(lane: Lane) -> Draft {
        let mut draft = Draft::new(lane, HEADER);
        draft.bytes.resize(HEADER, 0);
        draft.bytes[0] = 1;
        draft
    }

    fn new(lane: Lane, bytes: usize) -> Draft {
        Draft { bytes: Vec::with_capacity(bytes), lane }
    }

    /// Bytes of the envelope.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Gives the envelope its number within the lane, and the sum of what the lane has let in so far.
    pub fn stamp(mut self, counter: u64, spent: u64) -> Bytes {
        self.bytes[2..10].copy_from_slice(&counter.to_be_bytes());
        self.bytes[10..18].copy_from_slice(&spent.to_be_bytes());
        self.bytes.into()
    }
}

/// An envelope as it comes out of the router.
pub struct Opened {
    /// What was in it.
    pub envelope: Envelope,
    /// Its number within the lane.
    pub counter: u64,
    /// What the lane had let in when it was stamped, itself included.
    pub spent: u64,
}

/// Opens an envelope; `None` for bytes that no `Draft` made.
pub fn open(lane: Lane, bytes: &Bytes) -> Option<Opened> {
    let number = |at: usize| Some(u64::from_be_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
    let (counter, spent) = (number(2)?, number(10)?);
    let topic_bytes = u16::from_be_bytes(bytes.get(18..20)?.try_into().ok()?);
    let payload = HEADER + usize::from(topic_bytes);
    let envelope = match bytes[0] {
        1 => Envelope::Probe,
        0 if payload <= bytes.len() => Envelope::Message(Message {
            topic: bytes.slice(HEADER..payload),
            payload: bytes.slice(payload..),
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
            let draft = Draft::message(topic, payload, qos, retain);
            let lane = draft.lane;
            let opened = open(lane, &draft.stamp(7, 9)).unwrap();
            assert_eq!((opened.counter, opened.spent), (7, 9));
            let Envelope::Message(message) = opened.envelope else { panic!("a message") };
            assert_eq!(message.topic(), topic);
            assert_eq!((&message.payload[..], message.qos, message.retain), (payload, qos, retain));
        }
        for lane in Lane::all() {
            assert_eq!(open(lane, &Draft::probe(lane).stamp(1, 1)).unwrap().envelope, Envelope::Probe);
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
            for name in names.iter().filter(|name| crate::topic::matches(filter, name)) {
                let lane = Lane::of_filter(filter);
                assert!(lane.is_none_or(|lane| lane == Lane::of_topic(name)), "{filter} {name}");
            }
        }
        let used: std::collections::HashSet<_> =
            (0..100).map(|n| Lane::of_topic(&format!("store/L{n}/customers"))).collect();
        assert_eq!(used.len(), LANES, "locations are spread over the lanes");
    }
}
