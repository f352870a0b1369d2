//! The HTTP API, call by call.

use crate::{on_both, scene, stage::Stage};
use protocol::message::Probe;
use serde_json::{Value, json};

on_both!(
    locations_are_added_and_read,
    a_location_is_set,
    customers_are_listed_found_changed_and_removed,
    a_merge_names_the_winner,
    edges_are_added_read_and_revoked,
    visits_come_newest_first_by_pages,
    a_change_is_followed_edge_by_edge,
    what_is_no_good_is_refused,
    nothing_that_is_read_holds_a_vector,
    the_probes_tell_alive_from_ready,
);

fn locations_are_added_and_read(stage: &Stage) {
    let new = json!({ "name": "Main Street 5", "time_zone": "Europe/Oslo", "enrol": "approve" });
    let added = stage.api("POST", "/locations", &new.to_string()).expect(201).json();
    assert_eq!(added["id"], "main-street-5");
    for (field, value) in [("name", "Main Street 5"), ("time_zone", "Europe/Oslo"), ("enrol", "approve")] {
        assert_eq!(added[field], value);
    }
    assert_eq!((&added["seq"], &added["customers"]), (&json!(0), &json!(0)));
    assert_eq!(stage.api("GET", "/locations/main-street-5", "").expect(200).json(), added);
    assert_eq!(stage.api("GET", "/locations", "").expect(200).json()["locations"], json!([added]));
    stage.api("POST", "/locations", &new.to_string()).expect(409).says("choose another id");
}

fn a_location_is_set(stage: &Stage) {
    let new =
        json!({ "name": "Oslo", "time_zone": "Europe/Oslo", "enrol": "approve", "points_per_visit": 3 });
    let added = stage.api("POST", "/locations", &new.to_string()).expect(201).json();
    assert_eq!(added["points_per_visit"], 3);
    for (patch, field, value) in [
        (json!({ "points_per_visit": 5 }), "points_per_visit", json!(5)),
        (json!({ "enrol": "auto", "name": "Oslo S" }), "enrol", json!("auto")),
        (json!({ "lease_s": 3600 }), "lease_s", json!(3600)),
        (json!({}), "points_per_visit", json!(5)),
    ] {
        let set = stage.api("PATCH", "/locations/oslo", &patch.to_string()).expect(200).json();
        assert_eq!(set[field], value, "{patch}");
        assert_eq!(stage.api("GET", "/locations/oslo", "").expect(200).json(), set);
    }
    for (patch, status, why) in [
        (json!({ "points_per_visit": 10_001 }), 400, "a whole number of points from 0 to 10000"),
        (json!({ "points_per_visit": -1 }), 400, "a whole number of points from 0 to 10000"),
        (json!({ "points_per_visit": 1.5 }), 400, "not the JSON asked for"),
        (json!({ "lease_s": 1 }), 400, "a lease lasts from 60 seconds"),
        (json!({ "enrol": "always" }), 400, "one of auto, approve, off"),
        (json!({ "colour": "red" }), 400, "unknown field"),
    ] {
        stage.api("PATCH", "/locations/oslo", &patch.to_string()).expect(status).says(why);
    }
    stage.api("PATCH", "/locations/nowhere", "{}").expect(404).says("there is no location nowhere");
    let found = stage.api("GET", "/locations/oslo", "").expect(200).json();
    assert_eq!((&found["points_per_visit"], &found["name"]), (&json!(5), &json!("Oslo S")));
}

