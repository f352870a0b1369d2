//! People see `view/`, readable, and nothing else.

use crate::{
    edge::{FakeEdge, visit},
    stage::{
        PASSWORD, Stage, actor, add_location, enrol, face, join, location, mqtt_options, picture, space,
        until,
    },
};
use protocol::message::{EnrolPolicy, Flag, Seen};
use rumqttc::{AsyncClient, ConnectionError, Event, Incoming, MqttOptions, QoS, SubscribeReasonCode};
use std::sync::{Arc, Mutex};
use website::{
    changes::{self, Edit},
    locations::{self, NewSettings},
    tables::locations::NamesInView,
};

crate::on_both!(people_see_the_mirror_and_no_more, a_wrong_login_is_refused);

type Lines = Arc<Mutex<Vec<(String, String)>>>;

/// Collects what comes in on `filter`, and the answer to the subscription.
fn watch(options: MqttOptions, filter: &str) -> (Lines, Arc<Mutex<Option<SubscribeReasonCode>>>) {
    let (client, mut events) = AsyncClient::builder(options).capacity(16).build();
    client.try_subscribe(filter, QoS::AtLeastOnce).unwrap();
    let (lines, answer): (Lines, _) = (Arc::default(), Arc::new(Mutex::new(None)));
    let (to, answered) = (Arc::clone(&lines), Arc::clone(&answer));
    tokio::spawn(async move {
        let _client = client;
        while let Ok(event) = events.poll().await {
            match event {
                Event::Incoming(Incoming::Publish(publish)) => {
                    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                    to.lock().unwrap().push((text(&publish.topic), text(&publish.payload)));
                }
                Event::Incoming(Incoming::SubAck(ack)) => {
                    *answered.lock().unwrap() = Some(ack.return_codes[0])
                }
                _ => {}
            }
        }
    });
    (lines, answer)
}

async fn seen(lines: &Lines, what: &str, fits: impl Fn(&str, &str) -> bool) -> serde_json::Value {
    let text = until(what, || async {
        let lines = lines.lock().unwrap();
        lines.iter().rev().find(|(topic, text)| fits(topic, text)).map(|(_, text)| text.clone())
    })
    .await;
    serde_json::from_str(&text).unwrap_or_default()
}

async fn people_see_the_mirror_and_no_more(stage: Stage) {
    let website = stage.start().await;
    let app = &website.app;
    add_location(app, &location(), EnrolPolicy::Auto).await;
    website::add_mqtt_user(app, "ada", PASSWORD).await.unwrap();
    let (lines, answer) = watch(mqtt_options(&website, "ada-1", "ada", PASSWORD), "view/#");
    let (_, store) = watch(mqtt_options(&website, "ada-2", "ada", PASSWORD), "store/#");
    let (_, all) = watch(mqtt_options(&website, "ada-3", "ada", PASSWORD), "#");
    for (answer, expected) in [
        (answer, SubscribeReasonCode::Success(QoS::AtLeastOnce)),
        (store, SubscribeReasonCode::Failure),
        (all, SubscribeReasonCode::Failure),
    ] {
        let got = until("an answer", || async { *answer.lock().unwrap() }).await;
        assert_eq!(got, expected);
    }
    let edge = FakeEdge::connect(&website, join(app, &location(), "door", 1).await).await;
    let head = edge.until_verified(0).await;
    let somebody = Seen::New { face_id: face(0), space: space().id, embedding: picture(0, 0) };
    edge.visit(&visit(5, 1, somebody, &head));
    let line = seen(&lines, "the visit", |topic, _| topic == "view/berlin/visits").await;
    assert_eq!((&line["kind"], &line["face_id"]), (&"enrolled".into(), &"face_00000".into()));
    let row = "view/berlin/customers/face_00000";
    let line = seen(&lines, "the row", |topic, _| topic == row).await;
    assert_eq!((&line["flag"], &line["name"]), (&"none".into(), &serde_json::Value::Null));

    let edit = Edit { name: Some("Ada Lovelace".parse().unwrap()), flag: Some(Flag::Green) };
    changes::edit(app, &location(), &face(0), edit, &actor()).await.unwrap();
    seen(&lines, "the green flag", |topic, text| topic == row && text.contains("green")).await;
    assert!(!lines.lock().unwrap().iter().any(|(_, text)| text.contains("Ada")), "names are not configured");
    let shown = NewSettings { names: Some(NamesInView::Shown), ..NewSettings::default() };
    locations::set(app, &location(), shown, &actor()).await.unwrap();
    seen(&lines, "the name", |topic, text| topic == row && text.contains("Ada Lovelace")).await;

    changes::remove(app, &location(), &face(0), &actor()).await.unwrap();
    seen(&lines, "the row is cleared", |topic, text| topic == row && text.is_empty()).await;
    let line =
        seen(&lines, "the head", |topic, text| topic == "view/berlin/head" && text.contains("\"seq\":3"))
            .await;
    assert_eq!((&line["count"], &line["last_removal"]), (&0.into(), &3.into()));
    for verb in ["enrolled", "edited", "removed"] {
        let is = |topic: &str, text: &str| topic == "view/berlin/changes" && text.contains(verb);
        seen(&lines, verb, is).await;
        let times = lines.lock().unwrap().iter().filter(|(topic, text)| is(topic, text)).count();
        assert_eq!(times, 1, "{verb} is said once");
    }
    // Whoever comes later sees no trace of the name.
    let (later, _) = watch(mqtt_options(&website, "ada-4", "ada", PASSWORD), "view/#");
    seen(&later, "the retained head", |topic, _| topic == "view/berlin/head").await;
    assert!(!later.lock().unwrap().iter().any(|(topic, text)| topic == row || text.contains("Ada Lovelace")));
    let vector = serde_json::to_string(&picture(0, 0).to_f32()).unwrap();
    assert!(!lines.lock().unwrap().iter().any(|(_, text)| text.contains(&vector[1..20])));
    enrol(app, &location(), 1..2).await;
    website.stop().await;
}

async fn a_wrong_login_is_refused(stage: Stage) {
    let website = stage.start().await;
    let app = &website.app;
    add_location(app, &location(), EnrolPolicy::Auto).await;
    website::add_mqtt_user(app, "ada", PASSWORD).await.unwrap();
    let (joined, _) = join(app, &location(), "door", 1).await;
    let id = joined.edge.as_str();
    for (client, name, password) in [
        ("x", "ada", "a wrong long password"),
        ("x", "nobody", PASSWORD),
        ("website", "website", PASSWORD),
        (id, id, PASSWORD),
        ("x", id, joined.token.as_str()),
        (id, "ada", "a wrong long password"),
    ] {
        let options = mqtt_options(&website, client, name, password);
        let (_client, mut events) = AsyncClient::builder(options).capacity(4).build();
        let error = events.poll().await.unwrap_err();
        assert!(matches!(error, ConnectionError::ConnectionRefused(_)), "{client} as {name}: {error}");
    }
    for (name, password, why) in [
        ("", PASSWORD, "a login name is"),
        ("website", PASSWORD, "a login name is"),
        ("a b", PASSWORD, "a login name is"),
        ("ada", "short", "a password has at least 12 characters"),
    ] {
        let error = website::add_mqtt_user(app, name, password).await.unwrap_err();
        assert!(error.to_string().starts_with(why), "{error}");
    }
    website.stop().await;
}
