//! What has been sent to a client with QoS 1 or 2 and is not done yet. Packet ids are the broker's own; acks may
//! come in any order; what is left when the client goes is sent again, in order, when it comes back.

use super::outgoing::Outgoing;
use super::write_buffer::{Outbox, Written};
use crate::codec::encode::Dup;
use crate::codec::fields::PacketId;
use crate::codec::packet::QoS;
use crate::codec::reason::ReleaseReason;
use crate::observe::clock::Moment;
use std::collections::VecDeque;

/// Messages in flight, oldest first.
#[derive(Debug, Default)]
pub struct Window {
    flights: VecDeque<Flight>,
    /// How many of them are still to be sent again on this connection.
    waiting: usize,
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
    /// Messages that are in flight on this connection.
    pub fn len(&self) -> usize {
        self.flights.len() - self.waiting
    }

    /// Sends a message for the first time. One that is too large for the client is not in flight.
    pub fn send(&mut self, outgoing: Outgoing, out: &mut Outbox, now: Moment) -> Written {
        let id = self.free_id();
        let flight = Flight { id, outgoing, phase: Phase::Published, again: false };
        let written = flight.write(Dup::First, out, now);
        if written == Written::Yes {
            self.flights.push_back(flight);
        }
        written
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
        self.waiting = self.flights.len();
    }

    /// Sends the oldest of those again; `false` when there is none left, or no room for it among `room` messages.
    /// One that is too large for the client by now is given up.
    pub fn send_again(&mut self, out: &mut Outbox, room: usize, now: Moment) -> bool {
        if self.waiting == 0 {
            return false;
        }
        let len = self.len();
        let Some(at) = self.flights.iter().position(|flight| flight.again) else { return false };
        let flight = &mut self.flights[at];
        // A release needs no room: its message has arrived.
        if flight.phase == Phase::Published && len >= room {
            return false;
        }
        flight.again = false;
        self.waiting -= 1;
        if flight.write(Dup::Again, out, now) == Written::No {
            self.flights.remove(at);
        }
        true
    }

    /// PUBACK.
    pub fn acknowledged(&mut self, id: PacketId) -> Result<(), Mismatch> {
        self.end(id, |flight| flight.outgoing.qos == QoS::One)
    }

    /// PUBCOMP.
    pub fn completed(&mut self, id: PacketId) -> Result<(), Mismatch> {
        self.end(id, |flight| flight.phase == Phase::Released)
    }

    /// PUBREC of a message that was taken: answers with PUBREL. An id that is not known any more is released as
    /// well, so that the client can forget it.
    pub fn received(&mut self, id: PacketId, out: &mut Outbox) -> Result<(), Mismatch> {
        let mut reason = ReleaseReason::UnknownId;
        if let Some(flight) = self.flights.iter_mut().find(|flight| flight.id == id) {
            if flight.outgoing.qos != QoS::Two {
                return Err(Mismatch);
            }
            flight.phase = Phase::Released;
            self.waiting -= usize::from(std::mem::take(&mut flight.again));
            reason = ReleaseReason::Success;
        }
        out.pubrel(id, reason);
        Ok(())
    }

    /// PUBREC of a message that was refused: it is done.
    pub fn refused(&mut self, id: PacketId) -> Result<(), Mismatch> {
        self.end(id, |flight| flight.outgoing.qos == QoS::Two)
    }

    /// An id that is not in flight was answered before, and is done.
    fn end(&mut self, id: PacketId, fits: impl Fn(&Flight) -> bool) -> Result<(), Mismatch> {
        let Some(at) = self.flights.iter().position(|flight| flight.id == id) else { return Ok(()) };
        if !fits(&self.flights[at]) {
            return Err(Mismatch);
        }
        if let Some(flight) = self.flights.remove(at) {
            self.waiting -= usize::from(flight.again);
        }
        Ok(())
    }
}

/// An acknowledgement of another kind than the message in flight under its id awaits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mismatch;