fn customers_are_listed_found_changed_and_removed(stage: &Stage) {
    let oslo = scene::location(stage, "Oslo");
    for (n, name) in ["Ada Lovelace", "Bo 50%", "Bo_Ek", ""].into_iter().enumerate() {
        scene::customer(stage, &oslo, &format!("face_{n}"), name, n);
    }
    let list = |question: &str| {
        let list = stage.api("GET", &format!("/locations/oslo/customers{question}"), "").expect(200).json();
        let names = list["customers"].as_array().unwrap().iter().map(|row| row["face_id"].clone()).collect();
        (Value::Array(names), list["next_offset"].clone())
    };
    for (question, faces, next) in [
        ("", json!(["face_0", "face_1", "face_2", "face_3"]), Value::Null),
        ("?limit=3", json!(["face_0", "face_1", "face_2"]), json!(3)),
        ("?limit=3&offset=3", json!(["face_3"]), Value::Null),
        ("?q=bo", json!(["face_1", "face_2"]), Value::Null),
        ("?q=LOVE", json!(["face_0"]), Value::Null),
        ("?q=%25", json!(["face_1"]), Value::Null),
        ("?q=_", json!(["face_2"]), Value::Null),
        ("?q=nobody", json!([]), Value::Null),
    ] {
        assert_eq!(list(question), (faces, next), "{question}");
    }

    let ada = "/locations/oslo/customers/face_0";
    for (patch, seq, name, flag, points) in [
        (json!({ "name": "  Ada L. " }), 5, "Ada L.", "none", 0),
        (json!({ "flag": "amber" }), 6, "Ada L.", "amber", 0),
        (json!({ "name": "Ada", "flag": "red" }), 7, "Ada", "red", 0),
        (json!({ "points": 30 }), 7, "Ada", "red", 30),
        (json!({ "points": 20, "flag": "green" }), 8, "Ada", "green", 20),
        (json!({ "name": "Ada", "flag": "green", "points": 20 }), 8, "Ada", "green", 20),
        (json!({ "name": "" }), 9, "", "green", 20),
    ] {
        let got = stage.api("PATCH", ada, &patch.to_string()).expect(200).json();
        let customer = &got["customer"];
        assert_eq!((&got["seq"], &customer["seq"]), (&json!(seq), &json!(seq)), "{patch}");
        assert_eq!(
            (&customer["name"], &customer["flag"], &customer["points"]),
            (&json!(name), &json!(flag), &json!(points)),
            "{patch}"
        );
        assert_eq!(stage.api("GET", ada, "").expect(200).json(), *customer);
    }

    assert_eq!(stage.api("DELETE", ada, "").expect(200).json()["seq"], 10);
    for method in ["GET", "DELETE"] {
        stage.api(method, ada, "").expect(404).says("customer face_0 has been removed");
    }
    stage.api("PATCH", ada, r#"{"name":"Eve"}"#).expect(404).says("has been removed");
    assert_eq!(list("").0, json!(["face_1", "face_2", "face_3"]));
    let location = stage.api("GET", "/locations/oslo", "").expect(200).json();
    assert_eq!((&location["seq"], &location["customers"]), (&json!(10), &json!(3)));
}

fn a_merge_names_the_winner(stage: &Stage) {
    let oslo = scene::location(stage, "Oslo");
    scene::customer(stage, &oslo, "face_1", "Ada", 1);
    scene::customer(stage, &oslo, "face_2", "", 2);
    let merge = |face: &str, into: &str| {
        let path = format!("/locations/oslo/customers/{face}/merge");
        stage.api("POST", &path, &json!({ "into": into }).to_string())
    };
    merge("face_1", "face_1").expect(400).says("into itself");
    merge("face_1", "face_9").expect(404).says("no customer face_9");
    let merged = merge("face_1", "face_2").expect(200).json();
    assert_eq!(merged["into"], "face_2");
    let winner = stage.api("GET", "/locations/oslo/customers/face_2", "").expect(200).json();
    assert_eq!((&winner["name"], &winner["visits"]), (&json!("Ada"), &json!(2)));
    stage.api("GET", "/locations/oslo/customers/face_1", "").expect(404).says("was merged into face_2");
    stage.api("GET", &format!("/locations/oslo/changes/{}", merged["seq"]), "").expect(200);
}

fn edges_are_added_read_and_revoked(stage: &Stage) {
    let oslo = scene::location(stage, "Oslo");
    scene::customer(stage, &oslo, "face_1", "Ada", 1);
    let added =
        stage.api("POST", "/locations/oslo/edges", r#"{"name":"Till","place":"left"}"#).expect(201).json();
    assert_eq!(added["code"].as_str().unwrap().len(), 8);
    let till = format!("/locations/oslo/edges/{}", added["edge"].as_str().unwrap());
    let waiting = stage.api("GET", &till, "").expect(200).json();
    assert_eq!((&waiting["state"], &waiting["report"]), (&json!("waiting"), &Value::Null));
    let again = stage.api("POST", &format!("{till}/code"), "").expect(201).json();
    assert_ne!(again["code"], added["code"]);

    let door = scene::edge(stage, &oslo, "Door");
    let state = || stage.api("GET", &format!("/locations/oslo/edges/{}", door.id), "").expect(200).json();
    assert_eq!(state()["state"], "silent");
    scene::report(stage, &oslo, &door, None);
    let in_sync = state();
    assert_eq!((&in_sync["state"], &in_sync["behind"]), (&json!("in_sync"), &json!(0)));
    assert_eq!(in_sync["report"]["digest"], stage.api("GET", "/locations/oslo", "").json()["digest"]);
    scene::report(stage, &oslo, &door, Some(protocol::Digest::EMPTY));
    assert_eq!(state()["state"], "differs");
    scene::report(stage, &oslo, &door, None);
    stage.api("PATCH", "/locations/oslo/customers/face_1", r#"{"flag":"red"}"#).expect(200);
    let late = state();
    assert_eq!((&late["state"], &late["behind"]), (&json!("behind"), &json!(1)));

    stage.api("DELETE", &till, "").expect(204);
    stage.api("DELETE", &till, "").expect(204);
    stage.api("POST", &format!("{till}/code"), "").expect(409).says("has been revoked");
    let list = stage.api("GET", "/locations/oslo/edges", "").expect(200).json();
    let states: Vec<_> = list["edges"].as_array().unwrap().iter().map(|edge| edge["state"].clone()).collect();
    assert_eq!((json!(states), &list["seq"]), (json!(["behind", "revoked"]), &json!(2)));
}

fn visits_come_newest_first_by_pages(stage: &Stage) {
    let oslo = scene::location(stage, "Oslo");
    let face = scene::customer(stage, &oslo, "face_1", "Ada", 1);
    let door = scene::edge(stage, &oslo, "Door");
    for n in 1..=5 {
        scene::visit(stage, &oslo, &door, n, (n % 2 == 1).then_some(&face), scene::SEEN.plus_ms(n as i64));
    }
    let page = |question: &str| stage.api("GET", &format!("/locations/oslo/visits{question}"), "").json();
    let seen = |page: &Value| -> Vec<i64> {
        let rows = page["visits"].as_array().unwrap().iter();
        rows.map(|visit| visit["seen_at"].as_i64().unwrap() - scene::SEEN.0).collect()
    };
    let first = page("?limit=2");
    assert_eq!(seen(&first), [5, 4]);
    let (newest, anonymous) = (&first["visits"][0], &first["visits"][1]);
    assert_eq!((&newest["kind"], &newest["face_id"]), (&json!("known"), &json!("face_1")));
    assert_eq!((&anonymous["kind"], &anonymous["face_id"]), (&json!("anonymous"), &Value::Null));
    let second = page(&format!("?limit=3&before={}", first["next_before"]));
    assert_eq!((seen(&second), &second["next_before"]), (vec![3, 2, 1], &Value::Null));
    assert_eq!(seen(&page("")), [5, 4, 3, 2, 1]);
}

fn a_change_is_followed_edge_by_edge(stage: &Stage) {
    let oslo = scene::location(stage, "Oslo");
    let face = scene::customer(stage, &oslo, "face_1", "Ada", 1);
    let (door, _till) = (scene::edge(stage, &oslo, "Door"), scene::edge(stage, &oslo, "Till"));
    let seq = stage.api("DELETE", "/locations/oslo/customers/face_1", "").expect(200).json()["seq"]
        .as_u64()
        .unwrap();
    let follow = || stage.api("GET", &format!("/locations/oslo/changes/{seq}"), "").expect(200).json();
    let before = follow();
    assert_eq!((&before["verb"], &before["complete"]), (&json!("removed"), &json!(false)));
    assert_eq!(before["actor"], "token:tests");
    scene::report(stage, &oslo, &door, None);
    scene::receipt(stage, &oslo, &door, &face, seq, Probe::Gone);
    let after = follow();
    assert_eq!(after["complete"], false, "the till has not answered");
    let [door, till] = [&after["edges"][0], &after["edges"][1]];
    assert_eq!(
        (&door["name"], &door["state"], &door["probe"]),
        (&json!("Door"), &json!("applied"), &json!("gone"))
    );
    assert!(door["after_ms"].as_i64().unwrap() >= 0);
    assert_eq!((&till["name"], &till["state"]), (&json!("Till"), &json!("outstanding")));
    stage.api("GET", "/locations/oslo/changes/999", "").expect(404).says("no change 999");
}

fn what_is_no_good_is_refused(stage: &Stage) {
    let oslo = scene::location(stage, "Oslo");
    scene::customer(stage, &oslo, "face_1", "Ada", 1);
    scene::edge(stage, &oslo, "Door");
    let ada = "/locations/oslo/customers/face_1";
    let long = json!({ "name": "x".repeat(121) }).to_string();
    for (method, path, body, status, words) in [
        ("GET", "/locations/nowhere", "", 404, "there is no location nowhere"),
        ("GET", "/locations/nowhere/customers", "", 404, "no location nowhere"),
        ("GET", "/locations/nowhere/edges", "", 404, "no location nowhere"),
        ("GET", "/locations/nowhere/visits", "", 404, "no location nowhere"),
        ("GET", "/locations/nowhere/changes/1", "", 404, "no location nowhere"),
        ("GET", "/locations/a%20b", "", 404, "check the ids"),
        ("GET", "/locations/oslo/customers/none", "", 404, "no customer none"),
        ("GET", "/locations/oslo/changes/x", "", 404, "check the ids"),
        ("GET", "/locations/oslo/edges/none", "", 404, "no edge none"),
        ("DELETE", "/locations/oslo/edges/none", "", 404, "no edge none"),
        ("GET", "/nothing", "", 404, "nothing under this address"),
        ("PUT", ada, "{}", 405, "does not take this method"),
        ("GET", "/locations/oslo/customers?limit=0", "", 400, "from 1 to 500"),
        ("GET", "/locations/oslo/customers?limit=x", "", 400, "cannot be read"),
        ("GET", "/locations/oslo/customers?colour=red", "", 400, "unknown field `colour`"),
        ("PATCH", ada, r#"{"flag":"purple"}"#, 400, "a flag is one of none, green, amber, red"),
        ("PATCH", ada, r#"{"name":"a\nb"}"#, 400, "line breaks"),
        ("PATCH", ada, &long, 400, "at most 120 characters, this one has 121"),
        ("PATCH", ada, r#"{"points":-1}"#, 400, "points are a number from 0"),
        ("PATCH", ada, r#"{"points":1.5}"#, 400, "the body is not the JSON asked for"),
        ("PATCH", ada, r#"{"embedding":[1]}"#, 400, "unknown field `embedding`"),
        ("PATCH", ada, "{}", 400, "nothing to change"),
        ("PATCH", ada, "{", 400, "the body is not the JSON asked for"),
        ("PATCH", "/locations/oslo/customers/none", r#"{"flag":"red"}"#, 404, "no customer none"),
        ("POST", "/locations", r#"{"name":"A","time_zone":"UTC"}"#, 400, "there is no default"),
        ("POST", "/locations", r#"{"name":"A","time_zone":"UTC","enrol":"yes"}"#, 400, "auto, approve, off"),
        ("POST", "/locations", r#"{"name":"A","time_zone":"Oslo","enrol":"off"}"#, 400, "Europe/Berlin"),
        ("POST", "/locations", r#"{"id":"a/b","name":"A","time_zone":"UTC","enrol":"off"}"#, 400, "letters"),
        ("POST", "/locations", r#"{"id":"a","name":" ","time_zone":"UTC","enrol":"off"}"#, 400, "1 to 120"),
        ("POST", "/locations/oslo/edges", r#"{"name":"Door"}"#, 409, "choose another name"),
        ("POST", "/locations/oslo/edges", r#"{"name":""}"#, 400, "1 to 120 characters"),
    ] {
        let answer = stage.api(method, path, body).expect(status);
        assert_eq!(answer.header("content-type"), "application/json", "{method} {path}");
        let error = answer.json()["error"].as_str().unwrap().to_owned();
        assert!(error.contains(words), "{method} {path} {body}: {error}");
    }
    let token = stage.run(website::web::token::create(&stage.app.db, "raw")).unwrap();
    let bearer = format!("Bearer {token}");
    let path = format!("/api/v1{ada}");
    let text = [("authorization", bearer.as_str()), ("content-type", "text/plain")];
    stage.send("PATCH", &path, &text, "{}").expect(415).says("application/json");
    let huge = json!({ "name": "x".repeat(70_000) }).to_string();
    stage.api("PATCH", ada, &huge).expect(413).says("64 KiB");
    stage.api("GET", ada, "").expect(200).says("\"name\":\"Ada\"").says("\"seq\":1,");
}

fn nothing_that_is_read_holds_a_vector(stage: &Stage) {
    let oslo = scene::location(stage, "Oslo");
    let face = scene::customer(stage, &oslo, "face_1", "Ada", 1);
    let door = scene::edge(stage, &oslo, "Door");
    scene::visit(stage, &oslo, &door, 1, Some(&face), scene::SEEN);
    for path in [
        "/locations",
        "/locations/oslo",
        "/locations/oslo/customers",
        "/locations/oslo/customers/face_1",
        "/locations/oslo/edges",
        "/locations/oslo/visits",
        "/locations/oslo/changes/1",
    ] {
        let answer = stage.api("GET", path, "").expect(200);
        assert_eq!(answer.header("cache-control"), "no-store");
        assert!(has_no_vector(&answer.json()), "{path}: {}", answer.body);
    }
}

/// Neither a field of that name, nor a list of numbers, nor a text as long as this scene's vector of 16 f16.
fn has_no_vector(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().all(|item| !item.is_number() && has_no_vector(item)),
        Value::Object(fields) => fields.iter().all(|(name, value)| {
            !name.contains("embedding") && !name.contains("vector") && has_no_vector(value)
        }),
        Value::String(text) => text.len() < 40,
        _ => true,
    }
}

fn the_probes_tell_alive_from_ready(stage: &Stage) {
    stage.send("GET", "/healthz", &[], "").expect(200);
    stage.send("GET", "/readyz", &[], "").expect(503).says("the broker is not connected");
    stage.app.connected.send_replace(true);
    stage.send("GET", "/readyz", &[], "").expect(200);
    stage.run(stage.app.db.close());
    stage.send("GET", "/readyz", &[], "").expect(503).says("the database does not answer");
    stage.send("GET", "/healthz", &[], "").expect(200);
    stage.api("GET", "/locations", "").expect(500).says("its log says why").does_not_say("pool");
}
