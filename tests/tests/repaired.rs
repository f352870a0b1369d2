//! Whatever happened to an edge's rows, a repair brings what differs, and nothing else.
#![allow(clippy::unwrap_used)]

use edge::{Answer, Decision, Notice, Status, Verdict};
use protocol::{FaceId, message::RepairCounts};
use std::fs;
use tests::{Joined, Quiet, Website, person, until};

const CUSTOMERS: u64 = 500;

fn filled(site: &Website) -> Quiet {
    site.location("oslo");
    let faces: Vec<(FaceId, Vec<f32>)> =
        (0..CUSTOMERS).map(|n| (format!("face_{n}").parse().unwrap(), person(n))).collect();
    Joined::join(site, "oslo", "saw them").enrol(&faces);
    let edge = Quiet::join(site, "oslo", "door");
    in_step(site, &edge);
    edge
}

fn in_step(site: &Website, edge: &Quiet) -> Status {
    let newest = site.get("/locations/oslo");
    until("the edge is in step", 90, || match edge.status() {
        status if status.verified == newest["seq"] && status.digest == newest["digest"] => Ok(status),
        status => Err(format!("{status:?} is not {newest}")),
    })
}

fn decided(edge: &Quiet, n: u64) -> Decision {
    match edge.decide(&person(n)) {
        Answer::Decided(Verdict { decision, .. }) => decision,
        Answer::NoLease => panic!("no lease"),
    }
}

/// The rows that were asked for from now on.
fn wanted(events: &mut tokio::sync::broadcast::Receiver<Notice>) -> usize {
    let happened = std::iter::from_fn(|| events.try_recv().ok());
    happened.map(|notice| if let Notice::Wants { rows } = notice { rows } else { 0 }).sum()
}

#[test]
fn rows_damaged_at_rest_are_found_by_the_digest_and_only_they_come_again() {
    let site = Website::start_with(tests::Database::Sqlite, &["--heartbeat-s", "2"]);
    let mut edge = filled(&site);
    edge.rest();
    let cache = rusqlite::Connection::open(edge.state().join("cache.db")).unwrap();
    // A name that is another one, a flag, a row too many (somebody long removed), and two rows too few.
    for (statement, rows) in [
        ("UPDATE customers SET name = 'Mallory' WHERE face_id = 'face_7'", 1),
        ("UPDATE customers SET flag = 'red' WHERE face_id IN ('face_8', 'face_9')", 2),
        (
            "INSERT INTO customers SELECT 'ghost', epoch, seq, name, flag, space, slot, row_hash FROM customers WHERE face_id = 'face_10'",
            1,
        ),
        ("DELETE FROM customers WHERE face_id IN ('face_11', 'face_12')", 2),
    ] {
        assert_eq!(cache.execute(statement, []).unwrap(), rows, "{statement}");
    }
    drop(cache);

    edge.start();
    let mut events = edge.events();
    let status = in_step(&site, &edge);
    assert_eq!(status.repairs, RepairCounts { digest: 1, ..RepairCounts::default() });
    assert_eq!(wanted(&mut events), 5, "three were different, two were missing");
    for n in [7, 8, 11, 12, 400] {
        assert_eq!(decided(&edge, n), Decision::Known, "{n}");
    }
    let faces = edge.faces();
    assert_eq!((faces.len() as u64, faces.contains(&"ghost".parse().unwrap())), (CUSTOMERS, false));
}

#[test]
fn a_lost_cache_is_filled_by_repair_although_the_session_goes_on() {
    let site = Website::start();
    let mut edge = filled(&site);
    edge.rest();
    fs::remove_file(edge.state().join("cache.db")).unwrap();
    edge.start();
    assert_eq!(edge.decide(&person(1)), Answer::NoLease, "the lease is void with the rows it was given for");
    let mut events = edge.events();
    in_step(&site, &edge);
    assert_eq!((wanted(&mut events) as u64, decided(&edge, 499)), (CUSTOMERS, Decision::Known));
    edge.stop();
}
