//! A backup brings everything back but those who were removed.

use crate::{
    edge::{FakeEdge, visit},
    stage::{Stage, actor, add_location, enrol, face, join, location, picture, until},
};
use protocol::{
    SigningKey,
    message::{EnrolPolicy, Seen},
};
use std::{collections::BTreeSet, fs, path::Path};
use website::{
    App, Settings, backup, changes, edges,
    tables::{self, customers, export, visits},
};

crate::on_both!(
    a_backup_brings_back_everything_but_the_removed,
    a_restore_lets_no_revoked_edge_in,
    a_restore_that_cannot_be_changes_nothing,
    a_backup_knows_every_table,
);

async fn visits_of(app: &App) -> usize {
    visits::newest(&mut app.db.read().await.unwrap(), &location(), None, 99).await.unwrap().len()
}

async fn live(app: &App) -> Vec<String> {
    let rows = customers::live_after(&mut app.db.read().await.unwrap(), &location(), None, 99).await.unwrap();
    rows.iter().map(|row| row.face_id.to_string()).collect()
}

async fn a_backup_brings_back_everything_but_the_removed(stage: Stage) {
    let website = stage.start().await;
    let app = &website.app;
    add_location(app, &location(), EnrolPolicy::Auto).await;
    let joined = join(app, &location(), "door", 1).await;
    enrol(app, &location(), 0..4).await;
    let edge = FakeEdge::connect(&website, joined.clone()).await;
    let before = edge.until_verified(4).await;
    edge.visit(&visit(5, 1, Seen::Anonymous, &before));
    edge.until_settled(5, 1).await;
    let file = stage.data.path().join("backup");
    let done = backup::write(app, &file).await.unwrap();
    // Edges hear of it by the next head.
    edge.until("the backup in a head", |told| {
        (told.heads.last()?.backed_up_at == Some(done.begun_at)).then_some(())
    })
    .await;
    assert_eq!(before.backed_up_at, None);
    // After it: one removed, one renamed, one new, and one who came and went.
    changes::remove(app, &location(), &face(0), &actor()).await.unwrap();
    enrol(app, &location(), 4..6).await;
    changes::remove(app, &location(), &face(5), &actor()).await.unwrap();
    edge.visit(&visit(5, 2, Seen::Anonymous, &before));
    edge.until_settled(5, 2).await;
    drop(edge);
    let settings = stage.settings();
    let refused = backup::restore(&settings, &file).await.unwrap_err();
    assert!(format!("{refused:#}").contains("a website is running from"), "{refused:#}");
    website.stop().await;

    backup::restore(&settings, &file).await.unwrap();
    // The backup was made when the first one was still there: it holds that vector, and the restored database not.
    let vector = hex::encode(picture(0, 0).as_bytes());
    assert!(fs::read_to_string(&file).unwrap().contains(&vector));
    let website = stage.start().await;
    let app = &website.app;
    assert_eq!(live(app).await, ["face_00001", "face_00002", "face_00003"]);
    assert_eq!(visits_of(app).await, 1);
    let edge = FakeEdge::connect(&website, joined).await;
    // A seq for the new epoch, one for each removal made again.
    let head = edge.until_verified(7).await;
    assert_eq!((head.count, head.backed_up_at), (3, Some(done.begun_at)));
    assert_ne!(head.epoch, before.epoch);
    assert!(head.issued_at > before.issued_at && head.last_removal == head.seq);
    // What was settled after the backup is sent again and counted once.
    for n in [1, 2] {
        edge.visit(&visit(5, n, Seen::Anonymous, &before));
    }
    edge.until_settled(5, 2).await;
    assert_eq!(visits_of(app).await, 2);
    backup::write(app, &stage.data.path().join("second")).await.unwrap();
    let text = fs::read_to_string(stage.data.path().join("second")).unwrap();
    assert!(!text.contains(&vector) && !text.contains("Person 0"));
    let another = hex::encode(picture(1, 0).as_bytes());
    assert!(text.contains(&another) && text.contains("Person 1"), "the search can see");
    website.stop().await;
}

async fn a_restore_lets_no_revoked_edge_in(stage: Stage) {
    let app = stage.app().await;
    add_location(&app, &location(), EnrolPolicy::Auto).await;
    let (kept, _) = join(&app, &location(), "door", 1).await;
    let (gone, _) = join(&app, &location(), "till", 2).await;
    let file = stage.data.path().join("backup");
    backup::write(&app, &file).await.unwrap();
    edges::revoke(&app, &location(), &gone.edge, &actor()).await.unwrap();
    app.db.close().await;
    backup::restore(&stage.settings(), &file).await.unwrap();
    let app = stage.app().await;
    let mut tx = app.db.read().await.unwrap();
    assert!(tables::edges::credentials(&mut tx, &kept.edge).await.unwrap().is_some());
    assert!(tables::edges::credentials(&mut tx, &gone.edge).await.unwrap().is_none());
    assert!(tables::edges::get(&mut tx, &gone.edge).await.unwrap().unwrap().revoked_at.is_some());
    drop(tx);
    app.db.close().await;
}

