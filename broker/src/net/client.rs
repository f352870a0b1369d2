//! One connected client: what it sends, and what the broker answers.

use super::disconnect_reason::EndReason;
use super::handshake::session_expiry;
use super::rate::Rate;
use crate::auth::access::may;
use crate::auth::action::Action;
use crate::auth::principal::Principal;
use crate::codec::decode::frame;
use crate::codec::error::Fault;
use crate::codec::fields::PacketId;
use crate::codec::packet::{
    ClientLimits, Delivery, Disconnect, MqttVersion, Options, Packet, Publish, QoS, ReasonStrings, Subscribe,
    WillOnDisconnect,
};
use crate::codec::reason::{AckReason, ReleaseReason, SubscribeReason};
use crate::codec::v5;
use crate::codec::v5::aliases::InboundAliases;
use crate::core::core::Core;
use crate::observe::denials::Denied;
use crate::routing::filter::Filter;
use crate::routing::message::Draft;
use crate::routing::topic::{BadTopic, check_name};
use crate::session::session::Session;
use crate::session::state::{Filled, Incoming};
use crate::session::write_buffer::{WriteBuffer, Written};
use bytes::{Buf, BytesMut};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// A connected client, without its socket.
pub struct Client<'c> {
    core: &'c Core,
    principal: &'c Principal,
    peer: SocketAddr,
    session: Arc<Session>,
    version: MqttVersion,
    packet_bytes: usize,
    rate: Option<Rate>,
    aliases: InboundAliases,
    /// How long its session outlives the connection.
    pub expiry: Duration,
    /// What is ready to be written.
    pub out: WriteBuffer,
}

/// A client that cannot take the answer cannot be served.
fn answered(written: Written) -> Result<(), EndReason> {
    match written {
        Written::Yes => Ok(()),
        Written::No => Err(EndReason::Malformed(Fault::Answer)),
    }
}

/// The open mode sends no reason strings: some clients under test fail on them.
fn without_reason_strings(version: MqttVersion, principal: &Principal) -> MqttVersion {
    match (version, principal) {
        (MqttVersion::V5(limits), Principal::User(user)) if user.is_open_mode() => {
            MqttVersion::V5(ClientLimits { reasons: ReasonStrings::Omitted, ..limits })
        }
        _ => version,
    }
}

