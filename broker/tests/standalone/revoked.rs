use crate::auth_http::{SECRET, Service};
use crate::client::Client;
use crate::process::{PASSWORD, Serving, hash, rule, run, settings};
use std::fs;
use std::time::{Duration, Instant};
use test_kit::until;

fn enter(broker: &Serving, name: &str) -> Result<Client, Option<u8>> {
    Client::connect(broker.mqtt, name, Some((name, PASSWORD)), false)
}

#[test]
fn who_is_taken_out_of_the_settings_is_disconnected_and_what_waited_is_dropped() {
    let (_folder, file) = settings(&(rule("allow", "both", "a/#") + &rule("allow", "both", "b/%u")));
    let broker = Serving::with(&file);
    let all = fs::read_to_string(&file).unwrap();
    let mut bob = enter(&broker, "bob").unwrap();
    assert_eq!(bob.subscribe("a/#"), 1);
    drop(bob);
    until("bob is away", 20, || broker.metric("broker_clients") == 0);
    let (mut ann, mut site) = (enter(&broker, "ann").unwrap(), enter(&broker, "site").unwrap());
    assert!(ann.publish("a/1", b"waits for bob", false));

    // Bob, who is away, and the website, which is here, are shut out; ann is not.
    let start = Instant::now();
    let without = |text: &str, name: &str| {
        let entry = text.split("[[").find(|entry| entry.contains(&format!("name = \"{name}\""))).unwrap();
        text.replace(&format!("[[{entry}"), "")
    };
    fs::write(&file, without(&without(&all, "bob"), "site")).unwrap();
    broker.signal("HUP");
    site.is_closed();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert!(ann.is_here());
    assert_eq!(enter(&broker, "bob").err(), Some(Some(4)));
    assert_eq!(broker.metric("broker_sessions"), 1, "nothing is left but ann's session");

    // What cannot be read changes nothing.
    fs::write(&file, "[[user]]\nname = 3").unwrap();
    broker.signal("HUP");
    fs::write(&file, &all).unwrap();
    broker.signal("HUP");
    until("bob may come again", 20, || enter(&broker, "bob").is_ok_and(|bob| !bob.session_present));
    let mut bob = enter(&broker, "bob").unwrap();
    assert_eq!(bob.subscribe("a/#"), 1);
    assert!(ann.publish("a/2", b"new", false));
    assert_eq!(bob.message().0, "a/2", "what had waited is gone");

    // A right that is taken away ends the session that stands on it, and counts at once for everybody else.
    fs::write(&file, all.replace("filter = \"a/#\"", "filter = \"c/#\"")).unwrap();
    broker.signal("HUP");
    bob.is_closed();
    assert!(ann.is_here() && ann.publish("b/ann", b"x", false) && !ann.publish("a/3", b"x", false));

    // Another password is another login.
    let mut ann = enter(&broker, "ann").unwrap();
    let other = run(&["passwd"], "another password than before").stdout;
    fs::write(&file, all.replacen(hash(), other.trim(), 1)).unwrap();
    broker.signal("HUP");
    ann.is_closed();
    assert_eq!(enter(&broker, "ann").err(), Some(Some(4)));
}

#[test]
fn whom_a_service_names_as_shut_out_is_disconnected_within_five_seconds() {
    let service = Service::start();
    service.table(|table| {
        table.logins = vec![("e1", PASSWORD, false), ("e2", PASSWORD, false)];
        table.rights = vec![("e1", "subscribe", "a/#"), ("e2", "subscribe", "a/#"), ("e2", "publish", "a/x")];
    });
    let http = format!(
        "[http]\nauth_url = \"http://{0}/auth\"\nacl_url = \"http://{0}/acl\"\n\
         revoked_url = \"http://{0}/revoked\"\nsecret_file = \"secret\"\nfresh_s = 600\nstale_s = 600\n",
        service.address
    );
    let (folder, file) = settings(&http);
    fs::write(folder.path().join("secret"), SECRET).unwrap();
    let broker = Serving::with(&file);
    let (mut e1, mut e2) = (enter(&broker, "e1").unwrap(), enter(&broker, "e2").unwrap());
    assert_eq!((e1.subscribe("a/#"), e2.subscribe("a/#")), (1, 1));
    let start = Instant::now();
    service.table(|table| {
        table.logins.remove(0);
        table.revoked = vec!["e1"];
    });
    e1.is_closed();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert!(e2.is_here() && e2.publish("a/x", b"x", false));
    assert_eq!(enter(&broker, "e1").err(), Some(Some(4)), "the answer that was kept is forgotten");
    assert_eq!(broker.metric("broker_sessions"), 1);
}
