//! An MQTT broker to be embedded: rumqttd's router as the live bus, behind our own MQTT front end.
//!
//! rumqttd's router is a good engine for passing messages on in memory. Everything that a socket can touch is
//! ours: packets are decoded into a closed set before anything acts on them, logins and rights are asked for,
//! retained messages and the backlog of sessions are kept here.
//!
//! ```text
//! socket -> TLS, WebSocket -> connection -> access -> lane: number, retained map -> router -> dispatch -> session -> connection -> socket
//!                             decode        may()     one lock, one order           live bus   index      backlog    encode
//!                                                                                       inflight
//! ```
//!
//! # Lanes
//!
//! The broker's channels are a few fixed *lanes*. A topic's first two levels choose its lane, so everything of one
//! location under one root (customers, head, inboxes, visits) is in one order; a filter whose first two levels are
//! plain concerns one lane, any other all of them. Each lane is one link, one topic and one filter of the router,
//! made at start, through which all of its messages pass as opaque envelopes. Why so few, and not a link for each
//! client and a channel for each location:
//!
//! - What kills or poisons rumqttd's router is clients coming and going, and what they name: topics that are not
//!   ASCII, client ids, shared subscriptions, wills, acks out of order, events for a slot that has been given to
//!   another client. None of that reaches it here: after start it sees no connect, no disconnect, no subscribe, no
//!   ack, and four topics.
//! - Its costs that grow for ever (a log for each filter, a scan for each topic or filter never seen before, a
//!   meter for each topic and link, 48 KB for each link) do not grow: its logs stay below 13 MB together, however
//!   many locations there are.
//! - A slow reader cannot be outrun by the router's log, because the only readers are the lanes' own dispatchers,
//!   which never wait for a client; a lane accepts less than its log holds. A counter in every envelope proves it,
//!   and should one be missing all the same, every session starts anew (*session present* = 0).
//!
//! # Two protocols
//!
//! MQTT 3.1.1 and 5.0 share a listener and everything behind it: `codec` turns the bytes of either into the same closed
//! set of packets, and a `write_buffer` encodes for a client in its own version. What travels with a message
//! in 5.0 stays in its envelope, as bytes that were checked when they came, and is left out for a reader of 3.1.1.
//!
//! # Where messages wait
//!
//! A message that is published to be retained waits in its lane's map, once, however many sessions wait for it: a session only
//! remembers up to which number it has dealt with them. A client that was away, or reads too slowly, gets from the
//! map what it has missed, in its order, each topic once. Any other message waits in the session's own queue, which
//! is bounded; when that runs over, the session ends, which *session present* = 0 tells the client.
//!
//! Architecture invariants: no byte that a client chose is interpreted by the router. No lock is held while a
//! socket is written, and no client is waited for by another. Everything a client can make grow has a limit in
//! [`Limits`] and a counter in [`Counters`].

mod auth;
mod broker;
mod codec;
mod core;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod limits;
mod net;
mod observe;
mod routing;
mod session;
pub mod standalone;

pub use auth::access::may;
pub use auth::action::Action;
pub use auth::credentials::{Credentials, Refused};
pub use auth::login::{Login, LoginFuture};
pub use auth::principal::{Principal, Scope};
pub use auth::user::User;
pub use broker::{Broker, Config, StartError, WebSocketAcceptor};
pub use core::failure::Failure;
pub use limits::{Limits, Quota};
pub use net::listener::{Carrier, Encryption, Listener, Plaintext};
pub use net::tls::{Encrypted, Tls, TlsError, TlsFiles, first_certificate, trust};
pub use net::websocket::answer_websocket;
pub use observe::counters::Counters;
