//! One direction of a connection, packet by packet.

use crate::{
    Fault, FaultProxy,
    frames::{self, Frames},
};
use std::{
    collections::VecDeque,
    io::{ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

/// How long a publish is held back for another one to overtake it.
const HELD: Duration = Duration::from_millis(15);

/// Which way packets go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From the client to the broker.
    Up,
    /// From the broker to the client.
    Down,
}

/// The publishes of one direction that were sent twice: the client or broker acknowledges both, and the sender must
/// hear of one.
type Twice = Arc<Mutex<VecDeque<[u8; 2]>>>;

struct Way {
    proxy: FaultProxy,
    direction: Direction,
    to: TcpStream,
    held: Option<Vec<u8>>,
    /// Publishes of this direction that were sent twice, and of the other.
    ours: Twice,
    theirs: Twice,
}

/// Carries packets between the two, each direction in a thread of its own, until either end closes.
pub(crate) fn lay(proxy: &FaultProxy, client: TcpStream, broker: TcpStream) {
    let [up, down] = [Twice::default(), Twice::default()];
    let ways = [
        (Direction::Up, client.try_clone().unwrap(), broker.try_clone().unwrap(), up.clone(), down.clone()),
        (Direction::Down, broker, client, down, up),
    ];
    for (direction, from, to, ours, theirs) in ways {
        from.set_read_timeout(Some(HELD)).unwrap();
        let mut way = Way { proxy: proxy.clone(), direction, to, held: None, ours, theirs };
        thread::spawn(move || way.carry(from));
    }
}

impl Way {
    fn carry(&mut self, mut from: TcpStream) {
        let (mut bytes, mut frames) = ([0; 16 * 1024], Frames::default());
        loop {
            let done = match from.read(&mut bytes) {
                Ok(0) => break,
                Ok(n) => {
                    frames.take_in(&bytes[..n]);
                    std::iter::from_fn(|| frames.next()).try_for_each(|packet| self.pass(packet))
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    self.held.take().map_or(Some(()), |packet| self.send(&packet))
                }
                Err(_) => break,
            };
            if done.is_none() {
                break;
            }
        }
        // One that has ended already is all the better.
        let _ = from.shutdown(Shutdown::Both);
        let _ = self.to.shutdown(Shutdown::Both);
    }

    /// Does with one packet what the fault wants; `None` ends the connection.
    fn pass(&mut self, packet: Vec<u8>) -> Option<()> {
        let (fault, mut random) = self.proxy.now();
        if fault == Fault::HalfOpen {
            return Some(());
        }
        if self.proxy.cut_before(self.direction, &packet) {
            return None;
        }
        if frames::acknowledged(&packet).is_some_and(|id| self.second(id)) {
            return Some(());
        }
        if let Some(held) = self.held.take() {
            let [first, second] = frames::swapped(held, packet);
            self.send(&first)?;
            return self.send(&second);
        }
        match (fault, frames::id(&packet)) {
            (Fault::Delay(ms), _) => thread::sleep(Duration::from_millis(random.number() % (ms + 1))),
            (Fault::Throttle(rate), _) => {
                thread::sleep(Duration::from_micros(packet.len() as u64 * 1_000_000 / rate));
            }
            (Fault::Duplicate(percent), Some(id)) if random.chance(percent) => {
                self.ours.lock().unwrap().push_back(id);
                self.send(&packet)?;
                let mut again = packet.clone();
                again[0] |= 0b1000;
                return self.send(&again);
            }
            (Fault::Reorder(percent), Some(_)) if random.chance(percent) => {
                self.held = Some(packet);
                return Some(());
            }
            _ => {}
        }
        self.send(&packet)
    }

    /// Whether this acknowledgement is the first of two for a publish of the other direction.
    fn second(&self, id: [u8; 2]) -> bool {
        let mut twice = self.theirs.lock().unwrap();
        let at = twice.iter().position(|sent| *sent == id);
        at.and_then(|at| twice.remove(at)).is_some()
    }

    fn send(&mut self, packet: &[u8]) -> Option<()> {
        let cut = self.proxy.cut_within(packet.len());
        let bytes = &packet[..cut.unwrap_or(packet.len())];
        self.proxy.count(bytes.len());
        let sent = self.to.write_all(bytes).is_ok();
        (sent && cut.is_none()).then_some(())
    }
}
