//! Bytes to packets, without copying them.

use anyhow::{Context as _, Result, bail};

/// What a broker sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packet<'a> {
    /// CONNACK with its return code.
    Connected(u8),
    /// SUBACK with the granted QoS, 0x80 for a refusal.
    Subscribed(u8),
    /// PUBACK.
    Acknowledged,
    /// PUBLISH; an id says that it must be acknowledged.
    Message {
        /// Its packet id, for QoS 1.
        id: Option<u16>,
        /// What was sent.
        payload: &'a [u8],
    },
}

/// Bytes that have been read and not been understood yet.
pub struct Input {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Input {
    /// Room for so many bytes to begin with; it grows for a packet that is larger.
    pub fn new(bytes: usize) -> Input {
        Input { bytes: vec![0; bytes], start: 0, end: 0 }
    }

    /// Where to read to.
    pub fn room(&mut self) -> &mut [u8] {
        self.bytes.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        if self.end == self.bytes.len() {
            self.bytes.resize(self.end * 2, 0);
        }
        &mut self.bytes[self.end..]
    }

    /// So many bytes have been read.
    pub fn filled(&mut self, bytes: usize) {
        self.end += bytes;
    }

    /// The next packet that has arrived completely.
    pub fn next(&mut self) -> Result<Option<Packet<'_>>> {
        let here = &self.bytes[self.start..self.end];
        let (mut length, mut header) = (0, 1);
        loop {
            let Some(&byte) = here.get(header) else { return Ok(None) };
            length |= usize::from(byte & 0x7f) << (7 * (header - 1));
            header += 1;
            if byte & 0x80 == 0 {
                break;
            }
            if header > 4 {
                bail!("the broker sent a packet whose length is malformed");
            }
        }
        let Some(body) = here.get(header..header + length) else { return Ok(None) };
        self.start += header + length;
        understand(here[0], body).map(Some)
    }
}

fn understand(first: u8, body: &[u8]) -> Result<Packet<'_>> {
    let short = "the broker sent a packet that is too short";
    let number = |at: usize| body.get(at..at + 2).map(|b| u16::from_be_bytes([b[0], b[1]])).context(short);
    Ok(match first >> 4 {
        2 => Packet::Connected(*body.get(1).context(short)?),
        9 => Packet::Subscribed(*body.get(2).context(short)?),
        4 => Packet::Acknowledged,
        3 => {
            let after_topic = 2 + usize::from(number(0)?);
            let (id, payload) = match first >> 1 & 3 {
                0 => (None, after_topic),
                _ => (Some(number(after_topic)?), after_topic + 2),
            };
            Packet::Message { id, payload: body.get(payload..).context(short)? }
        }
        kind => bail!("the broker sent a packet of type {kind}, which nobody asked for"),
    })
}

#[cfg(test)]
mod tests {
    use super::super::encode;
    use super::*;

    #[test]
    fn packets_are_found_wherever_the_reads_end() {
        let mut bytes = vec![0x20, 2, 0, 0, 0x90, 3, 0, 1, 1, 0x40, 2, 0, 9];
        encode::publish(&mut bytes, "a/b", 7, encode::Retain::No, b"head", &[b'x'; 300]);
        for piece in [1, 2, 7, 400] {
            let (mut input, mut seen) = (Input::new(8), Vec::new());
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let room = input.room();
                let part = rest.split_off(..piece.min(room.len()).min(rest.len())).unwrap();
                room[..part.len()].copy_from_slice(part);
                input.filled(part.len());
                while let Some(packet) = input.next().unwrap() {
                    seen.push(match packet {
                        Packet::Message { id, payload } => (id, payload.len()),
                        Packet::Connected(code) | Packet::Subscribed(code) => (None, code.into()),
                        Packet::Acknowledged => (None, 2),
                    });
                }
            }
            assert_eq!(seen, [(None, 0), (None, 1), (None, 2), (Some(7), 304)], "in pieces of {piece}");
        }
    }
}
