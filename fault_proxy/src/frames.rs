//! Where one MQTT packet ends and the next begins; of a publish also its packet id. Nothing else is read.

/// Bytes that came in, cut into packets.
#[derive(Debug, Default)]
pub(crate) struct Frames(Vec<u8>);

impl Frames {
    pub(crate) fn take_in(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// The next whole packet.
    pub(crate) fn next(&mut self) -> Option<Vec<u8>> {
        let (header, rest) = lengths(&self.0)?;
        (self.0.len() >= header + rest).then(|| self.0.drain(..header + rest).collect())
    }
}

/// How long a packet's fixed header is, and what follows it.
fn lengths(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut rest = 0;
    for (place, byte) in bytes.iter().skip(1).take(4).enumerate() {
        rest |= usize::from(byte & 127) << (7 * place);
        if byte & 128 == 0 {
            return Some((place + 2, rest));
        }
    }
    None
}

/// Where the packet id of a QoS 1 publish stands.
pub(crate) fn publish_id(packet: &[u8]) -> Option<usize> {
    let (header, _) = lengths(packet)?;
    let publish = packet[0] >> 4 == 3 && packet[0] & 0b110 == 0b010;
    let topic = usize::from(u16::from_be_bytes([*packet.get(header)?, *packet.get(header + 1)?]));
    publish.then_some(header + 2 + topic).filter(|at| at + 2 <= packet.len())
}

/// The packet id that an acknowledgement of a publish names.
pub(crate) fn acknowledged(packet: &[u8]) -> Option<[u8; 2]> {
    (packet.len() == 4 && packet[0] == 0x40).then(|| [packet[2], packet[3]])
}

/// The packet id of a publish.
pub(crate) fn id(packet: &[u8]) -> Option<[u8; 2]> {
    publish_id(packet).map(|at| [packet[at], packet[at + 1]])
}

/// Two publishes in the other order: each under the packet id that its place had, so that the acknowledgements stay in
/// order.
pub(crate) fn swapped(mut first: Vec<u8>, mut second: Vec<u8>) -> [Vec<u8>; 2] {
    if let (Some(a), Some(b)) = (publish_id(&first), publish_id(&second)) {
        for n in 0..2 {
            std::mem::swap(&mut first[a + n], &mut second[b + n]);
        }
        return [second, first];
    }
    [first, second]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publish(id: u8, topic: &str, payload: &[u8]) -> Vec<u8> {
        let mut rest = vec![0, topic.len() as u8];
        rest.extend(topic.as_bytes());
        rest.extend([0, id]);
        rest.extend(payload);
        let length = [(rest.len() % 128) as u8 | 128, (rest.len() / 128) as u8];
        [&[0x32][..], &length, &rest].concat()
    }

    #[test]
    fn packets_are_found_however_the_bytes_come() {
        let packets =
            [publish(1, "a/b", &[7; 300]), vec![0xD0, 0], publish(2, "c", b"x"), vec![0x40, 2, 0, 9]];
        let bytes = packets.concat();
        for step in [1, 2, 3, 100, 1000] {
            let (mut frames, mut found) = (Frames::default(), Vec::new());
            for part in bytes.chunks(step) {
                frames.take_in(part);
                found.extend(std::iter::from_fn(|| frames.next()));
            }
            assert_eq!(found, packets, "in steps of {step}");
        }
        let ids: Vec<_> = packets.iter().map(|packet| id(packet)).collect();
        assert_eq!(ids, [Some([0, 1]), None, Some([0, 2]), None]);
        assert_eq!(acknowledged(&packets[3]), Some([0, 9]));
    }

    #[test]
    fn swapped_publishes_keep_the_order_of_their_ids() {
        let [first, second] = swapped(publish(1, "a", b"one"), publish(2, "bb", b"two"));
        assert_eq!((first, second), (publish(1, "bb", b"two"), publish(2, "a", b"one")));
    }
}
