//! A broker without sockets, with a bystander client that must not be disturbed by what others do.

use super::client::{FuzzClient, connect};
use super::script::packet;
use crate::auth::credentials::{Credentials, Refused};
use crate::auth::login::{Login, LoginFuture};
use crate::auth::principal::{Principal, Scope};
use crate::auth::user::{Rights, User};
use crate::codec::properties::put_binary;
use crate::core::core::Core;
use crate::core::dispatch;
use crate::limits::{Limits, Quota};
use crate::net::connection_limit::ConnectionLimit;
use crate::routing::lane::Lanes;
use crate::routing::message::Lane;
use crate::routing::router;
use bytes::{BufMut, Bytes, BytesMut};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

/// How long anything may take.
const DEADLINE: Duration = Duration::from_secs(10);
/// What the bystander reads.
const INBOX: &str = "store/A/edges/e2/inbox";

/// A broker, and the bystander that is connected to it throughout.
pub struct Harness {
    runtime: Runtime,
    pub(super) core: Arc<Core>,
    limit: Arc<ConnectionLimit>,
    /// What the bystander has got.
    got: mpsc::UnboundedReceiver<Bytes>,
    asked: u32,
}

/// Knows edges of `A`, a person who sees all, the website, and a user who may do anything.
struct TestLogins;

impl Login for TestLogins {
    fn login(&self, credentials: Credentials) -> LoginFuture<'_> {
        let name = credentials.username.unwrap_or_default();
        let edge = |id: &str| Principal::Edge {
            location: "A".parse().expect("an id"),
            edge: id.parse().expect("an id"),
        };
        let principal = match name.as_str() {
            "website" => Ok(Principal::Website),
            "e1" | "e2" => Ok(edge(&name)),
            "ann" => Ok(Principal::Ops { name, scope: Scope::All }),
            "user" => {
                Ok(Principal::User(User { name, client_id: credentials.client_id, rights: Rights::All }))
            }
            _ => Err(Refused::BadLogin),
        };
        Box::pin(async { principal })
    }
}

impl Default for Harness {
    fn default() -> Self {
        Harness::new()
    }
}

impl Harness {
    /// Starts a broker and connects the bystander.
    ///
    /// # Panics
    /// When it does not start.
    pub fn new() -> Harness {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let base = Limits::default();
        let edge = Quota { publishes_per_s: None, ..base.edge.clone() };
        let limits = Limits { edge, sessions: 50, retained: 50, ..base };
        let (inlets, outlets): (Vec<_>, Vec<_>) = router::start().expect("a router").into_iter().unzip();
        let lanes = Lanes::new(inlets, limits.retained, limits.clears);
        let core = Arc::new(Core::new(lanes, limits, Arc::new(TestLogins)));
        let limit = Arc::new(ConnectionLimit::new(&core.limits));
        let (fail, _) = watch::channel(None);
        for (lane, outlet) in Lane::all().zip(outlets) {
            runtime.spawn(dispatch::run(Arc::clone(&core), lane, outlet, fail.clone()));
        }
        let (tell, got) = mpsc::unbounded_channel();
        let (bystander, serving) = connect(Arc::clone(&core), &limit);
        runtime.spawn(serving);
        let (ready, is_ready) = tokio::sync::oneshot::channel();
        runtime.spawn(run_bystander(bystander, ready, tell));
        runtime.block_on(async { timeout(DEADLINE, is_ready).await }).expect("in time").expect("connected");
        Harness { runtime, core, limit, got, asked: 0 }
    }

    /// Runs two clients at once, each with one half of a script, until both connections have ended.
    pub fn run_script(&mut self, script: &[u8]) {
        let (one, other) = script.split_at(script.len() / 2);
        let (first, serving_first) = connect(Arc::clone(&self.core), &self.limit);
        let (second, serving_second) = connect(Arc::clone(&self.core), &self.limit);
        let all = async { tokio::join!(first.run(one), serving_first, second.run(other), serving_second) };
        self.runtime.block_on(async { timeout(DEADLINE, all).await }).expect("both have gone");
    }

    /// Runs something beside the broker.
    #[cfg(test)]
    pub(super) fn run<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(async { timeout(DEADLINE, future).await.expect("in time") })
    }

    /// A client that has not sent its CONNECT yet.
    #[cfg(test)]
    pub(super) fn client(&self) -> (FuzzClient, impl Future<Output = ()> + Send + use<>) {
        connect(Arc::clone(&self.core), &self.limit)
    }

    /// Asserts that a new client is served, and that the bystander gets what it publishes.
    ///
    /// # Panics
    /// When not.
    pub fn assert_serving(&mut self) {
        self.asked += 1;
        let word = format!("still there? {}", self.asked);
        let (mut fresh, serving) = connect(Arc::clone(&self.core), &self.limit);
        let got = &mut self.got;
        let all = async {
            let asking = async {
                log_in(&mut fresh, "website").await;
                fresh.send(&packet(0x32, &body(INBOX, &[&[0, 1], word.as_bytes()]))).await;
                assert_eq!(fresh.packet().await, Some((0x40, Bytes::from_static(&[0, 1]))));
                while got.recv().await.expect("the bystander is there") != word {}
                drop(fresh);
            };
            tokio::join!(serving, asking)
        };
        self.runtime
            .block_on(async { timeout(DEADLINE, all).await })
            .expect("a fresh client and the bystander are served");
    }
}

/// Reads its inbox, acknowledges everything, and passes the payloads on.
async fn run_bystander(
    mut client: FuzzClient,
    ready: tokio::sync::oneshot::Sender<()>,
    tell: mpsc::UnboundedSender<Bytes>,
) {
    log_in(&mut client, "e2").await;
    client.send(&packet(0x82, &[&[0, 1], &body(INBOX, &[&[1]])[..]].concat())).await;
    assert_eq!(client.packet().await, Some((0x90, Bytes::from_static(&[0, 1, 1]))));
    ready.send(()).expect("the harness waits");
    while let Some((first, body)) = client.packet().await {
        client.acknowledge(first, &body).await;
        let head = 2 + INBOX.len() + if first & 6 == 0 { 0 } else { 2 };
        if tell.send(body.slice(head..)).is_err() {
            return;
        }
    }
}

/// Logs in with MQTT 3.1.1.
pub(super) async fn log_in(client: &mut FuzzClient, name: &str) {
    client.send(&connect_packet(name)).await;
    assert_eq!(client.packet().await, Some((0x20, Bytes::from_static(&[0, 0]))), "{name}");
}

/// A CONNECT of MQTT 3.1.1; `e1` leaves a will.
fn connect_packet(name: &str) -> Bytes {
    let mut body = BytesMut::new();
    put_binary(&mut body, b"MQTT");
    let has_will = name == "e1";
    body.put_slice(&[4, if has_will { 0xc6 } else { 0xc2 }, 0, 0]);
    put_binary(&mut body, name.as_bytes());
    if has_will {
        put_binary(&mut body, b"view/A/edges/e1");
        put_binary(&mut body, b"gone");
    }
    put_binary(&mut body, name.as_bytes());
    put_binary(&mut body, b"secret");
    packet(0x10, &body)
}

fn body(topic: &str, rest: &[&[u8]]) -> Bytes {
    let mut body = BytesMut::new();
    put_binary(&mut body, topic.as_bytes());
    rest.iter().for_each(|part| body.put_slice(part));
    body.freeze()
}
