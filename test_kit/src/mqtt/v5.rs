//! A client of MQTT 5.0.

use super::packet::{packet, read_packet, text};
use std::net::SocketAddr;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// A property as it stands in a packet: its id and its value's bytes.
pub type Property = (u8, Vec<u8>);

/// A property of one byte.
pub fn byte(id: u8, value: u8) -> Property {
    (id, vec![value])
}

/// A property of two bytes.
pub fn number(id: u8, value: u16) -> Property {
    (id, value.to_be_bytes().to_vec())
}

/// A property of four bytes.
pub fn long(id: u8, value: u32) -> Property {
    (id, value.to_be_bytes().to_vec())
}

/// A property that is a string.
pub fn string(id: u8, value: &str) -> Property {
    (id, text(value))
}

/// A user property.
pub fn user(name: &str, value: &str) -> Property {
    (0x26, [text(name), text(value)].concat())
}

/// A section of properties, with its length.
pub fn section(properties: &[Property]) -> Vec<u8> {
    let bytes: Vec<u8> = properties.iter().flat_map(|(id, value)| [&[*id][..], value].concat()).collect();
    packet(0, &bytes)[1..].to_vec()
}

/// The properties at the front, and what is behind them.
fn read_section(bytes: &[u8]) -> (Vec<Property>, &[u8]) {
    let (length, rest) = read_variable(bytes);
    let (mut section, rest) = rest.split_at(length);
    let mut properties = Vec::new();
    while let Some((&id, value)) = section.split_first() {
        let two = |value: &[u8]| 2 + usize::from(u16::from_be_bytes([value[0], value[1]]));
        let length = match id {
            0x01 | 0x17 | 0x19 | 0x24 | 0x25 | 0x28..=0x2a => 1,
            0x13 | 0x21 | 0x22 | 0x23 => 2,
            0x02 | 0x11 | 0x18 | 0x27 => 4,
            0x0b => value.len() - read_variable(value).1.len(),
            0x26 => two(value) + two(&value[two(value)..]),
            _ => two(value),
        };
        properties.push((id, value[..length].to_vec()));
        section = &value[length..];
    }
    (properties, rest)
}

fn read_variable(bytes: &[u8]) -> (usize, &[u8]) {
    let (mut number, mut at) = (0, 0);
    loop {
        number |= usize::from(bytes[at] & 127) << (7 * at);
        at += 1;
        if bytes[at - 1] < 128 {
            return (number, &bytes[at..]);
        }
    }
}

/// What a client says in CONNECT.
#[derive(Clone)]
pub struct Hello<'a> {
    /// The client id.
    pub client_id: &'a str,
    /// The user name; the password is `secret`.
    pub login: &'a str,
    /// Whether its session ends with the connection.
    pub clean: bool,
    /// Keep alive, in seconds.
    pub keep_alive_s: u16,
    /// Its properties.
    pub properties: Vec<Property>,
    /// The will.
    pub will: Option<Will<'a>>,
}

/// What a client leaves to be published.
#[derive(Clone)]
pub struct Will<'a> {
    /// Its topic.
    pub topic: &'a str,
    /// Its payload.
    pub payload: &'a str,
    /// Its properties.
    pub properties: Vec<Property>,
}

