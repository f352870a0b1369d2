//! Real pictures, real models, real programs: he is recognised by name, the website removes him, the cameras
//! forget him.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use std::path::Path;
use tests::{EdgeBox, FaceData, Website, face_data, until};

fn in_sync(site: &Website, location: &str) {
    until("every edge is in sync", 60, || {
        let list = site.get(&format!("/locations/{location}/edges"));
        let edges = list["edges"].as_array().unwrap();
        let all = edges.iter().all(|edge| edge["state"] == "in_sync");
        if all { Ok(()) } else { Err(list.to_string()) }
    });
}

/// The customer that a picture is recognised as.
fn face_of(edge: &EdgeBox, data: &FaceData, picture: &str) -> (String, String) {
    let face = edge.look(&data.picture(picture));
    let text = |field: &str| face[field].as_str().unwrap_or_default().to_owned();
    (text("decision"), text("face_id"))
}

#[test]
fn a_face_is_recognised_the_website_removes_it_and_every_camera_forgets_it() {
    let Some(data) = face_data() else { return };
    let folder = tempfile::tempdir().unwrap();
    let site = Website::start();
    site.location("oslo");
    let mut door = EdgeBox::join(&site, "oslo", "door", &data.models());
    let mut till = EdgeBox::join(&site, "oslo", "till", &data.models());
    till.start();
    door.watch(&data.source(&folder.path().join("seen"), &["Family1-Dad1.jpg", "Family1-Dad3.jpg"]));
    until("he is a customer with two visits", 60, || {
        let customers = site.customers("oslo");
        let visits = site.get("/locations/oslo/visits")["visits"].as_array().unwrap().len();
        if customers.len() == 1 && visits == 2 {
            Ok(())
        } else {
            Err(format!("{customers:?}, {visits} visits"))
        }
    });
    let dad = site.customers("oslo")[0]["face_id"].as_str().unwrap().to_owned();
    let about_him = format!("/api/v1/locations/oslo/customers/{dad}");
    site.call("PATCH", &about_him, &json!({ "name": "Åge Berg", "flag": "amber" })).ok();
    in_sync(&site, "oslo");

    for edge in [&door, &till] {
        let face = edge.look(&data.picture("Family1-Dad2.jpg"));
        assert_eq!(face["decision"], "known", "{face}");
        assert_eq!(
            (&face["face_id"], &face["name"], &face["flag"]),
            (&json!(dad), &json!("Åge Berg"), &json!("amber"))
        );
        assert!(
            face["similarity"].as_f64().unwrap() > 0.55 && face["score"].as_f64().unwrap() > 0.8,
            "{face}"
        );
        for other in ["Family1-Mom1.jpg", "Family3-Man1.jpg", "astronaut.png"] {
            let (decision, face_id) = face_of(edge, &data, other);
            assert_eq!((&*decision, &*face_id), ("new", ""), "{other}");
        }
    }

    let seq = site.call("DELETE", &about_him, &Value::Null).ok()["seq"].as_u64().unwrap();
    until("both edges have applied the removal", 30, || {
        let change = site.get(&format!("/locations/oslo/changes/{seq}"));
        if change["complete"] == true { Ok(()) } else { Err(change.to_string()) }
    });
    for edge in [&door, &till] {
        let (decision, face_id) = face_of(edge, &data, "Family1-Dad2.jpg");
        assert!(["new", "ambiguous"].contains(&&*decision), "{decision}");
        assert_ne!(face_id, dad);
    }
    in_sync(&site, "oslo");
    no_trace_of_the_name(door.state(), "Åge Berg");
    no_trace_of_the_name(till.state(), "Åge Berg");
}

/// A removal leaves no byte of the name in any file of the edge.
fn no_trace_of_the_name(state: &Path, name: &str) {
    for entry in std::fs::read_dir(state).unwrap() {
        let path = entry.unwrap().path();
        let Ok(bytes) = std::fs::read(&path) else { continue };
        assert!(!bytes.windows(name.len()).any(|w| w == name.as_bytes()), "{}", path.display());
    }
}

#[test]
fn killed_while_everything_changes_and_the_broker_forgets_it_comes_back_right() {
    let Some(data) = face_data() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut site = Website::start();
    site.location("oslo");
    let mut door = EdgeBox::join(&site, "oslo", "door", &data.models());
    let people = ["Family1-Dad1.jpg", "Family1-Mom1.jpg", "Family3-Man1.jpg"];
    let source = data.source(&folder.path().join("seen"), &people);
    door.watch(&source);
    until("three customers", 60, || match site.customers("oslo").len() {
        3 => Ok(()),
        n => Err(format!("{n} customers")),
    });
    in_sync(&site, "oslo");
    let known: Vec<String> = people.iter().map(|picture| face_of(&door, &data, picture).1).collect();
    door.kill();

    let path = |n: usize| format!("/api/v1/locations/oslo/customers/{}", known[n]);
    site.call("DELETE", &path(0), &Value::Null).ok();
    site.call("PATCH", &path(1), &json!({ "name": "Berit" })).ok();
    site.call("PATCH", &path(2), &json!({ "flag": "red" })).ok();
    site.kill();
    site.resume();

    door.start();
    in_sync(&site, "oslo");
    let (decision, face_id) = face_of(&door, &data, people[0]);
    assert!(decision != "known" && face_id != known[0], "{decision} {face_id}");
    let mom = door.look(&data.picture(people[1]));
    assert_eq!((&mom["face_id"], &mom["name"]), (&json!(known[1]), &json!("Berit")));
    let man = door.look(&data.picture(people[2]));
    assert_eq!((&man["face_id"], &man["flag"]), (&json!(known[2]), &json!("red")));
}
