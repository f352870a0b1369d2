//! What must not be opened is not, and the reason is a sentence.

use crate::stage::{Stage, add_location, enrol, join, location, sql};
use protocol::message::EnrolPolicy;
use sqlx::AssertSqlSafe;
use std::os::unix::fs::PermissionsExt;
use website::{
    App, Settings,
    changes::Actor,
    db::{Db, Tx},
    locations::{self, NewLocation},
    points::Points,
    tables::customers,
};

crate::on_both!(
    a_newer_database_is_refused,
    a_key_that_does_not_belong_is_refused,
    a_transaction_that_is_dropped_changes_nothing,
    a_bad_location_is_refused,
    a_repair_reads_no_face,
);

async fn refusal(settings: Settings) -> String {
    match App::open(settings).await {
        Ok(_) => panic!("it was opened"),
        Err(error) => format!("{error:#}"),
    }
}

async fn a_newer_database_is_refused(stage: Stage) {
    let app = stage.app().await;
    sql(&app, "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
               SELECT 9999, 'later', success, checksum, execution_time FROM _sqlx_migrations WHERE version = 1")
        .await;
    app.db.close().await;
    let why = refusal(stage.settings()).await;
    assert!(why.contains("newer than this program") && why.contains("run the newer program"), "{why}");
}

async fn a_key_that_does_not_belong_is_refused(stage: Stage) {
    let app = stage.app().await;
    let file = stage.data.path().join("signing.key");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let key = app.key.public();
    app.db.close().await;
    let again = stage.app().await;
    assert_eq!(again.key.public(), key, "the key is the same after a restart");
    again.db.close().await;
    std::fs::write(&file, [7; 32]).unwrap();
    assert!(refusal(stage.settings()).await.contains("does not belong to this database"));
    std::fs::write(&file, [7; 31]).unwrap();
    assert!(refusal(stage.settings()).await.contains("is damaged"));
    std::fs::remove_file(&file).unwrap();
    assert!(refusal(stage.settings()).await.contains("is missing"));
}

async fn a_transaction_that_is_dropped_changes_nothing(stage: Stage) {
    let app = stage.app().await;
    add_location(&app, &location(), EnrolPolicy::Off).await;
    let mut held = website::changes::Held::begin(&app.db, &location()).await.unwrap();
    held.note("nothing", "nobody", &Actor::command_line()).await.unwrap();
    drop(held);
    let mut tx = app.db.write().await.unwrap();
    let audit = website::tables::audit::newest(&mut tx, 10).await.unwrap();
    assert!(audit.iter().all(|entry| entry.action != "nothing"));
}

async fn a_bad_location_is_refused(stage: Stage) {
    let app = stage.app().await;
    add_location(&app, &location(), EnrolPolicy::Off).await;
    for (id, name, zone, why) in [
        ("berlin", "Berlin", "Europe/Berlin", "there is a location berlin already: choose another id"),
        ("paris", " ", "Europe/Paris", "a location's name has 1 to 120 characters and no line break"),
        ("paris", "Paris", "Paris", "\"Paris\" is no time zone: give an IANA name such as Europe/Berlin"),
    ] {
        let new = NewLocation {
            id: id.parse().unwrap(),
            name: name.into(),
            time_zone: zone.into(),
            enrol: EnrolPolicy::Auto,
            points_per_visit: Points::default(),
        };
        let error = locations::add(&app, new, &Actor::command_line()).await.unwrap_err();
        assert_eq!(error.to_string(), why);
    }
}

/// The database's plan for a statement with one text argument.
async fn plan(tx: &mut Tx, statement: &'static str) -> String {
    match tx {
        Tx::Pg(tx) => {
            // A few rows are read faster without an index.
            sqlx::query("SET LOCAL enable_seqscan = off").execute(&mut **tx).await.unwrap();
            let explain = AssertSqlSafe(format!("EXPLAIN {statement}"));
            let lines: Vec<String> =
                sqlx::query_scalar(explain).bind("berlin").fetch_all(&mut **tx).await.unwrap();
            lines.join("\n")
        }
        Tx::Lite(tx) => {
            let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
            let steps: Vec<(i64, i64, i64, String)> =
                sqlx::query_as(explain).bind("berlin").fetch_all(&mut **tx).await.unwrap();
            steps.into_iter().map(|(.., detail)| detail).collect::<Vec<_>>().join("\n")
        }
    }
}

async fn a_repair_reads_no_face(stage: Stage) {
    let app = stage.app().await;
    add_location(&app, &location(), EnrolPolicy::Off).await;
    join(&app, &location(), "door", 1).await;
    enrol(&app, &location(), 0..200).await;
    let mut tx = app.db.read().await.unwrap();
    let plan = plan(&mut tx, customers::HASHES).await;
    match &app.db {
        Db::Pg(_) => assert!(plan.contains("customers") && !plan.contains("faces"), "{plan}"),
        Db::Lite { .. } => {
            assert!(
                plan.contains("USING COVERING INDEX customers_hashes") && !plan.contains("SORT"),
                "{plan}"
            )
        }
    }
}

#[tokio::test]
async fn an_address_that_is_no_database_is_refused() {
    let stage = Stage::sqlite();
    for (url, why) in [
        ("mysql://localhost", "must begin with postgres:// or sqlite:"),
        ("sqlite:/nowhere/at/all.db", "cannot be opened"),
        ("postgres://nobody@127.0.0.1:1/x", "PostgreSQL cannot be reached"),
    ] {
        let settings = Settings { database_url: Some(url.into()), ..stage.settings() };
        let said = refusal(settings).await;
        assert!(said.contains(why), "{said}");
    }
}
