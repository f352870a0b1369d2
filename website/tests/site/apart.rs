//! A broker that stands apart: it asks the website who may log in and do what, and the website uses it as its own.

use crate::stage::{PASSWORD, Stage, actor, add_location, join, location, until};
use broker::{Broker, Config, Credentials, Limits, Login, LoginFuture, Plaintext, Principal, Refused};
use protocol::message::EnrolPolicy;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_util::sync::CancellationToken;
use website::{
    Settings, Website, edges,
    settings::{MqttUrl, Scheme, Secret},
};

crate::on_both!(a_broker_asks_about_logins_and_rights, the_website_uses_a_broker_that_stands_apart);

const SECRET: &str = "a-secret-that-both-know";

/// The status, and the answer if it is JSON.
async fn ask(website: &Website, path: &str, secret: &str, question: &Value) -> (u16, Value) {
    let mut stream = TcpStream::connect(website.http).await.unwrap();
    let body = question.to_string();
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {secret}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), serde_json::from_str(body).unwrap_or_default())
}

async fn a_broker_asks_about_logins_and_rights(stage: Stage) {
    let secret = Some(Secret::new(SECRET.to_owned()));
    let settings = Settings { mqtt_api_secret: secret, ..stage.settings() };
    let website = website::start(settings, CancellationToken::new()).await.unwrap();
    let app = &website.app;
    add_location(app, &location(), EnrolPolicy::Auto).await;
    let (joined, _) = join(app, &location(), "door", 1).await;
    website::add_mqtt_user(app, "ann", PASSWORD).await.unwrap();
    let (edge, token) = (joined.edge.as_str(), joined.token.as_str());
    let login = |name: &str, password: &str, client: &str| json!({ "username": name, "password": password, "clientid": client });
    for (question, result) in [
        (login(edge, token, edge), "allow"),
        (login(edge, token, "another"), "deny"),
        (login(edge, "wrong", edge), "deny"),
        (login("ann", PASSWORD, "any"), "allow"),
        (login("ann", "wrong", "any"), "deny"),
        (login("nobody", PASSWORD, "any"), "deny"),
        (login("website", SECRET, "website"), "deny"),
    ] {
        let expected = (200, json!({ "result": result, "is_superuser": false }));
        assert_eq!(ask(&website, "/api/mqtt/auth", SECRET, &question).await, expected, "{question}");
    }
    let inbox = format!("store/berlin/edges/{edge}/inbox");
    let (report, view) = (format!("store/berlin/edges/{edge}/report"), format!("view/berlin/edges/{edge}"));
    for (name, client, action, topic, retain, result) in [
        (edge, edge, "subscribe", "store/berlin/customers/#", false, "allow"),
        (edge, edge, "subscribe", &*inbox, false, "allow"),
        (edge, edge, "subscribe", "store/paris/customers/#", false, "deny"),
        (edge, "another", "subscribe", &*inbox, false, "deny"),
        (edge, edge, "publish", &*report, false, "allow"),
        (edge, edge, "publish", &*report, true, "deny"),
        (edge, edge, "publish", &*view, true, "allow"),
        ("ann", "x", "subscribe", "view/#", false, "allow"),
        ("ann", "x", "subscribe", "store/#", false, "deny"),
        ("nobody", "x", "subscribe", "view/#", false, "deny"),
        ("website", "website", "subscribe", "store/#", false, "deny"),
    ] {
        let question = json!({ "username": name, "clientid": client, "action": action, "topic": topic, "retain": retain });
        let (status, answer) = ask(&website, "/api/mqtt/acl", SECRET, &question).await;
        assert_eq!((status, &answer["result"]), (200, &json!(result)), "{question}");
    }
    edges::revoke(app, &location(), &joined.edge, &actor()).await.unwrap();
    let question = json!({ "username": edge, "clientid": edge, "action": "subscribe", "topic": inbox });
    assert_eq!(ask(&website, "/api/mqtt/acl", SECRET, &question).await.1["result"], "deny");
    for path in ["/api/mqtt/auth", "/api/mqtt/acl"] {
        assert_eq!(ask(&website, path, "a guess", &question).await.0, 401, "{path}");
    }
    website.stop().await;

    let closed = stage.start().await;
    assert_eq!(
        ask(&closed, "/api/mqtt/auth", "", &login("ann", PASSWORD, "x")).await.0,
        404,
        "nobody may ask"
    );
    closed.stop().await;
}

/// Lets in only the website.
struct OnlyWebsite;

impl Login for OnlyWebsite {
    fn login(&self, credentials: Credentials) -> LoginFuture<'_> {
        let right = credentials.username.as_deref() == Some("site")
            && credentials.password.as_deref() == Some(PASSWORD.as_bytes());
        Box::pin(async move { if right { Ok(Principal::Website) } else { Err(Refused::BadLogin) } })
    }
}

async fn the_website_uses_a_broker_that_stands_apart(stage: Stage) {
    let config = Config {
        listen: ([127, 0, 0, 1], 0).into(),
        plaintext: Plaintext::LoopbackOnly,
        limits: Limits::default(),
    };
    let broker = Broker::start(config, Arc::new(OnlyWebsite)).await.unwrap();
    let url = MqttUrl {
        scheme: Scheme::Mqtt,
        username: "site".to_owned(),
        password: Secret::new(PASSWORD.to_owned()),
        host: "127.0.0.1".to_owned(),
        port: broker.address().port(),
    };
    let settings = Settings { mqtt_broker: Some(url), ..stage.settings() };
    let website = website::start(settings, CancellationToken::new()).await.unwrap();
    assert_eq!(website.mqtt, broker.address(), "no broker of its own");
    add_location(&website.app, &location(), EnrolPolicy::Auto).await;
    until("the head is at that broker", || async { (broker.counters().published > 0).then_some(()) }).await;
    assert_eq!(broker.counters().clients, 1);
    assert_eq!(website.app.ready().await, Ok(()));
    let (joined, _) = join(&website.app, &location(), "door", 1).await;
    let told = (joined.mqtt.host.as_deref(), joined.mqtt.port);
    assert_eq!(told, (Some("127.0.0.1"), broker.address().port()), "edges are told that broker");
    website.stop().await;
    broker.stop().await;
}
