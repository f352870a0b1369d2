//! A box that polls and an edge on MQTT in one store: whom one of them makes a customer the other knows, and whom the
//! website removes neither.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use tests::{Database, EdgeBox, PollingBox, Website, blind_models, blind_space, noisy, person, run, until};

const PLACE: &str = "oslo";

fn side_by_side(database: Database) {
    if !database.available() {
        return;
    }
    let (site, models, space) = (Website::start_with(database, &[]), blind_models(), blind_space());
    site.location(PLACE);
    site.command(&["location", "set", PLACE, "--points-per-visit", "5"]);
    let mut edge = EdgeBox::join(&site, PLACE, "door", models.path());
    edge.count_everybody(None);
    let mut kiosk = PollingBox::join(&site, PLACE, "kiosk");
    kiosk.start();

    // Somebody becomes a customer at the edge, and is known at the box that polls.
    assert!(edge.show(&space, &person(1)).is_visit());
    let ada = counts(&site, None, (1, 5));
    kiosk.holds(&[&ada]);
    assert_eq!(kiosk.see(&noisy(1, 1), None)["face_id"], ada.as_str());
    counts(&site, Some(&ada), (2, 10));

    // And the other way round. What the box says a visit is worth counts instead of what the store says.
    assert_eq!(kiosk.see(&person(2), Some(3))["face_id"], Value::Null);
    let bo = until("the box's face is a customer", 60, || other(&site, &ada).ok_or_else(|| kiosk.said()));
    counts(&site, Some(&bo), (1, 3));
    until("the edge knows whom the box has brought", 60, || knows(&edge, 2, true));
    assert!(edge.show(&space, &noisy(2, 1)).is_visit());
    counts(&site, Some(&bo), (2, 8));
    kiosk.holds(&[&ada, &bo]);
    assert_eq!(kiosk.see(&noisy(2, 2), Some(0))["face_id"], bo.as_str());
    counts(&site, Some(&bo), (3, 8));

    // A power cut while a visit waits, and the website away: it is counted once, and a new name is there.
    kiosk.kill();
    let path = format!("/api/v1/locations/{PLACE}/customers/{ada}");
    site.call("PATCH", &path, &json!({ "name": "Ada" })).ok();
    kiosk.start();
    assert_eq!(kiosk.see(&noisy(1, 2), None)["face_id"], ada.as_str());
    kiosk.kill();
    kiosk.start();
    counts(&site, Some(&ada), (3, 15));
    until("the box that polls has the new name", 60, || {
        let faces = kiosk.faces();
        if faces.contains(&(ada.clone(), "Ada".to_owned())) { Ok(()) } else { Err(format!("{faces:?}")) }
    });

    removed_on_both(&site, &edge, &kiosk, (&ada, &bo));

    // A revoked token lets nobody in, and the box stops knowing anybody.
    let path = format!("/api/v1/locations/{PLACE}/edges/{}", kiosk.id());
    assert_eq!(site.call("DELETE", &path, &Value::Null).status, 204);
    kiosk.holds(&[]);
    assert!(kiosk.said().contains("shut out: this box has been revoked"), "{}", kiosk.said());
}

/// Nobody knows somebody removed any more; the edge proves it, and the box says so.
fn removed_on_both(site: &Website, edge: &EdgeBox, kiosk: &PollingBox, (stays, goes): (&str, &str)) {
    let path = format!("/api/v1/locations/{PLACE}/customers/{goes}");
    site.call("DELETE", &path, &Value::Null).ok();
    until("the edge has forgotten", 60, || knows(edge, 2, false));
    kiosk.holds(&[stays]);
    let certificate = until("both have answered", 60, || {
        let certificate = site.get(&format!("/locations/{PLACE}/customers/{goes}/erasure"));
        let proofs: Vec<&Value> =
            certificate["statement"]["edges"].as_array().unwrap().iter().map(|edge| &edge["proof"]).collect();
        let done = proofs == [&json!("removed"), &json!("confirmed")];
        if done { Ok(certificate) } else { Err(format!("{proofs:?}; it said: {}", kiosk.said())) }
    });
    assert_eq!(certificate["statement"]["complete"], false);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("erasure.json");
    std::fs::write(&file, certificate.to_string()).unwrap();
    let checked = run("website", ["verify-erasure", file.to_str().unwrap()]);
    assert_eq!(checked.code, 0, "{}", checked.stderr);
    let said = &checked.stdout;
    assert!(said.contains("valid, not complete") && said.contains("by the box's word alone"), "{said}");
}

/// Waits until a customer, the only one where none is named, has so many visits and points, and gives its id.
#[track_caller]
fn counts(site: &Website, face: Option<&str>, expected: (i64, i64)) -> String {
    until("visits and points are counted", 60, || {
        let customers = site.customers(PLACE);
        let found = customers.iter().find(|one| face.is_none_or(|face| one["face_id"] == face));
        let found = found.ok_or("nobody yet")?;
        let counted = (found["visits"].as_i64().unwrap(), found["points"].as_i64().unwrap());
        let id = found["face_id"].as_str().unwrap().to_owned();
        if counted == expected { Ok(id) } else { Err(format!("{counted:?}")) }
    })
}

fn other(site: &Website, than: &str) -> Option<String> {
    let customers = site.customers(PLACE);
    let found = customers.iter().find(|one| one["face_id"] != than)?;
    found["face_id"].as_str().map(str::to_owned)
}

fn knows(edge: &EdgeBox, n: u64, expected: bool) -> Result<(), String> {
    let known = edge.knows(&blind_space(), &person(n));
    if known == Some(expected) { Ok(()) } else { Err(format!("{known:?}; it said: {}", edge.said())) }
}

#[test]
fn a_box_that_polls_and_an_edge_know_the_same_people_on_sqlite() {
    side_by_side(Database::Sqlite);
}

#[test]
fn a_box_that_polls_and_an_edge_know_the_same_people_on_postgres() {
    side_by_side(Database::Postgres);
}