/// What a packet asks for that takes time.
enum Step {
    /// Nothing.
    Done,
    /// To publish this, and then to answer.
    Publish(Draft, Delivery),
    /// To ask a service about these rights, and then to look at the packet again.
    Ask(Vec<Question>),
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

impl<'c> Client<'c> {
    /// A client whose CONNECT was accepted.
    pub fn new(
        core: &'c Core,
        (principal, peer): (&'c Principal, SocketAddr),
        session: Arc<Session>,
        version: MqttVersion,
        expiry: Duration,
    ) -> Self {
        let quota = core.limits.quota(principal);
        let rate = quota.publishes_per_s.map(|per_s| Rate::new(per_s, Instant::now()));
        let packet_bytes = quota.packet_bytes;
        let aliases = InboundAliases::new(core.limits.topic_aliases);
        let out = WriteBuffer::new(without_reason_strings(version, principal), core.limits.topic_aliases);
        Self { core, principal, peer, session, version, packet_bytes, rate, aliases, expiry, out }
    }

    /// Adds to `out` what the session may be sent.
    pub fn fill(&mut self) -> Filled {
        self.core.fill(&self.session, &mut self.out)
    }

    /// Processes every packet that has arrived completely. `Err` is the end of the connection.
    pub async fn process(&mut self, input: &mut BytesMut) -> Result<(), EndReason> {
        let malformed = |malformed| EndReason::Malformed(Fault::Malformed(malformed));
        let mut asked = Asked::No;
        while let Some(frame) = frame(input, self.packet_bytes).map_err(malformed)? {
            let packet = match self.version {
                MqttVersion::V4 => frame.packet().map_err(malformed)?,
                MqttVersion::V5(_) => {
                    v5::decode::packet(frame.first, frame.body).map_err(EndReason::Malformed)?
                }
            };
            let (step, bytes) = (self.step(packet, asked)?, frame.bytes);
            if let Step::Ask(questions) = step {
                for question in &questions {
                    self.core.ask(self.principal, question.action()).await;
                }
                asked = Asked::Yes;
                continue;
            }
            asked = Asked::No;
            input.advance(bytes);
            if let Step::Publish(draft, delivery) = step {
                self.keep_to_rate().await;
                self.core.publish(draft).await.map_err(|_| EndReason::RouterDied)?;
                self.confirm(delivery);
            }
        }
        Ok(())
    }

    async fn keep_to_rate(&mut self) {
        let wait = self.rate.as_mut().map_or(Duration::ZERO, |rate| rate.take(Instant::now()));
        if !wait.is_zero() {
            self.core.tally.throttled.add();
            sleep(wait).await;
        }
    }

    fn step(&mut self, packet: Packet<'_>, asked: Asked) -> Result<Step, EndReason> {
        let out = &mut self.out;
        match packet {
            Packet::Publish(publish) => return self.publish(&publish, asked),
            Packet::PubAck(id, _) => self.session.state().acknowledged(id)?,
            Packet::PubRec(id, reason) if reason.is_success() => self.session.state().received(id, out)?,
            Packet::PubRec(id, _) => self.session.state().refused(id)?,
            Packet::PubComp(id, _) => self.session.state().completed(id)?,
            Packet::PubRel(id, _) => {
                let known = self.session.state().released(id);
                out.pubcomp(id, if known { ReleaseReason::Success } else { ReleaseReason::UnknownId });
            }
            Packet::Subscribe(Subscribe { id, filters }) => return self.subscribe(id, &filters, asked),
            Packet::Unsubscribe(id, filters) => self.unsubscribe(id, &filters)?,
            Packet::Ping => out.pingresp(),
            Packet::Disconnect(disconnect) => return Err(self.disconnect(disconnect)),
        }
        Ok(Step::Done)
    }

    fn publish(&mut self, publish: &Publish<'_>, asked: Asked) -> Result<Step, EndReason> {
        let Publish { topic, payload, retain, delivery, properties } = publish;
        let name = self.aliases.name(*topic).map_err(EndReason::Malformed)?;
        let topic = name.as_str();
        match (check_name(topic, &self.core.limits), self.version) {
            (Ok(()), _) => {}
            (Err(BadTopic::TooLong), MqttVersion::V5(_)) => {
                return Ok(self.decline(*delivery, AckReason::TopicName));
            }
            (Err(_), _) => return Err(EndReason::Malformed(Fault::Topic)),
        }
        let action = Action::Publish { topic, retain: *retain };
        if asked == Asked::No && self.core.must_ask(self.principal, action) {
            return Ok(Step::Ask(vec![Question::Publish { topic: topic.to_owned(), retain: *retain }]));
        }
        if !may(self.principal, action) {
            self.core.denials.log(Denied::Publish, self.principal, self.peer);
            return match (self.version, self.principal) {
                // MQTT 3.1.1 leaves two ways: to close the connection, or to acknowledge and throw away.
                (MqttVersion::V4, Principal::User(user)) if user.is_open_mode() => {
                    Ok(self.decline(*delivery, AckReason::Success))
                }
                (MqttVersion::V4, _) => Err(EndReason::Refused),
                (MqttVersion::V5(_), _) => Ok(self.decline(*delivery, AckReason::NotAuthorised)),
            };
        }
        if let Delivery::Two(id) = *delivery {
            match self.session.state().incoming(id) {
                Incoming::New => {}
                Incoming::Known => {
                    self.out.pubrec(id, AckReason::Success);
                    return Ok(Step::Done);
                }
                Incoming::TooMany => return Err(EndReason::Malformed(Fault::ReceiveMax)),
            }
        }
        let draft = Draft::message(topic, payload, delivery.qos(), *retain, properties);
        Ok(Step::Publish(draft.by(self.session.publisher), *delivery))
    }

    /// Throws a publish away, and answers with this reason; one of QoS 0 has no answer. MQTT 3.1.1 has no reasons but
    /// success.
    fn decline(&mut self, delivery: Delivery, reason: AckReason) -> Step {
        self.core.tally.refused.add();
        match delivery {
            Delivery::Zero => {}
            Delivery::One(id) => self.out.puback(id, reason),
            Delivery::Two(id) => self.out.pubrec(id, reason),
        }
        Step::Done
    }

    /// Answers a publish that has its place in its lane.
    fn confirm(&mut self, delivery: Delivery) {
        match delivery {
            Delivery::Zero => {}
            Delivery::One(id) => self.out.puback(id, AckReason::Success),
            Delivery::Two(id) => {
                self.session.state().accepted(id);
                self.out.pubrec(id, AckReason::Success);
            }
        }
    }

    fn subscribe(
        &mut self,
        id: PacketId,
        filters: &[(&str, Options)],
        asked: Asked,
    ) -> Result<Step, EndReason> {
        if asked == Asked::No {
            let questions = self.unknown_rights(filters);
            if !questions.is_empty() {
                return Ok(Step::Ask(questions));
            }
        }
        let mut granted = Vec::with_capacity(filters.len());
        for (text, options) in filters {
            let answer = self.subscribe_one(text, *options)?;
            if answer.is_err() {
                self.core.tally.refused.add();
            }
            granted.push(answer);
        }
        answered(self.out.suback(id, &granted))?;
        Ok(Step::Done)
    }

    /// A filter that is none is as wrong here as it was in SUBSCRIBE; one that was too long there has no subscription.
    fn unsubscribe(&mut self, id: PacketId, filters: &[&str]) -> Result<(), EndReason> {
        let is_one = |filter: &&str| matches!(self.filter(filter), Ok(_) | Err(BadTopic::TooLong));
        if !filters.iter().all(is_one) {
            return Err(EndReason::Malformed(Fault::Topic));
        }
        let ended: Vec<_> =
            filters.iter().map(|filter| self.core.unsubscribe(&self.session, filter)).collect();
        answered(self.out.unsuback(id, &ended))
    }

    /// The rights to these filters that a service has to be asked about; what is no filter is refused unasked.
    fn unknown_rights(&self, filters: &[(&str, Options)]) -> Vec<Question> {
        let unknown = |filter: &Filter| {
            self.core.must_ask(self.principal, Action::Subscribe { filter: filter.pattern() })
        };
        let filters = filters.iter().filter_map(|(text, _)| self.filter(text).ok());
        let question = |filter: Filter| Question::Subscribe { filter: filter.pattern().to_owned() };
        filters.filter(unknown).map(question).collect()
    }

    fn filter(&self, text: &str) -> Result<Filter, BadTopic> {
        match self.version {
            MqttVersion::V4 => Filter::plain(text, &self.core.limits),
            MqttVersion::V5(_) => Filter::sharing(text, &self.core.limits),
        }
    }

    fn subscribe_one(&self, text: &str, options: Options) -> Result<Result<QoS, SubscribeReason>, EndReason> {
        let filter = match (self.filter(text), self.version) {
            (Ok(filter), _) => filter,
            (Err(BadTopic::TooLong), MqttVersion::V5(_)) => return Ok(Err(SubscribeReason::Filter)),
            (Err(_), _) => return Err(EndReason::Malformed(Fault::Topic)),
        };
        if !may(self.principal, Action::Subscribe { filter: filter.pattern() }) {
            self.core.denials.log(Denied::Subscribe, self.principal, self.peer);
            return Ok(Err(match self.principal {
                // It is not a matter of rights there.
                Principal::User(user) if user.is_open_mode() => SubscribeReason::Unspecified,
                _ => SubscribeReason::NotAuthorised,
            }));
        }
        Ok(self.core.subscribe(&self.session, &filter, options))
    }

    fn disconnect(&mut self, disconnect: Disconnect) -> EndReason {
        if let Some(seconds) = disconnect.session_expiry_s {
            // A session that was to end with its connection cannot be made to last any more.
            if self.expiry.is_zero() && seconds > 0 {
                return EndReason::Malformed(Fault::Forbidden);
            }
            self.expiry = session_expiry(seconds, &self.core.limits);
        }
        match disconnect.will {
            WillOnDisconnect::Discard => EndReason::Disconnected,
            WillOnDisconnect::Publish => EndReason::DisconnectedWithWill,
        }
    }
}
