//! The wire of one edge, with a meter in it.

use super::stage::PATIENCE;
use anyhow::{Result, ensure};
use edge::Identity;
use fault_proxy::FaultProxy;
use std::{
    net::SocketAddr,
    path::Path,
    time::{Duration, Instant},
};

/// Nothing has gone through for so long: nothing is on its way. Longer than any pause inside a repair or a report.
const QUIET: Duration = Duration::from_millis(700);
/// How often the meter is read; nothing tells of bytes that do not come.
const LOOK: Duration = Duration::from_millis(20);

/// A wire to the broker, fair all the time.
pub struct Metered(FaultProxy);

impl Metered {
    /// Lays it to `broker` and makes the edge of a state folder connect by it from its next start on.
    pub fn lay(broker: SocketAddr, state: &Path) -> Result<Metered> {
        let wire = FaultProxy::lay(0);
        wire.to(broker);
        let mut identity = Identity::load(state)?;
        identity.port = wire.address.port();
        identity.store(state)?;
        Ok(Metered(wire))
    }

    /// Waits until nothing goes through any more, and tells how many bytes have so far, there and back: packets of
    /// MQTT, without the headers of TCP and IP.
    pub async fn quiet(&self) -> Result<u64> {
        let deadline = Instant::now() + PATIENCE;
        let (mut bytes, mut since) = (self.0.carried(), Instant::now());
        while since.elapsed() < QUIET {
            ensure!(Instant::now() < deadline, "the wire does not come to rest");
            tokio::time::sleep(LOOK).await;
            if self.0.carried() != bytes {
                (bytes, since) = (self.0.carried(), Instant::now());
            }
        }
        Ok(bytes)
    }
}
