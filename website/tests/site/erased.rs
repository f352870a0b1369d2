//! A removal leaves nothing personal in the website's files.

use crate::stage::{Stage, actor, add_location, enrol, face, join, location, picture};
use protocol::message::EnrolPolicy;
use std::{fs, path::Path};
use website::{
    changes,
    tables::{customers, visits},
};

crate::on_both!(a_tombstone_has_nothing_personal);

async fn a_tombstone_has_nothing_personal(stage: Stage) {
    let app = stage.app().await;
    add_location(&app, &location(), EnrolPolicy::Auto).await;
    join(&app, &location(), "door", 1).await;
    enrol(&app, &location(), 0..2).await;
    changes::remove(&app, &location(), &face(0), &actor()).await.unwrap();
    let mut tx = app.db.read().await.unwrap();
    let row = customers::get(&mut tx, &location(), &face(0)).await.unwrap().unwrap();
    assert!(matches!(row.state, customers::State::Removed { merged_into: None, .. }));
    assert_eq!(visits::of_face(&mut tx, &location(), &face(0)).await.unwrap().0, 0);
    assert!(customers::search(&mut tx, &location(), "Person 0", 0, 10).await.unwrap().is_empty());
    assert_eq!(customers::search(&mut tx, &location(), "person 1", 0, 10).await.unwrap().len(), 1);
    assert!(customers::search(&mut tx, &location(), "%", 0, 10).await.unwrap().is_empty(), "no wildcard");
}

/// Whether any file under `folder` contains `needle`.
fn found(folder: &Path, needle: &[u8]) -> bool {
    fs::read_dir(folder).unwrap().any(|entry| {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        bytes.windows(needle.len()).any(|window| window == needle)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_removed_vector_is_in_no_file_of_sqlite() {
    let stage = Stage::sqlite();
    let website = stage.start().await;
    let app = &website.app;
    add_location(app, &location(), EnrolPolicy::Auto).await;
    join(app, &location(), "door", 1).await;
    enrol(app, &location(), 0..300).await;
    let (vector, other) = (picture(123, 0), picture(124, 0));
    assert!(found(stage.data.path(), vector.as_bytes()) && found(stage.data.path(), b"Person 123"));
    changes::remove(app, &location(), &face(123), &actor()).await.unwrap();
    assert!(!found(stage.data.path(), vector.as_bytes()), "with the website still running");
    assert!(!found(stage.data.path(), b"Person 123"));
    assert!(found(stage.data.path(), other.as_bytes()));
    website.stop().await;
    assert!(!found(stage.data.path(), vector.as_bytes()));
}