impl<'a> Hello<'a> {
    /// Client id and user name are `name`, the password is `secret`.
    pub fn of(name: &'a str) -> Hello<'a> {
        Hello { client_id: name, login: name, clean: true, keep_alive_s: 60, properties: vec![], will: None }
    }

    /// With a session that lasts.
    pub fn lasting(name: &'a str) -> Hello<'a> {
        Hello { clean: false, properties: vec![long(0x11, 3600)], ..Hello::of(name) }
    }

    /// The packet.
    pub fn bytes(&self) -> Vec<u8> {
        let mut flags = 0xc0 | u8::from(self.clean) << 1;
        let mut rest = [section(&self.properties), text(self.client_id)].concat();
        if let Some(will) = &self.will {
            flags |= 0x0c;
            rest.extend([section(&will.properties), text(will.topic), text(will.payload)].concat());
        }
        rest.extend([text(self.login), text("secret")].concat());
        let mut body = [text("MQTT"), vec![5, flags]].concat();
        body.extend(self.keep_alive_s.to_be_bytes());
        body.extend(rest);
        packet(0x10, &body)
    }

    /// The client, whatever the broker has answered.
    pub async fn say(&self, broker: SocketAddr) -> Five {
        let mut stream = TcpStream::connect(broker).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream.write_all(&self.bytes()).await.unwrap();
        let mut five = Five { stream, present: false, reason: 0, told: vec![], next_id: 0 };
        let (first, body) = five.packet().await.expect("no CONNACK");
        assert_eq!(first, 0x20, "not a CONNACK");
        (five.present, five.reason, five.told) = (body[0] == 1, body[1], read_section(&body[2..]).0);
        five
    }

    /// Connects, and must be accepted.
    pub async fn enter(&self, broker: SocketAddr) -> Five {
        let five = self.say(broker).await;
        assert_eq!(five.reason, 0, "{} was not accepted", self.client_id);
        five
    }
}

/// A connection, with what the CONNACK said.
pub struct Five {
    /// Its socket.
    pub stream: TcpStream,
    /// Whether the broker had its session.
    pub present: bool,
    /// The reason of the CONNACK.
    pub reason: u8,
    /// The properties of the CONNACK.
    pub told: Vec<Property>,
    next_id: u16,
}

/// A message as it was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Got {
    /// Its topic.
    pub topic: String,
    /// Its payload.
    pub payload: String,
    /// Its QoS.
    pub qos: u8,
    /// Whether it was retained.
    pub retain: bool,
    /// Whether it was sent before.
    pub dup: bool,
    /// Its packet id, 0 for none.
    pub id: u16,
    /// Its properties.
    pub properties: Vec<Property>,
}

impl Got {
    /// The values of a property.
    pub fn all(&self, id: u8) -> Vec<&[u8]> {
        self.properties.iter().filter(|(there, _)| *there == id).map(|(_, value)| &value[..]).collect()
    }

    /// The message expiry interval, in seconds.
    pub fn expiry_s(&self) -> Option<u32> {
        self.all(0x02).first().map(|value| u32::from_be_bytes((*value).try_into().unwrap()))
    }
}

/// PUBLISH with the flags of its first byte; its packet id is left out for QoS 0.
pub fn publish(topic: &str, payload: &str, flags: u8, id: u16, properties: &[Property]) -> Vec<u8> {
    let mut body = text(topic);
    if flags & 0x06 != 0 {
        body.extend(id.to_be_bytes());
    }
    body.extend(section(properties));
    body.extend(payload.as_bytes());
    packet(0x30 | flags, &body)
}

impl Five {
    /// A client of this name whose session ends with the connection.
    pub async fn of(broker: SocketAddr, name: &str) -> Five {
        Hello::of(name).enter(broker).await
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
        assert_eq!(first >> 4, 3, "not a PUBLISH: {first:x} {body:?}");
        let length = usize::from(u16::from_be_bytes([body[0], body[1]]));
        let (topic, rest) = body[2..].split_at(length);
        let qos = first >> 1 & 3;
        let (id, rest) = if qos == 0 { (&[0, 0][..], rest) } else { rest.split_at(2) };
        let (properties, payload) = read_section(rest);
        Got {
            topic: String::from_utf8(topic.to_vec()).unwrap(),
            payload: String::from_utf8(payload.to_vec()).unwrap(),
            qos,
            retain: first & 1 != 0,
            dup: first & 8 != 0,
            id: u16::from_be_bytes([id[0], id[1]]),
            properties,
        }
    }

    /// The next message, acknowledged.
    pub async fn message(&mut self) -> Got {
        let got = self.publish_received().await;
        let id = got.id.to_be_bytes();
        match got.qos {
            0 => {}
            1 => self.send(&packet(0x40, &id)).await,
            _ => {
                self.send(&packet(0x50, &id)).await;
                assert_eq!(self.packet().await, Some((0x62, id.to_vec())), "not the PUBREL");
                self.send(&packet(0x70, &id)).await;
            }
        }
        got
    }

