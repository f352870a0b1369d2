//! A box that polls, as far as it sends something.

use crate::{answer::Answer, scene, stage::Stage};
use protocol::{FaceId, LocationId, message::EnrolPolicy};
use serde_json::{Value, json};
use website::{
    changes::{self, Actor},
    edges,
    locations::{self, NewSettings},
    tables::visits,
};

/// A box that polls, by its token.
pub struct Sender<'a> {
    stage: &'a Stage,
    pub edge: String,
    pub token: String,
}

impl Sender<'_> {
    #[track_caller]
    pub fn call(&self, method: &str, path: &str, body: &str) -> Answer {
        let bearer = format!("Bearer {}", self.token);
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        self.stage.send(method, &format!("/api/edge/{path}"), &headers, body)
    }

    #[track_caller]
    pub fn visits(&self, visits: &[Value]) -> Answer {
        self.call("POST", "visits", &json!({ "visits": visits }).to_string())
    }

    /// Sends one visit, which is answered; gives its status and the id that counts.
    #[track_caller]
    pub fn one(&self, visit: &Value) -> (String, Value) {
        let answer = self.call("POST", "visits", &visit.to_string()).expect(200).json();
        assert_eq!((&answer["success"], &answer["visits"][0]["id"]), (&json!(true), &visit["id"]));
        let one = &answer["visits"][0];
        (one["status"].as_str().unwrap().to_owned(), one["face_id"].clone())
    }

    /// Polls, and gives the time that the answer bears.
    #[track_caller]
    pub fn poll(&self, since: &str) -> String {
        let answer = self.call("GET", &format!("sync?format=changes&since={since}"), "").expect(200).json();
        answer["sync_timestamp"].as_str().unwrap().to_owned()
    }

    #[track_caller]
    pub fn confirm(&self, faces: &[&str]) -> Answer {
        self.call("POST", "sync/confirm", &json!({ "deleted": faces }).to_string())
    }
}

/// A store whose boxes know one space, and a box of it that polls.
pub fn store<'a>(stage: &'a Stage, enrol: EnrolPolicy) -> (LocationId, Sender<'a>) {
    let oslo = scene::location(stage, "Oslo");
    scene::edge(stage, &oslo, "Door");
    let settings = NewSettings { enrol: Some(enrol), ..NewSettings::default() };
    stage.run(locations::set(&stage.app, &oslo, settings, &Actor::command_line())).unwrap();
    let kiosk = joins(stage, &oslo, "Kiosk");
    (oslo, kiosk)
}

pub fn joins<'a>(stage: &'a Stage, location: &LocationId, name: &str) -> Sender<'a> {
    let code = stage.run(edges::add(&stage.app, location, name, "", &Actor::command_line())).unwrap().code;
    joins_with(stage, &code)
}

pub fn joins_with<'a>(stage: &'a Stage, code: &str) -> Sender<'a> {
    let body = json!({ "code": code, "kind": "polling", "space": { "id": "test-space" } }).to_string();
    let joined = stage.send("POST", "/api/edge/join", &[("content-type", "application/json")], &body);
    let joined = joined.expect(200).json();
    let text = |field: &str| joined[field].as_str().unwrap().to_owned();
    Sender { stage, edge: text("edge"), token: text("token") }
}

pub fn now() -> String {
    moment(0)
}

/// The moment in so many seconds, as a box writes it.
pub fn moment(in_s: i64) -> String {
    let at = website::clock::now().plus_ms(in_s * 1_000);
    chrono::DateTime::from_timestamp_millis(at.0).unwrap().to_rfc3339()
}

/// Person `n` seen for the time `look`: the same number is alike, another is not.
pub fn person(n: usize, look: u32) -> Vec<f32> {
    let mut vector = [0.01_f32; 16];
    vector[n % 16] = 1.0;
    vector[(n + 1) % 16] += 0.05 * look as f32;
    vector.to_vec()
}

pub fn known(id: &str, face: &str) -> Value {
    json!({ "id": id, "seen_at": now(), "face_id": face, "similarity": 0.7 })
}

pub fn new(id: &str, wanted: Option<&str>, vector: &[f32]) -> Value {
    json!({ "id": id, "seen_at": now(), "face_id": wanted, "embedding": vector })
}

pub fn with(mut visit: Value, field: &str, value: impl Into<Value>) -> Value {
    visit[field] = value.into();
    visit
}

pub fn kinds(stage: &Stage, location: &LocationId) -> Vec<(String, i64)> {
    stage.run(async {
        let mut tx = stage.app.db.read().await.unwrap();
        let kinds = visits::by_kind(&mut tx, location).await.unwrap();
        kinds.into_iter().map(|(kind, count)| (kind.to_string(), count)).collect()
    })
}

#[track_caller]
pub fn assert_kinds(stage: &Stage, location: &LocationId, expected: &[(&str, i64)]) {
    let expected: Vec<_> = expected.iter().map(|(kind, count)| ((*kind).to_owned(), *count)).collect();
    assert_eq!(kinds(stage, location), expected);
}

pub fn customer(stage: &Stage, face: &str) -> Value {
    stage.api("GET", &format!("/locations/oslo/customers/{face}"), "").expect(200).json()
}

pub fn remove(stage: &Stage, location: &LocationId, face: &str) {
    let face: FaceId = face.parse().unwrap();
    stage.run(changes::remove(&stage.app, location, &face, &Actor::command_line())).unwrap();
}

pub fn answered(status: &str, face: &str) -> (String, Value) {
    (status.to_owned(), json!(face))
}
