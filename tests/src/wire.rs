//! The wire between an edge and the broker, in the hands of a test.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// What the wire does with what passes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Weather {
    /// Everything goes through.
    Fair,
    /// Nobody gets through: connections are ended at once.
    Cut,
    /// A connection ends as soon as the broker would send something that holds these bytes; they are not delivered.
    CutBefore(Vec<u8>),
}

struct Shared {
    broker: Option<SocketAddr>,
    weather: Weather,
    cuts: usize,
    open: Vec<TcpStream>,
}

/// A TCP proxy on a port of its own.
#[derive(Clone)]
pub struct Wire {
    /// Where edges connect.
    pub address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

impl Wire {
    /// Lays a wire whose other end is not connected yet.
    pub fn lay() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Shared { broker: None, weather: Weather::Fair, cuts: 0, open: Vec::new() };
        let wire = Self { address, shared: Arc::new(Mutex::new(shared)) };
        let accepting = wire.clone();
        thread::spawn(move || listener.incoming().flatten().for_each(|edge| accepting.carry(edge)));
        wire
    }

    /// Connects the other end.
    pub fn to(&self, broker: SocketAddr) {
        self.shared.lock().unwrap().broker = Some(broker);
    }

    /// Changes the weather. What is connected while it turns to [`Weather::Cut`] is cut.
    pub fn turn(&self, weather: Weather) {
        let mut shared = self.shared.lock().unwrap();
        shared.weather = weather;
        if shared.weather == Weather::Cut {
            for stream in shared.open.drain(..) {
                let _ = stream.shutdown(Shutdown::Both);
            }
        }
    }

    /// How many connections ended because of [`Weather::CutBefore`].
    pub fn cuts(&self) -> usize {
        self.shared.lock().unwrap().cuts
    }

    fn carry(&self, edge: TcpStream) {
        let mut shared = self.shared.lock().unwrap();
        let Some(broker) = shared.broker.filter(|_| shared.weather != Weather::Cut) else { return };
        let Ok(broker) = TcpStream::connect(broker) else { return };
        for stream in [&edge, &broker] {
            stream.set_nodelay(true).unwrap();
            shared.open.push(stream.try_clone().unwrap());
        }
        let (up_from, up_to) = (edge.try_clone().unwrap(), broker.try_clone().unwrap());
        thread::spawn(move || pump(up_from, up_to, |_| true));
        let wire = self.clone();
        thread::spawn(move || pump(broker, edge, |bytes| wire.lets_through(bytes)));
    }

    fn lets_through(&self, bytes: &[u8]) -> bool {
        let mut shared = self.shared.lock().unwrap();
        let Weather::CutBefore(mark) = &shared.weather else { return true };
        let held = bytes.windows(mark.len()).any(|window| window == mark.as_slice());
        shared.cuts += usize::from(held);
        !held
    }
}

/// Carries bytes until either end closes or `lets_through` says no, then closes both.
fn pump(mut from: TcpStream, mut to: TcpStream, lets_through: impl Fn(&[u8]) -> bool) {
    let mut bytes = [0; 64 * 1024];
    while let Ok(n @ 1..) = from.read(&mut bytes) {
        if !lets_through(&bytes[..n]) || to.write_all(&bytes[..n]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
