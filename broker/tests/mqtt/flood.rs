//! Many at once that say nothing, texts that are none, and other stores.

use crate::support::{Bystander, DEADLINE, start, start_with, until};
use broker::Limits;
use std::time::{Duration, Instant};
use test_kit::mqtt::v3::{Hello, Raw, packet};
use test_kit::mqtt::v5::Five;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const HALF_OPEN: usize = 2_000;

/// Of all that a client may say first, too little, or a byte now and then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_open_connections_keep_no_client_waiting_and_go() {
    let broker = start_with(Limits { connect_deadline: Duration::from_secs(4), ..Limits::default() }).await;
    let mut bystander = Bystander::new(&broker).await;
    let connect = Hello::of("e1").bytes();
    let mut open = Vec::new();
    for n in 0..HALF_OPEN {
        let mut stream = TcpStream::connect(broker.address()).await.unwrap();
        stream.write_all(&connect[..n % connect.len()]).await.unwrap();
        open.push(stream);
    }
    let asked = Instant::now();
    bystander.is_well(&broker).await;
    assert!(asked.elapsed() < Duration::from_secs(2), "served after {:?}", asked.elapsed());
    // One that begins anew, and never stops, but never gets there either.
    let mut slow = TcpStream::connect(broker.address()).await.unwrap();
    let (mut reader, mut writer) = slow.split();
    let dripping = async {
        let bytes = Hello { client_id: &"x".repeat(120), ..Hello::of("ann") }.bytes();
        // Slow enough for the last byte to come after the deadline.
        let mut drip = tokio::time::interval(Duration::from_millis(100));
        for byte in bytes {
            drip.tick().await;
            if writer.write_all(&[byte]).await.is_err() {
                break;
            }
        }
        std::future::pending::<()>().await;
    };
    let closed = async { timeout(DEADLINE, reader.read(&mut [0])).await.expect("closed at its deadline") };
    tokio::select! {
        () = dripping => {}
        read = closed => assert_eq!(read.unwrap_or(0), 0, "no CONNACK"),
    }
    until("all of them are closed", || broker.counters().connect_timeouts == HALF_OPEN as u64 + 1).await;
    bystander.is_well(&broker).await;
    drop(open);
}

fn raw_text(bytes: &[u8]) -> Vec<u8> {
    [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

/// What MQTT allows in no text, wherever a text may stand.
#[tokio::test]
async fn forbidden_characters_end_only_their_sender() {
    let broker = start().await;
    let mut bystander = Bystander::new(&broker).await;
    let cases: [(&str, &[u8]); 6] = [
        ("NUL", b"a\0b"),
        ("half a surrogate pair", b"\xed\xa0\x80"),
        ("the other half", b"\xed\xbf\xbf"),
        ("a slash in two bytes", b"\xc0\xaf"),
        ("above the last character", b"\xf4\x90\x80\x80"),
        ("cut off", b"a\xc3"),
    ];
    for (case, bytes) in cases {
        let text = raw_text(bytes);
        for (version, properties) in [(4, &[][..]), (5, &[0][..])] {
            let head = [&b"\x00\x04MQTT"[..], &[version, 0x02, 0, 60], properties].concat();
            let mut stream = TcpStream::connect(broker.address()).await.unwrap();
            stream.write_all(&packet(0x10, &[&head[..], &text].concat())).await.unwrap();
            let mut answer = Vec::new();
            timeout(DEADLINE, stream.read_to_end(&mut answer)).await.expect("closed").unwrap();
            assert_eq!(answer.get(3), (version == 5).then_some(&0x81), "client id, {version}: {case}");
            for body in [
                // A topic, a filter, a filter to be ended.
                packet(0x30, &[&text[..], properties].concat()),
                packet(0x82, &[&[0, 1], properties, &text, &[0]].concat()),
                packet(0xa2, &[&[0, 1], properties, &text].concat()),
            ] {
                if version == 5 {
                    let mut five = Five::of(broker.address(), "e1").await;
                    five.send(&body).await;
                    assert_eq!(five.told_to_go().await, Some(0x81), "{case}: {body:?}");
                } else {
                    let mut four = Raw::clean(broker.address(), "e1").await;
                    four.send(&body).await;
                    four.is_closed().await;
                }
            }
        }
    }
    // Too long to be a client id, a topic, a filter.
    let long = "x".repeat(60_000);
    let (_, answer) = Hello { client_id: &long[..20_000], ..Hello::of("ann") }.say(broker.address()).await;
    assert_eq!(answer, Some((0, 2)));
    let mut five = Five::of(broker.address(), "e1").await;
    assert_eq!(five.publish(&long, "x", &[]).await, 0x90);
    assert_eq!(five.subscribe(&long, 1).await, 0x8f);
    bystander.is_well(&broker).await;
}

/// Whatever way there might be into another store.
#[tokio::test]
async fn there_is_no_way_into_another_store() {
    let broker = start().await;
    let mut bystander = Bystander::new(&broker).await;
    let mut website = Raw::clean(broker.address(), "website").await;
    website.publish_retained("store/B/customers/f1", "theirs").await;
    for topic in ["store/B/customers/f1", "store/B/customers", "view/B/edges/b1"] {
        let mut four = Raw::clean(broker.address(), "e1").await;
        four.send(&test_kit::mqtt::v3::publish(topic, b"", 0x03, Some(1))).await;
        four.is_closed().await;
        assert_eq!(Five::of(broker.address(), "e1").await.retain(topic, "", &[]).await, 0x87, "{topic}");
        for will in [(topic, "", true), (topic, "x", false)] {
            let (_, answer) = Hello { will: Some(will), ..Hello::of("e1") }.say(broker.address()).await;
            assert_eq!(answer, Some((0, 5)), "will on {topic}");
        }
    }
    let mut five = Five::of(broker.address(), "e1").await;
    for filter in ["$share/g/store/B/customers/#", "$share/g/#", "store/+/customers/#", "store/B/customers/#"]
    {
        assert_eq!(five.subscribe(filter, 1).await, 0x87, "{filter}");
    }
    // Sharing while leaving out one's own is what the protocol forbids.
    five.send(&packet(0x82, &[&[0, 9, 0][..], &raw_text(b"$share/g/store/A/customers/#"), &[0x05]].concat()))
        .await;
    assert_eq!(five.told_to_go().await, Some(0x82));
    let mut theirs = Raw::clean(broker.address(), "b1").await;
    theirs.subscribe("store/B/customers/#", 1).await;
    assert_eq!(theirs.message().await.text(), "theirs", "it was not cleared");
    bystander.is_well(&broker).await;
}
