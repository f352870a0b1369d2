//! The broker's own topic, `view/broker`, and the housekeeping that goes with its rhythm.

use crate::counters::Counters;
use crate::door::Door;
use crate::message::Draft;
use crate::packet::QoS;
use crate::properties::Properties;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

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

/// Publishes the report whenever it has changed, and ends sessions that have expired.
pub async fn run(door: Arc<Door>) {
    let mut last = None;
    let mut tick = tokio::time::interval(REPORT_EVERY);
    loop {
        tick.tick().await;
        door.expire_old(tokio::time::Instant::now());
        let report = Report::of(&door.counters());
        if last.as_ref() != Some(&report) {
            let json = serde_json::to_vec(&report).expect("numbers are always JSON");
            let topic = protocol::Topic::ViewBroker.to_string();
            // A dead router is noticed by the probe.
            let _ = door.publish(Draft::message(&topic, &json, QoS::One, true, &Properties::default())).await;
            last = Some(report);
        }
    }
}
