//! The edge against a real broker, with a small website that says what it holds.
#![allow(clippy::unwrap_used, missing_docs, dead_code)]

mod site;

use edge::{Answer, Decision, Edge, Grade, Notice, Verdict, clock};
use protocol::{
    FaceId, Topic,
    message::{EnrolPolicy, Probe, Seen, SyncState},
};
use site::{Site, edge_id, face, location, person, seen, until};
use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs::File,
    io::Read,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// Waits until the edge has verified what the website holds, and compares the two.
async fn in_step(site: &Site, edge: &Edge) {
    until("the edge has verified everything", || async {
        let status = edge.status();
        status.state == SyncState::Verified && status.verified == site.seq.0
    })
    .await;
    let status = edge.status();
    let digest = protocol::Digest::of(site.rows.values().map(|(_, hash)| *hash));
    assert_eq!((status.customers, status.digest), (site.rows.len() as u64, digest.to_string()));
}

/// A location of so many customers who are called Somebody, and an edge in step with it.
async fn in_step_with(customers: u64) -> (TempDir, Site, Edge) {
    let (folder, mut site) = (tempfile::tempdir().unwrap(), Site::start().await);
    for n in 0..customers {
        site.put(&format!("face_{n}"), "Somebody", n).await;
    }
    site.head().await;
    let edge = site.edge(folder.path()).await;
    in_step(&site, &edge).await;
    (folder, site, edge)
}

fn decided(edge: &Edge, who: u64) -> (Decision, Option<String>) {
    match edge.decide(&person(who)).unwrap() {
        Answer::Decided(Verdict { decision, who, .. }) => {
            (decision, who.map(|who| format!("{} {}", who.face_id, who.name.as_str())))
        }
        Answer::NoLease => panic!("no lease"),
    }
}

