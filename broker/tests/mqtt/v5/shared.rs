use crate::support::{Bystander, start, until};
use broker::Broker;
use test_kit::mqtt::v5::{Five, Hello, publish};

const TOPIC: &str = "view/A/changes";
const SHARED: &str = "$share/readers/view/A/#";

async fn reader(broker: &Broker, name: &str) -> Five {
    let mut reader = Hello { client_id: name, ..Hello::lasting("ann") }.enter(broker.address()).await;
    if !reader.present {
        assert_eq!(reader.subscribe(SHARED, 1).await, 1);
    }
    reader
}

#[tokio::test]
async fn a_group_gets_each_message_once_and_its_members_the_same_share() {
    let broker = start().await;
    let mut website = Five::of(broker.address(), "website").await;
    website.retain("view/A/head", "kept", &[]).await;
    let (mut one, mut two) = (reader(&broker, "one").await, reader(&broker, "two").await);
    one.is_quiet().await;
    two.is_quiet().await;
    // Another group, and a filter of its own, have each message too.
    let mut other = Five::of(broker.address(), "bob").await;
    other.subscribe("$share/others/view/A/#", 1 | 0x08).await;
    two.subscribe("view/A/changes", 1).await;
    let sent: Vec<String> = (0..20).map(|n| n.to_string()).collect();
    for text in &sent {
        website.publish(TOPIC, text, &[]).await;
    }
    assert_eq!(other.payloads(20).await, sent);
    let ones = one.payloads(10).await;
    let mut all = two.payloads(30).await;
    assert!(ones.is_sorted_by_key(|text| text.parse::<u32>().unwrap()));
    all.extend(ones);
    all.sort_by_key(|text| text.parse::<u32>().unwrap());
    assert_eq!(all, sent.iter().flat_map(|text| [text.clone(), text.clone()]).collect::<Vec<_>>());
    one.is_quiet().await;
    two.is_quiet().await;
    for reader in [&mut one, &mut two] {
        assert_eq!(reader.unsubscribe(&[SHARED, SHARED]).await, [0, 0x11]);
    }
    website.retain("view/A/head", "live", &[]).await;
    let got = other.message().await;
    assert_eq!((got.payload.as_str(), got.retain), ("live", true));
    one.is_quiet().await;
    two.is_quiet().await;
}

#[tokio::test]
async fn connected_members_read_for_those_that_are_away() {
    let broker = start().await;
    let mut website = Five::of(broker.address(), "website").await;
    let one = reader(&broker, "one").await;
    let mut two = reader(&broker, "two").await;
    one.disconnect(0, &[]).await;
    until("one is away", || broker.counters().clients == 2).await;
    for n in 0..6 {
        website.publish(TOPIC, &n.to_string(), &[]).await;
    }
    assert_eq!(two.payloads(6).await, ["0", "1", "2", "3", "4", "5"]);
    two.disconnect(0, &[]).await;
    until("two is away", || broker.counters().clients == 1).await;
    // A group that is younger is served later, so what it has seen the other one has been offered.
    let mut witness = Five::of(broker.address(), "bob").await;
    witness.subscribe("$share/witness/view/A/#", 1).await;
    // Now they wait for the first member that comes back. What is retained is not looked up, it would come twice.
    website.send(&publish(TOPIC, "lost", 0, 0, &[])).await;
    for n in 0..6 {
        website.retain("view/A/head", &n.to_string(), &[]).await;
    }
    while witness.message().await.payload != "5" {}
    let mut all = Vec::new();
    for name in ["one", "two"] {
        let mut reader = reader(&broker, name).await;
        assert!(reader.present);
        all.extend(reader.payloads(3).await);
        reader.is_quiet().await;
    }
    all.sort();
    assert_eq!(all, ["0", "1", "2", "3", "4", "5"]);
}

#[tokio::test]
async fn a_shared_filter_opens_no_door() {
    let broker = start().await;
    let mut bystander = Bystander::new(&broker).await;
    let mut victim = Five::of(broker.address(), "b1").await;
    victim.subscribe("store/B/customers/#", 1).await;
    let mut edge = Hello::lasting("e1").enter(broker.address()).await;
    for (filter, reason) in [
        ("$share/g/store/A/customers/#", 1),
        ("$share/g/store/B/customers/#", 0x87),
        ("$share/store/A/customers/#", 0x87),
        ("$share/g/#", 0x87),
        ("$share/g/$share/g/store/A/customers/#", 0x87),
        ("$share/g/$SYS/#", 0x87),
    ] {
        assert_eq!(edge.subscribe(filter, 1).await, reason, "{filter}");
    }
    let mut website = Five::of(broker.address(), "website").await;
    website.publish("store/B/customers/f", "theirs", &[]).await;
    assert_eq!(victim.message().await.payload, "theirs");
    edge.is_quiet().await;
    for (filter, options, reason) in [
        ("$share/g/store/A/customers/#", 0x04, 0x82),
        ("$share//store/A/customers/#", 0, 0x81),
        ("$share/+/store/A/customers/#", 0, 0x81),
        ("$share/g", 0, 0x81),
        ("$share/g/a+", 0, 0x81),
    ] {
        let mut edge = Hello::lasting("e1").enter(broker.address()).await;
        assert!(edge.present, "{filter}");
        let body = [&[0, 1, 0][..], &test_kit::mqtt::v3::text(filter), &[options]].concat();
        edge.send(&test_kit::mqtt::v3::packet(0x82, &body)).await;
        assert_eq!(edge.told_to_go().await, Some(reason), "{filter}");
    }
    bystander.is_well(&broker).await;
}
