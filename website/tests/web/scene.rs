//! A store with customers, edges and visits, as the other parts of the website would have left it.

use crate::stage::Stage;
use protocol::{
    Digest, Embedding, Epoch, FaceId, LocationId, Seq, SigningKey, StreamId, UnixMs,
    message::{Basis, Customer, Flag, Probe, Receipt, ReceiptKey, RepairCounts, Similarity, SyncState},
};
use website::{
    changes::{Actor, Held, Newcomer},
    clock, edges,
    locations::{self, NewLocation},
    points::Points,
    tables::{
        customers::Tally, edge_progress, edge_reports, edges::Edge, receipt_pages, receipt_pages::Page,
        receipts, spaces::Space, visits,
    },
};

/// 2026-03-05 14:05:09 UTC: 15:05 in Oslo.
pub const SEEN: UnixMs = UnixMs(1_772_719_509_000);

pub fn location(stage: &Stage, name: &str) -> LocationId {
    let id: LocationId = name.to_lowercase().parse().unwrap();
    let new = NewLocation {
        id: id.clone(),
        name: name.to_owned(),
        time_zone: "Europe/Oslo".to_owned(),
        enrol: protocol::message::EnrolPolicy::Auto,
        points_per_visit: Points::default(),
    };
    stage.run(locations::add(&stage.app, new, &Actor::command_line())).unwrap();
    id
}

/// A customer of the location. `n` makes the face.
pub fn customer(stage: &Stage, location: &LocationId, face: &str, name: &str, n: usize) -> FaceId {
    let face: FaceId = face.parse().unwrap();
    let mut vector = [0.01_f32; 16];
    vector[n % 16] = 1.0;
    let content = Customer {
        name: name.parse().unwrap(),
        flag: Flag::None,
        space: "test-space".parse().unwrap(),
        embedding: Embedding::from_f32(&vector).unwrap(),
    };
    stage.run(async {
        let mut held = Held::begin(&stage.app.db, location).await.unwrap();
        let space = Space {
            id: content.space.clone(),
            dimension: 16,
            match_at: Similarity(6_000),
            new_below: Similarity(4_000),
        };
        website::tables::spaces::insert(&mut held.tx, &space, SEEN).await.unwrap();
        let newcomer = Newcomer {
            face_id: &face,
            content,
            seen: Tally::one(SEEN, Points::default()),
            duplicate_of: None,
        };
        held.enrol(newcomer, &Actor::command_line()).await.unwrap();
        held.commit().await.unwrap();
    });
    face
}

/// An edge that has joined.
pub fn edge(stage: &Stage, location: &LocationId, name: &str) -> Edge {
    let added =
        stage.run(edges::add(&stage.app, location, name, "by the door", &Actor::command_line())).unwrap();
    let key = hex::encode(SigningKey::from_seed([7; 32]).public().to_bytes());
    let body = format!(
        r#"{{"code":"{}","public_key":"{key}","space":{{"id":"test-space","dimension":16,"match":0.6,"new":0.4}}}}"#,
        added.code
    );
    stage.send("POST", "/api/edge/join", &[("content-type", "application/json")], &body).expect(200);
    let edges = stage.run(edges::list(&stage.app, location)).unwrap();
    edges.into_iter().find(|status| status.edge.id == added.edge).unwrap().edge
}

/// The edge says that it has verified the newest change, with the digest given or the right one.
pub fn report(stage: &Stage, location: &LocationId, edge: &Edge, digest: Option<Digest>) {
    let totals = stage.run(locations::get(&stage.app, location)).unwrap().unwrap().totals;
    let report = edge_reports::Report {
        epoch: totals.epoch,
        applied: totals.seq,
        digest: digest.unwrap_or(totals.digest),
        count: totals.count,
        state: SyncState::Verified,
        reported_at: clock::now(),
        received_at: clock::now(),
        lease_until: clock::now().plus_ms(1),
        queued: 3,
        refused: 0,
        repairs: RepairCounts { missed: 2, asked: 1, ..RepairCounts::default() },
    };
    stage.run(async {
        let mut tx = stage.app.db.write().await.unwrap();
        edge_reports::upsert(&mut tx, &edge.id, &report, &[]).await.unwrap();
        edge_progress::insert(&mut tx, &edge.id, totals.epoch, totals.seq, clock::now()).await.unwrap();
        tx.commit().await.unwrap();
    });
}

/// The edge proves that it removed `face` at `seq`.
pub fn receipt(stage: &Stage, location: &LocationId, edge: &Edge, face: &FaceId, seq: u64, probe: Probe) {
    let epoch = stage.run(locations::get(&stage.app, location)).unwrap().unwrap().totals.epoch;
    let key = ReceiptKey { face_id: face.clone(), epoch, seq: Seq(seq) };
    stage.run(async {
        let mut tx = stage.app.db.write().await.unwrap();
        let receipt = Receipt { key, removed_at: clock::now(), probe };
        let page = Page { public_key: SigningKey::from_seed([7; 32]).public(), signed: Vec::new() };
        let page = receipt_pages::insert(&mut tx, &edge.id, &page, clock::now()).await.unwrap();
        receipts::insert(&mut tx, &edge.id, &receipt, page, clock::now()).await.unwrap();
        tx.commit().await.unwrap();
    });
}

/// `edge` has seen `face`, and the website heard of it two hours later.
pub fn visit(stage: &Stage, location: &LocationId, edge: &Edge, n: u64, face: Option<&FaceId>, at: UnixMs) {
    let visit = visits::Visit {
        edge: edge.id.clone(),
        number: (StreamId(1), n),
        kind: if face.is_some() { visits::Kind::Known } else { visits::Kind::Anonymous },
        face_id: face.cloned(),
        similarity: Some(Similarity(7_250)),
        seen_at: at,
        received_at: at.plus_ms(2 * 3_600_000),
        clock_offset_ms: 0,
        basis: Basis { epoch: Epoch(1), verified: Seq(1), staleness_s: 0 },
        points: Points::default(),
    };
    stage.run(async {
        let mut tx = stage.app.db.write().await.unwrap();
        visits::insert(&mut tx, location, &visit).await.unwrap();
        tx.commit().await.unwrap();
    });
}
