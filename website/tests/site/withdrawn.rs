//! A credential that was taken back opens nothing any more, whatever comes back.

use crate::stage::{PASSWORD, Stage, actor, add_location, join, join_with, location, mqtt_options};
use protocol::{SigningKey, message::EnrolPolicy};
use rumqttc::{AsyncClient, ConnectionError};
use std::{fs, time::Instant};
use website::{App, backup, edges, mqtt_users, remove_mqtt_user, tables, web::token};

crate::on_both!(
    a_restore_makes_nothing_good_again,
    a_copy_put_back_by_hand_makes_nothing_good_again,
    a_removed_login_is_disconnected,
);

async fn users(app: &App) -> Vec<String> {
    mqtt_users(app).await.unwrap()
}

async fn may_log_in(app: &App, edge: &protocol::EdgeId) -> bool {
    tables::edges::credentials(&mut app.db.read().await.unwrap(), edge).await.unwrap().is_some()
}

async fn a_restore_makes_nothing_good_again(stage: Stage) {
    let app = stage.app().await;
    add_location(&app, &location(), EnrolPolicy::Auto).await;
    let (door, _) = join(&app, &location(), "door", 1).await;
    let (till, _) = join(&app, &location(), "till", 2).await;
    for name in ["kept", "gone"] {
        token::create(&app.db, name).await.unwrap();
    }
    for name in ["ann", "bob", "cleo"] {
        website::add_mqtt_user(&app, name, PASSWORD).await.unwrap();
    }
    let file = stage.data.path().join("backup");
    backup::write(&app, &file).await.unwrap();
    token::revoke(&app, "gone").await.unwrap();
    remove_mqtt_user(&app, "ann").await.unwrap();
    website::add_mqtt_user(&app, "bob", "another good password").await.unwrap();
    let code = edges::new_code(&app, &location(), &door.edge, &actor()).await.unwrap().code;
    join_with(&app, &code, SigningKey::from_seed([3; 32]).public()).await.unwrap();
    assert!(may_log_in(&app, &door.edge).await);
    let ledger = fs::read_to_string(stage.data.path().join("erasures.jsonl")).unwrap();
    assert_eq!(ledger.lines().filter(|line| line.contains("credential")).count(), 4, "{ledger}");
    for personal in
        ["ann", "bob", "gone", "$argon2", door.token.as_str(), &hex::encode(edge_hash(&door.token))]
    {
        assert!(!ledger.contains(personal), "{personal}");
    }
    app.db.close().await;

    for _ in 0..2 {
        backup::restore(&stage.settings(), &file).await.unwrap();
        let app = stage.app().await;
        assert_eq!(
            (token::names(&app).await.unwrap(), users(&app).await),
            (vec!["kept".into()], vec!["cleo".into()])
        );
        assert!(!may_log_in(&app, &door.edge).await && may_log_in(&app, &till.edge).await);
        let known = edges::list(&app, &location()).await.unwrap();
        let words = "shut out: it has joined anew since the restored backup was made, join again";
        assert_eq!(known[0].standing.to_string(), words);
        app.db.close().await;
    }
    let app = stage.app().await;
    // Whoever is let in again is in.
    website::add_mqtt_user(&app, "ann", PASSWORD).await.unwrap();
    token::create(&app.db, "gone").await.unwrap();
    let code = edges::new_code(&app, &location(), &door.edge, &actor()).await.unwrap().code;
    join_with(&app, &code, SigningKey::from_seed([4; 32]).public()).await.unwrap();
    app.db.close().await;
    let website = stage.start().await;
    assert_eq!(users(&website.app).await, ["ann", "cleo"]);
    assert_eq!(token::names(&website.app).await.unwrap(), ["gone", "kept"]);
    assert!(may_log_in(&website.app, &door.edge).await);
    website.stop().await;
}

fn edge_hash(token: &str) -> [u8; 32] {
    use sha2::Digest;
    sha2::Sha256::digest(token.as_bytes()).into()
}

async fn a_copy_put_back_by_hand_makes_nothing_good_again(mut stage: Stage) {
    // Without any location: nothing but the ledger tells that the database has gone back.
    let app = stage.app().await;
    token::create(&app.db, "gone").await.unwrap();
    website::add_mqtt_user(&app, "ann", PASSWORD).await.unwrap();
    app.db.close().await;
    let copy = stage.copy().await;
    let app = stage.app().await;
    token::revoke(&app, "gone").await.unwrap();
    let again = token::revoke(&app, "gone").await.unwrap_err();
    assert!(again.to_string().starts_with("there is no token of that name"), "{again}");
    remove_mqtt_user(&app, "ann").await.unwrap();
    let again = remove_mqtt_user(&app, "ann").await.unwrap_err();
    assert!(again.to_string().starts_with("nobody of that name"), "{again}");
    app.db.close().await;
    stage.put_back(copy);
    let website = stage.start().await;
    assert_eq!(token::names(&website.app).await.unwrap(), Vec::<String>::new());
    assert_eq!(users(&website.app).await, Vec::<String>::new());
    website.stop().await;
}

async fn a_removed_login_is_disconnected(stage: Stage) {
    // As the command line does it: beside the running website, without a nudge.
    let beside = stage.app().await;
    for name in ["ann", "bob"] {
        website::add_mqtt_user(&beside, name, PASSWORD).await.unwrap();
    }
    let website = stage.start().await;
    let connect = |client: &str, name: &str, password: &str| {
        AsyncClient::builder(mqtt_options(&website, client, name, password)).capacity(4).build()
    };
    let (mut ann, mut bob) = (connect("a", "ann", PASSWORD), connect("b", "bob", PASSWORD));
    for (_, events) in [&mut ann, &mut bob] {
        events.poll().await.unwrap();
    }
    let began = Instant::now();
    remove_mqtt_user(&beside, "ann").await.unwrap();
    website::add_mqtt_user(&beside, "bob", "another good password").await.unwrap();
    for (_, events) in [&mut ann, &mut bob] {
        while events.poll().await.is_ok() {}
    }
    assert!(began.elapsed().as_secs() < 5);
    for (name, password, may) in
        [("ann", PASSWORD, false), ("bob", PASSWORD, false), ("bob", "another good password", true)]
    {
        let answer = connect("again", name, password).1.poll().await;
        let refused = matches!(answer, Err(ConnectionError::ConnectionRefused(_)));
        assert_eq!((answer.is_ok(), refused), (may, !may), "{name}");
    }
    beside.db.close().await;
    website.stop().await;
}
