//! The only clock of the website.

use protocol::UnixMs;
use std::time::{SystemTime, UNIX_EPOCH};

/// Now, by the machine's clock.
pub fn now() -> UnixMs {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMs(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
