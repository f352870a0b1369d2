//! Publishes the wills that have waited long enough.

use super::core::Door;
use std::sync::Arc;

/// Publishes wills when they are due.
pub async fn run(door: Arc<Door>) {
    loop {
        let will = door.wills.next().await;
        // A dead router is noticed by the probe.
        let _ = door.publish(will).await;
    }
}
