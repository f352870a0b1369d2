use crate::client::Client;
use crate::process::{DEADLINE, Serving};
use std::io::{Read, Write};
use std::net::TcpStream;

#[test]
fn the_open_mode_allows_all_but_two_things() {
    let broker = Serving::start(&["--open"]);
    let anybody = |id: &str| Client::connect(broker.mqtt, id, None, true).unwrap();
    let mut reader = anybody("reader");
    assert_eq!(
        (reader.subscribe("any/#"), reader.subscribe("$SYS/x"), reader.subscribe("$own/#")),
        (1, 1, 1)
    );
    assert_eq!(reader.subscribe("test/nosubscribe"), 128);
    let mut writer = Client::connect(broker.mqtt, "writer", Some(("me", "x")), true).unwrap();
    for topic in ["$SYS/x", "$own/x", "$SYS/broker/uptime"] {
        assert!(writer.publish(topic, b"x", true), "{topic} is acknowledged, and goes nowhere");
    }
    assert!(writer.publish("test/nosubscribe", b"x", false));
    assert!(writer.publish("any/thing", b"hello", false));
    assert_eq!(reader.message(), ("any/thing".to_owned(), b"hello".to_vec()), "and nothing before it");
    assert_eq!(broker.metric("broker_refused_total"), 4, "three publishes, one subscription");
    assert_eq!(anybody("late").subscribe("$own/x"), 1);
    assert_eq!(broker.metric("broker_retained"), 0);
}

#[test]
fn a_subscriber_to_everything_in_the_open_mode_gets_only_what_clients_publish() {
    let broker = Serving::start(&["--open"]);
    let anybody = |id: &str| Client::connect(broker.mqtt, id, None, true).unwrap();
    let mut reader = anybody("reader");
    for filter in ["#", "+/+", "+/broker", "view/#"] {
        assert_eq!(reader.subscribe(filter), 1);
    }
    assert!(anybody("writer").publish("some/thing", b"1", false));
    assert_eq!(reader.message(), ("some/thing".to_owned(), b"1".to_vec()));
    // The broker's own numbers are where dashboards look for them, for subscribers that name them.
    let mut dashboard = anybody("dashboard");
    assert_eq!(dashboard.subscribe("$SYS/broker/version"), 1);
    assert_eq!(dashboard.message().0, "$SYS/broker/version");
}

/// Sends one packet of MQTT 5.0 and reads one.
fn five(stream: &mut TcpStream, packet: &[u8]) -> (u8, Vec<u8>) {
    stream.write_all(packet).unwrap();
    let mut head = [0; 2];
    stream.read_exact(&mut head).unwrap();
    let mut body = vec![0; usize::from(head[1])];
    stream.read_exact(&mut body).unwrap();
    (head[0], body)
}

#[test]
fn in_mqtt_5_a_refusal_has_its_own_reason() {
    let broker = Serving::start(&["--open"]);
    let mut stream = TcpStream::connect(broker.mqtt).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let (first, body) = five(&mut stream, b"\x10\x0e\0\x04MQTT\x05\x02\0\x3c\0\0\x01c");
    assert_eq!((first, &body[..2]), (0x20, &[0, 0][..]), "accepted");
    let nosubscribe = [&b"\x82\x16\0\x01\0\0\x10"[..], b"test/nosubscribe", b"\x01"].concat();
    let (first, body) = five(&mut stream, &nosubscribe);
    assert_eq!((first, body.last()), (0x90, Some(&0x80)), "what the public suites await");
    let (first, body) = five(&mut stream, b"\x32\x08\0\x02$x\0\x02\0x");
    assert_eq!((first, &body[..]), (0x40, &[0, 2, 0x87][..]), "without words");
    assert_eq!(five(&mut stream, b"\xc0\0"), (0xd0, vec![]), "and it is still there");
}
