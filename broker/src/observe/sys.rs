//! The topics that dashboards for MQTT brokers know, under `$SYS/broker/`, each with a plain text.

use super::counters::Counters;
use std::time::Duration;

/// What they begin with.
pub const ROOT: &str = "$SYS/broker/";

/// Every topic with what it says now.
pub fn texts(counters: &Counters, uptime: Duration) -> Vec<(&'static str, String)> {
    let Counters { clients, sessions, retained, subscriptions, published, delivered, .. } = *counters;
    let numbers = [
        ("$SYS/broker/clients/connected", clients),
        ("$SYS/broker/clients/disconnected", sessions.saturating_sub(clients)),
        ("$SYS/broker/clients/total", sessions),
        ("$SYS/broker/clients/expired", counters.sessions_expired),
        ("$SYS/broker/messages/received", published),
        ("$SYS/broker/messages/sent", delivered),
        ("$SYS/broker/publish/messages/received", published),
        ("$SYS/broker/publish/messages/sent", delivered),
        ("$SYS/broker/publish/messages/dropped", counters.dropped),
        ("$SYS/broker/retained messages/count", retained),
        ("$SYS/broker/subscriptions/count", subscriptions),
    ];
    let texts = [
        ("$SYS/broker/version", format!("regulars broker {}", env!("CARGO_PKG_VERSION"))),
        ("$SYS/broker/uptime", format!("{} seconds", uptime.as_secs())),
    ];
    let numbers = numbers.map(|(topic, number)| (topic, number.to_string()));
    texts.into_iter().chain(numbers).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_has_a_topic_of_its_own_below_the_root() {
        let counters = Counters { sessions: 3, clients: 1, ..Counters::default() };
        let texts = texts(&counters, Duration::from_millis(2_900));
        let topics: std::collections::HashSet<_> = texts.iter().map(|(topic, _)| *topic).collect();
        assert_eq!(topics.len(), texts.len());
        assert!(topics.iter().all(|topic| topic.starts_with(ROOT)));
        for expected in [
            ("$SYS/broker/uptime", "2 seconds"),
            ("$SYS/broker/clients/connected", "1"),
            ("$SYS/broker/clients/disconnected", "2"),
        ] {
            assert!(texts.iter().any(|(topic, text)| (*topic, text.as_str()) == expected), "{expected:?}");
        }
    }
}
