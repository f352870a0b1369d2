use crate::client::Client;
use crate::process::{PASSWORD, Serving, command, rule, settings};
use std::os::unix::net::UnixDatagram;

#[test]
fn users_have_the_rights_of_the_rules_and_others_are_refused() {
    let rules = [
        rule("allow", "both", "own/%u/%c/#"),
        rule("allow", "subscribe", "news/#"),
        rule("deny", "both", "news/x"),
    ];
    let (_folder, file) = settings(&rules.concat());
    let broker = Serving::with(&file);
    let to = broker.mqtt;
    for (login, code) in
        [(None, 5), (Some(("ann", "wrong")), 4), (Some(("nobody", PASSWORD)), 4), (Some(("", PASSWORD)), 5)]
    {
        assert_eq!(Client::connect(to, "c", login, true).err(), Some(Some(code)), "{login:?}");
    }
    let mut ann = Client::connect(to, "till", Some(("ann", PASSWORD)), true).unwrap();
    for (filter, granted) in [
        ("own/ann/till/#", 1),
        ("own/ann/other", 128),
        ("own/bob/till/#", 128),
        ("own/+/till/#", 128),
        ("news/y", 1),
        ("news/#", 128),
        ("news/x", 128),
        ("$SYS/#", 128),
    ] {
        assert_eq!(ann.subscribe(filter), granted, "{filter}");
    }
    assert!(Client::connect(to, "till", Some(("ann", PASSWORD)), true).unwrap().publish(
        "own/ann/till/a",
        b"x",
        false
    ));
    for topic in ["own/bob/till/a", "news/y", "$SYS/broker/uptime", "store/A/customers"] {
        assert!(!Client::new(to, "ann").publish(topic, b"x", true), "{topic}");
    }
    assert!(Client::new(to, "site").publish("store/A/customers", b"x", true), "the website's rights");
    assert_eq!(broker.metric("broker_logins_refused_total"), 4);
    assert_eq!(broker.terminate(), 0);
}

#[test]
fn counters_are_read_over_http_and_below_sys_by_who_may() {
    let (_folder, file) = settings("");
    let broker = Serving::with(&file);
    for (path, status) in [
        ("/healthz", "HTTP/1.1 200 OK"),
        ("/readyz?verbose", "HTTP/1.1 200 OK"),
        ("/metrics", "HTTP/1.1 200 OK"),
        ("/", "HTTP/1.1 404 Not Found"),
    ] {
        assert_eq!(broker.get(path).0, status, "{path}");
    }
    let mut eve = Client::new(broker.mqtt, "eve");
    assert_eq!(eve.subscribe("view/#"), 1);
    assert_eq!((broker.metric("broker_clients"), broker.metric("broker_subscriptions")), (1, 1));
    assert_eq!(Client::new(broker.mqtt, "ann").subscribe("$SYS/#"), 128);
    let mut eve = Client::new(broker.mqtt, "eve");
    assert_eq!(eve.subscribe("$SYS/broker/version"), 1);
    let (topic, version) = eve.message();
    assert_eq!(topic, "$SYS/broker/version");
    assert!(version.starts_with(b"regulars broker "));
    assert_eq!(broker.metric("broker_retained"), 1, "only view/broker counts");
}

#[test]
fn systemd_is_told_that_it_is_ready_and_that_it_stops() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("notify");
    let told = UnixDatagram::bind(&socket).unwrap();
    told.set_read_timeout(Some(crate::process::DEADLINE)).unwrap();
    let mut serve = command(&["serve", "--open", "--listen", "127.0.0.1:0", "--status", "127.0.0.1:0"]);
    let broker = Serving::of(serve.env("NOTIFY_SOCKET", &socket));
    let next = || {
        let mut state = [0; 64];
        let bytes = told.recv(&mut state).unwrap();
        String::from_utf8(state[..bytes].to_vec()).unwrap()
    };
    assert_eq!(next(), "READY=1");
    assert_eq!(broker.terminate(), 0);
    assert_eq!(next(), "STOPPING=1");
}