fn known(text: &str) -> (Decision, Option<String>) {
    (Decision::Known, Some(text.to_owned()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_edge_fills_itself_follows_renames_and_proves_a_removal() {
    let (folder, mut site) = (tempfile::tempdir().unwrap(), Site::start().await);
    for n in 0..3_000 {
        site.put(&format!("face_{n}"), &format!("Nr {n}"), n).await;
    }
    site.head().await;
    let edge = site.edge(folder.path()).await;
    assert_eq!(
        edge.decide(&person(1)).unwrap(),
        Answer::NoLease,
        "nobody is recognised before the first verified head"
    );
    in_step(&site, &edge).await;
    assert_eq!(decided(&edge, 2_999), known("face_2999 Nr 2999"));

    site.put("face_7", "Grace", 7).await;
    site.head().await;
    in_step(&site, &edge).await;
    assert_eq!(decided(&edge, 7), known("face_7 Grace"));

    let mut events = edge.events();
    site.remove("face_7").await;
    let removal = site.seq;
    until("the receipt is stored", || async {
        let heard = site.heard.lock().unwrap();
        let receipts: Vec<_> = heard.reports.iter().flat_map(|report| &report.receipts).collect();
        receipts
            .iter()
            .any(|r| r.key.face_id == face("face_7") && r.key.seq == removal && r.probe == Probe::Gone)
    })
    .await;
    let happened: Vec<Notice> = std::iter::from_fn(|| events.try_recv().ok()).collect();
    let at = |wanted: &dyn Fn(&Notice) -> bool| happened.iter().position(wanted).unwrap();
    let of_the_removal = |id: &FaceId, seq| *id == face("face_7") && seq == removal;
    let forgotten = at(
        &|notice| matches!(notice, Notice::Forgotten { face_id, seq, .. } if of_the_removal(face_id, *seq)),
    );
    let reported = at(&|notice| matches!(notice, Notice::Reported { receipts: 1, .. }));
    assert!(forgotten < reported, "the gallery loses the face before anybody is told so: {happened:?}");
    assert_eq!(decided(&edge, 7), (Decision::New, None));
    site.head().await;
    in_step(&site, &edge).await;
    until("the website has said that it holds the receipt", || async { edge.status().receipts_waiting == 0 })
        .await;
    edge.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_missed_while_away_comes_at_return() {
    let (folder, mut site, edge) = in_step_with(20).await;
    edge.stop().await.unwrap();

    site.remove("face_3").await;
    site.put("face_4", "Ada", 4).await;
    site.put("face_30", "Newcomer", 30).await;
    site.head().await;
    let edge = site.edge(folder.path()).await;
    assert_eq!(decided(&edge, 5), known("face_5 Somebody"), "what it knew it knows at once, under its lease");
    in_step(&site, &edge).await;
    assert_eq!(decided(&edge, 3), (Decision::New, None));
    assert_eq!(decided(&edge, 4), known("face_4 Ada"));
    assert_eq!(decided(&edge, 30), known("face_30 Newcomer"));
    edge.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_that_nobody_told_is_found_by_the_digest() {
    let (_folder, mut site, edge) = in_step_with(20).await;
    let mut events = edge.events();
    site.remove_unheard("face_3").await;
    site.head().await;
    until("the edge is in step again", || async { edge.status().verified == site.seq.0 }).await;
    in_step(&site, &edge).await;
    assert_eq!(decided(&edge, 3), (Decision::New, None));
    assert_eq!(decided(&edge, 4), known("face_4 Somebody"));
    let happened: Vec<Notice> = std::iter::from_fn(|| events.try_recv().ok()).collect();
    let rounds = happened.iter().filter(|notice| matches!(notice, Notice::Repairs { .. })).count();
    let wanted = happened.iter().any(|notice| matches!(notice, Notice::Wants { .. }));
    assert_eq!((rounds, wanted, edge.status().repairs.missed), (1, false, 1), "{happened:?}");
    edge.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_face_that_a_roster_does_not_name_is_in_no_file_not_even_with_its_settled_visit() {
    let (folder, mut site, edge) = in_step_with(2).await;
    let mut events = edge.events();
    edge.see(seen(7), Grade::Enrol, clock::system()).await.unwrap();
    until("the visit is settled", || {
        let settled = matches!(events.try_recv(), Ok(Notice::Settled { .. }));
        async move { settled }
    })
    .await;
    let enrolled = site.heard.lock().unwrap().visits.values().next().unwrap().seen.clone();
    let Seen::New { face_id, space, embedding } = enrolled else { panic!("{enrolled:?}") };
    let files_that_hold_it = || {
        let files = std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().path());
        let holds = |file: &PathBuf| {
            // A socket cannot be read.
            let bytes = std::fs::read(file).unwrap_or_default();
            bytes.windows(16).any(|window| window == &embedding.as_bytes()[..16])
        };
        files.filter(holds).map(|file| file.file_name().unwrap().to_owned()).collect::<Vec<_>>()
    };
    site.enrol(face_id.as_str(), "Newcomer", space, embedding.clone()).await;
    site.head().await;
    in_step(&site, &edge).await;
    let holders: BTreeSet<String> =
        files_that_hold_it().into_iter().map(|name| name.to_string_lossy().replace("-wal", "")).collect();
    assert_eq!(
        holders,
        BTreeSet::from(["cache.db".to_owned(), "outbox.db".to_owned()]),
        "the search sees it"
    );

    site.remove_unheard(face_id.as_str()).await;
    site.head().await;
    in_step(&site, &edge).await;
    assert_eq!(files_that_hold_it(), Vec::<OsString>::new());
    edge.stop().await.unwrap();
    assert_eq!(files_that_hold_it(), Vec::<OsString>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_cache_is_filled_again_although_the_floor_is_above_everything() {
    let (folder, site, edge) = in_step_with(20).await;
    edge.stop().await.unwrap();
    std::fs::write(folder.path().join("cache.db"), [0x5A; 20_000]).unwrap();
    let edge = site.edge(folder.path()).await;
    assert_eq!(
        edge.decide(&person(1)).unwrap(),
        Answer::NoLease,
        "the lease is void with the rows it was given for"
    );
    assert!(edge.status().cache_lost.is_some());
    until("the edge has filled itself", || async { edge.status().state == SyncState::Verified }).await;
    in_step(&site, &edge).await;
    assert_eq!(decided(&edge, 19), known("face_19 Somebody"));
    edge.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visit_is_counted_once_however_often_it_is_sent() {
    let (folder, mut site) = (tempfile::tempdir().unwrap(), Site::start().await);
    site.put("ada", "Ada", 1).await;
    site.head().await;
    site.settle(false);
    let edge = site.edge(folder.path()).await;
    in_step(&site, &edge).await;
    for _ in 0..3 {
        edge.see(seen(1), Grade::Enrol, clock::system()).await.unwrap();
        edge.see(seen(2), Grade::Enrol, clock::system()).await.unwrap();
    }
    let deliveries = |at_least| {
        let heard = site.heard.clone();
        move || {
            let heard = heard.clone();
            async move { heard.lock().unwrap().deliveries >= at_least }
        }
    };
    until("both visits have come", deliveries(2)).await;
    edge.stop().await.unwrap();

    let edge = site.edge(folder.path()).await;
    until("both have come again", deliveries(4)).await;
    assert_eq!(decided(&edge, 2).0, Decision::Known, "its own face is known after a restart too");
    edge.stop().await.unwrap();
    site.settle(true);
    let edge = site.edge(folder.path()).await;
    until("both are settled", || async { edge.status().visits_waiting == 0 && edge.status().connected })
        .await;
    let heard = site.heard.lock().unwrap();
    let who: Vec<&Seen> = heard.visits.values().map(|visit| &visit.seen).collect();
    assert!(
        matches!(who[..], [Seen::Known { face_id, .. }, Seen::New { .. }] if *face_id == face("ada")),
        "a stay is one visit, and no restart makes it two: {who:?}"
    );
    let basis = heard.visits.values().next().unwrap().basis;
    assert_eq!((basis.epoch, basis.verified), (site::EPOCH, site.seq));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_counted_and_harms_nobody() {
    let (_folder, mut site, edge) = in_step_with(2).await;
    let customer = || Topic::Customer(location(), face("face_1"));
    let inbox = || Topic::Inbox(location(), edge_id());
    for (topic, payload) in [
        (customer(), b"not a change".to_vec()),
        (customer(), vec![0; 9_000]),
        (Topic::Head(location()), vec![0, 1, 2]),
        (inbox(), vec![7]),
    ] {
        site.publish(topic, payload, false).await;
    }
    until("all four are refused", || async { edge.status().refused == 4 }).await;
    site.put("face_1", "Ada L.", 1).await;
    site.head().await;
    in_step(&site, &edge).await;
    assert_eq!(decided(&edge, 1), known("face_1 Ada L."));
    edge.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policy_and_the_lease_of_the_head_are_kept() {
    let (folder, mut site) = (tempfile::tempdir().unwrap(), Site::start().await);
    (site.policy, site.lease_s) = (EnrolPolicy::Off, 2);
    site.put("ada", "Ada", 1).await;
    site.head().await;
    let edge = site.edge(folder.path()).await;
    in_step(&site, &edge).await;
    for _ in 0..2 {
        edge.see(seen(2), Grade::Enrol, clock::system()).await.unwrap();
    }
    until("the visit has come", || async { site.heard.lock().unwrap().visits.len() == 1 }).await;
    assert_eq!(site.heard.lock().unwrap().visits.values().next().unwrap().seen, Seen::Anonymous);
    until("the lease is over", || async { edge.decide(&person(1)).unwrap() == Answer::NoLease }).await;
    until("it says so", || async { edge.status().state == SyncState::Expired }).await;
    site.head().await;
    until("a head renews it", || async { edge.status().state == SyncState::Verified }).await;
    assert_eq!(decided(&edge, 1), known("ada Ada"));
    edge.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_daemons_do_not_share_a_state_folder() {
    let (folder, site) = (tempfile::tempdir().unwrap(), Site::start().await);
    let first = site.edge(folder.path()).await;
    let thresholds = edge::Thresholds { matches: 0.55, new: 0.45, same_track: 0.25 };
    let space = edge::Space { id: "space".parse().unwrap(), dimension: site::DIMENSION, thresholds };
    let settings =
        edge::Settings { state: folder.path().to_owned(), space, away: std::time::Duration::from_secs(1) };
    let refused = edge::start(settings, tokio_util::sync::CancellationToken::new()).await.unwrap_err();
    assert!(refused.to_string().contains("in use by a running edge"), "{refused}");
    let asked = folder.path().to_owned();
    let reply =
        tokio::task::spawn_blocking(move || edge::socket::ask(&asked, &edge::socket::Request::Status));
    let told: edge::Status = serde_json::from_value(reply.await.unwrap().unwrap().unwrap()).unwrap();
    assert!(told.running && told.edge == "edge_1");
    first.stop().await.unwrap();
}

/// Overwrites bytes wherever they stand in the files of the cache, under whoever has it open; tells how often.
fn rot(folder: &Path, healthy: &[u8], rotten: &[u8]) -> usize {
    let mut times = 0;
    for name in ["cache.db", "cache.db-wal"] {
        let Ok(file) = File::options().read(true).write(true).open(folder.join(name)) else { continue };
        let mut bytes = Vec::new();
        (&file).read_to_end(&mut bytes).unwrap();
        let found = bytes.windows(healthy.len()).enumerate().filter(|(_, window)| *window == healthy);
        for (at, _) in found {
            file.write_all_at(rotten, at as u64).unwrap();
            times += 1;
        }
    }
    times
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_rot_under_a_running_edge_are_found_and_repaired_by_themselves() {
    let (folder, mut site, edge) = in_step_with(100).await;
    site.put("ada", "Augusta Ada King", 500).await;
    site.head().await;
    in_step(&site, &edge).await;
    let face = protocol::Embedding::from_f32(&person(7)).unwrap().as_bytes().to_vec();
    let mut flipped = face.clone();
    flipped[20] ^= 1;
    for (what, healthy, rotten) in [
        ("a bit of a face", &face[..], &flipped[..]),
        ("a letter of a name", b"Augusta Ada King", b"Augusta Eda King"),
    ] {
        let (mut events, repairs) = (edge.events(), edge.status().repairs.digest);
        assert!(rot(folder.path(), healthy, rotten) > 0, "{what} was found");
        until("the edge has asked for what is wrong", || async {
            if edge.status().repairs.digest == repairs {
                // Again, where the edge has written the page meanwhile as it had it in memory.
                rot(folder.path(), healthy, rotten);
            }
            edge.status().repairs.digest == repairs + 1 && edge.status().state == SyncState::Verified
        })
        .await;
        in_step(&site, &edge).await;
        let happened: Vec<Notice> = std::iter::from_fn(|| events.try_recv().ok()).collect();
        let wanted: Vec<&Notice> = happened
            .iter()
            .filter(|notice| matches!(notice, Notice::Wants { .. } | Notice::Distrusts))
            .collect();
        assert_eq!(wanted, [&Notice::Distrusts, &Notice::Wants { rows: 1 }], "{what}");
        assert_eq!(rot(folder.path(), rotten, rotten), 0, "{what} is nowhere");
        assert!(rot(folder.path(), healthy, healthy) > 0, "{what} is there again");
    }
    assert_eq!(decided(&edge, 500), known("ada Augusta Ada King"));
    assert_eq!(decided(&edge, 7), known("face_7 Somebody"));
    until("every row was read back", || async { edge.status().read_back_at.is_some() }).await;
    assert!(edge.status().to_string().contains("every row was read back from the disk"));
    edge.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_healthy_cache_is_read_back_without_a_doubt_while_changes_come() {
    let (_folder, mut site, edge) = in_step_with(400).await;
    let mut events = edge.events();
    // A pass over the empty cache of the start is none; of the next one every slice meets changes.
    let begun = edge.status().now;
    for n in 0_u64.. {
        if edge.status().read_back_at.is_some_and(|at| at > begun) {
            break;
        }
        assert!(n < 300, "waited in vain until every row was read back");
        site.put(&format!("face_{}", n % 400), &"x".repeat(n as usize % 120), n % 400).await;
        site.remove(&format!("face_{}", (n * 7) % 400)).await;
        site.put(&format!("new_{n}"), "", 1_000 + n).await;
        site.head().await;
        // Changes come about as often as slices are read, so that a pass meets rows that came, went and changed in it.
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    in_step(&site, &edge).await;
    let happened: Vec<Notice> = std::iter::from_fn(|| events.try_recv().ok()).collect();
    let doubt = |notice: &&Notice| matches!(notice, Notice::Distrusts | Notice::Repairs { .. });
    assert_eq!(happened.iter().find(doubt), None);
    edge.stop().await.unwrap();
}
