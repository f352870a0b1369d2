//! A removal is proved edge by edge, by what each edge signed.

use crate::{
    edge::FakeEdge,
    stage::{Stage, actor, add_location, enrol, face, join, location, until},
};
use protocol::{
    Seq, SigningKey, UnixMs,
    message::{Applied, EnrolPolicy, Probe, Receipt, ReceiptKey},
};
use std::{fs, process::Command};
use website::{
    App, changes,
    decide::certificate::Proof,
    erasure::{self, Certificate},
    locations::{self, NewSettings},
    tables::edge_reports,
};

crate::on_both!(every_edge_is_named_with_what_it_signed, the_longest_lease_decides);

async fn certificate(app: &App) -> Certificate {
    erasure::certificate(app, &location(), &face(0)).await.unwrap().unwrap()
}

async fn every_edge_is_named_with_what_it_signed(stage: Stage) {
    let website = stage.start().await;
    let app = &website.app;
    add_location(app, &location(), EnrolPolicy::Auto).await;
    let mut edges = Vec::new();
    for (name, seed) in [("a receipt", 1), ("b verified", 2), ("c away", 3)] {
        edges.push(FakeEdge::connect(&website, join(app, &location(), name, seed).await).await);
    }
    enrol(app, &location(), 0..3).await;
    assert_eq!(erasure::certificate(app, &location(), &face(0)).await.unwrap(), None, "not removed");
    changes::merge(app, &location(), &face(1), &face(0), &actor()).await.unwrap();
    let removed = changes::remove(app, &location(), &face(0), &actor()).await.unwrap();
    // An edge that was added since cannot have held the face.
    join(app, &location(), "d later", 4).await;
    let head = edges[0].until_verified(removed.seq.0).await;
    let key = ReceiptKey { face_id: face(0), epoch: head.epoch, seq: removed.seq };
    let receipt = Receipt { key: key.clone(), removed_at: UnixMs(5), probe: Probe::Gone };
    // A receipt of another removal of the same face proves nothing of this one.
    let old =
        Receipt { key: ReceiptKey { seq: Seq(1), ..key }, removed_at: UnixMs(1), probe: Probe::NeverHeld };
    edges[0].say(Applied { receipts: vec![old, receipt], ..edges[0].applied(&head) });
    edges[1].say(edges[1].applied(&head));
    let reported = || async {
        let mut tx = app.db.read().await.unwrap();
        (edge_reports::of_location(&mut tx, &location()).await.unwrap().len() == 2).then_some(())
    };
    until("two reports", reported).await;
    let drawn_up = certificate(app).await;
    let statement = &drawn_up.statement;
    let proofs: Vec<_> = statement.edges.iter().map(|edge| (edge.name.as_str(), edge.proof)).collect();
    assert_eq!(
        proofs,
        [("a receipt", Proof::Removed), ("b verified", Proof::Verified), ("c away", Proof::Outstanding)]
    );
    assert_eq!((&statement.also[..], statement.complete), (&[face(1)][..], false));
    assert_eq!((statement.requested_by.as_str(), statement.removed_at), ("token:tests", removed.at));
    let lease_ms = i64::from(locations::LEASE_S_DEFAULT) * 1000;
    assert!(statement.recognised_until >= removed.at.plus_ms(lease_ms));
    assert_eq!(statement.edges[2].outstanding_until, Some(statement.recognised_until));
    // Asked for by the merged id it is the same person's.
    let by_loser = erasure::certificate(app, &location(), &face(1)).await.unwrap().unwrap();
    assert_eq!(by_loser.statement.face_id, face(0));

    // The file speaks for itself.
    let file = stage.data.path().join("certificate.json");
    let text = serde_json::to_string_pretty(&drawn_up).unwrap();
    fs::write(&file, &text).unwrap();
    let verify = |key: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_website"));
        let path = file.to_str().unwrap().to_owned();
        let said = command.args(["verify-erasure", &path, "--key", key]).output().unwrap();
        let both = [said.stdout, said.stderr].concat();
        (said.status.code(), String::from_utf8(both).unwrap())
    };
    let (code, said) = verify(&app.key.public().to_string());
    assert_eq!(code, Some(0), "{said}");
    assert!(said.starts_with("valid, not complete: face_00000 of berlin was removed at"), "{said}");
    assert!(said.contains("1 of 3 edges have not proved it") && said.lines().count() == 1, "{said}");
    let (code, said) = verify(&SigningKey::from_seed([9; 32]).public().to_string());
    assert!(code == Some(1) && said.contains("not with the website's"), "{said}");
    fs::write(&file, text.replace("\"outstanding\"", "\"lease_over\"")).unwrap();
    let (code, said) = verify(&app.key.public().to_string());
    assert!(code == Some(1) && said.contains("it was changed since the website signed it"), "{said}");

    edges[2].say(edges[2].applied(&edges[2].until_verified(removed.seq.0).await));
    until("complete", || async { certificate(app).await.statement.complete.then_some(()) }).await;
    website.stop().await;
}

async fn the_longest_lease_decides(stage: Stage) {
    let app = stage.app().await;
    add_location(&app, &location(), EnrolPolicy::Auto).await;
    join(&app, &location(), "door", 1).await;
    enrol(&app, &location(), 0..1).await;
    let shorter = NewSettings { lease_s: Some(60), ..NewSettings::default() };
    locations::set(&app, &location(), shorter, &actor()).await.unwrap();
    let removed = changes::remove(&app, &location(), &face(0), &actor()).await.unwrap();
    // Heads that were signed before gave three days.
    let until = certificate(&app).await.statement.recognised_until;
    assert!(until > removed.at.plus_ms(71 * 3600 * 1000), "{until:?}");
    app.db.close().await;
}
