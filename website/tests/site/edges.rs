//! What edges say of themselves proves what it proves and no more.

use crate::{
    edge::FakeEdge,
    scene::scene,
    stage::{Stage, actor, add_location, enrol, face, join, location, until},
};
use protocol::{
    BucketDigests, Epoch, FaceId, Nonce, Round, Seq, SigningKey, Topic, UnixMs,
    message::{
        Applied, CustomerState, EnrolPolicy, Head, Inbox, Probe, Receipt, ReceiptKey, Repair, Report,
        SignedApplied, Start, Want,
    },
};
use website::{
    Website,
    changes::{self, Edit},
    decide::progress::Held,
    edges,
    tables::{edges::Presence, receipts},
};

crate::on_both!(
    a_change_is_followed_to_every_edge,
    receipts_are_stored_and_confirmed,
    a_clone_is_noticed,
    an_old_image_is_shut_out_until_it_joins_again,
    presence_is_of_the_newest_session,
    a_repair_is_answered,
    a_revoked_edge_is_out_within_seconds,
);

async fn standing(website: &Website) -> String {
    edges::list(&website.app, &location()).await.unwrap()[0].standing.to_string()
}

async fn until_standing(website: &Website, expected: &str) {
    until(expected, || async { (standing(website).await == expected).then_some(()) }).await;
}

/// What `edge` would say of itself in another of its starts.
fn of_start(edge: &FakeEdge, head: &Head, count: u64, nonce: u64) -> Applied {
    Applied { start: Start { count, nonce: Nonce(nonce) }, ..edge.applied(head) }
}

async fn a_change_is_followed_to_every_edge(stage: Stage) {
    let website = stage.start().await;
    add_location(&website.app, &location(), EnrolPolicy::Auto).await;
    let first = FakeEdge::connect(&website, join(&website.app, &location(), "first", 1).await).await;
    let second = FakeEdge::connect(&website, join(&website.app, &location(), "second", 2).await).await;
    enrol(&website.app, &location(), 0..2).await;
    let head = first.until_verified(2).await;
    first.say(first.applied(&head));
    until_standing(&website, "in sync").await;
    let progress = |seq| {
        let app = &website.app;
        async move { edges::change_progress(app, &location(), Seq(seq)).await.unwrap() }
    };
    assert!(progress(3).await.is_none(), "no such change");
    let edit = Edit { name: Some("Ada".parse().unwrap()), flag: None };
    changes::edit(&website.app, &location(), &face(0), edit, &actor()).await.unwrap();
    assert_eq!(standing(&website).await, "1 change behind");
    let held = progress(3).await.unwrap().edges;
    assert!(held.iter().all(|edge| edge.held == Held::Outstanding));

    let head = first.until_verified(3).await;
    let report = first.applied(&head);
    // Signed by another key, it proves nothing.
    let forged =
        SignedApplied::sign(report.clone(), &location(), &first.joined.edge, &SigningKey::from_seed([9; 32]));
    first.report(&Report::Applied(Box::new(forged)));
    until("the forgery is counted", || async {
        (website.app.counters.bad_signatures.get() == 1).then_some(())
    })
    .await;
    assert_eq!(standing(&website).await, "1 change behind");
    // Another epoch's seq proves nothing either.
    first.say(Applied { epoch: Epoch(report.epoch.0 ^ 1), ..report.clone() });
    until("the void report is counted", || async {
        (website.app.counters.void_reports.get() == 1).then_some(())
    })
    .await;
    assert_eq!(standing(&website).await, "1 change behind");
    first.say(report.clone());
    until_standing(&website, "in sync").await;
    let held = progress(3).await.unwrap().edges;
    assert!(matches!(held[0].held, Held::Applied { after_ms, .. } if after_ms >= 0));
    assert_eq!(held[1].held, Held::Outstanding);
    // The page never says "in sync" of another digest.
    first.say(Applied { count: 7, ..report });
    until_standing(&website, "differs").await;
    drop(second);
    website.stop().await;
}

async fn receipts_are_stored_and_confirmed(stage: Stage) {
    let (website, edge, _) = scene(&stage, EnrolPolicy::Auto, 2).await;
    changes::remove(&website.app, &location(), &face(0), &actor()).await.unwrap();
    let head = edge.until_verified(3).await;
    let key = ReceiptKey { face_id: face(0), epoch: head.epoch, seq: Seq(3) };
    let receipt = Receipt { key: key.clone(), removed_at: UnixMs(5), probe: Probe::Gone };
    for _ in 0..2 {
        edge.say(Applied { receipts: vec![receipt.clone()], ..edge.applied(&head) });
    }
    edge.until("confirmed", |told| {
        let confirmed = |message: &&Inbox| matches!(message, Inbox::ReceiptsStored(stored) if stored.receipts == [key.clone()]);
        (told.inbox.iter().filter(confirmed).count() == 2).then_some(())
    })
    .await;
    let stored =
        receipts::of_face(&mut website.app.db.read().await.unwrap(), &location(), &face(0)).await.unwrap();
    assert_eq!(stored.len(), 1, "stored once");
    assert_eq!((&stored[0].edge, &stored[0].receipt), (&edge.joined.edge, &receipt));
    website.stop().await;
}

