//! A store in which something changes all the time is verified all the time.
#![allow(clippy::unwrap_used)]

use edge::Notice;
use protocol::FaceId;
use serde_json::json;
use std::{
    thread,
    time::{Duration, Instant},
};
use tests::{Joined, Quiet, Website, person, until};
use tokio::sync::broadcast::error::TryRecvError;

const CUSTOMERS: usize = 10;
const CHANGES_PER_S: u32 = 100;
const SECONDS: u32 = 30;

/// The longest time an edge went without verifying a head, until `end`.
fn longest_gap(edge: &Quiet, end: Instant) -> (Duration, u64) {
    let mut events = edge.events();
    let (mut last, mut longest, mut heads) = (Instant::now(), Duration::ZERO, 0);
    while Instant::now() < end {
        match events.try_recv() {
            Ok(Notice::Verified { .. }) => {
                longest = longest.max(last.elapsed());
                (last, heads) = (Instant::now(), heads + 1);
            }
            Ok(_) => {}
            Err(TryRecvError::Empty) => thread::sleep(Duration::from_millis(1)),
            Err(error) => panic!("{error}"),
        }
    }
    (longest.max(last.elapsed()), heads)
}

#[test]
fn ten_customers_renamed_a_hundred_times_a_second_starve_no_edge() {
    let site = Website::start();
    site.location("oslo");
    let faces: Vec<(FaceId, Vec<f32>)> =
        (0..CUSTOMERS).map(|n| (format!("face_{n}").parse().unwrap(), person(n as u64))).collect();
    Joined::join(&site, "oslo", "saw them").enrol(&faces);
    let edges = ["door", "till", "stairs"].map(|name| Quiet::join(&site, "oslo", name));
    for edge in &edges {
        until("it has them all", 30, || match edge.status().customers {
            10 => Ok(()),
            n => Err(format!("{n}")),
        });
    }

    let begin = Instant::now();
    let end = begin + Duration::from_secs(SECONDS.into());
    let total = CHANGES_PER_S * SECONDS;
    thread::scope(|scope| {
        let watching: Vec<_> = edges.iter().map(|edge| scope.spawn(move || longest_gap(edge, end))).collect();
        for changer in 0..4 {
            let site = &site;
            scope.spawn(move || {
                for n in (changer..total).step_by(4) {
                    let due = begin + Duration::from_secs(1) * n / CHANGES_PER_S;
                    thread::sleep(due.saturating_duration_since(Instant::now()));
                    let path = format!("/api/v1/locations/oslo/customers/face_{}", n as usize % CUSTOMERS);
                    site.call("PATCH", &path, &json!({ "name": format!("Name {n}") })).ok();
                }
            });
        }
        for watch in watching {
            let (gap, heads) = watch.join().unwrap();
            assert!(
                gap <= Duration::from_secs(1),
                "an edge went {gap:?} without a verified head ({heads} in all)"
            );
            assert!(heads >= u64::from(SECONDS), "{heads} heads");
        }
    });
    let newest = site.get("/locations/oslo")["seq"].as_u64().unwrap();
    assert_eq!(newest, CUSTOMERS as u64 + u64::from(total), "who was enrolled, and the changes");
    for edge in &edges {
        until("it comes to the last change", 30, || match edge.status().verified {
            verified if verified == newest => Ok(()),
            verified => Err(format!("{verified} of {newest}")),
        });
    }
}
