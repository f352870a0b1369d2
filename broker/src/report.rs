//! The broker's own topics, `view/broker` and those below `$SYS/broker/`, and the housekeeping that goes with its
//! rhythm.

use crate::counters::Counters;
use crate::door::Door;
use crate::message::Draft;
use crate::packet::QoS;
use crate::properties::Properties;
use crate::sys;
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

/// Publishes what has changed, and ends sessions that have expired.
pub async fn run(door: Arc<Door>) {
    let (started, mut last, mut said) = (Instant::now(), None, HashMap::new());
    let mut tick = tokio::time::interval(REPORT_EVERY);
    loop {
        tick.tick().await;
        door.expire_old(Instant::now());
        let counters = door.counters();
        let report = Report::of(&counters);
        if last.as_ref() != Some(&report) {
            let json = serde_json::to_vec(&report).expect("numbers are always JSON");
            say(&door, &protocol::Topic::ViewBroker.to_string(), &json).await;
            last = Some(report);
        }
        for (topic, text) in sys::texts(&counters, started.elapsed()) {
            if said.get(topic) != Some(&text) {
                say(&door, topic, text.as_bytes()).await;
                said.insert(topic, text);
            }
        }
    }
}

async fn say(door: &Door, topic: &str, payload: &[u8]) {
    // A dead router is noticed by the probe.
    let _ = door.say(Draft::message(topic, payload, QoS::One, true, &Properties::default())).await;
}
