//! One connected client: what it sends, and what the broker answers.

use crate::access::{Action, may};
use crate::decode::frame;
use crate::door::Door;
use crate::encode;
use crate::message::Draft;
use crate::packet::{Delivery, Packet, PacketId, Publish, QoS};
use crate::principal::Principal;
use crate::rate::Rate;
use crate::session::Session;
use crate::state::{Filled, TakingIn};
use crate::topic::{check_filter, check_name};
use bytes::{Buf, BytesMut};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

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
    rate: Option<Rate>,
    /// What is ready to be written.
    pub out: BytesMut,
}

/// What a packet asks for that takes time.
enum Step {
    /// Nothing.
    Done,
    /// To publish this, and then to answer.
    Publish(Draft, Delivery),
    /// To ask a service about these rights, and then to look at the packet again.
    Ask(Vec<Question>),
    /// To end the connection.
    End(End),
}

/// A right that a service has to be asked about.
enum Question {
    Publish { topic: String, retain: bool },
    Subscribe { filter: String },
}

impl Question {
    fn action(&self) -> Action<'_> {
        match self {
            Question::Publish { topic, retain } => Action::Publish { topic, retain: *retain },
            Question::Subscribe { filter } => Action::Subscribe { filter },
        }
    }
}

/// Whether a service has been asked about the packet's rights. What it has not answered then is refused.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    Yes,
    No,
}

impl<'d> Client<'d> {
    /// A client that has been let in.
    pub fn new(door: &'d Door, principal: &'d Principal, session: Arc<Session>) -> Self {
        let quota = door.limits.quota(principal);
        let rate = quota.publishes_per_s.map(|per_s| Rate::new(per_s, Instant::now()));
        Self { door, principal, session, packet_bytes: quota.packet_bytes, rate, out: BytesMut::new() }
    }

    /// Adds to `out` what the session may be sent.
    pub fn fill(&mut self) -> Filled {
        self.door.fill(&self.session, &mut self.out)
    }

    /// Takes in every packet that has arrived completely. `Err` is the end of the connection.
    pub async fn take_in(&mut self, input: &mut BytesMut) -> Result<(), End> {
        let mut asked = Asked::No;
        while let Some(frame) = frame(input, self.packet_bytes).map_err(|_| End::Malformed)? {
            let (step, bytes) = (self.step(frame.packet().map_err(|_| End::Malformed)?, asked), frame.bytes);
            if let Step::Ask(questions) = step {
                for question in &questions {
                    self.door.ask(self.principal, question.action()).await;
                }
                asked = Asked::Yes;
                continue;
            }
            asked = Asked::No;
            input.advance(bytes);
            match step {
                Step::Done | Step::Ask(_) => {}
                Step::End(end) => return Err(end),
                Step::Publish(draft, delivery) => {
                    self.keep_to_rate().await;
                    self.door.publish(draft).await.map_err(|_| End::Dead)?;
                    self.confirm(delivery);
                }
            }
        }
        Ok(())
    }

    async fn keep_to_rate(&mut self) {
        let wait = self.rate.as_mut().map_or(Duration::ZERO, |rate| rate.take(Instant::now()));
        if !wait.is_zero() {
            self.door.tally.throttled.add();
            sleep(wait).await;
        }
    }

    fn step(&mut self, packet: Packet<'_>, asked: Asked) -> Step {
        let out = &mut self.out;
        match packet {
            Packet::Publish(publish) => return self.publish(&publish, asked),
            Packet::PubAck(id) => self.session.state().acknowledged(id),
            Packet::PubRec(id) => self.session.state().received(id, out),
            Packet::PubComp(id) => self.session.state().completed(id),
            Packet::PubRel(id) => {
                self.session.state().released(id);
                encode::pubcomp(out, id);
            }
            Packet::Subscribe(id, filters) => return self.subscribe(id, &filters, asked),
            Packet::Unsubscribe(id, filters) => {
                filters.into_iter().for_each(|filter| self.door.unsubscribe(&self.session, filter));
                encode::unsuback(out, id);
            }
            Packet::Ping => encode::pingresp(out),
            Packet::Disconnect => return Step::End(End::Goodbye),
        }
        Step::Done
    }

    fn publish(&mut self, publish: &Publish<'_>, asked: Asked) -> Step {
        let Publish { topic, payload, retain, delivery } = *publish;
        if check_name(topic, &self.door.limits).is_err() {
            return Step::End(End::Malformed);
        }
        let action = Action::Publish { topic, retain };
        if asked == Asked::No && self.door.must_ask(self.principal, action) {
            return Step::Ask(vec![Question::Publish { topic: topic.to_owned(), retain }]);
        }
        if !may(self.principal, action) {
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

    fn subscribe(&mut self, id: PacketId, filters: &[(&str, QoS)], asked: Asked) -> Step {
        let unknown = |filter: &str| self.door.must_ask(self.principal, Action::Subscribe { filter });
        let questions: Vec<_> =
            filters.iter().filter(|(filter, _)| asked == Asked::No && unknown(filter)).collect();
        if !questions.is_empty() {
            let subscribe = |(filter, _): &&(&str, QoS)| Question::Subscribe { filter: (*filter).to_owned() };
            return Step::Ask(questions.iter().map(subscribe).collect());
        }
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
