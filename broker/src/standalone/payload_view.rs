//! The content of a message, for people: our own kinds by their topic, JSON as it is, and never a vector.

use protocol::message::{Change, Inbox, Report, SignedHead, Visit};
use protocol::{Topic, codec::Message};
use serde::Serialize;
use serde_json::{Value, json};

/// Lists of more numbers than this are shown by their length only: no readable field is longer, and most vectors are.
const NUMBERS_MAX: usize = 16;
/// A text of another kind is cut after so many characters.
const TEXT_CHARS: usize = 200;

/// A message as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Shown {
    /// Its topic.
    pub topic: String,
    /// What it is.
    pub kind: &'static str,
    /// Whether it is a retained one.
    pub retained: bool,
    /// The length of its payload.
    pub bytes: usize,
    /// Its content.
    pub message: Value,
}

impl Shown {
    /// Decodes a message.
    pub fn of(topic: &str, payload: &[u8], retained: bool) -> Shown {
        let (kind, mut message) = decode(topic, payload);
        without_vectors(&mut message);
        Shown { topic: topic.to_owned(), kind, retained, bytes: payload.len(), message }
    }

    /// One line for people.
    pub fn line(&self) -> String {
        let retained = if self.retained { " (retained)" } else { "" };
        // A topic may hold what a terminal would act upon.
        let topic = self.topic.escape_debug();
        match &self.message {
            Value::Null => format!("{topic}{retained} {}, {} bytes", self.kind, self.bytes),
            message => format!("{topic}{retained} {}: {message}", self.kind),
        }
    }
}

fn decode(topic: &str, payload: &[u8]) -> (&'static str, Value) {
    if payload.is_empty() {
        return ("empty", Value::Null);
    }
    match topic.parse() {
        Ok(Topic::Customer(..)) => ours::<Change>("change", payload),
        Ok(Topic::Head(..)) => ours::<SignedHead>("head", payload),
        Ok(Topic::Inbox(..)) => ours::<Inbox>("inbox", payload),
        Ok(Topic::Report(..)) => ours::<Report>("report", payload),
        Ok(Topic::Visits(..)) => ours::<Visit>("visit", payload),
        Ok(
            Topic::ViewEdge(..)
            | Topic::ViewCustomer(..)
            | Topic::ViewHead(..)
            | Topic::ViewChanges(..)
            | Topic::ViewVisits(..)
            | Topic::ViewBroker,
        )
        | Err(_) => other(payload),
    }
}

fn ours<M: Message>(kind: &'static str, payload: &[u8]) -> (&'static str, Value) {
    match M::decode(payload) {
        Ok(message) => (kind, serde_json::to_value(&message).unwrap_or(Value::Null)),
        Err(_) => ("malformed", Value::Null),
    }
}

fn other(payload: &[u8]) -> (&'static str, Value) {
    match (serde_json::from_slice(payload), std::str::from_utf8(payload)) {
        (Ok(value), _) => ("json", value),
        (Err(_), Ok(text)) => ("text", Value::String(text.chars().take(TEXT_CHARS).collect())),
        (Err(_), Err(_)) => ("bytes", Value::Null),
    }
}

fn without_vectors(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    // Two bytes a component.
                    Value::Array(bytes) if name == "embedding" => {
                        *value = json!({ "dimension": bytes.len() / 2 })
                    }
                    _ => without_vectors(value),
                }
            }
        }
        Value::Array(items) if items.len() > NUMBERS_MAX && items.iter().all(Value::is_number) => {
            *value = json!({ "numbers": items.len() });
        }
        Value::Array(items) => items.iter_mut().for_each(without_vectors),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The golden bytes of each kind, which `protocol` keeps.
    fn golden(name: &str) -> Vec<u8> {
        let file = format!("{}/../protocol/tests/golden/{name}", env!("CARGO_MANIFEST_DIR"));
        let text: String = std::fs::read_to_string(file).unwrap().split_whitespace().collect();
        (0..text.len() / 2).map(|at| u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).unwrap()).collect()
    }

    fn longest_list(value: &Value) -> usize {
        match value {
            Value::Array(items) if items.iter().all(Value::is_number) => items.len(),
            Value::Array(items) => items.iter().map(longest_list).max().unwrap_or(0),
            Value::Object(fields) => fields.values().map(longest_list).max().unwrap_or(0),
            _ => 0,
        }
    }

    #[test]
    fn every_kind_of_ours_is_decoded_and_none_shows_a_vector() {
        let folder = format!("{}/../protocol/tests/golden", env!("CARGO_MANIFEST_DIR"));
        let mut seen = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let payload = golden(&name);
            let topics = [
                ("store/A/customers/f1", "change"),
                ("store/A/customers", "head"),
                ("store/A/edges/e1/inbox", "inbox"),
                ("store/A/edges/e1/report", "report"),
                ("store/A/visits/e1", "visit"),
            ];
            let wanted = name.split('_').nth(1).unwrap().trim_end_matches(".hex");
            for (topic, kind) in topics {
                let shown = Shown::of(topic, &payload, false);
                assert!(longest_list(&shown.message) <= NUMBERS_MAX, "{name}: {}", shown.line());
                if wanted == kind {
                    assert_eq!(shown.kind, kind, "{name}");
                    seen += 1;
                }
            }
        }
        assert_eq!(seen, 14, "every golden message");
    }

    #[test]
    fn what_is_not_ours_is_shown_as_far_as_it_can_be() {
        let long = serde_json::to_vec(&json!({ "x": vec![0.5; 128] })).unwrap();
        let short = br#"{"embedding":[1,2,3,4]}"#;
        for (topic, payload, expected) in [
            ("view/A/head", &b"{\"seq\":3}"[..], r#"view/A/head json: {"seq":3}"#),
            ("a", b"hello", r#"a text: "hello""#),
            ("a", b"\xff\xfe", "a bytes, 2 bytes"),
            ("a", b"", "a empty, 0 bytes"),
            ("a\u{1b}[2J", b"", "a\\u{1b}[2J empty, 0 bytes"),
            ("a", &long, r#"a json: {"x":{"numbers":128}}"#),
            ("a", short, r#"a json: {"embedding":{"dimension":2}}"#),
            ("store/A/customers/f1", b"\x07rubbish", "store/A/customers/f1 malformed, 8 bytes"),
        ] {
            assert_eq!(Shown::of(topic, payload, false).line(), expected);
        }
        assert_eq!(Shown::of("a", b"", true).line(), "a (retained) empty, 0 bytes");
    }
}
