//! What has been sent to a client with QoS 1 or 2 and is not done yet. Packet ids are the broker's own; acks may
//! come in any order; what is left when the client goes is sent again, in order, when it comes back.

use crate::encode::{self, Dup};
use crate::message::Message;
use crate::packet::{PacketId, QoS};
use bytes::BytesMut;
use std::collections::VecDeque;
use std::sync::Arc;

/// A message for one subscriber.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// The message.
    pub message: Arc<Message>,
    /// The lower of the message's QoS and the subscription's.
    pub qos: QoS,
    /// The retain flag as the subscriber sees it: set when the message was there before the subscription.
    pub retain: bool,
}

impl Outgoing {
    /// Writes it with QoS 0.
    pub fn write_once(&self, out: &mut BytesMut) {
        encode::publish(out, self.message.topic_bytes(), &self.message.payload, self.retain, None);
    }
}

/// Messages in flight, oldest first.
#[derive(Debug, Default)]
pub struct Window {
    flights: VecDeque<Flight>,
    /// The id given last.
    last_id: u16,
}

#[derive(Debug)]
struct Flight {
    id: PacketId,
    outgoing: Outgoing,
    phase: Phase,
    /// Still to be sent again on this connection.
    again: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// PUBLISH sent.
    Published,
    /// QoS 2: the client has it; PUBREL sent.
    Released,
}

impl Window {
    /// Messages in flight.
    pub fn len(&self) -> usize {
        self.flights.len()
    }

    /// Sends a message for the first time.
    pub fn send(&mut self, outgoing: Outgoing, out: &mut BytesMut) {
        let id = self.free_id();
        let flight = Flight { id, outgoing, phase: Phase::Published, again: false };
        flight.write(Dup::First, out);
        self.flights.push_back(flight);
    }

    fn free_id(&mut self) -> PacketId {
        loop {
            self.last_id = self.last_id.wrapping_add(1);
            match PacketId::new(self.last_id) {
                // The window is far smaller than the number of ids, so this ends.
                Some(id) if self.flights.iter().all(|flight| flight.id != id) => return id,
                _ => {}
            }
        }
    }

    /// The client is back: everything in flight is to be sent again.
    pub fn begin_again(&mut self) {
        self.flights.iter_mut().for_each(|flight| flight.again = true);
    }

    /// Sends the oldest of those again; `false` when there is none left.
    pub fn send_again(&mut self, out: &mut BytesMut) -> bool {
        let Some(flight) = self.flights.iter_mut().find(|flight| flight.again) else { return false };
        flight.again = false;
        flight.write(Dup::Again, out);
        true
    }

    /// PUBACK.
    pub fn acknowledged(&mut self, id: PacketId) {
        self.end(id, |flight| flight.outgoing.qos == QoS::One);
    }

    /// PUBCOMP.
    pub fn completed(&mut self, id: PacketId) {
        self.end(id, |flight| flight.phase == Phase::Released);
    }

    /// PUBREC: answers with PUBREL. An id that is not known any more is released as well, so that the client
    /// can forget it.
    pub fn received(&mut self, id: PacketId, out: &mut BytesMut) {
        if let Some(flight) = self.flights.iter_mut().find(|flight| flight.id == id)
            && flight.outgoing.qos == QoS::Two
        {
            flight.phase = Phase::Released;
            flight.again = false;
        }
        encode::pubrel(out, id);
    }

    fn end(&mut self, id: PacketId, fits: impl Fn(&Flight) -> bool) {
        if let Some(at) = self.flights.iter().position(|flight| flight.id == id && fits(flight)) {
            self.flights.remove(at);
        }
    }
}

impl Flight {
    fn write(&self, dup: Dup, out: &mut BytesMut) {
        let Outgoing { message, qos, retain } = &self.outgoing;
        match self.phase {
            Phase::Published => {
                let id = Some((self.id, *qos, dup));
                encode::publish(out, message.topic_bytes(), &message.payload, *retain, id);
            }
            Phase::Released => encode::pubrel(out, self.id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::frame;

    fn outgoing(payload: &str, qos: QoS) -> Outgoing {
        Outgoing { message: Message::sample("t", payload, qos, false, 1), qos, retain: false }
    }

    /// What was written, one text a packet: type, flags, and the bytes after the topic.
    fn read(out: &mut BytesMut) -> Vec<String> {
        let mut seen = Vec::new();
        while let Some(packet) = frame(out, 1000).unwrap() {
            let bytes = out.split_to(packet.bytes);
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
        let (mut window, mut out) = (Window::default(), BytesMut::new());
        for payload in ["a", "b", "c", "d"] {
            window.send(outgoing(payload, QoS::One), &mut out);
        }
        assert_eq!(read(&mut out), ["a 1", "b 2", "c 3", "d 4"]);
        window.acknowledged(id(3));
        window.acknowledged(id(1));
        window.acknowledged(id(99));
        window.begin_again();
        assert!(window.send_again(&mut out));
        window.acknowledged(id(2));
        assert!(window.send_again(&mut out));
        assert!(!window.send_again(&mut out));
        assert_eq!(read(&mut out), ["b 2 dup", "d 4 dup"]);
        assert_eq!(window.len(), 1);
    }

    #[test]
    fn a_qos_2_message_is_released_once_received() {
        let (mut window, mut out) = (Window::default(), BytesMut::new());
        window.send(outgoing("a", QoS::Two), &mut out);
        window.send(outgoing("b", QoS::Two), &mut out);
        window.acknowledged(id(1));
        window.completed(id(1));
        assert_eq!(window.len(), 2, "neither PUBACK nor an early PUBCOMP ends it");
        window.received(id(1), &mut out);
        window.received(id(77), &mut out);
        assert_eq!(read(&mut out), ["a 1", "b 2", "release 1", "release 77"]);
        window.begin_again();
        while window.send_again(&mut out) {}
        assert_eq!(read(&mut out), ["release 1", "b 2 dup"]);
        window.completed(id(1));
        assert_eq!(window.len(), 1);
    }

    #[test]
    fn an_id_in_use_is_not_given_again() {
        let (mut window, mut out) = (Window::default(), BytesMut::new());
        window.send(outgoing("first", QoS::One), &mut out);
        for _ in 0..70_000 {
            window.send(outgoing("x", QoS::One), &mut out);
            let newest = window.flights.back().unwrap().id;
            assert_ne!(newest, id(1));
            window.acknowledged(newest);
            out.clear();
        }
    }
}
