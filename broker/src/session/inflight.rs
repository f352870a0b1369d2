//! What has been sent to a client with QoS 1 or 2 and is not done yet. Packet ids are the broker's own; acks may
//! come in any order; what is left when the client goes is sent again, in order, when it comes back.

use super::outgoing::Outgoing;
use super::write_buffer::{WriteBuffer, Written};
use crate::codec::encode::Dup;
use crate::codec::fields::PacketId;
use crate::codec::packet::QoS;
use crate::codec::reason::ReleaseReason;
use crate::observe::clock::Moment;
use std::collections::VecDeque;

/// Messages in flight, oldest first.
#[derive(Debug, Default)]
pub struct Inflight {
    messages: VecDeque<InflightMessage>,
    /// How many of them are still to be resent on this connection.
    to_resend: usize,
    /// The id given last.
    last_id: u16,
}

#[derive(Debug)]
struct InflightMessage {
    id: PacketId,
    outgoing: Outgoing,
    phase: Phase,
    /// Still to be resent on this connection.
    resend: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// PUBLISH sent.
    Published,
    /// QoS 2: the client has it; PUBREL sent.
    Released,
}

impl Inflight {
    /// Messages that are in flight on this connection.
    pub fn len(&self) -> usize {
        self.messages.len() - self.to_resend
    }

    /// Sends a message for the first time. One that is too large for the client is not in flight.
    pub fn send(&mut self, outgoing: Outgoing, out: &mut WriteBuffer, now: Moment) -> Written {
        let id = self.free_id();
        let message = InflightMessage { id, outgoing, phase: Phase::Published, resend: false };
        let written = message.write(Dup::First, out, now);
        if written == Written::Yes {
            self.messages.push_back(message);
        }
        written
    }

    fn free_id(&mut self) -> PacketId {
        loop {
            self.last_id = self.last_id.wrapping_add(1);
            match PacketId::new(self.last_id) {
                // Far fewer messages are in flight than there are ids, so this ends.
                Some(id) if self.messages.iter().all(|message| message.id != id) => return id,
                _ => {}
            }
        }
    }

    /// The client has connected again: everything in flight is to be resent.
    pub fn resend_all(&mut self) {
        self.messages.iter_mut().for_each(|message| message.resend = true);
        self.to_resend = self.messages.len();
    }

    /// Resends the oldest of those; `false` when there is none left, or no room for it among `room` messages. One that
    /// is too large for the client by now is dropped.
    pub fn resend_next(&mut self, out: &mut WriteBuffer, room: usize, now: Moment) -> bool {
        if self.to_resend == 0 {
            return false;
        }
        let len = self.len();
        let Some(at) = self.messages.iter().position(|message| message.resend) else { return false };
        let message = &mut self.messages[at];
        // A release needs no room: its message has arrived.
        if message.phase == Phase::Published && len >= room {
            return false;
        }
        message.resend = false;
        self.to_resend -= 1;
        if message.write(Dup::Again, out, now) == Written::No {
            self.messages.remove(at);
        }
        true
    }

    /// PUBACK.
    pub fn acknowledged(&mut self, id: PacketId) -> Result<(), Mismatch> {
        self.end(id, |message| message.outgoing.qos == QoS::One)
    }

    /// PUBCOMP.
    pub fn completed(&mut self, id: PacketId) -> Result<(), Mismatch> {
        self.end(id, |message| message.phase == Phase::Released)
    }

    /// PUBREC of a message that was taken: answers with PUBREL. An id that is not known any more is released as
    /// well, so that the client can forget it.
    pub fn received(&mut self, id: PacketId, out: &mut WriteBuffer) -> Result<(), Mismatch> {
        let mut reason = ReleaseReason::UnknownId;
        if let Some(message) = self.messages.iter_mut().find(|message| message.id == id) {
            if message.outgoing.qos != QoS::Two {
                return Err(Mismatch);
            }
            message.phase = Phase::Released;
            self.to_resend -= usize::from(std::mem::take(&mut message.resend));
            reason = ReleaseReason::Success;
        }
        out.pubrel(id, reason);
        Ok(())
    }

    /// PUBREC of a message that was refused: it is done.
    pub fn refused(&mut self, id: PacketId) -> Result<(), Mismatch> {
        self.end(id, |message| message.outgoing.qos == QoS::Two)
    }

    /// An id that is not in flight was answered before, and is done.
    fn end(&mut self, id: PacketId, fits: impl Fn(&InflightMessage) -> bool) -> Result<(), Mismatch> {
        let Some(at) = self.messages.iter().position(|message| message.id == id) else { return Ok(()) };
        if !fits(&self.messages[at]) {
            return Err(Mismatch);
        }
        if let Some(message) = self.messages.remove(at) {
            self.to_resend -= usize::from(message.resend);
        }
        Ok(())
    }
}

/// An acknowledgement of another kind than the message in flight under its id awaits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mismatch;

