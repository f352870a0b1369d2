//! A box brings its code.

use crate::{on_both, scene, stage::Stage};
use protocol::SigningKey;
use serde_json::{Value, json};
use website::{changes::Actor, edges};

on_both!(a_code_makes_a_box_an_edge_once, what_is_no_good_is_refused, guessing_is_throttled);

fn body(code: &str) -> Value {
    json!({
        "code": code,
        "public_key": hex::encode(SigningKey::from_seed([3; 32]).public().to_bytes()),
        "space": { "id": "sface", "dimension": 128, "match": 0.36, "new": 0.3 },
    })
}

fn join(stage: &Stage, body: &Value) -> crate::answer::Answer {
    stage.send("POST", "/api/edge/join", &[("content-type", "application/json")], &body.to_string())
}

fn code(stage: &Stage, name: &str) -> String {
    let by = Actor::command_line();
    stage.run(edges::add(&stage.app, &"oslo".parse().unwrap(), name, "", &by)).unwrap().code
}

fn a_code_makes_a_box_an_edge_once(stage: &Stage) {
    scene::location(stage, "Oslo");
    let code = code(stage, "door");
    let got = join(stage, &body(&code)).expect(200).json();
    assert_eq!(got["location"], "oslo");
    assert_eq!(got["location_name"], "Oslo");
    assert_eq!(got["mqtt"], json!({ "host": null, "port": 1883, "tls": false }));
    assert_eq!(got["site_key"], hex::encode(stage.app.key.public().to_bytes()));
    assert_eq!(got["digest_key"].as_str().unwrap().len(), 64);
    assert_eq!(got["token"].as_str().unwrap().len(), 32);
    assert!(got["edge"].is_string());
    join(stage, &body(&code)).expect(404).says("not known, or has been used");
}

fn what_is_no_good_is_refused(stage: &Stage) {
    scene::location(stage, "Oslo");
    let late = code(stage, "late");
    stage.sql("UPDATE join_codes SET expires_at = 1");
    let good = code(stage, "good");
    let with = |change: fn(&mut Value)| {
        let mut body = body(&good);
        change(&mut body);
        body
    };
    for (body, status, words) in [
        (body(&late), 403, "has expired"),
        (body("XXXXXXXX"), 404, "not known"),
        (with(|body| body["public_key"] = json!("00")), 400, "64 hexadecimal digits"),
        (with(|body| body["space"]["id"] = json!("a b")), 400, "letters, digits"),
        (with(|body| body["space"]["dimension"] = json!(0)), 400, "dimensions"),
        (with(|body| body["space"]["new"] = json!(0.5)), 400, "new <= match"),
        (with(|body| drop(body.as_object_mut().unwrap().remove("space"))), 400, "missing field `space`"),
    ] {
        let answer = join(stage, &body).expect(status);
        assert!(answer.json()["error"].as_str().unwrap().contains(words), "{}", answer.body);
    }
    join(stage, &body(&good)).expect(200);
    let other = with(|body| body["space"]["match"] = json!(0.5));
    let mut other = other;
    other["code"] = json!(code(stage, "other"));
    join(stage, &other).expect(409).says("another dimension or other thresholds");
}

fn guessing_is_throttled(stage: &Stage) {
    scene::location(stage, "Oslo");
    let good = code(stage, "door");
    for _ in 0..10 {
        join(stage, &body("XXXXXXXX")).expect(404);
    }
    join(stage, &body(&good)).expect(429).says("too many wrong codes");
}