/// Every file of a folder and its bytes, but those of a database at work.
fn snapshot(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        entries.map(|path| (path.display().to_string(), fs::read(&path).unwrap())).collect();
    files.retain(|(name, _)| !name.contains("website.db") && !name.ends_with("lock"));
    files.sort();
    files
}

async fn a_restore_that_cannot_be_changes_nothing(stage: Stage) {
    let app = stage.app().await;
    add_location(&app, &location(), EnrolPolicy::Auto).await;
    join(&app, &location(), "door", 1).await;
    enrol(&app, &location(), 0..2).await;
    let folder = tempfile::tempdir().unwrap();
    let good = folder.path().join("good");
    backup::write(&app, &good).await.unwrap();
    assert!(backup::write(&app, &good).await.unwrap_err().to_string().contains("is there already"));
    let nowhere = folder.path().join("no/such/folder");
    assert!(backup::write(&app, &nowhere).await.unwrap_err().to_string().contains("cannot be made"));
    app.db.close().await;

    let text = fs::read_to_string(&good).unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let other = tempfile::tempdir().unwrap();
    fs::write(other.path().join("signing.key"), SigningKey::from_seed([9; 32]).seed()).unwrap();
    let elsewhere = |data: &Path| Settings { data: data.to_owned(), ..stage.settings() };
    let empty = tempfile::tempdir().unwrap();
    let before = snapshot(stage.data.path());
    for (settings, path, why) in [
        (stage.settings(), folder.path().join("none"), "there is no such file"),
        (stage.settings(), file("text", "hello\n"), "it is no backup of a website"),
        (stage.settings(), file("cut", &text[..text.len() / 2]), "it is damaged or incomplete"),
        (
            stage.settings(),
            file("changed", &text.replace("Person 1", "Person 7")),
            "it is damaged or incomplete",
        ),
        (elsewhere(other.path()), good.clone(), "it is another website's"),
        (elsewhere(empty.path()), good.clone(), "put the signing.key"),
    ] {
        let error = format!("{:#}", backup::restore(&settings, &path).await.unwrap_err());
        assert!(error.contains("was not restored") && error.contains(why), "{why}: {error}");
    }
    fs::write(stage.data.path().join("erasures.jsonl"), "no line of ours\n").unwrap();
    let error = format!("{:#}", backup::restore(&stage.settings(), &good).await.unwrap_err());
    assert!(error.contains("1 lines of the erasure ledger cannot be read"), "{error}");
    fs::remove_file(stage.data.path().join("erasures.jsonl")).unwrap();
    assert_eq!(snapshot(stage.data.path()), before);
    let app = stage.app().await;
    assert_eq!(live(&app).await, ["face_00000", "face_00001"]);
    app.db.close().await;
}

async fn a_backup_knows_every_table(stage: Stage) {
    let app = stage.app().await;
    let mut tx = app.db.read().await.unwrap();
    let tables: BTreeSet<String> = export::tables(&mut tx).await.unwrap().into_iter().collect();
    let known: BTreeSet<String> =
        export::TABLES.iter().chain(&export::LEFT_OUT).map(|table| (*table).to_owned()).collect();
    assert_eq!(tables, known);
    drop(tx);
    app.db.close().await;
}

/// The same file is for either database.
#[tokio::test(flavor = "multi_thread")]
async fn a_website_moves_from_one_database_to_the_other() {
    let Some(postgres) = Stage::postgres().await else { return };
    let lite = Stage::sqlite();
    let app = lite.app().await;
    add_location(&app, &location(), EnrolPolicy::Auto).await;
    join(&app, &location(), "door", 1).await;
    enrol(&app, &location(), 0..1500).await;
    changes::remove(&app, &location(), &face(9), &actor()).await.unwrap();
    let file = lite.data.path().join("backup");
    let written = backup::write(&app, &file).await.unwrap();
    app.db.close().await;
    let settings = Settings { database_url: postgres.database_url.clone(), ..lite.settings() };
    assert_eq!(backup::restore(&settings, &file).await.unwrap().rows, written.rows);
    let app = App::open(settings.clone()).await.unwrap();
    let known = website::locations::get(&app, &location()).await.unwrap().unwrap();
    assert_eq!(known.totals.count, 1499);
    enrol(&app, &location(), 2000..2001).await;
    let back = lite.data.path().join("back");
    backup::write(&app, &back).await.unwrap();
    app.db.close().await;
    backup::restore(&lite.settings(), &back).await.unwrap();
    let website = lite.start().await;
    until("ready", || async { website.app.ready().await.ok() }).await;
    let known = website::locations::get(&website.app, &location()).await.unwrap().unwrap();
    assert_eq!(known.totals.count, 1500);
    website.stop().await;
}