impl InflightMessage {
    fn write(&self, dup: Dup, out: &mut WriteBuffer, now: Moment) -> Written {
        match self.phase {
            Phase::Published => out.publish(&self.outgoing, Some((self.id, self.outgoing.qos, dup)), now),
            Phase::Released => {
                out.pubrel(self.id, ReleaseReason::Success);
                Written::Yes
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::decode::frame;
    use crate::codec::packet::{ClientLimits, MqttVersion, Options};
    use crate::routing::message::Message;
    use crate::session::outgoing::Route;
    use std::num::NonZeroU32;

    fn outgoing(payload: &str, qos: QoS) -> Outgoing {
        Outgoing::live(Message::sample("t", payload, qos, false, 1), &Options::of_qos(qos), Route::Own)
    }

    fn now() -> Moment {
        Moment::of_ms(1)
    }

    fn write_buffer() -> WriteBuffer {
        WriteBuffer::new(MqttVersion::V4, 0)
    }

    /// What was written, one text a packet: type, flags, and the bytes after the topic.
    fn read(out: &mut WriteBuffer) -> Vec<String> {
        let mut seen = Vec::new();
        while let Some(packet) = frame(&out.bytes, 1000).unwrap() {
            let bytes = packet.bytes;
            let bytes = out.bytes.split_to(bytes);
            let id = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
            seen.push(match bytes[0] {
                0x62 => format!("release {}", id(2)),
                first => {
                    let dup = if first & 8 != 0 { " dup" } else { "" };
                    format!("{} {}{dup}", String::from_utf8_lossy(&bytes[7..]), id(5))
                }
            });
        }
        seen
    }

    fn id(number: u16) -> PacketId {
        PacketId::new(number).unwrap()
    }

    #[test]
    fn what_is_not_acknowledged_is_sent_again_in_order() {
        let (mut inflight, mut out) = (Inflight::default(), write_buffer());
        for payload in ["a", "b", "c", "d"] {
            inflight.send(outgoing(payload, QoS::One), &mut out, now());
        }
        assert_eq!(read(&mut out), ["a 1", "b 2", "c 3", "d 4"]);
        for known in [3, 1, 99] {
            assert_eq!(inflight.acknowledged(id(known)), Ok(()));
        }
        inflight.resend_all();
        assert_eq!(inflight.len(), 0);
        assert!(inflight.resend_next(&mut out, 1, now()));
        assert!(!inflight.resend_next(&mut out, 1, now()), "there is room for one");
        assert_eq!(inflight.acknowledged(id(2)), Ok(()));
        assert!(inflight.resend_next(&mut out, 1, now()));
        assert!(!inflight.resend_next(&mut out, 9, now()));
        assert_eq!(read(&mut out), ["b 2 dup", "d 4 dup"]);
        assert_eq!(inflight.len(), 1);
    }

    #[test]
    fn a_qos_2_message_is_released_once_received() {
        let (mut inflight, mut out) = (Inflight::default(), write_buffer());
        inflight.send(outgoing("a", QoS::Two), &mut out, now());
        inflight.send(outgoing("b", QoS::Two), &mut out, now());
        assert_eq!(inflight.acknowledged(id(1)), Err(Mismatch));
        assert_eq!(inflight.completed(id(1)), Err(Mismatch), "it comes too early");
        assert_eq!(inflight.len(), 2);
        assert_eq!(inflight.received(id(1), &mut out), Ok(()));
        assert_eq!(inflight.received(id(77), &mut out), Ok(()));
        assert_eq!(read(&mut out), ["a 1", "b 2", "release 1", "release 77"]);
        inflight.resend_all();
        while inflight.resend_next(&mut out, 9, now()) {}
        assert_eq!(read(&mut out), ["release 1", "b 2 dup"]);
        assert_eq!(inflight.completed(id(1)), Ok(()));
        assert_eq!(inflight.len(), 1);
        assert_eq!(inflight.refused(id(2)), Ok(()));
        assert_eq!(inflight.len(), 0, "a refused message is done");
    }

    #[test]
    fn a_qos_1_message_awaits_nothing_but_its_puback() {
        let (mut inflight, mut out) = (Inflight::default(), write_buffer());
        inflight.send(outgoing("a", QoS::One), &mut out, now());
        out.bytes.clear();
        assert_eq!(inflight.received(id(1), &mut out), Err(Mismatch));
        assert_eq!(inflight.refused(id(1)), Err(Mismatch));
        assert_eq!(inflight.completed(id(1)), Err(Mismatch));
        assert_eq!((inflight.len(), out.bytes.len()), (1, 0));
    }

    #[test]
    fn what_is_too_large_for_the_client_is_not_in_flight() {
        let limits = |bytes| ClientLimits { packet_bytes: NonZeroU32::new(bytes), ..ClientLimits::default() };
        let (mut inflight, mut out) = (Inflight::default(), WriteBuffer::new(MqttVersion::V5(limits(12)), 0));
        assert_eq!(inflight.send(outgoing("1234", QoS::One), &mut out, now()), Written::Yes);
        assert_eq!(inflight.send(outgoing("12345", QoS::One), &mut out, now()), Written::No);
        assert_eq!((inflight.len(), out.bytes.len()), (1, 12));
        // The client comes back and can take even less.
        let mut out = WriteBuffer::new(MqttVersion::V5(limits(11)), 0);
        inflight.resend_all();
        assert!(inflight.resend_next(&mut out, 9, now()));
        assert_eq!((inflight.len(), out.bytes.len()), (0, 0));
        assert!(!inflight.resend_next(&mut out, 9, now()));
    }

    #[test]
    fn an_id_in_use_is_not_given_again() {
        let (mut inflight, mut out) = (Inflight::default(), write_buffer());
        inflight.send(outgoing("first", QoS::One), &mut out, now());
        for _ in 0..70_000 {
            inflight.send(outgoing("x", QoS::One), &mut out, now());
            let newest = inflight.messages.back().unwrap().id;
            assert_ne!(newest, id(1));
            assert_eq!(inflight.acknowledged(newest), Ok(()));
            out.bytes.clear();
        }
    }
}
