//! The only file that knows rumqttd: its router as the live bus, behind a handful of links that live as long as
//! the broker does.
//!
//! Each lane is one link, one topic and one filter, all fixed at start. So the router never sees a client come
//! or go, never meets a new topic or filter, and interprets no byte that a client chose; what it carries are
//! opaque envelopes of QoS 0. That leaves four rules to keep:
//!
//! - `build` waits for the router, so it is called from a blocking thread (`start` is).
//! - Sending an event waits when the router's channel of 1,000 is full. `Inlet::push` sends one only when the
//!   link's buffer was empty; the router takes the whole buffer for one event, so at most two events of a lane
//!   are ever under way and the channel cannot fill up. Hence `push` never waits.
//! - The router stops reading a log for a link after 200 unread messages, and says so; the link must then be
//!   woken exactly once, while it is registered (it always is).
//! - A link that has ended may not be woken, or the router panics. Ours never end: they are the only links of this
//!   router, and its thread cannot be stopped anyway. It sleeps from the broker's stop
//!   to the end of the process.
//!
//! The logs hold `SEGMENTS` segments of `SEGMENT_BYTES` a lane. A lane never has more than `lane::IN_TRANSIT_BYTES`
//! under way, which is less than the log keeps, so its reader cannot be outrun; should it be all the same, the
//! counter in the envelopes shows it.

use super::message::LANES;
use bytes::Bytes;
use rumqttd::local::{LinkBuilder, LinkRx, LinkTx};
use rumqttd::protocol::{Packet, Publish};
use rumqttd::{Notification, RouterConfig};

/// Bytes of one segment of a lane's log.
const SEGMENT_BYTES: usize = 1 << 20;
/// Segments of a lane's log. While a new one is filled, `SEGMENTS - 1` complete ones are kept.
const SEGMENTS: usize = 3;

const NAMES: [&str; LANES] = ["lane-0", "lane-1", "lane-2", "lane-3"];

/// The router is gone: its thread has ended, or it never answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the router's thread has ended")]
pub struct RouterDied;

/// Starts a router and connects every lane to it. Waits for the router: not for async threads.
pub fn start() -> Result<Vec<(Inlet, Outlet)>, RouterDied> {
    let config = RouterConfig {
        max_connections: LANES,
        max_outgoing_packet_count: 500,
        max_segment_size: SEGMENT_BYTES,
        max_segment_count: SEGMENTS,
        ..RouterConfig::default()
    };
    let events = rumqttd::Router::new(0, config).spawn();
    let connect = |name| -> Result<_, RouterDied> {
        let (mut tx, rx, _) = LinkBuilder::new(name, events.clone()).build().map_err(|_| RouterDied)?;
        tx.subscribe(name).map_err(|_| RouterDied)?;
        Ok((Inlet { link: tx, name }, Outlet { link: rx }))
    };
    NAMES.into_iter().map(connect).collect()
}

/// Where envelopes enter a lane.
pub struct Inlet {
    link: LinkTx,
    name: &'static str,
}

impl Inlet {
    /// Puts an envelope behind all that were pushed before. Does not wait.
    pub fn push(&mut self, envelope: Bytes) -> Result<(), RouterDied> {
        let publish = Publish::new(Bytes::from_static(self.name.as_bytes()), envelope, false);
        self.send(Packet::Publish(publish, None))
    }

    /// A topic whose first letter takes two bytes makes the router's thread panic.
    #[cfg(test)]
    pub fn kill_router(&mut self) {
        let publish = Publish::new(Bytes::from_static("é".as_bytes()), Bytes::new(), false);
        self.send(Packet::Publish(publish, None)).expect("the router was alive");
    }

    fn send(&mut self, packet: Packet) -> Result<(), RouterDied> {
        let mut waiting = self.link.buffer();
        if !waiting.is_empty() {
            // The push that found the buffer empty has sent an event that the router has not come to yet.
            waiting.push_back(packet);
            return Ok(());
        }
        drop(waiting);
        // `send` is async in name only: it never yields.
        let sent = std::pin::pin!(self.link.send(packet));
        match poll_once(sent) {
            Some(Ok(_)) => Ok(()),
            Some(Err(_)) | None => Err(RouterDied),
        }
    }
}

fn poll_once<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.poll(&mut context) {
        std::task::Poll::Ready(output) => Some(output),
        std::task::Poll::Pending => None,
    }
}

/// Where envelopes leave a lane, in the order in which they entered.
pub struct Outlet {
    link: LinkRx,
}

impl Outlet {
    /// The next envelope. Waits for one; loses none when cancelled.
    pub async fn next(&mut self) -> Result<Bytes, RouterDied> {
        loop {
            match self.link.next().await.map_err(|_| RouterDied)? {
                Some(Notification::Forward(forward)) => return Ok(forward.publish.payload),
                Some(Notification::Unschedule) => self.link.wake().await.map_err(|_| RouterDied)?,
                Some(Notification::Disconnect(..)) => return Err(RouterDied),
                Some(_) | None => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Far more than the router's channel and a link's buffer hold, pushed while the outlet is not read.
    #[tokio::test]
    async fn a_lane_keeps_its_order_and_pushing_does_not_wait() {
        let mut links = start().unwrap();
        let (mut inlet, mut outlet) = links.remove(1);
        let count = 20_000_u32;
        for n in 0..count {
            inlet.push(Bytes::copy_from_slice(&n.to_be_bytes())).unwrap();
        }
        for n in 0..count {
            assert_eq!(outlet.next().await.unwrap(), n.to_be_bytes()[..]);
        }
        // What is left is the lane as it was: nothing more comes, and the others are not disturbed.
        let (mut other, mut its_outlet) = links.remove(0);
        other.push(Bytes::from_static(b"another lane")).unwrap();
        assert_eq!(its_outlet.next().await.unwrap(), "another lane");
        inlet.push(Bytes::from_static(b"one more")).unwrap();
        assert_eq!(outlet.next().await.unwrap(), "one more");
    }
}
