use crate::support::start;
use test_kit::mqtt::v5::{Five, Hello, long, publish};

const TOPIC: &str = "view/A/head";
const NO_LOCAL: u8 = 0x04;
const AS_PUBLISHED: u8 = 0x08;
const IF_NEW: u8 = 0x10;
const NEVER: u8 = 0x20;

#[tokio::test]
async fn no_local_leaves_out_what_the_client_itself_has_published() {
    let broker = start().await;
    let mut own = Hello { client_id: "w1", ..Hello::of("website") }.enter(broker.address()).await;
    let mut other = Hello { client_id: "w2", ..Hello::of("website") }.enter(broker.address()).await;
    own.subscribe("view/A/+", 1 | NO_LOCAL).await;
    own.publish("view/A/changes", "mine", &[]).await;
    own.retain(TOPIC, "mine", &[]).await;
    other.publish("view/A/changes", "yours", &[]).await;
    assert_eq!(own.message().await.payload, "yours");
    // What is retained, too.
    own.subscribe("view/A/+", 1 | NO_LOCAL).await;
    own.is_quiet().await;
    // Another filter of its own is asked for itself.
    own.subscribe("view/A/#", 0).await;
    assert_eq!(own.message().await.payload, "mine");
    own.publish("view/A/changes", "both", &[]).await;
    // The PUBACK came first; the message has the QoS of the filter that lets it through.
    let got = own.message().await;
    assert_eq!((got.payload.as_str(), got.qos), ("both", 0));
    own.is_quiet().await;
}

#[tokio::test]
async fn the_retain_flag_is_kept_where_that_is_asked_for() {
    let broker = start().await;
    let mut website = Five::of(broker.address(), "website").await;
    let mut plain = Five::of(broker.address(), "ann").await;
    let mut published = Hello::lasting("bob").enter(broker.address()).await;
    plain.subscribe("view/A/#", 1).await;
    published.subscribe("view/A/#", 1 | AS_PUBLISHED).await;
    website.retain(TOPIC, "x", &[]).await;
    website.publish("view/A/changes", "y", &[]).await;
    for (client, flags) in [(&mut plain, [false, false]), (&mut published, [true, false])] {
        let got = [client.message().await, client.message().await];
        assert_eq!(got.map(|got| got.retain), flags);
    }
    published.disconnect(0, &[]).await;
    website.retain(TOPIC, "z", &[]).await;
    let mut published = Hello::lasting("bob").enter(broker.address()).await;
    assert!(published.message().await.retain, "and for what was missed");
}

#[tokio::test]
async fn what_is_retained_comes_when_it_is_asked_for() {
    let broker = start().await;
    let mut website = Five::of(broker.address(), "website").await;
    website.retain(TOPIC, "x", &[]).await;
    let mut person = Five::of(broker.address(), "ann").await;
    for (options, comes) in [
        (1 | NEVER, false),
        (1 | IF_NEW, false),
        (1, true),
        (1, true),
        (1 | IF_NEW, false),
        (1 | NEVER, false),
    ] {
        assert_eq!(person.subscribe(TOPIC, options).await, 1);
        if comes {
            let got = person.message().await;
            assert_eq!((got.payload.as_str(), got.retain), ("x", true));
        }
        person.is_quiet().await;
    }
    assert_eq!(person.unsubscribe(&[TOPIC, "view/other"]).await, [0, 0x11]);
    person.subscribe(TOPIC, 1 | IF_NEW).await;
    assert_eq!(person.message().await.payload, "x");
    website.retain(TOPIC, "live", &[]).await;
    assert_eq!(person.message().await.payload, "live");
}

#[tokio::test]
async fn a_message_tells_which_subscriptions_brought_it() {
    let broker = start().await;
    let mut website = Five::of(broker.address(), "website").await;
    let mut person = Hello::lasting("ann").enter(broker.address()).await;
    let id = |number: u8| [(0x0b, vec![number])];
    let large = [(0x0b, vec![0xff, 0xff, 0xff, 0x7f])];
    person.subscribe_with("view/A/#", 0, &id(1)).await;
    person.subscribe_with("view/+/head", 1, &id(2)).await;
    person.subscribe_with("view/A/changes", 1, &large).await;
    person.subscribe_with("view/B/#", 1, &[]).await;
    let numbers = |got: &test_kit::mqtt::v5::Got| {
        let mut numbers: Vec<Vec<u8>> = got.all(0x0b).into_iter().map(<[u8]>::to_vec).collect();
        numbers.sort();
        numbers
    };
    website.retain(TOPIC, "both", &[long(0x02, 100)]).await;
    let got = person.message().await;
    assert_eq!((got.qos, numbers(&got)), (1, vec![vec![1], vec![2]]));
    website.publish("view/A/changes", "large", &[]).await;
    assert_eq!(numbers(&person.message().await), [vec![1], large[0].1.clone()]);
    website.publish("view/B/changes", "none", &[]).await;
    assert_eq!(numbers(&person.message().await), [[0_u8; 0]; 0]);
    // Made again, a subscription has its new number, for what is retained as well.
    person.subscribe_with("view/A/#", 1, &id(9)).await;
    assert_eq!(numbers(&person.message().await), [[9]]);
    person.is_quiet().await;
    person.disconnect(0, &[]).await;
    website.retain(TOPIC, "missed", &[]).await;
    let mut person = Hello::lasting("ann").enter(broker.address()).await;
    let got = person.message().await;
    assert_eq!((got.payload.as_str(), numbers(&got)), ("missed", vec![vec![2], vec![9]]));
    person.is_quiet().await;
}

#[tokio::test]
async fn every_filter_has_its_own_answer() {
    let broker = start().await;
    let mut edge = Five::of(broker.address(), "e1").await;
    let deep = "store/A/customers".to_owned() + &"/x".repeat(50);
    for (filter, reason) in [
        ("store/A/customers/#", 2),
        ("store/B/customers/#", 0x87),
        ("#", 0x87),
        ("$SYS/#", 0x87),
        (&deep, 0x8f),
    ] {
        assert_eq!(edge.subscribe(filter, 2).await, reason, "{filter}");
    }
    for n in 0..40 {
        let answer = edge.subscribe(&format!("store/A/customers/f{n}"), 0).await;
        assert_eq!(answer, if n < 31 { 0 } else { 0x97 }, "filter {n}");
    }
    edge.send(&publish("store/A/visits/e1", "x", 0, 0, &[])).await;
    edge.is_quiet().await;
}