impl Flight {
    fn write(&self, dup: Dup, out: &mut Outbox, now: Moment) -> Written {
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
    use crate::codec::packet::{Dialect, Options, Terms};
    use crate::routing::message::Message;
    use crate::session::outgoing::Route;
    use std::num::NonZeroU32;

    fn outgoing(payload: &str, qos: QoS) -> Outgoing {
        Outgoing::live(Message::sample("t", payload, qos, false, 1), &Options::of_qos(qos), Route::Own)
    }

    fn now() -> Moment {
        Moment::of_ms(1)
    }

    fn outbox() -> Outbox {
        Outbox::new(Dialect::Four, 0)
    }

    /// What was written, one text a packet: type, flags, and the bytes after the topic.
    fn read(out: &mut Outbox) -> Vec<String> {
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
        let (mut window, mut out) = (Window::default(), outbox());
        for payload in ["a", "b", "c", "d"] {
            window.send(outgoing(payload, QoS::One), &mut out, now());
        }
        assert_eq!(read(&mut out), ["a 1", "b 2", "c 3", "d 4"]);
        for known in [3, 1, 99] {
            assert_eq!(window.acknowledged(id(known)), Ok(()));
        }
        window.begin_again();
        assert_eq!(window.len(), 0);
        assert!(window.send_again(&mut out, 1, now()));
        assert!(!window.send_again(&mut out, 1, now()), "there is room for one");
        assert_eq!(window.acknowledged(id(2)), Ok(()));
        assert!(window.send_again(&mut out, 1, now()));
        assert!(!window.send_again(&mut out, 9, now()));
        assert_eq!(read(&mut out), ["b 2 dup", "d 4 dup"]);
        assert_eq!(window.len(), 1);
    }

    #[test]
    fn a_qos_2_message_is_released_once_received() {
        let (mut window, mut out) = (Window::default(), outbox());
        window.send(outgoing("a", QoS::Two), &mut out, now());
        window.send(outgoing("b", QoS::Two), &mut out, now());
        assert_eq!(window.acknowledged(id(1)), Err(Mismatch));
        assert_eq!(window.completed(id(1)), Err(Mismatch), "it comes too early");
        assert_eq!(window.len(), 2);
        assert_eq!(window.received(id(1), &mut out), Ok(()));
        assert_eq!(window.received(id(77), &mut out), Ok(()));
        assert_eq!(read(&mut out), ["a 1", "b 2", "release 1", "release 77"]);
        window.begin_again();
        while window.send_again(&mut out, 9, now()) {}
        assert_eq!(read(&mut out), ["release 1", "b 2 dup"]);
        assert_eq!(window.completed(id(1)), Ok(()));
        assert_eq!(window.len(), 1);
        assert_eq!(window.refused(id(2)), Ok(()));
        assert_eq!(window.len(), 0, "a refused message is done");
    }

    #[test]
    fn a_qos_1_message_awaits_nothing_but_its_puback() {
        let (mut window, mut out) = (Window::default(), outbox());
        window.send(outgoing("a", QoS::One), &mut out, now());
        out.bytes.clear();
        assert_eq!(window.received(id(1), &mut out), Err(Mismatch));
        assert_eq!(window.refused(id(1)), Err(Mismatch));
        assert_eq!(window.completed(id(1)), Err(Mismatch));
        assert_eq!((window.len(), out.bytes.len()), (1, 0));
    }

    #[test]
    fn what_is_too_large_for_the_client_is_not_in_flight() {
        let terms = |bytes| Terms { packet_bytes: NonZeroU32::new(bytes), ..Terms::default() };
        let (mut window, mut out) = (Window::default(), Outbox::new(Dialect::Five(terms(12)), 0));
        assert_eq!(window.send(outgoing("1234", QoS::One), &mut out, now()), Written::Yes);
        assert_eq!(window.send(outgoing("12345", QoS::One), &mut out, now()), Written::No);
        assert_eq!((window.len(), out.bytes.len()), (1, 12));
        // The client comes back and can take even less.
        let mut out = Outbox::new(Dialect::Five(terms(11)), 0);
        window.begin_again();
        assert!(window.send_again(&mut out, 9, now()));
        assert_eq!((window.len(), out.bytes.len()), (0, 0));
        assert!(!window.send_again(&mut out, 9, now()));
    }

    #[test]
    fn an_id_in_use_is_not_given_again() {
        let (mut window, mut out) = (Window::default(), outbox());
        window.send(outgoing("first", QoS::One), &mut out, now());
        for _ in 0..70_000 {
            window.send(outgoing("x", QoS::One), &mut out, now());
            let newest = window.flights.back().unwrap().id;
            assert_ne!(newest, id(1));
            assert_eq!(window.acknowledged(newest), Ok(()));
            out.bytes.clear();
        }
    }
}
