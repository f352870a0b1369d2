use crate::client::Client;
use crate::process::{Serving, rule, settings};
use std::time::{Duration, Instant};
use test_kit::until;

#[test]
fn one_address_cannot_take_every_place() {
    let (_folder, file) = settings("[limits]\nconnections_per_address = 2\n");
    let broker = Serving::with(&file);
    let (kept, leaving) = (Client::new(broker.mqtt, "ann"), Client::new(broker.mqtt, "bob"));
    assert_eq!(Client::connect(broker.mqtt, "x", None, true).err(), Some(None));
    assert_eq!(broker.metric("broker_address_full_total"), 1);
    drop(leaving);
    until("the place is free", 20, || broker.metric("broker_clients") == 1);
    Client::new(broker.mqtt, "bob");
    drop(kept);
}

#[test]
fn who_publishes_too_fast_is_slowed_down_and_can_still_be_followed_by_itself() {
    let rules = rule("allow", "both", "a") + "[limits]\npublishes_per_s = 20\n";
    let (_folder, file) = settings(&rules);
    let broker = Serving::with(&file);
    let mut reader = Client::new(broker.mqtt, "bob");
    assert_eq!(reader.subscribe("a"), 1);
    let mut fast = Client::new(broker.mqtt, "ann");
    let began = Instant::now();
    fast.flood("a", 30);
    for _ in 0..30 {
        reader.message();
    }
    assert!(began.elapsed() >= Duration::from_millis(450), "ten of them waited for their turn");
    assert!(broker.metric("broker_throttled_total") >= 9);
    // So much that its connection is busy with it for minutes.
    fast.flood("a", 3_000);
    let again = Instant::now();
    assert!(Client::new(broker.mqtt, "ann").is_here());
    assert!(again.elapsed() < Duration::from_secs(5), "{:?}", again.elapsed());
    fast.is_closed();
}
