//! Who may read and write what, tried with everybody's MQTT tools and as an edge of another store.
#![allow(clippy::unwrap_used)]

use protocol::{Topic, filters};
use rumqttc::{Event, Packet, PublishOptions, QoS, SubscribeReasonCode};
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver},
    time::Duration,
};
use tests::{Joined, Quiet, Website, person, until};

#[test]
fn an_edge_of_one_store_reaches_nothing_of_another() {
    let site = Website::start();
    site.location("a");
    site.location("b");
    let ours = Joined::join(&site, "a", "ours");
    let theirs = Joined::join(&site, "b", "theirs");

    let (client, mut connection) = ours.connect();
    let foreign = [
        filters::customers(&theirs.location),
        filters::inbox(&theirs.location, &theirs.edge),
        "store/#".to_owned(),
        "store/+/customers/#".to_owned(),
        "#".to_owned(),
        filters::VISITS.to_owned(),
        "$share/g/store/b/customers/#".to_owned(),
    ];
    for filter in &foreign {
        client.subscribe(filter.as_str(), QoS::AtLeastOnce).unwrap();
    }
    let mut answers = Vec::new();
    while answers.len() < foreign.len() {
        if let Ok(Event::Incoming(Packet::SubAck(ack))) = connection.recv().unwrap() {
            answers.extend(ack.return_codes);
        }
    }
    assert!(answers.iter().all(|code| *code == SubscribeReasonCode::Failure), "{answers:?}");

    let head = Topic::Head(theirs.location.clone());
    let visits = Topic::Visits(theirs.location.clone(), theirs.edge.clone());
    for topic in [head, visits, Topic::ViewEdge(theirs.location.clone(), theirs.edge.clone())] {
        let (client, mut connection) = ours.connect();
        let options = PublishOptions::new(QoS::AtLeastOnce);
        client.publish(topic.to_string(), vec![0], options).unwrap();
        let ended = connection.iter().find_map(|event| event.err());
        assert!(ended.is_some(), "a publish on {topic} ends the connection");
    }
}

#[test]
fn without_a_login_there_is_nothing_and_the_code_says_why() {
    let site = Website::start();
    let output = Command::new("mosquitto_sub")
        .args(["-p", &site.mqtt.port().to_string(), "-t", "view/#", "-W", "5"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{said}");
    assert!(said.to_lowercase().contains("not authorised"), "{said}");
}

/// `mosquitto_sub -v` as a person runs it.
struct Watch {
    child: Child,
    lines: Receiver<String>,
}

impl Watch {
    fn start(site: &Website, password: &str, filters: &[&str]) -> Self {
        let port = site.mqtt.port().to_string();
        let mut child = Command::new("mosquitto_sub")
            .args(["-p", &port, "-u", "olga", "-P", password, "-v"])
            .args(filters.iter().flat_map(|filter| ["-t", filter]))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (send, lines) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
        Self { child, lines }
    }

    /// Waits for a line of `topic` whose JSON `wanted` says yes to; every line on the way must be JSON under `view/`.
    #[track_caller]
    fn see(&self, topic: &str, wanted: impl Fn(&Value) -> bool) {
        loop {
            let line = self
                .lines
                .recv_timeout(Duration::from_secs(30))
                .unwrap_or_else(|_| panic!("nothing on {topic}"));
            let (on, payload) = line.split_once(' ').unwrap_or((&line, ""));
            assert!(on.starts_with("view/"), "{line}");
            assert!(!line.contains("embedding"), "{line}");
            let value: Value = match payload {
                "" | "(null)" => Value::Null,
                text => serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {line}")),
            };
            if on == topic && wanted(&value) {
                return;
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn people_watch_an_enrolment_a_rename_a_removal_and_an_edge_that_comes_and_goes() {
    let site = Website::start();
    site.location("oslo");
    let password = site.command(&["mqtt-user", "add", "olga"]).trim().to_owned();
    let watch = Watch::start(&site, &password, &["view/#"]);

    let saw = Joined::join(&site, "oslo", "door");
    saw.enrol(&[("face_1".parse().unwrap(), person(1))]);
    watch.see("view/oslo/customers/face_1", |row| row["flag"] == "none");
    let about = "/api/v1/locations/oslo/customers/face_1";
    site.call("PATCH", about, &json!({ "flag": "red" })).ok();
    watch.see("view/oslo/customers/face_1", |row| row["flag"] == "red");
    site.call("PATCH", about, &json!({ "name": "Olav" })).ok();
    watch.see("view/oslo/changes", |change| change["change"] == "renamed");
    site.call("DELETE", about, &Value::Null).ok();
    watch.see("view/oslo/customers/face_1", Value::is_null);

    let edge = Quiet::join(&site, "oslo", "quiet");
    let presence = format!("view/oslo/edges/{}", edge.id());
    watch.see(&presence, |edge| edge["state"] == "online");
    edge.stop();
    watch.see(&presence, |edge| edge["state"] == "offline");

    // Nothing of the removed customer is left for somebody who looks now.
    let late = Watch::start(&site, &password, &["view/oslo/customers/+", "view/oslo/head"]);
    late.see("view/oslo/head", |head| head["count"] == 0);
    assert!(late.lines.recv_timeout(Duration::from_millis(300)).is_err(), "no customer is retained");

    let port = site.mqtt.port().to_string();
    for filter in ["store/#", "#", "store/oslo/customers"] {
        let output = Command::new("mosquitto_sub")
            .args(["-p", &port, "-u", "olga", "-P", &password, "-t", filter, "-W", "3", "-v"])
            .output()
            .unwrap();
        assert!(output.stdout.is_empty(), "{filter}: {}", String::from_utf8_lossy(&output.stdout));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("denied"), "{filter} is refused: {said}");
    }
    until("the counters are there to see", 20, || {
        let output = Command::new("mosquitto_sub")
            .args(["-p", &port, "-u", "olga", "-P", &password, "-t", "view/broker", "-W", "3", "-C", "1"])
            .output()
            .unwrap();
        serde_json::from_slice::<Value>(&output.stdout).map(drop).map_err(|error| error.to_string())
    });
}
