//! A wire for MQTT that does to packets what networks do: seeded, one for each client.

use crate::{
    Random,
    frames::{self, Frames},
};
use std::{
    collections::VecDeque,
    io::{ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

/// How long a publish is held back for another one to overtake it.
const HELD: Duration = Duration::from_millis(15);

/// What the wire does, in both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Everything goes through.
    Fair,
    /// Every packet is late by up to so many milliseconds.
    Delay(u64),
    /// So many bytes a second.
    Throttle(u64),
    /// After so many bytes the connection ends, in the middle of a packet where that is so; then all is fair again.
    CutAt(u64),
    /// Connections are taken, and what is sent disappears; they end when this ends.
    HalfOpen,
    /// So many of a hundred publishes come twice.
    Duplicate(usize),
    /// So many of a hundred publishes are overtaken by the next one.
    Reorder(usize),
}

struct Shared {
    broker: SocketAddr,
    fault: Fault,
    random: Random,
    open: Vec<TcpStream>,
}

/// The wire.
#[derive(Clone)]
pub struct FaultProxy {
    /// Where the client connects.
    pub address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
    carried: Arc<AtomicU64>,
}

/// The publishes of one direction that were sent twice: the client or broker acknowledges both, and the sender must
/// hear of one.
type Twice = Arc<Mutex<VecDeque<[u8; 2]>>>;

impl FaultProxy {
    /// Lays a wire to `broker`.
    pub fn lay(broker: SocketAddr, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Shared { broker, fault: Fault::Fair, random: Random::of(seed), open: Vec::new() };
        let proxy = Self { address, shared: Arc::new(Mutex::new(shared)), carried: Arc::default() };
        let accepting = proxy.clone();
        thread::spawn(move || listener.incoming().flatten().for_each(|client| accepting.connect(client)));
        proxy
    }

    /// Connects the other end.
    pub fn to(&self, broker: SocketAddr) {
        self.shared.lock().unwrap().broker = broker;
    }

    /// Begins a fault, or ends it with [`Fault::Fair`].
    pub fn turn(&self, fault: Fault) {
        let was = std::mem::replace(&mut self.shared.lock().unwrap().fault, fault);
        if was == Fault::HalfOpen && fault != was {
            self.cut();
        }
    }

    /// Ends every connection.
    pub fn cut(&self) {
        for stream in self.shared.lock().unwrap().open.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Bytes carried so far, both directions together.
    pub fn carried(&self) -> u64 {
        self.carried.load(Ordering::Relaxed)
    }

    fn connect(&self, client: TcpStream) {
        let mut shared = self.shared.lock().unwrap();
        let Ok(broker) = TcpStream::connect(shared.broker) else { return };
        shared.open.retain(|stream| stream.peer_addr().is_ok());
        for stream in [&client, &broker] {
            stream.set_nodelay(true).unwrap();
            stream.set_read_timeout(Some(HELD)).unwrap();
            shared.open.push(stream.try_clone().unwrap());
        }
        let [up, down] = [Twice::default(), Twice::default()];
        let ways = [
            (client.try_clone().unwrap(), broker.try_clone().unwrap(), up.clone(), down.clone()),
            (broker, client, down, up),
        ];
        for (from, to, ours, theirs) in ways {
            let mut way = Way { proxy: self.clone(), to, held: None, ours, theirs };
            thread::spawn(move || way.carry(from));
        }
    }

    /// The fault of this moment, and a number to decide by.
    fn now(&self) -> (Fault, Random) {
        let mut shared = self.shared.lock().unwrap();
        let number = shared.random.number();
        (shared.fault, Random::of(number))
    }

    /// How many of `bytes` go through before the cut; `None` when none is due.
    fn cut_within(&self, bytes: usize) -> Option<usize> {
        let mut shared = self.shared.lock().unwrap();
        let Fault::CutAt(left) = shared.fault else { return None };
        let after = left.checked_sub(bytes as u64);
        shared.fault = after.map_or(Fault::Fair, Fault::CutAt);
        after.is_none().then_some(left as usize)
    }
}

/// One direction of a connection.
struct Way {
    proxy: FaultProxy,
    to: TcpStream,
    held: Option<Vec<u8>>,
    /// Publishes of this direction that were sent twice, and of the other.
    ours: Twice,
    theirs: Twice,
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
        let _ = from.shutdown(Shutdown::Both);
        let _ = self.to.shutdown(Shutdown::Both);
    }

    /// Does with one packet what the weather wants; `None` ends the connection.
    fn pass(&mut self, packet: Vec<u8>) -> Option<()> {
        let (fault, mut random) = self.proxy.now();
        if fault == Fault::HalfOpen {
            return Some(());
        }
        if frames::acknowledged(&packet).is_some_and(|id| self.second(id)) {
            return Some(());
        }
        if let Some(held) = self.held.take() {
            let [first, second] = frames::swapped(held, packet);
            self.send(&first)?;
            return self.send(&second);
        }
        let publish = frames::id(&packet);
        match (fault, publish) {
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
        self.proxy.carried.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        let sent = self.to.write_all(bytes).is_ok();
        (sent && cut.is_none()).then_some(())
    }
}
