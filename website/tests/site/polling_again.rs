//! Boxes that poll when a history begins anew, a backup comes back, a box is replaced.

use crate::{
    poller::{Poller, live, opened, removed},
    stage::{Stage, actor, enrol, face, location, space},
};
use std::{fs, sync::Arc};
use test_kit::{Lack, skip};
use website::{
    App, Website, backup, changes,
    decide::poll::{End, Told},
    edges::{self, SpaceChoice},
    epochs::{self, Why},
    polling::Scope,
    settings::Plaintext,
};

crate::on_both!(
    in_a_new_epoch_everything_is_told_again,
    a_restored_backup_brings_nobody_back_to_a_box,
    a_database_put_back_by_hand_brings_nobody_back_to_a_box,
    a_replaced_box_stays_out_whatever_is_restored,
    faces_leave_this_machine_encrypted_only,
);

/// A location with six customers, and a box there.
async fn filled(stage: &Stage) -> (Arc<App>, Poller) {
    let (app, poller) = opened(stage).await;
    enrol(&app, &location(), 0..6).await;
    (app, poller)
}

async fn in_a_new_epoch_everything_is_told_again(stage: Stage) {
    let (app, mut poller) = filled(&stage).await;
    changes::remove(&app, &location(), &face(0), &actor()).await.unwrap();
    changes::merge(&app, &location(), &face(1), &face(2), &actor()).await.unwrap();
    poller.poll(&app, 1_000).await;
    let before = poller.since.clone();
    epochs::begin(&app, &location(), Why::Asked, &actor()).await.unwrap();
    // What the old answer named is void: the first page begins from the beginning, the next ones go on.
    let mut pages = Vec::new();
    loop {
        let answer = poller.poll(&app, 3).await;
        pages.push((answer.scope, removed(&answer).len()));
        if answer.end == End::Whole {
            break;
        }
    }
    let gone: usize = pages.iter().map(|(_, gone)| gone).sum();
    assert_eq!((pages[0].0, pages[1].0, gone), (Scope::Everything, Scope::Since, 2), "{pages:?}");
    assert!(poller.held == live(&app).await);
    // And a time of its own, made before, names nothing either.
    let mut other = Poller::new(&app, "other").await;
    other.poll(&app, 1_000).await;
    epochs::begin(&app, &location(), Why::Asked, &actor()).await.unwrap();
    other.since = before.replace('Z', ".5Z");
    assert_eq!(other.ask(&app, Told::Removals, 9).await.scope, Scope::Everything);
    app.db.close().await;
}

async fn a_restored_backup_brings_nobody_back_to_a_box(stage: Stage) {
    let (app, mut poller) = filled(&stage).await;
    poller.poll(&app, 1_000).await;
    let file = stage.data.path().join("backup");
    backup::write(&app, &file).await.unwrap();
    // After the backup one is removed, two turn out to be one, who is removed, and somebody comes and goes.
    changes::remove(&app, &location(), &face(0), &actor()).await.unwrap();
    changes::merge(&app, &location(), &face(1), &face(2), &actor()).await.unwrap();
    changes::remove(&app, &location(), &face(2), &actor()).await.unwrap();
    enrol(&app, &location(), 6..7).await;
    let away = poller.held.clone();
    poller.poll(&app, 1_000).await;
    changes::remove(&app, &location(), &face(6), &actor()).await.unwrap();
    app.db.close().await;
    backup::restore(&stage.settings(), &file).await.unwrap();
    let app = stage.app().await;
    let gone = [0, 2, 1, 6].map(|n| face(n).to_string());
    let told = poller.ask(&app, Told::Removals, 1_000).await;
    assert_eq!((told.scope, removed(&told)), (Scope::Everything, gone.to_vec()));
    let answer = poller.poll(&app, 1_000).await;
    assert_eq!((answer.scope, answer.end), (Scope::Everything, End::Whole));
    assert!(poller.held == live(&app).await && poller.held.len() == 3);
    // So it is for a box that has not been there since the backup.
    poller.held = away;
    poller.since = "2020-01-01T00:00:00Z".to_owned();
    poller.poll(&app, 1_000).await;
    assert!(poller.held == live(&app).await);
    app.db.close().await;
}

async fn a_database_put_back_by_hand_brings_nobody_back_to_a_box(mut stage: Stage) {
    let (app, mut poller) = filled(&stage).await;
    poller.poll(&app, 1_000).await;
    app.db.close().await;
    let copy = stage.copy().await;
    let app = stage.app().await;
    changes::remove(&app, &location(), &face(0), &actor()).await.unwrap();
    poller.poll(&app, 1_000).await;
    app.db.close().await;
    stage.put_back(copy);
    let website = stage.start().await;
    let answer = poller.poll(&website.app, 1_000).await;
    assert_eq!((answer.scope, removed(&answer)), (Scope::Everything, vec![face(0).to_string()]));
    assert!(poller.held == live(&website.app).await);
    website.stop().await;
}

