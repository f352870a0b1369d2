//! A database of an older program keeps everything, and so does an older backup.

use crate::{
    changes::assert_true_to_its_rows,
    poller::{Poller, live},
    stage::{Stage, actor, add_location, enrol, face, join, location, picture},
};
use protocol::message::{EnrolPolicy, Flag};
use sha2::{Digest, Sha256};
use sqlx::{AssertSqlSafe, Executor, migrate::Migrator};
use std::path::Path;
use website::{
    App, backup, changes, clock,
    db::{Db, Tx},
    decide::poll::End,
    polling::Change,
    tables::{
        customers,
        review_queue::{self, Waiting},
    },
};

crate::on_both!(
    faces_move_out_of_the_rows_of_an_older_database,
    an_older_backup_carries_its_faces_in_the_rows,
);

/// A location with live customers, somebody removed, and somebody who waits.
async fn fill(app: &App) {
    add_location(app, &location(), EnrolPolicy::Auto).await;
    let edge = join(app, &location(), "door", 1).await.0.edge;
    enrol(app, &location(), 0..6).await;
    changes::remove(app, &location(), &face(2), &actor()).await.unwrap();
    let waiting = Waiting {
        face_id: face(70),
        edge,
        space: crate::stage::space().id,
        embedding: picture(70, 0),
        seen_at: clock::now(),
        received_at: clock::now(),
    };
    let mut held = changes::Held::begin(&app.db, &location()).await.unwrap();
    held.queue_for_review(&waiting).await.unwrap();
    held.commit().await.unwrap();
}

async fn assert_all_there(app: &App) {
    assert_true_to_its_rows(app).await;
    let mut tx = app.db.read().await.unwrap();
    let rows = customers::live_after(&mut tx, &location(), None, 99).await.unwrap();
    assert_eq!(rows.len(), 5);
    for (row, n) in rows.iter().zip([0, 1, 3, 4, 5]) {
        assert_eq!((&row.face_id, &row.live().unwrap().content.embedding), (&face(n), &picture(n, 0)));
    }
    let gone = customers::get(&mut tx, &location(), &face(2)).await.unwrap().unwrap();
    assert!(gone.live().is_none());
    let waiting = review_queue::get(&mut tx, &location(), &face(70)).await.unwrap().unwrap();
    assert_eq!(waiting.embedding, picture(70, 0));
    drop(tx);
    // And everything can be done with them.
    changes::refuse(app, &location(), &face(70), &actor()).await.unwrap();
    changes::remove(app, &location(), &face(0), &actor()).await.unwrap();
    enrol(app, &location(), 10..12).await;
    assert_true_to_its_rows(app).await;
    // A box that polls gets all of them, however old, and after that only what is new about them.
    let mut poller = Poller::new(app, "till").await;
    while poller.poll(app, 2).await.end == End::Cut {}
    assert!(poller.held == live(app).await && poller.held.len() == 6);
    let edit = changes::Edit { name: None, flag: Some(Flag::Red) };
    changes::edit(app, &location(), &face(1), edit, &actor()).await.unwrap();
    let told = poller.poll(app, 2).await.changes;
    assert_eq!(told, [Change::Update { face_id: face(1), name: None, flag: Flag::Red }]);
}

/// Executes several statements.
async fn execute(app: &App, sql: String) {
    let mut tx = app.db.write().await.unwrap();
    match &mut tx {
        Tx::Pg(tx) => drop(tx.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.unwrap()),
        Tx::Lite(tx) => drop(tx.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.unwrap()),
    }
    tx.commit().await.unwrap();
}

/// Makes the tables what they were, and lets the database forget that they ever became another.
const BACK: &str = "
    INSERT INTO old_customers SELECT location, face_id, seq, state, name, flag, space_id,
        (SELECT face FROM faces WHERE slot = face_slot), row_hash, points, visits, last_seen_at, duplicate_of, created_at,
        changed_at, removed_at, merged_into FROM customers;
    INSERT INTO old_review_queue SELECT location, face_id, edge, space_id,
        (SELECT face FROM faces WHERE slot = face_slot), seen_at, received_at FROM review_queue;
    DROP TABLE customers;
    DROP TABLE review_queue;
    DROP TABLE faces;
    ALTER TABLE locations DROP COLUMN points_per_visit;
    ALTER TABLE visits DROP COLUMN points;
    DROP TABLE polled_visits;
    DROP TABLE confirmations;
    DROP TABLE polling_answers;
    DROP TABLE polling_boxes;
    DROP INDEX erasures_by_seq;
    DROP INDEX merges_by_seq;
    DROP INDEX change_log_by_time;
