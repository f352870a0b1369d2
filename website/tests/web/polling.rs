//! Boxes that poll: what they are told, to the letter.

use crate::{answer::Answer, on_both, scene, stage::Stage};
use protocol::{FaceId, LocationId, message::Flag};
use serde_json::{Value, json};
use website::{
    changes::{self, Actor, Edit},
    edges,
};

on_both!(
    removals_are_told_to_the_letter,
    changes_are_told_to_the_letter,
    a_code_lets_a_box_in_that_polls,
    what_is_no_good_is_refused,
    only_its_own_store_is_told,
    only_faces_of_its_own_space_are_told,
    a_box_that_floods_waits,
);

/// A box that polls, by its token.
struct Poller<'a> {
    stage: &'a Stage,
    token: String,
}

impl Poller<'_> {
    #[track_caller]
    fn ask(&self, question: &str) -> Answer {
        let bearer = format!("Bearer {}", self.token);
        self.stage.send("GET", &format!("/api/edge/sync{question}"), &[("authorization", &bearer)], "")
    }

    /// Asks for removals, which must be these, and tells the answer's time.
    #[track_caller]
    fn removals(&self, question: &str, expected: &[&str]) -> String {
        let answer = self.ask(question).expect(200);
        let time = answer.json()["syncTimestamp"].as_str().unwrap().to_owned();
        let expected = json!(expected);
        assert_eq!(
            answer.body,
            format!(r#"{{"success":true,"deleted":{expected},"syncTimestamp":"{time}"}}"#)
        );
        time
    }
}

fn polls<'a>(stage: &'a Stage, location: &LocationId, name: &str) -> Poller<'a> {
    let code = stage.run(edges::add(&stage.app, location, name, "", &Actor::command_line())).unwrap().code;
    let joined = join(stage, &json!({ "code": code, "kind": "polling", "space": { "id": "test-space" } }));
    Poller { stage, token: joined.expect(200).json()["token"].as_str().unwrap().to_owned() }
}

fn join(stage: &Stage, body: &Value) -> Answer {
    stage.send("POST", "/api/edge/join", &[("content-type", "application/json")], &body.to_string())
}

fn remove(stage: &Stage, location: &LocationId, face: &FaceId) {
    stage.run(changes::remove(&stage.app, location, face, &Actor::command_line())).unwrap();
}

fn edit(stage: &Stage, location: &LocationId, face: &FaceId, name: Option<&str>, flag: Option<Flag>) {
    let edit = Edit { name: name.map(|name| name.parse().unwrap()), flag };
    stage.run(changes::edit(&stage.app, location, face, edit, &Actor::command_line())).unwrap().unwrap();
}

/// The face of number `n` as the scene makes it, in JSON.
fn face(n: usize) -> String {
    let mut vector = [0.01_f32; 16];
    vector[n % 16] = 1.0;
    let embedding = protocol::Embedding::from_f32(&vector).unwrap();
    serde_json::to_string(&embedding.to_f32()).unwrap()
}

fn removals_are_told_to_the_letter(stage: &Stage) {
    let oslo = scene::location(stage, "Oslo");
    for n in 1..=5 {
        scene::customer(stage, &oslo, &format!("visitor_{n}"), "", n);
    }
    let poller = polls(stage, &oslo, "till");
    let first = poller.removals("", &[]);
    assert!(first.len() == 20 && first.ends_with('Z'), "{first}");
    remove(stage, &oslo, &"visitor_5".parse().unwrap());
    let second = poller.removals(&format!("?since={first}"), &["visitor_5"]);
    assert!(second > first, "{second} after {first}");
    let again = poller.removals(&format!("?since={first}"), &["visitor_5"]);
    poller.removals(&format!("?since={second}"), &[]);
    // In whatever form a client writes it anew.
    for form in [second.replace('Z', "+00:00"), second.replace('Z', "%2B00:00"), second.replace('Z', ".000Z")]
    {
        poller.removals(&format!("?since={form}&device_id=till"), &[]);
    }
    // Who merged: whoever was the other one goes.
    let (gone, kept) = ("visitor_1".parse().unwrap(), "visitor_2".parse().unwrap());
    stage.run(changes::merge(&stage.app, &oslo, &gone, &kept, &Actor::command_line())).unwrap();
    remove(stage, &oslo, &kept);
    poller.removals(&format!("?since={again}"), &["visitor_1", "visitor_2"]);
    poller.removals("", &["visitor_5", "visitor_1", "visitor_2"]);
}

