//! Random bytes as what a client does: a CONNECT and some packets, few of them right.

use crate::codec::encode::length;
use crate::codec::properties::put_binary;
use bytes::{BufMut, Bytes, BytesMut};

/// Login names with client ids; the last ones are refused.
const LOGINS: [(&str, &str); 12] = [
    ("e1", "e1"),
    ("e1", "e1"),
    ("e1", "e1"),
    ("website", "w"),
    ("website", "w"),
    ("ann", "a"),
    ("user", "u"),
    ("user", "u"),
    ("user", ""),
    ("ann", "é/+#$"),
    ("e1", "e9"),
    ("nobody", "n"),
];

/// Topics, then filters, then what is neither.
const NAMES: [&str; 16] = [
    "store/A/visits/e1",
    "store/A/customers/f1",
    "store/A/customers",
    "store/A/edges/e1/inbox",
    "view/A/edges/e1",
    "any/thing",
    "store/B/customers/f1",
    "store/A/customers/#",
    "$share/g/any/thing",
    "#",
    "+/+",
    "$SYS/broker/uptime",
    "",
    "é/+",
    "a+/#/b",
    "\u{ffff}\0",
];
/// Of those, what can be published to, and what can be subscribed to.
const TOPICS: usize = 7;
const FILTERS: usize = 12;

/// Random bytes that are used up; behind their end there are zeros.
pub struct Script<'a>(&'a [u8]);

/// What a client does next.
pub enum Move {
    /// Writes these bytes.
    Send(Bytes),
    /// Yields to the broker.
    Wait,
    /// Reads what has come, and answers every message as it should.
    Answer,
}

impl<'a> Script<'a> {
    /// A script of these bytes.
    pub fn new(bytes: &'a [u8]) -> Script<'a> {
        Script(bytes)
    }

    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::from(self.byte()) % choices.len()]
    }

    /// One of so many names, seldom any.
    fn name(&mut self, right: usize) -> &'static str {
        let byte = usize::from(self.byte());
        NAMES[byte % if byte > 250 { NAMES.len() } else { right }]
    }

    /// The protocol's version, and the CONNECT.
    pub fn connect(&mut self) -> (u8, Bytes) {
        let (how, version) = (self.byte(), self.of(&[4, 5, 4, 5, 4, 5, 4, 5, 4, 5, 4, 5, 3, 6]));
        let (login, client_id) = self.of(&LOGINS);
        let has_will = how & 5 == 1;
        let flags = 0xc0 | (how & 2) | if has_will { 4 | (how & 0x28) } else { 0 } | u8::from(how == 255);
        let mut body = BytesMut::new();
        put_binary(&mut body, b"MQTT");
        body.put_slice(&[version, flags, 0, 60]);
        if version == 5 {
            let section = self.section(&[0x11, 0x11, 0x11, 0x21, 0x22, 0x26, 0x27, 0x15]);
            body.put_slice(&section);
        }
        put_binary(&mut body, client_id.as_bytes());
        if has_will {
            if version == 5 {
                let section = self.section(&[0x18, 0x01, 0x02, 0x26]);
                body.put_slice(&section);
            }
            put_binary(&mut body, self.name(TOPICS).as_bytes());
            put_binary(&mut body, b"gone");
        }
        put_binary(&mut body, login.as_bytes());
        put_binary(&mut body, b"secret");
        (version, packet(0x10, &body))
    }

    /// What comes next; `None` when there is nothing more.
    pub fn next(&mut self, version: u8) -> Option<Move> {
        if self.0.is_empty() {
            return None;
        }
        let kind = match self.byte() {
            byte @ ..=250 => byte % 16,
            byte => byte % 2 + 16,
        };
        let (first, mut body) = (self.flags(kind), BytesMut::new());
        match kind {
            0..=4 => {
                put_binary(&mut body, self.name(TOPICS).as_bytes());
                if first & 6 != 0 {
                    body.put_u16(self.id());
                }
                self.properties(version, &[0x23, 0x01, 0x02, 0x23, 0x02, 0x0b, 0x26, 0x08], &mut body);
                body.put_u8(b'x');
            }
            5..=8 => {
                body.put_u16(self.id());
                if version == 5 && self.byte().is_multiple_of(4) {
                    body.put_u8(self.of(&[0, 0x10, 0x80, 0x92, 0x97]));
                }
            }
            9..=11 => {
                body.put_u16(self.id());
                self.properties(version, &[0x0b, 0x26], &mut body);
                put_binary(&mut body, self.name(FILTERS).as_bytes());
                if kind != 11 {
                    body.put_u8(self.of(&[0, 1, 2, 1, 0, 1, 2, 1, 1, 0x2e, 0x10, 3]));
                }
            }
            12 => {}
            13 if version == 5 => {
                body.put_u8(self.of(&[0, 4, 0x80, 0x8e]));
                self.properties(version, &[0x11, 0x1f], &mut body);
            }
            13 => {}
            14 => return Some(Move::Wait),
            15 => return Some(Move::Answer),
            16 => return Some(Move::Send(self.connect().1)),
            _ => return Some(Move::Send(self.garbage())),
        }
        let mut packet = packet(first, &body);
        if self.byte() == 255 {
            packet.truncate(packet.len() - 1);
        }
        Some(Move::Send(packet))
    }

    fn flags(&mut self, kind: u8) -> u8 {
        match kind {
            0..=4 => 0x30 | self.of(&[0, 1, 2, 3, 2, 4, 5, 2, 10, 12, 8, 6]),
            5 => 0x40,
            6 => 0x50,
            7 => 0x62,
            8 => 0x70,
            9 | 10 => 0x82,
            11 => 0xa2,
            12 => 0xc0,
            _ => 0xe0,
        }
    }

    /// Small ones, so that they are met again.
    fn id(&mut self) -> u16 {
        u16::from(self.byte() % 32 % 7)
    }

    fn properties(&mut self, version: u8, known: &[u8], body: &mut BytesMut) {
        if version == 5 {
            let section = self.section(known);
            body.put_slice(&section);
        }
    }

    /// None or one of these properties, with a small value.
    fn section(&mut self, known: &[u8]) -> BytesMut {
        let (mut section, mut bytes) = (BytesMut::new(), BytesMut::new());
        if self.byte().is_multiple_of(4) {
            let (id, value) = (self.of(known), self.byte());
            section.put_u8(id);
            match id {
                0x01 | 0x17 | 0x0b => section.put_u8(value % 4),
                0x21..=0x23 => section.put_u16(u16::from(value % 40)),
                0x02 | 0x11 | 0x18 => section.put_u32(u32::from(value % 3) * 100),
                0x27 => section.put_u32(u32::from(value)),
                0x26 => {
                    put_binary(&mut section, b"name");
                    put_binary(&mut section, &[value & 0x7f | 1]);
                }
                _ => put_binary(&mut section, &[value]),
            }
        }
        length(&mut bytes, section.len());
        bytes.put_slice(&section);
        bytes
    }

    fn garbage(&mut self) -> Bytes {
        let some = self.0.len().min(usize::from(self.byte() % 12));
        let some = some.min(self.0.len());
        let (bytes, rest) = self.0.split_at(some);
        self.0 = rest;
        Bytes::copy_from_slice(bytes)
    }
}

/// A packet with this body.
pub fn packet(first: u8, body: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(5 + body.len());
    out.put_u8(first);
    length(&mut out, body.len());
    out.put_slice(body);
    out.freeze()
}
