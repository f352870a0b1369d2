//! Who may stay: a bound on connections, on those of one address, and on those that have not said who they are.

use crate::limits::Limits;
use crate::observe::counters::Tally;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// The places there are, over all listeners.
pub struct Places {
    all: Arc<Semaphore>,
    half_open: Arc<Semaphore>,
    per_address: usize,
    addresses: Mutex<HashMap<IpAddr, usize>>,
}

/// A connection that has been given a place; it is given back on drop.
pub struct Caller {
    /// Who it is.
    pub peer: SocketAddr,
    /// When its CONNECT must be complete, whatever has to be said before it.
    pub connect_by: Instant,
    half_open: Option<OwnedSemaphorePermit>,
    _all: OwnedSemaphorePermit,
    _address: AddressPlace,
}

struct AddressPlace {
    places: Arc<Places>,
    address: IpAddr,
}

impl Places {
    /// As many as the limits say.
    pub fn new(limits: &Limits) -> Places {
        Places {
            all: Arc::new(Semaphore::new(limits.connections)),
            half_open: Arc::new(Semaphore::new(limits.half_open)),
            per_address: limits.connections_per_address,
            addresses: Mutex::default(),
        }
    }

    /// A place for a connection that has just been made; without one it is counted, and has to go.
    pub fn take(self: &Arc<Self>, peer: SocketAddr, limits: &Limits, tally: &Tally) -> Option<Caller> {
        let Ok(all) = Arc::clone(&self.all).try_acquire_owned() else {
            tally.turned_away.add();
            return None;
        };
        let Some(address) = self.of_address(peer.ip()) else {
            tally.address_full.add();
            return None;
        };
        let Ok(half_open) = Arc::clone(&self.half_open).try_acquire_owned() else {
            tally.half_open_full.add();
            return None;
        };
        let connect_by = Instant::now() + limits.connect_deadline;
        Some(Caller { peer, connect_by, half_open: Some(half_open), _all: all, _address: address })
    }

    fn of_address(self: &Arc<Self>, peer: IpAddr) -> Option<AddressPlace> {
        let address = household(peer);
        let mut addresses = self.addresses.lock();
        let taken = addresses.entry(address).or_default();
        if *taken >= self.per_address {
            return None;
        }
        *taken += 1;
        Some(AddressPlace { places: Arc::clone(self), address })
    }
}

impl Caller {
    /// It has said who it is.
    pub fn introduced(&mut self) {
        self.half_open = None;
    }
}

impl Drop for AddressPlace {
    fn drop(&mut self) {
        let mut addresses = self.places.addresses.lock();
        if let Some(taken) = addresses.get_mut(&self.address) {
            *taken -= 1;
            if *taken == 0 {
                addresses.remove(&self.address);
            }
        }
    }
}

/// What one party has to itself: an IPv4 address, or the /64 network of an IPv6 one.
fn household(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_household_is_an_ipv4_address_or_a_64_bit_network() {
        for (address, expected) in [
            ("10.0.0.7", "10.0.0.7"),
            ("::ffff:10.0.0.7", "10.0.0.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("2001:db8:1:3::1", "2001:db8:1:3::"),
        ] {
            assert_eq!(household(address.parse().unwrap()), expected.parse::<IpAddr>().unwrap(), "{address}");
        }
    }

    #[test]
    fn places_are_counted_and_given_back() {
        let limits = Limits { connections: 4, connections_per_address: 2, half_open: 3, ..Limits::default() };
        let (places, tally) = (Arc::new(Places::new(&limits)), Tally::default());
        let take = |peer: &str| places.take(peer.parse().unwrap(), &limits, &tally);
        let (a, b) = (take("10.0.0.1:1"), take("10.0.0.1:2"));
        assert!(a.is_some() && b.is_some() && take("10.0.0.1:3").is_none());
        assert_eq!(tally.address_full.get(), 1);
        let mut c = take("10.0.0.2:1");
        assert!(take("10.0.0.3:1").is_none(), "three have not said who they are");
        assert_eq!(tally.half_open_full.get(), 1);
        c.as_mut().unwrap().introduced();
        let d = take("10.0.0.3:1");
        assert!(d.is_some() && take("10.0.0.4:1").is_none(), "four are there");
        assert_eq!(tally.turned_away.get(), 1);
        drop((a, b, c, d));
        assert!(places.addresses.lock().is_empty(), "nothing is remembered of who has gone");
        assert!(take("10.0.0.1:1").is_some());
    }
}
