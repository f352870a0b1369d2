//! A wire for MQTT that does to packets what networks do, and counts their bytes: for tests and measurements, between a
//! client and its broker on loopback. It trusts both ends and panics where the machine itself fails.
#![allow(clippy::unwrap_used)]

mod frames;
mod random;
mod way;

pub use random::Random;

use std::{
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};
use way::Direction;

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
    /// A connection ends as soon as the broker would send a packet that holds these bytes; it is not delivered.
    CutBefore(&'static [u8]),
    /// Nobody gets through: connections are ended at once.
    Cut,
    /// Connections are taken, and what is sent disappears; they end when this ends.
    HalfOpen,
    /// So many of a hundred publishes come twice.
    Duplicate(usize),
    /// So many of a hundred publishes are overtaken by the next one.
    Reorder(usize),
}

/// The wire. Clones are the same wire.
#[derive(Clone)]
pub struct FaultProxy {
    /// Where the client connects.
    pub address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
    carried: Arc<AtomicU64>,
}

struct Shared {
    broker: Option<SocketAddr>,
    fault: Fault,
    random: Random,
    open: Vec<TcpStream>,
    cuts: usize,
}

impl FaultProxy {
    /// Lays a wire whose other end is not connected yet; `seed` decides which packets a fault meets.
    ///
    /// # Panics
    /// When this machine has no port left.
    pub fn lay(seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (fault, random) = (Fault::Fair, Random::of(seed));
        let shared = Shared { broker: None, fault, random, open: Vec::new(), cuts: 0 };
        let proxy = Self { address, shared: Arc::new(Mutex::new(shared)), carried: Arc::default() };
        let accepting = proxy.clone();
        thread::spawn(move || listener.incoming().flatten().for_each(|client| accepting.connect(client)));
        proxy
    }

    /// Connects the other end.
    pub fn to(&self, broker: SocketAddr) {
        self.shared.lock().unwrap().broker = Some(broker);
    }

    /// Begins a fault, or ends it with [`Fault::Fair`].
    pub fn turn(&self, fault: Fault) {
        let was = std::mem::replace(&mut self.shared.lock().unwrap().fault, fault);
        if fault == Fault::Cut || (was == Fault::HalfOpen && fault != was) {
            self.cut();
        }
    }

    /// Ends every connection.
    pub fn cut(&self) {
        for stream in self.shared.lock().unwrap().open.drain(..) {
            // One that has ended already is all the better.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// How many connections ended because of [`Fault::CutBefore`].
    pub fn cuts(&self) -> usize {
        self.shared.lock().unwrap().cuts
    }

    /// Bytes carried so far, both directions together.
    pub fn carried(&self) -> u64 {
        self.carried.load(Ordering::Relaxed)
    }

    /// Takes a client in, unless nobody gets through or no broker is there.
    fn connect(&self, client: TcpStream) {
        let mut shared = self.shared.lock().unwrap();
        let Some(broker) = shared.broker.filter(|_| shared.fault != Fault::Cut) else { return };
        let Ok(broker) = TcpStream::connect(broker) else { return };
        shared.open.retain(|stream| stream.peer_addr().is_ok());
        for stream in [&client, &broker] {
            stream.set_nodelay(true).unwrap();
            shared.open.push(stream.try_clone().unwrap());
        }
        way::lay(self, client, broker);
    }

    /// The fault of this moment, and a number to decide by.
    fn now(&self) -> (Fault, Random) {
        let mut shared = self.shared.lock().unwrap();
        let number = shared.random.number();
        (shared.fault, Random::of(number))
    }

    /// Whether the connection must end before this packet.
    fn cut_before(&self, direction: Direction, packet: &[u8]) -> bool {
        let mut shared = self.shared.lock().unwrap();
        let (Fault::CutBefore(mark), Direction::Down) = (shared.fault, direction) else { return false };
        let held = packet.windows(mark.len()).any(|window| window == mark);
        shared.cuts += usize::from(held);
        held
    }

    /// How many of `bytes` go through before the cut; `None` when none is due.
    fn cut_within(&self, bytes: usize) -> Option<usize> {
        let mut shared = self.shared.lock().unwrap();
        let Fault::CutAt(left) = shared.fault else { return None };
        let after = left.checked_sub(bytes as u64);
        shared.fault = after.map_or(Fault::Fair, Fault::CutAt);
        after.is_none().then_some(left as usize)
    }

    fn count(&self, bytes: usize) {
        self.carried.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}
