//! A small MQTT 3.1.1 client that waits for every answer.

use crate::process::{DEADLINE, PASSWORD};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use test_kit::mqtt::packet::{packet, text};

/// A connected client.
pub struct Client {
    stream: TcpStream,
    pub session_present: bool,
    next_id: u16,
}

impl Client {
    /// The CONNACK code when it is refused; `None` when the broker has only closed.
    pub fn connect(
        to: SocketAddr,
        client_id: &str,
        login: Option<(&str, &str)>,
        clean: bool,
    ) -> Result<Client, Option<u8>> {
        let mut body = text("MQTT");
        body.extend([4, u8::from(clean) << 1 | if login.is_some() { 0xc0 } else { 0 }, 0, 60]);
        body.extend(text(client_id));
        if let Some((name, password)) = login {
            body.extend([text(name), text(password)].concat());
        }
        let mut stream = TcpStream::connect(to).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.write_all(&packet(0x10, &body)).map_err(|_| None)?;
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).map_err(|_| None)?;
        assert_eq!(answer[..2], [0x20, 2], "not a CONNACK");
        if answer[3] != 0 {
            return Err(Some(answer[3]));
        }
        Ok(Client { stream, session_present: answer[2] == 1, next_id: 0 })
    }

    /// With the usual password and the name as the client id.
    pub fn new(to: SocketAddr, name: &str) -> Client {
        Client::connect(to, name, Some((name, PASSWORD)), true)
            .unwrap_or_else(|code| panic!("{name}: {code:?}"))
    }

    fn packet(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut byte = [0];
        self.stream.read_exact(&mut byte).ok()?;
        let (first, mut length, mut shift) = (byte[0], 0, 0);
        loop {
            self.stream.read_exact(&mut byte).ok()?;
            length |= usize::from(byte[0] & 127) << shift;
            shift += 7;
            if byte[0] < 128 {
                break;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).ok()?;
        Some((first, body))
    }

    fn id(&mut self) -> [u8; 2] {
        self.next_id += 1;
        self.next_id.to_be_bytes()
    }

    /// The granted QoS, 128 for refused.
    pub fn subscribe(&mut self, filter: &str) -> u8 {
        let id = self.id();
        self.stream.write_all(&packet(0x82, &[&id[..], &text(filter), &[1]].concat())).unwrap();
        loop {
            match self.packet().expect("the broker has closed") {
                (0x90, body) => return body[2],
                // What another subscription brings.
                (publish, _) if publish >> 4 == 3 => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Whether it was acknowledged; otherwise the broker has closed.
    pub fn publish(&mut self, topic: &str, payload: &[u8], retain: bool) -> bool {
        let id = self.id();
        let body = [&text(topic), &id[..], payload].concat();
        if self.stream.write_all(&packet(0x32 | u8::from(retain), &body)).is_err() {
            return false;
        }
        match self.packet() {
            Some((0x40, _)) => true,
            None => false,
            other => panic!("{other:?}"),
        }
    }

    /// Many publishes of QoS 0 in one go.
    pub fn flood(&mut self, topic: &str, count: usize) {
        self.stream.write_all(&packet(0x30, &[text(topic), vec![b'x']].concat()).repeat(count)).unwrap();
    }

    /// The next message's topic and payload.
    pub fn message(&mut self) -> (String, Vec<u8>) {
        let (first, body) = self.packet().expect("the broker has closed");
        assert_eq!(first >> 4, 3, "not a PUBLISH");
        let (topic, rest) = body[2..].split_at(usize::from(u16::from_be_bytes([body[0], body[1]])));
        let topic = String::from_utf8(topic.to_vec()).unwrap();
        if first & 6 == 0 {
            return (topic, rest.to_vec());
        }
        self.stream.write_all(&packet(0x40, &rest[..2])).unwrap();
        (topic, rest[2..].to_vec())
    }

    /// Whether it is still connected.
    pub fn is_here(&mut self) -> bool {
        self.stream.write_all(&[0xc0, 0]).is_ok() && matches!(self.packet(), Some((0xd0, _)))
    }

    /// Waits until the broker closes.
    pub fn is_closed(&mut self) {
        while self.packet().is_some() {}
    }
}
