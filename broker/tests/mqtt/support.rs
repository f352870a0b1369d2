//! A broker to test, with a fixed set of logins.

use broker::{Broker, Config, Credentials, Limits, Login, LoginFuture, Plaintext, Principal, Refused, Scope};
use std::sync::Arc;
use std::time::Duration;
use test_kit::mqtt::v3::Raw;

/// No test waits longer than this for anything.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// Edges `e1` and `e2` of location `A` and `b1` of `B`; people `ann`, who sees all, and `bob`, who sees `A`. The
/// password is always `secret`.
pub struct TestLogins;

pub fn edge(location: &str, edge: &str) -> Principal {
    Principal::Edge { location: location.parse().unwrap(), edge: edge.parse().unwrap() }
}

impl Login for TestLogins {
    fn login(&self, credentials: Credentials) -> LoginFuture<'_> {
        Box::pin(async move {
            let Some(name) = credentials.username else { return Err(Refused::NotAllowed) };
            let principal = match name.as_str() {
                "website" => Principal::Website,
                "e1" | "e2" => edge("A", &name),
                "b1" => edge("B", "b1"),
                "ann" => Principal::Ops { name, scope: Scope::All },
                "bob" => Principal::Ops { name, scope: Scope::Locations(vec!["A".parse().unwrap()]) },
                "database-is-down" => return Err(Refused::Unavailable),
                "never-answered" => std::future::pending().await,
                _ => return Err(Refused::BadLogin),
            };
            if credentials.password.as_deref() == Some(b"secret") {
                Ok(principal)
            } else {
                Err(Refused::BadLogin)
            }
        })
    }
}

pub async fn start_with(limits: Limits) -> Broker {
    start_asking(limits, Arc::new(TestLogins)).await
}

pub async fn start_asking(limits: Limits, login: Arc<dyn Login>) -> Broker {
    let config =
        Config { listen: "127.0.0.1:0".parse().unwrap(), plaintext: Plaintext::LoopbackOnly, limits };
    Broker::start(config, login).await.unwrap()
}

pub async fn start() -> Broker {
    start_with(Limits::default()).await
}

/// Lets a second and a bit go by, the shortest time that MQTT 5.0 can name. What expires with it gives no signal to wait
/// for; tests look at what is there afterwards.
pub async fn a_second_is_over() {
    tokio::time::sleep(Duration::from_millis(1_100)).await;
}

/// Waits until it is so.
pub async fn until(what: &str, mut so: impl FnMut() -> bool) {
    test_kit::until_async(what, || std::future::ready(so())).await;
}

/// A client that was there before an attack, to see that it does not notice.
pub struct Bystander(Raw);

impl Bystander {
    pub async fn new(broker: &Broker) -> Bystander {
        let mut edge = Raw::persistent(broker.address(), "e2").await;
        edge.subscribe("store/A/edges/e2/inbox", 1).await;
        Bystander(edge)
    }

    /// It still gets what it should, and so does a client that comes only now.
    pub async fn is_well(&mut self, broker: &Broker) {
        let mut website = Raw::clean(broker.address(), "website").await;
        website.publish("store/A/edges/e2/inbox", "are you there?").await;
        assert_eq!(self.0.message().await.text(), "are you there?");
        website.publish_retained("store/A/customers", "fresh").await;
        let mut fresh = Raw::clean(broker.address(), "e1").await;
        fresh.subscribe("store/A/customers/#", 1).await;
        assert_eq!(fresh.message().await.text(), "fresh");
    }
}
