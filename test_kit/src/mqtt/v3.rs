//! A client of MQTT 3.1.1.

use super::packet::{read_packet, within};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub use super::packet::{packet, text};

/// An accepted connection.
pub struct Raw {
    /// Its socket.
    pub stream: TcpStream,
    /// Whether the broker had its session.
    pub session_present: bool,
    next_id: u16,
}

/// What a client says in CONNECT.
#[derive(Clone)]
pub struct Hello<'a> {
    /// The client id.
    pub client_id: &'a str,
    /// Name and password.
    pub login: Option<(&'a str, &'a str)>,
    /// Whether its session ends with the connection.
    pub clean: bool,
    /// Keep alive, in seconds.
    pub keep_alive_s: u16,
    /// Topic and payload of the will, and whether it is retained.
    pub will: Option<(&'a str, &'a str, bool)>,
    /// The protocol level: 4 is MQTT 3.1.1.
    pub version: u8,
}

impl<'a> Hello<'a> {
    /// Client id and user name are `name`, the password is `secret`.
    pub fn of(name: &'a str) -> Hello<'a> {
        Hello {
            client_id: name,
            login: Some((name, "secret")),
            clean: true,
            keep_alive_s: 60,
            will: None,
            version: 4,
        }
    }

    /// The packet.
    pub fn bytes(&self) -> Vec<u8> {
        let mut flags = u8::from(self.clean) << 1;
        let mut rest = text(self.client_id);
        if let Some((topic, payload, retain)) = self.will {
            flags |= 0x04 | 0x08 | u8::from(retain) << 5;
            rest.extend(text(topic));
            rest.extend(text(payload));
        }
        if let Some((name, password)) = self.login {
            flags |= 0xc0;
            rest.extend(text(name));
            rest.extend(text(password));
        }
        let mut body = text("MQTT");
        body.extend([self.version, flags]);
        body.extend(self.keep_alive_s.to_be_bytes());
        body.extend(rest);
        packet(0x10, &body)
    }

    /// The two bytes of CONNACK: session present, and the code. `None` when the broker only closed.
    pub async fn say(&self, to: SocketAddr) -> (TcpStream, Option<(u8, u8)>) {
        let mut stream = TcpStream::connect(to).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream.write_all(&self.bytes()).await.unwrap();
        let mut answer = [0; 4];
        match within(stream.read_exact(&mut answer)).await {
            Ok(_) => {
                assert_eq!(answer[..2], [0x20, 2], "not a CONNACK");
                (stream, Some((answer[2], answer[3])))
            }
            Err(_) => (stream, None),
        }
    }

    /// Connects, and must be accepted.
    pub async fn enter(&self, broker: SocketAddr) -> Raw {
        let (stream, answer) = self.say(broker).await;
        let (present, code) = answer.unwrap();
        assert_eq!(code, 0, "{} was not accepted", self.client_id);
        Raw { stream, session_present: present == 1, next_id: 0 }
    }
}

/// A message as it was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Got {
    /// Its topic.
    pub topic: String,
    /// Its payload.
    pub payload: Vec<u8>,
    /// Its QoS.
    pub qos: u8,
    /// Whether it was retained.
    pub retain: bool,
    /// Whether it was sent before.
    pub dup: bool,
    /// Its packet id, 0 for none.
    pub id: u16,
}

impl Got {
    /// Its payload as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.payload).unwrap()
    }
}

/// PUBLISH with the flags of its first byte, and a packet id where it has one.
pub fn publish(topic: &str, payload: &[u8], flags: u8, id: Option<u16>) -> Vec<u8> {
    let mut body = text(topic);
    body.extend(id.into_iter().flat_map(u16::to_be_bytes));
    body.extend(payload);
    packet(0x30 | flags, &body)
}

impl Raw {
    /// A client of this name whose session ends with the connection.
    pub async fn clean(broker: SocketAddr, name: &str) -> Raw {
        Hello::of(name).enter(broker).await
    }

    /// A client of this name whose session stays.
    pub async fn persistent(broker: SocketAddr, name: &str) -> Raw {
        Hello { clean: false, ..Hello::of(name) }.enter(broker).await
    }

