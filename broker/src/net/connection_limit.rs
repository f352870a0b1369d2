//! Limits on open connections: in total, for one address, and for those that have not sent their CONNECT yet.

use crate::limits::Limits;
use crate::observe::counters::Tally;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// The connections that all listeners together may hold open.
pub struct ConnectionLimit {
    all: Arc<Semaphore>,
    half_open: Arc<Semaphore>,
    per_address: usize,
    addresses: Mutex<HashMap<IpAddr, usize>>,
}

/// A connection that counts against the limits until it is dropped.
pub struct Peer {
    /// The other end of the socket.
    pub address: SocketAddr,
    /// When its CONNECT must be complete, TLS and WebSocket handshakes included.
    pub connect_by: Instant,
    half_open: Option<OwnedSemaphorePermit>,
    _all: OwnedSemaphorePermit,
    _slot: AddressSlot,
}

struct AddressSlot {
    limit: Arc<ConnectionLimit>,
    address: IpAddr,
}

impl ConnectionLimit {
    /// As many as the limits say.
    pub fn new(limits: &Limits) -> ConnectionLimit {
        ConnectionLimit {
            all: Arc::new(Semaphore::new(limits.connections)),
            half_open: Arc::new(Semaphore::new(limits.half_open)),
            per_address: limits.connections_per_address,
            addresses: Mutex::default(),
        }
    }

    /// Admits a connection that has just been accepted. `None` when a limit is reached: that is counted, and the
    /// connection is to be closed.
    pub fn admit(self: &Arc<Self>, address: SocketAddr, limits: &Limits, tally: &Tally) -> Option<Peer> {
        let Ok(all) = Arc::clone(&self.all).try_acquire_owned() else {
            tally.turned_away.add();
            return None;
        };
        let Some(slot) = self.slot(address.ip()) else {
            tally.address_full.add();
            return None;
        };
        let Ok(half_open) = Arc::clone(&self.half_open).try_acquire_owned() else {
            tally.half_open_full.add();
            return None;
        };
        let connect_by = Instant::now() + limits.connect_deadline;
        Some(Peer { address, connect_by, half_open: Some(half_open), _all: all, _slot: slot })
    }

    fn slot(self: &Arc<Self>, address: IpAddr) -> Option<AddressSlot> {
        let address = limit_key(address);
        let mut addresses = self.addresses.lock();
        let taken = addresses.entry(address).or_default();
        if *taken >= self.per_address {
            return None;
        }
        *taken += 1;
        Some(AddressSlot { limit: Arc::clone(self), address })
    }
}

impl Peer {
    /// Its CONNECT is complete: it is no longer half open.
    pub fn connect_received(&mut self) {
        self.half_open = None;
    }
}

impl Drop for AddressSlot {
    fn drop(&mut self) {
        let mut addresses = self.limit.addresses.lock();
        if let Some(taken) = addresses.get_mut(&self.address) {
            *taken -= 1;
            if *taken == 0 {
                addresses.remove(&self.address);
            }
        }
    }
}

/// What connections are counted by: the IPv4 address, or the IPv6 /64, which one subscriber usually has to itself.
fn limit_key(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_key_is_an_ipv4_address_or_a_64_bit_network() {
        for (address, expected) in [
            ("10.0.0.7", "10.0.0.7"),
            ("::ffff:10.0.0.7", "10.0.0.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("2001:db8:1:3::1", "2001:db8:1:3::"),
        ] {
            assert_eq!(limit_key(address.parse().unwrap()), expected.parse::<IpAddr>().unwrap(), "{address}");
        }
    }

    #[test]
    fn connections_are_counted_until_they_are_dropped() {
        let limits = Limits { connections: 4, connections_per_address: 2, half_open: 3, ..Limits::default() };
        let (limit, tally) = (Arc::new(ConnectionLimit::new(&limits)), Tally::default());
        let admit = |address: &str| limit.admit(address.parse().unwrap(), &limits, &tally);
        let (a, b) = (admit("10.0.0.1:1"), admit("10.0.0.1:2"));
        assert!(a.is_some() && b.is_some() && admit("10.0.0.1:3").is_none());
        assert_eq!(tally.address_full.get(), 1);
        let mut c = admit("10.0.0.2:1");
        assert!(admit("10.0.0.3:1").is_none(), "three are half open");
        assert_eq!(tally.half_open_full.get(), 1);
        c.as_mut().unwrap().connect_received();
        let d = admit("10.0.0.3:1");
        assert!(d.is_some() && admit("10.0.0.4:1").is_none(), "four are there");
        assert_eq!(tally.turned_away.get(), 1);
        drop((a, b, c, d));
        assert!(limit.addresses.lock().is_empty(), "no counter is left of a closed connection");
        assert!(admit("10.0.0.1:1").is_some());
    }
}
