//! A removal leaves nothing personal in the website's files.

use crate::{
    edge::{FakeEdge, visit},
    scene::scene,
    stage::{Stage, actor, add_location, enrol, face, join, location, picture, space},
};
use protocol::message::{CustomerState, EnrolPolicy, Seen};
use std::{fs, path::Path};
use website::{
    App, backup, changes,
    tables::{customers, visits},
};

crate::on_both!(a_tombstone_has_nothing_personal, the_removed_vector_is_nowhere);

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

/// How a face may be written anywhere: f16 and f32, as bytes and in hexadecimal.
fn traces(n: u32) -> Vec<Vec<u8>> {
    let face = picture(n, 0);
    let floats: Vec<u8> = face.to_f32().iter().flat_map(|value| value.to_le_bytes()).collect();
    let binary = [face.as_bytes().to_vec(), floats];
    let texts = binary.iter().map(|bytes| hex::encode(bytes).into_bytes()).collect::<Vec<_>>();
    [binary.to_vec(), texts].concat()
}

/// Everything the database hands out: a backup by our own code, and on PostgreSQL a dump by its own program too.
async fn handed_out(stage: &Stage, app: &App) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("backup");
    backup::write(app, &file).await.unwrap();
    let mut bytes = fs::read(&file).unwrap();
    if let Some(url) = &stage.database_url {
        let dump = std::process::Command::new("pg_dump").arg(url).output().unwrap();
        assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
        bytes.extend(dump.stdout);
    }
    bytes
}

async fn the_removed_vector_is_nowhere(stage: Stage) {
    let (website, edge, head) = scene(&stage, EnrolPolicy::Auto, 300).await;
    let app = &website.app;
    // One that came in by the broker, too.
    let new = Seen::New { face_id: face(500), space: space().id, embedding: picture(500, 0) };
    edge.visit(&visit(5, 1, new, &head));
    edge.until_settled(5, 1).await;
    let held = |bytes: &[u8], n| {
        traces(n).iter().any(|trace| bytes.windows(trace.len()).any(|window| window == &trace[..]))
    };
    let before = handed_out(&stage, app).await;
    assert!([123, 124, 500].iter().all(|n| held(&before, *n)), "the search can see");
    if stage.database_url.is_none() {
        assert!(found(stage.data.path(), picture(123, 0).as_bytes()));
    }
    for n in [123, 500] {
        changes::remove(app, &location(), &face(n), &actor()).await.unwrap();
    }
    let nowhere = |when: &str| {
        for trace in [123, 500].into_iter().flat_map(traces) {
            assert!(!found(stage.data.path(), &trace), "{when}");
        }
        assert!(!found(stage.data.path(), b"Person 123"), "{when}");
    };
    nowhere("with the website still running");
    let after = handed_out(&stage, app).await;
    assert!(!held(&after, 123) && !held(&after, 500) && held(&after, 124));
    assert!(!after.windows(10).any(|window| window == b"Person 123"));
    // And the broker keeps only that they are gone.
    let late = FakeEdge::connect(&website, join(app, &location(), "late", 2).await).await;
    late.until_verified(303).await;
    for n in [123, 500] {
        let told = late.told.lock().unwrap();
        let row = told.rows.get(&face(n));
        assert!(row.is_none_or(|row| matches!(row.state, CustomerState::Removed { .. })));
    }
    website.stop().await;
    nowhere("after its end");
}