    /// Sends bytes, whatever they are.
    pub async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// The next packet: its first byte and its body; `None` when the broker has closed.
    pub async fn packet(&mut self) -> Option<(u8, Vec<u8>)> {
        read_packet(&mut self.stream).await
    }

    /// The next packet, which must be a PUBLISH; not acknowledged yet.
    pub async fn publish_received(&mut self) -> Got {
        let (first, body) = self.packet().await.expect("the broker has closed");
        assert_eq!(first >> 4, 3, "not a PUBLISH: {first:x}");
        let length = usize::from(u16::from_be_bytes([body[0], body[1]]));
        let (topic, rest) = body[2..].split_at(length);
        let qos = first >> 1 & 3;
        let (id, payload) = if qos == 0 { (&[0, 0][..], rest) } else { rest.split_at(2) };
        Got {
            topic: String::from_utf8(topic.to_vec()).unwrap(),
            payload: payload.to_vec(),
            qos,
            retain: first & 1 != 0,
            dup: first & 8 != 0,
            id: u16::from_be_bytes([id[0], id[1]]),
        }
    }

    /// The next message, acknowledged.
    pub async fn message(&mut self) -> Got {
        let got = self.publish_received().await;
        if got.qos == 1 {
            self.ack(got.id).await;
        }
        got
    }

    /// The next messages, acknowledged.
    pub async fn messages(&mut self, count: usize) -> Vec<Got> {
        let mut all = Vec::new();
        while all.len() < count {
            all.push(self.message().await);
        }
        all
    }

    /// PUBACK.
    pub async fn ack(&mut self, id: u16) {
        self.send(&packet(0x40, &id.to_be_bytes())).await;
    }

    fn id(&mut self) -> u16 {
        self.next_id += 1;
        self.next_id
    }

    /// Subscribes and returns the granted QoS, 128 for refused.
    pub async fn subscribe(&mut self, filter: &str, qos: u8) -> u8 {
        let id = self.id();
        let mut body = id.to_be_bytes().to_vec();
        body.extend(text(filter));
        body.push(qos);
        self.send(&packet(0x82, &body)).await;
        let (first, body) = self.packet().await.expect("the broker has closed");
        assert_eq!((first, &body[..2]), (0x90, &id.to_be_bytes()[..]), "not the SUBACK");
        body[2]
    }

    /// Unsubscribes and waits for the UNSUBACK.
    pub async fn unsubscribe(&mut self, filter: &str) {
        let id = self.id();
        let mut body = id.to_be_bytes().to_vec();
        body.extend(text(filter));
        self.send(&packet(0xa2, &body)).await;
        let (first, body) = self.packet().await.expect("the broker has closed");
        assert_eq!((first, body), (0xb0, id.to_be_bytes().to_vec()), "not the UNSUBACK");
    }

    /// Publishes with QoS 1 and waits for the PUBACK.
    pub async fn publish(&mut self, topic: &str, payload: &str) {
        self.publish_with(topic, payload, 0x02).await;
    }

    /// The same, retained.
    pub async fn publish_retained(&mut self, topic: &str, payload: &str) {
        self.publish_with(topic, payload, 0x03).await;
    }

    async fn publish_with(&mut self, topic: &str, payload: &str, flags: u8) {
        let id = self.id();
        self.send(&publish(topic, payload.as_bytes(), flags, Some(id))).await;
        let answer = self.packet().await.expect("the broker has closed");
        assert_eq!(answer, (0x40, id.to_be_bytes().to_vec()), "not the PUBACK");
    }

    /// Nothing else is on its way: what is answered next is a ping.
    pub async fn is_quiet(&mut self) {
        self.send(&[0xc0, 0]).await;
        assert_eq!(self.packet().await, Some((0xd0, vec![])), "something else came");
    }

    /// Sends DISCONNECT and waits until the broker has closed.
    pub async fn disconnect(mut self) {
        self.send(&[0xe0, 0]).await;
        assert_eq!(self.packet().await, None);
    }

    /// The broker has closed, or closes now.
    pub async fn is_closed(&mut self) {
        while self.packet().await.is_some() {}
    }
}
