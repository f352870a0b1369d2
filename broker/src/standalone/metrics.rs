//! The counters in Prometheus' text format.

use crate::observe::counters::Counters;
use serde_json::Value;
use std::fmt::Write;
use std::time::Duration;

/// What goes up and down; everything else only grows.
const GAUGES: [&str; 4] = ["clients", "sessions", "retained", "subscriptions"];

/// One line a counter, each with its type.
pub fn text(counters: &Counters, uptime: Duration) -> String {
    let mut text = String::new();
    let mut line = |name: &str, kind: &str, value: u64| {
        // Writing to a text cannot fail.
        let _ = writeln!(text, "# TYPE {name} {kind}\n{name} {value}");
    };
    line("broker_uptime_seconds", "gauge", uptime.as_secs());
    let Ok(Value::Object(fields)) = serde_json::to_value(counters) else { return text };
    for (name, value) in fields {
        let value = value.as_u64().unwrap_or_default();
        if GAUGES.contains(&name.as_str()) {
            line(&format!("broker_{name}"), "gauge", value);
        } else {
            line(&format!("broker_{name}_total"), "counter", value);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_has_a_type_and_a_value() {
        let counters = Counters { clients: 3, published: 7, ..Counters::default() };
        let text = text(&counters, Duration::from_secs(2));
        for expected in [
            "# TYPE broker_clients gauge\nbroker_clients 3\n",
            "# TYPE broker_published_total counter\nbroker_published_total 7\n",
            "broker_uptime_seconds 2\n",
            "broker_subscriptions 0\n",
        ] {
            assert!(text.contains(expected), "{text}");
        }
        assert!(
            text.lines().all(|line| line.starts_with("# TYPE ") || line.split(' ').count() == 2),
            "{text}"
        );
    }
}
