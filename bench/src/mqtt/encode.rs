//! Packets to bytes, appended.

/// CONNECT of MQTT 3.1.1 with a clean or a persistent session.
pub fn connect(out: &mut Vec<u8>, client_id: &str, user: &str, clean: bool, keep_alive_s: u16) {
    begin(out, 0x10, 10 + 2 + client_id.len() + 2 + user.len());
    out.extend([0, 4, b'M', b'Q', b'T', b'T', 4, 0x80 | if clean { 2 } else { 0 }]);
    out.extend(keep_alive_s.to_be_bytes());
    text(out, client_id);
    text(out, user);
}

/// SUBSCRIBE to one filter with QoS 1.
pub fn subscribe(out: &mut Vec<u8>, id: u16, filter: &str) {
    begin(out, 0x82, 2 + 2 + filter.len() + 1);
    out.extend(id.to_be_bytes());
    text(out, filter);
    out.push(1);
}

/// Whether a message is to be kept for later subscribers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retain {
    /// It is not.
    No,
    /// It is.
    Yes,
}

/// PUBLISH with QoS 1. The payload is `head` and then `rest`.
pub fn publish(out: &mut Vec<u8>, topic: &str, id: u16, retain: Retain, head: &[u8], rest: &[u8]) {
    begin(out, 0x32 | retain as u8, 2 + topic.len() + 2 + head.len() + rest.len());
    text(out, topic);
    out.extend(id.to_be_bytes());
    out.extend(head);
    out.extend(rest);
}

/// PUBACK.
pub fn puback(out: &mut Vec<u8>, id: u16) {
    let [high, low] = id.to_be_bytes();
    out.extend([0x40, 2, high, low]);
}

/// DISCONNECT.
pub fn disconnect(out: &mut Vec<u8>) {
    out.extend([0xe0, 0]);
}

fn begin(out: &mut Vec<u8>, first: u8, mut length: usize) {
    out.push(first);
    while length > 0x7f {
        out.push(length as u8 & 0x7f | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
}

fn text(out: &mut Vec<u8>, text: &str) {
    let bytes = u16::try_from(text.len()).expect("topics and names of the bench are short");
    out.extend(bytes.to_be_bytes());
    out.extend(text.as_bytes());
}
