//! The broker as other people's MQTT clients see it: each publishes, reads what is retained, and comes back to what it
//! missed. They are the programs and libraries of Debian's packages, as they are.
#![allow(clippy::unwrap_used, missing_docs)]

mod kinds;

use broker::{
    Broker, Carrier, Credentials, Encryption, Limits, Listener, Login, LoginFuture, Plaintext, Principal,
    Refused,
};
use kinds::{Kind, Ports};
use std::sync::Arc;
use test_kit::{Lack, skip};

/// The website's rights for every client with the password: it may publish as well as subscribe.
struct TestLogins;

impl Login for TestLogins {
    fn login(&self, credentials: Credentials) -> LoginFuture<'_> {
        let known = credentials.password.as_deref() == Some(b"secret");
        Box::pin(async move { known.then_some(Principal::Website).ok_or(Refused::BadLogin) })
    }
}

async fn start() -> (Broker, Ports) {
    let listener = |carrier| {
        let encryption = Encryption::None(Plaintext::LoopbackOnly);
        Listener { address: "127.0.0.1:0".parse().unwrap(), encryption, carrier }
    };
    let listeners = vec![listener(Carrier::Bytes), listener(Carrier::WebSocket)];
    let broker = Broker::start_on(listeners, Limits::default(), Arc::new(TestLogins)).await.unwrap();
    let ports = Ports { bytes: broker.addresses()[0].port(), websocket: broker.addresses()[1].port() };
    (broker, ports)
}

const RETAINED: &str = "view/A/customers/ada";
const LIVE: &str = "store/A/edges/e1/inbox";

fn goes_the_whole_way(kind: &Kind, ports: Ports) {
    let client = kind.at(ports);
    client.publish(RETAINED, "kept", true);
    let read = client.listen("fresh", RETAINED, 1, false);
    assert_eq!(read, [format!("{RETAINED} kept 1")], "{}: what is retained", kind.name);

    assert!(client.listen("returning", LIVE, 0, true).is_empty(), "{}: a session begins", kind.name);
    let texts = ["one", "two", "three"];
    texts.iter().for_each(|text| client.publish(LIVE, text, false));
    let missed = client.listen("returning", LIVE, 3, true);
    let expected = texts.map(|text| format!("{LIVE} {text} 0"));
    assert_eq!(missed, expected, "{}: what was missed, in order", kind.name);

    client.publish(RETAINED, "", true);
    client.publish(RETAINED, "again", true);
    let read = client.listen("fresh", RETAINED, 1, false);
    assert_eq!(read, [format!("{RETAINED} again 1")], "{}: cleared and set anew", kind.name);
}

async fn goes(kind: &'static Kind) {
    if let Err(why) = kind.installed() {
        return skip(Lack::Provided, &why);
    }
    let (broker, ports) = start().await;
    tokio::task::spawn_blocking(move || goes_the_whole_way(kind, ports)).await.unwrap();
    broker.stop().await;
}

/// A test for every client, so that each that is missing is a test that is skipped.
macro_rules! each_goes_the_whole_way {
    ($($kind:ident = $of:expr),+ $(,)?) => {
        $(#[tokio::test(flavor = "multi_thread")]
        async fn $kind() { goes(&$of).await })+
    };
}
each_goes_the_whole_way!(
    mosquitto_of_3 = kinds::MOSQUITTO[0],
    mosquitto_of_5 = kinds::MOSQUITTO[1],
    paho_of_3 = kinds::PAHO[0],
    paho_of_5 = kinds::PAHO[1],
    mqtt_js_of_3 = kinds::MQTT_JS[0],
    mqtt_js_of_5 = kinds::MQTT_JS[1],
);
