//! A message on its way to one subscriber.

use crate::codec::packet::{Options, QoS};
use crate::codec::properties::SubscriptionId;
use crate::routing::message::Message;
use std::sync::Arc;

/// A message for one subscriber.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// The message.
    pub message: Arc<Message>,
    /// The lower of the message's QoS and the subscription's.
    pub qos: QoS,
    /// The retain flag as the subscriber sees it.
    pub retain: bool,
    /// Through what kind of subscription it came.
    pub route: Route,
    /// The subscriber's numbers of the subscriptions that brought it.
    pub identifiers: Identifiers,
}

/// Through what kind of subscription a message came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Route {
    /// One of the subscriber's own: every subscriber gets the message.
    Own,
    /// A shared one: of its group only this subscriber gets the message.
    Shared,
}

/// Numbers of subscriptions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identifiers {
    /// No subscription has a number.
    None,
    /// One has.
    One(SubscriptionId),
    /// More than one have.
    Many(Box<[SubscriptionId]>),
}

impl Identifiers {
    fn of(options: &Options) -> Identifiers {
        options.identifier.map_or(Identifiers::None, Identifiers::One)
    }

    /// All of them.
    pub fn as_slice(&self) -> &[SubscriptionId] {
        match self {
            Identifiers::None => &[],
            Identifiers::One(number) => std::slice::from_ref(number),
            Identifiers::Many(numbers) => numbers,
        }
    }

    fn add(&mut self, more: &Identifiers) {
        let all = || self.as_slice().iter().chain(more.as_slice()).copied().collect();
        *self = match (&*self, more) {
            (_, Identifiers::None) => return,
            (Identifiers::None, more) => more.clone(),
            (..) => Identifiers::Many(all()),
        };
    }
}

impl Outgoing {
    /// A message that a subscription brings while it stands.
    pub fn live(message: Arc<Message>, options: &Options, route: Route) -> Outgoing {
        let retain = options.retain_as_published && message.retain;
        let (qos, identifiers) = (message.qos.min(options.qos), Identifiers::of(options));
        Outgoing { message, qos, retain, route, identifiers }
    }

    /// A message that was there before the subscription.
    pub fn retained(message: Arc<Message>, options: &Options) -> Outgoing {
        Outgoing { retain: true, ..Outgoing::live(message, options, Route::Own) }
    }

    /// The same message by one more subscription: it goes out once, with the higher QoS, and with the retain flag if
    /// one of them asks for it.
    pub fn merge(&mut self, other: &Outgoing) {
        self.qos = self.qos.max(other.qos);
        self.retain |= other.retain;
        self.identifiers.add(&other.identifiers);
    }

    /// Whether a lane's map has it as well, for this subscriber to look up.
    pub fn is_mapped(&self) -> bool {
        self.message.retain && self.route == Route::Own
    }
}
