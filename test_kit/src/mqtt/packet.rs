//! What packets of either version are made of.

use std::time::Duration;
use tokio::{io::AsyncReadExt, net::TcpStream, time::timeout};

/// No client waits longer than this for a packet.
const DEADLINE: Duration = Duration::from_secs(10);

/// A string as it stands in a packet: two bytes of length, then its bytes.
pub fn text(text: &str) -> Vec<u8> {
    let mut bytes = u16::try_from(text.len()).unwrap().to_be_bytes().to_vec();
    bytes.extend(text.as_bytes());
    bytes
}

/// A packet: its first byte, the length of its body, its body.
pub fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    let mut length = body.len();
    while length > 127 {
        bytes.push(length as u8 & 127 | 128);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes.extend(body);
    bytes
}

pub(super) async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(DEADLINE, future).await.expect("nothing came in time")
}

/// The next packet: its first byte and its body; `None` when the broker has closed.
pub async fn read_packet(stream: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let first = within(stream.read_u8()).await.ok()?;
    let (mut length, mut shift) = (0, 0);
    loop {
        let byte = within(stream.read_u8()).await.ok()?;
        length |= usize::from(byte & 127) << shift;
        shift += 7;
        if byte < 128 {
            break;
        }
    }
    let mut body = vec![0; length];
    within(stream.read_exact(&mut body)).await.ok()?;
    Some((first, body))
}
