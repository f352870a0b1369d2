//! A store with many customers and an edge that holds none of them yet.
#![allow(clippy::unwrap_used)]

use protocol::FaceId;
use std::collections::BTreeSet;
use tests::{Database, Joined, Website, person, until};

const CUSTOMERS: u64 = 3_000;

fn every_customer_arrives(database: Database) {
    if !database.available() {
        return;
    }
    let site = Website::start_with(database, &[]);
    site.location("oslo");
    let faces: Vec<(FaceId, Vec<f32>)> =
        (0..CUSTOMERS).map(|n| (format!("face_{n}").parse().unwrap(), person(n))).collect();
    Joined::join(&site, "oslo", "the one that saw them").enrol(&faces);

    let fresh = tests::Quiet::join(&site, "oslo", "fresh");
    until("the fresh edge has verified all of them", 60, || {
        let list = site.get("/locations/oslo/edges");
        let edge =
            list["edges"].as_array().unwrap().iter().find(|edge| edge["name"] == "fresh").unwrap().clone();
        let all = edge["state"] == "in_sync" && edge["report"]["customers"] == CUSTOMERS;
        if all { Ok(()) } else { Err(edge.to_string()) }
    });
    let held: BTreeSet<FaceId> = fresh.faces();
    assert_eq!(held, faces.into_iter().map(|(face, _)| face).collect());
}

#[test]
fn every_customer_arrives_from_sqlite() {
    every_customer_arrives(Database::Sqlite);
}

#[test]
fn every_customer_arrives_from_postgres() {
    every_customer_arrives(Database::Postgres);
}
