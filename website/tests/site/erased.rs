//! A removal leaves nothing personal in the website's files.

use crate::{
    edge::{FakeEdge, visit},
    scene::scene,
    stage::{Stage, actor, add_location, enrol, face, join, location, picture, space},
};
use protocol::message::{CustomerState, EnrolPolicy, Seen};
use std::{collections::HashSet, fs, path::Path};
use website::{
    App, backup, changes,
    db::Tx,
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
    assert_eq!(visits::of_face(&mut tx, &location(), &face(0)).await.unwrap().visits, 0);
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

/// Whether any eight bytes of `gone`, one such piece of each sixteenth part, are in the database file.
fn piece_of(gone: &[Vec<u8>], folder: &Path) -> bool {
    let pieces: HashSet<&[u8]> =
        gone.iter().flat_map(|blob| blob.chunks(blob.len() / 16)).filter_map(|part| part.get(..8)).collect();
    fs::read(folder.join("website.db")).unwrap().windows(8).any(|window| pieces.contains(window))
}

/// Why faces stand in slots, and why the file is written anew for the names' sake: SQLite overwrites what is deleted, but not what it has moved: rows that come, grow and go in this order leave a copy of
/// a deleted one in the unused part of a page. (Should SQLite overwrite that one day, the first assertion says so.)
#[tokio::test(flavor = "multi_thread")]
async fn what_sqlite_has_moved_before_it_was_removed_is_nowhere_either() {
    enum Row {
        Comes(u8),
        Grows(u8, usize),
        Goes(u8),
    }
    use Row::{Comes, Goes, Grows};
    let stage = Stage::sqlite();
    let (website, _edge, _) = scene(&stage, EnrolPolicy::Auto, 3).await;
    let blob = |n: u8| {
        let bytes = (0..1290_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8 ^ n.wrapping_mul(37));
        bytes.collect::<Vec<u8>>()
    };
    let mut tx = website.app.db.write().await.unwrap();
    let Tx::Lite(lite) = &mut tx else { unreachable!("this is SQLite") };
    let form = "CREATE TABLE moved (location TEXT NOT NULL, face_id TEXT NOT NULL, seq INTEGER, state TEXT, name TEXT, \
                embedding BLOB, h BLOB, PRIMARY KEY (location, face_id)) STRICT";
    sqlx::query(form).execute(&mut **lite).await.unwrap();
    let mut gone = Vec::new();
    for (step, row) in [
        Comes(0),
        Grows(0, 60),
        Goes(0),
        Comes(1),
        Comes(2),
        Comes(3),
        Goes(3),
        Goes(2),
        Comes(4),
        Comes(5),
        Comes(6),
        Comes(7),
        Goes(1),
        Comes(8),
        Goes(8),
        Comes(9),
        Grows(7, 120),
        Goes(5),
        Goes(4),
    ]
    .into_iter()
    .enumerate()
    {
        let (sql, n, name, seq) = match row {
            Comes(n) => (
                "INSERT INTO moved VALUES ('oslo', $1, $3, 'live', $2, $4, zeroblob(16))",
                n,
                0,
                i64::from(n),
            ),
            Grows(n, by) => ("UPDATE moved SET name = $2, seq = $3 WHERE face_id = $1", n, by, step as i64),
            Goes(n) => {
                gone.push(blob(n));
                let sql = "UPDATE moved SET state = 'removed', name = $2, seq = $3, embedding = NULL, h = NULL WHERE face_id = $1";
                (sql, n, 0, 1000 + step as i64)
            }
        };
        let query = sqlx::query(sql).bind(format!("face{n}")).bind("x".repeat(name)).bind(seq).bind(blob(n));
        query.execute(&mut **lite).await.unwrap();
    }
    tx.commit().await.unwrap();
    website.app.db.scrub().await.unwrap();
    assert!(piece_of(&gone, stage.data.path()), "the search can see what SQLite has left");
    changes::remove(&website.app, &location(), &face(0), &actor()).await.unwrap();
    website.stop().await;
    assert!(!piece_of(&gone, stage.data.path()), "the file was written anew");
}
