//! A visit made while offline is counted once, whatever happens to the messages about it.
#![allow(clippy::unwrap_used)]

use tests::{Database, EdgeBox, Fault, FaultProxy, Website, face_data, until};

fn counted_once(database: Database) {
    let Some(data) = face_data() else { return };
    if !database.available() {
        return;
    }
    let wire = FaultProxy::lay(0);
    let public = wire.address.to_string();
    let site = Website::start_with(database, &["--mqtt-public", &public]);
    wire.to(site.mqtt);
    site.location("oslo");
    let mut edge = EdgeBox::join(&site, "oslo", "door", &data.models());
    let folder = tempfile::tempdir().unwrap();
    let status = |edge: &EdgeBox| edge.status().unwrap();
    let visits = || site.get("/locations/oslo/visits")["visits"].as_array().unwrap().len();

    edge.start();
    until("the first head is verified", 30, || match status(&edge) {
        status if status["state"] == "verified" => Ok(()),
        status => Err(status.to_string()),
    });
    edge.kill();

    wire.turn(Fault::Cut);
    edge.watch(&data.source(folder.path(), &["Family1-Dad1.jpg"]));
    until("the visit is in the outbox", 30, || match status(&edge) {
        status if status["visits_waiting"] == 1 => Ok(()),
        status => Err(status.to_string()),
    });
    assert_eq!(visits(), 0);

    // From now on the website gets the visit and stores it, but the edge never hears that it is settled.
    wire.turn(Fault::CutBefore(b"/inbox"));
    until("three connections were cut before the settling arrived", 60, || match wire.cuts() {
        3.. => Ok(()),
        n => Err(format!("{n} cuts")),
    });
    assert_eq!((visits(), &status(&edge)["visits_waiting"]), (1, &1.into()));
    edge.kill();
    wire.turn(Fault::Fair);
    edge.start();
    until("the visit is settled", 60, || match status(&edge) {
        status if status["visits_waiting"] == 0 => Ok(()),
        status => Err(status.to_string()),
    });
    assert_eq!(visits(), 1);
    assert_eq!(site.customers("oslo").len(), 1);
}

#[test]
fn a_visit_made_offline_is_counted_once_on_sqlite() {
    counted_once(Database::Sqlite);
}

#[test]
fn a_visit_made_offline_is_counted_once_on_postgres() {
    counted_once(Database::Postgres);
}