async fn a_clone_is_noticed(stage: Stage) {
    let (website, edge, head) = scene(&stage, EnrolPolicy::Auto, 1).await;
    let at = |count, nonce| of_start(&edge, &head, count, nonce);
    edge.say(at(5, 55));
    until_standing(&website, "in sync").await;
    // A new start voids what the one before had proved.
    edge.say(Applied { verified: Seq(0), ..at(6, 66) });
    until_standing(&website, "1 change behind").await;
    // A late report of the start before is late, and no alarm.
    edge.say(at(5, 55));
    until("void", || async { (website.app.counters.void_reports.get() == 1).then_some(()) }).await;
    assert_eq!(standing(&website).await, "1 change behind");
    edge.say(at(6, 67));
    until_standing(&website, "shut out: a second box reports as this edge, join again").await;
    edge.until("kicked and not let in again", |told| (told.lost > 2).then_some(())).await;
    website.stop().await;
}

async fn an_old_image_is_shut_out_until_it_joins_again(stage: Stage) {
    let (website, edge, head) = scene(&stage, EnrolPolicy::Auto, 1).await;
    let at = |count, nonce| of_start(&edge, &head, count, nonce);
    edge.say(at(5, 55));
    until_standing(&website, "in sync").await;
    edge.say(at(4, 44));
    // What it sends before it is kicked changes nothing any more.
    edge.say(at(9, 99));
    until_standing(&website, "shut out: runs from an old image of its disk, join again").await;
    edge.until("kicked and not let in again", |told| (told.lost > 2).then_some(())).await;
    let code = edges::new_code(&website.app, &location(), &edge.joined.edge, &actor()).await.unwrap().code;
    let key = SigningKey::from_seed([3; 32]);
    let joined = crate::stage::join_with(&website.app, &code, key.public()).await.unwrap();
    let again = FakeEdge::connect(&website, (joined, key)).await;
    let head = again.until_verified(1).await;
    again.say(again.applied(&head));
    until_standing(&website, "in sync").await;
    website.stop().await;
}

async fn presence_is_of_the_newest_session(stage: Stage) {
    let (website, edge, _) = scene(&stage, EnrolPolicy::Auto, 0).await;
    let topic = Topic::ViewEdge(location(), edge.joined.edge.clone());
    let say = |text: &str| edge.publish(topic.clone(), text.as_bytes().to_vec());
    let presence = || async { edges::list(&website.app, &location()).await.unwrap()[0].edge.presence };
    say(r#"{"state":"online","session":2,"since":1,"more":"is fine"}"#);
    until("online", || async { (presence().await == Presence::Online).then_some(()) }).await;
    say(r#"{"state":"offline","session":1,"since":1}"#);
    say("no json");
    until("the malformed one is counted", || async {
        (website.app.counters.malformed.get() == 1).then_some(())
    })
    .await;
    assert_eq!(presence().await, Presence::Online, "the late will of an earlier session is ignored");
    say(r#"{"state":"offline","session":2,"since":1}"#);
    until("offline", || async { (presence().await == Presence::Offline).then_some(()) }).await;
    website.stop().await;
}

async fn a_repair_is_answered(stage: Stage) {
    let (website, edge, head) = scene(&stage, EnrolPolicy::Auto, 50).await;
    let mut rows = edge.told.lock().unwrap().hashes(&edge.joined);
    rows.retain(|(face_id, _)| *face_id != face(17));
    let buckets = BucketDigests::of(rows.iter().map(|(face_id, hash)| (face_id, *hash)));
    edge.report(&Report::Repair(Repair { epoch: head.epoch, round: Round(4), buckets }));
    let lacks: Vec<FaceId> = edge
        .until("the roster", |told| {
            told.inbox.iter().find_map(|message| match message {
                Inbox::Roster(roster) if roster.round == Round(4) && roster.as_of_seq == Seq(50) => {
                    Some(roster.clone())
                }
                _ => None,
            })
        })
        .await
        .buckets
        .into_iter()
        .flat_map(|bucket| bucket.rows)
        .map(|row| row.face_id)
        .filter(|face_id| !rows.iter().any(|(held, _)| held == face_id))
        .collect();
    assert_eq!(lacks, [face(17)]);
    let never: FaceId = "never".parse().unwrap();
    let faces = vec![face(17), never.clone()];
    edge.report(&Report::Want(Want { epoch: head.epoch, round: Round(4), faces }));
    let answers = edge
        .until("both answers", |told| {
            let changes: Vec<_> = told
                .inbox
                .iter()
                .filter_map(|message| match message {
                    Inbox::Change { round: Round(4), change } => Some(change.clone()),
                    _ => None,
                })
                .collect();
            (changes.len() == 2).then_some(changes)
        })
        .await;
    assert_eq!(answers[0], edge.told.lock().unwrap().rows[&face(17)]);
    assert_eq!((&answers[1].face_id, answers[1].seq), (&never, Seq(50)));
    assert_eq!(answers[1].state, CustomerState::Removed { merged_into: None });
    website.stop().await;
}

async fn a_revoked_edge_is_out_within_seconds(stage: Stage) {
    let (website, edge, _) = scene(&stage, EnrolPolicy::Auto, 0).await;
    // As the command line does it: beside the running website, without a nudge.
    let beside = website::App::open(stage.settings()).await.unwrap();
    edges::revoke(&beside, &location(), &edge.joined.edge, &actor()).await.unwrap();
    let began = std::time::Instant::now();
    edge.until("kicked", |told| (told.lost > 0).then_some(())).await;
    assert!(began.elapsed().as_secs() < 5);
    let connected = edge.told.lock().unwrap().connected;
    edge.until("refused", |told| (told.lost > 2).then_some(())).await;
    assert_eq!(edge.told.lock().unwrap().connected, connected, "it does not come in again");
    beside.db.close().await;
    website.stop().await;
}
