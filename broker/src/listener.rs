//! Accepts TCP connections.

use crate::addresses::Addresses;
use crate::connection;
use crate::door::Door;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// After an accept that failed for want of file handles, so that the loop does not spin.
const BREATH: Duration = Duration::from_millis(50);

/// Accepts connections for ever and serves each in its own task.
pub async fn run(listener: TcpListener, door: Arc<Door>, stop: CancellationToken, tasks: TaskTracker) {
    let places = Arc::new(Semaphore::new(door.limits.connections));
    let addresses = Addresses::default();
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!("a connection was not accepted: {error}");
                tokio::time::sleep(BREATH).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            door.tally.turned_away.add();
            continue;
        };
        let Some(address) = addresses.enter(peer.ip(), door.limits.connections_per_address) else {
            door.tally.turned_away_address.add();
            continue;
        };
        // Without this a small answer waits up to 40 ms for the acknowledgement of the one before.
        if stream.set_nodelay(true).is_err() {
            continue;
        }
        let (door, stop) = (Arc::clone(&door), stop.child_token());
        tasks.spawn(async move {
            stop.run_until_cancelled(connection::serve(stream, peer, &door)).await;
            drop((place, address));
        });
    }
}