/// Asks as a box does, over the network, and tells status and body.
async fn get(url: String, token: &str) -> (u16, String) {
    let token = format!("Bearer {token}");
    tokio::task::spawn_blocking(move || {
        let tls = ureq::tls::TlsConfig::builder().disable_verification(true).build();
        let agent: ureq::Agent =
            ureq::Agent::config_builder().http_status_as_error(false).tls_config(tls).build().into();
        let mut answer = agent.get(url).header("authorization", &token).call().unwrap();
        (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
    })
    .await
    .unwrap()
}

fn sync(website: &Website) -> String {
    format!("http://{}/api/edge/sync", website.http)
}

async fn a_replaced_box_stays_out_whatever_is_restored(stage: Stage) {
    let (app, old) = filled(&stage).await;
    let kept = Poller::new(&app, "kept").await;
    let file = stage.data.path().join("backup");
    backup::write(&app, &file).await.unwrap();
    let code = edges::new_code(&app, &location(), &old.is.edge, &actor()).await.unwrap().code;
    let here = std::net::Ipv4Addr::LOCALHOST.into();
    let new = edges::join_polling(&app, &code, &SpaceChoice::Only, here).await.unwrap();
    let ledger = fs::read_to_string(stage.data.path().join("erasures.jsonl")).unwrap();
    assert_eq!(ledger.lines().filter(|line| line.contains("credential")).count(), 1, "{ledger}");
    app.db.close().await;
    for restored in [false, true, true] {
        if restored {
            backup::restore(&stage.settings(), &file).await.unwrap();
        }
        let website = stage.start().await;
        let url = sync(&website);
        let (status, body) = get(url.clone(), &old.is.token).await;
        if restored {
            assert_eq!(status, 403, "{body}");
            assert!(body.contains("give its edge a new code"), "{body}");
            let known = edges::list(&website.app, &location()).await.unwrap();
            let words = "shut out: it has joined anew since the restored backup was made, join again";
            assert_eq!(
                known.iter().find(|one| one.edge.id == old.is.edge).unwrap().standing.to_string(),
                words
            );
        } else {
            assert_eq!(status, 401, "{body}");
            assert_eq!(get(url.clone(), &new.token).await.0, 200);
        }
        assert_eq!(get(url, &kept.is.token).await.0, 200);
        website.stop().await;
    }
    // Whoever joins again is in.
    let app = stage.app().await;
    let code = edges::new_code(&app, &location(), &old.is.edge, &actor()).await.unwrap().code;
    let again = edges::join_polling(&app, &code, &SpaceChoice::Given(space()), here).await.unwrap();
    app.db.close().await;
    let website = stage.start().await;
    assert_eq!(get(sync(&website), &again.token).await.0, 200);
    website.stop().await;
}

async fn faces_leave_this_machine_encrypted_only(stage: Stage) {
    // The address by which another machine would come.
    let outward = || {
        let socket = std::net::UdpSocket::bind("0.0.0.0:0")?;
        socket.connect("192.0.2.200:9").and_then(|()| socket.local_addr())
    };
    let Some(own) = outward().ok().map(|address| address.ip()).filter(|ip| !ip.is_loopback()) else {
        return skip(Lack::Elsewhere, "this machine has no address but its loopback");
    };
    let (app, poller) = filled(&stage).await;
    app.db.close().await;
    let everywhere = std::net::SocketAddr::from(([0, 0, 0, 0], 0));
    for (plaintext, scheme, status) in
        [(Plaintext::Anywhere, "http", 403), (Plaintext::LoopbackOnly, "https", 200)]
    {
        let settings = website::Settings { listen: everywhere, plaintext, ..stage.settings() };
        let website = website::start(settings, tokio_util::sync::CancellationToken::new()).await.unwrap();
        let port = website.http.port();
        for (host, expected) in [(own.to_string(), status), ("127.0.0.1".to_owned(), 200)] {
            let url = format!("{scheme}://{host}:{port}/api/edge/sync");
            let (got, body) = get(format!("{url}?format=changes"), &poller.is.token).await;
            assert_eq!(got, expected, "{url}: {body}");
            assert_eq!(body.contains("embedding"), expected == 200, "{url}: {body}");
            assert!(expected == 200 || body.contains("answered over HTTPS only"), "{body}");
            // Removals name nobody's face.
            assert_eq!(get(url, &poller.is.token).await.0, 200);
        }
        website.stop().await;
    }
}
