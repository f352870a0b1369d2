//! Publishes the wills that have waited long enough.

use super::core::Core;
use std::sync::Arc;

/// Publishes wills when they are due.
pub async fn run(core: Arc<Core>) {
    loop {
        let will = core.wills.next().await;
        // A dead router is noticed by the probe.
        let _ = core.publish(will).await;
    }
}
