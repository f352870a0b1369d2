use crate::auth_http::{SECRET, Service};
use crate::client::Client;
use crate::process::{Serving, settings};
use serde_json::json;
use test_kit::until;

/// A broker that asks this service about all users whom its settings do not name.
fn asking(service: &Service, fresh_s: u64, secret: &str) -> (tempfile::TempDir, Serving) {
    let http = format!(
        "[http]\nauth_url = \"http://{0}/auth\"\nacl_url = \"http://{0}/acl\"\nsecret_file = \"secret\"\nfresh_s = {fresh_s}\nstale_s = 600\n",
        service.address
    );
    let (folder, file) = settings(&http);
    std::fs::write(folder.path().join("secret"), format!("{secret}\n")).unwrap();
    let broker = Serving::with(&file);
    (folder, broker)
}

fn connect(broker: &Serving, name: &str, clean: bool) -> Result<Client, Option<u8>> {
    Client::connect(broker.mqtt, name, Some((name, "pw")), clean)
}

#[test]
fn the_service_is_asked_once_and_its_restart_disconnects_nobody() {
    let service = Service::start();
    service.table(|table| {
        table.logins = vec![("e1", "pw", false), ("e2", "pw", false), ("boss", "pw", true)];
        table.rights = vec![("e1", "subscribe", "a/#"), ("e1", "publish", "a/x"), ("e2", "publish", "a/x")];
    });
    // Every answer is old at once, so that what is used below are the ones that stand in.
    let (_folder, broker) = asking(&service, 0, SECRET);
    assert_eq!(Client::connect(broker.mqtt, "e1", Some(("e1", "wrong")), true).err(), Some(Some(4)));
    assert_eq!(connect(&broker, "stranger", true).err(), Some(Some(4)));
    let mut e1 = connect(&broker, "e1", false).unwrap();
    assert_eq!((e1.subscribe("a/#"), e1.subscribe("b")), (1, 128));
    let mut e2 = connect(&broker, "e2", true).unwrap();
    assert!(e2.publish("a/x", b"1", false));
    assert_eq!(e1.message().1, b"1");
    assert!(!connect(&broker, "e2", true).unwrap().publish("a/y", b"x", false));
    assert!(
        connect(&broker, "boss", true).unwrap().publish("any/where", b"x", true),
        "the service is not asked about a superuser"
    );
    service.table(|table| {
        let auth = json!({ "username": "e1", "password": "pw", "clientid": "e1", "peerhost": "127.0.0.1" });
        let acl = json!({ "username": "e1", "clientid": "e1", "action": "subscribe", "topic": "a/#", "retain": false });
        for question in [auth, acl] {
            assert!(table.asked.contains(&question), "{question} in {:?}", table.asked);
        }
        assert!(!table.asked.iter().any(|question| question["topic"] == "any/where"));
        table.gone = true;
    });

    let mut e2 = connect(&broker, "e2", true).unwrap();
    assert!(e2.publish("a/x", b"2", false));
    assert_eq!(e1.message().1, b"2", "who is here stays here");
    drop(e1);
    let mut e1 = connect(&broker, "e1", false).unwrap();
    assert!(e1.session_present, "who is known comes back, to the session it had");
    assert!(e2.publish("a/x", b"3", false));
    assert_eq!(e1.message().1, b"3");
    assert_eq!(connect(&broker, "e3", true).err(), Some(Some(3)), "who is not known has to wait");
    assert_eq!(Client::connect(broker.mqtt, "e1", Some(("e1", "wrong")), true).err(), Some(Some(3)));
    assert!(e1.is_here());
}

#[test]
fn an_answer_is_used_without_asking_again() {
    let service = Service::start();
    service.table(|table| {
        table.logins = vec![("e1", "pw", false)];
        table.rights = vec![("e1", "publish", "a")];
    });
    let (_folder, broker) = asking(&service, 60, SECRET);
    for _ in 0..3 {
        let mut e1 = connect(&broker, "e1", true).unwrap();
        assert!(e1.publish("a", b"1", false) && e1.publish("a", b"2", false));
    }
    assert_eq!(service.table(|table| table.asked.len()), 2, "one login, one right");
}

#[test]
fn who_loses_a_right_is_disconnected_and_a_wrong_secret_lets_nobody_in() {
    let service = Service::start();
    service.table(|table| {
        table.logins = vec![("e1", "pw", false), ("e2", "pw", false)];
        table.rights = vec![("e1", "subscribe", "a/#"), ("e2", "subscribe", "a/#")];
    });
    let (_folder, broker) = asking(&service, 1, SECRET);
    let (mut e1, mut e2) = (connect(&broker, "e1", false).unwrap(), connect(&broker, "e2", false).unwrap());
    assert_eq!((e1.subscribe("a/#"), e2.subscribe("a/#")), (1, 1));
    service.table(|table| {
        table.rights.remove(0);
        table.logins.remove(0);
    });
    e1.is_closed();
    assert!(e2.is_here());
    until("its login is not used any more", 20, || connect(&broker, "e1", false).err() == Some(Some(4)));

    let (_folder, stranger) = asking(&service, 1, "another-secret-than-theirs");
    assert_eq!(connect(&stranger, "e2", true).err(), Some(Some(3)));
}