";

/// The statement of the first migration that makes a table, under another name.
fn creation(folder: &Path, table: &str) -> String {
    let text = std::fs::read_to_string(folder.join("0001_start.sql")).unwrap();
    let begin = format!("CREATE TABLE {table} (");
    let text = &text[text.find(&begin).unwrap()..];
    text[..=text.find(";\n").unwrap()].replacen(table, &format!("old_{table}"), 1)
}

async fn faces_move_out_of_the_rows_of_an_older_database(stage: Stage) {
    let app = stage.app().await;
    fill(&app).await;
    let name = if matches!(app.db, Db::Pg(_)) { "postgres" } else { "sqlite" };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(name);
    let migrations = Migrator::new(folder.as_path()).await.unwrap();
    let newer: Vec<i64> = migrations.iter().map(|one| one.version).filter(|version| *version > 8).collect();
    assert!(newer.contains(&9));
    let old = [creation(&folder, "customers"), creation(&folder, "review_queue"), BACK.to_owned()].concat();
    execute(&app, old).await;
    let mut names = String::new();
    for table in ["customers", "review_queue"] {
        names += &format!("ALTER TABLE old_{table} RENAME TO {table};");
        if name == "postgres" {
            names += &format!("ALTER TABLE {table} RENAME CONSTRAINT old_{table}_pkey TO {table}_pkey;");
        }
    }
    // The indexes of the migrations in between.
    names += "CREATE UNIQUE INDEX customers_by_seq ON customers (location, seq);
        CREATE INDEX customers_tombstones ON customers (location, removed_at) WHERE state = 'removed';
        CREATE INDEX customers_duplicates ON customers (location, duplicate_of) WHERE duplicate_of IS NOT NULL;
        CREATE INDEX customers_hashes ON customers (location, face_id, seq, row_hash) WHERE state = 'live';
        DELETE FROM _sqlx_migrations WHERE version > 8;";
    execute(&app, names).await;
    app.db.close().await;
    let app = stage.app().await;
    assert_all_there(&app).await;
    app.db.close().await;
}

/// The same backup as a program of schema 8 wrote it: no table of faces, a face in every row, signed anew.
fn older(app: &App, text: &str) -> String {
    let (mut table, mut faces, mut at) = (String::new(), Vec::new(), None);
    let mut lines: Vec<serde_json::Value> = Vec::new();
    for line in text.lines() {
        let mut line: serde_json::Value = serde_json::from_str(line).unwrap();
        if let Some(name) = line.get("table").and_then(|name| name.as_str()) {
            table = name.to_owned();
            let columns = line["columns"].as_array_mut().unwrap();
            at = columns.iter().position(|column| column[0] == "face_slot");
            if let Some(at) = at {
                columns[at] = serde_json::json!(["embedding", "bytes"]);
            }
        } else if let (Some(row), true) = (line.as_array(), table == "faces") {
            faces.push((row[0].clone(), row[2].clone()));
        } else if let (Some(row), Some(at)) = (line.as_array_mut(), at) {
            let face = faces.iter().find(|(slot, _)| *slot == row[at]);
            row[at] = face.map_or(serde_json::Value::Null, |(_, face)| face.clone());
        } else if line.get("regulars_backup").is_some() {
            line["schema"] = 8.into();
        }
        if table != "faces" && line.get("end").is_none() {
            lines.push(line);
        }
    }
    assert_eq!(faces.len(), 6, "of the live and the waiting, and of nobody else");
    let rows = lines.iter().filter(|line| line.is_array()).count();
    let body: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let hash: [u8; 32] = Sha256::digest(body.as_bytes()).into();
    let signature = hex::encode(app.key.sign("regulars backup v1", &hash).to_bytes());
    let end = serde_json::json!({"end": {"rows": rows, "sha256": hex::encode(hash), "signature": signature}});
    format!("{body}{end}\n")
}

async fn an_older_backup_carries_its_faces_in_the_rows(stage: Stage) {
    let app = stage.app().await;
    fill(&app).await;
    let file = stage.data.path().join("backup");
    backup::write(&app, &file).await.unwrap();
    let text = older(&app, &std::fs::read_to_string(&file).unwrap());
    std::fs::write(&file, text).unwrap();
    app.db.close().await;
    backup::restore(&stage.settings(), &file).await.unwrap();
    let app = stage.app().await;
    assert_all_there(&app).await;
    app.db.close().await;
}
