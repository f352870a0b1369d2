use crate::client::Client;
use crate::process::{PASSWORD, Serving, command, settings};
use std::fs::File;
use std::time::Instant;
use test_kit::until;

#[test]
fn every_refusal_is_counted_and_the_log_stays_short() {
    let (folder, file) = settings("");
    let log = folder.path().join("log");
    let start = Instant::now();
    let listen = ["serve", "--listen", "127.0.0.1:0", "--status", "127.0.0.1:0", "--config"];
    let mut serve = command(&listen);
    let broker = Serving::logging(serve.arg(&file), File::create(&log).unwrap().into());
    let mut ann = Client::new(broker.mqtt, "ann");
    for n in 0..1_000 {
        assert_eq!(ann.subscribe(&format!("secret/{n}")), 128);
    }
    for _ in 0..50 {
        assert!(!Client::new(broker.mqtt, "bob").publish("secret/x", b"x", false));
    }
    assert_eq!(
        Client::connect(broker.mqtt, "c", Some(("nobody-at-all", PASSWORD)), true).err(),
        Some(Some(4))
    );
    assert_eq!(broker.metric("broker_refused_total"), 1_050);
    assert_eq!(broker.metric("broker_logins_refused_total"), 1);
    let lines = || {
        let text = std::fs::read_to_string(&log).unwrap();
        text.lines().filter(|line| line.contains("refused")).map(str::to_owned).collect::<Vec<_>>()
    };
    until("the others are summed up", 20, || lines().iter().any(|line| line.contains("more was refused")));
    // Five and a sum in every ten seconds, and as many for the while that has just begun.
    let whiles = start.elapsed().as_secs() as usize / 10 + 2;
    let lines = lines();
    assert!((6..=6 * whiles).contains(&lines.len()), "{lines:?}");
    for line in lines {
        assert!(
            !["secret/", "ann", "nobody-at-all", PASSWORD].iter().any(|word| line.contains(word)),
            "{line}"
        );
    }
}
