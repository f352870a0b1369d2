//! The broker's own topics, `view/broker` and those below `$SYS/broker/`, and the housekeeping
//! of the same interval.

use super::core::Core;
use crate::codec::packet::QoS;
use crate::codec::properties::Properties;
use crate::observe::counters::Counters;
use crate::observe::sys;
use crate::routing::message::Draft;
use serde::Serialize;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

const REPORT_EVERY: Duration = Duration::from_secs(10);

/// What people see under `view/broker`, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Report {
    /// Clients connected.
    clients: u64,
    /// Messages retained.
    retained: u64,
    /// Messages dropped for want of room.
    dropped: u64,
    /// Publishes, subscriptions and logins refused.
    refused: u64,
}

impl Report {
    fn of(counters: &Counters) -> Report {
        let Counters { clients, retained, dropped, refused, logins_refused, .. } = *counters;
        Report { clients, retained, dropped, refused: refused + logins_refused }
    }
}

/// Whether people find the broker's own numbers where the topic contract has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// Under `view/broker`, and under `$SYS/broker/`.
    Shown,
    /// Only under `$SYS/broker/`, which no wildcard at the first level matches: for clients that expect to find
    /// nothing but what they have published.
    Hidden,
}

/// Publishes what has changed, ends sessions that have expired, and sums up what was refused.
pub async fn run(core: Arc<Core>, view: View) {
    let (started, mut last, mut published) = (Instant::now(), None, HashMap::new());
    let mut tick = tokio::time::interval(REPORT_EVERY);
    loop {
        tick.tick().await;
        core.expire_old(Instant::now());
        core.denials.log_summary();
        let counters = core.counters();
        let report = Report::of(&counters);
        if view == View::Shown && last.as_ref() != Some(&report) {
            let json = serde_json::to_vec(&report).expect("numbers are always JSON");
            publish(&core, &protocol::Topic::ViewBroker.to_string(), &json).await;
            last = Some(report);
        }
        for (topic, text) in sys::texts(&counters, started.elapsed()) {
            if published.get(topic) != Some(&text) {
                publish(&core, topic, text.as_bytes()).await;
                published.insert(topic, text);
            }
        }
    }
}

async fn publish(core: &Core, topic: &str, payload: &[u8]) {
    // A dead router is noticed by the probe.
    let _ = core.publish_own(Draft::message(topic, payload, QoS::One, true, &Properties::default())).await;
}
