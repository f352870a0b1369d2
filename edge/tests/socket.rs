//! The owner's socket of a running edge: what a program with eyes of its own may ask, and what it is refused.
#![allow(clippy::unwrap_used, missing_docs, dead_code)]

mod site;

use edge::{
    Edge,
    socket::{Asked, GoodFor, Request, ask},
};
use protocol::message::Seen;
use serde_json::{Value, json};
use site::{DIMENSION, Site, face, person, until};
use std::{
    io::{BufRead, BufReader, Write},
    os::unix::{fs::PermissionsExt, net::UnixStream},
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// An edge that knows Ada.
async fn edge_that_knows_ada() -> (TempDir, Site, Edge) {
    let (folder, mut site) = (tempfile::tempdir().unwrap(), Site::start().await);
    site.put("ada", "Ada", 1).await;
    site.head().await;
    let edge = site.edge(folder.path()).await;
    until("the edge knows her", || async { edge.status().verified == site.seq.0 }).await;
    (folder, site, edge)
}

/// Asks on a thread that may wait.
async fn asked(folder: &Path, request: Request) -> Result<Value, String> {
    let folder: PathBuf = folder.to_owned();
    let answer = tokio::task::spawn_blocking(move || ask(&folder, &request)).await.unwrap();
    answer.map(|reply| reply.expect("an edge runs")).map_err(|error| format!("{error:#}"))
}

/// Visits in the outbox as a power cut would leave it: counted in a copy, because the edge lets nobody else in.
fn in_outbox(folder: &Path) -> i64 {
    let copy = tempfile::tempdir().unwrap();
    for name in ["outbox.db", "outbox.db-wal"] {
        std::fs::copy(folder.join(name), copy.path().join(name)).unwrap();
    }
    let outbox = rusqlite::Connection::open(copy.path().join("outbox.db")).unwrap();
    outbox.query_row("SELECT count(*) FROM visits", [], |row| row.get(0)).unwrap()
}

fn see(space: &str, vector: Vec<f32>, good_for: GoodFor) -> Request {
    Request::See { space: space.parse().unwrap(), face: Asked { vector, good_for } }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_face_that_is_shown_is_decided_on_and_its_visit_counted_before_the_answer() {
    let (folder, site, edge) = edge_that_knows_ada().await;
    site.settle(false);
    let mode = std::fs::metadata(folder.path().join("edge.sock")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "nobody but the owner may ask");

    for (who, good_for, decision, name, visits) in [
        (1, GoodFor::Match, "known", json!("Ada"), 1),
        (1, GoodFor::Enrol, "known", json!("Ada"), 1),
        (2, GoodFor::Match, "poor", Value::Null, 1),
        (2, GoodFor::Enrol, "new", Value::Null, 2),
        (2, GoodFor::Match, "known", json!(""), 2),
    ] {
        let reply = asked(folder.path(), see("space", person(who), good_for)).await.unwrap();
        let verdict = &reply["answer"]["decided"];
        assert_eq!(
            (&verdict["decision"], &verdict["who"]["name"]),
            (&json!(decision), &name),
            "{who}: {reply}"
        );
        assert_eq!(
            in_outbox(folder.path()),
            visits,
            "what was counted of {who} is in the file when the answer comes"
        );
    }
    until("both visits have come", || async { site.heard.lock().unwrap().visits.len() == 2 }).await;
    let heard: Vec<Seen> =
        site.heard.lock().unwrap().visits.values().map(|visit| visit.seen.clone()).collect();
    assert!(
        matches!(&heard[..], [Seen::Known { face_id, .. }, Seen::New { .. }] if *face_id == face("ada")),
        "{heard:?}"
    );
    edge.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_face_of_this_edge_can_be_is_refused_in_a_sentence_and_counted_nowhere() {
    let (folder, site, edge) = edge_that_knows_ada().await;
    for (space, vector, expected) in [
        ("another", person(1), "another model"),
        ("space", vec![0.0; DIMENSION], "has no direction"),
        ("space", vec![f32::INFINITY; DIMENSION], "cannot be read"),
        ("space", vec![], "another model"),
        ("space", person(1)[..100].to_vec(), "another model"),
    ] {
        let refused = asked(folder.path(), see(space, vector, GoodFor::Enrol)).await.unwrap_err();
        assert!(refused.contains(expected) && !refused.contains('\n'), "{expected}: {refused}");
    }
    let socket = folder.path().join("edge.sock");
    for line in ["", "see", "{\"see\":{}}", "[1,2"] {
        let socket = socket.clone();
        let reply = tokio::task::spawn_blocking(move || {
            let mut stream = UnixStream::connect(socket).unwrap();
            writeln!(stream, "{line}").unwrap();
            let mut reply = String::new();
            BufReader::new(stream).read_line(&mut reply).unwrap();
            serde_json::from_str::<Value>(&reply).unwrap()
        });
        assert_eq!(reply.await.unwrap(), json!({ "error": "the request cannot be read" }), "{line}");
    }
    let status = edge.status();
    assert_eq!((status.visits_waiting, site.heard.lock().unwrap().visits.len()), (0, 0));
    edge.stop().await.unwrap();
    let gone = tokio::task::spawn_blocking(move || ask(folder.path(), &Request::Status)).await.unwrap();
    assert_eq!(gone.unwrap(), None, "whoever asks now sees that nobody is there");
}
