use crate::support::{Bystander, start};
use std::time::Duration;
use test_kit::mqtt::v3::{Hello, Raw, packet, publish, text};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// What a connected client may send to do harm. Whatever becomes of it, no other client notices.
#[tokio::test]
async fn hostile_packets_harm_only_their_sender() {
    let broker = start().await;
    let mut bystander = Bystander::new(&broker).await;
    let subscribe = |filter: &str| packet(0x82, &[&[0, 1][..], &text(filter), &[1]].concat());
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("topic that begins with a letter of two bytes", publish("éte/x", b"x", 0x02, Some(1))),
        ("topic with wildcards", publish("store/A/visits/+", b"x", 0x02, Some(1))),
        ("empty topic", publish("", b"x", 0x02, Some(1))),
        ("topic with a NUL", publish("store/A\0", b"x", 0x02, Some(1))),
        ("overlong topic", publish(&"x".repeat(60_000), b"x", 0x00, None)),
        ("topic of many levels", publish(&"/".repeat(500), b"x", 0x00, None)),
        ("topic that is not UTF-8", packet(0x30, b"\x00\x02\xff\xfe")),
        ("packet id zero", publish("store/A/visits/e1", b"x", 0x02, Some(0))),
        ("QoS 3", publish("store/A/visits/e1", b"x", 0x06, Some(1))),
        ("oversize packet", vec![0x30, 0xff, 0xff, 0xff, 0x7f]),
        ("endless length", vec![0x30, 0x80, 0x80, 0x80, 0x80, 0x80]),
        ("filter with a wildcard inside a level", subscribe("a+/b")),
        ("filter with # in the middle", subscribe("a/#/b")),
        ("empty filter", subscribe("")),
        ("subscribe without filters", packet(0x82, &[0, 1])),
        ("unsubscribe without filters", packet(0xa2, &[0, 1])),
        ("empty filter to end", packet(0xa2, &[0, 1, 0, 0])),
        ("wildcard inside a level to end", packet(0xa2, b"\x00\x01\x00\x02a+")),
        ("second CONNECT", Hello::of("e1").bytes()),
        ("CONNACK from a client", vec![0x20, 2, 0, 0]),
        ("SUBACK from a client", vec![0x90, 3, 0, 1, 0]),
        ("reserved type", vec![0xf0, 0]),
        ("type zero", vec![0, 0]),
        ("garbage", (0..=255).rev().collect()),
    ];
    for (count, (case, bytes)) in cases.iter().enumerate() {
        let mut attacker = Raw::persistent(broker.address(), "e1").await;
        attacker.send(bytes).await;
        attacker.is_closed().await;
        let counters = broker.counters();
        assert_eq!(counters.malformed + counters.refused, count as u64 + 1, "{case}");
    }
    bystander.is_well(&broker).await;
}

/// Acks that were never asked for, releases of what was never sent, shared subscriptions: nothing happens.
#[tokio::test]
async fn odd_but_allowed_packets_change_nothing() {
    let broker = start().await;
    let mut bystander = Bystander::new(&broker).await;
    let mut odd = Raw::persistent(broker.address(), "e1").await;
    odd.subscribe("store/A/edges/e1/inbox", 1).await;
    assert_eq!(odd.subscribe("$share/group/store/A/customers/#", 1).await, 0x80);
    for id in 1..=300_u16 {
        odd.ack(id).await;
        odd.send(&packet(0x70, &id.to_be_bytes())).await;
    }
    odd.send(&packet(0x50, &[0, 5])).await;
    assert_eq!(odd.packet().await, Some((0x62, vec![0, 5])));
    odd.is_quiet().await;
    let mut website = Raw::clean(broker.address(), "website").await;
    website.publish("store/A/edges/e1/inbox", "still").await;
    assert_eq!(odd.message().await.text(), "still");
    bystander.is_well(&broker).await;
}

/// What can be done before a login.
#[tokio::test]
async fn hostile_first_packets_harm_no_other_client() {
    let broker = start().await;
    let mut bystander = Bystander::new(&broker).await;
    for client_id in ["+", "$", "#", "/", "+$#/", "a/b", "é", &"x".repeat(128)] {
        for _ in 0..2 {
            let hello = Hello { client_id, clean: false, ..Hello::of("ann") };
            assert_eq!(hello.say(broker.address()).await.1.map(|(_, code)| code), Some(0), "{client_id}");
        }
    }
    let wills = ["été/x", "store/A/+", "#", "", "$SYS/x"];
    for topic in wills {
        let hello = Hello { will: Some((topic, "x", true)), ..Hello::of("e1") };
        let (_, answer) = hello.say(broker.address()).await;
        assert_ne!(answer, Some((0, 0)), "a will on {topic}");
    }
    let connect = Hello::of("e1").bytes();
    let mut halves = Vec::new();
    for cut in 0..connect.len() {
        let mut stream = TcpStream::connect(broker.address()).await.unwrap();
        stream.write_all(&connect[..cut]).await.unwrap();
        halves.push(stream);
    }
    let cases: [&[u8]; 6] = [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        &[0x10, 0xff, 0xff, 0xff, 0x7f],
        &[0x10, 0xff, 0xff, 0xff, 0xff, 0xff],
        &[0xc0, 0x00],
        &[0; 1000],
    ];
    for bytes in cases {
        let mut stream = TcpStream::connect(broker.address()).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        // A reset is as good as an end.
        let _ = tokio::time::timeout(
            Duration::from_secs(2),
            tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut answer),
        )
        .await
        .expect("closed at once");
        assert_eq!(answer, [0; 0]);
    }
    bystander.is_well(&broker).await;
    drop(halves);
    bystander.is_well(&broker).await;
}

/// Connections that are torn down while the broker writes to them, again and again.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn torn_connections_under_load_harm_no_other_client() {
    let broker = start().await;
    let mut bystander = Bystander::new(&broker).await;
    let mut website = Raw::clean(broker.address(), "website").await;
    for round in 0..60 {
        let mut edge = Raw::persistent(broker.address(), "e1").await;
        if !edge.session_present {
            edge.subscribe("store/A/edges/e1/inbox", round % 2).await;
        }
        for n in 0..20 {
            website.publish("store/A/edges/e1/inbox", &n.to_string()).await;
        }
        if round % 3 == 0 {
            edge.send(&[0xe0, 0]).await;
        }
        if round % 5 == 0 {
            edge.stream.set_zero_linger().unwrap();
        }
    }
    bystander.is_well(&broker).await;
}