    /// The payloads of the next messages, acknowledged.
    pub async fn payloads(&mut self, count: usize) -> Vec<String> {
        let mut all = Vec::new();
        while all.len() < count {
            all.push(self.message().await.payload);
        }
        all
    }

    fn id(&mut self) -> u16 {
        self.next_id += 1;
        self.next_id
    }

    /// Subscribes and returns the reason code.
    pub async fn subscribe(&mut self, filter: &str, options: u8) -> u8 {
        self.subscribe_with(filter, options, &[]).await
    }

    /// Subscribes with these options and properties and returns the reason.
    pub async fn subscribe_with(&mut self, filter: &str, options: u8, properties: &[Property]) -> u8 {
        let id = self.id();
        let body = [&id.to_be_bytes()[..], &section(properties), &text(filter), &[options]].concat();
        self.send(&packet(0x82, &body)).await;
        let (first, body) = self.packet().await.expect("the broker has closed");
        assert_eq!(
            (first, &body[..3]),
            (0x90, &[&id.to_be_bytes()[..], &[0]].concat()[..]),
            "not the SUBACK"
        );
        body[3]
    }

    /// Unsubscribes and returns the reason codes.
    pub async fn unsubscribe(&mut self, filters: &[&str]) -> Vec<u8> {
        let id = self.id();
        let filters: Vec<u8> = filters.iter().flat_map(|filter| text(filter)).collect();
        self.send(&packet(0xa2, &[&id.to_be_bytes()[..], &[0], &filters].concat())).await;
        let (first, body) = self.packet().await.expect("the broker has closed");
        assert_eq!((first, &body[..2]), (0xb0, &id.to_be_bytes()[..]), "not the UNSUBACK");
        body[3..].to_vec()
    }

    /// Publishes with QoS 1 and returns the reason code.
    pub async fn publish(&mut self, topic: &str, payload: &str, properties: &[Property]) -> u8 {
        self.publish_with(topic, payload, 0x02, properties).await
    }

    /// Publishes a retained message with QoS 1 and returns the reason.
    pub async fn retain(&mut self, topic: &str, payload: &str, properties: &[Property]) -> u8 {
        self.publish_with(topic, payload, 0x03, properties).await
    }

    /// With QoS 1 or 2, to its end.
    pub async fn publish_with(
        &mut self,
        topic: &str,
        payload: &str,
        flags: u8,
        properties: &[Property],
    ) -> u8 {
        let id = self.id();
        self.send(&publish(topic, payload, flags, id, properties)).await;
        let (first, body) = self.packet().await.expect("the broker has closed");
        let expected = if flags & 0x04 == 0 { 0x40 } else { 0x50 };
        assert_eq!((first, &body[..2]), (expected, &id.to_be_bytes()[..]), "not the answer: {body:?}");
        let reason = body.get(2).copied().unwrap_or(0);
        if expected == 0x50 && reason < 0x80 {
            self.send(&packet(0x62, &id.to_be_bytes())).await;
            assert_eq!(self.packet().await, Some((0x70, id.to_be_bytes().to_vec())), "not the PUBCOMP");
        }
        reason
    }

    /// Nothing else is on its way: what is answered next is a ping.
    pub async fn is_quiet(&mut self) {
        self.send(&[0xc0, 0]).await;
        assert_eq!(self.packet().await, Some((0xd0, vec![])), "something else came");
    }

    /// Sends DISCONNECT with a reason and properties.
    pub async fn disconnect(mut self, reason: u8, properties: &[Property]) {
        self.send(&packet(0xe0, &[&[reason][..], &section(properties)].concat())).await;
        assert_eq!(self.packet().await, None);
    }

    /// The reason with which the broker ends the connection, after whatever else it sends.
    pub async fn told_to_go(&mut self) -> Option<u8> {
        while let Some((first, body)) = self.packet().await {
            if first == 0xe0 {
                assert_eq!(self.packet().await, None, "something came behind DISCONNECT");
                return Some(body.first().copied().unwrap_or(0));
            }
        }
        None
    }
}
