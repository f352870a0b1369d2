//! How many connections each address has, so that one cannot take all places.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

/// The addresses that have connections now.
#[derive(Debug, Clone, Default)]
pub struct Addresses(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// One connection's place; given back when dropped.
#[derive(Debug)]
pub struct Place {
    addresses: Addresses,
    address: IpAddr,
}

impl Addresses {
    /// A place for one more connection of this address, unless it has `max` of them.
    pub fn enter(&self, address: IpAddr, max: usize) -> Option<Place> {
        let address = address.to_canonical();
        let mut counts = self.0.lock();
        let count = counts.get(&address).copied().unwrap_or(0);
        if count >= max {
            return None;
        }
        counts.insert(address, count + 1);
        Some(Place { addresses: self.clone(), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.addresses.0.lock();
        match counts.get_mut(&self.address) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                counts.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_so_many_places_and_another_has_its_own() {
        let addresses = Addresses::default();
        let [a, mapped, b]: [IpAddr; 3] =
            ["10.0.0.1", "::ffff:10.0.0.1", "10.0.0.2"].map(|ip| ip.parse().unwrap());
        let first = addresses.enter(a, 2).unwrap();
        let second = addresses.enter(mapped, 2).unwrap();
        assert!(addresses.enter(a, 2).is_none());
        let _other = addresses.enter(b, 2).unwrap();
        drop(first);
        let third = addresses.enter(a, 2).unwrap();
        assert!(addresses.enter(mapped, 2).is_none());
        drop((second, third));
        assert_eq!(addresses.0.lock().len(), 1, "nothing is kept of an address without connections");
    }
}
