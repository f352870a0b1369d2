//! The first and the last packet of a connection arrive.

use crate::support::{DEADLINE, start, until};
use std::time::Duration;
use test_kit::mqtt::v3::{Hello, Raw};
use test_kit::mqtt::v5::{Five, Hello as HelloFive, Will, byte, long, publish};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Everything that comes until the broker closes.
async fn all(to: std::net::SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(to).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    timeout(DEADLINE, stream.read_to_end(&mut answer)).await.expect("closed").expect("not reset");
    answer
}

#[tokio::test]
async fn connack_comes_first_whatever_was_sent_with_connect() {
    let broker = start().await;
    let (four, five) = (Hello::of("e1").bytes(), HelloFive::of("e1").bytes());
    for (case, more, told) in [
        ("DISCONNECT", vec![0xe0, 0], None),
        ("no packet", vec![0xf0, 0], Some(0x82)),
        ("a second CONNECT", four.clone(), Some(0x82)),
        (
            "a packet that is too large",
            [vec![0x30, 0xff, 0xff, 0xff, 0x7f], vec![0; 30_000]].concat(),
            Some(0x95),
        ),
    ] {
        let got = all(broker.address(), &[&four[..], &more].concat()).await;
        assert_eq!(got, [0x20, 2, 0, 0], "3.1.1, {case}");
        let got = all(broker.address(), &[&five[..], &more].concat()).await;
        let (connack, rest) = got.split_at(2 + usize::from(got[1]));
        assert_eq!((connack[0], connack[3]), (0x20, 0), "5.0, {case}");
        assert_eq!(
            rest.first().map(|_| (rest[0], rest[2])),
            told.map(|reason| (0xe0, reason)),
            "5.0, {case}"
        );
    }
    let ping_and_disconnect = [&four[..], &[0xc0, 0, 0xe0, 0]].concat();
    assert_eq!(all(broker.address(), &ping_and_disconnect).await, [0x20, 2, 0, 0, 0xd0, 0]);
}

/// A socket that is closed with bytes unread is reset, and what was said before is lost.
#[tokio::test]
async fn a_client_that_goes_on_sending_is_still_told_why_its_connection_ends() {
    let broker = start().await;
    for _ in 0..20 {
        let mut five = Five::of(broker.address(), "e1").await;
        let many = publish("store/A/visits/e1", "x", 0, 0, &[]).repeat(2_000);
        five.send(&[publish("", "x", 0, 0, &[]), many.clone()].concat()).await;
        let (mut reader, mut writer) = five.stream.split();
        let mut got = Vec::new();
        let (_, read) =
            tokio::join!(writer.write_all(&many), timeout(DEADLINE, reader.read_to_end(&mut got)));
        read.expect("closed").expect("not reset");
        assert_eq!((got[0], got[2]), (0xe0, 0x82));
    }
    // A refused login, with something behind the CONNECT.
    let refused =
        [Hello { login: Some(("e1", "wrong")), ..Hello::of("e1") }.bytes(), vec![0xc0; 50_000]].concat();
    for _ in 0..20 {
        assert_eq!(all(broker.address(), &refused).await, [0x20, 2, 0, 4]);
    }
}

#[tokio::test]
async fn a_stop_is_told_and_publishes_no_will() {
    let broker = start().await;
    let mut person = Five::of(broker.address(), "ann").await;
    person.subscribe("view/A/#", 1).await;
    let will = |properties| Some(Will { topic: "view/A/edges/e1", payload: "offline", properties });
    let mut edge = HelloFive { will: will(vec![]), ..HelloFive::of("e1") }.enter(broker.address()).await;
    // This one waits for its client.
    let waiting = Will { topic: "view/A/edges/e2", payload: "offline", properties: vec![long(0x18, 3600)] };
    drop(HelloFive { will: Some(waiting), ..HelloFive::lasting("e2") }.enter(broker.address()).await);
    until("e2 has gone", || broker.counters().clients == 2).await;
    let mut old = Raw::clean(broker.address(), "website").await;
    let half_open = TcpStream::connect(broker.address()).await.unwrap();
    let stopping = tokio::spawn(timeout(Duration::from_secs(4), broker.stop()));
    for client in [&mut person, &mut edge] {
        let (first, body) = client.packet().await.expect("told");
        assert_eq!((first, body[0]), (0xe0, 0x8b), "and nothing before it");
        assert_eq!(client.packet().await, None);
    }
    assert_eq!(old.packet().await, None);
    drop((person, edge, half_open));
    stopping.await.unwrap().expect("in time");
}

#[tokio::test]
async fn a_client_that_cannot_take_its_connack_is_not_let_in() {
    let broker = start().await;
    let bytes = |max| HelloFive { properties: vec![long(0x27, max)], ..HelloFive::of("e1") }.bytes();
    assert_eq!(all(broker.address(), &bytes(4)).await, [0; 0]);
    for max in [5, 10, 15] {
        assert_eq!(all(broker.address(), &bytes(max)).await, [0x20, 3, 0, 0x95, 0], "{max}");
    }
    assert_eq!((broker.counters().sessions, broker.counters().malformed), (0, 4));
    let modest = HelloFive { properties: vec![long(0x27, 16), byte(0x17, 0)], ..HelloFive::of("e1") };
    modest.enter(broker.address()).await;
}