fn changes_are_told_to_the_letter(stage: &Stage) {
    let oslo = scene::location(stage, "Oslo");
    let [three, five] = ["visitor_3", "visitor_5"].map(|face| scene::customer(stage, &oslo, face, "", 3));
    let poller = polls(stage, &oslo, "till");
    let ask = |since: &str| {
        let answer = poller.ask(&format!("?format=changes&since={since}")).expect(200);
        let time = answer.json()["sync_timestamp"].as_str().unwrap().to_owned();
        (time, answer)
    };
    let told = |changes: &str, time: &str| format!(r#"{{"changes":[{changes}],"sync_timestamp":"{time}"}}"#);
    let (first, answer) = ask("");
    let created =
        |face_id: &str| format!(r#"{{"action":"create","face_id":"{face_id}","embedding":{}}}"#, face(3));
    assert_eq!(answer.body, told(&[created("visitor_3"), created("visitor_5")].join(","), &first));
    assert_eq!((answer.header("sync-scope"), answer.header("sync-more")), ("all", "false"));
    remove(stage, &oslo, &five);
    edit(stage, &oslo, &three, None, Some(Flag::Red));
    scene::customer(stage, &oslo, "visitor_10", "", 10);
    let (second, answer) = ask(&first);
    let changes = format!(
        r#"{{"action":"delete","face_id":"visitor_5"}},{{"action":"update","face_id":"visitor_3","flag":"red"}},{{"action":"create","face_id":"visitor_10","embedding":{}}}"#,
        face(10)
    );
    assert_eq!(answer.body, told(&changes, &second));
    assert_eq!((answer.header("sync-scope"), answer.header("sync-more")), ("since", "false"));
    edit(stage, &oslo, &three, Some("Ada \"A\""), Some(Flag::None));
    let (third, answer) = ask(&second);
    let renamed = r#"{"action":"update","face_id":"visitor_3","name":"Ada \"A\"","flag":"none"}"#;
    assert_eq!(answer.body, told(renamed, &third));
    let (fourth, answer) = ask(&third);
    assert_eq!(answer.body, told("", &fourth));
    // Somebody new with name and flag.
    scene::customer(stage, &oslo, "visitor_11", "Grace", 11);
    edit(stage, &oslo, &"visitor_11".parse().unwrap(), None, Some(Flag::Amber));
    let (fifth, answer) = ask(&fourth);
    let created = format!(
        r#"{{"action":"create","face_id":"visitor_11","name":"Grace","flag":"amber","embedding":{}}}"#,
        face(11)
    );
    assert_eq!(answer.body, told(&created, &fifth));
}

fn a_code_lets_a_box_in_that_polls(stage: &Stage) {
    let oslo = scene::location(stage, "Oslo");
    let by = Actor::command_line();
    let added = stage.run(edges::add(&stage.app, &oslo, "till", "", &by)).unwrap();
    let body = |code: &str| json!({ "code": code, "kind": "polling" });
    // Nothing tells the space yet.
    join(stage, &body(&added.code)).expect(400).says("no space is known yet");
    let all = json!({ "id": "test-space", "dimension": 16, "match": 0.6, "new": 0.4 });
    let with = |code: &str, space: &Value| {
        let mut body = body(code);
        body["space"] = space.clone();
        body
    };
    join(stage, &with(&added.code, &json!({ "id": "test-space" }))).expect(400).says("is not registered");
    join(stage, &with(&added.code, &json!({ "id": "test-space", "dimension": 16 })))
        .expect(400)
        .says("thresholds");
    let joined = join(stage, &with(&added.code, &all)).expect(200).json();
    let token = joined["token"].as_str().unwrap();
    assert_eq!(
        joined,
        json!({
            "edge": added.edge, "location": "oslo", "location_name": "Oslo", "space": "test-space",
            "token": token, "sync": "/api/edge/sync",
        })
    );
    let old = Poller { stage, token: token.to_owned() };
    old.removals("", &[]);
    join(stage, &with(&added.code, &all)).expect(404).says("has been used");
    // The box is replaced: the space is the only one by now.
    let code = stage.run(edges::new_code(&stage.app, &oslo, &added.edge, &by)).unwrap().code;
    let mqtt = json!({ "code": code, "public_key": "00", "space": all });
    join(stage, &mqtt).expect(400).says("64 hexadecimal digits");
    let key = hex::encode(protocol::SigningKey::from_seed([9; 32]).public().to_bytes());
    let mqtt = json!({ "code": code, "public_key": key, "space": all });
    join(stage, &mqtt).expect(409).says("for a box that polls");
    let token = join(stage, &body(&code)).expect(200).json()["token"].as_str().unwrap().to_owned();
    old.ask("").expect(401).says("no valid token");
    let new = Poller { stage, token };
    new.removals("", &[]);
    // An edge that listens does not become one that polls.
    let door = scene::edge(stage, &oslo, "door");
    let code = stage.run(edges::new_code(&stage.app, &oslo, &door.id, &by)).unwrap().code;
    join(stage, &body(&code)).expect(409).says("listens over MQTT");
    stage.run(edges::revoke(&stage.app, &oslo, &added.edge, &by)).unwrap();
    new.ask("").expect(403).says("has been revoked");
}

fn what_is_no_good_is_refused(stage: &Stage) {
    let oslo = scene::location(stage, "Oslo");
    scene::customer(stage, &oslo, "visitor_1", "", 1);
    let poller = polls(stage, &oslo, "till");
    for (question, words) in [
        ("?since=yesterday", "since is a time such as 2025-12-07T02:30:00Z"),
        ("?since=None", "leave it out to be told everything"),
        ("?since=2025-12-07", "since is a time"),
        ("?format=all", "format is changes"),
        ("?limit=0", "from 1 to 10000"),
        ("?limit=10001", "from 1 to 10000"),
        ("?limit=many", "cannot be read"),
    ] {
        poller.ask(question).expect(400).says(words);
    }
    let sent = |headers: &[(&str, &str)]| stage.send("GET", "/api/edge/sync", headers, "");
    sent(&[]).expect(401).says("Bearer TOKEN");
    let cut = format!("Bearer {}", &poller.token[..poller.token.len() - 1]);
    let other = format!("Bearer {}{}", &poller.token[..poller.token.len() - 2], "zz");
    let turned = if poller.token.ends_with('0') { "1" } else { "0" };
    let wrong = format!("Bearer {}{turned}", &poller.token[..poller.token.len() - 1]);
    for bearer in [&cut, &other, &wrong] {
        sent(&[("authorization", bearer)]).expect(401).says("give its edge a new code");
    }
    // A box's token opens nothing else, and a program's does not open this.
    let bearer = format!("Bearer {}", poller.token);
    stage.send("GET", "/api/v1/locations", &[("authorization", &bearer)], "").expect(401);
    let program = stage.run(website::web::token::create(&stage.app.db, "program")).unwrap();
    sent(&[("authorization", &format!("Bearer {program}"))]).expect(401);
    poller.removals("", &[]);
}

fn only_its_own_store_is_told(stage: &Stage) {
    let (oslo, bergen) = (scene::location(stage, "Oslo"), scene::location(stage, "Bergen"));
    let [ours, theirs] = [(&oslo, "ours"), (&bergen, "theirs")].map(|(at, id)| {
        let face = scene::customer(stage, at, id, "", 1);
        remove(stage, at, &face);
        polls(stage, at, "till")
    });
    ours.removals("?location=bergen", &["ours"]);
    theirs.removals("", &["theirs"]);
}

fn only_faces_of_its_own_space_are_told(stage: &Stage) {
    let oslo = scene::location(stage, "Oslo");
    let [old, kept] = ["old", "kept"].map(|face| scene::customer(stage, &oslo, face, "", 1));
    let code = stage.run(edges::add(&stage.app, &oslo, "till", "", &Actor::command_line())).unwrap().code;
    let space = json!({ "id": "newer", "dimension": 8, "match": 0.6, "new": 0.4 });
    let joined = join(stage, &json!({ "code": code, "kind": "polling", "space": space })).expect(200).json();
    let poller = Poller { stage, token: joined["token"].as_str().unwrap().to_owned() };
    edit(stage, &oslo, &kept, Some("Ada"), None);
    remove(stage, &oslo, &old);
    let answer = poller.ask("?format=changes").expect(200).json();
    assert_eq!(answer["changes"], json!([{ "action": "delete", "face_id": "old" }]));
}

fn a_box_that_floods_waits(stage: &Stage) {
    let oslo = scene::location(stage, "Oslo");
    scene::customer(stage, &oslo, "visitor_1", "", 1);
    let (flood, calm) = (polls(stage, &oslo, "flood"), polls(stage, &oslo, "calm"));
    let refused = (0..1_000).map(|_| flood.ask("")).find(|answer| answer.status != 200).unwrap();
    assert_eq!(refused.status, 429, "{}", refused.body);
    assert_eq!(refused.header("retry-after"), "1");
    refused.says("asks too often: wait 1 s");
    calm.removals("", &[]);
}
