//! One connected client: what it sends, and what the broker answers.

use crate::access::{Action, may};
use crate::decode::frame;
use crate::door::Door;
use crate::encode;
use crate::message::Draft;
use crate::packet::{Delivery, Packet, PacketId, Publish, QoS};
use crate::principal::Principal;
use crate::session::Session;
use crate::state::{Filled, TakingIn};
use crate::topic::{check_filter, check_name};
use bytes::{Buf, BytesMut};
use std::sync::Arc;

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The client said goodbye: no will.
    Goodbye,
    /// The socket is closed or broken.
    Closed,
    /// The client sent what is not MQTT, or not allowed in it.
    Malformed,
    /// The client published where it may not; MQTT 3.1.1 has no other word for that than closing.
    Refused,
    /// The client was not heard of for too long.
    Silent,
    /// The client does not read what it is sent.
    NotReading,
    /// The client has connected again.
    TakenOver,
    /// The session was ended from outside, or has run over.
    Over,
    /// The router is gone.
    Dead,
}

/// A connected client, without its socket.
pub struct Client<'d> {
    door: &'d Door,
    principal: &'d Principal,
    session: Arc<Session>,
    packet_bytes: usize,
    /// What is ready to be written.
    pub out: BytesMut,
}

/// What a packet asks for that takes time.
enum Step {
    /// Nothing.
    Done,
    /// To publish this, and then to answer.
    Publish(Draft, Delivery),
    /// To end the connection.
    End(End),
}

impl<'d> Client<'d> {
    /// A client that has been let in.
    pub fn new(door: &'d Door, principal: &'d Principal, session: Arc<Session>) -> Self {
        let packet_bytes = door.limits.quota(principal).packet_bytes;
        Self { door, principal, session, packet_bytes, out: BytesMut::new() }
    }

    /// Adds to `out` what the session may be sent.
    pub fn fill(&mut self) -> Filled {
        self.door.fill(&self.session, &mut self.out)
    }

    /// Takes in every packet that has arrived completely. `Err` is the end of the connection.
    pub async fn take_in(&mut self, input: &mut BytesMut) -> Result<(), End> {
        while let Some(frame) = frame(input, self.packet_bytes).map_err(|_| End::Malformed)? {
            let (step, bytes) = (self.step(frame.packet().map_err(|_| End::Malformed)?), frame.bytes);
            input.advance(bytes);
            match step {
                Step::Done => {}
                Step::End(end) => return Err(end),
                Step::Publish(draft, delivery) => {
                    self.door.publish(draft).await.map_err(|_| End::Dead)?;
                    self.confirm(delivery);
                }
            }
        }
        Ok(())
    }

    fn step(&mut self, packet: Packet<'_>) -> Step {
        let out = &mut self.out;
        match packet {
            Packet::Publish(publish) => return self.publish(&publish),
            Packet::PubAck(id) => self.session.state().acknowledged(id),
            Packet::PubRec(id) => self.session.state().received(id, out),
            Packet::PubComp(id) => self.session.state().completed(id),
            Packet::PubRel(id) => {
                self.session.state().released(id);
                encode::pubcomp(out, id);
            }
            Packet::Subscribe(id, filters) => return self.subscribe(id, &filters),
            Packet::Unsubscribe(id, filters) => {
                filters.into_iter().for_each(|filter| self.door.unsubscribe(&self.session, filter));
                encode::unsuback(out, id);
            }
            Packet::Ping => encode::pingresp(out),
            Packet::Disconnect => return Step::End(End::Goodbye),
        }
        Step::Done
    }

    fn publish(&mut self, publish: &Publish<'_>) -> Step {
        let Publish { topic, payload, retain, delivery } = *publish;
        if check_name(topic, &self.door.limits).is_err() {
            return Step::End(End::Malformed);
        }
        if !may(self.principal, Action::Publish { topic, retain }) {
            return Step::End(End::Refused);
        }
        if let Delivery::Two(id) = delivery {
            match self.session.state().taking_in(id) {
                TakingIn::New => {}
                TakingIn::Known => {
                    encode::pubrec(&mut self.out, id);
                    return Step::Done;
                }
                TakingIn::TooMany => return Step::End(End::Malformed),
            }
        }
        Step::Publish(Draft::message(topic, payload, delivery.qos(), retain), delivery)
    }

    /// Answers a publish that has its place in its lane.
    fn confirm(&mut self, delivery: Delivery) {
        match delivery {
            Delivery::Zero => {}
            Delivery::One(id) => encode::puback(&mut self.out, id),
            Delivery::Two(id) => {
                self.session.state().taken_in(id);
                encode::pubrec(&mut self.out, id);
            }
        }
    }

    fn subscribe(&mut self, id: PacketId, filters: &[(&str, QoS)]) -> Step {
        let mut granted = Vec::with_capacity(filters.len());
        for &(filter, qos) in filters {
            if check_filter(filter, &self.door.limits).is_err() {
                return Step::End(End::Malformed);
            }
            let allowed = may(self.principal, Action::Subscribe { filter });
            let answer = if allowed { self.door.subscribe(&self.session, filter, qos) } else { None };
            if answer.is_none() {
                self.door.tally.refused.add();
            }
            granted.push(answer);
        }
        encode::suback(&mut self.out, id, &granted);
        Step::Done
    }
}
